"""Answers to the exercises of lab 13."""


def _translated(training: str, environments: str = 'num_envs_per_env_runner=settings["n_envs"]'):
    return f"""def to_rllib(settings):
    return (
        PPOConfig()
        .environment(ENV)
        .env_runners(num_env_runners=0, {environments})
        .training({training})
    )"""


_PARTS = {
    "lr": 'settings["learning_rate"]',
    "gamma": 'settings["gamma"]',
    "lambda_": 'settings["gae_lambda"]',
    "train_batch_size_per_learner": 'settings["n_steps"] * settings["n_envs"]',
    "minibatch_size": 'settings["batch_size"]',
    "num_epochs": 'settings["n_epochs"]',
    "clip_param": 'settings["clip_range"]',
    "vf_loss_coeff": "0.5",
    "grad_clip": "0.5",
    "vf_clip_param": 'float("inf")',
    "use_kl_loss": "False",
}


def _training(**changes: str | None) -> str:
    parts = {**_PARTS, **changes}
    return ", ".join(f"{name}={value}" for name, value in parts.items() if value)


_ACT = """def action_in_bounds(module, observation):
    with torch.no_grad():
        said = module.forward_inference({"obs": torch.tensor(observation[None])})
    low, high = module.action_space.low, module.action_space.high
    mean = said["action_dist_inputs"][0, : len(low)].numpy()
    return np.clip(low + (mean + 1) / 2 * (high - low), low, high)"""
_SCALED = "np.clip(low + (mean + 1) / 2 * (high - low), low, high)"

