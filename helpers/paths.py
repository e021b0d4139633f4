"""Where things are in this clone."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
DATA = ROOT / "data"
CONSTRAINTS = ROOT / "constraints.txt"


def state() -> Path:
    """The folder with this clone's own state: the running session and the learner's progress.

    `RAY_LABS_STATE` names another one; the tests use that to leave a learner's progress alone.
    """
    return Path(os.environ.get("RAY_LABS_STATE") or ROOT / ".ray-labs")
