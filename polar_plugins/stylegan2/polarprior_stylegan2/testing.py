"""What the plugins for StyleGAN2 and StyleGAN3 are tested by, besides `polarprior.testing`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from polarprior import build_bank
from polarprior.plugin import (
    Discriminator,
    Generator,
    Host,
    Latents,
    UsageError,
    default_host,
    on_sphere,
    top_singular_values,
)
from torch import Tensor

from polarprior_stylegan2.operators import replaced

K = 8


class StyleGeneratorTests:
    """Inherit, and give a fixture `generator`: Jacobians of the plugin against dense ones of the stock network.

    The dense ones are taken column by column, of the stock modules with their own fused operators, in float64.
    """

    noise: ClassVar[bool]

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls) -> Host:
        """The host with all installed plugins."""
        return default_host()

    @pytest.mark.parametrize(
        ("space", "domain"),
        [("pixel", "z"), ("style", "z"), ("pixel", "w"), ("discriminator", "z"), ("discriminator", "w")],
    )
    def test_a_bank_agrees_with_a_dense_svd(self, generator: Generator, space: str, domain: str) -> None:
        """Each log sigma of a bank that is built as users build it, to 1e-3."""
        bank = build_bank(generator, 2, K, space=space, domain=domain)
        labels = None if bank.labels is None else torch.from_numpy(bank.labels)
        latents = generator.prior.draw(bank.seeds, None if labels is None else labels.numpy())
        for row in range(len(bank)):
            dense = dense_jacobian(generator, latents[row : row + 1], space, domain)
            expected = np.log(np.linalg.svd(dense, compute_uv=False)[:K])
            assert np.abs(bank.log_singular_values[row] - expected).max() < 1e-3

    def test_the_discriminator_is_the_pickle_s_own(self, generator: Generator, host: Host) -> None:
        """Logits and features are, bit for bit, those of the stock network's own forward pass at batch size 1."""
        stock = discriminator_in(generator)
        images = generator(_drawn(generator, range(3)))
        features = host.feature_map(generator, "discriminator")(images)
        assert isinstance(generator.discriminator, Discriminator)
        assert generator.discriminator.tells_ratio
        label = None if generator.num_classes is None else torch.ones(3, dtype=torch.int64)
        logits = generator.discriminator(images, label)
        c = torch.zeros(1, stock.c_dim)
        c[:, 1:2] = 1
        for row in range(3):
            expected, logit = last_features(stock, images[row : row + 1], c)
            assert torch.equal(features[row], expected[0])
            assert torch.equal(logits[row], logit[0, 0])

    def test_the_discriminator_s_space_has_no_class(self, generator: Generator) -> None:
        stock, images = discriminator_in(generator), generator(_drawn(generator, [0]))
        for c in torch.eye(max(1, stock.c_dim))[:, None, : stock.c_dim]:
            found = last_features(stock, images, c)[0]
            assert torch.equal(found, last_features(stock, images, torch.zeros(1, stock.c_dim))[0])

    def test_style_is_no_space_of_images(self, generator: Generator, host: Host) -> None:
        with pytest.raises(UsageError, match="an image has none") as refused:
            host.feature_map(generator, "style")
        assert "space=discriminator" in refused.value.hint

    def test_on_the_sphere_the_shell_is_everything(self, generator: Generator, host: Host) -> None:
        """And no law leaves it, however large rho is: nothing is looked for, and no warning speaks of it."""
        bank = build_bank(generator, 60, K)
        label = None if generator.num_classes is None else 1
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            shell, plain = (
                host.latent_sampler(generator, bank, -50.0, support=support, label=label, force=True)
                for support in ("shell", "prior")
            )
        assert not [each for each in said if "leaves the shell" in str(each.message)]
        seeds = range(100, 130)
        assert torch.equal(shell.sample(seeds, label).z, plain.sample(seeds, label).z)

    @pytest.mark.parametrize("name", ["sir", "drs", "dot:3"])
    def test_rivals_ask_the_discriminator(self, generator: Generator, host: Host, name: str) -> None:
        label = None if generator.num_classes is None else 1
        if "rivals" not in {status.name for status in host.plugins.statuses}:
            pytest.skip("polarprior-rivals is not installed")
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # its logits are log-ratios
            drawn = host.latent_sampler(generator, None, 0.0, sampler=f"rivals:{name}", label=label)
            z = drawn.sample(range(4), label).z
        assert not torch.equal(z, generator.prior.draw(range(4)).z)

    def test_images_are_the_stock_ones(self, generator: Generator) -> None:
        """What the stock script computes for a seed, from its own float64 latent."""
        network: Any = generator.network
        label = None if generator.num_classes is None else 1
        c = torch.zeros(1, network.c_dim)
        if label is not None:
            c[:, label] = 1
        z = torch.from_numpy(np.random.RandomState(7).randn(1, network.z_dim))
        psi = generator.settings.trunc
        stock = network(z, c, truncation_psi=psi, noise_mode="const", force_fp32=True)
        assert torch.equal(generator(generator.prior.draw([7], label)), stock)

    def test_tangents_agree_with_the_stock_forward(self, generator: Generator, host: Host) -> None:
        """The value that unfused convolutions give is the stock image to 1e-4."""
        latents = _drawn(generator, range(3))
        value = host.jacobian_fn(generator)(latents).value
        on = Latents(on_sphere(latents.z), latents.label)
        assert (value - generator(on)).abs().max() < 1e-4

    def test_no_scale_of_z_changes_a_log_volume(self, generator: Generator, host: Host) -> None:
        latents = _drawn(generator, range(2))
        for space, domain in (("pixel", "z"), ("style", "z"), ("pixel", "w")):
            jacobian_fn = host.jacobian_fn(generator, space, domain)
            expected = top_singular_values(jacobian_fn(latents), K).log_volume
            for scale in (1e-3, 0.3, 40.0, 1e4):
                scaled = Latents(scale * latents.z, latents.label)
                assert torch.allclose(top_singular_values(jacobian_fn(scaled), K).log_volume, expected, atol=1e-3)

    def test_style_from_w_is_refused(self, generator: Generator, host: Host) -> None:
        with pytest.raises(UsageError, match="style is w itself"):
            host.jacobian_fn(generator, "style", "w")

    def test_the_mapping_network_says_where_to_start(self, generator: Generator, host: Host) -> None:
        """Its top directions hold more of the Jacobian than random ones."""
        linear_map = host.jacobian_fn(generator)(_drawn(generator, range(4)))
        assert linear_map.start is not None
        random = torch.linalg.qr(torch.randn(4, linear_map.input_dim, K, generator=torch.Generator().manual_seed(0)))
        assert linear_map.jvp(linear_map.start(K)).norm() > 1.2 * linear_map.jvp(random[0]).norm()

    def test_settings(self, generator: Generator, host: Host) -> None:
        """Truncation changes images; a setting that the model lacks is refused, and so is random noise."""
        source = generator.source or ""
        truncated = host.load(source, "cpu", trunc=0.5)
        latents = _drawn(generator, [3])
        assert truncated.settings.trunc == 0.5
        assert not torch.equal(truncated(latents), generator(latents))
        with pytest.raises(UsageError, match="temperature"):
            host.load(source, "cpu", temperature=0.7)
        with pytest.raises(UsageError, match="expected const or none" if self.noise else "no noise inputs"):
            host.load(source, "cpu", noise_mode="random")
        if self.noise:
            assert not torch.equal(host.load(source, "cpu", noise_mode="none")(latents), generator(latents))


