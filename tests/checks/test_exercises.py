"""Every exercise: its stub is not started, right answers are done, wrong ones are told apart.

The answers to a lab's exercises are played in one kernel, each followed by the check, after those
cells of the lab that they need. The solution is played last, with RAY_LABS_STRICT=1.

`make test` plays the stub, the first wrong answers and the solution of every exercise, `make
test-all` plays all answers and besides runs each lab solved from its top to its bottom. Only what
was asked for is played: `pytest -m "" -k "03_actors and tally"` takes seconds.
"""

import functools
import shutil
import time
from datetime import datetime

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import paths
from helpers.labs import NAMES, about, exercises, read
from tests.checks.answers import RIGHT, WRONG
from tests.checks.sentences import sentences
from tests.support.cells import needed

PLAYED = 2  # wrong answers of each exercise that `make test` plays
LIMIT_S = 1_800  # for one lab with all its answers; 5 minutes on two quiet cores
STRICT = "import os; os.environ['RAY_LABS_STRICT'] = '{}'"


def answers(lab: str, exercise) -> list[tuple[str, str, str]]:
    """All answers to an exercise in the order in which they are played: name, code, verdict."""
    return [
        ("the stub", exercise.stub, "not started"),
        *WRONG.get((lab, exercise.name), []),
        *((name, code, "done") for name, code in RIGHT.get((lab, exercise.name), [])),
        ("the solution", exercise.solution, "done"),
    ]


def rows():
    """What `test_verdict` is called with; what only `make test-all` plays is marked as slow."""
    for lab in NAMES:
        for exercise in exercises(lab):
            for place, (name, _, expected) in enumerate(answers(lab, exercise)):
                marks = [pytest.mark.slow] if place > PLAYED and name != "the solution" else []
                row = (lab, exercise.name, name, expected)
                yield pytest.param(*row, marks=marks, id="-".join(row[:3]).replace(" ", "-"))


@functools.cache
def play(lab: str, asked: frozenset[tuple[str, str]]) -> dict[tuple[str, str], tuple] | Exception:
    """For every (exercise, answer) the verdict's text and its seconds, or why the lab failed.

    A failure is returned, and so kept: a lab of minutes is not run again for each of its answers.
    """
    played, sources = {}, []
    for exercise in exercises(lab):
        cells = [_code(_imports(exercise.check))]  # later exercises use them
        for name, code, _ in answers(lab, exercise):
            if (exercise.name, name) not in asked:
                continue
            strict = name == "the solution"
            cells += [_code(STRICT.format(1))] if strict else []
            cells += [_code(code), _code(exercise.check, (exercise.name, name))]
            cells += [_code(STRICT.format(0))] if strict else []
            sources += [code, exercise.check]
        played[exercise.index] = cells
    whole = read(lab)
    kept = {place: [whole["cells"][place]] for place in needed(lab, sources)} | played
    cells = [cell for place in sorted(kept) for cell in kept[place]]
    try:
        done = _execute(lab, cells)
    except Exception as error:
        return error
    return {
        tuple(cell.metadata["answer"]): (_verdict(cell), _seconds(cell))
        for cell in done
        if "answer" in cell.metadata
    }


def verdicts(lab: str, asked: frozenset[tuple[str, str]]) -> dict[tuple[str, str], tuple]:
    """What `play` returned, or raised again if the lab failed."""
    played = play(lab, asked)
    if isinstance(played, Exception):
        raise played
    return played


def _imports(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if line.startswith(("from", "import")))


def _execute(lab: str, cells: list[dict]) -> list:
    """Run cells in a kernel of the lab's, and return them with their outputs."""
    notebook = nbformat.from_dict({**read(lab), "cells": cells})
    deadline = time.monotonic() + LIMIT_S

    def in_time(cell, cell_index):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{lab} ran for {LIMIT_S} s and had come to:\n{cell.source}")

    resources = {"metadata": {"path": str(paths.NOTEBOOKS)}}
    NotebookClient(notebook, timeout=300, resources=resources, on_cell_start=in_time).execute()
    return notebook.cells


