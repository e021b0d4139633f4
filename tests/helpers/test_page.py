"""Trackers' pages: on loopback only, and gone with the process that asked for them."""

import sys
from pathlib import Path

import psutil
import pytest

from helpers import keeper, local, page
from helpers.page import Page
from tests.support.kernel import kernel

# A server with a process of its own, as trackers' servers have; "broken" ends with a complaint.
SERVER = """
import argparse, http.server, subprocess, sys
parser = argparse.ArgumentParser()
parser.add_argument("--host"), parser.add_argument("--port", type=int)
parser.add_argument("kind")
given = parser.parse_args()
if given.kind == "broken":
    sys.exit("the database is locked")
subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer((given.host, given.port), handler).serve_forever()
"""

# A kernel that shows a page, says who belongs to it, and then ends or waits to be killed.
KERNEL = """
import psutil, sys
from helpers.page import Page
page = Page(sys.executable, sys.argv[1], "sound")
print(*(one.pid for one in psutil.Process().children(recursive=True)), flush=True)
if sys.argv[2] == "waits":
    input()
"""


@pytest.fixture
def server(tmp_path) -> str:
    file = tmp_path / "server.py"
    file.write_text(SERVER)
    return str(file)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def addresses(processes: list[psutil.Process]) -> set[str]:
    """Where these processes listen."""
    return {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_page_answers_on_loopback_and_stops(server):
    before = children()
    page = Page(sys.executable, server, "sound", path="/?a=1#b", height=123)
    own = [process for process in children() if process not in before]
    assert len(own) == 3, "the keeper, the server and what that started"
    assert addresses(own) == {"127.0.0.1"}
    shown = page._repr_html_()
    assert f'<iframe class="ray-labs-page" src="{page.url}"' in shown and 'height="123"' in shown
    folder = Path(own[1].cwd())
    page.stop()
    assert local.wait_until_gone(own, 20)
    assert not folder.exists()
    assert not page.alive and "stopped" in repr(page) and "iframe" not in page._repr_html_()
    page.stop()


def test_it_stops_before_an_interrupted_cell_ends(server, monkeypatch):
    def interrupted(url):
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "get", interrupted)
    before = children()
    with pytest.raises(KeyboardInterrupt):
        Page(sys.executable, server, "sound")
    assert local.wait_until_gone([one for one in children() if one not in before], 20)


def test_a_server_that_fails_says_why(server):
    before = children()
    with pytest.raises(keeper.StartError, match="the database is locked"):
        Page(sys.executable, server, "broken")
    assert local.wait_until_gone([one for one in children() if one not in before], 20)


def test_a_server_is_ready_when_it_says_so_though_its_page_is_missing(server, monkeypatch):
    monkeypatch.setattr(page, "START_SECONDS", 20)
    Page(sys.executable, server, "sound", path="/no-page", ready="/").stop()


def test_a_program_that_is_not_there():
    with pytest.raises(keeper.StartError, match="no program nonesuch"):
        Page("nonesuch")


@pytest.mark.parametrize("end", ["ends", "waits"])
def test_nothing_is_left_when_the_kernel_ends_or_is_killed(server, end):
    belonging = []
    with kernel(KERNEL, server, end) as running:
        try:
            for pid in map(int, running.stdout.readline().split()):
                belonging.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            assert end == "ends"
        if end == "ends":
            running.wait(60)
        else:
            assert len(belonging) == 3
    assert local.wait_until_gone(belonging, 20)


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    before = children()
    page = Page("tensorboard", "--logdir", str(tmp_path))
    own = [process for process in children() if process not in before]
    try:
        assert b"TensorBoard" in local.get(page.url)
        assert addresses(own) <= {"127.0.0.1", "::1"}
    finally:
        page.stop()
    assert local.wait_until_gone(own, 20)
