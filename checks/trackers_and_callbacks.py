"""Checks of lab 11."""

import io
import json
import math
import pickle
import re
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

from ray import cloudpickle, tune

from checks.engine import NotYet, exercise, run_without_ray, show
from helpers import plots

NAN = math.nan


class Trial:
    """A made-up trial, with what callbacks and reporters look at."""

    def __init__(self, trial_id: str, status: str = "RUNNING"):
        self.trial_id, self.status, self.config = trial_id, status, {"lr": 0.1}

    def __repr__(self) -> str:
        return f"train_{self.trial_id}"


# --- best_from_disk ---

# Trials that a sweep left: each a config and the accuracies that it reported, the first without.
PLAIN = [
    ("slow", [0.2, 0.4, 0.6]),
    ("good", [0.5, 0.7, 0.8]),
    ("flash", [0.6, 0.9, 0.5]),
    ("poor", [0.1, 0.2, 0.3]),
]
GOOD = {"lr": 0.1, "name": "good"}
WITH_NAN = [("lost", [0.5, NAN]), ("strayed", [0.9, NAN]), ("gone", [NAN, NAN])]
SILENT = [("silent", None), ("mute", None)]


@exercise
def best_from_disk(answer) -> str:
    """`best_from_disk(folder)` returns the config of the trial with the highest last accuracy."""
    (kind, plain), *others = run_without_ray(_read, answer)
    if kind == "raised":
        raise NotYet(
            f"In a folder of four trials that all reported, your code raised {plain}."
            + (" Only the last report of each is sure to have it." if "'accuracy'" in plain else "")
        )
    if kind == "odd":
        raise NotYet(f"Return the config, as params.json has it: a dict. You returned {plain}")
    if plain.get("name") == "flash":
        raise NotYet(
            "You returned the trial that had 0.9 in the middle and ended at 0.5. Only the last "
            "report counts, which is the last line of result.json."
        )
    if plain != GOOD:
        raise NotYet(
            "The last accuracies were 0.6, 0.8, 0.5 and 0.3. The config of the second was asked "
            f"for, as it is in params.json; you returned {plain}."
        )
    whys = (
        "In some folders trials ended with NaN as their accuracy",
        "In some folders trials have an empty result.json: they never reported",
    )
    for (kind, result), why in zip(others, whys, strict=True):
        if kind == "raised":
            raise NotYet(f"{why}; your code raised {result}")
        if result != GOOD:
            raise NotYet(f"{why}. The best of the others was asked for; you returned {result}.")
    return "found among those that reported, whatever else lay in the folder."


def _read(answer):
    """What became of `answer` in folders of each kind, as `_ask` tells it.

    Of a kind with something in the way there are several folders, in which it comes in other
    places, and the first wrong result is kept.
    """
    extras = {"plain": [[]], "NaN": [[one] for one in WITH_NAN] + [WITH_NAN], "silent": [SILENT]}
    told = []
    for kinds in extras.values():
        results = []
        for extra in kinds:
            for first in (True, False):
                results.append(_ask(answer, [*extra, *PLAIN] if first else [*PLAIN, *extra]))
        right = ("config", GOOD)
        told.append(next((result for result in results if result != right), right))
    return told


def _ask(answer, trials):
    """("config", it), ("odd", what was returned instead) or ("raised", the error's text)."""
    with tempfile.TemporaryDirectory(prefix="ray-labs-") as folder:
        Path(folder, "tuner.pkl").write_bytes(b"")  # Tune's own, beside the trials
        for number, (name, accuracies) in enumerate(trials):
            _write(Path(folder, f"train_{number:02}"), name, accuracies)
        try:
            config = answer(folder)
        except Exception as error:
            return "raised", f"{type(error).__name__}: {error}"
        if not isinstance(config, dict):
            return "odd", f"{type(config).__name__}: {str(config)[:80]}"
        return "config", config


