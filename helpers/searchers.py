"""Ways to search for a config: every searcher of Ray Tune that runs, and two of our own.

Ours show how any optimiser with the two calls *ask* and *tell* becomes a searcher of Tune's:
`AskTell` is the bridge, `AxSearch` and `SkoptSearch` stand on it.
"""

import contextlib
import logging
import math
import random
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ray import cloudpickle
from ray.tune.search import Searcher
from ray.tune.search.sample import Categorical, Domain, Float, Integer, LogUniform, Quantized

INSTALL = 'pip install -e ".[{}]" -c constraints.txt'


class MissingPackage(ImportError):
    """A searcher's package is not installed; the message says what to type."""


class AskTell(Searcher):
    """An optimiser that is asked for a config and told what it cost, as a searcher of Tune's.

    A subclass has `start`, `ask` and `tell`, and may have `forget`. Metric, mode and space may be
    given here, or else by the Tuner.

    Args:
        space: a name to a `tune` domain, or to a value that stays as it is.
        metric: what the trials report.
        mode: "min" or "max".
        seed: of the optimiser's random draws.
    """

    def __init__(
        self,
        space: dict | None = None,
        metric: str | None = None,
        mode: str | None = None,
        seed: int | None = None,
    ):
        super().__init__(metric=metric, mode=mode)
        self.seed = seed
        self.asked: dict[str, Any] = {}  # of the trials under way: what the optimiser knows it by
        self.fixed: dict[str, Any] = {}
        self.domains: dict[str, Domain] = {}
        if space:
            self._open(space)

    def start(self) -> None:
        """Make the optimiser for `self.domains`, with the seed `self.seed`."""
        raise NotImplementedError

    def ask(self) -> tuple[Any, dict] | None:
        """The next config, and before it what `tell` wants back; None when there is no more."""
        raise NotImplementedError

    def tell(self, asked: Any, cost: float) -> None:
        """Learn what a config cost; less is better, whatever the mode."""
        raise NotImplementedError

    def forget(self, asked: Any) -> None:
        """Learn that a config's trial failed."""

    def set_search_properties(self, metric, mode, config, **spec) -> bool:
        """What the Tuner was told. False where this searcher has a space already, as Tune asks."""
        if self.domains:
            return False
        self._metric, self._mode = metric or self._metric, mode or self._mode
        self._open(config)
        return True

    def suggest(self, trial_id: str) -> dict | str:
        if not self.domains:
            raise RuntimeError("There is no space: give it to the searcher, or as param_space.")
        if (answer := self.ask()) is None:
            return Searcher.FINISHED
        self.asked[trial_id], config = answer
        return {**self.fixed, **config}

    def on_trial_result(self, trial_id: str, result: dict) -> None:
        """An optimiser that learns from what is reported on the way would be told here."""

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False):
        if trial_id not in self.asked:
            return
        asked = self.asked.pop(trial_id)
        value = (result or {}).get(self.metric, math.nan)
        if error or not math.isfinite(value):
            self.forget(asked)
        else:
            self.tell(asked, value if self.mode == "min" else -value)

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(cloudpickle.dumps(self.__dict__))

    def restore(self, checkpoint_path: str) -> None:
        self.__dict__.update(cloudpickle.loads(Path(checkpoint_path).read_bytes()))

    def _open(self, space: dict) -> None:
        self.domains = {name: one for name, one in space.items() if isinstance(one, Domain)}
        self.fixed = {name: one for name, one in space.items() if name not in self.domains}
        for name, domain in self.domains.items():
            if not isinstance(domain, Float | Integer | Categorical) or isinstance(
                domain.get_sampler(), Quantized
            ):
                raise ValueError(f"{type(self).__name__} cannot search {name}, {domain}.")
        self.start()


class RandomSearch(AskTell):
    """Draws every config anew and learns nothing; what the others must beat."""

    def start(self):
        self.generator = np.random.RandomState(self.seed)

    def ask(self):
        return None, {
            name: domain.sample(random_state=self.generator)
            for name, domain in self.domains.items()
        }

    def tell(self, asked, cost): ...


class GridSearch(AskTell):
    """Every combination of a few values each, in random order.

    Args:
        samples: as many combinations there are at least. The values of a number lie in the middle
            of equal parts of its range.
        other: as AskTell takes them.
    """

    def __init__(self, *args, samples: int, **other):
        self.samples = samples
        super().__init__(*args, **other)

    def start(self):
        counts = dict.fromkeys(self.domains, 1)
        levels = {name: _levels(domain, 1) for name, domain in self.domains.items()}
        while math.prod(map(len, levels.values())) < self.samples:
            finer = {name: _levels(self.domains[name], counts[name] + 1) for name in levels}
            growing = [name for name in levels if len(finer[name]) > len(levels[name])]
            if not growing:
                break
            name = min(growing, key=counts.get)
            counts[name] += 1
            levels[name] = finer[name]
        self.left = [dict(zip(levels, row, strict=True)) for row in product(*levels.values())]
        random.Random(self.seed).shuffle(self.left)

    def ask(self):
        return (None, self.left.pop()) if self.left else None

    def tell(self, asked, cost): ...


