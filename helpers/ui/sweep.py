"""A sweep watched while it runs: one picture in place, redrawn at most once a second."""

import io
import time
from collections import Counter

from IPython.display import Image, display
from ray import tune

from helpers import plots


class SweepView(tune.Callback):
    """Learning curves as they grow, who was stopped at which rung, and the best so far.

    Pass it in `tune.RunConfig(callbacks=[...])`. It draws where it was made.

    Args:
        metric: what the trials report, a fraction between 0 and 1; higher is better.
        iterations: after how many a trial is complete.
        rungs: iterations at which the scheduler may stop a trial.
        every_s: least time between two pictures, in seconds.
    """

    def __init__(self, metric: str, iterations: int, rungs=(), every_s: float = 1.0):
        self.metric, self.iterations, self.rungs = metric, iterations, tuple(rungs)
        self.every_s = every_s
        self.curves: dict[str, list[float]] = {}
        self.ended: dict[str, str] = {}  # trial id -> "complete", "stopped" or "failed"
        self._next_draw = 0.0
        self._handle = display(self._picture(), display_id=True)

    def on_trial_result(self, iteration, trials, trial, result, **info):
        self.curves.setdefault(trial.trial_id, []).append(result[self.metric])
        self._draw_sometimes()

    def on_trial_complete(self, iteration, trials, trial, **info):
        ran = len(self.curves.get(trial.trial_id, ()))
        self.ended[trial.trial_id] = "complete" if ran >= self.iterations else "stopped"
        self._draw_sometimes()

    def on_trial_error(self, iteration, trials, trial, **info):
        self.ended[trial.trial_id] = "failed"
        self._draw_sometimes()

    def on_experiment_end(self, trials, **info):
        self._draw()

    def __getstate__(self):
        # Tune saves its callbacks with the experiment; a front end's handle cannot be saved.
        return {**self.__dict__, "_handle": None}

    def _draw_sometimes(self):
        if time.monotonic() >= self._next_draw:
            self._draw()

    def _draw(self):
        if self._handle:
            self._handle.update(self._picture())
        self._next_draw = time.monotonic() + self.every_s

    def _picture(self) -> Image:
        figure, axis = plots.figure()
        # Only a trial that ran to the end has a final score to compare.
        full = {name: c for name, c in self.curves.items() if len(c) >= self.iterations}
        best = max(full, key=lambda name: full[name][-1], default=None)
        ended_or_running = {
            name: values + [float("nan")] * (self.iterations if name not in self.ended else 0)
            for name, values in self.curves.items()
        }
        plots.curves(axis, ended_or_running, self.rungs, self.iterations, best)
        axis.set(
            xlim=(0.8, self.iterations + 1.6),
            ylim=(0, 1),
            xlabel="iteration",
            ylabel=self.metric.replace("_", " "),
            title=self._headline(),
        )
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=90)
        return Image(png.getvalue(), alt=self._headline())

    def _headline(self) -> str:
        counts = Counter(self.ended.values())
        running = len(self.curves) - len(self.ended)
        parts = [f"{len(self.curves)} trials", f"{counts['complete']} complete"]
        parts += [f"{counts['stopped']} stopped early"]
        parts += [f"{counts['failed']} failed"] * bool(counts["failed"])
        parts += [f"{running} running"] * bool(running)
        return " · ".join(parts)
