"""Environments of their own: made once, and a failure says why."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import annex


def test_a_package_that_cannot_be_installed_is_said_once_and_leaves_nothing(monkeypatch, tmp_path):
    def create(folder, **_):
        (folder / "lib/python3/site-packages").mkdir(parents=True)

    failed = subprocess.CompletedProcess([], 1, "", "Looking\nERROR: no matching distribution\n\n")
    monkeypatch.setattr(annex.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(annex.venv, "create", create)
    monkeypatch.setattr(annex.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(annex.NotInstalled, match=r"peer==1 could .* ERROR: no match"):
        annex.python("peer", "peer==1", "other")
    assert not (tmp_path / "peer").exists()


def test_an_environment_that_two_ask_for_at_once_is_made_once(monkeypatch, tmp_path):
    made = []

    def create(folder, **_):
        made.append(folder)
        (folder / "lib/python3/site-packages").mkdir(parents=True)
        time.sleep(0.5)  # so long that the other asks meanwhile

    monkeypatch.setattr(annex.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(annex.venv, "create", create)
    monkeypatch.setattr(
        annex.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0)
    )
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(annex.python, ["peer"] * 2, ["peer==1"] * 2))
    assert found == [tmp_path / "peer/bin/python"] * 2
    assert made == [tmp_path / "peer"]
