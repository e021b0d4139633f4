"""The exercise engine: one verdict whatever the learner's code does, and nothing left behind."""

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest
from ray import cloudpickle

from checks import engine, progress
from helpers import local
from tests.support.kernel import kernel

# As if the answers below stood in a notebook: workers get them by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def fresh_progress():
    progress.reset()


@engine.exercise
def doubled(answer):
    return _doubled(engine.run(answer, 21, limit=3))


@engine.exercise
def doubled_without_ray(answer):
    return _doubled(engine.run_without_ray(answer, 21, limit=3))


@engine.exercise
def doubled_as_driver(answer):
    return _doubled(engine.run_as_driver(answer, 21, limit=3))


def _doubled(value) -> str:
    if value != 42:
        raise engine.NotYet(f"the double of 21 is 42, not {value}")
    return "twice as much."


CHECKS = [doubled, doubled_without_ray, doubled_as_driver]


@pytest.fixture(params=CHECKS, ids=lambda check: check.__name__)
def judge(request, ray):
    """A check of each of the three ways to run an answer."""
    return request.param


def status(answer) -> str:
    return doubled(answer).status


def test_right_wrong_and_untouched(judge):
    def status(answer):
        return judge(answer).status

    def stub(x):
        """Return twice x."""
        ...

    class Stub:
        def twice(self, x):
            """Return twice x."""
            ...

    class Started(Stub):
        def twice(self, x):
            return x

    assert status(stub) == "not started"
    assert status(Stub) == "not started"
    assert status(Started) == "not yet"
    assert status(...) == "not started"
    assert status(lambda x: None) == "not started"
    assert status(lambda x: 5) == "not yet"
    assert status(lambda x: 2 * x) == "done"
    verdict = judge(lambda x: x)
    assert (verdict.status, verdict.message) == ("not yet", "the double of 21 is 42, not 21")


def test_an_error_is_shown_with_the_line_that_raised_it(judge):
    def broken(x):
        nothing = 0
        return x / nothing

    verdict = judge(broken)
    assert verdict.status == "not yet"
    assert "ZeroDivisionError: division by zero" in verdict.message
    assert "return x / nothing" in verdict.message


def loops_for_ever(x):
    while True:
        pass


def swallows_everything(x):
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


def ends_its_process(x):
    os._exit(1)


def returns_a_generator(x):
    return (n for n in range(x))


LOCK = threading.Lock()


def refers_to_a_lock(x):
    return LOCK


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (loops_for_ever, "still running after 3 s"),
        (swallows_everything, "still running after 3 s"),
        (ends_its_process, "ended the process"),
        (returns_a_generator, "cannot leave its process"),
        (refers_to_a_lock, "cannot be sent to a worker"),
        (7, "not callable"),
    ],
)
def test_hopeless_answers_get_a_sentence(judge, answer, sentence):
    began = time.monotonic()
    verdict = judge(answer)
    assert verdict.status == "not yet"
    assert sentence in verdict.message
    assert "Traceback" not in verdict.message
    assert time.monotonic() - began < 60, "a check that hangs"


@pytest.mark.parametrize("deaths", [1, 2])
def test_an_answer_whose_process_dies_before_it_began_is_run_once_more(ray, tmp_path, deaths):
    def dies(*_):
        begun = tmp_path / str(len(list(tmp_path.iterdir())))
        begun.touch()
        if int(begun.name) < deaths:
            os._exit(1)

    def double(x, _):
        return 2 * x

    if deaths == 1:
        assert engine.run(double, 21, setup=dies) == 42
    else:
        with pytest.raises(engine.NotYet, match="ended the process"):
            engine.run(double, 21, setup=dies)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("run", [engine.run, engine.run_as_driver], ids=lambda run: run.__name__)
def test_nothing_is_left_running(ray, run):
    names = ("ray_labs_task_left_behind", "RayLabsActorLeftBehind")

    def leaves_a_mess(x):
        @ray.remote
        def ray_labs_task_left_behind():
            while True:
                time.sleep(0.1)

        @ray.remote
        class RayLabsActorLeftBehind:
            def run(self):
                while True:
                    time.sleep(0.1)

        actor = RayLabsActorLeftBehind.remote()
        left = [actor.run.remote(), ray_labs_task_left_behind.remote()]
        while True:  # until both are there for everyone to see
            titles = " ".join(map(_title, psutil.process_iter()))
            if all(name in titles for name in names):
                break
        globals()["keep"] = actor, left
        return 2 * x

    assert run(leaves_a_mess, 21, limit=60) == 42
    deadline = time.monotonic() + 20
    while left := [
        t for t in map(_title, psutil.process_iter()) if "LeftBehind" in t or "left_b" in t
    ]:
        assert time.monotonic() < deadline, left


