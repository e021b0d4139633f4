"""A picture that renews itself while it is looked at: the base of the live widgets."""

import html
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Protocol

import anywidget
import ray
import traitlets
from IPython import get_ipython

from helpers.plots import BLUE
from helpers.ui.state import NOT_RUNNING, Soon, Unavailable

EVERY_S = 1.0  # least time from one look to the next
IDLE_FACTOR = 20  # times the last look's length until the next one: at most 1/20 of a core
PATIENCE_S = 10.0  # for so long Ray may fail to answer before the widget gives up
LOOK_LIMIT_S = 20.0  # a look takes less, also after 10,000 tasks
SILENT = (
    "Ray does not answer any more. Run ray.shutdown(); where Ray runs again, ray.init() joins it."
)
SPAN_S = 120.0  # how far a history goes back
GAP_S = 30.0  # after so long without a look a history has a gap

_cells: dict[str, tuple[str, list["Live"]]] = {}  # a cell's id -> its latest run, what it shows


class Silent(Unavailable):
    """Ray did not answer for so long that it will not any more."""


class View(Protocol):
    """What a look returns."""

    def as_html(self) -> str: ...

    def as_text(self) -> str: ...


class Live(anywidget.AnyWidget):
    """Shows what `look` sees; a thread looks again and again while a page shows it.

    It looks once a second at most, and pauses twenty times as long as the last look took.

    The thread starts when a notebook displays the widget. It ends when no page shows the widget
    any more, when its cell is run again, and when Ray is gone: then a sentence says so below the
    last picture. A page that was closed without a word is not noticed; Ray's end is.

    Args:
        look: returns a View, or raises Unavailable.
    """

    html = traitlets.Unicode().tag(sync=True)

    _esm = Path(__file__).with_name("live.js")
    _css = Path(__file__).with_name("live.css")

    def __init__(self, look: Callable[[], View]):
        super().__init__()
        self.look = look
        self._picture = ""  # the last one, without a sentence below it
        self._looking = threading.Lock()  # a look has a history, and two threads may look
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._views: dict[str, int] = {}  # the latest page -> how often it shows this
        self.on_msg(self._on_message)

    def __repr__(self) -> str:
        try:
            return self._see_within_limit().as_text()
        except Exception as error:
            return _said(error)

    def _repr_mimebundle_(self, **options):
        if cell := running_cell():
            self._replace(*cell)
            self.start()
        return super()._repr_mimebundle_(**options)

    @property
    def running(self) -> bool:
        """Whether its thread looks."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def start(self) -> None:
        """Look from now on; nothing happens where it does already."""
        if not self.running:
            self._stop = threading.Event()  # the one before may still be read by its thread
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), name="ray-labs-live", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Look no more: the thread ends at once, or after the look that it is at."""
        self._stop.set()

    def _on_message(self, _, content: dict, buffers) -> None:
        """A page begins or ceases to show this widget."""
        page = content["page"]
        if content["shown"] < 0 and page not in self._views:
            return  # a page that was replaced says goodbye late
        self._views = {page: self._views.get(page, 0) + content["shown"]}
        if self._views[page] <= 0:
            self.stop()
        elif self._stop.is_set():
            self.start()

    def _replace(self, cell: str, run: str) -> None:
        """Stop what an earlier run of the same cell displayed."""
        if not cell:
            return
        before, shown = _cells.get(cell, (run, []))
        if before != run:
            for live in shown:
                live.stop()
            shown = []
        _cells[cell] = (run, [*shown, self])

    def _see_within_limit(self) -> View:
        """A look, in a thread of its own: Ray's functions never return if it is killed meanwhile.

        Raises:
            Silent: it took longer than `LOOK_LIMIT_S`; its thread is left to Ray.
        """
        seen = Future()

        def see():
            try:
                with self._looking:
                    seen.set_result(self.look())
            except Exception as error:
                seen.set_exception(error)

        threading.Thread(target=see, name="ray-labs-look", daemon=True).start()
        if not wait([seen], LOOK_LIMIT_S).done:
            raise Silent(SILENT)
        return seen.result()

    def _run(self, stop: threading.Event) -> None:
        failing_since = None
        while not stop.is_set():
            began, pause = time.monotonic(), EVERY_S
            try:
                drawn = self._see_within_limit().as_html()
            except Exception as error:  # whatever it is: a thread has nobody else to tell
                if isinstance(error, Soon):
                    failing_since = None
                elif failing_since is None:
                    failing_since = began
                gone = not ray.is_initialized()  # perhaps in the midst of the look
                late = failing_since is not None and time.monotonic() - failing_since > PATIENCE_S
                over = gone or late or isinstance(error, Silent)
                if not stop.is_set() and (over or not self._picture):
                    self.html = self._picture + note(NOT_RUNNING if gone else _said(error))
                if over:
                    return
            else:
                self._picture, failing_since = drawn, None
                pause = max(EVERY_S, IDLE_FACTOR * (time.monotonic() - began))
                if not stop.is_set():
                    self.html = drawn  # which is sent only if it has changed
            stop.wait(pause)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Unavailable) else f"It failed: {error!r}"


