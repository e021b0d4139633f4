"""What lab 12's search costs: against rl_zoo3, plain processes and the physical limit.

`python -m benchmarks.rl [--json FILE] [--repeats N]`, or `make bench`. About twelve minutes on two
cores; nothing else should run meanwhile. It starts a Ray head of its own and ends it.

All ways train the same PPO configs, drawn once from the lab's search space, each for the lab's
steps on the lab's environment, and evaluate each agent once, at its end, by the same number of
episodes. No trial is stopped early. Network, trainable, callback and Tuner are the cells of
notebook 12, executed here; the lab's way also reports and saves a checkpoint eight times a trial.

rl_zoo3 has a virtual environment of its own, made on top of this one: it runs on the same
PyTorch and the same Stable-Baselines3. Of it, the time from the start of the first trial to the end
of the last one counts, as its study records it; importing and reading its settings does not. Of the
lab's way all counts that a learner waits for, the start of the trials' processes too.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

from benchmarks.shared import execute, fit, machine, own_ray, report, say, silent_view
from helpers import annex

LAB = "12_tune_sb3"
WAYS = {
    "lab": "the lab's way on Ray Tune",
    "zoo": "rl_zoo3 -optimize, a thread a core",
    "zoo_processes": "rl_zoo3 -optimize, a process a core",
    "plain": "plain SB3, a process a core",
    "serial": "plain SB3, one process",
}
EPISODES = 5  # of the evaluation of each agent; rl_zoo3's default
ZOO = "rl_zoo3==2.9.2"
PACKAGES = ("ray", "torch", "stable-baselines3", "gymnasium", "optuna")

lab = {"__name__": "lab"}  # the notebook's variables; no importable module, so Ray ships its code


# --- the lab's way ---

EVALUATED = """
class EvaluatedToo(ReportToTune):
    def _on_training_end(self):
        evaluate_policy(self.model, make_vec_env(ENV, 1), EPISODES)
        super()._on_training_end()


ReportToTune = EvaluatedToo
"""  # in the notebook's namespace: a worker has no module `benchmarks` to import it from


def run_lab(trials: int) -> tuple[float, list[dict]]:
    """The lab's Tuner, with nobody stopped. Returns its seconds, and the configs that it drew."""
    from ray.tune.schedulers import FIFOScheduler

    tuner = lab["ppo_tuner"](lab["space"], FIFOScheduler(), trials, silent_view())
    seconds, results = fit(tuner)
    check_steps("lab", [result.metrics["steps"] for result in results], trials)
    return seconds, [result.config for result in results]


# --- without Ray ---


def train(config: dict) -> int:
    """Train and evaluate as the lab's trainable does. Returns the steps that it took."""
    model = lab["new_model"](lab["with_falling_rate"](config), seed=1)
    model.learn(lab["STEPS"])
    lab["evaluate_policy"](model, lab["make_vec_env"](lab["ENV"], 1), EPISODES)
    return model.num_timesteps


def run_pool(pool: ProcessPoolExecutor, way: str, configs: list[dict]) -> float:
    """Train all in the processes of a pool that are there already. Returns the seconds."""
    began = time.perf_counter()
    steps = list(pool.map(train, configs))
    seconds = time.perf_counter() - began
    check_steps(way, steps, len(configs))
    return seconds


# --- rl_zoo3 ---

SAME_TRIALS = """
import json
from pathlib import Path

from rl_zoo3 import exp_manager
from stable_baselines3.common.utils import LinearSchedule

configs = json.loads(Path(__file__).with_name("configs.json").read_text())


def next_config(trial, *_):
    config = dict(configs[trial.number])
    rate = config["learning_rate"]
    return {**config, "learning_rate": LinearSchedule(rate, 0.0, 1.0)}


exp_manager.HYPERPARAMS_SAMPLER["ppo"] = next_config
"""  # rl_zoo3 imports it as it does a package with environments


def run_zoo(python: Path, configs: list[dict], programs: int, threads: int) -> float:
    """So many programs, with so many threads each, share one study. Returns its seconds."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "configs.json").write_text(json.dumps(configs))
        (folder / "same_trials.py").write_text(SAME_TRIALS)
        fixed = {"n_envs": lab["ENVS"], "n_timesteps": lab["STEPS"], "policy": "MlpPolicy"}
        (folder / "ppo.yml").write_text(json.dumps({lab["ENV"]: fixed}))  # YAML holds JSON
        command = [python, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", lab["ENV"]]
        command += ["-optimize", "--max-total-trials", str(len(configs)), "--n-jobs", str(threads)]
        command += ["--pruner", "none", "--n-evaluations", "1", "--eval-episodes", str(EPISODES)]
        command += ["--num-threads", "1", "--device", "cpu", "--conf-file", "ppo.yml"]
        command += ["--gym-packages", "same_trials", "--no-optim-plots", "--verbose", "0"]
        command += ["--storage", f"{folder}/study.log", "--study-name", "same"]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        files = [folder / f"program-{number}.txt" for number in range(programs)]
        running = []
        try:
            for file in files:
                with file.open("w") as said:
                    to = {"cwd": folder, "env": environment, "stdout": said, "stderr": said}
                    running.append(subprocess.Popen(command, **to))
            codes = [program.wait() for program in running]
        finally:
            for program in running:
                program.kill()
        if any(codes):
            raise RuntimeError(f"rl_zoo3 failed:\n{files[0].read_text()[-3000:]}")
        storage = JournalStorage(JournalFileBackend(f"{folder}/study.log"))
        trials = optuna.load_study(storage=storage, study_name="same").trials
    unlike = [trial.number for trial in trials if trial.state.name != "COMPLETE"]
    if unlike or len(trials) != len(configs):
        raise RuntimeError(f"rl_zoo3 ran {len(trials)} trials; not complete: {unlike}")
    began = min(trial.datetime_start for trial in trials)
    return (max(trial.datetime_complete for trial in trials) - began).total_seconds()


# --- the measurement ---


def check_steps(way: str, steps: list[int], trials: int) -> None:
    """Raise RuntimeError unless so many trials took the lab's steps each."""
    if steps != [lab["STEPS"]] * trials:
        raise RuntimeError(f"{way}: {trials} trials of {lab['STEPS']} steps, but it took {steps}")


