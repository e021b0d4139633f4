"""A program's own web page in a notebook: its server as a child process, its page in a frame.

The server ends with the kernel, however that ends (`helpers.keeper`).
"""

import atexit
import contextlib
import html
import tempfile
import time
from pathlib import Path
from typing import IO

from helpers import keeper, local

START_SECONDS = 120  # to answer; 3 to 8 on two quiet cores


class Page:
    """A server that answers on this machine only. JupyterLab shows its page in a frame.

    Args:
        command: as typed in a terminal, without host and port. It runs in a folder of its own:
            give whole paths.
        path: where its page is, as it stands behind host and port in a URL.
        ready: what answers, in the same place, when the server is ready; its page by default.
        height: of the frame, in pixels.
        environment: variables for the server beside the kernel's own.
        listen: how the program is told host and port; the port is one that is free.
        folder: where it runs, an empty one by default. It is removed when the server ends.

    Raises:
        keeper.StartError: the program is not there, ended, or did not answer in time.
    """

    def __init__(
        self,
        *command: str,
        path: str = "/",
        ready: str | None = None,
        height: int = 600,
        environment: dict[str, str] | None = None,
        listen: str = "--host {host} --port {port}",
        folder: str | Path | None = None,
    ):
        self.host, self.port = local.HOST, local.free_port(0)
        self.url = f"http://{self.host}:{self.port}{path}"
        self.height = height
        command = [*command, *listen.format(host=self.host, port=self.port).split()]
        with tempfile.TemporaryFile("w+") as log:
            self._keeper = keeper.start(command, log, environment, folder)
            atexit.register(self.stop)
            try:
                self._wait(log, ready or path.partition("#")[0])
            except BaseException:
                self.stop()
                raise

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._keeper.poll() is None

    def stop(self) -> None:
        """End the server and all that it started. Twice does no harm."""
        keeper.stop(self._keeper)
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

    def _wait(self, log: IO, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                local.get(f"http://{self.host}:{self.port}{path}")
                return
            if not self.alive or time.monotonic() > deadline:
                log.seek(0)
                tail = "\n".join(log.read().splitlines()[-8:])
                raise keeper.StartError(f"The server did not start; the end of its log:\n{tail}")
            time.sleep(0.1)
