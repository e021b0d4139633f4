"""Answers to the exercises of lab 07."""


def _returns(name: str, promql: str) -> str:
    return f"def {name}():\n    return {promql!r}\n"


def _rows(name: str, *rows: tuple[str, ...]) -> list[tuple]:
    """Rows of (what is wrong, the query, part of the verdict), or without the last."""
    return [(row[0], _returns(name, row[1]), *row[2:]) for row in rows]


_USED, _TOTAL = "ray_node_mem_used", "ray_node_mem_total"
_BUCKETS = "ray_image_seconds_bucket"

WRONG = {
    "images_per_second": _rows(
        "images_per_second",
        ("no rate", "sum by (kind) (ray_images_total)", "A counter only grows"),
        (
            "increase for rate",
            "sum by (kind) (increase(ray_images_total[1m]))",
            "images of a whole minute",
        ),
        ("a number", 5, "Return the query itself"),
        ("every worker apart", "rate(ray_images_total[1m])", "WorkerId"),
        (
            "sum before rate, as a subquery",
            "rate(sum by (kind) (ray_images_total)[1m:5s])",
            "First `rate` for each counter",
        ),
        (
            "sum before rate",
            "rate(sum by (kind) (ray_images_total)[1m])",
            "refuses your query",
        ),
        (
            "the last two values",
            "sum by (kind) (irate(ray_images_total[1m]))",
            "the last two values",
        ),
        (
            "the name without its ending",
            "sum by (kind) (rate(ray_images[1m]))",
            "ends with `_total`",
        ),
        ("kinds together", "sum(rate(ray_images_total[1m]))", "right is cat 6, dog 1.2"),
        (
            "five minutes",
            "sum by (kind) (rate(ray_images_total[5m]))",
            "over five minutes",
        ),
        (
            "two minutes",
            "sum by (kind) (rate(ray_images_total[2m]))",
            "right is cat 3, dog 9",
        ),
        (
            "the average worker",
            "avg by (kind) (rate(ray_images_total[1m]))",
            "average of the workers",
        ),
        ("a parenthesis missing", "sum by (kind) (rate(ray_images_total[1m])", "refuses"),
        ("a range", "ray_images_total[1m]", "not one number for each series"),
        ("a range of no metric", "ray_images[1m]", "not one number for each series"),
    ),
    "busy_share": _rows(
        "busy_share",
        (
            "the average of the nodes",
            "avg(ray_node_cpu_utilization) / 100",
            "Every node counts the same",
        ),
        (
            "percent",
            "sum(ray_node_cpu_utilization * ray_node_cpu_count) / sum(ray_node_cpu_count)",
            "0 to 100",
        ),
        (
            "every node apart",
            "ray_node_cpu_utilization / 100",
            "3 series, apart also by instance",
        ),
        (
            "cores instead of a share",
            "sum(ray_node_cpu_utilization * ray_node_cpu_count) / 100",
            "how many cores are busy",
        ),
        ("the average in percent", "avg(ray_node_cpu_utilization)", "That is percent"),
        (
            "adds percents",
            "sum(ray_node_cpu_utilization) / sum(ray_node_cpu_count) / 100",
            "Only cores can be added",
        ),
        (
            "each node by the sum",
            "ray_node_cpu_utilization / 100 * ray_node_cpu_count / sum(ray_node_cpu_count)",
            "Divide a sum by a sum",
        ),
    ),
    "nine_in_ten": _rows(
        "nine_in_ten",
        (
            "no rate",
            f"histogram_quantile(0.9, sum by (le, kind) ({_BUCKETS}))",
            "all images since the workers started",
        ),
        (
            "le forgotten",
            f"histogram_quantile(0.9, sum by (kind) (rate({_BUCKETS}[2m])))",
            "keep it in the `sum by (...)`",
        ),
        (
            "every worker apart",
            f"histogram_quantile(0.9, rate({_BUCKETS}[2m]))",
            "WorkerId",
        ),
        (
            "the average of quantiles",
            f"avg by (kind) (histogram_quantile(0.9, rate({_BUCKETS}[2m])))",
            "no quantile of all",
        ),
        (
            "the mean",
            "sum by (kind) (rate(ray_image_seconds_sum[2m])) / "
            "sum by (kind) (rate(ray_image_seconds_count[2m]))",
            "That is the mean time",
        ),
        (
            "percent",
            f"histogram_quantile(90, sum by (le, kind) (rate({_BUCKETS}[2m])))",
            "between 0 and 1",
        ),
        (
            "the fastest tenth",
            f"histogram_quantile(0.1, sum by (le, kind) (rate({_BUCKETS}[2m])))",
            "one image of ten",
        ),
        (
            "the slowest worker",
            f"max by (kind) (histogram_quantile(0.9, rate({_BUCKETS}[2m])))",
            "slowest worker",
        ),
        (
            "kinds together",
            f"histogram_quantile(0.9, sum by (le) (rate({_BUCKETS}[2m])))",
            "both kinds together",
        ),
        (
            "one minute",
            f"histogram_quantile(0.9, sum by (le, kind) (rate({_BUCKETS}[1m])))",
            "You look back over one minute",
        ),
    ),
    "out_of_memory": _rows(
        "out_of_memory",
        ("one moment", f"{_USED} / {_TOTAL} > 0.95", "the peak is over when you look"),
        ("the most bytes", f"topk(1, {_USED})", "uses the most gigabytes"),
        (
            "always somebody",
            f"topk(1, max_over_time({_USED}[2m]) / {_TOTAL})",
            "names a node at any time",
        ),
        (
            "percent",
            f"max_over_time({_USED}[2m]) / {_TOTAL} > 95",
            "between 0 and 1",
        ),
        (
            "nobody knows which",
            f"max(max_over_time({_USED}[2m]) / {_TOTAL}) > 0.95",
            "drops the label `instance`",
        ),
        (
            "no comparison",
            f"max_over_time({_USED}[2m]) / {_TOTAL}",
            "the share of every node",
        ),
        (
            "an average",
            f"avg_over_time({_USED}[2m]) / {_TOTAL} > 0.95",
            "levels a peak",
        ),
        (
            "true or false for each",
            f"max_over_time({_USED}[2m]) / {_TOTAL} > bool 0.95",
            "0 or 1 for every node",
        ),
        (
            "long ago",
            f"max_over_time({_USED}[15m]) / {_TOTAL} > 0.95",
            "long ago",
        ),
        (
            "a look each minute",
            f"max_over_time(({_USED} / {_TOTAL})[2m:]) > 0.95",
            "Say how often",
        ),
        (
            "the highest by the largest",
            f"max(max_over_time({_USED}[2m])) / max({_TOTAL}) > 0.95",
            "is no node's share",
        ),
    ),
}

