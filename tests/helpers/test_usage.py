"""What the machines do and who holds what: on recorded answers, and on live Ray."""

import functools
import re
import threading
import time
from types import SimpleNamespace as Row

import pytest

from helpers import ui
from helpers.ui import live, usage
from helpers.ui.live import History
from helpers.ui.state import Unavailable
from helpers.ui.usage import ClusterView, CpuView, Held, Node, held, parse, together
from tests.support import waiting

EVIL = "<img src=x onerror=alert(1)>"
SECONDS = 30
wait_until = functools.partial(waiting.wait_until, limit_s=SECONDS)
PAGE = f"""
# HELP ray_component_cpu_percentage Total CPU usage of the components on a node.
# TYPE ray_component_cpu_percentage gauge
ray_component_cpu_percentage{{Component="gcs",ip="127.0.0.1",pid="28402"}} 0.8
ray_component_cpu_percentage{{Component="raylet",ip="127.0.0.1",pid="28767"}} 1.0
ray_component_cpu_percentage{{Component="ray::DashboardAgent",ip="127.0.0.1",pid=""}} 7.2
ray_component_cpu_percentage{{Component="agent",ip="127.0.0.1",pid="28827"}} 7.4
ray_component_cpu_percentage{{Component="ray::busy",ip="127.0.0.1",pid=""}} 60.0
ray_component_cpu_percentage{{Component="ray::Holder.wait",ip="127.0.0.1",pid=""}} 10.0
ray_component_cpu_percentage{{Component="ray::{EVIL}",ip="127.0.0.1",pid=""}} 5.0
ray_component_cpu_percentage{{Component="python",ip="127.0.0.1",pid=""}} 15.0
ray_component_cpu_percentage{{Component="ray::IDLE",ip="127.0.0.1",pid=""}} 4.0
ray_node_cpu_utilization{{ip="127.0.0.1"}} 52.8
ray_node_cpu_count{{ip="127.0.0.1"}} 2.0
ray_node_mem_used{{ip="127.0.0.1"}} 1.5e+09
ray_node_mem_used_host{{ip="127.0.0.1"}} 9e+09
ray_node_mem_total{{ip="127.0.0.1"}} 2.5e+10
ray_node_gpus_utilization{{ip="127.0.0.1",GpuIndex="1",GpuDeviceName="b"}} 80.0
ray_node_gram_used{{ip="127.0.0.1",GpuIndex="1"}} 1024.0
ray_node_gram_available{{ip="127.0.0.1",GpuIndex="1"}} 3072.0
ray_node_gpus_utilization{{ip="127.0.0.1",GpuIndex="0",GpuDeviceName="a"}} 0.0
ray_object_store_available_memory{{Component="raylet"}} 7e+09
ray_object_store_used_memory{{Component="raylet"}} 1e+09
"""
GROUP = "886282eb33c6c2e1d4652274d0a802000000"


@pytest.fixture
def node():
    return parse("one", PAGE)


def test_a_page_of_metrics_is_read(node):
    assert (node.cpu, node.cores) == (0.528, 2)
    assert node.memory == (1.5e9, 2.5e10) and node.store == (1e9, 8e9)
    assert node.gpus == ((0, 0, 0), (0.8, 2**30, 2**32))
    assert node.users["busy"] == 0.6 and node.users["Holder.wait"] == 0.1
    assert node.users[usage.RAY] == pytest.approx(0.09), "its agent is told of twice"
    assert node.users[usage.DRIVERS] == 0.15 and node.users[usage.IDLE] == 0.04


def test_an_empty_page_is_a_node_that_told_nothing():
    assert parse("one", "") == Node("one")


def test_a_node_that_does_not_answer_is_named(monkeypatch):
    def get(url):
        if "10.0.0.2" in url:
            raise OSError("no route")
        return PAGE.encode()

    rows = [
        {"Alive": True, "NodeID": at, "NodeManagerAddress": at, "MetricsExportPort": 1}
        for at in ("10.0.0.1", "10.0.0.2")
    ]
    monkeypatch.setattr(usage, "connected", lambda: "")
    monkeypatch.setattr(usage, "get", get)
    monkeypatch.setattr("ray.nodes", lambda: rows)
    nodes = usage.Machines().look()
    assert [(node.name, node.cores) for node in nodes] == [
        ("10.0.0.1", 2),
        ("10.0.0.2: no answer", 0),
    ]
    assert together(nodes).cpu == nodes[0].cpu
    rows.pop(0)
    with pytest.raises(Unavailable, match="No node of Ray's tells its metrics"):
        usage.Machines().look()


