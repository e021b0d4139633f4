"""Checks of lab 10."""

import math
import os
import pickle
import random
import shutil
import tempfile
from typing import NamedTuple

import numpy as np
from ray import cloudpickle, tune

from checks.engine import NotYet, exercise, run_as_driver, run_without_ray, show
from checks.trials import run_trial
from helpers import plots

# --- train_noisy ---

STEPS, PAUSED_AFTER = 6, 3


@exercise
def train_noisy(answer) -> str:
    """`train_noisy(config)`: a Gaussian walk that a pause does not change."""
    config = {"seed": random.randrange(10_000), "steps": STEPS}
    undisturbed = _walk(config["seed"], STEPS)
    lives = run_as_driver(_lives, answer, config, limit=60.0)
    if not any(lives):
        raise NotYet("Tune received no result from your trainable. Where does it call tune.report?")
    if any("position" not in report for life in lives for report in life):
        raise NotYet("Each report should hold `position`.")
    before, after = ([report["position"] for report in life] for life in (*lives, [])[:2])
    if not _same(before, undisturbed[: len(before)]):
        raise NotYet(
            f"Your first positions are {_shown(before)}; with this seed they should be "
            f"{_shown(undisturbed[: len(before)])}. The walk starts at 0.0, and the first report "
            "comes after the first step."
        )
    if len(before) < PAUSED_AFTER:
        raise NotYet(
            f"Your trial ended after {len(before)} of {STEPS} reports. Report after every step."
        )
    show(_compared(undisturbed, before, after))
    if not after:
        raise NotYet(
            f"Tune paused your trial after {len(before)} steps, and it reported nothing when it "
            "went on. How many steps does it believe are done?"
        )
    _goes_on(after, undisturbed)
    return "a pause in the middle, and every position as if there had been none."


def _goes_on(after: list[float], undisturbed: list[float]) -> None:
    """Raise NotYet if the positions after the pause are not those of an undisturbed walk."""
    expected = undisturbed[PAUSED_AFTER:]
    if _same(after, expected):
        return
    if _same(after[:PAUSED_AFTER], undisturbed[:PAUSED_AFTER]):
        raise NotYet(
            "After the pause your walk began from zero. Does every report carry a checkpoint with "
            "all three things, does the trial look for one when it begins, and does it use what is "
            "in it?"
        )
    place = undisturbed[PAUSED_AFTER - 1]
    if math.isclose(after[0], place + undisturbed[0], abs_tol=1e-9):
        raise NotYet(
            f"After the pause your walk goes on from {place:.2f}, and its first step is that of a "
            "new generator with the same seed. Save the generator too."
        )
    if _same(after[: len(expected)], expected):
        raise NotYet(
            f"The positions go on rightly, but {len(after)} steps came after the pause where "
            f"{len(expected)} were left. Save how many steps are done."
        )
    if _same(after[1:], expected) or _same(after[1 : 1 + len(expected)], expected):
        raise NotYet(
            "One step was done twice: the first after the pause is the last before it. Save what "
            "is so after the step, and begin with the next one."
        )
    steps = np.diff([0.0, *undisturbed])
    if math.isclose(after[0], steps[PAUSED_AFTER], abs_tol=1e-9):
        raise NotYet(
            "After the pause the steps are the right ones, but the walk begins at 0.0 again. Save "
            "the position too."
        )
    if len(after) != len(expected):
        raise NotYet(
            f"{len(expected)} steps were left after the pause; your trial made {len(after)}. Save "
            "how many steps are done."
        )
    raise NotYet(
        f"After the pause your walk goes to {_shown(after)}; undisturbed it is {_shown(expected)}. "
        "Is the generator in the checkpoint, as it is after the step?"
    )


def _lives(trainable, config):
    """What Tune was told in each of the trial's two lives, without results that hold nothing."""
    with tempfile.TemporaryDirectory() as folder:
        _, lives = run_trial(trainable, config, folder, PAUSED_AFTER)
    own = {"position", *(key for life in lives for report in life for key in report)} - _TUNES
    return [
        [
            {key: report[key] for key in own & report.keys()}
            for report in life
            if own & report.keys()
        ]
        for life in lives
    ]


_TUNES = {
    *("config", "done", "trial_id", "date", "hostname", "node_ip", "pid", "timestamp"),
    *("training_iteration", "time_this_iter_s", "time_total_s", "experiment_tag"),
    *("time_since_restore", "iterations_since_restore", "checkpoint_dir_name"),
}


def _walk(seed: int, steps: int) -> list[float]:
    return list(np.cumsum(np.random.default_rng(seed).normal(size=steps)))


def _same(ours, theirs) -> bool:
    return len(ours) == len(theirs) and np.allclose(ours, theirs)


