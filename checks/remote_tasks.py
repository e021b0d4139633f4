"""Checks of lab 01."""

import math
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
import ray

from checks.engine import NotYet, exercise, run, show, start_workers
from checks.expect import a_list, a_value
from checks.witness import Ran, ran, timeline
from helpers import observe, ui
from helpers.observe import Task

SIZE = 3  # of a batch
SMALL = (6, 1, 0)  # items that fill their batches, one alone, none
OBSERVED_LIMIT_S = 40.0  # for what is observed: Ray tells of tasks late
LIMIT_S = 10.0  # a right answer needs a second or two; a busy machine gets its time
QUICK_S = 8.0  # the time limit for a task that takes a tenth of a second
LATE_S = 0.8, 2.5  # the time limit for a task that takes longer; the second if it never began
LONG_S = 6.0  # what that task takes
GONE_S = 2.0  # a task that was ended by force tells nothing more by then
LOST_S = 15.0  # and what it had put in the store is lost, which Ray may notice late


@dataclass
class Report:
    """What an answer returned, in which process it ran, and when each item left that process."""

    returned: object
    process: int
    sent: dict[int, float]
    pickled: int = 0  # how often the array was
    took: float = 0.0  # seconds


@dataclass
class Late:
    """What became of a task that took longer than its limit. Times are in seconds."""

    limit: float
    returned: str | None  # as text; None is what it should be
    took: float  # the call of the learner's function
    watched: float  # from its start until the fate of the task was known
    fate: str  # "never began", "gone", "alive" or "finished"


@exercise
def all_at_once(answer) -> str:
    """`all_at_once(function, items)`: one task each, all submitted first, in order."""
    # The first task takes longest, so that on two cores it is not the first to end.
    items = [500, 204, 203, 202, 201]
    report = _start(answer, _each, items)
    calls = _values(report, items)
    show(_picture(calls, items))
    _by_tasks(calls, report)
    shared = Counter(one.task for one in calls)
    if len(shared) < len(items):
        raise NotYet(
            f"{len(items)} items went into {len(shared)} task(s). Call .remote once for each item, "
            "so that each can run on another core."
        )
    _all_sent_first(calls, report)
    _in_order(calls, items)
    return f"{len(calls)} tasks, all submitted before the first ended, results in order."


@exercise
def in_batches(answer) -> str:
    """`in_batches(function, items, size)`: one task for each `size` items, results flat."""
    items = [130, 101, 102, 103, 104, 105, 106]
    report = _start(answer, _each, items, SIZE)
    _flat(report.returned)
    calls = _values(report, items, f" The last batch, of {len(items) % SIZE}, counts too.")
    show(_picture(calls, items))
    _by_tasks(calls, report)
    _in_order(calls, items)
    sizes = list(Counter(one.task for one in calls).values())
    wanted = [SIZE, SIZE, len(items) % SIZE]
    if sizes != wanted:
        raise NotYet(
            f"With size = {SIZE}, {len(items)} items should make batches of {wanted}; "
            f"your {len(sizes)} task(s) took {sizes}."
        )
    _all_sent_first(calls, report)
    for count, returned, tasks in run(_small_batches, answer, limit=OBSERVED_LIMIT_S):
        wanted = math.ceil(count / SIZE)
        if isinstance(returned, str):
            raise NotYet(f"{len(items)} items were right, but for {count} items you {returned}.")
        if returned != list(range(count)):
            raise NotYet(
                f"{len(items)} items were right, but {count} items went in, and {returned} came "
                "out. It should hold for any number of items."
            )
        if tasks != wanted:
            raise NotYet(
                f"{len(items)} items were right, but with size = {SIZE} you submitted {tasks} "
                f"task(s) for {count} items; {wanted} are needed."
            )
    return (
        f"{len(items)} items in {len(sizes)} tasks of {sizes}, results flat and in order; so are "
        f"{', '.join(map(str, SMALL))} items."
    )


