"""What the machines do, and who holds what of the cluster: live."""

import html
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import ray
from prometheus_client.parser import text_string_to_metric_families
from ray.util.state import list_actors, list_jobs, list_placement_groups, list_tasks

from helpers.local import get
from helpers.plots import BLUE, GREEN, GREY, ORANGE, PALE, PURPLE, RED, SKY
from helpers.ui.live import History, Live, bar, row, said
from helpers.ui.state import (
    ASK_S,
    Soon,
    Unavailable,
    actor_name,
    ask,
    attempts,
    connected,
    here,
    is_driver,
    listed,
)

METRICS_S = 2.0  # least time between two readings of a node's metrics; they change every 5 s
USERS = 5  # functions that the picture names, those that use the most
LEAST = 1e-4  # resources come in ten-thousandths
HELD = "what Ray has given to actors and tasks, whether they use it or not"
LENT = "Lent: a task that waits in ray.get gives its CPUs to others until then."
HOLDERS = 3  # holders that it names of each resource
METRICS = (  # of https://docs.ray.io/en/latest/ray-observability/reference/system-metrics.html
    "ray_node_cpu_utilization",
    "ray_node_cpu_count",
    "ray_node_mem_used",
    "ray_node_mem_total",
    "ray_node_gpus_utilization",
    "ray_node_gram_used",
    "ray_node_gram_available",
    "ray_object_store_used_memory",
    "ray_object_store_available_memory",
    "ray_component_cpu_percentage",
)
RAYS_OWN = {"gcs", "raylet", "ray::DashboardAgent", "ray::RuntimeEnvAgent"}
AGAIN = {"agent"}  # the dashboard agent is there under two names
RAY, DRIVERS, IDLE = "Ray itself", "drivers (notebooks, scripts)", "workers between tasks"
REST, OTHERS = "everything else on the machine", "other jobs"
COLOURS = [BLUE, ORANGE, GREEN, PURPLE, SKY, RED]


@dataclass(frozen=True)
class Node:
    """What one machine's metrics tell. Shares are 0 to 1, memory is in bytes.

    Args:
        gpus: a pair of the share used and the memory, used and in all, for each.
        users: a function or what else runs to the cores that it keeps busy.
        answers: whether it told; of one that did not all else is 0.
    """

    name: str
    cores: float = 0.0
    cpu: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)  # used, in all
    store: tuple[float, float] = (0.0, 0.0)
    gpus: tuple[tuple[float, float, float], ...] = ()
    users: dict[str, float] = field(default_factory=dict)
    answers: bool = True


def parse(name: str, page: str) -> Node:
    """A node of that name, from the text that its metrics port answers."""
    values, gpus, users = {}, {}, Counter()
    lines = [line for line in page.splitlines() if line.startswith(METRICS)]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            gpu, component = sample.labels.get("GpuIndex"), sample.labels.get("Component", "")
            if gpu is not None:
                gpus.setdefault(gpu, {})[sample.name] = sample.value
            elif sample.name != "ray_component_cpu_percentage":
                values[sample.name] = sample.value
            elif component not in AGAIN:
                users[_user(component)] += sample.value / 100

    def value(metric: str) -> float:
        return values.get(f"ray_{metric}", 0.0)

    store = value("object_store_used_memory")
    return Node(
        name,
        cores=value("node_cpu_count"),
        cpu=value("node_cpu_utilization") / 100,
        memory=(value("node_mem_used"), value("node_mem_total")),
        store=(store, store + value("object_store_available_memory")),
        gpus=tuple(_gpu(gpus[index]) for index in sorted(gpus, key=int)),
        users=dict(users),
    )


def _gpu(values: dict[str, float]) -> tuple[float, float, float]:
    used = values.get("ray_node_gram_used", 0.0) * 2**20  # Ray tells mebibytes
    free = values.get("ray_node_gram_available", 0.0) * 2**20
    return values.get("ray_node_gpus_utilization", 0.0) / 100, used, used + free


def _user(component: str) -> str:
    """What a component of the metrics is, in the words of the picture."""
    if component in RAYS_OWN:
        return RAY
    if component.startswith("ray::IDLE"):
        return IDLE
    return component.removeprefix("ray::") if component.startswith("ray::") else DRIVERS


