"""Checks of lab 07: each asks a Prometheus with a made-up past, the known load, what it gives."""

import functools
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from matplotlib.figure import Figure

from checks.engine import CannotJudge, NotYet, exercise, run_without_ray, show
from helpers import plots
from helpers.prometheus import (
    INSTALL,
    Prometheus,
    QueryError,
    Series,
    installed,
    remembering,
)

STEP_S = 5  # between two samples of the past
PAST_S = 900
GB = 1e9

# Two nodes and four workers. Each worker: its node, when it lived, when its counters began anew.
HEAD, SECOND, THIRD = "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"
WORKERS = {
    "3f09": (HEAD, 0, PAST_S, None),
    "b7c1": (HEAD, 0, 420, None),
    "e25a": (SECOND, 0, PAST_S, 775),
    "91d4": (SECOND, 480, PAST_S, None),
}
CHANGE_S = 450  # when the load changes
# Before the change, soon after it, and soon after a counter began anew; each with three workers.
MOMENTS = (400, 540, 800)
UNEVEN = (0.6, 1.4)  # every other step has fewer images, so that the last two values mislead
BOUNDARIES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
# kind -> images per second of one worker, before and after the change
RATES = {"cat": (2.0, 1.0), "dog": (0.4, 3.0)}
# kind, before or after -> share of the images in each bucket, for workers on the two nodes
TOOK = {
    ("cat", 0): ({0.05: 1.0}, {0.05: 1.0}),
    ("cat", 1): ({0.1: 0.5, 0.2: 0.5}, {0.05: 1.0}),
    ("dog", 0): ({1.0: 1.0}, {1.0: 1.0}),
    ("dog", 1): ({0.5: 1.0}, {0.2: 1.0}),
}

# node -> cores, percent busy before and after the change
BUSY = {HEAD: (2, 100.0, 30.0), SECOND: (14, 20.0, 90.0), THIRD: (4, 50.0, 0.0)}


class Moment(NamedTuple):
    """A moment of the past, in seconds since its begin, and what a right query gives then."""

    at: float
    right: dict[str, float]


class Mistake(NamedTuple):
    """A query that is wrong in a known way, and what to say to whoever gets the same numbers."""

    promql: str
    sentence: str


# --- images_per_second ---


@exercise
def images_per_second(answer) -> str:
    """`images_per_second()` is a query: images per second of each kind, over a minute."""
    moments = [
        Moment(at, {kind: 3 * rates[at >= CHANGE_S] for kind, rates in RATES.items()})
        for at in MOMENTS
    ]
    total = "ray_images_total"
    _judge(
        _query(answer),
        moments,
        "kind",
        [
            Mistake(
                f"sum by (kind) ({total})",
                "These are all images since the workers started. A counter only grows; how fast it "
                "grows is its `rate(...[1m])`.",
            ),
            Mistake(
                f"sum by (kind) (increase({total}[1m]))",
                "You count the images of a whole minute. `increase` is what came in the window; "
                "per second it is `rate`.",
            ),
            Mistake(
                f"sum by (kind) (rate({total}[5m]))",
                "You look back over five minutes, in which the load has changed. A minute was "
                "asked for.",
            ),
            Mistake(
                f"rate(sum by (kind) ({total})[1m:5s])",
                "Where a worker's counter began anew at 0, your number leaps: the sum of all "
                "counters falls by that worker's part, and `rate` takes it that the whole sum "
                "began anew. First `rate` for each counter, then `sum`.",
            ),
            Mistake(
                f"sum by (kind) (irate({total}[1m]))",
                "`irate` takes the last two values in the window only, so it leaps with every "
                "value. The average over the minute is `rate`.",
            ),
            Mistake(
                f"avg by (kind) (rate({total}[1m]))",
                "That is the average of the workers. All workers together are their `sum`.",
            ),
        ],
    )
    return "the same numbers as the load had, also where a counter began anew."


# --- busy_share ---


