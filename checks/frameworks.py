"""Checks of lab 14."""

import os
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from ray import cloudpickle, tune

from checks.engine import NotYet, exercise, run_without_ray, show
from checks.trials import Reported, reports
from helpers import plots

PRELOAD = ["checks.warm_keras"]  # by the engine; not here, where it would slow down the notebook

# --- train_in_steps ---

STEPS, ROWS = 3, 60
VALIDATION = list(range(ROWS, ROWS + 20))  # numbers of its rows; the training rows come before
LABELS = ("cat", "dog", "owl")


@exercise
def train_in_steps(answer) -> str:
    """`train_in_steps(config, data)`: a report after each pass over the training rows."""
    seen = run_without_ray(_watched_steps, cloudpickle.dumps(answer), limit=20.0)
    if not seen.reports:
        raise NotYet("Tune received no report. Call tune.report after each pass.")
    if any("accuracy" not in one.metrics for one in seen.reports):
        raise NotYet("Each report should be a dict that holds accuracy.")
    if seen.fits:
        raise NotYet(
            f"You called fit {seen.fits} times. It forgets what was learned and begins anew, so "
            "the last pass alone counts. partial_fit continues."
        )
    if seen.made > 1:
        raise NotYet(f"You made {seen.made} estimators. Make one, before the loop.")
    if len(seen.reports) != STEPS:
        raise NotYet(
            f'With config["steps"] = {STEPS} Tune should receive {STEPS} reports; it received '
            f"{len(seen.reports)}. Report after each pass, so that a scheduler can stop the trial."
        )
    for number, one in enumerate(seen.reports, start=1):
        _learned(one.seen)
        _accuracy(number, one.metrics["accuracy"], one.seen)
    said = ", ".join(f"{one.metrics['accuracy']:.0%}" for one in seen.reports)
    return f"{STEPS} passes over {ROWS} rows, {STEPS} reports: {said}."


class Pass(NamedTuple):
    """What happened between two reports."""

    learned: list[int]  # the numbers of the rows that the estimator learned from
    mislabelled: list[int]  # those that came with another row's label
    judged: list[tuple[list[int], float]]  # rows, and the accuracy on them


class Steps(NamedTuple):
    """What a trainable did with the estimator that it was given."""

    reports: list[Reported]  # each with its Pass
    made: int
    fits: int


def _learned(one: Pass) -> None:
    """Raise NotYet unless this pass learned from every training row once and from no other."""
    if strange := [row for row in one.learned if row >= ROWS]:
        raise NotYet(
            f"Your estimator learned from {len(strange)} validation rows. It has seen them when "
            "they are to judge it."
        )
    if sorted(one.learned) != list(range(ROWS)):
        raise NotYet(
            f"Before a report your estimator learned from {len(one.learned)} rows. "
            f'data["train"] has {ROWS}, and a pass takes each once.'
        )
    if one.mislabelled:
        raise NotYet(
            f"{len(one.mislabelled)} of {ROWS} rows came with another row's label. Keep rows and "
            "labels in the same order."
        )


def _accuracy(number: int, said: float, one: Pass) -> None:
    """Raise NotYet unless this is the accuracy on the validation rows after this pass."""
    truths = [truth for rows, truth in one.judged if sorted(rows) == VALIDATION]
    if any(np.isclose(said, truth) for truth in truths):
        return
    if any(np.isclose(said, truth) for rows, truth in one.judged if sorted(rows) != VALIDATION):
        raise NotYet(
            f"After pass {number} you reported the accuracy on other rows than the validation "
            "rows. On rows that it learned from, every model looks good."
        )
    raise NotYet(
        f"After pass {number} you reported {said:.3g}, which is not the accuracy on "
        'data["validation"] at that time.'
    )


