"""pyproject.toml, constraints.txt and environment.yml name one environment."""

import re
import subprocess
import sys
import tomllib

from helpers import paths
from launch import install


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def _pins(lines) -> dict[str, str]:
    pinned = [line.strip() for line in lines if "==" in line and not line.startswith("#")]
    return {_name(line): line.partition("==")[2].partition(";")[0] for line in pinned}


PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# BOHB is compiled where it is installed; conda's list holds what installs everywhere.
EVERYWHERE = [one for name, extra in EXTRAS.items() if name != "bohb" for one in extra]
DIRECT = [*PROJECT["dependencies"], *EVERYWHERE]
CONSTRAINTS = _pins(paths.CONSTRAINTS.read_text().splitlines())
CONDA = [
    line.strip().removeprefix("- ")
    for line in (paths.ROOT / "environment.yml").read_text().splitlines()
]


def test_every_direct_dependency_is_pinned():
    assert {_name(one) for one in [*DIRECT, *EXTRAS["bohb"]]} <= CONSTRAINTS.keys()


def test_conda_installs_the_same_direct_dependencies_at_the_same_versions():
    listed = _pins(CONDA)
    assert listed == {_name(one): CONSTRAINTS[_name(one)] for one in DIRECT}
    assert "-c constraints.txt" in CONDA, "what they depend on is pinned too"
    extras = {one for one in DIRECT if "[" in one}
    assert all(any(line.startswith(one) for line in CONDA) for one in extras)


def test_conda_takes_a_python_that_the_project_allows():
    python = next(line for line in CONDA if line.startswith("python="))
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert python.removeprefix("python=").split(".") >= lowest.split(".")


def test_every_extra_is_installed_and_in_the_image():
    image = re.search(r'-e "\.\[(.+)\]"', (paths.ROOT / "deploy/Dockerfile").read_text())[1]
    assert {*install.EXTRAS.split(","), "bohb"} == EXTRAS.keys()
    assert {*image.split(","), "bohb", "test"} == EXTRAS.keys()


def test_no_file_names_where_packages_come_from():
    for name in ("constraints.txt", "environment.yml", "pyproject.toml", "Makefile"):
        text = (paths.ROOT / name).read_text()
        assert "://" not in text and "index-url" not in text, name


def test_importing_ray_compiles_no_grammar():
    """Each process that Ray starts imports it: a second more there is a second more everywhere."""
    program = "import ray, sys; sys.exit('rfc3987_syntax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
