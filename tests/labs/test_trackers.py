"""Lab 11 where the optional trackers are not installed: one line says so, and the lab goes on."""

import importlib.util
import sys

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from helpers.labs import read

LAB = "11_trackers_and_callbacks"
TRACKERS = ("tensorboard", "mlflow", "wandb")


@pytest.fixture
def blocked(monkeypatch):
    """An environment without the trackers: nobody finds them, and to import one fails."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in TRACKERS else find_spec(name)
    )
    for name in TRACKERS:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "")  # the lab sets it
    monkeypatch.setattr(plt, "show", lambda: None)


def test_what_is_missing_is_said_and_left_out(blocked, capsys):
    swept = []
    seconds = {"no logger": 4.0, "three files": 5.0}
    names = {"sweep": lambda name, *loggers: swept.append(name), "seconds": seconds}
    names |= {"folders": [], "told": [], "storage": "nowhere"}
    code = {
        cell["id"]: cell["source"] for cell in read(LAB)["cells"] if cell["cell_type"] == "code"
    }
    needing = [name for name, source in code.items() if "not in missing" in source]
    assert len(needing) > len(TRACKERS)
    exec(
        "import os, json, pandas as pd; from pathlib import Path; from helpers import plots", names
    )
    for name in ["missing", "kept", *needing, "side"]:
        exec(code[name], names)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        'tensorboard mlflow wandb not found; to get them: pip install -e ".[trackers]" '
        "-c constraints.txt"
    ]
    assert swept == [] and names["pages"] == []
    assert isinstance(names["table"], pd.DataFrame)
    assert list(names["table"].index) == ["told to Tune", "result.json", "progress.csv"]