@exercise
def busy_share(answer) -> str:
    """`busy_share()` is a query: the share of the cluster's cores that is busy, 0 to 1."""

    def share(after: int) -> dict[str, float]:
        busy = sum(node[0] * node[1 + after] for node in BUSY.values())
        return {"": busy / sum(node[0] for node in BUSY.values()) / 100}

    percent, cores = "ray_node_cpu_utilization", "ray_node_cpu_count"
    _judge(
        _query(answer),
        [Moment(400, share(0)), Moment(800, share(1))],
        "",
        [
            Mistake(
                f"avg({percent}) / 100",
                "Every node counts the same in your average, one with 2 cores as much as one with "
                "14. Turn percent into cores first: times `ray_node_cpu_count`.",
            ),
            Mistake(
                f"avg({percent})",
                "That is percent, and every node counts the same in it, one with 2 cores as much "
                "as one with 14. Turn percent into cores first: times `ray_node_cpu_count`.",
            ),
            Mistake(
                f"sum({percent} * {cores}) / sum({cores})",
                "That is percent, 0 to 100. A share from 0 to 1 was asked for.",
            ),
            Mistake(
                f"sum({percent} * {cores}) / 100",
                "That is how many cores are busy. Divide by how many there are in all.",
            ),
            Mistake(
                f"sum({percent}) / sum({cores}) / 100",
                "You add percents of nodes of different size. Only cores can be added: multiply "
                "each node's percent by its own `ray_node_cpu_count` before the `sum`.",
            ),
        ],
        nothing="Your query gives nothing. `*` and `/` bring series together by their labels, and "
        "a `sum` has none, so it meets no series of a node. Divide a sum by a sum.",
    )
    return "the share of all cores, large nodes and small ones weighed as they are."


# --- nine_in_ten ---


@exercise
def nine_in_ten(answer) -> str:
    """`nine_in_ten()` is a query: the time in which 90 % of each kind's images were done."""
    bucket = "ray_image_seconds_bucket"
    rate = f"sum by (le, kind) (rate({bucket}[2m]))"
    moments = [Moment(at, {kind: _quantile(0.9, kind, at) for kind in RATES}) for at in MOMENTS]
    _judge(
        _query(answer),
        moments,
        "kind",
        [
            Mistake(
                f"histogram_quantile(0.9, sum by (le, kind) ({bucket}))",
                "You ask for all images since the workers started. The last two minutes are in "
                "the `rate(...[2m])` of the buckets.",
            ),
            Mistake(
                f"histogram_quantile(0.9, sum by (le, kind) (rate({bucket}[1m])))",
                "You look back over one minute. Two were asked for, and the load has changed.",
            ),
            Mistake(
                f"avg by (kind) (histogram_quantile(0.9, rate({bucket}[2m])))",
                "You take the average of each worker's own quantile, which is no quantile of all. "
                "Add up the buckets of the workers first: `sum by (le, kind)`.",
            ),
            Mistake(
                f"max by (kind) (histogram_quantile(0.9, rate({bucket}[2m])))",
                "You take the slowest worker's own quantile. Add up the buckets of the workers "
                "first: `sum by (le, kind)`.",
            ),
            Mistake(
                f"histogram_quantile(0.1, {rate})",
                "In that time one image of ten was done. Nine of ten are the quantile 0.9.",
            ),
            Mistake(
                f"histogram_quantile(90, {rate})",
                "A quantile is between 0 and 1: nine of ten are 0.9. Beyond 1 it is infinite.",
            ),
            Mistake(
                "sum by (kind) (rate(ray_image_seconds_sum[2m])) / "
                "sum by (kind) (rate(ray_image_seconds_count[2m]))",
                "That is the mean time. The time in which nine of ten were done is a quantile, "
                "which the buckets know.",
            ),
            Mistake(
                f"histogram_quantile(0.9, sum by (le) (rate({bucket}[2m])))",
                "That is one number for both kinds together. Keep `kind` beside `le` in the `by`.",
            ),
        ],
        nothing="Your query gives nothing. `histogram_quantile` needs the label `le`, the upper "
        "bound of each bucket: keep it in the `sum by (...)`.",
    )
    return "what the buckets of all workers together say, and only of the last minutes."


