"""A Prometheus of the notebook's own: the server, what it answers, and one with a made-up past."""

import http.client
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

from helpers import local
from helpers.page import Page

INSTALL = (
    "On Debian or Ubuntu: apt-get install prometheus; on macOS: brew install prometheus; "
    "elsewhere unpack a release of it on the path."
)
MISSING = f"There is no program `prometheus` on the path here. {INSTALL}"
ELSEWHERE = "Ray's configuration is not on this machine, but where its head node is."
POLL_S = 0.2


class QueryError(ValueError):
    """Prometheus refused a query; the message is its own."""


class Series(NamedTuple):
    """One time series: its labels, and its values at Unix times in seconds."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]


class Prometheus(Page):
    """A Prometheus that answers on this machine only and ends with the kernel.

    Args:
        folder: with its `prometheus.yml`. What it collects goes there too, and all of it is
            removed when it ends.

    Raises:
        keeper.StartError: the program is not there, or did not start.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        super().__init__(
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.enable-lifecycle",
            "--log.level=warn",
            ready="/-/ready",  # some packages of Prometheus 3 lack the page
            listen="--web.listen-address={host}:{port}",
            folder=folder,
        )

    def api(self, path: str, **parameters):
        """What its HTTP API answers at `/api/v1/<path>`. Raises QueryError if it refuses."""
        asked = f"http://{self.host}:{self.port}/api/v1/{quote(path)}?{urlencode(parameters)}"
        try:
            return json.loads(local.get(asked))["data"]
        except urllib.error.HTTPError as refused:
            raise QueryError(json.load(refused)["error"]) from None

    def query(self, promql: str, at: float) -> list[Series]:
        """What a query gives at a moment: a number for each series.

        Args:
            promql: of the kind that gives an instant vector or a scalar.
            at: Unix time in seconds.
        """
        answer = self.api("query", query=promql, time=at)
        if answer["resultType"] == "scalar":
            return [_series({"metric": {}, "values": [answer["result"]]})]
        if answer["resultType"] != "vector":
            raise QueryError(f"it gives a {answer['resultType']}, not one number for each series")
        return [_series({**one, "values": [one["value"]]}) for one in answer["result"]]

    def query_range(self, promql: str, start: float, end: float, step: float) -> list[Series]:
        """What a query gives from `start` to `end`, every `step` seconds."""
        answer = self.api("query_range", query=promql, start=start, end=end, step=step)
        return [_series(one) for one in answer["result"]]

    def names(self) -> set[str]:
        """The names of all metrics that it has."""
        return set(self.api("label/__name__/values"))

    def watch(self, rules: str) -> None:
        """Have it evaluate these alert rules from now on, instead of those of an earlier call.

        Args:
            rules: the text of a file that `rule_files: ['*.rules.yml']` names.

        Raises:
            QueryError: it does not take them, and goes on as before.
        """
        (self.folder / "lab.rules.yml").write_text(rules)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        connection.request("POST", "/-/reload")
        answer = connection.getresponse()
        if answer.status != 200:
            raise QueryError(answer.read().decode().strip())

    def until(self, condition: Callable, seconds: float = 60):
        """Wait until `condition()` is true, and return what it gave.

        Raises TimeoutError after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"What was waited for has not come in {seconds:g} s.")
            time.sleep(POLL_S)
        return found


class Absent:
    """Stands where there can be no Prometheus: is false, waits for nothing, shows why."""

    def __init__(self, why: str):
        self.why = why

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return self.why

    def watch(self, rules: str) -> None:
        """Nothing watches."""

    def until(self, condition: Callable, seconds: float = 60) -> None:
        """Nothing will come."""

    def stop(self) -> None:
        """Nothing runs."""


def start(config: str) -> Prometheus | Absent:
    """A Prometheus with this configuration; where that cannot be, what stands for it.

    Args:
        config: the text of a `prometheus.yml`; empty where it could not be found.
    """
    if not shutil.which("prometheus"):
        return Absent(MISSING)
    if not config:
        return Absent(ELSEWHERE)
    folder = Path(tempfile.mkdtemp(prefix="ray-labs-"))
    (folder / "prometheus.yml").write_text(config)
    return Prometheus(folder)


def _series(row: dict) -> Series:
    return Series(
        row["metric"], [time for time, _ in row["values"]], [float(v) for _, v in row["values"]]
    )


def installed() -> bool:
    """Whether `prometheus` and `promtool`, which comes with it, are on the path."""
    return bool(shutil.which("prometheus") and shutil.which("promtool"))


def remembering(samples: Iterable[tuple[str, dict[str, str], float, float]]) -> Prometheus:
    """A Prometheus that scrapes nothing and has these samples as its past.

    Args:
        samples: (metric, labels, Unix time in seconds, value), the times of a series ascending.

    Raises:
        keeper.StartError: the program is not there, or did not start.
        subprocess.CalledProcessError: promtool did not take the samples.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-labs-"))
    lines = []
    for name, labels, moment, value in samples:
        told = ",".join(f"{label}={json.dumps(text)}" for label, text in labels.items())
        lines.append(f"{name}{{{told}}} {value} {moment}\n")
    (folder / "past.txt").write_text("".join([*lines, "# EOF\n"]))
    (folder / "prometheus.yml").write_text("global: {}\n")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "past.txt", "data"]
    try:
        subprocess.run(made, cwd=folder, check=True, capture_output=True)
        return Prometheus(folder)
    except (OSError, subprocess.CalledProcessError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
