"""A driver is killed at ten random moments, and its sweep restored each time, as in lab 10.

What is held: a trial that the snapshot on the disk calls complete when the driver dies is never
run again, no trial is lost, and the sweep ends as one that nobody disturbed, to the last digit.
This needs what lab 10 gives a sweep: a snapshot every half a second, trials that save all that
their next step depends on, and files that are replaced whole: restoring from a snapshot that was
cut off raises nothing, Tune logs an error and begins a new sweep of a single trial with an empty
config. What Tune does not promise is not held: a trial that became complete after the last
snapshot is in none, so it goes on from its last checkpoint that is in one, to the same end.
"""

import faulthandler
import json
import multiprocessing
import os
import random
import time

import pytest

from benchmarks.shared import execute

TRIALS, ITERATIONS, KILLS, LIMIT_S = 12, 12, 10, 300
CELLS = ["problem", "save-load", "fates", "train", "draft", "whole-files"]  # of the lab


def drive(folder: str, name: str) -> None:
    """Begin the sweep of that name, or go on with it; runs in a driver of its own."""
    import ray
    from ray import tune

    os.environ |= {"TUNE_GLOBAL_CHECKPOINT_S": "0.5", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    file = os.open(f"{folder}/{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.dump_traceback_later(LIMIT_S / 2)  # where it hangs, should it hang
    lab = {"__name__": "__main__", "os": os, "time": time}  # so its functions travel by value
    execute("10_checkpoints_and_resume", CELLS, lab)
    lab["MOVES"] = 4_000

    class Diary(tune.Callback):
        def on_trial_result(self, iteration, trials, trial, result, **info):
            line = [trial.config["seed"], result["iteration"], result["height"]]
            with open(f"{folder}/{name}.jsonl", "a") as file:
                file.write(json.dumps(line) + "\n")

    ray.init(logging_level="error", log_to_driver=False)
    path, whole_files = f"{folder}/{name}", lab["whole_files"]
    trainable = tune.with_resources(lab["train"], {"cpu": 0.01})
    if tune.Tuner.can_restore(path, whole_files):
        tuner = tune.Tuner.restore(path, trainable, storage_filesystem=whole_files)
    else:
        seeds = tune.grid_search(list(range(TRIALS)))
        goal = {"metric": "height", "mode": "min"}
        tuner = tune.Tuner(
            trainable,
            param_space={"name": "undisturbed", "heat": 3.0, "seed": seeds},
            tune_config=tune.TuneConfig(max_concurrent_trials=2, reuse_actors=True, **goal),
            run_config=tune.RunConfig(
                name=name,
                storage_path=folder,
                storage_filesystem=whole_files,
                callbacks=[Diary()],
                verbose=0,
            ),
        )
    results = tuner.fit()
    ends = {result.config["seed"]: result.metrics["height"] for result in results}
    best = results.get_best_result().config["seed"]
    with open(f"{path}.json", "w") as file:
        json.dump({"ends": ends, "best": best, "failed": len(results.errors)}, file)


@pytest.fixture
def start(tmp_path, course):
    """`start(name)` starts a driver of the sweep of that name."""
    drivers = multiprocessing.get_context("forkserver")
    drivers.set_forkserver_preload(["ray.tune"])  # which takes a driver most of its start
    started = []

    def start(name):
        driver = drivers.Process(target=drive, args=(str(tmp_path), name))
        driver.start()
        started.append(driver)
        return driver

    yield start
    for driver in started:
        driver.kill()
        driver.join()


def diary(folder, name):
    """What drivers of that sweep were told, in its order: trial, iteration, height."""
    file = folder / f"{name}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("]")]  # a kill may leave half


def complete(folder, name):
    """The trials that the snapshot on the disk calls complete."""
    from ray import tune

    trials = tune.ExperimentAnalysis(str(folder / name)).trials
    return {trial.config["seed"] for trial in trials if trial.status == "TERMINATED"}


def log(folder, name):
    return (folder / f"{name}.log").read_text()[-3000:]


def reached(folder, name):
    """How many different iterations have been reported."""
    return len({(trial, iteration) for trial, iteration, _ in diary(folder, name)})


def kill(driver, folder, name, goal, pause_s):
    """Kill a driver some time after the sweep has come to so many iterations, and at least one."""
    goal = max(goal, reached(folder, name) + 1)
    deadline = time.monotonic() + LIMIT_S
    while reached(folder, name) < goal:
        assert driver.is_alive(), f"the driver ended:\n{log(folder, name)}"
        assert time.monotonic() < deadline, f"no results came:\n{log(folder, name)}"
        time.sleep(0.01)
    time.sleep(pause_s)
    driver.kill()
    driver.join()


def finish(driver, folder, name):
    """Let a driver come to its end; return what it found."""
    driver.join(LIMIT_S)
    assert driver.exitcode == 0, log(folder, name)
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.slow
def test_a_driver_killed_ten_times_loses_no_complete_trial(start, tmp_path):
    seed = random.randrange(10_000)
    print("random moments from seed", seed)
    dice = random.Random(seed)
    undisturbed = finish(start("undisturbed"), tmp_path, "undisturbed")
    lives = []  # how many results had come when a driver died, and what was complete by then
    part = TRIALS * ITERATIONS // (KILLS + 2)  # one kill in each, and none near the end
    for number in range(KILLS):
        goal, pause_s = part * number + dice.randrange(part), dice.uniform(0, 0.3)
        kill(start("killed"), tmp_path, "killed", goal, pause_s)
        lives.append((len(diary(tmp_path, "killed")), complete(tmp_path, "killed")))
    killed = finish(start("killed"), tmp_path, "killed")

    assert killed == undisturbed
    assert len(killed["ends"]) == TRIALS and not killed["failed"]
    assert any(ended for _, ended in lives), "no kill found a complete trial"
    results = diary(tmp_path, "killed")
    for came, ended in lives:
        assert not ended & {trial for trial, _, _ in results[came:]}, "a complete trial ran again"
    print(len(results) - TRIALS * ITERATIONS, "of", TRIALS * ITERATIONS, "iterations ran again")
