"""What the benchmarks share: a lab's own cells, and how a run ends."""

import contextlib
import io
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers import session


def execute(notebook: Path, ids: Sequence[str], namespace: dict) -> None:
    """Execute cells of a notebook by their ids, in the order given; what they print is dropped."""
    sources = {cell["id"]: cell["source"] for cell in json.loads(notebook.read_text())["cells"]}
    with contextlib.redirect_stdout(io.StringIO()):
        for name in ids:
            exec(compile("".join(sources[name]), f"<cell {name}>", "exec"), namespace)


def report(measure: Callable[[], dict], table: Callable[[dict], str], file: Path | None) -> None:
    """Measure, print the table and write the numbers to `file`; Ray is ended however it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that Ray is ended then, too
    try:
        summary = measure()
    except KeyboardInterrupt:
        sys.exit("Interrupted; Ray is ended.")
    except session.SessionError as error:
        sys.exit(str(error))
    print(table(summary))
    if file:
        file.write_text(json.dumps(summary, indent=2) + "\n")
