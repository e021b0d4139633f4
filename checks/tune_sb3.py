"""Checks of lab 12."""

import random
import string
import tempfile
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from ray.tune.schedulers import ASHAScheduler
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from checks.engine import NotYet, exercise, run_as_driver, run_without_ray, show
from checks.trials import lifespans, run_trial
from helpers import plots

# --- episode_returns ---


@exercise
def episode_returns(answer) -> str:
    """`EpisodeReturns(BaseCallback)` collects in `returns` what every episode returned."""
    if not (isinstance(answer, type) and issubclass(answer, BaseCallback)):
        raise NotYet(
            "EpisodeReturns should be a class derived from BaseCallback; this is something else."
        )
    steps = 900
    seen = run_without_ray(_episode_returns, answer, steps, limit=30.0)
    if seen.steps < steps:
        raise NotYet(
            f"Training ended after {seen.steps} of {steps} steps. Stable-Baselines3 goes on only "
            "while _on_step returns True; a function without return returns None."
        )
    if seen.kept is None:
        raise NotYet("After training your callback has no list `returns`. Make it in __init__.")
    if seen.shared:
        raise NotYet(
            "A second callback has the first one's list: yours belongs to the class. Make it in "
            "__init__, as self.returns."
        )
    _are_returns(seen.kept, seen.real)
    return f"{len(seen.real)} episodes in three environments, each once, in their order."


class _Ended(NamedTuple):
    """An episode that ended: in which environment, what it returned, after how many steps."""

    number: int
    total: float
    length: int


def _are_returns(kept: list[float], real: list[_Ended]) -> None:
    """Raise NotYet if these are not what the episodes returned, in the order of their ends."""
    ended = [one.total for one in real]
    if not kept:
        raise NotYet(
            f"{len(ended)} episodes ended, and `returns` is empty. Look at every step for an "
            'info that has the key "episode".'
        )
    if len(kept) > len(ended):
        raise NotYet(
            f"{len(ended)} episodes ended, and `returns` holds {len(kept)} numbers. Only the info "
            'of an episode\'s last step has the key "episode", and each should be taken once.'
        )
    if _same(kept, [one.length for one in real]):
        raise NotYet('You collected how long the episodes were, "l"; their return is "r".')
    if _same(kept, [one.total for one in real if one.number == 0]):
        raise NotYet(
            "You collected the episodes of the first environment only. Three run at the same "
            'time: self.locals["infos"] has one info for each.'
        )
    if len(kept) < len(ended) and _same(kept, ended[-len(kept) :]):
        raise NotYet(
            f"{len(ended)} episodes ended, and `returns` holds the last {len(kept)}: the model's "
            "own buffer forgets the older ones. Take each episode when it ends."
        )
    if len(kept) < len(ended):
        raise NotYet(
            f"{len(ended)} episodes ended, and `returns` holds {len(kept)}. Several may end in the "
            "same step: look at the info of each environment."
        )
    if not _same(kept, ended):
        shown = ", ".join(f"{one:g}" for one in kept[:4])
        wanted = ", ".join(f"{one:g}" for one in ended[:4])
        raise NotYet(
            f"The first returns are {wanted}, in the order in which the episodes ended; yours are "
            f"{shown}. A return is the sum of the rewards of one episode."
        )