class Machines:
    """The nodes that are alive, each read by its metrics port, no more often than is of use."""

    def __init__(self):
        self._known: dict[str, Node] = {}
        self._read = float("-inf")

    def look(self) -> list[Node]:
        """The nodes, at most `METRICS_S` later than Ray has told.

        Raises:
            Unavailable: Ray is not there, or no node answers.
        """
        connected()
        if time.monotonic() - self._read >= METRICS_S:
            self._known = self._all()
            self._read = time.monotonic()
        return list(self._known.values())

    def _all(self) -> dict[str, Node]:
        alive = [node for node in ray.nodes() if node["Alive"]]
        places = Counter(node["NodeManagerAddress"] for node in alive)
        known, failures = {}, ["no node is alive"]
        for node in alive:
            place, key = node["NodeManagerAddress"], node["NodeID"]
            name = place if places[place] == 1 else f"{place} {key[:6]}"
            try:
                page = get(f"http://{place}:{node['MetricsExportPort']}/metrics").decode()
                known[key] = parse(name, page)
            except OSError as error:
                failures.append(str(error))
                known[key] = Node(f"{name}: no answer", answers=False)
        answering = [node for node in known.values() if node.answers]
        if not answering:
            raise Unavailable(
                f"No node of Ray's tells its metrics. Has Ray ended? ({failures[-1]})"
            )
        if not all(node.cores for node in answering):
            raise Soon("Ray has only just started: the first numbers come within 20 seconds.")
        return known


def together(nodes: list[Node]) -> Node:
    """All nodes as one."""
    cores = sum(node.cores for node in nodes)
    users = Counter()
    for node in nodes:
        users.update(node.users)
    return Node(
        "all nodes" if len(nodes) > 1 else nodes[0].name,
        cores=cores,
        cpu=sum(node.cpu * node.cores for node in nodes) / max(cores, 1),
        memory=_sum(node.memory for node in nodes),
        store=_sum(node.store for node in nodes),
        gpus=tuple(gpu for node in nodes for gpu in node.gpus),
        users=dict(users),
    )


def _sum(pairs: Iterable[tuple[float, float]]) -> tuple[float, float]:
    used, total = zip(*pairs, strict=True)
    return sum(used), sum(total)


# --- CPU ---


def cpu_usage(all_jobs: bool = False) -> Live:
    """How busy the cores are, and which functions keep them so; live. `ui.cpu_usage()`

    Args:
        all_jobs: name the functions of others too; without, they are summed up as "other jobs".

    Ray measures every 5 seconds and the nodes are asked every 2, so a number is an average over 5
    seconds, which ended at most 7 seconds ago. A worker is counted for what it runs at the moment
    of the measurement; where tasks are short, much of their work is that of workers between tasks.
    """
    return Live(_CpuLook(all_jobs))


class _CpuLook:
    def __init__(self, all_jobs: bool):
        self.all_jobs, self.machines, self.ours = all_jobs, Machines(), set()
        self.histories: dict[str, History] = {}

    def __call__(self) -> "CpuView":
        nodes = self.machines.look()
        if not self.all_jobs:
            nodes = self._of_this_job(nodes)
        now = time.monotonic()
        for node in (together(nodes), *nodes):
            self.histories.setdefault(node.name, History()).add(now, node.cpu)
        return CpuView(nodes, self.histories, now)

    def _of_this_job(self, nodes: list[Node]) -> list[Node]:
        """The nodes with the functions of other jobs put together, where there are such jobs."""
        running = ask(list_jobs, timeout=ASK_S)
        if sum(job.status == "RUNNING" for job in running) < 2:
            return nodes
        filters = [*here(False), ("state", "=", "RUNNING")]
        tasks = listed(list_tasks, filters)
        actors = listed(list_actors, [*here(False), ("state", "=", "ALIVE")])
        self.ours |= {task.name for task in tasks} | {
            actor.class_name.rpartition(".")[2] for actor in actors
        }
        return [_without_others(node, self.ours) for node in nodes]


def _without_others(node: Node, ours: set[str]) -> Node:
    """The node with the users that are neither of `ours` nor of nobody's as "other jobs"."""
    users = Counter()
    for name, cores in node.users.items():
        known = name in (RAY, DRIVERS, IDLE) or name in ours or name.partition(".")[0] in ours
        users[name if known else OTHERS] += cores
    return Node(**{**vars(node), "users": dict(users)})


