"""What happens when this process has ended, however it ends: a program ends too, or one is run.

A small process, the keeper, leads a POSIX session of its own, out of reach of an interrupted cell,
and reads a pipe that ends with its parent. Then it ends the program that it keeps and all that it
has started, or runs the command that is to be run afterwards.
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

from helpers import local

STOP_SECONDS = 5  # after a polite request
KEEPER_SECONDS = 60  # for a keeper to do its work, which takes 5 on two quiet cores


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
        [sys.executable, "-m", "helpers.keeper", "keep", str(folder), own, *command[1:]],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def afterwards(command: Sequence[str], share: Sequence[int] = ()) -> subprocess.Popen:
    """Run a command once this process has ended, or once the keeper is asked to.

    Args:
        command: the program's path and its arguments. What it prints is dropped.
        share: descriptors of files, such as a lock's, that the keeper holds open until it is done.

    Returns:
        The keeper. Its exit status is the command's.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "helpers.keeper", "afterwards", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=share,
        start_new_session=True,
    )


def ask(keeper: subprocess.Popen) -> None:
    """Have the keeper do its work now. Twice does no harm."""
    keeper.stdin.close()


def stop(keeper: subprocess.Popen) -> int:
    """The same, and wait until it is done. Returns the keeper's exit status.

    A keeper that does not come to its end is killed, and all that it started with it.
    """
    ask(keeper)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return keeper.wait(KEEPER_SECONDS)
    started = psutil.Process(keeper.pid).children(recursive=True)
    keeper.kill()
    _kill_all(started, keeper.pid)
    return keeper.wait()


def program(name: str) -> str:
    """The program of this Python's own environment, else the one on the path."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise StartError(f"There is no program {name} here. Is it installed in this environment?")
    return found


def _keep(folder: str, *command: str) -> None:
    """Run the program until it ends or the parent is gone; then end what is left of it."""
    child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL)
    while child.poll() is None and not select.select([sys.stdin], [], [], 0.5)[0]:
        pass
    started = psutil.Process().children(recursive=True)  # some lead sessions of their own
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    _kill_all(started, os.getpid())
    shutil.rmtree(folder, ignore_errors=True)


def _afterwards(*command: str) -> None:
    """Run the command once the parent is gone."""
    sys.stdin.read()
    sys.exit(subprocess.run(command, stdin=subprocess.DEVNULL).returncode)


def _kill_all(started: list[psutil.Process], keeper: int) -> None:
    """Kill these processes and what else is in the keeper's POSIX session, until none is left."""
    while left := [one for one in {*started, *_session(keeper)} if local.is_running(one)]:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        local.wait_until_gone(left, STOP_SECONDS)


def _session(leader: int) -> list[psutil.Process]:
    """The members of a POSIX session, its leader left out."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getsid(process.pid) == leader and process.pid != leader:
                members.append(process)
    return members


if __name__ == "__main__":
    {"keep": _keep, "afterwards": _afterwards}[sys.argv[1]](*sys.argv[2:])
