"""Real images: a folder, a zip, an idx file as MNIST's, a file of CIFAR-10's, or an .npz as the guided-diffusion
evaluator takes."""

from __future__ import annotations

import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
from PIL import Image
from torch import Tensor

from polarprior.arguments import checked
from polarprior.arguments import path as path_domain
from polarprior.errors import PolarPriorError, UsageError
from polarprior.foreign_arrays import npz_array, npz_header
from polarprior.images.cifar import read_cifar
from polarprior.images.expanding import PIXELS, check_expands
from polarprior.images.idx import read_idx
from polarprior.images.pictures import as_image, from_uint8

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""What those are: others of Pillow's many are not read, whatever a file is called."""
BATCH = 64
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    IndexError,
    RuntimeError,  # an encrypted zip
    SyntaxError,  # a broken PNG
    TypeError,  # a number in a header that is none
    zlib.error,
    zipfile.BadZipFile,
    Image.DecompressionBombError,
)
"""What Pillow, zipfile and numpy raise of files that are damaged, or are something else."""


class Reference(ABC):
    """Real images in a fixed order.

    Attributes:
        path: where they are.
    """

    def __init__(self, path: Path):
        self.path = path

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def picture(self, index: int) -> Image.Image:
        """One of them."""

    def name(self, index: int) -> str:
        """What one of them is called: its file, or its number."""
        return str(index)

    def labels(self) -> np.ndarray | None:
        """The class of each, [n]: its number (int64) in files of MNIST's and CIFAR-10's, its name where all pictures
        lie in sub-folders; None where there is none. Sub-folders such as 00000 only share pictures out."""
        return None

    def pixels(self, rows: list[int], channels: int, size: tuple[int, int]) -> np.ndarray:
        """uint8 [n, *size, channels] of some of them, channels 1 or 3, resized by Pillow's bicubic where they have
        another size of the same shape. Transparency is left out; 16 bits become 8.

        Raises:
            UsageError: images of another aspect ratio.
        """
        out = np.empty((len(rows), *size, channels), np.uint8)
        for place, index in zip(out, rows, strict=True):
            image = _eight_bits(self.picture(index), index, self.path).convert("L" if channels == 1 else "RGB")
            height, width = size
            if image.size[0] * height != image.size[1] * width:
                raise UsageError(
                    f"images: {self.name(index)} of {self.path} is {image.size[0]} x {image.size[1]}, "
                    f"expected the shape of {width} x {height}",
                    "crop the images to that shape",
                )
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BICUBIC)
            place[:] = np.asarray(image).reshape(height, width, channels)
        return out

    def batches(self, channels: int, size: tuple[int, int], most: int | None = None) -> Iterator[Tensor]:
        """Images [n, channels, *size] in [-1, 1], `BATCH` at a time, the first `most` of them."""
        return map(from_uint8, self.pixel_batches(channels, size, most))

    def pixel_batches(self, channels: int, size: tuple[int, int], most: int | None = None) -> Iterator[np.ndarray]:
        """The same as uint8 [n, *size, channels]."""
        count = len(self) if most is None else min(most, len(self))
        for start in range(0, count, BATCH):
            yield self.pixels(list(range(start, min(start + BATCH, count))), channels, size)


def _eight_bits(image: Image.Image, index: int, path: Path) -> Image.Image:
    """`image`, or where it has 16 bits of grey the upper eight: Pillow's own conversion would saturate."""
    if image.mode == "F":
        raise UsageError(f"images: image {index} of {path} holds floats", "write it with 8 bits a channel")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UsageError(f"images: image {index} of {path} has 32 bits", "write it with 8 bits a channel")
    return Image.fromarray((values >> 8).astype(np.uint8))


class _Array(Reference):
    """uint8 [n, H, W, C], and labels int64 [n] where there are any."""

    def __init__(self, path: Path, images: np.ndarray, labels: np.ndarray | None = None):
        super().__init__(path)
        self._images, self._labels = images, labels

    def __len__(self) -> int:
        return len(self._images)

    def picture(self, index: int) -> Image.Image:
        return as_image(self._images[index])

    def labels(self) -> np.ndarray | None:
        return self._labels


