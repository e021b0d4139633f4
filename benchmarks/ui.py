"""What the widgets of `helpers.ui` cost when a job has run many tasks.

`python -m benchmarks.ui [--json FILE] [--sizes 1000 10000 50000]`, or `make bench`. About three
minutes on two cores. It starts a Ray head of its own for every size and ends it.

A widget is asked and drawn three times after that many tasks have ended; the seconds are those of
the slowest, the memory is by how much the notebook's process grew from before the first to after
the last. The trace file of the timeline is opened in Perfetto, where there is a Chromium.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks import perfetto
from benchmarks.shared import machine, own_ray, report, say

SIZES = (1_000, 10_000, 50_000)
REPEATS = 3
LIVE = ("cpu_usage", "cluster_usage", "actor_tree")
TARGETS_S = {"timeline": 10.0, "task by id": 1.0, "object by id": 1.0}  # at 50,000 tasks


def measure(sizes: list[int]) -> dict:
    """Measure every widget at every size.

    Returns a dict for JSON: the machine, and by size, as text, `widgets` with the `seconds`, the
    `megabytes` and what each said first, and `trace` with its bytes and what Perfetto found.
    """
    return {
        **machine(["ray", "bokeh", "ipywidgets", "anywidget"]),
        "sizes": {str(size): _at(size) for size in sizes},
    }


def _at(size: int) -> dict:
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_ray(say))
        import ray

        from helpers import ui

        ray.init(logging_level="error", log_to_driver=False)
        stack.callback(ray.shutdown)
        task_id, ref = _run(ray, size)
        widgets: dict[str, Callable] = {
            "task by id": lambda: ui.task_search_bar(task_id),
            "task by name": lambda: ui.task_search_bar("tenth"),
            "task by part of name": lambda: ui.task_search_bar("ent"),
            "object by id": lambda: ui.object_search_bar(ref),
            "timeline": ui.task_timeline,
            "completion times": ui.task_completion_time_distribution,
            **{name: getattr(ui, name) for name in LIVE},
        }
        measured = {name: _cost(name, make) for name, make in widgets.items()}
        with tempfile.TemporaryDirectory() as folder:
            file = ui.task_timeline().save(Path(folder) / "trace.json")
            trace = {"bytes": file.stat().st_size, **_read(file)}
        return {"widgets": measured, "trace": trace}


def _run(ray, size: int) -> tuple[str, object]:
    """Run so many tasks; the id of one, and a ref that is kept."""

    @ray.remote
    def some():
        return None

    @ray.remote
    def tenth():
        return None

    say(f"{size:,} tasks ...")
    kept = tenth.remote()
    for at in range(0, size - 1, 1_000):
        count = min(1_000, size - 1 - at)
        ray.get([(some if number % 10 else tenth).remote() for number in range(count)])
    ray.get(kept)
    return kept.task_id().hex(), kept


def _cost(name: str, make: Callable) -> dict:
    process = psutil.Process(os.getpid())
    before, seconds = process.memory_info().rss, []
    for _ in range(REPEATS):
        began = time.perf_counter()
        made = make()
        said = repr(made)
        html = getattr(made, "_repr_html_", lambda: "")()
        seconds.append(time.perf_counter() - began)
    say(f"  {name}: {max(seconds):.2f} s")
    grown = process.memory_info().rss - before
    return {
        "seconds": max(seconds),
        "megabytes": grown / 1e6,
        "html_megabytes": len(html or "") / 1e6,
        "said": said.splitlines()[0] if said else "",
    }


def _read(file: Path) -> dict:
    """How many tasks Perfetto finds in the trace, and what it complains of."""
    if perfetto.CHROMIUM is None:
        return {}
    began = time.perf_counter()
    with perfetto.opened(file) as query:
        return {
            "seconds": time.perf_counter() - began,
            "tasks": query("select count(*) from slice where category = 'task'")[0][0],
            "errors": query(
                "select name, value from stats "
                "where severity in ('error', 'data_loss') and value > 0"
            ),
        }


def table(summary: dict) -> str:
    """The numbers of `measure` as text: a row a widget, a column a size."""
    sizes = summary["sizes"]
    lines = [f"{'':22}" + "".join(f"{int(size):>22,} tasks" for size in sizes)]
    for name in next(iter(sizes.values()))["widgets"]:
        cells = [size["widgets"][name] for size in sizes.values()]
        lines.append(
            f"{name:22}"
            + "".join(f"{one['seconds']:14.2f} s {one['megabytes']:8.0f} MB" for one in cells)
        )
    for size, one in sizes.items():
        trace = one["trace"]
        lines.append(f"trace of {int(size):,}: {trace['bytes'] / 1e6:.1f} MB")
        if "tasks" in trace:
            lines[-1] += f", Perfetto finds {trace['tasks']:,} tasks in {trace['seconds']:.1f} s"
            lines[-1] += f", errors: {trace['errors']}" if trace["errors"] else ", no error"
    last = sizes[str(max(map(int, sizes)))]["widgets"]
    for name, target in TARGETS_S.items():
        met = "met" if last[name]["seconds"] <= target else "MISSED"
        lines.append(f"{name}: {target:g} s at most asked, {met}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="tasks to run first")
    options = parser.parse_args()
    report(lambda: measure(options.sizes), table, options.json)


if __name__ == "__main__":
    main()
