"""Checks of lab 16."""

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import ray
from ray.job_submission import JobStatus
from ray.util.joblib import register_ray

from checks.engine import CannotJudge, NotYet, exercise, run, run_without_ray, show, start_workers
from checks.expect import a_list
from helpers import plots

# --- on_all_cpus ---


class Here(NamedTuple):
    """Where a call ran."""

    item: int
    process: str
    on_ray: bool


def _process() -> str:
    """This process among those of all nodes."""
    node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
    return f"{node[:6]} {os.getpid()}"


def _cpus() -> int:
    cpus = int(ray.cluster_resources()["CPU"])
    if cpus < 2:
        raise CannotJudge("This exercise needs a Ray with two CPUs.")
    return cpus


@exercise
def on_all_cpus(answer) -> str:
    """`on_all_cpus(function, items)`: by joblib, on as many Ray workers as there are CPUs."""
    cpus = _cpus()
    items = list(range(8 * cpus))
    caller, returned = run(_on_all_cpus, answer, items, limit=20.0)
    ran = a_list(returned, kind=Here)
    if [one.item for one in ran] != items:
        raise NotYet(
            f"The results should be those of the {len(items)} items, in their order; there are "
            f"{len(ran)}."
        )
    processes = {one.process for one in ran}
    if processes == {caller}:
        raise NotYet(
            'Everything ran in your own process, one item after the other. parallel_config("ray") '
            "leaves n_jobs at 1; say n_jobs=-1."
        )
    if not all(one.on_ray for one in ran):
        raise NotYet(
            f"Your calls ran in {len(processes)} processes that are not Ray's. joblib takes its "
            'own unless you say backend="ray".'
        )
    if len(processes) <= cpus // 2:
        raise NotYet(
            f"{len(processes)} of Ray's workers did everything, and there are {cpus} CPUs. "
            "n_jobs=-1 takes as many."
        )
    return f"{len(items)} calls in {len(processes)} processes of Ray."


def _on_all_cpus(answer, items) -> tuple[str, Any]:
    register_ray()
    caller = _process()

    def where(item):
        time.sleep(0.02)  # so that one worker cannot take all
        return Here(item, _process(), _process() != caller and ray.is_initialized())

    return caller, answer(where, items)


# --- no_waiting_behind ---

ITEMS, SLOW_S, QUICK_S = 16, 1.5, 0.05


class Ran(NamedTuple):
    """A call of the check's function: of which item, in which process, from when to when."""

    item: int
    process: str
    on_ray: bool
    start: float
    end: float


@exercise
def no_waiting_behind(answer) -> str:
    """`no_waiting_behind(function, items)`: a slow item holds up no other."""
    workers = min(_cpus(), ITEMS)
    items = list(range(ITEMS))
    returned = run(_with_a_slow_one, answer, items, workers, limit=20.0, setup=_ready)
    ran = a_list(returned, kind=Ran)
    show(_drawn(ran))
    if sorted(one.item for one in ran) != items:
        raise NotYet(f"There should be a result for each of the {len(items)} items.")
    if [one.item for one in ran] != items:
        raise NotYet("The results are not in the order of the items.")
    if not all(one.on_ray for one in ran):
        raise NotYet("Your calls ran outside Ray. On a cluster they would stay on one machine.")
    slow, *others = ran
    late = [one for one in others if one.start >= slow.end]
    if len({one.process for one in ran}) == 1:
        raise NotYet("One process did everything, one item after the other.")
    if late:
        raise NotYet(
            f"Item 0 took {SLOW_S:g} s, and {len(late)} of the other {len(others)} items began "
            "only after it had ended. Give each item to a worker that is free."
        )
    return f"While item 0 ran, the other {len(others)} items were done by others."


def _ready(_answer, _items, workers: int) -> None:
    start_workers(workers)


def _with_a_slow_one(answer, items, *_) -> Any:
    def work(item):
        start = time.time()
        time.sleep(QUICK_S if item else SLOW_S)
        return Ran(item, _process(), ray.is_initialized(), start, time.time())

    return answer(work, items)


