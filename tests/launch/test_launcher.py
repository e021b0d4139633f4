"""The launcher: JupyterLab joins the one Ray, and every way to close ends both."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from helpers import local
from launch import apart, launcher, session

STARTING = 240  # seconds; 20 on two quiet cores
CLOSING = 150  # seconds; 4 on two quiet cores


def _as_in_a_terminal() -> None:
    """Under nohup, or in a script's background, the launcher rightly ignores these signals."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Lab:
    """A launcher run as a learner runs it, with its output in a file."""

    def __init__(self, folder: Path, name: str, stdin=subprocess.DEVNULL, **environment):
        self.output = folder / f"{name}.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "launch", "--no-browser"],
                env={**os.environ, **environment},
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_as_in_a_terminal,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def says(self, pattern: str, seconds: float = STARTING) -> re.Match:
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text)):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)
        return match

    def opens(self) -> str:
        """Wait until it is open; returns the URL that it printed."""
        url = self.says(r"JupyterLab: +(\S+)")[1]
        self.says("Ctrl-C here ends")
        return url

    def everything(self) -> list[psutil.Process]:
        """The launcher and all that it started."""
        launcher = psutil.Process(self.process.pid)
        return [launcher, *launcher.children(recursive=True)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with apart.state():
        yield tmp_path


@pytest.fixture
def cluster():
    """Somebody's cluster, as far as the launcher looks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def api(url: str, path: str, method: str = "GET"):
    """Ask the Jupyter server at the printed `url`, with the token in it."""
    base, token = re.fullmatch(r"(http://127\.0\.0\.1:\d+/).*\?token=(\w+)", url).groups()
    headers = {"Authorization": f"token {token}"}
    request = urllib.request.Request(base + path, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_kernels_join_ray_and_ctrl_c_ends_all(folder):
    running = Lab(folder, "lab")
    url = running.opens()
    with urllib.request.urlopen(url, timeout=30) as page:
        assert page.status == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(re.sub(r"/lab/.*", "/api/status", url), timeout=30)

    ray = session.find()
    api(url, "api/kernels", "POST")
    processes = running.everything()
    kernels = [process for process in processes if launcher._is_kernel(process)]
    assert len(kernels) == 1
    assert ray.environment().items() <= kernels[0].environ().items()
    assert {process.pid for process in ray.processes()} <= {process.pid for process in processes}

    running.process.send_signal(signal.SIGINT)
    running.says("Closing")
    running.process.send_signal(signal.SIGINT)  # the impatient second one
    assert running.process.wait(CLOSING) == 0
    assert local.wait_until_gone(processes, 0)
    assert "Traceback" not in running.text
    assert session.find() is None


def test_a_hang_up_ends_all_also_after_ray_died(folder):
    running = Lab(folder, "lab")
    running.opens()
    processes = running.everything()
    os.kill(session.find().pid, signal.SIGKILL)
    running.says("Ray has ended unexpectedly.*make lab", seconds=60)
    running.process.send_signal(signal.SIGHUP)
    assert running.process.wait(CLOSING) == 0
    assert local.wait_until_gone(processes, 0)


def test_a_killed_launcher_leaves_nothing(folder):
    running = Lab(folder, "lab")
    api(running.opens(), "api/kernels", "POST")
    processes = running.everything()
    running.process.kill()
    running.process.wait()
    assert local.wait_until_gone(processes, CLOSING)


def test_a_launcher_killed_while_ray_starts_leaves_nothing(folder):
    running = Lab(folder, "lab")
    running.says("Starting Ray")
    deadline = time.monotonic() + STARTING
    while not any("gcs_server" in p.name() for p in session._processes(session._temp())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    processes = running.everything()
    running.process.kill()
    running.process.wait()
    assert local.wait_until_gone(processes, CLOSING)


def test_a_second_lab_says_where_the_first_is(folder, cluster):
    first = Lab(folder, "first", RAY_ADDRESS=cluster)
    url = first.opens()
    second = Lab(folder, "second", RAY_ADDRESS=cluster)
    assert second.process.wait(STARTING) == 0
    assert url in second.text
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(CLOSING) == 0
    assert "Starting Ray" not in first.text


def test_what_a_killed_lab_and_keeper_left_is_closed_by_the_next(folder, cluster):
    first = Lab(folder, "first", RAY_ADDRESS=cluster)
    first.opens()
    processes = first.everything()
    keeper = next(process for process in processes if "--close" in process.cmdline())
    keeper.kill()
    first.process.kill()
    first.process.wait()
    second = Lab(folder, "second", RAY_ADDRESS=cluster)
    second.opens()
    assert "earlier lab" in second.text
    assert local.wait_until_gone(processes, 0)
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(CLOSING) == 0


def test_a_terminal_that_closes_without_a_signal_ends_it_too(folder, cluster):
    terminal, stdin = os.openpty()
    running = Lab(folder, "lab", stdin=stdin, RAY_ADDRESS=cluster)
    os.close(stdin)
    running.opens()
    os.close(terminal)
    assert running.process.wait(CLOSING) == 0


def test_a_dead_jupyterlab_is_a_failure(folder, cluster):
    running = Lab(folder, "lab", RAY_ADDRESS=cluster)
    running.opens()
    os.kill(launcher._recorded()["jupyter"], signal.SIGKILL)
    assert running.process.wait(CLOSING) == 1
    assert "JupyterLab ended by itself" in running.text


def test_a_dead_cluster_address_is_one_sentence(folder):
    running = Lab(folder, "lab", RAY_ADDRESS="127.0.0.1:1")
    assert running.process.wait(CLOSING) == 1
    assert "RAY_ADDRESS is 127.0.0.1:1, but no Ray answers there." in running.text
    assert "Traceback" not in running.text


def test_a_browser_is_opened_only_where_there_is_one(monkeypatch):
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not launcher._has_browser()
    monkeypatch.setenv("DISPLAY", ":0")
    assert launcher._has_browser()
    monkeypatch.setenv("CI", "true")
    assert not launcher._has_browser()
