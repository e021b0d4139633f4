"""Install the labs into the environment whose Python runs this: what `make install` does.

uv takes seconds where pip takes minutes, and it can choose PyTorch's build for this machine: the
small one where there is no GPU. But uv reads none of pip's configuration. Behind a company's mirror
or certificate it is pip that works, so pip is what remains where uv fails. Each way that is given
up says so in one sentence. It runs before anything is installed: the standard library is enough.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from helpers.paths import ROOT

EXTRAS = "test,bench,searchers,trackers,frameworks,parallel,storage"
CONSTRAINTS = ["-c", "constraints.txt"]
BEST_TORCH = "--torch-backend=auto"


class Way(NamedTuple):
    """One way to install, and what is said where it fails."""

    command: list[str]
    otherwise: str
    rehearse: bool = False  # whether it can work is found out first, without a word


def ways() -> Iterator[Way]:
    """The best way first."""
    pip = [sys.executable, "-m", "pip", "install"]
    if uv := _uv(pip):
        uv = [uv, "pip", "install", "--python", sys.executable]
        if sys.dont_write_bytecode:  # then every process would compile what it imports
            uv.append("--compile-bytecode")
        yield Way([*uv, "--offline", BEST_TORCH], "Downloading what is not here yet.", True)
        yield Way(
            [*uv, BEST_TORCH],
            "PyTorch's own index did not serve this machine: PyTorch comes from where the other "
            "packages come from, which may be its larger build.",
            True,
        )
        yield Way(uv, "uv could not install; pip tries now, by its own settings, and takes longer.")
    else:
        print("uv cannot be had: pip installs, which takes some minutes.", flush=True)
    yield Way(
        pip,
        "Installing did not finish; the reason is above. Is there a network?\n"
        "Run the same command again: what was downloaded is not downloaded twice.",
    )


def main() -> int:
    """Install by the first way that works; returns the exit status."""
    for way in ways():
        if (not way.rehearse or _rehearse(way, EXTRAS)) and _run(way, EXTRAS):
            break
        print(way.otherwise, flush=True)
    else:
        return 1
    if "--offline" in way.command and not _rehearse(way, "bohb"):
        way = way._replace(command=[one for one in way.command if one != "--offline"])
    if not _run(way, "bohb", "-q"):
        print("BOHB is left out: a part of it is compiled, and that failed. Only lab 09 uses it.")
    return 0


def _uv(pip: list[str]) -> str | None:
    """The uv of this environment, else one on PATH, else one that pip brings into it."""
    own = Path(sys.executable).with_name("uv")
    for uv in (str(own), shutil.which("uv")):
        if uv and os.path.exists(uv) and _quietly([uv, "--version"]):
            return uv
    return str(own) if _quietly([*pip, "-q", *CONSTRAINTS, "uv"]) else None


def _what(extras: str) -> list[str]:
    return [*CONSTRAINTS, "-e", f".[{extras}]"]


def _run(way: Way, extras: str, *options: str) -> bool:
    """With its output on the terminal: a long install shows its progress."""
    return subprocess.run([*way.command, *options, *_what(extras)], cwd=ROOT).returncode == 0


def _rehearse(way: Way, extras: str) -> bool:
    """Does it find every package? Asks once: an index that does not answer costs no minute."""
    return _quietly([*way.command, "--dry-run", *_what(extras)], UV_HTTP_RETRIES="0")


def _quietly(command: list[str], **environ: str) -> bool:
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True)
    return ran.returncode == 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it, and tries no other way
    sys.exit(main())
