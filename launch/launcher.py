"""Open the labs: one Ray, JupyterLab that joins it, and both gone again when you close.

`make lab` runs `python -m launch`. Ctrl-C, closing the terminal, `kill` and even `kill -9` end
the Ray and the JupyterLab that were started here, and no others: a small process, the keeper, runs
`python -m launch --close` when the launcher has ended, however that ends.
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import psutil
from jupyter_core.paths import jupyter_runtime_dir

from helpers import keeper, labs, local, mnist, paths
from launch import doctor, session

START = "notebooks/00_start_here.ipynb"
JUPYTER_PORT = 8888
JUPYTER_SECONDS = 120  # to start; 3 on two quiet cores
ROOT_DIR = f"--ServerApp.root_dir={paths.ROOT}"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LabError(RuntimeError):
    """The labs could not be opened; the message is a sentence for the learner."""


def main(arguments: list[str] | None = None) -> int:
    """Run the labs until they are closed. Returns the exit status: 0 closed, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m launch", description=__doc__)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--close", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.close:
        close()
        return 0
    _on_signals(_interrupt)
    try:
        with _only_one() as lock:
            if lock is None:
                return 0
            return _run(lock, browser=not options.no_browser and _has_browser())
    except KeyboardInterrupt:
        return 0
    except (LabError, session.SessionError) as error:
        _say(str(error))
        return 1


def _run(lock: IO, browser: bool) -> int:
    try:
        mnist.fetch()
    except mnist.MnistUnavailable as error:
        without = ", ".join(lab[:2] for lab in labs.needing("mnist"))
        _say(f"{error}\nOnly these labs need MNIST: {without}.")
    found = doctor.checkup()
    _say(str(found))
    if found.blocked:
        raise LabError("The labs cannot start before what is marked ✗ above is put right.")

    if close():
        _say("Closed what an earlier lab had left running.")
    # It shares the lock, so that this is free only when the lab is closed to the end.
    closing = keeper.afterwards([sys.executable, "-m", "launch", "--close"], [lock.fileno()])
    try:
        address = os.environ.get("RAY_ADDRESS")
        if address:
            session.reach(address)
            _say(f"Using the Ray that RAY_ADDRESS names: {address}")
            ray = None
        else:
            _say("Starting Ray, which takes 10 to 20 seconds.")
            ray = session.start(say=_say)
            _say(f"Ray's dashboard: {ray.dashboard}")
        jupyter = _start_jupyter(ray.environment() if ray else {}, browser)
        _say("Ctrl-C here ends JupyterLab" + (" and Ray." if ray else "; Ray is left alone."))
        return _watch(jupyter, ray)
    except KeyboardInterrupt:
        _say("\nClosing, which takes a few seconds. What you saved is kept.")
        return 0
    finally:
        _on_signals(signal.SIG_IGN)  # a second Ctrl-C does no harm
        keeper.stop(closing)
        close()  # in case the keeper was killed


def _watch(jupyter: subprocess.Popen, ray: session.Session | None) -> int:
    """Wait for JupyterLab to end, which it should not do by itself."""
    in_terminal = os.isatty(0)
    while jupyter.poll() is None:
        if in_terminal and not os.isatty(0):
            raise KeyboardInterrupt  # closed; where `make` leads its session, only make is told
        if ray and not ray.alive():
            ray.end()
            ray = None
            _say(
                f"Ray has ended unexpectedly; its log is {_log('ray')}. Save your notebooks, press "
                "Ctrl-C here and run `make lab` again."
            )
        time.sleep(0.5)
    if jupyter.returncode == 0:
        _say("JupyterLab was shut down.")
        return 0
    _say(f"JupyterLab ended by itself (status {jupyter.returncode}). Its log is {_log('jupyter')}.")
    return 1


# --- JupyterLab ---


