"""Live views for notebooks: `from helpers import ui`."""

from helpers.ui.actors import actor_tree
from helpers.ui.search import object_search_bar, task_search_bar
from helpers.ui.sweep import SweepView
from helpers.ui.times import task_completion_time_distribution
from helpers.ui.usage import cluster_usage, cpu_usage

__all__ = [
    "SweepView",
    "actor_tree",
    "cluster_usage",
    "cpu_usage",
    "object_search_bar",
    "task_completion_time_distribution",
    "task_search_bar",
]