def measure(trials: int, steps: int | None, repeats: int, say: Callable = say) -> dict:
    """Run all ways in turn, `repeats` times; the configs are drawn anew each time.

    Args:
        trials: of each way.
        steps: of each trial; None for the lab's number.
        repeats: of every way.
        say: is told of each run.

    Returns what `--json` writes. Raises RuntimeError where a way took other steps.
    """
    cores = multiprocessing.cpu_count()
    missing = ""
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_ray(say))
        execute(LAB, ["problem", "evaluate", "falling-rate"], lab)
        lab.update(STEPS=steps or lab["STEPS"], EPISODES=EPISODES)
        # A fork of a Ray driver, with the driver's threads, is not safe: the pools come first.
        fork = multiprocessing.get_context("fork")
        pools = {
            "plain": stack.enter_context(ProcessPoolExecutor(cores, mp_context=fork)),
            "serial": stack.enter_context(ProcessPoolExecutor(1, mp_context=fork)),
        }
        for pool in pools.values():
            list(pool.map(warm_up, range(cores)))
        cells = ["init", "tell-tune", "bridge", "trainable", "space", "tuner"]
        execute(LAB, cells, lab)
        stack.callback(lab["ray"].shutdown)
        stack.callback(shutil.rmtree, lab["storage"], ignore_errors=True)
        exec(EVALUATED, lab)
        ways = {way: lambda configs, way=way: run_pool(pools[way], way, configs) for way in pools}
        try:
            same = [f"{name}=={version(name)}" for name in PACKAGES if name != "ray"]
            python = annex.python("rl_zoo3", ZOO, *same)
            ways["zoo"] = lambda configs: run_zoo(python, configs, 1, cores)
            ways["zoo_processes"] = lambda configs: run_zoo(python, configs, cores, 1)
        except annex.NotInstalled as error:
            missing = str(error)
            say(missing)
        seconds = {way: [] for way in WAYS if way == "lab" or way in ways}
        for repeat in range(1, repeats + 1):
            took, configs = run_lab(trials)
            for way in seconds:
                took = took if way == "lab" else ways[way](configs)
                seconds[way].append(took)
                say(f"{repeat}/{repeats}, {way}: {took:.1f} s")
    return {
        **machine(PACKAGES),
        "zoo": ZOO,
        "missing": missing,
        "trials": trials,
        "steps": lab["STEPS"],
        "seconds": seconds,
    }


def warm_up(_) -> None:
    """Build an agent and update it once, for which torch imports more."""
    model = lab["new_model"]({"n_steps": 8, "batch_size": 64}, seed=1)
    model.learn(64)


def ratio(summary: dict, way: str) -> float:
    """A way's seconds over those of the lab's way, the median of the repeats' own ratios."""
    pairs = zip(summary["seconds"][way], summary["seconds"]["lab"], strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)


def table(summary: dict) -> str:
    """The summary as lines to read."""
    cores, steps = summary["cores"], summary["trials"] * summary["steps"]
    lines = [
        f"{cores} cores, Python {summary['python']}, {summary['zoo']}, "
        + ", ".join(f"{name} {number}" for name, number in summary["versions"].items()),
        f"{summary['trials']} trials of {summary['steps']:,} steps and an evaluation each",
        f"{'':38} {'':9} {'trials/min':>11} {'steps/s':>9}",
    ]
    for way, name in WAYS.items():
        if way not in summary["seconds"]:
            lines.append(f"{name:38} not run: {summary['missing']}")
            continue
        took = statistics.median(summary["seconds"][way])
        rate = f"{60 * summary['trials'] / took:11.1f} {steps / took:9,.0f}"
        lines.append(f"{name:38} {took:7.1f} s {rate}")
    for way in ("zoo", "zoo_processes", "plain"):
        if way in summary["seconds"]:
            lines.append(f"the lab's way is {ratio(summary, way):.2f} x as fast as {WAYS[way]}")
    limit = ratio(summary, "serial") / cores
    lines.append(f"and has {limit:.2f} of the limit, which is {cores} times one process")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--repeats", type=int, default=3, help="of every way (default: 3)")
    parser.add_argument("--trials", type=int, default=10, help="of every way (default: 10)")
    parser.add_argument("--steps", type=int, help="of every trial (default: the lab's)")
    options = parser.parse_args()
    if min(options.repeats, options.trials, options.steps or 1) < 1:
        parser.error("repeats, trials and steps begin at 1")
    report(lambda: measure(options.trials, options.steps, options.repeats), table, options.json)


if __name__ == "__main__":
    main()
