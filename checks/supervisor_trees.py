"""Checks of lab 04."""

import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import ray
from ray.util.state.common import ActorState

from checks.engine import (
    CannotJudge,
    NotYet,
    exercise,
    kill_process,
    run,
    run_without_ray,
    show,
)
from checks.waiting import in_time, newest
from helpers import observe, plots, ui
from helpers.observe import Task

# --- start_team ---

START_S = 60.0  # for processes to start on a busy machine
LATE_S = 2.0  # for what a supervisor does at once, counted by `newest`
RETURN_S = 2.0  # for an answer that waits for nothing; it takes milliseconds
LIMIT_S = 300.0  # what hangs is told before, by the waits inside


@exercise
def start_team(answer) -> str:
    """`start_team(worker, count)`: as many actors of a class, declared with all cores, at once."""
    count = 3
    team = run(_start_team, answer, count, limit=LIMIT_S)
    if team.instead:
        raise NotYet(f"Return a list of {count} actor handles; you returned {team.instead}.")
    if team.made != count:
        raise NotYet(f"The list should hold {count} actors; yours holds {team.made}.")
    if team.distinct < count:
        raise NotYet(
            f"The {count} places of the list hold {team.distinct} actor. Make one for each."
        )
    if team.cores > 1:
        raise NotYet(
            f"Your {count} actors ask for {team.cores:g} cores between them, so they do not fit "
            "on every machine. Say for each one, when you make it, that it needs none."
        )
    if team.answered < count:
        raise CannotJudge(
            f"only {team.answered} of your {count} actors answered within {START_S:g} s, though "
            f"they reserve {team.cores:g} cores. Is something else busy here? Run this check again."
        )
    return f"{count} actors answered, and together they reserve {team.cores:g} cores."


class Team(NamedTuple):
    """How many actors were returned, how many of them differ, and how many answered."""

    instead: str = ""  # what was returned, where it is no list of actors
    made: int = 0
    distinct: int = 0
    cores: float = 0.0  # that they reserve between them
    answered: int = 0


class Wanting:
    def answer(self):
        return "here"


def _start_team(answer, count) -> Team:
    mark = f"Wanting{secrets.token_hex(4)}"
    every = int(ray.cluster_resources()["CPU"])
    call = Call(answer, ray.remote(num_cpus=every)(type(mark, (Wanting,), {})), count)
    deadline = time.monotonic() + START_S
    for_nothing = 0  # seconds
    while not in_time(call.ended.wait, 1):
        rows = observe.actors(class_name=mark)
        # It may wait until its actors have started, if they can.
        starting = _cores(rows) <= 1 and any(row.state != "ALIVE" for row in rows)
        for_nothing = 0 if starting else for_nothing + 1
        if for_nothing >= RETURN_S or time.monotonic() > deadline:
            return Team(f"nothing within {RETURN_S:g} s")
    if call.error:
        raise call.error
    actors = call.value
    if not isinstance(actors, list | tuple):
        return Team(type(actors).__name__)
    others = [type(one).__name__ for one in actors if not isinstance(one, ray.actor.ActorHandle)]
    if others:
        return Team(f"a list with {others[0]} in it")
    cores = _cores(observe.actors(class_name=mark))
    answers = []
    if len(set(actors)) == count and cores <= 1:
        sent = [actor.answer.remote() for actor in actors]
        answers, _ = ray.wait(sent, num_returns=count, timeout=START_S)
    return Team("", len(actors), len(set(actors)), cores, len(answers))


def _cores(rows: list[ActorState]) -> float:
    """How many cores these actors reserve between them."""
    return sum(row.required_resources.get("CPU", 0) for row in rows)


# --- failed_names ---


