"""Who made whom: the actors of a job as a tree, live."""

import html
import time
from collections import Counter
from dataclasses import dataclass, field

from ray.util.state import list_actors, list_tasks

from helpers import observe
from helpers.plots import BLUE, GREEN, GREY, ORANGE, RED
from helpers.ui.live import Live
from helpers.ui.state import (
    ACTOR_ID,
    ASK_S,
    TASK_ID,
    actor_name,
    attempts,
    here,
    is_driver,
    listed,
)

MAKERS = 20  # how many a look asks for at most
GIVE_UP_S = 15.0  # a maker that Ray does not know after so long is not asked for again
SHOWN = 40  # lines of the tree
PENDING = 1_000  # unfinished calls that a look counts
COLOURS = {
    "ALIVE": GREEN,
    "RESTARTING": ORANGE,
    "PENDING_CREATION": BLUE,
    "DEPENDENCIES_UNREADY": BLUE,
    "DEAD": RED,
}


@dataclass(frozen=True)
class Maker:
    """What Ray knows of the task that made an actor, or of the task that submitted that one.

    Args:
        parent: the id of the task that submitted it.
        name: the task's name.
        made_ms: when it was submitted.
    """

    parent: str
    name: str = ""
    made_ms: float = 0.0


@dataclass
class Branch:
    """A line of the tree and what is below it. `actor` is a row of Ray's, or None of a task."""

    name: str
    actor: object = None
    made_ms: float = 0.0
    below: list["Branch"] = field(default_factory=list)


def actor_tree(all_jobs: bool = False) -> Live:
    """Who made whom, in which state the actors are, and how many calls wait. `ui.actor_tree()`

    Args:
        all_jobs: show the actors of others too, not only those of this notebook.

    Shows of each actor its state, restarts, process, and the calls that are submitted and have not
    ended. States are those of the moment, calls come up to 3 seconds later. While thousands of
    calls are pending it looks less often, about every 10 seconds.
    """
    return Live(_TreeLook(all_jobs))


class _TreeLook:
    def __init__(self, all_jobs: bool):
        self.all_jobs = all_jobs
        self.makers: dict[str, Maker] = {}  # a task's id -> who submitted it
        self.asked: dict[str, float] = {}  # a task's id -> when it was asked for first

    def __call__(self) -> "TreeView":
        mine = here(self.all_jobs)
        actors = listed(list_actors, mine, detail=True)
        unfinished = [("state", "!=", "FINISHED"), ("state", "!=", "FAILED")]
        filters = [*mine, *unfinished, ("type", "=", "ACTOR_TASK")]
        calls = listed(list_tasks, filters, limit=PENDING)
        self._learn(actors)
        actors = [actor for actor in actors if not self._is_of_a_check(actor.actor_id)]
        # Calls of a caller that was killed never end; those to actors that are dead say nothing.
        able = {actor.actor_id for actor in actors if actor.state != "DEAD"}
        pending = Counter(call.actor_id for call in calls if call.actor_id in able)
        own_job = here(False)[0][2]
        return TreeView(tree(actors, self.makers, own_job), pending, len(calls) >= PENDING)

    def _is_of_a_check(self, actor_id: str) -> bool:
        """Whether it comes from the task in which an exercise's check runs an answer."""
        while actor_id:
            between, actor_id, _ = origin(actor_id, self.makers)
            if any(self.makers[task].name == observe.CHECK for task in between):
                return True
        return False

    def _learn(self, actors: list) -> None:
        """Ask who made the actors that are new, a few at a time."""
        left = MAKERS
        for actor in actors:
            while left and (task := origin(actor.actor_id, self.makers)[2]):
                now = time.monotonic()
                if now - self.asked.setdefault(task, now) > GIVE_UP_S:
                    break
                left -= 1
                if not self._ask(task):
                    break

    def _ask(self, task: str) -> bool:
        """Whether Ray knows the task and with it who submitted it."""
        told = attempts(task, timeout=ASK_S)
        if told:
            first = told[0]
            made_ms = first.creation_time_ms or 0.0
            self.makers[task] = Maker(first.parent_task_id, first.name, made_ms)
        return bool(told)


def creation(actor_id: str) -> str:
    """The id of the task that runs an actor's __init__."""
    return "f" * (TASK_ID - ACTOR_ID) + actor_id


def origin(actor_id: str, makers: dict[str, Maker]) -> tuple[list[str], str, str]:
    """Where an actor comes from.

    Args:
        actor_id: hexadecimal.
        makers: a task's id to what is known of it.

    Returns the tasks between the actor and its maker, the nearest first; the maker, an actor's id
    or "" for a driver; and the task that would have to be known to say more, or "".
    """
    between, task = [], creation(actor_id)
    while task in makers:
        task = makers[task].parent
        if is_driver(task):
            return between, "", ""
        if not is_driver(creation(task[-ACTOR_ID:])):  # a task of no actor ends as a driver does
            return between, task[-ACTOR_ID:], ""
        between.append(task)
    return between[:-1], "", task


def tree(actors: list, makers: dict[str, Maker], own_job: str = "") -> list[Branch]:
    """The drivers, with all actors below them.

    Args:
        actors: rows of the state API.
        makers: a task's id to what is known of it.
        own_job: the job of this notebook.
    """
    branches = {actor.actor_id: _branch(actor, makers) for actor in actors}
    drivers = {own_job: Branch("driver of this notebook")} if own_job else {}
    for actor in actors:
        below = branches[actor.actor_id]
        between, top, _ = origin(actor.actor_id, makers)
        for task in between:
            known, maker = task in branches, makers[task]
            above = branches.setdefault(task, Branch(f"{maker.name} (task)", None, maker.made_ms))
            above.below.append(below)
            below = above
            if known:
                break
        else:
            driver = drivers.setdefault(actor.job_id, Branch(f"driver of job {actor.job_id}"))
            branches.get(top, driver).below.append(below)
    for branch in [*branches.values(), *drivers.values()]:
        branch.below.sort(key=lambda one: one.made_ms)
    return list(drivers.values())