WRONG = {
    "to_rllib": [
        (
            "steps of one environment",
            _translated(_training(train_batch_size_per_learner='settings["n_steps"]')),
            "n_steps counts those of each",
        ),
        ("forgets lambda", _translated(_training(lambda_=None)), "gae_lambda was to be"),
        (
            "forgets the epochs",
            _translated(_training(num_epochs=None)),
            "your agent trained with 30",
        ),
        (
            "forgets the small batch",
            _translated(_training(minibatch_size='settings["n_steps"] * settings["n_envs"]')),
            "batch_size was to be",
        ),
        (
            "one environment",
            _translated(_training(), "num_envs_per_env_runner=1"),
            "n_envs was to be",
        ),
        (
            "an environment a process",
            _translated(_training()).replace(
                'num_env_runners=0, num_envs_per_env_runner=settings["n_envs"]',
                'num_env_runners=settings["n_envs"]',
            ),
            "processes of their own",
        ),
        (
            "clips the forecast",
            _translated(_training(clip_param=None, vf_clip_param='settings["clip_range"]')),
            "clip_range was to be",
        ),
        (
            "lets gradients be",
            _translated(_training(grad_clip=None)),
            "max_grad_norm was to be 0.5; your agent trained without",
        ),
        (
            "cuts the error",
            _translated(_training(vf_clip_param=None)),
            "squared error is above 10",
        ),
        ("a second penalty", _translated(_training(use_kl_loss=None)), "use_kl_loss=False"),
        (
            "a falling rate",
            _translated(_training(lr='[[0, settings["learning_rate"]], [STEPS, 0.0]]')),
            "changes while it trains",
        ),
        (
            "names of the other library",
            _translated("**settings"),
            "Your code raised TypeError",
        ),
        (
            "takes the small batch for the batch",
            _translated(
                _training(
                    train_batch_size_per_learner='settings["batch_size"]', minibatch_size=None
                )
            ),
            "RLlib refuses your config",
        ),
        (
            "no environment",
            _translated(_training()).replace(".environment(ENV)", ""),
            "The environment should be",
        ),
        (
            "builds it",
            _translated(_training()).replace("\n    )", "\n        .build_algo()\n    )"),
            "not built yet",
        ),
        ("a dict", "def to_rllib(settings):\n    return dict(settings)", "Return the PPOConfig"),
        (
            "twice the steps",
            _translated(
                _training(
                    train_batch_size_per_learner='2 * settings["n_steps"] * settings["n_envs"]'
                )
            ),
            "That is train_batch_size_per_learner",
        ),
    ],
    "action_in_bounds": [
        ("the mean as it is", _ACT.replace(_SCALED, "np.clip(mean, low, high)"), "from -1 to 1"),
        ("the mean, not cut either", _ACT.replace(_SCALED, "mean"), "from -1 to 1"),
        (
            "times the highest",
            _ACT.replace(_SCALED, "np.clip(high * mean, low, high)"),
            "evenly around zero",
        ),
        (
            "every second number",
            _ACT.replace("[0, : len(low)]", "[0, ::2]"),
            "all means first",
        ),
        (
            "one number",
            _ACT.replace(": len(low)]", ":1]")
            .replace("(low +", "(low[:1] +")
            .replace("(high - low), low, high)", "(high - low)[:1], low[:1], high[:1])"),
            "make one action",
        ),
        ("twice", _ACT.replace(_SCALED, "np.clip(2 * mean, low, high)"), "1 the highest"),
        (
            "not cut",
            _ACT.replace(_SCALED, "low + (mean + 1) / 2 * (high - low)"),
            "cut what is past the bounds",
        ),
        (
            "the spread too",
            _ACT.replace("[0, : len(low)]", "[0]").replace(_SCALED, "mean"),
            "all means first",
        ),
        ("the batch", _ACT.replace("[0, : len(low)]", "[:, : len(low)]"), "take out the one"),
        (
            "draws it",
            _ACT.replace(".numpy()", ".numpy()\n    mean = np.random.normal(mean, 0.3)"),
            "does not explore",
        ),
        (
            "gives the network no batch",
            _ACT.replace("observation[None]", "observation"),
            "IndexError",
        ),
    ],
    "weak_motor": [
        (
            "takes the number",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, strength):
        super().__init__(gym.make(ENV))
        self.strength = strength

    def action(self, action):
        return self.strength * action""",
            "Your code raised TypeError",
        ),
        (
            "the number of the example",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))

    def action(self, action):
        return 0.3 * action""",
            "0.3 of the example",
        ),
        (
            "a lower limit",
            """class WeakMotor(gym.Wrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.unwrapped.max_torque *= config["strength"]""",
            "cut at the strength",
        ),
        (
            "narrower bounds too",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.strength = config["strength"]
        self.action_space = gym.spaces.Box(-2 * self.strength, 2 * self.strength, (1,))

    def action(self, action):
        return self.strength * action""",
            "bounds of what is seen or of the action have changed",
        ),
        (
            "without an end",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV).unwrapped)
        self.strength = config["strength"]

    def action(self, action):
        return self.strength * action""",
            "gym.make ends it after 200",
        ),
        (
            "changes nothing",
            """class WeakMotor(gym.Wrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.strength = config["strength"]""",
            "with the whole force",
        ),
        (
            "a strength of the class",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        WeakMotor.strength = config["strength"]

    def action(self, action):
        return WeakMotor.strength * action""",
            "keep it in self",
        ),
        (
            "twice",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.strength = config["strength"]

    def action(self, action):
        return self.strength * action

    def step(self, action):
        return super().step(self.action(action))""",
            "taken twice",
        ),
        (
            "the reward too",
            """class WeakMotor(gym.Wrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.strength = config["strength"]

    def step(self, action):
        observation, reward, *rest = self.env.step(self.strength * action)
        return observation, self.strength * reward, *rest""",
            "rewards are not the pendulum's own",
        ),
        (
            "writes into the action",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.strength = config["strength"]

    def action(self, action):
        action *= self.strength
        return action""",
            "writes into the action",
        ),
        (
            "forgets super",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        self.strength = config["strength"]

    def action(self, action):
        return self.strength * action""",
            "Your code raised AttributeError",
        ),
        (
            "no environment",
            """class WeakMotor:
    def __init__(self, config):
        self.env, self.strength = gym.make(ENV), config["strength"]""",
            "derived from gym.Env",
        ),
        (
            "empties the config",
            """class WeakMotor(gym.ActionWrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.strength = config.pop("strength")

    def action(self, action):
        return self.strength * action""",
            "RLlib cannot train in it",
        ),
    ],
}
RIGHT = {
    "to_rllib": [
        (
            "step by step, with the older name of the batch",
            """def to_rllib(settings):
    config = PPOConfig()
    config.environment(ENV)
    config.env_runners(num_env_runners=0, num_envs_per_env_runner=settings["n_envs"])
    config.training(train_batch_size=settings["n_envs"] * settings["n_steps"])
    config.training(lr=settings["learning_rate"], gamma=settings["gamma"])
    config.training(lambda_=settings["gae_lambda"], clip_param=settings["clip_range"])
    config.training(minibatch_size=settings["batch_size"], num_epochs=settings["n_epochs"])
    config.training(vf_loss_coeff=0.5, grad_clip=0.5, vf_clip_param=np.inf, use_kl_loss=False)
    return config""",
        ),
        (
            "the lab's own config with other numbers",
            """def to_rllib(settings):
    config = pendulum_ppo(0.01, settings["gamma"], settings["gae_lambda"])
    config.env_runners(num_envs_per_env_runner=settings["n_envs"])
    return config.training(
        lr=settings["learning_rate"],
        train_batch_size_per_learner=settings["n_steps"] * settings["n_envs"],
        minibatch_size=settings["batch_size"],
        num_epochs=settings["n_epochs"],
        clip_param=settings["clip_range"],
    )""",
        ),
    ],
    "action_in_bounds": [
        (
            "cuts first",
            _ACT.replace(_SCALED, "low + (np.clip(mean, -1, 1) + 1) / 2 * (high - low)"),
        ),
        (
            "asks the distribution",
            """def action_in_bounds(module, observation):
    batch = {"obs": torch.as_tensor(observation).unsqueeze(0)}
    logits = module.forward_inference(batch)["action_dist_inputs"]
    likely = module.get_inference_action_dist_cls().from_logits(logits).to_deterministic().sample()
    low, high = map(torch.as_tensor, (module.action_space.low, module.action_space.high))
    return torch.lerp(low, high, (likely[0].clamp(-1, 1) + 1) / 2).detach().numpy()""",
        ),
    ],
    "weak_motor": [
        (
            "a wrapper with a step",
            """class WeakMotor(gym.Wrapper):
    def __init__(self, config):
        super().__init__(gym.make(ENV))
        self.strength = config.get("strength", 1.0)

    def step(self, action):
        return self.env.step(self.strength * action)""",
        ),
        (
            "an environment around another",
            """class WeakMotor(gym.Env):
    def __init__(self, config=None):
        self.inner, self.strength = gym.make(ENV), (config or {"strength": 1.0})["strength"]
        self.observation_space = self.inner.observation_space
        self.action_space = self.inner.action_space

    def reset(self, *, seed=None, options=None):
        return self.inner.reset(seed=seed, options=options)

    def step(self, action):
        return self.inner.step(np.multiply(self.strength, action, dtype=np.float32))""",
        ),
    ],
}
