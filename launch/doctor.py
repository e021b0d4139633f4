"""Is this machine fit for the labs? Each finding is one line, with what to do where it is not.

`python -m launch.doctor` prints them; the exit status is 0 when all is well, 1 when something
wants doing, 2 when starting the labs is pointless until it is done. `--before-install` looks only
at what installing needs. It runs before there is an environment, on whatever Python the machine
has: so this module needs the standard library alone, and reads on Python 3.8.

A `check_*` judges a measured value; `_looks` measures.
"""

from __future__ import annotations

import argparse
import getpass
import html
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from helpers.paths import CONSTRAINTS, DATA, ROOT

GIB = 2**30
PYTHON_WANTED = (3, 11)
INSTALL_BYTES = 10e9  # .venv takes up to 8.2 GB, and pip unpacks beside it
WORK_BYTES = 2e9  # for checkpoints in the clone, and for Ray's logs and spilled objects
SHM_BYTES = 1e9
MEMORY_BYTES = 2 * GIB
PORTS = {6379: "Ray", 8265: "Ray's dashboard", 8888: "Jupyter"}
LOOPBACK = ("127.0.0.1", "localhost")


class Finding(NamedTuple):
    """What one look found. `blocking`: the labs cannot run before the remedy is applied."""

    ok: bool
    found: str
    remedy: str = ""
    blocking: bool = False

    def __str__(self):
        return f"✓ {self.found}" if self.ok else f"✗ {self.found}: {self.remedy}."


