"""The four commands for the paper's data sets, on small folders with their layout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "published.py"
PERSONS, FRAMES = 12, 4


def persons(folder, where, cameras, name):
    """Each with a colour of trousers and of a shirt, on some frames; camera 1 sees them darker."""
    stream = np.random.default_rng(0)
    for person in range(1, PERSONS + 1):
        shirt, trousers = stream.integers(60, 256, (2, 3))
        for camera, light in zip(cameras, (1.0, 0.8), strict=True):
            (folder / where / camera / name.format(person)).mkdir(parents=True)
            for frame in range(FRAMES):
                pixels = np.empty((24, 8, 3))
                pixels[:12], pixels[12:] = shirt, trousers
                noisy = (light * pixels + stream.normal(0, 5, pixels.shape)).clip(0, 255).astype(np.uint8)
                Image.fromarray(noisy).save(folder / where / camera / name.format(person) / f"{frame:04}.png")


def faces(folder):
    """Ten pairs of each relation in two folds, of which half are related: the same stripes in another light."""
    stream = np.random.default_rng(0)
    (folder / "meta_data").mkdir()
    for short, relation in (("fs", "father-son"), ("fd", "father-dau"), ("ms", "mother-son"), ("md", "mother-dau")):
        (folder / "images" / relation).mkdir(parents=True)
        rows = np.empty((20, 4), object)
        for pair in range(20):
            related, files = int(pair % 2 == 0), []
            first = stream.integers(0, 256, (32, 32, 3))
            for which, pixels in enumerate([first, first * 0.8 if related else stream.integers(0, 256, first.shape)]):
                files.append(f"{short}_{pair:03}_{which + 1}.png")
                Image.fromarray(np.asarray(pixels).astype(np.uint8)).save(folder / "images" / relation / files[-1])
            rows[pair] = [pair // 10 + 1, related, *files]
        savemat(folder / "meta_data" / f"{short}_pairs.mat", {"pairs": rows})


def roads(folder):
    """Clips whose brightness grows with the traffic."""
    stream, words = np.random.default_rng(0), ("light", "medium", "heavy")
    clips = np.empty(30, object)
    for clip in range(30):
        clips[clip] = (60 * (clip % 3) + stream.integers(0, 60, (48, 48, 10))).astype(np.uint8)
    savemat(folder / "traffic_patches.mat", {"imgdb": clips})
    lines = [f"{clip + 1}\tclip{clip}\t{words[clip % 3]}" for clip in range(30)]
    (folder / "ImageMaster").write_text("\n".join(["# index\tname\tclass", *lines]) + "\n")
    (folder / "EvalSet_train").write_text(",".join(str(clip + 1) for clip in range(21)) + "\n")
    (folder / "EvalSet_test").write_text(",".join(str(clip + 1) for clip in range(21, 30)) + "\n")


@pytest.mark.parametrize(
    ("name", "lay_out", "learnt"),
    [
        ("prid", lambda folder: persons(folder, "multi_shot", ("cam_a", "cam_b"), "person_{:04}"), "W, learnt: PUR"),
        ("ilids", lambda folder: persons(folder, "sequences", ("cam1", "cam2"), "person{:03}"), "W, learnt: PUR"),
        ("kinship", faces, "W, learnt"),
        ("traffic", roads, "W, learnt"),
    ],
)
def test_a_set_is_evaluated_from_its_folder(tmp_path, name, lay_out, learnt):
    lay_out(tmp_path)
    words = [sys.executable, str(SCRIPT), name, str(tmp_path), "--splits", "1", "--json", str(tmp_path / "a.json")]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["what"]: row for row in json.loads((tmp_path / "a.json").read_text())["rows"]}
    assert rows[learnt]["figure"] > 0.5
    assert {method.partition(":")[0] for method in rows} >= {"Euclidean", "Mahalanobis", "KISSME", "exact EMD"}


def test_a_folder_of_something_else_is_named(tmp_path):
    done = subprocess.run([sys.executable, str(SCRIPT), "prid", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2].startswith("error: folder: no pictures in")
    assert done.stderr.splitlines()[-1].startswith("hint: ")
