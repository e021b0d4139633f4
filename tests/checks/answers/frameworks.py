"""Answers to the exercises of lab 14."""

from tests.support.changed import changed

_STEPS = """\
def train_in_steps(config, data):
    model = config["model"]()
    rows, labels = data["train"]
    for _ in range(config["steps"]):
        model.partial_fit(rows, labels, classes=np.unique(labels))
        tune.report({"accuracy": model.score(*data["validation"])})
"""
_BOOST = """\
def train_boost(config, data):
    import lightgbm

    def report(env):
        tune.report({"loss": env.evaluation_result_list[0][2]})

    train = lightgbm.Dataset(*data["train"])
    options = {"objective": "multiclass", "num_class": 10, "verbose": -1}
    model = lightgbm.train(
        options | {"learning_rate": config["learning_rate"]},
        train,
        num_boost_round=config["rounds"],
        valid_sets=[train.create_valid(*data["validation"])],
        valid_names=["validation"],
        callbacks=[report, lightgbm.early_stopping(5, verbose=False)],
    )
    best = model.best_score["validation"]["multi_logloss"]
    with TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.txt")
        tune.report({"loss": best}, checkpoint=tune.Checkpoint.from_directory(folder))
"""
_RAYS = """\
def train_boost(config, data):
    import lightgbm
    from ray.tune.integration.lightgbm import TuneReportCheckpointCallback

    train = lightgbm.Dataset(*data["train"])
    options = {"objective": "multiclass", "num_class": 10, "verbose": -1}
    lightgbm.train(
        options | {"learning_rate": config["learning_rate"]},
        train,
        num_boost_round=config["rounds"],
        valid_sets=[train.create_valid(*data["validation"])],
        valid_names=["validation"],
        callbacks=[
            TuneReportCheckpointCallback({"loss": "validation-multi_logloss"}),
            lightgbm.early_stopping(5, verbose=False),
        ],
    )
"""
_LAST = """\
    with TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.txt")
        tune.report(
            {"loss": model.best_score["validation"]["multi_logloss"]},
            checkpoint=tune.Checkpoint.from_directory(folder),
        )
"""
_KERAS = """\
class ReportToTune(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        with TemporaryDirectory() as folder:
            self.model.save(f"{folder}/model.keras")
            tune.report(
                {"val_accuracy": logs["val_accuracy"]},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )
"""