class AxSearch(AskTell):
    """Ax's own client as a searcher; Ray 2.60's wrapper does not run with Ax 1."""

    def start(self):
        need("ax")
        with _quiet():
            from ax.api.client import Client
            from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
            from ax.utils.common.logger import set_ax_logger_levels

        def parameter(name, domain):
            if isinstance(domain, Categorical):
                kind = {bool: "bool", int: "int", float: "float"}
                kind = kind.get(type(domain.categories[0]), "str")
                return ChoiceParameterConfig(
                    name=name, values=domain.categories, parameter_type=kind, is_ordered=False
                )
            return RangeParameterConfig(
                name=name,
                bounds=bounds(domain),
                parameter_type="int" if isinstance(domain, Integer) else "float",
                scaling="log" if is_log(domain) else "linear",
            )

        set_ax_logger_levels(logging.WARNING)  # else two lines for every trial
        self.client = Client(random_seed=self.seed)
        self.client.configure_experiment([parameter(*one) for one in self.domains.items()])
        self.client.configure_optimization(objective="-cost")  # the minus: less is better
        self.client.configure_generation_strategy(initialization_random_seed=self.seed)

    def ask(self):
        [(index, config)] = self.client.get_next_trials(max_trials=1).items()
        return index, config

    def tell(self, asked, cost):
        self.client.complete_trial(asked, raw_data={"cost": cost})

    def forget(self, asked):
        self.client.mark_trial_failed(asked)


class SkoptSearch(AskTell):
    """scikit-optimize's Gaussian process as a searcher; Ray dropped its own.

    Args:
        initial: random configs before the model is asked.
        other: as AskTell takes them.
    """

    def __init__(self, *args, initial: int = 10, **other):
        self.initial = initial
        super().__init__(*args, **other)

    def start(self):
        need("skopt")
        from skopt import Optimizer, space

        def dimension(domain):
            if isinstance(domain, Categorical):
                return space.Categorical(domain.categories)
            kind = space.Integer if isinstance(domain, Integer) else space.Real
            return kind(*bounds(domain), prior="log-uniform" if is_log(domain) else "uniform")

        self.optimizer = Optimizer(
            [dimension(domain) for domain in self.domains.values()],
            n_initial_points=self.initial,
            random_state=self.seed,
        )

    def ask(self):
        # Asked twice without an answer between, it would give the same config twice.
        # So a copy is told that the configs under way are as good as the best so far.
        optimizer = self.optimizer
        if under_way := list(self.asked.values()):
            optimizer = optimizer.copy()
            optimizer.tell(under_way, [min(optimizer.yi, default=0.0)] * len(under_way))
        point = optimizer.ask()
        return point, {
            name: one.item() if isinstance(one, np.generic) else one
            for name, one in zip(self.domains, point, strict=True)
        }

    def tell(self, asked, cost):
        self.optimizer.tell(asked, cost)


def need(*modules: str, extra: str = "searchers") -> None:
    """Raise MissingPackage unless these modules, which that extra installs, can be imported."""
    for module in modules:
        if not find_spec(module):
            raise MissingPackage(
                f"{module} is not installed. Type in a terminal: {INSTALL.format(extra)}"
            )


class Kind(NamedTuple):
    """One way to search.

    Called with `(space, metric, mode, seed, samples)` it returns a `Searcher` that is ready to be
    asked, with `samples` as the budget that it plans for; raises MissingPackage or, where the
    searcher does not take such a space, ValueError.

    Attributes:
        build: makes a searcher out of a seed and a budget.
        modules: what must be installed.
        at_once: how many configs it must be asked for at least before it is told.
        extra: what installs the modules.
    """

    build: Callable[[int, int], Searcher]
    modules: tuple[str, ...] = ()
    at_once: int = 1
    extra: str = "searchers"

    def __call__(self, space: dict, metric: str, mode: str, seed: int, samples: int) -> Searcher:
        need(*self.modules, extra=self.extra)
        searcher = self.build(seed, samples)
        searcher.set_search_properties(metric, mode, space)
        return searcher


def _hyperopt(seed, samples):
    from ray.tune.search.hyperopt import HyperOptSearch

    # Its default, 20, makes a search of 20 samples a random one.
    return HyperOptSearch(n_initial_points=_initial(samples), random_state_seed=seed)


def _optuna(sampler: str, **options) -> Callable[[int, int], Searcher]:
    def build(seed, samples):
        import optuna
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        kind = getattr(optuna.samplers, sampler)
        return OptunaSearch(sampler=kind(n_startup_trials=_initial(samples), seed=seed, **options))

    return build


def _bayesopt(seed, samples):
    from ray.tune.search.bayesopt import BayesOptSearch

    return BayesOptSearch(
        random_state=seed, random_search_steps=_initial(samples), skip_duplicate=False
    )


