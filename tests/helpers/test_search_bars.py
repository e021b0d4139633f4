"""The search bars on live data: what is found, why a task waits, and that nothing is HTML."""

import re
import threading
import time

import pytest

from helpers import observe, ui

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def ran(ray):
    """Refs and tasks of every kind that the bars must tell of."""

    @ray.remote
    def leaf(x):
        print("a line of the log")
        return bytes(x)

    @ray.remote
    def root():
        return ray.get([leaf.remote(2_000_000) for _ in range(2)])[0]

    @ray.remote(max_retries=0)
    def fails():
        raise ValueError(f"<script>alert('{EVIL}')</script>")

    with observe.tasks():  # it ends when Ray has told of all
        evil = leaf.options(name=EVIL).remote(1)
        refs = {"root": root.remote(), "evil": evil, "fails": fails.remote()}
        ray.wait(list(refs.values()), num_returns=3, fetch_local=False)
    return refs


def text(bar) -> str:
    return repr(bar)


def found_waiting(ref, why: str) -> str:
    """What is found once Ray has told that the task waits, and why; its events come late."""
    deadline = time.monotonic() + 30
    while why not in (said := text(ui.task_search_bar(ref.task_id().hex()))):
        assert time.monotonic() < deadline, said
    return said


def test_a_task_by_its_id(ran):
    bar = ui.task_search_bar(ran["root"].task_id().hex())
    said = text(bar)
    assert said.startswith("root  FINISHED")
    assert re.search(r"where +process \d+ on node [0-9a-f]{8}", said)
    assert re.search(r"asks for +1 CPU", said)
    assert re.search(r"\d s +run", said) and "RUNNING" in said
    assert re.search(r"parent +the driver", said)
    assert [button.description for button in bar.links.children] == ["its children"]


def test_a_link_leads_on_and_back(ran):
    bar = ui.task_search_bar(ran["root"].task_id().hex())
    bar.links.children[0].click()
    assert text(bar).startswith("2 found: 2 FINISHED")
    bar.links.children[0].click()
    assert text(bar).startswith("leaf  FINISHED")
    assert re.search(r"log +a line of the log", text(bar))
    [back] = [button for button in bar.links.children if button.description == "parent root"]
    back.click()
    assert text(bar).startswith("root  FINISHED")


def test_tasks_by_a_part_of_their_name(ran):
    bar = ui.task_search_bar("oot")
    assert re.match(r"1 found: 1 FINISHED", text(bar))
    assert text(ui.task_search_bar("no such")).startswith("No task of this notebook is found")


def test_an_object_by_its_ref_and_its_task(ran):
    bar = ui.object_search_bar(ran["root"])
    assert text(bar).startswith("2 MB")
    assert re.search(r"local reference +process \d+ on 127.0.0.1 \(driver\)", text(bar))
    bar.links.children[0].click()
    assert text(bar).startswith("root  FINISHED")
    assert text(ui.object_search_bar(str(ran["root"]))).startswith("2 MB")


def test_an_object_that_ray_put_made(ray):
    ref = ray.put(bytes(3_000_000))
    said = text(ui.object_search_bar(ref))
    assert said.startswith("3 MB")
    assert "ray.put in a driver" in said and "task behind" not in said


def test_a_call_waits_its_turn_at_a_busy_actor(ray):
    @ray.remote(num_cpus=0)
    class Busy:
        def wait(self):
            threading.Event().wait()

    actor = Busy.remote()
    _, second = actor.wait.remote(), actor.wait.remote()
    said = found_waiting(second, "it waits its turn")
    assert said.startswith("Busy.wait ")
    ray.kill(actor)


def test_a_task_waits_for_its_argument(ray):
    @ray.remote(num_cpus=0)
    def never():
        threading.Event().wait()

    @ray.remote
    def after(_): ...

    first = never.remote()
    found_waiting(after.remote(first), "waits for its arguments")
    ray.cancel(first, force=True)


def test_an_object_that_nobody_holds(ray):
    gone = ray.put(b"x").hex()
    assert "Nobody holds" in text(ui.object_search_bar(gone))


def test_names_and_errors_are_shown_as_text(ran):
    for name in ("evil", "fails"):
        bar = ui.task_search_bar(ran[name].task_id().hex())
        shown = bar.found.value
        assert "<img" not in shown and "<script" not in shown
        assert "&lt;" in shown


def test_it_says_why_a_task_waits(ray):
    @ray.remote(resources={"moon": 1})
    def flight(): ...

    ref = flight.remote()
    found_waiting(ref, "asks for 1 moon, and no node has more than 0: it will wait until one")
    ray.cancel(ref)


def test_it_says_in_a_sentence_that_ray_is_not_there(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert text(ui.task_search_bar("f")).startswith("Ray is not running in this notebook")
