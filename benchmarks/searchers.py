"""What Tune's searchers and schedulers cost, and how they rank, on problems that cost nothing.

`python -m benchmarks.searchers [--json FILE] [--seeds N]`, or `make bench`. About twenty minutes
on two cores; nothing else should run meanwhile.

Searchers: each of `helpers.searchers` on each of `helpers.problems`, 25 configs a seed, driven
outside Ray, a process a core and one thread each. A rank is a place among all that ran with every
seed, on the same seed; HEBO, the slowest, has fewer seeds and is ranked on these. The time of a
trial is what suggesting and telling take, measuring being free. What does not run says why.

Schedulers: the trainable, the twelve configs and the race of notebook 09, its own cells, executed
here in a Ray of its own, one trial at a time. An iteration costs nothing, so all time is Tune's.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from types import SimpleNamespace

from benchmarks.shared import execute, machine, own_ray, report, say

LAB = "09_searchers_and_schedulers"
PACKAGES = ("ray", "hyperopt", "optuna", "nevergrad", "zoopt", "bayesian-optimization")
PACKAGES += ("ax-platform", "scikit-optimize")
SAMPLES = 25
SEARCHERS = ["random", "grid", "HyperOpt TPE", "Optuna TPE", "Optuna CMA-ES", "Optuna GP"]
SEARCHERS += ["BayesOpt", "Nevergrad", "ZOOpt", "BOHB", "Ax", "Ray's AxSearch", "skopt GP"]
SEARCHERS += ["HEBO", "Ray's HEBOSearch"]
SLOW = {"HEBO"}  # which get fewer seeds
SCHEDULERS = {  # the cells of the notebook that run each
    "FIFO": ["fifo"],
    "ASHA": ["asha"],
    "HyperBand": ["hyperband"],
    "BOHB": ["bohb"],
    "median stopping": ["median"],
    "PBT": ["pbt"],
    "PBT replay": ["replay"],
    "PB2": ["pb2"],
    "resource changing": [],
}

lab = {"__name__": "lab"}  # the notebook's variables; no importable module, so Ray ships its code


# --- searchers; these functions run in processes of their own ---


def kind_of(name: str):
    """The `helpers.searchers.Kind` of this name: one of theirs, HEBO, or a wrapper of Ray's."""
    from helpers.searchers import SEARCHERS, Kind

    if name == "HEBO":
        from benchmarks.hebo import HeboSearch

        return Kind(lambda seed, samples: HeboSearch(seed=seed, initial=samples // 4))
    if name == "Ray's AxSearch":
        from ray.tune.search.ax import AxSearch

        return Kind(lambda seed, samples: AxSearch())
    if name == "Ray's HEBOSearch":
        from ray.tune.search.hebo import HEBOSearch

        return Kind(lambda seed, samples: HEBOSearch())
    return SEARCHERS[name]


def search_seed(problem_name: str, name: str, seed: int, samples: int) -> dict:
    """One search: its best loss and its seconds a trial, or why it did not run."""
    from helpers.problems import PROBLEMS
    from helpers.searchers import search

    problem, searcher = PROBLEMS[problem_name], None
    try:
        kind = kind_of(name)
        searcher = kind(problem.space, "loss", "min", seed, samples)
        began = time.perf_counter()
        losses = search(problem.objective, searcher, samples, kind.at_once)
        seconds = time.perf_counter() - began
    except Exception as error:
        return {
            "seed": seed,
            "missing": f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}",
        }
    finally:
        if hasattr(searcher, "close"):
            searcher.close()
    if len(losses) < samples:
        return {"seed": seed, "missing": f"it stopped suggesting after {len(losses)} of {samples}"}
    return {"seed": seed, "best": min(losses), "seconds": seconds / samples}


def race_searchers(names, problems, seeds, slow_seeds, samples, say) -> dict:
    """Results of every searcher, problem and seed, as {searcher: {problem: [result, ...]}}."""
    spawn = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"  # which the processes read when they start
    results = {name: {problem: [] for problem in problems} for name in names}
    with ProcessPoolExecutor(multiprocessing.cpu_count(), mp_context=spawn) as pool:
        for name in names:
            count = slow_seeds if name in SLOW else seeds
            first = {p: pool.submit(search_seed, p, name, 0, samples) for p in problems}
            for problem in problems:
                results[name][problem].append(first[problem].result())
            runs = {
                pool.submit(search_seed, problem, name, seed, samples): problem
                for problem in problems
                if "missing" not in results[name][problem][0]
                for seed in range(1, count)
            }
            for done in as_completed(runs):
                results[name][runs[done]].append(done.result())
            say(f"{name}: {sum(map(len, results[name].values()))} searches")
    return results


def ranks(bests: dict[str, dict[int, float]]) -> dict[str, float]:
    """Mean places on one problem, 1 the best, among those that have every seed.

    Args:
        bests: a searcher's name to its best loss by seed.
    """
    most = max(map(len, bests.values()))
    field = {name: own for name, own in bests.items() if len(own) == most}
    places = {}
    for name, own in bests.items():
        others = [other for rival, other in field.items() if rival != name]
        places[name] = statistics.mean(
            1 + sum((other[seed] < best) + 0.5 * (other[seed] == best) for other in others)
            for seed, best in own.items()
        )
    return places


# --- schedulers ---


def change_resources() -> None:
    """Three trials whose CPUs change; none takes over another's process, for sizes are fixed."""
    tune, view = lab["tune"], lab["ui"].LivesView("score", lab["LAST"])
    scheduler = lab["schedulers"].ResourceChangingScheduler()
    tune.Tuner(
        tune.with_resources(lab["Curve"], {"cpu": 1}),
        param_space={"lr": tune.grid_search(lab["rates"][:3])},
        tune_config=tune.TuneConfig(metric="score", mode="max", scheduler=scheduler),
        run_config=tune.RunConfig(
            storage_path=lab["storage"],
            stop={"training_iteration": lab["LAST"]},
            callbacks=[view],
            progress_reporter=view,
            verbose=0,
        ),
    ).fit()
    lab["raced"]["resource changing"] = view


def race_schedulers(names, say) -> dict:
    """Seconds, trials, iterations and the best score of each scheduler, or why it did not run."""
    from helpers import ui
    from helpers.searchers import need

    class Quiet(ui.LivesView):
        def setup(self, *_, **__): ...

        def report(self, *_): ...

        def should_report(self, *_, **__):
            return False

    execute(LAB, ["init", "samplers", "trainable-needs", "trainable", "race-needs", "race"], lab)
    lab["ui"] = SimpleNamespace(LivesView=Quiet)
    results = {}
    try:
        from ray.tune import schedulers

        lab.update(schedulers=schedulers)
        for name in names:
            began = time.perf_counter()
            try:
                if name == "BOHB":
                    need("hpbandster", "ConfigSpace", extra="bohb")
                if name == "resource changing":
                    change_resources()
                else:
                    execute(LAB, SCHEDULERS[name], lab)
            except Exception as error:
                results[name] = {"missing": f"{type(error).__name__}: {error}"}
            else:
                view = lab["raced"][name]
                results[name] = {
                    "seconds": time.perf_counter() - began,
                    "trials": len(view.curves),
                    "iterations": view.reports,
                    "best": max(view.scores),
                }
            say(f"{name}: {time.perf_counter() - began:.1f} s")
    finally:
        lab["ray"].shutdown()
        shutil.rmtree(lab["storage"], ignore_errors=True)
    return results


# --- the measurement ---


def measure(options, say: Callable = say) -> dict:
    """Race the searchers, then the schedulers. Returns what `--json` writes."""
    problems = ["Branin", "Hartmann 6", "training"]
    searchers = race_searchers(
        options.searchers, problems, options.seeds, options.slow_seeds, options.samples, say
    )
    schedulers = {}
    if options.schedulers:
        with own_ray(say):
            schedulers = race_schedulers(options.schedulers, say)
    return {
        **machine(PACKAGES),
        "samples": options.samples,
        "problems": problems,
        "searchers": searchers,
        "schedulers": schedulers,
    }


def table(summary: dict) -> str:
    """The summary as lines to read."""
    problems = summary["problems"]
    lines = [
        f"{summary['cores']} cores, Python {summary['python']}, "
        + ", ".join(f"{name} {number}" for name, number in summary["versions"].items()),
        "",
        f"searchers, {summary['samples']} configs a search: mean rank on each problem",
        f"{'':18}" + "".join(f"{problem:>12}" for problem in problems) + "  seeds   ms a trial",
    ]
    found = {
        problem: {
            name: {run["seed"]: run["best"] for run in own[problem] if "best" in run}
            for name, own in summary["searchers"].items()
        }
        for problem in problems
    }
    places = {p: ranks({n: own for n, own in found[p].items() if own}) for p in problems}
    for name, own in summary["searchers"].items():
        seconds = [
            run["seconds"] for runs in own.values() for run in runs[1:] or runs if "best" in run
        ]
        missing = {p: run["missing"] for p, runs in own.items() for run in runs if "missing" in run}
        if seconds:
            cells = "".join(
                f"{round(places[p][name], 1) if name in places[p] else '-':>12}" for p in problems
            )
            seeds = max(len(found[problem][name]) for problem in problems)
            cost = f"{1000 * statistics.median(seconds):10.1f}"
            lines.append(f"{name:18}{cells}  {seeds:5} {cost}")
        for why in dict.fromkeys(missing.values()):
            where = [problem for problem in problems if missing.get(problem) == why]
            on = "" if len(where) == len(problems) else f" on {', '.join(where)}"
            lines.append(f"{'' if seconds else name:18}  not run{on}: {why}")
    if summary["schedulers"]:
        lines += ["", "schedulers, the race of notebook 09, one trial at a time"]
        lines.append(
            f"{'':18}{'seconds':>9} {'trials':>7} {'iterations':>11} {'ms an iteration':>16} best"
        )
    for name, run in summary["schedulers"].items():
        if "missing" in run:
            lines.append(f"{name:18}  not run: {run['missing'].splitlines()[0]}")
            continue
        each = 1000 * run["seconds"] / run["iterations"]
        counts = f"{run['trials']:7} {run['iterations']:11} {each:16.1f}"
        lines.append(f"{name:18}{run['seconds']:9.1f} {counts} {run['best']:.3f}")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--seeds", type=int, default=20, help="of a searcher (default: 20)")
    parser.add_argument("--slow-seeds", type=int, default=3, help="of HEBO (default: 3)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="of a search (default: 25)")
    parser.add_argument("--searchers", nargs="*", default=SEARCHERS, choices=SEARCHERS)
    parser.add_argument("--schedulers", nargs="*", default=SCHEDULERS, choices=SCHEDULERS)
    options = parser.parse_args()
    if min(options.seeds, options.slow_seeds, options.samples) < 1:
        parser.error("seeds and samples begin at 1")
    report(lambda: measure(options), table, options.json)


if __name__ == "__main__":
    main()