@dataclass(frozen=True)
class CpuView:
    """How busy the nodes are at a moment, `now`, and were, with the clock of the histories."""

    nodes: list[Node]
    histories: dict[str, History]
    now: float

    def users(self) -> list[tuple[str, float]]:
        """Who uses how large a share of all cores, the functions first, at most `USERS` of them."""
        whole = together(self.nodes)
        shares = {name: cores / max(whole.cores, 1) for name, cores in whole.users.items()}
        apart = {name: shares.pop(name, 0.0) for name in (IDLE, OTHERS, DRIVERS, RAY)}
        named = sorted(shares.items(), key=lambda one: -one[1])
        named = [one for one in named if one[1] >= 0.005]
        more = sum(share for _, share in named[USERS:])
        shown = named[:USERS] + [(f"{len(named) - USERS} others", more)] * (more > 0)
        shown += [(name, share) for name, share in apart.items() if name != OTHERS or share > 0]
        rest = whole.cpu - sum(share for _, share in shown)
        return [*shown, (REST, max(rest, 0.0))]

    def as_text(self) -> str:
        whole = together(self.nodes)
        lines = [f"CPU {whole.cpu:.0%} of {whole.cores:g} cores"]
        if len(self.nodes) > 1:
            lines += [f"  {node.name:32} {node.cpu:5.0%}" for node in self.nodes]
        return "\n".join(lines + [f"  {name:32} {share:5.0%}" for name, share in self.users()])

    def as_html(self) -> str:
        whole = together(self.nodes)
        users = self.users()
        named = [name for name, _ in users if name not in (IDLE, OTHERS, DRIVERS, RAY, REST)]
        colours = dict(zip(named, COLOURS, strict=False))
        parts = [(share, colours.get(name, _pale(name))) for name, share in users]
        history = self.histories[whole.name].as_svg(self.now, 750, 70)
        drawn = [
            f'<div class="title">CPU {whole.cpu:.0%} of {whole.cores:g} cores </div>',
            history,
            '<div class="axis quiet"><span>2 minutes ago</span><span>now</span></div>',
        ]
        if len(self.nodes) > 1:
            drawn.append('<div class="part">Nodes</div>')
            drawn += [
                row(
                    node.name,
                    bar((node.cpu, BLUE)),
                    said(f"{node.cpu:.0%} of {node.cores:g} cores"),
                    self.histories[node.name].as_svg(self.now),
                )
                for node in self.nodes
            ]
        drawn += ['<div class="part">Who uses it</div>', bar(*parts, whole=True)]
        drawn += [
            row(name, bar((share, colours.get(name, _pale(name)))), said(f"{share:.0%}"))
            for name, share in users[: len(named)]
        ]
        if not named:
            drawn.append(row("no function or actor", quiet=True))
        drawn += [
            row(name, bar((share, _pale(name))), said(f"{share:.0%}"), quiet=True)
            for name, share in users[len(named) :]
        ]
        missing = '<div class="row"></div>' * (USERS - max(len(named), 1))
        return "".join(drawn) + missing


def _pale(name: str) -> str:
    return PALE if name == REST else GREY


# --- the cluster ---


def cluster_usage(all_jobs: bool = False) -> Live:
    """CPU, memory, object store and GPUs, and who holds which resources. `ui.cluster_usage()`

    Args:
        all_jobs: name the holders of other jobs too.

    CPU, memory and GPUs are as old as in `cpu_usage`: 7 seconds at most. What refs hold of the
    object store counts after half a second; what only views hold, and what was freed, after up to
    12. Resources in use are half a second old; who holds them comes up to 3 seconds later. After
    10,000 tasks Ray takes longer to answer, so it is asked only every 4 seconds.
    """
    return Live(_ClusterLook(all_jobs))


@dataclass(frozen=True)
class Held:
    """What of one logical resource is held, and by whom.

    Args:
        total: how much of it there is.
        used: how much of it Ray has given away.
        holders: a name and a number of holders, to the amount that they hold together.
    """

    total: float
    used: float
    holders: dict[tuple[str, int], float]

    @property
    def unknown(self) -> float:
        """What others hold, or what Ray has not told the holder of yet."""
        return max(self.used - sum(self.holders.values()), 0.0)

    @property
    def lent(self) -> float:
        """What holders have given back while they wait in ray.get."""
        return max(sum(self.holders.values()) - self.used, 0.0)


