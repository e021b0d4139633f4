"""Three hosts on this machine, made of Linux namespaces, with one Ray over all of them.

`python -m tests.support.hosts COMMAND ...` makes them, runs the command on the head, where
RAY_ADDRESS names the cluster, and takes everything down with the command, or with the process that
started it. Its exit status is the command's. A line `end host 3` among what the command prints ends
that host at once, as a loss of power would.

A host has an address, processes and shared memory of its own; the disk is shared, as on many
clusters. No way leads from there to a network. Root is not needed where the kernel lets users
make namespaces.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from helpers import local

HEAD, *OTHERS = ADDRESSES = ["10.77.0.1", "10.77.0.2", "10.77.0.3"]
PORT = 6379
OWN = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]  # of unshare
ALONE = ["setpriv", "--pdeathsig=KILL", "unshare", "--user", "--map-root-user", *OWN]
SIZE = ["--num-cpus=2", "--memory=2000000000", "--object-store-memory=500000000"]  # of each host
MOUNTED = 'echo made; read go; mount -t tmpfs tmpfs /dev/shm && exec "$@"'
ALL_THERE = """
import ray, time
ray.init(logging_level="error", log_to_driver=False)
deadline = time.monotonic() + 120
while (there := sum(node["Alive"] for node in ray.nodes())) < 3:
    assert time.monotonic() < deadline, f"{there} of 3 hosts after two minutes"
    time.sleep(0.2)
"""


def missing() -> str | None:
    """Why hosts cannot be made here, or None."""
    if not all(map(shutil.which, ("setpriv", "unshare", "nsenter", "ip"))):
        return "it needs Linux with the commands setpriv, unshare, nsenter and ip"
    bridge = "ip link add hosts type bridge && mount -t tmpfs tmpfs /dev/shm"
    tried = subprocess.run([*ALONE, "sh", "-c", bridge], capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode else None


@contextlib.contextmanager
def new_host(number: int, command: list[str], log: Path) -> Iterator[psutil.Process]:
    """A host that runs a command as its first process; ending that one ends the host.

    Args:
        number: from 1; its place in `ADDRESSES`.
        command: what it runs.
        log: where the command's output goes.
    """
    own = ["unshare", *OWN, "sh", "-c", MOUNTED, "sh", *command]
    with log.open("w") as errors:
        made = subprocess.Popen(own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    try:
        made.stdout.readline()  # from here on its namespaces are there
        [first] = psutil.Process(made.pid).children()
        outside, inside = f"to{number}", ["nsenter", f"--target={first.pid}", "--net"]
        run("ip", "link", "add", outside, "type", "veth", "peer", "eth0", "netns", str(first.pid))
        run("ip", "link", "set", outside, "master", "hosts", "up")
        run(*inside, "ip", "address", "add", f"{ADDRESSES[number - 1]}/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        made.stdin.write(b"go\n")
        made.stdin.close()
        yield first
    finally:
        made.kill()
        made.wait()


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def wait_for_port(address: str, port: int, log: Path, seconds: float = 120) -> None:
    """Wait until something listens there; raises TimeoutError with the log's end."""
    deadline = time.monotonic() + seconds
    while not local.accepts(address, port, timeout=1):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no Ray at {address}:{port}\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def inside(command: list[str]) -> int:
    """Make the bridge, the hosts and their Ray; run the command on the head; end all."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "hosts", "type", "bridge")
    run("ip", "address", "add", "10.77.0.254/24", "dev", "hosts")
    run("ip", "link", "set", "hosts", "up")
    os.environ |= {"RAY_AUTH_MODE": "token", **local.PATIENCE}
    os.environ.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
    with contextlib.ExitStack() as stack:
        # A socket's path may have 104 bytes only.
        temp = stack.enter_context(tempfile.TemporaryDirectory(prefix="hosts", dir="/tmp"))
        hosts = []
        for number, address in enumerate(ADDRESSES, 1):
            start = [*ray, f"--node-ip-address={address}", f"--temp-dir={temp}/{number}", *SIZE]
            if address == HEAD:
                start += ["--head", f"--port={PORT}", "--dashboard-host=127.0.0.1"]
            else:
                start += [f"--address={HEAD}:{PORT}"]
            log = Path(temp, f"{number}.log")
            hosts.append(stack.enter_context(new_host(number, start, log)))
            wait_for_port(HEAD, PORT, log)
        # A state of its own: the processes of a session outside cannot be seen from here.
        os.environ |= {"RAY_ADDRESS": f"{HEAD}:{PORT}", "RAY_LABS_STATE": f"{temp}/state"}
        on_head = ["nsenter", f"--target={hosts[0].pid}", "--net", "--mount", "--pid", "--wd"]
        run(*on_head, sys.executable, "-c", ALL_THERE)
        print("three hosts are one cluster", flush=True)
        running = subprocess.Popen([*on_head, *command], stdout=subprocess.PIPE, text=True)
        for line in running.stdout:
            print(line, end="", flush=True)
            if end := re.fullmatch(r"end host (\d)\n", line):
                hosts[int(end[1]) - 1].kill()
        return running.wait()


def main() -> None:
    command = sys.argv[1:]
    if command[:1] == ["--inside"]:
        sys.exit(inside(command[1:]))
    os.execvp(ALONE[0], [*ALONE, sys.executable, "-m", "tests.support.hosts", "--inside", *command])


if __name__ == "__main__":
    main()
