"""Ray's Grafana dashboards without Grafana: read from Ray's files, drawn from Prometheus."""

import difflib
import html
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from helpers import plots
from helpers.prometheus.server import Absent, Prometheus, Series

# What Grafana takes where a data source does not say how often Prometheus asks, as Ray's does not:
# https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/
RATE_INTERVAL = "1m"
POINTS = 150  # of a line
LONGEST = 34  # letters of a name beside a line
WHY = {  # what the metrics of a panel begin with, and why there may be none
    "ray_serve": "nobody uses Ray Serve",
    "ray_data": "nobody uses Ray Data",
    "ray_train": "nobody uses Ray Train",
    "ray_vllm": "no language model is served",
    "ray_sglang": "no language model is served",
    "ray_tpu": "there is no TPU",
    "ray_node_g": "there is no GPU",
    "ray_component_gpu": "there is no GPU",
    "ray_memory_manager_worker_eviction": "no worker was killed for memory",
    "ray_node_manager_unexpected_worker_failure": "no worker has failed",
    "autoscaler_recently_failed_nodes": "no node has failed",
}


class Target(NamedTuple):
    """One query of a panel, as it stands in the file, and how its series are named."""

    query: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel of a dashboard.

    Args:
        kind: "graph" for lines; "bars" and others for one number a series.
        variables: the dashboard's variables, each with "All" or the default chosen.
        styles: how series are drawn otherwise: Grafana's `seriesOverrides`.
    """

    dashboard: str
    row: str
    title: str
    kind: str
    unit: str
    stacked: bool
    targets: tuple[Target, ...]
    variables: dict[str, str]
    styles: tuple[dict, ...] = ()

    def queries(self, seconds: float) -> list[str]:
        """Its queries as Grafana sends them for a range of so many seconds."""
        values = {
            **self.variables,
            "__rate_interval": RATE_INTERVAL,
            "__interval": f"{max(math.ceil(seconds / POINTS), 1)}s",
            "__range": f"{math.ceil(seconds)}s",
        }

        def fill(match: re.Match) -> str:
            return values.get(match[1] or match[2], match[0])

        return [
            re.sub(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})", fill, target.query) for target in self.targets
        ]

    def style(self, name: str) -> dict:
        """How the series of that name is drawn: the settings that differ."""
        found = {}
        for one in self.styles:
            pattern = one["alias"]
            regular = len(pattern) > 1 and pattern[0] == pattern[-1] == "/"
            if re.search(pattern[1:-1], name) if regular else pattern == name:
                found |= one
        return found


def grafana_panels(folder: str | Path) -> list[Panel]:
    """The panels of all dashboards in a folder.

    Args:
        folder: Ray's `metrics/grafana/dashboards`, or any with exported dashboards.
    """
    return [
        panel
        for file in sorted(Path(folder).glob("*.json"))
        for panel in _panels(json.loads(file.read_text(encoding="utf-8")))
    ]


def grafana_panel(
    title: str,
    prometheus: Prometheus | Absent,
    folder: str | Path,
    seconds: float = 300,
    dashboard: str = "Default Dashboard",
) -> "PanelView | Absent":
    """Draw one panel as it is now. `grafana_panel("Node CPU Usage", prometheus, folder)`

    Args:
        title: of the panel.
        prometheus: whom to ask; one that is absent is returned, as it says why.
        folder: where the dashboards are.
        seconds: how far back to look.
        dashboard: the one that the panel is on.

    Raises:
        ValueError: there is no such panel; it names those that are called nearly so.
    """
    if not prometheus:
        return prometheus
    panels = grafana_panels(folder)
    for panel in panels:
        if (panel.dashboard, panel.title) == (dashboard, title):
            end = time.time()
            return PanelView(panel, prometheus, end - seconds, end)
    titles = [panel.title for panel in panels if panel.dashboard == dashboard]
    near = difflib.get_close_matches(title, titles) or titles[:5]
    known = f"On it are {', '.join(near)}" if near else "No dashboard has that name"
    raise ValueError(f"There is no panel {title!r} on {dashboard!r}. {known}.")


def _panels(dashboard: dict) -> Iterator[Panel]:
    variables = {
        one["name"]: _chosen(one) for one in dashboard.get("templating", {}).get("list", [])
    }

    def walk(panels: list[dict], row: str) -> Iterator[Panel]:
        for panel in panels:
            if panel["type"] == "row":
                row = panel["title"]
                yield from walk(panel.get("panels", []), row)
                continue
            unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "short")
            targets = tuple(
                Target(one["expr"], one.get("legendFormat", ""))
                for one in panel.get("targets", [])
                if "expr" in one
            )
            yield Panel(
                dashboard["title"],
                row,
                panel["title"],
                "bars" if panel.get("xaxis", {}).get("mode") == "series" else panel["type"],
                unit,
                bool(panel.get("stack")),
                targets,
                variables,
                tuple(panel.get("seriesOverrides", [])),
            )

    yield from walk(dashboard["panels"], "")


def _chosen(variable: dict) -> str:
    """The value that Grafana puts in for a variable at first: of all that it can be, or its own."""
    if not variable.get("includeAll"):
        value = variable.get("current", {}).get("value", "")
        return value if isinstance(value, str) else "|".join(value)
    if variable.get("allValue"):
        return variable["allValue"]
    return f"({'|'.join(re.split(', *', str(variable.get('query', ''))))})"


# --- what Prometheus says ---


def name_of(legend: str, series: Series) -> str:
    """A series' name by a legend such as `CPU: {{instance}}`, else by its labels."""
    if not legend:
        return ", ".join(f"{label}={text}" for label, text in series.labels.items()) or "value"
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda m: series.labels.get(m[1], ""), legend).strip()