WRONG = {
    "train_in_steps": [
        (
            "fits anew in each step",
            changed(
                _STEPS,
                ("partial_fit(rows, labels, classes=np.unique(labels))", "fit(rows, labels)"),
            ),
            "partial_fit continues",
        ),
        (
            "reports once, at the end",
            changed(_STEPS, ("        tune.report", "    tune.report")),
            "Report after each pass, so",
        ),
        (
            "the accuracy on the training rows",
            changed(_STEPS, ('model.score(*data["validation"])', "model.score(rows, labels)")),
            "every model looks good",
        ),
        (
            "a new estimator in each step",
            """\
def train_in_steps(config, data):
    rows, labels = data["train"]
    for _ in range(config["steps"]):
        model = config["model"]()
        model.partial_fit(rows, labels, classes=np.unique(labels))
        tune.report({"accuracy": model.score(*data["validation"])})
""",
            "Make one, before the loop",
        ),
        (
            "without classes",
            changed(_STEPS, (", classes=np.unique(labels)", "")),
            "classes must be passed on the first call",
        ),
        (
            "learns from the validation rows too",
            changed(
                _STEPS,
                (
                    "        tune.report",
                    '        model.partial_fit(*data["validation"])\n        tune.report',
                ),
            ),
            "validation rows",
        ),
        (
            "a part of the rows in each step",
            changed(_STEPS, ("partial_fit(rows, labels,", "partial_fit(rows[:20], labels[:20],")),
            "takes each once",
        ),
        (
            "learns all, then reports",
            """\
def train_in_steps(config, data):
    model = config["model"]()
    for _ in range(config["steps"]):
        model.partial_fit(*data["train"], classes=np.unique(data["train"][1]))
    for _ in range(config["steps"]):
        tune.report({"accuracy": model.score(*data["validation"])})
""",
            "learned from 180 rows",
        ),
        (
            "shuffles the rows alone",
            changed(
                _STEPS,
                (
                    "        model.partial_fit(rows,",
                    "        mixed = np.random.default_rng(0).permutation(rows)\n"
                    "        model.partial_fit(mixed,",
                ),
            ),
            "another row's label",
        ),
        (
            "the steps of the lab",
            changed(_STEPS, ('range(config["steps"])', "range(PASSES)")),
            "it received 16",
        ),
        (
            "reports nothing",
            changed(_STEPS, ("tune.report(", "print(")),
            "Tune received no report",
        ),
        (
            "under another name",
            changed(_STEPS, ('"accuracy"', '"mean_accuracy"')),
            "holds accuracy",
        ),
        (
            "the share of mistakes",
            changed(
                _STEPS, ('model.score(*data["validation"])', '1 - model.score(*data["validation"])')
            ),
            "not the accuracy on",
        ),
    ],
    "train_boost": [
        ("Ray's callback as it comes", _RAYS, "none carried a checkpoint"),
        (
            "Ray's callback, a checkpoint a round",
            changed(
                _RAYS, ('"validation-multi_logloss"}', '"validation-multi_logloss"}, frequency=1')
            ),
            "The last report alone",
        ),
        (
            "the last round's model",
            changed(
                _BOOST,
                (
                    '        tune.report({"loss": env',
                    '        env.model.save_model(file)\n        tune.report({"loss": env',
                ),
                ("    import lightgbm\n", "    import lightgbm\n    file = 'last.txt'\n"),
                (
                    'model.save_model(f"{folder}/model.txt")',
                    "Path(file).rename(f'{folder}/model.txt')",
                ),
            ),
            "ends with its best round",
        ),
        (
            "the last round's loss",
            changed(
                _BOOST,
                (
                    "    def report(env):\n",
                    "    def report(env):\n"
                    "        losses.append(env.evaluation_result_list[0][2])\n",
                ),
                ("    import lightgbm\n", "    import lightgbm\n    losses = []\n"),
                ('{"loss": best}', '{"loss": losses[-1]}'),
            ),
            "Tune ranks trials by their last report",
        ),
        (
            "a rate of its own",
            changed(_BOOST, ('config["learning_rate"]', "0.1")),
            "a learning rate of 0.1",
        ),
        (
            "as many rounds as it likes",
            changed(_BOOST, ('config["rounds"]', "1000")),
            'With config["rounds"] = 4',
        ),
        (
            "reports when all is over",
            changed(
                _BOOST,
                ('tune.report({"loss": env', "(losses.append(env"),
                ("list[0][2]})", "list[0][2]))"),
                ("    import lightgbm\n", "    import lightgbm\n    losses = []\n"),
                (
                    "    with Temp",
                    '    for loss in losses:\n        tune.report({"loss": loss})\n    with Temp',
                ),
            ),
            "report in a callback",
        ),
        (
            "Ray's callback, which saves the last round too",
            changed(_RAYS, ("    lightgbm.train(", "    model = lightgbm.train(")) + _LAST,
            "The last report alone",
        ),
        (
            "no early stopping",
            changed(
                _BOOST,
                (", lightgbm.early_stopping(5, verbose=False)]", "]"),
                ('best = model.best_score["validation"]["multi_logloss"]', "best = 0"),
            ),
            "lightgbm.early_stopping",
        ),
        (
            "less patience",
            changed(_BOOST, ("early_stopping(5", "early_stopping(2")),
            "stop 5 after the best",
        ),
        (
            "reports only at the end",
            changed(_BOOST, ("[report, ", "[")),
            "Report after each round",
        ),
        (
            "the loss on the training rows",
            changed(
                _BOOST,
                ("valid_sets=[train.", "valid_sets=[train, train."),
                ('valid_names=["validation"]', 'valid_names=["training", "validation"]'),
            ),
            "Did you report another measure",
        ),
        (
            "another file",
            changed(_BOOST, ("model.txt", "booster.txt")),
            "model.txt",
        ),
        (
            "under another name",
            changed(_BOOST, ('"loss"', '"multi_logloss"')),
            "holds loss",
        ),
        (
            "reports nothing",
            changed(_BOOST, ("tune.report(", "print("), (", checkpoint=tune", ", tune")),
            "Tune received no report",
        ),
    ],
    "report_to_tune": [
        (
            "when training ends",
            changed(
                _KERAS, ("on_epoch_end(self, epoch, logs=None)", "on_train_end(self, logs=None)")
            ),
            "Tune received 1.",
        ),
        (
            "the accuracy on the training rows",
            changed(_KERAS, ('logs["val_accuracy"]', 'logs["accuracy"]')),
            "that on the training rows",
        ),
        (
            "all the epoch's numbers",
            changed(_KERAS, ('{"val_accuracy": logs["val_accuracy"]}', "logs")),
            "It should hold val_accuracy alone",
        ),
        (
            "without a checkpoint",
            "class ReportToTune(keras.callbacks.Callback):\n"
            "    def on_epoch_end(self, epoch, logs=None):\n"
            '        tune.report({"val_accuracy": logs["val_accuracy"]})\n',
            "carries no checkpoint",
        ),
        (
            "saves in the first epoch only",
            """\
class ReportToTune(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.folder = tempfile.mkdtemp()
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.model.save(f"{self.folder}/model.keras")
        tune.report(
            {"val_accuracy": logs["val_accuracy"]},
            checkpoint=tune.Checkpoint.from_directory(self.folder),
        )
""",
            "holds another epoch's model",
        ),
        (
            "another file",
            changed(_KERAS, ("model.keras", "weights.keras")),
            "Save the model in it as model.keras",
        ),
        (
            "on every batch",
            changed(
                _KERAS,
                ("on_epoch_end(self, epoch", "on_train_batch_end(self, batch"),
                ('logs["val_accuracy"]', 'logs["accuracy"]'),
            ),
            "should make 3 reports",
        ),
        (
            "a hook that Keras does not have",
            changed(_KERAS, ("on_epoch_end", "on_epoch_ends")),
            "Keras calls on_epoch_end",
        ),
    ],
}

