"""Checks of lab 05."""

import functools
import math
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import ray
from ray.util.state import get_objects
from ray.util.state.exception import RayStateApiException

from checks.engine import CannotJudge, NotYet, exercise, run, show
from checks.expect import a_list
from checks.waiting import newest
from checks.witness import (
    Notes,
    Ran,
    Watched,
    one_after_another,
    ran,
    start_notes_and_workers,
    timeline,
)

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


class Pieces(NamedTuple):
    """What an answer made of stations: its tasks, and when it submitted them."""

    returned: object
    calls: list[Ran]
    submitted: list[float]


class Printed(NamedTuple):
    """What an answer returned, and each line that it printed with the moment, or a line's type."""

    returned: object
    lines: list[tuple[str | type, float]]
    calls: list[Ran]
    submitted: list[float]


class Counted(NamedTuple):
    """The calls of `count`, those of the actor with their ends, and when and where all was done."""

    counts: list[Ran]
    adds: list[tuple]
    returned_at: float
    process: int


class Maps(NamedTuple):
    """What an answer made of maps, and what was left of them."""

    returned: object
    drawn: int
    held: list[str] | None  # how each map that is still there is held; None if Ray does not tell
    behind: int  # bytes behind the largest array that was returned, itself included


@exercise
def convert_in_pieces(answer) -> str:
    """`convert_in_pieces(convert, stations, most)`: no task gets more than `most` readings."""
    pieces = run(_convert_in_pieces, answer, limit=LIMIT_S, setup=start_notes_and_workers)
    arrays, calls = _arrays(pieces.returned), pieces.calls
    if not calls:
        raise NotYet("convert was not called by any task. Call convert.remote(array).")
    show(timeline(calls, "Your tasks, and the readings that each got"))
    most = max(call.what for call in calls)
    if most > MOST:
        raise NotYet(
            f"A task got {most} readings, and most was {MOST}. Cut each station in pieces of at "
            "most that many."
        )
    _are_converted(arrays)
    needed = sum(math.ceil(size / MOST) for size in STATIONS)
    if (count := sum(call.what > 0 for call in calls)) > needed:
        raise NotYet(
            f"You submitted {count} tasks; with most = {MOST}, {needed} are enough. A task has "
            "its price: make pieces as large as most allows."
        )
    if one_after_another(calls):
        raise NotYet(
            "Your tasks ran one after another. Submit all of them before you wait for the first."
        )
    ends = sorted(call.end for call in calls if call.what)
    if len(ends) > 3 and max(pieces.submitted, default=0.0) > ends[2]:
        raise NotYet(
            "You waited for one station before you submitted the next. Submit the pieces of all "
            "stations, then put them together."
        )
    return f"{len(calls)} tasks of at most {MOST} readings, all submitted first."


def _are_converted(arrays: list[np.ndarray]) -> None:
    if len(arrays) != len(STATIONS):
        raise NotYet(
            f"There were {len(STATIONS)} stations; you returned {len(arrays)} arrays. Put the "
            "pieces of a station together again."
        )
    for number, (got, size) in enumerate(zip(arrays, STATIONS, strict=True)):
        if len(got) != size:
            raise NotYet(
                f"stations[{number}] has {size} readings; the array that you returned for it has "
                f"{len(got)}. Does the last piece count, when it is not full?"
            )
        if list(got) != list(_converted(number, size)):
            raise NotYet(
                f"The array at place {number} is not that of stations[{number}]: the pieces came "
                "together in another order, or those of another station."
            )


def _arrays(returned) -> list[np.ndarray]:
    lists = [one for one in returned if isinstance(one, list)] if _is_list(returned) else []
    if any(isinstance(piece, np.ndarray) for pieces in lists for piece in pieces):
        raise NotYet(
            "The list holds lists of pieces. Join the pieces of a station: np.concatenate."
        )
    if any(isinstance(piece, ray.ObjectRef) for pieces in lists for piece in pieces):
        raise NotYet("The list holds lists of refs. Trade them in: ray.get(...)")
    return a_list(returned, "arrays", np.ndarray)


def _is_list(returned) -> bool:
    return isinstance(returned, list | tuple)


