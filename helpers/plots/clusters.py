"""What ran on which machine of a cluster, and what it costs to move data."""

from collections import Counter
from collections.abc import Sequence

import matplotlib.pyplot as plt

from helpers.plots.look import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    YELLOW,
)


def landings(landed: dict[str, Sequence[str]], title: str) -> None:
    """Draw where tasks landed: a panel a way to place them, a row a machine, a mark a task.

    Args:
        landed: a way's name to the machines that its tasks ran on, in the order submitted.
        title: what the reader should see.
    """
    machines = sorted({machine for ran in landed.values() for machine in ran}, reverse=True)
    row = {machine: y for y, machine in enumerate(machines)}
    height = 0.26 * len(machines) + 0.35
    figure, axes = plt.subplots(
        len(landed), 1, sharex=True, squeeze=False, figsize=(7.5, height * len(landed) + 0.8)
    )
    for axis, (way, ran) in zip(axes.flat, landed.items(), strict=True):
        axis.scatter(range(len(ran)), [row[one] for one in ran], marker="s", s=22, color=BLUE)
        axis.set(yticks=list(row.values()), yticklabels=list(row), ylim=(-0.6, len(row) - 0.4))
        counts = ", ".join(f"{one} {count}" for one, count in Counter(ran).most_common())
        axis.set_title(f"{way}: {counts}", fontsize=10, fontweight="normal")
        axis.tick_params(axis="y", length=0)
    axes.flat[-1].set_xlabel("task, in the order submitted")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    plt.show()


def transfers(seconds: dict[str, dict[float, float]], title: str) -> None:
    """Draw how long it took to get an object, by its size, both on logarithmic axes.

    Args:
        seconds: a place's name to the seconds that each size, in MB, took to get there.
        title: what the reader should see.
    """
    axis = plt.figure(figsize=(7.5, 3.4)).subplots()
    for (place, took), colour in zip(seconds.items(), (ORANGE, BLUE), strict=False):
        axis.loglog(list(took), [1_000 * one for one in took.values()], "o-", color=colour)
        size, last = list(took.items())[-1]
        text = {"color": colour, "va": "center", "fontsize": 9, "annotation_clip": False}
        axis.annotate(
            f" {place}", (size, 1_000 * last), xytext=(6, 0), textcoords="offset points", **text
        )
    axis.set(xlabel="object, MB", ylabel="time to get it, ms", title=title)
    plt.show()


def lost_machine(
    runs: Sequence[tuple[int, str, float, float | None]], died: float, known: float, title: str
) -> None:
    """Draw who ran what when while a machine died: a row a machine, a bar a run of a task.

    Args:
        runs: in the order begun, each a task's number, its machine, and the seconds since 1970
            when it began and ended; None where it never ended.
        died: seconds since 1970 when the machine died.
        known: and when the cluster called it dead.
        title: what the reader should see.
    """
    origin = min(began for _, _, began, _ in runs)
    row = {machine: y for y, machine in enumerate(sorted({run[1] for run in runs}))}
    last = {task: at for at, (task, *_) in enumerate(runs)}
    first = {task: at for at, (task, *_) in reversed(list(enumerate(runs)))}
    _, axis = plt.subplots(figsize=(7.5, 0.5 * len(row) + 1.9))
    drawn = set()
    for at, (task, machine, began, ended) in enumerate(runs):
        if ended is None:
            kind, colour = "cut off", RED
        elif at != last[task]:
            kind, colour = "value lost", YELLOW
        elif at != first[task]:
            kind, colour = "run again", ORANGE
        else:
            kind, colour = "run once", BLUE
        axis.barh(
            row[machine],
            (ended or died) - began,
            left=began - origin,
            height=0.6,
            color=colour,
            edgecolor="white",
            label=None if kind in drawn else kind,
        )
        middle = ((ended or died) + began) / 2 - origin
        ink = "black" if kind == "value lost" else "white"
        axis.text(middle, row[machine], task, ha="center", va="center", fontsize=7, color=ink)
        drawn.add(kind)
    for moment, text in ((died, "dies"), (known, "called dead")):
        axis.axvline(moment - origin, color=GREY, linewidth=1, linestyle=":")
        axis.text(moment - origin, -0.62, text, ha="center", fontsize=9, color=GREY)
    axis.set(yticks=list(row.values()), yticklabels=list(row), xlabel="s", title=title)
    axis.set(ylim=(len(row) - 0.5, -0.75))
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=4, frameon=False, fontsize=9)
    plt.show()
