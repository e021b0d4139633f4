"""Checks of lab 02."""

import math
import os
import time
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

import ray

from checks.engine import NotYet, exercise, run, show, start_two_workers
from checks.expect import a_list, a_value
from checks.waiting import newest
from checks.witness import Ran, Watched, as_tasks, ran, timeline
from helpers import plots
from helpers.observe import overlap

STAGES = ("load", "normalize", "extract", "loss")
SIZES = (11, 8, 6, 1)  # numbers of values to add; the check draws the first
REF = "an ObjectRef"
LAST_S = 0.6  # the last item waits so long for one more result to come out, before it ends
LIMIT_S = 10.0  # for an answer, once the workers that it needs have started


class Noted:
    """A value that notes every process that unpacks it, and when."""

    def __init__(self, kind: str, detail, unpacked=()):
        self.kind, self.detail, self.unpacked = kind, detail, list(unpacked)

    def __reduce__(self):
        return _unpack, (self.kind, self.detail, self.unpacked)


def _unpack(kind, detail, unpacked):
    return Noted(kind, detail, [*unpacked, (os.getpid(), time.time())])


class Yielded(NamedTuple):
    """A result of an item, or the type of what is none; when its task ended and it came out."""

    item: int | str
    end: float
    out: float


class Flights(NamedTuple):
    """When items were taken, when tasks were submitted, and what at_most yielded."""

    taken: list[float]
    submitted: list[float]
    results: list[Yielded]
    instead: str = ""  # the type of what was returned, where it is no generator


@exercise
def chain(answer) -> str:
    """`chain(first, second, x)` returns second(first(x)) and never unpacks first's value."""
    x = f"x{time.time_ns()}"
    returned, here = run(_chain, answer, x, limit=LIMIT_S, setup=start_two_workers)
    a_value(returned, "what `second` returned")
    if isinstance(returned, Noted):
        raise NotYet("You returned what `first` made. It should go on into a task of `second`.")
    if not isinstance(returned, dict) or "second" not in returned:
        raise NotYet(
            f"chain should return what `second` returned; yours returned {_short(returned)}."
        )
    given = returned["given"]
    if given == "list":
        raise NotYet(
            "`second` was given a list with a ref in it. Ray looks for refs among the arguments "
            "themselves, not inside them: hand the ref over as it is."
        )
    if given != "first":
        raise NotYet(
            f"`second` was given {_short(given)}. It should be given what `first` made of x."
        )
    if returned["x"] != x:
        raise NotYet(
            f"`first` was called with {_short(returned['x'])}. It should be called with x."
        )
    first, second, unpacked = returned["first"], returned["second"], returned["unpacked"]
    show(_draw_chain(first, second, unpacked, here))
    others = [process for process, _ in unpacked if process != second.process]
    if here in others:
        raise NotYet(
            f"The value is right, but what `first` made was unpacked in process {here}, the one "
            "that called chain. A ray.get between the two tasks does that; `second` can be given "
            "the ref."
        )
    if others:
        raise NotYet(
            f"What `first` made was unpacked in process {others[0]} on its way, which ran neither "
            "of the two tasks. Who fetched it there? `second` can be given the ref."
        )
    return "what `first` made was unpacked once: where `second` needed it."


