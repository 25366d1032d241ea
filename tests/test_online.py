"""The online sampler beside its law: what a draw depends on, what it leaves behind, and what it holds."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.bank.bank import Bank
from polarprior.cli.main import main
from polarprior.errors import PolarPriorError, UsageError
from polarprior.hashing import latent_hash
from polarprior.law.hold import Hold
from polarprior.law.weights import polarity_weights
from polarprior.samplers.streams import stream_numbers
from polarprior.samplers.true_volumes import LogVolumes
from polarprior.surrogate import ridge
from polarprior.surrogate.surrogate import Surrogate, freeze, surrogate_of
from torch import nn

USERS_GENERATOR = """
import polarprior as pp, torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 24), nn.LeakyReLU(0.2), nn.Linear(24, 3 * 8 * 8))
    def forward(self, z):
        return torch.tanh(self.layers(z)).reshape(-1, 3, 8, 8)

class Truncated(nn.Module):
    def __init__(self, inner, psi):
        super().__init__()
        self.inner, self.psi = inner, psi
    def forward(self, z):
        return self.inner(self.psi * z)

def make(trunc=1.0):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = Truncated(Net(), trunc)
    return pp.wrap(net, latent_dim=8, settings=pp.Settings(trunc=trunc))
"""
MODEL = "torch:users_online:make"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a user's model that takes a truncation, and banks of it."""
    folder = tmp_path_factory.mktemp("online")
    (folder / "users_online.py").write_text(USERS_GENERATOR)
    before = Path.cwd()
    os.chdir(folder)
    try:
        build = ["bank", "build", MODEL, "-k", "5"]
        assert main([*build, "--trunc", "1", "-n", "800", "--out", "bank"]) == 0
        assert main([*build, "--trunc", "0.7", "-n", "400", "--out", "bank07"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def there(folder, monkeypatch, tmp_path):
    """In that folder, with a cache folder of its own."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def generator(there):
    return pp.load(MODEL, "cpu", trunc=1.0)


def calibration(folder):
    """The bank, without its cache."""
    return pp.Bank.open(folder / "bank.safetensors", cached=False)


def test_a_seed_is_itself_in_any_company(generator, there):
    seeds = [5, 100_000, 7, 3, 2**31]
    drawn = pp.latent_sampler(generator, calibration(there), 0.1, sampler="online").sample(seeds).z
    for i, seed in enumerate(seeds):
        alone = pp.latent_sampler(generator, calibration(there), 0.1, sampler="online").sample([seed]).z
        assert torch.equal(alone[0], drawn[i])
    backwards = pp.latent_sampler(generator, calibration(there), 0.1, sampler="online").sample(seeds[::-1]).z
    assert torch.equal(backwards.flip(0), drawn)


def test_at_rho_0_every_latent_stays_itself(generator, there):
    stock = generator.prior.draw(range(50)).z
    for rho, kept in ((0.0, 50), (1e-4, 49)):
        drawn = pp.latent_sampler(generator, calibration(there), rho, sampler="online").redraw(stock).z
        assert (drawn == stock).all(1).sum() >= kept


def test_draws_are_seeds_that_a_stock_script_takes(generator, there):
    sampler = pp.latent_sampler(generator, calibration(there), 0.1, sampler="online")
    stock = generator.prior.draw(range(1000, 1020)).z
    latents = sampler.redraw(stock)
    for z, before, seed in zip(latents.z, stock, sampler.seeds_of(latents), strict=True):
        assert torch.equal(z, before if seed is None else generator.prior.draw([seed]).z[0])


def test_streams_are_independent_and_the_same_in_pieces():
    whole = stream_numbers(-5, 0, 12)
    pieces = [stream_numbers(-5, start, 4) for start in (0, 4, 8)]
    assert (np.concatenate([each.seeds for each in pieces]) == whole.seeds).all()
    assert (np.concatenate([each.u for each in pieces]) == whole.u).all()
    assert not set(stream_numbers(-6, 0, 12).seeds) & set(whole.seeds)
    many = np.concatenate([stream_numbers(key, 3, 5).u for key in range(4000)])
    assert many.mean(0) == pytest.approx([0.5] * 3, abs=0.01)
    assert np.corrcoef(many.T) == pytest.approx(np.eye(3), abs=0.03)


def test_true_log_volumes_are_kept_and_never_in_the_bank(there, generator):
    path = there / "bank.safetensors"
    before, files = path.read_bytes(), sorted(there.iterdir())
    first = pp.latent_sampler(generator, pp.Bank.open(path), 0.1, sampler="online")
    drawn = first.sample(range(5000, 5020)).z
    assert first.diagnostics.spending.solved > 0
    again = pp.latent_sampler(generator, pp.Bank.open(path), 0.1, sampler="online")
    assert torch.equal(again.sample(range(5000, 5020)).z, drawn)
    assert again.diagnostics.spending.solved == 0
    assert again.diagnostics.spending.jacobians == first.diagnostics.spending.jacobians
    assert path.read_bytes() == before
    assert sorted(there.iterdir()) == files
    kept = pp.Bank.open(path).recall("survivors-k5")
    assert {name: array.dtype.name for name, array in kept.items()} == {
        "seeds": "int64",
        "hashes": "int64",
        "labels": "int64",
        "log_volume": "float64",
    }
    latents = generator.prior.draw(kept["seeds"][kept["seeds"] != -1])
    assert (latent_hash(latents.z) == kept["hashes"][kept["seeds"] != -1]).all()


def wrong(arrays):
    """Named arrays of other forms: one too few, too many, too short, and of another dtype and number of axes."""
    first, *others = arrays
    yield {name: arrays[name] for name in others}
    yield {**arrays, "more": np.zeros(3)}
    yield {**arrays, first: arrays[first][:-1]}
    yield {**arrays, first: arrays[first].astype(np.float32)}
    yield {**arrays, first: arrays[first][None]}
    yield {}


def test_true_log_volumes_of_another_form_are_missing(there, generator):
    path = there / "bank.safetensors"
    seeds = np.arange(5000, 5004)
    latents = generator.prior.draw(seeds)
    volumes = LogVolumes(generator, pp.Bank.open(path), 5, pp.jacobian_fn)
    with volumes.keeping():
        volumes(latents, seeds)
    assert len(LogVolumes(generator, pp.Bank.open(path), 5, pp.jacobian_fn).survivors()[1]) == 4
    for arrays in wrong(dict(pp.Bank.open(path).recall("survivors-k5"))):
        pp.Bank.open(path).keep("survivors-k5", arrays)
        again = LogVolumes(generator, pp.Bank.open(path), 5, pp.jacobian_fn)
        assert again.survivors() is None
        again(latents)
        assert again.solved == 4


def test_the_surrogate_stays_until_it_is_refitted(there, generator, capsys):
    path = there / "bank.safetensors"
    frozen = surrogate_of(generator, pp.Bank.open(path), 5).digest
    sampler = pp.latent_sampler(generator, pp.Bank.open(path), 0.1, sampler="online")
    sampler.sample(range(6000, 6040))
    assert sampler.described()["surrogate"]["digest"] == frozen
    assert surrogate_of(generator, pp.Bank.open(path), 5).digest == frozen
    assert main(["bank", "refit", "bank", "--model", MODEL]) == 0
    shown = capsys.readouterr().out
    assert "fitted on 800 rows of the bank and" in shown
    refitted = surrogate_of(generator, pp.Bank.open(path), 5).digest
    assert refitted != frozen
    assert refitted.startswith(shown.split()[1].rstrip(":"))


def test_a_surrogate_is_believed_where_only_this_user_may_write(there, generator, tmp_path):
    path = there / "bank.safetensors"
    frozen = surrogate_of(generator, pp.Bank.open(path), 5)
    strange = replace(frozen, level=frozen.level + 1)
    freeze(strange, pp.Bank.open(path), 5)
    assert surrogate_of(generator, pp.Bank.open(path), 5).digest == strange.digest
    (tmp_path / "cache").chmod(0o755)
    with pytest.warns(UserWarning, match=f"chmod 700 {tmp_path / 'cache'}"):
        assert surrogate_of(generator, pp.Bank.open(path), 5).digest == frozen.digest


def test_a_surrogate_of_another_form_is_fitted_anew(there, generator):
    path = there / "bank.safetensors"
    frozen = surrogate_of(generator, pp.Bank.open(path), 5)
    arrays = frozen.to_arrays()
    assert Surrogate.from_arrays(arrays).digest == frozen.digest
    for each in wrong(arrays):
        with pytest.raises(ValueError, match="surrogate: got"):
            Surrogate.from_arrays(each)
        pp.Bank.open(path).keep("surrogate-k5", each)
        assert surrogate_of(generator, pp.Bank.open(path), 5).digest == frozen.digest


def test_the_digest_of_a_surrogate_never_changes():
    """It is written in samples.json."""
    eighths = np.arange(8) / 8
    surrogate = Surrogate(
        np.array([0.5, -1.25]), np.array([1.0, 2.0]), eighths, eighths / 2 - 0.25, 3.75, np.array([1.0, 2.5, -4.0])
    )
    assert surrogate.digest == "5b3a882b3166e5b0489c91177060fab4e7746aff909918bc5d172a3585451c9d"


def test_left_out_predictions_are_those_of_a_fit_without_the_row():
    stream = np.random.default_rng(0)
    x, y = stream.normal(size=(40, 90)), stream.normal(size=40)
    y += x[:, :5].sum(1)
    found = ridge.fit(x, y)
    columns = (x - x.mean(0)) / x.std(0)
    errors = []
    for penalty in ridge.PENALTIES * np.linalg.eigvalsh(columns @ columns.T).clip(0).mean():
        left_out = []
        for row in range(40):
            rest = np.arange(40) != row
            level, centre = y[rest].mean(), columns[rest].mean(0)
            a = columns[rest] - centre
            slope = a.T @ np.linalg.solve(a @ a.T + penalty * np.eye(39), y[rest] - level)
            left_out.append(level + (columns[row] - centre) @ slope)
        errors.append((np.sum((y - left_out) ** 2), left_out))
    best = min(errors, key=lambda each: each[0])[1]
    np.testing.assert_allclose(found.left_out, best, rtol=1e-6)


def test_the_surrogate_predicts_latents_that_it_has_not_seen(there, generator):
    bank = calibration(there)
    surrogate = surrogate_of(generator, bank, 5)
    from polarprior.surrogate.features import FeaturesOf

    latents = generator.prior.draw(range(9000, 9200))
    true = LogVolumes(generator, bank, 5, pp.jacobian_fn)(latents)
    error = surrogate(FeaturesOf(generator)(latents)) - true
    assert error.std() < 0.4 * true.std()
    assert error.std() == pytest.approx(surrogate.residual(bank.log_volume()).std(), rel=0.35)


def test_a_refit_that_can_not_be_kept_says_so(there, monkeypatch, capsys, tmp_path):
    folder = tmp_path / "file" / "cache"
    folder.parent.touch()
    monkeypatch.setenv("POLARPRIOR_CACHE", str(folder))
    assert main(["bank", "refit", "bank", "--model", MODEL]) == 1
    shown = capsys.readouterr().err
    assert f"error: BANK: the cache folder {folder} can't be written" in shown
    assert "POLARPRIOR_CACHE=FOLDER" in shown


def test_what_is_kept_outlives_a_copy_of_the_bank(there, generator, tmp_path):
    path = there / "bank.safetensors"
    frozen = surrogate_of(generator, pp.Bank.open(path), 5).digest
    os.utime(path)
    assert pp.Bank.open(path).recall("surrogate-k5") is not None
    assert surrogate_of(generator, pp.Bank.open(path), 5).digest == frozen


def test_two_samplers_keep_what_each_has_solved(there, generator):
    path = there / "bank.safetensors"
    samplers = [pp.latent_sampler(generator, pp.Bank.open(path), 0.1, sampler="online") for _ in range(2)]
    for sampler, start in zip(samplers, (7000, 7100), strict=True):
        sampler.sample(range(start, start + 8))
    again = pp.latent_sampler(generator, pp.Bank.open(path), 0.1, sampler="online")
    again.sample([*range(7000, 7008), *range(7100, 7108)])
    assert again.diagnostics.spending.solved == 0


def test_streams_that_would_end_are_refused(there, generator, monkeypatch):
    monkeypatch.setattr("polarprior.samplers.online_sampler.LONGEST", 3)
    with pytest.raises(PolarPriorError, match="of the streams of 3 proposals would end without a draw"):
        pp.latent_sampler(generator, calibration(there), 0.2, sampler="online")
    with pytest.warns(UserWarning, match="would end without a draw"):
        sampler = pp.latent_sampler(generator, calibration(there), 0.2, sampler="online", force=True)
    sampler.sample(range(50_000, 50_030))
    assert sampler.diagnostics.spending.exhausted > 0
    assert sampler.diagnostics.spending.drawn == 30


class Constant(nn.Module):
    """A network one of whose layers sees a learned constant, which has one row whatever the batch."""

    def __init__(self):
        super().__init__()
        self.start = nn.Parameter(torch.ones(1, 6))
        self.first, self.last, self.act = nn.Linear(6, 12), nn.Linear(18, 10), nn.LeakyReLU(0.1)

    def forward(self, z):
        constant = self.act(self.start).expand(len(z), -1)
        return self.last(torch.cat([self.act(self.first(z)), constant], 1))


@pytest.mark.parametrize("n", [1, 2, 33])
def test_features_do_not_depend_on_the_batch(n):
    from polarprior.surrogate.features import FeaturesOf

    generator = pp.wrap(Constant(), latent_dim=6)
    features_of = FeaturesOf(generator)
    features = features_of(generator.prior.draw(range(n)))
    assert features.activity.shape == (n, 12)
    assert features.scalars.shape == (n, 1 + 3)
    one = features_of(generator.prior.draw([n - 1]))
    np.testing.assert_allclose(features.activity[-1:], one.activity, atol=1e-6)
    np.testing.assert_allclose(features.scalars[-1:], one.scalars, atol=1e-5)


def test_images_of_one_pixel_have_features_that_are_numbers():
    from polarprior.surrogate.features import FeaturesOf

    generator = pp.wrap(nn.Unflatten(1, (3, 1, 2)), latent_dim=6)
    features = FeaturesOf(generator)(generator.prior.draw(range(4)))
    assert np.isfinite(features.scalars).all()


def test_a_model_that_overflows_far_out_can_still_be_forced():
    generator = pp.wrap(Steep(12), latent_dim=10)
    bank = pp.build_bank(generator, 500, k=1)
    with pytest.warns(UserWarning, match=r"^rho: "):
        assert len(pp.latent_sampler(generator, bank, 1.5, force=True).sample(range(3))) == 3


def test_log_volumes_of_a_smaller_k_agree_with_a_bank_that_has_an_offset(there, generator):
    bank = pp.build_bank(generator, 400, k=5)
    shifted = replace(bank.info, estimator={**bank.info.estimator, "offset": -0.25})
    columns = {**bank.columns(), "log_singular_values": exact(generator, 400, 5) - np.float32(0.05)}
    moved = Bank.of(shifted, columns)
    for k in (3, 5):
        latents = generator.prior.draw(range(1000, 1010))
        true = exact(generator, 10, 5, 1000)[:, :k].sum(1) - 0.05 * k
        np.testing.assert_allclose(LogVolumes(generator, moved, k, pp.jacobian_fn)(latents), true, atol=1e-3)


def exact(generator, n, k, start=0):
    """log sigma of seeds start to start + n, float32 [n, k]."""
    latents = generator.prior.draw(range(start, start + n))
    return pp.top_singular_values(pp.jacobian_fn(generator)(latents), k).log_sigma.numpy().astype(np.float32)


def test_too_few_rows_to_calibrate_on(there, generator):
    with pytest.raises(PolarPriorError, match="calibration takes 100 at least"):
        pp.latent_sampler(generator, pp.build_bank(generator, 60, k=5), 0.1, sampler="online")


def test_held_statistics_keep_their_moments_on_the_bank(there, generator):
    bank = calibration(there)
    sampler = pp.latent_sampler(generator, bank, 0.15, hold=("contrast", "brightness"))
    moments = {moment.name: moment for moment in sampler.diagnostics.moments}
    assert [moment.held for moment in sampler.diagnostics.moments] == [True, True, False, False]
    for name in ("contrast", "brightness"):
        assert moments[name].mean == pytest.approx(moments[name].prior_mean, rel=1e-4)
        assert moments[name].std == pytest.approx(moments[name].prior_std, rel=1e-3)
    free = pp.latent_sampler(generator, bank, 0.15).diagnostics
    plain = float(bank.log_volume().mean())
    assert plain < sampler.diagnostics.mean_log_volume < free.mean_log_volume
    (law,) = sampler.described()["laws"]
    assert law["hold"]["names"] == ["contrast", "brightness"]
    assert len(law["hold"]["lambda"]) == 4


def test_statistics_of_the_bank_are_measured_once(there, generator, monkeypatch):
    path = there / "bank.safetensors"

    def moments():
        return pp.latent_sampler(generator, pp.Bank.open(path), 0.15, hold=("contrast",)).diagnostics.moments

    first = moments()
    (name,) = (file.stem for file in Path(os.environ["POLARPRIOR_CACHE"]).rglob("statistics-*"))
    kept = pp.Bank.open(path).recall(name)
    assert set(kept) == {"contrast", "brightness", "texture", "saturation"}
    with monkeypatch.context() as patch:
        patch.setattr("polarprior.law.image_statistics.measured", None)
        assert moments() == first
    for arrays in wrong(kept):
        pp.Bank.open(path).keep(name, arrays)
        assert moments() == first


def test_a_function_of_the_users_is_held(there, generator):
    def redness(images):
        return images[:, 0].mean((1, 2))

    moment = pp.latent_sampler(generator, calibration(there), 0.15, hold=(redness,)).diagnostics.moments[0]
    assert (moment.name, moment.held) == ("redness", True)
    assert moment.mean == pytest.approx(moment.prior_mean, abs=1e-4)
    with pytest.raises(UsageError, match="expected some of brightness, contrast"):
        pp.latent_sampler(generator, calibration(there), 0.1, hold=("sharpness",))
    with pytest.raises(UsageError, match="flat is the same for all"):
        pp.latent_sampler(generator, calibration(there), 0.1, hold=(flat,))
    with pytest.raises(UsageError, match="broken gave"):
        pp.latent_sampler(generator, calibration(there), 0.1, hold=(broken,))


def flat(images):
    return images.new_zeros(len(images))


def broken(images):
    return images.mean()


def test_holding_is_the_closest_law_with_those_moments():
    """Any other weights with the same moments have a larger divergence from the polarity weights."""
    stream = np.random.default_rng(1)
    volumes = stream.normal(0, 1, 400)
    values = (volumes + stream.normal(0, 1, 400))[:, None]
    base = polarity_weights(volumes, 0.5)
    _, weights = Hold(("s",), values).solve(base)
    constraints = np.stack([np.ones(400), values[:, 0], values[:, 0] ** 2])
    assert constraints @ weights.values == pytest.approx(constraints.mean(1), abs=1e-4)

    def divergence(w):
        return float(w @ (np.log(w) - base.log))

    free = np.linalg.svd(constraints)[2][3:]  # directions that keep the constraints
    for _ in range(20):
        step = stream.normal(size=len(free)) @ free * weights.values.min() / 5
        assert divergence(weights.values + step) > divergence(weights.values)


def test_what_can_not_be_held_is_refused():
    values = np.linspace(0, 1, 200)[:, None]
    low = np.where(values[:, 0] < 0.4, 1.0, -np.inf)  # only rows of low s have full rank
    with pytest.raises(PolarPriorError, match="no weights of these 80 latents keep s"):
        Hold(("s",), values).solve(polarity_weights(low, 0.1))


class Steep(nn.Module):
    """Its log-volume is `slope` times the first number of the latent."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(float(slope)))

    def forward(self, z):
        return torch.cat([(self.slope * z[:, :1]).exp() / self.slope, z[:, 1:]], 1)


@pytest.mark.filterwarnings("ignore:at rho")
@pytest.mark.parametrize(("rho", "leaves"), [(-4.0, True), (-1.5, False)])
def test_a_law_that_leaves_the_shell_is_said(rho, leaves):
    """p(z) exp(rho l) is the prior, moved by rho · slope along the first axis."""
    generator = pp.wrap(Steep(1.5), latent_dim=10)
    bank = pp.build_bank(generator, 500, k=10)
    with pytest.warns(UserWarning, match=r"^rho: ") as caught:
        pp.latent_sampler(generator, bank, rho, force=True)
    assert any("leaves the shell" in str(each.message) for each in caught) == leaves
    with pytest.warns(UserWarning, match=r"^rho: ") as caught:
        sampler = pp.latent_sampler(generator, bank, rho, force=True, support="shell")
    assert not any("leaves the shell" in str(each.message) for each in caught)
    assert "shell (|z| " in sampler.diagnostics.support


def test_on_a_sphere_the_shell_is_everything():
    generator = pp.wrap(nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 9)), latent_dim=6, prior="sphere")
    bank = pp.build_bank(generator, 400, k=4)
    shell = pp.latent_sampler(generator, bank, 0.3, support="shell")
    plain = pp.latent_sampler(generator, bank, 0.3)
    assert torch.equal(shell.sample(range(300)).z, plain.sample(range(300)).z)


