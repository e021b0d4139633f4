"""Answers to the exercises of lab 10."""

from tests.support.changed import changed

_BEGINS = 'position, generator, ran = restored() or (0.0, np.random.default_rng(config["seed"]), 0)'
_SAVES = 'Path(folder, "state.pkl").write_bytes(pickle.dumps((self.position, self.generator)))'
_LOADS = 'self.position, self.generator = pickle.loads(Path(folder, "state.pkl").read_bytes())'

_NOISY = """def train_noisy(config):
    position, generator, ran = restored() or (0.0, np.random.default_rng(config["seed"]), 0)
    for step in range(ran + 1, config["steps"] + 1):
        position += generator.normal()
        report({"position": position}, (position, generator, step))"""

_WALKER = """class Walker(tune.Trainable):
    def setup(self, config):
        self.position, self.generator = 0.0, np.random.default_rng(config["seed"])

    def step(self):
        self.position += self.generator.normal()
        return {"position": self.position}

    def save_checkpoint(self, folder):
        Path(folder, "state.pkl").write_bytes(pickle.dumps((self.position, self.generator)))

    def load_checkpoint(self, folder):
        self.position, self.generator = pickle.loads(Path(folder, "state.pkl").read_bytes())"""

_STOPPER = """class NoProgress(tune.Stopper):
    def __init__(self, patience):
        self.patience, self.lowest, self.since = patience, {}, {}

    def __call__(self, trial_id, result):
        if result["height"] < self.lowest.get(trial_id, float("inf")):
            self.lowest[trial_id], self.since[trial_id] = result["height"], 0
        else:
            self.since[trial_id] += 1
        return self.since[trial_id] >= self.patience

    def stop_all(self):
        return False"""


