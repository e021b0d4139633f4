"""Which exercises are done, over all labs and across restarts."""

import html
import json
from typing import NamedTuple

from helpers import labs, paths
from helpers.local import write_json


class Lab(NamedTuple):
    """A lab's name as in its file, and its exercises with their last verdicts in lab order."""

    name: str
    verdicts: dict[str, str]


# What exercises were called when a learner's progress may have been written down.
OLD_NAMES = {
    "actors": {"spread": "map_on_actors", "survivor": "safe_counter"},
    "supervisor_trees": {
        "team": "start_team",
        "fallen": "failed_names",
        "restarted": "names_to_restart",
    },
    "seeing_inside_ray": {
        "even": "convert_in_pieces",
        "unchained": "print_as_ready",
        "freed": "first_rows",
        "fewer": "count_per_station",
    },
    "clusters": {
        "overall": "overall_mean",
        "once_each": "run_on_each_machine",
        "tallied": "exact_total",
    },
    "tune_sb3": {"episodes": "episode_returns"},
    "rllib": {"translate": "to_rllib", "act": "action_in_bounds", "weak": "weak_motor"},
}


def record(lab: str, exercise: str, status: str) -> None:
    """Keep a verdict. What was once done stays done, so that trying again costs nothing.

    Args:
        lab: the lab's file name without number and ending, e.g. `start_here`.
        exercise: the check's name.
        status: `done`, `not yet` or `not started`.
    """
    verdicts = _read()
    if verdicts.setdefault(lab, {}).get(exercise) != "done":
        verdicts[lab][exercise] = status
        _write(verdicts)


def reset() -> None:
    """Forget every verdict of every lab."""
    _write({})


def by_lab() -> list[Lab]:
    """Every lab in reading order, with its exercises and their verdicts."""
    verdicts = _read()
    return [
        Lab(
            name,
            {
                exercise.name: verdicts.get(name[3:], {}).get(exercise.name, "not started")
                for exercise in labs.exercises(name)
            },
        )
        for name in labs.NAMES
    ]


class Board:
    """The progress over all labs, drawn as a table in JupyterLab and as text elsewhere."""

    def __repr__(self) -> str:
        return "\n".join(
            f"{lab.name:32} {done} of {len(lab.verdicts)}"
            for lab in by_lab()
            for done in [_count_done(lab)]
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left"><a href="{html.escape(lab.name)}.ipynb">'
            f"{html.escape(lab.name)}</a></td>"
            f'<td style="text-align:left">{_dots(lab)}</td>'
            f"<td>{_count_done(lab)} of {len(lab.verdicts)}</td></tr>"
            for lab in by_lab()
        )
        head = "<tr><th>lab</th><th>exercises</th><th>done</th></tr>"
        return f'<table class="ray-labs-progress">{head}{rows}</table>'


def show() -> Board:
    """The progress over all labs, for the last line of a cell."""
    return Board()


def _count_done(lab: Lab) -> int:
    return sum(status == "done" for status in lab.verdicts.values())


def _dots(lab: Lab) -> str:
    marks = {"done": "✓", "not yet": "✗", "not started": "○"}
    return " ".join(
        f'<span title="{html.escape(name)}: {status}">{marks[status]}</span>'
        for name, status in lab.verdicts.items()
    )


def _read() -> dict[str, dict[str, str]]:
    try:
        written = json.loads((paths.state() / "progress.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {
        lab: {OLD_NAMES.get(lab, {}).get(name, name): status for name, status in verdicts.items()}
        for lab, verdicts in written.items()
    }


def _write(verdicts: dict[str, dict[str, str]]) -> None:
    write_json(paths.state() / "progress.json", verdicts)
