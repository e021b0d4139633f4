"""Checks of lab 03."""

import asyncio
import copy
import inspect
import os
import re
import secrets
import threading
import time
from typing import NamedTuple

import ray

from checks.engine import NotYet, exercise, kill_process, run, show, start_workers
from checks.expect import a_list
from checks.waiting import in_time, newest
from checks.witness import Ran, as_tasks, ran, timeline
from helpers import observe, plots, ui
from helpers.observe import Task, overlap

START_S = 30.0  # for a process to start on a busy machine
LIMIT_S = 10.0  # for an answer, once the processes that it needs have started
INIT_S = 8.0  # for a process to start and to run __init__; a busy machine gets its time
ANSWER_S = 5.0  # for a call of an actor that has started, a thousand times what it takes
# These three are for `newest`, which gives a busy machine more.
LATER_S = 1.0  # until there is no more to come of tasks that were not waited for
UNDER_WAY_S = 1.0  # until a call that was sent and not waited for has arrived
EARLY_S = 0.4  # until an answer is there that waits for nothing
WORDS = [3, 1, 4, 5, 9, 2]  # the items of which words are made


class Reported(NamedTuple):
    """What became of the items of `report_all`; moments are in seconds since the epoch."""

    process: int  # that called the answer
    calls: list[Ran]
    at_return: list[tuple]  # the words that the tally had by then, each with who sent it on
    counted: list[float]  # when the tally had counted each, also later
    returned_at: float


@exercise
def tally(answer) -> str:
    """`Tally` counts words: `add(word)`, `counts()`."""
    if hasattr(answer, "remote"):
        raise NotYet(
            "Tally is an actor class already. Take @ray.remote off: the check uses the plain "
            "class, too."
        )
    if not isinstance(answer, type):
        raise NotYet(f"Tally should be a class; it is {type(answer).__name__}.")
    alone, apart, together = run(_count, answer, setup=_start_tally)
    for words, counts in alone:
        if counts is None:
            raise NotYet("counts() returned None. Does it end with a return?")
        if not hasattr(counts, "items"):
            raise NotYet(
                f"counts() returned {type(counts).__name__}: {str(counts)[:60]}. It should be a "
                "dict from each word to how often it was added."
            )
        wrong = dict(counts) != _counted(words)
        if wrong and len(words) > 1 and sum(counts.values()) <= 1:
            raise NotYet(
                f"After {len(words)} calls of add, counts() is {counts}: only the last word is "
                "left. Does something make the dict anew each time? Make it in __init__ only."
            )
        if wrong:
            raise NotYet(
                f"After adding {', '.join(words)}, counts() is {dict(counts)}; it "
                f"should be {_counted(words)}."
            )
    if apart:
        raise NotYet(
            f"A second tally, made after the first had counted, began with {apart}. Its counts "
            "are kept on the class or in a global, which all tallies of a process share, and "
            "which travel with the class into an actor. Keep them on self, in __init__."
        )
    sent, counts = together
    show(_bars(sent, counts))
    if counts != sent:
        raise NotYet(
            f"Four tasks added {sum(sent.values())} words, and the actor counted "
            f"{sum(counts.values())}. The picture says which."
        )
    return f"four tasks added {sum(sent.values())} words, and none is missing."


@exercise
def report_all(answer) -> str:
    """`report_all(function, items, tally)`: each task adds its own result to the tally."""
    seen = run(_report, answer, limit=LIMIT_S, setup=_start_board)
    show(_reports(seen) if seen.calls else None)
    if any(call.process == seen.process for call in seen.calls):
        raise NotYet(
            f"function(item) ran in process {seen.process}, the one that runs report_all. It "
            "should run in a task for each item: put it into a remote function and call that."
        )
    _are_reported(seen)
    at_once = overlap(as_tasks(seen.calls))
    if _cores() > 1 and at_once < 1.05:
        raise NotYet(
            f"The {len(seen.calls)} tasks ran one after another, on {_cores()} cores. Is there a "
            "ray.get in the loop? Send them all, then wait."
        )
    reports = len(seen.at_return)
    return f"{reports} tasks, {reports} reports, {at_once:.1f} tasks at a time."


