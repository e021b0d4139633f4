"""Answers to the exercises of lab 12."""

_LOAD = """
    env = make_vec_env(ENV, 4)
    checkpoint = tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            model = A2C.load(f"{folder}/model", env=env, device="cpu")
    else:
        model = A2C("MlpPolicy", env, device="cpu")
"""

WRONG = {
    "episode_returns": [
        (
            "returns nothing from _on_step",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        super().__init__()
        self.returns = []

    def _on_step(self):
        for info in self.locals["infos"]:
            if "episode" in info:
                self.returns.append(info["episode"]["r"])""",
            "only while _on_step returns True",
        ),
        (
            "looks at the first environment",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        super().__init__()
        self.returns = []

    def _on_step(self):
        info = self.locals["infos"][0]
        if "episode" in info:
            self.returns.append(info["episode"]["r"])
        return True""",
            "the first environment only",
        ),
        (
            "collects lengths",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        super().__init__()
        self.returns = []

    def _on_step(self):
        infos = self.locals["infos"]
        self.returns += [info["episode"]["l"] for info in infos if "episode" in info]
        return True""",
            "how long the episodes were",
        ),
        (
            "one episode a step at most",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        super().__init__()
        self.returns = []

    def _on_step(self):
        for info in self.locals["infos"]:
            if "episode" in info:
                self.returns.append(info["episode"]["r"])
                break
        return True""",
            "Several may end in the same step",
        ),
        (
            "the buffer at every step",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        super().__init__()
        self.returns = []

    def _on_step(self):
        self.returns += [one["r"] for one in self.model.ep_info_buffer]
        return True""",
            "each should be taken once",
        ),
        (
            "the reward of the last step",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        super().__init__()
        self.returns = []

    def _on_step(self):
        for done, reward in zip(self.locals["dones"], self.locals["rewards"]):
            if done:
                self.returns.append(reward)
        return True""",
            "the sum of the rewards of one episode",
        ),
        (
            "forgets super",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        self.returns = []

    def _on_step(self):
        return True""",
            "AttributeError",
        ),
        (
            "no list",
            """class EpisodeReturns(BaseCallback):
    def _on_step(self):
        return True""",
            "no list `returns`",
        ),
        (
            "waits for a key that is never there",
            """class EpisodeReturns(BaseCallback):
    def __init__(self):
        super().__init__()
        self.returns = []

    def _on_step(self):
        self.returns += [info["return"] for info in self.locals["infos"] if "return" in info]
        return True""",
            "`returns` is empty",
        ),
        (
            "a list of the class",
            """class EpisodeReturns(BaseCallback):
    returns = []

    def _on_step(self):
        self.returns.extend(i["episode"]["r"] for i in self.locals["infos"] if "episode" in i)
        return True""",
            "yours belongs to the class",
        ),
        (
            "the buffer at the end",
            """class EpisodeReturns(BaseCallback):
    def _on_step(self):
        return True

    def _on_training_end(self):
        self.returns = [one["r"] for one in self.model.ep_info_buffer]""",
            "own buffer forgets",
        ),
        (
            "not a callback",
            """class EpisodeReturns:
    def _on_step(self):
        return True""",
            "derived from BaseCallback",
        ),
    ],
    "train_a2c": [
        (
            "begins anew",
            """def train_a2c(config):
    model = A2C("MlpPolicy", make_vec_env(ENV, 4), device="cpu")
    model.learn(config["steps"], callback=ReportToTune(config["every"]))""",
            "it began anew",
        ),
        (
            "trains all steps once more",
            f"""def train_a2c(config):{_LOAD}
    callback = ReportToTune(config["every"])
    model.learn(config["steps"], callback=callback, reset_num_timesteps=False)""",
            "Your trial went on to",
        ),
        (
            "resets the count",
            f"""def train_a2c(config):{_LOAD}
    left = config["steps"] - model.num_timesteps
    model.learn(left, callback=ReportToTune(config["every"]))""",
            "sets its count of steps to 0",
        ),
        (
            "loads without an environment",
            f"""def train_a2c(config):{_LOAD.replace("env=env, ", "")}
    left = config["steps"] - model.num_timesteps
    model.learn(left, callback=ReportToTune(config["every"]), reset_num_timesteps=False)""",
            "Your code raised",
        ),
        (
            "half of them is left",
            f"""def train_a2c(config):{_LOAD}
    left = config["steps"] // 2 if checkpoint else config["steps"]
    model.learn(left, callback=ReportToTune(config["every"]), reset_num_timesteps=False)""",
            "it should be [1600, 3200, 4800]",
        ),
        (
            "the count without the network",
            """def train_a2c(config):
    model = A2C("MlpPolicy", make_vec_env(ENV, 4), device="cpu")
    if checkpoint := tune.get_checkpoint():
        with checkpoint.as_directory() as folder:
            model.num_timesteps = A2C.load(f"{folder}/model").num_timesteps
    left = config["steps"] - model.num_timesteps
    model.learn(left, callback=ReportToTune(config["every"]), reset_num_timesteps=False)""",
            "after the pause it was a new one",
        ),
        (
            "tells Tune nothing",
            f"""def train_a2c(config):{_LOAD}
    model.learn(config["steps"] - model.num_timesteps, reset_num_timesteps=False)""",
            "Tune received no report",
        ),
        (
            "reports half as often",
            f"""def train_a2c(config):{_LOAD}
    left = config["steps"] - model.num_timesteps
    callback = ReportToTune(2 * config["every"])
    model.learn(left, callback=callback, reset_num_timesteps=False)
""",
            "The first report should come at",
        ),
        (
            "does nothing after a pause",
            f"""def train_a2c(config):{_LOAD}
    if not checkpoint:
        model.learn(config["steps"], callback=ReportToTune(config["every"]))
""",
            "reported nothing when it went on",
        ),
    ],
    "fair_report": [
        (
            "reports from the beginning",
            'def fair_report(returns):\n    return {"mean_return": np.mean(returns[-20:])}',
            "Wait a little longer",
        ),
        (
            "waits too short",
            "def fair_report(returns):\n    if len(returns) < 60:\n        return None\n"
            '    return {"mean_return": np.mean(returns[-20:])}',
            "Wait a little longer",
        ),
        (
            "the mean of all",
            "def fair_report(returns):\n    if len(returns) < 80:\n        return None\n"
            '    return {"mean_return": np.mean(returns)}',
            "how it began weighs",
        ),
        (
            "the best so far",
            "def fair_report(returns):\n    if len(returns) < 80:\n        return None\n"
            '    return {"mean_return": max(returns)}',
            "luckiest episode",
        ),
        (
            "the last episode",
            "def fair_report(returns):\n    if len(returns) < 80:\n        return None\n"
            '    return {"mean_return": returns[-1]}',
            "One is mostly luck",
        ),
        (
            "with the sign of a loss",
            "def fair_report(returns):\n    if len(returns) < 80:\n        return None\n"
            '    return {"mean_return": -np.mean(returns[-20:])}',
            "More is better here",
        ),
        (
            "only at the end",
            "def fair_report(returns):\n    if len(returns) < 160:\n        return None\n"
            '    return {"mean_return": np.mean(returns[-20:])}',
            "report earlier",
        ),
        (
            "never",
            "def fair_report(returns):\n    if len(returns) < 1_000:\n        return None\n"
            '    return {"mean_return": np.mean(returns)}',
            "You never report",
        ),
        (
            "only of those that do well",
            "def fair_report(returns):\n    lately = np.mean(returns[-20:])\n"
            '    return {"mean_return": lately} if lately > -900 else None',
            "hopeless agents ran to their end",
        ),
        (
            "once",
            "def fair_report(returns):\n    if len(returns) != 80:\n        return None\n"
            '    return {"mean_return": np.mean(returns[-20:])}',
            "never learns how it ended",
        ),
        (
            "the last two",
            "def fair_report(returns):\n    if len(returns) < 80:\n        return None\n"
            '    return {"mean_return": np.mean(returns[-2:])}',
            "Report that",
        ),
        (
            "the last sixty",
            "def fair_report(returns):\n    if len(returns) < 80:\n        return None\n"
            '    return {"mean_return": np.mean(returns[-60:])}',
            "Report that",
        ),
        (
            "a number",
            "def fair_report(returns):\n    return np.mean(returns[-20:])",
            "Return a dict",
        ),
    ],
    "lineage": [
        (
            "stays where it is",
            "def lineage(exploits, member):\n    return [(0, member)]",
            "a copy was put in its place",
        ),
        (
            "only the last move",
            "def lineage(exploits, member):\n"
            "    for iteration, target, donor in reversed(exploits):\n"
            "        if target == member:\n"
            "            return [(0, donor), (iteration, member)]\n"
            "    return [(0, member)]",
            "Go backwards in time",
        ),
        (
            "newest first",
            "def lineage(exploits, member):\n"
            "    path = []\n"
            "    for iteration, target, donor in reversed(exploits):\n"
            "        if target == member:\n"
            "            path.append((iteration, member))\n"
            "            member = donor\n"
            "    return [*path, (0, member)]",
            "put the oldest first",
        ),
        (
            "target and donor exchanged",
            "def lineage(exploits, member):\n"
            "    path = []\n"
            "    for iteration, target, donor in reversed(exploits):\n"
            "        if donor == member:\n"
            "            path.insert(0, (iteration, member))\n"
            "            member = target\n"
            "    return [(0, member), *path]",
            "Go backwards in time",
        ),
        (
            "forwards in time",
            "def lineage(exploits, member):\n"
            "    path = [(0, member)]\n"
            "    for iteration, target, donor in exploits:\n"
            "        if target == member:\n"
            "            path.append((iteration, donor))\n"
            "            member = donor\n"
            "    return path",
            "It should end with",
        ),
        (
            "without the beginning",
            "def lineage(exploits, member):\n"
            "    path = []\n"
            "    for iteration, target, donor in reversed(exploits):\n"
            "        if target == member:\n"
            "            path.insert(0, (iteration, member))\n"
            "            member = donor\n"
            "    return path or [(0, member)]",
            "since 0",
        ),
        (
            "empties the list",
            "def lineage(exploits, member):\n"
            "    path = []\n"
            "    while exploits:\n"
            "        iteration, target, donor = exploits.pop()\n"
            "        if target == member:\n"
            "            path.insert(0, (iteration, member))\n"
            "            member = donor\n"
            "    return [(0, member), *path]",
            "changed the list",
        ),
        (
            "sorts the list",
            "def lineage(exploits, member):\n"
            "    path = []\n"
            "    for iteration, target, donor in sorted(exploits, reverse=True):\n"
            "        if target == member:\n"
            "            path.insert(0, (iteration, member))\n"
            "            member = donor\n"
            "    return [(0, member), *path]",
            "you found",
        ),
        (
            "knows only who is in an exploit",
            "def lineage(exploits, member):\n"
            "    where = {n: [(0, n)] for _, *pair in exploits for n in pair}\n"
            "    for iteration, target, donor in exploits:\n"
            "        where[target] = [*where[donor], (iteration, target)]\n"
            "    return where[member]",
            "KeyError",
        ),
        (
            "names only",
            "def lineage(exploits, member):\n    return [member]",
            "a list of pairs",
        ),
        (
            "nothing of who never moved",
            """def lineage(exploits, member):
    path = []
    for iteration, target, donor in reversed(exploits):
        if target == member:
            path.append((iteration, member))
            member = donor
    return [(0, member), *reversed(path)] if path else []
""",
            "never moved has one pair",
        ),
    ],
}
RIGHT = {
    "episode_returns": [
        (
            "sums rewards itself",
            """class EpisodeReturns(BaseCallback):
    def _on_training_start(self):
        self.returns, self.sums = [], np.zeros(self.training_env.num_envs)

    def _on_step(self):
        self.sums += self.locals["rewards"]
        for number, done in enumerate(self.locals["dones"]):
            if done:
                self.returns.append(self.sums[number])
                self.sums[number] = 0
        return True""",
        ),
        (
            "a list comprehension and a Boolean",
            """class EpisodeReturns(BaseCallback):
    def __init__(self, verbose=0):
        super().__init__(verbose)
        self.returns = []

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self.returns.extend(i["episode"]["r"] for i in infos if i.get("episode"))
        return len(self.returns) < 10**9""",
        ),
    ],
    "train_a2c": [
        (
            "with eight environments",
            f"def train_a2c(config):{_LOAD}".replace("ENV, 4", "ENV, ENVS")
            + """
    left = config["steps"] - model.num_timesteps
    model.learn(left, callback=ReportToTune(config["every"]), reset_num_timesteps=False)""",
        ),
        (
            "reads the checkpoint first",
            """def train_a2c(config):
    model = A2C("MlpPolicy", make_vec_env(ENV, 4), device="cpu")
    if checkpoint := tune.get_checkpoint():
        with checkpoint.as_directory() as folder:
            model = A2C.load(f"{folder}/model.zip", env=model.get_env(), device="cpu")
    callback = ReportToTune(config["every"])
    model.learn(config["steps"] - model.num_timesteps, callback, reset_num_timesteps=False)""",
        ),
        (
            "sets the environment afterwards",
            """def train_a2c(config):
    env, done = make_vec_env(ENV, 4), 0
    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        model = A2C("MlpPolicy", env, device="cpu")
    else:
        with checkpoint.as_directory() as folder:
            model = A2C.load(folder + "/model", device="cpu")
        model.set_env(env)
        done = model.num_timesteps
    model.learn(
        total_timesteps=config["steps"] - done,
        callback=[ReportToTune(config["every"])],
        reset_num_timesteps=checkpoint is None,
    )""",
        ),
    ],
    "fair_report": [
        (
            "the median of the last forty, later",
            "def fair_report(returns):\n    if len(returns) >= 100:\n"
            '        return {"mean_return": float(np.median(returns[-40:]))}',
        ),
        (
            "more than is asked for",
            "def fair_report(returns):\n    lately = returns[-20:]\n    if len(returns) > 79:\n"
            '        return {"mean_return": sum(lately) / 20, "episodes": len(returns)}',
        ),
    ],
    "lineage": [
        (
            "recursive",
            "def lineage(exploits, member):\n"
            "    for at in reversed(range(len(exploits))):\n"
            "        iteration, target, donor = exploits[at]\n"
            "        if target == member:\n"
            "            return lineage(exploits[:at], donor) + [(iteration, member)]\n"
            "    return [(0, member)]",
        ),
        (
            "forwards, with everybody's path",
            "def lineage(exploits, member):\n"
            "    paths = {}\n"
            "    for iteration, target, donor in exploits:\n"
            "        known = paths.get(donor, [(0, donor)])\n"
            "        paths[target] = [*known, (iteration, target)]\n"
            "    return paths.get(member, [(0, member)])",
        ),
    ],
}
