"""The exercise engine: runs a learner's code in a process of its own and says one verdict."""

import contextlib
import dis
import functools
import html
import linecache
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import ray
from matplotlib.figure import Figure
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from ray.util.state.common import ActorState

import checks
import helpers
from checks import progress
from checks.waiting import in_time
from helpers import observe, plots

# A cluster's workers have Ray and not our code, so what a check runs there travels whole.
cloudpickle.register_pickle_by_value(checks)
cloudpickle.register_pickle_by_value(helpers)

START_LIMIT_S = 60.0
RUN_LIMIT_S = 5.0

# A process that has imported what a lab's checks import, and of which copies are made.
_forks = multiprocessing.get_context("forkserver")

_OURS = tuple(os.path.dirname(package.__file__) for package in (checks, helpers))

DONE, NOT_YET, NOT_STARTED = "done", "not yet", "not started"
_MARK = {DONE: "✓", NOT_YET: "✗", NOT_STARTED: "○"}
_COLOUR = {DONE: "#1a7f4b", NOT_YET: "#b4540a", NOT_STARTED: "#5f6b7a"}


class NotYet(Exception):
    """What a check raises when an answer is wrong: what this answer did, and where to look."""


class CannotJudge(Exception):
    """What a check raises where the machine keeps it from judging; it says what is in the way.

    The exercise stays *not started*.
    """


class ExerciseNotDone(AssertionError):
    """Raised instead of showing a verdict other than *done* when RAY_LABS_STRICT is 1."""


@dataclass(frozen=True)
class Verdict:
    """One of *done*, *not yet* and *not started*, with a sentence and perhaps a picture.

    JupyterLab shows it as HTML, everything else as plain text.
    """

    status: str
    message: str
    picture: Any = None

    def __repr__(self) -> str:
        return f"{_MARK[self.status]} {self.status}: {self.message}"

    def _repr_html_(self) -> str:
        colour = _COLOUR[self.status]
        picture = f"<br>{_drawn(self.picture)}" if self.picture else ""
        return (
            f'<div class="ray-labs-verdict mathjax_ignore" style="border-left:4px solid {colour};'
            'padding:.4em .8em;white-space:pre-wrap">'
            f'<b style="color:{colour}">{_MARK[self.status]} {self.status}</b>  '
            f"{html.escape(self.message)}{picture}</div>"
        )


def _drawn(picture: Any) -> str:
    return plots.as_html(picture) if isinstance(picture, Figure) else picture._repr_html_()


def show(picture: Any) -> None:
    """Draw this with the verdict, whatever it will be: for a check, once it knows what ran.

    Args:
        picture: a matplotlib figure or a timeline of the learner's own run, or None.
    """
    _shown.picture = picture


_shown = threading.local()


def exercise(check: Callable[[Any], str]) -> Callable[[Any], Verdict]:
    """Turn `check(answer)` into what a notebook calls: it always ends in one verdict.

    Args:
        check: takes the learner's object; returns a sentence, for an answer that is right, or
            raises `NotYet`. Its module's name is the lab's, its own name the exercise's. Modules
            that the module lists in `PRELOAD` are imported beforehand where answers run without
            Ray.

    Returns:
        A function of the learner's object. It records the verdict in `checks.progress` and
        returns it; with RAY_LABS_STRICT=1 it raises `ExerciseNotDone` unless it is *done*.
    """

    @functools.wraps(check)
    def judge(answer: Any) -> Verdict:
        verdict = _judge(check, answer)
        progress.record(check.__module__.rpartition(".")[2], check.__name__, verdict.status)
        if os.environ.get("RAY_LABS_STRICT") == "1" and verdict.status != DONE:
            raise ExerciseNotDone(f"{check.__name__} is {verdict!r}")
        return verdict

    slow = check.__globals__.get("PRELOAD", [])
    _forks.set_forkserver_preload(["checks.no_ray", check.__module__, *slow, "checks.warm_torch"])
    return judge


def run(
    function: Callable, *args: Any, limit: float = RUN_LIMIT_S, setup: Callable | None = None
) -> Any:
    """Call the learner's function in a worker process of its own, and clean up after it.

    The process is ended with the call, and with it every actor and task that the call started.

    Args:
        function: the learner's, or the check's that calls it; it travels by value, with what it
            refers to.
        args: what to call it with, mostly the learner's answer first.
        limit: seconds it may run, counted from when its process is ready. Where something else
            keeps all cores busy, it may run up to four times as long.
        setup: called with the same `args` in that process before the clock starts, to start the
            actors and workers that `function` needs; what it returns is `function`'s last argument.

    Returns:
        What the function returned.

    Raises:
        NotYet: it raised, ran past the limit, or returned what cannot leave its process.
    """
    _pickled(function)
    busy = (
        f"Ray had no worker process for your code within {START_LIMIT_S:g} s, so it did not run. "
        "Is something else busy there? Run this check again, or the lab from the top."
    )
    for last in (False, True):
        outcomes = _attempt.options(name=observe.CHECK).remote(function, args, setup)
        started = False
        try:
            if ray.get(_next(outcomes, START_LIMIT_S, busy)) != STARTED:
                raise RuntimeError("the worker did not say that it started")
            started = True
            outcome = ray.get(_next(outcomes, limit, LATE.format(limit)))
            break
        except ray.exceptions.RayError as error:
            # Ray may hand a task to the process of the check before, which is just being ended.
            if started or last or not isinstance(error, ray.exceptions.WorkerCrashedError):
                raise NotYet(ENDED.format(_first_line(error))) from None
        finally:
            # What it started ends with it. A recursive cancel names those workers once more,
            # later, when one of them may serve the next check.
            ray.cancel(outcomes, force=True, recursive=False)
            _ready.options(name=observe.CHECK).remote()
    return _value(function, args, *outcome)


