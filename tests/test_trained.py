"""The trained networks of `benchmarks/trained`: what is kept of them, and what goes wrong before a training."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parents[1] / "benchmarks" / "trained"
WEIGHTS = sorted((HERE / "weights").glob("*.safetensors"))


@pytest.fixture
def sets(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import sets

    yield sets
    for name in ("sets", "data"):
        sys.modules.pop(name, None)


@pytest.fixture
def shown(sets):
    stream = np.random.default_rng(0)
    return sets.Pictures(stream.integers(0, 256, (10, 32, 32), dtype=np.uint8), np.arange(10))


@pytest.fixture
def trainer(monkeypatch, sets, tmp_path):
    """`train` with a family of two runs, whose second fails while `broken` is there."""
    import train

    family = SimpleNamespace(PIECES=2, write_data=lambda shown, folder: None, arguments=lambda folder, piece: [piece])
    ran = []

    def run_piece(family, script, arguments, log, done):
        ran.append(done.stem)
        if done.stem == "piece-1" and (tmp_path / "broken").exists():
            raise SystemExit("error: it ended")
        done.touch()

    monkeypatch.setattr(train, "importlib", SimpleNamespace(import_module=lambda name: family))
    monkeypatch.setattr(train, "checkout_of", lambda family: (tmp_path, "commit"))
    monkeypatch.setattr(train, "folder_of", lambda family, name: tmp_path / name)
    monkeypatch.setattr(train, "pictures", lambda name, part: None)
    monkeypatch.setattr(train, "run_piece", run_piece)
    monkeypatch.setattr(sys, "argv", ["train.py", "nvae", "digits"])
    yield SimpleNamespace(main=train.main, ran=ran)
    for name in ("train", "places"):
        sys.modules.pop(name, None)


def typed(*words, **environ):
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True)


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_kept_weights_are_small_and_finite(path):
    assert path.stat().st_size <= 4 << 20
    assert all(bool(each.isfinite().all()) for each in load_file(path).values())


def test_an_archive_is_the_same_each_time(sets, shown, tmp_path):
    for name in ("one.zip", "two.zip"):
        sets.write_zip(shown, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert len(archive.namelist()) == 11


def test_the_files_of_cifar_hold_the_pictures(sets, shown, tmp_path):
    sets.write_cifar(shown, tmp_path)
    batch = pickle.loads((tmp_path / "cifar/cifar-10-batches-py/data_batch_2").read_bytes())
    assert batch["labels"] == [2, 3]
    np.testing.assert_array_equal(batch["data"][0].reshape(3, 32, 32)[1], shown.images[2])


ASKED = """
import places
for family in places.FAMILIES:
    try:
        places.checkout_of(family)
    except SystemExit as error:
        print(error)
"""


def test_a_missing_checkout(tmp_path):
    """Asked for in one process, since each family imports torch."""
    said = typed("-c", ASKED, POLARPRIOR_VENDOR=str(tmp_path), PYTHONPATH=str(HERE)).stdout.splitlines()
    families = ["stylegan2_ada", "stylegan3", "progan", "biggan_deep", "nvae"]
    assert [line.split(": ")[1] for line in said[::2]] == families
    assert all(f"no checkout {tmp_path}" in line for line in said[::2])
    assert set(said[1::2]) == {"hint: type make vendor; set POLARPRIOR_VENDOR to its folder"}


def test_a_checkout_of_another_commit(tmp_path):
    checkout = tmp_path / "NVAE"
    checkout.mkdir()
    (checkout / "train.py").touch()
    subprocess.run(["git", "init", "-q", checkout], check=True)
    done = typed(HERE / "train.py", "nvae", "digits", POLARPRIOR_VENDOR=str(tmp_path))
    assert done.returncode == 1
    assert f"error: {checkout}: its commit is none, expected " in done.stderr
    assert "hint: type git -C" in done.stderr


def test_data_that_is_missing(tmp_path):
    done = typed(HERE / "sets.py", MNIST=str(tmp_path), POLARPRIOR_TRAINED=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("error: MNIST: ")
    assert "Traceback" not in done.stderr


def test_data_of_another_size(tmp_path):
    header = (2051).to_bytes(4, "big") + (3).to_bytes(4, "big") + (5).to_bytes(4, "big") + (7).to_bytes(4, "big")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + bytes(3 * 5 * 7))
    labels = (2049).to_bytes(4, "big") + (3).to_bytes(4, "big")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels + bytes(3))
    done = typed(HERE / "sets.py", MNIST=str(tmp_path), POLARPRIOR_TRAINED=str(tmp_path))
    assert done.returncode == 1
    assert "error: MNIST: images [3, 5, 7], expected [50000 or more, 28, 28]" in done.stderr


def test_a_training_that_was_interrupted_goes_on(trainer, tmp_path):
    (tmp_path / "broken").touch()
    with pytest.raises(SystemExit, match="it ended"):
        trainer.main()
    (tmp_path / "broken").unlink()
    trainer.main()
    trainer.main()
    assert trainer.ran == ["piece-0", "piece-1", "piece-1"]


@pytest.mark.parametrize("own", [{}, {"G.w": [1.0, 2.5]}, {"G.w": [1.0, 2.0], "D.w": [0.0]}])
def test_a_training_that_has_left_other_weights(monkeypatch, sets, own):
    import weights

    tensors = {name: torch.tensor(values) for name, values in own.items()}
    monkeypatch.setattr(weights, "kept", lambda family, name: ({"torch": "2"}, {"G.w": torch.tensor([1.0, 2.0])}))
    monkeypatch.setattr(weights, "left", lambda family, name: ([], tensors, {}))
    with pytest.raises(SystemExit, match="1 of 1 tensors differ"):
        weights.compare("nvae", "digits")
    for name in ("weights", "places"):
        sys.modules.pop(name, None)


def test_weights_that_are_not_there(tmp_path):
    done = typed(HERE / "weights.py", "build", "nvae", "faces", tmp_path / "checkpoint.pt")
    assert done.returncode == 1
    assert done.stderr.startswith("error: weights: no file ")
    assert "hint: type: python benchmarks/trained/train.py nvae faces" in done.stderr
    assert not (tmp_path / "checkpoint.pt").exists()