WRONG = {
    "train_noisy": [
        (
            "forgets the generator",
            changed(
                _NOISY,
                (
                    _BEGINS,
                    'generator = np.random.default_rng(config["seed"])\n'
                    "    position, ran = restored() or (0.0, 0)",
                ),
                ("(position, generator, step)", "(position, step)"),
            ),
            "Save the generator too",
        ),
        (
            "no checkpoint",
            changed(
                _NOISY,
                (
                    'report({"position": position}, (position, generator, step))',
                    'tune.report({"position": position})',
                ),
            ),
            "began from zero",
        ),
        (
            "counts from zero again",
            changed(_NOISY, ("range(ran + 1, ", "range(1, ")),
            "Save how many steps are done",
        ),
        (
            "saves before the step",
            """def train_noisy(config):
    position, generator, ran = restored() or (0.0, np.random.default_rng(config["seed"]), 0)
    for step in range(ran, config["steps"]):
        before = pickle.loads(pickle.dumps((position, generator, step)))
        position += generator.normal()
        report({"position": position}, before)""",
            "One step was done twice",
        ),
        (
            "reports before the step",
            changed(
                _NOISY,
                (
                    "        position += generator.normal()\n"
                    '        report({"position": position}, (position, generator, step))',
                    '        report({"position": position}, (position, generator, step))\n'
                    "        position += generator.normal()",
                ),
            ),
            "comes after the first step",
        ),
        (
            "reports at the end",
            changed(_NOISY, ("        report(", "    report(")),
            "Your first positions are",
        ),
        (
            "reports nothing",
            changed(
                _NOISY, ('report({"position": position}, (position, generator, step))', "pass")
            ),
            "Tune received no result",
        ),
        (
            "another name",
            changed(_NOISY, ('"position": position', '"height": position')),
            "Each report should hold `position`",
        ),
        (
            "a third of the steps",
            changed(_NOISY, ('config["steps"] + 1', 'config["steps"] // 3 + 1')),
            "Report after every step",
        ),
        (
            "believes that all is done",
            changed(
                _NOISY, ("(position, generator, step)", '(position, generator, config["steps"])')
            ),
            "How many steps does it believe are done",
        ),
        (
            "forgets the position",
            changed(_NOISY, ("(position, generator, step)", "(0.0, generator, step)")),
            "Save the position too",
        ),
        (
            "ends one step early",
            changed(_NOISY, ("generator, step)", "generator, step + 1)")),
            "Save how many steps are done",
        ),
        (
            "a generator of another seed",
            changed(
                _NOISY,
                ("(position, generator, step)", "(position, np.random.default_rng(step), step)"),
            ),
            "Is the generator in the checkpoint",
        ),
    ],
    "walker": [
        (
            "forgets the generator",
            changed(
                _WALKER,
                ("pickle.dumps((self.position, self.generator))", "pickle.dumps(self.position)"),
                ("self.position, self.generator = pickle", "self.position = pickle"),
            ),
            "Save the generator too",
        ),
        (
            "forgets the position",
            changed(
                _WALKER,
                ("pickle.dumps((self.position, self.generator))", "pickle.dumps(self.generator)"),
                ("self.position, self.generator = pickle", "self.generator = pickle"),
            ),
            "Save the position too",
        ),
        (
            "loads into local names",
            changed(
                _WALKER, ("self.position, self.generator = pickle", "position, generator = pickle")
            ),
            "The copy began from zero",
        ),
        (
            "keeps it in memory",
            changed(
                _WALKER,
                (
                    _SAVES,
                    "self.saved = self.position, self.generator",
                ),
            ),
            "left no file",
        ),
        (
            "returns a number",
            changed(_WALKER, ('return {"position": self.position}', "return self.position")),
            "should return a dict",
        ),
        (
            "a function's names",
            changed(
                _WALKER, ("def save_checkpoint", "def save_state"), ("def load_", "def restore_")
            ),
            "no save_checkpoint and no load_checkpoint",
        ),
        (
            "a new generator each step",
            changed(
                _WALKER,
                ("self.generator.normal()", 'np.random.default_rng(self.config["seed"]).normal()'),
            ),
            "makes the generator once",
        ),
        (
            "no Trainable",
            changed(_WALKER, ("(tune.Trainable)", "")),
            "derived from tune.Trainable",
        ),
        (
            "begins anew when it saves",
            changed(_WALKER, (_SAVES, _SAVES + "\n        self.position = 0.0")),
            "Saving should change nothing",
        ),
        (
            "a generator of another seed",
            changed(
                _WALKER,
                (
                    "(self.position, self.generator)))",
                    "(self.position, np.random.default_rng(99))))",
                ),
            ),
            "the one that saved it goes to",
        ),
    ],
    "no_progress": [
        (
            "one memory for all",
            """class NoProgress(tune.Stopper):
    def __init__(self, patience):
        self.patience, self.lowest, self.since = patience, float("inf"), 0

    def __call__(self, trial_id, result):
        if result["height"] < self.lowest:
            self.lowest, self.since = result["height"], 0
        else:
            self.since += 1
        return self.since >= self.patience

    def stop_all(self):
        return False""",
            "yours share one memory",
        ),
        (
            "compares with the last",
            """class NoProgress(tune.Stopper):
    def __init__(self, patience):
        self.patience, self.last, self.since = patience, {}, {}

    def __call__(self, trial_id, result):
        lower = result["height"] < self.last.get(trial_id, float("inf"))
        self.since[trial_id] = 0 if lower else self.since[trial_id] + 1
        self.last[trial_id] = result["height"]
        return self.since[trial_id] >= self.patience

    def stop_all(self):
        return False""",
            "judged by its last result",
        ),
        (
            "counts all, not in a row",
            """class NoProgress(tune.Stopper):
    def __init__(self, patience):
        self.patience, self.lowest, self.since = patience, {}, {}

    def __call__(self, trial_id, result):
        lowest = self.lowest.get(trial_id, float("inf"))
        self.lowest[trial_id] = min(lowest, result["height"])
        self.since[trial_id] = self.since.get(trial_id, 0) + (result["height"] >= lowest)
        return self.since[trial_id] >= self.patience

    def stop_all(self):
        return False""",
            "must be in a row",
        ),
        (
            "compares with four ago",
            """class NoProgress(tune.Stopper):
    def __init__(self, patience):
        self.patience, self.heights = patience, {}

    def __call__(self, trial_id, result):
        heights = self.heights.setdefault(trial_id, [])
        heights.append(result["height"])
        return len(heights) > self.patience and heights[-1] >= heights[-self.patience - 1]

    def stop_all(self):
        return False""",
            "between them there was a new lowest",
        ),
        ("one too late", changed(_STOPPER, (">= self.", "> self.")), "it should be after 5"),
        (
            "higher is better",
            changed(_STOPPER, ('["height"] <', '["height"] >'), ('float("inf")', '-float("inf")')),
            "Lower is better here",
        ),
        (
            "no stop_all",
            _STOPPER.partition("    def stop_all")[0],
            "no stop_all",
        ),
        ("stops all", changed(_STOPPER, ("return False", "return True")), "ends the whole sweep"),
        (
            "forgets to return",
            changed(_STOPPER, ("return self.since[trial_id] >=", "self.since[trial_id] >=")),
            "What does __call__ return",
        ),
        (
            "no Stopper",
            changed(_STOPPER, ("(tune.Stopper)", "")),
            "derived from tune.Stopper",
        ),
        (
            "keeps a lock",
            changed(
                _STOPPER,
                (
                    "        self.patience",
                    "        self.lock = __import__('threading').Lock()\n        self.patience",
                ),
            ),
            "cannot be pickled",
        ),
        (
            "two too early",
            changed(_STOPPER, (">= self.patience", ">= self.patience - 2")),
            "Its heights",
        ),
    ],
    "checkpoint_every": [
        (
            "seconds",
            "def checkpoint_every(save_s, lifetime_s, step_s):\n"
            "    return max(1, round(np.sqrt(2 * save_s * lifetime_s)))",
            "how many iterations fit",
        ),
        (
            "no 2",
            "def checkpoint_every(save_s, lifetime_s, step_s):\n"
            "    return max(1, round(np.sqrt(save_s * lifetime_s) / step_s))",
            "a 2 under the root",
        ),
        (
            "no root",
            "def checkpoint_every(save_s, lifetime_s, step_s):\n"
            "    return max(1, round(2 * save_s * lifetime_s / step_s))",
            "left out the root",
        ),
        (
            "zero",
            "def checkpoint_every(save_s, lifetime_s, step_s):\n"
            "    return round(np.sqrt(2 * save_s * lifetime_s) / step_s)",
            "Return at least 1",
        ),
        (
            "not whole",
            "def checkpoint_every(save_s, lifetime_s, step_s):\n"
            "    return max(1, np.sqrt(2 * save_s * lifetime_s) / step_s)",
            "counted whole",
        ),
        (
            "once a life",
            "def checkpoint_every(save_s, lifetime_s, step_s):\n"
            "    return max(1, round(lifetime_s / step_s))",
            "once in a machine's life",
        ),
        (
            "a word",
            """def checkpoint_every(save_s, lifetime_s, step_s):
    return "every ten"
""",
            "it should be a number",
        ),
        (
            "the tenth part",
            """def checkpoint_every(save_s, lifetime_s, step_s):
    return max(1, round((2 * save_s * lifetime_s) ** 0.5 / step_s / 10))
""",
            "by Young's formula it is",
        ),
        (
            "all under the root",
            """def checkpoint_every(save_s, lifetime_s, step_s):
    return max(1, round((2 * save_s * lifetime_s / step_s) ** 0.5))
""",
            "Only the seconds belong under the root",
        ),
        (
            "divides by the lifetime",
            """def checkpoint_every(save_s, lifetime_s, step_s):
    return max(1, round((2 * save_s / lifetime_s) ** 0.5 / step_s))
""",
            "Multiply by the lifetime",
        ),
    ],
}

