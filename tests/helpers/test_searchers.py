"""Every searcher searches, ours resume, and a missing package gives a sentence."""

import math

import numpy as np
import pytest
from ray import tune

from helpers import searchers
from helpers.problems import PROBLEMS
from helpers.searchers import SEARCHERS, AskTell, AxSearch, GridSearch, SkoptSearch, search

pytestmark = pytest.mark.filterwarnings("ignore")  # what the packages say of each other's versions

BRANIN, TRAINING = PROBLEMS["Branin"], PROBLEMS["training"]
SLOW = {"Ax": 4, "Optuna GP": 4, "BayesOpt": 6, "skopt GP": 6}  # samples; a model takes its time
NUMBERS_ONLY = {"BayesOpt", "ZOOpt"}  # of Tune's domains, these take no choice or no log scale


def made(name, *options):
    """A searcher by its name; skips the test where its packages are not installed."""
    try:
        return SEARCHERS[name](*options)
    except searchers.MissingPackage as why:
        pytest.skip(str(why))


def at_best(problem):
    return {
        "Branin": {"x": math.pi, "y": 2.275},
        "Hartmann 6": dict(
            zip(
                [f"x{i}" for i in range(1, 7)],
                [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573],
                strict=True,
            )
        ),
        "training": {"lr": 0.01, "units": 128, "activation": "relu"},
    }[problem]


@pytest.mark.parametrize("name", PROBLEMS)
def test_nothing_is_better_than_the_known_best(name):
    problem = PROBLEMS[name]
    assert problem.objective(at_best(name)) == pytest.approx(problem.best, abs=1e-4)
    draws = SEARCHERS["random"](problem.space, "loss", "min", 0, 1_000)
    assert min(search(problem.objective, draws, 1_000)) >= problem.best


@pytest.mark.parametrize("name", SEARCHERS)
def test_every_searcher_searches_and_its_seed_decides(name):
    kind, samples = SEARCHERS[name], SLOW.get(name, 12)

    def values(seed):
        searcher = made(name, BRANIN.space, "loss", "min", seed, samples)
        return search(BRANIN.objective, searcher, samples, kind.at_once)

    first = values(1)
    assert len(first) == samples and len(set(first)) > samples // 2
    if name not in ("Ax", "grid"):  # the one costs too much, the other is all of its grid
        assert values(1) == first
        assert values(2) != first


@pytest.mark.parametrize("name", sorted(SEARCHERS.keys() - NUMBERS_ONLY - {"Ax"}))
def test_logs_counts_and_choices(name):
    seen = []

    def objective(config):
        seen.append(config)
        return TRAINING.objective(config)

    search(objective, made(name, TRAINING.space, "loss", "min", 3, 8), 8)
    assert len(seen) == 8
    for config in seen:
        assert config.keys() == TRAINING.space.keys()
        assert 1e-5 <= config["lr"] <= 1
        assert 8 <= config["units"] <= 512 and config["units"] == int(config["units"])
        assert config["activation"] in ("relu", "tanh", "sigmoid")


@pytest.mark.parametrize("name", sorted(NUMBERS_ONLY))
def test_what_a_searcher_does_not_take_it_says(name):
    with pytest.raises(ValueError, match="does not support parameters of type"):
        made(name, TRAINING.space, "loss", "min", 0, 8)


def test_a_missing_package_gives_what_to_type(monkeypatch):
    monkeypatch.setattr(searchers, "find_spec", lambda name: None)
    with pytest.raises(searchers.MissingPackage, match=r"optuna is not installed.*\[searchers\]"):
        SEARCHERS["Optuna TPE"](BRANIN.space, "loss", "min", 0, 8)
    with pytest.raises(searchers.MissingPackage, match=r"hpbandster is not .*\[bohb\]"):
        SEARCHERS["BOHB"](BRANIN.space, "loss", "min", 0, 8)
    with pytest.raises(searchers.MissingPackage, match="ax is not installed"):
        AxSearch(BRANIN.space, "loss", "min")


class Noting(AskTell):
    """Gives 0, 1, 2, and notes what it is told."""

    def start(self):
        self.left, self.told, self.forgotten = [2, 1, 0], [], []

    def ask(self):
        return (self.left[-1], {"x": self.left.pop()}) if self.left else None

    def tell(self, asked, cost):
        self.told.append((asked, cost))

    def forget(self, asked):
        self.forgotten.append(asked)


