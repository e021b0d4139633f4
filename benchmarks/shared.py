"""What the benchmarks share: a lab's own cells, a Ray of their own, and how a run ends."""

import contextlib
import io
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import psutil

from helpers import labs
from launch import apart, session

ENVIRONMENT = {
    "MPLBACKEND": "Agg",
    "RAY_AIR_NEW_OUTPUT": "0",  # the output that Tune has in notebooks, which knows reporters
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the benchmark, not one sweep of it
}


def execute(lab: str, ids: Sequence[str], namespace: dict) -> None:
    """Execute cells of a lab by their ids, in the order given; what they print is dropped."""
    sources = {cell["id"]: cell["source"] for cell in labs.read(lab)["cells"]}
    with contextlib.redirect_stdout(io.StringIO()):
        for name in ids:
            exec(compile(sources[name], f"<cell {name}>", "exec"), namespace)


def say(sentence: str) -> None:
    """Tell the person who waits, beside the table that goes to standard output."""
    print(sentence, file=sys.stderr, flush=True)


def machine(packages: Sequence[str]) -> dict:
    """What the numbers were measured with: the cores, Python, and these packages' versions."""
    return {
        "cores": multiprocessing.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


@contextlib.contextmanager
def own_ray(say: Callable[[str], None]) -> Iterator[None]:
    """A Ray head for this benchmark alone, which the next `ray.init()` joins; it ends with this.

    Enter it before the first `import ray`. `say` takes sentences for the person who waits.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, ENVIRONMENT))
        stack.enter_context(apart.state())
        os.environ.pop("RAY_ADDRESS", None)
        stack.enter_context(session.start(say=say))
        session.join()
        yield


def silent_view():
    """What a Tuner of the labs takes for its live view, and draws nothing."""
    from ray import tune

    class Silent(tune.Callback, tune.ProgressReporter):
        def setup(self, *_, **__): ...

        def report(self, *_): ...

        def should_report(self, *_, **__):
            return False

    return Silent()


def fit(tuner) -> tuple[float, list]:
    """Run a sweep. Returns its seconds and its results, of which none is an error.

    Only when the trials' processes have ended does it return, so that none helps the next run.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        results = tuner.fit()
        seconds = time.perf_counter() - began
    for error in results.errors:
        raise error
    for pid in {result.metrics["pid"] for result in results}:
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).wait(30)
    return seconds, list(results)


def report(measure: Callable[[], dict], table: Callable[[dict], str], file: Path | None) -> None:
    """Measure, print the table and write the numbers to `file`; Ray is ended however it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that Ray is ended then, too
    try:
        summary = measure()
    except KeyboardInterrupt:
        sys.exit("Interrupted; Ray is ended.")
    except session.SessionError as error:
        sys.exit(str(error))
    print(table(summary))
    if file:
        file.write_text(json.dumps(summary, indent=2) + "\n")