def discriminator_in(generator: Generator) -> Any:
    """The pickle's ``D``, opened by the stock loader itself."""
    import legacy  # of the checkout

    with open((generator.source or "").partition(":")[2], "rb") as file:
        return legacy.load_network_pkl(file)["D"].eval().requires_grad_(False)


def last_features(network: Any, image: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """What the last layer of a stock discriminator is given, and its output, for one image."""
    seen = []
    hook = network.b4.out.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    output = network(image, c, force_fp32=True)
    hook.remove()
    return seen[0], output


def dense_jacobian(generator: Generator, latents: Latents, space: str, domain: str) -> np.ndarray:
    """The whole Jacobian of the stock network at one latent, [D, K], a column a tangent, in float64."""
    network: Any = generator.network
    settings = generator.settings
    classes = torch.arange(network.c_dim)
    critic = discriminator_in(generator) if space == "discriminator" else network
    with in_float64(network) as wide, in_float64(critic) as judge:
        c = (latents.label[:, None] == classes).double() if latents.label is not None else torch.zeros(1, 0)

        def styles(z: Tensor) -> Tensor:
            return wide.mapping(z, c, truncation_psi=settings.trunc)[:, 0]

        def images(w: Tensor) -> Tensor:
            noise = settings.noise_mode or "const"
            return wide.synthesis(w[:, None].repeat(1, wide.num_ws, 1), noise_mode=noise, force_fp32=True)

        def features(w: Tensor) -> Tensor:
            return last_features(judge, images(w), torch.zeros(1, judge.c_dim))[0]

        z = on_sphere(latents.z.double())
        at, function = {
            ("pixel", "z"): (z, lambda z: images(styles(z))),
            ("style", "z"): (z, styles),
            ("pixel", "w"): (styles(z).detach(), images),
            ("discriminator", "z"): (z, lambda z: features(styles(z))),
            ("discriminator", "w"): (styles(z).detach(), features),
        }[space, domain]
        columns = [torch.func.jvp(function, (at,), (basis[None],))[1] for basis in torch.eye(at.shape[1])]
    return torch.stack([column.flatten() for column in columns], 1).numpy()


class _Wide:
    """torch, but that its float32 is float64: stock code casts to what it calls float32."""

    float32 = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@contextmanager
def in_float64(network: Any) -> Iterator[Any]:
    """A copy of a stock network whose casts to float32 are casts to float64, inside."""
    import copy

    modules = [vars(module) for name, module in sys.modules.items() if name.startswith("torch_utils.ops.")]
    own: list[Callable[..., Any]] = [type(layer).forward for layer in network.modules()]
    modules += [function.__globals__ for function in own if "misc" in function.__globals__]
    before = torch.get_default_dtype()
    with ExitStack() as stack:
        for names in {id(names): names for names in modules}.values():
            if names.get("torch") is torch:
                stack.enter_context(replaced(names, "torch", _Wide()))
        torch.set_default_dtype(torch.float64)
        stack.callback(torch.set_default_dtype, before)
        yield copy.deepcopy(network).double()


def _drawn(generator: Generator, seeds: Any) -> Latents:
    return generator.prior.draw(seeds, None if generator.num_classes is None else 1)