def _quantile(share: float, kind: str, at: int) -> float:
    """Of two minutes, as Prometheus has it: a straight line inside the bucket."""
    counts = dict.fromkeys(BOUNDARIES, 0.0)
    for node, start, end, _ in WORKERS.values():
        if start < at < end:
            for step in range(max(start, at - 120), at, STEP_S):
                for bound, part in _buckets(kind, step, node).items():
                    counts[bound] += part * _new(kind, step)
    wanted, lower = share * sum(counts.values()), 0.0
    for bound, count in counts.items():
        if wanted <= count:
            return lower + (bound - lower) * wanted / count
        wanted, lower = wanted - count, bound
    return math.inf


# --- out_of_memory ---

# node -> total memory in GB
MEMORY = {HEAD: 64, SECOND: 8, THIRD: 16}


@exercise
def out_of_memory(answer) -> str:
    """`out_of_memory()` is a query: a series for each node that was out of memory, no other."""
    used, total = "ray_node_mem_used", "ray_node_mem_total"
    promql = _query(answer)
    moments = [Moment(at, dict.fromkeys(nodes, 1.0)) for at, nodes in OUT.items()]
    _judge(
        promql,
        moments,
        "instance",
        [
            Mistake(
                f"{used} / {total} > 0.95",
                "You look at one moment. Ray kills a worker as soon as memory is short, and then "
                "there is room again: the peak is over when you look. `max_over_time(...[2m])` "
                "keeps it.",
            ),
            Mistake(
                f"topk(1, {used})",
                "You name the node that uses the most gigabytes. It has 64 of them, and most are "
                "free. Divide by `ray_node_mem_total`.",
            ),
            Mistake(
                f"topk(1, max_over_time({used}[2m]) / {total})",
                "`topk` names a node at any time, also when none is out of memory. Compare with "
                "0.95 instead.",
            ),
            Mistake(
                f"max_over_time(({used} / {total})[2m:]) > 0.95",
                "`[2m:]` asks for the share once per evaluation interval, here a minute, and a "
                "peak that is shorter falls between. Say how often: `[2m:1s]`.",
            ),
            Mistake(
                f"max_over_time({used}[2m]) / {total} > bool 0.95",
                "`> bool` answers 0 or 1 for every node. Without `bool` the nodes for which it is "
                "false are left out.",
            ),
            Mistake(
                f"max_over_time({used}[2m]) / {total}",
                "That is the share of every node. A comparison, `> 0.95`, leaves out the nodes for "
                "which it is false.",
            ),
            Mistake(
                f"max_over_time({used}[15m]) / {total} > 0.95",
                "You still name a node that was out of memory long ago. Two minutes were asked "
                "for.",
            ),
            Mistake(
                f"max(max_over_time({used}[2m]) / {total}) > 0.95",
                "You say that there is such a node, and not which: `max` over all nodes drops the "
                "label `instance`.",
            ),
        ],
        nothing="Your query gives nothing, whatever happened. A share is between 0 and 1: compare "
        "with 0.95. An average over two minutes levels a peak; which function keeps it? And the "
        "`max` of all nodes, used over total, is no node's share.",
        names_only=True,
    )
    return "the right nodes at every moment, and silence when there was none."


# seconds since the begin -> the nodes that were out of memory in the two minutes before
OUT = {180: {THIRD}, 400: set(), 620: {SECOND}, 675: {SECOND}, 860: set()}


def _memory(node: str, at: float) -> float:
    """The share of its memory that a node uses: quiet, then climbing and falling, as Ray kills."""
    if node == THIRD and at <= 180:
        return 0.97 if 140 <= at < 170 else 0.55
    if node == SECOND and 500 <= at < 690:
        return 0.55 + 0.42 * ((at - 500) % 60) / 55
    return {HEAD: 0.7, SECOND: 0.5, THIRD: 0.4}[node]