def _are_reported(seen: Reported) -> None:
    if not seen.counted:
        raise NotYet(
            "Nothing reached the actor behind the handle `tally`. Each task should call "
            "tally.add.remote(...) on the very handle that report_all was given, not on an actor "
            "of its own."
        )
    words = [word for word, _ in seen.at_return]
    if len(words) > len(set(words)):
        raise NotYet(f"{len(WORDS)} items, and {len(words)} reports: some were reported twice.")
    if missing := len(WORDS) - len(words):
        later = len(seen.counted) - len(words)
        raise NotYet(
            f"When report_all returned, {missing} of {len(WORDS)} reports were missing; {later} of "
            "them came later. Somebody has to wait for tally.add.remote(...), and report_all for "
            "the tasks."
        )
    if set(words) != {_word(item) for item in WORDS}:
        raise NotYet(
            f"The tally was told {words[0]!r}, where {_word(WORDS[0])!r} or the like was to come. "
            "Report what function(item) returned, not the item."
        )
    if any(seen.process in path for _, path in seen.at_return):
        raise NotYet(
            f"The results came back to process {seen.process}, which runs report_all, and went to "
            "the tally from there. Each task should report its own: give it the handle."
        )


@exercise
def map_on_actors(answer) -> str:
    """`map_on_actors(actors, items)`: ordered results, an idle actor takes the next item."""
    *lists, calls = run(_map_on_actors, answer, limit=LIMIT_S, setup=_start_workers)
    lists = [a_list(returned) for returned in lists]
    if not calls:
        raise NotYet("No actor was given any work. Call actor.work.remote(item).")
    for results, items in zip(lists, (ITEMS, ITEMS[:1], []), strict=True):
        if len(results) != len(items) or not all(isinstance(one, Result) for one in results):
            raise NotYet(
                f"For {len(items)} items you returned {len(results)} results: "
                f"{str(results)[:60]} … It should be what work(item) returned, once for each item."
            )
        if len(set(results)) < len(results):
            raise NotYet(
                f"Item {TWICE} was there twice, and you returned one result for both. Two calls "
                "may return different things: keep results by place in the list, not by item."
            )
    row = {call.process: f"{call.what.by} actor" for call in calls}
    drawn = [call._replace(what="work") for call in calls]
    title = "Your items on the two actors"
    show(timeline(drawn, title, row=lambda task: row[task.worker], label=lambda task: ""))
    _are_shared_out(calls)
    order = [result.item for result in lists[0]]
    if order != ITEMS:
        raise NotYet(
            "The results are not in the order of the items: they are those of "
            f"{', '.join(map(str, order))}. They came in the order in which they were ready. "
            "Remember which ref belongs to which item."
        )
    return f"the slow actor held up 1 item, the quick one did the other {len(ITEMS) - 1}."


def _are_shared_out(calls: list[Ran]) -> None:
    used = {call.what.by for call in calls}
    if len(used) == 1:
        raise NotYet(f"All {len(calls)} items went to the {used.pop()} actor of two.")
    slow = [call for call in calls if call.what.by == "slow"]
    quick = [call for call in calls if call.what.by == "quick"]
    behind, meanwhile = len(slow) - 1, sum(call.start < slow[0].end for call in quick)
    if behind and meanwhile < 2:
        raise NotYet(
            f"While the slow actor held its first item, the quick one did {meanwhile} and then "
            "stood idle, with items left. Whoever waits for results in order (ray.get in the "
            "loop, ActorPool.map) waits for the slow one. Wait for whichever call ends first."
        )
    if behind:
        raise NotYet(
            f"{behind} more items were queued behind the slow actor's first, while the quick one "
            "had nothing to do. Give an actor its next item only when it has finished the one "
            "before: ray.wait tells which has."
        )


@exercise
def safe_counter(answer) -> str:
    """`SafeCounter(storage)`: no acknowledged `add` is lost when its process is killed."""
    if not isinstance(answer, type) and not hasattr(answer, "remote"):
        raise NotYet(f"SafeCounter should be a class; it is {type(answer).__name__}.")
    story = run(_survive, answer, limit=3 * START_S)
    show(_draw_totals(story))
    _went_well(story)
    wanted = 0
    for event in story:
        if event.kind != "add":
            continue
        before, wanted = wanted, wanted + event.n
        if event.total is None:
            raise NotYet(f"add({event.n}) returned None. Return the new total.")
        if event.total != wanted and event.after_kill:
            raise NotYet(_lost(story, before, event))
        if event.total != wanted:
            raise NotYet(
                f"The total was {before}, and add({event.n}) returned {event.total}; it should be "
                f"{wanted}."
            )
    return f"killed for real, and the total is {wanted}, as if nothing had been."


class Event(NamedTuple):
    """What happened to a counter: an `add`, or what its kind says."""

    kind: str  # "add", "early", "silent", "not started", "not restarted", "killed", ...
    n: int = 0  # added
    total: object = None  # returned, or of the kind "saved": what the storage held
    saves: int = 0  # that the storage had been sent, when add was "early"
    error: str = ""
    after_kill: bool = False


