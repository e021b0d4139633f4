"""This machine, as Ray and the servers beside it use it: ports, HTTP, processes, whole files."""

import contextlib
import json
import os
import re
import socket
import time
import urllib.request
from pathlib import Path

import psutil

HOST = "127.0.0.1"
RAY_START_S = 180  # for a Ray to start: 13 on two quiet cores; a busy machine gets its time
PATIENCE = {  # the same, for Ray itself
    "RAY_raylet_start_wait_time_s": str(RAY_START_S),
    "RAY_agent_register_timeout_ms": str(RAY_START_S * 1000),
}


# --- ports and HTTP ---


def free_port(preferred: int) -> int:
    """`preferred` if nothing listens there, else, and for 0, one that is free on loopback."""
    if not accepts(HOST, preferred, timeout=1):
        with contextlib.suppress(OSError), socket.socket() as probe:
            # Connections of a Ray that has just ended do not make its port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, preferred))
            return probe.getsockname()[1]
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def accepts(host: str, port: int, timeout: float = 3) -> bool:
    """Whether something takes a connection there within `timeout` seconds."""
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError:
        return False
    return True


def host_and_port(address: str) -> tuple[str, int] | None:
    """The two parts of `host:port`, an IPv6 host without its brackets; None for anything else."""
    found = re.fullmatch(r"(\[.+\]|[^:/]+):(\d+)", address)
    return (found[1].strip("[]"), int(found[2])) if found else None


def get(url: str, headers: dict[str, str] | None = None) -> bytes:
    """What a server on this machine answers, past any proxy. Raises OSError if it does not."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
        return answer.read()


# --- processes ---


def is_running(process: psutil.Process) -> bool:
    """Whether the process has not ended; one that waits to be reaped has."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def wait_until_gone(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all the processes have ended within that time."""
    deadline = time.monotonic() + seconds
    while any(map(is_running, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# --- whole files ---


def write_json(file: Path, content: dict) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(file)