def test_latents_outside_the_shell_leave_it_never(there, generator):
    """A stock latent outside is replaced by one inside, also one that is a row of the bank."""
    bank = calibration(there)
    sampler = pp.latent_sampler(generator, bank, 0.1, support="shell")
    low, high = (sampler.described()["laws"][0]["support"][end] for end in ("low", "high"))
    stock = generator.prior.draw(bank.seeds).z
    assert ((stock.norm(dim=1) < low) | (stock.norm(dim=1) > high)).any()
    radius = sampler.redraw(stock).z.norm(dim=1)
    assert ((radius >= low - 1e-5) & (radius <= high + 1e-5)).all()


def test_no_such_support(there, generator):
    with pytest.raises(UsageError, match=r"^support: got 'ball', expected one of prior, shell, clamp"):
        pp.latent_sampler(generator, calibration(there), 0.1, support="ball")
    with pytest.raises(UsageError, match="paper's online sampler has none"):
        pp.latent_sampler(generator, calibration(there), 0.1, sampler="paper-online", support="clamp")


def test_truncation_and_polarity_end_to_end(there, capsys):
    sample = ["sample", MODEL, "--polarity=0.1", "--seeds", "0-3", "--trunc", "0.7"]
    assert main([*sample, "--out", "wrong", "--bank", "bank"]) == 1
    error = capsys.readouterr().err
    assert "is for truncation 1.0, your module was opened with 0.7" in error
    assert f"polarprior bank build {MODEL} -n 800 -k 5 --trunc 0.7 --out BANK" in error
    for sampler in ("bank", "online"):
        assert main([*sample, "--out", sampler, "--bank", "bank07", "--sampler", sampler]) == 0
        document = json.loads((there / sampler / "samples.json").read_text())
        assert document["sampler"] == sampler
        assert all(isinstance(seed, int) for seed in document["drawn"].values())
    assert document["surrogate"]["calibrated"] == 400
    assert document["streams"][0]["length"] >= 1
    assert document["diagnostics"]["spending"]["drawn"] == 4


