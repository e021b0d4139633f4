"""The timeline on live and on made-up tasks: what is drawn, what is escaped, what is saved."""

import json
import re
import time

import pytest
from bokeh.models import Arrow, HoverTool, Select, VSpan

from benchmarks import perfetto
from helpers import observe, ui
from helpers.observe import Task
from helpers.ui import timeline

EVIL = "</script><img src=x onerror=alert(1)>$$x$$"
TWO = [
    Task("load", 7, 0.0, 1.0, fetched=0.2, computed=0.9, id="a", node="n1"),
    Task("sort", 8, 1.5, 2.0, "FAILED", 0.5, 1.6, 1.9, id="b", parent="a", node="n2"),
]


def columns(drawn) -> dict:
    """What the bars of a timeline are drawn from."""
    return drawn._layout().renderers[0].data_source.data


def rows(drawn) -> list[str]:
    """The texts at the left, from top to bottom."""
    labels = drawn._layout().yaxis[0].major_label_overrides
    return [labels[y].text for y in sorted(labels)]


def test_a_row_a_process_a_label_a_bar_and_a_cross_a_failure():
    drawn = ui.task_timeline(TWO, "A title", arrows=[("a", "b")])
    assert rows(drawn) == ["process 7", "process 8"]
    assert columns(drawn)["label"] == ["load", "sort"]
    plot = drawn._layout()
    [crosses] = [one for one in plot.renderers if getattr(one.glyph, "marker", "") == "x"]
    assert crosses.view.filter.operands[1].booleans == [False, True]
    [arrow] = plot.select({"type": Arrow})
    ends = {name: list(numbers) for name, numbers in arrow.source.data.items()}
    assert ends == {"x0": [1], "y0": [0], "x1": [1.5], "y1": [1], "parent": [0], "child": [1]}


def test_the_mouse_is_told_of_waiting_only_where_ray_told():
    def tips(tasks):
        [hover] = ui.task_timeline(tasks)._layout().select({"type": HoverTool})
        return [name for name, _ in hover.tooltips]

    assert "waited" in tips(TWO)
    assert "waited" not in tips([Task("a", 1, 0, 1)])


def test_phases_and_a_line_are_drawn_when_they_are_asked_for():
    plain, full = ui.task_timeline(TWO), ui.task_timeline(TWO, phases=True, line=1.2)
    assert list(columns(plain)["fetched"]) == [0, 1.5]
    assert list(columns(full)["fetched"]) == [0.2, 1.6]
    assert not [one for one in plain._layout().renderers if isinstance(one.glyph, VSpan)]
    [line] = [one for one in full._layout().renderers if isinstance(one.glyph, VSpan)]
    assert list(line.data_source.data["x"]) == [1.2]


def test_a_label_that_does_not_fit_is_left_out():
    tasks = [Task("a long name of a short task", 1, 0, 0.01), Task("b", 1, 0.01, 1)]
    assert columns(ui.task_timeline(tasks))["label"] == ["", "b"]


def test_calls_that_ran_at_once_in_one_process_share_its_row():
    tasks = [Task("a", 1, 0, 2), Task("b", 1, 1, 3), Task("c", 1, 2, 3), Task("d", 2, 0, 3)]
    bars = columns(ui.task_timeline(tasks))
    assert list(bars["height"]) == pytest.approx([0.35, 0.35, 0.35, 0.7])
    assert list(bars["y"]) == pytest.approx([-0.175, 0.175, -0.175, 1.0])


def test_the_busiest_rows_are_drawn_when_there_are_very_many():
    many = [Task("f", worker, 0, 1 + worker / 1000) for worker in range(1, 1001)]
    drawn = ui.task_timeline(many, "Many")._repr_html_()
    assert "Many. Of 1,000 rows the 200 busiest are drawn" in drawn
    assert "process 1000" in drawn and "process 801" in drawn and "process 800" not in drawn


def test_an_arrow_begins_at_the_attempt_that_submitted():
    tasks = [
        Task("up", 1, 0, 1, "FAILED", id="a"),
        Task("up", 2, 5, 6, id="a", attempt=1),
        Task("down", 3, 0.6, 0.8, submitted=0.5, id="b", parent="a"),
        Task("down", 3, 5.6, 5.8, submitted=5.5, id="c", parent="a"),
    ]
    assert observe.parents(tasks) == [None, None, 0, 1]


def test_it_prints_what_it_would_draw():
    lines = repr(ui.task_timeline(TWO, "A title")).splitlines()
    assert lines[0] == "A title"
    assert re.search(r"load +1 from 0.000 s to 1.000 s, 1.0 at once", lines[1])
    assert lines[2].endswith("1 failed")


def test_names_are_shown_as_text():
    drawn = ui.task_timeline([Task(EVIL, 1, 0, 1, id="a"), Task("b", 1, 0, 1, id="b")], EVIL)
    timeline._carrier[:] = ["some other cell"]
    shown = drawn._repr_html_()
    head, _, script = shown.partition("<script")
    assert "<img" not in head and head.count("&lt;img") >= 3  # title, legend, spoken text
    assert "mathjax_ignore" in head, "JupyterLab sets formulas of what is between dollars"
    assert script.count("</script") == 1, "a name ends the script"


def test_bokehs_script_comes_once():
    timeline._carrier.clear()
    first, second = ui.task_timeline(TWO)._repr_html_(), ui.task_timeline(TWO)._repr_html_()
    assert len(first) > 1_000_000 > 100_000 > len(second)


