"""What the checks of Tune's labs share: a real trial, and pretended ones under a scheduler."""

from collections.abc import Callable

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler


def run_trial(
    trainable: Callable, config: dict, folder: str, scheduler: TrialScheduler | None = None
) -> tuple[tune.Result, list[list[dict]]]:
    """Run one real trial, and listen to it.

    Args:
        trainable: the learner's; it asks for a hundredth of a core, so that it starts at once.
        config: what it is called with.
        folder: where Tune may keep its files and the checkpoints.
        scheduler: what may pause the trial; by default nothing does.

    Returns:
        The trial's result, and what Tune was told: a list of results for each of the trial's
        lives, of which a pause ends one.

    Raises whatever the trainable raised.
    """
    lives = []

    class Listener(tune.Callback):
        def on_trial_start(self, iteration, trials, trial, **info):
            lives.append([])

        def on_trial_result(self, iteration, trials, trial, result, **info):
            lives[-1].append(dict(result))

    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 0.01}),
        param_space=config,
        tune_config=tune.TuneConfig(scheduler=scheduler, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=folder, callbacks=[Listener()], verbose=0),
    ).fit()
    if results.errors:
        raise results.errors[0]
    return results[0], lives


class PauseOnce(FIFOScheduler):
    """Pauses a trial once and lets it go on, as PBT does.

    Args:
        reports: after how many of them.
    """

    def __init__(self, reports: int):
        super().__init__()
        self.reports, self.paused = reports, False

    def on_trial_result(self, tune_controller, trial, result):
        if result["training_iteration"] == self.reports and not self.paused:
            self.paused = True
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
