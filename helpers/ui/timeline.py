"""When each task ran: a timeline to zoom, hover and filter, and a file of it for Perfetto."""

import dataclasses
import html
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from bokeh.embed import components
from bokeh.layouts import column, row
from bokeh.models import (
    Arrow,
    BooleanFilter,
    BoxSelectTool,
    CDSView,
    ColumnDataSource,
    CustomJS,
    FixedTicker,
    HoverTool,
    LayoutDOM,
    PlainText,
    PreText,
    Range1d,
    Select,
    TextInput,
    VeeHead,
    WheelZoomTool,
)
from bokeh.plotting import figure
from bokeh.resources import Resources
from IPython import get_ipython

from helpers import observe, plots
from helpers.observe import MOST_ROWS, Task
from helpers.ui import state, trace
from helpers.ui.state import Unavailable

COLOURS = [plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE, plots.SKY, plots.YELLOW]
LIGHT = {plots.ORANGE, plots.SKY, plots.YELLOW}  # behind black letters
EDGES = 300  # up to so many bars have a white edge; of more the edges would hide the bars
MOST_ARROWS = 60  # more would hide the bars; of a task that is clicked they are drawn always
BAR = 0.7  # of the height of a row
OVERLAP_S = 0.002  # less is the grain of the clocks
WIDTH = 700  # pixels that the bars have in JupyterLab, about
NAMED = 12  # names in the legend, those with the most time
DRAWN = 200  # rows, for a browser has no canvas for ten thousand
ALL_STATES = "all states"
NO_BREAK, UNSEEN = "\u00a0", "\u200b"
HINT = "hover a bar · Ctrl and the wheel zoom · drag to move"
PICK_HINT = "hover a bar, click it for its arrows · drag over a range · Ctrl and the wheel zoom"


def _process(task: Task) -> str:
    return f"process {task.worker}" if task.worker else "a process that died"


