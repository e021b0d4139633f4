"""Checks of lab 05."""

import math
import os
import time
from typing import NamedTuple

import numpy as np
import ray
from ray.util.state import get_objects
from ray.util.state.exception import RayStateApiException

from checks.engine import NotYet, Passed, exercise, run, start_two_workers
from checks.news import newest
from helpers import ui
from helpers.observe import Task, overlap

LIMIT_S = 15.0  # for an answer, once the processes that it needs have started
STATIONS = (5, 0, 13, 4, 8)  # readings of each; the pieces of none but 4 and 8 are all full
MOST = 4
CONVERT_S, FIRST_S = 0.1, 0.4  # what a piece takes, and the first piece of a station
STEPS_S = 0.0, 0.1, 0.3, 0.2, 0.15  # what a station's line takes; the first waits for the others
# These three are for `newest`, which gives a busy machine more.
NO_LINE_S = 0.6  # until the first station's task believes that no other line will be printed
MAPS = 4
ROWS, WIDTH = 1_000, 500  # of a map, 4 MB
FREED_S = 2.0  # until Ray has freed what nobody holds, a fraction of a second
READINGS = 5
COUNT_S, ADD_S = 0.15, 0.2
LATE_S = 1.5  # until there is no more to come of what was not waited for


class Call(NamedTuple):
    """One call of a function that the check gave: of what, and where and when it ran."""

    what: int
    process: int
    start: float
    end: float


class Maps(NamedTuple):
    """What an answer made of maps, and what was left of them."""

    returned: list | str  # a sentence where it is no list of arrays
    drawn: int
    held: list[str] | None  # how each map that is still there is held; None if Ray does not tell
    behind: int  # bytes behind the largest array that was returned, itself included


@exercise
def convert_in_pieces(answer) -> Passed:
    """`convert_in_pieces(convert, stations, most)`: no task gets more than `most` readings."""
    returned, calls, waited = run(
        _convert_in_pieces, answer, limit=LIMIT_S, setup=_notes_and_workers
    )
    if isinstance(returned, str):
        raise NotYet(returned)
    picture = _picture(calls, "Your tasks, and the readings that each got")
    if not calls:
        raise NotYet("convert was not called by any task. Call convert.remote(array).")
    sizes = [call.what for call in calls]
    if max(sizes) > MOST:
        raise NotYet(
            f"A task got {max(sizes)} readings, and most was {MOST}. Cut each station in pieces "
            "of at most that many.",
            picture,
        )
    expected = [_converted(number, size) for number, size in enumerate(STATIONS)]
    if len(returned) != len(STATIONS):
        raise NotYet(
            f"There were {len(STATIONS)} stations; you returned {len(returned)} arrays. Put the "
            "pieces of a station together again.",
            picture,
        )
    for number, (got, wanted) in enumerate(zip(returned, expected, strict=True)):
        if len(got) != len(wanted):
            raise NotYet(
                f"stations[{number}] has {len(wanted)} readings; the array that you returned for "
                f"it has {len(got)}. Does the last piece count, when it is not full?",
                picture,
            )
        if list(got) != list(wanted):
            raise NotYet(
                f"The array at place {number} is not that of stations[{number}]: the pieces came "
                "together in another order, or those of another station.",
                picture,
            )
    needed = sum(math.ceil(size / MOST) for size in STATIONS)
    if (count := sum(size > 0 for size in sizes)) > needed:
        raise NotYet(
            f"You submitted {count} tasks; with most = {MOST}, {needed} are enough. A task has "
            "its price: make pieces as large as most allows.",
            picture,
        )
    if _one_after_another(calls):
        raise NotYet(
            "Your tasks ran one after another. Submit all of them before you wait for the first.",
            picture,
        )
    if waited:
        raise NotYet(
            "You waited for one station before you submitted the next. Submit the pieces of all "
            "stations, then put them together.",
            picture,
        )
    return Passed(f"{len(calls)} tasks of at most {MOST} readings, all submitted first.", picture)


