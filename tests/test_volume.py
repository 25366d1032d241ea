"""Linear maps and spectra, against matrices of known spectrum and a dense float64 oracle."""

from __future__ import annotations

import dataclasses

import numpy as np
import polarprior as pp
import pytest
import torch
from cases import SPECTRA, D, K, matrix
from polarprior.errors import UsageError
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.jacobian.mapping_start import mapping_start
from polarprior.jacobian.of_generator import pixel_jacobian_fn, through
from polarprior.jacobian.traced import TracedJacobian
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimators import ESTIMATORS, TOLERANCE
from torch import nn


def linear(a):
    """z to a z, at two points."""
    return pp.LinearMap.of(lambda z: z @ a.T, torch.zeros(2, K, dtype=a.dtype))


def calibrated(a):
    """The calibration whose subspace is that of a itself."""
    subspace = torch.linalg.eigh(a.T @ a)[1].flip(-1)
    return Calibration(subspace, np.arange(1), torch.zeros(1, 1, dtype=torch.float64))


def tilted(a):
    """A calibration that is off: the subspace of another matrix near a."""
    noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(7), dtype=a.dtype)
    return calibrated(a + 0.05 * a.abs().max() * noise)


# What rounds at 2^-9 has a test of its own.
PRECISE = sorted(set(ESTIMATORS) - {"tangent-only-bfloat16"})


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("rows", [D, 9])
@pytest.mark.parametrize("estimator", ["exact", "balanced", "tangent-only", "block-lanczos"])
def test_a_known_spectrum_is_found(name, rows, estimator):
    """By exact always; by the others where their subspace is the right one (K < k + 10 among the cases)."""
    a = matrix(name, rows)
    for k in (min(rows, K), 5):
        spectrum = pp.top_singular_values(linear(a), k, calibration=calibrated(a), estimator=estimator)
        expected = torch.tensor(SPECTRA[name][:k], dtype=torch.float64).log()
        tolerance = TOLERANCE if estimator == "block-lanczos" else 1e-6
        torch.testing.assert_close(spectrum.log_sigma[0], expected, atol=tolerance, rtol=0)
        torch.testing.assert_close(spectrum.log_sigma[0], spectrum.log_sigma[1], atol=1e-12, rtol=0)
        torch.testing.assert_close(spectrum.log_volume, spectrum.log_sigma.sum(1), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("rows", "passes"), [(D, (K, 0)), (9, (0, 9))])
def test_exact_takes_the_narrower_side(rows, passes):
    """Latents, or features where there are fewer."""
    spectrum = pp.top_singular_values(linear(matrix("fast decay", rows)), 5)
    assert spectrum.passes == passes


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("estimator", PRECISE)
def test_no_estimator_exceeds_the_truth(name, estimator):
    """All are Rayleigh-Ritz values or sketches by orthonormal columns: none is above sigma_i."""
    a = matrix(name)
    spectrum = pp.top_singular_values(linear(a), 5, calibration=tilted(a), estimator=estimator)
    expected = torch.tensor(SPECTRA[name][:5], dtype=torch.float64).log()
    assert (spectrum.log_sigma[0] <= expected + 1e-9).all()
    assert spectrum.log_sigma.shape == (2, 5)


@pytest.mark.parametrize("name", ["fast decay", "clusters", "tiny"])
def test_more_passes_are_more_accurate(name):
    a = matrix(name)
    truth = torch.tensor(SPECTRA[name][:3], dtype=torch.float64).log().sum()
    shortfall = [
        float(truth - pp.top_singular_values(linear(a), 3, calibration=tilted(a), estimator=estimator).log_volume[0])
        for estimator in ("tangent-only", "balanced", "exact")
    ]
    assert shortfall[0] >= shortfall[1] - 1e-6 >= shortfall[2] - 2e-6


@pytest.mark.parametrize("name", SPECTRA)
def test_block_lanczos_knows_its_error(name):
    """From a random start: what it reports is at least what it missed, to a factor of two."""
    a = matrix(name)
    spectrum = pp.top_singular_values(linear(a), 6, estimator="block-lanczos")
    truth = torch.tensor(SPECTRA[name][:6], dtype=torch.float64).log().sum()
    if torch.isfinite(truth):
        assert abs(float(spectrum.log_volume[0] - truth)) <= 2 * float(spectrum.error[0]) + 1e-6
        assert float(spectrum.error[0]) <= 0.01


