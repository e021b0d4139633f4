"""What the trials of a sweep did, found and cost."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import cycle, pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from helpers.plots.look import (
    BLUE,
    GREEN,
    GREY,
    LINES,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    canvas,
    label_ends,
)


def stacked_bars(rows: dict[str, dict[str, float]], title: str, unit: str = "s") -> None:
    """Draw one horizontal bar a row, cut in named parts that are labelled where they are wide.

    Args:
        rows: a row's name to its parts, each a name and a non-negative number.
        title: what the reader should see.
        unit: what the numbers count.
    """
    figure, axis = plt.subplots(figsize=(7.5, 0.7 * len(rows) + 1.3))
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    longest = max(sum(row.values()) for row in rows.values())
    left = np.zeros(len(rows))
    for part, colour in zip(parts, [BLUE, ORANGE, GREEN, PURPLE, GREY], strict=False):
        widths = np.array([row.get(part, 0.0) for row in rows.values()])
        axis.barh(list(rows), widths, left=left, color=colour, label=part)
        for y, (width, start) in enumerate(zip(widths, left, strict=True)):
            if width > 0.09 * longest:
                label = f"{width:,.0f}" if longest >= 100 else f"{width:.1f}"
                axis.text(start + width / 2, y, label, ha="center", va="center", color="white")
        left += widths
    axis.invert_yaxis()
    axis.set(xlabel=unit, title=title)
    if len(parts) > 1:
        figure.legend(loc="outside lower center", ncols=len(parts), frameon=False, fontsize=9)
    plt.show()


def best_so_far(
    axis: Axes,
    runs: dict[str, Sequence[Sequence[float]]],
    mode: str = "min",
    best: float = 0.0,
    label: str = "median gap to the best there is",
    names: Sequence[str] = (),
) -> None:
    """Draw what each way had found after each measurement, the median over its seeds.

    The band is where the median lies in 95 of 100 bootstrap samples of the seeds; one seed has no
    band.

    Args:
        axis: where to draw; its scale, and limits that were set, are left as they are.
        runs: a way's name to its seeds' measured values, in the order measured. A seed with fewer
            values than another has found nothing better since.
        mode: "min" or "max": what is better.
        best: drawn is the distance from here.
        label: of the y axis.
        names: all that several figures show, if one colour shall mean the same in each of them.
    """
    pick = np.minimum if mode == "min" else np.maximum
    generator = np.random.default_rng(0)
    colours = dict(zip(dict.fromkeys([*names, *runs]), cycle(LINES), strict=False))
    ends = []
    for name, seeds in runs.items():
        colour = colours[name]
        length = max(map(len, seeds))
        found = [np.pad(pick.accumulate(one), (0, length - len(one)), "edge") for one in seeds]
        gaps = np.abs(np.array(found) - best)
        x, middle = np.arange(1, length + 1), np.median(gaps, axis=0)
        axis.step(x, middle, where="post", color=colour)
        if len(seeds) > 1:
            again = generator.integers(len(seeds), size=(300, len(seeds)))
            low, high = np.percentile(np.median(gaps[again], axis=1), [2.5, 97.5], axis=0)
            axis.fill_between(x, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
        ends.append((name, length, middle[-1], colour))
    axis.set(xlabel="configs measured", ylabel=label)
    axis.autoscale_view()
    label_ends(axis, ends)


def reruns(events: Sequence[dict], title: str) -> None:
    """Draw who ran what when: one row a trial, one mark a result, one colour a life.

    Args:
        events: results in the order in which they came, each with `trial` (its name), `iteration`,
            `at` (seconds) and `pid` (the process that ran it). An iteration that was there before
            gets a cross.
        title: what the reader should see.
    """
    rows = {trial: y for y, trial in enumerate(sorted({event["trial"] for event in events}))}
    pids: dict[str, list[int]] = {trial: [] for trial in rows}
    seen, marks = set(), {}
    begin = min(event["at"] for event in events)
    for event in events:
        trial, own = event["trial"], pids[event["trial"]]
        if event["pid"] not in own:
            own.append(event["pid"])
        again = (trial, event["iteration"]) in seen
        seen.add((trial, event["iteration"]))
        kind = "run again" if again else "first life" if len(own) == 1 else "a later life"
        marks.setdefault(kind, []).append((event["at"] - begin, rows[trial]))
    _, axis = plt.subplots(figsize=(7.5, 0.36 * len(rows) + 1.4))
    for kind, form, colour in (
        ("first life", "o", BLUE),
        ("a later life", "o", GREEN),
        ("run again", "X", RED),
    ):
        if kind in marks:
            axis.plot(*zip(*marks[kind], strict=True), form, color=colour, label=kind, markersize=6)
    axis.set(yticks=list(rows.values()), yticklabels=list(rows), xlabel="s", title=title)
    axis.set(ylim=(len(rows) - 0.5, -0.5))
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    plt.show()


def stints(
    axis: Axes,
    stints: dict[str, list[list[int]]],
    ends: dict[str, str],
    copies: Iterable[tuple[int, str, str]] = (),
) -> None:
    """Draw which trial worked when: a row a trial, a bar for each stint, dots where it was paused.

    Args:
        axis: where to draw.
        stints: a trial's name to its stints, each the numbers that its reports have among those
            of all trials: what is to the left of a number is the work done until then.
        ends: a trial's name to how it ended; "stopped" is marked.
        copies: (number, target, donor): from this report on target went on as a copy of donor.
    """
    row = {name: y for y, name in enumerate(stints)}
    for name, own in stints.items():
        spans = [(one[0] - 0.5, one[-1] + 0.5) for one in own if one]
        for (_, left), (right, _) in pairwise(spans):
            axis.plot([left, right], [row[name]] * 2, ":", color=GREY, linewidth=1)
        colour = GREY if ends.get(name) == "stopped" else BLUE
        axis.hlines([row[name]] * len(spans), *zip(*spans, strict=True), color=colour, linewidth=4)
        if ends.get(name) == "stopped":
            axis.plot(spans[-1][1], row[name], "o", color=ORANGE, markersize=5)
    for number, target, donor in copies:
        arrow = {"arrowstyle": "-|>", "color": RED, "lw": 1, "shrinkA": 0, "shrinkB": 0}
        x = number - 0.5
        axis.annotate("", (x, row[target]), (x, row[donor]), arrowprops=arrow)
    axis.set(xlabel="iterations run, of all trials", yticks=[], ylabel="trial")
    axis.set(xlim=(0, None), ylim=(len(row) - 0.4, -0.6))


def family(
    exploits: Iterable[tuple[int, str, str]],
    members: Sequence[str],
    last: int,
    title: str = "",
    path: Sequence[tuple[int, str]] = (),
    axis: Axes | None = None,
) -> None:
    """Draw a population over time: one line a member, one arrow for each copy of an agent.

    Args:
        exploits: (iteration, target, donor): at that iteration target became a copy of donor.
        members: names, from top to bottom.
        last: the last iteration.
        title: what the reader should see.
        path: (since, member), oldest first: where one agent lived, drawn in green up to `last`.
        axis: where to draw; by default into a figure of its own, which is shown.
    """
    axis, show = canvas(axis, 0.34 * len(members) + 1.2)
    row = {member: y for y, member in enumerate(members)}
    axis.hlines(row.values(), 0, last, color=PALE, linewidth=2)
    drawn = Counter()
    for iteration, target, donor in exploits:
        x = iteration + 0.12 * drawn[iteration]  # beside those of the same iteration
        drawn[iteration] += 1
        arrow = {"arrowstyle": "-|>", "color": GREY, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", (x, row[target]), (x, row[donor]), arrowprops=arrow)
        axis.plot(x, row[target], "X", color=RED, markersize=7)
    for (since, member), (until, after) in pairwise([*path, (last, None)]):
        axis.plot([since, until], [row[member]] * 2, color=GREEN, linewidth=5, zorder=1)
        if after:
            axis.plot([until] * 2, [row[member], row[after]], color=GREEN, linewidth=2, zorder=1)
    axis.set(yticks=range(len(members)), yticklabels=members, xlim=(0, last + 0.3), title=title)
    axis.set(ylim=(len(members) - 0.5, -0.5), xlabel="iteration")
    axis.tick_params(axis="y", length=0)
    show()