@exercise
def print_as_ready(answer) -> str:
    """`print_as_ready(step, readings, print_line)`: lines in order, each printed at once."""
    printed = run(
        _print_as_ready,
        answer,
        limit=LIMIT_S,
        setup=functools.partial(start_notes_and_workers, kind=Lines),
    )
    lines = [f"station {number}" for number in range(len(STEPS_S))]
    returned, calls = a_list(printed.returned, "lines"), printed.calls
    if not calls:
        raise NotYet("step was not called by any task. Call step.remote(celsius).")
    show(timeline(calls, "Your tasks, by station"))
    if len(calls) != len(lines):
        raise NotYet(f"{len(lines)} stations, and {len(calls)} tasks: one each is wanted.")
    if one_after_another(calls):
        raise NotYet(
            "Your tasks ran one after another. Does one wait for the one before, or do you wait "
            "in the loop that submits?"
        )
    if other := next((line for line, _ in printed.lines if not isinstance(line, str)), None):
        raise NotYet(
            "print_line was given a list: ray.wait returns lists. Give it one line at a time."
            if other is list
            else f"print_line was given {other.__name__}, not a line. Give it ray.get(ref)."
        )
    if max(printed.submitted, default=0.0) > min(call.end for call in calls):
        raise NotYet(
            "When your first task had ended, not all had been submitted. With more cores more "
            "could run: submit all of them first."
        )
    _are_printed_in_time(printed.lines, lines, calls)
    if returned != lines:
        wrong = sorted(returned, key=str) == lines
        raise NotYet(
            "The list that you returned is in the order in which the tasks ended. Keep the refs "
            "as they were submitted, and get the lines from those at the end."
            if wrong
            else f"You returned {str(returned)[:80]}; it should be the lines in order."
        )
    return "the tasks ran at once, each line was printed when it was there."


def _are_printed_in_time(printed: list[tuple], lines: list[str], calls: list[Ran]) -> None:
    given = [line for line, _ in printed]
    if not given:
        raise NotYet(
            "Nothing was printed. Call print_line(line) in your function, not in a task, for each "
            "line as it comes."
        )
    if twice := {line for line in given if given.count(line) > 1}:
        raise NotYet(f"{min(twice)!r} was printed more than once.")
    if missing := [line for line in lines if line not in given]:
        raise NotYet(
            f"{missing[0]!r} was never printed. Is the last of those that were pending left out?"
        )
    # The first station's task ended when the others were printed, or nothing came any more.
    ended = {f"station {call.what}": call.end for call in calls}
    for line, moment in printed:
        if ended[line] < ended[lines[0]] < moment:
            raise NotYet(
                f"{line!r} was printed {moment - ended[line]:.1f} s after its task had ended, and "
                f"after that of {lines[0]!r}. Print each line when it is there: ray.wait tells "
                "which is."
            )


@exercise
def first_rows(answer) -> str:
    """`first_rows(draw, readings)`: the first rows of each map, and no map left in the store."""
    maps = run(_first_rows, answer, limit=LIMIT_S, setup=start_notes_and_workers)
    arrays = _arrays(maps.returned)
    if maps.drawn != MAPS:
        raise NotYet(f"For {MAPS} readings draw ran {maps.drawn} times. Call it once for each.")
    if len(arrays) != MAPS:
        raise NotYet(f"For {MAPS} readings you returned {len(arrays)} arrays.")
    for number, rows in enumerate(arrays):
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
        raise CannotJudge("Ray's dashboard did not answer. Run this check again.")
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
    return f"{MAPS} maps drawn, their rows kept, and the store has none of them any more."


@exercise
def count_per_station(answer) -> str:
    """`count_per_station(count, readings, hot_readings)`: a task and a call each."""
    seen = run(_count_per_station, answer, limit=LIMIT_S, setup=_hot_readings)
    counts, adds = seen.counts, seen.adds
    if not counts:
        raise NotYet("count was never called. Call it in a task, with a station's readings.")
    show(timeline(counts, "Where your stations were counted"))
    if any(call.process == seen.process for call in counts):
        raise NotYet(
            "A station was counted in the process that called count_per_station. Count in a task."
        )
    if len(counts) != READINGS:
        raise NotYet(
            f"{READINGS} stations were counted in {len(counts)} calls of count: one each is "
            "wanted, with all of a station's readings."
        )
    if max(call.end for call in counts) > seen.returned_at:
        raise NotYet(
            "When your function returned, not every station had been counted. Wait for your tasks "
            "with ray.get."
        )
    # The learner's tasks ask for a whole CPU.
    if one_after_another(counts) and ray.cluster_resources().get("CPU", 1) >= 2:
        raise NotYet(
            "The stations were counted one after another. Submit all tasks before you wait for "
            "the first."
        )
    if len(adds) != READINGS:
        raise NotYet(
            f"The actor was called {len(adds)} times for {READINGS} stations. One call a station: "
            "add its whole number at once."
        )
    got = {station: number for (station, number), _ in adds}
    if got != (wanted := {number: _hot(number) for number in range(READINGS)}):
        raise NotYet(
            f"The actor was told {got}; it should be {wanted}: from a station's place in readings, "
            "counted from 0, to its hot readings."
        )
    if max(end for _, end in adds) > seen.returned_at:
        raise NotYet(
            "When your function returned, the actor had not counted everything. Wait for what "
            "add.remote(...) gives you, with ray.get."
        )
    return f"{READINGS} stations counted at once, {len(adds)} calls of the actor."