def _write(folder: Path, name: str, accuracies: list[float] | None) -> None:
    """A trial's folder as Tune leaves it; `accuracies` is None where it never reported."""
    config = {"lr": 0.1, "name": name}
    folder.mkdir()
    (folder / "params.json").write_text(json.dumps(config))
    reports = [] if accuracies is None else [{"loss": 1.0}, *({"accuracy": a} for a in accuracies)]
    lines = [
        json.dumps({**report, "training_iteration": number, "config": config}) + "\n"
        for number, report in enumerate(reports, start=1)
    ]
    (folder / "result.json").write_text("".join(lines))
    if reports:
        rows = [f"1.0,{number}" for number in range(1, len(reports) + 1)]
        (folder / "progress.csv").write_text("\n".join(["loss,training_iteration", *rows]) + "\n")


# --- notifier ---


class Sweep(NamedTuple):
    """Calls of hooks as (hook, trial, report or None), and the messages that they should cause."""

    calls: list[tuple[str, str, dict | None]]
    messages: list[tuple]


SWEEPS = {
    "bests": Sweep(
        [
            ("on_trial_result", "a", {"score": 0.5}),
            ("on_trial_result", "b", {"score": 0.3}),
            ("on_trial_result", "b", {"score": 0.5}),
            ("on_trial_result", "a", {"score": 0.4}),
            ("on_trial_result", "b", {"score": 0.9}),
        ],
        [("best", "a", 0.5), ("best", "b", 0.9)],
    ),
    "negative": Sweep(
        [("on_trial_result", "a", {"score": -300.0}), ("on_trial_result", "a", {"score": -200.0})],
        [("best", "a", -300.0), ("best", "a", -200.0)],
    ),
    "missing": Sweep(
        [("on_trial_result", "a", {"loss": 1.0}), ("on_trial_result", "a", {"score": 0.2})],
        [("best", "a", 0.2)],
    ),
    "nan": Sweep(
        [
            ("on_trial_result", "a", {"score": NAN}),
            ("on_trial_result", "b", {"score": 0.1}),
            ("on_trial_result", "a", {"score": NAN}),
            ("on_trial_result", "b", {"score": 0.2}),
        ],
        [("best", "b", 0.1), ("best", "b", 0.2)],
    ),
    "failures": Sweep(
        [
            ("on_trial_result", "a", {"score": 0.5}),
            ("on_trial_recover", "a", None),
            ("on_trial_complete", "b", None),
            ("on_trial_recover", "c", None),
            ("on_trial_error", "c", None),
            ("on_trial_complete", "a", None),
        ],
        [("best", "a", 0.5), ("failed", "c")],
    ),
}


@exercise
def notifier(answer) -> str:
    """`Notifier(metric).messages` has each new best and each trial that failed for good."""
    heard = run_without_ray(_notified, answer)
    if isinstance(heard, str):
        raise NotYet(heard)
    _hears_bests(heard)
    _hears_failures(heard)
    return "every best and every failure was told, once, and nothing else."


