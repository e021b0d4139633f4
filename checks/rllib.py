"""Checks of lab 13."""

import contextlib
import random
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from ray.rllib.algorithms.ppo import PPO, PPOConfig

from checks.engine import NotYet, exercise, run_as_driver, run_without_ray

ENV = "Pendulum-v1"

# --- to_rllib ---

# Stable-Baselines3's name, RLlib's method and argument.
NAMES = {
    "n_envs": "env_runners(num_envs_per_env_runner=...)",
    "learning_rate": "training(lr=...)",
    "gamma": "training(gamma=...)",
    "gae_lambda": "training(lambda_=...)",
    "batch_size": "training(minibatch_size=...)",
    "n_epochs": "training(num_epochs=...)",
    "clip_range": "training(clip_param=...)",
    "vf_coef": "training(vf_loss_coeff=...)",
    "max_grad_norm": "training(grad_clip=...)",
}
DEFAULTS = {"vf_coef": 0.5, "max_grad_norm": 0.5}  # those of Stable-Baselines3's PPO


@exercise
def to_rllib(answer) -> str:
    """`to_rllib(settings)`: Stable-Baselines3's settings as a PPOConfig that does the same."""
    # All divide evenly, also in the usual mistakes: RLlib rounds up what does not.
    settings = {
        "n_envs": random.choice([4, 5, 8]),
        "n_steps": random.choice([40, 80]),
        "learning_rate": random.choice([0.002, 0.004]),
        "gamma": random.choice([0.91, 0.93]),
        "gae_lambda": random.choice([0.81, 0.87]),
        "batch_size": random.choice([20, 40]),
        "n_epochs": random.choice([3, 4]),
        "clip_range": random.choice([0.15, 0.25]),
    }
    kind, did = run_as_driver(_translated, answer, settings, limit=40.0)
    if kind == "other":
        raise NotYet(f"Return the PPOConfig, not built yet; you returned {did}.")
    if kind == "runners":
        raise NotYet(
            f"In your config {did} processes of their own play; left out, num_env_runners is 2. As "
            "in Stable-Baselines3 the one that learns should play: num_env_runners=0. How many "
            "environments it plays in, num_envs_per_env_runner says."
        )
    if kind == "env":
        raise NotYet(f"The environment should be {ENV}; in your config it is {did}.")
    if kind == "refused":
        raise NotYet(f"RLlib refuses your config: {did}")
    _trained_as_told(did, settings)
    steps, envs = settings["n_steps"] * settings["n_envs"], settings["n_envs"]
    return (
        f"your agent took {steps} steps in {envs} environments and learned from them "
        f"{settings['n_epochs']} times over, in pieces of {settings['batch_size']}, as "
        "Stable-Baselines3 would."
    )


def _trained_as_told(did: dict, settings: dict) -> None:
    """Raise NotYet if an agent did not train by these settings of Stable-Baselines3's."""
    if did["falls"]:
        raise NotYet(
            'Your learning rate changes while it trains; settings["learning_rate"] is one number '
            "for the whole training, and so training(lr=...) should be."
        )
    steps, envs = settings["n_steps"] * settings["n_envs"], settings["n_envs"]
    if did["n_envs"] == envs and did["steps"] == settings["n_steps"]:
        raise NotYet(
            f"Your agent learned after {did['steps']} steps of all {envs} environments together. "
            f"n_steps counts those of each: Stable-Baselines3 would learn after {steps}."
        )
    for name, argument in NAMES.items():
        wanted = {**settings, **DEFAULTS}[name]
        if did[name] is None or not np.isclose(did[name], wanted):
            with_what = "without" if did[name] is None else f"with {did[name]:g}"
            raise NotYet(
                f"{name} was to be {wanted}; your agent trained {with_what}. RLlib's name for it: "
                f"{argument}."
            )
    if did["steps"] != steps:
        raise NotYet(
            f"Your agent learned after {did['steps']} steps; {envs} environments with "
            f"{settings['n_steps']} steps each are {steps}. That is train_batch_size_per_learner."
        )
    if did["largest_error"] is not None and did["largest_error"] < 1e6:
        raise NotYet(
            f"From a forecast whose squared error is above {did['largest_error']:g} your agent "
            'learns nothing; Stable-Baselines3 learns from all: vf_clip_param=float("inf").'
        )
    if did["kl"]:
        raise NotYet(
            "Your agent is punished for straying from its old network, which Stable-Baselines3 "
            "does not do: use_kl_loss=False."
        )


