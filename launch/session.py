"""The one Ray of the course: start it, find it, join it, end it.

A lab's `ray.init()` joins the head that `make lab` started, because `Session.environment()` is in
the environment of JupyterLab and so of every kernel. `python -m launch.session` says what a plain
`ray.init()` will do now.

The head runs in a POSIX session of its own and with a folder of its own in /tmp. By these two its
processes are told from those of any other Ray, which are never touched.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from helpers import local, paths
from helpers.local import HOST

PORTS = {"gcs": 6379, "dashboard": 8265, "client": 10001, "agent": 52365}  # Ray's defaults
JOINING = {
    "RAY_AUTH_MODE": "token",
    # Ray turns 127.0.0.1 into the host's own address and then listens on all interfaces, unless
    # this says that there is one machine only, as Ray itself does on macOS and Windows. A driver
    # needs it too: it would look for its raylet under the other address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}

_children: dict[int, subprocess.Popen] = {}  # heads started by this process, to be reaped


class SessionError(RuntimeError):
    """Ray could not be started or reached; the message is a sentence for the learner."""


@dataclass(frozen=True)
class Session:
    """A running head. As a context manager it ends that head at the end of the block."""

    address: str  # host:port, what RAY_ADDRESS wants
    dashboard: str  # URL
    pid: int  # the process `ray start --head --block`
    temp: str  # Ray's --temp-dir, this clone's own
    ports: dict[str, int] = field(default_factory=dict)  # keys as in PORTS
    started: str = ""  # ISO time

    @property
    def folder(self) -> Path:
        """Ray's folder of this session: logs, metrics, sockets."""
        return next(Path(self.temp).glob(f"session_*_{self.pid}"))

    def environment(self) -> dict[str, str]:
        """The variables that make a plain `ray.init()` of another process join this session."""
        return {"RAY_ADDRESS": self.address, **JOINING}

    def alive(self) -> bool:
        """Whether the head runs. A process that got its number later is not taken for it."""
        try:
            return f"--temp-dir={self.temp}" in psutil.Process(self.pid).cmdline()
        except psutil.Error:
            return False

    def processes(self) -> list[psutil.Process]:
        """The head and all that belongs to it, workers included."""
        return _processes(self.temp, self.pid)

    def end(self) -> None:
        """End this Ray, all its processes, and no other. Twice does no harm."""
        recorded = _recorded()
        if recorded and recorded.pid == self.pid:
            _file().unlink(missing_ok=True)
        _end(self.processes())
        if child := _children.pop(self.pid, None):
            child.wait()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exc) -> None:
        self.end()


def start(num_cpus: int | None = None, say: Callable[[str], None] = print) -> Session:
    """Start the head and wait until it takes work.

    `num_cpus`: the cores that Ray counts on; by default, those it finds. `say` takes sentences for
    the learner. Raises SessionError if one of this clone runs already, or if Ray does not start;
    nothing is left running then.
    """
    temp = _temp()
    with _alone(temp, say):
        if running := find(say):
            raise SessionError(f"This clone's Ray is already running, at {running.address}.")
        if end_all():
            say("Ended what was left of a Ray that had not been closed.")
        for old in Path(temp).glob("session_2*"):
            shutil.rmtree(old, ignore_errors=True)
        session = _launch(temp, num_cpus, _ports(say))
        local.write_json(_file(), asdict(session))
        return session


def find(say: Callable[[str], None] = print) -> Session | None:
    """The running session of this clone, or None.

    Where the head was killed, its record and what is left of its processes go away; `say` is told.
    """
    session = _recorded()
    if session is None:
        return None
    if session.alive() and local.accepts(HOST, session.ports["gcs"]):
        return session
    session.end()
    say(f"The Ray at {session.address} had been killed; what was left of it is cleaned up.")
    return None


def end_all() -> bool:
    """End every Ray of this clone, also one half started or half killed. Returns: was there any?"""
    _file().unlink(missing_ok=True)
    found = left = _processes(_temp())
    while left:  # a head that is starting may have started one more
        _end(left)
        left = _processes(_temp())
    return bool(found)


