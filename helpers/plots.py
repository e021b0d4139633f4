"""One look for every picture of the course, and the pictures that several cells share."""

import html
import io
from base64 import b64encode
from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart (2008).
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
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
) -> None:
    """Draw learning curves into `axis`, one line a trial.

    Args:
        axis: where to draw.
        trials: a trial's name to its metric after iteration 1, 2, ...
        stopped: the trials that the scheduler stopped; each gets a dot where it ended.
        rungs: iterations at which the scheduler may stop a trial, drawn as vertical lines.
        best: the trial to draw in front, labelled with its last value.
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
    if best:
        values = trials[best]
        axis.plot(range(1, len(values) + 1), values, color=GREEN, linewidth=3)
        axis.annotate(
            f"best {values[-1]:.1%}",
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
