"""What a Ray task costs and gains: against a process pool, joblib and the same work in a row.

`python -m benchmarks.core [--json FILE] [--repeats N]`, or `make bench`. About two minutes on two
cores; nothing else should run meanwhile. It starts a Ray head of its own and ends it.

Three measures, each the median of interleaved repeats with warm processes, one a core:

- the twenty sorts of lab 01, whose cells are executed here: seconds, and the efficiency, which is
  the speed-up over the sorts in a row divided by the cores;
- the round trip of one empty call, submitted and waited for;
- empty calls a second, all submitted before the first is waited for. joblib puts several into one
  message by itself; the others send each by itself.
"""

import argparse
import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.shared import execute, own_ray, report

LAB = "01_remote_tasks"
WAYS = ("row", "ray", "pool", "joblib")
NAMES = {"row": "in a row", "ray": "Ray tasks", "pool": "ProcessPoolExecutor", "joblib": "joblib"}
PROCESSES = WAYS[1:]
ROUND_TRIPS, CALLS = 200, 2000

# Lab 01's variables. No importable module, so Ray ships its code.
lab = {"__name__": "lab", "time": time}


def sort(numbers: list[float]) -> list[float]:
    """Lab 01's bubble sort, under a name that a forked process can import."""
    return lab["bubble_sort"](numbers)


def nothing() -> None:
    """The empty call."""


def measure(repeats: int, say: Callable[[str], None] = print) -> dict:
    """Run all ways in turn, `repeats` times each.

    Returns a dict for JSON: `cores`, and of `sorts`, `round_trip` and `calls` the seconds of every
    repeat by way (of one sorted set, of one call, and of all `CALLS`).
    """
    import joblib

    cores = multiprocessing.cpu_count()
    execute(LAB, ["bubble", "lists"], lab)
    with contextlib.ExitStack() as stack:
        # A fork of a Ray driver, with the driver's threads, is not safe: the pool comes first.
        fork = multiprocessing.get_context("fork")
        pool = stack.enter_context(ProcessPoolExecutor(cores, mp_context=fork))
        list(pool.map(sort, [lab["lists"][0][:10]] * 100))
        parallel = stack.enter_context(joblib.Parallel(n_jobs=cores))
        stack.enter_context(own_ray(say))
        execute(LAB, ["init"], lab)
        ray = lab["ray"]
        stack.callback(ray.shutdown)
        execute(LAB, ["remote", "empty"], lab)

        def ray_sorts(lists):
            return ray.get([lab["sort"].remote(numbers) for numbers in lists])

        def joblib_sorts(lists):
            return parallel(joblib.delayed(lab["bubble_sort"])(numbers) for numbers in lists)

        sorts = {
            "row": lambda lists: [sort(numbers) for numbers in lists],
            "ray": ray_sorts,
            "pool": lambda lists: list(pool.map(sort, lists)),
            "joblib": joblib_sorts,
        }
        calls = {
            "ray": lambda count: ray.get([lab["empty"].remote() for _ in range(count)]),
            "pool": lambda count: [call.result() for call in _submit(pool, count)],
            "joblib": lambda count: parallel(joblib.delayed(nothing)() for _ in range(count)),
        }
        summary = {"cores": cores, "sorts": {}, "round_trip": {}, "calls": {}}
        short = [numbers[:100] for numbers in lab["lists"]]
        for repeat in range(repeats):
            for way in WAYS:
                sorts[way](short)  # warm
                _add(summary["sorts"], way, _seconds(sorts[way], lab["lists"]))
            for way in PROCESSES:
                trips = [_seconds(calls[way], 1) for _ in range(ROUND_TRIPS)]
                _add(summary["round_trip"], way, statistics.median(trips))
                _add(summary["calls"], way, _seconds(calls[way], CALLS))
            say(f"repeat {repeat + 1} of {repeats}")
    return summary


def _submit(pool: ProcessPoolExecutor, count: int) -> list:
    return [pool.submit(nothing) for _ in range(count)]


def _seconds(function: Callable, argument) -> float:
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


def _add(table: dict[str, list[float]], way: str, seconds: float) -> None:
    table.setdefault(way, []).append(seconds)


def efficiency(summary: dict, way: str) -> float:
    """The speed-up of a way over the sorts in a row, a core; medians of the repeats' own ratios."""
    rows, times = summary["sorts"]["row"], summary["sorts"][way]
    ratios = [row / seconds for row, seconds in zip(rows, times, strict=True)]
    return statistics.median(ratios) / summary["cores"]


def table(summary: dict) -> str:
    """The measures as text, every way beside its ratio to Ray."""
    rows = [f"{'':20} {'20 sorts':>9} {'efficiency':>11} {'round trip':>11} {'calls/s':>9}"]
    for way in WAYS:
        row = f"{NAMES[way]:20} {statistics.median(summary['sorts'][way]):7.2f} s"
        if way in PROCESSES:
            trip = statistics.median(summary["round_trip"][way])
            rate = CALLS / statistics.median(summary["calls"][way])
            row += f" {efficiency(summary, way):11.0%} {trip * 1e6:8.0f} us {rate:9,.0f}"
        rows.append(row)
    for way in ("pool", "joblib"):
        ratios = [
            statistics.median(
                ours / theirs
                for ours, theirs in zip(summary[measure]["ray"], summary[measure][way], strict=True)
            )
            for measure in ("sorts", "round_trip", "calls")
        ]
        rows.append(
            f"Ray takes {ratios[0]:.2f} x the time of {NAMES[way]} for the sorts, "
            f"{ratios[1]:.1f} x for a round trip, {ratios[2]:.1f} x for {CALLS} empty calls"
        )
    return "\n".join(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--repeats", type=int, default=5, help="of every way (default: 5)")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("repeats begin at 1")
    report(lambda: measure(options.repeats), table, options.json)


if __name__ == "__main__":
    main()