def _start_jupyter(environment: dict[str, str], browser: bool) -> subprocess.Popen:
    port = local.free_port(JUPYTER_PORT)
    if port != JUPYTER_PORT:
        _say(f"Port {JUPYTER_PORT} is taken, so JupyterLab's is {port}.")
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}", ROOT_DIR]
    command += [f"--LabApp.default_url=/lab/tree/{START}"]
    command += [] if browser else ["--no-browser"]
    if os.getuid() == 0:
        command += ["--allow-root"]  # in containers, where nobody else is there to be
    with _log("jupyter").open("w") as output:
        jupyter = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        )
    record = {"jupyter": jupyter.pid, "launcher": os.getpid(), "url": None}
    _record(record)
    deadline = time.monotonic() + JUPYTER_SECONDS
    while (url := _url(jupyter.pid)) is None:
        if jupyter.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"JupyterLab did not start. Its log is {_log('jupyter')}.")
        time.sleep(0.1)
    _record({**record, "url": url})
    _say(f"JupyterLab:      {url}")
    return jupyter


def _url(pid: int) -> str | None:
    """Where the JupyterLab with this process id answers, token included; None before it does."""
    try:
        server = json.loads(Path(jupyter_runtime_dir(), f"jpserver-{pid}.json").read_text())
        local.get(server["url"] + "api")
    except (OSError, ValueError, KeyError):
        return None
    query = f"?token={server['token']}" if server["token"] else ""
    return f"{server['url']}lab/tree/{START}{query}"


def _has_browser() -> bool:
    """Whether a browser is likely to open where the learner sits."""
    if os.environ.get("CI"):
        return False
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


# --- one lab a clone, and its end ---


@contextlib.contextmanager
def _only_one():
    """Hold the clone's lock, or say where the running lab is and give None."""
    paths.state().mkdir(parents=True, exist_ok=True)
    with (paths.state() / "lab.lock").open("w") as lock:
        deadline = time.monotonic() + local.RAY_START_S
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                running = _recorded()
            if running.get("url") and psutil.pid_exists(running["launcher"]):
                _say(f"This lab is open already: {running['url']}\nClose it with Ctrl-C there.")
                yield None
                return
            if time.monotonic() > deadline:
                raise LabError("Another `make lab` of this folder neither starts nor ends.")
            if not waiting:
                _say("Another `make lab` of this folder is just starting or closing; waiting.")
                waiting = True
            time.sleep(0.2)
        yield lock


def close() -> bool:
    """End this clone's JupyterLab and Ray, or what is left of them. Returns: was there any?"""
    jupyter = _jupyter(_recorded().get("jupyter"))
    if jupyter:
        with contextlib.suppress(psutil.Error):
            kernels = [p for p in jupyter.children(recursive=True) if _is_kernel(p)]
            jupyter.terminate()
            local.wait_until_gone([jupyter], 10)
            for process in [jupyter, *kernels]:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            local.wait_until_gone([jupyter, *kernels], 10)
    ray = session.end_all()
    _lab_file().unlink(missing_ok=True)
    return ray or jupyter is not None


def _jupyter(pid: int | None) -> psutil.Process | None:
    """The process, if it is this clone's JupyterLab and not one that got its number later."""
    with contextlib.suppress(psutil.Error, TypeError, ValueError):
        process = psutil.Process(pid or -1)
        if ROOT_DIR in process.cmdline():
            return process
    return None


def _is_kernel(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "ipykernel_launcher" in process.cmdline()
    return False


def _lab_file() -> Path:
    return paths.state() / "lab.json"


def _record(content: dict) -> None:
    local.write_json(_lab_file(), content)


def _recorded() -> dict:
    try:
        return json.loads(_lab_file().read_text())
    except (OSError, ValueError):
        return {}


# --- small things ---


def _log(name: str) -> Path:
    return paths.state() / f"{name}.log"


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(text, flush=True)


def _on_signals(handler) -> None:
    """Handle what ends a program, except what was ignored from the start, as under nohup."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _interrupt(number: int, frame) -> None:
    _on_signals(signal.SIG_IGN)
    raise KeyboardInterrupt