class Checkup(NamedTuple):
    """All findings. Printed it is plain text, shown by a notebook it is HTML."""

    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Nothing wants doing."""
        return all(finding.ok for finding in self.findings)

    @property
    def blocked(self) -> bool:
        """Starting the labs is pointless as things are."""
        return any(finding.blocking and not finding.ok for finding in self.findings)

    def __str__(self):
        return "\n".join(map(str, self.findings))

    __repr__ = __str__

    def _repr_html_(self):
        def row(finding):
            mark, colour = ("✓", "#0072b2") if finding.ok else ("✗", "#d55e00")
            remedy = "" if finding.ok else f": <b>{html.escape(finding.remedy)}</b>."
            return (
                f'<li><span style="color:{colour}">{mark}</span> '
                f"{html.escape(finding.found)}{remedy}</li>"
            )

        rows = "".join(map(row, self.findings))
        return f'<ul style="list-style:none;padding-left:0">{rows}</ul>'


def checkup() -> Checkup:
    """Look at everything that the labs need of this machine. Takes about a second."""
    return Checkup([_safely(look) for look in _looks()])


def before_install() -> Checkup:
    """Look only at what `make install` needs: a Python that is new enough and room for `.venv`."""
    findings = [check_python(sys.version_info)]
    if not any(ROOT.glob(".venv/lib/python*/site-packages/ray_labs-*.dist-info")):
        findings.append(check_install_space(ROOT, shutil.disk_usage(ROOT).free))
    return Checkup(findings)


def check_python(version: tuple) -> Finding:
    """`version` as in `sys.version_info`."""
    if tuple(version[:2]) >= PYTHON_WANTED:
        return Finding(True, "Python " + ".".join(map(str, version[:3])))
    return Finding(
        False,
        "Python {}.{} is too old".format(*version),
        "Ray Labs needs {}.{} or newer; install it, or name one: "
        "make lab PYTHON=/path/to/python3.12".format(*PYTHON_WANTED),
        blocking=True,
    )


def check_install_space(folder: Path, free: int) -> Finding:
    """`free`: bytes on the disk of `folder`, where `.venv` will be."""
    found = f"{_gb(free)} free for the environment in {folder}"
    remedy = f"installing needs {_gb(INSTALL_BYTES)}; free some, or clone to a larger disk"
    return Finding(free >= INSTALL_BYTES, found, remedy, blocking=True)


def check_packages(installed: dict, pinned: dict) -> Finding:
    """`installed`: version, or None, of each package that the labs need; `pinned`: wanted ones."""
    absent = [name for name, version in installed.items() if version is None]
    if absent:
        found = f"not installed: {', '.join(absent)}"
        return Finding(False, found, "run `make install`", blocking=True)
    other = [
        f"{name} {version} (tested with {pinned[name]})"
        for name, version in installed.items()
        if version.partition("+")[0] != pinned.get(name, version).partition("+")[0]  # 2.15.0+cpu
    ]
    if other:
        found = f"versions that the labs were not tested with: {', '.join(other)}"
        return Finding(False, found, "run `make install`")
    return Finding(True, f"{len(installed)} packages in the tested versions")


def check_cores(cores: int) -> Finding:
    """`cores` that this process may use."""
    remedy = "the labs show work side by side; give this machine or container two"
    return Finding(cores >= 2, f"{cores} core{'s' * (cores != 1)}", remedy)


def check_memory(free: int) -> Finding:
    """`free`: bytes that new processes could have."""
    found = f"{free / GIB:.1f} GiB of memory free"
    remedy = f"the labs want {MEMORY_BYTES / GIB:.0f} GiB; close other programs and notebooks"
    return Finding(free >= MEMORY_BYTES, found, remedy)


def check_shm(free: int | None, platform: str = sys.platform) -> Finding:
    """`free`: bytes in /dev/shm, where Ray on Linux keeps objects; None where there is none."""
    remedy = "start the container with --shm-size=2g, or delete files in /dev/shm"
    if free is not None:
        found = f"{_gb(free)} of shared memory in /dev/shm"
        return Finding(free >= SHM_BYTES, found, f"Ray's objects get slow; {remedy}")
    if platform.startswith("linux"):
        return Finding(False, "no /dev/shm", f"Ray cannot start; {remedy}", blocking=True)
    return Finding(True, "no /dev/shm, which Ray does without on this system")


def check_disk(what: str, folder: Path, free: int) -> Finding:
    """`free`: bytes on the disk of `folder`, which is used for `what`."""
    found = f"{_gb(free)} of disk free for {what} in {folder}"
    remedy = f"the labs want {_gb(WORK_BYTES)}; delete what you do not need"
    return Finding(free >= WORK_BYTES, found, remedy, blocking=free < WORK_BYTES / 10)


def check_ports(taken: list) -> Finding:
    """`taken`: those of the usual ports that something already listens on. Never a fault."""
    if not taken:
        return Finding(True, f"ports {', '.join(map(str, PORTS))} are free")
    names = ", ".join(f"{port} ({PORTS[port]})" for port in taken)
    return Finding(
        True, f"in use, by a lab or by others: port {names}; a new lab takes another by itself"
    )


def check_proxies(environ: dict) -> Finding:
    """`environ`: the environment variables. Ray and Jupyter talk to themselves over loopback."""

    def hosts(name):
        return [host.strip() for host in environ.get(name, "").split(",") if host.strip()]

    proxies = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
    lower = [name for name in proxies if environ.get(name)]
    upper = [name.upper() for name in proxies if environ.get(name.upper())]
    if not lower + upper:
        return Finding(True, "no proxy")
    # gRPC reads the lower-case names only; Python and curl prefer them and fall back to upper case.
    past = hosts("no_proxy") or ([] if lower else hosts("NO_PROXY"))
    found = f"a proxy ({', '.join(lower + upper)})"
    if "*" in past or set(LOOPBACK) <= set(past):
        return Finding(True, f"{found} that leaves this machine's own traffic alone")
    past = past or hosts("NO_PROXY")
    value = shlex.quote(",".join(past + [host for host in LOOPBACK if host not in past]))
    return Finding(
        False,
        f"{found} stands between this machine and itself",
        f"run `export no_proxy={value} NO_PROXY={value}` and start again",
    )


def check_mnist(missing: list, folder: Path) -> Finding:
    """`missing`: the names of the absent or damaged MNIST files in `folder`."""
    if not missing:
        return Finding(True, "MNIST, whole")
    found = f"MNIST missing or damaged in {folder} ({', '.join(missing)})"
    return Finding(False, found, "run `make install`, or see data/README.md to place it by hand")


def check_gpu(gpus: list) -> Finding:
    """`gpus`: their names. No lab needs one."""
    return Finding(True, f"GPU: {', '.join(gpus)}" if gpus else "no GPU, and no lab needs one")


def check_openmp(found: bool) -> Finding:
    """`found`: whether macOS has the library that XGBoost and LightGBM bring along elsewhere."""
    if found:
        return Finding(True, "libomp, for XGBoost and LightGBM")
    return Finding(False, "no libomp, so XGBoost and LightGBM do not load", "`brew install libomp`")


def check_rays(owners: list, user: str) -> Finding:
    """`owners`: the user of each Ray head that runs on this machine. Never a fault."""
    if not owners:
        return Finding(True, "no Ray is running")
    whose = [
        f"{owners.count(o)} {'yours' if o == user else f'of {o}'}" for o in sorted(set(owners))
    ]
    found = f"Ray is running ({', '.join(whose)})"
    return Finding(True, f"{found}; the course uses one of its own and leaves others alone")


def _looks() -> list:
    """Each look at this machine, as a function without arguments. Imports wait until it is run."""

    def mnist():
        from helpers.mnist import missing, raw_folder

        return check_mnist(missing(), raw_folder(DATA))

    def disk(what, folder):
        return lambda: check_disk(what, folder, shutil.disk_usage(folder).free)

    return [
        lambda: check_python(sys.version_info),
        lambda: check_packages(_installed(), _pinned(CONSTRAINTS.read_text())),
        lambda: check_cores(_cores()),
        lambda: check_memory(_free_memory()),
        lambda: check_shm(
            shutil.disk_usage("/dev/shm").free if os.path.exists("/dev/shm") else None
        ),
        disk("checkpoints", ROOT),
        disk("Ray", Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())),
        lambda: check_ports([port for port in PORTS if _listens(port)]),
        lambda: check_proxies(os.environ),
        mnist,
        lambda: check_gpu(_gpus()),
        *([lambda: check_openmp(_openmp())] if sys.platform == "darwin" else []),
        lambda: check_rays(_ray_owners(), getpass.getuser()),
    ]


def _safely(look) -> Finding:
    """A look that fails is a finding too, and hides no other."""
    try:
        return look()
    except ImportError as error:
        return Finding(False, str(error), "run `make install`", blocking=True)
    except Exception as error:
        return Finding(False, f"a check failed ({error!r})", "please report it")


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _name(requirement: str) -> str:
    """The package's name, in the one spelling of its many that PEP 503 settles on."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement).group()).lower()


