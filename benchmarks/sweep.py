"""What the labs' MNIST sweep costs: against the naive recipe, two peers and the physical limit.

`python -m benchmarks.sweep [--json FILE] [--repeats N]`, or `make bench`. About twelve minutes on
two cores; nothing else should run meanwhile. It starts a Ray head of its own and ends it.

All ways do the same trials and the same training steps. TPE and ASHA decide by what has been
reported so far, so two live sweeps never do the same work. Therefore one live sweep of each size is
recorded first, its configs and how many iterations each trial ran, and every way replays exactly
these. So what TPE's own arithmetic takes is in none of the ways; the live sweeps are in the table
too. ConvNet, batches, training, search space and Tuner are the cells of notebook 08, executed here.

Timed is the search alone, from a driver that has joined Ray and imported everything, as a notebook
has. The ways take turns, and the table gives medians.
"""

import argparse
import contextlib
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from benchmarks.shared import execute, fit, machine, own_ray, report, say, silent_view

LAB = "08_tune_mnist_sweep"
SIZES = (10, 100)
SMALL = 10  # samples
WAYS = {
    "naive": "naive recipe on Ray Tune",
    "lab": "the lab's way on Ray Tune",
    "picture": "the lab's way, live picture included",
    "optuna": "Optuna, a process a core",
    "fmin": "hyperopt.fmin, one process",
    "bare": "bare compute / cores",
}
NOT_RUN = {  # why a way is left out, by (way, whether the sweep is small)
    ("naive", False): "not run: would take far too long",
    ("picture", True): "not run: too short to draw",
}
RATIOS = [("naive", "lab"), ("lab", "bare"), ("optuna", "bare"), ("fmin", "bare")]
PACKAGES = ("ray", "torch", "hyperopt", "optuna")

lab = {"__name__": "lab"}  # the notebook's variables; no importable module, so Ray ships its code


class Trial(NamedTuple):
    """One trial of a recorded sweep."""

    config: dict
    iterations: int


Sweep = list[Trial]


def cells(*ids: str) -> None:
    """Execute cells of the notebook in the namespace `lab`."""
    execute(LAB, ids, lab)


def iterations_of(sweep: Sweep, config: dict) -> int:
    """How often the trial with this config trained and reported. Its `lr` tells it from others."""
    return {trial.config["lr"]: trial.iterations for trial in sweep}[config["lr"]]


def configs(sweep: Sweep) -> list[dict]:
    """The configs, as HyperOptSearch's `points_to_evaluate` wants them."""
    return [dict(trial.config) for trial in sweep]


# --- Ray Tune: the lab's way and the naive one ---


def record(samples: int, initial: int) -> tuple[float, Sweep]:
    """Run the lab's own sweep live. Returns its seconds, and its trials in the order begun."""
    return _fit(lab_tuner(samples, initial))


def lab_tuner(samples: int, initial: int, picture: bool = False):
    """The notebook's Tuner; its picture, which is not part of the search, only on demand."""
    from helpers import ui

    lab["ui"] = ui if picture else SimpleNamespace(SweepView=lambda *_, **__: silent_view())
    return lab["mnist_tuner"](samples, initial)


def run_lab(sweep: Sweep, picture: bool = False) -> tuple[float, Sweep]:
    """The notebook's Tuner, with recorded trials in place of what HyperOpt and ASHA decide."""
    own = {name: lab[name] for name in ("HyperOptSearch", "ASHAScheduler")}
    lab["HyperOptSearch"] = lambda *args, **options: own["HyperOptSearch"](
        *args, **options, points_to_evaluate=configs(sweep)
    )
    lab["ASHAScheduler"] = lambda **_: _replay(sweep)
    try:
        return _fit(lab_tuner(len(sweep), len(sweep), picture))
    finally:
        lab.update(own)