def _branch(actor, makers: dict[str, Maker]) -> Branch:
    known = makers.get(creation(actor.actor_id))
    return Branch(actor_name(actor), actor, known.made_ms if known else float("inf"))


@dataclass(frozen=True)
class Line:
    """A line of the picture: what leads to the branch, and the branch."""

    lead: str
    branch: Branch


def lines(branches: list[Branch], lead: str = "", top: bool = True) -> list[Line]:
    """The branches and all below them, each with the strokes that lead to it."""
    found = []
    for branch in branches:
        last = branch is branches[-1]
        found.append(Line(lead + ("" if top else "└─ " if last else "├─ "), branch))
        found += lines(branch.below, lead + ("" if top else "   " if last else "│  "), False)
    return found


def living(branches: list[Branch]) -> list[Branch]:
    """The branches without the dead actors that nobody alive is below."""
    kept = []
    for branch in branches:
        below = living(branch.below)
        if below or branch.actor is None or branch.actor.state != "DEAD":
            kept.append(Branch(branch.name, branch.actor, branch.made_ms, below))
    return kept


@dataclass(frozen=True)
class TreeView:
    """The actors below their drivers.

    Args:
        roots: the drivers.
        pending: an actor's id to its calls that have not ended.
        many: whether there are more pending calls than were counted.
    """

    roots: list[Branch]
    pending: Counter
    many: bool = False

    def _lines(self) -> tuple[list[Line], str]:
        """The lines that are shown, and what is not."""
        every = lines(self.roots)
        shown = every if len(every) <= SHOWN else lines(living(self.roots))
        left = len(every) - len(shown[:SHOWN])
        dead = " Of the dead, those that nobody alive is below are left out." if left else ""
        return shown[:SHOWN], f"{left:,} more are not shown.{dead}" if left else ""

    def _title(self) -> str:
        states = Counter(line.branch.actor.state for line in lines(self.roots) if line.branch.actor)
        if not states:
            return "No actor yet"
        count = sum(states.values())
        told = ", ".join(f"{states.pop(state):,} {state}" for state in COLOURS if state in states)
        calls = f"{'at least ' if self.many else ''}{sum(self.pending.values()):,}"
        return f"{count:,} actor{'s' * (count > 1)}: {told}; {calls} calls pending"

    def _cells(self, branch: Branch) -> tuple[str, str, str, str]:
        """State, restarts, process and pending calls of a line."""
        actor = branch.actor
        if actor is None:
            return "", "", "", ""
        restarts = int(actor.num_restarts or 0)
        waiting = self.pending[actor.actor_id]
        return (
            actor.state,
            f"{restarts:,}" if restarts else "",
            str(actor.pid) if actor.state == "ALIVE" else "",
            f"{waiting:,}{'+' * self.many}" if waiting else "",
        )

    def as_text(self) -> str:
        shown, left = self._lines()
        said = [self._title()]
        if len(shown) > 1:
            said.append(f"{'':44} {'state':18} {'restarts':>8} {'process':>8} {'pending':>8}")
        for line in shown:
            state, restarts, pid, pending = self._cells(line.branch)
            name = f"{line.lead}{line.branch.name}"
            said.append(f"{name:44} {state:18} {restarts:>8} {pid:>8} {pending:>8}".rstrip())
        return "\n".join(said + [left] * bool(left))

    def as_html(self) -> str:
        shown, left = self._lines()
        names = zip(("state", "restarts", "process", "calls pending"), STYLES, strict=True)
        head = "".join(f'<div style="{style}">{name}</div>' for name, style in names)
        drawn = [
            f'<div class="title">{html.escape(self._title())}</div>',
            f'<div class="row quiet"><div style="{TREE}"></div>{head}</div>',
            *(self._row(line) for line in shown),
        ]
        return "".join(drawn) + f'<div class="row quiet">{left}</div>'

    def _row(self, line: Line) -> str:
        branch, cells = line.branch, self._cells(line.branch)
        name = html.escape(branch.name)
        why = html.escape(_death(branch.actor))
        colour = COLOURS.get(cells[0], GREY)
        state = f'<span style="color:{colour}">●</span> {cells[0]}' if cells[0] else ""
        others = "".join(
            f'<div style="{style}">{cell}</div>'
            for cell, style in zip((state, *cells[1:]), STYLES, strict=True)
        )
        weight = "" if branch.actor else ' class="quiet"'
        return (
            f'<div class="row" title="{why}"><div style="{TREE}" title="{why or name}">'
            f'<span style="font-family:monospace;white-space:pre;color:{GREY}">{line.lead}</span>'
            f"<span{weight}>{name}</span></div>{others}</div>"
        )


TREE = "flex:1 1 0"
STYLES = ("flex:0 0 150px", *[f"flex:0 0 {width}px;text-align:right" for width in (60, 70, 90)])


def _death(actor) -> str:
    """Why an actor is dead; nothing of one that is not."""
    if actor is None or actor.state != "DEAD":
        return ""
    causes = (actor.death_cause or {}).values()
    told = [cause["error_message"] for cause in causes if cause and cause.get("error_message")]
    return told[0] if told else "dead"
