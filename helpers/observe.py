"""What Ray ran between two points, told by Ray itself (its state API)."""

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import ray
from ray.util.state import list_actors, list_tasks
from ray.util.state.common import ActorState, TaskState

REPORT_S = 1.0  # how often each of Ray's processes reports, by Ray's default
REPORT_LIMIT_S = 30.0  # a busy machine gets its time
LOST_S = 3.0  # a worker that was killed within this time never told what it ran
MOST_ROWS = 10_000  # the state API lists no more
CHECK = "exercise's check"  # the task that runs an answer; the views leave it and its own out


@dataclass(frozen=True)
class Task:
    """One run of a task or of an actor's method. Times are seconds since the observation began."""

    name: str
    worker: int  # process id; 0 where the process died before it could tell
    start: float
    end: float
    state: str = "FINISHED"
    submitted: float = 0.0
    fetched: float = 0.0  # the arguments were there
    computed: float = 0.0  # the function had returned; what follows is storing its value
    id: str = ""  # hexadecimal; that of a ref is ref.task_id().hex()
    parent: str = ""  # the id of the task that submitted it
    actor: str = ""  # hexadecimal id, empty for a task
    node: str = ""  # hexadecimal id of the node that ran it
    attempt: int = 0  # 1 at the first retry
    error: str = ""

    @property
    def seconds(self) -> float:
        """From its start to its end, fetching and storing included."""
        return self.end - self.start


@contextlib.contextmanager
def tasks(*names: str) -> Iterator[list[Task]]:
    """Collect what this driver runs inside the block, tasks started by tasks included.

    Args:
        names: keep only these functions (`sort`) and methods (`Sorter.sort`); all by default.

    Yields:
        A list that is filled when the block ends without an error, in order of start. Tasks that
        have not ended by then are waited for: until each has ended and Ray has told its times,
        about a second.

    Raises:
        TimeoutError: a task had not ended, or Ray had not told it, after `REPORT_LIMIT_S`.
    """
    began = time.time()
    found: list[Task] = []
    yield found
    rows, late = wait_until_told(began, names)
    if late:
        raise TimeoutError(
            f"Ray has not told the end of {', '.join(late)} in {REPORT_LIMIT_S:.0f} s. Does "
            "it still run? Wait for it inside the block, by ray.get."
        )
    found += sorted((as_task(row, began) for row in rows), key=lambda task: task.start)


def overlap(tasks: list[Task]) -> float:
    """The average number of tasks that ran at once, over the time in which any ran.

    1 says that they ran one after another; with even work the number of cores is the most.
    """
    edges = sorted([(task.start, 1) for task in tasks] + [(task.end, -1) for task in tasks])
    busy, running, before = 0.0, 0, 0.0
    for moment, step in edges:
        busy += (moment - before) * (running > 0)
        running, before = running + step, moment
    return sum(task.seconds for task in tasks) / busy if busy else 0.0


def parents(tasks: Sequence[Task]) -> list[int | None]:
    """For every task the place in `tasks` of the one that submitted it, None if it is not there.

    Of a parent that ran several times it is the attempt that was running then.
    """
    attempts: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        attempts.setdefault(task.id, []).append(place)

    def parent(task: Task) -> int | None:
        places = attempts.get(task.parent) or [None]
        then = (at for at in places[:-1] if task.submitted <= tasks[at].end)
        return next(then, places[-1])

    return [parent(task) for task in tasks]


def lanes(tasks: Sequence[Task], row: Callable, overlap_s: float = 0.0) -> list[int]:
    """For every task the first lane of its row, counted from 0, that is free when it starts.

    Args:
        tasks: in any order.
        row: what tasks must share to be in each other's way.
        overlap_s: seconds that two tasks of a lane may overlap.
    """
    ends: dict[Hashable, list[float]] = {}
    lanes = [0] * len(tasks)
    for number in sorted(range(len(tasks)), key=lambda number: tasks[number].start):
        task = tasks[number]
        taken = ends.setdefault(row(task), [])
        free = (lane for lane, end in enumerate(taken) if end <= task.start + overlap_s)
        lanes[number] = lane = next(free, len(taken))
        taken[lane:] = [task.end, *taken[lane + 1 :]]
    return lanes


def actors(**fields: str) -> list[ActorState]:
    """The state API's rows of this job's actors whose fields have these values, dead ones included.

    Args:
        fields: `name`, `class_name`, `state` or another that the state API filters by.
    """
    # Ray's head picks out a job's actors, and hands all of those to the dashboard.
    here = ray.get_runtime_context()
    filters = [("job_id", "=", here.get_job_id())]
    filters += [(field, "=", value) for field, value in fields.items()]
    return list_actors(address=here.gcs_address, filters=filters, detail=True, limit=MOST_ROWS)