def run_picture(sweep: Sweep) -> tuple[float, Sweep]:
    """As `run_lab`, drawing what the learner sees; the drawings go nowhere."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    if not InteractiveShell.initialized():  # without one, IPython's display() hands out no handle
        config = Config({"HistoryManager": {"enabled": False}})
        InteractiveShell.instance(config=config, user_module=sys.modules["__main__"])
    return run_lab(sweep, picture=True)


def run_naive(sweep: Sweep) -> tuple[float, Sweep]:
    """The sweep of most articles: fresh processes, torchvision's data set, Tune's defaults."""
    from ray import tune

    config = tune.TuneConfig(
        search_alg=lab["HyperOptSearch"](
            lab["space"], points_to_evaluate=configs(sweep), **lab["goal"]
        ),
        scheduler=_replay(sweep),
        num_samples=len(sweep),
        max_concurrent_trials=lab["cores"],
        **lab["goal"],
    )
    run = tune.RunConfig(storage_path=lab["storage"], verbose=0)
    quiet = os.environ.pop("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS")
    try:
        return _fit(tune.Tuner(lab["train_naively"], tune_config=config, run_config=run))
    finally:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = quiet


NAIVE = """
def train_naively(config):
    model = ConvNet()
    optimizer = torch.optim.SGD(model.parameters(), config["lr"], config["momentum"])
    train = naive_data(config["batch_size"])
    scale = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    held_out = datasets.MNIST(FOLDER, train=False, download=False, transform=scale)
    test = DataLoader(held_out, batch_size=64, shuffle=True)
    for iteration in range(1, ITERATIONS + 1):
        model.train()
        for number, (x, y) in enumerate(train):
            if number * config["batch_size"] >= EPOCH_SIZE:
                break
            optimizer.zero_grad()
            F.nll_loss(model(x), y).backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for number, (x, y) in enumerate(test):
                if number * 64 >= TEST_SIZE:
                    break
                correct += (model(x).argmax(1) == y).sum().item()
        metrics = {"mean_accuracy": correct / TEST_SIZE}
        if iteration % 5:
            tune.report(metrics)
        else:
            with TemporaryDirectory() as folder:
                torch.save(model.state_dict(), f"{folder}/model.pt")
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))
"""  # in the notebook's namespace: a worker has no module `benchmarks` to import it from


def _replay(sweep: Sweep):
    """A scheduler that stops each trial where the recorded one ended."""
    from ray.tune.schedulers import FIFOScheduler, TrialScheduler

    class Replay(FIFOScheduler):
        def on_trial_result(self, tune_controller, trial, result):
            ended = result["training_iteration"] >= iterations_of(sweep, trial.config)
            return TrialScheduler.STOP if ended else TrialScheduler.CONTINUE

    return Replay()


def _fit(tuner) -> tuple[float, Sweep]:
    seconds, results = fit(tuner)
    return seconds, [Trial(r.config, r.metrics["training_iteration"]) for r in results]


# --- without Ray ---


def trained(config: dict, iterations: int, save: bool = True):
    """Train as `train_mnist` does, and yield each accuracy; `save` is for its checkpoints."""
    torch = lab["torch"]
    torch.set_num_threads(1)
    model = lab["ConvNet"]()
    optimizer = lab["SGD"](model.parameters(), config["lr"], config["momentum"])
    with tempfile.TemporaryDirectory() as folder:
        for iteration in range(1, iterations + 1):
            lab["train_iteration"](model, optimizer, lab["data"]["train"], config["batch_size"])
            yield lab["accuracy"](model, lab["data"]["validation"])
            if save and iteration % 5 == 0:
                torch.save(model.state_dict(), f"{folder}/model-{iteration}.pt")


def run_optuna(sweep: Sweep) -> tuple[float, Sweep]:
    """Optuna as its manual has it for several processes: one journal file, forked workers."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cores = multiprocessing.cpu_count()
    fork = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        storage = JournalStorage(JournalFileBackend(f"{folder}/journal"))
        study = optuna.create_study(storage=storage, study_name="sweep", direction="maximize")
        began = time.perf_counter()
        for trial in sweep:
            study.enqueue_trial(trial.config)
        begun = fork.Value("i", 0)
        workers = [
            fork.Process(target=_optuna_worker, args=(f"{folder}/journal", sweep, begun))
            for _ in range(cores)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        done = study.get_trials()
        seconds = time.perf_counter() - began
    return seconds, [Trial(trial.params, len(trial.intermediate_values)) for trial in done]


def _optuna_worker(journal: str, sweep: Sweep, begun) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    low, high = (float(lab["np"].exp(end)) for end in (-10, -1))

    def objective(trial):
        config = {
            "lr": trial.suggest_float("lr", low, high, log=True),
            "momentum": trial.suggest_float("momentum", 0.1, 0.9),
            "batch_size": trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
        }
        for step, score in enumerate(trained(config, iterations_of(sweep, config)), start=1):
            trial.report(score, step)
        return score

    storage = JournalStorage(JournalFileBackend(journal))
    study = optuna.load_study(storage=storage, study_name="sweep")
    while True:
        with begun.get_lock():  # n_trials is per process; together they must run no trial too many
            if begun.value == len(sweep):
                return
            begun.value += 1
        study.optimize(objective, n_trials=1)


def run_fmin(sweep: Sweep) -> tuple[float, Sweep]:
    """hyperopt alone, one trial after the other."""
    from hyperopt import STATUS_FAIL, fmin, tpe

    done = []
    sizes = [option.obj for option in lab["space"]["batch_size"].pos_args[1:]]
    points = [{**c, "batch_size": sizes.index(c["batch_size"])} for c in configs(sweep)]

    def objective(config):
        if len(done) == len(sweep):
            return {"status": STATUS_FAIL}
        scores = list(trained(config, iterations_of(sweep, config)))
        done.append(Trial(config, len(scores)))
        return -scores[-1]

    began = time.perf_counter()
    fmin(
        objective,
        lab["space"],
        algo=tpe.suggest,
        max_evals=1,  # on top of the points; `objective` skips this one
        points_to_evaluate=points,  # of a choice, fmin wants the index
        show_progressbar=False,
        verbose=False,
    )
    return time.perf_counter() - began, done


def run_bare(sweep: Sweep) -> tuple[float, Sweep]:
    """Nothing but the steps, in one process with one thread; the time divided by the cores."""
    done = []
    began = time.perf_counter()
    for config, iterations in sweep:
        done.append(Trial(config, len(list(trained(config, iterations, save=False)))))
    return (time.perf_counter() - began) / multiprocessing.cpu_count(), done


# --- the measurement ---


def measure(sizes=SIZES, repeats: int = 3, say=say) -> dict:
    """Start Ray, record a sweep of each size, run all ways in turn, end Ray.

    Returns what `--json` writes. `say` is told of each run. Raises RuntimeError where a way did not
    do exactly the recorded steps.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_ray(say))
        cells("digits", "model", "sgd", "batches", "iteration", "space", "trainable")
        # What runs without Ray runs in a process that forked before Ray came: a fork of a driver,
        # with the driver's threads, is not safe.
        fork = multiprocessing.get_context("fork")
        peers = stack.enter_context(ProcessPoolExecutor(1, mp_context=fork))
        peers.submit(_warm_up).result()
        cells("init", "parameters", "searcher", "rungs", "scheduler", "tuner-needs", "tuner")
        cells("naive")
        stack.callback(lab["ray"].shutdown)
        stack.callback(shutil.rmtree, lab["storage"], ignore_errors=True)
        exec(NAIVE, lab)

        ways = {
            "naive": run_naive,
            "lab": run_lab,
            "picture": run_picture,
            "optuna": lambda sweep: peers.submit(run_optuna, sweep).result(),
            "fmin": lambda sweep: peers.submit(run_fmin, sweep).result(),
            "bare": lambda sweep: peers.submit(run_bare, sweep).result(),
        }
        recorded = {}
        for size in sizes:
            recorded[size] = record(size, initial=min(20, max(1, size // 2)))
            say(f"{size} samples, recorded live: {_account(*recorded[size])}")
        times = {size: {} for size in sizes}
        for repeat in range(1, repeats + 1):
            for size in sizes:
                sweep = recorded[size][1]
                for way, run in ways.items():
                    if (way, size <= SMALL) in NOT_RUN:
                        continue
                    seconds, done = run(sweep)
                    check_same_steps(way, done, sweep)
                    times[size].setdefault(way, []).append((seconds, done))
                    say(f"{repeat}/{repeats}, {size} samples, {way}: {_account(seconds, done)}")
        return _summary(recorded, times)


def _warm_up() -> None:
    """Import what the peers use, and build an optimizer, for which torch imports more."""
    import optuna
    from hyperopt import fmin, tpe  # noqa: F401

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    list(trained({"lr": 0.01, "momentum": 0.5, "batch_size": 64}, 1))


def check_same_steps(way: str, done: Sweep, recorded: Sweep) -> None:
    """Raise RuntimeError unless exactly the recorded trials ran, each as long as recorded."""
    if _steps(done) != _steps(recorded):
        raise RuntimeError(f"{way} did not do the recorded steps: {done} instead of {recorded}")


def _steps(sweep: Sweep) -> list:
    return sorted((t.config["lr"], t.config["batch_size"], t.iterations) for t in sweep)


def _account(seconds: float, sweep: Sweep) -> str:
    return f"{seconds:.1f} s for {len(sweep)} trials, {sum(t.iterations for t in sweep)} iterations"


def _summary(recorded: dict, times: dict) -> dict:
    summary = {
        **machine(PACKAGES),
        "sizes": {},
    }
    for size, runs in times.items():
        live_seconds, sweep = recorded[size]
        seconds = {way: statistics.median(s for s, _ in done) for way, done in runs.items()}
        summary["sizes"][str(size)] = {
            "trials": len(sweep),
            "iterations": sum(trial.iterations for trial in sweep),
            "live_seconds": live_seconds,
            "seconds": seconds,
            "runs": {way: [s for s, _ in done] for way, done in runs.items()},
            "iterations_run": {
                way: [sum(trial.iterations for trial in trials) for _, trials in done]
                for way, done in runs.items()
            },
            "ratios": {
                f"{slow} / {fast}": seconds[slow] / seconds[fast]
                for slow, fast in RATIOS
                if slow in seconds
            },
        }
    return summary


def table(summary: dict) -> str:
    """The summary as lines to read."""
    lines = [
        f"{summary['cores']} cores, Python {summary['python']}, "
        + ", ".join(f"{name} {number}" for name, number in summary["versions"].items())
    ]
    for size in summary["sizes"].values():
        lines += ["", f"{size['trials']} samples, {size['iterations']} training iterations in all"]
        for way, name in WAYS.items():
            if way not in size["seconds"]:
                lines.append(f"  {name:38} {NOT_RUN[way, size['trials'] <= SMALL]}")
                continue
            seconds, runs = size["seconds"][way], size["runs"][way]
            spread = f"{min(runs):.2f} to {max(runs):.2f}"
            times_bare = seconds / size["seconds"]["bare"]
            lines.append(f"  {name:38} {seconds:7.2f} s {times_bare:7.2f} x bare   ({spread})")
        lines.append(f"  {'the live sweep that was recorded':38} {size['live_seconds']:7.2f} s")
        if "naive / lab" in size["ratios"]:
            lines.append(f"  naive / the lab's way: {size['ratios']['naive / lab']:.1f}")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--repeats", type=int, default=3, help="of every way (default: 3)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="samples (default: 10 100)"
    )
    options = parser.parse_args()
    if min(options.repeats, *options.sizes) < 1:
        parser.error("samples and repeats begin at 1")
    report(lambda: measure(options.sizes, options.repeats), table, options.json)


if __name__ == "__main__":
    main()
