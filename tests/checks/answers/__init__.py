"""What learners write: a module a lab, named like the lab's check.

WRONG: for every exercise, answers that a learner really gives, each a short name, the code put in
place of the stub, and a part of the sentence that names this very mistake.
RIGHT: for every exercise, other right answers than the notebook's solution: a short name and the
code.
"""

from importlib import import_module

from helpers.labs import NAMES

_modules = {lab: import_module(f"tests.checks.answers.{lab[3:]}") for lab in NAMES}

WRONG: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    (lab, name): rows for lab, module in _modules.items() for name, rows in module.WRONG.items()
}
RIGHT: dict[tuple[str, str], list[tuple[str, str]]] = {
    (lab, name): rows for lab, module in _modules.items() for name, rows in module.RIGHT.items()
}
