"""Real images, what draws are worth against them, and the commands that show it."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from PIL import Image
from polarprior.cli.main import main
from polarprior.errors import PolarPriorError, UsageError
from polarprior.hashing import latent_hash
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.images.reference import open_reference
from polarprior.jacobian.feature_map import PIXEL
from polarprior.metrics.for_torch_fidelity import fidelity_model
from polarprior.metrics.frechet import frechet_distance
from polarprior.metrics.judge import Judge
from polarprior.metrics.manifold import fidelity
from polarprior.metrics.path_length import path_lengths
from polarprior.stock.shims.vision import import_torchvision_without_operators
from polarprior.sweeps.measuring import Measuring, Spread
from polarprior.sweeps.modes import ModesOptions, NearestReal, modes
from polarprior.sweeps.repetitions import repetitions
from polarprior.sweeps.tuning import TuneOptions, search

SOURCE = """
import torch, polarprior as pp
from torch import nn


class Blobs(nn.Module):
    "A bright spot whose place and width are a bent function of z: volume differs between latents."

    def __init__(self):
        super().__init__()
        self.bend = nn.Linear(3, 3)

    def forward(self, z):
        x, y, width = self.bend(z).tanh().unbind(1)
        axis = torch.linspace(-1, 1, 8)
        spot = -((axis - x[:, None]) ** 2)[:, None, :] - ((axis - y[:, None]) ** 2)[:, :, None]
        return 2 * (spot * (2 + width[:, None, None])).exp()[:, None] - 1


def make(trunc=1.0):
    torch.manual_seed(0)
    blobs = Blobs().requires_grad_(False)
    with torch.no_grad():
        blobs.bend.weight.mul_(trunc)
    return pp.wrap(blobs, latent_dim=3, settings=pp.Settings(trunc=trunc))


def means():
    return nn.Sequential(nn.AvgPool2d(2), nn.Flatten())
"""


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A folder with the generator's source, its bank, and real images that it might have made."""
    folder = tmp_path_factory.mktemp("blobs")
    (folder / "blobs.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        generator = pp.load("torch:blobs:make")
        pp.build_bank(generator, 600, 3, out=folder / "bank.safetensors")
        wide = to_uint8(generator(generator.prior.draw(range(5000, 5200))))
        real = folder / "real"
        real.mkdir()
        for index, pixels in enumerate(wide):
            Image.fromarray(pixels[..., 0]).save(real / f"{index:03d}.png")
        yield folder


@pytest.fixture
def here(blobs, monkeypatch):
    monkeypatch.chdir(blobs)
    return blobs


def run(*words: object) -> int:
    return main(list(map(str, words)))


@pytest.fixture
def stored(tmp_path):
    """The same three pictures [3, 4, 6] in all the ways that they may be stored."""
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 6), dtype=np.uint8)
    header = bytes((0, 0, 8, 3)) + np.array(images.shape, ">u4").tobytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + images.tobytes())
    with gzip.open(tmp_path / "images.gz", "wb") as file:
        file.write(header + images.tobytes())
    np.savez(tmp_path / "images.npz", arr_0=images[..., None].repeat(3, -1))
    np.savez_compressed(tmp_path / "packed.npz", arr_0=images[..., None])
    (tmp_path / "folder" / "below").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for index, image in enumerate(images):
            path = tmp_path / "folder" / ("below" if index else ".") / f"{index}.png"
            Image.fromarray(image).save(path)
            archive.write(path, f"00000/img{index}.png")
        archive.writestr("dataset.json", "{}")
    return images, tmp_path


@pytest.mark.parametrize(
    "name", ["train-images-idx3-ubyte", ".", "images.gz", "images.npz", "packed.npz", "folder", "images.zip"]
)
def test_real_images_in_every_form(stored, name):
    images, folder = stored
    reference = open_reference(folder / name)
    assert len(reference) == 3
    (batch,) = reference.batches(1, (4, 6))
    seen = ((batch + 1) * 127.5).round().to(torch.uint8)[:, 0].numpy()
    order = [1, 2, 0] if name == "folder" else [0, 1, 2]
    assert (np.sort(seen.reshape(3, -1), 0) == np.sort(images.reshape(3, -1), 0)).all()
    assert (seen == images[order]).all() or (seen == images).all()
    assert reference.pixels([2, 0], 3, (8, 12)).shape == (2, 8, 12, 3)
    assert reference.labels() is None