def _translated(answer, settings):
    """What the agent of this config did in its first iteration, by Stable-Baselines3's names."""
    config = answer(dict(settings))
    if not isinstance(config, PPOConfig):
        return "other", type(config).__name__
    if config.num_env_runners:
        return "runners", config.num_env_runners
    if config.env != ENV:
        return "env", repr(config.env)
    # One train() is to learn once, whatever the config says of reports.
    config = config.copy(copy_frozen=False).reporting(
        min_sample_timesteps_per_iteration=0,
        min_train_timesteps_per_iteration=0,
        min_time_s_per_iteration=0,
    )
    try:
        result, envs = _trained(config)
    except Exception as error:
        return "refused", _root(error)
    learned = result["learners"]["default_policy"]
    steps = result["num_env_steps_sampled_lifetime"]
    return "did", {
        "steps": int(steps),
        "n_envs": envs,
        "falls": isinstance(config.lr, list),
        "learning_rate": float(learned["default_optimizer_learning_rate"]),
        "batch_size": round(float(learned["module_train_batch_size_mean"])),
        # Each environment adds one row to the steps, for the forecast where they end.
        "n_epochs": int(learned["num_module_steps_trained"] / (steps + envs)),
        "gamma": config.gamma,
        "gae_lambda": config.lambda_,
        "clip_range": config.clip_param,
        "vf_coef": config.vf_loss_coeff,
        "max_grad_norm": config.grad_clip,
        "largest_error": config.vf_clip_param,
        "kl": config.use_kl_loss and config.kl_coeff,
    }


def _trained(config: PPOConfig) -> tuple[dict, int]:
    """The result of one train(), and in how many environments."""
    with _built(config) as algorithm:
        return algorithm.train(), algorithm.env_runner.num_envs


@contextlib.contextmanager
def _built(config: PPOConfig) -> Iterator[PPO]:
    """The algorithm of a config; nothing of it is left afterwards, its folder neither."""
    algorithm = config.debugging(log_level="ERROR", log_sys_usage=False).build_algo()
    try:
        yield algorithm
    finally:
        algorithm.stop()
        shutil.rmtree(algorithm.logdir, ignore_errors=True)


