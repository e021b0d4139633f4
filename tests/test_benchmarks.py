"""The benchmark: every way does the recorded steps, and the promised numbers come out."""

import json
import multiprocessing
import subprocess
import sys

import pytest

from benchmarks import sweep

RUN = {way for way in sweep.WAYS if (way, True) not in sweep.NOT_RUN}
CONFIG = {"lr": 0.1, "momentum": 0.5, "batch_size": 64}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The whole table at two samples, as a person runs it: what it printed, and its JSON."""
    file = tmp_path_factory.mktemp("bench") / "numbers.json"
    command = [sys.executable, "-m", "benchmarks.sweep", "--sizes", "2", "--repeats", "1"]
    done = subprocess.run(
        [*command, "--json", str(file)],
        cwd=sweep.paths.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, json.loads(file.read_text())


def test_every_way_ran_the_recorded_steps(run):
    size = run[1]["sizes"]["2"]
    assert size["trials"] == 2
    assert size["iterations_run"] == {way: [size["iterations"]] for way in RUN}


def test_json_has_what_it_promises(run):
    summary = run[1]
    assert summary["cores"] == multiprocessing.cpu_count()
    assert set(summary["versions"]) == {"ray", "torch", "hyperopt", "optuna"}
    size = summary["sizes"]["2"]
    assert set(size["seconds"]) == set(size["runs"]) == RUN
    assert set(size["ratios"]) == {"naive / lab", "lab / bare", "optuna / bare", "fmin / bare"}


def test_table_names_every_way_and_nothing_else_is_printed(run):
    printed, summary = run
    assert all(name in printed for name in sweep.WAYS.values())
    assert printed == sweep.table(summary) + "\n"


def test_table_says_what_was_not_run(run):
    size = {**run[1]["sizes"]["2"], "trials": 100, "ratios": {}}
    size["seconds"] = {"bare": 1.0, "lab": 2.0, "picture": 2.0, "optuna": 1.0, "fmin": 2.0}
    size["runs"] = {way: [seconds] for way, seconds in size["seconds"].items()}
    assert "not run: would take far too long" in sweep.table({**run[1], "sizes": {"2": size}})


@pytest.mark.parametrize(
    "done",
    [
        [],
        [sweep.Trial(CONFIG, 9)],
        [sweep.Trial({**CONFIG, "batch_size": 128}, 10)],
        [sweep.Trial(CONFIG, 10), sweep.Trial(CONFIG, 10)],
    ],
)
def test_other_steps_than_the_recorded_are_found_out(done):
    with pytest.raises(RuntimeError, match="lab did not do the recorded steps"):
        sweep.check_same_steps("lab", done, [sweep.Trial(CONFIG, 10)])
