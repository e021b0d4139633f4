"""Who ran what, where and when: what the checks of tasks and actors judge by."""

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import ray

from checks.engine import start_two_workers
from helpers import ui
from helpers.observe import Task, overlap


class Ran(NamedTuple):
    """One call of a function that a check gave: of what, where, and from when to when."""

    what: Any
    process: int
    task: str  # hexadecimal id; of a call outside any task, that of its process
    node: str  # hexadecimal id
    start: float  # seconds since the epoch, as `end`
    end: float


def ran(what: Any, start: float) -> Ran:
    """The call that began at `start` and ends now, in the process that asks."""
    here = ray.get_runtime_context()
    task = here.get_task_id() or ""
    return Ran(what, os.getpid(), task, here.get_node_id(), start, time.time())


class Notes:
    """Keeps the calls that it is told of by `add`; an actor's class."""

    def __init__(self):
        self.calls: list[Ran] = []

    def add(self, call: Ran) -> None:
        self.calls.append(call)

    def all(self) -> list[Ran]:
        """The calls, in the order in which they began."""
        return sorted(self.calls, key=lambda call: call.start)


def start_notes_and_workers(*_: Any, kind: type = Notes) -> tuple[ray.actor.ActorHandle, float]:
    """An actor that keeps calls, and two workers also on one core; a `setup` of `run`.

    Args:
        kind: the actor's class.

    Returns:
        The actor's handle, and the CPUs that a task must ask for so that two run at once.
    """
    notes = ray.remote(num_cpus=0)(kind).remote()
    share = start_two_workers()
    ray.get(notes.all.remote())
    return notes, share


class Watched:
    """A remote function that notes when each of its tasks is submitted, in `submitted`."""

    def __init__(self, remote_function):
        self._function, self.submitted = remote_function, []

    def remote(self, *args, **kwargs):
        self.submitted.append(time.time())
        return self._function.remote(*args, **kwargs)

    def __getattr__(self, name):
        if name.startswith("_"):  # a copy that is being unpickled has nothing yet
            raise AttributeError(name)
        return getattr(self._function, name)


def timeline(calls: Sequence[Ran], title: str, **look):
    """The calls as a timeline, a row a process, each with what it was of.

    Args:
        calls: at least one.
        title: what the reader should see.
        look: as of `ui.task_timeline`.
    """
    return ui.task_timeline(as_tasks(calls), title, **{"legend": False} | look)


def as_tasks(calls: Sequence[Ran]) -> list[Task]:
    """The calls as the views of Ray draw them: times from the first start on."""
    began = min((call.start for call in calls), default=0.0)
    return [
        Task(str(call.what), call.process, call.start - began, call.end - began, id=call.task)
        for call in calls
    ]


def one_after_another(calls: Sequence[Ran]) -> bool:
    """Whether hardly any two of the calls ran at the same time."""
    return overlap(as_tasks(calls)) < 1.01
