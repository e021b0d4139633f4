"""Checks of lab 09."""

import contextlib
import math
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher

from checks.engine import NotYet, exercise, run_without_ray, show
from checks.trials import lifespans
from helpers import plots


@exercise
def win_rate(answer) -> str:
    """`win_rate(ours, theirs)` -> the share of seeds won, a tie for half, and Wilson's interval."""
    contests = _contests()
    for (ours, theirs), returned in zip(
        contests, run_without_ray(_judged, answer, contests), strict=True
    ):
        if isinstance(returned, np.ndarray):
            returned = returned.tolist()
        if not (isinstance(returned, tuple | list) and len(returned) == 3):
            raise NotYet(
                f"Return three numbers, the share, low and high; you returned {str(returned)[:60]}."
            )
        share, *ends = map(float, returned)
        _compare_shares(ours, theirs, share)
        if not np.allclose(ends, _wilson(share * len(ours), len(ours))):
            low, high = _wilson(share * len(ours), len(ours))
            raise NotYet(
                f"The share {share:.3f} of {len(ours)} seeds is right, its interval is not: "
                f"{ends[0]:.3f} to {ends[1]:.3f} instead of {low:.3f} to {high:.3f}. Give wilson "
                "the number of wins, half wins included (13.5 of 20, say), not the share; then the "
                "number of seeds."
            )
    return "five contests, judged seed by seed."


