"""The animation is a small SVG that turns the rod by the angles it was given."""

import re

import numpy as np

from helpers import animate


def frames(svg: str) -> list[list[float]]:
    """The angles of each pendulum's frames, in degrees, as the page turns them."""
    return [[float(one) for one in found.split(";")] for found in re.findall('values="(.*?)"', svg)]


def test_turns_the_other_way_round_and_in_degrees():
    [turns] = frames(animate.pendulums({"one": [0, np.pi / 2, np.pi / 4]}).data)
    assert turns == [0, -90, -45]


def test_a_swing_past_the_bottom_is_no_spin_back():
    [turns] = frames(animate.pendulums({"one": [3.0, 3.1, -3.1, -3.0]}).data)
    assert max(abs(np.diff(turns))) < 10


def test_an_episode_is_small_and_lasts_as_long_as_it_did():
    rng = np.random.default_rng(0)
    svg = animate.pendulums({name: rng.uniform(-3, 3, 200) for name in "abc"}).data
    assert len(svg) < 10_000
    assert re.findall('dur="(.*?)"', svg) == ["10s"] * 3
    assert svg.count("<text") == 3


def test_captions_are_escaped():
    assert "<b>" not in animate.pendulums({"<b>": [0, 1]}).data
