"""Search bars: a task by its id or its name, an object by its id or its ref."""

import html
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import ipywidgets as widgets
import ray
from ray.util.state import get_log, get_objects, list_tasks, summarize_tasks

from helpers import observe
from helpers.ui.state import (
    OBJECT_ID,
    TASK_ID,
    Unavailable,
    ask,
    attempts,
    here,
    is_driver,
    until_complete,
)

MATCHES = 20  # tasks that a search by name shows
FOUND = 1_000  # tasks of one name, or children, that it counts
CHILDREN = "children of "  # with a task's id, a query
LOG_LINES = 20

WAITING = {  # states before a task runs, in the words of Ray's documentation
    "PENDING_ARGS_AVAIL": "it waits for its arguments: some task that makes one has not ended.",
    "PENDING_NODE_ASSIGNMENT": "it waits for a node with what it asks for.",
    "SUBMITTED_TO_WORKER": "it is on its way to a worker.",
    "PENDING_ACTOR_TASK_ARGS_FETCH": "its arguments are on their way to the actor.",
    "PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY": "its actor is at other calls; it waits its turn.",
    "GETTING_AND_PINNING_ARGS": "its worker is fetching its arguments.",
}
PHASES = {
    "task:deserialize_arguments": "fetch arguments",
    "task:execute": "run",
    "task:store_outputs": "store the result",
}


@dataclass
class Card:
    """What a search found, to be shown as HTML or as plain text.

    Args:
        title: the first line.
        rows: pairs of a label and a text; a text of several lines is shown as it is.
        links: pairs of a label and the query that leads there.
    """

    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    def as_html(self) -> str:
        """The card as HTML; whatever came from Ray or from tasks is escaped."""
        cells = "".join(
            f'<tr><th style="text-align:left;vertical-align:top;padding-right:1em">'
            f"{html.escape(label)}</th>"
            f'<td style="white-space:pre-wrap;text-align:left">{html.escape(text)}</td></tr>'
            for label, text in self.rows
        )
        return f"<b>{html.escape(self.title)}</b><table>{cells}</table>"

    def as_text(self) -> str:
        """The card as lines."""
        lines = [self.title]
        for label, text in self.rows:
            first, *others = text.splitlines() or [""]
            lines += [f"  {label:12} {first}", *(f"  {'':12} {other}" for other in others)]
        lines += [f"  {'see':12} {label}: {query}" for label, query in self.links]
        return "\n".join(lines)


class SearchBar(widgets.VBox):
    """A text field, and below it what was found; links lead to the next search.

    Args:
        prompt: what stands in the empty field.
        look_up: a function of the query that returns a Card or raises Unavailable.
        query: what to look for at once.
    """

    def __init__(self, prompt: str, look_up: Callable[[str], Card], query: str = ""):
        self.look_up, self.card = look_up, Card(prompt)
        self.field = widgets.Text(
            placeholder=prompt, continuous_update=False, layout=widgets.Layout(width="100%")
        )
        self.found = widgets.HTML()
        self.links = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        again = widgets.Button(description="again", tooltip="look once more for the same")
        again.layout = widgets.Layout(width="auto", flex="0 0 auto")
        again.on_click(lambda _: self._search(self.field.value))
        super().__init__([widgets.HBox([self.field, again]), self.found, self.links])
        self.field.observe(lambda change: self._search(change["new"]), names="value")
        self.field.value = query

    def __repr__(self) -> str:
        return self.card.as_text()

    def _search(self, query: str) -> None:
        try:
            self.card = self.look_up(query.strip())
        except Unavailable as error:
            self.card = Card(str(error))
        self.found.value = self.card.as_html()
        self.links.children = [self._link(*link) for link in self.card.links]

    def _link(self, label: str, query: str) -> widgets.Button:
        button = widgets.Button(description=label, layout=widgets.Layout(width="auto"))
        button.on_click(lambda _: setattr(self.field, "value", query))
        return button