def _root(error: BaseException) -> str:
    """What was raised first, and its first line: RLlib wraps what an environment raises."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return f"{type(error).__name__}: {str(error).strip()[:200]}".splitlines()[0]


# --- action_in_bounds ---


class _TwoLevers(gym.Env):
    """Nothing but spaces; the bounds of its two actions differ, and zero is not in their middle."""

    observation_space = gym.spaces.Box(-3, 3, (4,))
    action_space = gym.spaces.Box(np.array([-1, 0], np.float32), np.array([3, 5], np.float32))

    def __init__(self, config=None): ...

    def reset(self, *, seed=None, options=None):
        return np.zeros(4, np.float32), {}

    def step(self, action):
        return np.zeros(4, np.float32), 0.0, True, False, {}


@exercise
def action_in_bounds(answer) -> str:
    """`action_in_bounds(module, observation)`: the action within its bounds, without chance."""
    actions, again, said = run_without_ray(_acted, answer, setup=_decided_module, limit=30.0)
    means = said[:, :2]
    low, high = _TwoLevers.action_space.low, _TwoLevers.action_space.high
    scaled = low + (means + 1) / 2 * (high - low)
    wanted = np.clip(scaled, low, high)
    got = _as_array(actions)
    if got is None or got.shape != wanted.shape:
        shape = "no array" if got is None else f"an array of shape {got.shape[1:]}"
        hint = ""
        if got is not None and got.shape[1:] == (4,):
            hint = " The network says all means first, then the logarithms of all spreads."
        elif got is not None and got.shape[1] == 1 and got.ndim == 3:
            hint = " The network answers for a batch; take out the one."
        elif got is not None and got.shape[1:] == (1,):
            hint = " As many numbers as module.action_space.low has make one action."
        raise NotYet(
            f"One action of this environment is an array of shape (2,); yours is {shape}.{hint}"
        )
    if not np.allclose(got, _as_array(again)):
        raise NotYet(
            "The same observation gave two different actions. When it plays in earnest an agent "
            "does not explore: take the mean, draw nothing."
        )
    if np.allclose(got, wanted, atol=1e-4):
        return f"{len(got)} actions, each between its own bounds, none of them left to chance."
    shown = int(np.abs(got - wanted).max(axis=1).argmax())
    told = (
        f"For the means {_list(means[shown])} the action is {_list(wanted[shown])}, between "
        f"{_list(low)} and {_list(high)}; yours is {_list(got[shown])}. "
    )
    if np.allclose(got, scaled, atol=1e-4):
        raise NotYet(told + "A mean may lie past -1 or 1; cut what is past the bounds.")
    if np.allclose(got, means, atol=1e-4) or np.allclose(got, np.clip(means, low, high), atol=1e-4):
        raise NotYet(
            told + "The network learned actions from -1 to 1; stretch these from the lowest "
            "action to the highest."
        )
    if np.allclose(got, np.clip(means * high, low, high), atol=1e-4):
        raise NotYet(
            told + "Multiplying is enough only where the bounds lie evenly around zero: here -1 "
            "should become the lowest action, and 1 the highest."
        )
    if np.allclose(got, np.clip(low + (said[:, ::2] + 1) / 2 * (high - low), low, high), atol=1e-4):
        raise NotYet(told + "The network says all means first, then the logarithms of all spreads.")
    raise NotYet(told + "-1 should become the lowest action, 1 the highest, all else in between.")


def _decided_module(answer):
    """A module whose means lie on both sides of -1 and 1."""
    module = PPOConfig().get_rl_module_spec(_TwoLevers(), inference_only=True).build()
    module.set_state({name: 3 * weights for name, weights in module.get_state().items()})
    return module


def _acted(answer, module):
    import torch

    generator = np.random.default_rng()
    observations = generator.uniform(-3, 3, (40, 4)).astype(np.float32)
    with torch.no_grad():
        said = module.forward_inference({"obs": torch.tensor(observations)})
    actions, again = ([answer(module, one.copy()) for one in observations] for _ in range(2))
    return actions, again, said["action_dist_inputs"].numpy()


def _as_array(actions) -> np.ndarray | None:
    """The actions as one array, also where each is a tensor; None if they do not make one."""
    try:
        return np.array([np.asarray(action, dtype=float) for action in actions])
    except (TypeError, ValueError, RuntimeError):
        return None


def _list(numbers) -> str:
    return "[" + ", ".join(f"{number:.2f}" for number in numbers) + "]"


# --- weak_motor ---


@exercise
def weak_motor(answer) -> str:
    """`WeakMotor(config)`: the pendulum, its motor does `config["strength"]` of what it should."""
    if not (isinstance(answer, type) and issubclass(answer, gym.Env)):
        raise NotYet(
            "WeakMotor should be a class derived from gym.Env or from one of gymnasium's wrappers."
        )
    strength = round(random.uniform(0.2, 0.27), 2)
    tried = run_as_driver(_compared, answer, strength, limit=40.0)
    theirs = tried.episode
    ours = _played(_motor(strength))
    if not np.allclose(theirs.seen[:60], ours.seen[:60], atol=1e-3):
        how = "otherwise than it should"
        for guess, motor in {
            "as with the whole force": _motor(1.0),
            "as with the strength 0.3 of the example, whatever the config says": _motor(0.3),
            "as with half of the force, whatever the config says": _motor(0.5),
            "with the strength of another one, made later: keep it in self": _motor(OTHER),
            "as if the strength were taken twice": _motor(strength**2),
            "as if you divided by the strength": _motor(1 / strength),
            "as if the torque were cut at the strength, not multiplied by it": _motor(
                1.0, strength
            ),
        }.items():
            if np.allclose(theirs.seen[:60], _played(motor).seen[:60], atol=1e-3):
                how = guess
        raise NotYet(f'Made with {{"strength": {strength}}}, your pendulum turns {how}.')
    if not np.allclose(theirs.rewards[:60], ours.rewards[:60], atol=1e-3):
        raise NotYet(
            "Your pendulum turns as it should, and its rewards are not the pendulum's own. Only "
            "the action should change."
        )
    if not tried.left_action_alone:
        raise NotYet(
            "Your environment writes into the action that it is given, and whoever gave it has "
            "another one then. Make a new one: self.strength * action."
        )
    if theirs.spaces != ours.spaces:
        raise NotYet(
            "The bounds of what is seen or of the action have changed. Who asks for a torque of 2 "
            "may go on doing so; only what comes of it is less."
        )
    if len(theirs.rewards) != len(ours.rewards):
        raise NotYet(
            f"An episode of yours lasted {len(theirs.rewards)} steps or more; gym.make ends it "
            f"after {len(ours.rewards)}."
        )
    if tried.error:
        raise NotYet(f"RLlib cannot train in it: {tried.error}")
    return f"with a strength of {strength} it turns as it should, and PPO has trained in two of it."


OTHER = 0.77  # the strength of a second pendulum, made after the first


class _Episode(NamedTuple):
    seen: np.ndarray  # (steps, 3)
    rewards: np.ndarray  # (steps,)
    spaces: tuple


def _motor(strength: float, cut: float | None = None) -> gym.Env:
    env = gym.make(ENV)
    bound = 2.0 * (cut or 1.0)
    return gym.wrappers.TransformAction(
        env, lambda action: np.clip(strength * action, -bound, bound), env.action_space
    )


def _played(env) -> _Episode:
    """An episode, the same actions for everybody; cut off at 220 steps."""
    env.reset(seed=3)
    actions = np.random.default_rng(13).uniform(-2, 2, (220, 1)).astype(np.float32)
    seen, rewards = [], []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation)
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return _Episode(np.array(seen), np.array(rewards), (env.observation_space, env.action_space))


class _Tried(NamedTuple):
    """An episode of an answer, whether it left its action as it was, and what training raised."""

    episode: _Episode
    left_action_alone: bool
    error: str


def _compared(answer, strength) -> _Tried:
    env, _ = answer({"strength": strength}), answer({"strength": OTHER})
    episode = _played(env)
    env.reset(seed=3)
    action = np.array([1.5], np.float32)
    env.step(action)
    config = (
        PPOConfig()
        .environment(answer, env_config={"strength": strength})
        .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
        .training(train_batch_size_per_learner=400, minibatch_size=200, num_epochs=1)
    )
    error = ""
    try:
        _trained(config)
    except Exception as raised:
        error = _root(raised)
    return _Tried(episode, bool(action[0] == 1.5), error)
