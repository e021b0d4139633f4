"""The life of a live widget's thread, and how its parts are drawn."""

import contextlib
import itertools
import re
import threading
import time

import pytest

from helpers.ui import live
from helpers.ui.live import History, Live, bar, note, row
from helpers.ui.state import NOT_RUNNING, Soon, Unavailable

EVIL = "<img src=x onerror=alert(1)>"
SECONDS = 60  # nothing here takes one on a quiet machine


class Count:
    """A look whose picture is how often it looked; it fails while `failure` is set."""

    def __init__(self):
        self.numbers, self.failure, self.failed = itertools.count(1), None, 0

    def __call__(self):
        if self.failure:
            self.failed += 1
            raise self.failure
        self.number = next(self.numbers)
        return self

    def as_html(self):
        return f"look {self.number}"

    as_text = as_html


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A look every 20 ms, Ray there, and no thread left in the end."""
    monkeypatch.setattr(live, "EVERY_S", 0.02)
    monkeypatch.setattr(live, "PATIENCE_S", 0.2)
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr(live, "_cells", {})
    before = threading.enumerate()
    yield
    wait_until(lambda: set(threading.enumerate()) <= set(before))


@pytest.fixture
def cell(monkeypatch):
    """What a notebook would say of the cell that runs, as a function that sets it."""
    running = [None]
    monkeypatch.setattr(live, "running_cell", lambda: running[0])
    return lambda *said: running.__setitem__(0, said)


@pytest.fixture
def widget(cell):
    """A function that displays a new widget in a run of a cell."""
    with contextlib.ExitStack() as cleanup:

        def shown(name: str = "a", run: str = "1") -> Live:
            cell(name, run)
            one = Live(Count())
            cleanup.callback(one.stop)
            one._repr_mimebundle_()
            return one

        yield shown


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "ray-labs-live"]


def looks(one):
    """Wait until it has looked once more."""
    before = one.html
    wait_until(lambda: one.html != before)
    return one.html


def page(one, shown, page="p"):
    """The message that a page sends."""
    one._handle_custom_msg({"shown": shown, "page": page}, [])


def test_it_looks_while_it_is_shown(widget):
    one = widget()
    assert looks(one).startswith("look ")
    looks(one)
    assert len(threads()) == 1


def test_it_begins_before_the_page_says_so(widget):
    assert widget().running, "a page's messages wait until the cell has ended"


def test_its_text_is_a_look_without_a_thread():
    one = Live(Count())
    assert repr(one) == "look 1" and repr(one) == "look 2"
    assert not threads()


def test_outside_of_a_notebook_no_thread_starts():
    Live(Count())._repr_mimebundle_()
    assert not threads()


def test_it_ends_when_no_page_shows_it(widget):
    one = widget()
    page(one, 1)
    page(one, 1)
    page(one, -1)
    assert one.running, "one view is left"
    page(one, -1)
    wait_until(lambda: not threads())


def test_it_goes_on_when_it_is_shown_again(widget):
    one = widget()
    page(one, 1)
    page(one, -1)
    wait_until(lambda: not threads())
    page(one, 1, "q")
    looks(one)


def test_a_page_that_was_loaded_again_replaces_its_views(widget):
    one = widget()
    page(one, 1)
    page(one, 1, "q")  # the first page is gone without a word
    page(one, -1, "q")
    wait_until(lambda: not threads())


def test_it_ends_when_its_cell_is_run_again(widget):
    old, new, other = widget("a", "1"), widget("a", "2"), widget("b", "3")
    assert not old.running and new.running and other.running
    wait_until(lambda: len(threads()) == 2)


def test_two_widgets_of_one_run_live_side_by_side(widget):
    first, second = widget("a", "1"), widget("a", "1")
    assert first.running and second.running


def test_where_cells_have_no_id_none_is_replaced(widget):
    first, second = widget("", "1"), widget("", "2")
    assert first.running and second.running


def test_a_widget_that_is_displayed_again_goes_on(widget, cell):
    one = widget("a", "1")
    cell("a", "2")
    one._repr_mimebundle_()
    assert one.running
    looks(one)
    assert len(threads()) == 1


def test_when_ray_is_gone_a_sentence_stays_with_the_last_picture(widget, monkeypatch):
    monkeypatch.setattr(live, "PATIENCE_S", 10 * SECONDS)  # nothing to wait for
    one = widget()
    looks(one)
    one.look.failure = IndexError("in the midst of a look")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    wait_until(lambda: not threads())
    assert one.html.startswith("look ") and one.html.endswith(note(NOT_RUNNING))
    page(one, 1)
    assert not one.running, "it has ended for good"
    page(one, -1)
    page(one, 1)
    wait_until(lambda: not threads())
    assert one.html.count(NOT_RUNNING) == 1


def test_an_answer_that_fails_once_changes_nothing(widget):
    one = widget()
    looks(one)
    one.look.failure = Unavailable("busy")
    wait_until(lambda: one.look.failed)
    one.look.failure = None
    looks(one)
    assert "busy" not in one.html and one.running


@pytest.mark.parametrize("failure", [Unavailable("It does not answer."), KeyError(EVIL)])
def test_after_some_seconds_without_an_answer_it_ends(widget, failure):
    one = widget()
    looks(one)
    one.look.failure = failure
    wait_until(lambda: not threads())
    assert 'class="note"' in one.html and "<img" not in one.html


def test_it_waits_for_what_ray_will_tell(widget, monkeypatch):
    one = widget()
    looks(one)
    one.look.failure = Soon("soon")
    ended = threading.Event()
    assert not ended.wait(0.6) and one.running, "three times its patience"
    one.look.failure = None
    looks(one)


def test_the_next_look_waits_twenty_times_as_long_as_the_last_took(widget):
    moments = []

    def slow():
        moments.append(time.monotonic())
        time.sleep(0.05)
        return Count()()

    one = Live(slow)
    one.start()
    wait_until(lambda: len(moments) > 1)
    one.stop()
    assert moments[1] - moments[0] >= 21 * 0.05


def test_names_are_shown_as_text():
    for drawn in (row(EVIL), note(EVIL)):
        assert "<img" not in drawn and "&lt;img" in drawn


def test_a_bar_is_no_wider_than_the_whole():
    assert "width:75.0%" in bar((0.75, "red"), (0.5, "blue"))
    assert "width:25.0%" in bar((0.75, "red"), (0.5, "blue"))


def test_a_history_forgets_what_is_too_old():
    history = History(span_s=10)
    for moment, share in ((0, 1.0), (8, 0.0), (15, 0.5)):
        history.add(moment, share)
    assert history.points == [(8, 0.0), (15, 0.5)]
    assert 'points="30.0,19.0 100.0,10.0"' in history.as_svg(15, width=100, height=20)
    assert "points" not in History().as_svg(0), "nothing seen yet"


def test_a_history_has_a_gap_where_nobody_looked():
    history = History()
    for moment in (0, 5, 80, 85):
        history.add(moment, 0.5)
    assert history.as_svg(90).count("<polyline") == 2


def test_a_look_that_never_returns_is_given_up(widget, monkeypatch):
    one, released = widget(), threading.Event()
    wait_until(lambda: one.html)
    one.look = released.wait
    monkeypatch.setattr(live, "LOOK_LIMIT_S", 0.2)
    wait_until(lambda: not one.running)
    assert re.match(r"look \d+<div.*Ray does not answer any more", one.html)
    released.set()
