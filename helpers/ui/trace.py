"""Tasks as a Chrome trace, the format that ui.perfetto.dev and chrome://tracing open.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from helpers import observe
from helpers.observe import Task

PHASES = ("fetch arguments", "run", "store the result")


def events(tasks: Sequence[Task]) -> Iterator[dict]:
    """The events of a Chrome trace, as its JSON has them; times are whole microseconds.

    Perfetto drops a slice that begins inside another of its thread and ends outside, so calls that
    an asynchronous actor ran at once are spread over threads.
    """
    nodes = {node: n for n, node in enumerate(dict.fromkeys(task.node for task in tasks), start=1)}
    for node, pid in nodes.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": f"node {node[:8]}"}}
    lanes = observe.lanes(tasks, lambda task: (task.node, task.worker))
    places = [(task.node, task.worker, lane) for task, lane in zip(tasks, lanes, strict=True)]
    threads = {place: tid for tid, place in enumerate(dict.fromkeys(places), start=1)}
    for (node, worker, _), tid in threads.items():
        name = {"name": f"worker {worker}"}
        yield {"ph": "M", "name": "thread_name", "pid": nodes[node], "tid": tid, "args": name}
    on = [{"pid": nodes[place[0]], "tid": threads[place]} for place in places]
    parents = observe.parents(tasks)
    for number, (task, thread) in enumerate(zip(tasks, on, strict=True)):
        details = {"id": task.id, "state": task.state, "attempt": task.attempt + 1}
        details |= {"waited_s": round(task.start - task.submitted, 6), "error": task.error}
        yield _span(task.name, "task", task.start, task.end, thread, details)
        moments = (task.start, task.fetched, task.computed, task.end)
        for name, (start, end) in zip(PHASES, pairwise(moments), strict=True):
            if end > start:
                yield _span(name, "phase", start, end, thread)
        if (above := parents[number]) is not None:
            flow = {"name": "submits", "cat": "submits", "id": number}
            parent = tasks[above]
            left = max(round(parent.start * 1e6), round(min(task.submitted, parent.end) * 1e6) - 1)
            yield {"ph": "s", "ts": left, **flow, **on[above]}
            yield {"ph": "f", "bp": "e", "ts": round(task.start * 1e6), **flow, **thread}


def _span(name: str, kind: str, start: float, end: float, thread: dict, args=None) -> dict:
    begin = round(start * 1e6)
    times = {"ts": begin, "dur": round(end * 1e6) - begin}
    return {"ph": "X", "name": name, "cat": kind, **times, **thread, "args": args or {}}
