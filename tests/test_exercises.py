"""Every exercise: its stub is not started, right answers are done, wrong ones are told apart.

Each lab runs once, top to bottom, in a kernel of its own. At an exercise the stub, every wrong
answer, every other right answer and at last the solution take their turn, each followed by the
check; the solution runs with RAY_LABS_STRICT=1 and stays, so that this is also the run of the
solved lab.

Of the wrong answers the first three of each exercise are played, for an answer takes seconds. With
RAY_LABS_EVERY_ANSWER=1 all are: do so for a lab whose checks you have changed.
"""

import functools
import os
import shutil
import time

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import paths
from tests.answers import RIGHT, WRONG
from tests.notebooks import CORE, LABS, exercises, read

PLAYED = None if os.environ.get("RAY_LABS_EVERY_ANSWER") == "1" else 3


def wrong(lab: str, exercise: str) -> list[tuple[str, str, str]]:
    """The wrong answers to an exercise that are played: name, code, and what the verdict says."""
    return WRONG.get((lab, exercise), [])[:PLAYED]


ANSWERS = [
    (lab, exercise.name, name, expected)
    for lab in LABS
    for exercise in exercises(lab)
    for name, expected in [
        ("the stub", "not started"),
        *((name, sentence) for name, _, sentence in wrong(lab, exercise.name)),
        *((name, "done") for name, _ in RIGHT.get((lab, exercise.name), [])),
        ("the solution", "done"),
    ]
]
NEEDS = {"07_metrics": "prometheus"}  # programs that checks judge with
LIMIT_S = 1_200  # for one lab with all its answers; 5 minutes on two quiet cores
STRICT = "import os; os.environ['RAY_LABS_STRICT'] = '{}'"


@functools.cache
def play(lab: str) -> dict[tuple[str, str], str] | Exception:
    """The verdict's text for every (exercise, answer) of a lab, or why the lab failed.

    A failure is returned, and so kept: a lab of minutes is not run again for each of its answers.
    """
    cells = read(lab)["cells"]
    for exercise in reversed(exercises(lab)):
        answers = [("the stub", exercise.stub)]
        answers += [(name, code) for name, code, _ in wrong(lab, exercise.name)]
        answers += [*RIGHT.get((lab, exercise.name), []), ("the solution", exercise.solution)]
        played = []
        for name, code in answers:
            strict = STRICT.format(int(name == "the solution"))
            played += [_code(strict), _code(code), _code(exercise.check, (exercise.name, name))]
        cells[exercise.index : exercise.index + 2] = [*played, _code(STRICT.format(0))]
    notebook = nbformat.from_dict({**read(lab), "cells": cells})
    resources = {"metadata": {"path": str(paths.NOTEBOOKS)}}
    deadline = time.monotonic() + LIMIT_S

    def in_time(cell, cell_index):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{lab} ran for {LIMIT_S} s and had come to:\n{cell.source}")

    try:
        NotebookClient(notebook, timeout=300, resources=resources, on_cell_start=in_time).execute()
        return {
            tuple(cell.metadata["answer"]): _verdict(cell)
            for cell in notebook.cells
            if "answer" in cell.metadata
        }
    except Exception as error:
        return error


def _verdict(cell) -> str:
    """The text of a check's verdict. Ray's own lines may be printed after it."""
    shown = [output["data"]["text/plain"] for output in cell.outputs if "data" in output]
    assert shown, f"no verdict for {cell.metadata['answer']}, but {cell.outputs}"
    return shown[-1]


def _code(source: str, answer=None) -> dict:
    cell = nbformat.v4.new_code_cell(source)
    if answer:
        cell.metadata["answer"] = list(answer)
    return cell


@pytest.mark.parametrize(
    ("lab", "exercise", "answer", "expected"),
    ANSWERS,
    ids=lambda value: value.replace(" ", "-"),
)
def test_verdict(lab, exercise, answer, expected, course):
    if lab in NEEDS and not shutil.which(NEEDS[lab]):
        pytest.skip(f"{NEEDS[lab]} is not installed, and lab {lab[:2]}'s checks judge with it")
    verdicts = play(lab)
    if isinstance(verdicts, Exception):
        raise verdicts
    verdict = verdicts[exercise, answer]
    status, _, sentence = verdict.partition(": ")
    if answer == "the stub":
        assert status.endswith("not started")
    elif expected == "done":
        assert status.endswith("done"), verdict
    else:
        assert status.endswith("not yet"), verdict
        assert expected in sentence
        assert "Traceback" not in sentence


@pytest.mark.parametrize("lab", LABS)
def test_every_exercise_has_three_wrong_answers(lab):
    found = exercises(lab)
    assert found, "a lab without an exercise"
    for exercise in found:
        assert len(WRONG.get((lab, exercise.name), [])) >= 3, exercise.name


@pytest.mark.parametrize("lab", CORE)
def test_core_labs_have_four_wrong_answers_and_two_other_right_ones(lab):
    for exercise in exercises(lab):
        assert len(WRONG.get((lab, exercise.name), [])) >= 4, exercise.name
        assert len(RIGHT.get((lab, exercise.name), [])) >= 2, exercise.name


def test_no_row_is_left_over():
    known = {(lab, exercise.name) for lab in LABS for exercise in exercises(lab)}
    assert WRONG.keys() | RIGHT.keys() <= known
