"""Answers to the exercises of lab 08."""

WRONG = {
    "my_space": [
        (
            "ends not as logarithms",
            'def my_space():\n    return {"lr": hp.loguniform("lr", 0.0001, 1),\n'
            '        "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.choice("units", [16, 32, 64])}',
            "natural logarithms",
        ),
        (
            "logarithms to base ten",
            'def my_space():\n    return {"lr": hp.loguniform("lr", -4, 0),\n'
            '        "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.choice("units", [16, 32, 64])}',
            "natural logarithms",
        ),
        (
            "uniform instead of log-uniform",
            'def my_space():\n    return {"lr": hp.uniform("lr", 0.0001, 1),\n'
            '        "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.choice("units", [16, 32, 64])}',
            "logarithmic scale",
        ),
        (
            "wrong ends",
            'def my_space():\n    return {"lr": hp.loguniform("lr", np.log(1e-4), np.log(0.5)),\n'
            '        "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.choice("units", [16, 32, 64])}',
            "not between 0.0001 and 1",
        ),
        (
            "ends swapped",
            'def my_space():\n    return {"lr": hp.loguniform("lr", 0, np.log(1e-4)),\n'
            '        "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.choice("units", [16, 32, 64])}',
            "lower end of each first",
        ),
        (
            "units as text",
            'def my_space():\n    return {"lr": hp.loguniform("lr", np.log(1e-4), 0),\n'
            '        "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.choice("units", ["16", "32", "64"])}',
            "the number 16",
        ),
        (
            "any number of units",
            'def my_space():\n    return {"lr": hp.loguniform("lr", np.log(1e-4), 0),\n'
            '        "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.uniform("units", 16, 64)}',
            "nothing between",
        ),
        (
            "one label twice",
            'def my_space():\n    return {"lr": hp.loguniform("lr", np.log(1e-4), 0),\n'
            '        "dropout": hp.uniform("lr", 0, 0.5),\n'
            '        "units": hp.choice("units", [16, 32, 64])}',
            "same label",
        ),
        (
            "a parameter missing",
            'def my_space():\n    return {"lr": hp.loguniform("lr", np.log(1e-4), 0)}',
            "with lr, dropout and units",
        ),
        (
            "a value instead of a distribution",
            'def my_space():\n    return {"lr": 0.01, "dropout": hp.uniform("dropout", 0, 0.5),\n'
            '        "units": hp.choice("units", [16, 32, 64])}',
            "distributions, not values",
        ),
        (
            "two values of dropout",
            """def my_space():
    return {
        "lr": hp.loguniform("lr", np.log(1e-4), np.log(1.0)),
        "dropout": hp.choice("dropout", [0.0, 0.5]),
        "units": hp.choice("units", [16, 32, 64]),
    }
""",
            "in 2 different values",
        ),
    ],
    "train_curve": [
        (
            "returns the last score",
            "def train_curve(config):\n    for step in range(1, config['steps'] + 1):\n"
            "        score = 1 - config['lr'] ** step\n    return {'score': score}",
            "inside the loop",
        ),
        (
            "reports once, at the end",
            "def train_curve(config):\n    for step in range(1, config['steps'] + 1):\n"
            "        score = 1 - config['lr'] ** step\n    tune.report({'score': score})",
            "inside the loop",
        ),
        (
            "keywords instead of a dict",
            "def train_curve(config):\n    for step in range(1, config['steps'] + 1):\n"
            "        tune.report(score=1 - config['lr'] ** step)",
            "unexpected keyword argument 'score'",
        ),
        (
            "a typo inside the trial",
            "def train_curve(config):\n    for step in range(1, config['steps'] + 1):\n"
            "        tune.reprot({'score': 1 - config['lr'] ** step})",
            "at line 3 of your cell:\n    tune.reprot(",
        ),
        (
            "another name",
            "def train_curve(config):\n    for step in range(1, config['steps'] + 1):\n"
            "        tune.report({'accuracy': 1 - config['lr'] ** step})",
            "should hold `score`",
        ),
        (
            "counts from 0",
            "def train_curve(config):\n    for step in range(config['steps']):\n"
            "        tune.report({'score': 1 - config['lr'] ** step})",
            "Steps count from 1",
        ),
        (
            "prints instead of reporting",
            "def train_curve(config):\n    for step in range(1, config['steps'] + 1):\n"
            "        print({'score': 1 - config['lr'] ** step})",
            "received no result",
        ),
    ],
    "patient_scheduler": [
        (
            "all defaults",
            "def patient_scheduler():\n    return ASHAScheduler()",
            "That is max_t",
        ),
        (
            "forgets grace_period",
            "def patient_scheduler():\n    return ASHAScheduler(max_t=27, reduction_factor=3)",
            "That is grace_period",
        ),
        (
            "forgets reduction_factor",
            "def patient_scheduler():\n    return ASHAScheduler(max_t=27, grace_period=3)",
            "That is reduction_factor",
        ),
        (
            "metric told twice",
            "def patient_scheduler():\n    return ASHAScheduler(max_t=27, grace_period=3,\n"
            "        reduction_factor=3, metric='mean_accuracy', mode='max')",
            "told twice",
        ),
        (
            "returns the rungs",
            "def patient_scheduler():\n    return [3, 9, 27]",
            "Return an ASHAScheduler",
        ),
    ],
    "pick_best": [
        (
            "trusts the search",
            "def pick_best(trials, measure):\n    return max(trials, key=lambda trial: trial[1])",
            "never called measure",
        ),
        (
            "measures everything",
            "def pick_best(trials, measure):\n"
            "    return max(((c, measure(c)) for c, _ in trials), key=lambda pair: pair[1])",
            "five highest scores only",
        ),
        (
            "measures the winner only",
            "def pick_best(trials, measure):\n"
            "    config, _ = max(trials, key=lambda trial: trial[1])\n"
            "    return config, measure(config)",
            "Measure each",
        ),
        (
            "measures the worst five",
            "def pick_best(trials, measure):\n"
            "    top = sorted(trials, key=lambda trial: trial[1])[:5]\n"
            "    return max(((c, measure(c)) for c, _ in top), key=lambda pair: pair[1])",
            "not among the top five",
        ),
        (
            "reports the search's score",
            "def pick_best(trials, measure):\n"
            "    top = sorted(trials, key=lambda trial: trial[1], reverse=True)[:5]\n"
            "    return max(top, key=lambda trial: measure(trial[0]))",
            "Report what was measured",
        ),
        (
            "measures and still picks by score",
            "def pick_best(trials, measure):\n"
            "    top = sorted(trials, key=lambda trial: trial[1], reverse=True)[:5]\n"
            "    measured = [(config, measure(config)) for config, _ in top]\n"
            "    return measured[0]",
            "not the search's scores",
        ),
        (
            "swaps the two",
            "def pick_best(trials, measure):\n"
            "    top = sorted(trials, key=lambda trial: trial[1], reverse=True)[:5]\n"
            "    return max((measure(config), config['name'], config) for config, _ in top)[::2]",
            "it should be (config, accuracy)",
        ),
        (
            "measures twice",
            "def pick_best(trials, measure):\n"
            "    top = sorted(trials, key=lambda trial: trial[1], reverse=True)[:5]\n"
            "    best = max((config for config, _ in top), key=measure)\n"
            "    return best, measure(best)",
            "once for each",
        ),
        (
            "returns the config alone",
            "def pick_best(trials, measure):\n"
            "    top = sorted(trials, key=lambda trial: trial[1], reverse=True)[:5]\n"
            "    return max((config for config, _ in top), key=measure)",
            "Return two things",
        ),
    ],
}

RIGHT = {}
