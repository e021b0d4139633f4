"""Answers to the exercises of lab 11."""

from tests.support.changed import changed

_NOTIFIER = (
    "class Notifier(tune.Callback):\n"
    "    def __init__(self, metric):\n"
    "        self.metric, self.best, self.messages = metric, float('-inf'), []\n"
    "    def on_trial_result(self, iteration, trials, trial, result, **info):\n"
    "        value = result.get(self.metric, float('nan'))\n"
    "        if value > self.best:\n"
    "            self.best = value\n"
    "            self.messages.append(('best', trial.trial_id, value))\n"
    "    def on_trial_error(self, iteration, trials, trial, **info):\n"
    "        self.messages.append(('failed', trial.trial_id))\n"
)
_ONE_FILE = (
    "class OneFile(tune.logger.LoggerCallback):\n"
    "    def __init__(self, path, metrics):\n"
    "        self.path, self.metrics = path, metrics\n"
    "    def log_trial_result(self, iteration, trial, result):\n"
    "        line = {'trial': trial.trial_id, 'iteration': result['training_iteration']}\n"
    "        line |= {name: result[name] for name in self.metrics if name in result}\n"
    "        with open(self.path, 'a') as file:\n"
    "            file.write(json.dumps(line) + '\\n')\n"
)
_KEPT_OPEN = (
    "class OneFile(tune.logger.LoggerCallback):\n"
    "    def __init__(self, path, metrics):\n"
    "        self.path, self.metrics = path, metrics\n"
    "    def setup(self, *args, **info):\n"
    "        self.file = open(self.path, 'a')\n"
    "    def log_trial_result(self, iteration, trial, result):\n"
    "        line = {'trial': trial.trial_id, 'iteration': result['training_iteration']}\n"
    "        line |= {name: result[name] for name in self.metrics if name in result}\n"
    "        self.file.write(json.dumps(line) + '\\n')\n"
    "        self.file.flush()\n"
)
_TRIAL_LINES = (
    "class TrialLines(tune.ProgressReporter):\n"
    "    def __init__(self):\n"
    "        self.told = 0\n"
    "    def ended(self, trials):\n"
    "        return sum(trial.status in ('TERMINATED', 'ERROR') for trial in trials)\n"
    "    def should_report(self, trials, done=False):\n"
    "        return self.ended(trials) > self.told\n"
    "    def report(self, trials, done, *sys_info):\n"
    "        self.told = self.ended(trials)\n"
    "        print(f'{self.told} of {len(trials)} trials ended')\n"
)


_READ = (
    "def best_from_disk(folder):\n    ends = {}\n"
    "    for file in sorted(Path(folder).glob('*/result.json')):\n"
    "        lines = file.read_text().splitlines()\n"
)
_CONFIG = "json.loads((best.parent / 'params.json').read_text())"