@exercise
def print_as_ready(answer) -> Passed:
    """`print_as_ready(step, readings, print_line)`: lines in order, each printed at once."""
    returned, prints, calls, submitted = run(
        _print_as_ready, answer, limit=LIMIT_S, setup=_notes_and_workers
    )
    printed = [line for line, _ in prints]
    if isinstance(returned, str):
        raise NotYet(returned)
    lines = [f"station {number}" for number in range(len(STEPS_S))]
    if not calls:
        raise NotYet("step was not called by any task. Call step.remote(celsius).")
    picture = _picture(calls, "Your tasks, by station")
    if len(calls) != len(lines):
        raise NotYet(f"{len(lines)} stations, and {len(calls)} tasks: one each is wanted.", picture)
    if _one_after_another(calls):
        raise NotYet(
            "Your tasks ran one after another. Does one wait for the one before, or do you wait "
            "in the loop that submits?",
            picture,
        )
    if other := next((line for line in printed if not isinstance(line, str)), None):
        raise NotYet(
            "print_line was given a list: ray.wait returns lists. Give it one line at a time."
            if other is list
            else f"print_line was given {other.__name__}, not a line. Give it ray.get(ref).",
            picture,
        )
    if max(submitted) > min(call.end for call in calls):
        raise NotYet(
            "When your first task had ended, not all had been submitted. With more cores more "
            "could run: submit all of them first.",
            picture,
        )
    if twice := {line for line in printed if printed.count(line) > 1}:
        raise NotYet(f"{min(twice)!r} was printed more than once.", picture)
    if missing := [line for line in lines if line not in printed]:
        raise NotYet(
            f"{missing[0]!r} was never printed. Is the last of those that were pending left out?"
            if printed
            else "Nothing was printed. Call print_line(line) in your function, not in a task, for "
            "each line as it comes.",
            picture,
        )
    # The first station's task ended when the others were printed, or nothing came any more.
    ended = {f"station {call.what}": call.end for call in calls}
    for line, moment in prints:
        if ended[line] < ended[lines[0]] < moment:
            raise NotYet(
                f"{line!r} was printed {moment - ended[line]:.1f} s after its task had ended, and "
                f"after that of {lines[0]!r}. Print each line when it is there: ray.wait tells "
                "which is.",
                picture,
            )
    if list(returned) != lines:
        wrong = sorted(returned, key=str) == lines
        raise NotYet(
            "The list that you returned is in the order in which the tasks ended. Keep the refs "
            "as they were submitted, and get the lines from those at the end."
            if wrong
            else f"You returned {str(returned)[:80]}; it should be the lines in order.",
            picture,
        )
    return Passed("the tasks ran at once, each line was printed when it was there.", picture)


@exercise
def first_rows(answer) -> Passed:
    """`first_rows(draw, readings)`: the first rows of each map, and no map left in the store."""
    maps = run(_first_rows, answer, limit=LIMIT_S, setup=_notes_and_workers)
    if isinstance(maps.returned, str):
        raise NotYet(maps.returned)
    if maps.drawn != MAPS:
        raise NotYet(f"For {MAPS} readings draw ran {maps.drawn} times. Call it once for each.")
    if len(maps.returned) != MAPS:
        raise NotYet(f"For {MAPS} readings you returned {len(maps.returned)} arrays.")
    for number, rows in enumerate(maps.returned):
        if rows.shape != (3, WIDTH):
            raise NotYet(
                f"The array at place {number} has the shape {rows.shape}; three rows of a map "
                f"have {(3, WIDTH)}."
            )
        if not np.array_equal(rows, _map(number)[:3]):
            raise NotYet(
                f"The array at place {number} does not hold the first three rows of that map. "
                "Are the results in the order of readings?"
            )
    if maps.held is None:
        raise NotYet("Ray's dashboard did not answer. Run this check again.")
    if maps.held:
        how = maps.held[0].replace("_", " ").lower()
        raise NotYet(
            f"{len(maps.held)} of {MAPS} maps are still in the store ({how}). "
            + (
                "An array that looks into a map holds it, and a slice does: keep copies of rows."
                if "pinned" in how
                else "Something still holds their refs: a list, a cache, a closure?"
            )
        )
    size = ROWS * WIDTH * 8
    if maps.behind >= size:
        raise NotYet(
            "The store is empty, but behind three rows lies a copy of the whole map in your own "
            f"process, {size / 1e6:.0f} MB each. Slice first, then copy."
        )
    return Passed(f"{MAPS} maps drawn, their rows kept, and the store has none of them any more.")


