"""Wait for what another process does, as long as a busy machine may take."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(
    look: Callable[[], Found],
    enough: Callable[[Found], object] = bool,
    what: str = "",
    *,
    limit_s: float,
) -> Found:
    """Look until that is enough, and return what was found; fails after `limit_s` seconds.

    `what` has gone wrong then; by default it says what was found last.
    """
    deadline = time.monotonic() + limit_s
    while not enough(found := look()):
        assert time.monotonic() < deadline, what or repr(found)
        time.sleep(0.05)
    return found
