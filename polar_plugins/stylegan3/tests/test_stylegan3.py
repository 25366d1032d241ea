"""The plugin `stylegan3` on networks that the stock classes of StyleGAN3 write."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
from polarprior_stylegan2.testing import StyleGeneratorTests
from polarprior_stylegan3.filters import filtered_by_matrices
from polarprior_stylegan3.operators import modulated_conv2d, unfused_operators
from scipy.signal import upfirdn


@pytest.fixture(scope="module", params=[(), ("--classes", "3")], ids=["unconditional", "classes"])
def generator(request, small_pickle):
    return pp.load(f"stylegan3:{small_pickle('stylegan3', *request.param)}", "cpu", trunc=0.7)


class TestConformance(GeneratorPluginTests):
    spaces = ("pixel", "discriminator")
    own_spaces = ("discriminator",)
    own_hooks = THREE_HOOKS

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, small_pickle):
        cls.model = f"stylegan3:{small_pickle('stylegan3')}"


class TestJacobians(StyleGeneratorTests):
    noise = False


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("gain", [None, torch.tensor(0.7), torch.linspace(0.5, 2, 5)])
def test_the_unfused_convolution_is_the_stock_one(generator, demodulate, gain):
    layer = getattr(generator.network.synthesis, generator.network.synthesis.layer_names[0])
    stock = type(layer).forward.__globals__["modulated_conv2d"]
    stream = torch.Generator().manual_seed(0)
    x, w, s = (torch.randn(shape, generator=stream) for shape in ((1, 5, 6, 7), (4, 5, 3, 3), (1, 5)))
    expected = stock(x=x, w=w, s=s, demodulate=demodulate, padding=2, input_gain=gain)
    torch.testing.assert_close(modulated_conv2d(x, w, s, demodulate, 2, gain), expected, rtol=1e-5, atol=1e-5)
    with unfused_operators(generator.network):
        assert type(layer).forward.__globals__["modulated_conv2d"] is modulated_conv2d
    assert type(layer).forward.__globals__["modulated_conv2d"] is stock


@pytest.mark.parametrize("clamp", [None, 1.5])
def test_filters_by_matrices_are_those_of_scipy(clamp):
    stream = torch.Generator().manual_seed(0)
    images, bias = torch.randn(2, 3, 9, 11, generator=stream), torch.randn(3, generator=stream)
    wide, narrow = torch.randn(12, generator=stream), torch.randn(6, generator=stream)
    up, down, gain, slope = 4, 3, 1.5, 0.2
    left, right, top, bottom = 5, 8, 7, 3
    filtered = filtered_by_matrices(SimpleNamespace(_parse_padding=tuple, filtered_lrelu=None))
    found = filtered(images, wide, narrow, bias, up, down, [left, right, top, bottom], gain, slope, clamp)
    large = (images + bias[:, None, None]).double().numpy()
    for axis, (before, size) in {2: (top, 9 * up + bottom), 3: (left, 11 * up + right)}.items():
        large = upfirdn(up * wide.double(), large, up, axis=axis).take(range(len(wide) - 1 - before, size), axis)
    bent = gain * np.where(large > 0, large, slope * large)
    bent = bent if clamp is None else bent.clip(-clamp, clamp)
    for axis in (2, 3):
        inside = range(len(narrow) - 1, bent.shape[axis], down)
        bent = upfirdn(narrow.double(), bent, axis=axis).take(inside, axis)
    np.testing.assert_allclose(found.numpy(), bent, rtol=1e-4, atol=1e-4)


def test_a_jacobian_filters_by_matrices(generator):
    layer = getattr(generator.network.synthesis, generator.network.synthesis.layer_names[0])
    filters = type(layer).forward.__globals__["filtered_lrelu"]
    stock = filters.filtered_lrelu
    with unfused_operators(generator.network):
        assert filters.filtered_lrelu.__module__ == "polarprior_stylegan3.filters"
    assert filters.filtered_lrelu is stock


def test_the_other_plugins_network_is_sent_there(small_pickle):
    with pytest.raises(PolarPriorError, match="holds no network of stylegan3, but one of stylegan2") as error:
        pp.load(f"stylegan3:{small_pickle('stylegan2')}", "cpu")
    assert error.value.hint.startswith("use stylegan2:")


def test_one_process_has_one_checkout(small_pickle, monkeypatch):
    """StyleGAN2 networks open with the checkout of StyleGAN3 where its modules are there already."""
    assert pp.load(f"stylegan2:{small_pickle('stylegan2')}", "cpu").plugin == "stylegan2"
