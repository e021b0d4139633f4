"""Values over time, each line with its name at its end."""

from collections.abc import Collection, Sequence
from itertools import cycle, pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from helpers.plots.look import (
    BLUE,
    GREEN,
    GREY,
    LINES,
    ORANGE,
    PALE,
    label_ends,
)


def curves(
    axis: Axes,
    trials: dict[str, list[float]],
    stopped: Collection[str] = (),
    rungs: Sequence[int] = (),
    best: str | None = None,
    form: str = ".1%",
) -> None:
    """Draw learning curves into `axis`, one line a trial.

    Args:
        axis: where to draw.
        trials: a trial's name to its metric after iteration 1, 2, ...
        stopped: the trials that the scheduler stopped; each gets a dot where it ended.
        rungs: iterations at which the scheduler may stop a trial, drawn as vertical lines.
        best: the trial to draw in front, labelled with its last value.
        form: how that value is written, as in a format string.
    """
    for rung in rungs:
        axis.axvline(rung, color=PALE, linewidth=1, linestyle=":", zorder=0)
    # One collection for all lines: hundreds of single lines would take seconds to draw.
    lines = [list(enumerate(values, start=1)) for values in trials.values()]
    colours = [GREY if name in stopped else BLUE for name in trials]
    axis.add_collection(LineCollection(lines, colors=colours, alpha=0.4, linewidths=1.2))
    ends = [(len(trials[name]), trials[name][-1]) for name in stopped]
    if ends:
        axis.plot(*zip(*ends, strict=True), "o", color=ORANGE, markersize=4)
    axis.autoscale_view()
    axis.xaxis.get_major_locator().set_params(integer=True)
    if best:
        values = trials[best]
        axis.plot(range(1, len(values) + 1), values, color=GREEN, linewidth=3)
        axis.annotate(
            f"best {values[-1]:{form}}",
            (len(values), values[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            color=GREEN,
            va="center",
            fontweight="bold",
        )


def series(
    axis: Axes,
    lines: dict[str, tuple[Sequence[float], Sequence[float]]],
    stacked: bool = False,
    most: int = 8,
    dashed: Collection[str] = (),
) -> None:
    """Draw what was measured over time, each line with its name at its end.

    Args:
        axis: where to draw; its scale, and limits that were set, are left as they are.
        lines: a name to its times and values, at least one. A value may be NaN, which leaves a
            gap, and so does a time that is missing where others have one step after the other.
        stacked: one on top of the other, the first at the bottom. A time that a line does not have
            counts as 0 then.
        most: so many lines have a name and a colour, those with the highest values. The others are
            pale.
        dashed: lines that are limits: grey, and on no other line.
    """
    highest = sorted(lines, key=lambda name: -np.nanmax([*lines[name][1], -np.inf]))[:most]
    named = [name for name in dashed if name in lines]
    named += [name for name in (lines if len(lines) <= most else highest) if name not in dashed]
    own = (name for name in named if name not in dashed)
    colours = dict.fromkeys(dashed, GREY) | dict(zip(own, cycle(LINES), strict=False))
    moments = sorted({time for times, _ in lines.values() for time in times})
    steps = [
        after - before
        for name, (times, _) in lines.items()
        if name not in dashed
        for before, after in pairwise(times)
    ]
    longest = 1.5 * min(steps, default=0.0)
    floor, ends = np.zeros(len(moments)), []
    for name, (times, values) in lines.items():
        colour = colours.get(name, PALE)
        if stacked and name not in dashed:
            there = dict(zip(times, np.nan_to_num(values), strict=True))
            top = floor + [there.get(moment, 0.0) for moment in moments]
            axis.fill_between(moments, floor, top, color=colour, alpha=0.75, linewidth=0)
            end, floor = (floor[-1] + top[-1]) / 2, top
        else:
            form = "--" if name in dashed else "-"
            drawn = (times, values) if name in dashed else _with_gaps(times, values, longest)
            axis.plot(*drawn, form, color=colour, zorder=2 if name in colours else 1)
            end = next((value for value in reversed(values) if not np.isnan(value)), 0.0)
        if name in colours:
            ends.append((name, times[-1], end, colour))
    axis.autoscale_view()
    if stacked:
        axis.set_ylim(bottom=0)
    if len(lines) > len(named):
        ends.append((f"{len(lines) - len(named)} more", moments[-1], axis.get_ylim()[0], GREY))
    label_ends(axis, ends)


def _with_gaps(
    times: Sequence[float], values: Sequence[float], longest: float
) -> tuple[list[float], list[float]]:
    """A line that ends where the next time is more than `longest` away, and begins anew there."""
    drawn = [(times[0], values[0])]
    for (before, _), (after, value) in pairwise(zip(times, values, strict=True)):
        if after - before > longest:
            drawn.append((before, np.nan))
        drawn.append((after, value))
    return [time for time, _ in drawn], [value for _, value in drawn]


def over_time(
    lines: dict[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    unit: str,
    stacked: bool = False,
    dashed: Collection[str] = (),
) -> None:
    """Draw `series` as a figure of its own, or say in a sentence that there is nothing to draw.

    Args:
        lines: as in `series`, the times in seconds.
        title: what the reader should see.
        unit: what the values count.
        stacked, dashed: as in `series`.
    """
    if not lines:
        print("Nothing to draw.")
        return
    axis = plt.figure().subplots()
    series(axis, lines, stacked, dashed=dashed)
    axis.set(xlabel="s since the beginning", ylabel=unit, title=title)
    plt.show()


def spans(
    axis: Axes,
    rows: dict[str, Sequence[tuple[float, float, str]]],
    colours: dict[str, str],
) -> None:
    """Draw when what was in which state: a row each, a bar for each span, its state written in it.

    Args:
        axis: where to draw.
        rows: a row's name to its spans, each (from, to, state).
        colours: a state's colour.
    """
    for y, own in enumerate(rows.values()):
        for start, end, state in own:
            axis.barh(y, end - start, left=start, height=0.6, color=colours[state])
            axis.text((start + end) / 2, y, state, ha="center", va="center", fontsize=9)
    axis.set(yticks=range(len(rows)), yticklabels=list(rows), ylim=(len(rows) - 0.5, -0.5))
    axis.tick_params(axis="y", length=0)