def _hears_bests(heard: dict[str, list]) -> None:
    first = heard["bests"]
    if not first:
        raise NotYet(
            "After five reports `messages` is still empty. Which hook does Tune "
            "call at a report? Its name must be exact."
        )
    if len(first) == 5:
        raise NotYet(
            "There is a message for every report. Keep the best so far in the object, and tell "
            "only what is better."
        )
    if ("best", "b", 0.3) in first and ("best", "b", 0.9) not in first:
        raise NotYet("Of 0.5, 0.3 and 0.9 you told 0.3 and not 0.9. Higher is better here.")
    if [message for message in first if message[:2] == ("best", "b")][:1] == [("best", "b", 0.3)]:
        raise NotYet(
            "Trial b reported 0.3 when a had 0.5, and you told it as a best. It is one best of all "
            "trials, not one for each."
        )
    if ("best", "b", 0.5) in first:
        raise NotYet("You told a report of 0.5 when 0.5 was the best: as good is not better.")
    _compare("score of 0.5, 0.3, 0.5, 0.4 and 0.9", heard, "bests")
    if not heard["negative"]:
        raise NotYet(
            "Reports of -300 and -200 brought no message: a return can be below zero. Begin with "
            "a best that every number beats."
        )
    _compare("score of -300 and -200", heard, "negative")
    if heard["missing"] != SWEEPS["missing"].messages:
        raise NotYet(
            f"A report without the metric came before one of 0.2, and you told {heard['missing']}. "
            "Only a report that has the metric can be a best."
        )
    if heard["nan"] != SWEEPS["nan"].messages:
        raise NotYet(
            f"Reports of NaN, 0.1, NaN and 0.2 came, and you told {heard['nan']}. NaN is no best, "
            "and must not stand in the way of the numbers after it."
        )


def _hears_failures(heard: dict[str, list]) -> None:
    failed = [message[1] for message in heard["failures"] if message[0] == "failed"]
    if failed and failed[0] == "a":
        raise NotYet(
            "You told that a failed, but Tune started it again, and it completed. "
            "on_trial_recover is for those; which hook comes when it is over for good?"
        )
    if "b" in failed:
        raise NotYet("You told that b failed; it completed. on_trial_complete is for those.")
    if failed != ["c"]:
        raise NotYet(
            f"Trial c failed for good, and you told of {failed or 'no failure'}. That is "
            "on_trial_error."
        )
    _compare("a best and a failure", heard, "failures")


def _compare(what: str, heard: dict[str, list], name: str) -> None:
    if heard[name] != SWEEPS[name].messages:
        raise NotYet(
            f"After {what} came, `messages` should be {SWEEPS[name].messages}; "
            f"yours is {heard[name]}."
        )


def _notified(answer):
    """A sweep's name to the messages of a notifier of its own; a sentence if that cannot be."""
    heard = {}
    for name, sweep in SWEEPS.items():
        callback = answer("score")
        if not isinstance(callback, tune.Callback):
            return "Notifier must be a subclass of tune.Callback, or Tune will not take it."
        if not isinstance(getattr(callback, "messages", None), list):
            return "A new Notifier should have a list `messages`; make it in __init__."
        if callback.messages:
            return (
                "A second Notifier began with the messages of the first. A list made in the class "
                "is shared by all its objects: make it in __init__."
            )
        _play(callback, sweep.calls)
        odd = [one for one in callback.messages if not isinstance(one, (tuple, list))]
        if odd:
            return f"A message is a tuple such as ('best', 'a', 0.5); yours is {odd[0]!r}."
        heard[name] = [tuple(message) for message in callback.messages]
    return heard


def _play(callback: tune.Callback, calls: list[tuple[str, str, dict | None]]):
    """Call hooks as Tune does: by keyword; trials with the same name are the same object."""
    trials = {name: Trial(name) for _, name, _ in calls}
    steps = dict.fromkeys(trials, 0)
    for number, (hook, name, report) in enumerate(calls):
        info = {"iteration": number, "trials": list(trials.values()), "trial": trials[name]}
        if report is not None:
            steps[name] += 1
            info["result"] = {**report, "training_iteration": steps[name], "trial_id": name}
        getattr(callback, hook)(**info)


# --- one_file ---

REPORTS = [
    ("a", {"loss": 0.9}),
    ("b", {"loss": 0.8, "phase": "warm-up"}),
    ("a", {"loss": 0.7, "accuracy": 0.5}),
    ("b", {"loss": 0.6, "accuracy": 0.75}),
]
WANTED = ["loss", "accuracy"]


