"""The labs as their notebooks hold them: cells, exercises, and what a lab needs."""

import json
import re
from typing import NamedTuple

from helpers import paths

NAMES = sorted(path.stem for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


class Exercise(NamedTuple):
    """The four cells of an exercise: where the code cell is, and what they hold."""

    name: str
    index: int
    task: str
    stub: str
    check: str
    help: str

    @property
    def solution(self) -> str:
        """The fenced code of the last <details>, which is the solution."""
        last = self.help.rpartition("<details>")[2]
        return re.search(r"<summary>Solution</summary>\s*```python\n(.*?)```", last, re.S)[1]


def read(lab: str) -> dict:
    """A lab's notebook as parsed JSON, every source as one string.

    Args:
        lab: its name, one of `NAMES`.
    """
    notebook = json.loads((paths.NOTEBOOKS / f"{lab}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def exercises(lab: str) -> list[Exercise]:
    """A lab's exercises, in its order: the cells around each one with the tag `exercise`."""
    cells = read(lab)["cells"]
    return [
        Exercise(
            re.search(r"check\.(\w+)\(", cells[index + 1]["source"])[1],
            index,
            *(cells[at]["source"] for at in range(index - 1, index + 3)),
        )
        for index, cell in enumerate(cells)
        if "exercise" in cell["metadata"].get("tags", [])
    ]


def about(lab: str) -> dict:
    """What a lab's notebook says about itself, under `ray_labs` in its metadata.

    Returns:
        needs: what the lab cannot do without, beside Ray: `mnist`, or the name of a program.
        core: whether it teaches Ray Core, whose exercises the tests answer in more ways.
        own_cluster: whether it starts a cluster of its own, and joins no other.
        hosts: whether it runs unchanged on a cluster of several hosts.
    """
    said = read(lab)["metadata"].get("ray_labs", {})
    return {"needs": [], "core": False, "own_cluster": False, "hosts": False} | said


def needing(what: str) -> list[str]:
    """The names of the labs that need this."""
    return [lab for lab in NAMES if what in about(lab)["needs"]]