# --- what runs in the learner's process ---


class Lines(Notes):
    """Keeps also how many lines were printed."""

    def __init__(self):
        super().__init__()
        self.lines = 0

    def add_line(self):
        self.lines += 1

    def news(self):
        return self.lines, len(self.calls)


def _converted(number: int, size: int) -> np.ndarray:
    return 2.0 * (100 * number + np.arange(size))


def _convert_in_pieces(answer, ready):
    notes, share = ready

    def work(array):
        start = time.time()
        first = len(array) and array[0] % 100 == 0  # so that pieces end in another order
        time.sleep(FIRST_S if first else CONVERT_S if len(array) else 0)
        ray.get(notes.add.remote(ran(len(array), start)))
        return 2.0 * array

    convert = Watched(ray.remote(num_cpus=share)(work))
    stations = [100.0 * number + np.arange(size) for number, size in enumerate(STATIONS)]
    returned = _unfolded(answer(convert, stations, MOST))
    return Pieces(returned, ray.get(notes.all.remote()), convert.submitted)


def _unfolded(returned):
    """What can leave the process: a list in place of a generator, and of an array of arrays."""
    return list(returned) if isinstance(returned, Iterator | np.ndarray) else returned


def _print_as_ready(answer, ready):
    notes, share = ready

    def work(celsius):
        start = time.time()
        number = int(celsius[0])
        time.sleep(STEPS_S[number])
        if number == 0:
            others = len(STEPS_S) - 1
            newest(lambda: ray.get(notes.news.remote()), lambda told: told[0] >= others, NO_LINE_S)
        ray.get(notes.add.remote(ran(number, start)))
        return f"station {number}"

    step = Watched(ray.remote(num_cpus=share)(work))
    prints = []

    def print_line(line):
        prints.append((line, time.time()))
        notes.add_line.remote()

    readings = [np.full(3, float(number)) for number in range(len(STEPS_S))]
    returned = answer(step, readings, print_line)
    prints = [(line if isinstance(line, str) else type(line), moment) for line, moment in prints]
    return Printed(returned, prints, ray.get(notes.all.remote()), step.submitted)


def _map(number: int) -> np.ndarray:
    return number + np.arange(ROWS * WIDTH, dtype=float).reshape(ROWS, WIDTH)


def _first_rows(answer, ready) -> Maps:
    notes, share = ready

    @ray.remote(num_cpus=share)
    def draw(element):
        ray.get(notes.add.remote(ran(element, time.time())))
        return _map(element)

    returned = _unfolded(answer(draw, list(range(MAPS))))
    drawn = ray.get(notes.all.remote())
    held = _held([f"{call.task}01000000" for call in drawn])  # the first result of each
    arrays = [one for one in returned if isinstance(one, np.ndarray)] if _is_list(returned) else []
    return Maps(returned, len(drawn), held, max(map(_behind, arrays), default=0))


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
    notes, _ = start_notes_and_workers()
    ray.get(hot_readings.told.remote())
    return notes, hot_readings


def _hot(number: int) -> int:
    return 10 + number


def _count_per_station(answer, ready):
    notes, hot_readings = ready

    def count(celsius):
        start = time.time()
        time.sleep(COUNT_S)
        ray.get(notes.add.remote(ran(len(celsius), start)))
        return int((celsius > 40).sum())

    readings = [
        np.array([50.0] * _hot(number) + [10.0] * (40 - number)) for number in range(READINGS)
    ]
    answer(count, readings, hot_readings)
    returned_at = time.time()
    told = hot_readings.told
    adds = newest(lambda: ray.get(told.remote()), lambda adds: len(adds) >= READINGS, LATE_S, 25)
    return Counted(ray.get(notes.all.remote()), adds, returned_at, os.getpid())
