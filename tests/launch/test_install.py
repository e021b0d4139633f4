"""`make install` takes the best way to install that works, and says so where it takes another.

Stand-ins for `.venv/bin/python` and `uv` write down how they are called and fail where they are
told to; the Makefile and `launch/install.py` are the real ones.
"""

import shutil
import subprocess
import sys

import pytest
from packaging.specifiers import SpecifierSet

from helpers import paths
from launch import install
from tests.repository.test_environment import CONSTRAINTS, EXTRAS

# Runs as .venv/bin/python, .venv/bin/jupyter and uv. It fails where its call matches `fails`.
STAND_IN = """#!/bin/sh
call="${{0##*/}} $*"
case "$call" in
"python -m launch.install") exec {python} -c "{main}" ;;
esac
echo "$call" >> {root}/calls
if echo "$call" | grep -q -f {root}/fails; then
  echo "the reason of: $call" >&2
  exit 1
fi
case "$call" in
"python -m pip install "*" uv") cp "$0" {root}/.venv/bin/uv ;;
esac
"""
# What it installs into is the stand-in, never the environment of the test.
MAIN = "import sys; sys.executable = '{root}/.venv/bin/python'; sys.dont_write_bytecode = {bytes}; "
MAIN += "from launch import install; sys.exit(install.main())"
EDITABLE = f"-c constraints.txt -e .[{install.EXTRAS}]"
BOHB = "-c constraints.txt -e .[bohb]"


