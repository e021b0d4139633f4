"""One Ray for a whole test run, as for a whole course: the running one, else one of its own.

`make test` runs the tests in two lanes (pytest-xdist), and each lane has a Ray of its own.
"""

import contextlib
import os
import re
import statistics

import pytest
from xdist.scheduler import LoadScopeScheduling

from launch import apart, session

_cleanup = contextlib.ExitStack()
_environment: dict[str, str] = {}


def pytest_configure(config):
    in_lane = hasattr(config, "workerinput")
    if config.option.dist != "no" and not in_lane:
        return  # this process only hands out tests
    running = None if in_lane else session.find(say=lambda _: None)
    if running and "RAY_ADDRESS" not in os.environ:
        _environment.update(running.environment())
    if "RAY_ADDRESS" not in os.environ:
        os.environ.update(session.JOINING)  # Ray reads it when it is imported
    # Tests must not touch a learner's progress or session.
    _cleanup.enter_context(apart.state())


def pytest_unconfigure(config):
    _cleanup.close()


def pytest_addoption(parser):
    parser.addoption(
        "--lab", metavar="06", help="run only what belongs to this lab; `none`: to no lab"
    )


def pytest_collection_modifyitems(config, items):
    """Keep what belongs to the lab that was asked for."""
    wanted = config.getoption("--lab")
    if wanted is None:
        return
    config.hook.pytest_deselected(items=[item for item in items if _lab(item.nodeid) != wanted])
    items[:] = [item for item in items if _lab(item.nodeid) == wanted]


def _lab(nodeid: str) -> str:
    """The number of the lab that a test belongs to: it is that notebook, or is given its name."""
    found = re.search(r"[/[](\d\d)_", nodeid)
    return found[1] if found else "none"


class Lanes(LoadScopeScheduling):
    """A lab stays in one lane, and so does what belongs to none: some of it needs its ports."""

    def _split_scope(self, nodeid):
        return _lab(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return Lanes(config, log)


def pytest_terminal_summary(terminalreporter):
    """Say how long learners wait for a verdict."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    seconds = [s for one in reports for name, s in one.user_properties if name == "verdict_s"]
    if len(seconds) > 1:
        median, late = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        terminalreporter.section("verdicts")
        terminalreporter.line(
            f"{len(seconds)} answers judged: median {median:.2f} s, 95th percentile {late:.2f} s, "
            f"longest {max(seconds):.1f} s"
        )


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report, config):
    """Say at once why a test failed: a run that is cut off never comes to its summary."""
    if report.failed:
        lines = report.longreprtext.strip().splitlines()
        errors = [line[1:].strip() for line in lines if line.startswith("E ") and line[1:].strip()]
        why = errors[0] if errors else lines[-1]
        if why.endswith(":"):  # of a cell: what it raised comes last
            why += " " + errors[-1]
        print(f"\n{report.nodeid}: {why}")
    return (yield)


def course_ray() -> dict[str, str]:
    """The environment in which a plain `ray.init()` joins the test run's Ray."""
    if not _environment and "RAY_ADDRESS" not in os.environ:
        _environment.update(_cleanup.enter_context(session.start()).environment())
    return _environment


@pytest.fixture
def course(monkeypatch):
    """This test, and what it starts, joins the test run's Ray by a plain `ray.init()`."""
    for name, value in course_ray().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def ray():
    """Ray, with a driver of this module's own on the test run's Ray."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in course_ray().items():
            patch.setenv(name, value)
        import ray

        ray.init(logging_level="error", log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Notebooks join it too: nbmake's items take no fixtures."""
    if item.path.suffix != ".ipynb":
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in course_ray().items():
            patch.setenv(name, value)
        return (yield)
