"""The sweep of lab 08 when a trial's process is killed, and what its picture says."""

import re
from itertools import pairwise
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import paths, plots, ui
from helpers.labs import read

KILLER = """
import signal

class JsonLoggerCallback(JsonLoggerCallback):
    killed = None

    def on_trial_result(self, iteration, trials, trial, result, **info):
        super().on_trial_result(iteration, trials, trial, result, **info)
        if JsonLoggerCallback.killed is None and len(trials) > 3:
            JsonLoggerCallback.killed = trial.trial_id
            os.kill(result["pid"], signal.SIGKILL)
"""


def test_a_killed_trial_is_accounted_for_and_the_others_count(course):
    cells = read("08_tune_mnist_sweep")["cells"]
    last = [cell["id"] for cell in cells].index("ten")
    checks = {"my-space-check", "train-curve-check", "patient-scheduler-check"}
    code = [cell for cell in cells[:last] if cell["cell_type"] == "code"]
    sources = [cell["source"] for cell in code if cell["id"] not in checks]
    account = next(cell["source"] for cell in cells if cell["id"] == "account")
    sources += [KILLER, "results = mnist_tuner(samples=10, initial=5).fit()", account]
    sources += ["print(JsonLoggerCallback.killed)", "ray.shutdown(); shutil.rmtree(storage)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    resources = {"metadata": {"path": str(paths.NOTEBOOKS)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    sweep, account, killed = notebook.cells[-4:-1]
    [picture] = [one.data["text/html"] for one in sweep.outputs if "data" in one]
    assert re.search(r"10 trials · \d+ complete · \d+ stopped early · 1 failed", picture)
    said = account.outputs[0].text
    assert re.match(r"10 trials: \d+ ran to the end, 1 failed\.", said)
    assert "ActorDiedError" in said or "died" in said
    assert killed.outputs[0].text.strip() != "None"


@pytest.fixture
def view(monkeypatch):
    """A view of a sweep of three iterations with one rung, and the pictures it has shown."""
    shown = []
    handle = SimpleNamespace(update=shown.append)
    monkeypatch.setattr(
        "helpers.ui.sweep.display", lambda first, **_: shown.append(first) or handle
    )
    view = ui.SweepView("score", iterations=3, rungs=[1])
    view.setup()
    view.setup()
    return view, shown


def _report(view, name, scores):
    trial = SimpleNamespace(trial_id=name)
    for iteration, score in enumerate(scores, start=1):
        view.on_trial_result(0, [], trial, {"score": score, "training_iteration": iteration})
    return trial


def _headline(shown) -> str:
    return re.search(r'alt="([^"]*)"', shown[-1].data)[1]


def test_the_picture_counts_every_end(view):
    view, shown = view
    assert len(shown) == 1, "one picture, made once, however often Tune sets it up"
    view.on_trial_complete(0, [], _report(view, "a", [0.1, 0.2, 0.3]))
    view.on_trial_complete(0, [], _report(view, "b", [0.1]))
    view.on_trial_error(0, [], _report(view, "c", [0.5, 0.5]))
    view.on_trial_error(0, [], SimpleNamespace(trial_id="d"))  # died before its first report
    _report(view, "e", [0.4])
    view.report([], False)
    assert _headline(shown) == "5 trials · 1 complete · 1 stopped early · 2 failed · 1 running"
    view.report([SimpleNamespace(trial_id=name) for name in "abcde"], True)
    assert _headline(shown) == "5 trials · 1 complete · 1 stopped early · 2 failed · 1 cut off"


def test_it_draws_no_more_often_than_it_should_and_at_the_end_always(view):
    view, _ = view
    view.every_s = 1000
    assert view.should_report([])
    view.report([], False)
    assert not view.should_report([])
    assert view.should_report([], done=True)


def test_a_return_is_written_as_it_is(view, monkeypatch):
    view, _ = view
    drawn = []
    monkeypatch.setattr(plots, "as_html", lambda figure, text: drawn.extend(figure.axes) or text)
    view.limits, view.form = (-1_500, 0), ".0f"
    view.on_trial_complete(0, [], _report(view, "a", [-900.0, -400.0, -123.4]))
    picture = view._picture()
    [axis] = drawn
    assert "best -123" in [text.get_text() for text in axis.texts]
    assert axis.get_ylim() == (-1_500, 0)
    assert "1 complete" in picture.data


def test_a_copy_goes_on_from_where_the_other_was(view):
    view, _ = view
    trial = _report(view, "a", [0.1, 0.2, 0.3])
    view.on_trial_result(0, [], trial, {"score": 0.9, "training_iteration": 3})
    assert view.curves == {"a": [0.1, 0.2, 0.9]}
    view.on_trial_result(0, [], trial, {"score": 1.0, "training_iteration": 5})
    assert str(view.curves["a"]) == "[0.1, 0.2, 0.9, nan, 1.0]"
    assert view.reports == 5


def test_a_metric_may_lie_deeper_in_the_result(view):
    view, _ = view
    view.metric = "env_runners/episode_return_mean"
    result = {"env_runners": {"episode_return_mean": -200.0}, "training_iteration": 1}
    view.on_trial_result(0, [], SimpleNamespace(trial_id="a"), result)
    assert view.curves == {"a": [-200.0]}


def test_lives_are_cut_where_a_trial_was_paused_and_joined_where_it_was_copied(monkeypatch):
    handle = SimpleNamespace(update=lambda picture: None)
    monkeypatch.setattr("helpers.ui.sweep.display", lambda first, **_: handle)
    view = ui.LivesView("score", iterations=3, rungs=[2], name="PBT")
    view.setup()
    view.report([], done=False)  # nothing has begun
    a, b = SimpleNamespace(trial_id="a"), SimpleNamespace(trial_id="b")

    def work(trial, first, scores, copy_of=""):
        view.on_trial_start(0, [], trial)
        for number, score in enumerate(scores, start=first):
            result = {"training_iteration": number, "score": score, "copy_of": copy_of}
            view.on_trial_result(0, [], trial, result)

    work(a, 1, [0.1, 0.2])
    work(b, 1, [0.5, 0.6])
    work(a, 3, [0.7], copy_of="b")
    view.on_trial_complete(0, [], a)
    work(b, 3, [0.65], copy_of="b")  # its own checkpoint: a pause, no copy
    view.on_trial_complete(0, [], b)
    assert view.stints == {"a": [[1, 2], [5]], "b": [[3, 4], [6]]}
    assert view.copies == [(5, "a", "b")]
    assert view.pauses == 2
    assert view.scores == [0.1, 0.2, 0.5, 0.6, 0.7, 0.65]
    headline = "PBT · 2 trials · 2 complete · 0 stopped early · 2 pauses · 1 copy"
    assert headline in view._picture().data


def test_best_so_far_gives_a_name_its_colour_in_every_figure():
    drawn = []
    for names in (["random", "grid", "learned"], ["random", "learned"]):
        _, axis = plots.figure()
        plots.best_so_far(axis, {name: [[1.0]] for name in names}, names=["random", "grid"])
        drawn.append({text.get_text(): text.get_color() for text in axis.texts})
    assert drawn[1].items() <= drawn[0].items()


def test_best_so_far_has_a_label_for_each_and_none_over_another():
    _, axis = plots.figure()
    runs = {"long": [[3.0, 2.0, 1.0], [2.0, 2.0, 1.0]], "ended early": [[1.0]], "alike": [[1.0]]}
    plots.best_so_far(axis, runs, best=0.5)
    lines = [line.get_ydata().tolist() for line in axis.lines]
    assert lines == [[2.0, 1.5, 0.5], [0.5], [0.5]]
    heights = sorted(text.xy[1] for text in axis.texts)
    assert {text.get_text() for text in axis.texts} == set(runs)
    assert all(above - below > 0.05 for below, above in pairwise(heights))
