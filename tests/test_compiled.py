"""Compiled products: the same numbers, one bank's bytes, and a word where compiling fails."""

from __future__ import annotations

import logging

import polarprior as pp
import pytest
import torch
from polarprior.errors import UsageError
from polarprior.jacobian.compiled import check_compiles, compiling
from polarprior.jacobian.memory import memory_limit
from polarprior.jacobian.traced import TracedJacobian, _blocks
from torch import nn

BUILD = {"n": 9, "k": 5, "estimator": "block-lanczos"}


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        layers = (nn.Linear(12, 18), nn.Tanh(), nn.Unflatten(1, (2, 3, 3)), nn.Conv2d(2, 4, 3, padding=1), nn.SiLU())
        return nn.Sequential(*layers).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def generator(network):
    return pp.wrap(network, latent_dim=12)


@pytest.fixture(scope="module")
def _compiler():
    """Skip where torch can't compile."""
    try:
        check_compiles(torch.device("cpu"))
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("size", [300, 4000, None])
def test_products_are_the_same(network, size):
    """5 latents and 7 directions, in several blocks a latent, several latents a block, and all at once."""
    jacobian, stream = TracedJacobian(network), torch.Generator().manual_seed(1)
    points = torch.randn(5, 12, generator=stream)
    tangents, cotangents = torch.randn(5, 12, 7, generator=stream), torch.randn(5, 36, 7, generator=stream)
    with memory_limit(size):
        here = jacobian.at(points)
        expected = here.jvp(tangents), here.vjp(cotangents)
        with compiling(True):
            found, again = ((here.jvp(tangents), here.vjp(cotangents)) for _ in range(2))
    for one, other, plain in zip(found, again, expected, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, torch.zeros_like(one))
        assert (one - plain).norm() < 1e-6 * plain.norm()
    (programs,) = jacobian._programs.values()
    assert [len(each.compiled._graphs) for each in (programs.first, programs.second)] == [1, 1]


def test_blocks_of_one_size_cover_all():
    assert _blocks(7, 3, alike=False) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert _blocks(7, 3, alike=True) == [slice(0, 3), slice(3, 6), slice(4, 7)]
    assert _blocks(100, 48, alike=True) == [slice(0, 34), slice(34, 68), slice(66, 100)]
    for total in range(1, 30):
        for most in range(1, 30):
            blocks = _blocks(total, most, alike=True)
            assert {row for block in blocks for row in range(total)[block]} == set(range(total))
            (size,) = {block.stop - block.start for block in blocks}
            assert size <= most
            assert len(blocks) == -(-total // most)


@pytest.mark.usefixtures("_compiler")
def test_a_bank_is_the_same_each_time(generator, tmp_path):
    plain = pp.build_bank(generator, **BUILD)
    for name in ("one.safetensors", "other.safetensors"):
        found = pp.build_bank(generator, **BUILD, compile=True, out=tmp_path / name)
        assert abs(found.log_volume() - plain.log_volume()).max() < 1e-4
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()


def test_without_a_compiler_it_is_refused_before_anything(generator, monkeypatch):
    monkeypatch.setattr(torch, "compile", _fails)
    with pytest.raises(UsageError, match=r"compile: torch.compile doesn't work here: no g\+\+") as raised:
        pp.build_bank(generator, **BUILD, compile=True)
    assert "leave it out" in raised.value.hint


@pytest.mark.parametrize("broken", ["fails", "differs"])
def test_what_cannot_be_compiled_goes_on_as_it_is(network, monkeypatch, caplog, broken):
    monkeypatch.setattr(
        torch, "compile", _fails if broken == "fails" else lambda graph, **_: lambda *x: 2 * graph(*x)
    )
    here = TracedJacobian(network).at(torch.ones(2, 12))
    tangents = torch.eye(12).expand(2, 12, 12)
    with compiling(True), caplog.at_level(logging.WARNING):
        found = here.jvp(tangents)
    assert torch.allclose(found, here.jvp(tangents))
    (record,) = caplog.records
    assert ("can't be compiled" if broken == "fails" else "differ by 1") in record.getMessage()


def _fails(*_, **__):
    raise RuntimeError("no g++\nand advice")