def test_lives_draws_the_tree_that_was_seen():
    top, left, right = "t" * 32, "l" * 32, "r" * 32
    again = "q" * 32
    tasks = [
        Task("top", 1, 0, 9, actor=top, id="0" * 16 + top),
        Task("left", 2, 1, 9, actor=left, id="1" * 16 + left, parent="9" * 16 + top),
        Task("a", 3, 2, 4, "FAILED", 1, actor="a" * 32, id="2", parent="9" * 16 + left),
        Task("right", 4, 1, 3, "FAILED", 2, actor=right, id="3", parent="9" * 16 + top),
        Task("a", 5, 5, 9, "FINISHED", 4, actor="b" * 32, id="4", parent="9" * 16 + left),
        Task("right", 6, 5, 9, "FINISHED", 5, actor=again, id="5", parent="9" * 16 + top),
    ]
    drawn = ui.lives(tasks, "A title")
    seen = [row.replace("\u00a0", " ").rstrip(" \u200b") for row in rows(drawn)]
    assert seen == ["top", "├─ left", "│  └─ a", "└─ right"]
    assert columns(drawn)["label"] == ["life 1", "life 1", "life 1", "life 2", "life 1", "life 2"]


@pytest.fixture(scope="module")
def ran(ray):
    """A timeline of a parent with two children, one failure, and an actor."""

    @ray.remote
    def leaf():
        time.sleep(0.05)

    @ray.remote
    def root():
        ray.get([leaf.remote() for _ in range(2)])

    @ray.remote(max_retries=0)
    def fails():
        raise ValueError("wrong")

    @ray.remote(num_cpus=0)
    class Counter:
        def count(self): ...

    counter = Counter.remote()
    refs = [root.remote(), fails.remote(), counter.count.remote()]
    ray.wait(refs, num_returns=3)
    return ui.task_timeline()


def test_it_waits_until_ray_has_told_of_all(ran):
    names = sorted(task.name for task in ran.tasks)
    assert names == ["Counter.__init__", "Counter.count", "fails", "leaf", "leaf", "root"]
    assert {task.state for task in ran.tasks if task.name != "fails"} == {"FINISHED"}
    assert ran.title.startswith("6 tasks on ") and "have not begun" not in ran.title


def test_arrows_lead_from_who_submitted(ran):
    [arrow] = ran._layout().select({"type": Arrow})
    pairs = zip(arrow.source.data["parent"], arrow.source.data["child"], strict=True)
    names = [(ran.tasks[int(one)].name, ran.tasks[int(other)].name) for one, other in pairs]
    assert names == [("root", "leaf")] * 2


def test_rows_name_the_actor_and_states_can_be_chosen(ran):
    layout = ran._layout()
    [axis] = layout.children[0].yaxis
    labels = [label.text for label in axis.major_label_overrides.values()]
    assert any(label.startswith("Counter ") for label in labels)
    [states] = layout.select({"type": Select})
    assert states.options == ["all states", "FAILED", "FINISHED"]


def of_state(state: str, drawn) -> list[Task]:
    return [task for task in drawn.tasks if task.state == state]


def test_what_runs_and_what_waits_is_told(ray):
    @ray.remote(num_cpus=0)
    class Gate:
        def open(self): ...

    @ray.remote(resources={"moon": 1})
    def flight(): ...

    @ray.remote(num_cpus=0)
    def hold():
        while True:
            time.sleep(0.01)

    held, waiting = hold.remote(), flight.remote()
    ray.get(Gate.remote().open.remote())
    deadline = time.monotonic() + 30
    while not (running := of_state("RUNNING", seen := ui.task_timeline())):
        assert time.monotonic() < deadline, repr(seen)
    assert [task.name for task in running] == ["hold"]
    assert running[0].end > running[0].start
    assert "; 1 have not begun" in seen.title
    ray.cancel(held, force=True)
    ray.cancel(waiting)


def test_the_trace_has_every_task_its_phases_and_who_submitted_it(tmp_path):
    file = ui.task_timeline(TWO).save(tmp_path / "t.json")
    events = json.loads(file.read_text())["traceEvents"]
    spans = [one for one in events if one["ph"] == "X"]
    assert [(one["name"], one["ts"], one["dur"]) for one in spans[:4]] == [
        ("load", 0, 1_000_000),
        ("fetch arguments", 0, 200_000),
        ("run", 200_000, 700_000),
        ("store the result", 900_000, 100_000),
    ]
    assert {(one["pid"], one["tid"]) for one in spans} == {(1, 1), (2, 2)}
    [leaves] = [one for one in events if one["ph"] == "s"]
    [comes] = [one for one in events if one["ph"] == "f"]
    assert (leaves["ts"], leaves["pid"]) == (499_999, 1), "when it was submitted, in its parent"
    assert (comes["ts"], comes["pid"]) == (1_500_000, 2)
    assert leaves["id"] == comes["id"]


@pytest.mark.skipif(perfetto.CHROMIUM is None, reason="no Chromium is installed")
def test_perfetto_reads_the_trace(tmp_path):
    at_once = Task("<b>é</b>", 7, 0.5, 3.0, "FINISHED", 0.1, 0.6, 2.9, id="c", node="n1")
    file = ui.task_timeline([*TWO, at_once]).save(tmp_path / "t.json")
    with perfetto.opened(file) as query:
        assert query("select name, ts, dur from slice where category = 'task' order by ts") == [
            ["load", 0, 1_000_000_000],
            ["<b>é</b>", 500_000_000, 2_500_000_000],
            ["sort", 1_500_000_000, 500_000_000],
        ]
        assert query("select name from process where name is not null order by name") == [
            ["node n1"],
            ["node n2"],
        ]
        assert query("select count(*) from flow") == [[1]]
        assert not query(
            "select name from stats where severity in ('error', 'data_loss') and value > 0"
        )


def test_it_says_in_a_sentence_that_ray_is_not_there(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert repr(ui.task_timeline()).startswith("Ray is not running in this notebook")
