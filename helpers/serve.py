"""A program's own web page in a notebook: its server as a child process, its page in a frame.

The server ends with the kernel, however that ends: a small process, the keeper, leads the server's
process group and reads a pipe that ends with the kernel; then it ends the group, itself included.
"""

import atexit
import contextlib
import html
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from helpers import session

START_SECONDS = 120  # to answer; 3 to 8 on two quiet cores
STOP_SECONDS = 5  # after a polite request


class ServeError(RuntimeError):
    """The server did not start; the message is a sentence for the learner."""


class Page:
    """A server that answers on this machine only. JupyterLab shows its page in a frame.

    Args:
        command: as typed in a terminal, without host and port. It runs in a folder of its own:
            give whole paths.
        path: where its page is, as it stands behind host and port in a URL.
        height: of the frame, in pixels.
        environment: variables for the server beside the kernel's own.
        listen: how the program is told host and port; the port is one that is free.
        folder: where it runs, an empty one by default. It is removed when the server ends.

    Raises:
        ServeError: the program is not there, ended, or did not answer in time.
    """

    def __init__(
        self,
        *command: str,
        path: str = "/",
        height: int = 600,
        environment: dict[str, str] | None = None,
        listen: str = "--host {host} --port {port}",
        folder: str | Path | None = None,
    ):
        self.host, self.port = session.HOST, session.free_port(0)
        self.url = f"http://{self.host}:{self.port}{path}"
        self.height = height
        command = [_program(command[0]), *command[1:]]
        command += listen.format(host=self.host, port=self.port).split()
        folder = str(folder or tempfile.mkdtemp(prefix="ray-labs-"))  # servers leave files there
        with tempfile.TemporaryFile("w+") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "helpers.serve", folder, *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, out of reach of an interrupted cell
            )
            atexit.register(self.stop)
            try:
                self._wait(log)
            except BaseException:
                self.stop()
                raise

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._keeper.poll() is None

    def stop(self) -> None:
        """End the server and all that it started. Twice does no harm."""
        self._keeper.stdin.close()
        self._keeper.wait()
        atexit.unregister(self.stop)

    def __repr__(self) -> str:
        return f"{self.url} ({'answers' if self.alive else 'stopped'})"

    def _repr_html_(self) -> str:
        if not self.alive:
            return html.escape(repr(self))
        url = html.escape(self.url)
        return (
            f'<a href="{url}" target="_blank">{url}</a>'
            f'<iframe class="ray-labs-page" src="{url}" width="100%" height="{self.height}" '
            'style="border:1px solid #c9ced6"></iframe>'
        )

    def _wait(self, log: IO) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                session.get(self.url.partition("#")[0])
                return
            if not self.alive or time.monotonic() > deadline:
                log.seek(0)
                tail = "\n".join(log.read().splitlines()[-8:])
                raise ServeError(f"The server did not start; the end of its log:\n{tail}")
            time.sleep(0.1)


def _program(name: str) -> str:
    """The program of this Python's own environment, else the one on the path."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise ServeError(f"There is no program {name} here. Is it installed in this environment?")
    return found


def _keep(folder: str, command: list[str]) -> None:
    """Run the server until it ends or the kernel is gone; then end what is left of the group."""
    server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL)
    while server.poll() is None and not select.select([sys.stdin], [], [], 0.5)[0]:
        pass
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(STOP_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _keep(sys.argv[1], sys.argv[2:])