def _shown(positions) -> str:
    return ", ".join(f"{one:.2f}" for one in positions[:4])


def _compared(undisturbed, before, after):
    figure, axis = plots.figure(6, 2.4)
    axis.plot(range(1, len(undisturbed) + 1), undisturbed, color=plots.PALE, linewidth=6)
    walked = [*before, *after]
    axis.plot(range(1, len(walked) + 1), walked, "o-", color=plots.BLUE)
    axis.axvline(len(before) + 0.5, color=plots.GREY, linestyle=":")
    axis.set(xlabel="report", ylabel="position", title="Your walk, and in grey the undisturbed one")
    return figure


# --- walker ---


@exercise
def walker(answer) -> str:
    """`Walker(tune.Trainable)`: its second copy, loaded from the first's checkpoint, keeps step."""
    if not (isinstance(answer, type) and issubclass(answer, tune.Trainable)):
        raise NotYet(
            "Walker should be a class derived from tune.Trainable; this is something else."
        )
    methods = ["setup", "step", "save_checkpoint", "load_checkpoint"]
    if missing := _missing(answer, tune.Trainable, methods):
        raise NotYet(f"Your class has no {missing}, which Tune will call.")
    seed = random.randrange(10_000)
    right = _walk(seed, 7)
    walked = run_without_ray(_side_by_side, answer, seed, limit=20.0)
    if walked.instead:
        raise NotYet(
            f'step should return a dict with `position`, as {{"position": 1.5}}; yours returned '
            f"{walked.instead}."
        )
    if not _same(walked.before, right[:4]):
        raise NotYet(
            f"With seed {seed} the first positions should be {_shown(right)}; yours are "
            f"{_shown(walked.before)}. setup starts at 0.0 and makes the generator once."
        )
    if not walked.saved:
        raise NotYet(
            "save_checkpoint left no file in the folder that it got, and returned no dict either. "
            "What is only in memory is gone with the process."
        )
    if not _same(walked.after, right[4:]):
        raise NotYet(
            f"After saving, the first walker itself goes to {_shown(walked.after)} instead of "
            f"{_shown(right[4:])}. Saving should change nothing."
        )
    _keeps_step(walked.copy, right)
    return "the copy keeps step with the one that saved it."


def _keeps_step(copy: list[float], right: list[float]) -> None:
    """Raise NotYet if the copy does not go on from the fourth of the right positions."""
    if _same(copy, right[4:]):
        return
    if _same(copy, right[:3]):
        raise NotYet(
            "The copy began from zero: what load_checkpoint reads does not come to be "
            "self.position and the generator that step uses."
        )
    if math.isclose(copy[0], right[3] + right[0], abs_tol=1e-9):
        raise NotYet(
            f"The copy goes on from {right[3]:.2f}, and its first step is that of a new generator "
            "with the same seed. Save the generator too."
        )
    steps = np.diff([0.0, *right])
    if math.isclose(copy[0], steps[4], abs_tol=1e-9):
        raise NotYet("The copy makes the right steps, but from 0.0. Save the position too.")
    raise NotYet(
        f"The copy goes to {_shown(copy)}; the one that saved it goes to {_shown(right[4:])}."
    )


def _missing(answer: type, base: type, names: list[str]) -> str:
    """The methods that `answer` has only as `base` has them, as words; empty if there are none."""
    return " and no ".join(one for one in names if getattr(answer, one) is getattr(base, one))


class Walked(NamedTuple):
    """The positions of a walker before and after it saved, and those of its copy."""

    before: list[float]
    saved: bool = False
    after: list[float] = ()
    copy: list[float] = ()
    instead: str = ""  # what step returned, where it is no dict with a position


def _side_by_side(answer, seed) -> Walked:
    first, second = answer({"seed": seed}), answer({"seed": seed})
    try:
        return _walked(first, second)
    finally:
        for walker in (first, second):  # each made itself a folder in the home folder
            shutil.rmtree(walker.logdir, ignore_errors=True)


def _walked(first, second) -> Walked:
    def positions(walker, count):
        return [walker.step()["position"] for _ in range(count)]

    result = first.step()
    if not isinstance(result, dict) or "position" not in result:
        return Walked([], instead=str(result)[:60])
    before = [result["position"], *positions(first, 3)]
    with tempfile.TemporaryDirectory() as folder:
        returned = first.save_checkpoint(folder)
        by_dict = isinstance(returned, dict)
        if not by_dict and not os.listdir(folder):
            return Walked(before)
        kept = pickle.dumps(returned)
        after = positions(first, 3)
        second.load_checkpoint(pickle.loads(kept) if by_dict else folder)
    return Walked(before, True, after, positions(second, 3))


# --- no_progress ---

