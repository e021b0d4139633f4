"""Eight kernels at once on one Ray: all start, and one that never pauses leaves room for all."""

import asyncio

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import paths
from launch import apart, session

LAB = paths.NOTEBOOKS / "00_start_here.ipynb"
LEARNERS, LIMIT_S = 7, 300
FLOOD = """
import time

import ray

ray.init(logging_level="error", log_to_driver=False)


@ray.remote
def greedy():
    time.sleep(0.1)


refs = [greedy.remote() for _ in range(50_000)]
ray.wait(refs, num_returns=20)
"""
TO_THE_END = "ray.get(refs)"


def execution(notebook, **hooks) -> asyncio.Task:
    resources = {"metadata": {"path": str(paths.NOTEBOOKS)}}
    limits = {"timeout": LIMIT_S, "startup_timeout": 120}
    client = NotebookClient(notebook, resources=resources, **limits, **hooks)
    return asyncio.create_task(client.async_execute())


async def run_beside_a_flood() -> tuple[int, bool]:
    """Run the lab in seven kernels while an eighth has tasks for every core.

    Returns how many had not come to the lab's end at the limit, and whether the eighth still had
    tasks when the others were done. Raises what a kernel raised.
    """
    cells = [nbformat.v4.new_code_cell(source) for source in (FLOOD, TO_THE_END)]
    rising = asyncio.Event()
    flood = execution(
        nbformat.v4.new_notebook(cells=cells), on_cell_executed=lambda **_: rising.set()
    )
    risen = asyncio.create_task(rising.wait())
    await asyncio.wait([flood, risen], return_when=asyncio.FIRST_COMPLETED)
    labs = [execution(nbformat.read(LAB, 4)) for _ in range(LEARNERS)]
    try:
        _, waiting = await asyncio.wait(labs, timeout=LIMIT_S, return_when=asyncio.FIRST_EXCEPTION)
        for kernel in (flood, *labs):
            if kernel.done():
                kernel.result()
        return len(waiting), not flood.done()
    finally:
        running = (flood, risen, *labs)
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@pytest.fixture
def new_ray(monkeypatch):
    """A Ray on which nothing has run: only there do functions of several programs take turns.

    Ray 2.60 goes on counting a task whose program ended before it, as if it held a core. Two of
    these, and a function may have to wait until another's flood is over.
    """
    with apart.state(), session.start(say=lambda _: None) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield


def test_a_flood_of_one_kernel_leaves_room_for_seven(new_ray):
    waiting, flooded = asyncio.run(run_beside_a_flood())
    assert not waiting, f"{waiting} of {LEARNERS} labs had not ended after {LIMIT_S} s"
    assert flooded, "the flood ended first: it shows nothing"