def join() -> Session | None:
    """Make the next `ray.init()` of this process join the running session, and return it.

    Call it before the first `import ray`: Ray reads part of the environment at import. A
    RAY_ADDRESS that is already set wins: then the session is returned only if it is that one.
    """
    session = find()
    address = os.environ.get("RAY_ADDRESS")
    if session is None or address not in (None, "", session.address):
        return None
    os.environ.update(session.environment())
    return session


def reach(address: str, timeout: float = 3) -> None:
    """Raise SessionError if nothing listens at a RAY_ADDRESS within `timeout` seconds.

    Only `host:port` and `ray://host:port` can be looked at from here; others pass.
    """
    place = local.host_and_port(address.removeprefix("ray://"))
    if place and not local.accepts(*place, timeout):
        raise SessionError(
            f"RAY_ADDRESS is {address}, but no Ray answers there. Start that cluster, correct the "
            "address, or `unset RAY_ADDRESS` to have a Ray of your own."
        )


def describe() -> str:
    """One or two lines: what a plain `ray.init()` in this environment does now."""
    session = find()
    address = os.environ.get("RAY_ADDRESS")
    if session and address == session.address:
        return f"ray.init() joins the course's Ray at {address}.\nDashboard: {session.dashboard}"
    if address:
        try:
            reach(address)
        except SessionError as error:
            return str(error)
        return f"ray.init() joins the Ray that RAY_ADDRESS names: {address}."
    if session:
        return (
            f"The course's Ray runs at {session.address}, but RAY_ADDRESS is not set here, so "
            f"ray.init() starts one more.\nDashboard of the course's Ray: {session.dashboard}"
        )
    return "ray.init() starts a Ray of its own, in 10 to 20 seconds. `make lab` starts one for all."


# --- starting ---


