"""Checks of lab 06, on the lab's own cluster: all its machines are this one computer."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from typing import NamedTuple

import numpy as np
import ray

from checks.engine import NotYet, exercise, run, show
from checks.witness import Ran, ran
from helpers import plots

LIMIT_S = 10.0  # for an answer, once a process has started on each machine
KILLS_S = 60.0  # for an answer whose processes are killed, and start anew one after another
MEET_S = 3.0  # a task waits so long for a second one to begin, for which a process is ready
BUSY_S = 1.0  # how long one machine has no core free, from when the answer is called
SIZES = (40_000, 160_000, 60_000, 120_000, 200_000)  # readings in each part
NUMBERS = {"north": 3, "south": 40, "east": 500, "west": 6_000}  # what there is to count
LOST_COUNTING = "south"  # the first process to count it dies
LOST_ON_THE_WAY = "north"  # the first to tell it dies, and the ledger has not heard it
LOST_TELLING = "east"  # the first to tell it dies, and the ledger has
ON_THE_WAY_S = 0.3  # a task that does not wait for the ledger has ended by then, in milliseconds


class Described(NamedTuple):
    """What an answer made of parts, the calls, whether one ran alone, and where each part lay."""

    returned: object
    calls: list[Ran]
    alone: bool
    homes: dict[int, str]


class Tally(NamedTuple):
    """What an answer made of a ledger."""

    returned: object
    total: int
    begun: dict[str, int]
    at_home: bool  # counted in the process that called the answer
    error: str


@ray.remote(num_cpus=0)
class _Meeting:
    """Keeps calls. One that begins waits until two have begun, or for `MEET_S`: it was alone."""

    def __init__(self):
        self.calls, self.alone = [], False
        self.met, self.called = asyncio.Event(), asyncio.Event()

    async def begin(self, call):
        self.calls.append(call)
        if len(self.calls) > 1:
            self.met.set()
        try:
            await asyncio.wait_for(self.met.wait(), MEET_S)
        except TimeoutError:
            self.alone = True

    async def call(self):
        self.called.set()

    async def wait_until_called(self):
        await self.called.wait()

    async def read(self):
        return self.calls, self.alone


def _machines() -> dict[str, str]:
    """The nodes that are alive: their ids, and the names that the lab gave them by a label."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return {node["NodeID"]: node["Labels"].get("machine", node["NodeID"][:6]) for node in alive}


def _picture(calls: list[Ran], homes: dict[int, str] | None = None):
    """Which task ran on which machine; squares where the data lay, if it lay somewhere."""
    names = _machines()
    row = {node: y for y, node in enumerate(names)}
    figure, axis = plots.figure(6, 0.4 * len(row) + 1.2)
    if homes:
        lay = {"marker": "s", "s": 150, "facecolor": "none", "edgecolor": plots.GREY}
        axis.scatter(list(homes), [row[node] for node in homes.values()], **lay)
    alive = [call for call in calls if call.node in row]
    colours = [
        plots.BLUE if not homes or homes[call.what] == call.node else plots.RED for call in alive
    ]
    axis.scatter([call.what for call in alive], [row[call.node] for call in alive], color=colours)
    axis.set(yticks=list(row.values()), yticklabels=list(names.values()))
    axis.set(ylim=(-0.6, len(row) - 0.4), xlabel="part" if homes else "task")
    axis.set_title("Where your tasks ran" + ("; squares: where the parts lay" if homes else ""))
    return figure


# --- overall_mean ---


@exercise
def overall_mean(answer) -> str:
    """`overall_mean(describe, parts)`: the mean of all parts, each described where it lies."""
    described = run(_overall_mean, answer, limit=LIMIT_S, setup=_parts)
    returned, calls, homes = described.returned, described.calls, described.homes
    names = _machines()
    if not calls:
        raise NotYet("describe was not called by any task. Call describe.remote(part).")
    show(_picture(calls, homes))
    if twice := [part for part, times in Counter(c.what for c in calls).items() if times > 1]:
        raise NotYet(f"parts[{twice[0]}] was described more than once.")
    if described.alone:
        raise NotYet(
            "Your tasks ran one after another. Submit all of them before you wait for the first."
        )
    strays = [call for call in calls if call.node != homes[call.what]]
    if strays:
        what, node = strays[0].what, strays[0].node
        raise NotYet(
            f"{len(strays)} of {len(calls)} parts were described on another machine than they lie "
            f"on: parts[{what}] lies on {names[homes[what]]}, its task ran on {names[node]}, so "
            f"{8 * SIZES[what] / 1e6:.1f} MB moved. Give the task the ref itself, not what "
            "ray.get makes of it, and leave the place to Ray."
        )
    if len(calls) < len(SIZES):
        raise NotYet(f"There are {len(SIZES)} parts; {len(calls)} were described.")
    means = np.arange(len(SIZES))
    if _close(returned, np.average(means, weights=SIZES)):
        return f"{len(calls)} parts, each described where it lies."
    if _close(returned, means.mean()):
        raise NotYet(
            "You returned the mean of the parts' means; the parts are not equally long. Add the "
            "sums, add the counts, then divide."
        )
    raise NotYet(f"The mean of all readings was asked for; you returned {returned!r}.")