def _nevergrad(seed, samples):
    import nevergrad
    from ray.tune.search.nevergrad import NevergradSearch

    class Seeded(NevergradSearch):
        @staticmethod
        def convert_search_space(spec):
            space = NevergradSearch.convert_search_space(spec)
            space.random_state = np.random.RandomState(seed)  # the only seed that it heeds
            return space

    # Its own choice for so small budgets, NGOpt, searches numbers without any chance.
    return Seeded(nevergrad.optimizers.OnePlusOne, optimizer_kwargs={"budget": samples})


def _zoopt(seed, samples):
    from ray.tune.search.zoopt import ZOOptSearch

    np.random.seed(seed)  # it draws from numpy's common generator
    return ZOOptSearch(budget=samples)


def _bohb(seed, samples):
    from ray.tune.search.bohb import TuneBOHB

    np.random.seed(seed)  # its model draws from numpy's common generator
    return TuneBOHB(seed=seed)


SEARCHERS: dict[str, Kind] = {
    "random": Kind(lambda seed, samples: RandomSearch(seed=seed)),
    "grid": Kind(lambda seed, samples: GridSearch(seed=seed, samples=samples)),
    "HyperOpt TPE": Kind(_hyperopt, ("hyperopt",)),
    "Optuna TPE": Kind(_optuna("TPESampler"), ("optuna",)),
    "Optuna CMA-ES": Kind(
        _optuna("CmaEsSampler", warn_independent_sampling=False), ("optuna", "cmaes")
    ),
    "Optuna GP": Kind(_optuna("GPSampler"), ("optuna", "torch")),
    "BayesOpt": Kind(_bayesopt, ("bayes_opt",)),
    "Nevergrad": Kind(_nevergrad, ("nevergrad",)),
    "ZOOpt": Kind(_zoopt, ("zoopt",), at_once=2),
    "BOHB": Kind(_bohb, ("hpbandster", "ConfigSpace"), extra="bohb"),
    "Ax": Kind(lambda seed, samples: AxSearch(seed=seed), ("ax",)),
    "skopt GP": Kind(
        lambda seed, samples: SkoptSearch(seed=seed, initial=_initial(samples)), ("skopt",)
    ),
}


def search(
    objective: Callable[[dict], float], searcher: Searcher, samples: int, at_once: int = 1
) -> list[float]:
    """Drive a searcher without Ray: ask, measure, tell, and again.

    Args:
        objective: a config to a number.
        searcher: knows its space, metric and mode.
        samples: how many configs to measure.
        at_once: how many may be under way; Tune asks for the next while others still run.

    Returns:
        What was measured, in order: fewer than `samples` where the searcher has no more to suggest.
    """
    with _one_thread(), _quiet():
        return _search(objective, searcher, samples, at_once)


@contextlib.contextmanager
def _quiet():
    """Without what these packages say of each other's versions, and of what they are doing."""
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _one_thread():
    """Models as small as these take several times longer with threads in each other's way."""
    limit = contextlib.nullcontext()
    if find_spec("threadpoolctl"):  # it comes with scikit-learn, which the slow ones stand on
        from threadpoolctl import threadpool_limits

        limit = threadpool_limits(1)
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    try:
        with limit:
            if torch:
                torch.set_num_threads(1)
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)


def _search(objective, searcher, samples, at_once) -> list[float]:
    values, waiting, number = [], [], 0
    while len(values) < samples:
        while len(waiting) < min(at_once, samples - len(values)):
            config = searcher.suggest(str(number))
            if config is None or config == Searcher.FINISHED:
                break
            waiting.append((str(number), config))
            number += 1
        if not waiting:
            break
        trial, config = waiting.pop(0)
        values.append(float(objective(config)))
        # BOHB hears nothing but what its own scheduler adds.
        result = {searcher.metric: values[-1], "training_iteration": 1, "done": True}
        searcher.on_trial_result(trial, {**result, "hyperband_info": {"budget": 1}})
        searcher.on_trial_complete(trial, result)
    return values


def _initial(samples: int) -> int:
    """Random configs before a model takes over: a quarter of the budget."""
    return max(2, min(10, samples // 4))


def is_log(domain: Domain) -> bool:
    """Whether a domain is searched on a log scale."""
    return isinstance(domain.get_sampler(), LogUniform)


def bounds(domain: Float | Integer) -> tuple:
    """Least and greatest value; Tune leaves out an integer's upper end.

    Raises ValueError for a number without bounds, such as `tune.randn`.
    """
    if not math.isfinite(domain.upper - domain.lower):
        raise ValueError(f"{domain} has no bounds, and a model needs them.")
    if isinstance(domain, Integer):
        return domain.lower, domain.upper - 1
    return domain.lower, domain.upper


def _levels(domain: Domain, count: int) -> list:
    """Values in the middle of so many equal parts of a range; of a choice, all."""
    if isinstance(domain, Categorical):
        return list(domain.categories)
    shares = (np.arange(count) + 0.5) / count
    low, high = domain.lower, domain.upper
    values = low * (high / low) ** shares if is_log(domain) else low + (high - low) * shares
    return sorted({int(one) if isinstance(domain, Integer) else float(one) for one in values})