def held(total: dict, free: dict, actors: Iterable, tasks: Iterable, groups: Iterable) -> dict:
    """Who holds what of each resource, as a dictionary of its name to a Held.

    Args:
        total: what `ray.cluster_resources()` returns.
        free: what `ray.available_resources()` returns.
        actors: rows of those that are alive.
        tasks: rows of those that run.
        groups: rows of the placement groups.
    """
    amounts: dict[str, Counter] = {}
    counts: dict[str, Counter] = {}

    def hold(who: str, resource: str, amount: float) -> None:
        amounts.setdefault(resource, Counter())[who] += amount
        counts.setdefault(resource, Counter())[who] += 1

    inside = Counter()  # what is held of what a placement group holds
    claims = [(actor_name(row), row) for row in actors]
    claims += [(row.name, row) for row in tasks if row.type == "NORMAL_TASK"]
    for who, claim in claims:
        for (resource, group), amount in _resources(claim.required_resources or {}).items():
            hold(who, resource, amount)
            inside[group, resource] += amount
    for group in groups:
        if group.state != "CREATED":
            continue
        reserved = Counter()
        for bundle in group.bundles or []:
            reserved.update(bundle["unit_resources"])
        for resource, amount in reserved.items():
            left = amount - inside[group.placement_group_id, resource]
            if left > LEAST:
                who = f"placement group {group.name or group.placement_group_id[:8]}"
                hold(who, resource, left)
    found = {}
    for resource, amount in total.items():
        if _logical(resource):
            told = amounts.get(resource, Counter())
            holders = {(who, counts[resource][who]): told[who] for who, _ in told.most_common()}
            found[resource] = Held(amount, amount - free.get(resource, 0.0), holders)
    return dict(sorted(found.items(), key=lambda one: (one[0] not in ("CPU", "GPU"), one[0])))


def _resources(asked: dict[str, float]) -> dict[tuple[str, str], float]:
    """What a row asks for: a resource and the placement group that it is of, or "", to amounts."""
    found: dict[tuple[str, str], float] = {}
    for name, amount in asked.items():
        # Of a group it is asked for twice: of the whole group, and of one bundle of it.
        within = re.fullmatch(r"(.+?)_group_(?:\d+_)?([0-9a-f]+)", name)
        key = (within[1], within[2]) if within else (name, "")
        if key[0] != "bundle":
            found[key] = max(found.get(key, 0.0), amount)
    return found


def _logical(resource: str) -> bool:
    """Whether a resource is one that programs ask for."""
    own = resource.startswith(("node:", "accelerator_type:", "bundle_group_"))
    return not own and "_group_" not in resource and resource != "object_store_memory"


class _ClusterLook:
    def __init__(self, all_jobs: bool):
        self.all_jobs, self.machines = all_jobs, Machines()
        self.histories: dict[str, History] = {}
        self.failed: dict[str, bool] = {}  # a task's id -> whether it failed

    def _is_orphan(self, row, running: set[str]) -> bool:
        """Whether the task that submitted it has failed; of what that left Ray hears no end."""
        parent = row.parent_task_id
        if parent in running or is_driver(parent):
            return False
        if not self.failed.get(parent):
            states = [one.state for one in attempts(parent, timeout=ASK_S)]
            self.failed[parent] = states[-1:] == ["FAILED"]
        return self.failed[parent]

    def __call__(self) -> "ClusterView":
        nodes = self.machines.look()
        total, free = ray.cluster_resources(), ray.available_resources()
        mine = here(self.all_jobs)
        actors = listed(list_actors, [*mine, ("state", "=", "ALIVE")], detail=True)
        tasks = listed(list_tasks, [*mine, ("state", "=", "RUNNING")], detail=True)
        running = {row.task_id for row in tasks}
        tasks = [row for row in tasks if not self._is_orphan(row, running)]
        jobs = {job for _, _, job in mine}
        groups = [
            group
            for group in listed(list_placement_groups, [], detail=True)
            if not jobs or group.creator_job_id in jobs
        ]
        store = total.get("object_store_memory", 0.0)
        # Resources tell at once what refs hold; metrics, later, also what only a view still holds.
        measured = together(nodes)
        used = max(store - free.get("object_store_memory", 0.0), measured.store[0])
        whole = Node(**{**vars(measured), "store": (used, store)})
        if len(nodes) == 1:
            nodes = [whole]
        now = time.monotonic()
        for label, share, _ in measures(whole):
            self.histories.setdefault(label, History()).add(now, share)
        resources = held(total, free, actors, tasks, groups)
        return ClusterView(whole, nodes, resources, self.histories, now)


def measures(node: Node) -> list[tuple[str, float, str]]:
    """What is measured of a node: what it is, the share used, and the numbers in words."""
    used, total = node.memory
    stored, room = node.store
    shown = [
        ("CPU", node.cpu, f"{node.cpu:.0%} of {node.cores:g} cores"),
        ("memory", used / max(total, 1), _of(used, total)),
        ("object store", stored / max(room, 1), _of(stored, room)),
    ]
    for index, (share, filled, memory) in enumerate(node.gpus):
        shown.append((f"GPU {index}", share, f"{share:.0%}"))
        shown.append((f"GPU {index} memory", filled / max(memory, 1), _of(filled, memory)))
    return shown


def _of(used: float, total: float) -> str:
    """Two amounts of memory in gigabytes."""
    return f"{used / 1e9:.1f} of {total / 1e9:.1f} GB"


