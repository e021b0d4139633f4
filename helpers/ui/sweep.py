"""A sweep watched while it runs: one picture in place, redrawn at most once a second."""

import functools
import math
import operator
import time
from collections import Counter
from collections.abc import Sequence

from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from ray import tune

from helpers import plots


class SweepView(tune.Callback, tune.ProgressReporter):
    """Learning curves as they grow, who was stopped at which rung, and the best so far.

    It is a callback, which hears of every result, and a progress reporter, which Tune asks to
    draw: pass it as both, `tune.RunConfig(callbacks=[view], progress_reporter=view)`.

    Args:
        metric: what the trials report; higher is better. Slashes lead into nested results, as in
            RLlib's "env_runners/episode_return_mean".
        iterations: after how many a trial is complete.
        rungs: iterations at which the scheduler may stop a trial.
        limits: least and greatest value that the picture has room for.
        form: how the best value is written, as in a format string.
        every_s: least time between two pictures, in seconds.
    """

    at_rung = " {} stopped"  # what is written there

    def __init__(
        self,
        metric: str,
        iterations: int,
        rungs: Sequence[int] = (),
        limits: tuple[float, float] = (0, 1),
        form: str = ".1%",
        every_s: float = 1.0,
    ):
        self.metric, self.iterations, self.rungs = metric, iterations, tuple(rungs)
        self.limits, self.form, self.every_s = limits, form, every_s
        self.curves: dict[str, list[float]] = {}
        self.reports = 0  # of all trials, those of trials that were replaced included
        self.ended: dict[str, str] = {}  # trial id -> "complete", "stopped", "failed" or "cut off"
        self._handle = None
        self._next_draw = 0.0

    def setup(self, *args, **info):
        if self._handle is None:  # Tune sets up the callback and the reporter: both are this
            self._handle = display(self._picture(), display_id=True)

    def on_trial_result(self, iteration, trials, trial, result, **info):
        curve = self.curves.setdefault(trial.trial_id, [])
        # A copy of another trial, as PBT makes them, goes on from where that one was: before or
        # after the iteration that this one had come to.
        at = result["training_iteration"] - 1
        value = functools.reduce(operator.getitem, self.metric.split("/"), result)
        curve[at:] = [*[math.nan] * (at - len(curve)), value]
        self.reports += 1

    def on_trial_complete(self, iteration, trials, trial, **info):
        ran = len(self.curves.get(trial.trial_id, ()))
        self.ended[trial.trial_id] = "complete" if ran >= self.iterations else "stopped"

    def on_trial_error(self, iteration, trials, trial, **info):
        self.ended[trial.trial_id] = "failed"

    def should_report(self, trials, done=False):
        return done or time.monotonic() >= self._next_draw

    def report(self, trials, done, *sys_info):
        began = time.monotonic()
        if done:
            for trial in trials:  # those still unfinished ran out of the sweep's time
                self.ended.setdefault(trial.trial_id, "cut off")
        self._handle.update(self._picture())
        # Many trials take longer to draw; at most a tenth of the time goes into pictures.
        self._next_draw = began + max(self.every_s, 10 * (time.monotonic() - began))

    def __getstate__(self):
        # Tune saves its callbacks with the experiment; a front end's handle cannot be saved.
        return {**self.__dict__, "_handle": None}

    def _picture(self) -> HTML:
        figure, axis = plots.figure()
        self._draw_curves(axis)
        axis.set(title=self._headline())
        return HTML(plots.as_html(figure, self._headline()))

    def _draw_curves(self, axis: Axes):
        stopped = {name for name in self.curves if self.ended.get(name) == "stopped"}
        # Only a trial that ran to the end has a final score to compare.
        complete = [name for name, end in self.ended.items() if end == "complete"]
        best = max(complete, key=lambda name: self.curves[name][-1], default=None)
        plots.curves(axis, self.curves, stopped, self.rungs, best, self.form)
        for rung in self.rungs:
            count = sum(len(self.curves[name]) == rung for name in stopped)
            text = {
                "s": self.at_rung.format(count),
                "color": plots.GREY,
                "fontsize": 9,
                "va": "top",
            }
            axis.text(rung, self.limits[1], **text)
        axis.set(
            xlim=(0.8, self.iterations + 1.6),
            ylim=self.limits,
            xlabel="iteration",
            ylabel=self.metric.rpartition("/")[2].replace("_", " "),
        )

    def _headline(self) -> str:
        ends = Counter(self.ended.values())
        running = len(self.curves.keys() - self.ended.keys())
        parts = [_counted(len(self.curves | self.ended), "trial"), f"{ends['complete']} complete"]
        parts += [f"{ends['stopped']} stopped early"]
        parts += [f"{ends[end]} {end}" for end in ("failed", "cut off") if ends[end]]
        parts += [f"{running} running"] * bool(running)
        return " · ".join(parts)


class SweepTally(tune.ProgressReporter):
    """A progress reporter of one line: how many trials there are in each state."""

    def __init__(self):
        self._handle = None

    def setup(self, *args, **info):
        self._handle = display(HTML(""), display_id=True)

    def should_report(self, trials, done=False):
        return True  # Tune asks every few seconds, and at the end

    def report(self, trials, done, *sys_info):
        states = Counter(trial.status.lower() for trial in trials)
        line = " · ".join(f"{count} {state}" for state, count in states.items())
        self._handle.update(HTML(f"{_counted(len(trials), 'trial')}: {line}"))

    def __getstate__(self):
        return {"_handle": None}  # as above


class LivesView(SweepView):
    """A sweep's curves, and beside them which trial worked when, was paused, stopped or copied.

    A trainable that reports `copy_of`, the id of the trial whose checkpoint it last took up, has
    its copies drawn as arrows.

    Args: as SweepView takes them, and
        name: what the picture's title begins with.
    """

    at_rung = " {}"

    def __init__(self, metric: str, iterations: int, rungs: Sequence[int] = (), name: str = ""):
        super().__init__(metric, iterations, rungs, form=".2f")
        self.name = name
        self.scores: list[float] = []  # of all trials, in the order reported
        self.stints: dict[str, list[list[int]]] = {}
        self.copies: list[tuple[int, str, str]] = []

    def on_trial_start(self, iteration, trials, trial, **info):
        self.stints.setdefault(trial.trial_id, []).append([])

    def on_trial_result(self, iteration, trials, trial, result, **info):
        super().on_trial_result(iteration, trials, trial, result, **info)
        self.scores.append(result[self.metric])
        stint = self.stints.setdefault(trial.trial_id, [[]])[-1]
        donor = result.get("copy_of")
        if donor and not stint and donor != trial.trial_id:
            self.copies.append((self.reports, trial.trial_id, donor))
        stint.append(self.reports)

    @property
    def pauses(self) -> int:
        """How often a trial stopped working and went on later."""
        return sum(len([one for one in own if one]) - 1 for own in self.stints.values() if own[0])

    def _picture(self) -> HTML:
        figure = Figure(figsize=(9, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        self._draw_curves(left)
        plots.stints(
            right, {n: own for n, own in self.stints.items() if own[0]}, self.ended, self.copies
        )
        figure.suptitle(self._headline(), x=0.01, ha="left", fontsize=12, fontweight="bold")
        return HTML(plots.as_html(figure, self._headline()))

    def _headline(self) -> str:
        parts = [self.name] * bool(self.name) + [super()._headline()]
        parts += [_counted(self.pauses, "pause")] * bool(self.pauses)
        parts += [_counted(len(self.copies), "copy", "copies")] * bool(self.copies)
        return " · ".join(parts)


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