def _drawn(ran: list[Ran]):
    """When each process did which item."""
    figure, axis = plots.figure(7, 1.8)
    first = min(one.start for one in ran)
    for process in sorted({one.process for one in ran}):
        for one in ran:
            if one.process == process:
                colour = plots.BLUE if one.item else plots.ORANGE
                row = f"process {process}"
                axis.barh(row, one.end - one.start, left=one.start - first, color=colour)
    axis.set(xlabel="s", title="Orange is the slow item")
    return figure


# --- submit_and_wait ---

JOB, LOGS, REASON = "raysubmit_16", "forty-two\n", "Job entrypoint command failed with exit code 1"
MOST_LOOKS = 50


class Case(NamedTuple):
    """How a pretended job ends, and what the answer did with it."""

    ends: JobStatus
    submitted: list[str]  # entrypoints
    looks: int  # how often the status was asked for
    returned: Any
    raised: str | None

    @property
    def endless(self) -> bool:
        """Whether it would have asked for ever."""
        return self.looks > MOST_LOOKS


@exercise
def submit_and_wait(answer) -> str:
    """`submit_and_wait(client, entrypoint)`: the logs of a job that succeeded."""
    cases = [
        run_without_ray(_play, answer, ends)
        for ends in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED)
    ]
    for case in cases:
        _judge(case)
    return "A job that succeeds returns its logs; one that fails or is stopped raises."


def _judge(case: Case) -> None:
    if case.endless:
        raise NotYet(
            f"A job that is {case.ends.value} will never be SUCCEEDED, and you kept asking. A "
            "status says by is_terminal() whether it is the last."
        )
    if len(case.submitted) != 1:
        raise NotYet(f"You submitted {len(case.submitted)} jobs in place of one.")
    if case.ends is JobStatus.SUCCEEDED:
        if case.raised:
            raise NotYet(f"The job succeeded, and you raised {case.raised.rstrip('.')}.")
        if case.looks < 3:
            raise NotYet("You did not wait: the job was still running when you returned.")
        if case.returned != LOGS:
            raise NotYet(f"The job printed {LOGS!r}, and you return {case.returned!r}.")
    elif not case.raised:
        raise NotYet(
            f"The job was {case.ends.value}, and you returned as if all were well. Airflow would "
            "start the next task. Raise an error."
        )
    elif REASON not in case.raised:
        raise NotYet(
            f"Your error says {case.raised!r}. Say why the job ended: "
            "client.get_job_info(job).message."
        )


def _play(answer: Callable, ends: JobStatus) -> Case:
    client = Client(ends)
    returned = raised = None
    try:
        with mock.patch("time.sleep"):  # the job has ended when it was asked for often enough
            returned = answer(client, "python score.py")
    except (AttributeError, NameError, TypeError):
        raise  # a mistake of the code, not what it says about the job
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"
    return Case(ends, client.submitted, client.looks, returned, raised)


class Info(NamedTuple):
    """What `get_job_info` returns, as far as it is needed."""

    status: JobStatus
    message: str


class Client:
    """A pretended `JobSubmissionClient`, whose job is pending, runs, and ends as it is told."""

    def __init__(self, ends: JobStatus):
        self.ends, self.submitted, self.looks, self.job = ends, [], 0, JOB

    def submit_job(self, *, entrypoint: str, submission_id: str | None = None, **_) -> str:
        self.submitted.append(entrypoint)
        self.job = submission_id or JOB
        return self.job

    def get_job_status(self, job_id: str) -> JobStatus:
        self._known(job_id)
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise RuntimeError("asked too often")
        return (JobStatus.PENDING, JobStatus.RUNNING, self.ends)[min(self.looks, 3) - 1]

    def get_job_info(self, job_id: str) -> Info:
        return Info(self.get_job_status(job_id), REASON)

    def get_job_logs(self, job_id: str) -> str:
        self._known(job_id)
        return LOGS

    def _known(self, job_id: str) -> None:
        if job_id != self.job:
            raise RuntimeError(f"Job {job_id} does not exist.")