def _installed() -> dict:
    """Version, or None, of each package that pyproject.toml asks for outright."""

    def version(name):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    if version("ray-labs") is None:
        return {"ray-labs": None}
    wanted = [line for line in metadata.requires("ray-labs") if "extra ==" not in line]
    return {_name(line): version(_name(line)) for line in wanted}


def _pinned(constraints: str) -> dict:
    """Package → version, from the text of constraints.txt."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", constraints, re.MULTILINE)
    return {_name(name): version for name, version in pins}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _free_memory(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that new processes could have: the machine's, or what the container's limit leaves."""
    import psutil

    free = psutil.virtual_memory().available
    try:
        limit, used = (int((group / f"memory.{n}").read_text()) for n in ("max", "current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no version 2 of cgroups, or "max": no limit
        return free
    cache = int(stat["inactive_file"]) + int(stat["active_file"])  # given back on demand
    return min(free, limit - used + cache)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _gpus() -> list:
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10
        )
    except subprocess.TimeoutExpired:
        return []
    return answer.stdout.decode().splitlines() if answer.returncode == 0 else []


def _openmp(prefixes: tuple = ("/opt/homebrew", "/usr/local", "/opt/local")) -> bool:
    """Whether Homebrew or MacPorts has installed OpenMP's library."""
    places = ("opt/libomp/lib/libomp.dylib", "lib/libomp/libomp.dylib")
    return any(Path(prefix, place).exists() for prefix in prefixes for place in places)


def _ray_owners() -> list:
    import psutil

    processes = psutil.process_iter(["name", "username"])
    return [p.info["username"] or "?" for p in processes if p.info["name"] == "gcs_server"]


def main(arguments: list | None = None) -> int:
    """Print the findings; returns the exit status: 0 well, 1 something to do, 2 pointless."""
    parser = argparse.ArgumentParser(prog="python -m launch.doctor", description=__doc__)
    parser.add_argument("--before-install", action="store_true")
    if parser.parse_args(arguments).before_install:
        found = before_install()
        complaints = [f"{f.found}: {f.remedy}." for f in found.findings if not f.ok]
        print("\n".join(complaints), end="\n" * bool(complaints), file=sys.stderr)
    else:
        found = checkup()
        print(found)
    return 2 if found.blocked else int(not found.ok)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ is no reason to crash
    sys.exit(main())
