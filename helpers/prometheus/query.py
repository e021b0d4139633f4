"""What a query of Prometheus gives, drawn again and again."""

import html
import time
from dataclasses import dataclass

import numpy as np

from helpers import plots
from helpers.prometheus.server import Absent, Prometheus, QueryError, Series
from helpers.ui.live import Live
from helpers.ui.state import Unavailable


def live_query(
    promql: str, prometheus: Prometheus | Absent, label: str = "instance", seconds: float = 120
) -> Live | Absent:
    """What a query gives, live. `live_query("ray_node_cpu_utilization", prometheus)`

    Args:
        promql: a query that gives one number for each series.
        prometheus: whom to ask; one that is absent is returned, as it says why.
        label: by which the series are named.
        seconds: how far back to look.
    """
    if not prometheus:
        return prometheus

    def look() -> QueryView:
        end = time.time()
        try:
            found = prometheus.query_range(promql, end - seconds, end, 1)
        except QueryError as refused:
            raise Unavailable(f"Prometheus refuses the query: {refused}") from None
        except OSError:
            raise Unavailable("Prometheus does not answer any more.") from None
        return QueryView(promql, {one.labels.get(label, "all"): one for one in found}, end, seconds)

    return Live(look)


@dataclass(frozen=True)
class QueryView:
    """What a query gave in the `seconds` before `end`, a series for each name."""

    promql: str
    lines: dict[str, Series]
    end: float
    seconds: float

    def as_text(self) -> str:
        lines = [f"  {name:24} {one.values[-1]:10,.4g}" for name, one in self.lines.items()]
        return "\n".join([self.promql, *(lines or ["  no series yet"])])

    def as_html(self) -> str:
        title = f'<div class="title">{html.escape(self.promql)}</div>'
        if not self.lines:
            return f'{title}<div class="quiet">no series yet</div>'
        figure, axis = plots.figure(7.2, 2.2)
        lines = {
            name: (np.subtract(one.times, self.end).tolist(), one.values)
            for name, one in self.lines.items()
        }
        axis.update_datalim([(-self.seconds, 0.0), (0.0, 0.0)])
        plots.series(axis, lines)
        axis.set(xlabel="s before now")
        return title + plots.as_html(figure, self.as_text())