@exercise
def one_file(answer) -> str:
    """`OneFile(path, metrics)` appends one line of JSON for each report, whole at any time."""
    kind, detail = run_without_ray(_logged, answer)
    if kind == "class":
        raise NotYet(
            "OneFile must be a subclass of tune.logger.LoggerCallback, or Tune will not take it."
        )
    if kind == "pickle":
        raise NotYet(
            f"Tune pickles its callbacks before the sweep starts, and yours cannot be: {detail}. "
            "What you open in __init__ is open then; open it in setup, or at each report."
        )
    if kind == "ended":
        raise NotYet(
            f"When trial a had ended and b reported, your code raised {detail}. The file is for "
            "all trials: one that ends must not close it for the others."
        )
    if kind == "raised":
        raise NotYet(f"At a report of {detail[0]} your code raised {detail[1]}")
    _judge_texts(detail)
    return "one line for each report, there as soon as the report was."


def _judge_texts(texts: list[str]) -> None:
    """Raise NotYet unless the file's texts, after each report and in the end, are right."""
    *during, last = texts
    lines = last.splitlines()
    if not lines:
        raise NotYet("After the whole sweep there is nothing in the file at `path`.")
    if len(lines) == 1 and last.count("{") > 1:
        raise NotYet(f"All reports are in one line, {last[:60]}… End each with a newline.")
    if len(lines) == 1:
        raise NotYet(
            f"After {len(REPORTS)} reports the file has one line, that of the last. Opening with "
            "'w' empties a file; 'a' appends."
        )
    if len(lines) < len(REPORTS):
        raise NotYet(
            f"After {len(REPORTS)} reports the file has {len(lines)} lines. Opening with 'w' "
            "empties a file; does that happen when another trial starts?"
        )
    if len(lines) != len(REPORTS):
        raise NotYet(f"After {len(REPORTS)} reports the file has {len(lines)} lines.")
    for number, (line, expected) in enumerate(zip(lines, _lines(), strict=True), start=1):
        try:
            found = json.loads(line)
        except ValueError:
            raise NotYet(f"This line is no JSON: {line[:80]} json.dumps makes it.") from None
        if found != expected:
            raise NotYet(f"For report {number} you wrote {found}; it should be {expected}.")
    for number, text in enumerate(during, start=1):
        if len(text.splitlines()) < number:
            raise NotYet(
                f"After report {number} only {len(text.splitlines())} of {number} lines could be "
                "read: the rest was still in a buffer. Flush after each line, or close the file."
            )


def _lines() -> list[dict]:
    """What the lines of the file should hold."""
    steps, lines = {"a": 0, "b": 0}, []
    for name, report in REPORTS:
        steps[name] += 1
        kept = {metric: report[metric] for metric in WANTED if metric in report}
        lines.append({"trial": name, "iteration": steps[name], **kept})
    return lines


def _logged(answer):
    """What became of the logger; if it lived, the file's text after each report and at the end."""
    with tempfile.TemporaryDirectory(prefix="ray-labs-") as folder:
        path = str(Path(folder, "all.jsonl"))
        logger = answer(path, list(WANTED))
        if not isinstance(logger, tune.logger.LoggerCallback):
            return "class", None
        try:
            cloudpickle.dumps(logger)
        except (TypeError, pickle.PicklingError) as error:
            return "pickle", str(error)
        logger.setup(stop=None, num_samples=1, total_num_samples=2)
        texts, trials, steps = [], {"a": Trial("a"), "b": Trial("b")}, {"a": 0, "b": 0}
        info = {"iteration": 0, "trials": list(trials.values())}
        for number, (name, report) in enumerate(REPORTS):
            if number == 3:
                logger.on_trial_complete(trial=trials["a"], **info)
            steps[name] += 1
            extra = {"training_iteration": steps[name], "trial_id": name, "config": {"lr": 0.1}}
            if steps[name] == 1:
                logger.on_trial_start(trial=trials[name], **info)
            try:
                result = {**report, **extra}
                logger.on_trial_result(trial=trials[name], result=result, **info)
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                return ("ended", text) if number == 3 else ("raised", (report, text))
            texts.append(_text(path))
        logger.on_trial_error(trial=trials["b"], **info)
        logger.on_experiment_end(trials=info["trials"])
        del logger  # what was left in its buffers is written now
        return "texts", [*texts, _text(path)]


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


