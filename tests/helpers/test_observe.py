"""The observer tells what Ray ran, and the pictures of it show what they say."""

import os
import sys
import threading
import time
import uuid

import pytest
from ray import cloudpickle
from ray.util.state import list_tasks

from checks import engine
from helpers import observe, plots
from helpers.observe import Task

# As if the functions below stood in a notebook: workers get them by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def leaf(x):
    return x


def test_tells_every_task_with_its_phases_and_its_parent(ray):
    inner = ray.remote(leaf)

    @ray.remote
    def outer():
        return ray.get([inner.remote(x) for x in range(2)])

    ray.get(inner.remote(0))  # before the block, so not part of it
    with observe.tasks() as ran:
        ref = outer.remote()
        ray.get(ref)
    by_name = {name: [task for task in ran if task.name == name] for name in ("outer", "leaf")}
    assert len(ran) == 3
    [parent] = by_name["outer"]
    assert parent.id == ref.task_id().hex()
    assert [task.parent for task in by_name["leaf"]] == [parent.id] * 2
    for task in ran:
        assert 0 <= task.submitted <= task.start <= task.fetched <= task.computed <= task.end
        assert task.state == "FINISHED" and task.worker and not task.error


def test_keeps_the_names_that_are_asked_for(ray):
    @ray.remote
    class Box:
        def open(self):
            return "empty"

    with observe.tasks("Box.open", "lid") as ran:
        box = Box.remote()
        ray.get([box.open.remote(), box.open.options(name="lid").remote()])
    assert [task.name for task in ran] == ["Box.open", "lid"]
    assert len({task.actor for task in ran}) == 1


def test_tells_failures_and_attempts(ray):
    @ray.remote
    def raises():
        raise ValueError("wrong")

    @ray.remote(max_retries=1)
    def dies():
        os._exit(1)

    with observe.tasks() as ran:
        for function in (raises, dies):
            with pytest.raises(ray.exceptions.RayError):
                ray.get(function.remote())
    told = [(task.name, task.attempt, task.state) for task in ran]
    assert told == [("raises", 0, "FAILED"), ("dies", 0, "FAILED"), ("dies", 1, "FAILED")]
    assert {task.error for task in ran} == {"TASK_EXECUTION_EXCEPTION", "WORKER_DIED"}


def test_says_who_has_not_ended(ray, monkeypatch):
    monkeypatch.setattr(observe, "REPORT_LIMIT_S", 2)

    @ray.remote(num_cpus=0)
    def never():
        threading.Event().wait()

    gcs = ray.get_runtime_context().gcs_address
    with pytest.raises(TimeoutError, match="the end of never"), observe.tasks():
        ref = never.remote()
        deadline = time.monotonic() + 60
        while not list_tasks(address=gcs, filters=[("task_id", "=", ref.task_id().hex())]):
            assert time.monotonic() < deadline, "Ray does not know of it"
            time.sleep(0.05)
    ray.cancel(ref, force=True)


def test_an_error_in_the_block_is_passed_on_at_once(ray):
    with pytest.raises(KeyError), observe.tasks() as ran:
        raise KeyError
    assert ran == []


def test_tells_actors_and_their_processes_dead_ones_included(ray):
    @ray.remote(num_cpus=0)
    class Passing:
        def process(self):
            return os.getpid()

    name = f"passing {uuid.uuid4()}"
    actor = Passing.options(name=name).remote()
    process = ray.get(actor.process.remote())
    [row] = observe.actors(name=name, state="ALIVE")
    assert (row.state, row.pid) == ("ALIVE", process)

    engine.kill_process(row)
    with pytest.raises(ray.exceptions.ActorDiedError):
        ray.get(actor.process.remote())
    deadline = time.monotonic() + 30
    while observe.actors(name=name, state="DEAD") == [] and time.monotonic() < deadline:
        time.sleep(0.05)
    [row] = observe.actors(name=name)
    assert row.state == "DEAD"
    with pytest.raises(ValueError, match="is DEAD"):
        engine.kill_process(row)


def test_overlap_is_the_average_number_at_once():
    one, two = Task("f", 1, 0, 2), Task("f", 2, 0, 2)
    after = Task("f", 1, 5, 7)
    assert observe.overlap([one, after]) == 1
    assert observe.overlap([one, two]) == 2
    assert observe.overlap([one, two, after]) == 1.5
    assert observe.overlap([]) == 0


def test_tree_places_children_under_their_parent():
    _, axis = plots.figure()
    plots.tree({"root": None, "a": "root", "b": "root"}, "A title", {"b": plots.RED}, axis)
    places = {text.get_text(): text.get_position() for text in axis.texts}
    assert places == {"root": (0.5, 0), "a": (0.0, 1), "b": (1.0, 1)}
    colours = {text.get_text(): text.get_bbox_patch().get_edgecolor() for text in axis.texts}
    assert colours["b"] != colours["a"] == colours["root"]


def test_a_family_has_a_cross_a_copy_and_a_green_line_along_a_path():
    exploits = [(2, "b", "a"), (4, "c", "b")]
    _, axis = plots.figure()
    plots.family(exploits, "abc", 8, "A title", [(0, "a"), (2, "b"), (4, "c")], axis)
    crosses = [line.get_xydata().tolist() for line in axis.lines if line.get_marker() == "X"]
    assert crosses == [[[2, 1]], [[4, 2]]]
    green = [line for line in axis.lines if line.get_color() == plots.GREEN]
    along = [line.get_xydata().tolist() for line in green if line.get_linewidth() == 5]
    assert along == [[[0, 0], [2, 0]], [[2, 1], [4, 1]], [[4, 2], [8, 2]]]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b", "c"]