def _went_well(story: list[Event]) -> None:
    """Raise NotYet if an `add` or a start did not come to its end, or came to it too early."""
    for event in story:
        if event.kind == "silent":
            raise NotYet(f"add({event.n}) had not returned after {ANSWER_S:g} s.")
        if event.error == SILENT_START:
            raise NotYet(f"Your __init__ had not returned after {INIT_S:g} s.")
        if event.kind == "not started":
            raise NotYet(
                f"The actor could not start: {event.error}. The first time the storage is empty, "
                "and load returns None."
            )
        if event.kind == "not restarted":
            raise NotYet(f"After the restart __init__ failed: {event.error}.")
        if event.kind == "saved a ref":
            raise NotYet(
                "You saved an ObjectRef. What the actor puts into the object store belongs to its "
                "process, and is lost with it. Save the value itself."
            )
        if event.kind == "early":
            why = (
                "The save was under way and nobody waited for it: ray.get its ref before you "
                "return."
                if event.saves
                else "Nothing was saved: the storage's save was not called by then."
            )
            raise NotYet(
                f"add({event.n}) returned while the storage had not yet saved it. Killed at that "
                f"moment, the actor loses what it has promised. {why}"
            )


def _reports(seen: Reported):
    """Where and when the function ran, when the tally counted, and when report_all returned."""
    began = min(seen.returned_at, *(call.start for call in seen.calls))
    shown = [
        Task("function", call.process, call.start - began, call.end - began) for call in seen.calls
    ]
    counted = [moment - began for moment in seen.counted]
    shown += [Task("counted", 0, moment - 0.05, moment) for moment in counted]
    return ui.task_timeline(
        shown,
        "Red line: report_all returned",
        row=lambda task: f"process {task.worker}" if task.worker else "the tally",
        label=lambda task: "",
        line=seen.returned_at - began,
    )


def _start_tally(answer):
    handle = ray.remote(answer).remote()
    ray.wait([handle.counts.remote()], timeout=START_S)  # what it raises will come again
    start_workers(1)
    return handle


def _count(answer, handle):
    """Use Tally as a plain class, then as an actor that four tasks add to."""
    alone = []
    first, words = answer(), []
    for word in ("oak", "elm", "oak"):
        _now(first.add(word))
        words.append(word)
        alone.append((list(words), copy.copy(_now(first.counts()))))
    apart = _now(answer().counts())
    if apart or any(counts != _counted(words) for words, counts in alone):
        return alone, apart, ({}, {})
    lots = [("oak", "elm", "ash", "oak"), ("elm", "fir", "oak", "elm")] * 2

    @ray.remote
    def add(words):
        ray.get([handle.add.remote(word) for word in words])

    ray.get([add.remote(words) for words in lots])
    sent = _counted([word for words in lots for word in words])
    return alone, apart, (sent, dict(ray.get(handle.counts.remote())))


def _counted(words) -> dict[str, int]:
    return {word: words.count(word) for word in words}


def _now(value):
    """The value of a method that may be `async def`."""
    return asyncio.run(value) if inspect.iscoroutine(value) else value


def _bars(sent: dict, counts: dict):
    figure, axis = plots.figure(6, 2)
    words = sorted(sent.keys() | counts.keys())
    axis.barh(words, [sent.get(word, 0) for word in words], 0.8, color=plots.PALE)
    axis.barh(words, [counts.get(word, 0) for word in words], 0.4, color=plots.BLUE)
    axis.set(xlabel="times", title="Added (grey) and counted (blue)")
    return figure


class _Word(str):
    """A word that remembers which processes sent it on."""

    path: tuple = ()

    def __reduce__(self):
        return _travelled, (str(self), (*self.path, os.getpid()))


def _travelled(text, path):
    word = _Word(text)
    word.path = path
    return word


def _word(item: int) -> str:
    return f"word {item}"


class _Board:
    """A tally that takes its time to count, and notes what is counted, by whom it was sent."""

    def __init__(self):
        self.reports, self.calls, self.counted = [], [], []

    def add(self, word):
        time.sleep(0.05)
        self.reports.append((word, getattr(word, "path", ())))
        self.counted.append(time.time())

    def counts(self):
        return _counted([str(word) for word, _ in self.reports])

    @ray.method(concurrency_group="check")
    def add_call(self, call):
        self.calls.append(call)

    @ray.method(concurrency_group="check")
    def read(self):
        reports = [
            (str(word) if isinstance(word, str) else repr(word), path)
            for word, path in self.reports
        ]
        return reports, self.calls, self.counted


