"""What a model plugin must keep, as tests to inherit."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from polarprior.api.banks import build_bank, verify
from polarprior.api.draws import sweep
from polarprior.bank.bank import Bank
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash
from polarprior.host import Host, default_host
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.of_generator import JacobianFn, prepare
from polarprior.samplers.contract import SamplerOptions
from polarprior.settings import Settings
from polarprior.surrogate.features import FeaturesOf
from polarprior.sweeps.comparing import Comparison
from polarprior.sweeps.sweep import SweepOptions
from polarprior.testing.known_laws import KnownLaws, density_of
from polarprior.volume.estimators import top_singular_values

THREE_HOOKS = ("get_latent_sampler", "get_feature_map", "jacobian_fn")
"""What a plugin knows of its model; the host has answers of its own."""


class GeneratorPluginTests:
    """Inherit, and set `model`; pytest runs what a model plugin must keep.

    Attributes:
        model: what the command line takes: ``PLUGIN`` or ``PLUGIN:SOURCE``.
        k: singular values of the small bank that is built.
        spaces: where volume is measured; the plugin's own besides ``pixel``.
        traced: its Jacobians are taken from a traced graph; False for a model that no tracer can follow, whose cost
            is several times more.
        own_spaces: those of `spaces` that the checkpoint's own networks give, such as ``discriminator``: to the last
            bit, no image changes what another gives there.
        own_hooks: those of the three that the plugin answers itself, rather than leave them to the host.
        number: the law of a number of z, a `scipy.stats` distribution with its parameters, where the name of the
            prior doesn't tell: laws that are drawn are compared with it.
        first_row: the first of the seeds whose latents that bank has.
        pixel_tolerance: largest difference of an image in [-1, 1] where only its batch differs; 2/255 is
            one step of a PNG.
    """

    model: ClassVar[str]
    k: ClassVar[int] = 4
    spaces: ClassVar[tuple[str, ...]] = ("pixel",)
    traced: ClassVar[bool] = True
    own_spaces: ClassVar[tuple[str, ...]] = ()
    own_hooks: ClassVar[tuple[str, ...]] = ()
    number: ClassVar[Any] = None
    first_row: ClassVar[int] = 0
    pixel_tolerance: ClassVar[float] = 2 / 255

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls) -> Host:
        """The host with all installed plugins."""
        return default_host()

    @pytest.fixture(scope="class")
    @classmethod
    def generator(cls, host: Host) -> Generator:
        """The model under test, on the CPU."""
        return host.load(cls.model, "cpu")

    @pytest.fixture(scope="class")
    @classmethod
    def jacobian_of(cls, host: Host, generator: Generator) -> Callable[..., JacobianFn]:
        """(space, domain) to its `jacobian_fn`, taken once: tracing a model takes seconds."""
        return cache(lambda space="pixel", domain="z": host.jacobian_fn(generator, space, domain))

    @pytest.fixture(scope="class")
    @classmethod
    def bank(cls, generator: Generator) -> Bank:
        """A bank of 40 latents."""
        return build_bank(generator, 40, cls.k)

    def test_is_installed_and_loads(self, host: Host) -> None:
        name = self.model.partition(":")[0]
        status = next((status for status in host.plugins.statuses if status.name == name), None)
        assert status is not None, f"no entry point {name!r} in the group 'polarprior'"
        assert status.problem is None
        assert "load_generator" in status.hooks

    def test_import_is_light(self) -> None:
        """`polarprior --help` imports every plugin, so importing one must not import torch."""
        name = self.model.partition(":")[0]
        code = (
            "import sys; from importlib.metadata import entry_points; "
            f"entry_points(group='polarprior')[{name!r}].load(); sys.exit('torch' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0, f"importing {name} imports torch"

    def test_names_itself(self, generator: Generator) -> None:
        assert generator.plugin == self.model.partition(":")[0]
        assert len(generator.fingerprint) == 64
        assert generator.settings == Settings.of(generator.settings.given())

    def test_fingerprint_is_that_of_the_weights(self, host: Host, generator: Generator) -> None:
        again = host.load(self.model, "cpu", **generator.settings.given())
        assert again.fingerprint == generator.fingerprint

    def test_a_seed_determines_a_latent(self, generator: Generator) -> None:
        rows = generator.prior.draw([3, 0, 2**32 - 1, 2]).z
        assert tuple(rows.shape) == (4, *generator.prior.shape)
        assert torch.equal(rows[3], generator.prior.draw([2]).z[0])
        assert torch.equal(rows[[1, 0]], generator.prior.draw([0, 3]).z)
        assert len(set(latent_hash(rows).tolist())) == 4

    def test_drawing_leaves_global_random_state_alone(self, generator: Generator) -> None:
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
        generator(self._latents(generator, [0]))
        assert torch.equal(before[0], torch.get_rng_state())
        assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]  # noqa: NPY002

    def test_images_are_deterministic_and_independent(self, generator: Generator) -> None:
        latents = self._latents(generator, range(5))
        images = generator(latents)
        assert torch.equal(images, generator(latents))
        alone = torch.cat([generator(latents[i : i + 1]) for i in range(5)])
        assert (images - alone).abs().max() <= self.pixel_tolerance
        usual = images.abs().flatten().quantile(0.99)  # networks that end linearly overshoot here and there
        assert usual <= 1.5, "images are meant to be in [-1, 1]"

    def test_it_answers_its_own_hooks(self, host: Host, generator: Generator, bank: Bank) -> None:
        """Those of `own_hooks`, asked of the plugin alone."""
        options = SamplerOptions(force=True)
        asked: dict[str, dict[str, Any]] = {
            "get_latent_sampler": {"bank": bank, "rho": 0.0, "options": options},
            "get_feature_map": {"space": (*self.spaces, *self.own_spaces)[-1]},
            "jacobian_fn": {"space": "pixel", "domain": generator.domains[0]},
        }
        for hook in self.own_hooks:
            answer = host.plugins.ask(generator.plugin, hook, generator=generator, host=host, **asked[hook])
            assert answer is not None, f"{generator.plugin} declines {hook}"

    @pytest.fixture(scope="class")
    @classmethod
    def known_laws(cls, generator: Generator, bank: Bank) -> KnownLaws:
        """Banks whose laws are known without a Jacobian."""
        return KnownLaws.of(generator, bank, cls.first_row)

    def test_sampler_draws_its_law(self, host: Host, generator: Generator, known_laws: KnownLaws) -> None:
        """get_latent_sampler: p(z) exp(rho · l), where l is a number of z; a rho wrong by a tenth is told from it."""
        density = density_of(generator, self.number)
        if density is None:
            pytest.skip(f"the law of a number of the prior {generator.prior.name!r} is not known: set `number`")
        stock = known_laws.stock()
        for rho in (-1.0, 1.0):
            sampler = host.latent_sampler(generator, known_laws.by_latent, rho)
            z = sampler.redraw(stock.z, stock.label).z
            off = {factor: known_laws.errors_off(z, density, factor * rho) for factor in (1.0, 0.9, 1.1)}
            assert off[1.0] < 4, off
            assert min(off[0.9], off[1.1]) > 3, off

    def test_sampler_moves_classes_by_a_joint_law(
        self, host: Host, generator: Generator, known_laws: KnownLaws
    ) -> None:
        """get_latent_sampler: p(z, c) exp(rho · l), where l is the class."""
        if known_laws.by_class is None:
            pytest.skip("this model has no classes")
        stock = known_laws.stock(np.arange(len(known_laws.fresh)) % 2)
        for rho in (-1.0, 0.5):
            drawn = host.latent_sampler(generator, known_laws.by_class, rho, joint=True).redraw(stock.z, stock.label)
            assert drawn.label is not None
            share = 1 / (1 + np.exp(-rho))
            error = np.sqrt(share * (1 - share) / len(stock))
            assert float(drawn.label.double().mean()) == pytest.approx(share, abs=4 * error)

    def test_feature_map(self, host: Host, generator: Generator) -> None:
        """get_feature_map: deterministic features, each row on its own."""
        images = generator(self._latents(generator, range(3)))
        for space in self.spaces:
            phi = host.feature_map(generator, space)
            features = phi(images)
            assert features.shape[0] == 3
            assert features.ndim == 2
            assert torch.equal(features, phi(images))
            assert torch.allclose(features[1:2], phi(images[1:2]), rtol=1e-4, atol=1e-4)

    def test_in_an_own_space_every_image_is_alone(self, host: Host, generator: Generator) -> None:
        """get_feature_map: bit for bit the same features, whatever else is in the batch."""
        images = generator(self._latents(generator, range(5)))
        for space in self.own_spaces:
            phi = host.feature_map(generator, space)
            features = phi(images)
            assert torch.equal(phi(images.flip(0)), features.flip(0))
            for i in range(5):
                assert torch.equal(phi(images[i : i + 1])[0], features[i])

    def test_an_own_space_has_banks_and_sweeps(self, host: Host, generator: Generator) -> None:
        """Volume measured in it, and draws compared in it."""
        label = None if generator.num_classes is None else 0
        for space in self.own_spaces:
            bank = build_bank(generator, 40, self.k, space=space, classes=None if label is None else [label])
            assert np.isfinite(bank.log_volume()).all()
            comparison = Comparison("prior", ("fid",), (space,), samples=20, sets=2)
            options = SweepOptions((0.0, 0.1), sampler=SamplerOptions(label=label, force=True), comparison=comparison)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # 40 latents
                found = sweep(generator, bank, options, host=host)
            assert [len(row.metrics) for row in found.rows] == [1, 1]

    def test_jacobian_is_linear_and_has_its_adjoint(
        self, generator: Generator, jacobian_of: Callable[..., JacobianFn]
    ) -> None:
        """jacobian_fn: <J t, c> = <t, J' c>, and J (t + u) = J t + J u."""
        stream = torch.Generator().manual_seed(0)
        latents = self._latents(generator, [0, 1])
        for space in self.spaces:
            for domain in generator.domains:
                linear_map = jacobian_of(space, domain)(latents)
                n, dtype = len(linear_map), linear_map.value.dtype
                t = torch.randn(n, linear_map.input_dim, 3, generator=stream, dtype=dtype)
                c = torch.randn(n, linear_map.output_dim, 3, generator=stream, dtype=dtype)
                pushed, pulled = linear_map.jvp(t), linear_map.vjp(c)
                left, right = (pushed.double() * c).sum(1), (pulled.double() * t).sum(1)
                assert ((left - right).abs() <= 1e-5 * pushed.double().norm(dim=1) * c.double().norm(dim=1)).all()
                total = linear_map.jvp(t.sum(-1, keepdim=True))
                assert (pushed.sum(-1, keepdim=True) - total).norm() <= 1e-4 * pushed.norm()

    def test_a_start_gives_orthonormal_directions(
        self, generator: Generator, jacobian_of: Callable[..., JacobianFn]
    ) -> None:
        """jacobian_fn: where a LinearMap knows where to start, it says so in orthonormal columns."""
        linear_map = jacobian_of()(self._latents(generator, [0, 1]))
        if linear_map.start is None:
            pytest.skip("this model's Jacobian does not know where to start")
        directions = linear_map.start(3)
        assert tuple(directions.shape) == (2, linear_map.input_dim, 3)
        assert torch.allclose(directions.mT @ directions, torch.eye(3).expand(2, -1, -1), atol=1e-4)

    def test_jacobian_is_the_slope(self, generator: Generator, jacobian_of: Callable[..., JacobianFn]) -> None:
        """jacobian_fn in z: J t points along the change of the output, and is as long, in every space.

        Central differences in the model's own precision, across kinks, are good to a few percent: enough to
        catch a wrong sign, factor, axis or layer.
        """
        latents = self._latents(generator, [0, 1])
        stream = torch.Generator().manual_seed(1)
        t = torch.randn(latents.z.shape, generator=stream).to(latents.z.dtype)
        step = 1e-2
        for space in self.spaces:
            jacobian_fn = jacobian_of(space)
            at = jacobian_fn(latents)
            ends = [jacobian_fn(Latents(latents.z + sign * step * t, latents.label)).value for sign in (1, -1)]
            slope = ((ends[0].double() - ends[1].double()) / (2 * step)).flatten(1)
            pushed = at.jvp(t.flatten(1)[:, :, None].to(at.value.dtype))[:, :, 0].double()
            cosine = torch.cosine_similarity(slope, pushed)
            assert (cosine > 0.9).all(), f"{space}: cosine {cosine.tolist()}"
            ratio = pushed.norm(dim=1) / slope.norm(dim=1)
            assert ((ratio - 1).abs() < 0.25).all(), f"{space}: length ratio {ratio.tolist()}"

    def test_jacobian_agrees_with_autodiff(
        self, host: Host, generator: Generator, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A fast pass gives what plain automatic differentiation of the images gives."""
        latents = prepare(generator, self._latents(generator, [0, 1]))
        own = host.jacobian_fn(generator)(latents)
        context = () if latents.label is None else (latents.label,)
        reference = LinearMap.of(lambda z, *label: generator.synthesize(z, *label or (None,)), latents.z, *context)
        tangents = torch.randn(2, own.input_dim, 2, generator=torch.Generator().manual_seed(2)).to(own.value.dtype)
        pushed, expected = own.jvp(tangents), reference.jvp(tangents)
        assert (pushed - expected).norm() < 1e-4 * expected.norm()
        assert self.traced != any("can't be traced" in line for line in caplog.messages), "see traced"

    def test_scaling_a_normalised_latent_changes_no_log_volume(
        self, generator: Generator, jacobian_of: Callable[..., JacobianFn]
    ) -> None:
        if not generator.normalizes_latent:
            pytest.skip("this model does not normalise its latents")
        latents = self._latents(generator, [0])
        jacobian_fn = jacobian_of()
        one = top_singular_values(jacobian_fn(latents), self.k).log_sigma
        scaled = top_singular_values(jacobian_fn(Latents(latents.z * 3, latents.label)), self.k).log_sigma
        assert torch.allclose(one, scaled, atol=1e-3)

    def test_bank_belongs_to_the_model(self, generator: Generator, bank: Bank) -> None:
        bank.check_fits(generator)
        found = verify(bank, generator)
        assert found.largest_error is not None

    def test_sampler_redraws(self, host: Host, generator: Generator, bank: Bank) -> None:
        """get_latent_sampler: bank rows, whatever the order and the company; labels stay."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a bank of 40 latents supports no rho: force it
            sampler = host.latent_sampler(generator, bank, rho=0.3, force=True)
        stock = self._latents(generator, range(30, 60), classes=set(_labels(bank)))
        drawn = sampler.redraw(stock.z, stock.label)
        assert set(latent_hash(drawn.z).tolist()) <= set(bank.latent_hash.tolist())
        assert drawn.z.dtype == stock.z.dtype
        if stock.label is not None:
            assert drawn.label is not None
            assert torch.equal(drawn.label, stock.label)
        picked = torch.tensor([7, 2])
        again = sampler.redraw(stock.z[picked], None if stock.label is None else stock.label[picked])
        assert torch.equal(again.z, drawn.z[picked])

    def test_what_the_online_sampler_looks_at(self, generator: Generator) -> None:
        """One forward pass gives the same features of a latent, whatever its company."""
        features_of = FeaturesOf(generator)
        latents = self._latents(generator, range(3))
        together, alone = features_of(latents), features_of(latents[1:2])
        assert np.isfinite(together.scalars).all()
        np.testing.assert_allclose(together.activity[1:2], alone.activity, atol=0.02)
        np.testing.assert_allclose(together.scalars[1:2], alone.scalars, atol=1e-3)

    def _latents(self, generator: Generator, seeds: object, classes: set[int] | None = None) -> Latents:
        seeds = np.asarray(seeds)
        if generator.num_classes is None:
            return generator.prior.draw(seeds)
        known = sorted(classes) if classes else range(generator.num_classes)
        return generator.prior.draw(seeds, np.resize(np.asarray(known), len(seeds)))


def _labels(bank: Bank) -> list[int]:
    return [] if bank.labels is None else bank.labels.tolist()