def _watched_steps(answer: bytes) -> Steps:
    made, fits = [], []
    passes = [Pass([], [], [])]
    features = np.random.default_rng(14).normal(size=(ROWS + len(VALIDATION), 4))
    labels = np.array(LABELS)[np.argmax(features[:, :3], axis=1)]
    features[:, 3] = range(len(features))  # a row's number, by which it is known again

    def model():
        made.append(1)
        return _watched(labels, fits, passes)

    def look(_) -> Pass:
        passes.append(Pass([], [], []))
        return passes[-2]

    data = {
        "train": (features[:ROWS], labels[:ROWS]),
        "validation": (features[ROWS:], labels[ROWS:]),
    }
    config = {"steps": STEPS, "model": model}
    heard = reports(tune, lambda: cloudpickle.loads(answer)(config, data), look)
    return Steps(heard, len(made), len(fits))


def _watched(truth: np.ndarray, fits: list[int], passes: list[Pass]):
    """An estimator of scikit-learn's that notes which rows it learns from and judges."""
    from sklearn.linear_model import SGDClassifier

    def numbers(rows) -> list[int]:
        return [round(number) for number in np.asarray(rows)[:, 3]]

    def note(rows, labels) -> None:
        own = numbers(rows)
        passes[-1].learned.extend(own)
        passes[-1].mislabelled.extend(
            row for row, label in zip(own, labels, strict=True) if truth[row] != label
        )

    class Watched(SGDClassifier):
        def fit(self, rows, labels, *more, **options):
            fits.append(1)
            return super().fit(rows[:, :3], labels, *more, **options)

        def partial_fit(self, rows, labels, *more, **options):
            note(rows, labels)
            return super().partial_fit(rows[:, :3], labels, *more, **options)

        def decision_function(self, rows):
            return super().decision_function(rows[:, :3] if rows.shape[1] == 4 else rows)

        def predict(self, rows):
            said, own = super().predict(rows[:, :3]), numbers(rows)
            passes[-1].judged.append((own, float(np.mean(said == truth[own]))))
            return said

    return Watched(random_state=0)


# --- train_boost ---

MOST, FEW, PATIENCE, RATE = 40, 4, 5, 0.2  # rounds of two runs, one too short to stop early


@exercise
def train_boost(answer) -> str:
    """`train_boost(config, data)`: a report a round, and the best round's model at the end."""
    heard, short = run_without_ray(_boosted, cloudpickle.dumps(answer), limit=30.0)
    rounds = _reported_rounds(heard)
    model = _only_checkpoint(heard)
    if len(rounds) < 2:
        raise NotYet(
            f"Tune received {len(rounds)} of the rounds' reports. Report after each round."
        )
    _same_rows(rounds, model)
    _stopped_early(rounds)
    _in_time(heard)
    _best_round(rounds, heard[-1].metrics["loss"], model)
    if len(short) != FEW + 1:
        raise NotYet(
            f'With config["rounds"] = {FEW} there should be {FEW} reports and one at the end; Tune '
            f"received {len(short)}."
        )
    _only_checkpoint(short)
    best = int(np.argmin(rounds)) + 1
    return f"{len(rounds)} rounds, and the model of round {best} is what is kept."


class Model(NamedTuple):
    """A checkpoint's files, and of the model in it: rounds, learning rate, validation loss."""

    files: list[str]
    rounds: int = 0
    rate: float = 0.0
    loss: float = 0.0


class Moment(NamedTuple):
    """At a report: how many rounds have been trained, and its checkpoint."""

    trained: int
    model: Model | None


def _reported_rounds(heard: list[Reported]) -> list[float]:
    """The losses of all reports but the last, after a picture of all."""
    if not heard:
        raise NotYet("Tune received no report. Call tune.report in a callback of LightGBM.")
    if any("loss" not in one.metrics for one in heard):
        raise NotYet("Each report should be a dict that holds loss.")
    losses = [float(one.metrics["loss"]) for one in heard]
    show(_drawn(losses))
    return losses[:-1]