def running_cell() -> tuple[str, str] | None:
    """The id of the notebook cell that runs ("" if unknown) and of this run; None elsewhere."""
    parent = getattr(get_ipython(), "get_parent", None)
    if parent is None:
        return None
    message = parent()
    return message.get("metadata", {}).get("cellId", ""), message["header"]["msg_id"]


# --- drawing ---


def note(sentence: str) -> str:
    """A sentence that stands out."""
    return f'<div class="note">{html.escape(sentence)}</div>'


def bar(*parts: tuple[float, str], whole: bool = False) -> str:
    """A bar, filled from the left by parts, each a share of the whole, 0 to 1, and a colour.

    Args:
        parts: from left to right; what is over 1 is cut off.
        whole: whether it stands on its own, over the whole width.
    """
    drawn, left = [], 1.0
    for share, colour in parts:
        share = min(max(share, 0.0), left)
        left -= share
        drawn.append(f'<i style="width:{share:.1%};background:{colour}"></i>')
    kind = "bar whole" if whole else "bar"
    return f'<div class="{kind}">{"".join(drawn)}</div>'


def row(name: str, *cells: str, quiet: bool = False) -> str:
    """A line of a table: a name from anywhere, then HTML."""
    shown = html.escape(name)
    look = "name quiet" if quiet else "name"
    first = f'<div class="{look}" title="{shown}">{shown}</div>'
    return f'<div class="row">{first}{"".join(cells)}</div>'


def said(text: str) -> str:
    """A cell with a number and its unit."""
    return f'<div class="said">{html.escape(text)}</div>'


class History:
    """Shares over the last two minutes.

    Args:
        span_s: how far it goes back, in seconds.
    """

    def __init__(self, span_s: float = SPAN_S):
        self.span_s = span_s
        self.points: list[tuple[float, float]] = []

    def add(self, moment: float, share: float) -> None:
        """Keep a share, 0 to 1, of that moment, in seconds of any clock."""
        self.points = [one for one in self.points if one[0] >= moment - self.span_s]
        self.points.append((moment, share))

    def as_svg(self, now: float, width: int = 110, height: int = 18, colour: str = BLUE) -> str:
        """A line from `span_s` ago on the left to now on the right; the top is 1."""
        drawn = []
        for run in self._runs(now):
            dots = [(width * (1 - (now - at) / self.span_s), share) for at, share in run]
            line = " ".join(f"{x:.1f},{1 + (height - 2) * (1 - share):.1f}" for x, share in dots)
            area = f"{dots[0][0]:.1f},{height} {line} {dots[-1][0]:.1f},{height}"
            drawn.append(f'<polygon points="{area}" fill="{colour}" opacity="0.2"/>')
            drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        return (
            f'<svg width="{width}" height="{height}" stroke-width="1.5">'
            f'<rect width="{width}" height="{height}" fill="#f6f7f9"/>{"".join(drawn)}</svg>'
        )

    def _runs(self, now: float) -> list[list[tuple[float, float]]]:
        """The points that are not too old, cut where nobody looked for a while."""
        runs, before = [], float("-inf")
        for at, share in self.points:
            if at < now - self.span_s:
                continue
            if at - before > GAP_S:
                runs.append([])
            runs[-1].append((at, min(max(share, 0.0), 1.0)))
            before = at
        return runs
