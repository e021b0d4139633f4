"""The labs' form: sources only, the anatomy that every lab keeps, and a start with no Ray."""

import ast
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator

import nbformat
import pytest

from helpers import paths
from helpers.labs import NAMES, about, exercises, needing, read
from tests.support.environment import without_ray

STRIP = "jupyter nbconvert --clear-output --inplace notebooks/*.ipynb"


@pytest.mark.parametrize("lab", NAMES)
def test_holds_sources_only(lab):
    notebook = read(lab)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], f"outputs in {cell['id']}; remove them: {STRIP}"
            assert cell["execution_count"] is None, f"executed: {cell['id']}; clean it: {STRIP}"
        assert cell["metadata"].keys() <= {"tags"}, cell["id"]
    assert notebook["metadata"].keys() <= {"kernelspec", "execution", "ray_labs"}
    assert notebook["metadata"].get("ray_labs", {}).keys() <= about(lab).keys()
    assert notebook["metadata"]["kernelspec"]["name"] == "python3", "the name every Jupyter knows"


def _is_words(cell_id: str) -> bool:
    """Whether a person wrote it: words, some with a number, as pb2 or a2c; no eight hex digits."""
    words = all(re.fullmatch(r"[a-z]+\d{0,2}[a-z]?", word) for word in cell_id.split("-"))
    return words and not re.fullmatch(r"[0-9a-f]{8}", cell_id)


@pytest.mark.parametrize("lab", NAMES)
def test_cell_ids_are_unique_words(lab):
    ids = [cell["id"] for cell in read(lab)["cells"]]
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if not _is_words(one)] == [], "say in words what these cells are"


def test_an_id_that_a_machine_made_is_none_of_words():
    assert _is_words("pb2-run") and not any(
        _is_words(nbformat.v4.new_markdown_cell().id) or _is_words(str(uuid.uuid4()))
        for _ in range(1000)
    )


@pytest.mark.parametrize("lab", NAMES)
def test_anatomy(lab):
    cells = read(lab)["cells"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    opening = cells[0]["source"]
    assert opening.startswith(f"# {lab[:2]} · ")
    assert "You will be able to" in opening and "**Time:**" in opening
    if about(lab)["own_cluster"]:  # it starts before the lab joins it, and ends after it left
        assert "import ray" not in code[0]
        assert "ray.shutdown()\nclose_all()" in code[-1]
    else:
        assert code[0].startswith("import ray\n\nray.init(")
        assert code[-1].endswith("ray.shutdown()")
    assert "## What you saw" in cells[-2]["source"]
    for source in code:
        assert len(source.splitlines()) <= 26, f"longer than a screen:\n{source}"
        assert not re.search(r"^\s*[!%]|https?://(?!127\.0\.0\.1\b)", source, re.M), source
        for line in _sleeps(ast.parse(source).body):
            assert "#" in source.splitlines()[line - 1], (
                f"wait for a condition, or say why:\n{source}"
            )


def _sleeps(body: list[ast.stmt]) -> Iterator[int]:
    """The lines that only let time pass: neither in a function nor in a loop with a condition."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.While):
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sleep"):
            yield node.lineno
        yield from _sleeps(list(ast.iter_child_nodes(node)))


@pytest.mark.parametrize("lab", NAMES)
def test_exercises_keep_the_contract(lab):
    for exercise in exercises(lab):
        assert exercise.task.startswith("### Exercise:")
        assert "Done when" in exercise.task
        assert exercise.stub.endswith("..."), "dots stand for what is to be written"
        assert exercise.help.count("<details><summary>") == 3
        assert "<summary>Hint 1</summary>" in exercise.help
        assert "<summary>Hint 2</summary>" in exercise.help
        camel = exercise.name.title().replace("_", "")
        assert re.search(rf"(def {exercise.name}|class {camel})\b", exercise.solution)


@pytest.mark.parametrize("lab", NAMES)
def test_links_lead_somewhere(lab):
    for cell in read(lab)["cells"]:
        for target in re.findall(r"\]\(([^)#]+)", cell["source"]):
            if cell["cell_type"] == "markdown" and not target.startswith("http"):
                assert (paths.NOTEBOOKS / target).exists(), target


def test_a_lab_that_loads_mnist_says_that_it_needs_it():
    """The launcher reads it there, and tells those who have no MNIST which labs are left."""
    code = {
        lab: [c["source"] for c in read(lab)["cells"] if c["cell_type"] == "code"] for lab in NAMES
    }
    loading = [lab for lab in NAMES if any("mnist.load(" in source for source in code[lab])]
    assert loading and loading == needing("mnist")


def test_a_lab_starts_its_own_ray_where_there_is_none(tmp_path):
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute"]
    command += ["--output-dir", str(tmp_path), str(paths.NOTEBOOKS / "00_start_here.ipynb")]
    subprocess.run(command, env=without_ray(), check=True, timeout=300, capture_output=True)
    cells = json.loads((tmp_path / "00_start_here.ipynb").read_text())["cells"]
    printed = [
        "".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", [])
    ]
    assert any("Started a local Ray instance" in text for text in printed)