def _title(process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_what_an_answer_started_without_ray_ends_with_it():
    pid = engine.run_without_ray(lambda: subprocess.Popen(["sleep", "600"]).pid)
    assert gone(pid)


PRINTS_AND_HANGS = """
import os, threading
from checks import engine

def hang():
    print(os.getpid())
    threading.Event().wait()

if __name__ == "__main__":
    engine.run_without_ray(hang, limit=600)
"""


def test_an_answer_without_ray_ends_with_the_kernel():
    with kernel(PRINTS_AND_HANGS) as running:
        pid = int(running.stdout.readline())
        assert psutil.pid_exists(pid)
    assert gone(pid)


def gone(pid: int) -> bool:
    """Whether a process ends soon, or has."""
    try:
        return local.wait_until_gone([psutil.Process(pid)], 60)
    except psutil.NoSuchProcess:
        return True


def test_an_answer_without_ray_starts_no_ray():
    def asks_ray():
        return ray.put(1)

    import ray

    with pytest.raises(engine.NotYet, match=r"RaySystemError: .*not been started"):
        engine.run_without_ray(asks_ray, limit=60)


def test_a_failing_check_never_shows_its_own_traceback(ray, monkeypatch):
    @engine.exercise
    def careless(answer):
        return engine.run(answer)[0]

    verdict = careless(lambda: 5)
    assert verdict.status == "not yet"
    assert "could not make sense of this answer" in verdict.message
    monkeypatch.setenv("RAY_LABS_STRICT", "1")
    with pytest.raises(TypeError):
        careless(lambda: 5)


def test_strict_raises_unless_done(ray, monkeypatch):
    monkeypatch.setenv("RAY_LABS_STRICT", "1")
    assert status(lambda x: 2 * x) == "done"
    with pytest.raises(engine.ExerciseNotDone, match="not yet"):
        doubled(lambda x: x)
    with pytest.raises(engine.ExerciseNotDone, match="not started"):
        doubled(...)


def test_a_check_that_lacks_a_program_says_so(ray, monkeypatch):
    @engine.exercise
    def weighed(answer):
        raise engine.CannotJudge("this check asks a scale, and there is none.")

    verdict = weighed(lambda x: x)
    assert verdict.status == "not started"
    assert verdict.message == "this check asks a scale, and there is none."
    monkeypatch.setenv("RAY_LABS_STRICT", "1")
    with pytest.raises(engine.ExerciseNotDone, match="asks a scale"):
        weighed(lambda x: x)


def test_without_ray_a_sentence(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    verdict = doubled(lambda x: x)
    assert verdict.status == "not yet"
    assert "Run this lab's first code cell" in verdict.message


def test_what_learners_wrote_is_escaped():
    html = engine.Verdict("not yet", "<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_progress_survives_and_what_is_done_stays_done():
    progress.record("start_here", "as_task", "done")
    progress.record("start_here", "as_task", "not yet")
    lab = next(lab for lab in progress.by_lab() if lab.name == "00_start_here")
    assert lab.verdicts["as_task"] == "done"
    assert "00_start_here                    1 of 1" in repr(progress.show())
    assert "✓" in progress.show()._repr_html_()
    progress.reset()
    lab = next(lab for lab in progress.by_lab() if lab.name == "00_start_here")
    assert lab.verdicts["as_task"] == "not started"


def test_progress_under_an_old_name_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_LABS_STATE", str(tmp_path))
    (tmp_path / "progress.json").write_text('{"actors": {"spread": "done", "tally": "not yet"}}')
    lab = next(lab for lab in progress.by_lab() if lab.name == "03_actors")
    assert lab.verdicts["map_on_actors"] == "done" and lab.verdicts["tally"] == "not yet"
    progress.record("actors", "tally", "done")
    assert "spread" not in (tmp_path / "progress.json").read_text()
    assert progress.by_lab()[3].verdicts["map_on_actors"] == "done"


def test_every_old_name_leads_to_an_exercise():
    known = {lab.name[3:]: lab.verdicts.keys() for lab in progress.by_lab()}
    for lab, names in progress.OLD_NAMES.items():
        assert set(names.values()) <= known[lab] and not names.keys() & known[lab]
