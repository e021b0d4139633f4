"""How long a check waits for what may come late, or never: longer on a busy machine."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psutil

LOOK_S = 0.2  # how often it is asked whether the machine is busy

Told = TypeVar("Told")


def newest(
    ask: Callable[[], Told], enough: Callable[[Told], object], still_s: float, asks: int = 50
) -> Told:
    """What `ask()` returns, once that is enough or nothing new has come for a while.

    Args:
        ask: a question to another process. On a busy machine it takes long, as all does there.
        enough: whether there is no more to wait for.
        still_s: the while is so many seconds,
        asks: and at least so many questions, which a quiet machine answers in less.
    """
    told, since, asked = ask(), time.monotonic(), 0
    while not enough(told) and (asked < asks or time.monotonic() < since + still_s):
        time.sleep(min(0.05, still_s / asks / 2))
        before, told = told, ask()
        asked += 1
        if told != before:
            since, asked = time.monotonic(), 0
    return told


def in_time(wait: Callable[[float], Any], limit: float) -> bool:
    """Wait for what a quiet machine does at once; a busy one gets up to four times as long.

    Args:
        wait: waits for at most so many seconds, and returns whether that was enough.
        limit: seconds; one in which no core of this machine was idle counts as a quarter.

    Returns:
        Whether it came true within the limit.
    """
    left = limit
    while left > 0:
        began, idle = time.monotonic(), psutil.cpu_times().idle
        if wait(LOOK_S):
            return True
        passed = time.monotonic() - began
        all_busy = psutil.cpu_times().idle - idle < 0.05 * passed * psutil.cpu_count()
        left -= passed / 4 if all_busy else passed
    return False
