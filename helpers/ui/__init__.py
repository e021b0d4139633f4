"""Live views for notebooks: `from helpers import ui`."""

from helpers.ui.search import object_search_bar, task_search_bar
from helpers.ui.sweep import SweepView
from helpers.ui.times import task_completion_time_distribution

__all__ = [
    "SweepView",
    "object_search_bar",
    "task_completion_time_distribution",
    "task_search_bar",
]