PATIENCE = 4
CURVES = {
    # better than the last, not the best
    "shaking": [9, 7, 8, 6, 7, 5, 6, 5.5, 5.2, 5.1, 4, 3, 2, 1],
    "falling": [20 - n for n in range(14)],
    "flat": [5.0] * 14,
    "rising": [3 + n for n in range(14)],
    "late": [9, 9, 9, 9, 4, 5, 6, 3, 3, 3, 3, 3, 3, 3],
    # once and again worse than four results ago, and yet a new lowest was between
    "bumpy": [5, 4, 3, 2, 6, 1.5, 1.4, 1.3, 1.2, 5, 1.1, 1, 0.9, 0.8],
}


@exercise
def no_progress(answer) -> str:
    """`NoProgress(patience)` stops a trial after so many results without a new lowest height."""
    if not (isinstance(answer, type) and issubclass(answer, tune.Stopper)):
        raise NotYet(
            "NoProgress should be a class derived from tune.Stopper; this is another thing."
        )
    if missing := _missing(answer, tune.Stopper, ["__call__", "stop_all"]):
        raise NotYet(
            f"Your class has no {missing}. Tune asks each stopper both questions: shall this trial "
            "stop, and shall all."
        )
    stopped = run_without_ray(_stopped, answer)
    right = _ends(_in_a_row)
    show(_ends_drawn(stopped.together, right))
    if not stopped.pickled:
        raise NotYet("Tune saves a stopper with the sweep, and yours cannot be pickled.")
    if stopped.all_of_them:
        raise NotYet(
            "stop_all returned something true: that ends the whole sweep. It should return False; "
            "__call__ stops one trial."
        )
    if stopped.together != right:
        if stopped.alone == right:
            raise NotYet(
                "Alone each trial is judged rightly, together they are not: the trials take turns, "
                "and yours share one memory. Keep it for each trial_id."
            )
        if not any(stopped.together.values()):
            raise NotYet("No trial was stopped. What does __call__ return?")
        raise NotYet(_wrong_rule(stopped.alone, right))
    return f"{sum(map(bool, right.values()))} of {len(right)} stopped, each in time."


def _wrong_rule(alone: dict[str, int | None], right: dict[str, int | None]) -> str:
    """Which other rule than the one asked for stops the trials where these were stopped."""
    if alone["falling"]:
        return (
            f"A trial that came lower each time was stopped after {alone['falling']} results. "
            "Lower is better here, and a new lowest height sets the count to 0."
        )
    late = {alone[name] - right[name] for name in right if right[name] and alone[name]}
    if late in ({1}, {-1}):
        return (
            f"The flat trial was stopped after {alone['flat']} results; it should be after "
            f"{right['flat']}: the first is its lowest, and {PATIENCE} more brought nothing lower."
        )
    if alone == _ends(_never_in_a_row):
        return (
            f"The shaking trial was stopped after {alone['shaking']} results; it should be after "
            f"{right['shaking']}. The results must be in a row: a new lowest height sets the count "
            "back to 0."
        )
    if alone == _ends(_patience_ago):
        return (
            f"The bumpy trial was stopped after {alone['bumpy']} results, and should go on: that "
            f"height is no lower than the one {PATIENCE} results before, but between them there "
            "was a new lowest."
        )
    if not alone["shaking"]:
        return (
            "A trial that shakes was judged by its last result. Compare with the lowest height "
            "that this trial ever had."
        )
    wrong = next(name for name in right if alone[name] != right[name])
    return (
        f"The trial '{wrong}' was stopped after {alone[wrong] or 'no'} results; it should be after "
        f"{right[wrong] or 'none'}. Its heights: {', '.join(map(str, CURVES[wrong]))}."
    )


def _ends(rule) -> dict[str, int | None]:
    """After how many results the rule, given all that came so far, first stops each trial."""
    return {
        name: next((n for n in range(1, len(curve) + 1) if rule(curve[:n])), None)
        for name, curve in CURVES.items()
    }


def _in_a_row(heights) -> bool:
    return len(heights) - 1 - heights.index(min(heights)) >= PATIENCE


def _never_in_a_row(heights) -> bool:
    return sum(height >= min(heights[:n]) for n, height in enumerate(heights) if n) >= PATIENCE


def _patience_ago(heights) -> bool:
    return len(heights) > PATIENCE and heights[-1] >= heights[-PATIENCE - 1]


class Stopped(NamedTuple):
    """After how many results each trial stopped, together and alone; None where it did not."""

    together: dict[str, int | None]
    alone: dict[str, int | None]
    all_of_them: bool
    pickled: bool


