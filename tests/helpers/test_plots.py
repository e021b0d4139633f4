"""Lines over time and spans: names, gaps, limits, and what is too much for one picture."""

import math

from helpers import plots


def texts(axis) -> list[str]:
    return [one.get_text() for one in axis.texts]


def test_a_line_has_its_name_and_ends_where_it_has_no_times():
    _, axis = plots.figure()
    lines = {"a": ([0, 1, 2, 8, 9], [1, 1, 2, 3, 3]), "b": ([0, 1], [5, math.nan])}
    plots.series(axis, lines | {"limit": ([0.3, 0.4], [2, 2])}, dashed=["limit"])
    first, second, _ = axis.lines
    assert [math.isnan(value) for value in first.get_ydata()] == [False] * 3 + [True] + [False] * 2
    assert first.get_color() != second.get_color()
    assert texts(axis) == ["a", "b", "limit"]


def test_the_highest_of_many_lines_are_named():
    _, axis = plots.figure()
    plots.series(axis, {f"line {n}": ([0, 1], [n, n]) for n in range(20)}, most=3)
    assert set(texts(axis)) == {"line 19", "line 18", "line 17", "17 more"}
    assert sum(line.get_color() == plots.PALE for line in axis.lines) == 17


def test_limits_stand_on_no_area():
    _, axis = plots.figure()
    lines = {"a": ([0, 1, 2], [1, 1, 1]), "b": ([1, 2], [2, 2]), "MAX": ([0, 2], [9, 9])}
    plots.series(axis, lines, stacked=True, dashed=["MAX"])
    _, upper = axis.collections
    assert upper.get_paths()[0].vertices[:, 1].max() == 3
    [limit] = axis.lines
    assert list(limit.get_ydata()) == [9, 9] and limit.get_color() == plots.GREY


def test_a_name_with_dollars_is_no_formula():
    figure, axis = plots.figure()
    plots.series(axis, {"$\\frac$": ([0, 1], [1, 2])})
    assert "<img" in plots.as_html(figure)


def test_nothing_to_draw_is_a_sentence(capsys):
    plots.over_time({}, "A title", "m")
    assert capsys.readouterr().out == "Nothing to draw.\n"


def test_spans_have_a_row_and_their_state():
    _, axis = plots.figure()
    rows = {"alert": [(0, 5, "pending"), (5, 20, "firing")], "other": []}
    plots.spans(axis, rows, {"pending": plots.YELLOW, "firing": plots.ORANGE})
    assert [bar.get_width() for bar in axis.patches] == [5, 15]
    assert texts(axis) == ["pending", "firing"]
    assert [one.get_text() for one in axis.get_yticklabels()] == ["alert", "other"]