def test_power_iteration_converges_where_the_spectrum_decays():
    a = matrix("fast decay")
    spectrum = pp.top_singular_values(linear(a), 5, estimator="paper-power-iteration")
    torch.testing.assert_close(
        spectrum.log_sigma[0], torch.tensor(SPECTRA["fast decay"][:5], dtype=torch.float64).log(), atol=1e-3, rtol=0
    )
    assert spectrum.passes == (50, 50)


def test_estimators_that_are_not_there():
    with pytest.raises(UsageError, match="expected one of exact, balanced"):
        pp.top_singular_values(linear(matrix("flat")), 3, estimator="magic")
    with pytest.raises(UsageError, match="needs a calibration"):
        pp.top_singular_values(linear(matrix("flat")), 3, estimator="tangent-only")


@pytest.mark.parametrize("k", [0, -1, 10])
def test_k_beyond_the_rank_is_refused(k):
    a = matrix("flat", 9)
    with pytest.raises(UsageError, match=f"got {k}, expected 1 to 9"):
        pp.top_singular_values(pp.LinearMap.of(lambda z: z @ a.T, torch.zeros(1, K, dtype=a.dtype)), k)


class Cube(torch.autograd.Function):
    """x³ as a custom operator: derivatives both ways, but neither can be vmapped (no rule; a look at the data)."""

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, cotangent):
        if not bool(cotangent.any()):
            return torch.zeros_like(cotangent)
        return 3 * ctx.saved_tensors[0] ** 2 * cotangent

    @staticmethod
    def jvp(ctx, tangent):
        return 3 * ctx.saved_tensors[0] ** 2 * tangent


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)

    def forward(self, z):
        return self.second(Cube.apply(self.first(z)))


class InPlace(nn.Module):
    """Activations that write in place, the input among them, and an indexed write."""

    def __init__(self, indexed: bool):
        super().__init__()
        self.indexed = indexed
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 8)
        self.activation = nn.LeakyReLU(0.2, inplace=True)

    def forward(self, z):
        z = z.mul_(2.0)  # the very input
        x = self.activation(self.first(z))
        if self.indexed:
            frame = torch.zeros(8, 8).unsqueeze(0).repeat(len(x), 1, 1)
            frame[:, 0, 0] = x[:, 0] * x[:, 1]
            frame[:, 1] = x
            x = frame.flatten(1)[:, :8] + self.second(x)
        return x.tanh()


