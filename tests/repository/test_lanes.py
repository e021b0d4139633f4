"""A lab is never split between the lanes in which `make test` runs."""

import re
import subprocess
import sys
from collections import defaultdict

from helpers import paths

# Quick tests of every lab, and of none.
QUICK = [
    "tests/checks/test_exercises.py",
    "tests/repository/test_workflows.py",
    "-k",
    "three_wrong or other_right",
]


def test_a_lab_stays_in_one_lane():
    command = [sys.executable, "-m", "pytest", "-n", "2", "-v", "-p", "no:cacheprovider", *QUICK]
    ran = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lanes = defaultdict(list)
    for lane, lab in re.findall(r"\[(gw\d)\].*PASSED.*\[(\d\d)_", ran.stdout):
        lanes[lab].append(lane)
    assert len(lanes) > 10 and max(map(len, lanes.values())) > 1, "nothing was found"
    assert all(len(set(found)) == 1 for found in lanes.values()), lanes
