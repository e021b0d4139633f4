"""What the widgets read through Ray's state API, or a sentence that says why they cannot."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence

import ray
from ray.exceptions import RaySystemError
from ray.runtime_context import get_runtime_context  # ray's own of that name may start a Ray
from ray.util.state import exception, get_task
from ray.util.state.common import TaskState

from helpers import local, observe

NOT_RUNNING = "Ray is not running in this notebook: run ray.init(), then ask again."
ENDED = (
    "Ray has ended, and this notebook was not told. Run ray.shutdown(); where Ray runs again, "
    "ray.init() joins it."
)
OUT_OF_REACH = (
    "Through Ray Client this notebook reaches one port of the cluster, and what runs is told by "
    "others. Open the notebook on a machine of the cluster to look inside."
)
# Hexadecimal digits. A task's id ends with that of its actor, an object's begins with its task's.
ACTOR_ID, TASK_ID, OBJECT_ID = 32, 48, 56
ASK_S = 5  # a live question may take so long
REACH_S = 2.0  # a Ray that does not accept a connection in this time is gone
LATE_S = 3.0  # Ray's processes tell of their tasks about once a second


class Unavailable(Exception):
    """Ray could not be asked; the message is a sentence for the learner."""


class Soon(Unavailable):
    """Ray will tell soon."""


def connected() -> str:
    """The address of the Ray that this notebook is connected to.

    Whether that Ray still listens is tried out: its own functions wait a minute for one that was
    killed, and no other thread can call them back.

    Raises:
        Unavailable: no Ray is connected here, or it has gone.
    """
    if not ray.is_initialized():
        raise Unavailable(NOT_RUNNING)
    try:
        address = get_runtime_context().gcs_address
        place = local.host_and_port(address)
        if not local.accepts(*place, REACH_S):
            raise ConnectionError(f"nothing listens at {address}")
    except (RaySystemError, ConnectionError) as error:
        through_client = ray.util.client.ray.is_connected()
        raise Unavailable(OUT_OF_REACH if through_client else ENDED) from error
    named = os.environ.get("RAY_ADDRESS", "")
    other = local.host_and_port(named)
    if other and _resolved(*other) != _resolved(*place):
        raise Unavailable(
            f"This notebook uses the Ray at {address}, but RAY_ADDRESS names {named}, and Ray's "
            'state API would ask that one. Run del os.environ["RAY_ADDRESS"], then ask again.'
        )
    return address


def _resolved(host: str, port: int) -> tuple[str, int]:
    """The same, the host as a number where it has one."""
    with contextlib.suppress(OSError):
        host = socket.gethostbyname(host)
    return host, port


def ask(function: Callable, *args, **options):
    """Call a function of the state API for the Ray that this notebook is connected to.

    Args:
        function: one of `ray.util.state`, such as `list_tasks`.
        args: its arguments.
        options: its keyword arguments.

    Raises:
        Unavailable: no Ray is connected here, or its dashboard, which answers, is not there.
    """
    with _in_a_sentence() as address:
        try:
            return function(*args, address=address, **options)
        except ValueError as error:  # what the state API makes of an address that it cannot use
            raise ConnectionError(error) from error


def listed(function: Callable, filters: Sequence[tuple[str, str, str]], **options) -> list:
    """What a live view lists: as many rows as Ray tells, within `ASK_S`.

    Args:
        function: one of `ray.util.state` that lists, such as `list_actors`.
        filters: as it takes them.
        options: its other keyword arguments.

    Raises:
        Unavailable: as `ask` does.
    """
    usual = {"limit": observe.MOST_ROWS, "timeout": ASK_S, "raise_on_missing_output": False}
    return ask(function, filters=filters, **usual | options)


def attempts(task_id: str, **options) -> list[TaskState]:
    """The rows of a task's attempts, the first one first; Ray gives a single one without a list.

    Args:
        task_id: hexadecimal.
        options: keyword arguments of `ray.util.state.get_task`.

    Raises:
        Unavailable: as `ask` does.
    """
    found = ask(get_task, task_id, **options) or []
    told = found if isinstance(found, list) else [found]
    return sorted(told, key=lambda row: row.attempt_number)


def tasks(all_jobs: bool) -> list[TaskState]:
    """The rows of the tasks that were submitted until now, with their details.

    Those of the exercises' checks are left out.

    Waits up to `LATE_S` for Ray to tell of all to their end; what then has none still runs. At
    most `observe.MOST_ROWS`.

    Raises:
        Unavailable: as `ask` does.
    """
    with _in_a_sentence():
        told, _ = observe.wait_until_told(0.0, (), LATE_S, all_jobs, without=[observe.CHECK])
        return told


@contextlib.contextmanager
def _in_a_sentence() -> Iterator[str]:
    address = connected()
    try:
        yield address
    except (exception.RayStateApiException, ConnectionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise Unavailable(
            "Ray's dashboard does not answer, and what runs is read through it. Was Ray started "
            f"without it, or has it ended? ({reason})"
        ) from error


def here(all_jobs: bool) -> list[tuple[str, str, str]]:
    """The filter that leaves this notebook's own job, or nothing where all jobs are wanted."""
    if all_jobs or not ray.is_initialized():
        return []
    return [("job_id", "=", get_runtime_context().get_job_id())]


def is_driver(task_id: str) -> bool:
    """Whether this is no task but a driver; its ids are filled with f, before that of its job."""
    return task_id[2:40] == "f" * 38


def actor_name(row) -> str:
    """The class of an actor, without what it was defined in, and the name that it was given."""
    return f"{row.class_name.rpartition('.')[2]} {row.name or ''}".strip()


def until_complete(look: Callable, complete: Callable[[object], bool]):
    """What `look` returns once it is complete, or after `LATE_S` what there is then."""
    deadline = time.monotonic() + LATE_S
    while not complete(found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