@exercise
def share_once(answer) -> str:
    """`share_once(function, array, numbers)`: a task each, the array stored once."""
    numbers = [205, 204, 203, 202, 201]
    report = _start(answer, _with_array, numbers)
    calls = _values(report, numbers)
    show(_picture([one for one, _ in calls], numbers))
    received = {(one.process, address) for one, address in calls}
    addresses = {address for _, address in received}
    calls = [one for one, _ in calls]
    if "refs" in addresses:
        raise NotYet(
            "function(array, n) received a ref where the array should be. Ray replaces a ref by "
            "its value only where the ref is an argument of the task by itself."
        )
    _by_tasks(calls, report)
    if "own copy" in addresses:
        raise NotYet(
            f"The array was pickled {report.pickled} time(s), and the tasks worked on a copy that "
            "came inside the function: the function that you made a task mentions the array. "
            "Give it the ref of ray.put(array) as an argument."
        )
    if report.pickled > 1:
        raise NotYet(
            f"The array was pickled {report.pickled} times for {len(numbers)} numbers. Call "
            "ray.put(array) once, before the loop, and pass its ref to every task."
        )
    # Every process sees the store at a place of its own.
    if len(received) > len({one.process for one in calls}):
        raise NotYet(
            "The array was stored once and then more often: the tasks read more than one copy of "
            "it. Pass the ref to them, not what ray.get makes of it."
        )
    shared = Counter(one.task for one in calls)
    if len(shared) < len(numbers):
        raise NotYet(
            f"The array was pickled once, but {len(numbers)} numbers went into {len(shared)} "
            "task(s). Each number should have a task of its own."
        )
    _all_sent_first(calls, report)
    _in_order(calls, numbers)
    return f"{len(calls)} tasks read one array, pickled {report.pickled} time."


@exercise
def within(answer) -> str:
    """`within(function, x, seconds)`: the result, or None and the task is gone."""
    x = 100
    report, raised, late = run(_three_calls, answer, x, limit=3 * LIMIT_S, setup=_with_witness)
    if report.returned is None:
        raise NotYet(
            f"A function that took 0.1 s of {QUICK_S:g} s came back as None. Does a quick result "
            "get through?"
        )
    a_value(report.returned)
    _by_tasks(_values(Report([report.returned], report.process, {}), [x]), report)
    if report.took >= QUICK_S:
        raise NotYet(
            f"function(x) took 0.1 s, and within returned after {report.took:.1f} s: it waited for "
            f"the whole limit of {QUICK_S:g} s. Return as soon as the result is there; ray.get "
            "takes a timeout."
        )
    if raised is not None:
        raise NotYet(
            f"function(x) raised a KeyError, and within returned {raised[:60]} as if all were "
            "well. Catch ray.exceptions.GetTimeoutError and nothing else."
        )
    show(_picture_late(late))
    if late.returned is not None:
        raise NotYet(
            f"After {late.limit:g} s, the limit, within should return None; it returned "
            f"{late.returned[:60]}."
        )
    if late.fate == "finished":
        raise NotYet(
            f"The limit was {late.limit:g} s, but within waited until the task had ended by "
            "itself. ray.get takes a timeout."
        )
    if late.fate == "alive":
        raise NotYet(
            "within returned None, but the task goes on and keeps its core. Its function ignores "
            "interrupts: neither a timeout nor a plain ray.cancel ends it."
        )
    return "quick results and errors come through; the late task is gone."


def _start(answer, drive, items, *more) -> Report:
    report = run(drive, answer, items, more, limit=LIMIT_S, setup=_warm)
    a_list(report.returned)
    return report


def _values(report: Report, items: list[int], more: str = "") -> list:
    """The results, if they are what the function returned, one for each item."""
    results = list(report.returned)
    pairs = [one if isinstance(one, Ran) else one[0] for one in results if isinstance(one, tuple)]
    if len(pairs) < len(results) or not all(isinstance(one, Ran) for one in pairs):
        raise NotYet(
            "Your results are not what function returned; one of them is "
            f"{str(results[0])[:60]}. Return the results as they are."
        )
    missing = Counter(items) - Counter(one.what for one in pairs)
    if missing or len(pairs) != len(items):
        raise NotYet(f"{len(items)} items went in, {len(results)} results came out.{more}")
    return results


