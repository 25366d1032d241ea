"""The four data sets of the paper's section 4, read from their published layouts. Each has to be asked for where it
comes from; none is fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from polarprior.plugin import PolarPriorError, UsageError, refusing
from scipy.io import loadmat

PICTURES = (".png", ".jpg", ".jpeg")
IN_BOTH = 200
"""Persons of PRID 2011 that both cameras have seen."""
FETCH = "fetch it again"
RELATIONS = {"fs": "father-son", "fd": "father-dau", "ms": "mother-son", "md": "mother-dau"}


class Track(NamedTuple):
    """A person, seen by a camera.

    Attributes:
        person: the same for both cameras.
        camera: 0 or 1.
        frames: files of pictures, in order.
    """

    person: int
    camera: int
    frames: list[Path]


class Pairs(NamedTuple):
    """Pairs of faces, a parent's and a child's.

    Attributes:
        first, second: files, n of each.
        related: whether they are, [n].
        folds: 1 to 5, [n].
    """

    first: list[Path]
    second: list[Path]
    related: np.ndarray
    folds: np.ndarray


class Videos(NamedTuple):
    """Traffic.

    Attributes:
        frames: of each video, floats [frames, 48, 48].
        labels: light, medium or heavy, of each.
        splits: rows to learn from and to test with, four times.
    """

    frames: list[np.ndarray]
    labels: np.ndarray
    splits: list[tuple[np.ndarray, np.ndarray]]


def prid_2011(folder: Path) -> list[Track]:
    """PRID 2011 (Hirzer et al. 2011): 385 persons of camera A and 749 of B. The first 200 are in both; the others get
    1000 or 2000 added to their numbers, by camera, for those of A are not those of B.

    Args:
        folder: with ``multi_shot/cam_a/person_0001/*.png`` and ``cam_b``.

    Raises:
        UsageError: something else.
    """
    found = _tracks(folder / "multi_shot", ("cam_a", "cam_b"))
    return [
        each if each.person <= IN_BOTH else each._replace(person=each.person + 1000 * (1 + each.camera))
        for each in found
    ]


def ilids_vid(folder: Path) -> list[Track]:
    """iLIDS-VID (Wang et al. 2014): 300 persons, each seen by two cameras.

    Args:
        folder: with ``sequences/cam1/person001/*.png`` and ``cam2``.

    Raises:
        UsageError: something else.
    """
    return _tracks(folder / "sequences", ("cam1", "cam2"))


def kinface_w(folder: Path, relation: str) -> Pairs:
    """KinFaceW-II (Lu et al. 2014): 250 related pairs of a relation and as many others, in five folds.

    Args:
        folder: with ``images/father-dau/*.jpg`` and ``meta_data/fd_pairs.mat``.
        relation: fs, fd, ms or md.

    Raises:
        UsageError: something else.
    """
    if relation not in RELATIONS:
        raise UsageError(f"relation: got {relation!r}, expected one of {', '.join(RELATIONS)}", "use fs")
    path = folder / "meta_data" / f"{relation}_pairs.mat"
    rows = _loaded(path, "pairs")
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise PolarPriorError(f"{path}: pairs of {list(rows.shape)}, expected [n, 4]", FETCH)
    with refusing(f"{path}: holds no pairs", FETCH):
        folds, related = (np.array([int(np.squeeze(each)) for each in rows[:, column]]) for column in (0, 1))
    where = folder / "images" / RELATIONS[relation]
    first, second = ([where / str(np.squeeze(each)) for each in rows[:, column]] for column in (2, 3))
    missing = [each for each in [*first, *second] if not each.resolve().is_relative_to(folder.resolve())]
    missing = missing or [each for each in [*first, *second] if not each.is_file()]
    if missing:
        raise UsageError(f"folder: no {missing[0]}", "name the folder of KinFaceW-II")
    return Pairs(first, second, related == 1, folds)


def traffic(folder: Path) -> Videos:
    """The traffic video database (Chan and Vasconcelos 2005): 254 clips, as the windows of 48 x 48 pixels that are
    published with it.

    Args:
        folder: with ``ImageMaster``, ``EvalSet_train``, ``EvalSet_test`` and ``traffic_patches.mat``.

    Raises:
        UsageError: something else.
        PolarPriorError: files that contradict each other.
    """
    lines = [line.split("\t") for line in _text(folder / "ImageMaster") if line and not line.startswith("#")]
    clips = {int(line[0]): line[2].strip() for line in lines if len(line) >= 3 and line[0].strip().isdigit()}
    cells = _loaded(folder / "traffic_patches.mat", "imgdb").ravel()
    numbers = sorted(clips)
    if len(cells) != len(numbers) or not numbers:
        raise PolarPriorError(f"{folder}: {len(cells)} clips, {len(numbers)} labels", "fetch both again")
    row_of = {number: row for row, number in enumerate(numbers)}
    halves = []
    for name in ("EvalSet_train", "EvalSet_test"):
        lines_of = [line for line in _text(folder / name) if line]
        with refusing(f"{folder / name}: holds no lines of numbers of clips", FETCH):
            halves.append([np.array([row_of[int(each)] for each in line.split(",")]) for line in lines_of])
    splits = [len(half) for half in halves]
    if splits[0] != splits[1] or not splits[0]:
        raise PolarPriorError(f"{folder}: {splits[0]} sets to learn from, {splits[1]} to test with", FETCH)
    with refusing(f"{folder / 'traffic_patches.mat'}: holds no clips", FETCH):
        frames = [np.moveaxis(np.asarray(each, dtype=np.float32), 2, 0) / 255 for each in cells]
    return Videos(frames, np.array([clips[each] for each in numbers]), list(zip(*halves, strict=True)))


def _tracks(folder: Path, cameras: Sequence[str]) -> list[Track]:
    found = []
    for camera, name in enumerate(cameras):
        for person in sorted(each for each in (folder / name).glob("person*") if each.is_dir()):
            frames = sorted(each for each in person.iterdir() if each.suffix.lower() in PICTURES)
            number = re.fullmatch(r"person_?(\d+)", person.name)
            if frames and number:
                found.append(Track(int(number[1]), camera, frames))
    for camera, name in enumerate(cameras):
        if camera not in {each.camera for each in found}:
            raise UsageError(f"folder: no pictures in {folder / name}/person*", f"name what holds {folder.name}")
    return found


def _text(path: Path) -> list[str]:
    if not path.is_file():
        raise UsageError(f"folder: no {path}", f"name the folder that holds {path.name}")
    return [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]


def _loaded(path: Path, name: str) -> Any:
    """An array of a file of Matlab's."""
    if not path.is_file():
        raise UsageError(f"folder: no {path}", f"name the folder that holds {path.name}")
    with refusing(f"{path}: holds no {name}", FETCH):
        return loadmat(path, variable_names=[name])[name]