def _close(value, number: float) -> bool:
    try:
        return bool(abs(float(value) - number) < 1e-6)
    except (TypeError, ValueError):
        return False


def _parts(_):
    """Parts, of which two lie on one machine, two on the next; their nodes; the notes."""
    nodes = list(_machines())
    homes = {number: nodes[number // 2 % len(nodes)] for number in range(len(SIZES))}
    make = ray.remote(num_cpus=0)(lambda number: np.full(SIZES[number], float(number)))
    refs = [
        make.options(label_selector={"ray.io/node-id": home}).remote(number)
        for number, home in homes.items()
    ]
    ray.wait(refs, num_returns=len(refs), fetch_local=False)
    return refs, homes, _Meeting.remote()


def _overall_mean(answer, prepared):
    refs, homes, notes = prepared

    @ray.remote(num_cpus=0)
    def describe(part):
        ray.get(notes.begin.remote(ran(int(part[0]), time.time())))
        return float(part.sum()), len(part)

    return Described(answer(describe, refs), *ray.get(notes.read.remote()), homes)


# --- run_on_each_machine ---


@exercise
def run_on_each_machine(answer) -> str:
    """`run_on_each_machine(task)`: run it once on every machine of the cluster."""
    notes = _Meeting.remote()
    names = _machines()
    late = None
    try:
        returned = run(
            _run_on_each_machine, answer, limit=LIMIT_S, setup=lambda _: _occupied(notes)
        )
    except NotYet as problem:
        late = problem
    calls, alone = ray.get(notes.read.remote())
    show(_picture([call._replace(what=number) for number, call in enumerate(calls)]))
    times = Counter(names[call.node] for call in calls)
    if late:
        waits = "still running" in str(late) or "Unschedulable" in str(late)
        if waits and times.keys() >= set(names.values()):
            raise NotYet(
                "Your task ran on every machine that is alive, and your code waited for one more. "
                "ray.nodes() lists machines that have died too: look at Alive."
            )
        raise late
    if not calls:
        raise NotYet("The task did not run. Call task.options(...).remote().")
    _once_on_each(times, names)
    if len(calls) > 1 and alone:
        raise NotYet(
            "Your tasks ran one after another. Submit all of them before you wait for the first."
        )
    if not isinstance(returned, dict) or returned.keys() != names.keys():
        raise NotYet(
            "Return a dict with the id of every machine that is alive, as ray.nodes() has it "
            f"under NodeID. You returned {str(returned)[:80]}."
        )
    if returned != names:
        raise NotYet(
            "Some values stand under the id of another machine. Keep each ref under the id of "
            "the machine that you asked for."
        )
    return f"once on each of {len(names)} machines, also on the busy one."


def _once_on_each(times: Counter, names: dict[str, str]) -> None:
    if missing := set(names.values()) - times.keys():
        counts = ", ".join(f"{name}: {count}" for name, count in times.items())
        raise NotYet(
            f"No task ran on {min(missing)}; the tasks ran on {counts}. Name a machine in each "
            "task's options: left to itself Ray takes one that has a core free."
        )
    if max(times.values()) > 1:
        name, count = times.most_common(1)[0]
        raise NotYet(
            f"On {name} the task ran {count} times. Did one of them ask for a machine that has "
            "died? ray.nodes() lists those too, and a soft wish is met elsewhere."
        )


def _occupied(notes):
    """Keep one machine's core busy for a while, so that Ray would rather take another."""

    @ray.remote(num_cpus=1, max_retries=0)
    def busy():
        yield True
        ray.get(notes.wait_until_called.remote())
        time.sleep(BUSY_S)

    @ray.remote(num_cpus=0)
    def start():
        """A process is there from now on."""

    nodes = _machines()
    ray.get([start.options(label_selector={"ray.io/node-id": node}).remote() for node in nodes])
    here = ray.get_runtime_context().get_node_id()
    other = next((node for node in nodes if node != here), here)
    ray.get(next(busy.options(label_selector={"ray.io/node-id": other}).remote()))
    return notes


def _run_on_each_machine(answer, notes):
    @ray.remote(num_cpus=0.25)  # several fit on one machine, but none on the busy one
    def task():
        context = ray.get_runtime_context()
        ray.get(notes.begin.remote(ran(0, time.time())))
        return context.get_node_labels().get("machine", context.get_node_id()[:6])

    ray.get(notes.call.remote())
    return answer(task)


# --- exact_total ---


@exercise
def exact_total(answer) -> str:
    """`exact_total(count, parts, ledger)`: a total that is right although processes are lost."""
    tally = run(_exact_total, answer, limit=KILLS_S)
    total = sum(NUMBERS.values())
    if tally.at_home:
        raise NotYet(
            "count ran where exact_total itself runs, in your notebook, and not in a task: where "
            "that process is lost, all is. Call it in a task for each part."
        )
    if tally.error:
        raise NotYet(
            f"A process was killed while it counted, and your code gave up: {tally.error} Ray "
            "runs a lost task again, by default three times: not with max_retries=0, and not an "
            "actor's calls unless max_restarts and max_task_retries say so."
        )
    if tally.total > total:
        raise NotYet(
            f"The ledger holds {tally.total:,} instead of {total:,}. The process that counted "
            f"{LOST_TELLING!r} was killed after the ledger had taken its number and before it "
            "could say so. Ray ran the task again, and the number was added once more. What a "
            "task does outside itself must come to the same when it is done twice."
        )
    if tally.total < total:
        raise NotYet(
            f"The ledger holds {tally.total:,} instead of {total:,} when your function returns. "
            "Did it wait for every task, and every task for the ledger? Is a part whose process "
            "was killed left out?"
        )
    if tally.returned != total:
        raise NotYet(f"Return the ledger's total, {total:,}. You returned {tally.returned!r}.")
    again = sum(tally.begun.values()) - len(NUMBERS)
    return f"{total:,}, though {again} of {len(NUMBERS)} parts had to be counted again."


@ray.remote(num_cpus=0)
class _Ledger:
    """Takes numbers, and kills some of the processes that count and tell them.

    A message of a process that dies may come or be lost with it: of either kind there is one.
    """

    def __init__(self, home):
        self._home = home  # the process that called the answer is left alone
        self._added, self._kept = 0, {}
        self._begun, self._counted, self._heard = Counter(), set(), set()

    def begin(self, part, caller):
        """Whether the process that counts this part shall die now."""
        self._begun[part] += 1
        self._counted.add(caller)
        return part == LOST_COUNTING and self._begun[part] == 1

    def add(self, caller, number):
        with self._danger(caller, number) as heard:
            if heard:
                self._added += number

    def put(self, caller, part, number):
        with self._danger(caller, number) as heard:
            if heard:
                self._kept[part] = number

    def total(self, caller):
        return self._added + sum(self._kept.values())

    def read(self):
        return dict(self._begun), self._counted

    @contextlib.contextmanager
    def _danger(self, caller, number):
        """Whether the ledger hears this number; afterwards the caller may be dead."""
        first = caller != self._home and number not in self._heard
        self._heard.add(number)
        lost = first and number == NUMBERS[LOST_ON_THE_WAY]
        if lost:
            time.sleep(ON_THE_WAY_S)
        yield not lost
        if lost or (first and number == NUMBERS[LOST_TELLING]):
            with contextlib.suppress(ProcessLookupError):  # it may have ended
                os.kill(caller, signal.SIGKILL)


class _Method:
    """A method of the ledger as an answer calls it: the ledger is told which process does so."""

    def __init__(self, ledger, name):
        self._ledger, self._name = ledger, name

    def remote(self, *args, **kwargs):
        return getattr(self._ledger, self._name).remote(os.getpid(), *args, **kwargs)


class _Handle:
    """What an answer is given for the ledger."""

    def __init__(self, ledger):
        self.add, self.put, self.total = (_Method(ledger, name) for name in ("add", "put", "total"))


def _exact_total(answer):
    home = os.getpid()
    ledger = _Ledger.remote(home)

    def count(part):
        pid = os.getpid()
        if ray.get(ledger.begin.remote(part, pid)) and pid != home:
            os.kill(pid, signal.SIGKILL)
        return NUMBERS[part]

    returned, error = None, ""
    try:
        returned = answer(count, list(NUMBERS), _Handle(ledger))
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.RayActorError) as lost:
        error = f"{type(lost).__name__}."
    begun, pids = ray.get(ledger.read.remote())
    return Tally(returned, ray.get(ledger.total.remote(home)), begun, home in pids, error)
