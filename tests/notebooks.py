"""The labs as the tests see them: cells, exercises, solutions."""

import json
import re
import symtable
from collections.abc import Iterable, Iterator
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


def needed(lab: str, sources: Iterable[str]) -> list[int]:
    """Which code cells of a lab must have run before the code in `sources` can run there.

    These are those up to the first `ray.init()`, those with the tag `exercises-need`, and, followed
    backwards, all that bind a name that is used later. The cells of exercises are left out.

    Returns their places in the notebook, in its order.
    """
    cells = read(lab)["cells"]
    theirs = {place for one in exercises(lab) for place in (one.index, one.index + 1)}
    code = [place for place, cell in enumerate(cells) if cell["cell_type"] == "code"]
    start = next(place for place in code if "ray.init(" in cells[place]["source"])
    used = set().union(*(_names(source)[1] for source in sources))
    found = []
    for place in reversed([place for place in code if place not in theirs]):
        bound, uses = _names(cells[place]["source"])
        tagged = "exercises-need" in cells[place]["metadata"].get("tags", [])
        if place <= start or tagged or bound & used:
            found.append(place)
            used |= uses
    return found[::-1]


def _names(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell binds, and those of the notebook's that it uses, also in functions."""
    cell = symtable.symtable(source, "cell", "exec")
    bound = {
        symbol.get_name()
        for symbol in cell.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    used = {
        symbol.get_name()
        for table in _tables(cell)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table is cell or symbol.is_global())
    }
    return bound, used


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _tables(inner)
