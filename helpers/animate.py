"""Animations as small SVGs that play in the page: no display server, no video encoder."""

import html
from collections.abc import Sequence

import numpy as np
from IPython.display import HTML

from helpers import plots


def pendulums(swings: dict[str, Sequence[float]], frame_s: float = 0.05) -> HTML:
    """Pendulums side by side, swinging for ever in a loop.

    Args:
        swings: a caption to the angles of its pendulum, one a frame, in radians; 0 is upright and
            a positive angle leans to the left, as in Gymnasium's Pendulum-v1.
        frame_s: seconds a frame lasts.
    """
    size, parts = 150, []
    for place, (caption, angles) in enumerate(swings.items()):
        # Unwrapped, so that half a turn past the bottom is not drawn as a spin back.
        degrees = -np.degrees(np.unwrap(angles))
        turn = ";".join(f"{angle:.0f}" for angle in degrees)
        lasts = f"{frame_s * len(angles):g}s"
        parts.append(
            f'<g transform="translate({size * (place + 0.5):g} {size / 2:g})">'
            f'<line y2="-52" stroke="{plots.BLUE}" stroke-width="9" stroke-linecap="round">'
            f'<animateTransform attributeName="transform" type="rotate" values="{turn}" '
            f'dur="{lasts}" repeatCount="indefinite"/></line><circle r="3"/>'
            f'<text y="{size / 2 + 14:g}" text-anchor="middle" font-size="12" '
            f'font-family="sans-serif">{html.escape(caption)}</text></g>'
        )
    width, height = size * len(swings), size + 22
    return HTML(
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'xmlns="http://www.w3.org/2000/svg" style="background:white">{"".join(parts)}</svg>'
    )
