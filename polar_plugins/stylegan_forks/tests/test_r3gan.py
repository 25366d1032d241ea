"""The plugin `r3gan` on networks that the stock classes write."""

from __future__ import annotations

import polarprior as pp
import pytest
import torch
from polarprior.plugin import UsageError
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
from polarprior_stylegan_forks.repos import R3GAN
from polarprior_stylegan_forks.testing import ForkTests, Stages

CLASSES = [(), ("--classes", "3")]
IDS = ["unconditional", "classes"]
SMALL = ("r3gan", "--resolution", "16")


class TestConformance(GeneratorPluginTests):
    spaces = ("pixel", "discriminator")
    own_spaces = ("discriminator",)
    own_hooks = THREE_HOOKS

    classes = ()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, fork_pickle):
        cls.model = f"r3gan:{fork_pickle(R3GAN, *SMALL, *cls.classes)}"


class TestConformanceOfClasses(TestConformance):
    classes = CLASSES[1]


class TestJacobians(ForkTests):
    @pytest.fixture(scope="class", params=CLASSES, ids=IDS)
    @classmethod
    def generator(cls, request, fork_pickle):
        return pp.load(f"r3gan:{fork_pickle(R3GAN, *SMALL, '--float32', *request.param)}", "cpu")

    @staticmethod
    def stages(network, c, generator):
        for stage in network.Model.MainLayers:
            stage.DataType = c.dtype
        return Stages(lambda z: z, lambda z: network(z, c))

    def test_the_first_layer_says_where_to_start(self, generator):
        """Its top directions hold more of the Jacobian than random ones."""
        linear_map = pp.jacobian_fn(generator)(
            generator.prior.draw(range(4), None if generator.num_classes is None else 1)
        )
        random = torch.linalg.qr(torch.randn(4, 32, 8, generator=torch.Generator().manual_seed(0)))[0]
        assert linear_map.jvp(linear_map.start(8)).norm() > 1.2 * linear_map.jvp(random).norm()


def test_bfloat16_is_the_script_s_alone(fork_pickle):
    """Volumes are those of the same weights in float32, to which its pictures are near."""
    rounded, plain = (pp.load(f"r3gan:{fork_pickle(R3GAN, *SMALL, *words)}", "cpu") for words in ((), ("--float32",)))
    latents = plain.prior.draw(range(4))
    assert torch.equal(rounded(latents), plain(latents))
    assert rounded.network.Model.MainLayers[1].DataType is torch.bfloat16
    stock = rounded.network(latents.z, torch.zeros(4, 0))  # float64, as the script has it
    assert stock.dtype is torch.bfloat16
    assert 0 < (stock - plain(latents)).abs().max() < 0.05


def test_no_latent_is_put_on_a_sphere(fork_pickle):
    """Longer ones give other images, and every number of z counts."""
    generator = pp.load(f"r3gan:{fork_pickle(R3GAN, *SMALL)}", "cpu")
    z = generator.prior.draw([0]).z.float()
    assert not torch.allclose(generator(z), generator(2 * z), atol=1e-2)
    assert generator.rank_bound == 32


def test_nothing_can_be_chosen(fork_pickle):
    path = fork_pickle(R3GAN, *SMALL)
    with pytest.raises(UsageError, match="trunc: r3gan has no such setting"):
        pp.load(f"r3gan:{path}", "cpu", trunc=0.7)
