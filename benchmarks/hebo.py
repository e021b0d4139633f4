"""HEBO as a searcher: it wants an older NumPy, so it runs in another process's environment.

The two talk by lines of JSON: `{"ask": true}` is answered by `{"id": 1, "config": {...}}`, and
`{"tell": 1, "cost": 0.5}` by `{}`.
"""

import contextlib
import json
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ray.tune.search.sample import Categorical, Integer

from helpers import annex
from helpers.searchers import AskTell, bounds, is_log

HEBO = "HEBO==0.3.6"
# Of what HEBO and its packages need, the last that go with its NumPy; pip would try for an hour.
OLDER = ["numpy==1.24.4", "scipy==1.11.4", "pandas==2.0.3", "scikit-learn==1.3.2"]
OLDER += ["contourpy==1.1.1", "matplotlib==3.7.5"]

SERVER = """
import json, sys, warnings

import numpy as np

warnings.simplefilter("ignore")
lines, sys.stdout = sys.stdout, sys.stderr  # HEBO prints
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

torch.set_num_threads(1)
for line in sys.stdin:
    said = json.loads(line)
    if "space" in said:
        np.random.seed(said["seed"])
        torch.manual_seed(said["seed"])
        space = DesignSpace().parse(said["space"])
        optimizer = HEBO(space, rand_sample=said["initial"], scramble_seed=said["seed"])
        asked, answer = [], {}
    elif "ask" in said:
        asked.append(optimizer.suggest(n_suggestions=1))
        config = asked[-1].iloc[0].to_dict()
        plain = {k: v.item() if hasattr(v, "item") else v for k, v in config.items()}
        answer = {"id": len(asked) - 1, "config": plain}
    else:
        optimizer.observe(asked[said["tell"]], np.array([[said["cost"]]]))
        answer = {}
    print(json.dumps(answer), file=lines, flush=True)
"""


@cache
def interpreter() -> Path:
    """HEBO's own; it is made if it is not there yet. Raises annex.NotInstalled."""
    return annex.python("hebo", HEBO, f"torch=={version('torch')}", *OLDER)


class HeboSearch(AskTell):
    """HEBO behind ask and tell; `close` ends its process.

    Args:
        initial: random configs before the model is asked.
        other: as AskTell takes them.
    """

    def __init__(self, *args, initial: int = 6, **other):
        self.initial = initial
        super().__init__(*args, **other)

    def start(self):
        command = [interpreter(), "-c", SERVER]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL, **pipes)
        parameters = [_parameter(*one) for one in self.domains.items()]
        self._say({"space": parameters, "seed": self.seed or 0, "initial": self.initial})

    def ask(self):
        answer = self._say({"ask": True})
        return answer["id"], answer["config"]

    def tell(self, asked, cost):
        self._say({"tell": asked, "cost": cost})

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()

    def _say(self, sentence: dict) -> dict:
        try:
            print(json.dumps(sentence), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise RuntimeError("HEBO's process has ended.") from None
        if not (line := self.process.stdout.readline()):
            raise RuntimeError("HEBO's process has ended.")
        return json.loads(line)


def _parameter(name, domain) -> dict:
    """A domain of Tune's in HEBO's words."""
    if isinstance(domain, Categorical):
        return {"name": name, "type": "cat", "categories": list(domain.categories)}
    low, high = bounds(domain)
    kind = "int" if isinstance(domain, Integer) else "num"
    if is_log(domain):
        kind = {"int": "pow_int", "num": "pow"}[kind]
    return {"name": name, "type": kind, "base": 10, "lb": low, "ub": high}