def test_nodes_are_put_together(node):
    larger = Node("two", 6.0, 0.0, (1e9, 5e9), (0, 1e9), users={"busy": 3.0})
    whole = together([node, larger])
    assert whole.cores == 8 and whole.cpu == pytest.approx(0.132)
    assert whole.memory == (2.5e9, 3e10) and whole.users["busy"] == 3.6
    assert len(whole.gpus) == 2


def cpu_view(*nodes):
    names = {together(list(nodes)).name, *(node.name for node in nodes)}
    return CpuView(list(nodes), {name: History() for name in names}, 0.0)


def test_the_shares_add_up_to_all(node):
    view = cpu_view(node)
    assert sum(share for _, share in view.users()) == pytest.approx(node.cpu)
    assert view.users()[0] == ("busy", 0.3)
    assert view.as_text().startswith("CPU 53% of 2 cores\n  busy  ")


def test_only_those_with_the_most_are_named():
    view = cpu_view(Node("one", 2.0, 1.0, users={f"f{n}": 0.02 * n for n in range(12)}))
    names = [name for name, _ in view.users()]
    assert names[:6] == ["f11", "f10", "f9", "f8", "f7", "6 others"]


def test_the_functions_of_other_jobs_are_put_together(node):
    users = usage._without_others(node, {"Holder"}).users
    assert users["Holder.wait"] == 0.1 and users[usage.OTHERS] == pytest.approx(0.65)
    assert users[usage.DRIVERS] == 0.15


def test_the_picture_is_as_high_whoever_works(node):
    idle = Node("one", 2.0, 0.0)
    rows = [cpu_view(one).as_html().count('class="row"') for one in (node, idle)]
    assert rows[0] == rows[1]


def test_several_nodes_have_a_line_each(node):
    other = Node(EVIL, 6.0, 0.5)
    shown = cpu_view(node, other).as_html()
    assert shown.count("<svg") == 3 and "50% of 6 cores" in shown
    assert "all nodes" not in cpu_view(node).histories


def actor(name, **resources):
    return Row(class_name="Holder", name=name, required_resources=resources)


def task(name, kind="NORMAL_TASK", **resources):
    return Row(name=name, type=kind, required_resources=resources)


def test_who_holds_what():
    found = held(
        {"CPU": 4.0, "moon": 2.0, "node:127.0.0.1": 1.0, "object_store_memory": 7e9},
        {"CPU": 1.5, "node:127.0.0.1": 1.0},
        [actor("", CPU=0.5), actor("", CPU=0.5), actor("x", moon=2.0), actor("idle")],
        [task("f", CPU=1.0), task("g", "ACTOR_TASK", CPU=1.0)],
        [],
    )
    assert list(found) == ["CPU", "moon"]
    assert found["CPU"].holders == {("Holder", 2): 1.0, ("f", 1): 1.0}
    assert found["CPU"].unknown == 0.5 and found["CPU"].lent == 0
    assert found["moon"].holders == {("Holder x", 1): 2.0} and found["moon"].unknown == 0


def test_who_waits_in_get_has_lent_its_cpu():
    found = held({"CPU": 2.0}, {"CPU": 1.0}, [], [task("f", CPU=1.0), task("f", CPU=1.0)], [])
    assert found["CPU"].lent == 1 and found["CPU"].unknown == 0
    assert "1 of 2 CPUs held, 1 lent" in cluster_view(found).as_html()
    assert usage.LENT in cluster_view(found).as_html()


def test_what_is_used_of_a_placement_group_is_not_counted_twice():
    inside = {f"CPU_group_{GROUP}": 0.25, f"CPU_group_0_{GROUP}": 0.25}
    inside[f"bundle_group_{GROUP}"] = 0.001
    group = Row(placement_group_id=GROUP, name="pg", state="CREATED", bundles=None)
    group.bundles = [{"unit_resources": {"CPU": 0.5}}, {"unit_resources": {"CPU": 0.5}}]
    pending = Row(placement_group_id="1", name="", state="PENDING", bundles=group.bundles)
    found = held(
        {"CPU": 2.0, f"CPU_group_{GROUP}": 1.0},
        {"CPU": 1.0},
        [actor("", **inside)],
        [],
        [group, pending],
    )
    assert list(found) == ["CPU"]
    assert found["CPU"].holders == {("placement group pg", 1): 0.75, ("Holder", 1): 0.25}


