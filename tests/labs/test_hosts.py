"""The labs of a cluster on three hosts, as they are, and a sweep that outlives the loss of one."""

import re
import subprocess
import sys

import psutil
import pytest

from helpers import labs, paths
from tests.support import hosts
from tests.support.environment import without_ray

UNCHANGED = [lab for lab in labs.NAMES if labs.about(lab)["hosts"]]
WHY_NOT = hosts.missing()

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
    everybody = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    left = [" ".join(own) for own in everybody if any(hosts.HEAD in word for word in own)]
    assert not left
    return ran.stdout


def test_labs_run_unchanged():
    notebooks = [str(paths.NOTEBOOKS / f"{lab}.ipynb") for lab in UNCHANGED]
    printed = run_on_hosts("-m", "pytest", "-q", "-p", "no:cacheprovider", *notebooks)
    assert f"{len(notebooks)} passed" in printed


def test_a_sweep_outlives_a_host():
    printed = run_on_hosts("-m", "tests.support.lose_host")
    assert "Ray has noticed, and the sweep goes on" in printed
    assert "hosts left: 2" in printed
    assert int(re.search(r"(\d+) ran to the end", printed)[1]) > 0