def test_near_misses_get_the_right_word(there, capsys):
    for arguments, hint in {
        ("--support", "clmap"): "use --support clamp",
        ("--hold", "contarst"): "use --hold contrast",
        ("--sampler", "onlin"): "use --sampler online",
    }.items():
        command = ["sample", MODEL, "--bank", "bank", "--polarity=0.1", "--seeds", "0", "--out", "never", *arguments]
        assert main(command) == 2
        assert hint in capsys.readouterr().err
    assert not (there / "never").exists()


def test_the_law_is_in_metadata_and_titles(there, capsys):
    from PIL import Image

    sample = ["sample", MODEL, "--bank", "bank", "--polarity=0.1", "--seeds", "2", "--out", "titled"]
    assert main([*sample, "--support", "shell", "--hold", "contrast"]) == 0
    title = Image.open(there / "titled" / "seed0002.png").info["Title"]
    assert re.match(rf"{MODEL}, sampler bank, rho 0\.1, tilt 0\.\d\d, k 5, support shell \(\|z\| ", title)
    assert title.endswith("held: contrast, seed 2")
    capsys.readouterr()
    asked = ["--bank", "bank", "--support", "clamp", "--hold", "contrast"]
    assert main(["sweep", MODEL, *asked, "--polarity=-0.05,0,0.05", "--out", "sweep"]) == 0
    shown = capsys.readouterr().out
    assert "rho 0.05, held: contrast" in shown
    assert "rho 0.05, moved: brightness" in shown
    rows = json.loads((there / "sweep" / "sweep.json").read_text())["rows"]
    assert all(row["support"].startswith("clamp (l ") for row in rows)
    assert [moment["held"] for moment in rows[0]["moments"]] == [True, False, False, False]


