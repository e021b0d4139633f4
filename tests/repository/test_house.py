"""Imports go one way: notebooks and terminals use checks and launch, and these use helpers."""

import ast

import pytest

from helpers import paths

MAY_USE = {"helpers": {"helpers"}, "checks": {"checks", "helpers"}, "launch": {"launch", "helpers"}}


@pytest.mark.parametrize("package", MAY_USE)
def test_imports_go_one_way(package):
    for file in (paths.ROOT / package).rglob("*.py"):
        used = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                used.add(node.module.partition(".")[0])
        assert used & {*MAY_USE, "tests", "benchmarks"} <= MAY_USE[package], file
