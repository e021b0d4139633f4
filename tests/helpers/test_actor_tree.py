"""The tree of actors: on recorded rows, and on live Ray."""

import functools
import time
from collections import Counter
from types import SimpleNamespace as Row

import pytest
from ray.util.state import get_task, list_actors

from checks import engine
from helpers import observe, ui
from helpers.ui import actors
from helpers.ui.actors import Maker, TreeView, creation, lines, living, origin, tree
from tests.support import waiting

EVIL = "<img src=x onerror=alert(1)>"
SECONDS = 30
wait_until = functools.partial(waiting.wait_until, limit_s=SECONDS)
JOB = "02000000"
DRIVER = "f" * 40 + JOB


def actor_id(number):
    return f"{number:024x}{JOB}"


def actor(number, state="ALIVE", **fields):
    row = Row(actor_id=actor_id(number), class_name=f"A{number}", name="", job_id=JOB)
    row.state, row.num_restarts, row.pid, row.death_cause = state, 0, 1000 + number, None
    vars(row).update(fields)
    return row


def method(number):
    """The id of a task of an actor."""
    return f"{7:016x}{actor_id(number)}"


TASK = f"{9:016x}{'f' * 24}{JOB}"  # of no actor
MAKERS = {
    creation(actor_id(1)): Maker(DRIVER, "A1.__init__", 10),
    creation(actor_id(2)): Maker(creation(actor_id(1)), "A2.__init__", 30),
    creation(actor_id(3)): Maker(method(1), "A3.__init__", 20),
    creation(actor_id(4)): Maker(TASK, "A4.__init__", 40),
    creation(actor_id(5)): Maker(TASK, "A5.__init__", 50),
    TASK: Maker(method(3), "maker", 35),
}


def drawn(rows, makers=MAKERS):
    return [f"{line.lead}{line.branch.name}" for line in lines(tree(rows, makers, JOB))]


def test_where_actors_come_from():
    assert origin(actor_id(1), MAKERS) == ([], "", "")
    assert origin(actor_id(2), MAKERS) == ([], actor_id(1), "")
    assert origin(actor_id(3), MAKERS) == ([], actor_id(1), "")
    assert origin(actor_id(4), MAKERS) == ([TASK], actor_id(3), "")
    assert origin(actor_id(6), MAKERS) == ([], "", creation(actor_id(6)))
    half = {name: maker for name, maker in MAKERS.items() if name != TASK}
    assert origin(actor_id(4), half) == ([], "", TASK)


def test_who_made_whom():
    assert drawn([actor(number) for number in (5, 4, 3, 2, 1)]) == [
        "driver of this notebook",
        "└─ A1",
        "   ├─ A3",
        "   │  └─ maker (task)",
        "   │     ├─ A4",
        "   │     └─ A5",
        "   └─ A2",
    ]


def test_actors_of_other_jobs_have_drivers_of_their_own():
    other = actor(8, job_id="03000000")
    assert drawn([actor(1), other])[2:] == ["driver of job 03000000", "└─ A8"]


def test_an_actor_whose_maker_is_not_known_is_shown_all_the_same():
    assert drawn([actor(6)]) == ["driver of this notebook", "└─ A6"]
    assert drawn([actor(2)]) == ["driver of this notebook", "└─ A2"], "its maker is not listed"


def test_states_restarts_and_calls_are_told():
    rows = [actor(1, num_restarts=2), actor(2, "DEAD"), actor(3, "RESTARTING")]
    view = TreeView(tree(rows, MAKERS, JOB), Counter({actor_id(1): 3}))
    title, _, _, first, third, second = view.as_text().splitlines()
    assert title == "3 actors: 1 ALIVE, 1 RESTARTING, 1 DEAD; 3 calls pending"
    assert first.split() == ["└─", "A1", "ALIVE", "2", "1001", "3"]
    assert third.split()[-2:] == ["A3", "RESTARTING"]
    assert second.split()[-1] == "DEAD", "its process is gone"


def test_the_dead_are_left_out_where_there_are_many(monkeypatch):
    monkeypatch.setattr(actors, "SHOWN", 4)
    rows = [actor(1, "DEAD"), actor(2), *(actor(number, "DEAD") for number in range(10, 20))]
    view = TreeView(tree(rows, MAKERS, JOB), Counter())
    said = view.as_text()
    assert "A1" in said and "A2" in said, "A2 is alive and A1 has made it"
    assert "A10" not in said and "10 more are not shown" in said
    assert said.startswith("12 actors: 1 ALIVE, 11 DEAD")