def _start_board(answer):
    board = ray.remote(concurrency_groups={"check": 1})(_Board).remote()
    ray.get(board.read.remote())
    start_workers(min(_cores(), 2))
    return board


def _cores() -> int:
    return int(ray.cluster_resources().get("CPU", 1))


def _report(answer, board):
    def function(item):
        start = time.time()
        time.sleep(0.2)
        ray.get(board.add_call.remote(ran(item, start)))
        return _Word(_word(item))

    answer(function, list(WORDS), board)
    returned_at = time.time()
    at_return, _, _ = ray.get(board.read.remote())
    _, calls, counted = newest(
        lambda: ray.get(board.read.remote()), lambda told: len(told[2]) >= len(WORDS), LATER_S
    )
    return Reported(os.getpid(), calls, at_return, counted, returned_at)


TWICE = 3
ITEMS = [0, 1, 2, TWICE, TWICE, 4, 5]
PATIENCE_S = 2.0  # the slow actor waits so long for the quick one to do one more item


class Result(NamedTuple):
    """What work(item) returns; no two calls return the same."""

    item: int
    by: str
    call: int


class _Worker:
    """The slow one holds its first item until it is released; the quick one counts."""

    def __init__(self, name, slow=None):
        self.name, self.slow, self.calls = name, slow, []
        self.heard, self.released = time.monotonic(), threading.Event()

    def work(self, item):
        start = time.time()
        if self.name == "slow" and not self.calls:
            self.heard = time.monotonic()
            while not self.released.wait(0.02) and time.monotonic() < self.heard + PATIENCE_S:
                pass
        else:
            time.sleep(0.03)
        result = Result(item, self.name, len(self.calls) + 1)
        self.calls.append(ran(result, start))
        if self.slow is not None:
            self.slow.hear.remote(len(self.calls))
        return result

    @ray.method(concurrency_group="check")
    def hear(self, done):
        self.heard = time.monotonic()
        if done == len(ITEMS) - 1:
            self.released.set()

    @ray.method(concurrency_group="check")
    def read(self):
        return self.calls


def _start_workers(answer):
    worker = ray.remote(concurrency_groups={"check": 1})(_Worker)
    slow = worker.remote("slow")
    actors = [worker.remote("quick", slow), slow]
    start_workers(1, num_cpus=0)
    ray.get([actor.read.remote() for actor in actors])
    return actors


def _map_on_actors(answer, actors):
    """What came of seven items, of one and of none, and the calls for the seven."""
    returned = answer(list(actors), list(ITEMS))
    calls = [call for actor in actors for call in ray.get(actor.read.remote())]
    few, none = answer(list(actors), ITEMS[:1]), answer(list(actors), [])
    return returned, few, none, sorted(calls, key=lambda call: call.start)


class _Storage:
    """Keeps one state; `shut`, it takes a save and does not complete it until it is opened."""

    def __init__(self):
        self.state, self.saves, self.gate = None, 0, asyncio.Event()
        self.gate.set()

    async def save(self, state):
        self.saves += 1
        await self.gate.wait()
        self.state = state

    async def load(self):
        return self.state

    async def read(self):
        return self.state, self.saves

    async def shut(self):
        self.gate.clear()

    async def open(self):
        self.gate.set()


def _survive(answer):
    """Add, add while the storage is held up, kill, add; tell what happened until it went wrong."""
    storage = ray.remote(_Storage).remote()
    remote = answer if hasattr(answer, "remote") else ray.remote(answer)
    name = f"counter {secrets.token_hex(8)}"
    actor = remote.options(name=name, max_restarts=2, max_task_retries=0).remote(storage)
    story = []
    if error := _start_error(actor, name):
        return [Event("not started", error=error)]
    ray.get(storage.read.remote())  # it has started too; a SafeCounter need not have waited for it
    for n in (3, 4):
        if not _add(actor, n, story):
            return story
    if not _add_slowly(actor, storage, 5, story):
        return story
    state, _ = ray.get(storage.read.remote())
    if "ObjectRef(" in str(state):
        return [*story, Event("saved a ref")]
    [row] = observe.actors(name=name)
    kill_process(row)
    story.append(Event("killed"))
    if error := _start_error(actor, name, killed=row.pid):
        return [*story, Event("not restarted", error=error)]
    story.append(Event("saved", total=state if isinstance(state, int | float) else str(state)))
    _add(actor, 2, story, after_kill=True)
    return story


