"""The law of latents and classes together, against areas of two meshes, and what it does to stock latents."""

from __future__ import annotations

import json

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.bank.bank import Bank
from polarprior.cli.main import main
from polarprior.law.joint import shares_of
from scipy.stats import chisquare, norm
from surface import CELLS, Mesh, cell_counts, make_surface, uniform_square
from torch import nn

DRAWS, ONLINE_DRAWS = 200_000, {-1.0: 2000, 0.5: 2000, 1.0: 5000}
LEVEL = 1e-3
RHOS = (-1.0, 0.5, 1.0)
FRESH = np.arange(2**31, 2**31 + DRAWS)  # seeds that are no rows of a bank
OWN = np.arange(10_000, 10_000 + DRAWS)


class TwoSurfaces(nn.Module):
    """A surface for each of two classes."""

    def __init__(self):
        super().__init__()
        self.surfaces = nn.ModuleList([make_surface(1), make_surface(7)])

    def forward(self, z, label):
        return torch.where((label == 0)[:, None], self.surfaces[0](z), self.surfaces[1](z))

    def log_volume(self, latents):
        """log vol by finite differences."""
        h = 1e-6
        z, label = latents.z, latents.label
        slopes = [(self(z + h * axis, label) - self(z - h * axis, label)) / (2 * h) for axis in torch.eye(2).double()]
        return torch.linalg.cross(*slopes).norm(dim=1).log().numpy()


@pytest.fixture(scope="module")
def generator():
    return pp.wrap(TwoSurfaces(), latent_dim=2, prior=uniform_square, num_classes=2)


@pytest.fixture(scope="module")
def meshes():
    return [Mesh(make_surface(seed), 800) for seed in (1, 7)]


@pytest.fixture(scope="module")
def bank(generator):
    """An odd number of rows: one class has a row more."""
    return pp.build_bank(generator, 1_600_001, k=2)


@pytest.fixture(scope="module")
def calibration(generator):
    return pp.build_bank(generator, 2001, k=2)


def p_values(generator, meshes, latents, rho):
    """Chi-square over class and cell, and the score test, against quadrature over both classes' triangles."""
    shares = np.concatenate([np.bincount(mesh.cell, mesh.stretch**rho, CELLS**2) for mesh in meshes])
    counts = np.concatenate([cell_counts(latents.z[latents.label == label].numpy()) for label in (0, 1)])
    weight = np.concatenate([mesh.stretch**rho for mesh in meshes])
    log_volume = np.log(np.concatenate([mesh.stretch for mesh in meshes]))
    mean = np.average(log_volume, weights=weight)
    std = np.sqrt(np.average((log_volume - mean) ** 2, weights=weight))
    score = (generator.network.log_volume(latents).mean() - mean) / (std / np.sqrt(len(latents)))
    expected = len(latents) * shares / shares.sum()
    return {"chi-square": chisquare(counts, expected).pvalue, "score": 2 * norm.sf(abs(score))}


def stock(generator, seeds):
    return generator.prior.draw(seeds, np.asarray(seeds) % 2)


def redrawn(sampler, latents):
    return sampler.redraw(latents.z, latents.label)


def drawn_laws(generator, bank, calibration, meshes, factor):
    """{(rho, sampler, latents): p-values} of draws at `factor` times rho, against the law at rho."""
    found = {}
    for rho in RHOS:
        sampler = pp.latent_sampler(generator, bank, factor * rho, joint=True)
        for name, seeds in {"fresh": FRESH, **({"rows": OWN} if factor == 1 else {})}.items():
            found[rho, "bank", name] = p_values(generator, meshes, redrawn(sampler, stock(generator, seeds)), rho)
        if factor == 1 or rho == 1:
            online = pp.latent_sampler(generator, calibration, factor * rho, sampler="online", joint=True)
            drawn = redrawn(online, stock(generator, FRESH[: ONLINE_DRAWS[rho]]))
            found[rho, "online", "fresh"] = p_values(generator, meshes, drawn, rho)
    return found


def test_bank_and_online_draw_the_joint_law(generator, bank, calibration, meshes):
    found = drawn_laws(generator, bank, calibration, meshes, 1)
    assert len(found) == 9
    assert min(p for each in found.values() for p in each.values()) > LEVEL / (2 * len(found)), found


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_rho_that_is_wrong_by_a_tenth_is_caught(generator, bank, calibration, meshes, factor):
    """By chi-square alone, too, from the bank."""
    found = drawn_laws(generator, bank, calibration, meshes, factor)
    assert all(each["score"] < LEVEL for each in found.values()), found
    assert all(each["chi-square"] < LEVEL for (_, name, _), each in found.items() if name == "bank"), found


