"""A tree of parents and children."""

from matplotlib.axes import Axes

from helpers.plots.look import (
    BLUE,
    GREY,
    canvas,
)


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
    axis, show = canvas(axis, 0.8 * deepest + 1.2)
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