@exercise
def failed_names(answer) -> str:
    """`failed_names(links)`: the names whose run failed, with no wait for those that run."""
    names = random.sample(["ada", "bob", "cleo", "dan", "eve", "finn", "gus"], 7)
    raised, died, running, well = names[:2], names[2:4], names[4], names[5:]
    got = run(_failed_names, answer, raised, died, running, well, limit=LIMIT_S)
    if got == _WAITED:
        raise NotYet(
            f"Your function waited for {running}, which still runs. Ask only the links that are "
            "ready; ray.wait with timeout=0 tells which."
        )
    if isinstance(got, _Uncaught):
        raise NotYet(
            f"ray.get raised the error of a child, {got.error}, and your function let it through. "
            "An error is what tells you that the child failed: catch it, and go on to the next."
        )
    if not isinstance(got, list | tuple | set) or not all(isinstance(one, str) for one in got):
        raise NotYet(f"Return a list of names; you returned {type(got).__name__}: {got!r:.80}")
    if len(set(got)) < len(got):
        raise NotYet(f"A name is in your list twice: {', '.join(got)}.")
    if running in got:
        raise NotYet(f"{running} still runs, and you named it. Look at those links that are ready.")
    for name in well:
        if name in got:
            raise NotYet(
                f"{name} ended well, and you named it. A link that is ready need not have failed: "
                "what does ray.get say?"
            )
    named = set(got)
    if named == set(raised):
        raise NotYet(
            f"{' and '.join(died)} lost their processes, and you missed them. That is no "
            "RayTaskError; which exception stands for all of Ray's errors?"
        )
    if named == set(died):
        raise NotYet(
            f"{' and '.join(raised)} raised exceptions of their own, and you missed them: you "
            f"named {' and '.join(died)} only, whose processes died. Which exception stands for "
            "both?"
        )
    if missed := {*raised, *died} - named:
        raise NotYet(
            f"You missed {', '.join(missed)}. Several links were ready at once: how many does "
            "ray.wait look for, and do you ask each?"
        )
    return (
        f"{' and '.join(raised)} raised, {' and '.join(died)} lost their processes, and {running} "
        "still runs."
    )


_WAITED = "waited"


class _Uncaught(NamedTuple):
    """What the answer let through."""

    error: str


def _failed_names(answer, raised, died, running, well):
    links = {name: _ends.remote() for name in well}
    links |= {name: _raises.remote() for name in raised}
    links |= {name: _dies.remote() for name in died}
    ray.wait(list(links.values()), num_returns=len(links))
    links[running] = _runs.remote()
    shuffled = {name: links[name] for name in random.sample(list(links), len(links))}
    call = Call(answer, shuffled)
    if not in_time(call.ended.wait, RETURN_S):  # all that it may ask for is there
        return _WAITED
    if isinstance(call.error, ray.exceptions.RayError):
        return _Uncaught(type(call.error).__name__)
    if call.error:
        raise call.error
    return call.value


@ray.remote(num_cpus=0)
def _ends():
    return "well"


@ray.remote(num_cpus=0)
def _raises():
    raise ValueError("this child raised")


@ray.remote(num_cpus=0, max_retries=0)
def _dies():
    os.kill(os.getpid(), signal.SIGKILL)


@ray.remote(num_cpus=0)
def _runs():
    threading.Event().wait()


class Call:
    """A call of the learner's function in a thread, so that it can be watched."""

    def __init__(self, function: Callable, *args):
        self.ended = threading.Event()
        self.value, self.error = None, None

        def call():
            try:
                self.value = function(*args)
            except Exception as error:
                self.error = error
            self.ended.set()

        threading.Thread(target=call, daemon=True).start()


# --- names_to_restart ---


@exercise
def names_to_restart(answer) -> str:
    """`names_to_restart(strategy, children, name)`: who starts anew, by three strategies."""
    children = random.sample("pqrstuvw", 5)
    cases = []
    for at in (2, 0, 4):
        cases.append(("one for one", children[at], [children[at]]))
        cases.append(("one for all", children[at], children))
        cases.append(("rest for one", children[at], children[at:]))
    answers, refuses = run_without_ray(_names_to_restart, answer, children, cases)
    for (strategy, failed, expected), got in zip(cases, answers, strict=True):
        case = f"{strategy}: {', '.join(children)} were started, {failed} failed."
        if not isinstance(got, list | tuple):
            raise NotYet(f"{case} You returned {got!r:.60}; a list is asked for.")
        got = list(got)
        if got == expected:
            continue
        named = ", ".join(map(str, got)) or "nobody"
        show(_who(children, failed, got, f"{strategy}: green starts anew"))
        if sorted(map(str, got)) == sorted(expected):
            raise NotYet(
                f"{case} You named the right ones, but in the order {named}. They start in the "
                "order of `children`."
            )
        raise NotYet(f"{case} Then {', '.join(expected)} should start anew, and you named {named}.")
    if refuses not in ("", "ValueError"):
        raise NotYet(
            "No strategy is called 'all for none'. There your function raised a "
            f"{refuses}; raise a ValueError, which says that the argument is wrong."
        )
    if not refuses:
        raise NotYet(
            "No strategy is called 'all for none', and your function took it all the same. Raise "
            "a ValueError, so that a misspelled name is noticed at once."
        )
    show(_who(children, children[2], children[2:], "rest for one: green starts anew"))
    return "all three strategies, for the first, a middle and the last child."