def test_the_diagnostics_say_how_far_the_classes_move(generator, bank, calibration, meshes):
    for rho in RHOS:
        areas = np.array([(mesh.stretch**rho).sum() for mesh in meshes])
        shares = areas / areas.sum()
        for sampler in (
            pp.latent_sampler(generator, bank, rho, joint=True),
            pp.latent_sampler(generator, calibration, rho, sampler="online", joint=True),
        ):
            found, within = sampler.diagnostics.classes, 0.002 if len(sampler._bank) > 10_000 else 0.04
            assert found.count == 2
            assert found.most == (int(shares.argmax()), pytest.approx(shares.max(), abs=within))
            assert found.least == (int(shares.argmin()), pytest.approx(shares.min(), abs=within))
            assert found.moved == pytest.approx(shares.max() - 0.5, abs=within)
            assert found.effective == pytest.approx(np.exp(-(shares @ np.log(shares))), abs=2 * within)
            assert f"{found.moved:.1%} of draws change class" in str(sampler.diagnostics)
            assert sampler.diagnostics.to_dict()["classes"]["count"] == 2
    assert pp.latent_sampler(generator, bank, 0.5).diagnostics.classes is None
    assert "classes" not in pp.latent_sampler(generator, bank, 0.5).diagnostics.to_dict()


def test_as_rho_goes_to_0_every_picture_stays_itself(generator, calibration):
    """Also in a bank whose classes are not equally large."""
    rows = np.flatnonzero((calibration.labels == 0) | (calibration.seeds < 400))
    unequal = Bank.of(calibration.info, {name: column[rows] for name, column in calibration.columns().items()})
    assert np.bincount(unequal.labels).tolist() == [1001, 200]
    for bank in (calibration, unequal):
        latents = generator.prior.draw(bank.seeds, bank.labels)
        for sampler, rho in (("bank", 0.0), ("bank", 1e-5), ("online", 0.0)):
            drawn = redrawn(pp.latent_sampler(generator, bank, rho, sampler=sampler, joint=True), latents)
            kept = (drawn.z == latents.z).all(1) & (drawn.label == latents.label)
            assert kept.sum() >= len(bank) - (0 if rho == 0 else 3)


def test_unequal_classes_are_equally_likely_at_rho_0(generator, bank):
    """Two classes of 40,000 rows and of 400: each is half of what latents from elsewhere become."""
    rows = np.r_[0:80_000:2, 1:801:2]
    unequal = Bank.of(bank.info, {name: column[rows] for name, column in bank.columns(0, 80_001).items()})
    sampler = pp.latent_sampler(generator, unequal, 0.0, joint=True)
    drawn = redrawn(sampler, stock(generator, FRESH))
    assert drawn.label.double().mean() == pytest.approx(0.5, abs=4 * 0.5 / DRAWS**0.5)
    assert sampler.diagnostics.classes.moved == pytest.approx(0, abs=1e-9)
    shares = shares_of(unequal.labels)
    assert sampler.diagnostics.ess == pytest.approx(1 / (shares @ shares))
    tilted = pp.latent_sampler(generator, unequal, 0.5, joint=True, force=True).diagnostics
    assert tilted.classes.most[1] == pytest.approx(0.6595, abs=0.02), "the quadrature's, see test_samplers"


@pytest.mark.parametrize("name", ["bank", "online"])
def test_a_latent_is_itself_in_any_company(generator, calibration, name):
    sampler = pp.latent_sampler(generator, calibration, 0.7, sampler=name, joint=True)
    latents = stock(generator, [5, 2**31, 8, 2**31 + 7, 77])
    drawn = redrawn(sampler, latents)
    assert not torch.equal(drawn.label, latents.label)
    again = pp.latent_sampler(generator, calibration, 0.7, sampler=name, joint=True)
    for row in (3, 0, 4):
        alone = redrawn(again, latents[row : row + 1])
        assert torch.equal(alone.z[0], drawn.z[row])
        assert alone.label[0] == drawn.label[row]


def test_every_draw_has_a_seed_and_a_class(generator, calibration):
    sampler = pp.latent_sampler(generator, calibration, 0.7, joint=True)
    drawn = redrawn(sampler, stock(generator, FRESH[:200]))
    again = generator.prior.draw(sampler.seeds_of(drawn), drawn.label)
    assert torch.equal(again.z, drawn.z)


