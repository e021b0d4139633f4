"""A state, and so a Ray, apart from the learner's own: for tests and benchmarks.

Both end with the process that asked for them, however that ends: then its keeper runs
`python -m launch.apart STATE`.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from helpers import keeper
from launch import launcher, session


@contextlib.contextmanager
def state() -> Iterator[Path]:
    """A new folder for `paths.state()`, here and in what is started in this block.

    When the block or this process ends, so do the Ray and the JupyterLab of that state, and the
    folders of both are removed.

    Raises:
        RuntimeError: at the end of the block, that did not succeed.
    """
    folder = tempfile.mkdtemp(prefix="ray-labs-apart-")
    ending = keeper.afterwards([sys.executable, "-m", "launch.apart", folder])
    try:
        with mock.patch.dict(os.environ, RAY_LABS_STATE=folder):
            yield Path(folder)
    finally:
        if keeper.stop(ending) != 0:
            raise RuntimeError(f"What belongs to the state {folder} was not all removed.")


def _remove(folder: str) -> None:
    os.environ["RAY_LABS_STATE"] = folder
    launcher.close()
    shutil.rmtree(session._temp())
    shutil.rmtree(folder)


if __name__ == "__main__":
    _remove(sys.argv[1])