# --- judging ---


def _query(answer) -> str:
    """The learner's query, if there is a Prometheus to ask."""
    if not installed():
        raise CannotJudge(
            "this check asks a Prometheus of its own, and needs the programs `prometheus` and "
            f"`promtool`, which come together. {INSTALL}"
        )
    promql = run_without_ray(answer)
    if not isinstance(promql, str):
        raise NotYet(
            f"Return the query itself, a string; you returned {type(promql).__name__}. The check "
            "asks its own Prometheus."
        )
    return promql


def _judge(
    promql: str,
    moments: list[Moment],
    label: str,
    mistakes: list[Mistake],
    nothing: str = "Your query gives nothing. Is the metric's name right? That of a counter ends "
    "with `_total`.",
    names_only: bool = False,
) -> None:
    """Raise NotYet unless the query gives what it should at every moment.

    Args:
        label: tells the series apart; of a right answer each value of it has one series.
        mistakes: what to compare a wrong answer with, in this order.
        nothing: what to say to a query that gives no series where there should be one.
        names_only: only which series there are counts, not their values.
    """
    prometheus, begin = _past()

    def ask(promql: str) -> list[list[Series]]:
        return [prometheus.query(promql, begin + moment.at) for moment in moments]

    try:
        answers = ask(promql)
    except QueryError as error:
        raise NotYet(f"Prometheus refuses your query: {error}") from None
    told = [{one.labels.get(label, ""): one.values[0] for one in series} for series in answers]
    one_each = all(len(one) == len(series) for one, series in zip(told, answers, strict=True))
    known = [moment.right for moment in moments]
    if one_each and _same(told, known, names_only):
        return
    for mistake in mistakes:
        if _alike(answers, ask(mistake.promql)):
            show(_drawn(promql))
            raise NotYet(mistake.sentence)
    if not any(answers):
        raise NotYet(nothing)
    if not one_each:
        most = max(answers, key=len)
        labels = sorted({name for one in most for name in one.labels} - {label, "__name__"})
        wanted = f"for each {label}" if label else "in all"
        show(_drawn(promql))
        raise NotYet(
            f"Your query gives {len(most)} series, apart also by {', '.join(labels) or 'nothing'}, "
            f"where one was asked for {wanted}. `sum` with or without `by` puts them together."
        )
    show(_drawn(promql))
    raise NotYet(_difference(told, known, moments, label, names_only))


def _same(told: list[dict], known: list[dict], names_only: bool) -> bool:
    return all(
        mine.keys() == right.keys()
        and (names_only or all(_close(mine[name], right[name]) for name in right))
        for mine, right in zip(told, known, strict=True)
    )


def _close(mine: float, right: float, tolerance: float = 0.05) -> bool:
    both = math.isnan(mine) and math.isnan(right)
    return both or math.isclose(mine, right, rel_tol=tolerance, abs_tol=1e-9)


def _alike(answers: list[list[Series]], others: list[list[Series]]) -> bool:
    """Whether two queries gave the same series with nearly the same values, at every moment."""

    def rows(series: list[Series]) -> list[tuple]:
        plain = ({k: v for k, v in one.labels.items() if k != "__name__"} for one in series)
        return sorted(
            (sorted(labels.items()), one.values[0])
            for labels, one in zip(plain, series, strict=True)
        )

    return any(others) and all(
        [labels for labels, _ in rows(mine)] == [labels for labels, _ in rows(other)]
        and all(
            _close(one, two, 0.02)
            for (_, one), (_, two) in zip(rows(mine), rows(other), strict=True)
        )
        for mine, other in zip(answers, others, strict=True)
    )


