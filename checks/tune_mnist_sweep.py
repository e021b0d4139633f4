"""Checks of lab 08."""

import logging
import math
import random
import tempfile

import numpy as np
from hyperopt import exceptions
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.hyperopt import HyperOptSearch

from checks.engine import NotYet, exercise, run_as_driver, run_without_ray, show
from checks.trials import lifespans, run_trial
from helpers import plots

logging.getLogger("hyperopt.pyll.base").disabled = True  # the verdict says it in a sentence

SPACE_KEYS = {"lr", "dropout", "units"}


@exercise
def my_space(answer) -> str:
    """`my_space()`: lr log-uniform 1e-4 to 1, dropout uniform 0 to 0.5, units 16, 32 or 64."""
    space = run_without_ray(answer)
    if not isinstance(space, dict) or set(space) != SPACE_KEYS:
        names = sorted(space) if isinstance(space, dict) else type(space).__name__
        raise NotYet(f"The space should be a dict with lr, dropout and units; yours is {names}.")
    draws = _draw(space, 400)
    lr = np.array(draws["lr"], dtype=float)
    show(_histogram(lr))
    low, high = lr.min(), lr.max()
    if low == high:
        raise NotYet(f"lr is {low:g} in every draw. A space holds distributions, not values.")
    # Within 25 % of an end at least one of 400 right draws falls, but for once in 10,000 tries.
    ends_met = 0.99e-4 <= low <= 1.25e-4 and 0.8 <= high <= 1.001
    even = 0.4 < lr.mean() < 0.6  # as uniform draws are: another mistake, named below
    if not ends_met and not even:
        raise NotYet(
            f"lr was drawn between {low:.2g} and {high:.2g}, not between 0.0001 and 1. "
            "hp.loguniform takes the natural logarithms of the ends."
        )
    share = np.searchsorted(np.sort(lr), np.geomspace(1e-4, 1, 21)) / len(lr)
    if np.abs(share - np.linspace(0, 1, 21)).max() > 0.1:
        small = np.mean(lr < 0.01)
        raise NotYet(
            f"{small:.0%} of the draws of lr were below 0.01, and the picture is not flat. On a "
            "logarithmic scale 0.01 is half way from 0.0001 to 1, and every stretch of that "
            "scale should be drawn as often as any other."
        )
    dropout = np.array(draws["dropout"], dtype=float)
    if dropout.min() < 0 or not 0.4 < dropout.max() <= 0.5 or len(set(dropout)) < 100:
        raise NotYet(
            f"dropout was drawn between {dropout.min():.2g} and {dropout.max():.2g}, in "
            f"{len(set(dropout))} different values. It should be any number from 0 to 0.5."
        )
    units = set(draws["units"])
    if units != {16, 32, 64}:
        some = ", ".join(map(repr, list(units)[:4]))
        raise NotYet(
            f"units was drawn as {some}. It should be the number 16, 32 or 64, nothing between."
        )
    return "400 draws fall where they should."


@exercise
def train_curve(answer) -> str:
    """`train_curve(config)` reports `score` = 1 - lr ** step after each of `steps` steps."""
    config = {"lr": 0.5 + random.random() / 4, "steps": 4}
    reports = run_as_driver(_reports, answer, config, limit=30.0)
    expected = [1 - config["lr"] ** step for step in range(1, 5)]
    if not reports:
        raise NotYet("Tune received no result from your trainable. Where does it call tune.report?")
    if any("score" not in report for report in reports):
        raise NotYet(
            f"A report should hold `score`; the first of yours holds {sorted(reports[0])}."
        )
    scores = [report["score"] for report in reports]
    if len(reports) == 1:
        raise NotYet(
            f"Tune received one result in {config['steps']} steps. A scheduler can only stop a "
            "trial when it reports: do it after every step, inside the loop."
        )
    if len(scores) != len(expected) or not np.allclose(scores, expected):
        shown = ", ".join(f"{score:.3g}" for score in scores[:6])
        wanted = ", ".join(f"{score:.3g}" for score in expected)
        raise NotYet(
            f"With lr = {config['lr']:.3g} and steps = 4 Tune received {shown}; it should be "
            f"{wanted}. Steps count from 1."
        )
    return f"Tune received {len(scores)} results, one a step, and could stop you at any."


@exercise
def patient_scheduler(answer) -> str:
    """`patient_scheduler()` has rungs at 3 and 9, keeps a third, and ends at 27."""
    scheduler = run_without_ray(answer)
    if not isinstance(scheduler, AsyncHyperBandScheduler):
        raise NotYet(f"Return an ASHAScheduler; you returned {type(scheduler).__name__}.")
    if not scheduler.set_search_properties("mean_accuracy", "max"):
        raise NotYet(
            "This scheduler has a metric or a mode of its own. TuneConfig gives both to it, and "
            "Tune refuses to be told twice: leave them out here."
        )
    curves = _pretended(trials=54, iterations=40)
    reports = {name: [{"mean_accuracy": one} for one in curve] for name, curve in curves.items()}
    ends = lifespans(scheduler, reports)
    lived = {name: curves[name][:end] for name, end in ends.items()}
    stopped = {name for name, end in ends.items() if end < 27}
    figure, axis = plots.figure(6, 2.6)
    plots.curves(axis, lived, stopped)
    axis.set(
        xlabel="iteration", ylabel="accuracy", title="54 pretended trials under your scheduler"
    )
    show(figure)
    longest = max(ends.values())
    if longest != 27:
        raise NotYet(
            f"The longest trial ran {longest} iterations; nobody should run past 27, and the best "
            "should get there. That is max_t."
        )
    first = min(ends.values())
    if first != 3:
        raise NotYet(
            f"The first trial was stopped after iteration {first}; the first to be judged should "
            "be those that finished iteration 3. That is grace_period."
        )
    between = sorted({end for end in ends.values() if end < 27})
    if between != [3, 9]:
        raise NotYet(
            f"Trials were stopped after iterations {between}; it should be 3 and 9, each rung "
            "three times the one before. That is reduction_factor."
        )
    kept = np.mean([end > 3 for end in ends.values()])
    return f"rungs at 3 and 9; {kept:.0%} of the trials passed the first."