SILENT_START = "..."


def _start_error(actor, name: str, killed: int = 0) -> str:
    """What __init__ raised, or nothing; waits until the actor is there, or there again.

    It is SILENT_START where __init__ was still running after INIT_S. `killed` is the process that
    was ended.
    """

    def has_ended(seconds):
        for row in observe.actors(name=name):
            if row.state == "DEAD" or (row.state == "ALIVE" and row.pid != killed):
                return True
        time.sleep(min(seconds, 0.05))
        return False

    if not in_time(has_ended, INIT_S):
        return SILENT_START
    try:  # what is listed as alive may have raised in __init__ all the same
        newest(lambda: _is_reachable(actor), bool, START_S)
    except ray.exceptions.ActorDiedError:
        return _death(actor)
    return ""


def _is_reachable(actor) -> bool:
    """Whether this process knows too that the actor is there again: Ray tells its callers later."""
    try:
        ray.get(actor.__ray_ready__.remote())
    except ray.exceptions.ActorUnavailableError:
        return False
    return True


def _death(actor) -> str:
    try:
        ray.get(actor.add.remote(0))
    except ray.exceptions.ActorDiedError as error:
        raised = re.findall(r"^(?:\w+\.)*(\w+(?:Error|Exception)\b.*)", str(error), re.M)
        return raised[-1][:100] if raised else "it could not be made"


def _add(actor, n, story, after_kill=False) -> bool:
    try:
        total = ray.get(actor.add.remote(n), timeout=ANSWER_S)
    except ray.exceptions.GetTimeoutError:
        story.append(Event("silent", n))
        return False
    story.append(Event("add", n, total, after_kill=after_kill))
    return True


def _add_slowly(actor, storage, n, story) -> bool:
    """Hold the storage up, and see whether add answers before it is let go."""
    ray.get(storage.shut.remote())
    _, saves_before = ray.get(storage.read.remote())
    ref = actor.add.remote(n)
    deadline = time.monotonic() + ANSWER_S
    saves = saves_before
    while saves == saves_before and not ray.wait([ref], timeout=0.02)[0]:
        _, saves = ray.get(storage.read.remote())
        if time.monotonic() > deadline:
            story.append(Event("silent", n))
            return False

    def look():
        _, saves = ray.get(storage.read.remote())
        return bool(ray.wait([ref], timeout=0)[0]), saves

    early, _ = newest(look, lambda seen: seen[0], EARLY_S)
    if early:
        total = ray.get(ref)  # an exception is the learner's own
        _, saves = newest(look, lambda seen: seen[1] > saves_before, UNDER_WAY_S)
        story.append(Event("early", n, total, saves - saves_before))
        return False
    ray.get(storage.open.remote())
    story.append(Event("add", n, ray.get(ref, timeout=ANSWER_S)))
    return True


def _lost(story: list[Event], before: int, event: Event) -> str:
    """Why the total was wrong after the kill, read from what the storage had held."""
    [saved] = [one.total for one in story if one.kind == "saved"]
    last = [one.n for one in story if one.kind == "add"][-2]
    n, total = event.n, event.total
    begin = f"Before the kill the total was {before}; after the restart add({n}) returned {total}. "
    if total == n and saved == before:
        return (
            begin + f"{saved} was saved, and nobody loaded it: __init__ runs again, so load there."
        )
    if total == n:
        return begin + "It began at 0 again. Save the total, and load it in __init__."
    if total == last + n:
        return begin + f"The storage held {saved}, the last n. Save the total."
    if total == before - last + n:
        why = f"The storage held {saved}, the total without the last add. Add first, then save."
        return begin + why
    return begin + f"It should be {before + n}; the storage held {saved}."


def _draw_totals(story: list[Event]):
    figure, axis = plots.figure(6, 2)
    wanted, names = 0, []
    for event in story:
        if event.kind == "killed":
            axis.axvline(len(names) - 0.5, color=plots.RED, linestyle=":")
        if event.kind not in ("add", "early"):
            continue
        wanted += event.n
        early = event.kind == "early"
        returned = event.total if isinstance(event.total, int | float) else 0
        axis.bar(len(names), wanted, 0.8, color=plots.PALE)
        axis.bar(len(names), returned, 0.4, color=plots.RED if early else plots.BLUE)
        note = ",\nnot saved" * early + ",\nafter the kill" * event.after_kill
        names.append(f"add({event.n}){note}")
    axis.set(xticks=range(len(names)), xticklabels=names, ylabel="total")
    axis.set_title("What add should return (grey) and returned (coloured)")
    return figure