WRONG = {
    "best_from_disk": [
        (
            "the best moment instead of the end",
            f"{_READ}"
            "        scores = [json.loads(line).get('accuracy', -1) for line in lines]\n"
            "        ends[file] = max(scores, default=-1)\n"
            f"    best = max(ends, key=ends.get)\n    return {_CONFIG}",
            "Only the last report counts",
        ),
        (
            "trusts max with NaN",
            f"{_READ}"
            "        if lines:\n            ends[file] = json.loads(lines[-1])['accuracy']\n"
            f"    best = max(ends, key=ends.get)\n    return {_CONFIG}",
            "ended with NaN",
        ),
        (
            "expects a report of every trial",
            f"{_READ}"
            "        accuracy = json.loads(lines[-1])['accuracy']\n"
            "        ends[file] = -1 if accuracy != accuracy else accuracy\n"
            f"    best = max(ends, key=ends.get)\n    return {_CONFIG}",
            "they never reported; your code raised IndexError",
        ),
        (
            "reads the CSV",
            "def best_from_disk(folder):\n    ends = {}\n"
            "    for file in Path(folder).glob('*/progress.csv'):\n"
            "        ends[file] = pd.read_csv(file)['accuracy'].iloc[-1]\n"
            f"    best = max(ends, key=ends.get)\n    return {_CONFIG}",
            "Only the last report of each is sure to have it",
        ),
        (
            "the lowest",
            f"{_READ}"
            "        ends[file] = json.loads(lines[-1])['accuracy'] if lines else 1\n"
            f"    best = min(ends, key=ends.get)\n    return {_CONFIG}",
            "The last accuracies were",
        ),
        (
            "returns the folder",
            f"{_READ}"
            "        ends[file] = json.loads(lines[-1])['accuracy'] if lines else -1\n"
            "    best = max(ends, key=ends.get)\n    return best.parent",
            "Return the config, as params.json has it",
        ),
        (
            "takes all that lies there for a trial's folder",
            changed(
                _READ,
                ("(folder).glob('*/result.json')", "(folder).iterdir()"),
                ("file.read_text()", "(file / 'result.json').read_text()"),
            )
            + "        ends[file] = json.loads(lines[-1])['accuracy'] if lines else -1\n"
            "    best = max(ends, key=ends.get)\n"
            "    return json.loads((best / 'params.json').read_text())",
            "all reported, your code raised NotADirectoryError",
        ),
    ],
    "notifier": [
        (
            "tells every report",
            changed(_NOTIFIER, ("            self.best = value\n", "")),
            "a message for every report",
        ),
        (
            "tells what is as good",
            changed(_NOTIFIER, ("value > self.best", "value >= self.best")),
            "as good is not better",
        ),
        (
            "a best for each trial",
            changed(
                _NOTIFIER,
                ("float('-inf'), []", "{}, []"),
                ("value > self.best", "value > self.best.get(trial.trial_id, -1e9)"),
                ("self.best = value", "self.best[trial.trial_id] = value"),
            ),
            "one best of all trials",
        ),
        (
            "begins at zero",
            changed(_NOTIFIER, ("float('-inf')", "0")),
            "a return can be below zero",
        ),
        (
            "lets NaN be the best",
            changed(
                _NOTIFIER,
                ("value > self.best", "not value <= self.best"),
                ("float('nan'))", "float('-inf'))"),
            ),
            "NaN is no best",
        ),
        (
            "tells of falls that are mended",
            changed(_NOTIFIER, ("on_trial_error", "on_trial_recover")),
            "Tune started it again",
        ),
        (
            "takes every end for a failure",
            changed(_NOTIFIER, ("on_trial_error", "on_trial_complete")),
            "it completed",
        ),
        (
            "a list in the class",
            changed(
                _NOTIFIER,
                ("float('-inf'), []\n", "float('-inf'), type(self).messages\n"),
                ("    def __init__", "    messages = []\n    def __init__"),
            ),
            "shared by all its objects",
        ),
        (
            "a hook that does not exist",
            changed(_NOTIFIER, ("on_trial_result", "on_result")),
            "Its name must be exact",
        ),
        (
            "less is better",
            changed(
                _NOTIFIER,
                ("float('-inf')", "float('inf')"),
                ("value > self.best", "value < self.best"),
            ),
            "Higher is better here",
        ),
        (
            "zero where the metric is missing",
            changed(_NOTIFIER, ("float('nan'))", "0.0)")),
            "Only a report that has the metric",
        ),
        (
            "no hook for failures",
            changed(_NOTIFIER, ("on_trial_error", "on_trial_failed")),
            "That is on_trial_error",
        ),
        (
            "leaves out the value",
            changed(_NOTIFIER, ("trial.trial_id, value)", "trial.trial_id)")),
            "`messages` should be",
        ),
        (
            "no Callback",
            changed(_NOTIFIER, ("(tune.Callback)", "")),
            "must be a subclass of tune.Callback",
        ),
        (
            "a set",
            changed(_NOTIFIER, ("float('-inf'), []", "float('-inf'), set()")),
            "should have a list `messages`",
        ),
        (
            "a sentence",
            changed(_NOTIFIER, ("('best', trial.trial_id, value)", "f'{trial.trial_id} is best'")),
            "A message is a tuple",
        ),
    ],
    "one_file": [
        (
            "opens the file in __init__",
            changed(_KEPT_OPEN, ("    def setup(self, *args, **info):\n", "")),
            "Tune pickles its callbacks",
        ),
        (
            "does not flush",
            changed(_KEPT_OPEN, ("        self.file.flush()\n", "")),
            "still in a buffer",
        ),
        (
            "empties the file each time",
            changed(_ONE_FILE, ("'a'", "'w'")),
            "'w' empties a file",
        ),
        (
            "empties the file when a trial starts",
            f"{_ONE_FILE}    def log_trial_start(self, trial):\n"
            "        open(self.path, 'w').close()\n",
            "does that happen when another trial starts",
        ),
        (
            "forgets the newline",
            changed(_ONE_FILE, (" + '\\n'", "")),
            "End each with a newline",
        ),
        (
            "closes the file when one trial ends",
            f"{_KEPT_OPEN}    def log_trial_end(self, trial, failed=False):\n"
            "        self.file.close()\n",
            "must not close it for the others",
        ),
        (
            "expects every metric",
            changed(_ONE_FILE, (" if name in result", "")),
            "KeyError: 'accuracy'",
        ),
        (
            "writes a dict as Python prints it",
            changed(_ONE_FILE, ("json.dumps(line)", "str(line)")),
            "no JSON",
        ),
        (
            "no LoggerCallback",
            changed(_ONE_FILE, ("(tune.logger.LoggerCallback)", "")),
            "must be a subclass of tune.logger.LoggerCallback",
        ),
        (
            "a hook that does not exist",
            changed(_ONE_FILE, ("log_trial_result", "log_result")),
            "there is nothing in the file",
        ),
        (
            "another key",
            changed(_ONE_FILE, ("'iteration': result", "'step': result")),
            "it should be {'trial'",
        ),
    ],
    "trial_lines": [
        (
            "prints at every turn",
            changed(_TRIAL_LINES, ("return self.ended(trials) > self.told", "return True")),
            "when no other trial had ended",
        ),
        (
            "prints at the end only",
            changed(_TRIAL_LINES, ("return self.ended(trials) > self.told", "return done")),
            "When 1 of 4 trials had ended, you printed nothing",
        ),
        (
            "does not remember",
            changed(
                _TRIAL_LINES,
                ("        self.told = self.ended(trials)\n", ""),
                ("{self.told} of", "{self.ended(trials)} of"),
            ),
            "Remember in report",
        ),
        (
            "forgets those that failed",
            changed(_TRIAL_LINES, ("in ('TERMINATED', 'ERROR')", "== 'TERMINATED'")),
            "has ended too",
        ),
        (
            "once more at the end",
            changed(_TRIAL_LINES, ("> self.told", "> self.told or done")),
            "at the end, when all had been told",
        ),
        (
            "takes a pause for an end",
            changed(_TRIAL_LINES, ("in ('TERMINATED', 'ERROR')", "not in ('PENDING', 'RUNNING')")),
            "PAUSED goes on later",
        ),
        (
            "a line for each trial",
            changed(
                _TRIAL_LINES,
                (
                    "        self.told = self.ended(trials)\n        print(",
                    "        while self.told < self.ended(trials):\n            self.told += 1\n"
                    "            print(",
                ),
            ),
            "one for all that ended",
        ),
        (
            "counts those left",
            changed(
                _TRIAL_LINES, ("{self.told} of {len(trials)}", "{len(trials) - self.told} left of")
            ),
            "begin with how many have",
        ),
        (
            "no ProgressReporter",
            changed(_TRIAL_LINES, ("(tune.ProgressReporter)", "")),
            "must be a subclass of tune.ProgressReporter",
        ),
    ],
}