RIGHT = {
    "train_in_steps": [
        (
            "in batches",
            """\
def train_in_steps(config, data):
    model, (rows, labels) = config["model"](), data["train"]
    classes = sorted(set(labels))
    for step in range(config["steps"]):
        order = np.random.default_rng(step).permutation(len(rows))
        for batch in np.array_split(order, 4):
            model.partial_fit(rows[batch], labels[batch], classes)
        tune.report({"accuracy": model.score(*data["validation"]), "step": step})
""",
        ),
        (
            "reports by name, and scores between batches",
            """\
from ray.tune import report


def train_in_steps(config, data):
    model, (rows, labels) = config["model"](), data["train"]
    for _ in range(config["steps"]):
        for half in (slice(30), slice(30, None)):
            model.partial_fit(rows[half], labels[half], np.unique(labels))
            accuracy = model.score(*data["validation"])
        report({"accuracy": accuracy})
""",
        ),
        (
            "counts what is right itself",
            """\
def train_in_steps(config, data):
    model = config["model"]()
    x, y = data["validation"]
    for _ in range(config["steps"]):
        model.partial_fit(*data["train"], np.unique(data["train"][1]))
        tune.report({"accuracy": float(np.mean(model.predict(x) == y))})
""",
        ),
    ],
    "train_boost": [
        (
            "keeps the losses",
            """\
def train_boost(config, data):
    import lightgbm

    losses = []

    def report(env):
        losses.append(env.evaluation_result_list[0][2])
        tune.report({"loss": losses[-1]})

    train = lightgbm.Dataset(*data["train"])
    model = lightgbm.train(
        {
            "objective": "multiclass",
            "num_class": 10,
            "learning_rate": config["learning_rate"],
            "early_stopping_round": 5,
            "num_threads": 1,
            "verbose": -1,
        },
        train,
        config["rounds"],
        valid_sets=[train.create_valid(*data["validation"])],
        callbacks=[report],
    )
    with TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.txt")
        tune.report({"loss": min(losses)}, checkpoint=tune.Checkpoint.from_directory(folder))
""",
        ),
        (
            "Ray's callback for the rounds",
            changed(
                _RAYS,
                ("    lightgbm.train(", "    model = lightgbm.train("),
                ('multi_logloss"}', 'multi_logloss"}, checkpoint_at_end=False'),
            )
            + _LAST,
        ),
        (
            "reports by name",
            changed(
                _BOOST,
                (
                    "    import lightgbm\n",
                    "    import lightgbm\n    from ray.tune import report as say\n",
                ),
                ("tune.report(", "say("),
            ),
        ),
    ],
    "report_to_tune": [
        (
            "counts epochs itself",
            """\
class ReportToTune(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = 0
    def on_epoch_end(self, epoch, logs):
        self.epochs += 1
        with TemporaryDirectory() as folder:
            keras.saving.save_model(self.model, Path(folder) / "model.keras")
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({"val_accuracy": float(logs["val_accuracy"])}, checkpoint=checkpoint)
""",
        ),
        (
            "with a file beside it",
            changed(
                _KERAS,
                (
                    "            tune.report",
                    '            Path(folder, "epoch.txt").write_text("1")\n'
                    "            tune.report",
                ),
            ),
        ),
    ],
}
