"""The sentences that a check can say, read from its source."""

import ast
import re
from collections.abc import Iterator

from helpers import paths

LEAST_WORDS = 5


def sentences(lab: str) -> dict[str, re.Pattern]:
    """What the checks of a lab can say: each text with {} for what is filled in, and its pattern.

    A sentence has five words or more and ends like one. What is not said, as a query or the title
    of a picture, does not.
    """
    source = (paths.ROOT / "checks" / f"{lab[3:]}.py").read_text(encoding="utf-8")
    return {
        text: pattern
        for text, pattern in map(_template, _strings(ast.parse(source)))
        if len(text.split()) >= LEAST_WORDS and text.rstrip()[-1] in ".?!"
    }


def _strings(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """All strings below this node but docstrings; of an f-string the whole."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func) == "CannotJudge":
            continue  # of the machine, not of an answer
        if isinstance(child, ast.JoinedStr):
            yield child
        elif isinstance(child, ast.Constant):
            if isinstance(child.value, str):
                yield child
        else:
            yield from _strings(child)


def _template(string: ast.Constant | ast.JoinedStr) -> tuple[str, re.Pattern]:
    parts = string.values if isinstance(string, ast.JoinedStr) else [string]
    texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    text = "".join("{}" if one is None else one for one in texts)
    pattern = "".join(".*?" if one is None else re.escape(one) for one in texts)
    return text, re.compile(pattern, re.DOTALL)