def test_classes_are_a_file_beside_or_sub_folders(stored):
    _, folder = stored
    beside = folder / "train-labels-idx1-ubyte"
    beside.write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 7)))
    assert open_reference(folder / "train-images-idx3-ubyte").labels().tolist() == [7, 0, 7]
    beside.write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 2, 7, 0)))
    with pytest.raises(PolarPriorError, match="for 3 images"):
        open_reference(folder / "train-images-idx3-ubyte")
    (folder / "folder" / "cats").mkdir()
    (folder / "folder" / "0.png").rename(folder / "folder" / "cats" / "0.png")
    assert open_reference(folder / "folder").labels().tolist() == ["below", "below", "cats"]


def test_files_of_cifar_hold_planes(tmp_path):
    """A label, then the red plane, the green and the blue, each row by row."""
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    records = [
        bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip((3, 9), images, strict=True)
    ]
    (tmp_path / "test_batch.bin").write_bytes(b"".join(records))
    reference = open_reference(tmp_path / "test_batch.bin")
    assert (reference.pixels([0, 1], 3, (32, 32)) == images).all()
    assert reference.name(1) == "1"
    assert reference.labels().tolist() == [3, 9]


def test_what_is_no_reference_is_refused(stored, tmp_path):
    _, folder = stored
    with pytest.raises(UsageError, match=r"nothing.*, no such file"):
        open_reference(tmp_path / "nothing")
    with pytest.raises(UsageError, match="is 6 x 4, expected the shape of 5 x 5"):
        open_reference(folder / "images.npz").pixels([0], 1, (5, 5))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="has 0 images"):
        open_reference(tmp_path / "empty")
    broken = tmp_path / "broken"
    broken.mkdir()
    for index in range(2):
        (broken / f"{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PolarPriorError, match=r"can't read .*0\.png"):
        open_reference(broken).pixels([0], 1, (4, 6))
    whole = (folder / "train-images-idx3-ubyte").read_bytes()
    for name, content in {
        "short": whole[:-1],
        "long": whole + b"0",
        "huge": whole[:4] + b"\xff" * 12,
        "text": b"hello",
        "torn.bin": bytes(2 * 3073 - 1),
        "labels.bin": bytes([12]) * 2 * 3073,
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PolarPriorError):
            open_reference(tmp_path / name)
    np.savez(tmp_path / "floats.npz", arr_0=np.zeros((3, 4, 4, 3)))
    with pytest.raises(PolarPriorError, match="begins with float64"):
        open_reference(tmp_path / "floats.npz")
    (tmp_path / "torn.npz").write_bytes((folder / "images.npz").read_bytes()[:50])
    with pytest.raises(PolarPriorError):
        open_reference(tmp_path / "torn.npz")


def test_a_judge_measures_pictures_as_they_are_saved(blobs):
    generator = pp.load("torch:blobs:make")
    reference = open_reference(blobs / "real")
    judge = Judge(["fid", "kid", "pr", "dc", "transport"], {"pixel": PIXEL}, reference.batches(1, (8, 8)))
    latents = generator.prior.draw(range(100))
    values = judge(generator, latents)["pixel"]
    real = torch.cat(list(reference.batches(1, (8, 8)))).flatten(1)
    made = from_uint8(to_uint8(generator(latents))).flatten(1)
    assert values["fid"] == frechet_distance(real, made)
    assert (values["precision"], values["recall"]) == fidelity(real, made)[:2]
    assert judge(generator, latents) == {"pixel": values}
    halves = judge.halves["pixel"]
    assert halves["fid"] == frechet_distance(real[::2], real[1::2])


def test_a_judge_measures_paths_between_draws(blobs):
    """Between the first half and the second; of styles where the model has some."""
    generator = pp.load("torch:blobs:make")
    judge = Judge(["ppl"], {"pixel": PIXEL}, open_reference(blobs / "real").batches(1, (8, 8)))
    latents = generator.prior.draw(range(21))
    lengths = path_lengths(generator, PIXEL, (latents[:10], latents[10:20]), torch.Generator().manual_seed(0))
    assert judge(generator, latents) == {"pixel": {"ppl": pytest.approx(float(lengths.mean()), rel=1e-6)}}
    assert judge.halves == {"pixel": {}}


def test_a_sweep_of_paths_between_styles(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pp.build_bank(pp.load("mnist:style", "cpu"), 40, 5, out="bank.safetensors")
    pp.build_bank(pp.load("mnist:wgan", "cpu"), 40, 5, out="wgan.safetensors")
    words = ["--metrics", "ppl,ppl-w", "--metric-space", "mnist:classifier", "--samples", "20", "--sets", "1"]
    asked = ["--reference", "prior", "--polarity", "0", *words, "--out", "found", "--force"]
    assert run("sweep", "mnist:style", "--bank", "bank.safetensors", *asked) == 0
    row = json.loads((tmp_path / "found/sweep.jsonl").read_text().splitlines()[0])["metrics"]["mnist:classifier"]
    assert row["ppl"]["mean"] > 0
    assert row["ppl-w"]["mean"] > 0
    assert run("sweep", "mnist:wgan", "--bank", "wgan.safetensors", *asked) == 2
    assert "metrics: got ppl-w, and mnist has no styles\nhint: use ppl\n" in capsys.readouterr().err


def test_each_latent_is_drawn_once(blobs):
    generator = pp.load("torch:blobs:make")
    seen = []
    counting = pp.FeatureMap("counting", lambda images: seen.append(len(images)) or images.flatten(1))
    judge = Judge(["fid"], {"counting": counting}, open_reference(blobs / "real").batches(1, (8, 8)))
    seen.clear()
    judge(generator, generator.prior.draw([1, 2, 3, 2]))
    judge(generator, generator.prior.draw([3, 4]))
    assert sum(seen) == 4
    narrow = pp.load("torch:blobs:make", trunc=0.5)
    judge(narrow, narrow.prior.draw([3, 4]))
    assert sum(seen) == 6


def test_the_inception_score_is_of_the_classifiers_logits(blobs):
    generator = pp.load("torch:blobs:make")
    logits = pp.FeatureMap("x-logits", lambda images: 5 * images.flatten(1)[:, :4])
    real = open_reference(blobs / "real").batches(1, (8, 8))
    values = Judge(["is"], {"x": PIXEL}, real, {"x": logits})(generator, generator.prior.draw(range(20)))
    assert 1 < values["x"]["inception score"] < 4


def test_tune_finds_what_was_asked_for(blobs):
    generator, bank = pp.load("torch:blobs:make"), pp.Bank.open(blobs / "bank.safetensors")
    judge = Judge(["fid", "pr"], {"pixel": PIXEL}, open_reference(blobs / "real").batches(1, (8, 8)))
    measuring, asked = Measuring(judge, samples=150, sets=2), pp.Comparison("real")
    tried = []
    found = search(pp.Host(), generator, bank, measuring, TuneOptions(asked, minimise="fid"), tried.append)
    values = {each.diagnostics.rho: each.metrics["pixel"]["fid"].mean for each in tried}
    assert found[0].diagnostics.rho == min(values, key=values.get)
    assert 0.0 in values
    assert all(each.diagnostics.within_limits for each in tried)
    at_zero = next(each for each in tried if each.diagnostics.rho == 0).metrics["pixel"]["recall"].mean
    near = search(pp.Host(), generator, bank, measuring, TuneOptions(asked, recall=at_zero))
    assert near[0].rho == 0
    assert found[0].change["pixel"]["fid"].mean <= 0
    assert next(each for each in tried if each.diagnostics.rho == 0).change["pixel"]["fid"].values == (0, 0)
    with pytest.raises(PolarPriorError, match="got 1, at most"):
        search(pp.Host(), generator, bank, measuring, TuneOptions(asked, recall=1.0))


def test_spreads():
    spread = Spread((1.0, 2.0, 3.0))
    assert (spread.mean, spread.std, str(spread)) == (2, 1, "2.0 ± 1.0")
    assert (Spread((4.0,)).std, Spread((4.0,)).half, str(Spread((4.0,)))) == (0, np.inf, "4")
    assert spread.half == pytest.approx(4.302653 / 3**0.5), "Student's t of two degrees of freedom"
    assert spread.less(Spread((1.0, 1.0, 1.0))).values == (0, 1, 2)


@pytest.mark.parametrize("hold", [(), ("brightness",)])
def test_each_set_is_drawn_from_a_part_of_the_bank_with_its_own_control(blobs, hold):
    generator, bank = pp.load("torch:blobs:make"), pp.Bank.open(blobs / "bank.safetensors")
    sampler = pp.latent_sampler(generator, bank, 0.4, hold=hold)
    volume_of = dict(zip(bank.latent_hash.tolist(), bank.log_volume(3).tolist(), strict=True))
    found = list(repetitions(generator, bank, sampler, None, samples=200, sets=3))
    keys = [set(latent_hash(each.drawn.z).tolist()) for each in found]
    assert not (keys[0] & keys[1] | keys[1] & keys[2] | keys[0] & keys[2])
    assert [each.distinct for each in found] == [len(each) for each in keys]
    for index, each in enumerate(found):
        assert set(latent_hash(each.control.z).tolist()) <= set(
            bank.latent_hash[index * 200 : (index + 1) * 200].tolist()
        )
    drawn, control = (
        np.mean([volume_of[key] for each in found for key in latent_hash(z(each)).tolist()])
        for z in (lambda each: each.drawn.z, lambda each: each.control.z)
    )
    plain = bank.log_volume(3).mean()
    assert drawn - plain > 4 * abs(control - plain), "the control has the repetitions and no polarity"
    for each in found:
        often = [sorted(Counter(latent_hash(part.z).tolist()).values()) for part in (each.drawn, each.control)]
        assert often[0] == often[1], "the same repetitions"


def test_at_rho_0_every_latent_of_a_part_is_drawn_once(blobs):
    generator, bank = pp.load("torch:blobs:make"), pp.Bank.open(blobs / "bank.safetensors")
    sampler = pp.latent_sampler(generator, bank)
    first, second = repetitions(generator, bank, sampler, None, samples=300, sets=2)
    assert latent_hash(first.drawn.z).tolist() == bank.latent_hash[:300].tolist()
    assert latent_hash(second.drawn.z).tolist() == bank.latent_hash[300:].tolist()
    assert first.control is None
    with pytest.warns(
        UserWarning, match=r"samples: 400 draws from each of 2 parts of a bank of 600.*use samples=300"
    ):
        (more, _) = repetitions(generator, bank, sampler, None, samples=400, sets=2)
    assert more.distinct == 300


def test_tune_says_where_nothing_can_be_told_apart_and_repeats_the_options_of_the_law(here, capsys):
    words = [
        "tune",
        "torch:blobs:make",
        "--bank",
        "bank.safetensors",
        "--reference",
        "real",
        "--metric-space",
        "pixel",
    ]
    few = ["--samples", 20, "--sets", 2, "-k", 2, "--support", "clamp", "--hold", "brightness"]
    assert run(*words, *few, "--minimise", "kid") == 0
    told, err = capsys.readouterr()
    assert re.search(
        r"12 tries, 2 sets of 20 draws each, and \d+ images to compare with: \d+ pictures at most, about", err
    )
    assert "(tilt " in err
    assert "can't be told from that at 0 in 2 sets of 20: stay with 0" in told
    assert "--polarity=0 --bank bank.safetensors --support clamp --hold brightness -k 2 --seeds 0-15" in told
    assert "(95%)" in told
    assert run(*words, "--recall", "1", "--samples", 50, "--sets", 2, "-k", 3) == 1
    hint = capsys.readouterr().err.splitlines()[-1]
    reachable = re.search(r"use --recall (\S+),", hint).group(1)
    assert run(*words, "--recall", reachable, "--samples", 50, "--sets", 2, "-k", 3) == 0, "what the hint says works"
    for share in ("nan", "0", "1.5"):
        capsys.readouterr()
        assert run(*words, "--precision", share) == 2
        assert "expected a share" in capsys.readouterr().err


def test_real_images_of_sixteen_bits_keep_their_greys(tmp_path):
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    for index in range(2):
        Image.fromarray(values).save(tmp_path / f"{index}.png")
    pixels = open_reference(tmp_path).pixels([0], 1, (8, 8))[0, ..., 0]
    assert (pixels == values >> 8).all()


def test_modes_of_a_generator_whose_shape_does_not_divide(tmp_path):
    """36 x 28 is compared at 32 x 24: the images fit the generator's own shape."""
    real = np.random.default_rng(0).integers(0, 256, (5, 36, 28, 1), dtype=np.uint8)
    np.savez(tmp_path / "real.npz", real)
    near = NearestReal(open_reference(tmp_path / "real.npz"), 1, (36, 28), 1)
    assert near(real).rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert float(near(real).distances.max()) < 1e-5


def test_images_that_are_no_numbers_are_an_error():
    with pytest.raises(PolarPriorError, match="NaN"):
        to_uint8(torch.full((1, 1, 2, 2), torch.nan))


def test_modes_are_the_ends_of_the_bank(blobs):
    generator, bank = pp.load("torch:blobs:make"), pp.Bank.open(blobs / "bank.safetensors")
    reference = open_reference(blobs / "real")
    near = NearestReal(reference, 1, (8, 8), 2)
    low = modes(generator, bank, ModesOptions(5), near)
    high = modes(generator, bank, ModesOptions(5, anti=True))
    order = np.argsort(bank.log_volume())
    assert low.seeds == bank.seeds[order[:5]].tolist()
    assert high.seeds == bank.seeds[order[::-1][:5]].tolist()
    real = torch.cat(list(reference.batches(1, (8, 8)))).flatten(1)
    distances = torch.cdist(from_uint8(low.images).flatten(1).double(), real.double())
    np.testing.assert_allclose(low.neighbours.distances, distances.topk(2, largest=False).values, rtol=1e-6)
    assert low.neighbours.images.shape == (5, 2, 8, 8, 1)


def test_sweep_writes_a_report_of_its_own(here, capsys):
    words = ["sweep", "torch:blobs:make", "--bank", "bank.safetensors", "--reference", "real", "--out", "out"]
    words += [
        "--metric-space",
        "pixel,torch:blobs:means",
        "--metrics",
        "fid,kid,pr,dc",
        "--samples",
        100,
        "--sets",
        2,
    ]
    assert run(*words, "--truncations", "0.5,1", "--polarity=-0.1,0,9", "--force") == 0
    told = capsys.readouterr().out
    rows = [json.loads(line) for line in Path("out/sweep.jsonl").read_text().splitlines()]
    assert [row["diagnostics"] and row["diagnostics"]["rho"] for row in rows] == [-0.1, 0, 9, None, None]
    assert [row["within_limits"] for row in rows] == [True, True, False, True, True]
    assert [row["trunc"] for row in rows] == [1, 1, 1, 0.5, 1]
    assert set(rows[0]["metrics"]) == {"pixel", "torch:blobs:means"}
    spread = rows[0]["metrics"]["pixel"]["fid"]
    assert len(spread["values"]) == 2
    assert spread["mean"] == pytest.approx(np.mean(spread["values"]))
    assert all(row["diagnostics"] is None or row["diagnostics"]["ess"] > 0 for row in rows)
    assert "two halves of the reference, 100 each" in told
    assert told.count("against its control") == 2 * 2, "at rho -0.1 and 9, in both spaces"
    assert [len(row["effect"]) for row in rows] == [2, 0, 2, 0, 0]
    assert rows[1]["distinct"] == rows[3]["distinct"] == 100
    assert rows[2]["distinct"] < 50
    page = Path("out/sweep.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["']?(http|//)""", page)
    assert page.count("<svg") == 2 * 7
    assert page.count("data:image/png") == 3
    assert "tr class=untrusted" in page
    first = Path("out/sweep.html").read_bytes()
    assert run(*words, "--truncations", "0.5,1", "--polarity=-0.1,0,9", "--force") == 0
    assert Path("out/sweep.html").read_bytes() == first
    shot(Path("out/sweep.html"))


def shot(page: Path) -> None:
    """A screenshot of a report in tests/artefacts, by a browser that is given no network; skipped without one."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium for a screenshot of the report")
    folder = Path(__file__).parent / "artefacts"
    folder.mkdir(exist_ok=True)
    picture = folder / "sweep.png"
    picture.unlink(missing_ok=True)
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1150,2400"]
    words += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--screenshot={picture}", page.absolute().as_uri()]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    pixels = np.asarray(Image.open(picture).convert("L"))
    assert pixels.shape == (2400, 1150)
    assert (pixels < 128).mean() > 0.005, "the page is blank"


def test_tune_and_modes_and_npz_as_commands(here, capsys):
    common = ["torch:blobs:make", "--bank", "bank.safetensors"]
    measured = ["--reference", "real", "--metric-space", "pixel", "--samples", 60, "--sets", 1]
    assert run("tune", *common, *measured, "--minimise", "fid", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["pixel"]["fid"]["mean"] > 0
    assert run("tune", *common, *measured, "--precision", 0.1) == 0
    assert "next: polarprior sample torch:blobs:make --polarity=0 --bank bank.safetensors" in capsys.readouterr().out
    assert run("modes", *common, "-n", 4, "--reference", "real", "--out", "ends") == 0
    assert "the ends of this bank, further out than any law" in capsys.readouterr().out
    ends = json.loads(Path("ends/modes.json").read_text())["groups"][0]
    assert len(ends["seeds"]) == 4
    assert len(ends["nearest"][0]) == 5
    assert run("modes", *common, "--polarity=-50", "-n", 3, "--out", "far") == 1
    capsys.readouterr()
    assert run("modes", *common, "--polarity=-50", "-n", 3, "--force", "--out", "far") == 0
    assert "rho -50, k 3, beyond the limits: the ends of this bank, further out than" in capsys.readouterr().out
    assert run("sample", *common, "--polarity=-0.1", "--seeds", "0-4", "--npz", "five.npz") == 0
    with np.load("five.npz") as arrays:
        assert arrays.files == ["arr_0"]
        assert arrays["arr_0"].shape == (5, 8, 8, 3)
        pixels = arrays["arr_0"]
    assert run("sample", *common, "--polarity=-0.1", "--seeds", "0-4", "--out", "five") == 0
    saved = np.stack([np.asarray(Image.open(f"five/seed{seed:04d}.png")) for seed in range(5)])
    assert (pixels[..., 0] == saved).all()
    assert json.loads(Path("five.json").read_text()) == json.loads(Path("five/samples.json").read_text())


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["sweep", "--reference", "real", "--metrics", "fod", "--out", "x"], "--metrics: got 'fod'"),
        (["sweep", "--reference", "real", "--metric-space", "pixl", "--out", "x"], "--metric-space: got 'pixl'"),
        (["sweep", "--reference", "nowhere", "--out", "x"], "images: got 'nowhere', no such file"),
        (["sweep", "--reference", "real", "--samples", 3, "--out", "x"], "--samples: got 3"),
        (["sweep", "--metrics", "kid", "--out", "x"], "--metrics: given without --reference"),
        (
            ["sweep", "--reference", "prior", "--bank", "bank.safetensors", "--out", "x"],
            "--reference: got prior for 2 banks",
        ),
        (["sweep", "--truncations", "0.5", "--out", "x"], "--truncations: given without --reference"),
        (["tune", "--reference", "real"], "--minimise: got no aim"),
        (
            ["tune", "--reference", "real", "--recall", 0.5, "--minimise", "fid"],
            "--minimise: got --minimise fid and --recall 0.5, expected one aim",
        ),
        (["tune", "--minimise", "fid"], "--reference: none given"),
        (["modes", "--force"], "--force: given without --polarity"),
        (["modes", "--per-class"], "--per-class: the bank has no classes"),
        (["modes", "--polarity=-0.1", "--anti"], "--anti: given together with rho"),
    ],
)
def test_wrong_usage_is_said_in_two_lines(here, capsys, words, error):
    assert run(words[0], "torch:blobs:make", "--bank", "bank.safetensors", *words[1:]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-2].startswith(f"error: {error}")
    assert told[-1].startswith("hint: ")
    assert not Path("x").exists()


def test_torch_fidelity_draws_from_the_polarity_prior(blobs):
    import_torchvision_without_operators()
    fidelity_package = pytest.importorskip(
        "torch_fidelity", reason="torch-fidelity is not installed", exc_type=Exception
    )
    generator, bank = pp.load("torch:blobs:make"), pp.Bank.open(blobs / "bank.safetensors")
    sampler = pp.latent_sampler(generator, bank, -0.3)
    model = fidelity_model(generator, sampler)
    assert isinstance(model, fidelity_package.GenerativeModelBase)
    noise = fidelity_package.registry.NOISE_SOURCE_REGISTRY["polarity"](np.random.RandomState(0), (500, 3))
    volumes = bank.log_volume()[bank.rows_by_hash(latent_hash(noise), np.zeros(500, np.int64))]
    assert volumes.mean() == pytest.approx(sampler.diagnostics.mean_log_volume, abs=4 * volumes.std() / 500**0.5)
    images = model(noise[:4])
    assert images.dtype == torch.uint8
    assert images.shape == (4, 3, 8, 8)


def test_labels_of_points_lie_over_no_other_label():
    pytest.importorskip("matplotlib")
    from polarprior.reports.plots import _label_points, axes_of

    figure, axes = axes_of("precision", "recall")
    points = [(f"-0.{i:02}", 0.45 + i / 120, 0.5 + i / 300) for i in range(6)]
    axes.plot(*zip(*[point[1:] for point in points], strict=True))
    axes.set(xlim=(0.4, 0.6), ylim=(0.4, 0.6))
    _label_points(figure, axes, points)
    boxes = [each.get_window_extent() for each in axes.texts if each.get_visible()]
    assert len(boxes) == len(points)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
