"""The session: one head, on loopback only, found, joined and ended, and no other Ray touched."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from helpers import local
from launch import apart, session

SLEEPER = "import signal; print('up', flush=True); signal.pause()"


@pytest.fixture(scope="module", autouse=True)
def state():
    with apart.state(), pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


@pytest.fixture(scope="module")
def said():
    return []


@pytest.fixture(scope="module")
def head(said):
    """A session started while strangers hold two of Ray's ports."""
    with contextlib.ExitStack() as strangers:
        for port in (session.PORTS["gcs"], session.PORTS["dashboard"]):
            strangers.enter_context(listener(port))
        yield session.start(num_cpus=2, say=said.append)


def listener(port=0):
    """A listening socket; or nothing to do, where somebody listens on that port already."""
    try:
        return socket.create_server((local.HOST, port))
    except OSError:
        return contextlib.nullcontext()


def stranger(*arguments):
    """A process that is none of ours, with these arguments, in a POSIX session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, *arguments], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout.readline() == b"up\n"
    return process


def test_takes_other_ports_where_strangers_hold_its_own(head, said):
    assert head.ports["gcs"] != session.PORTS["gcs"]
    assert head.ports["dashboard"] != session.PORTS["dashboard"]
    assert any(sentence.startswith("Port 6379 is taken") for sentence in said)
    assert any(sentence.startswith("Port 8265 is taken") for sentence in said)


def test_is_found_and_not_started_twice(head):
    assert session.find() == head
    assert head.folder.is_dir()
    with pytest.raises(session.SessionError, match="already running"):
        session.start()


@pytest.fixture(scope="module")
def driver(head):
    """Another process, which has done a plain `ray.init()` and run a task."""
    program = "import ray; ray.init(); print(ray.get(ray.remote(lambda: 6 * 7).remote()))"
    environment = {**os.environ, **head.environment()}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )


def test_a_plain_init_in_another_process_joins(head, driver):
    assert driver.stdout.strip() == "42", driver.stderr
    assert f"existing Ray cluster at address: {head.address}" in driver.stderr


def test_listens_on_loopback_only(head, driver):
    processes = head.processes()
    assert any(process.name().startswith("ray::IDLE") for process in processes), "no worker"
    heard = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert heard


def test_join_puts_the_session_into_the_environment(head, monkeypatch):
    for name in head.environment():
        monkeypatch.delenv(name, raising=False)
    assert "starts one more" in session.describe()
    assert session.join() == head
    assert head.environment().items() <= os.environ.items()
    assert f"joins the course's Ray at {head.address}" in session.describe()
    assert head.dashboard in session.describe()


def test_a_ray_address_of_the_users_wins(head, monkeypatch):
    with listener() as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert session.join() is None
        assert os.environ["RAY_ADDRESS"] == address
        assert f"RAY_ADDRESS names: {address}" in session.describe()


def test_a_killed_head_is_cleaned_up_and_no_stranger_with_it(head):
    file = next(head.folder.glob("logs/*.out"))
    with contextlib.ExitStack() as cleanup:
        strangers = [
            stranger("start", "--head", "--temp-dir=/tmp/ray"),
            stranger(f"--session-dir=/tmp/ray/session_2026-01-01_00-00-00_000000_{head.pid}"),
            stranger(str(file)),  # somebody who reads our log
        ]
        for process in strangers:
            cleanup.callback(process.communicate)
            cleanup.callback(process.kill)
        processes = head.processes()
        [root] = [process for process in processes if process.pid == head.pid]
        root.kill()
        assert local.wait_until_gone([root], 10)  # a busy machine takes its time to kill

        said = []
        assert session.find(say=said.append) is None
        assert len(said) == 1 and "had been killed" in said[0]
        assert local.wait_until_gone(processes, 0)
        assert [process.poll() for process in strangers] == [None] * len(strangers)

        with session.start(num_cpus=1, say=said.append) as second:
            assert not head_folders(second) - {second.folder}, "old folders fill the disk"
            processes = second.processes()
        assert local.wait_until_gone(processes, 0)
        assert second.processes() == [] and not second.alive()
        assert session.find() is None
        assert [process.poll() for process in strangers] == [None] * len(strangers)
        second.end()


def head_folders(of):
    return set(of.folder.parent.glob("session_2*"))


def test_what_a_head_starts_while_it_is_ended_is_ended_too(state, monkeypatch):
    arguments = ("start", "--head", f"--temp-dir={session._temp()}")
    heads, end = [stranger(*arguments)], session._end

    def late(processes):
        if len(heads) == 1:
            heads.append(stranger(*arguments))
        end(processes)

    monkeypatch.setattr(session, "_end", late)
    assert session.end_all() and not session.end_all()
    with contextlib.ExitStack() as cleanup:
        for head in heads:
            cleanup.callback(head.communicate)
            cleanup.callback(head.kill)
        assert [head.poll() for head in heads] == [-signal.SIGTERM] * 2


def test_another_clone_waits_until_the_first_has_its_ports(state, tmp_path, monkeypatch):
    said, entered = [], threading.Event()

    def start_another():
        with session._alone(other, said.append):
            entered.set()

    with session._alone(session._temp(), said.append):
        monkeypatch.setenv("RAY_LABS_STATE", str(tmp_path))
        other = session._temp()
        thread = threading.Thread(target=start_another)
        thread.start()
        deadline = time.monotonic() + 30
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        assert said == ["Another Ray of yours is just starting; this one starts after it."]
        assert not entered.is_set()
    thread.join(30)
    assert entered.is_set()
    os.rmdir(other)


def test_a_record_of_another_process_is_not_believed(state):
    fake = session.Session("127.0.0.1:1", "http://127.0.0.1:2", os.getpid(), session._temp())
    local.write_json(session._file(), session.asdict(fake) | {"ports": session.PORTS})
    assert not fake.alive()
    assert session.find(say=lambda sentence: None) is None
    assert not session._file().exists()


def test_half_a_record_is_no_session(state):
    session._file().write_text('{"address": "127.0')
    assert session.find() is None
    session._file().unlink()


def test_a_head_that_cannot_start_is_a_sentence_with_its_log(state, monkeypatch):
    with listener() as taken:
        ports = dict.fromkeys(session.PORTS, taken.getsockname()[1])
        monkeypatch.setattr(session, "_ports", lambda say: ports)
        with pytest.raises(
            session.SessionError, match=r"Ray ended while it was starting.*ray\.log"
        ):
            session.start()
    assert session._processes(session._temp()) == []
    assert not session._file().exists()


def test_free_port_prefers_the_usual_one():
    with listener() as taken:
        port = taken.getsockname()[1]
        assert local.free_port(port) != port
    assert local.free_port(port) == port


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_dead_address_is_a_sentence_at_once(scheme, monkeypatch):
    with listener() as server:
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
        session.reach(address)
    begin = time.monotonic()
    with pytest.raises(session.SessionError, match="no Ray answers there"):
        session.reach(address)
    assert time.monotonic() - begin < 20, "Ray itself asks for half a minute and more"
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert "no Ray answers there" in session.describe()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("head.example:6379", ("head.example", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("auto", None),
        ("http://127.0.0.1:8265", None),
    ],
)
def test_the_parts_of_an_address(address, parts):
    assert local.host_and_port(address) == parts


def test_addresses_without_a_port_pass():
    for address in ("auto", "local"):
        session.reach(address)