MARK = "_last"


@ray.remote(num_cpus=0)
def _last():
    """Submitted last: when Ray tells of it, it has told of all that was submitted before."""


def wait_until_told(
    began: float,
    names: Sequence[str] = (),
    limit_s: float = REPORT_LIMIT_S,
    all_jobs: bool = False,
    without: Sequence[str] = (),
) -> tuple[list[TaskState], list[str]]:
    """The state API's rows of what was submitted, once Ray has told of it all to its end.

    Args:
        began: seconds since 1970; what was submitted before is left out.
        names: keep only these functions and methods; all by default.
        limit_s: how long to wait for what still runs, once Ray has told of all that was submitted.
        all_jobs: look at the tasks of others too, not only at those of this driver.
        without: leave out the tasks of these names, with all that they started.

    Returns:
        The rows, and the names of those whose end was not told in time, of which there are none
        otherwise. At most `MOST_ROWS` rows; Ray leaves out the rest.
    """
    last = _last.remote()
    mark = last.task_id().hex()
    context = ray.get_runtime_context()
    deadline = time.monotonic() + limit_s
    known, since = set(), time.monotonic()
    while True:
        rows = list_tasks(
            address=context.gcs_address,
            filters=[] if all_jobs else [("job_id", "=", context.get_job_id())],
            detail=True,
            limit=MOST_ROWS,
            raise_on_missing_output=False,
        )
        ours = [row for row in rows if (row.creation_time_ms or 0) >= began * 1000 - 1]
        wanted = [row for row in _without(ours, without) if not names or row.name in names]
        wanted = [row for row in wanted if row.name != MARK]
        now = time.monotonic()
        if known != (known := {(row.task_id, row.attempt_number) for row in wanted}):
            since = now
        # What the driver submitted is known with the mark. What tasks submitted is reported by
        # the processes that they ran in, each in its own time.
        driver = next((row.parent_task_id for row in ours if row.task_id == mark), None)
        nested = any(row.parent_task_id != driver for row in wanted)
        if driver and all(map(_is_complete, wanted)) and (now - since > REPORT_S or not nested):
            return wanted, []
        # Without the mark Ray is only late. Once it is there, what has not ended still runs.
        told_of_all = driver or len(rows) == MOST_ROWS
        if now > deadline + (0 if told_of_all else REPORT_LIMIT_S):
            return wanted, sorted({row.name for row in wanted if not _is_complete(row)}) or [
                "the last one"
            ]
        time.sleep(0.1)


def _without(rows: Sequence[TaskState], names: Sequence[str]) -> Sequence[TaskState]:
    """The rows without the tasks of these names, and without what those started."""
    by_id = {row.task_id: row for row in rows}

    def is_left_out(row: TaskState | None) -> bool:
        while row is not None and row.name not in names:
            row = by_id.get(row.parent_task_id)
        return row is not None

    return [row for row in rows if not is_left_out(row)] if names else rows


def _is_complete(row) -> bool:
    """Whether a row is complete or never will be: its caller tells the end, its worker the rest."""
    if row.state != "FINISHED" or "task:execute" in phases(row):
        return row.state in ("FINISHED", "FAILED")
    return time.time() - row.end_time_ms / 1000 > LOST_S


def phases(row) -> dict[str, dict]:
    """What a row's worker has told of it, by name (`task:execute`); times are ms since 1970."""
    return {event["event_name"]: event for event in (row.profiling_data or {}).get("events", [])}


def as_task(row, began: float) -> Task:
    """A row of the state API, listed with its details, as a Task whose times count from `began`.

    Args:
        row: a `TaskState` of a task that has ended.
        began: seconds since 1970.
    """

    def since(milliseconds: float) -> float:
        return milliseconds / 1000 - began

    states = {event["state"]: since(event["created_ms"]) for event in row.events or []}
    submitted = since(row.creation_time_ms)
    start = states.get("RUNNING", states.get("SUBMITTED_TO_WORKER", submitted))
    end = max(start, states.get(row.state, start))
    told = phases(row)
    fetch, execute = told.get("task:deserialize_arguments"), told.get("task:execute")
    if execute:
        start = since((fetch or execute)["start_time"])
        whole = told.get(f"task::{row.name}") or told.get("task:store_outputs") or execute
        end = since(whole["end_time"])
    return Task(
        name=row.name,
        worker=row.worker_pid or 0,
        start=start,
        end=end,
        state=row.state,
        submitted=submitted,
        fetched=since(execute["start_time"]) if execute else start,
        computed=since(execute["end_time"]) if execute else end,
        id=row.task_id,
        parent=row.parent_task_id or "",
        actor=row.actor_id or "",
        node=row.node_id or "",
        attempt=row.attempt_number,
        error=row.error_type or "",
    )