def _compare_shares(ours: list[float], theirs: list[float], share: float):
    wins = sum(a < b for a, b in zip(ours, theirs, strict=True))
    ties = sum(a == b for a, b in zip(ours, theirs, strict=True))
    seeds = len(ours)
    if math.isclose(share, (wins + ties / 2) / seeds):
        return
    pairs = [(a, b) for a in ours for b in theirs]
    every = sum((a < b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    told = f"{wins} wins and {ties} ties on {seeds} seeds are {(wins + ties / 2) / seeds:.3f}"
    for mistake, why in [
        (wins / seeds, "A tie counts as half a win; you gave nothing for it."),
        ((wins + ties) / seeds, "A tie counts as half a win; you gave a whole one."),
        ((seeds - wins - ties / 2) / seeds, "These are losses: less is better."),
        ((seeds - wins) / seeds, "These are losses: less is better."),
        ((seeds - wins - ties) / seeds, "These are losses: less is better."),
        (
            wins / max(1, seeds - ties),
            "You left the ties out of the count; a tie is half a win of one more seed.",
        ),
        (wins + ties / 2, "Return the share, not the count."),
        (100 * (wins + ties / 2) / seeds, "Return a share from 0 to 1, not per cent."),
        (every, "You compared every seed with every other: a seed is compared with itself only."),
    ]:
        if math.isclose(share, mistake):
            raise NotYet(f"{told}; you returned {share:.3f}. {why}")
    raise NotYet(f"{told}; you returned {share:.3f}. Count who won on each seed.")


@exercise
def asha_cuts(answer) -> str:
    """`asha_cuts(arrivals, reduction_factor)` agrees with Ray's ASHA at one rung."""
    cases = [(_arrivals(count), factor) for count, factor in ((20, 4), (12, 2), (15, 3), (1, 4))]
    cases.append(([("trial0", 0.5), ("trial1", 0.5), ("trial2", 0.7), ("trial3", 0.6)], 2))
    answers = run_without_ray(_cuts, answer, cases)
    for returned in answers:
        if not isinstance(returned, list | tuple):
            raise NotYet(f"Return a list of trials; you returned {str(returned)[:60]}.")
    for (arrivals, factor), returned in zip(cases, answers, strict=True):
        right = _stopped_by_ray(arrivals, factor)
        yours = list(returned)
        if yours == right:
            continue
        names = [name for name, _ in arrivals]
        if strangers := [one for one in yours if one not in names]:
            raise NotYet(f"Return the names of trials; {str(strangers[0])[:60]} is none.")
        show(_rung(arrivals, right, yours))
        if sorted(yours) == sorted(right):
            raise NotYet("The right trials; return them in the order in which they came.")
        for mistake, why in _MISTAKES:
            if [_cut(*case, mistake) for case in cases] == list(map(list, answers)):
                raise NotYet(why)
        differ = next(name for name in names if (name in yours) != (name in right))
        raise NotYet(
            f"Of {len(arrivals)} trials with reduction_factor={factor} Ray stops {len(right)}, you "
            f"{len(yours)}. The first on which you differ is {differ}."
        )
    arrivals, factor = cases[0]
    right = _stopped_by_ray(arrivals, factor)
    show(_rung(arrivals, right))
    return f"as Ray's own ASHA decides, on {len(cases)} rungs."


@exercise
def ask_tell_search(answer) -> str:
    """`AskTellSearch(optimizer, metric, mode)` is a `Searcher` around ask() and tell()."""
    if not (isinstance(answer, type) and issubclass(answer, Searcher)):
        raise NotYet("AskTellSearch should be a class that inherits from Searcher.")
    for method in ("suggest", "on_trial_complete", "save", "restore"):
        if getattr(answer, method) is getattr(Searcher, method):
            raise NotYet(f"Your class has no {method}.")
    seen = run_without_ray(_drive, answer)
    if seen["suggested"] != [{"x": 0.0}, {"x": 1.0}, {"x": 2.0}]:
        raise NotYet(
            f"Asked for three configs, the optimizer gave x = 0, 1 and 2; suggest returned "
            f"{str(seen['suggested'])[:80]}. Return each point as it is."
        )
    if seen["told of a failure"]:
        raise NotYet(
            "A trial failed, without a result, and you told the optimizer of "
            f"{seen['told of a failure'][0]}. Tell it nothing then."
        )
    _are_costs(seen)
    if seen["after restore"] != {"x": 3.0}:
        raise NotYet(
            "One searcher had suggested x = 0, 1 and 2 and was saved; restored into another, it "
            f"suggested {seen['after restore']} and not x = 3. The optimizer belongs in the file."
        )
    if seen["told after restore"] != [({"x": 1.0}, -4.0)]:
        raise NotYet(
            "A trial was under way when the searcher was saved. It ended after restore, and the "
            f"optimizer was told {seen['told after restore'] or 'nothing'}. Save, too, which "
            "points are under way."
        )
    return "it asks, tells, forgets failures, and goes on after a restore."


def _are_costs(seen: dict) -> None:
    """Raise NotYet if the optimizer was not told what each of its points cost."""
    told = seen["told"]
    if not told:
        raise NotYet("Two trials ended well and the optimizer was told nothing.")
    points = [point.get("x") if isinstance(point, dict) else point for point, _ in told]
    costs = [cost for _, cost in told]
    if any(isinstance(cost, dict) for cost in costs):
        raise NotYet("tell takes the point first, then the cost.")
    if points != [2.0, 0.0]:
        raise NotYet(
            "The trial that got x = 2 ended first, then the one that got x = 0; you told x = "
            f"{', '.join(map(str, points))}. Remember by the trial's id which point it was given."
        )
    if costs == [5.0, 3.0]:
        raise NotYet(
            'With mode "max" more is better, and the optimizer wants less: tell it the negative.'
        )
    if costs != [-5.0, -3.0]:
        raise NotYet(f"The scores were 5 and 3, the mode max; you told the costs {costs}.")
    costs = [cost for _, cost in seen["told in min"]]
    if costs != [3.0]:
        raise NotYet(f'With mode "min" a loss of 3 costs 3; you told {costs}.')


def _contests() -> list[tuple[list[float], list[float]]]:
    """Losses with seeds; the ties, and how many, are such that every mistake shows."""
    generator = random.Random()
    contests = []
    for seeds, ties, wins in ((20, 3, 12), (9, 0, 7), (20, 4, 5), (5, 1, 4), (12, 11, 0)):
        theirs = [generator.uniform(1, 100) for _ in range(seeds)]
        gaps = [0.0] * ties + [-0.5] * wins + [0.5] * (seeds - ties - wins)
        generator.shuffle(gaps)
        contests.append(([a + gap for a, gap in zip(theirs, gaps, strict=True)], theirs))
    return contests


def _judged(answer, contests):
    return [answer(list(ours), list(theirs)) for ours, theirs in contests]


def _wilson(wins: float, total: int, z: float = 1.96) -> tuple[float, float]:
    share = wins / total
    centre = share + z**2 / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return (centre - half) / (1 + z**2 / total), (centre + half) / (1 + z**2 / total)


def _arrivals(count: int) -> list[tuple[str, float]]:
    generator = random.Random(count)  # such that no two mistakes stop the same trials everywhere
    return [(f"trial{number}", generator.random()) for number in range(count)]


def _cuts(answer, cases):
    return [answer(list(arrivals), factor) for arrivals, factor in cases]


def _stopped_by_ray(arrivals: list[tuple[str, float]], factor: float) -> list[str]:
    scheduler = ASHAScheduler(
        metric="score", mode="max", max_t=100, grace_period=1, reduction_factor=factor
    )
    reports = {name: [{"score": score}] * 2 for name, score in arrivals}
    return [name for name, steps in lifespans(scheduler, reports).items() if steps == 1]


def _cut(arrivals, factor, mistake=None) -> list[str]:
    """Ray's rule, or one of the ways in which learners get it wrong."""
    before, stopped = [], []
    everyone = [score for _, score in arrivals]
    shares = {"keep": 100 / factor, "fraction": 1 - 1 / factor}
    share = shares.get(mistake, 100 * (1 - 1 / factor))
    for name, score in arrivals:
        known = {"all": everyone, "itself": [*before, score]}.get(mistake, before)
        cutoff = np.percentile(known, share) if known else -math.inf
        low = score <= cutoff if mistake == "ties" else score < cutoff
        if low:
            stopped.append(name)
        if not (low and mistake == "survivors"):
            before.append(score)
    if mistake == "kept":
        return [name for name, _ in arrivals if name not in stopped]
    return stopped


_MISTAKES = [
    ("all", "You compared each trial with all that ever came. ASHA does not wait: a trial is "
     "compared with those that came before it."),
    ("itself", "You compared each trial with those before it and with itself. Compare first, then "
     "add its score."),
    ("survivors", "You forgot the scores of the stopped trials. They came to the rung, so they "
     "count for the later ones."),
    ("keep", "Your cutoff is too low: of reduction_factor trials one goes on, so the percentile "
     "is 100 * (1 - 1 / reduction_factor)."),
    ("fraction", "np.percentile counts from 0 to 100, not to 1."),
    ("ties", "A trial right on the cutoff goes on; only one below it is stopped."),
    ("kept", "These are the trials that go on; return those that are stopped."),
]  # fmt: skip


def _rung(arrivals, right, yours=None):
    """Scores in the order of arrival: whom Ray stops, and where the learner says otherwise."""
    figure, axis = plots.figure(6, 2.6)
    for number, (name, score) in enumerate(arrivals):
        axis.plot(number, score, "o", color=plots.ORANGE if name in right else plots.BLUE)
        if yours is not None and (name in yours) != (name in right):
            axis.plot(number, score, "o", mfc="none", mec=plots.RED, markersize=14, mew=2)
    title = f"Ray stops {len(right)} of {len(arrivals)} (orange)"
    if yours is not None:
        title += "; you differ where a red ring is"
    axis.set(xlabel="order of arrival at the rung", ylabel="score", title=title)
    return figure


class _Noting:
    """Gives x = 0, 1, 2, ..., and notes where `_drive` finds it what any copy of it is told."""

    def __init__(self):
        self.asked = 0

    def ask(self):
        self.asked += 1
        return {"x": float(self.asked - 1)}

    def tell(self, point, cost):
        sys.modules["__main__"]._told.append((point, cost))


def _drive(answer) -> dict:
    """What a learner's searcher does with an optimizer that notes what it is told."""
    # The class came here by value, and pickle looks for one by its module: give it one.
    _Noting.__module__ = "__main__"
    here = sys.modules["__main__"]
    here._Noting, here._told = _Noting, []
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "searcher"))
        searcher = answer(_Noting(), "score", "max")
        seen = {"suggested": [searcher.suggest(trial) for trial in ("a", "b", "c")]}
        searcher.save(file)
        other = answer(_Noting(), "score", "max")
        other.restore(file)
        seen["after restore"] = other.suggest("d")
        seen["told"] = here._told = []
        searcher.on_trial_complete("c", {"score": 5.0})
        searcher.on_trial_complete("a", {"score": 3.0})
        seen["told of a failure"] = here._told = []
        searcher.on_trial_complete("b", None, error=True)
        seen["told after restore"] = here._told = []
        with contextlib.suppress(KeyError):  # it does not know the trial: then nothing is told
            other.on_trial_complete("b", {"score": 4.0})
        losses = answer(_Noting(), "loss", "min")
        losses.suggest("a")
        seen["told in min"] = here._told = []
        losses.on_trial_complete("a", {"loss": 3.0})
        return seen