SPACE = {"x": tune.uniform(0, 1), "fixed": 7}


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_less_is_better_whatever_the_mode(mode, sign):
    noting = Noting(SPACE, "score", mode)
    assert noting.suggest("a") == {"x": 0, "fixed": 7}
    noting.on_trial_complete("a", {"score": 3.0})
    assert noting.told == [(0, 3.0 * sign)]


def test_failed_trials_are_forgotten_and_strangers_do_no_harm():
    noting = Noting(SPACE, "score", "min")
    for trial in "abc":
        noting.suggest(trial)
    noting.on_trial_complete("a", error=True)
    noting.on_trial_complete("b", {"score": float("nan")})
    noting.on_trial_complete("c", {})
    noting.on_trial_complete("never suggested", {"score": 1.0})
    assert (noting.told, noting.forgotten) == ([], [0, 1, 2])
    assert noting.suggest("d") == tune.search.Searcher.FINISHED


def test_the_space_comes_once():
    noting = Noting()
    with pytest.raises(RuntimeError, match="no space"):
        noting.suggest("a")
    assert noting.set_search_properties("score", "max", SPACE)
    assert (noting.metric, noting.mode) == ("score", "max")
    assert not noting.set_search_properties("other", "min", SPACE)
    with pytest.raises(ValueError, match="Noting cannot search x"):
        Noting({"x": tune.quniform(0, 1, 0.1)}, "score", "min")


@pytest.mark.parametrize("name", ["Ax", "skopt GP"])
def test_a_number_without_bounds_is_refused(name):
    with pytest.raises(ValueError, match="has no bounds"):
        made(name, {"x": tune.randn(0, 1)}, "loss", "min", 0, 4)


def test_a_search_goes_on_where_it_was_saved(tmp_path):
    def more(searcher, samples):
        return search(BRANIN.objective, searcher, samples)

    whole = more(SkoptSearch(BRANIN.space, "loss", "min", seed=1, initial=3), 7)
    begun = SkoptSearch(BRANIN.space, "loss", "min", seed=1, initial=3)
    first = more(begun, 4)
    begun.save(str(tmp_path / "search"))
    restored = SkoptSearch()
    restored.restore(str(tmp_path / "search"))
    assert first + more(restored, 3) == pytest.approx(whole)


def test_ax_takes_logs_counts_choices_and_is_saved(tmp_path):
    searcher = AxSearch(TRAINING.space, "accuracy", "max", seed=0)
    assert len(search(lambda config: -TRAINING.objective(config), searcher, 2)) == 2
    searcher.save(str(tmp_path / "ax"))
    restored = AxSearch()
    restored.restore(str(tmp_path / "ax"))
    assert restored.suggest("next").keys() == TRAINING.space.keys()


def test_configs_under_way_are_not_suggested_again():
    searcher = SkoptSearch(BRANIN.space, "loss", "min", seed=0, initial=2)
    search(BRANIN.objective, searcher, 4)
    three = [searcher.suggest(str(number)) for number in range(3)]
    assert len({tuple(config.values()) for config in three}) == 3


def test_a_grid_has_every_combination_once():
    space = {"x": tune.uniform(0, 1), "n": tune.randint(0, 4), "c": tune.choice("ab")}
    grid = GridSearch(space, "loss", "min", seed=0, samples=16)
    configs = []
    assert len(search(lambda config: configs.append(config) or 0, grid, 100)) == 18
    assert len({tuple(config.values()) for config in configs}) == 18
    assert np.allclose(sorted({config["x"] for config in configs}), [1 / 6, 1 / 2, 5 / 6])
    assert {config["n"] for config in configs} == {0, 2, 3}


def test_a_grid_finer_than_its_values_ends():
    grid = GridSearch({"n": tune.randint(0, 4), "c": tune.choice("ab")}, samples=100)
    assert len(grid.left) == 8


def test_tune_runs_and_restores_with_a_searcher_of_ours(ray, tmp_path):
    def trainable(config):
        tune.report({"loss": config["x"] ** 2})

    def tuner(samples):
        return tune.Tuner(
            tune.with_resources(trainable, {"cpu": 0.1}),
            param_space={"x": tune.uniform(-1, 1)},
            tune_config=tune.TuneConfig(
                search_alg=SkoptSearch(seed=0, initial=2),
                metric="loss",
                mode="min",
                num_samples=samples,
                max_concurrent_trials=1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(name="ours", storage_path=str(tmp_path), verbose=0),
        )

    done = tuner(4).fit()
    assert not done.errors and len(done) == 4
    restored = tune.Tuner.restore(str(tmp_path / "ours"), trainable).fit()
    assert {r.config["x"] for r in restored} == {r.config["x"] for r in done}
