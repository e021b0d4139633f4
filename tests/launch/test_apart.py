"""A state apart goes away with the process that has it: a killed test run leaves nothing."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import paths
from launch import apart, session
from tests.support import waiting
from tests.support.environment import without_ray

LIMIT_S = 240  # to start a test run and its Ray, and to end them; 20 and 5 on two quiet cores
wait_until = functools.partial(waiting.wait_until, limit_s=LIMIT_S)

# It says where its run's Ray is going to be, starts that Ray, and goes on for ever.
TEST = """
import signal
from helpers import paths
from launch import session

def test_goes_on(request):
    print("\\nIN", paths.state(), session._temp(), flush=True)
    request.getfixturevalue("course")
    print("\\nUP", flush=True)
    signal.pause()
"""


@pytest.fixture
def run(tmp_path):
    """A test run of this project that has a Ray of its own; it prints to a file."""
    file = tmp_path / "test_goes_on.py"
    file.write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-s"]
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [*command, str(file)],
            cwd=paths.ROOT,
            env=without_ray() | {"RAY_LABS_STATE": str(tmp_path)},  # where there is no Ray to join
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    yield process
    process.kill()
    process.wait()
    if found := re.search(r"IN (\S+) (\S+)", (tmp_path / "output").read_text()):
        session._end(session._processes(found[2]))


@pytest.mark.parametrize("moment", ["starting", "started"])
def test_a_killed_test_run_leaves_nothing(run, tmp_path, moment):
    def says(pattern):
        text = (tmp_path / "output").read_text()
        assert run.poll() is None, text
        return re.search(pattern, text)

    def belong():
        return session._processes(temp)

    state, temp = wait_until(
        lambda: says(r"IN (\S+) (\S+)\n"), what="the run does not start"
    ).groups()
    if moment == "started":
        wait_until(lambda: says("UP"), what="no Ray starts")
    else:
        wait_until(
            lambda: any("gcs_server" in one.name() for one in belong()), what="no Ray starts"
        )
        assert not says("UP")
    assert belong() and Path(state).is_dir() and Path(temp).is_dir()
    run.kill()
    wait_until(lambda: not Path(state).exists(), what="its state is left")
    assert not Path(temp).exists() and not belong()


def test_a_state_apart_is_gone_after_its_block(monkeypatch):
    monkeypatch.setenv("RAY_LABS_STATE", "the one before")
    with apart.state() as folder:
        assert paths.state() == folder and folder.is_dir()
        temp = Path(session._temp())
        (temp / "log").touch()
    assert not folder.exists() and not temp.exists()
    assert os.environ["RAY_LABS_STATE"] == "the one before"


def test_a_state_that_could_not_be_removed_is_told():
    with pytest.raises(RuntimeError, match="was not all removed"), apart.state() as folder:
        shutil.rmtree(folder)
        folder.touch()
    folder.unlink()