def task_search_bar(query: str = "", all_jobs: bool = False) -> SearchBar:
    """A search bar for tasks: type an id, or a part of a name. `ui.task_search_bar("sort")`

    Args:
        query: what to look for at once.
        all_jobs: look at the tasks of others too, not only at those of this notebook.

    Shows of one task its state and why it waits, when it came to each state, its phases, worker,
    node, resources, parent and children, its error and the end of its log.
    """
    prompt = "a task's id, or a part of its name"
    return SearchBar(prompt, lambda query: _tasks(query, all_jobs), query)


def object_search_bar(query: str | ray.ObjectRef = "", all_jobs: bool = False) -> SearchBar:
    """A search bar for objects: type or paste an id. `ui.object_search_bar(ref)`

    Args:
        query: an id, or a ref, to look for at once.
        all_jobs: whether the task that a link leads to may be of another job.

    Shows how large the object is, who holds it and how, who made it, and leads to the task behind
    it; a task's id or name leads to the task too.
    """
    given = query.hex() if isinstance(query, ray.ObjectRef) else query
    return SearchBar("an object's id, or its ref", lambda text: _objects(text, all_jobs), given)


# --- tasks ---


def _tasks(query: str, all_jobs: bool) -> Card:
    if not query:
        return Card("")
    if re.fullmatch(rf"[0-9a-f]{{{TASK_ID}}}", query):
        return _task_card(query)
    others = ""
    if query.startswith(CHILDREN):
        rows = _listed("parent_task_id", query.removeprefix(CHILDREN), all_jobs)
    elif not (rows := _listed("name", query, all_jobs)):
        # No such name; then a part of one, which takes longer to find.
        groups = ask(summarize_tasks, raise_on_missing_output=False)["cluster"]["summary"]
        names = [name for name in groups if query.lower() in name.lower()]
        for looked, name in enumerate(names, start=1):
            rows += _listed("name", name, all_jobs)
            if len(rows) >= MATCHES and names[looked:]:
                others = f"; {len(names) - looked} more names have {query!r} in them"
                break
    if not rows:
        whose = "" if all_jobs else " of this notebook"
        return Card(f"No task{whose} is found for {query!r}.")
    states = Counter(row.state for row in rows)
    many = "at least " if len(rows) >= FOUND else ""
    title = f"{many}{len(rows):,} found: " + ", ".join(f"{n:,} {one}" for one, n in states.items())
    shown = rows[:MATCHES]
    if len(rows) > len(shown):
        title += f"; {len(shown)} of them are shown"
    title += others
    links = [(f"{row.name} {row.task_id[:8]} {row.state}", row.task_id) for row in shown]
    return Card(title, links=links)


def _listed(what: str, value: str, all_jobs: bool) -> list:
    filters = [(what, "=", value), *here(all_jobs)]
    return ask(list_tasks, filters=filters, limit=FOUND, raise_on_missing_output=False)


def _task_card(task_id: str) -> Card:
    found = until_complete(
        lambda: attempts(task_id), lambda rows: bool(rows) and all(map(_has_phases, rows))
    )
    if not found:
        return Card(
            f"Ray knows no task {task_id}. It forgets the oldest when there are very many, and an "
            "object that ray.put made has none."
        )
    *earlier, task = found
    card = Card(f"{task.name}  {task.state}")
    add = card.rows.append
    if waits := _why(task):
        add(("why", waits))
    if task.worker_pid:
        add(("where", f"process {task.worker_pid} on node {(task.node_id or '')[:8]}"))
    if asked := task.required_resources:
        add(("asks for", ", ".join(f"{amount:g} {name}" for name, amount in asked.items())))
    add(("came to", _transitions(task)))
    if phases := _phases(task):
        add(("phases", "\n".join(f"{seconds:8.3f} s  {name}" for name, seconds in phases)))
    if task.attempt_number:
        ends = ", ".join(row.error_type or row.state for row in earlier) or "an earlier one"
        add(("attempt", f"{task.attempt_number + 1}, after {ends}"))
    if task.error_message or task.error_type:
        add(("error", f"{task.error_type}\n{task.error_message or ''}".strip()))
    if log := _log(task):
        add(("log", log))
    card.links.append(("its children", f"{CHILDREN}{task_id}"))
    if is_driver(task.parent_task_id):
        add(("parent", "the driver"))
    elif parent := attempts(task.parent_task_id):
        name = parent[0].name
        add(("parent", name))
        card.links.insert(0, (f"parent {name}", task.parent_task_id))
    return card


