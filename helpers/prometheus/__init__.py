"""Lab 07: a Prometheus on Ray, its answers drawn live, and Ray's Grafana panels without Grafana."""

from helpers.prometheus.grafana import grafana_panel, grafana_panels
from helpers.prometheus.query import live_query
from helpers.prometheus.server import (
    INSTALL,
    MISSING,
    Absent,
    Prometheus,
    QueryError,
    Series,
    installed,
    remembering,
    start,
)

__all__ = [
    "INSTALL",
    "MISSING",
    "Absent",
    "Prometheus",
    "QueryError",
    "Series",
    "grafana_panel",
    "grafana_panels",
    "installed",
    "live_query",
    "remembering",
    "start",
]
