"""What the plugins for StyleGAN2 and StyleGAN3 are tested by, besides `polarprior.testing`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from polarprior import build_bank
from polarprior.plugin import Generator, Host, Latents, UsageError, default_host, on_sphere, top_singular_values
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

    @pytest.mark.parametrize(("space", "domain"), [("pixel", "z"), ("style", "z"), ("pixel", "w")])
    def test_a_bank_agrees_with_a_dense_svd(self, generator: Generator, space: str, domain: str) -> None:
        """Each log sigma of a bank that is built as users build it, to 1e-3."""
        bank = build_bank(generator, 2, K, space=space, domain=domain)
        labels = None if bank.labels is None else torch.from_numpy(bank.labels)
        latents = generator.prior.draw(bank.seeds, None if labels is None else labels.numpy())
        for row in range(len(bank)):
            dense = dense_jacobian(generator, latents[row : row + 1], space, domain)
            expected = np.log(np.linalg.svd(dense, compute_uv=False)[:K])
            assert np.abs(bank.log_singular_values[row] - expected).max() < 1e-3

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


def dense_jacobian(generator: Generator, latents: Latents, space: str, domain: str) -> np.ndarray:
    """The whole Jacobian of the stock network at one latent, [D, K], a column a tangent, in float64."""
    network: Any = generator.network
    settings = generator.settings
    classes = torch.arange(network.c_dim)
    with in_float64(network) as wide:
        c = (latents.label[:, None] == classes).double() if latents.label is not None else torch.zeros(1, 0)

        def styles(z: Tensor) -> Tensor:
            return wide.mapping(z, c, truncation_psi=settings.trunc)[:, 0]

        def images(w: Tensor) -> Tensor:
            noise = settings.noise_mode or "const"
            return wide.synthesis(w[:, None].repeat(1, wide.num_ws, 1), noise_mode=noise, force_fp32=True)

        z = on_sphere(latents.z.double())
        at, function = {
            ("pixel", "z"): (z, lambda z: images(styles(z))),
            ("style", "z"): (z, styles),
            ("pixel", "w"): (styles(z).detach(), images),
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