def run_without_ray(
    function: Callable, *args: Any, limit: float = RUN_LIMIT_S, setup: Callable | None = None
) -> Any:
    """Call the learner's function like `run`, where neither it nor the check needs a cluster.

    Its process is a copy of one that has imported the module of the check, so it is there at once,
    also where that module imports torch. A call of Ray in it raises an error of Ray's.

    Args, Returns and Raises are those of `run`.
    """
    return _run_in_copy(None, function, args, limit, setup)


def run_as_driver(
    function: Callable, *args: Any, limit: float = RUN_LIMIT_S, setup: Callable | None = None
) -> Any:
    """Call the learner's function like `run`, as a program of its own that joins this Ray.

    Its process is there at once, as that of `run_without_ray`, but Ray starts new workers for what
    it starts: this is for checks that import much and start little. What it prints is not shown.

    Args, Returns and Raises are those of `run`.
    """
    address = ray.get_runtime_context().gcs_address
    return _run_in_copy(address, function, args, limit, setup)


def _run_in_copy(address: str | None, function, args, limit, setup) -> Any:
    call = _pickled((function, args, setup))
    ours, theirs = _forks.Pipe()
    process = _forks.Process(target=_copy, args=(theirs, address, call))
    process.start()
    theirs.close()
    try:
        busy = f"No process for your code started within {START_LIMIT_S:g} s. Try again."
        if _received(ours, START_LIMIT_S, busy) != STARTED:
            raise RuntimeError("the process did not say that it started")
        outcome = _received(ours, limit, LATE.format(limit))
    except EOFError:
        process.join()
        raise NotYet(ENDED.format(f"exit code {process.exitcode}")) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        ours.close()
    return _value(function, args, *outcome)


def start_workers(count: int, num_cpus: float = 1.0) -> None:
    """Have worker processes ready, so that a learner's tasks need not wait for one to start.

    Args:
        count: how many; more than fit with `num_cpus` each are waited for in vain.
        num_cpus: what a task of the learner's will ask for.

    Returns when they are there, or after `START_LIMIT_S`.
    """

    @ray.remote(num_cpus=num_cpus)
    def process():
        time.sleep(0.1)  # so long that one worker cannot take two
        return os.getpid()

    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if len(set(ray.get([process.remote() for _ in range(count)]))) == count:
            return


def start_two_workers(*_: Any) -> float:
    """Have two workers ready also where there is one core; a `setup` of `run`.

    Returns the CPUs that a task must ask for so that both run at once.
    """
    share = min(1.0, ray.cluster_resources().get("CPU", 1) / 2)
    start_workers(2, share)
    return share


def kill_process(actor: ActorState) -> None:
    """End an actor's process by a signal that it cannot catch, on whichever machine it runs.

    Args:
        actor: its row, from `observe.actors`.

    Raises:
        ValueError: the row names no process, because the actor was not alive.
    """
    if actor.state != "ALIVE":  # its pid may be 0, which is a signal's word for a whole group
        raise ValueError(f"the actor {actor.actor_id} is {actor.state}, so there is none to end")
    if actor.node_id == ray.get_runtime_context().get_node_id():
        os.kill(actor.pid, signal.SIGKILL)
        return
    there = NodeAffinitySchedulingStrategy(actor.node_id, soft=False)
    ray.get(_kill.options(scheduling_strategy=there).remote(actor.pid))


@ray.remote(num_cpus=0)
def _kill(pid):
    os.kill(pid, signal.SIGKILL)


def _judge(check: Callable, answer: Any) -> Verdict:
    if _is_stub(answer):
        return Verdict(NOT_STARTED, "fill in the cell above and run it, then run this one again.")
    if not ray.is_initialized():
        return Verdict(NOT_YET, "Ray is not running. Run this lab's first code cell, then again.")
    show(None)
    try:
        return Verdict(DONE, check(answer), _shown.picture)
    except NotYet as wrong:
        return Verdict(NOT_YET, str(wrong), _shown.picture)
    except CannotJudge as missing:
        return Verdict(NOT_STARTED, str(missing))
    except Exception as error:
        if os.environ.get("RAY_LABS_STRICT") == "1":
            raise
        return Verdict(
            NOT_YET,
            f"the check could not make sense of this answer ({_first_line(error)}). "
            "Compare what it returns with what the task asks for.",
        )


