"""The course's pictures, all in one look: `from helpers import plots`, then `plots.tree(...)`."""

from helpers.plots.clusters import landings, lost_machine, transfers
from helpers.plots.lines import curves, over_time, series, spans
from helpers.plots.look import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    as_html,
    figure,
)
from helpers.plots.mnist import confusion, digits
from helpers.plots.sweeps import best_so_far, family, reruns, stacked_bars, stints
from helpers.plots.trees import tree

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PALE",
    "PURPLE",
    "RED",
    "SKY",
    "YELLOW",
    "as_html",
    "best_so_far",
    "confusion",
    "curves",
    "digits",
    "family",
    "figure",
    "landings",
    "lost_machine",
    "over_time",
    "reruns",
    "series",
    "spans",
    "stacked_bars",
    "stints",
    "transfers",
    "tree",
]