@pytest.fixture
def clone(tmp_path):
    """A clone with an environment of stand-ins; returns what runs `make install` in it."""
    root = tmp_path.resolve()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(paths.ROOT / name, root)
    for folder, names in {"helpers": ("paths",), "launch": ("doctor", "install")}.items():
        (root / folder).mkdir()
        for name in ("__init__", *names):
            shutil.copy(paths.ROOT / folder / f"{name}.py", root / folder)
    # With this the doctor asks for no space on this disk.
    (root / ".venv/lib/python3/site-packages/ray_labs-0.dist-info").mkdir(parents=True)
    (root / ".venv/bin").mkdir()
    (root / "bin").mkdir()
    for name in ("cp", "grep", "sh", "touch"):
        (root / "bin" / name).symlink_to(shutil.which(name))

    def stand_in(name, writes_no_bytecode=False):
        file = root / name
        main = MAIN.format(root=root, bytes=writes_no_bytecode)
        file.write_text(STAND_IN.format(root=root, python=sys.executable, main=main))
        file.chmod(0o755)

    def make(*fails, uv=".venv/bin/uv", writes_no_bytecode=False):
        """The exit status, each call that installs, and what the terminal shows."""
        for name in (".venv/bin/python", ".venv/bin/jupyter", *([uv] if uv else [])):
            stand_in(name, writes_no_bytecode)
        (root / ".venv/installed").unlink(missing_ok=True)
        (root / "fails").write_text("".join(f"{pattern}\n" for pattern in fails))
        (root / "calls").write_text("")
        ran = subprocess.run(
            [shutil.which("make"), "install", f"PYTHON={sys.executable}"],
            cwd=root,
            env={"PATH": str(root / "bin"), "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        calls = (root / "calls").read_text()
        target = f"--python {root}/.venv/bin/python "
        assert calls.count(target) == calls.count("uv pip"), "uv installs into .venv"
        calls = calls.replace(target, "").splitlines()
        return ran.returncode, [call for call in calls if " install " in call], ran.stdout

    make.root = root
    return make


def _uv(*options):
    return " ".join(["uv pip install", *options])


OFFLINE = ("--offline", "--torch-backend=auto")
TORCH = "--torch-backend=auto"
PIP = "python -m pip install"


def test_with_everything_here_nothing_asks_the_network_or_says_a_word(clone):
    status, calls, said = clone()
    assert status == 0
    assert calls == [
        _uv(*OFFLINE, "--dry-run", EDITABLE),
        _uv(*OFFLINE, EDITABLE),
        _uv(*OFFLINE, "--dry-run", BOHB),
        _uv(*OFFLINE, "-q", BOHB),
    ]
    assert said == ""


def test_a_bohb_that_is_not_here_is_asked_of_the_network(clone):
    status, calls, _ = clone("offline.*dry-run.*bohb")
    assert (status, calls[-1]) == (0, _uv(TORCH, "-q", BOHB))


def test_pytorch_is_first_taken_from_its_own_index(clone):
    status, calls, said = clone("offline")
    assert status == 0
    assert calls == [
        _uv(*OFFLINE, "--dry-run", EDITABLE),
        _uv(TORCH, "--dry-run", EDITABLE),
        _uv(TORCH, EDITABLE),
        _uv(TORCH, "-q", BOHB),
    ]
    assert said == "Downloading what is not here yet.\n"


def test_without_pytorchs_index_uv_takes_the_usual_one_and_one_line_says_so(clone):
    status, calls, said = clone("torch-backend")
    assert status == 0
    assert calls[-2:] == [_uv(EDITABLE), _uv("-q", BOHB)]
    _, line = said.splitlines()
    assert line.startswith("PyTorch's own index did not serve this machine")


def test_a_download_from_pytorchs_index_that_breaks_off_shows_its_reason(clone):
    status, calls, said = clone("offline", "bin/python --torch-backend=auto -c .*test")
    assert status == 0
    assert calls[-3:] == [_uv(TORCH, EDITABLE), _uv(EDITABLE), _uv("-q", BOHB)]
    assert "the reason of: uv pip install" in said


def test_where_uv_fails_pip_installs_and_one_sentence_says_so(clone):
    status, calls, said = clone("^uv pip")
    assert status == 0
    assert calls[-3:] == [_uv(EDITABLE), f"{PIP} {EDITABLE}", f"{PIP} -q {BOHB}"]
    assert said.count("the reason of") == 1
    assert said.splitlines()[-1].startswith("uv could not install; pip tries now")


def test_where_there_is_no_uv_pip_brings_it(clone):
    status, calls, said = clone("offline", uv=None)
    assert status == 0
    assert calls[0] == f"{PIP} -q -c constraints.txt uv"
    assert calls[1:] == clone("offline")[1]
    assert "pip" not in said


def test_where_uv_cannot_be_had_pip_installs_and_one_sentence_says_so(clone):
    status, calls, said = clone("constraints.txt uv$", uv=None)
    assert status == 0
    assert calls[1:] == [f"{PIP} {EDITABLE}", f"{PIP} -q {BOHB}"]
    assert said == "uv cannot be had: pip installs, which takes some minutes.\n"


@pytest.mark.parametrize("uv", [".venv/bin/uv", "bin/uv"])
def test_a_uv_that_is_there_is_not_installed_again(clone, uv):
    status, calls, _ = clone(uv=uv)
    assert status == 0 and calls[0] == _uv(*OFFLINE, "--dry-run", EDITABLE)


def test_a_uv_that_does_not_start_counts_for_none(clone):
    """pyenv leaves such: a program on PATH that only says where uv would be."""
    _, calls, _ = clone("uv --version", uv="bin/uv")
    assert calls[0] == f"{PIP} -q -c constraints.txt uv"


def test_where_nothing_works_the_last_word_says_what_to_do(clone):
    status, calls, said = clone("pip install")
    assert status != 0
    assert calls[-1] == f"{PIP} {EDITABLE}"
    assert f"the reason of: {calls[-1]}\nInstalling did not finish; the reason is above." in said
    assert not (clone.root / ".venv/installed").exists(), "so that the next make tries again"
    assert clone()[0] == 0 and (clone.root / ".venv/installed").exists()


@pytest.mark.parametrize("others", [[], ["torch-backend"], ["^uv pip"]])
def test_bohb_stops_nothing(clone, others):
    status, calls, said = clone("bohb", *others)
    assert status == 0
    assert calls[-1].endswith(f"-q {BOHB}")
    assert said.splitlines()[-1].startswith("BOHB is left out")
    assert (clone.root / ".venv/installed").exists()


def test_bytecode_is_made_by_uv_where_python_would_make_none(clone):
    _, calls, _ = clone(writes_no_bytecode=True)
    assert all(call.startswith("uv pip install --compile-bytecode") for call in calls)


def test_an_index_that_does_not_answer_is_asked_once_and_not_for_a_minute(monkeypatch):
    asked = []
    monkeypatch.setattr(install, "_quietly", lambda command, **more: asked.append(more))
    install._rehearse(install.Way(["uv"], ""), "test")
    assert asked == [{"UV_HTTP_RETRIES": "0"}]


def test_the_pin_of_pytorch_allows_the_builds_of_its_own_index():
    """They are called 2.15.0+cpu or 2.15.0+cu130, so the pin itself names no build."""
    pin = SpecifierSet(f"=={CONSTRAINTS['torch']}")
    assert pin.contains(f"{CONSTRAINTS['torch']}+cpu")


def test_every_extra_of_the_project_is_installed_but_the_one_that_is_compiled():
    assert {*install.EXTRAS.split(","), "bohb"} == EXTRAS.keys()