def cluster_view(resources, *nodes):
    nodes = list(nodes) or [Node("one", 2.0, 0.5)]
    whole = together(nodes)
    histories = {label: History() for label, _, _ in usage.measures(whole)}
    return ClusterView(whole, nodes, resources, histories, 0.0)


def test_the_cluster_is_drawn_and_told(node):
    resources = {"CPU": Held(2.0, 1.5, {("f", 3): 1.5}), "memory": Held(1e9, 0.0, {})}
    view = cluster_view(resources, node)
    said = view.as_text()
    assert said.startswith("1 node: 53% busy, 1.5 of 2 CPUs held")
    assert re.search(r"memory +1.5 of 25.0 GB", said)
    assert re.search(r"object store +1.0 of 8.0 GB", said)
    assert re.search(r"GPU 1 +80%", said)
    assert "f \N{MULTIPLICATION SIGN} 3: 1.5" in said
    assert said.count("memory") == 3, "the machine's and the GPUs', not the one nobody asked for"
    assert view.as_html().count("<svg") == 3 + 4


def test_names_are_shown_as_text(node):
    resources = {EVIL: Held(2.0, 1.5, {(EVIL, 3): 1.5})}
    for drawn in (
        cpu_view(node).as_html(),
        cluster_view(resources, node, Node(EVIL, 1.0)).as_html(),
    ):
        assert "<img" not in drawn and "&lt;img" in drawn


# --- on live Ray ---


def test_the_cpu_is_that_of_the_task_that_uses_it(ray):
    @ray.remote
    def spin():
        while True:
            pass

    widget = ui.cpu_usage()
    ref = spin.remote()
    view = wait_until(widget.look, lambda view: dict(view.users()).get("spin", 0) > 0.02)
    assert together(view.nodes).cpu > 0.02, "little, for on a busy machine others have the cores"
    assert "spin" in repr(widget)
    ray.cancel(ref, force=True)
    wait_until(widget.look, lambda view: "spin" not in dict(view.users()))


def test_a_resource_is_held_until_its_holder_is_gone(ray):
    @ray.remote(num_cpus=0.5)
    class Holder:
        def wait(self): ...

    widget = ui.cluster_usage()
    holder = Holder.options(name="of a half").remote()
    ray.get(holder.wait.remote())
    key = ("Holder of a half", 1)
    view = wait_until(widget.look, lambda view: key in view.resources["CPU"].holders)
    assert view.resources["CPU"].holders[key] == 0.5
    wait_until(widget.look, lambda view: view.resources["CPU"].used >= 0.5)
    assert "Holder of a half: 0.5" in repr(widget)
    ray.kill(holder)
    wait_until(widget.look, lambda view: key not in view.resources["CPU"].holders)


def test_a_running_task_holds_what_it_asked_for(ray):
    @ray.remote(num_cpus=0.25)
    def doze():
        threading.Event().wait()

    widget = ui.cluster_usage()
    refs = [doze.remote() for _ in range(2)]
    wait_until(widget.look, lambda view: ("doze", 2) in view.resources["CPU"].holders)
    for ref in refs:
        ray.cancel(ref, force=True)
    wait_until(widget.look, lambda view: "doze" not in str(view.resources["CPU"].holders))


def test_the_object_store_fills_at_once(ray):
    widget = ui.cluster_usage()
    ref = ray.put(bytes(200_000_000))
    wait_until(widget.look, lambda view: view.whole.store[0] >= 2e8)
    del ref
    wait_until(widget.look, lambda view: view.whole.store[0] < 2e8)


@pytest.mark.parametrize("widget", [ui.cpu_usage, ui.cluster_usage, ui.actor_tree])
def test_it_says_in_a_sentence_that_ray_is_not_there(monkeypatch, widget):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert repr(widget()).startswith("Ray is not running in this notebook")


@pytest.mark.parametrize("make", [ui.cpu_usage, ui.cluster_usage, ui.actor_tree])
def test_a_look_takes_little_time(ray, make):
    """Twenty times its length is waited: what takes long is not live."""
    widget = make()
    took = []
    for _ in range(10):
        began = time.monotonic()
        widget.look()
        took.append(time.monotonic() - began)
    assert min(took) * live.IDLE_FACTOR < 10, "the quickest is the least disturbed by others"