def why_nothing(query: str, names: set[str]) -> str:
    """Why a query that Prometheus took has no series, as the end of a sentence.

    Args:
        query: as it was sent.
        names: of all metrics that Prometheus has.
    """
    patterns = re.findall(r'__name__\s*=~\s*"([^"]+)"', query)
    missing = [one for one in patterns if not any(re.fullmatch(one, name) for name in names)]
    missing += [one for one in metrics_in(query) if one not in names]
    if not missing:
        return "Prometheus has the metrics, but no series with these labels"
    why = next((why for start, why in WHY.items() if missing[0].startswith(start)), None)
    return f"Prometheus has no {missing[0]}: {why or 'nothing has happened that it tells of'}"


def metrics_in(query: str) -> list[str]:
    """The names of the metrics in a query, which Ray's queries always write before a brace."""
    return re.findall(r"([a-zA-Z_:][\w:]*)\s*\{", query)


class PanelView:
    """A panel with what Prometheus says of it. JupyterLab shows the picture, all else the text."""

    def __init__(self, panel: Panel, prometheus: Prometheus, start: float, end: float):
        self.panel, self.end = panel, end
        self.lines: dict[str, Series] = {}
        self.hidden: list[str] = []
        self.empty: list[str] = []  # why, for each query without series
        step = max(math.ceil((end - start) / POINTS), 1)
        for target, query in zip(panel.targets, panel.queries(end - start), strict=True):
            found = prometheus.query_range(query, start, end, step)
            if not found:
                self.empty.append(why_nothing(query, prometheus.names()))
            for series in found:
                name = name_of(target.legend, series)
                if panel.style(name).get("hiddenSeries"):
                    self.hidden.append(name)
                else:
                    self.lines[name] = series

    def __repr__(self) -> str:
        lines = [f"{self.panel.dashboard} · {self._title()}"]
        lines += [f"  {_short(name)}: {self._last(one)}" for name, one in self.lines.items()]
        return "\n".join([*lines, *self._notes()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<div>{html.escape(note)}</div>" for note in self._notes())
        small = f'<div style="color:{plots.GREY};font-size:90%">{notes}</div>'
        if not self.lines:
            return f"<div>{html.escape(self._title())}</div>{small}"
        return plots.as_html(self.draw(), self._title()) + small

    def draw(self) -> Figure:
        """The picture; of a panel without data an empty one."""
        figure, axis = plots.figure()
        axis.set_title(self._title(), parse_math=False)
        shown = {name: one for name, one in self.lines.items() if any(one.values)}
        shown = shown or self.lines
        if self.panel.kind == "graph":
            plots.series(
                axis,
                {
                    _short(name): ([moment - self.end for moment in one.times], one.values)
                    for name, one in shown.items()
                },
                self.panel.stacked,
                dashed=[_short(name) for name in shown if self.panel.style(name).get("dashes")],
            )
            axis.yaxis.set_major_formatter(lambda value, _: in_unit(value, self.panel.unit))
            axis.set(xlabel="s before now")
        else:
            values = [self._number(one) for one in shown.values()]
            axis.barh([_short(name) for name in shown], values, color=plots.BLUE)
            axis.xaxis.set_major_formatter(lambda value, _: in_unit(value, self.panel.unit))
            axis.invert_yaxis()
        return figure

    def _title(self) -> str:
        """The panel's title, and how high the highest series was, dashed limits left aside."""
        plain = {n: one for n, one in self.lines.items() if not self.panel.style(n).get("dashes")}
        if not plain:
            return f"{self.panel.title}: no data"
        graph = self.panel.kind == "graph"
        peaks = {
            name: np.nanmax([*one.values, 0.0]) if graph else self._number(one)
            for name, one in plain.items()
        }
        top = max(peaks, key=peaks.get)
        peak = in_unit(peaks[top], self.panel.unit)
        return f"{self.panel.title}: {_short(top)}, {'up to ' * graph}{peak}"

    def _notes(self) -> list[str]:
        notes = []
        if zero := sum(not any(one.values) for one in self.lines.values()):
            notes.append(f"At 0 all the time: {zero} of {len(self.lines)} series.")
        if self.hidden:
            notes.append(f"Hidden until you click it in Grafana: {', '.join(self.hidden)}.")
        for why in dict.fromkeys(self.empty):
            count = self.empty.count(why)
            notes.append(f"No data for {count} of {len(self.panel.targets)} queries: {why}.")
        return notes

    def _number(self, series: Series) -> float:
        """The one number of a series: its last, in a panel of bars the sum of all."""
        known = [value for value in series.values if not math.isnan(value)]
        return sum(known) if self.panel.kind == "bars" else (known or [0.0])[-1]

    def _last(self, series: Series) -> str:
        return in_unit(self._number(series), self.panel.unit)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def in_unit(value: float, unit: str) -> str:
    """A number as Grafana writes it with a panel's unit, one that it does not know put behind."""
    if unit in ("bytes", "Bps"):
        power = min(int(math.log(abs(value), 1024)), 4) if abs(value) >= 1 else 0
        name = ["B", "KiB", "MiB", "GiB", "TiB"][power]
        return f"{value / 1024**power:.3g} {name}{'/s' if unit == 'Bps' else ''}"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    suffix = {"percent": " %", "%": " %", "short": "", "none": ""}.get(unit, f" {unit}")
    return f"{value:,.0f}{suffix}" if abs(value) >= 1000 else f"{value:.3g}{suffix}"
