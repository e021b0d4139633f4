"""What the views say where Ray cannot be asked, and that they work through Ray Client."""

import os
import subprocess
import sys

import pytest
from ray.util.state import list_tasks

from helpers import paths
from helpers.ui import state
from launch import session

THROUGH_CLIENT = """
import sys, time, ray
deadline = time.monotonic() + 60
while not ray.is_initialized():
    try:
        ray.init(sys.argv[1], logging_level="error", log_to_driver=False)
    except ConnectionError:  # Ray's proxy may look at the server that it forks before it is one
        if time.monotonic() > deadline:
            raise
from helpers import ui

@ray.remote
def leaf():
    return bytes(2_000_000)

@ray.remote(num_cpus=0)
class Keeper:
    def keep(self): ...

keeper = Keeper.remote()
ref = leaf.remote()
ray.get([ref, keeper.keep.remote()])
for view in (ui.task_timeline(), ui.task_completion_time_distribution(), ui.object_search_bar(ref),
             ui.task_search_bar("leaf"), ui.cluster_usage(), ui.actor_tree()):
    print(repr(view))
"""


def test_a_dashboard_that_does_not_answer(ray, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)  # it would win over the address below

    def look(address):
        return list_tasks(address="http://127.0.0.1:9")  # nothing listens there

    with pytest.raises(state.Unavailable, match=r"^Ray's dashboard does not answer"):
        state.ask(look)


def test_ray_that_was_killed(ray, monkeypatch):
    class Context:
        gcs_address = "127.0.0.1:9"

    monkeypatch.setattr(state, "get_runtime_context", Context)
    with pytest.raises(state.Unavailable, match=r"^Ray has ended"):
        state.connected()


def test_another_ray_is_not_asked_for_this_one(ray, monkeypatch):
    own = state.connected()
    monkeypatch.setenv("RAY_ADDRESS", own.replace("127.0.0.1", "localhost"))
    assert state.connected() == own
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(state.Unavailable, match="RAY_ADDRESS names"):
        state.connected()


def test_through_ray_client(course):
    running = session.find(say=lambda _: None)
    if running is None:
        pytest.skip("the tests joined a Ray whose ports are not known")
    done = subprocess.run(
        [sys.executable, "-c", THROUGH_CLIENT, f"ray://127.0.0.1:{running.ports['client']}"],
        cwd=paths.ROOT,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for said in ("leaf  ", "2 MB", "1 found: 1 FINISHED", "1 node", "Keeper  "):
        assert said in done.stdout, done.stdout
