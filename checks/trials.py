"""What the checks of Tune's labs share: a real trial, and pretended ones."""

import contextlib
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler


def run_trial(
    trainable: Callable, config: dict, folder: str, pause_after: int | None = None
) -> tuple[tune.Result, list[list[dict]]]:
    """Run one real trial, and listen to it.

    Args:
        trainable: the learner's; it asks for a hundredth of a core, so that it starts at once.
        config: what it is called with.
        folder: where Tune may keep its files and the checkpoints.
        pause_after: pause it once, after so many reports, and let it go on, as PBT does.

    Returns:
        The trial's result, and what Tune was told: a list of results for each of the trial's
        lives, of which a pause ends one.

    Raises whatever the trainable raised.
    """
    listener = _Listener(pause_after)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # it takes a second to import them
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 0.01}),
        param_space=config,
        tune_config=tune.TuneConfig(scheduler=listener, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    ).fit()
    if results.errors:
        raise results.errors[0]
    return results[0], listener.lives


class _Listener(FIFOScheduler):
    """Keeps what the trial reports, in `lives`, and pauses it once.

    A scheduler, not a callback: given a callback of ours Tune imports MLflow and Weights & Biases,
    to count for its usage statistics whose callback it is.
    """

    def __init__(self, pause_after: int | None):
        super().__init__()
        self.pause_after = pause_after
        self.lives: list[list[dict]] = [[]]

    def on_trial_result(self, tune_controller, trial, result):
        life, number = self.lives[-1], result["training_iteration"]
        if not life or number != life[-1]["training_iteration"]:  # Tune tells the last one twice
            life.append(dict(result))
        if number == self.pause_after and len(self.lives) == 1:
            self.lives.append([])
            return TrialScheduler.PAUSE
        return TrialScheduler.CONTINUE


def lifespans(scheduler: TrialScheduler, trials: dict[str, list[dict | None]]) -> dict[str, int]:
    """Let a real scheduler judge pretended trials, which take their steps in turn.

    Args:
        scheduler: it knows its metric and mode.
        trials: a trial's name to what it reports after each step, None where it reports nothing.

    Returns:
        A trial's name to how many steps it took before the scheduler stopped it, or all of them.
    """

    class Trial:
        def __init__(self, name: str):
            self.trial_id, self.config = name, {}

        def __repr__(self):
            return self.trial_id

    running = [Trial(name) for name in trials]
    steps, reports = dict.fromkeys(trials, 0), dict.fromkeys(trials, 0)
    for trial in running:
        scheduler.on_trial_add(None, trial)
    for step in range(max(map(len, trials.values()))):
        for trial in list(running):
            name = trial.trial_id
            steps[name] += 1
            if not trials[name][step]:
                continue
            reports[name] += 1
            result = {"training_iteration": reports[name], **trials[name][step]}
            if scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
                running.remove(trial)
    return steps


class Reported(NamedTuple):
    """One report of a trainable: its metrics, and what the check saw at that moment."""

    metrics: dict
    seen: Any


def reports(
    library: ModuleType, run: Callable[[], Any], look: Callable[[str | None], Any]
) -> list[Reported]:
    """Call a trainable with nobody but the check to listen to it: no Tune, no process of a trial.

    Args:
        library: the one whose `report` it calls: `ray.tune` or `ray.train`.
        run: unpacks the trainable and calls it. Unpacked before, one that has imported `report` by
            name would call the real one.
        look: called at each report with the folder of its checkpoint, or None if it has none.

    Returns:
        What it reported, in order.

    Raises whatever the trainable raised.
    """
    heard: list[Reported] = []

    def report(metrics: dict, checkpoint: tune.Checkpoint | None = None, **_) -> None:
        if checkpoint is None:
            seen = look(None)
        else:
            with checkpoint.as_directory() as folder:
                seen = look(folder)
        heard.append(Reported(dict(metrics), seen))

    listening = mock.create_autospec(library.report, side_effect=report)
    homes = library, sys.modules[library.report.__module__]
    with contextlib.ExitStack() as patched:
        for home in homes:
            patched.enter_context(mock.patch.object(home, "report", listening))
        run()
    return heard