RIGHT = {
    "train_noisy": [
        (
            "a file of one's own",
            """def train_noisy(config):
    position, generator, ran = 0.0, np.random.default_rng(config["seed"]), 0
    if checkpoint := tune.get_checkpoint():
        with checkpoint.as_directory() as folder:
            saved = json.loads(Path(folder, "saved.json").read_text())
        position, ran = saved["position"], saved["ran"]
        generator.bit_generator.state = saved["dice"]
    while ran < config["steps"]:
        position, ran = position + generator.normal(), ran + 1
        saved = {"position": position, "ran": ran, "dice": generator.bit_generator.state}
        with TemporaryDirectory() as folder:
            Path(folder, "saved.json").write_text(json.dumps(saved))
            here = tune.Checkpoint.from_directory(folder)
            tune.report({"position": position}, checkpoint=here)""",
        ),
    ],
    "walker": [
        (
            "returns a dict",
            changed(
                _WALKER,
                (
                    _SAVES,
                    'return {"position": self.position, "generator": self.generator}',
                ),
                ("def load_checkpoint(self, folder):", "def load_checkpoint(self, saved):"),
                (
                    _LOADS,
                    'self.position, self.generator = saved["position"], saved["generator"]',
                ),
            ),
        ),
    ],
    "no_progress": [
        (
            "keeps the heights",
            """class NoProgress(tune.Stopper):
    def __init__(self, patience):
        self.patience, self.heights = patience, {}

    def __call__(self, trial_id, result):
        heights = self.heights.setdefault(trial_id, [])
        heights.append(result["height"])
        return len(heights) - 1 - heights.index(min(heights)) >= self.patience

    def stop_all(self):
        return False""",
        ),
        (
            "dicts that know where to begin",
            """from collections import defaultdict


class NoProgress(tune.Stopper):
    def __init__(self, patience):
        self.patience = patience
        self.lowest, self.since = defaultdict(lambda: float("inf")), defaultdict(int)

    def __call__(self, trial_id, result):
        lower = result["height"] < self.lowest[trial_id]
        self.lowest[trial_id] = min(self.lowest[trial_id], result["height"])
        self.since[trial_id] = 0 if lower else self.since[trial_id] + 1
        return self.since[trial_id] >= self.patience

    def stop_all(self):
        return False""",
        ),
    ],
    "checkpoint_every": [
        (
            "rounds up",
            "def checkpoint_every(save_s, lifetime_s, step_s):\n"
            "    return int(np.ceil((2 * save_s * lifetime_s) ** 0.5 / step_s))",
        ),
    ],
}