@exercise
def pipeline(answer) -> str:
    """`pipeline(files, load, normalize, extract, loss)`: four stages a file, one get."""
    stem = time.time_ns() % 1000
    files = [f"{name}-{stem}.csv" for name in ("oak", "elm", "ash", "yew")]
    returned, here = run(_pipeline, answer, files, limit=LIMIT_S, setup=start_two_workers)
    returned = a_list(returned, "losses")
    for loss in returned:
        _look_at_stages(loss)
    if len(returned) != len(files):
        raise NotYet(
            f"There were {len(files)} files; the list that you returned holds {len(returned)}."
        )
    stages = [step["ran"] for loss in returned for step in loss["steps"]]
    show(_gantt(stages, "Your pipeline", here))
    if _one_by_one(returned):
        raise NotYet(
            "The four files went through one after another: the first stage of each began after "
            "the last stage of the one before had ended. Submit all files before you wait for one."
        )
    got = [loss["steps"][0]["given"] for loss in returned]
    if got != files:
        raise NotYet(
            f"The losses are of {_listed(got)}, but files was {_listed(files)}. Results belong in "
            "the order of files, not in that in which they finish."
        )
    fetched = {
        stage
        for loss in returned
        for stage, processes in zip(STAGES, loss["unpacked"], strict=False)
        if here in processes
    }
    if fetched:
        names = _listed(f"`{stage}`" for stage in STAGES if stage in fetched)
        raise NotYet(
            f"What {names} returned was unpacked in process {here}, the one that called pipeline. "
            "A get between the stages does that, and no file goes on before it returns. Hand the "
            "refs on, and get the losses only."
        )
    if _in_step(returned, stages):
        raise NotYet(
            "No file entered a stage before all four had left the one before. Something waits "
            "between your stages, though it fetches nothing: is there a ray.wait?"
        )
    return "sixteen tasks, and only the losses came back to the process that asked."


@exercise
def tree_sum(answer) -> str:
    """`tree_sum(add, values)` adds in pairs, at most log2 n deep, in order."""
    sums, here = run(_sums, answer, limit=LIMIT_S, setup=start_two_workers)
    for size, (kind, total) in sums.items():
        if kind == "raised":
            raise NotYet(f"A single value is its own sum, but for one value you raised {total}.")
        if total == REF:
            raise NotYet("You returned an ObjectRef. Return its value: ray.get(...) of the last.")
        if kind == "other":
            raise NotYet(f"For {size} values you returned {total}, not what `add` returns.")
        _look_at_sum(total, size, here)
    size = SIZES[0]
    depth = _depth(sums[size][1])
    show(_draw_sum(sums[size][1], size))
    return f"{size} values in {depth} levels; a chain would have {size - 1}."


@exercise
def at_most(answer) -> str:
    """`at_most(function, items, limit)` yields results as they finish, `limit` in flight."""
    items, limit = 14, 3
    seen = run(_at_most, answer, items, limit, limit=LIMIT_S, setup=_workers_and_counter)
    if seen.instead:
        raise NotYet(
            f"at_most returned a {seen.instead}, when all was over. Make it a generator: `yield` "
            "each result as it comes."
        )
    _are_results(seen)
    ends = {item: end for item, end, _ in seen.results}
    show(_draw_flight(seen.submitted, ends, limit))
    if missing := items - len(ends):
        raise NotYet(
            f"Of {items} items you yielded {items - missing} results. What is still running when "
            "the items have ended must be waited for, too."
        )
    if len(seen.results) > items:
        raise NotYet(f"You yielded {len(seen.results)} results for {items} items.")
    _are_in_flight(seen, ends, limit)
    _come_out_at_once(seen, ends)
    return f"{limit} in flight from the first item to the last, never more."


def _are_results(seen: Flights) -> None:
    if odd := next((item for item, *_ in seen.results if isinstance(item, str)), None):
        raise NotYet(
            f"You yielded a value of type {odd}. Yield what `function` returned for one item: "
            "ray.get of the single ref."
        )
    numbers = [item for item, *_ in seen.results]
    if len(seen.submitted) < len(set(numbers)):
        raise NotYet(
            f"`function.remote` was called {len(seen.submitted)} times in the process that called "
            f"at_most, for {len(numbers)} results. Call it there, once for each item."
        )