RIGHT = {
    "best_from_disk": [
        (
            "the config out of result.json, by pandas",
            "def best_from_disk(folder):\n    ends = []\n"
            "    for file in Path(folder).glob('*/result.json'):\n"
            "        lines = file.read_text().splitlines()\n"
            "        ends += [json.loads(lines[-1])] if lines else []\n"
            "    return pd.DataFrame(ends).pipe(lambda f: f.config[f.accuracy.idxmax()])",
        ),
    ],
    "notifier": [
        (
            "None before the first best",
            changed(
                _NOTIFIER,
                ("float('-inf')", "None"),
                (
                    "value > self.best",
                    "value == value and (self.best is None or value > self.best)",
                ),
            ),
        ),
    ],
    "one_file": [("kept open", _KEPT_OPEN)],
    "trial_lines": [
        (
            "remembers when it is asked",
            "class TrialLines(tune.ProgressReporter):\n    told = 0\n"
            "    def should_report(self, trials, done=False):\n"
            "        before = self.told\n"
            "        self.told = sum(t.status in ('TERMINATED', 'ERROR') for t in trials)\n"
            "        return self.told > before\n"
            "    def report(self, trials, done, *sys_info):\n"
            "        print(self.told, 'of', len(trials), 'trials ended')\n",
        ),
    ],
}
