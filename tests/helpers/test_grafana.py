"""Ray's Grafana panels drawn without Grafana: on recorded data, and all of Ray's on a real Ray."""

import json
import math
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from helpers import prometheus
from helpers.prometheus import Absent, Series, grafana, grafana_panel, grafana_panels

NOW = 1_700_000_300.0
STYLES = [
    {"alias": "MAX", "dashes": True, "stack": False},
    {"alias": "/FINISHED|FAILED/", "hiddenSeries": True},
]


def variable(name, **settings):
    return {"name": name, "type": "query", "includeAll": False, **settings}


def panel(title, *targets, **settings):
    queries = [{"expr": query, "legendFormat": legend} for query, legend in targets]
    unit = settings.pop("unit", "short")
    return {
        "type": "graph",
        "title": title,
        "targets": queries,
        "stack": True,
        "seriesOverrides": STYLES,
        "fieldConfig": {"defaults": {"unit": unit}},
        **settings,
    }


DASHBOARD = {
    "title": "Default Dashboard",
    "templating": {
        "list": [
            variable("SessionName", includeAll=True, allValue=".+"),
            variable("RayNodeType", includeAll=True, query="head, worker"),
            variable("interval", current={"value": "5m"}),
            variable("datasource", current={"selected": False}),
        ]
    },
    "panels": [
        {
            "type": "row",
            "title": "Nodes",
            "panels": [
                panel(
                    "Cores",
                    ('used{s=~"$SessionName",t=~"${RayNodeType}"}', "Used: {{node}}"),
                    ("total{}", "MAX"),
                    unit="cores",
                ),
                panel("Tasks", ("tasks{}", "{{State}}"), stack=False),
                panel("GPU", ('ray_node_gpus_utilization{s=~"$SessionName"}', "")),
            ],
        },
        {"type": "row", "title": "Rates", "panels": []},
        panel("Waits", ("rate(waits[$__rate_interval]) + rate(waits[$interval])", "")),
        panel("Sizes", ("sizes{}", "{{le}}"), xaxis={"mode": "series"}, unit="bytes"),
        panel("Now", ("sizes{}", "{{le}}"), type="stat", unit="percentunit"),
    ],
}


def line(values, **labels):
    return Series(labels, [NOW - 10 * (len(values) - n) for n in range(len(values))], values)


ANSWERS = {
    "used": [line([1.0, 1.5], node="<b>a</b>"), line([0.5, 2.5], node="$x$")],
    "total": [line([4.0, 4.0])],
    "tasks": [line([2.0, 3.0], State="RUNNING"), line([9.0, 9.0], State="FINISHED")],
    "sizes": [line([1024.0, 2048.0], le="1"), line([0.5, math.nan], le="2")],
}


class Recorded:
    """A Prometheus that answers what was written down, to queries that begin so."""

    def __init__(self):
        self.asked = []

    def query_range(self, promql, start, end, step):
        self.asked.append(promql)
        return ANSWERS.get(re.match(r"\w+", promql)[0], [])

    def names(self):
        return {"used", "total", "tasks", "waits", "sizes"}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "default.json").write_text(json.dumps(DASHBOARD))
    return tmp_path


def test_panels_are_listed_with_their_rows(folder):
    listed = [(one.row, one.title, one.kind) for one in grafana_panels(folder)]
    assert listed == [
        ("Nodes", "Cores", "graph"),
        ("Nodes", "Tasks", "graph"),
        ("Nodes", "GPU", "graph"),
        ("Rates", "Waits", "graph"),
        ("Rates", "Sizes", "bars"),
        ("Rates", "Now", "stat"),
    ]


def test_variables_are_filled_in(folder):
    panels = {one.title: one for one in grafana_panels(folder)}
    assert panels["Cores"].queries(300)[0] == 'used{s=~".+",t=~"(head|worker)"}'
    assert panels["Waits"].queries(300) == ["rate(waits[1m]) + rate(waits[5m])"]


def test_names_limits_and_markup(folder):
    recorded = Recorded()
    view = grafana_panel("Cores", recorded, folder)
    assert recorded.asked == ['used{s=~".+",t=~"(head|worker)"}', "total{}"]
    assert list(view.lines) == ["Used: <b>a</b>", "Used: $x$", "MAX"]
    assert "Cores: Used: $x$, up to 2.5 cores" in repr(view), "the highest, and not the limit"
    shown = view._repr_html_()
    assert "<b>" not in shown and "<img" in shown
    [axis] = view.draw().axes
    [limit] = axis.lines
    assert limit.get_linestyle() == "--" and list(limit.get_ydata()) == [4.0, 4.0]
    assert len(axis.collections) == 2, "two areas, one on top of the other"
    assert axis.get_ylim()[1] >= 4.0