class Normed(nn.Module):
    """Batch norm, convolution, an image out."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(6, 4, 4),
            nn.BatchNorm2d(4),
            nn.ReLU(True),
            nn.ConvTranspose2d(4, 3, 4, 2, 1),
            nn.Tanh(),
        )
        norm = self.layers[1]
        norm.running_mean.normal_(generator=torch.Generator().manual_seed(3))
        norm.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(4))

    def forward(self, z):
        return self.layers(z[:, :, None, None])


@pytest.fixture(params=["in place", "indexed write", "batch norm", "frozen", "custom operator"])
def generator(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        module = {
            "in place": lambda: InPlace(indexed=False),
            "indexed write": lambda: InPlace(indexed=True),
            "custom operator": Custom,
        }.get(request.param, Normed)()
    module.requires_grad_(request.param != "frozen")
    return pp.wrap(module, latent_dim=6)


def dense_jacobian(generator, z):
    """float64 [n, D, K] by reverse-mode autograd, a latent at a time."""
    network = generator.network.double()
    rows = [
        torch.autograd.functional.jacobian(lambda x: network(x.clone()[None]).flatten(), row) for row in z.double()
    ]
    network.float()
    return torch.stack(rows)


def test_products_and_spectra_agree_with_a_dense_float64_jacobian(generator):
    latents = generator.prior.draw(range(5))
    before = latents.z.clone()
    state = {name: tensor.clone() for name, tensor in generator.network.state_dict().items()}
    linear_map = pp.jacobian_fn(generator)(latents)
    jacobian = dense_jacobian(generator, latents.z)
    tangents = torch.randn(5, 6, 4, generator=torch.Generator().manual_seed(1))
    cotangents = torch.randn(5, linear_map.output_dim, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(linear_map.jvp(tangents).double(), jacobian @ tangents.double(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        linear_map.vjp(cotangents).double(), jacobian.mT @ cotangents.double(), atol=1e-5, rtol=1e-4
    )
    expected = torch.linalg.svdvals(jacobian)[:, :5].log()
    torch.testing.assert_close(pp.top_singular_values(linear_map, 5).log_sigma, expected, atol=1e-4, rtol=0)
    assert torch.equal(latents.z, before), "the caller's latents were written to"
    for name, tensor in generator.network.state_dict().items():
        assert torch.equal(tensor, state[name]), f"{name} was written to"


def test_adjoint_identity(generator):
    linear_map = pp.jacobian_fn(generator)(generator.prior.draw(range(3)))
    t = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(3))
    c = torch.randn(3, linear_map.output_dim, 2, generator=torch.Generator().manual_seed(4))
    left, right = (linear_map.jvp(t) * c).sum(1), (t * linear_map.vjp(c)).sum(1)
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)


def test_batch_does_not_matter(generator):
    latents = generator.prior.draw(range(5))
    jacobian_fn = pp.jacobian_fn(generator)
    together = pp.top_singular_values(jacobian_fn(latents), 5).log_sigma
    alone = torch.cat([pp.top_singular_values(jacobian_fn(latents[i : i + 1]), 5).log_sigma for i in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_feature_map_composes_with_any_jacobian():
    generator = pp.wrap(nn.Linear(6, 10), latent_dim=6)
    phi = FeatureMap("test", lambda x: x.square()[:, :7])
    composed = through(phi, pixel_jacobian_fn(generator))(generator.prior.draw(range(3)))
    direct = pp.LinearMap.of(lambda z: generator.network(z).square()[:, :7], generator.prior.draw(range(3)).z)
    t = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(composed.jvp(t), direct.jvp(t))
    c = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(composed.vjp(c), direct.vjp(c))


def test_on_the_sphere_scale_says_nothing_and_the_rank_is_one_less():
    generator = pp.wrap(nn.Linear(6, 10), latent_dim=6, prior="sphere")
    z = generator.prior.draw(range(4)).z
    torch.testing.assert_close(z.norm(dim=1), torch.full((4,), 6.0**0.5))
    jacobian_fn = pp.jacobian_fn(generator)
    torch.testing.assert_close(
        pp.top_singular_values(jacobian_fn(z), 5).log_sigma,
        pp.top_singular_values(jacobian_fn(7 * z), 5).log_sigma,
        atol=1e-5,
        rtol=0,
    )
    assert (pp.top_singular_values(jacobian_fn(z), 6).log_sigma[:, 5] == -torch.inf).all()
    with pytest.raises(UsageError, match="expected 1 to 5"):
        pp.build_bank(generator, 4, k=6)


def test_conditional_generators_get_their_label():
    class Conditional(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([1.0, 5.0]))

        def forward(self, z, label):
            return z * self.scale[label][:, None]

    generator = pp.wrap(Conditional(), latent_dim=3, num_classes=2)
    linear_map = pp.jacobian_fn(generator)(generator.prior.draw([0, 0, 1], [0, 1, 1]))
    sigma = pp.top_singular_values(linear_map, 3).log_sigma.exp()
    torch.testing.assert_close(sigma[:, 0], torch.tensor([1.0, 5.0, 5.0], dtype=torch.float64), atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="needs one of its 2 classes"):
        pp.jacobian_fn(generator)(torch.zeros(1, 3))
    with pytest.raises(UsageError, match="expected 0 to 1"):
        generator(generator.prior.draw([0], 2))


def test_calibration_solves_latents_that_no_bank_holds():
    generator = pp.wrap(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 9)), latent_dim=6)
    calibration = pp.calibrate(generator, k=4, n=5)
    assert calibration.seeds.tolist() == list(range(2**32 - 5, 2**32))
    torch.testing.assert_close(calibration.subspace.T @ calibration.subspace, torch.eye(6), atol=1e-5, rtol=0)
    linear_map = pp.jacobian_fn(generator)(generator.prior.draw(calibration.seeds))
    torch.testing.assert_close(
        calibration.log_sigma, pp.top_singular_values(linear_map, 4).log_sigma, atol=1e-5, rtol=0
    )
    stretched = linear_map.jvp(calibration.subspace.expand(5, -1, -1)).square().sum((0, 1))
    assert (stretched[:-1] >= stretched[1:] - 1e-5).all(), "the most stretched direction comes first"
    with pytest.raises(UsageError, match="expected 1 to 6"):
        pp.calibrate(generator, k=7)


@pytest.mark.parametrize("estimator", PRECISE)
def test_estimators_do_not_depend_on_the_batch(estimator):
    generator = pp.wrap(nn.Sequential(nn.Linear(20, 40), nn.Tanh(), nn.Linear(40, 200)), latent_dim=20)
    calibration, jacobian_fn = pp.calibrate(generator, k=3, n=5), pp.jacobian_fn(generator)
    latents = generator.prior.draw(range(4))

    def spectrum(rows):
        return pp.top_singular_values(jacobian_fn(latents[rows]), 3, calibration=calibration, estimator=estimator)

    together = spectrum(slice(None)).log_sigma
    alone = torch.cat([spectrum(slice(i, i + 1)).log_sigma for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_linear_map_may_know_where_to_start():
    """Its own directions go before the calibration's."""
    a = matrix("fast decay")
    directions = torch.linalg.eigh(a.T @ a)[1].flip(-1)
    asked = []

    def start(m):
        asked.append(m)
        return directions[:, :m].expand(2, -1, -1)

    linear_map = dataclasses.replace(linear(a), start=start)
    expected = torch.tensor(SPECTRA["fast decay"][:2], dtype=torch.float64).log()
    for estimator in ("tangent-only", "balanced", "block-lanczos"):
        found = pp.top_singular_values(linear_map, 2, estimator=estimator, calibration=tilted(a))
        torch.testing.assert_close(found.log_sigma[0], expected, atol=1e-6, rtol=0)
    assert asked == [20, 20, 4]


