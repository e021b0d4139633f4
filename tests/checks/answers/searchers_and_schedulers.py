"""Answers to the exercises of lab 09."""

from tests.support.changed import changed

WIN_RATE = """def win_rate(ours, theirs):
    pairs = list(zip(ours, theirs, strict=True))
    wins = sum({count} for a, b in pairs)
    return wins / len(pairs), *wilson({told})"""

CUTS = """def asha_cuts(arrivals, reduction_factor):
    before, stopped = [], []
    for trial, score in arrivals:
        if before and score < np.percentile(before, 100 * (1 - 1 / reduction_factor)):
            stopped.append(trial)
        before.append(score)
    return stopped"""

SEARCH = """import pickle


class AskTellSearch(Searcher):
    def __init__(self, optimizer, metric, mode):
        super().__init__(metric=metric, mode=mode)
        self.optimizer, self.points = optimizer, {}

    def suggest(self, trial_id):
        self.points[trial_id] = self.optimizer.ask()
        return dict(self.points[trial_id])

    def on_trial_complete(self, trial_id, result=None, error=False):
        point = self.points.pop(trial_id)
        if result and not error:
            sign = 1 if self.mode == "min" else -1
            self.optimizer.tell(point, sign * result[self.metric])

    def save(self, checkpoint_path):
        with open(checkpoint_path, "wb") as file:
            pickle.dump((self.optimizer, self.points), file)

    def restore(self, checkpoint_path):
        with open(checkpoint_path, "rb") as file:
            self.optimizer, self.points = pickle.load(file)"""


WRONG = {
    "win_rate": [
        (
            "more is better",
            WIN_RATE.format(count="(a > b) + 0.5 * (a == b)", told="wins, len(pairs)"),
            "less is better",
        ),
        (
            "a tie is nothing",
            WIN_RATE.format(count="a < b", told="wins, len(pairs)"),
            "you gave nothing for it",
        ),
        (
            "a tie is a win",
            WIN_RATE.format(count="a <= b", told="wins, len(pairs)"),
            "you gave a whole one",
        ),
        (
            "leaves the ties out",
            changed(
                WIN_RATE.format(count="a < b", told="wins, len(pairs)"),
                ("strict=True))", "strict=True) if a != b)"),
                ("list(zip", "list((a, b) for a, b in zip"),
            ),
            "You left the ties out",
        ),
        (
            "wilson of the share",
            WIN_RATE.format(count="(a < b) + 0.5 * (a == b)", told="wins / len(pairs), len(pairs)"),
            "half wins included",
        ),
        (
            "every seed with every other",
            "def win_rate(ours, theirs):\n"
            "    wins = sum((a < b) + 0.5 * (a == b) for a in ours for b in theirs)\n"
            "    share = wins / len(ours) / len(theirs)\n"
            "    return share, *wilson(share * len(ours), len(ours))",
            "with itself only",
        ),
        (
            "the share alone",
            "def win_rate(ours, theirs):\n"
            "    return sum(a < b for a, b in zip(ours, theirs)) / len(ours)",
            "Return three numbers",
        ),
        (
            "the count",
            WIN_RATE.format(count="(a < b) + 0.5 * (a == b)", told="wins, len(pairs)").replace(
                "return wins / len(pairs)", "return wins"
            ),
            "Return the share, not the count",
        ),
        (
            "per cent",
            WIN_RATE.format(count="(a < b) + 0.5 * (a == b)", told="wins, len(pairs)").replace(
                "return wins", "return 100 * wins"
            ),
            "not per cent",
        ),
        (
            "compares the sums",
            """def win_rate(ours, theirs):
    wins = len(ours) if sum(ours) < sum(theirs) else 0
    return wins / len(ours), *wilson(wins, len(ours))
""",
            "Count who won on each seed",
        ),
    ],
    "asha_cuts": [
        (
            "waits for all",
            "def asha_cuts(arrivals, reduction_factor):\n"
            "    scores = [score for _, score in arrivals]\n"
            "    cutoff = np.percentile(scores, 100 * (1 - 1 / reduction_factor))\n"
            "    return [trial for trial, score in arrivals if score < cutoff]",
            "ASHA does not wait",
        ),
        (
            "counts itself",
            changed(
                CUTS,
                ("        before.append(score)\n", ""),
                ("        if before", "        before.append(score)\n        if before"),
            ),
            "Compare first",
        ),
        (
            "forgets the stopped",
            changed(CUTS, ("        before.append", "        else:\n            before.append")),
            "forgot the scores of the stopped",
        ),
        (
            "the wrong percentile",
            changed(CUTS, ("100 * (1 - 1 / reduction_factor)", "100 / reduction_factor")),
            "Your cutoff is too low",
        ),
        (
            "a percentile as a fraction",
            changed(CUTS, ("100 * (1 - 1 / reduction_factor)", "1 - 1 / reduction_factor")),
            "counts from 0 to 100",
        ),
        ("stops ties", changed(CUTS, ("score < np", "score <= np")), "right on the cutoff goes on"),
        (
            "returns who goes on",
            changed(
                CUTS, ("return stopped", "return [t for t, _ in arrivals if t not in stopped]")
            ),
            "return those that are stopped",
        ),
        (
            "returns pairs",
            changed(CUTS, ("(trial)", "((trial, score))")),
            "Return the names of trials",
        ),
        (
            "counts them",
            changed(CUTS, ("return stopped", "return len(stopped)")),
            "Return a list of trials",
        ),
        (
            "the last one first",
            changed(CUTS, ("return stopped", "return stopped[::-1]")),
            "return them in the order in which they came",
        ),
        (
            "always the better half",
            changed(CUTS, ("100 * (1 - 1 / reduction_factor)", "50")),
            "The first on which you differ is",
        ),
    ],
    "ask_tell_search": [
        (
            "no save",
            SEARCH[: SEARCH.index("    def save")],
            "Your class has no save",
        ),
        (
            "forgets the mode",
            changed(SEARCH, ('1 if self.mode == "min" else -1', "1")),
            "tell it the negative",
        ),
        (
            "tells the last one asked",
            changed(
                SEARCH,
                ("point = self.points.pop(trial_id)", "point = list(self.points.values())[-1]"),
            ),
            "Remember by the trial's id",
        ),
        (
            "tells the cost first",
            changed(
                SEARCH,
                (
                    "tell(point, sign * result[self.metric])",
                    "tell(sign * result[self.metric], point)",
                ),
            ),
            "the point first",
        ),
        (
            "tells of failures too",
            changed(
                SEARCH,
                ("if result and not error:", "if True:"),
                ("result[self.metric]", "(result or {}).get(self.metric, 1e9)"),
            ),
            "Tell it nothing then",
        ),
        (
            "saves nothing",
            changed(
                SEARCH,
                ("pickle.dump((self.optimizer, self.points), file)", "pickle.dump(None, file)"),
                ("self.optimizer, self.points = pickle", "_ = pickle"),
            ),
            "The optimizer belongs in the file",
        ),
        (
            "saves the optimizer alone",
            changed(
                SEARCH,
                (
                    "pickle.dump((self.optimizer, self.points), file)",
                    "pickle.dump(self.optimizer, file)",
                ),
                ("self.optimizer, self.points = pickle", "self.optimizer = pickle"),
            ),
            "points are under way",
        ),
        (
            "does not look at the result",
            changed(SEARCH, ("if result and not error:", "if True:")),
            "Your code raised",
        ),
        (
            "no searcher",
            changed(SEARCH, ("(Searcher)", ""), ("metric=metric, mode=mode", "")),
            "inherits from Searcher",
        ),
        (
            "writes the trial into the point",
            changed(
                SEARCH,
                (
                    "return dict(self.points[trial_id])",
                    "return {**self.points[trial_id], 'trial': trial_id}",
                ),
            ),
            "Return each point as it is",
        ),
        (
            "tells nothing",
            changed(
                SEARCH,
                ("self.optimizer.tell(point, sign * result[self.metric])", "print(sign, point)"),
            ),
            "the optimizer was told nothing",
        ),
        (
            "the inverse",
            changed(SEARCH, ("sign * result[self.metric]", "1 / result[self.metric]")),
            "the mode max; you told the costs",
        ),
        (
            "always the negative",
            changed(SEARCH, ('1 if self.mode == "min" else -1', "-1")),
            'With mode "min" a loss of 3 costs 3',
        ),
    ],
}