# --- trial_lines ---

# A sweep from turn to turn: each trial's status by its first letter.
TURNS = ["PPPP", "RRPP", "RSRP", "TRRP", "TRRP", "TERR", "TERR", "TETT", "TETT"]
SYSTEM = ("Using FIFO scheduling algorithm.", "Logical resource usage: 1.0/2 CPUs")
STATUS = {"P": "PENDING", "R": "RUNNING", "S": "PAUSED", "T": "TERMINATED", "E": "ERROR"}


@exercise
def trial_lines(answer) -> str:
    """`TrialLines` prints one line when more trials have ended, with how many."""
    printed = run_without_ray(_printed, answer)
    if printed is None:
        raise NotYet("TrialLines must be a subclass of tune.ProgressReporter.")
    show(_draw_turns(printed))
    told = 0
    for turn, (statuses, text) in enumerate(zip(TURNS, printed, strict=True), start=1):
        lines, ended = text.splitlines(), statuses.count("T") + statuses.count("E")
        last = turn == len(TURNS)
        if lines and ended == told:
            when = "at the end, when all had been told" if last else "when no other trial had ended"
            forgot = "" if last or not told else " Remember in report what you told."
            later = " A trial that is PAUSED goes on later." if "S" in statuses else ""
            raise NotYet(f"You printed {lines[0]!r} {when}.{forgot}{later}")
        if ended > told and not lines:
            failed = " A trial whose status is ERROR has ended too." if "E" in statuses else ""
            raise NotYet(f"When {ended} of 4 trials had ended, you printed nothing.{failed}")
        if len(lines) > 1:
            raise NotYet(
                f"When {ended - told} more had ended, you printed {len(lines)} lines; one for all "
                "that ended since the last."
            )
        if lines and str(ended) not in re.findall(r"\d+", lines[0])[:1]:
            raise NotYet(
                f"When {ended} of 4 trials had ended, you printed {lines[0]!r}. The line should "
                f"begin with how many have, such as {f'{ended} of 4 trials ended'!r}."
            )
        told = ended
    return "a line when there was something to say, and only then."


def _printed(answer) -> list[str] | None:
    """What is printed at each turn, asked as Tune asks; None if it is no reporter."""
    reporter = answer()
    if not isinstance(reporter, tune.ProgressReporter):
        return None
    reporter.setup(start_time=0.0, total_samples=4, metric="score", mode="max")
    trials = [Trial(name) for name in "abcd"]
    printed = []
    for turn, statuses in enumerate(TURNS, start=1):
        for trial, letter in zip(trials, statuses, strict=True):
            trial.status = STATUS[letter]
        done = turn == len(TURNS)
        with redirect_stdout(io.StringIO()) as text:
            if reporter.should_report(trials, done=done):
                reporter.report(trials, done, *SYSTEM)
        printed.append(text.getvalue())
    return printed


def _draw_turns(printed: list[str]):
    """Turn by turn, how many trials had ended, and where something was printed."""
    figure, axis = plots.figure(6, 2.2)
    turns = range(1, len(TURNS) + 1)
    ended = [statuses.count("T") + statuses.count("E") for statuses in TURNS]
    axis.step(turns, ended, where="mid", color=plots.PALE)
    told = [(turn, count) for turn, count, text in zip(turns, ended, printed, strict=True) if text]
    if told:
        axis.plot(*zip(*told, strict=True), "o", color=plots.BLUE)
    axis.set(xlabel="turn of Tune's loop", ylabel="trials ended", yticks=range(5))
    axis.set_title("Dots: where you printed")
    return figure