def test_score_is_csv(there, capsys):
    assert main(["score", MODEL, "--seeds", "0-2,9000", "--bank", "bank"]) == 0
    lines = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    bank = calibration(there)
    assert lines[0] == ["seed", "class", "log_volume", "quantile"]
    for row, line in enumerate(lines[1:4]):
        assert line[:2] == [str(row), ""]
        assert float(line[2]) == pytest.approx(bank.log_volume()[row], abs=1e-3)
        assert float(line[3]) == pytest.approx((bank.log_volume() < bank.log_volume()[row]).mean())
    assert main(["score", MODEL, "--seeds", "9000", "-k", "5"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split(",")[2:] == [lines[4][2], ""]


def test_classes_stay_and_each_has_its_law():
    class Conditional(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(6, 30), nn.LeakyReLU(0.1), nn.Linear(30, 8))

        def forward(self, z, label):
            return self.layers(z) * (1 + label[:, None])

    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = pp.wrap(Conditional(), latent_dim=6, num_classes=2)
    bank = pp.build_bank(generator, 600, k=6)
    sampler = pp.latent_sampler(generator, bank, 0.2, sampler="online")
    assert [law["class"] for law in sampler.described()["laws"]] == [0, 1]
    label = np.arange(80) % 2
    drawn = sampler.sample(range(5000, 5080), label)
    assert (drawn.label.numpy() == label).all()
    only = pp.latent_sampler(generator, bank, 0.2, sampler="online", label=1)
    assert set(latent_hash(only.sample(range(5001, 5011, 2), 1).z)) <= set(latent_hash(drawn.z[1::2]))
    with pytest.raises(UsageError, match=r"got 0, asked for \[1\]"):
        only.sample([1], 0)