@exercise
def count_per_station(answer) -> Passed:
    """`count_per_station(count, readings, hot_readings)`: a task and a call each."""
    counts, adds, returned_at, here = run(
        _count_per_station, answer, limit=LIMIT_S, setup=_hot_readings
    )
    if not counts:
        raise NotYet("count was never called. Call it in a task, with a station's readings.")
    picture = _picture(counts, "Where your stations were counted")
    if any(call.process == here for call in counts):
        raise NotYet(
            "A station was counted in the process that called count_per_station. Count in a task.",
            picture,
        )
    if len(counts) != READINGS:
        raise NotYet(
            f"{READINGS} stations were counted in {len(counts)} calls of count: one each is "
            "wanted, with all of a station's readings.",
            picture,
        )
    if max(call.end for call in counts) > returned_at:
        raise NotYet(
            "When your function returned, not every station had been counted. Wait for your tasks "
            "with ray.get.",
            picture,
        )
    # The learner's tasks ask for a whole CPU.
    if _one_after_another(counts) and ray.cluster_resources().get("CPU", 1) >= 2:
        raise NotYet(
            "The stations were counted one after another. Submit all tasks before you wait for "
            "the first.",
            picture,
        )
    if len(adds) != READINGS:
        raise NotYet(
            f"The actor was called {len(adds)} times for {READINGS} stations. One call a station: "
            "add its whole number at once.",
            picture,
        )
    got = {station: number for (station, number), _ in adds}
    if got != (wanted := {number: _hot(number) for number in range(READINGS)}):
        raise NotYet(
            f"The actor was told {got}; it should be {wanted}: from a station's place in readings, "
            "counted from 0, to its hot readings.",
            picture,
        )
    if max(end for _, end in adds) > returned_at:
        raise NotYet(
            "When your function returned, the actor had not counted everything. Wait for what "
            "add.remote(...) gives you, with ray.get.",
            picture,
        )
    return Passed(f"{READINGS} stations counted at once, {len(adds)} calls of the actor.", picture)


# --- what runs in the learner's process ---


class Notes:
    """Keeps what tasks tell of themselves."""

    def __init__(self):
        self.calls, self.lines = [], 0

    def add(self, *call):
        self.calls.append(call)

    def all(self):
        return self.calls

    def add_line(self):
        self.lines += 1

    def news(self):
        return self.lines, len(self.calls)


def _notes_and_workers(*_):
    """Where tasks tell of themselves, and the CPUs they ask for, so that two run on one core."""
    notes = ray.remote(num_cpus=0)(Notes).remote()
    share = start_two_workers()
    ray.get(notes.all.remote())
    return notes, share


class _Watched:
    """A remote function that notes when it is called."""

    def __init__(self, function):
        self.function, self.submitted = function, []

    def remote(self, argument):
        self.submitted.append(time.time())
        return self.function.remote(argument)


def _calls(notes) -> list[Call]:
    return sorted((Call(*call) for call in ray.get(notes.all.remote())), key=lambda one: one.start)


def _converted(number: int, size: int) -> np.ndarray:
    return 2.0 * (100 * number + np.arange(size))


def _convert_in_pieces(answer, ready):
    notes, share = ready

    def work(array):
        start = time.time()
        first = len(array) and array[0] % 100 == 0  # so that pieces end in another order
        time.sleep(FIRST_S if first else CONVERT_S if len(array) else 0)
        ray.get(notes.add.remote(len(array), os.getpid(), start, time.time()))
        return 2.0 * array

    convert = _Watched(ray.remote(num_cpus=share)(work))
    stations = [100.0 * number + np.arange(size) for number, size in enumerate(STATIONS)]
    returned = answer(convert, stations, MOST)
    calls = _calls(notes)
    ends = sorted(call.end for call in calls if call.what)
    waited = len(ends) > 3 and max(convert.submitted, default=0.0) > ends[2]
    return _arrays(returned), calls, waited


def _arrays(returned) -> list | str:
    """The arrays in a list, or a sentence about what is there instead."""
    if returned is None:
        return "Your function returned None. Does it end with a return?"
    if isinstance(returned, ray.ObjectRef) or not hasattr(returned, "__iter__"):
        return f"Return a list of arrays; you returned {type(returned).__name__}."
    arrays = list(returned)
    for one in arrays:
        if isinstance(one, ray.ObjectRef) or (
            isinstance(one, list) and any(isinstance(piece, ray.ObjectRef) for piece in one)
        ):
            return "The list holds refs. Trade them in: ray.get(...)"
        if isinstance(one, list) and any(isinstance(piece, np.ndarray) for piece in one):
            return "The list holds lists of pieces. Join the pieces of a station: np.concatenate."
        if not isinstance(one, np.ndarray):
            return f"The list should hold arrays; it holds {type(one).__name__}: {str(one)[:40]}"
    return arrays


