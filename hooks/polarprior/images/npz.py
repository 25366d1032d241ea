"""Samples in the layout of the guided-diffusion evaluator: an .npz of uint8 images, and their labels."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from polarprior.files import writing_atomically


def save_npz(path: Path, batches: Iterable[np.ndarray], count: int, labels: np.ndarray | None = None) -> None:
    """Write images as they come, so that no more than a batch is in memory.

    ``arr_0`` is uint8 [n, H, W, 3], grey repeated; ``arr_1`` int64 [n] where there are labels: what
    openai/guided-diffusion's evaluator.py reads.

    Args:
        path: the file.
        batches: uint8 [m, H, W, C] each, C 1 or 3, `count` images in all.
        count: of the images.
        labels: int64 [count].
    """
    with writing_atomically(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(_entry("arr_0"), "w", force_zip64=True) as file:
            shape: tuple[int, ...] | None = None
            for images in batches:
                colours = np.repeat(images, 3, -1) if images.shape[-1] == 1 else images
                if shape is None:
                    shape = (count, *colours.shape[1:])
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(colours).tobytes())
        if labels is not None:
            with archive.open(_entry("arr_1"), "w") as file:
                np.lib.format.write_array(file, labels.astype(np.int64))


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))  # no time stamp: the same samples, the same bytes
