"""How long tasks took, function by function: waiting apart from running."""

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers import observe, plots
from helpers.observe import MOST_ROWS
from helpers.ui import state
from helpers.ui.state import Unavailable

DRAWN = 8  # functions in the picture, those with the most time in all
QUANTILES = {"half": 0.5, "19 of 20": 0.95, "the longest": 1.0}


@dataclass(frozen=True)
class Times:
    """What `task_completion_time_distribution` returns; a notebook draws it, all else prints it.

    Args:
        waited: a function's name to the seconds from submission to start of each of its tasks.
        ran: the same for the seconds from start to end.
        note: a sentence about what is left out, or why there is nothing.
    """

    waited: dict[str, np.ndarray]
    ran: dict[str, np.ndarray]
    note: str = ""

    def __repr__(self) -> str:
        if not self.ran:
            return self.note
        lines = [f"{'':24} {'tasks':>7}  {'':7} " + " ".join(f"{name:>12}" for name in QUANTILES)]
        for name in self.ran:
            for what, seconds in (("waited", self.waited[name]), ("ran", self.ran[name])):
                first = f"{name:24.24} {len(seconds):7,}" if what == "waited" else " " * 32
                ends = np.quantile(seconds, list(QUANTILES.values()))
                lines.append(f"{first}  {what:7} " + " ".join(f"{end:10.3f} s" for end in ends))
        return "\n".join(lines + [self.note] * bool(self.note))

    def _repr_html_(self) -> str | None:
        if not self.ran:
            return None
        names = list(self.ran)[:DRAWN]
        figure, axis = plots.figure(7.5, 0.62 * len(names) + 1.3)
        for row, name in enumerate(names):
            for shift, colour, times in (
                (-0.17, plots.ORANGE, self.waited[name]),
                (0.17, plots.BLUE, self.ran[name]),
            ):
                half, most, longest = np.quantile(times, list(QUANTILES.values()))
                y = row + shift
                axis.plot(times, np.full(len(times), y), "|", color=colour, alpha=0.25)
                axis.hlines(y, half, most, color=colour, linewidth=5)
                axis.plot([half, longest], [y, y], "o", color=colour, markersize=5)
        labels = [f"{name}  x {len(self.ran[name]):,}" for name in names]
        axis.set(yticks=range(len(names)), yticklabels=labels, xlabel="s")
        for label in axis.get_yticklabels():
            label.set_parse_math(False)  # a task may be named anything
        axis.set_xscale("symlog", linthresh=0.001)
        axis.set_xlim(left=0)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        half, _, longest = np.quantile(self.ran[names[0]], list(QUANTILES.values()))
        finding = f"{names[0]}: half ran in {half:.3g} s, the longest {longest:.3g} s"
        axis.set_title(finding, parse_math=False)
        colours = {"waited": plots.ORANGE, "ran": plots.BLUE}
        parts = [Patch(color=colour, label=what) for what, colour in colours.items()]
        parts += [Line2D([], [], color=plots.GREY, marker="o", ls="", label="half; the longest")]
        parts += [Line2D([], [], color=plots.GREY, linewidth=5, label="up to 19 of 20")]
        figure.legend(handles=parts, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
        return plots.as_html(figure, repr(self))


def task_completion_time_distribution(all_jobs: bool = False) -> Times:
    """How long the tasks that ended waited and ran. `ui.task_completion_time_distribution()`

    Args:
        all_jobs: look at the tasks of others too, not only at those of this notebook.

    Returns functions in the order of the time that they took in all. Of more than 10,000 tasks Ray
    tells of 10,000; the note says so.
    """
    try:
        rows = state.tasks(all_jobs)
    except Unavailable as error:
        return Times({}, {}, str(error))
    ended = [row for row in rows if row.state in ("FINISHED", "FAILED") and row.start_time_ms]
    waited: dict[str, list[float]] = {}
    ran: dict[str, list[float]] = {}
    for row in ended:
        task = observe.as_task(row, 0.0)
        waited.setdefault(task.name, []).append(task.start - task.submitted)
        ran.setdefault(task.name, []).append(task.seconds)
    names = sorted(ran, key=lambda name: sum(ran[name]), reverse=True)
    note = "" if ended else "No task has ended here yet; Ray tells of one about a second later."
    if len(rows) >= MOST_ROWS:
        note = f"Ray tells of {MOST_ROWS:,} tasks; there are more."
    return Times(
        {name: np.array(waited[name]) for name in names},
        {name: np.array(ran[name]) for name in names},
        note,
    )
