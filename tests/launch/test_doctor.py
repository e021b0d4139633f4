"""The doctor finds what is wrong, says what to do about it, and runs where nothing is installed."""

import ast
import getpass
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from helpers.paths import CONSTRAINTS, ROOT
from launch import doctor
from launch.doctor import Checkup, Finding

HERE = Path("/somewhere")
CORPORATE = {"https_proxy": "http://me:secret@proxy.corp:3128"}


@pytest.mark.parametrize(
    ("finding", "says", "blocking"),
    [
        (doctor.check_python((3, 10, 4)), "Python 3.10 is too old: Ray Labs needs 3.11", True),
        (doctor.check_install_space(HERE, 9.9e9), "9.9 GB free for the environment", True),
        (doctor.check_packages({"ray": None}, {}), "not installed: ray: run `make install`", True),
        (
            doctor.check_packages({"ray": "2.9.0", "torch": "2.15.0"}, {"ray": "2.60.0"}),
            "not tested with: ray 2.9.0 (tested with 2.60.0): run `make install`",
            False,
        ),
        (doctor.check_cores(1), "1 core: the labs show work side by side", False),
        (doctor.check_memory(1.9 * doctor.GIB), "1.9 GiB of memory free", False),
        (doctor.check_shm(64e6, "linux"), "0.1 GB of shared memory in /dev/shm", False),
        (doctor.check_shm(64e6, "linux"), "--shm-size=2g", False),
        (doctor.check_shm(None, "linux"), "Ray cannot start", True),
        (doctor.check_disk("Ray", HERE, 1.9e9), "1.9 GB of disk free for Ray", False),
        (doctor.check_disk("Ray", HERE, 0), "0.0 GB of disk free for Ray", True),
        (doctor.check_openmp(False), "do not load: `brew install libomp`", False),
        (doctor.check_mnist(["a", "b"], HERE), "in /somewhere (a, b): run `make install`", False),
    ],
)
def test_a_fault_is_named_with_what_to_do(finding, says, blocking):
    assert not finding.ok
    assert says in str(finding)
    assert str(finding).startswith("✗ ")
    assert finding.remedy
    assert finding.blocking is blocking


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (doctor.check_python((3, 11, 0)), "Python 3.11.0"),
        (doctor.check_install_space(HERE, 10e9), ""),
        (doctor.check_packages({"torch": "2.15.0+cpu"}, {"torch": "2.15.0"}), "1 packages"),
        (doctor.check_cores(2), "2 cores"),
        (doctor.check_memory(2 * doctor.GIB), "2.0 GiB"),
        (doctor.check_shm(1e9, "linux"), "1.0 GB"),
        (doctor.check_shm(None, "darwin"), "does without"),
        (doctor.check_disk("Ray", HERE, 2e9), "2.0 GB"),
        (doctor.check_ports([]), "6379, 8265, 8888 are free"),
        (doctor.check_ports([8888]), "8888 (Jupyter); a new lab takes another by itself"),
        (doctor.check_mnist([], HERE), "MNIST"),
        (doctor.check_openmp(True), "libomp, for XGBoost"),
        (doctor.check_gpu([]), "no GPU"),
        (doctor.check_gpu(["NVIDIA H200"]), "GPU: NVIDIA H200"),
        (doctor.check_rays([], "me"), "no Ray"),
        (
            doctor.check_rays(["me", "you", "me"], "me"),
            "(2 yours, 1 of you); the course",
        ),
    ],
)
def test_what_is_well_says_what_was_found(finding, says):
    assert finding.ok
    assert says in str(finding)
    assert str(finding).startswith("✓ ")


@pytest.mark.parametrize(
    ("environ", "remedy"),
    [
        (CORPORATE, "no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost"),
        ({"ALL_PROXY": "p", "NO_PROXY": "corp, localhost"}, "no_proxy=corp,localhost,127.0.0.1 "),
        ({"grpc_proxy": "p", "no_proxy": "localhost"}, "no_proxy=localhost,127.0.0.1 "),
        # gRPC takes its proxy from http_proxy and does not read NO_PROXY
        ({"http_proxy": "p", "NO_PROXY": "127.0.0.1,localhost"}, "no_proxy=127.0.0.1,localhost "),
    ],
)
def test_a_proxy_in_front_of_loopback_is_a_fault_and_the_remedy_cures_it(environ, remedy):
    finding = doctor.check_proxies(environ)
    assert not finding.ok
    assert remedy in finding.remedy
    assert "secret" not in str(finding)

    export = finding.remedy.split("`")[1]
    names = "no_proxy", "NO_PROXY"
    shell = ["bash", "-c", f'{export}; printf "%s\n" "$no_proxy" "$NO_PROXY"']
    values = subprocess.run(shell, capture_output=True, text=True, env={}, check=True).stdout
    cured = environ | dict(zip(names, values.splitlines(), strict=True))
    assert doctor.check_proxies(cured).ok


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"http_proxy": ""},
        {"no_proxy": "corp"},
        CORPORATE | {"no_proxy": "localhost,127.0.0.1"},
        CORPORATE | {"no_proxy": "*"},
        {"HTTP_PROXY": "p", "NO_PROXY": " 127.0.0.1 , localhost"},
    ],
)
def test_a_proxy_that_spares_loopback_is_well(environ):
    assert doctor.check_proxies(environ).ok