def _are_in_flight(seen: Flights, ends: dict[int, float], limit: int) -> None:
    """Raise NotYet if more or fewer than `limit` tasks were in flight."""
    in_flight = [
        number + 1 - sum(end <= moment for end in ends.values())
        for number, moment in enumerate(seen.submitted)
    ]
    most = max(in_flight)
    if most > limit:
        raise NotYet(
            f"{most} tasks were in flight at once; the limit was {limit}. Before you submit one "
            "more, wait until one has finished."
        )
    if sum(taken <= seen.submitted[0] for taken in seen.taken) == len(ends):
        raise NotYet(
            f"All {len(ends)} items were taken before the first task was submitted. Items may be "
            "very many: take the next one only when there is room for it. list(items) takes all."
        )
    if most < limit:
        raise NotYet(
            f"Never more than {most} of {limit} possible tasks were in flight. Fill up to the "
            "limit before you wait."
        )
    if all(count == 1 for count in in_flight[limit::limit]):
        raise NotYet(
            f"After every {limit} tasks you waited until none of them was left: batches. One slow "
            "item then keeps the places of the others empty. Fill a place as soon as it is free."
        )


def _come_out_at_once(seen: Flights, ends: dict[int, float]) -> None:
    """Raise NotYet if results that were there waited inside at_most."""
    numbers, early = [item for item, *_ in seen.results], seen.results[0].out
    if early > seen.submitted[-1]:
        late = early - min(ends.values())
        raise NotYet(
            f"Your first result came out after the last task was submitted, {late:.1f} s after it "
            "was there. Yield each result when you learn that it has finished."
        )
    overtaken = sum(
        ends[later] + 0.05 < ends[sooner]
        for at, sooner in enumerate(numbers)
        for later in numbers[at + 1 :]
    )
    if numbers == sorted(numbers) and overtaken > 1:
        raise NotYet(
            f"Results came out in the order of the items, and {overtaken} times one that had "
            "finished waited behind one that had not. Ask ray.wait which is ready."
        )
    last = max(ends.values())
    held = [one for one in seen.results if one.end + LAST_S / 3 < last < one.out]
    if len(held) > 1:
        raise NotYet(
            f"When the last task ended, {len(held)} results that had been there before were still "
            "inside at_most. After the last item, too, each result should come out when its task "
            "has finished: ray.get of a list waits for all of it."
        )


def _chain(answer, x, share):
    @ray.remote(num_cpus=share)
    def first(value):
        begin = time.time()
        time.sleep(0.1)
        return Noted("first", {"x": value, "ran": ran("first", begin)})

    @ray.remote(num_cpus=share)
    def second(value):
        if not isinstance(value, Noted):
            given = "list" if isinstance(value, list | tuple | dict) else value
            return {"second": None, "given": given}
        begin = time.time()
        time.sleep(0.1)
        return {
            "given": value.kind,
            "x": value.detail["x"],
            "first": value.detail["ran"],
            "second": ran("second", begin),
            "unpacked": value.unpacked,
        }

    return answer(first, second, x), os.getpid()


def _draw_chain(first: Ran, second: Ran, unpacked, here: int):
    visits = [
        first._replace(what="unpacked", process=process, start=at, end=at + 0.005)
        for process, at in unpacked
        if process != second.process
    ]
    return _gantt([first, *visits, second], "The way of the value", here)


def _pipeline(answer, files, share):
    """Call the answer with four stages; a value holds the steps that led to it."""
    slow = dict(zip(files, STAGES, strict=True))  # every file has its own slow stage

    def stage(name):
        def work(value):
            step, start = {"given": value}, time.time()
            steps, unpacked = [], []
            if isinstance(value, Noted):
                step["given"] = value.kind
                steps, unpacked = value.detail["steps"], value.detail["unpacked"]
                unpacked = [*unpacked, [process for process, _ in value.unpacked[:-1]]]
            elif not isinstance(value, str):
                step["given"] = f"a {type(value).__name__}"
            file = steps[0]["given"] if steps else value
            # The first file is slow enough to be the last to finish.
            seconds = 0.3 if file == files[0] and name == "load" else 0.04
            time.sleep(0.2 if seconds < 0.1 and slow.get(str(file)) == name else seconds)
            steps = [*steps, {**step, "ran": ran(name, start)}]
            detail = {"steps": steps, "unpacked": unpacked}
            return detail if name == "loss" else Noted(name, detail)

        work.__name__ = name
        return ray.remote(num_cpus=share)(work)

    return answer(list(files), *map(stage, STAGES)), os.getpid()


