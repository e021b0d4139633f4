"""Views of what runs in Ray, for notebooks: `from helpers import ui`."""

from typing import TYPE_CHECKING

from helpers.ui.actors import actor_tree
from helpers.ui.search_bars import object_search_bar, task_search_bar
from helpers.ui.timeline import lives, task_timeline
from helpers.ui.times import task_completion_time_distribution
from helpers.ui.usage import cluster_usage, cpu_usage

if TYPE_CHECKING:
    from helpers.ui.sweep import LivesView, SweepTally, SweepView

__all__ = [
    "LivesView",
    "SweepTally",
    "SweepView",
    "actor_tree",
    "cluster_usage",
    "cpu_usage",
    "lives",
    "object_search_bar",
    "task_completion_time_distribution",
    "task_search_bar",
    "task_timeline",
]


def __getattr__(name: str):
    if name in __all__:  # only when asked for: they import Ray Tune, which takes a second
        from helpers.ui import sweep

        return getattr(sweep, name)
    raise AttributeError(f"helpers.ui has no {name}")
