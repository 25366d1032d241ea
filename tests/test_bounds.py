"""Small files that claim a lot: they are refused before memory is taken."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import polarprior as pp
import pytest
from PIL import Image
from polarprior.errors import BankError, PolarPriorError
from toys import toy_bank

MOST = 1 << 27
"""Bytes that reading such a file may take."""


def npz(path, shape=(5_000, 128, 128, 3), twice=False):
    def entry(archive, shape):
        with archive.open("arr_0.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for _ in range(shape[0]):
                file.write(bytes(int(np.prod(shape[1:]))))

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, np.errstate(all="ignore"):
        if twice:
            entry(archive, (4, 2, 2, 3))
        entry(archive, shape)


def idx(path):
    with gzip.open(path, "wb", 9) as file:
        file.write(bytes((0, 0, 8, 3)) + struct.pack(">3I", 16_000, 128, 128))
        for _ in range(16):
            file.write(bytes(1000 * 128 * 128))


def png(width, height):
    """A picture of one colour, all of it promised and hardly any there."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def refused(path):
    tracemalloc.start()
    try:
        with pytest.raises(PolarPriorError) as error:
            pp.open_reference(path).pixels([0, 1], 3, (8, 8))
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    return error.value.message


def test_an_npz_that_expands_to_a_lot(tmp_path):
    npz(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").stat().st_size < 2_000_000
    assert "would expand to 245760128" in refused(tmp_path / "a.npz")


def test_an_npz_whose_first_name_is_there_twice(tmp_path):
    """What is read is the entry that was looked at."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        npz(tmp_path / "a.npz", twice=True)
    assert len(pp.open_reference(tmp_path / "a.npz")) == 4


def test_an_idx_file_that_expands_to_a_lot(tmp_path):
    idx(tmp_path / "a-images-idx3-ubyte.gz")
    assert "would expand to 262144000" in refused(tmp_path / "a-images-idx3-ubyte.gz")


@pytest.mark.parametrize("size", [(12_000, 12_000), (2**20, 64), (40_000, 40_000)])
def test_a_picture_of_too_many_pixels(tmp_path, size):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png(*size))
    message = refused(tmp_path)
    assert "pixels" in message


def test_a_zip_of_pictures_that_expand(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.png", "b.png"):
            archive.writestr(name, png(8, 8) + bytes(1 << 28))
    assert "would expand to" in refused(tmp_path / "a.zip")


def test_pictures_that_expand_as_pictures_do(tmp_path):
    """Pictures of one colour, or black: 64 MB are read whatever they were packed to."""
    Image.new("RGB", (4000, 4000)).save(tmp_path / "a.png")
    Image.new("RGB", (4000, 4000)).save(tmp_path / "b.png")
    assert pp.open_reference(tmp_path).pixels([0, 1], 3, (8, 8)).max() == 0
    npz(tmp_path / "a.npz", (300, 128, 128, 3))
    assert len(pp.open_reference(tmp_path / "a.npz")) == 300


@pytest.mark.parametrize("form", [10**9, 100 * 28])
def test_a_bank_that_is_cut_short_while_it_is_open(tmp_path, form):
    """Reading a mapped file that was cut short ends the process: here it is an error like others."""
    path = toy_bank(300, 1.0).save(tmp_path / "bank", form)
    opened = pp.Bank.open(path)
    rows = len(opened.columns(0, 10)["seeds"])
    assert rows == 10
    for file in tmp_path.glob("*.safetensors"):
        with file.open("r+b") as content:
            content.truncate(file.stat().st_size // 2)
    for use in (opened.log_volume, opened.columns, lambda: opened.seeds, lambda: pp.verify(opened)):
        with pytest.raises(BankError, match="is damaged: it was cut short since it was opened"):
            use()


@pytest.mark.parametrize("form", [10**9, 100 * 28])
def test_a_bank_that_is_replaced_or_removed_while_it_is_open_stays_what_it_was(tmp_path, form):
    bank = toy_bank(300, 1.0)
    path = bank.save(tmp_path / "bank", form)
    for after in (lambda: toy_bank(200, 1.0, seed=1).save(tmp_path / "bank", form), lambda: shutil.rmtree(tmp_path)):
        opened = pp.Bank.open(path)
        before = opened.info.digest
        kept = {name: column.copy() for name, column in opened.columns().items()}
        after()
        for name, column in opened.columns().items():
            np.testing.assert_array_equal(column, kept[name])
        pp.verify(opened)
        assert opened.info.digest == before


def test_a_picture_in_a_zip_by_name(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("b.png", "a.png"):
            archive.writestr(name, buffer.getvalue())
    assert pp.open_reference(tmp_path / "a.zip").pixels([0, 1], 3, (8, 8))[..., 0].min() == 255
