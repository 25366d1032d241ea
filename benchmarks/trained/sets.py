"""What the trained networks learn from: digits and faces of 32 x 32 pixels, in the format of a stock trainer.

    python benchmarks/trained/sets.py        makes both sets, and says where they are

- ``digits``: MNIST with a border of 2 pixels: the first 50,000 of its training images, and its 10,000 test images
  held out. With classes.
- ``faces``: 50,000 pictures of the plugin ``dcgan-faces``, latents of seeds from 0, and 10,000 more held out, halved
  to 32 pixels by means of 2 x 2: a data set whose law is known. In colour, without classes.

Both are kept as one file a set in the folder that ``POLARPRIOR_TRAINED`` names, else in the user's cache.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polarprior as pp
import torch
from polarprior.files import user_cache, writing_atomically
from polarprior.images.pictures import from_uint8, to_uint8
from tqdm import trange

sys.path.append(str(Path(__file__).parents[1] / "paper"))
import data as mnist  # of the folder paper

SIZE, SHOWN, HELD_OUT = 32, 50_000, 10_000
NAMES = ("digits", "faces")
CACHE = Path(os.environ.get("POLARPRIOR_TRAINED") or (user_cache() or Path("cache")) / "trained")
BATCH = 500


class Pictures(NamedTuple):
    """Pictures of a set.

    Attributes:
        images: uint8 [n, 32, 32] or [n, 32, 32, 3].
        labels: int64 [n], all 0 where there are no classes.
    """

    images: np.ndarray
    labels: np.ndarray

    @property
    def coloured(self) -> np.ndarray:
        """The images with three channels, uint8 [n, 32, 32, 3]."""
        return self.images if self.images.ndim == 4 else np.repeat(self.images[..., None], 3, axis=-1)


def pictures(name: str, part: str) -> Pictures:
    """A set's pictures to train on (``train``), or those held out (``test``)."""
    return _digits(part) if name == "digits" else _faces(part)


def _digits(part: str) -> Pictures:
    try:
        images, labels = mnist.digits(part)
    except OSError as error:
        raise SystemExit(f"error: MNIST: {error}\nhint: unset MNIST, and it is fetched") from error
    if images.shape[1:] != (28, 28) or len(images) < (SHOWN if part == "train" else HELD_OUT):
        raise SystemExit(
            f"error: MNIST: images {list(images.shape)}, expected [{SHOWN} or more, 28, 28]\n"
            "hint: unset MNIST, and it is fetched"
        )
    border = (SIZE - images.shape[1]) // 2
    padded = np.pad(images[:SHOWN], ((0, 0), (border, border), (border, border)))
    return Pictures(padded, labels[:SHOWN])


def _faces(part: str) -> Pictures:
    path = CACHE / f"faces-{part}.npy"
    if not path.exists():
        generator = pp.load("dcgan-faces", "cpu")
        first, count = (0, SHOWN) if part == "train" else (SHOWN, HELD_OUT)
        made = []
        for start in trange(first, first + count, BATCH, desc=f"faces, {part}"):
            with torch.no_grad():
                images = generator(generator.prior.draw(range(start, start + BATCH)))
            made.append(to_uint8(torch.nn.functional.avg_pool2d(from_uint8(to_uint8(images)), 2)))
        CACHE.mkdir(parents=True, exist_ok=True)
        with writing_atomically(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.concatenate(made))
    images = np.load(path)
    return Pictures(images, np.zeros(len(images), dtype=np.int64))


def write_zip(shown: Pictures, path: Path) -> None:
    """An archive of PNG files, as dataset_tool.py of StyleGAN makes it; the same bytes each time. In colour: the
    stock scripts that show a network's pictures know no others."""
    from PIL import Image

    labels = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, (image, label) in enumerate(zip(shown.coloured, shown.labels, strict=True)):
            name, png = f"{number // 1000:05d}/img{number:08d}.png", io.BytesIO()
            Image.fromarray(image).save(png, format="png", compress_level=1)
            archive.writestr(zipfile.ZipInfo(name), png.getvalue())
            labels.append([name, int(label)])
        archive.writestr(zipfile.ZipInfo("dataset.json"), json.dumps({"labels": labels}))


def write_h5(shown: Pictures, path: Path) -> None:
    """The file that pytorch_GAN_zoo reads: ``input_image`` uint8 [n, 32, 32, 3]."""
    import h5py

    with h5py.File(path, "w", track_order=True) as file:
        file.create_dataset("input_image", data=shown.coloured, chunks=(100, SIZE, SIZE, 3))


def write_cifar(shown: Pictures, folder: Path) -> None:
    """The five files of CIFAR-10, which BigGAN-PyTorch reads."""
    files = folder / "cifar" / "cifar-10-batches-py"
    files.mkdir(parents=True)
    rows = shown.coloured.transpose(0, 3, 1, 2).reshape(len(shown.images), -1)
    for number, which in enumerate(np.split(np.arange(len(rows)), 5)):
        batch = {"data": rows[which], "labels": shown.labels[which].tolist()}
        (files / f"data_batch_{number + 1}").write_bytes(pickle.dumps(batch))


def write_idx(folder: Path) -> None:
    """The idx files of MNIST where torchvision looks for them, which NVAE's trainer asks; it pads them itself."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in mnist.folder().glob("*-ubyte"):
        shutil.copyfile(file, raw / file.name)


def main() -> None:
    """Make both sets."""
    for name in NAMES:
        for part in ("train", "test"):
            found = pictures(name, part)
            print(f"{name}, {part}: {found.images.shape}")


if __name__ == "__main__":
    main()
