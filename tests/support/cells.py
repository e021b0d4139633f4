"""Which cells of a lab an exercise depends on."""

import symtable
from collections.abc import Iterable, Iterator

from helpers.labs import exercises, read


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