def _stopped(answer) -> Stopped:

    def play(stopper, curves):
        ends = dict.fromkeys(curves)
        for step in range(max(map(len, curves.values()))):
            for name, curve in curves.items():
                if ends[name] is None and stopper(
                    name, {"height": curve[step], "training_iteration": step + 1}
                ):
                    ends[name] = step + 1
        return ends

    stopper = answer(PATIENCE)
    ends = play(stopper, CURVES)
    alone = {name: play(answer(PATIENCE), {name: CURVES[name]})[name] for name in CURVES}
    try:
        cloudpickle.dumps(vars(stopper))  # as Tune does
        pickled = True
    except Exception:
        pickled = False
    return Stopped(ends, alone, bool(stopper.stop_all()), pickled)


def _ends_drawn(ends, right):
    figure, axis = plots.figure(6, 2.6)
    colours = [plots.BLUE, plots.GREEN, plots.PURPLE, plots.SKY, plots.GREY, plots.ORANGE]
    for (name, curve), colour in zip(CURVES.items(), colours, strict=True):
        end = ends[name] or len(curve)
        axis.plot(range(1, end + 1), curve[:end], color=colour, label=name, alpha=0.8)
        if ends[name]:
            good = ends[name] == right[name]
            axis.plot(end, curve[end - 1], "o", color=plots.GREEN if good else plots.RED)
    axis.set(xlabel="result", ylabel="height", title="Dots: where your rule stopped; red is wrong")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    return figure


# --- checkpoint_every ---

MACHINES = [(10.0, 3_600.0, 2.0), (60.0, 7_200.0, 30.0), (1.0, 900.0, 0.5), (2.0, 600.0, 300.0)]


@exercise
def checkpoint_every(answer) -> str:
    """`checkpoint_every(save_s, lifetime_s, step_s)`: Young's interval in whole iterations."""
    got = run_without_ray(_intervals, answer, MACHINES)
    for every, machine in zip(got, MACHINES, strict=True):
        _judge_interval(every, *machine)
    show(_cost_drawn(got[0], *MACHINES[0]))
    return "right for all machines."


def _intervals(answer, machines):
    return [answer(*machine) for machine in machines]


def _judge_interval(every, save_s, lifetime_s, step_s) -> None:
    at = f"With a save of {save_s:g} s, a life of {lifetime_s:g} s and iterations of {step_s:g} s"
    if not isinstance(every, int | float | np.integer | np.floating):
        raise NotYet(f"{at} you returned {str(every)[:40]!r}; it should be a number.")
    seconds = math.sqrt(2 * save_s * lifetime_s)
    right = max(1.0, seconds / step_s)
    if every < 1 and seconds < step_s:
        raise NotYet(
            f"{at} you returned {every:g}: an iteration is longer than Young's interval. Return at "
            "least 1."
        )
    if every < 1:
        raise NotYet(f"{at} you returned {every:g}; by Young's formula it is {right:.0f}.")
    if abs(every - right) < 1 and every == int(every):
        return
    show(_cost_drawn(every, save_s, lifetime_s, step_s))
    if every != int(every):
        raise NotYet(f"{at} you returned {every:g}; iterations are counted whole.")
    for wrong, sentence in (
        (seconds, "That is Young's interval in seconds; how many iterations fit into it?"),
        (seconds / step_s / math.sqrt(2), "Young's formula has a 2 under the root."),
        (2 * save_s * lifetime_s / step_s, "You left out the root."),
        (math.sqrt(2 * save_s * lifetime_s / step_s), "Only the seconds belong under the root."),
        (math.sqrt(2 * save_s / lifetime_s) / step_s, "Multiply by the lifetime, do not divide."),
        (
            lifetime_s / step_s,
            "That is once in a machine's life: almost two lives of three save nothing.",
        ),
    ):
        if abs(every - max(1, wrong)) < 1:
            raise NotYet(f"{at} you returned {every:g}, it should be {right:.0f}. {sentence}")
    raise NotYet(f"{at} you returned {every:g}; by Young's formula it is {right:.0f}.")


def _cost_drawn(every, save_s, lifetime_s, step_s):
    """What each interval costs on average, and where the answer lies.

    The mean time of a part that lasts t while lives end at random is L (exp(t / L) - 1).
    """
    intervals = np.geomspace(1, max(3 * lifetime_s / step_s, every, 2), 200)

    def cost(n):
        lives = (n * step_s + save_s) / lifetime_s
        return lifetime_s * np.expm1(np.minimum(lives, 50)) / (n * step_s)

    figure, axis = plots.figure(6, 2.4)
    axis.plot(intervals, cost(intervals), color=plots.GREY)
    axis.plot(every, min(cost(every), 3.9), "o", color=plots.BLUE, markersize=9)
    axis.set(xscale="log", ylim=(1, 4), xlabel="iterations between two saves, log scale")
    axis.set(ylabel="time", title="The dot is yours; 1 is nothing saved or lost")
    return figure
