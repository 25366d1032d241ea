"""The plugin `diffusers` under the suite for all plugins."""

from __future__ import annotations

import pytest
from polarprior.testing import GeneratorPluginTests


class Conformance(GeneratorPluginTests):
    own_hooks = ("get_latent_sampler", "jacobian_fn")
    # The first 20,000 seeds of torch have too many low first numbers: 5 standard errors in the square, tilted by -1.
    first_row = 10**6
    name = "consistency"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, folder_of):
        cls.model = f"diffusers:{folder_of(cls.name)}"

    @pytest.fixture(scope="class")
    @classmethod
    def generator(cls, load):
        return load(cls.name)


class TestConsistency(Conformance):
    pass


class TestConsistencyWithClasses(Conformance):
    name = "classes"


class TestStableDiffusion(Conformance):
    name = "sd"


class TestFlow(Conformance):
    name = "flow"