def _only_checkpoint(heard: list[Reported]) -> Model:
    """The model of the last report, or NotYet if it has none, or another report has one."""
    saved = [one.seen.model for one in heard if one.seen.model]
    if not saved:
        raise NotYet(
            f"Tune received {len(heard)} reports, and none carried a checkpoint. Ray's callback "
            "saves after the last round that was asked for, which never came."
        )
    if len(saved) > 1 or not heard[-1].seen.model:
        raise NotYet(
            f"Of {len(heard)} reports {len(saved)} carried a checkpoint. The last report alone "
            "should, with the best round's model."
        )
    if not saved[0].rounds:
        raise NotYet(
            f"Your checkpoint holds {', '.join(saved[0].files) or 'nothing'}. Save the model in it "
            "as model.txt."
        )
    return saved[0]


def _same_rows(rounds: list[float], model: Model) -> None:
    """Raise NotYet unless the model's loss was reported, and its learning rate is config's."""
    said = rounds[min(model.rounds, len(rounds)) - 1]
    if not np.isclose(model.loss, said, rtol=1e-3):
        raise NotYet(
            f"For round {model.rounds}, whose model you saved, you reported {said:.3f}. Its log "
            f'loss on data["validation"] is {model.loss:.3f}. Did you report another measure, or '
            "other rows?"
        )
    if not np.isclose(model.rate, RATE):
        raise NotYet(
            f"The model was trained with a learning rate of {model.rate:g}. "
            f'config["learning_rate"] is {RATE:g}.'
        )


def _stopped_early(rounds: list[float]) -> None:
    """Raise NotYet unless training ended `PATIENCE` rounds after the best one."""
    best = int(np.argmin(rounds))
    if len(rounds) >= MOST:
        raise NotYet(
            f"All {MOST} rounds were run, though the loss was lowest in round {best + 1}. Stop "
            f"when it has not improved for {PATIENCE}: lightgbm.early_stopping."
        )
    if len(rounds) != best + 1 + PATIENCE:
        raise NotYet(
            f"The loss was lowest in round {best + 1}, and you reported {len(rounds)} rounds "
            f"before the last report. Report each round once, and stop {PATIENCE} after the best."
        )


def _in_time(heard: list[Reported]) -> None:
    """Raise NotYet unless each round was reported before the next one was trained."""
    trained = [one.seen.trained for one in heard[:-1]]
    if late := [number for number, count in enumerate(trained, start=1) if count > number]:
        raise NotYet(
            f"When you reported round {late[0]}, {trained[late[0] - 1]} rounds had been trained. A "
            "scheduler can stop a trial only if each report comes at once: report in a callback."
        )


def _best_round(rounds: list[float], last: float, model: Model) -> None:
    """Raise NotYet unless the model and the last report are the best round's."""
    best = int(np.argmin(rounds))
    if model.rounds != best + 1:
        raise NotYet(
            f"Your checkpoint holds the model of round {model.rounds}, but the loss was lowest in "
            f"round {best + 1}. The model that lightgbm.train returns ends with its best round."
        )
    if not np.isclose(last, rounds[best], rtol=1e-6):
        raise NotYet(
            f"Your last report says {last:.3f}, and the best round had {rounds[best]:.3f}. Tune "
            "ranks trials by their last report, so it should be that of the model in it."
        )


def _drawn(losses: list[float]):
    figure, axis = plots.figure(6, 2)
    axis.plot(range(1, len(losses) + 1), losses, "o-", markersize=3)
    best = int(np.argmin(losses))
    axis.plot(best + 1, losses[best], "o", color=plots.ORANGE)
    axis.set(xlabel="report", ylabel="loss", title="What you reported; the lowest in orange")
    return figure


