"""What the plugins are tested by, besides `polarprior.testing`: Jacobians against dense ones in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from polarprior import build_bank
from polarprior.plugin import Generator, Host, Latents, UsageError, default_host, on_sphere
from polarprior_stylegan2.testing import in_float64
from torch import Tensor

from polarprior_stylegan_forks.classes import one_hot

K = 8


class Stages(NamedTuple):
    """What a stock network does for one row with given classes: z [1, K] to w [1, W], and w to an image."""

    styles: Callable[[Tensor], Tensor]
    images: Callable[[Tensor], Tensor]


class ForkTests:
    """Inherit, give a fixture `generator`, and say what the stock network does, in `stages`.

    Attributes:
        measured: (space, domain) whose Jacobians are compared.
    """

    measured: ClassVar[tuple[tuple[str, str], ...]] = (("pixel", "z"),)

    @staticmethod
    def stages(network: Any, c: Tensor, generator: Generator) -> Stages:
        """The stock network's own passes, for classes c [1, C] in the network's precision."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls) -> Host:
        """The host with all installed plugins."""
        return default_host()

    def test_log_singular_values_are_those_of_a_dense_jacobian(
        self, generator: Generator, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each of a bank that is built as users build it, to 1e-3; its Jacobians are traced."""
        for space, domain in self.measured:
            bank = build_bank(generator, 2, K, space=space, domain=domain)
            latents = generator.prior.draw(bank.seeds, bank.labels)
            for row in range(len(bank)):
                dense = self.dense_jacobian(generator, latents[row], space, domain)
                expected = np.log(np.linalg.svd(dense, compute_uv=False)[:K])
                assert np.abs(bank.log_singular_values[row] - expected).max() < 1e-3, (space, domain)
        assert not [line for line in caplog.messages if "can't be traced" in line]

    def dense_jacobian(self, generator: Generator, latents: Latents, space: str, domain: str) -> np.ndarray:
        """The whole Jacobian of the stock network at one latent, [D, K], a column a tangent, in float64."""
        with in_float64(generator.network) as wide:
            z = latents.z.double()
            z = on_sphere(z) if generator.normalizes_latent else z
            styles, images = self.stages(wide, one_hot(latents.label, wide.c_dim, z), generator)
            at, function = {
                ("pixel", "z"): (z, lambda z: images(styles(z))),
                ("style", "z"): (z, styles),
                ("pixel", "w"): (styles(z).detach(), images),
            }[space, domain]
            columns = [torch.func.jvp(function, (at,), (basis[None],))[1] for basis in torch.eye(at.shape[1])]
        return torch.stack([column.flatten() for column in columns], 1).numpy()

    def test_images_are_the_stock_ones(self, generator: Generator) -> None:
        """To the last bit what the stock network gives for a seed, in float32."""
        network: Any = generator.network
        latents = generator.prior.draw([7], None if generator.num_classes is None else 1)
        z = latents.z.float()
        styles, images = self.stages(network, one_hot(latents.label, network.c_dim, z), generator)
        assert torch.equal(generator(latents), images(styles(z)))

    def test_settings_that_it_lacks_are_refused(self, generator: Generator, host: Host) -> None:
        source = generator.source or ""
        with pytest.raises(UsageError, match=r"temperature: .* has no such setting") as refused:
            host.load(source, "cpu", temperature=0.7)
        assert "stylegan2" not in refused.value.message, "the plugin's own name"
        with pytest.raises(UsageError, match="noise_mode: "):
            host.load(source, "cpu", noise_mode="random")
