"""Loaders on folders that are laid out as the data sets are published."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from polarprior.plugin import PolarPriorError, UsageError
from polarprior_ground_metric.published import ilids_vid, kinface_w, prid_2011, traffic
from scipy.io import savemat


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 8)).save(path)


@pytest.mark.parametrize(
    ("load", "where", "cameras", "person", "alone"),
    [
        (prid_2011, "multi_shot", ("cam_a", "cam_b"), "person_{:04}", 2319),
        (ilids_vid, "sequences", ("cam1", "cam2"), "person{:03}", 319),
    ],
)
def test_tracks_of_persons(tmp_path, load, where, cameras, person, alone):
    for camera, persons in zip(cameras, ([1, 2], [1, 2, 319]), strict=True):
        for each in persons:
            for frame in (2, 1):
                picture(tmp_path / where / camera / person.format(each) / f"{frame:04}.png")
    found = load(tmp_path)
    assert [(each.person, each.camera) for each in found] == [(1, 0), (2, 0), (1, 1), (2, 1), (alone, 1)]
    assert [each.name for each in found[0].frames] == ["0001.png", "0002.png"]
    with pytest.raises(UsageError, match=f"no pictures in .*{cameras[0]}"):
        load(tmp_path / where)
    (tmp_path / where / cameras[1]).rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=f"no pictures in .*{cameras[1]}"):
        load(tmp_path)


def cells(rows):
    """As Matlab's cells, which loadmat gives back as arrays of objects."""
    table = np.empty((len(rows), len(rows[0])), object)
    for row, each in enumerate(rows):
        table[row] = each
    return table


def test_pairs_of_faces(tmp_path):
    for name in ("fd_001_1.jpg", "fd_001_2.jpg", "fd_002_2.jpg"):
        picture(tmp_path / "images" / "father-dau" / name)
    file = tmp_path / "meta_data" / "fd_pairs.mat"
    file.parent.mkdir()
    rows = [[1, 1, "fd_001_1.jpg", "fd_001_2.jpg"], [2, 0, "fd_001_1.jpg", "fd_002_2.jpg"]]
    savemat(file, {"pairs": cells(rows)})
    found = kinface_w(tmp_path, "fd")
    assert found.related.tolist() == [True, False]
    assert found.folds.tolist() == [1, 2]
    assert [each.name for each in found.second] == ["fd_001_2.jpg", "fd_002_2.jpg"]
    for where in ("../../other.jpg", "none.jpg"):
        savemat(file, {"pairs": cells([[1, 1, "fd_001_1.jpg", where]])})
        with pytest.raises(UsageError, match=r"no .*jpg"):
            kinface_w(tmp_path, "fd")
    savemat(file, {"pairs": cells([["one", 1, "fd_001_1.jpg", "fd_001_2.jpg"]])})
    with pytest.raises(PolarPriorError, match="holds no pairs"):
        kinface_w(tmp_path, "fd")
    savemat(file, {"pairs": cells(rows)}, do_compression=True)
    whole = file.read_bytes()
    for damaged in (b"MATLAB 5.0 or not", whole[:100], whole[:160] + b"abc" + whole[163:]):
        file.write_bytes(damaged)
        with pytest.raises(PolarPriorError, match="holds no pairs"):
            kinface_w(tmp_path, "fd")
    with pytest.raises(UsageError, match="expected one of fs, fd, ms, md"):
        kinface_w(tmp_path, "aunts")


def test_traffic(tmp_path):
    stream = np.random.default_rng(0)
    clips = np.empty(3, object)
    for index, length in enumerate((5, 6, 4)):
        clips[index] = stream.integers(0, 256, (48, 48, length)).astype(np.uint8)
    savemat(tmp_path / "traffic_patches.mat", {"imgdb": clips})
    (tmp_path / "ImageMaster").write_text(
        "# index\tname\tclass\n1\tclip_a\tlight\n2\tclip_b\theavy\n3\tclip_c\tmedium\n"
    )
    (tmp_path / "EvalSet_train").write_text("1,2\n2,3\n")
    (tmp_path / "EvalSet_test").write_text("3\n1\n")
    found = traffic(tmp_path)
    assert found.labels.tolist() == ["light", "heavy", "medium"]
    assert [each.shape for each in found.frames] == [(5, 48, 48), (6, 48, 48), (4, 48, 48)]
    np.testing.assert_allclose(found.frames[1][3], clips[1][:, :, 3] / 255, rtol=1e-6)
    assert [[part.tolist() for part in split] for split in found.splits] == [[[0, 1], [2]], [[1, 2], [0]]]
    for written, said in (("9\n1\n", "no lines of numbers"), ("a\n1\n", "no lines of numbers"), ("3\n", "1 to test")):
        (tmp_path / "EvalSet_test").write_text(written)
        with pytest.raises(PolarPriorError, match=said):
            traffic(tmp_path)
    (tmp_path / "ImageMaster").write_text("1\tclip_a\tlight\n")
    with pytest.raises(PolarPriorError, match="3 clips, 1 labels"):
        traffic(tmp_path)
    with pytest.raises(UsageError, match=r"no .*ImageMaster"):
        traffic(tmp_path / "none")