def _boosted(answer: bytes) -> tuple[list[Reported], list[Reported]]:
    """What Tune receives where training stops early, and where there are few rounds."""
    os.environ["OMP_NUM_THREADS"] = "1"  # as Ray does for a trial with one CPU
    import lightgbm

    random = np.random.default_rng(14)
    rows = random.normal(size=(700, 6))
    noisy = rows[:, 0] + 0.6 * random.normal(size=len(rows))
    labels = np.digitize(noisy, np.quantile(noisy, np.linspace(0.1, 0.9, 9)))
    data = {"train": (rows[:500], labels[:500]), "validation": (rows[500:], labels[500:])}
    update, trained = lightgbm.Booster.update, []

    def counted(booster, *args, **options):
        trained.append(1)
        return update(booster, *args, **options)

    def look(folder: str | None) -> Moment:
        return Moment(len(trained), _model(folder, *data["validation"]) if folder else None)

    def heard(rounds: int) -> list[Reported]:
        trained.clear()
        config = {"learning_rate": RATE, "rounds": rounds}
        return reports(tune, lambda: cloudpickle.loads(answer)(config, data), look)

    with mock.patch.object(lightgbm.Booster, "update", counted):
        return heard(MOST), heard(FEW)


def _model(folder: str, rows: np.ndarray, labels: np.ndarray) -> Model:
    import lightgbm

    files = sorted(file.name for file in Path(folder).iterdir())
    if "model.txt" not in files:
        return Model(files)
    booster = lightgbm.Booster(model_file=f"{folder}/model.txt")
    shares = booster.predict(rows)[np.arange(len(rows)), labels]
    rate = float(booster.params["learning_rate"])
    return Model(files, booster.current_iteration(), rate, float(-np.log(shares).mean()))


# --- report_to_tune ---

EPOCHS = 3


@exercise
def report_to_tune(answer) -> str:
    """`ReportToTune(keras.callbacks.Callback)`: a report and a model for each epoch."""
    heard, history = run_without_ray(_fitted, cloudpickle.dumps(answer), limit=40.0)
    if not heard:
        raise NotYet("Tune received no report. Keras calls on_epoch_end after each epoch.")
    if len(heard) != EPOCHS:
        raise NotYet(f"{EPOCHS} epochs should make {EPOCHS} reports; Tune received {len(heard)}.")
    for epoch, (one, truth) in enumerate(zip(heard, history, strict=True), start=1):
        if one.metrics.keys() != {"val_accuracy"}:
            names = ", ".join(map(str, one.metrics)) or "nothing"
            raise NotYet(f"Your report holds {names}. It should hold val_accuracy alone.")
        said = float(one.metrics["val_accuracy"])
        if not np.isclose(said, truth):
            raise NotYet(
                f"In epoch {epoch} val_accuracy was {truth:.3f}; you reported {said:.3f}. accuracy "
                "is that on the training rows."
            )
        if one.seen is None:
            raise NotYet(f"The report of epoch {epoch} carries no checkpoint.")
        if one.seen is False:
            raise NotYet(
                f"The checkpoint of epoch {epoch} holds another epoch's model. Save it anew in "
                "each epoch."
            )
        if one.seen is not True:
            raise NotYet(
                f"The checkpoint of epoch {epoch} holds {one.seen}. Save the model in it as "
                "model.keras."
            )
    return f"{EPOCHS} epochs, {EPOCHS} reports, and each with its own model."


def _fitted(answer: bytes) -> tuple[list[Reported], list[float]]:
    """What Tune receives in a real fit, and the accuracies of its epochs.

    A report's `seen` is whether its checkpoint's model is that of the moment, or what files there
    are instead of one.
    """
    import keras

    keras.utils.set_random_seed(14)
    rows = np.random.default_rng(14).normal(size=(96, 4)).astype(np.float32)
    labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile(
        keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )

    def look(folder: str | None) -> bool | str | None:
        if folder is None:
            return None
        files = sorted(file.name for file in Path(folder).iterdir())
        if "model.keras" not in files:
            return ", ".join(files) or "nothing"
        saved = keras.saving.load_model(f"{folder}/model.keras")
        return np.allclose(saved.predict(rows, verbose=0), model.predict(rows, verbose=0))

    def train() -> None:
        callback = cloudpickle.loads(answer)()
        split = {"validation_data": (rows[64:], labels[64:]), "verbose": 0}
        past.append(model.fit(rows[:64], labels[:64], epochs=EPOCHS, callbacks=[callback], **split))

    past: list[Any] = []
    heard = reports(tune, train, look)
    return heard, past[0].history["val_accuracy"]