@exercise
def pick_best(answer) -> str:
    """`pick_best(trials, measure)` re-measures the top five and takes the best."""
    trials, truth = _noisy_trials()
    returned, measured = run_without_ray(_pick, answer, trials, truth)
    top = [config["name"] for config, _ in sorted(trials, key=lambda t: t[1], reverse=True)[:5]]
    right = max(top, key=truth.get)
    if not (isinstance(returned, tuple | list) and len(returned) == 2):
        raise NotYet(
            f"Return two things, the config and its accuracy; you returned {str(returned)[:80]}."
        )
    config, accuracy = returned
    if isinstance(accuracy, dict):
        raise NotYet("You returned (accuracy, config); it should be (config, accuracy).")
    if not measured:
        raise NotYet(
            "You never called measure(config), so what you return is a score of the search: one "
            f"of {len(trials)} noisy ones, and chosen because it is high, it flatters."
        )
    if strangers := set(measured) - set(top):
        raise NotYet(
            f"You measured {len(set(measured))} configs, {len(strangers)} of them not among the "
            "top five of the search. Measuring is the expensive part: the five highest scores only."
        )
    if len(measured) > len(set(measured)):
        raise NotYet(
            f"You called measure {len(measured)} times for {len(set(measured))} configs. Measuring "
            "is the expensive part: once for each, and keep what it returned."
        )
    if set(measured) != set(top):
        raise NotYet(f"You measured {len(set(measured))} of the top five configs. Measure each.")
    name = config.get("name") if isinstance(config, dict) else config
    if name != right:
        raise NotYet(
            f"You picked {name}, measured at {truth.get(name, math.nan):.1%}; {right} was measured "
            f"at {truth[right]:.1%}. Compare what measure returned, not the search's scores."
        )
    if not math.isclose(accuracy, truth[right]):
        raise NotYet(
            f"The right config, but you report {accuracy:.1%} for it; measured, it is "
            f"{truth[right]:.1%}. Report what was measured."
        )
    luckiest = max(score for _, score in trials)
    return f"the search promised {luckiest:.1%}; your pick holds {accuracy:.1%}, and you know it."


def _draw(space: dict, count: int) -> dict[str, list]:
    """What the search algorithm of the lab itself makes of a space in its random draws."""
    try:
        searcher = HyperOptSearch(
            space, metric="score", mode="max", n_initial_points=count, random_state_seed=0
        )
    except exceptions.DuplicateLabel as error:
        raise NotYet(f"Two parameters have the same label, {error}; each needs its own.") from None
    try:
        rows = [searcher.suggest(str(number)) for number in range(count)]
    except Exception as error:
        raise NotYet(
            f"HyperOpt could not draw from your space: {error}. Is the lower end of each first?"
        ) from None
    return {name: [row[name] for row in rows] for name in space}


def _histogram(lr: np.ndarray):
    figure, axis = plots.figure(6, 2)
    low, high = min(lr.min(), 1e-4), max(lr.max(), 1)
    axis.hist(lr, bins=np.geomspace(max(low, 1e-6), high, 25))
    axis.axvspan(1e-4, 1, color=plots.PALE, alpha=0.35, zorder=0)
    axis.set(xscale="log", xlabel="lr, log scale", ylabel="draws", title="Where your lr falls")
    return figure


def _reports(trainable, config):
    """Run one real trial and return what Tune received from it, without what Tune adds itself."""
    own_keys = ["config", "done", "trial_id", "date", "hostname", "node_ip", "pid", "timestamp"]
    own_keys += ["training_iteration", "time_this_iter_s", "time_total_s", "experiment_tag"]
    own_keys += ["time_since_restore", "iterations_since_restore", "checkpoint_dir_name"]
    with tempfile.TemporaryDirectory() as folder:
        _, [life] = run_trial(trainable, config, folder)
    told = [{key: result[key] for key in result.keys() - set(own_keys)} for result in life]
    return [report for report in told if report]


def _pretended(trials: int, iterations: int) -> dict[str, list[float]]:
    """Learning curves that differ in how high they end, in a shuffled order."""
    order = list(range(trials))
    random.Random(8).shuffle(order)
    rise = [1 - 0.8**step for step in range(1, iterations + 1)]
    return {f"trial{one}": [(one + 1) / trials * part for part in rise] for one in order}


def _noisy_trials() -> tuple[list[tuple[dict, float]], dict[str, float]]:
    """Thirty configs with search scores in which the luckiest is not the best, and the truth."""
    generator = random.Random()
    truth = {f"config{number}": 0.80 + 0.004 * number for number in range(30)}
    trials = [
        ({"name": name}, accuracy + generator.uniform(-0.01, 0.01))
        for name, accuracy in truth.items()
    ]
    luckiest = max(score for _, score in trials) + 0.01
    trials[25] = ({"name": "config25"}, luckiest)
    generator.shuffle(trials)
    return trials, truth


def _pick(answer, trials, truth):
    measured = []

    def measure(config):
        measured.append(config["name"])
        return truth[config["name"]]

    return answer(list(trials), measure), measured