RIGHT = {
    "images_per_second": _rows(
        "images_per_second",
        (
            "without the other labels",
            "sum without (WorkerId, instance) (rate(ray_images_total[1m]))",
        ),
        ("increase over the seconds", "sum by (kind) (increase(ray_images_total[1m])) / 60"),
    ),
    "busy_share": _rows(
        "busy_share",
        (
            "with the instance named",
            "sum(ray_node_cpu_utilization * on (instance) ray_node_cpu_count / 100) "
            "/ sum(ray_node_cpu_count)",
        ),
        (
            "percent of the sum",
            "sum(ray_node_cpu_utilization * on (instance) ray_node_cpu_count) "
            "/ (100 * sum(ray_node_cpu_count))",
        ),
        (
            "a share first",
            "sum((ray_node_cpu_utilization / 100) * ray_node_cpu_count) / sum(ray_node_cpu_count)",
        ),
    ),
    "nine_in_ten": _rows(
        "nine_in_ten",
        (
            "without the other labels",
            f"histogram_quantile(0.9, sum without (WorkerId, instance) (rate({_BUCKETS}[2m])))",
        ),
        (
            "increase",
            f"histogram_quantile(0.9, sum by (kind, le) (increase({_BUCKETS}[2m])))",
        ),
    ),
    "out_of_memory": _rows(
        "out_of_memory",
        ("a subquery", f"max_over_time(({_USED} / {_TOTAL})[2m:1s]) > 0.95"),
        (
            "in bytes, by instance",
            f"max by (instance) (max_over_time({_USED}[2m])) > "
            f"on (instance) 0.95 * max by (instance) ({_TOTAL})",
        ),
    ),
}