def _look_at_stages(loss):
    if isinstance(loss, Noted):
        raise NotYet(
            f"You returned what `{loss.kind}` made. The list should hold what `loss` returned."
        )
    if not isinstance(loss, dict) or "steps" not in loss:
        raise NotYet(f"The list should hold what `loss` returned; yours holds {_short(loss)}.")
    first = loss["steps"][0]
    if first["given"] == "a list":
        raise NotYet(
            f"`{first['ran'].what}` was given a list. Ray does not look for refs in lists, and a "
            "stage takes one value: call each stage once for each file."
        )
    names = [step["ran"].what for step in loss["steps"]]
    if names != list(STAGES):
        raise NotYet(f"A file went through {' → '.join(names)}; it should be {' → '.join(STAGES)}.")


def _one_by_one(losses) -> bool:
    """Whether each file's first stage began after the last stage of another had ended."""
    spans = sorted((loss["steps"][0]["ran"].start, loss["steps"][-1]["ran"].end) for loss in losses)
    return all(end <= start for (_, end), (start, _) in pairwise(spans))


def _in_step(losses, stages: list[Ran]) -> bool:
    """Whether tasks ran at once, and yet none before all files had left the stage before."""
    by_stage = list(zip(*(loss["steps"] for loss in losses), strict=True))
    walls = all(
        max(step["ran"].end for step in before) <= min(step["ran"].start for step in after)
        for before, after in pairwise(by_stage)
    )
    return walls and overlap(as_tasks(stages)) > 1.2


def _sums(answer, share):
    """The answer's sums of 0 … n-1 for every n of SIZES, each a nested list of its parts."""

    @ray.remote(num_cpus=share)
    def add(left, right):
        for part in (left, right):
            if not isinstance(part, Noted):
                raise TypeError(f"add was given {_short(part)}, which is not a value")
        visits = [[process for process, _ in part.unpacked[:-1]] for part in (left, right)]
        return Noted("sum", [(left.detail, visits[0]), (right.detail, visits[1])])

    sums = {}
    for size in SIZES:
        try:
            total = answer(add, [Noted("value", number) for number in range(size)])
        except Exception as error:
            if size > 1:
                raise
            total = str(error).splitlines()[0]
            sums[size] = "raised", f"{type(error).__name__}: {total[:100]}"
            continue
        if isinstance(total, Noted):
            sums[size] = "sum", total.detail
        else:
            sums[size] = "other", REF if isinstance(total, ray.ObjectRef) else _short(total)
    return sums, os.getpid()


def _look_at_sum(total, size, here):
    show(_draw_sum(total, size))
    leaves, depth = _leaves(total), _depth(total)
    if lost := sorted(set(range(size)) - set(leaves)):
        raise NotYet(
            f"Your sum of {size} values left out {len(lost)}: number {_listed(lost)}. What "
            "becomes of the one without a neighbour when a level is odd?"
        )
    if len(leaves) > size:
        twice = sorted({leaf for leaf in leaves if leaves.count(leaf) > 1})
        raise NotYet(f"Your sum of {size} values used number {_listed(twice)} more than once.")
    if leaves != sorted(leaves):
        raise NotYet(
            f"Your sum of {size} values took them in the order {_listed(leaves)}. Add only "
            "neighbours, left to right: not every `add` gives the same when its arguments change "
            "places."
        )
    if depth > (bound := math.ceil(math.log2(size))):
        kind = "a chain" if depth == size - 1 else "deeper than need be"
        raise NotYet(
            f"Your sum of {size} values is {depth} levels deep, {kind}; a tree needs {bound}. Add "
            "neighbours first, then the sums of neighbours."
        )
    if here in _visitors(total):
        raise NotYet(
            f"The tree is right, but partial sums were unpacked in process {here}, the one that "
            "called tree_sum. A ray.get at every level does that; add.remote takes the refs."
        )