RIGHT = {
    "win_rate": [
        (
            "with numpy",
            "def win_rate(ours, theirs):\n"
            "    ours, theirs = np.array(ours), np.array(theirs)\n"
            "    wins = (ours < theirs).sum() + (ours == theirs).sum() / 2\n"
            "    return np.array([wins / len(ours), *wilson(wins, len(ours))])",
        ),
    ],
    "asha_cuts": [
        (
            "by slices",
            "def asha_cuts(arrivals, reduction_factor):\n"
            "    scores = [score for _, score in arrivals]\n"
            "    share = 1 - 1 / reduction_factor\n"
            "    return [trial for number, (trial, score) in enumerate(arrivals)\n"
            "            if number and score < np.quantile(scores[:number], share)]",
        ),
    ],
    "ask_tell_search": [
        (
            "saves its attributes",
            SEARCH[: SEARCH.index("    def save")] + "    def save(self, checkpoint_path):\n"
            "        with open(checkpoint_path, 'wb') as file:\n"
            "            pickle.dump(self.__dict__, file)\n\n"
            "    def restore(self, checkpoint_path):\n"
            "        with open(checkpoint_path, 'rb') as file:\n"
            "            self.__dict__.update(pickle.load(file))",
        ),
        (
            "keeps all in one dict",
            changed(
                SEARCH,
                (
                    "self.optimizer, self.points = optimizer, {}",
                    "self.state = {'optimizer': optimizer, 'points': {}}",
                ),
                ("(self.optimizer, self.points), file", "self.state, file"),
                ("self.optimizer, self.points = pickle", "self.state = pickle"),
                ("self.optimizer.", "self.state['optimizer']."),
                ("self.points", "self.state['points']"),
            ),
        ),
    ],
}
