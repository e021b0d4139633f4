"""The benchmarks run as a person runs them, do what they say, and print what was measured."""

import json
import multiprocessing
import subprocess
import sys

import pytest

from benchmarks import core, perfetto, rl, searchers, sweep, ui
from benchmarks.shared import ENVIRONMENT
from helpers import paths

RUN = {way for way in sweep.WAYS if (way, True) not in sweep.NOT_RUN}
EMPTY = {"cores": 2, "python": "3", "versions": {}, "samples": 1, "problems": [], "searchers": {}}
CONFIG = {"lr": 0.1, "momentum": 0.5, "batch_size": 64}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The sweep's whole table at two samples."""
    folder = tmp_path_factory.mktemp("sweep")
    return run_as_a_person("benchmarks.sweep", folder, "--sizes", "2", "--repeats", "1")


@pytest.fixture(scope="module")
def core_run(tmp_path_factory):
    return run_as_a_person("benchmarks.core", tmp_path_factory.mktemp("core"), "--repeats", "1")


def run_as_a_person(module, folder, *options):
    """What a benchmark printed, and its JSON."""
    file = folder / "numbers.json"
    done = subprocess.run(
        [sys.executable, "-m", module, *options, "--json", str(file)],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, json.loads(file.read_text())


@pytest.mark.slow
def test_every_way_ran_the_recorded_steps(run):
    size = run[1]["sizes"]["2"]
    assert size["trials"] == 2
    assert size["iterations_run"] == {way: [size["iterations"]] for way in RUN}


@pytest.mark.slow
def test_json_has_what_it_promises(run):
    summary = run[1]
    assert summary["cores"] == multiprocessing.cpu_count()
    assert set(summary["versions"]) == {"ray", "torch", "hyperopt", "optuna"}
    size = summary["sizes"]["2"]
    assert set(size["seconds"]) == set(size["runs"]) == RUN
    assert set(size["ratios"]) == {"naive / lab", "lab / bare", "optuna / bare", "fmin / bare"}


@pytest.mark.slow
def test_table_names_every_way_and_nothing_else_is_printed(run):
    printed, summary = run
    assert all(name in printed for name in sweep.WAYS.values())
    assert printed == sweep.table(summary) + "\n"


@pytest.mark.slow
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


@pytest.mark.slow
def test_core_measures_every_way_once_a_repeat(core_run):
    summary = core_run[1]
    assert summary["cores"] == multiprocessing.cpu_count()
    assert list(summary["sorts"]) == list(core.WAYS)
    assert list(summary["round_trip"]) == list(summary["calls"]) == list(core.PROCESSES)
    measured = [summary[measure] for measure in ("sorts", "round_trip", "calls")]
    for repeats in [repeats for ways in measured for repeats in ways.values()]:
        assert len(repeats) == 1 and repeats[0] > 0


@pytest.mark.slow
def test_core_prints_its_progress_and_its_table(core_run):
    printed, summary = core_run
    assert all(name in printed for name in core.NAMES.values())
    assert "repeat 1 of 1" in printed
    assert printed.endswith(core.table(summary) + "\n")


def test_efficiency_is_the_speed_up_a_core():
    summary = {"cores": 2, "sorts": {"row": [4.0, 6.0, 4.0], "ray": [2.0, 4.0, 4.0]}}
    assert core.efficiency(summary, "row") == 0.5
    assert core.efficiency(summary, "ray") == 0.75  # the median of 1, 0.75 and 0.5


@pytest.fixture(scope="module")
def rl_run(tmp_path_factory):
    """Two short trials of every way."""
    options = ["--trials", "2", "--steps", "2048", "--repeats", "1"]
    return run_as_a_person("benchmarks.rl", tmp_path_factory.mktemp("rl"), *options)


@pytest.mark.slow
def test_rl_measures_every_way_that_could_be_installed(rl_run):
    printed, summary = rl_run
    assert printed == rl.table(summary) + "\n"
    assert (summary["trials"], summary["steps"]) == (2, 2048)
    if summary["missing"]:
        pytest.skip(summary["missing"])
    assert list(summary["seconds"]) == list(rl.WAYS)
    assert all(len(repeats) == 1 and repeats[0] > 0 for repeats in summary["seconds"].values())


def test_rl_says_what_could_not_be_installed():
    summary = {"cores": 2, "python": "3", "versions": {}, "zoo": rl.ZOO, "missing": "No network."}
    seconds = {"lab": [5.0, 4.0], "plain": [4.0, 4.0], "serial": [8.0, 8.0]}
    printed = rl.table({**summary, "trials": 2, "steps": 100, "seconds": seconds})
    assert printed.count("not run: No network.") == 2
    assert "0.90 x as fast as plain SB3" in printed  # the median of 0.8 and 1
    assert "0.90 of the limit" in printed


def test_rl_finds_other_steps_out():
    rl.lab["STEPS"] = 100
    rl.check_steps("lab", [100, 100], 2)
    for steps in ([100], [100, 90], [100, 100, 100]):
        with pytest.raises(RuntimeError, match="lab: 2 trials of 100 steps"):
            rl.check_steps("lab", steps, 2)


@pytest.fixture(scope="module")
def ui_run(tmp_path_factory):
    return run_as_a_person("benchmarks.ui", tmp_path_factory.mktemp("ui"), "--sizes", "200")


@pytest.mark.slow
def test_ui_measures_every_view_and_has_its_trace_read(ui_run):
    printed, summary = ui_run
    size = summary["sizes"]["200"]
    assert {"task by id", "object by id", "timeline", *ui.LIVE} <= set(size["widgets"])
    assert all(one["seconds"] > 0 and one["said"] for one in size["widgets"].values())
    assert size["widgets"]["timeline"]["said"].startswith("200 tasks on ")
    assert all(name in printed for name in size["widgets"])
    if perfetto.CHROMIUM:
        assert size["trace"]["tasks"] == 200 and not size["trace"]["errors"]


@pytest.fixture(scope="module")
def searchers_run(tmp_path_factory):
    """Two seeds of some searchers, of which one takes no log scale and one does not run."""
    options = ["--seeds", "2", "--samples", "6", "--schedulers"]
    options += ["--searchers", "random", "HyperOpt TPE", "ZOOpt", "Ray's HEBOSearch"]
    return run_as_a_person("benchmarks.searchers", tmp_path_factory.mktemp("s"), *options)


@pytest.mark.slow
def test_searchers_measures_what_runs_and_says_why_the_rest_does_not(searchers_run):
    printed, summary = searchers_run
    assert printed == searchers.table(summary) + "\n"
    found = summary["searchers"]
    for problem in summary["problems"]:
        assert {run["seed"] for run in found["random"][problem]} == {0, 1}
        assert all(run["seconds"] >= 0 for run in found["HyperOpt TPE"][problem])
        [refused] = found["Ray's HEBOSearch"][problem]
        assert "HEBO must be installed" in refused["missing"]
    assert "does not support" in found["ZOOpt"]["training"][0]["missing"]
    assert printed.count("not run: ") == 1 and "not run on training: " in printed


@pytest.mark.slow
def test_searchers_runs_the_labs_race(course, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    said = []
    schedulers = searchers.race_schedulers(["ASHA"], said.append)
    assert schedulers["ASHA"]["trials"] == 12
    assert 12 * 2 < schedulers["ASHA"]["iterations"] < 12 * 16
    assert said[0].startswith("ASHA: ")
    printed = searchers.table({**EMPTY, "schedulers": {**schedulers, "PB2": {"missing": "why"}}})
    assert "ASHA" in printed and "not run: why" in printed


def test_a_rank_is_a_place_among_those_with_every_seed():
    bests = {"a": {0: 1.0, 1: 5.0}, "b": {0: 2.0, 1: 2.0}, "c": {0: 2.0, 1: 9.0}, "slow": {1: 3.0}}
    assert searchers.ranks(bests) == {"a": 1.5, "b": 1.75, "c": 2.75, "slow": 2.0}
