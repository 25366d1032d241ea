"""The plugin `projected-gan` on networks that the stock classes write: StyleGAN2 and FastGAN."""

from __future__ import annotations

import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError, UsageError
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
from polarprior_stylegan_forks.fastgan import draws_noise, without_noise
from polarprior_stylegan_forks.repos import PROJECTED_GAN
from polarprior_stylegan_forks.testing import ForkTests, Stages

CLASSES = [(), ("--classes", "3")]
STYLEGAN2 = ("projected-gan", "--resolution", "16")
FASTGAN = ("projected-gan-fastgan",)
IDS = ["unconditional", "classes"]


class TestConformance(GeneratorPluginTests):
    own_hooks = THREE_HOOKS[::2]  # no image has a space of its own here

    classes = ()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, fork_pickle):
        cls.model = f"projected-gan:{fork_pickle(PROJECTED_GAN, *STYLEGAN2, *cls.classes)}"


class TestConformanceOfClasses(TestConformance):
    classes = CLASSES[1]


class TestConformanceOfFastGAN(GeneratorPluginTests):
    own_hooks = THREE_HOOKS[:1]

    classes = ()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, fork_pickle):
        cls.model = f"projected-gan:{fork_pickle(PROJECTED_GAN, *FASTGAN, '--noise', *cls.classes)}"


class TestConformanceOfFastGANClasses(TestConformanceOfFastGAN):
    classes = CLASSES[1]


class TestStyleGAN2(ForkTests):
    measured = (("pixel", "z"), ("style", "z"), ("pixel", "w"))

    @pytest.fixture(scope="class", params=CLASSES, ids=IDS)
    @classmethod
    def generator(cls, request, fork_pickle):
        return pp.load(f"projected-gan:{fork_pickle(PROJECTED_GAN, *STYLEGAN2, *request.param)}", "cpu", trunc=0.7)

    @staticmethod
    def stages(network, c, generator):
        def images(w):
            return network.synthesis(w[:, None].repeat(1, network.num_ws, 1), noise_mode="const", force_fp32=True)

        return Stages(lambda z: network.mapping(z, c, truncation_psi=0.7)[:, 0], images)


class TestFastGAN(ForkTests):
    @pytest.fixture(scope="class", params=CLASSES, ids=IDS)
    @classmethod
    def generator(cls, request, fork_pickle):
        return pp.load(f"projected-gan:{fork_pickle(PROJECTED_GAN, *FASTGAN, *request.param)}", "cpu")

    @staticmethod
    def stages(network, c, generator):
        return Stages(lambda z: z, lambda z: network(z, c))

    def test_truncation_is_refused(self, generator):
        with pytest.raises(UsageError, match="trunc: a FastGAN of projected-gan has no such setting"):
            pp.load(generator.source, "cpu", trunc=0.7)


def test_a_fastgan_has_no_noise_here(fork_pickle):
    """Where its own passes draw it anew, from the global stream."""
    generator = pp.load(f"projected-gan:{fork_pickle(PROJECTED_GAN, *FASTGAN, '--noise')}", "cpu")
    quiet = pp.load(f"projected-gan:{fork_pickle(PROJECTED_GAN, *FASTGAN)}", "cpu")
    assert draws_noise(generator.network)
    assert not draws_noise(quiet.network)
    latents = generator.prior.draw([3])
    with torch.random.fork_rng():
        stock = [generator.network(latents.z.float(), torch.zeros(1, 0)) for _ in range(2)]
    assert not torch.equal(*stock)
    assert torch.equal(generator(latents), quiet(latents))
    before = torch.get_rng_state()
    with without_noise(generator.network):
        generator.network(latents.z.float(), torch.zeros(1, 0))
    assert torch.equal(before, torch.get_rng_state())


def test_what_is_no_space_of_images_is_refused(fork_pickle):
    generator = pp.load(f"projected-gan:{fork_pickle(PROJECTED_GAN, *STYLEGAN2)}", "cpu")
    assert generator.spaces == ("style",)
    with pytest.raises(UsageError, match="with a logit for each place") as refused:
        pp.feature_map(generator, "discriminator")
    assert "space=pixel" in refused.value.hint
    with pytest.raises(UsageError, match="an image has none"):
        pp.feature_map(generator, "style")
    with pytest.raises(UsageError, match="with a logit for each place"):
        pp.jacobian_fn(generator, "discriminator")


def test_a_network_of_another_kind_is_refused(fork_pickle, tmp_path):
    """In one line, with what to name."""
    path = fork_pickle(PROJECTED_GAN, *STYLEGAN2)
    pp.load(f"projected-gan:{path}", "cpu")
    from polarprior_stylegan2.small import write_pickle

    write_pickle(tmp_path / "other.pkl", torch.nn.Linear(2, 2), torch.nn.Identity())
    with pytest.raises(
        PolarPriorError, match=r"other\.pkl holds no network of projected-gan, but a Linear"
    ) as refused:
        pp.load(f"projected-gan:{tmp_path}/other.pkl", "cpu")
    assert refused.value.hint == "name a pickle that train.py of autonomousvision/projected-gan wrote"
