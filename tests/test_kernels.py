"""Eight kernels at once on one Ray: all start, and one that never pauses leaves room for all."""

import asyncio

import nbformat
from nbclient import NotebookClient

from helpers import paths

LAB = paths.NOTEBOOKS / "00_start_here.ipynb"
LEARNERS, LIMIT_S = 7, 300
FLOOD = """
import time

import ray

ray.init(logging_level="error", log_to_driver=False)


@ray.remote
def greedy():
    time.sleep(0.1)


ray.get([greedy.remote() for _ in range(50_000)])
"""


def execution(notebook):
    resources = {"metadata": {"path": str(paths.NOTEBOOKS)}}
    client = NotebookClient(notebook, timeout=LIMIT_S, startup_timeout=120, resources=resources)
    return asyncio.create_task(client.async_execute())


async def run_beside_a_flood() -> bool:
    """Run the lab in seven kernels while an eighth has tasks for every core.

    Returns whether that one still had some at the end. Raises what a lab raised, or TimeoutError.
    """
    flood = execution(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FLOOD)]))
    labs = [execution(nbformat.read(LAB, 4)) for _ in range(LEARNERS)]
    try:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*labs)
        return not flood.done()
    finally:
        for one in (flood, *labs):
            one.cancel()
        await asyncio.gather(flood, *labs, return_exceptions=True)


def test_a_flood_of_one_kernel_leaves_room_for_seven(course):
    assert asyncio.run(run_beside_a_flood())