def _is_stub(answer: Any) -> bool:
    """Whether an answer is the shipped stub: `...`, or a function or class that does nothing."""
    if answer is None or answer is Ellipsis:
        return True
    if isinstance(answer, type):
        return all(_is_stub(one) for one in vars(answer).values() if isinstance(one, FunctionType))
    if not isinstance(answer, FunctionType):
        return False
    steps = [step for step in dis.get_instructions(answer) if step.opname not in ("RESUME", "NOP")]
    return {step.opname for step in steps} <= {"LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"} and [
        step.argval for step in steps if step.opname != "RETURN_VALUE"
    ] == [None]


STARTED = "started"
LATE = (
    "Your code was still running after {:g} s, so it was stopped. Does something in it wait for "
    "ever?"
)
ENDED = "Your code ended the process that ran it: {}"


def _pickled(call: Any) -> bytes:
    try:
        return cloudpickle.dumps(call)
    except Exception as error:
        raise NotYet(
            "Your code refers to something that cannot be sent to a worker process: "
            f"{_first_line(error)}. Make it inside the function instead."
        ) from None


@ray.remote(num_cpus=0, max_retries=0, num_returns="streaming")
def _attempt(function, args, setup):
    yield from _steps(function, args, setup)
    # Wait for the driver to end this process by force: Ray then ends at once what it started.
    # Of a process that leaves by itself it asks a busy actor politely, and waits for half a minute.
    threading.Event().wait()


@ray.remote(num_cpus=0)
def _ready():
    """Has Ray start a process if none is left, which the next check will find there."""


def _copy(kernel, address: str | None, call: bytes) -> None:
    """What the copied process does: join Ray if there is an address, the call, wait for its end."""
    os.setsid()  # so that what the learner's code starts ends with it
    threading.Thread(target=_end_with_the_kernel, daemon=True).start()
    sys.stdout.reconfigure(line_buffering=True)  # this process is killed, and would keep the rest
    if address:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        ray.init(address, logging_level="error", log_to_driver=False)
    for step in _steps(*cloudpickle.loads(call)):
        kernel.send(step)
    threading.Event().wait()


def _end_with_the_kernel() -> None:
    multiprocessing.parent_process().join()
    os.killpg(0, signal.SIGKILL)


def _steps(function, args, setup):
    """That the clock starts, and then what became of the call."""
    if setup:
        args = (*args, setup(*args))
    yield STARTED
    yield _outcome(function, args)


def _outcome(function, args) -> tuple[str, Any]:
    try:
        value = function(*args)
    except Exception as error:
        cause = getattr(error, "cause", error)  # a RayTaskError carries the task's own error
        return "raised", (_first_line(cause), "".join(traceback.format_exception(error)))
    try:
        return "returned", cloudpickle.dumps(value)
    except Exception as error:
        return "unsendable", _first_line(error)


def _value(function, args, kind: str, detail: Any) -> Any:
    """What the function returned, or NotYet in the words for what else became of the call."""
    if kind == "raised":
        raise NotYet(_their_error((function, *args), *detail))
    if kind == "unsendable":
        hint = ". Return a list in place of a generator." if "'generator'" in detail else ""
        raise NotYet(f"Your code returned something that cannot leave its process: {detail}{hint}")
    return cloudpickle.loads(detail)


def _next(outcomes, limit: float, complaint: str) -> ray.ObjectRef:
    if not in_time(lambda seconds: ray.wait([outcomes], timeout=seconds)[0], limit):
        raise NotYet(complaint)
    return next(outcomes)


def _received(pipe, limit: float, complaint: str) -> Any:
    if not in_time(pipe.poll, limit):
        raise NotYet(complaint)
    return pipe.recv()


def _their_error(called: tuple, error: str, trace: str) -> str:
    """Say what was raised and where in the learner's code, if it was there.

    The place is read from the traceback's text, which holds those of tasks and trials too.
    """
    files = {one.__code__.co_filename for one in called if isinstance(one, FunctionType)}
    cells = {file for file in files if not file.startswith(_OURS)}
    places = re.findall(r'File "([^"]+)", line (\d+)', trace)
    # A class does not tell its file; what Jupyter runs is in files named after the kernel.
    theirs = [(file, int(line)) for file, line in places if file in cells or "ipykernel_" in file]
    if not theirs:
        return f"Your code raised {error}"
    file, number = theirs[-1]
    line = linecache.getline(file, number).strip()
    where = f"line {number} of your cell" + (f":\n    {line}" if line else "")
    return f"Your code raised {error}\nat {where}"


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