@dataclass(frozen=True)
class ClusterView:
    """What the cluster does and who holds what, at a moment `now` of the histories' clock."""

    whole: Node
    nodes: list[Node]
    resources: dict[str, Held]
    histories: dict[str, History]
    now: float

    def as_text(self) -> str:
        lines = [self._title()]
        lines += [f"  {label:16} {words:>20}" for label, _, words in measures(self.whole)]
        if len(self.nodes) > 1:
            for node in self.nodes:
                words = ", ".join(f"{label} {words}" for label, _, words in measures(node))
                lines.append(f"  {node.name:16} {words}")
        for resource, claim in self._shown().items():
            lines.append(f"  {resource:16} {_amounts(resource, claim):>20}")
            lines += [f"  {'':16} {words}" for words, _, _ in _holders(resource, claim)]
        return "\n".join(lines)

    def as_html(self) -> str:
        drawn = [f'<div class="title">{self._title()}</div>']
        for (label, share, words), colour in zip(
            measures(self.whole), [BLUE, GREEN, PURPLE] + [ORANGE, SKY] * 99, strict=False
        ):
            line = self.histories[label].as_svg(self.now, colour=colour)
            drawn.append(row(label, bar((share, colour)), said(words), line))
        if len(self.nodes) > 1:
            drawn.append('<div class="part">Nodes</div>')
            drawn += [self._node(node) for node in self.nodes]
        drawn.append(f'<div class="part">Held <span class="quiet">{HELD}</span></div>')
        lent = any(claim.lent > LEAST for claim in self.resources.values())
        drawn += [_resource(name, claim) for name, claim in self._shown().items()]
        drawn.append(f'<div class="row quiet">{LENT if lent else ""}</div>')
        return "".join(drawn)

    def _title(self) -> str:
        count = len(self.nodes)
        title = f"{count} nodes" if count > 1 else "1 node"
        if cpu := self.resources.get("CPU"):
            title += f": {self.whole.cpu:.0%} busy, {_amounts('CPU', cpu, ' CPUs')}"
        return title

    def _node(self, node: Node) -> str:
        bars = "".join(
            f'<span class="quiet">{label}</span>{bar((share, colour))}'
            for (label, share, _), colour in zip(
                measures(node)[:3], [BLUE, GREEN, PURPLE], strict=True
            )
        )
        return row(node.name, bars)

    def _shown(self) -> dict[str, Held]:
        """The resources, without memory as long as nobody asks for it."""
        return {name: one for name, one in self.resources.items() if name != "memory" or one.used}


def _resource(name: str, claim: Held) -> str:
    """Two lines: how much of a resource is held, and by whom."""
    holders, whole = _holders(name, claim), max(claim.total, LEAST)
    parts = [(amount / whole, colour) for _, amount, colour in holders]
    words = "; ".join(words for words, _, _ in holders) or "nobody"
    dots = " &nbsp; ".join(
        f'<span style="color:{colour}">■</span> {html.escape(words)}'
        for words, _, colour in holders
    )
    return row(name, bar(*parts), said(_amounts(name, claim))) + (
        f'<div class="row held"><div title="{html.escape(words)}">{dots or "nobody"}</div></div>'
    )


def _holders(resource: str, claim: Held) -> list[tuple[str, float, str]]:
    """Who holds it, in words, how much, and the colour of it: those with the most, then others."""
    named = list(claim.holders.items())
    shown = []
    for ((who, count), amount), colour in zip(named[:HOLDERS], COLOURS, strict=False):
        times = f" \N{MULTIPLICATION SIGN} {count:,}" if count > 1 else ""
        shown.append((f"{who}{times}: {_amount(resource, amount)}", amount, colour))
    if more := named[HOLDERS:]:
        amount = sum(amount for _, amount in more)
        words = f"{sum(count for (_, count), _ in more):,} more: {_amount(resource, amount)}"
        shown.append((words, amount, GREY))
    if claim.unknown > LEAST:
        words = f"other jobs, or not told yet: {_amount(resource, claim.unknown)}"
        shown.append((words, claim.unknown, PALE))
    return shown


def _amounts(resource: str, claim: Held, unit: str = "") -> str:
    lent = f", {_amount(resource, claim.lent)} lent" if claim.lent > LEAST else ""
    used, total = _amount(resource, claim.used), _amount(resource, claim.total)
    return f"{used} of {total}{unit} held{lent}"


def _amount(resource: str, amount: float) -> str:
    return f"{amount / 1e9:.1f} GB" if resource == "memory" else f"{round(amount, 3):g}"
