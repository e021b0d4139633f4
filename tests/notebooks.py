"""The labs as the tests see them: cells, exercises, solutions."""

import json
import re
from typing import NamedTuple

from helpers import paths

LABS = sorted(path.stem for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
CORE = [lab for lab in LABS if "01" <= lab[:2] <= "04"]


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
    """A lab's notebook as parsed JSON, every source as one string."""
    notebook = json.loads((paths.NOTEBOOKS / f"{lab}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def exercises(lab: str) -> list[Exercise]:
    """A lab's exercises, in its order."""
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
