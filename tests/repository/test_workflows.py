"""What GitHub Actions is to run is there to be run: targets, files, labs and Pythons. None is run.

A workflow's form is held against GitHub's own schema.
"""

import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from helpers import paths
from helpers.labs import NAMES

FILES = sorted((paths.ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = {
    f"{name}/{job}": content
    for name, workflow in WORKFLOWS.items()
    for job, content in workflow["jobs"].items()
}
STEPS = [step for job in JOBS.values() for step in job["steps"]]
COMMANDS = [
    shlex.split(re.sub(r"\$\{\{.*?\}\}", "filled-in", line))
    for step in STEPS
    for line in step.get("run", "").splitlines()
]
MAKEFILE = (paths.ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_github_knows_every_key(file):
    check = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    check[0] = str(Path(sys.executable).with_name(check[0]))
    checked = subprocess.run(check, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_in_time_and_may_only_read(job):
    assert JOBS[job]["timeout-minutes"] <= 180
    assert WORKFLOWS[job.partition("/")[0]]["permissions"] == {"contents": "read"}
    assert "permissions" not in JOBS[job]


def test_every_target_and_variable_of_make_is_there():
    made = [given for command in COMMANDS if (given := _given_to_make(command)) is not None]
    words = list(itertools.chain(*made))
    assert len(made) == 3 and {"test", "install"} <= TARGETS, "nothing was found"
    assert {word for word in words if "=" not in word} <= TARGETS
    for name in {word.partition("=")[0] for word in words if "=" in word}:
        assert re.search(rf"\b{name}\b", MAKEFILE), name
    assert all(workflow["env"]["PYTHON"] == "python" for workflow in WORKFLOWS.values())
    assert re.search(r"^PYTHON \?=", MAKEFILE, re.M), "make does not take it from the environment"


def test_every_file_that_a_command_names_is_there():
    named = {word for command in COMMANDS for word in command if "/" in word}
    assert {".ci/run", ".venv/bin/python"} <= named, "nothing was found"
    for word in named - {".venv/bin/python"}:  # which `make install` makes
        assert list(paths.ROOT.glob(word)), word


def test_the_nightly_run_has_a_job_for_every_lab_and_one_for_the_rest():
    jobs = JOBS["nightly/test-all"]["strategy"]["matrix"]["lab"]
    assert jobs == [*(lab[:2] for lab in NAMES), "none"]


def test_the_project_allows_every_python():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    lowest = _version(project["requires-python"].removeprefix(">="))
    given = [_pythons(job) for job in JOBS.values()]
    assert all(given)
    assert all(_version(python) >= lowest for pythons in given for python in pythons)
    assert min(_version(python) for pythons in given for python in pythons) == lowest


def _given_to_make(command: list[str]) -> list[str] | None:
    """What a command gives to make, itself or through .ci/run; None where it calls neither."""
    if command[0] == "make":
        return command[1:]
    if command[:2] == ["bash", ".ci/run"]:
        return command[2:] or ["test"]
    return None


def _pythons(job: dict) -> list[str]:
    """The versions of Python that a job sets up."""
    setups = [step["with"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    versions = [setup["python-version"] for setup in setups]
    of_matrix = job.get("strategy", {}).get("matrix", {}).get("python", [])
    return of_matrix if versions == ["${{ matrix.python }}"] else versions


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]
