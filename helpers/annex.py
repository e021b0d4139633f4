"""Virtual environments of their own, for packages that do not fit beside the labs'."""

import fcntl
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


class NotInstalled(RuntimeError):
    """A package could not be installed; the message says why."""


def python(name: str, *requirements: str) -> Path:
    """The interpreter of an environment of its own, which is made if it is not there yet.

    It lies in this environment's folder, sees this one's packages, and holds besides what the
    requirements need more or in another version.

    Args:
        name: of its folder.
        requirements: as pip takes them, the package that it is made for first.

    Raises NotInstalled if that could not be installed.
    """
    with open(Path(sys.prefix) / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the processes of a benchmark ask at the same time
        return _made(Path(sys.prefix) / name, requirements)


def _made(folder: Path, requirements: tuple[str, ...]) -> Path:
    interpreter, done = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(requirements)
    if done.exists() and done.read_text() == wanted:
        return interpreter
    venv.create(folder, clear=True, with_pip=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "labs.pth").write_text(sysconfig.get_path("purelib"))
    command = [interpreter, "-m", "pip", "install", "-q", *requirements]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        why = [line for line in installed.stderr.splitlines() if line.strip()][-1]
        raise NotInstalled(f"{requirements[0]} could not be installed. {why}")
    done.write_text(wanted)
    return interpreter