def _flat(returned) -> None:
    if any(isinstance(one, list) for one in returned):
        raise NotYet(
            f"You returned {len(returned)} lists in a list, one a batch. Make one flat list of "
            "their elements."
        )


def _by_tasks(calls: list[Ran], report: Report) -> None:
    own = sum(one.process == report.process for one in calls)
    if own:
        raise NotYet(
            f"{own} of {len(calls)} results were computed by process {report.process} itself, the "
            "one that ran your function. Make tasks: ray.remote(function) has a .remote(...)."
        )


def _all_sent_first(calls: list[Ran], report: Report) -> None:
    ends: dict[str, float] = {}
    for one in calls:
        ends[one.task] = max(one.end, ends.get(one.task, 0))
    first_end = min(ends.values())
    sent = sum(moment < first_end for moment in report.sent.values())
    if sent < len(report.sent):
        raise NotYet(
            f"When the first task ended, {sent} of {len(report.sent)} items had been submitted. "
            "Does your loop wait? Collect the refs first, and get them after the loop."
        )


def _in_order(calls: list[Ran], items: list[int]) -> None:
    values = [one.what for one in calls]
    if values != items:
        at = next(
            at for at, (is_, want) in enumerate(zip(values, items, strict=True)) if is_ != want
        )
        raise NotYet(
            f"All results are there, but the one at place {at + 1} is that of item "
            f"{items.index(values[at]) + 1}. "
            "They should stand in the order of the items, whichever was ready first."
        )


def _picture(calls: list[Ran], items: list[int]):
    """The learner's run: when each item was computed, and by which process.

    Tasks are numbered in the order of the items, whatever the order of the results.
    """
    tasks = dict.fromkeys(one.task for one in sorted(calls, key=lambda one: items.index(one.what)))
    names = {task: f"task {number}" for number, task in enumerate(tasks, start=1)}
    bars = [
        one._replace(what="item", task=names[one.task])
        for one in sorted(calls, key=lambda one: one.start)
    ]
    return timeline(bars, "Your run, by task", label=lambda bar: bar.id)


def _picture_late(late: Late):
    """Two bars: how long within took, and how long its task is known to have lived."""
    lived, state = (late.watched, "FINISHED") if late.fate == "alive" else (late.took, "FAILED")
    if late.fate == "finished":
        state = "FINISHED"
    bars = [Task("within", 0, 0, late.took), Task("task", 0, 0, lived, state)]
    title = {"alive": "The task outlived your call", "finished": "Your call waited for the task"}
    title = title.get(late.fate, "The task ended with your call")
    return ui.task_timeline(bars, f"{title}, limit {late.limit:g} s", row=lambda bar: bar.name)


def _compute(milliseconds: int) -> Ran:
    """Takes as many milliseconds as its argument says."""
    start = time.time()
    time.sleep(milliseconds / 1000)
    return ran(milliseconds, start)


def _items(numbers: list[int], sent: dict[int, float]) -> list[int]:
    """The numbers, as integers that note in `sent` when they are first pickled."""

    class Item(int):
        def __reduce__(self):
            sent.setdefault(int(self), time.time())
            return int, (int(self),)

    return [Item(number) for number in numbers]


def _each(answer, numbers, more, _) -> Report:
    sent = {}
    returned = answer(_compute, _items(numbers, sent), *more)
    return Report(returned, os.getpid(), sent)