class _Counted(gym.Env):
    """Episodes of a length of their own, with rewards of 1 to 9; it writes down what it gave."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, number, log):
        self.number, self.length, self.log = number, 4 + 2 * number, log

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.rewards = []
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.rewards.append(random.randint(1, 9))
        over = len(self.rewards) == self.length
        if over:
            self.log.append(_Ended(self.number, sum(self.rewards), self.length))
        return np.zeros(1, np.float32), float(self.rewards[-1]), over, False, {}


class _Trained(NamedTuple):
    """An agent trained with the answer as its callback, and what that kept."""

    kept: list[float] | None
    shared: bool  # whether a second callback has the same list
    real: list[_Ended]  # the episodes that ended
    steps: int  # that the agent took


def _episode_returns(answer, steps):
    real, numbers = [], iter(range(3))
    env = make_vec_env(lambda: _Counted(next(numbers), real), 3)
    model = A2C("MlpPolicy", env, n_steps=5, device="cpu")
    callback, other = answer(), answer()
    model.learn(steps, callback=callback)
    kept = getattr(callback, "returns", None)
    shared = kept is not None and kept is getattr(other, "returns", None)
    if kept is not None:
        kept = [float(one) for one in kept]
    return _Trained(kept, shared, real, model.num_timesteps)


def _same(one, other) -> bool:
    return len(one) == len(other) and np.allclose(one, other)


# --- train_a2c ---


@exercise
def train_a2c(answer) -> str:
    """`train_a2c(config)` trains `steps` steps, reports every `every`, goes on where it was."""
    # Enough for an episode of each of eight environments between two reports.
    every, reports = 1_600, 3
    config = {"steps": reports * every, "every": every}
    lives, went_on = run_as_driver(_lives, answer, config, limit=60.0)
    wanted = [every * number for number in range(1, reports + 1)]
    said = " and ".join(", ".join(map(str, life)) or "nothing" for life in lives)
    if not lives[0]:
        raise NotYet("Tune received no report. Does your agent learn with callback=ReportToTune?")
    before, after = lives[0], [step for life in lives[1:] for step in life]
    if before != wanted[:1]:
        raise NotYet(f"The first report should come at {wanted[0]} steps, not {before[0]}.")
    if not after:
        raise NotYet("Paused after its first report, your trial reported nothing when it went on.")
    if after[0] == wanted[0]:
        how = f"Paused at {before[-1]} steps, your trial then reported {after[0]}: it began anew. "
        if len(after) < reports:
            raise NotYet(
                how + "It trained only what was left, so it does know of the checkpoint: "
                "`learn` sets its count of steps to 0 unless reset_num_timesteps=False."
            )
        raise NotYet(how + "What did tune.get_checkpoint() give you?")
    if after[-1] > config["steps"]:
        raise NotYet(
            f"Your trial went on to {after[-1]} steps; {config['steps']} were asked for. After a "
            "pause only those that are left should be trained: model.num_timesteps tells."
        )
    if before + after != wanted:
        raise NotYet(f"Your trial reported {said} steps; it should be {wanted}.")
    if not went_on:
        raise NotYet(
            "The count of steps goes on, and the network does not: after the pause it was a new "
            "one. Learn with the model that A2C.load returns."
        )
    return (
        f"a report at {before[0]}, a pause, then {', '.join(map(str, after))}: nothing done "
        "twice, nothing left out."
    )


def _lives(trainable, config):
    """The steps that Tune was told of, a list a life, and whether one network learned in all."""
    with tempfile.TemporaryDirectory() as folder:
        result, lives = run_trial(trainable, config, folder, pause_after=1)
        steps = [[report.get("steps") for report in life] for life in lives]
        if not result.checkpoint:
            return steps, False
        with result.checkpoint.as_directory() as saved:
            model = A2C.load(f"{saved}/model", device="cpu")
    updates = model.num_timesteps // (model.n_steps * model.n_envs)
    state = next(iter(model.policy.optimizer.state.values()))
    return steps, state["step"] == updates


# --- fair_report ---

CALLS, EPISODES = 8, 20  # calls a trial, and episodes that end between two of them


@exercise
def fair_report(answer) -> str:
    """`fair_report(returns)` says what to report, or None to wait, so that ASHA keeps the best."""
    trials = _agents()
    best = max(trials, key=lambda name: np.mean(trials[name][-EPISODES:]))
    reports = run_without_ray(_reported, answer, trials)
    if bad := [one for told in reports.values() for one in told if not _is_report(one)]:
        raise NotYet(
            'Return a dict with the number "mean_return", or None to report nothing this time; '
            f"you returned {bad[0]!r:.80}."
        )
    asha = ASHAScheduler(
        metric="mean_return", mode="max", max_t=CALLS, grace_period=1, reduction_factor=4
    )
    calls = lifespans(asha, reports)
    stopped = {name for name, lived in calls.items() if lived < CALLS}
    show(_fate(trials, calls, stopped, best))
    spent = sum(calls.values()) / (CALLS * len(trials))
    hopeless = [name for name in trials if name.startswith("bad") and name not in stopped]
    if not any(one for told in reports.values() for one in told):
        raise NotYet("You never report, so ASHA can compare nobody and every trial runs on.")
    first = min(n for told in reports.values() for n, one in enumerate(told, 1) if one)
    if best in stopped:
        lived = trials[best][: calls[best] * EPISODES]
        told = reports[best][calls[best] - 1]["mean_return"]
        raise NotYet(_why(_kind(reports, trials), lived, told, first))
    if not reports[best][-1]:
        raise NotYet(
            "At the last call the best agent reports nothing, so Tune never learns how it ended. "
            "Once you have begun to report, go on."
        )
    if spent > 0.85:
        raise NotYet(
            f"ASHA let {spent:.0%} of all steps be run. It can stop nobody before your first "
            f"report, which comes at call {first} of {CALLS}: report earlier."
        )
    if hopeless:
        raise NotYet(
            f"{len(hopeless)} hopeless agents ran to their end: ASHA can only stop who reports. "
            "How long to wait should not depend on how good the returns are."
        )
    return (
        f"the best agent was among the slow ones, and it ran to its end; ASHA ran {spent:.0%} of "
        "all steps."
    )


def _agents() -> dict[str, list[float]]:
    """Returns of 24 pretended agents: four that start slowly and end best, the others do not."""
    generator = np.random.default_rng(12)  # the same for everybody, and so is the verdict
    means = {}
    for number in range(4):
        means[f"slow {number}"] = [-1250, -1200, -1000, -560, -380, -300, -240, -200 + 15 * number]
    for number in range(8):
        means[f"bad {number}"] = [-1150] * CALLS
    for number in range(12):
        quick = [-1000, -880, -800, -760, -740, -730, -720, -720]
        means[f"quick {number}"] = [mean + 2 * number for mean in quick]
    trials = {}
    for name, curve in means.items():
        noise = generator.normal(0, 110, (CALLS, EPISODES))
        returns = np.repeat(curve, EPISODES) + (noise - noise.mean(axis=1, keepdims=True)).ravel()
        if name.startswith("bad"):  # now and then the rod happens to start upright
            returns[generator.integers(0, 40)] = -2.0
            returns[EPISODES - 2 :: EPISODES] = returns[EPISODES - 1 :: EPISODES] = -100.0
        trials[name] = [float(one) for one in returns]
    # Who reports first has nobody to lose to. So that luck does not decide, the best of the quick
    # ones come first and the slow ones last.
    return dict(reversed(trials.items()))


def _reported(answer, trials):
    """What the learner reports at each call of each trial."""
    ends = [EPISODES * call for call in range(1, CALLS + 1)]
    return {name: [answer(list(returns[:end])) for end in ends] for name, returns in trials.items()}


def _is_report(one) -> bool:
    if one is None:
        return True
    value = one.get("mean_return") if isinstance(one, dict) else None
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


KINDS = {
    "lately": lambda returns: np.mean(returns[-EPISODES:]),
    "all": np.mean,
    "best": max,
    "last": lambda returns: returns[-1],
    "sign": lambda returns: -np.mean(returns[-EPISODES:]),
}


def _kind(reports, trials) -> str | None:
    """Which of these summaries all reports are, if they are one."""

    def told_by(summary) -> bool:
        return all(
            np.isclose(report["mean_return"], summary(trials[name][: call * EPISODES]))
            for name, told in reports.items()
            for call, report in enumerate(told, 1)
            if report
        )

    return next((kind for kind, summary in KINDS.items() if told_by(summary)), None)


def _why(kind, returns, told, first) -> str:
    """Why the agent that ends best was stopped, given its returns and what was told of it."""
    end = f"the agent that ends best was stopped at call {len(returns) // EPISODES} of {CALLS}"
    lately = f"its last {EPISODES} episodes were {np.mean(returns[-EPISODES:]):.0f} on average"
    if kind == "best":
        return (
            f"You reported the luckiest episode so far, and {end}: a bad agent whose rod once "
            "starts upright has a lucky episode too. A mean tells more."
        )
    if kind == "last":
        return f"You reported the last episode alone, and {end}. One is mostly luck: {lately}."
    if kind == "all" and len(returns) > EPISODES:
        return (
            f"You reported the mean of all episodes so far, and {end}: how it began weighs on it, "
            f"though {lately}. Report the last ones only."
        )
    if kind == "sign":
        return f"You reported the mean with its sign changed, and {end}. More is better here."
    if kind != "lately" and first > 3:
        return f"You reported {told:.0f} for it, and {end}, though {lately}. Report that."
    return (
        f"Your first report comes at call {first} of {CALLS}, and {end}: it learns slowly at first "
        "and could not be told from the bad ones yet. Wait a little longer."
    )


def _fate(trials, calls, stopped, best):
    figure, axis = plots.figure(6.5, 2.8)
    curves = {
        name: [float(np.mean(part)) for part in np.split(np.array(returns), CALLS)]
        for name, returns in trials.items()
    }
    lived = {name: curve[: calls[name]] for name, curve in curves.items()}
    plots.curves(axis, lived, stopped)
    axis.plot(range(1, CALLS + 1), curves[best], "--", color=plots.GREEN, label="ends best")
    axis.set(xlabel="call", ylabel="mean return", title="Whom ASHA stopped on your reports")
    axis.legend(frameon=False)
    return figure


# --- lineage ---


@exercise
def lineage(answer) -> str:
    """`lineage(exploits, member)`: the members an agent lived as, oldest first, and since when."""
    populations = [_exploits() for _ in range(4)]
    cases = [(exploits, member) for exploits, members in populations for member in members]
    # No exploits; and two at once, of which the later in the list must not be taken for earlier.
    cases += [([], "a"), ([(2, "b", "a"), (4, "c", "b"), (4, "b", "a")], "c")]
    paths = run_without_ray(_paths, answer, cases)
    for (exploits, member), (got, after) in zip(cases, paths, strict=True):
        _judge(exploits, member, got)
        if after != exploits:
            raise NotYet(
                "Your function changed the list that it was given; the next one who reads it gets "
                "another story. reversed(exploits) leaves it as it is."
            )
    exploits, member = cases[0]
    path = _lineage(exploits, member)
    show(_family(exploits, path, "The path that you found"))
    return f"the agent that ends as {member} lived as {', '.join(name for _, name in path)}."


def _paths(answer, cases):
    def path(exploits, member):
        mine = list(exploits)
        return answer(mine, member), mine

    return [path(*case) for case in cases]


def _judge(exploits, member, got):
    right = _lineage(exploits, member)
    try:
        path = [(int(since), str(name)) for since, name in got]
    except (TypeError, ValueError):
        raise NotYet(
            f"Return a list of pairs (since, member); you returned {got!r:.100}."
        ) from None
    if path == right:
        return
    shown = f"For {member} you found {path}. "
    show(_family(exploits, path, "Your path"))
    if not path:
        raise NotYet(shown + f"Even an agent that never moved has one pair: (0, {member!r}).")
    if path == right[::-1]:
        raise NotYet(shown + "These are the right pairs; put the oldest first.")
    if path[-1][1] != member:
        raise NotYet(
            shown + f"It should end with {member}, where the agent is now. An exploit copies from "
            "`donor` to `target`: whose copy is the target?"
        )
    if path == [(0, member)] or all(name == member for _, name in path):
        raise NotYet(
            shown + "But a copy was put in its place on the way; that agent had lived elsewhere."
        )
    if path[0][0] != 0:
        raise NotYet(
            shown + "The first pair should say where the agent was from the beginning, since 0."
        )
    if [name for _, name in path] == [name for _, name in right]:
        raise NotYet(
            shown + "The members are right, and not the moments: an agent is in a place since the "
            "exploit that copied it there."
        )
    raise NotYet(
        shown + "Go backwards in time: before an exploit the agent was its donor, and only the "
        "donor's *earlier* exploits matter from there."
    )


def _exploits() -> tuple[list[tuple[int, str, str]], list[str]]:
    """A made-up log, (iteration, target, donor) in order of time, in which copies are copied."""
    members = random.sample(string.ascii_lowercase, 7)
    last, donor, *others, _ = members  # the first moves most, and the last is in no exploit
    exploits = []
    for iteration in (2, 4, 6):
        target, other, source = random.sample([one for one in others if one != donor], 3)
        # The last target has been a donor itself, which tells who takes one for the other.
        target = last if iteration == 6 else target
        source = last if iteration == 2 else source
        exploits += [(iteration, target, donor), (iteration, other, source)]
        donor = target
    return exploits, members


def _lineage(exploits, member) -> list[tuple[int, str]]:
    path = []
    for iteration, target, donor in reversed(exploits):
        if target == member:
            path.append((iteration, member))
            member = donor
    return [(0, member), *reversed(path)]


def _family(exploits, path, title):
    members = sorted({name for _, *pair in exploits for name in pair})
    known = [one for one in path if one[1] in members]
    figure, axis = plots.figure(6.5, 2.4)
    plots.family(exploits, members, 8, title, known, axis)
    return figure