def test_bfloat16_tangents_round_and_say_so_where_there_are_none():
    """2^-9 is what bfloat16 rounds by."""
    a = matrix("fast decay").float()
    linear_map = TracedJacobian(lambda z: (z @ a.T).tanh()).at(torch.zeros(2, K))
    options = {"calibration": calibrated(a)}
    for k in (3, 8):
        half = pp.top_singular_values(linear_map, k, estimator="tangent-only-bfloat16", **options).log_sigma
        full = pp.top_singular_values(linear_map, k, estimator="tangent-only", **options).log_sigma
        assert 0 < (half - full).abs().max() < 2**-6
    with pytest.raises(UsageError, match="no products in bfloat16"):
        pp.top_singular_values(linear(a), 3, estimator="tangent-only-bfloat16", **options)


def test_mapping_prior_finds_what_the_mapping_stretches():
    a = matrix("fast decay")
    v = mapping_start(linear(a))(6)
    assert v.shape == (2, K, 6)
    torch.testing.assert_close(v.mT @ v, torch.eye(6, dtype=a.dtype).expand(2, -1, -1), atol=1e-9, rtol=0)
    truth = torch.linalg.eigh(a.T @ a)[1].flip(-1)[:, :6]
    torch.testing.assert_close(torch.linalg.svdvals(truth.T @ v[0]), torch.ones(6, dtype=a.dtype), atol=1e-2, rtol=0)


def test_epsilon_is_added_to_each_singular_value():
    a = matrix("rank-deficient")
    plain, padded = (pp.top_singular_values(linear(a), 12, epsilon=epsilon) for epsilon in (0.0, 0.5))
    assert plain.log_volume[0] == -torch.inf
    sigma = torch.tensor(SPECTRA["rank-deficient"][:12], dtype=torch.float64)
    torch.testing.assert_close(padded.log_volume[0], (sigma + 0.5).log().sum(), atol=1e-6, rtol=0)
    with pytest.raises(UsageError, match="epsilon: got -1"):
        pp.top_singular_values(linear(a), 3, epsilon=-1).log_volume  # noqa: B018