def _small_batches(answer) -> list[tuple[int, list | str, int]]:
    """For each of SMALL: the number of items, what came out, and how many tasks were submitted."""
    came, began = [], time.time()
    with observe.tasks() as ran:
        for count in SMALL:
            since = time.time() - began
            time.sleep(0.01)  # Ray tells in whole milliseconds
            try:
                returned = answer(_same, list(range(count)), SIZE)
            except Exception as error:
                returned = f"raised {type(error).__name__}: {str(error)[:60]}"
            if not isinstance(returned, list | tuple | str):
                returned = f"returned {type(returned).__name__}"
            came.append((count, returned, since, time.time() - began))
    return [
        (
            count,
            returned if isinstance(returned, str) else list(returned),
            sum(since <= task.submitted <= until for task in ran),
        )
        for count, returned, since, until in came
    ]


def _same(item):
    return item


def _warm(*_) -> None:
    """Two workers, where there are cores for them, so that tasks overlap at once."""
    start_workers(min(2, int(ray.cluster_resources().get("CPU", 1))))


def _with_array(answer, numbers, more, _) -> Report:
    pickled, sent = [], {}

    class Counted(np.ndarray):
        def __reduce_ex__(self, protocol):
            pickled.append(1)
            return np.asarray(self).__reduce_ex__(protocol)

    def function(array, n):
        if isinstance(array, ray.ObjectRef | list):
            return _compute(n), "refs"
        # What lies in the object store is read-only, a copy of one's own is not.
        return _compute(n), "own copy" if array.flags.writeable else array.ctypes.data

    array = np.zeros(200_000).view(Counted)
    returned = answer(function, array, _items(numbers, sent), *more)
    return Report(returned, os.getpid(), sent, len(pickled))


def _with_witness(*args):
    _warm()
    witness = ray.remote(num_cpus=0)(_Witness).remote()
    ray.get(witness.told.remote())
    return witness


def _three_calls(answer, x, witness) -> tuple[Report, str | None, Late | None]:
    """What within makes of a quick function, of one that raises, and of one that takes too long.

    The text of what it returned instead of raising; no third call if the first went wrong.
    """
    start = time.time()
    report = Report(answer(_compute, x, QUICK_S), os.getpid(), {})
    report.took = time.time() - start
    by_task = isinstance(report.returned, Ran) and report.returned.process != report.process
    if not by_task or report.took >= QUICK_S:
        return report, None, None
    try:
        return report, repr(answer(_raise, 1, QUICK_S)), None
    except KeyError:
        pass
    for limit in LATE_S:
        late = _call_late(answer, witness, limit)
        if late.fate != "never began":
            break
    return report, None, late


def _raise(x):
    raise KeyError(x)


def _take_long(witness):
    """Ignores interrupts; tells the witness, by a ref of its own, that it lives, and of its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mine = [ray.put("mine")]
    end = time.monotonic() + LONG_S
    while time.monotonic() < end:
        ray.get(witness.tell.remote(mine))
        time.sleep(0.1)
    ray.get(witness.tell.remote("finished"))


def _call_late(answer, witness, limit: float) -> Late:
    ray.get(witness.tell.remote(None))
    start = time.time()
    returned = answer(_take_long, witness, limit)
    took = time.time() - start
    fate = _fate(witness)
    text = None if returned is None else repr(returned)
    return Late(limit, text, took, time.time() - start, fate)


def _fate(witness) -> str:
    """What became of the task: alive, while it tells so; gone, when what it had stored is lost."""
    start = time.monotonic()
    while (now := time.monotonic()) < start + LOST_S:
        told, ago = ray.get(witness.told.remote())
        if told == "finished":
            return told
        if told is None:
            if now > start + GONE_S:
                return "never began"
        elif now - ago > start + GONE_S:
            return "alive"
        else:
            try:
                ray.get(told[0], timeout=0.5)
            except ray.exceptions.ObjectLostError:
                return "gone"
            except ray.exceptions.GetTimeoutError:
                pass
        time.sleep(0.05)
    return "alive"


class _Witness:
    """Keeps what a task tells, for the time when the task is no more."""

    def __init__(self):
        self.tell(None)

    def tell(self, what):
        self.said, self.at = what, time.monotonic()

    def told(self):
        """What it was told last, and how many seconds ago."""
        return self.said, time.monotonic() - self.at
