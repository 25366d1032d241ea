"""Images to train on, read from files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from polarprior.plugin import UsageError
from polarprior_pagan.data import open_data, open_images


def test_data_is_read_from_idx_cifar_and_pictures(idx, bars, tmp_path):
    found = open_data(idx, 16)
    assert found.held.pixels.shape == (30, 16, 16, 1)
    assert len(found.training) == 270
    assert sorted(np.bincount(np.concatenate([found.training.labels, found.held.labels]))) == [150, 150]
    pixels, labels = bars(200, 32, 3)
    for part in range(2):
        rows = slice(100 * part, 100 * part + 100)
        records = [np.append(y, x.transpose(2, 0, 1)) for x, y in zip(pixels[rows], labels[rows], strict=True)]
        np.array(records, np.uint8).tofile(tmp_path / f"data_batch_{part + 1}.bin")
    cifar = open_images(tmp_path, 32)
    np.testing.assert_array_equal(cifar.pixels, pixels)
    np.testing.assert_array_equal(cifar.labels, labels)
    for index, image in enumerate(pixels[:3]):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    for file in tmp_path.glob("*.bin"):
        file.unlink()
    folder = open_images(tmp_path, 16)
    assert folder.pixels.shape == (3, 16, 16, 3)
    assert folder.labels is None
    with pytest.raises(UsageError, match="expected 100 or more"):
        open_data(tmp_path, 16)


def test_a_packed_copy_of_the_images_is_not_read_as_well(idx, bars, write_idx, tmp_path):
    """As `gunzip -k` leaves it: an image that is held out must not be trained on."""
    pixels, labels = bars()
    for end in ("", ".gz"):
        write_idx(tmp_path / f"train-images-idx3-ubyte{end}", pixels[..., 0])
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    (tmp_path / "train-images-idx3-ubyte.md5").write_text("0")
    np.testing.assert_array_equal(open_images(tmp_path, 16).pixels, open_images(idx, 16).pixels)


def test_other_labels_are_other_images(idx):
    images = open_images(idx, 16)
    assert images.digest() != replace(images, labels=1 - images.labels).digest()
    assert images.digest() == open_images(idx, 16).digest()


def test_the_middle_of_images_of_any_shape(tmp_path):
    """As CelebA's, 178 x 218, and some of another size among them."""
    for index, (width, height) in enumerate([(178, 218), (218, 178), (200, 200)]):
        pixels = np.zeros((height, width, 3), np.uint8)
        top, left = (height - 160) // 2, (width - 160) // 2
        pixels[top : top + 160, left : left + 160] = 10 * (index + 1)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    found = open_images(tmp_path, 16, crop=160)
    assert found.pixels.shape == (3, 16, 16, 3)
    assert [sorted(np.unique(each)) for each in found.pixels] == [[10], [20], [30]]
    with pytest.raises(UsageError, match=r"crop: got 190, but 0\.png of .* is 178 x 218") as refused:
        open_images(tmp_path, 16, crop=190)
    assert refused.value.hint == "use crop=178"
    with pytest.raises(UsageError, match="is 178 x 218") as refused:
        open_images(tmp_path, 16)
    assert refused.value.hint == "take the middle of each image: crop=178"
