"""Run lab 08 on the cluster of `tests.support.hosts`, and lose a host in its long sweep."""

import threading

import nbformat
import ray
from nbclient import NotebookClient
from ray.util.state import list_actors

from helpers import paths
from tests.support.hosts import OTHERS

LAB = paths.NOTEBOOKS / "08_tune_mnist_sweep.ipynb"
SWEEP, ACCOUNT = "minute", "account"  # cells of the lab
LOST = OTHERS[-1]


def alive() -> dict[str, str]:
    """The addresses of the hosts that Ray counts as alive, by the node's id."""
    return {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}


def lose_when_it_works(over: threading.Event) -> None:
    """Ask for the end of the host as soon as a trial works there, and see that Ray noticed."""
    [lost] = [node for node, address in alive().items() if address == LOST]
    while not list_actors(filters=[("state", "=", "ALIVE"), ("node_id", "=", lost)]):
        if over.wait(0.2):
            raise RuntimeError("the sweep was over before a trial had worked on that host")
    print("end host", LOST.rpartition(".")[2], flush=True)
    while lost in alive():
        if over.wait(0.2):
            raise RuntimeError("the sweep was over before Ray had noticed")
    print("Ray has noticed, and the sweep goes on", flush=True)


def main() -> None:
    ray.init(logging_level="error", log_to_driver=False)
    notebook, over, problems = nbformat.read(LAB, 4), threading.Event(), []

    def watch():
        try:
            lose_when_it_works(over)
        except Exception as problem:
            problems.append(problem)

    def begun(cell, cell_index):
        if cell.id == SWEEP:
            threading.Thread(target=watch, daemon=True).start()

    def ended(cell, cell_index, **_):
        if cell.id == SWEEP:
            over.set()

    NotebookClient(
        notebook,
        timeout=600,
        resources={"metadata": {"path": str(paths.NOTEBOOKS)}},
        on_cell_start=begun,
        on_cell_executed=ended,
    ).execute()
    if problems:
        raise problems[0]
    [account] = [cell for cell in notebook.cells if cell.id == ACCOUNT]
    print("".join(output.get("text", "") for output in account.outputs))
    print("hosts left:", len(alive()))


if __name__ == "__main__":
    main()