def _names_to_restart(answer, children, cases) -> tuple[list, str]:
    """What the learner's function returned in each case, and what it raised at a wrong name."""
    answers = [answer(strategy, list(children), failed) for strategy, failed, _ in cases]
    try:
        answer("all for none", list(children), children[0])
    except Exception as error:
        return answers, type(error).__name__
    return answers, ""


def _who(children: list[str], failed: str, anew: list, title: str):
    """A drawing of the children: who failed, who starts anew, who stays."""
    figure, axis = plots.figure(6, 1.7)
    text = {one: f"{one} failed" if one == failed else one for one in children}
    parents = {"supervisor": None} | {text[one]: "supervisor" for one in children}
    colours = {text[one]: plots.GREEN if one in anew else plots.GREY for one in children}
    plots.tree(parents, title, colours, axis)
    return figure


# --- supervise ---


@exercise
def supervise(answer) -> str:
    """`supervise(names, start, most, within)`, attacked by killing its children's processes."""
    wrong, lives = run(_attacks, answer, limit=LIMIT_S)
    if wrong:
        show(_drawn(lives))
        raise NotYet(wrong)
    show(_drawn(lives))
    return (
        "b and then a were restarted and nobody else, and the third failure was one too many. "
        "With a short period it went on, and returned what each run returned."
    )


class Child:
    """What the attacked supervisor starts: it runs until it is told to end."""

    def __init__(self):
        self.told = threading.Event()

    def run(self):
        self.told.wait()
        return "ended well"

    def end(self):
        self.told.set()


@dataclass
class Life:
    """What was seen of one actor; times are seconds since the attack began."""

    child: str
    row: ActorState
    start: float
    end: float
    killed: bool = False

    @property
    def state(self) -> str:
        return self.row.state


class Attack(Call):
    """A running call of a learner's `supervise`, and what became of the actors it started."""

    def __init__(self, answer: Callable, names: list[str], most: int, within: float):
        self.mark = mark = f"Child{secrets.token_hex(4)}"
        self.began = time.monotonic()
        self.lives: dict[str, Life] = {}

        def start(name):
            child = ray.remote(num_cpus=0, max_concurrency=2)(type(mark, (Child,), {}))
            return child.options(name=f"{name} {secrets.token_hex(8)}").remote()

        super().__init__(answer, names, start, most, within)

    def look(self) -> None:
        """Ask Ray about the actors; `living` and `alive` tell what was seen at the last look."""
        now = time.monotonic() - self.began
        for row in observe.actors(class_name=self.mark):
            child = row.name.partition(" ")[0]
            life = self.lives.setdefault(row.actor_id, Life(child, row, now, now))
            if life.state != "DEAD":
                life.end = now
                life.start = life.start if life.state == "ALIVE" else now
            life.row = row

    def living(self, *children: str) -> list[Life]:
        """The lives of these children, or of all, that have not ended."""
        lives = [life for life in self.lives.values() if life.state != "DEAD"]
        return [life for life in lives if life.child in children] if children else lives

    def alive(self, child: str) -> Life | None:
        """The life of a child whose process is there."""
        return next((life for life in self.living(child) if life.state == "ALIVE"), None)

    def wait(self, condition: Callable[[], object], limit: float) -> bool:
        """Look until the condition holds, for `limit` seconds or longer on a busy machine.

        Returns whether it held.
        """

        def held():
            self.look()
            return bool(condition())

        return newest(held, bool, limit, asks=round(10 * limit))

    def kill(self, life: Life) -> None:
        life.killed = True
        kill_process(life.row)
        self.wait(lambda: life.state == "DEAD", START_S)


