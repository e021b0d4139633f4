"""Checks of lab 13."""

import random

import gymnasium as gym
import numpy as np
from ray.rllib.algorithms.ppo import PPOConfig

from helpers.check import NotYet, Passed, exercise, run

ENV = "Pendulum-v1"

# --- translate ---

# Stable-Baselines3's name, RLlib's method and argument.
NAMES = {
    "n_envs": "env_runners(num_envs_per_env_runner=...)",
    "learning_rate": "training(lr=...)",
    "gamma": "training(gamma=...)",
    "gae_lambda": "training(lambda_=...)",
    "batch_size": "training(minibatch_size=...)",
    "n_epochs": "training(num_epochs=...)",
    "clip_range": "training(clip_param=...)",
}


@exercise
def translate(answer) -> Passed:
    """`translate(settings)`: Stable-Baselines3's settings as a PPOConfig that does the same."""
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
    kind, did = run(_translated, answer, settings, limit=40.0)
    if kind == "other":
        raise NotYet(f"Return the PPOConfig, not built yet; you returned {did}.")
    if kind == "runners":
        raise NotYet(
            f"Your config has the environments played by {did} processes of their own, which is "
            "PPO's default. As in Stable-Baselines3 it should be this one: "
            "env_runners(num_env_runners=0)."
        )
    if kind == "env":
        raise NotYet(f"The environment should be {ENV}; in your config it is {did}.")
    if kind == "refused":
        raise NotYet(f"RLlib refuses your config: {did}")
    steps, envs = settings["n_steps"] * settings["n_envs"], settings["n_envs"]
    if did["n_envs"] == envs and did["steps"] == settings["n_steps"]:
        raise NotYet(
            f"Your agent learned after {did['steps']} steps of all {envs} environments together. "
            f"n_steps counts those of each: Stable-Baselines3 would learn after {steps}."
        )
    for name, argument in NAMES.items():
        if not np.isclose(did[name], settings[name]):
            raise NotYet(
                f"{name} was to be {settings[name]}; your agent trained with {did[name]:g}. "
                f"RLlib's name for it: {argument}."
            )
    if did["steps"] != steps:
        raise NotYet(
            f"Your agent learned after {did['steps']} steps; {envs} environments with "
            f"{settings['n_steps']} steps each are {steps}. That is train_batch_size_per_learner."
        )
    return Passed(
        f"your agent took {steps} steps in {envs} environments and learned from them "
        f"{settings['n_epochs']} times over, in pieces of {settings['batch_size']}, as "
        "Stable-Baselines3 would."
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
    config = config.copy(copy_frozen=False).debugging(log_level="ERROR", log_sys_usage=False)
    try:
        algorithm = config.build_algo()
    except Exception as error:
        return "refused", str(error).strip().splitlines()[0][:200]
    result = algorithm.train()
    learned = result["learners"]["default_policy"]
    steps = result["num_env_steps_sampled_lifetime"]
    return "did", {
        "steps": int(steps),
        "n_envs": algorithm.env_runner.num_envs,
        "learning_rate": float(learned["default_optimizer_learning_rate"]),
        "batch_size": round(float(learned["module_train_batch_size_mean"])),
        "n_epochs": round(float(learned["num_module_steps_trained"]) / steps),
        "gamma": config.gamma,
        "gae_lambda": config.lambda_,
        "clip_range": config.clip_param,
    }


# --- act ---


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
def act(answer) -> Passed:
    """`act(module, observation)`: the action, within its bounds, nothing of it left to chance."""
    actions, again, means = run(_acted, answer, setup=_decided_module, limit=30.0)
    low, high = _TwoLevers.action_space.low, _TwoLevers.action_space.high
    scaled = low + (means + 1) / 2 * (high - low)
    wanted = np.clip(scaled, low, high)
    got = _as_array(actions)
    if got is None or got.shape != wanted.shape:
        shape = "no array" if got is None else f"an array of shape {got.shape[1:]}"
        hint = ""
        if got is not None and got.shape[1:] == (4,):
            hint = " The network says two things of each action: its mean, then its spread."
        elif got is not None and got.shape[1:] == (1, 2):
            hint = " The network answers for a batch; take out the one."
        raise NotYet(
            f"One action of this environment is an array of shape (2,); yours is {shape}.{hint}"
        )
    if not np.allclose(got, _as_array(again)):
        raise NotYet(
            "The same observation gave two different actions. When it plays in earnest an agent "
            "does not explore: take the mean, draw nothing."
        )
    if np.allclose(got, wanted, atol=1e-4):
        return Passed(
            f"{len(got)} actions, each between its own bounds, none of them left to chance."
        )
    shown = int(np.abs(got - wanted).max(axis=1).argmax())
    told = (
        f"For the means {_list(means[shown])} the action is {_list(wanted[shown])}, between "
        f"{_list(low)} and {_list(high)}; yours is {_list(got[shown])}. "
    )
    if np.allclose(got, scaled, atol=1e-4):
        raise NotYet(told + "A mean may lie past -1 or 1; cut what is past the bounds.")
    if np.allclose(got, means, atol=1e-4) or np.allclose(got, np.clip(means, low, high), atol=1e-4):
        raise NotYet(
            told + "The network learned actions from -1 to 1; spread these from the lowest action "
            "to the highest."
        )
    if np.allclose(got, np.clip(means * high, low, high), atol=1e-4):
        raise NotYet(
            told + "Multiplying is enough only where the bounds lie evenly around zero: here -1 "
            "should become the lowest action, and 1 the highest."
        )
    raise NotYet(told + "-1 should become the lowest action, 1 the highest, all else in between.")


def _decided_module(answer):
    """A module whose means lie on both sides of -1 and 1."""
    config = (
        PPOConfig()
        .environment(_TwoLevers)
        .env_runners(num_env_runners=0)
        .debugging(log_level="ERROR", log_sys_usage=False)
    )
    module = config.build_algo().get_module()
    module.set_state({name: 3 * weights for name, weights in module.get_state().items()})
    return module


def _acted(answer, module):
    import torch

    generator = np.random.default_rng()
    observations = generator.uniform(-3, 3, (40, 4)).astype(np.float32)
    with torch.no_grad():
        said = module.forward_inference({"obs": torch.tensor(observations)})
    actions, again = ([answer(module, one.copy()) for one in observations] for _ in range(2))
    return actions, again, said["action_dist_inputs"][:, :2].numpy()


def _as_array(actions) -> np.ndarray | None:
    """The actions as one array, also where each is a tensor; None if they do not make one."""
    try:
        return np.array([np.asarray(action, dtype=float) for action in actions])
    except (TypeError, ValueError, RuntimeError):
        return None


def _list(numbers) -> str:
    return "[" + ", ".join(f"{number:.2f}" for number in numbers) + "]"


# --- weak ---


@exercise
def weak(answer) -> Passed:
    """`Weak(config)`: the pendulum, its motor does `config["strength"]` of what it should."""
    if not (isinstance(answer, type) and issubclass(answer, gym.Env)):
        raise NotYet(
            "Weak should be a class derived from gym.Env or from one of gymnasium's wrappers."
        )
    strength = round(random.uniform(0.2, 0.45), 2)
    theirs, intact, refused = run(_compared, answer, strength, limit=40.0)
    angles, rewards = (np.array(one) for one in zip(*_played(_motor(strength)), strict=True))
    their_angles, their_rewards = (np.array(one) for one in zip(*theirs, strict=True))
    if not np.allclose(their_angles, angles, atol=1e-4):
        how = "otherwise than it should"
        for factor, guess in {
            1.0: "as with the whole force",
            0.5: "as with a strength of 0.5, whatever the config says",
            OTHER: "with the strength of another one, made later: keep it in self",
            strength**2: "as if the strength were taken twice",
        }.items():
            if np.allclose(their_angles, [one for one, _ in _played(_motor(factor))], atol=1e-4):
                how = guess
        raise NotYet(f'Made with {{"strength": {strength}}}, your pendulum turns {how}.')
    if not np.allclose(their_rewards, rewards, atol=1e-4):
        raise NotYet(
            "Your pendulum turns as it should, and its rewards are not the pendulum's own. Only "
            "the action should change."
        )
    if not intact:
        raise NotYet(
            "Your environment writes into the action that it is given, and whoever gave it has "
            "another one then. Make a new one: self.strength * action."
        )
    if refused:
        raise NotYet(f"RLlib cannot train in it: {refused}")
    return Passed(
        f"with a strength of {strength} it turns as it should, and PPO has trained in two of it."
    )


OTHER = 0.77  # the strength of a second pendulum, made after the first


def _motor(strength: float) -> gym.Env:
    env = gym.make(ENV)
    return gym.wrappers.TransformAction(env, lambda action: strength * action, env.action_space)


def _played(env) -> list[tuple[float, float]]:
    """The angle's cosine and the reward of each of sixty steps, the same actions for everybody."""
    env.reset(seed=3)
    actions = np.random.default_rng(13).uniform(-2, 2, (60, 1)).astype(np.float32)
    steps = []
    for action in actions:
        observation, reward, *_ = env.step(action)
        steps.append((float(observation[0]), float(reward)))
    return steps


def _compared(answer, strength):
    env, _ = answer({"strength": strength}), answer({"strength": OTHER})
    steps = _played(env)
    action = np.array([1.5], np.float32)
    env.step(action)
    config = (
        PPOConfig()
        .environment(answer, env_config={"strength": strength})
        .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
        .training(train_batch_size_per_learner=400, minibatch_size=200, num_epochs=1)
        .debugging(log_level="ERROR", log_sys_usage=False)
    )
    try:
        config.build_algo().train()
    except Exception as error:
        return steps, bool(action[0] == 1.5), f"{type(error).__name__}: {str(error).strip()[:200]}"
    return steps, bool(action[0] == 1.5), ""
