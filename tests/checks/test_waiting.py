"""How long a check waits for what may come late: by the machine's pace, not only by the clock."""

import time
from typing import NamedTuple

import psutil
import pytest

from checks import waiting
from checks.waiting import newest


def test_it_ends_when_there_is_enough():
    told = iter(range(100))
    assert newest(lambda: next(told), lambda number: number == 7, 600) == 7


def test_it_gives_up_when_nothing_new_comes():
    assert newest(lambda: 1, lambda _: False, 0.01, asks=3) == 1


def test_news_starts_the_while_anew():
    answers = iter([0, 0, 1, 1, 2, 2, 3, 3])
    assert newest(lambda: next(answers, 3), lambda number: number == 3, 0.001, asks=2) == 3


def test_a_slow_answer_gives_more_time():
    asked = []

    def ask():
        asked.append(time.monotonic())
        time.sleep(0.02)

    newest(ask, lambda _: False, 0.01, asks=5)
    assert len(asked) == 6, "the first, and five more, though the seconds had passed at once"


class Idle(NamedTuple):
    idle: float


def test_a_limit_counts_slower_where_no_core_is_idle(monkeypatch):
    def waited(idle: float) -> float:
        """Seconds that a limit of one lasts where this share of the cores is idle."""
        now = [0.0]

        def wait(seconds):
            now[0] += seconds

        monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(
            waiting.psutil, "cpu_times", lambda: Idle(now[0] * idle * psutil.cpu_count())
        )
        assert not waiting.in_time(wait, 1)
        return now[0]

    assert waited(idle=1.0) == pytest.approx(1, abs=waiting.LOOK_S)
    assert waited(idle=0.0) == pytest.approx(4, abs=waiting.LOOK_S)