def _attacks(answer) -> tuple[str, list[Life]]:
    """Two attacks; what went wrong, if anything, and the lives of that one, else of the first.

    They run side by side, because each waits for processes to start.
    """
    # To start a process takes longer than this period, so that no failure is one too many.
    calm = Call(_attack, answer, ["c"], 1, 0.01, ["c", "c"])
    # The third failure is one too many, whatever the machine's speed.
    wrong, lives = _attack(answer, ["a", "b"], 2, 600.0, ["b", "a", "a"])
    if wrong:
        return wrong, lives
    calm.ended.wait()
    if calm.error:
        raise calm.error
    wrong, calm_lives = calm.value
    return wrong, calm_lives if wrong else lives


def _attack(answer, names, most, within, victims) -> tuple[str, list[Life]]:
    """Kill the processes of `victims` in turn; what went wrong, if anything, and all lives."""
    attack = Attack(answer, names, most, within)
    wrong = _outcome(attack, names, most, within, victims)
    attack.look()
    return wrong, list(attack.lives.values())


def _outcome(attack: Attack, names, most, within, victims) -> str:
    attack.wait(lambda: any(map(attack.alive, names)) or attack.ended.is_set(), START_S)
    attack.wait(lambda: all(attack.living(name) for name in names) or attack.ended.is_set(), LATE_S)
    missing = [name for name in names if not attack.living(name)]
    if missing and not attack.ended.is_set():
        return f"{' and '.join(missing)} did not start. Start all names before you wait for any."
    attack.wait(lambda: all(map(attack.alive, names)) or attack.ended.is_set(), START_S)
    for failures, victim in enumerate(victims, start=1):
        if attack.ended.is_set():
            return f"Your function {_did(attack)} while its children were well. It should watch."
        others = {name: attack.alive(name) for name in names if name != victim}
        attack.kill(attack.alive(victim))
        what = f"The process of {victim} was killed: failure {failures} with most = {most}"
        if failures > most and within > 1:
            return _wrong_end(attack, what)
        attack.wait(lambda child=victim: attack.living(child) or attack.ended.is_set(), LATE_S)
        if attack.ended.is_set():
            if failures > most:
                what += f", but the one before was longer ago than the {within:g} s allowed for"
            return f"{what}. Your function {_did(attack)}; it should have gone on."
        if not attack.living(victim):
            return (
                f"{what}. {LATE_S:g} s later {victim} was not started again. Do you watch every "
                "link?"
            )
        attack.wait(lambda child=victim: attack.alive(child), START_S)
        attack.look()
        if any(attack.alive(name) is not life for name, life in others.items()):
            return f"{what}. Its sibling was well, and you replaced it. Leave the others alone."
        if len(attack.living(victim)) > 1:
            return f"{what}. You started {victim} more than once."
    attack.look()
    for life in attack.living():
        ray.get_actor(life.row.name).end.remote()
    if not attack.wait(attack.ended.is_set, LATE_S):
        return f"Every run had ended well, and {LATE_S:g} s later your function had not returned."
    if attack.value != {name: "ended well" for name in names}:
        return (
            f"Every run had ended well, and your function {_did(attack)}. It should return a dict "
            "of each name and what its run returned."
        )
    return ""


def _wrong_end(attack: Attack, what: str) -> str:
    """What is wrong after one failure too many: supervise must raise and leave nobody alive."""
    if not attack.wait(attack.ended.is_set, LATE_S):
        return f"{what}. Your function went on. Count the failures of all children together."
    if not isinstance(attack.error, RuntimeError):
        return f"{what}. Your function {_did(attack)}; it should raise a RuntimeError."
    if not attack.wait(lambda: not attack.living(), LATE_S):
        left = " and ".join(life.child for life in attack.living())
        return f"{what}. You raised, and {left} lived on. End every child first, with ray.kill."
    return ""


def _did(attack: Attack) -> str:
    if attack.error is None:
        return f"returned {attack.value!r:.60}"
    text = [*str(attack.error).strip().splitlines(), ""]
    return f"raised {type(attack.error).__name__}: {text[0]:.100}"


def _still(task: Task) -> str:
    return "still alive" if task.state == "ALIVE" else ""


def _drawn(lives: list[Life]):
    tasks = [
        Task(one.child, 0, one.start, one.end, "FAILED" if one.killed else one.state)
        for one in sorted(lives, key=lambda one: one.child)
    ]
    title = "Your children; a cross is a kill"
    return ui.task_timeline(tasks, title, row=lambda one: one.name, label=_still, legend=False)