@dataclasses.dataclass(frozen=True)
class Timeline:
    """What `task_timeline` returns; a notebook draws it, all else prints what it says.

    Args:
        tasks: what ran; times are seconds.
        title: what the reader should see, or why there is nothing.
        row: the row that a task belongs to; by default the process that ran it. Rows stand in the
            order in which their first tasks are in `tasks`.
        label: what to write into a task's bar, if it fits there.
        phases: paint fetching the arguments pale and storing the result dark.
        arrows: pairs of task ids; from the end of the first to the start of the second.
        legend: tell the colours' names, where there are several.
        line: a moment to mark by a red line, in seconds.
        whole: draw also who submitted whom, and offer to filter and to pick a range.
    """

    tasks: Sequence[Task]
    title: str = ""
    row: Callable[[Task], str] = _process
    label: Callable[[Task], str] = lambda task: task.name
    phases: bool = False
    arrows: Sequence[tuple[str, str]] = ()
    legend: bool = True
    line: float | None = None
    whole: bool = False

    def __repr__(self) -> str:
        lines = [self.title] * bool(self.title)
        for name, ran in self._by_name().items():
            first, last = min(task.start for task in ran), max(task.end for task in ran)
            failed = sum(task.state == "FAILED" for task in ran)
            lines.append(
                f"{name:24.24} {len(ran):7,} from {first:.3f} s to {last:.3f} s, "
                f"{observe.overlap(ran):.1f} at once" + f", {failed:,} failed" * bool(failed)
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows: dict[str, float] = {}
        for task in self.tasks:
            rows[self.row(task)] = rows.get(self.row(task), 0.0) + task.seconds
        if len(rows) <= DRAWN:
            return self._drawn()
        busiest = set(sorted(rows, key=rows.get, reverse=True)[:DRAWN])
        kept = [task for task in self.tasks if self.row(task) in busiest]
        title = f"{self.title}. Of {len(rows):,} rows the {DRAWN} busiest are drawn"
        return dataclasses.replace(self, tasks=kept, title=title)._drawn()

    def _drawn(self) -> str:
        head = f"<b>{html.escape(self.title)}</b>"
        if not self.tasks:
            return f'<div class="ray-labs-timeline mathjax_ignore">{head}</div>'
        script, place = components(self._layout())
        hint = PICK_HINT if self.whole else HINT
        return (
            '<div class="ray-labs-timeline mathjax_ignore" style="white-space:normal" role="group" '
            f'aria-label="{html.escape(repr(self))}">{_library()}{head}'
            f'<div style="font-size:85%;color:{plots.GREY}">{hint}{self._legend()}</div>'
            f"{place}{script}</div>"
        )

    def save(self, path: str | Path) -> Path:
        """Write a Chrome trace, which ui.perfetto.dev opens. `ui.task_timeline().save("t.json")`

        Args:
            path: the file to write.

        A process of the trace is a node, a thread of it a worker; phases lie inside their task,
        and arrows lead from who submitted a task to it.
        """
        path = Path(path)
        events = {"traceEvents": list(trace.events(self.tasks))}
        path.write_text(json.dumps(events, ensure_ascii=False), encoding="utf-8")
        return path

    def _by_name(self) -> dict[str, list[Task]]:
        """Tasks by their name, in order of their first."""
        names: dict[str, list[Task]] = {}
        for task in self.tasks:
            names.setdefault(task.name, []).append(task)
        return names

    def _colours(self) -> dict[str, str]:
        names = self._by_name()
        return dict(zip(names, COLOURS * len(names), strict=False))

    def _legend(self) -> str:
        colours = self._colours()
        if len(colours) > NAMED:
            ran = self._by_name()
            longest = sorted(ran, key=lambda name: -sum(task.seconds for task in ran[name]))
            colours = {name: colours[name] for name in longest[:NAMED]}
        parts = colours if self.legend and len(colours) > 1 else {}
        if self.phases:
            parts = {**parts, "fetch": plots.PALE, "store": plots.GREY}
        return "".join(
            f' <span style="margin-left:1em;white-space:nowrap;color:black">'
            f'<span style="color:{colour}">■</span> {html.escape(name)}</span>'
            for name, colour in parts.items()
        )

    def _layout(self) -> LayoutDOM:
        rows = list(dict.fromkeys(map(self.row, self.tasks)))
        at = {name: y for y, name in enumerate(rows)}
        last = max(max(task.end for task in self.tasks), self.line or 0.0) or 1e-3
        source = ColumnDataSource(self._columns(at, last))
        shown = BooleanFilter([True] * len(self.tasks))
        height = min(max(600 / len(rows), 12), 32)
        plot = figure(
            height=int(height * len(rows)) + 50,
            sizing_mode="stretch_width",
            x_range=Range1d(0, last, bounds="auto"),
            y_range=Range1d(len(rows) - 0.5, -0.5, bounds="auto"),
            tools="xpan,xbox_zoom,reset",
            active_drag="xpan",
            toolbar_location="above" if self.whole else "right",
        )
        self._bars(plot, source, CDSView(filter=shown))
        if self.line is not None:
            plot.vspan(x=[self.line], color=plots.RED, line_dash="dotted", line_width=2)
        plot.yaxis.ticker = FixedTicker(ticks=list(range(len(rows))))
        plot.yaxis.major_label_overrides = {y: PlainText(text=name) for name, y in at.items()}
        plot.yaxis.major_label_text_font = "monospace"
        plot.yaxis.major_tick_line_color = None
        plot.ygrid.visible = False
        plot.xaxis.axis_label = "s"
        plot.outline_line_color = None
        zoom = WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
        plot.add_tools(zoom, self._hover(plot.renderers[0]))
        plot.toolbar.active_scroll = zoom
        plot.toolbar.autohide = True
        plot.toolbar.logo = None
        arrows = self._arrows(at)
        drawn = ColumnDataSource({name: numbers[:0] for name, numbers in arrows.items()})
        if len(arrows["child"]) <= MOST_ARROWS:
            drawn.data = dict(arrows)
        ends = {"x_start": "x0", "y_start": "y0", "x_end": "x1", "y_end": "y1"}
        head = VeeHead(size=7, fill_color="black")
        plot.add_layout(Arrow(end=head, source=drawn, line_color="black", line_width=0.9, **ends))
        return self._controlled(plot, source, shown, arrows, drawn) if self.whole else plot

    def _columns(self, at: dict[str, int], last: float) -> dict:
        colours, tasks = self._colours(), self.tasks
        labels = [self.label(task) for task in tasks]
        columns = {
            name: np.array([getattr(task, name) for task in tasks])
            for name in ("start", "end", "submitted", "fetched", "computed", "seconds")
        }
        if not self.phases:
            columns |= {"fetched": columns["start"], "computed": columns["end"]}
        wide = (columns["computed"] - columns["fetched"]) * WIDTH / last
        middle = (columns["fetched"] + columns["computed"]) / 2
        texts = ("name", "state", "error", "id")
        # Calls that one process ran at once share the height of its row.
        lanes = np.array(observe.lanes(tasks, self.row, OVERLAP_S))
        rows = np.array([at[self.row(task)] for task in tasks])
        count = np.zeros(len(at), int)
        np.maximum.at(count, rows, lanes + 1)
        heights = BAR / count[rows]
        middles = rows - BAR / 2 + (lanes + 0.5) * heights
        return columns | {name: [getattr(task, name) for task in tasks] for name in texts} | {
            "waited": np.array([task.start - task.submitted for task in tasks]),
            "fetch": np.array([task.fetched - task.start for task in tasks]),
            "store": np.array([task.end - task.computed for task in tasks]),
            "attempt": [task.attempt + 1 for task in tasks],
            "where": [_process(task) + f" on {task.node[:8]}" * bool(task.node) for task in tasks],
            "y": middles,
            "height": heights,
            "colour": [colours[task.name] for task in tasks],
            "ink": ["black" if colours[task.name] in LIGHT else "white" for task in tasks],
            "alpha": [1.0 if task.state in ("FINISHED", "FAILED") else 0.5 for task in tasks],
            "middle": middle,
            "label": [
                text if 7 * (len(text) + 1) < pixels and height > 0.3 else ""
                for text, pixels, height in zip(labels, wide, heights, strict=True)
            ],
        }  # fmt: skip

    def _bars(self, plot, source: ColumnDataSource, view: CDSView) -> None:
        edge = "white" if len(self.tasks) <= EDGES else None
        bar = {"y": "y", "height": "height", "source": source, "view": view}
        # The first one is what the mouse finds and a picked range selects: a task, whole.
        plot.hbar(left="start", right="end", fill_color=plots.PALE, line_color=None, **bar)
        parts = [("fetched", "computed", "colour"), ("computed", "end", plots.GREY)]
        for left, right, colour in parts[: 1 + self.phases]:
            colours = {"fill_color": colour, "fill_alpha": "alpha", "line_color": None}
            plot.hbar(left=left, right=right, **colours, **bar)
        plot.hbar(left="start", right="end", fill_alpha=0, line_color=edge, **bar)
        failed = [task.state == "FAILED" for task in self.tasks]
        crosses = CDSView(filter=view.filter & BooleanFilter(failed))
        style = {"marker": "x", "size": 12, "line_width": 4, "color": plots.RED}
        plot.scatter("end", "y", source=source, view=crosses, **style)
        place = {"x": "middle", "y": "y", "text": "label", "text_color": "ink"}
        style = {"text_align": "center", "text_baseline": "middle", "text_font_size": "12px"}
        plot.text(source=source, view=view, **place, **style)

    def _hover(self, bars) -> HoverTool:
        rows = {
            "": "@name  @state @error",
            "ran": "@seconds{0.000} s, from @start{0.000} s to @end{0.000} s",
            "where": "@where",
        }
        if any(task.fetched for task in self.tasks):  # Ray told of them
            rows |= {
                "waited": "@waited{0.000} s",
                "fetched for": "@fetch{0.000} s",
                "stored for": "@store{0.000} s",
                "attempt": "@attempt",
            }
        tips = list(rows.items())
        return HoverTool(renderers=[bars], tooltips=tips, point_policy="follow_mouse")

    def _arrows(self, at: dict[str, int]) -> dict[str, np.ndarray]:
        """Where arrows begin and end; `child` is the number of the task that one leads to."""
        number = {task.id: index for index, task in enumerate(self.tasks)}
        pairs = [
            (number[a], number[b], None) for a, b in self.arrows if a in number and b in number
        ]
        if self.whole:
            pairs += [
                (parent, index, self.tasks[index].submitted)
                for index, parent in enumerate(observe.parents(self.tasks))
                if parent is not None
            ]
        ends = []
        for one, other, moment in pairs:
            source, target = self.tasks[one], self.tasks[other]
            leaves = source.end if moment is None else min(max(moment, source.start), source.end)
            ends.append(
                (leaves, at[self.row(source)], target.start, at[self.row(target)], one, other)
            )
        names = ("x0", "y0", "x1", "y1", "parent", "child")
        return dict(zip(names, np.array(ends, dtype=float).reshape(-1, 6).T, strict=True))

    def _controlled(self, plot, source, shown, arrows, drawn) -> LayoutDOM:
        """The plot with fields that filter its tasks, and a text about the range that is picked."""
        name = TextInput(title="name", placeholder="a part of it", width=220)
        states = sorted({task.state for task in self.tasks})
        chosen = Select(title="state", options=[ALL_STATES, *states], value=ALL_STATES, width=150)
        told = PreText()
        code = CustomJS(
            args={
                "source": source,
                "shown": shown,
                "arrows": arrows,
                "drawn": drawn,
                "name": name,
                "state": chosen,
                "all_states": ALL_STATES,
                "most": MOST_ARROWS,
                "told": told,
            },
            code=_javascript("filter"),
        )
        name.js_on_change("value_input", code)
        chosen.js_on_change("value", code)
        pick_range = BoxSelectTool(dimensions="width")
        plot.add_tools(pick_range)
        plot.toolbar.active_drag = pick_range
        args = {"source": source, "shown": shown, "told": told, "arrows": arrows, "drawn": drawn}
        pick = CustomJS(args=args, code=_javascript("pick"))
        plot.js_on_event("selectiongeometry", pick)
        plot.js_on_event("tap", pick)
        return column(plot, row(name, chosen), told, sizing_mode="stretch_width")


def _javascript(name: str) -> str:
    return Path(__file__).with_name(f"timeline_{name}.js").read_text(encoding="utf-8")


def task_timeline(
    tasks: Sequence[Task] | None = None,
    title: str = "",
    arrows: Iterable[tuple] = (),
    all_jobs: bool = False,
    **look,
) -> Timeline:
    """When each task ran, a row a worker: zoom, hover, filter, pick a range. `ui.task_timeline()`

    Args:
        tasks: what `observe.tasks` collected, or part of it; by default all that Ray tells of.
        title: what the reader should see.
        arrows: pairs of refs or task ids; from the end of the first task to the start of the other.
        all_jobs: with no `tasks`, take those of others too, not only those of this notebook.
        look: how `tasks` are drawn, `row`, `label`, `phases`, `legend` or `line`: see `Timeline`.

    With no `tasks` it draws all of the job with their phases, rows grouped by node, arrows from
    who submitted to what was submitted, and fields to filter by; what still runs is pale. Of more
    than 10,000 tasks Ray tells of 10,000; the title says so.
    """
    if tasks is not None:
        pairs = [(_task_id(one), _task_id(other)) for one, other in arrows]
        return Timeline(tasks, title, arrows=pairs, **look)
    try:
        rows = state.tasks(all_jobs)
    except Unavailable as error:
        return Timeline([], str(error))
    begun = [one for one in rows if one.start_time_ms and one.creation_time_ms]
    began = min((one.creation_time_ms for one in begun), default=0) / 1000
    ran = [_until_now(observe.as_task(one, began), time.time() - began) for one in begun]
    # Of an actor's creation Ray does not tell the node; its calls' will do.
    nodes = {(task.actor, task.worker): task.node for task in ran if task.node}
    ran = [
        dataclasses.replace(task, node=task.node or nodes.get((task.actor, task.worker), ""))
        for task in ran
    ]
    ran.sort(key=lambda task: (task.node, task.start))
    return Timeline(ran, title or _account(rows, ran), _worker_of(ran), phases=True, whole=True)


def lives(tasks: Sequence[Task], title: str = "") -> Timeline:
    """A tree of actors and their lives, a row a member, a bar a life. `ui.lives(ran, "Title")`

    Args:
        tasks: the calls that last as long as their actors live, from `observe.tasks`. All lives of
            a member bear its name; who called it is its parent.
        title: what the reader should see.
    """
    calls = {task.actor: task for task in tasks}

    def path(task: Task) -> tuple[str, ...]:
        caller = calls.get(task.parent[16:])  # the ids of actors' tasks end with the actor's id
        return (*path(caller), task.name) if caller else (task.name,)

    lived: dict[tuple[str, ...], list[Task]] = {}
    for task in sorted(tasks, key=lambda task: task.submitted):
        lived.setdefault(path(task), []).append(task)
    rows: dict[tuple[str, ...], str] = {}

    def place(parent: tuple[str, ...], indent: str) -> None:
        children = [member for member in lived if member[:-1] == parent]
        for child in children:
            last = child == children[-1]
            branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
            rows[child] = indent + branch + child[-1] if parent else child[-1]
            place(child, indent + below if parent else "")

    place((), "")
    longest = max(map(len, rows.values()), default=0)
    # Rows of the same text in two branches differ in something that is not seen.
    texts = {
        member: text.replace(" ", NO_BREAK).ljust(longest, NO_BREAK) + UNSEEN * number
        for number, (member, text) in enumerate(rows.items())
    }
    number = {task.id: i for ran in lived.values() for i, task in enumerate(ran, start=1)}
    return task_timeline(
        [task for member in rows for task in lived[member]],
        title,
        row=lambda task: texts[path(task)],
        label=lambda task: f"life {number[task.id]}",
        legend=False,
    )


def _until_now(task: Task, now: float) -> Task:
    if task.state in ("FINISHED", "FAILED"):
        return task
    return dataclasses.replace(task, end=now, computed=now)


def _worker_of(tasks: Sequence[Task]) -> Callable[[Task], str]:
    """Names a task's row: its node, where there are several, the actor's class and the process."""
    several = len({task.node for task in tasks if task.node}) > 1
    classes = {
        (task.node, task.worker): task.name.partition(".")[0] for task in tasks if task.actor
    }

    def name(task: Task) -> str:
        node = f"{task.node[:6]} · " if several else ""
        return f"{node}{classes.get((task.node, task.worker), 'process')} {task.worker or '?'}"

    return name


def _account(rows: list, ran: list[Task]) -> str:
    if not rows:
        return "No task has run here yet."
    workers = len({(task.node, task.worker) for task in ran})
    said = f"{len(ran):,} tasks on {workers} workers, {observe.overlap(ran):.1f} at once"
    if waiting := len(rows) - len(ran):
        said += f"; {waiting:,} have not begun"
    if len(rows) >= MOST_ROWS:
        said += f". Ray tells of {MOST_ROWS:,}; there are more"
    return said


def _task_id(end) -> str:
    return end if isinstance(end, str) else end.task_id().hex()


_carrier: list[str | None] = []  # the cell whose output holds Bokeh's script for this notebook


def _library() -> str:
    """Bokeh's script, for the first timeline of a notebook and whenever its cell runs again."""
    shell = get_ipython()
    cell = shell.get_parent().get("metadata", {}).get("cellId") if shell else None
    if _carrier and (cell is None or cell != _carrier[0]):
        return ""
    _carrier[:] = [cell]
    return Resources(mode="inline", components=["bokeh", "bokeh-widgets"]).render_js()