def _verdict(cell) -> str:
    """The text of a check's verdict. Ray's own lines may be printed after it."""
    shown = [output["data"]["text/plain"] for output in cell.outputs if "data" in output]
    raised = [output["evalue"] for output in cell.outputs if output["output_type"] == "error"]
    assert shown or raised, f"no verdict for {cell.metadata['answer']}, but {cell.outputs}"
    return (shown or raised)[-1]


def _seconds(cell) -> float:
    """How long the kernel took for a cell."""
    times = cell.metadata["execution"]
    start, end = (times[f"iopub.status.{kind}"] for kind in ("busy", "idle"))
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _code(source: str, answer=None) -> dict:
    cell = nbformat.v4.new_code_cell(source)
    if answer:  # one that raises, as a solution that is not done does, is one failure and not all
        cell.metadata |= {"answer": list(answer), "tags": ["raises-exception"]}
    return cell


@pytest.fixture(scope="session")
def asked(request) -> dict[str, frozenset[tuple[str, str]]]:
    """The answers that this run of pytest was asked for: of each lab, (exercise, answer)."""
    chosen = [item.callspec.params for item in request.session.items if _is_answer(item)]
    return {
        lab: frozenset((one["exercise"], one["answer"]) for one in chosen if one["lab"] == lab)
        for lab in NAMES
    }


def _is_answer(item: pytest.Item) -> bool:
    return getattr(item, "originalname", None) == test_verdict.__name__


def _skip_where_it_cannot_be_judged(lab: str) -> None:
    if "prometheus" in about(lab)["needs"] and not shutil.which("prometheus"):
        pytest.skip(f"Prometheus is not installed, and lab {lab[:2]}'s checks judge with it")


@pytest.mark.parametrize(("lab", "exercise", "answer", "expected"), list(rows()))
def test_verdict(lab, exercise, answer, expected, asked, course, record_property):
    _skip_where_it_cannot_be_judged(lab)
    verdict, seconds = verdicts(lab, asked[lab])[exercise, answer]
    status, _, sentence = verdict.partition(": ")
    if answer == "the stub":
        assert status.endswith("not started")
        return
    record_property("verdict_s", seconds)
    record_property("verdict", verdict)
    if expected == "done":
        assert status.endswith("done"), verdict
    else:
        assert status.endswith("not yet"), verdict
        assert expected in sentence
        assert "Traceback" not in sentence


@pytest.mark.slow
@pytest.mark.parametrize("lab", NAMES)
def test_every_sentence_has_an_answer(lab, asked, course):
    """What no answer in the tests makes a check say may be wrong, or never said at all."""
    _skip_where_it_cannot_be_judged(lab)
    every = {(ex.name, name) for ex in exercises(lab) for name, *_ in answers(lab, ex)}
    if asked[lab] != every:
        pytest.skip(f"only some of lab {lab[:2]}'s answers are played in this run")
    said = "\n".join(verdict for verdict, _ in verdicts(lab, asked[lab]).values())
    assert [text for text, pattern in sentences(lab).items() if not pattern.search(said)] == []


@pytest.mark.slow
@pytest.mark.parametrize("lab", NAMES)
def test_solved_from_top_to_bottom(lab, course, monkeypatch):
    _skip_where_it_cannot_be_judged(lab)
    monkeypatch.setenv("RAY_LABS_STRICT", "1")
    cells = read(lab)["cells"]
    for exercise in exercises(lab):
        cells[exercise.index] = _code(exercise.solution)
    _execute(lab, cells)


@pytest.mark.parametrize("lab", NAMES)
def test_every_exercise_has_three_wrong_answers(lab):
    found = exercises(lab)
    assert found, "a lab without an exercise"
    for exercise in found:
        assert len(WRONG.get((lab, exercise.name), [])) >= 3, exercise.name


@pytest.mark.parametrize("lab", [lab for lab in NAMES if about(lab)["core"]])
def test_core_labs_have_four_wrong_answers_and_two_other_right_ones(lab):
    for exercise in exercises(lab):
        assert len(WRONG.get((lab, exercise.name), [])) >= 4, exercise.name
        assert len(RIGHT.get((lab, exercise.name), [])) >= 2, exercise.name


def test_no_row_is_left_over():
    known = {(lab, exercise.name) for lab in NAMES for exercise in exercises(lab)}
    assert WRONG.keys() | RIGHT.keys() <= known
