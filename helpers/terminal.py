"""A terminal of its own for a command that runs on, such as `ray start --block`.

What runs in it ends with the kernel, however that ends (`helpers.keeper`).
"""

import atexit
import contextlib
import os
import shlex
import tempfile
import time

import psutil

from helpers import keeper, local

_open: list["Terminal"] = []


class Terminal:
    """A command that runs until its terminal is closed.

    Args:
        command: as typed.
        until: what it prints when it is ready; by default the terminal is not waited for.

    Raises:
        keeper.StartError: there is no such program, it ended, or it did not print that in time.
    """

    def __init__(self, command: str, until: str = ""):
        self.command = command
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        # A Ray that starts while another does gets its time.
        self._keeper = keeper.start(shlex.split(command), self._log, local.PATIENCE)
        _open.append(self)
        try:
            self.wait(until)
        except BaseException:
            self.close()
            raise

    @property
    def text(self) -> str:
        """What the command has printed so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the command runs."""
        return self._keeper.poll() is None

    def wait(self, until: str) -> None:
        """Wait until the command has printed this.

        Raises:
            keeper.StartError: it ended before, or did not in time.
        """
        deadline = time.monotonic() + local.RAY_START_S
        while until not in self.text:
            if not self.alive and until in self.text:
                return
            if not self.alive or time.monotonic() > deadline:
                tail = "\n".join(self.text.splitlines()[-12:])
                raise keeper.StartError(
                    f"This command did not come to {until!r}:\n{self.command}\nIt printed:\n{tail}"
                )
            time.sleep(0.1)

    def processes(self) -> list[psutil.Process]:
        """The command's process and all that it has started."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self._keeper.pid).children(recursive=True)
        return []

    def listens(self) -> set[str]:
        """The addresses at which these processes wait for others."""
        found = set()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # it may have ended
                for one in process.net_connections():
                    if one.status == psutil.CONN_LISTEN:
                        found.add(one.laddr.ip)
        return found

    def kill(self) -> None:
        """End all of it at once, by a signal that it cannot catch, as `kill -9` does."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.close()

    def close(self) -> None:
        """End the command politely, then all that it started. Twice does no harm."""
        keeper.stop(self._keeper)
        with contextlib.suppress(ValueError):
            _open.remove(self)

    def __repr__(self) -> str:
        return f"$ {self.command}{'' if self.alive else '  (ended)'}"


@atexit.register
def close_all() -> None:
    """Close every terminal that is open, all at the same time."""
    for terminal in _open:
        keeper.ask(terminal._keeper)
    while _open:
        _open[-1].close()