@pytest.fixture(scope="module")
def wide():
    """A generator of K = 60, and its calibration."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        module = nn.Sequential(nn.Linear(60, 60), nn.Tanh(), nn.Linear(60, 80))
    generator = pp.wrap(module, latent_dim=60)
    return generator, pp.calibrate(generator, k=5, n=20)


def test_calibration_measures_the_errors_of_estimators_on_latents_that_it_did_not_learn_from(wide):
    generator, calibration = wide
    half = calibration.seeds[10:]
    jacobian_fn = pp.jacobian_fn(generator)
    learned = calibrated(sum_of_roots(jacobian_fn(generator.prior.draw(calibration.seeds[:10]))))
    exact = pp.top_singular_values(jacobian_fn(generator.prior.draw(half)), 5).log_volume
    for name, passes in {"tangent-only": (23, 0), "balanced": (23, 4)}.items():
        found = pp.top_singular_values(
            jacobian_fn(generator.prior.draw(half)), 5, estimator=name, calibration=learned
        ).log_volume
        torch.testing.assert_close(calibration.errors[name], found - exact, atol=2e-4, rtol=0)
        assert calibration.passes[name] == passes
    assert calibration.errors["exact"].abs().max() < 1e-4
    assert min(calibration.seconds.values()) > 0
    assert set(calibration.seconds) == set(calibration.errors)


def sum_of_roots(linear_map):
    """R with R'R the sum of J'J."""
    j = linear_map.jvp(torch.eye(linear_map.input_dim).expand(len(linear_map), -1, -1)).flatten(0, 1).double()
    return torch.linalg.qr(j)[1].float()


def test_auto_is_the_cheapest_within_the_tolerance():
    def calibration(**errors):
        return Calibration(
            torch.eye(K),
            np.arange(4),
            torch.zeros(4, 1),
            errors={name: torch.tensor(each) for name, each in errors.items()},
            seconds={"exact": 100.0, "tangent": 20.0, "both": 40.0},
        )

    some = calibration(exact=[0.0, 0.0, 0.0], tangent=[-2.0, -2.1, -2.2], both=[-0.01, 0.0, 0.02])
    assert some.spread("tangent") == pytest.approx(0.1, abs=1e-6), "the constant is taken off"
    assert [some.cheapest(tol) for tol in (0.2, 0.05, 0.001)] == ["tangent", "both", "exact"]


def test_auto_runs_what_the_calibration_chose(wide):
    generator, calibration = wide
    linear_map = pp.jacobian_fn(generator)(generator.prior.draw([0, 1]))
    for tol in (1e-9, 10.0):
        chosen = calibration.cheapest(tol)
        found, expected = (
            pp.top_singular_values(linear_map, 5, estimator=name, calibration=calibration, tol=tol)
            for name in ("auto", chosen)
        )
        assert torch.equal(found.log_sigma, expected.log_sigma)
    with pytest.raises(UsageError, match="auto needs a calibration"):
        pp.top_singular_values(linear_map, 5, estimator="auto")
    with pytest.raises(UsageError, match=r"^tol: got 0"):
        pp.top_singular_values(linear_map, 5, tol=0)


def test_a_latent_of_many_numbers_has_no_whole_basis_of_directions(monkeypatch):
    """Where K is large, random starts are made as they are asked for; no one makes K x K numbers."""
    from polarprior.volume import estimators

    size, asked = estimators.MOST_AT_ONCE + 1, []
    random = estimators._random
    monkeypatch.setattr(estimators, "_random", lambda m, of: asked.append((m, of)) or random(m, of))
    scale = torch.logspace(0, -3, 40)
    linear_map = pp.LinearMap.of(lambda z: z[:, :40] * scale, torch.zeros(2, size))
    found = pp.top_singular_values(linear_map, 5, estimator="sketch")
    assert asked == [(23, size)]
    assert torch.allclose(found.log_sigma.exp(), scale[:5].double().expand(2, -1), rtol=0.2)
    lanczos = pp.top_singular_values(linear_map, 5, estimator="block-lanczos")
    assert torch.allclose(lanczos.log_sigma.exp(), scale[:5].double().expand(2, -1), rtol=1e-3)