def test_a_container_has_what_its_limit_leaves(tmp_path):
    machine = psutil.virtual_memory().available
    assert doctor._free_memory(tmp_path) == pytest.approx(machine, rel=0.2)
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 300\nactive_file 100\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor._free_memory(tmp_path) == pytest.approx(machine, rel=0.2)
    (tmp_path / "memory.max").write_text("1000\n")
    assert doctor._free_memory(tmp_path) == 1000 - 700 + 400


def test_a_listener_is_seen():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert doctor._listens(port)
    assert not doctor._listens(port)


def test_a_running_ray_is_seen_with_its_owner(tmp_path):
    head = tmp_path / "gcs_server"
    shutil.copy(shutil.which("sleep"), head)
    for _ in range(100):  # others may start and end a Ray meanwhile
        before = sorted(doctor._ray_owners())
        with subprocess.Popen([head, "60"]) as process:
            try:
                during = sorted(doctor._ray_owners())
            finally:
                process.kill()
        if sorted(doctor._ray_owners()) == before:
            break
    assert during == sorted([*before, getpass.getuser()])


def test_gpus_are_asked_of_the_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor._gpus() == []
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho NVIDIA H200\n")
    smi.chmod(0o755)
    assert doctor._gpus() == ["NVIDIA H200"]
    smi.write_text("#!/bin/sh\necho no driver\nexit 9\n")
    assert doctor._gpus() == []


def test_the_direct_dependencies_are_looked_up_and_pinned():
    installed, pinned = doctor._installed(), doctor._pinned(CONSTRAINTS.read_text())
    assert {"ray", "jupyterlab", "torch"} <= set(installed)
    assert "pytest" not in installed
    assert set(installed) <= set(pinned)


def test_a_checkup_looks_at_everything_and_hides_nothing(monkeypatch):
    def needs_a_package():
        import no_such_package  # noqa: F401

    looks = [lambda: 1 / 0, needs_a_package, *doctor._looks()]
    monkeypatch.setattr(doctor, "_looks", lambda: looks)
    checkup = doctor.checkup()
    lines = str(checkup).splitlines()
    assert len(lines) == 14
    assert "ZeroDivisionError" in lines[0]
    assert lines[1] == "✗ No module named 'no_such_package': run `make install`."
    assert checkup.blocked
    assert not [line for line in lines[2:] if "a check failed" in line]
    assert repr(checkup) == str(checkup)


def test_html_is_escaped():
    bad = "<script>&"
    page = Checkup([Finding(True, bad), Finding(False, bad, bad)])._repr_html_()
    assert page.count("&lt;script&gt;&amp;") == 3
    assert "<script" not in page


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        ([Finding(True, "well", blocking=True)], 0),
        ([Finding(True, "well"), Finding(False, "ill", "cure")], 1),
        ([Finding(False, "ill", "cure"), Finding(False, "dead", "cure", blocking=True)], 2),
    ],
)
def test_exit_status(findings, status, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "checkup", lambda: Checkup(findings))
    assert doctor.main([]) == status
    assert capsys.readouterr().out == str(Checkup(findings)) + "\n"


def test_before_an_install_each_fault_is_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 4))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    assert doctor.main(["--before-install"]) == 2
    python, disk = capsys.readouterr().err.splitlines()
    assert python == (
        "Python 3.10 is too old: Ray Labs needs 3.11 or newer; "
        "install it, or name one: make lab PYTHON=/path/to/python3.12."
    )
    assert "installing needs 10.0 GB" in disk

    (tmp_path / ".venv/lib/python3.11/site-packages/ray_labs-0.1.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(doctor.sys, "version_info", (3, 11, 4))
    assert doctor.main(["--before-install"]) == 0
    assert capsys.readouterr().err == ""


def test_before_an_install_a_bare_python_is_enough():
    """`-I -S`: no site-packages, so nothing but the standard library can be imported."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from launch import doctor; "
    code += "sys.exit(doctor.main(['--before-install']))"
    run = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_from_the_command_line_in_any_locale():
    command = [sys.executable, "-m", "launch.doctor"]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, cwd=ROOT, env=ascii_only, capture_output=True, text=True)
    assert run.stderr == ""
    assert run.returncode in (0, 1)
    assert "Python 3." in run.stdout


BEFORE_INSTALL = ["helpers/__init__.py", "helpers/paths.py", "launch/__init__.py"]


@pytest.mark.parametrize("file", [*BEFORE_INSTALL, "launch/doctor.py"])
def test_an_old_python_can_read_it(file):
    source = (ROOT / file).read_text()
    ast.parse(source, feature_version=(3, 8))


def test_openmp_is_found_where_homebrew_puts_it(tmp_path):
    assert not doctor._openmp((str(tmp_path),))
    (tmp_path / "opt/libomp/lib").mkdir(parents=True)
    (tmp_path / "opt/libomp/lib/libomp.dylib").touch()
    assert doctor._openmp((str(tmp_path),))
