"""Problems for searchers that cost nothing to measure and whose best value is known."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from ray import tune


class Problem(NamedTuple):
    """Something to minimise.

    Attributes:
        objective: a config to a number; less is better.
        space: what a config may be, in `tune`'s words.
        best: the least number there is.
    """

    objective: Callable[[dict], float]
    space: dict
    best: float


def branin(config: dict) -> float:
    """Three valleys as deep as each other (Dixon and Szegö, 1978); x from -5 to 10, y 0 to 15."""
    x, y = config["x"], config["y"]
    bend = y - 5.1 * x**2 / (4 * math.pi**2) + 5 * x / math.pi - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_DEPTH = np.array([1.0, 1.2, 3.0, 3.2])
_STEEP = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_CENTRE = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(config: dict) -> float:
    """Four pits in six dimensions (Hartmann, 1973); x1 to x6, each from 0 to 1."""
    x = np.array([config[f"x{i}"] for i in range(1, 7)])
    return float(-(_DEPTH * np.exp(-(_STEEP * (x - _CENTRE) ** 2).sum(axis=1))).sum())


def training(config: dict) -> float:
    """A loss as a small network has it: a number on a log scale, a count and a choice.

    The best learning rate falls as the network grows, too small a network cannot learn all, and
    one activation needs half the rate. With lr 0.01, 128 units and relu nothing is left.
    """
    penalty, slower = {"relu": (0.0, 1.0), "tanh": (0.15, 0.5), "sigmoid": (0.5, 1.0)}[
        config["activation"]
    ]
    best_rate = 0.01 * slower * math.sqrt(128 / config["units"])
    off = math.log10(config["lr"] / best_rate)
    size = math.log2(config["units"] / 128)
    return penalty + 1 - math.exp(-0.6 * off**2) + 0.05 * size**2


PROBLEMS = {
    "Branin": Problem(branin, {"x": tune.uniform(-5, 10), "y": tune.uniform(0, 15)}, 0.397887),
    "Hartmann 6": Problem(hartmann, {f"x{i}": tune.uniform(0, 1) for i in range(1, 7)}, -3.322368),
    "training": Problem(
        training,
        {
            "lr": tune.loguniform(1e-5, 1),
            "units": tune.lograndint(8, 513),
            "activation": tune.choice(["relu", "tanh", "sigmoid"]),
        },
        0.0,
    ),
}