def _difference(
    told: list[dict], known: list[dict], moments: list[Moment], label: str, names_only: bool
) -> str:
    """The first moment at which an answer is wrong, in words."""

    def words(values: dict[str, float]) -> str:
        if names_only:
            return ", ".join(sorted(values)) or "no node"
        return ", ".join(f"{name} {value:.4g}".strip() for name, value in sorted(values.items()))

    for mine, right, moment in zip(told, known, moments, strict=True):
        if not _same([mine], [right], names_only):
            return (
                f"{moment.at:.0f} s after the made-up past begins your query gives {words(mine)}; "
                f"right is {words(right)}."
            )
    raise AssertionError("an answer that is wrong at no moment")


def _drawn(promql: str) -> Figure | None:
    """What the learner's query gives over the whole made-up past."""
    prometheus, begin = _past()
    try:
        series = prometheus.query_range(promql, begin, begin + PAST_S, STEP_S)
    except QueryError:
        return None
    if not series:
        return None
    figure, axis = plots.figure(7.5, 2.6)
    lines = {
        ", ".join(text for name, text in one.labels.items() if name != "__name__") or "all": (
            [moment - begin for moment in one.times],
            one.values,
        )
        for one in series
    }
    plots.series(axis, lines)
    axis.set(xlabel="s of the made-up past", title="What your query gives")
    return figure


# --- the made-up past ---


@functools.cache
def _past() -> tuple[Prometheus, float]:
    """A Prometheus that remembers the made-up cluster, and the Unix time at which that began.

    It ends with the kernel. It starts in less than a second and is asked by all exercises.
    """
    # Half a minute past a full one: so it is known what a subquery with steps of a minute finds.
    begin = float(int(time.time() - PAST_S) // 60 * 60 - 30)
    samples = (
        (name, labels, begin + at, value)
        for rows in (_images(), _nodes())
        for name, labels, at, value in rows
    )
    return remembering(samples), begin


def _images() -> Iterator[tuple[str, dict, float, float]]:
    for worker, (node, start, end, anew) in WORKERS.items():
        for kind in RATES:
            labels = {"WorkerId": worker, "instance": node, "kind": kind}
            count, seconds, counts = 0.0, 0.0, dict.fromkeys(BOUNDARIES, 0.0)
            for at in range(start, end + 1, STEP_S):
                if at == anew:
                    count, seconds, counts = 0.0, 0.0, dict.fromkeys(BOUNDARIES, 0.0)
                yield "ray_images_total", labels, at, count
                yield "ray_image_seconds_count", labels, at, count
                yield "ray_image_seconds_sum", labels, at, seconds
                below = 0.0
                for bound in BOUNDARIES:
                    below += counts[bound]
                    yield "ray_image_seconds_bucket", {**labels, "le": str(bound)}, at, below
                yield "ray_image_seconds_bucket", {**labels, "le": "+Inf"}, at, count
                new = _new(kind, at)
                count += new
                for bound, part in _buckets(kind, at, node).items():
                    counts[bound] += new * part
                    seconds += new * part * bound * 0.75


def _new(kind: str, at: int) -> float:
    """The images of a worker in the step that begins then."""
    return RATES[kind][at >= CHANGE_S] * STEP_S * UNEVEN[at // STEP_S % 2]


def _buckets(kind: str, at: float, node: str) -> dict[float, float]:
    """The share of a worker's images in each bucket, by the bucket's upper bound."""
    return TOOK[kind, int(at >= CHANGE_S)][node != HEAD]


def _nodes() -> Iterator[tuple[str, dict, float, float]]:
    for node, (cores, before, after) in BUSY.items():
        labels = {"instance": node}
        for at in range(0, PAST_S + 1, STEP_S):
            yield "ray_node_cpu_count", labels, at, cores
            yield "ray_node_cpu_utilization", labels, at, after if at >= CHANGE_S else before
            yield "ray_node_mem_total", labels, at, MEMORY[node] * GB
            yield "ray_node_mem_used", labels, at, MEMORY[node] * GB * _memory(node, at)
