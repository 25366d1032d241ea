"""Pictures: single images as stock scripts write them, and grids with captions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from polarprior.errors import PolarPriorError, UsageError
from polarprior.files import write_atomically
from polarprior.foreign import shown


def to_uint8(images: Tensor) -> np.ndarray:
    """Images [n, C, H, W] in [-1, 1], C 1 or 3, to uint8 [n, H, W, C]: clamp(127.5 x + 128), as stock does."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise UsageError(
            f"images: the generator gives {list(images.shape[1:])} a latent, expected [1 or 3, height, width]",
            "outputs that are no pictures can be had in Python: pp.latent_sampler(...).sample(seeds)",
        )
    if not bool(images.isfinite().all()):
        raise PolarPriorError("images: the generator gives NaN or infinity", "it may need float32 or other settings")
    typical = float(images.abs().median())  # the largest may be an outlier, which is clamped
    if typical > 2:
        raise UsageError(
            f"images: values of {typical:.3g} are typical, expected -1 to 1",
            "scale the generator's output: x / 127.5 - 1",
        )
    scaled = (images.detach().float().cpu() * 127.5 + 128).clamp(0, 255)
    return scaled.permute(0, 2, 3, 1).numpy().astype(np.uint8)


def from_uint8(pixels: np.ndarray) -> Tensor:
    """uint8 [n, H, W, C] to float32 [n, C, H, W] in [-1, 1]: x / 127.5 - 1."""
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def save_png(path: Path, pixels: np.ndarray, title: str) -> None:
    """Write uint8 [H, W, C], C 1 or 3, as PNG with a title in its metadata, atomically."""
    write_atomically(path, png_bytes(as_image(pixels), title))


def as_image(pixels: np.ndarray) -> Image.Image:
    """uint8 [H, W, C], C 1 or 3, as a picture."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def png_bytes(image: Image.Image, title: str | None = None) -> bytes:
    """`image` as PNG, with the text ``Title`` where there is one."""
    buffer, texts = io.BytesIO(), PngInfo()
    if title is not None:
        texts.add_itxt("Title", shown(title, lines=True))
    image.save(buffer, "PNG", optimize=True, pnginfo=texts)
    return buffer.getvalue()


SMALLEST, LARGEST = 96, 512
"""Pixels of a picture's shorter side on a sheet: smaller ones are enlarged, larger ones reduced, by whole factors."""


def for_a_sheet(images: np.ndarray) -> np.ndarray:
    """uint8 [n, H, W, C] at a size that can be looked at, see `SMALLEST`: pixels repeated, or their means."""
    shorter = min(images.shape[1:3])
    times, parts = -(-SMALLEST // shorter), shorter // LARGEST
    if parts <= 1:
        return images.repeat(times, 1).repeat(times, 2)
    reduced = [np.asarray(as_image(each).reduce(parts)) for each in images]
    return np.stack(reduced).reshape(len(images), *reduced[0].shape[:2], -1)


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets below each other, on white."""
    whole = Image.new("RGB", (max(each.width for each in sheets), sum(each.height for each in sheets)), "white")
    top = 0
    for each in sheets:
        whole.paste(each, (0, top))
        top += each.height
    return whole


def captioned_grid(
    rows: Sequence[np.ndarray],
    captions: Sequence[tuple[str, str]],
    title: str,
    heads: Sequence[str],
    marked: Sequence[np.ndarray],
) -> Image.Image:
    """Rows of images with a caption each, a title above, a head over each column, a bar under some.

    Args:
        rows: uint8 [columns, H, W, C] each; `for_a_sheet` gives them their size.
        captions: (large, small) for each row.
        title: a line or two; empty for none.
        heads: one for each column.
        marked: bool [columns] for each row: which images get the bar.
    """
    rows = [for_a_sheet(row) for row in rows]
    count, height, width, _ = rows[0].shape
    gap, left, top = 6, 150, 66 if title else 24
    large, small = ImageFont.load_default(17), ImageFont.load_default(11)
    title_width = max((int(small.getlength(line)) for line in title.splitlines()), default=0)
    across = max(width, *(int(small.getlength(head)) for head in heads)) + gap  # heads and captions need their room
    pitch = height + gap
    size = (max(left + count * across, title_width + 20), top + len(rows) * pitch)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((10, 9), title, "black", small)
    for column, head in enumerate(heads):
        draw.text((left + column * across + width // 2, top - 6), head, "gray", small, anchor="ms")
    for index, (row, (main, detail), bars) in enumerate(zip(rows, captions, marked, strict=True)):
        y = top + index * pitch
        draw.text((10, y + height // 2 - 4), main, "black", large, anchor="ls")
        draw.multiline_text((10, y + height // 2 + 2), detail, "gray", small, spacing=1)
        for column, (pixels, bar) in enumerate(zip(row, bars, strict=True)):
            x = left + column * across
            sheet.paste(as_image(pixels).convert("RGB"), (x, y))
            if bar:
                draw.rectangle((x, y + height, x + width - 1, y + height + 2), "orangered")
    return sheet
