"""A terminal's command: what it printed, and that nothing of it outlives the kernel."""

import sys

import psutil
import pytest

from helpers import keeper, local
from helpers.terminal import Terminal, close_all
from tests.support.kernel import kernel

# A command with children of its own: one in its session, one that leads another, as Ray's jobs do.
COMMAND = """
import subprocess, sys, time
child = [sys.executable, "-c", "import time; time.sleep(600)"]
for apart in (False, True):
    subprocess.Popen(child, start_new_session=apart)
print("up", flush=True)
time.sleep(600)
"""

# A kernel with such a terminal, which says who belongs to it, and waits to be killed.
KERNEL = """
import sys
from helpers.terminal import Terminal
terminal = Terminal(sys.argv[1], until="up")
print(*(one.pid for one in terminal.processes()), terminal._keeper.pid, flush=True)
input()
"""


@pytest.fixture
def command(tmp_path) -> str:
    file = tmp_path / "command.py"
    file.write_text(COMMAND)
    return f"{sys.executable} {file}"


def test_it_ends_with_all_that_it_started(command):
    terminal = Terminal(command, until="up")
    own = terminal.processes()
    assert len(own) == 3 and terminal.text == "up\n" and terminal.alive
    terminal.close()
    assert not any(map(local.is_running, own))
    assert not terminal.alive and "(ended)" in repr(terminal)
    terminal.close()


def test_it_ends_also_where_its_keeper_does_not_answer(command, monkeypatch):
    monkeypatch.setattr(keeper, "KEEPER_SECONDS", 1)
    terminal = Terminal(command, until="up")
    own = [psutil.Process(terminal._keeper.pid), *terminal.processes()]
    own[0].suspend()
    terminal.close()
    assert len(own) == 4 and not any(map(local.is_running, own))


def test_it_is_killed_at_once(command):
    terminal = Terminal(command, until="up")
    own = terminal.processes()
    terminal.kill()
    assert not any(map(local.is_running, own))


def test_all_are_closed(command):
    terminals = [Terminal(command, until="up") for _ in range(2)]
    own = [process for terminal in terminals for process in terminal.processes()]
    close_all()
    assert len(own) == 6 and not any(map(local.is_running, own))
    close_all()


def test_where_it_listens():
    serve = "s = socket.create_server(('127.0.0.1', 0)); print('up', flush=True); time.sleep(600)"
    terminal = Terminal(f'{sys.executable} -c "import socket, time; {serve}"', until="up")
    assert terminal.listens() == {"127.0.0.1"}
    terminal.close()


def test_a_command_that_fails_says_why():
    with pytest.raises(keeper.StartError, match="the port is taken"):
        Terminal(f"{sys.executable} -c \"raise SystemExit('the port is taken')\"", until="up")


def test_a_program_that_is_not_there():
    with pytest.raises(keeper.StartError, match="no program nonesuch"):
        Terminal("nonesuch --version")


def test_nothing_is_left_when_the_kernel_is_killed(command):
    with kernel(KERNEL, command) as running:
        own = [psutil.Process(int(pid)) for pid in running.stdout.readline().split()]
        assert len(own) == 4
    assert local.wait_until_gone(own, 20)
