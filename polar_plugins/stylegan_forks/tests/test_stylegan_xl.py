"""The plugin `stylegan-xl` on networks that the stock classes write."""

from __future__ import annotations

import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError, UsageError
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
from polarprior_stylegan_forks.repos import STYLEGAN_XL
from polarprior_stylegan_forks.testing import ForkTests, Stages

CLASSES = [(), ("--classes", "3")]
IDS = ["unconditional", "classes"]
SMALL = ("stylegan-xl", "--resolution", "16")


class TestConformance(GeneratorPluginTests):
    own_hooks = THREE_HOOKS[::2]  # no image has a space of its own here

    classes = ()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, fork_pickle):
        cls.model = f"stylegan-xl:{fork_pickle(STYLEGAN_XL, *SMALL, *cls.classes)}"


class TestConformanceOfClasses(TestConformance):
    classes = CLASSES[1]


class TestJacobians(ForkTests):
    measured = (("pixel", "z"), ("style", "z"), ("pixel", "w"))

    @pytest.fixture(scope="class", params=[*CLASSES, "superresolution"], ids=[*IDS, "superresolution"])
    @classmethod
    def generator(cls, request, fork_pickle):
        if request.param == "superresolution":
            stem = fork_pickle(STYLEGAN_XL, *SMALL, "--classes", "3")
            path = fork_pickle(STYLEGAN_XL, "stylegan-xl", "--resolution", "32", "--stem", str(stem))
        else:
            path = fork_pickle(STYLEGAN_XL, *SMALL, *request.param)
        return pp.load(f"stylegan-xl:{path}", "cpu", trunc=0.7)

    @staticmethod
    def stages(network, c, generator):
        """As ``get_w_from_seed`` truncates, and ``w_to_img`` draws."""

        def styles(z):
            w = network.mapping(z, c)
            average = network.mapping.w_avg[c.argmax(1)] if network.c_dim else network.mapping.w_avg[None]
            average = average[:, None].repeat(1, network.mapping.num_ws, 1)
            return (average + (w - average) * 0.7)[:, 0]

        def images(w):
            return network.synthesis(w[:, None].repeat(1, network.num_ws, 1), noise_mode="const")

        return Stages(styles, images)

    def test_a_style_is_that_of_the_mapping_network(self, generator):
        """The model's own truncation rounds otherwise."""
        network, label = generator.network, None if generator.num_classes is None else 1
        z = generator.prior.draw([5]).z.float()
        c = torch.eye(3)[[1]] if label else None
        w = network.mapping(z, c, truncation_psi=0.7)
        torch.testing.assert_close(generator(z, label=label), network.synthesis(w), rtol=1e-4, atol=1e-5)


def test_spaces_that_it_lacks_are_refused(fork_pickle):
    generator = pp.load(f"stylegan-xl:{fork_pickle(STYLEGAN_XL, *SMALL)}", "cpu")
    with pytest.raises(UsageError, match="with a logit for each place"):
        pp.feature_map(generator, "discriminator")
    with pytest.raises(UsageError, match="an image has none"):
        pp.feature_map(generator, "style")


def test_a_stylegan3_of_nvidia_is_refused(fork_pickle, tmp_path):
    """Its checkout opens one, whose mapping network is another."""
    pp.load(f"stylegan-xl:{fork_pickle(STYLEGAN_XL, *SMALL)}", "cpu")
    from polarprior_stylegan2.small import write_pickle

    other = torch.nn.Sequential()
    other.add_module("mapping", torch.nn.Identity())
    other.add_module("synthesis", torch.nn.Identity())
    other.synthesis.layer_names = ["L0"]
    write_pickle(tmp_path / "other.pkl", other, torch.nn.Identity())
    with pytest.raises(PolarPriorError, match="no network of stylegan-xl, but a Sequential as those of stylegan3"):
        pp.load(f"stylegan-xl:{tmp_path}/other.pkl", "cpu")
