"""Lab 06: its machines are on loopback only, in nobody's way, and gone with their kernel."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import psutil
import pytest
from matplotlib.colors import to_hex

from helpers import local, plots
from tests.support.kernel import kernel

LAB = "06_clusters"
NOTED = Path("/tmp/ray/ray_current_cluster")  # what a plain `ray.init()` joins

# A kernel that has run the lab up to its three machines, tells of them, and waits to be killed.
KERNEL = f"""
import json
import psutil
from helpers.labs import read
code = {{cell["id"]: cell["source"] for cell in read("{LAB}")["cells"]}}
names = {{}}
for cell in ("init", "head", "status", "join"):
    exec(code[cell], names)
terminals = [names["head"], *names["machines"].values()]
addresses = [sorted(terminal.listens()) for terminal in terminals]
pids = [process.pid for process in psutil.Process().children(recursive=True)]
print(json.dumps([addresses, pids]), flush=True)
input()
"""


def noted() -> str | None:
    return NOTED.read_text() if NOTED.exists() else None


def test_three_machines_that_nobody_else_sees_and_that_end_with_their_kernel():
    before = noted()
    with kernel(KERNEL) as running:
        told = next(line for line in running.stdout if line.startswith("[["))
        addresses, pids = json.loads(told)
        own = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        assert len(addresses) == 3
        for one in addresses:
            assert one and set(one) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
        assert noted() == before
    assert local.wait_until_gone(own, 60)
    assert noted() == before


@pytest.fixture
def drawn(monkeypatch):
    """The figure that was shown."""
    monkeypatch.setattr(plt, "show", lambda: None)
    yield plt.gcf
    plt.close("all")


def test_where_tasks_landed(drawn):
    plots.landings({"one way": ["a", "b", "a"], "another": ["b"] * 3}, "they landed")
    first, second = drawn().axes
    assert first.get_title(loc="left") == "one way: a 2, b 1"
    assert second.get_title(loc="left") == "another: b 3"
    assert len(first.collections[0].get_offsets()) == 3


def test_what_became_of_each_run(drawn):
    runs = [(0, "b", 10.0, 11.0), (1, "a", 10.0, 11.0), (2, "b", 11.0, None)]
    runs += [(0, "a", 20.0, 21.0), (2, "a", 21.0, 22.0)]
    plots.lost_machine(runs, 11.5, 19.0, "b died")
    [axis] = drawn().axes
    names = {
        plots.YELLOW: "value lost",
        plots.BLUE: "once",
        plots.RED: "cut",
        plots.ORANGE: "again",
    }
    kinds = [names[to_hex(bar.get_facecolor()).upper()] for bar in axis.patches]
    assert kinds == ["value lost", "once", "cut", "again", "again"]
    assert axis.patches[2].get_width() == pytest.approx(0.5)
