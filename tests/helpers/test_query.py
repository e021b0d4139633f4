"""A query of Prometheus as a live picture: what it shows, and what it says when it cannot."""

import pytest

from helpers.prometheus import Absent, QueryError, Series, live_query
from helpers.ui.state import Unavailable


class Recorded:
    """A Prometheus that gives one series, two points long, or raises."""

    def __init__(self, answer):
        self.answer = answer

    def query_range(self, promql, start, end, step):
        if isinstance(self.answer, Exception):
            raise self.answer
        return [Series(labels, [end - 1, end], [1.0, 2.5]) for labels in self.answer]


def look(answer):
    return live_query("up < 3", Recorded(answer)).look()


def test_it_shows_what_a_query_gives():
    view = look([{"instance": "<b>"}, {}])
    assert view.as_text().split() == ["up", "<", "3", "<b>", "2.5", "all", "2.5"]
    shown = view.as_html()
    assert "up &lt; 3" in shown and "<img" in shown and "<b>" not in shown


def test_no_series_yet():
    view = look([])
    assert "no series yet" in view.as_text()
    assert "no series yet" in view.as_html() and "<img" not in view.as_html()


@pytest.mark.parametrize(
    ("error", "why"),
    [(QueryError("parse error"), "refuses the query: parse error"), (OSError(), "not answer")],
)
def test_what_goes_wrong_is_a_sentence(error, why):
    with pytest.raises(Unavailable, match=why):
        look(error)


def test_without_prometheus_its_sentence_is_shown():
    absent = Absent("There is none.")
    assert live_query("up", absent) is absent
