"""The notebook's own Prometheus: on loopback only, gone with its kernel, and what it answers."""

import os
import subprocess
from types import SimpleNamespace

import matplotlib.pyplot as plt
import psutil
import pytest

from checks import metrics
from helpers import local, prometheus
from helpers.labs import read
from helpers.prometheus import server
from tests.support.kernel import kernel

needed = pytest.mark.skipif(not prometheus.installed(), reason="Prometheus is not installed")
BEGIN = 1_700_000_000.0
CONFIG = "global: {evaluation_interval: 100ms}\nrule_files: ['*.rules.yml']\n"
RULES = """
groups:
- name: test
  rules:
  - {alert: Always, expr: vector(1)}
"""

# A kernel that starts a Prometheus, says who belongs to it, and waits to be killed.
KERNEL = """
import psutil
from helpers import prometheus
running = prometheus.start("global: {}")
print(running.folder, *(one.pid for one in psutil.Process().children(recursive=True)), flush=True)
input()
"""


def past():
    """Ten minutes of two counters, which grow by 3 and 5 a second."""
    for kind, rate in (("cat", 3), ('d"o\\g', 5)):
        for second in range(0, 601, 5):
            yield "ray_images_total", {"kind": kind}, BEGIN + second, rate * second


@pytest.fixture(scope="module")
def remembering():
    running = prometheus.remembering(past())
    yield running
    running.stop()


@needed
def test_it_remembers_what_it_was_told(remembering):
    rates = remembering.query("rate(ray_images_total[1m])", BEGIN + 300)
    assert {one.labels["kind"]: round(one.values[0], 6) for one in rates} == {"cat": 3, 'd"o\\g': 5}
    [both] = remembering.query_range("sum(ray_images_total)", BEGIN + 100, BEGIN + 110, 5)
    assert both.labels == {}
    assert both.times == [BEGIN + 100, BEGIN + 105, BEGIN + 110]
    assert both.values == [800, 840, 880]
    assert remembering.names() == {"ray_images_total"}
    assert remembering.query("1 + 1", BEGIN)[0].values == [2]
    assert remembering.query("no_such_metric", BEGIN) == []


@needed
@pytest.mark.parametrize(
    ("promql", "why"), [("rate(", "parse error"), ("ray_images_total[1m]", "gives a matrix")]
)
def test_a_refused_query_says_why(remembering, promql, why):
    with pytest.raises(prometheus.QueryError, match=why):
        remembering.query(promql, BEGIN)


@needed
def test_samples_that_make_no_sense_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(server.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    with pytest.raises(subprocess.CalledProcessError):
        prometheus.remembering([("no name", {}, BEGIN, 1.0)])
    assert not tmp_path.exists()


@needed
def test_it_watches_rules_and_listens_on_loopback_only():
    before = psutil.Process().children(recursive=True)
    running = prometheus.start(CONFIG)
    try:
        own = [one for one in psutil.Process().children(recursive=True) if one not in before]
        listening = [
            connection.laddr.ip
            for process in own
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listening) == {"127.0.0.1"}
        with pytest.raises(prometheus.QueryError, match="reload"):
            running.watch("groups: 1")
        running.watch(RULES)
        [alert] = running.until(lambda: running.api("alerts")["alerts"])
        assert alert["state"] == "firing"
        with pytest.raises(TimeoutError):
            running.until(lambda: False, seconds=0.3)
    finally:
        running.stop()
    assert not running.folder.exists()


@needed
def test_nothing_is_left_when_its_kernel_is_killed():
    with kernel(KERNEL) as running:
        folder, *pids = running.stdout.readline().split()
        belonging = [psutil.Process(int(pid)) for pid in pids]
        assert len(belonging) == 2, "the keeper and the server"
    assert local.wait_until_gone(belonging, 20)
    assert not os.path.exists(folder)


def test_where_it_is_not_installed_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(server.shutil, "which", lambda name: None)
    absent = prometheus.start(CONFIG)
    assert not absent and not prometheus.installed()
    assert "no program `prometheus`" in repr(absent)
    assert absent.until(lambda: False) is None
    absent.watch(RULES), absent.stop()


def test_where_rays_files_are_elsewhere_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(server.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert "head node" in repr(prometheus.start(""))


def test_checks_say_what_they_lack_and_leave_the_exercise_alone(ray, monkeypatch):
    monkeypatch.setattr(metrics, "installed", lambda: False)
    verdict = metrics.busy_share(lambda: "vector(1)")
    assert verdict.status == "not started"
    assert "needs the programs `prometheus` and `promtool`" in verdict.message


def test_the_lab_goes_on_without_it(monkeypatch, tmp_path, capsys):
    """Its cells that ask Prometheus, where there is none: no error, and a sentence or nothing."""
    monkeypatch.setattr(server.shutil, "which", lambda name: None)
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("a picture of nothing"))
    code = {c["id"]: c["source"] for c in read("07_metrics")["cells"] if c["cell_type"] == "code"}
    done = [("cat", 0.03), ("dog", 0.3)]
    names = {"config": "", "cores": 2, "done": done, "opened_at": 1.0, "closed_at": 2.0}
    names |= {"put_at": 1.0, "crowd_at": 2.0, "metrics": tmp_path, "crowd": []}
    names |= {"shops": [], "told": int, "ray": SimpleNamespace(get=lambda _: [(done, 2.0)])}
    asking = """
        start ask ask-now up ask-range live worth kinds told rate lost components quantile buckets
        mean rule relief strip shelves memory grafana-files grafana-panels grafana-query
    """
    exec("import http.client", names)
    for name in asking.split():
        exec(code[name], names)
    printed = capsys.readouterr().out
    assert printed.count("Nothing to draw.") == 3
    for name in ("grafana-cpu", "grafana-tasks", "grafana-gpu"):
        assert "no program `prometheus`" in repr(eval(code[name], names))