def test_hidden_series_are_named_only(folder):
    view = grafana_panel("Tasks", Recorded(), folder)
    assert list(view.lines) == ["RUNNING"] and view.hidden == ["FINISHED"]
    assert "Hidden until you click it in Grafana: FINISHED." in repr(view)
    assert view.draw().axes[0].lines[0].get_linestyle() == "-"


def test_an_empty_panel_says_why(folder):
    view = grafana_panel("GPU", Recorded(), folder)
    said = "No data for 1 of 1 queries: Prometheus has no ray_node_gpus_utilization: there is no"
    assert said in repr(view) and said in view._repr_html_()
    assert "<img" not in view._repr_html_()


def test_numbers_without_time(folder):
    view = grafana_panel("Sizes", Recorded(), folder)
    assert "1: 3 KiB" in repr(view), "bars are sums"
    assert [bar.get_width() for bar in view.draw().axes[0].patches] == [3072.0, 0.5]
    assert "2: 50 %" in repr(grafana_panel("Now", Recorded(), folder)), "the last that is one"


def test_a_panel_that_is_not_there_names_its_like(folder):
    with pytest.raises(ValueError, match="On it are Cores"):
        grafana_panel("Core", Recorded(), folder)
    with pytest.raises(ValueError, match="No dashboard has that name"):
        grafana_panel("Cores", Recorded(), folder, dashboard="Mine")


def test_without_prometheus_its_sentence_is_shown(folder):
    assert repr(grafana_panel("Cores", Absent("There is none."), folder)) == "There is none."


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0, "bytes", "0 B"),
        (3 * 2**30, "bytes", "3 GiB"),
        (2048, "Bps", "2 KiB/s"),
        (0.5, "percentunit", "50 %"),
        (12.34, "%", "12.3 %"),
        (1.5, "cores", "1.5 cores"),
        (123456, "short", "123,456"),
    ],
)
def test_units(value, unit, said):
    assert grafana.in_unit(value, unit) == said


# --- all that Ray generates, on a real Ray ---

LEAST_QUERIES = 60  # Ray 2.60 without GPU: 77 on a quiet machine, some of which tell late


@pytest.mark.skipif(not prometheus.installed(), reason="Prometheus is not installed")
def test_every_query_of_every_generated_dashboard(ray, capsys):
    context = ray.init(ignore_reinit_error=True, logging_level="error")
    metrics = Path(context.address_info["session_dir"], "metrics")
    config = (metrics / "prometheus" / "prometheus.yml").read_text()
    running = prometheus.start(config.replace("scrape_interval: 10s", "scrape_interval: 1s"))
    began = time.time()
    try:
        alive = use_ray(ray)
        running.until(running.names)
        panels = grafana_panels(metrics / "grafana" / "dashboards")
        answered, deadline = 0, began + 90  # what Ray tells comes in its time
        while answered < LEAST_QUERIES and time.time() < deadline:
            table, refused = ask_all(panels, running)
            answered = sum(n for (_, outcome), n in table.items() if outcome == "answered")
        del alive
    finally:
        running.stop()
    with capsys.disabled():
        print(f"\n{time.time() - began:.0f} s; queries of Ray's Grafana panels by what became of")
        for (dashboard, outcome), count in sorted(table.items()):
            print(f"{count:5}  {dashboard:28} {outcome}")
        print(f"{answered:5}  of {table.total()} answered")
    assert not refused
    assert answered >= LEAST_QUERIES


def use_ray(ray):
    """What the core dashboard tells of: a task, an actor, a placement group and an object."""

    @ray.remote
    def task():
        return bytes(1_000_000)

    @ray.remote(num_cpus=0)
    class Actor:
        def work(self): ...

    actor, stored = Actor.remote(), task.remote()
    group = ray.util.placement_group([{"CPU": 0.001}])
    ray.get([actor.work.remote(), stored, group.ready()])
    return actor, stored, group


def ask_all(panels, running):
    """How many queries of each dashboard had which outcome, and those that were refused."""
    names, end = running.names(), time.time()
    table, refused = Counter(), []
    for one in panels:
        for query in one.queries(60):
            try:
                found = running.query_range(query, end - 60, end, 5)
            except prometheus.QueryError as error:
                refused.append((one.dashboard, one.title, query, str(error)))
                outcome = "refused"
            else:
                why = re.sub(r".* no \S+: ", "", grafana.why_nothing(query, names))
                outcome = "answered" if found else f"no data: {why}"
            table[one.dashboard, outcome] += 1
    return table, refused