class _Folder(Reference):
    """Files of pictures in a folder and those below it, in the order of their names."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._files = sorted(each for each in path.rglob("*") if each.suffix.lower() in PICTURES)

    def __len__(self) -> int:
        return len(self._files)

    def picture(self, index: int) -> Image.Image:
        return _opened(self._files[index], self._files[index])

    def name(self, index: int) -> str:
        return str(self._files[index].relative_to(self.path))

    def labels(self) -> np.ndarray | None:
        return _sub_folders([each.relative_to(self.path) for each in self._files])


class _Zip(Reference):
    """Files of pictures in a zip, such as a data set of StyleGAN's, in the order of their names."""

    def __init__(self, path: Path):
        super().__init__(path)
        with _reading(path):
            self._zip = zipfile.ZipFile(path)
        self._names = sorted(name for name in self._zip.namelist() if Path(name).suffix.lower() in PICTURES)

    def __len__(self) -> int:
        return len(self._names)

    def picture(self, index: int) -> Image.Image:
        name = self._names[index]
        entry = self._zip.getinfo(name)
        check_expands(f"{name} of {self.path}", entry.compress_size, entry.file_size)
        with _reading(f"{name} of {self.path}"), self._zip.open(entry) as file:
            return _opened(file, name)

    def name(self, index: int) -> str:
        return self._names[index]

    def labels(self) -> np.ndarray | None:
        return _sub_folders([PurePosixPath(each) for each in self._names])


def _sub_folders(files: Sequence[PurePath]) -> np.ndarray | None:
    """The first of each; None where a file lies in none, or they are five digits each, as in StyleGAN's sets."""
    if not all(len(each.parts) > 1 for each in files):
        return None
    names = [each.parts[0] for each in files]
    return None if all(re.fullmatch(r"\d{5}", each) for each in names) else np.array(names)


@checked(path=path_domain("name a folder, a zip, an idx file or an .npz"))
def open_reference(path: str | Path) -> Reference:
    """Real images.

    Args:
        path: a folder or a zip of pictures; an idx file of images (MNIST's format), or a folder with one; a .bin of
            CIFAR-10; an .npz whose first array is uint8 [n, H, W, C] (the layout of the guided-diffusion evaluator).

    Raises:
        UsageError: nothing there, or nothing of the above.
        PolarPriorError: a file that is damaged.
    """
    path = Path(path)
    if not (path.is_dir() or path.is_file()):
        raise UsageError(
            f"images: got {str(path)!r}, no such file or folder",
            "name a folder of pictures, a zip, an idx file or an .npz",
        )
    if path.is_dir():
        arrays = sorted(path.glob("*-images-idx3-ubyte*"))
        if len(arrays) > 1:
            raise UsageError(f"images: {path} has {len(arrays)} files of images", f"name one: {arrays[0]}")
        reference: Reference = _of_idx(arrays[0]) if arrays else _Folder(path)
    elif path.suffix == ".bin":
        reference = _Array(path, *read_cifar(path))
    elif path.suffix == ".npz":
        reference = _Array(path, _images_of_npz(path))
    elif zipfile.is_zipfile(path):
        reference = _Zip(path)
    else:
        reference = _of_idx(path)
    if len(reference) < 2:
        raise UsageError(f"images: {path} has {len(reference)} images", f"name one with more: {', '.join(PICTURES)}")
    return reference


@contextmanager
def _reading(what: object, hint: str = "write it again") -> Iterator[None]:
    """PolarPriorError, naming `what`, where it is damaged."""
    try:
        yield
    except UNREADABLE as error:
        raise PolarPriorError(f"images: can't read {what}: {error}", hint) from error


def _opened(file: object, name: object) -> Image.Image:
    with _reading(name, "remove it or write it again"):
        with Image.open(file, formats=FORMATS) as image:  # type: ignore[arg-type]  # a path or a binary file
            if image.width * image.height > PIXELS:
                raise PolarPriorError(
                    f"images: {name} has {image.width} x {image.height} pixels, at most {PIXELS} are read",
                    "resize it",
                )
            image.load()  # what it holds stays when the file is closed
        return image


def _of_idx(path: Path) -> Reference:
    """Images, and labels where their file lies beside them."""
    images = read_idx(path)
    if images.ndim != 3 or not images.size:
        raise PolarPriorError(f"images: {path} has axes {list(images.shape)}", "name a file of images, not labels")
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if beside == path or not beside.is_file():
        return _Array(path, images[..., None])
    labels = read_idx(beside).astype(np.int64)
    if labels.shape != images.shape[:1]:
        raise PolarPriorError(
            f"images: {beside} has axes {list(labels.shape)} for {len(images)} images", "fetch both again"
        )
    return _Array(path, images[..., None], labels)


def _images_of_npz(path: Path) -> np.ndarray:
    """The first array of an .npz, after its header has been checked against the file's size."""
    with _reading(path), zipfile.ZipFile(path) as archive:
        entry = archive.infolist()[0]  # not its name, which may be there twice
        kind, shape = npz_header(archive, entry)
        if kind != np.uint8 or len(shape) != 4 or shape[-1] not in (1, 3):
            raise PolarPriorError(
                f"images: {path} begins with {kind} {list(shape)}, expected uint8 [n, H, W, 1 or 3]",
                "write one with: polarprior sample ... --npz FILE",
            )
        check_expands(path, path.stat().st_size, entry.file_size)
        return npz_array(archive, entry)