def test_nobody_is_left_out_where_there_are_few():
    roots = tree([actor(1, "DEAD")], MAKERS, JOB)
    assert "A1" in TreeView(roots, Counter()).as_text()
    assert [line.branch.name for line in lines(living(roots))] == ["driver of this notebook"]


def test_there_is_no_actor():
    assert TreeView(tree([], {}, JOB), Counter()).as_text().startswith("No actor yet")


def test_names_are_shown_as_text():
    cause = {"actor_died_error_context": {"error_message": f'"{EVIL}'}}
    rows = [actor(1, name=EVIL), actor(2, "DEAD", class_name=EVIL, death_cause=cause)]
    makers = MAKERS | {creation(actor_id(1)): Maker(TASK, "x", 1), TASK: Maker(DRIVER, EVIL, 0)}
    shown = TreeView(tree(rows, makers, JOB), Counter()).as_html()
    assert shown.count("&lt;img") >= 4 and "<img" not in shown
    assert 'title="&quot;&lt;img' in shown


# --- on live Ray ---


@pytest.fixture
def classes(ray):
    @ray.remote(num_cpus=0, max_restarts=1)
    class Worker:
        def wait(self, seconds):
            time.sleep(seconds)

        def ready(self): ...

    @ray.remote(num_cpus=0)
    class Boss:
        def __init__(self):
            self.hired = [Worker.options(name="first").remote()]

        def hire(self):
            self.hired.append(Worker.options(name="second").remote())
            ray.get([one.ready.remote() for one in self.hired])
            return self.hired

    return Boss, Worker


def test_a_tree_two_levels_deep_and_a_restart(ray, classes):
    boss = classes[0].remote()
    first, _ = ray.get(boss.hire.remote())
    widget = ui.actor_tree()

    def shown():
        return [line.lead + line.branch.name for line in lines(widget.look().roots)]

    wait_until(shown, lambda lines: "   └─ Worker second" in lines)
    assert shown()[:4] == [
        "driver of this notebook",
        "└─ Boss",
        "   ├─ Worker first",
        "   └─ Worker second",
    ]

    def state():
        found = next(
            line.branch.actor
            for line in lines(widget.look().roots)
            if line.branch.name == "Worker first"
        )
        return found.state, int(found.num_restarts)

    assert state() == ("ALIVE", 0)
    ray.kill(first, no_restart=False)
    wait_until(state, lambda found: found == ("ALIVE", 1))
    ray.kill(first)
    wait_until(state, lambda found: found[0] == "DEAD")
    ray.kill(boss)


def test_an_actor_that_a_task_made(ray, classes):
    worker = classes[1]

    @ray.remote(num_cpus=0)
    def make():
        return worker.options(name="made").remote()

    made = ray.get(make.remote())
    widget = ui.actor_tree()
    wait_until(lambda: repr(widget), lambda said: "make (task)" in said)
    assert "Worker made" in repr(widget).partition("make (task)")[2]
    ray.kill(made)


def test_calls_are_pending_until_they_end(ray, classes):
    worker = classes[1].remote()
    worker.wait.remote(SECONDS)
    for _ in range(4):
        worker.ready.remote()
    widget = ui.actor_tree()

    def pending():
        return widget.look().pending[worker._actor_id.hex()]

    wait_until(pending, lambda count: count == 5)
    ray.kill(worker)
    wait_until(pending, lambda count: count == 0)


def test_what_an_exercises_check_started_is_not_shown(ray, classes):
    def answer():
        @ray.remote
        class OfACheck:
            def id(self):
                return ray.get_runtime_context().get_actor_id()

        @ray.remote
        def of_a_check(): ...

        actor = OfACheck.remote()
        number, _ = ray.get([actor.id.remote(), of_a_check.remote()])
        # What a process has not told Ray of its actors when it is ended, Ray never knows.
        address = ray.get_runtime_context().gcs_address
        while not get_task(creation(number), address=address):
            time.sleep(0.1)

    engine.run(answer, limit=SECONDS)
    mine = classes[1].options(name="mine").remote()
    ray.get(mine.ready.remote())
    everyone = [row.class_name for row in list_actors(detail=True)]
    assert any("OfACheck" in name for name in everyone)
    widget = ui.actor_tree()
    wait_until(
        lambda: widget.look().as_text(),
        lambda text: "Worker mine" in text and "OfACheck" not in text,
    )
    timeline = repr(ui.task_timeline())
    assert "Worker.ready" in timeline and "of_a_check" not in timeline
    assert "OfACheck" not in timeline and observe.CHECK not in timeline