def _leaves(total) -> list[int]:
    return [total] if isinstance(total, int) else [n for part, _ in total for n in _leaves(part)]


def _depth(total) -> int:
    return 0 if isinstance(total, int) else 1 + max(_depth(part) for part, _ in total)


def _visitors(total) -> set[int]:
    """The processes in which a partial sum was unpacked on its way to the next one."""
    if isinstance(total, int):
        return set()
    return {
        process
        for part, visited in total
        for process in [*(visited if isinstance(part, list) else []), *_visitors(part)]
    }


def _draw_sum(total, size: int):
    parents = {}

    def add(part, parent):
        leaves = _leaves(part)
        label = f"{leaves[0]}" if len(leaves) == 1 else f"{leaves[0]}…{leaves[-1]}"
        while label in parents:
            label += " "  # a node's text is its name, and names differ
        parents[label] = parent
        for child, _ in [] if isinstance(part, int) else part:
            add(child, label)

    add(total, None)
    depth = _depth(total)
    figure, axis = plots.figure(6.5, 0.45 * depth + 0.9)
    colours = {label: plots.GREY for label in parents if "…" not in label}
    plots.tree(parents, f"Your sum of {size} values, {depth} deep", colours, axis)
    return figure


class _Counter:
    """How many results have come out."""

    def __init__(self):
        self.out = 0

    def add(self):
        self.out += 1

    def count(self):
        return self.out


def _workers_and_counter(*_):
    counter = ray.remote(num_cpus=0)(_Counter).remote()
    share = start_two_workers()
    ray.get(counter.count.remote())
    return share, counter


def _at_most(answer, count, limit, ready):
    share, counter = ready
    taken, results = [], []

    @ray.remote(num_cpus=share)
    def work(item):
        time.sleep(0.3 if item in (0, 3) else 0.06)
        if item == count - 1:
            newest(lambda: ray.get(counter.count.remote()), lambda out: out >= count - 1, LAST_S)
        return {"item": item, "end": time.time()}

    function = Watched(work)

    def items():
        for number in range(count):
            taken.append(time.time())
            yield number

    returned = answer(function, items(), limit)
    if not isinstance(returned, Iterator):
        return Flights(taken, function.submitted, [], type(returned).__name__)
    for value in returned:
        known = isinstance(value, dict) and "item" in value
        item, end = (value["item"], value["end"]) if known else (type(value).__name__, 0.0)
        results.append(Yielded(item, end, time.time()))
        counter.add.remote()
    return Flights(taken, function.submitted, results)


def _draw_flight(submitted, ends, limit):
    steps = sorted([(moment, 1) for moment in submitted] + [(end, -1) for end in ends.values()])
    begin = steps[0][0]
    times = [0.0, *(moment - begin for moment, _ in steps)]
    counts = [0, *accumulate(step for _, step in steps)]
    figure, axis = plots.figure(6, 1.9)
    axis.step(times, counts, where="post")
    axis.axhline(limit, color=plots.GREY, linestyle="--", linewidth=1)
    axis.set(xlabel="s", ylabel="in flight", title=f"Your tasks in flight; the limit is {limit}")
    axis.set(ylim=(0, max(counts) + 0.5), xlim=(0, None))
    return figure


def _gantt(calls: list[Ran], title: str, here: int):
    """The calls as a timeline; the process that called the answer has a row by name."""

    def row(task):
        return "your process" if task.worker == here else f"process {task.worker}"

    return timeline(calls, title, row=row, legend=True)


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))


def _short(value) -> str:
    return repr(value)[:80]