def _has_phases(task) -> bool:
    """Whether the worker has told its part too, where there is one."""
    return task.state != "FINISHED" or bool(observe.phases(task))


def _transitions(task) -> str:
    events = sorted(task.events or [], key=lambda event: event["created_ms"])
    if not events:
        return "Ray has not told yet"
    first = events[0]["created_ms"]
    return "\n".join(
        f"{(event['created_ms'] - first) / 1000:8.3f} s  {event['state']}" for event in events
    )


def _phases(task) -> list[tuple[str, float]]:
    told = observe.phases(task)
    return [
        (label, (told[name]["end_time"] - told[name]["start_time"]) / 1000)
        for name, label in PHASES.items()
        if name in told
    ]


def _why(task) -> str:
    """Why a task has not begun; nothing of one that has."""
    if task.state == "PENDING_NODE_ASSIGNMENT" and task.type == "ACTOR_TASK":
        return "its actor is not there yet, or is being restarted."
    if task.state == "SUBMITTED_TO_WORKER" and task.actor_id:
        return "it is with its actor, which takes one call after another: it waits its turn."
    return WAITING.get(task.state, "") + _missing(task)


def _missing(task) -> str:
    """What of the resources that a waiting task asks for is not there."""
    if task.state != "PENDING_NODE_ASSIGNMENT":
        return ""
    total, free = ray.cluster_resources(), ray.available_resources()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    said = []
    for name, amount in (task.required_resources or {}).items():
        most = max((node.get(name, 0) for node in nodes), default=0)
        if amount > most:
            said.append(
                f"It asks for {amount:g} {name}, and no node has more than {most:g}: it will wait "
                "until one with as much joins."
            )
        elif amount > free.get(name, 0):
            said.append(f"Of {total[name]:g} {name} {free.get(name, 0):g} are free.")
    return "".join(f" {one}" for one in said)


def _log(task) -> str:
    """The last lines that it printed; nothing where it printed none, or ran in a threaded actor."""
    parts = []
    for suffix in ("out", "err"):
        try:
            chunks = ask(
                get_log,
                task_id=task.task_id,
                attempt_number=task.attempt_number,
                suffix=suffix,
                tail=LOG_LINES,
                errors="replace",
                filter_ansi_code=True,
            )
            parts.append("".join(chunks))
        except (Unavailable, OSError, ray.util.state.exception.RayStateApiException):
            continue  # a task that has not run has no log
    return "\n".join(part.strip("\n") for part in parts if part.strip())


# --- objects ---


def _objects(query: str, all_jobs: bool) -> Card:
    found = re.search(r"\b[0-9a-f]{48,56}\b", query)  # also out of ObjectRef(...)
    if not query:
        return Card("")
    if not found or len(found[0]) != OBJECT_ID:
        return _tasks(found[0] if found else query, all_jobs)
    rows = until_complete(lambda: ask(get_objects, found[0]) or [], bool)
    task_id = found[0][:TASK_ID]
    link = [] if is_driver(task_id) else [("the task behind it", task_id)]
    if not rows:
        return Card(
            f"Nobody holds {found[0]}. Either it never was, or the last reference to it is gone "
            "and Ray has freed it.",
            links=link,
        )
    sizes = [row.object_size for row in rows if row.object_size and row.object_size > 0]
    card = Card(f"{_bytes(max(sizes))}" if sizes else "not made yet", links=link)
    for row in rows:
        who = f"process {row.pid} on {row.ip} ({row.type.lower()})"
        card.rows.append((row.reference_type.replace("_", " ").lower(), who))
        if row.call_site and row.call_site != "disabled":
            card.rows.append(("made at", row.call_site))
    if not link:
        card.rows.append(("made by", "ray.put in a driver"))
    statuses = {row.task_status for row in rows} - {"NIL"}
    if statuses:
        card.rows.append(("its task", ", ".join(sorted(statuses))))
    return card


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