def _print_as_ready(answer, ready):
    notes, share = ready

    def work(celsius):
        start = time.time()
        number = int(celsius[0])
        time.sleep(STEPS_S[number])
        if number == 0:
            others = len(STEPS_S) - 1
            newest(lambda: ray.get(notes.news.remote()), lambda told: told[0] >= others, NO_LINE_S)
        ray.get(notes.add.remote(number, os.getpid(), start, time.time()))
        return f"station {number}"

    step = _Watched(ray.remote(num_cpus=share)(work))
    prints = []

    def print_line(line):
        prints.append((line, time.time()))
        notes.add_line.remote()

    readings = [np.full(3, float(number)) for number in range(len(STEPS_S))]
    returned = answer(step, readings, print_line)
    if returned is None:
        returned = "Your function returned None. Does it end with a return?"
    elif isinstance(returned, ray.ObjectRef) or not isinstance(returned, list | tuple):
        returned = f"Return a list of lines; you returned {type(returned).__name__}."
    elif any(isinstance(line, ray.ObjectRef) for line in returned):
        returned = "The list that you returned holds refs. Trade them in: ray.get(...)"
    prints = [(line if isinstance(line, str) else type(line), moment) for line, moment in prints]
    return returned, prints, _calls(notes), step.submitted or [0.0]


def _map(number: int) -> np.ndarray:
    return number + np.arange(ROWS * WIDTH, dtype=float).reshape(ROWS, WIDTH)


def _first_rows(answer, ready) -> Maps:
    notes, share = ready

    @ray.remote(num_cpus=share)
    def draw(element):
        ray.get(notes.add.remote(ray.get_runtime_context().get_task_id()))
        return _map(element)

    returned = _arrays(answer(draw, list(range(MAPS))))
    drawn = [task_id for (task_id,) in ray.get(notes.all.remote())]
    held = _held([f"{task_id}01000000" for task_id in drawn])  # the first result of each
    if isinstance(returned, str):
        return Maps(returned, len(drawn), held, 0)
    behind = max((_behind(array) for array in returned), default=0)
    return Maps([np.array(array) for array in returned], len(drawn), held, behind)


def _held(objects: list[str]) -> list[str] | None:
    """How each object is held that is not freed in time; None if Ray does not tell."""
    address = ray.get_runtime_context().gcs_address

    def held() -> list[str]:
        rows = [get_objects(one, address=address) or [] for one in objects]
        return [found[0].reference_type for found in rows if found]

    try:
        return newest(held, lambda found: not found, FREED_S, asks=20)
    except (RayStateApiException, ConnectionError):
        return None


def _behind(array: np.ndarray) -> int:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.nbytes


class HotReadings:
    """The data base of the exercise: it tells what was added, and when."""

    def __init__(self):
        self.adds = []

    def add(self, station, number):
        time.sleep(ADD_S)
        self.adds.append(((station, number), time.time()))

    def told(self):
        return self.adds


def _hot_readings(*_):
    hot_readings = ray.remote(num_cpus=0)(HotReadings).remote()
    notes, _ = _notes_and_workers()
    ray.get(hot_readings.told.remote())
    return notes, hot_readings


def _hot(number: int) -> int:
    return 10 + number


def _count_per_station(answer, ready):
    notes, hot_readings = ready

    def count(celsius):
        start = time.time()
        time.sleep(COUNT_S)
        ray.get(notes.add.remote(len(celsius), os.getpid(), start, time.time()))
        return int((celsius > 40).sum())

    readings = [
        np.array([50.0] * _hot(number) + [10.0] * (40 - number)) for number in range(READINGS)
    ]
    answer(count, readings, hot_readings)
    returned_at = time.time()
    told = hot_readings.told
    adds = newest(lambda: ray.get(told.remote()), lambda adds: len(adds) >= READINGS, LATE_S, 25)
    return _calls(notes), adds, returned_at, os.getpid()


# --- what was seen ---


def _picture(calls: list[Call], title: str):
    began = min(call.start for call in calls)
    tasks = [
        Task(str(call.what), call.process, call.start - began, call.end - began) for call in calls
    ]
    return ui.task_timeline(tasks, title, legend=False)


def _one_after_another(calls: list[Call]) -> bool:
    return overlap([Task("task", call.process, call.start, call.end) for call in calls]) < 1.01
