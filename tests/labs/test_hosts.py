"""The labs of a cluster on three hosts, as they are, and a sweep that outlives the loss of one."""

import functools
import re
import subprocess
import sys

import psutil
import pytest

from helpers import labs, paths
from tests.support import hosts, waiting
from tests.support.environment import without_ray

UNCHANGED = [lab for lab in labs.NAMES if labs.about(lab)["hosts"]]
WHY_NOT = hosts.missing()
LIMIT_S = 120  # for hosts to start or to end, which takes some seconds on two quiet cores
wait_until = functools.partial(waiting.wait_until, limit_s=LIMIT_S)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no hosts here: {WHY_NOT}"),
]


def run_on_hosts(*command: str) -> str:
    """What a Python command printed on the head of three hosts; it must succeed."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.hosts", sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1_200,
        cwd=paths.ROOT,
        env=without_ray(),
    )
    assert ran.returncode == 0, ran.stdout[-5_000:]
    assert not processes_of_hosts()
    return ran.stdout


def processes_of_hosts() -> list[str]:
    """The command lines that name the head of the three hosts."""
    everybody = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [" ".join(own) for own in everybody if any(hosts.HEAD in word for word in own)]


def test_they_end_with_the_process_that_started_them():
    starting = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    command = [sys.executable, "-m", "tests.support.hosts", "sleep", "infinity"]
    starter = subprocess.Popen(
        [sys.executable, "-c", starting, *command], cwd=paths.ROOT, env=without_ray()
    )
    try:
        wait_until(lambda: any("gcs_server" in own for own in processes_of_hosts()), what="no Ray")
        assert starter.poll() is None
    finally:
        starter.kill()
        starter.wait()
    wait_until(lambda: not processes_of_hosts(), what="hosts are left")


def test_labs_run_unchanged():
    notebooks = [str(paths.NOTEBOOKS / f"{lab}.ipynb") for lab in UNCHANGED]
    printed = run_on_hosts("-m", "pytest", "-q", "-p", "no:cacheprovider", *notebooks)
    assert f"{len(notebooks)} passed" in printed


def test_a_sweep_outlives_a_host():
    printed = run_on_hosts("-m", "tests.support.lose_host")
    assert "Ray has noticed, and the sweep goes on" in printed
    assert "hosts left: 2" in printed
    assert int(re.search(r"(\d+) ran to the end", printed)[1]) > 0