def test_a_seed_that_a_bank_holds_twice_is_told_apart_by_its_class(generator, calibration):
    columns = calibration.columns(0, 40)
    twice = {name: np.concatenate([column, column]) for name, column in columns.items()}
    twice["labels"] = np.repeat([0, 1], 40)
    bank = Bank.of(calibration.info, twice)
    found = bank.rows_by_hash(bank.latent_hash, bank.labels)
    assert (found == np.arange(80)).all()
    assert (bank.rows_by_hash(bank.latent_hash, np.full(80, 2)) == -1).all()
    latents = generator.prior.draw(bank.seeds, bank.labels)
    for joint in (False, True):
        drawn = redrawn(pp.latent_sampler(generator, bank, 0.0, joint=joint), latents)
        assert torch.equal(drawn.label, latents.label)


def test_held_moments_stay_those_of_the_prior_over_all_classes(generator, bank):
    def distance(points):
        return points.norm(dim=1)

    rows = np.r_[0:40_000:2, 1:4001:2]
    unequal = Bank.of(bank.info, {name: column[rows] for name, column in bank.columns(0, 40_001).items()})
    sampler = pp.latent_sampler(generator, unequal, 0.7, joint=True, hold=(distance,), force=True)
    (moment,) = sampler.diagnostics.moments
    images = generator(generator.prior.draw(FRESH[:20_000], np.arange(20_000) % 2), batch_size=4096)
    assert moment.prior_mean == pytest.approx(float(distance(images).mean()), abs=0.03)
    assert (moment.mean, moment.std) == pytest.approx((moment.prior_mean, moment.prior_std), abs=1e-3)


def test_sample_writes_the_classes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = "mnist:classes"
    assert main(["bank", "build", model, "-n", "203", "-k", "4", "--out", "bank"]) == 0
    draw = ["sample", model, "--bank", "bank", "--polarity=-0.1", "--seeds", "0-19", "--force"]
    assert main([*draw, "--class", "all", "--joint", "--out", "joint"]) == 0
    printed = capsys.readouterr().out
    assert "of draws change class" in printed
    said = json.loads((tmp_path / "joint/samples.json").read_text())
    assert said["class"] == "all"
    assert [law["joint"] for law in said["laws"]] == [True]
    classes = said["classes"]
    assert set(classes) == set(map(str, range(20)))
    assert any(label != int(seed) % 10 for seed, label in classes.items())
    generator, bank = pp.load(model, "cpu"), pp.Bank.open("bank")
    options = pp.SamplerOptions(joint=True, force=True)
    samples = pp.sample(generator, bank, -0.1, range(20), options=options)
    assert samples.to_dict()["classes"] == classes
    assert samples.outside == []
    images = generator(samples.latents)
    assert torch.equal(images, generator(generator.prior.draw(samples.became, samples.latents.label)))
    assert main([*draw, "--class", "all", "--out", "apart"]) == 0
    assert "joint" not in (tmp_path / "apart/samples.json").read_text()


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("mnist:classes --bank ten --class 3 --joint", "--joint: got --class 3 as well", "leave one of them out"),
        ("mnist:classes --bank one --class all --joint", "--joint: the bank has one class, 3", "a bank of several"),
        ("mnist:wgan --bank none --joint", "--joint: mnist has no classes", "leave it out"),
        ("mnist:classes --bank ten --class all --joint --sampler paper-online", "--joint: the paper's", "online"),
        ("mnist:classes --bank ten --class all --joint --sampler rivals:sir", "--joint: rivals:sir draws", "bank"),
    ],
)  # fmt: skip
def test_what_has_no_joint_law_is_refused(banks_of_digits, monkeypatch, capsys, words, error, hint):
    monkeypatch.chdir(banks_of_digits)
    assert main(["sample", *words.split(), "--polarity=0", "--seeds", "0-3", "--out", "new"]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(told) == 2
    assert told[0].startswith(f"error: {error}")
    assert hint in told[1]
    assert not (banks_of_digits / "new").exists()


@pytest.fixture(scope="module")
def banks_of_digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    classes = pp.load("mnist:classes", "cpu")
    pp.build_bank(classes, 120, 3).save(folder / "ten")
    pp.build_bank(classes, 30, 3, classes=[3]).save(folder / "one")
    pp.build_bank(pp.load("mnist:wgan", "cpu"), 30, 3).save(folder / "none")
    return folder


def test_joint_without_a_polarity_is_refused(capsys):
    assert main(["sample", "mnist:classes", "--seeds", "0", "--class", "all", "--joint", "--out", "new"]) == 2
    assert "--joint: given without --polarity" in capsys.readouterr().err
