"""The distribution of completion times, on live and on made-up tasks."""

import re
import time

import numpy as np

from helpers import observe, ui
from helpers.ui.times import Times


def test_it_says_that_nothing_has_ended_yet(ray):
    assert repr(ui.task_completion_time_distribution()).startswith("No task has ended here yet")


def test_waiting_is_told_apart_from_running(ray):
    # No sleep to paper over a race: these tasks last, and the cores are fewer than they.
    @ray.remote
    def doze():
        time.sleep(0.3)

    @ray.remote(num_cpus=0)
    def quick(): ...

    with observe.tasks("doze", "quick"):
        cores = int(ray.cluster_resources()["CPU"])
        ray.get([doze.remote() for _ in range(2 * cores)] + [quick.remote() for _ in range(3)])
    found = ui.task_completion_time_distribution()
    took = [times.sum() for times in found.ran.values()]
    assert took == sorted(took, reverse=True), "the most time first"
    assert observe.MARK not in found.ran, "the observer's own"
    assert len(found.ran["doze"]) == 2 * cores and len(found.ran["quick"]) == 3
    assert (found.ran["doze"] >= 0.3).all()
    assert sum(found.waited["doze"] >= 0.25) >= cores, "the second half waited for the first"


def test_it_prints_quantiles_and_draws_one_picture():
    seconds = np.linspace(0, 1, 101)
    found = Times({"f": seconds}, {"f": 2 * seconds}, "A note.")
    lines = repr(found).splitlines()
    assert re.search(r"f +101 +waited +0.500 s +0.950 s +1.000 s", lines[1])
    assert re.search(r"ran +1.000 s +1.900 s +2.000 s", lines[2])
    assert lines[-1] == "A note."
    assert found._repr_html_().count("<img") == 1


def test_a_name_is_shown_as_text():
    found = Times({"<img src=x> $a$": np.ones(1)}, {"<img src=x> $a$": np.ones(1)})
    assert found._repr_html_().count("<img") == 1


def test_it_says_in_a_sentence_that_ray_is_not_there(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert repr(ui.task_completion_time_distribution()).startswith("Ray is not running")
