"""One look for every picture of the course, and the pictures that several cells share."""

import html
import io
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import cycle, pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart (2008).
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SKY, YELLOW = "#56B4E9", "#F0E442"
GREY, PALE = "#6b7280", "#c9ced6"

plt.rcParams.update(
    {
        "figure.figsize": (7.5, 3.2),
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE]),
        "lines.linewidth": 2,
    }
)


def digits(images: np.ndarray, captions: Sequence, title: str = "", columns: int = 12) -> None:
    """Draw images in a grid.

    Args:
        images: (n, 28, 28), any numeric type; black is the largest value.
        captions: n short texts, one under each image.
        title: what the reader should see.
        columns: images in a row.
    """
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(7.5, 0.95 * rows + 0.3), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, caption in zip(axes.flat, images, captions, strict=False):
        axis.imshow(image, cmap="gray_r")
        axis.text(0.5, -0.05, caption, transform=axis.transAxes, ha="center", va="top", fontsize=9)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    plt.show()


def confusion(matrix: np.ndarray, title: str) -> None:
    """Draw a confusion matrix with the diagonal left pale, so that the mistakes stand out.

    Args:
        matrix: (10, 10) counts; rows are true digits, columns what the model said.
        title: what the reader should see.
    """
    mistakes = matrix.astype(float)
    np.fill_diagonal(mistakes, 0)
    axis = plt.figure(figsize=(4.6, 4.2)).subplots()
    axis.imshow(mistakes, cmap="Oranges")
    for (row, column), count in np.ndenumerate(matrix):
        strong = mistakes[row, column] > mistakes.max() / 2
        colour = PALE if row == column else "white" if strong else "black"
        axis.text(column, row, count, ha="center", va="center", fontsize=8, color=colour)
    axis.set(xticks=range(10), yticks=range(10), xlabel="said", ylabel="true", title=title)
    plt.show()


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


def _canvas(axis: Axes | None, height: float) -> tuple[Axes, Callable[[], None]]:
    """Where to draw, and what to call at the end: an axis that was given is its owner's to show."""
    if axis is not None:
        return axis, lambda: None
    return plt.figure(figsize=(7.5, height)).subplots(), plt.show


def tree(
    parents: dict[str, str | None],
    title: str = "",
    colours: dict[str, str] | None = None,
    axis: Axes | None = None,
) -> None:
    """Draw a tree, the root on top, its nodes as labelled boxes.

    Args:
        parents: every node's text to that of its parent; None for a root. Children stand from left
            to right in the dict's order.
        title: what the reader should see.
        colours: a node's colour where it is not blue.
        axis: where to draw; by default into a figure of its own, which is shown.
    """
    children: dict[str | None, list[str]] = {}
    for node, parent in parents.items():
        children.setdefault(parent, []).append(node)
    places: dict[str, tuple[float, int]] = {}
    columns = iter(range(len(parents)))

    def place(node: str, depth: int) -> float:
        below = [place(child, depth + 1) for child in children.get(node, [])]
        x = (below[0] + below[-1]) / 2 if below else float(next(columns))
        places[node] = (x, depth)
        return x

    for root in children.get(None, []):
        place(root, 0)
    deepest = max((depth for _, depth in places.values()), default=0)
    axis, show = _canvas(axis, 0.8 * deepest + 1.2)
    for node, (x, depth) in places.items():
        if parents[node] is not None:
            above, _ = places[parents[node]]
            axis.plot([above, x], [depth - 1, depth], color=GREY, linewidth=1, zorder=0)
        box = {"boxstyle": "round,pad=0.35", "color": (colours or {}).get(node, BLUE)}
        axis.text(x, depth, node, ha="center", va="center", color="white", fontsize=9, bbox=box)
    widest = max((x for x, _ in places.values()), default=0)
    axis.set(xlim=(-0.6, widest + 0.6), ylim=(deepest + 0.5, -0.5), title=title)
    axis.axis("off")
    show()


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
    axis, show = _canvas(axis, 0.34 * len(members) + 1.2)
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
    colours = dict(zip(dict.fromkeys([*names, *runs]), cycle(_LINES), strict=False))
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
    _label_ends(axis, ends)


_LINES = [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY, "black"]


def _label_ends(axis: Axes, ends: list[tuple[str, float, float, str]], gap: float = 0.075) -> None:
    """Write (name, x, y, colour) to the right of the axis, each near its y, none over another."""
    to_share = axis.transScale + axis.transLimits
    shares = [to_share.transform((x, y))[1] for _, x, y, _ in ends]
    order = sorted(range(len(ends)), key=shares.__getitem__)
    for below, above in pairwise(order):
        shares[above] = max(shares[above], shares[below] + gap)
    top = 1.0
    for one in reversed(order):
        shares[one] = min(shares[one], top)
        top = shares[one] - gap
    for (name, _, _, colour), share in zip(ends, shares, strict=True):
        text = {"color": colour, "va": "center", "fontsize": 9, "annotation_clip": False}
        axis.annotate(name, (1.01, share), xycoords="axes fraction", parse_math=False, **text)


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
    colours = dict.fromkeys(dashed, GREY) | dict(zip(own, cycle(_LINES), strict=False))
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
    _label_ends(axis, ends)


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


def lives(
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


def figure(width: float = 7.5, height: float = 3.2) -> tuple[Figure, Axes]:
    """A figure in the house's look that no cell shows by itself, and its one axis."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def as_html(figure: Figure, text: str = "") -> str:
    """A figure as an HTML image, with `text` for those who cannot see it."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    data = b64encode(png.getvalue()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{data}">'
