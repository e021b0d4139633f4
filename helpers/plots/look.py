"""One look for every picture of the course."""

import html
import io
from base64 import b64encode
from collections.abc import Callable
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart (2008).
BLUE, ORANGE, GREEN, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
SKY, YELLOW = "#56B4E9", "#F0E442"
GREY, PALE = "#6b7280", "#c9ced6"
LINES = [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY, "black"]  # where there are many

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


def canvas(axis: Axes | None, height: float) -> tuple[Axes, Callable[[], None]]:
    """Where to draw, and what to call at the end: an axis that was given is its owner's to show."""
    if axis is not None:
        return axis, lambda: None
    return plt.figure(figsize=(7.5, height)).subplots(), plt.show


def label_ends(axis: Axes, ends: list[tuple[str, float, float, str]], gap: float = 0.075) -> None:
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
