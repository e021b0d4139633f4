"""How long a check waits for what may come late, or never: longer on a busy machine."""

import time
from collections.abc import Callable
from typing import TypeVar

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