def _launch(temp: str, num_cpus: int | None, ports: dict[str, int]) -> Session:
    ray = str(Path(sys.executable).with_name("ray"))
    secret = token()
    command = [ray, "start", "--head", "--block", "--disable-usage-stats"]
    command += [
        f"--temp-dir={temp}",
        f"--node-ip-address={HOST}",
        f"--dashboard-host={HOST}",
    ]
    command += [f"--port={ports['gcs']}", f"--dashboard-port={ports['dashboard']}"]
    command += [f"--ray-client-server-port={ports['client']}"]
    command += [f"--dashboard-agent-listen-port={ports['agent']}"]
    command += ["--min-worker-port=0", "--max-worker-port=0"]
    if num_cpus is not None:
        command += [f"--num-cpus={num_cpus}"]
    environment = {**os.environ, **JOINING, **local.PATIENCE}
    environment.pop("RAY_ADDRESS", None)

    log = paths.state() / "ray.log"
    with log.open("w") as output:
        head = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # out of reach of the terminal's Ctrl-C, and see _processes
        )
    _children[head.pid] = head
    session = Session(
        address=f"{HOST}:{ports['gcs']}",
        dashboard=f"http://{HOST}:{ports['dashboard']}",
        pid=head.pid,
        temp=temp,
        ports=ports,
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    try:
        deadline = time.monotonic() + local.RAY_START_S
        while not _ready(session, secret):
            if head.poll() is not None:
                raise SessionError(_failure("Ray ended while it was starting.", log))
            if time.monotonic() > deadline:
                raise SessionError(_failure(f"Ray was not up in {local.RAY_START_S} seconds.", log))
            time.sleep(0.1)
    except BaseException:
        session.end()
        raise
    return session


def _ready(session: Session, token: str) -> bool:
    """Whether the dashboard answers and counts the head node as alive."""
    try:
        answer = local.get(
            f"{session.dashboard}/nodes?view=summary", {"Authorization": f"Bearer {token}"}
        )
        nodes = json.loads(answer)["data"]["summary"]
    except (OSError, ValueError, KeyError):
        return False
    return any(node.get("raylet", {}).get("state") == "ALIVE" for node in nodes)


def token() -> str:
    """Ray's token, made where there is none, which costs two seconds.

    Raises SessionError if Ray cannot make it.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with contextlib.suppress(OSError):
        if token := file.read_text().strip():
            return token
    ray = str(Path(sys.executable).with_name("ray"))
    made = subprocess.run([ray, "get-auth-token", "--generate"], capture_output=True, text=True)
    if made.returncode:
        raise SessionError(f"Ray could not make its token in {file}: {made.stderr.strip()}")
    return made.stdout.strip()


def _failure(sentence: str, log: Path) -> str:
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
    return f"{sentence} Its log is {log}; the end of it:\n{tail}"


def _ports(say: Callable[[str], None]) -> dict[str, int]:
    """Ray's default ports, and free ones in place of those that are taken."""
    ports = {}
    for name, default in PORTS.items():
        ports[name] = local.free_port(default)
        if ports[name] != default:
            say(f"Port {default} is taken, so Ray's {name} port is {ports[name]}.")
    return ports


# --- where the session is written down ---


def _file() -> Path:
    return paths.state() / "session.json"


def _recorded() -> Session | None:
    try:
        return Session(**json.loads(_file().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _temp() -> str:
    """Ray's --temp-dir for this clone, made if need be.

    Apart from /tmp/ray, so that other Rays of the user neither find this one nor lose their own
    `ray_current_cluster`. Short, because a socket's path may have 104 bytes only. The outer folder
    is the user's own and closed to others; Ray opens its folder to everyone.
    """
    outer = Path(f"/tmp/ray-labs-{os.getuid()}")
    outer.mkdir(mode=0o700, exist_ok=True)
    if outer.lstat().st_uid != os.getuid() or outer.is_symlink():
        raise SessionError(f"{outer} belongs to somebody else. Ask them to remove it.")
    state = paths.state()
    state.mkdir(parents=True, exist_ok=True)
    inner = outer / f"{zlib.crc32(str(state.resolve()).encode()):08x}"
    inner.mkdir(exist_ok=True)
    return str(inner)


@contextlib.contextmanager
def _alone(temp: str, say: Callable[[str], None]) -> Iterator[None]:
    """One start at a time, of all clones of this user: two would choose the same ports."""
    with open(Path(temp).parent / "starting.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another Ray of yours is just starting; this one starts after it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- whose process is it ---


def _processes(temp: str, head: int | None = None) -> list[psutil.Process]:
    """The live processes of the Rays under the folder `temp`, or of the one with that head.

    The proof that a process is ours is that an argument of it, such as `--session-dir=`, names
    `<temp>/session_<time>_<pid of the head>`. Some hide their arguments; they are found as members
    of the POSIX session that the head leads. Its id can be nobody else's as long as one member is
    alive that is proven ours: by an argument, or by a log that it has open in that folder.
    """
    folder = re.compile(rf"{re.escape(temp)}/session_[\d_-]+_(\d+)\b")
    heads = {int(m[1]) for path in Path(temp).glob("session_2*") if (m := folder.match(str(path)))}
    proven, rest, leaders = [], [], set()
    for process in psutil.process_iter():
        try:
            sid = os.getsid(process.pid)
            arguments = process.cmdline()
            traces = [argument for argument in arguments if argument.startswith("--")]
            if sid in heads:
                traces += [file.path for file in process.open_files()]
        except (psutil.Error, OSError):
            continue
        named = next((int(m[1]) for trace in traces if (m := folder.search(trace))), None)
        if named is None and f"--temp-dir={temp}" in arguments and "--head" in arguments:
            named = process.pid
        if named is None:
            rest.append((process, sid))
        elif head in (None, named):
            proven.append(process)
            if sid == named:
                leaders.add(sid)
    return proven + [process for process, sid in rest if sid in leaders]


def _end(processes: list[psutil.Process]) -> None:
    """Ask the heads to end their Rays, which takes 4 seconds; then kill what is left.

    After a head's sudden death its agents are left, and would stay for minutes.
    """
    heads = [process for process in processes if _leads(process)]
    for process in heads:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    if heads:
        local.wait_until_gone(processes, 10)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    local.wait_until_gone(processes, 10)


def _leads(process: psutil.Process) -> bool:
    with contextlib.suppress(OSError):
        return local.is_running(process) and os.getsid(process.pid) == process.pid
    return False


if __name__ == "__main__":
    print(describe())
