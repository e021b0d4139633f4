"""A process that stands for a notebook's kernel."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def kernel(code: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """A process that runs this code, with pipes; when the block ends, `kill -9` ends it."""
    command = [sys.executable, "-c", code, *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
