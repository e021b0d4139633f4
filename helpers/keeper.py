"""Programs that end with the process that started them, however that ends.

A small process, the keeper, leads a POSIX session of its own, out of reach of an interrupted cell,
and reads a pipe that ends with its parent. Then it ends the program and all that it has started.
"""

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil

from helpers import session

STOP_SECONDS = 5  # after a polite request


class StartError(RuntimeError):
    """A program did not start; the message is a sentence for the learner."""


def start(
    command: Sequence[str],
    log: IO,
    environment: dict[str, str] | None = None,
    folder: str | Path | None = None,
) -> subprocess.Popen:
    """Run a program under a keeper, in a folder that goes away with it.

    Args:
        command: the program's name and its arguments.
        log: an open file for what it prints.
        environment: variables for it beside those of this process.
        folder: where it runs; an empty one by default. It is removed when the program ends.

    Returns:
        The keeper, which runs as long as the program does.

    Raises:
        StartError: there is no such program.
    """
    own = program(command[0])
    folder = folder or tempfile.mkdtemp(prefix="ray-labs-")  # servers leave files where they run
    return subprocess.Popen(
        [sys.executable, "-m", "helpers.keeper", str(folder), own, *command[1:]],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def ask(keeper: subprocess.Popen) -> None:
    """Have the keeper end the program and all that it started. Twice does no harm."""
    keeper.stdin.close()


def stop(keeper: subprocess.Popen) -> None:
    """The same, and wait until they have ended."""
    ask(keeper)
    keeper.wait()


def program(name: str) -> str:
    """The program of this Python's own environment, else the one on the path."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise StartError(f"There is no program {name} here. Is it installed in this environment?")
    return found


def _keep(folder: str, command: list[str]) -> None:
    """Run the program until it ends or the parent is gone; then end what is left of it."""
    child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL)
    while child.poll() is None and not select.select([sys.stdin], [], [], 0.5)[0]:
        pass
    started = psutil.Process().children(recursive=True)  # some lead sessions of their own
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    while left := [one for one in {*started, *_session()} if session.lives(one)]:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        session.wait_until_gone(left, STOP_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


def _session() -> list[psutil.Process]:
    """The members of this process's POSIX session, itself left out."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == os.getsid(0) and process.pid != os.getpid():
                members.append(process)
    return members


if __name__ == "__main__":
    _keep(sys.argv[1], sys.argv[2:])
