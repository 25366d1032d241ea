"""A sampler of many steps: its value is that of the plain loop, its Jacobian that of differentiating through it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from polarprior.jacobian.step_chain import StepChain, euler, heun
from polarprior.jacobian.traced import TracedJacobian
from torch import nn
from torch.func import jacrev

LEVELS = [10.0, 4.0, 1.5, 0.4, 0.05]


class Denoiser(nn.Module):
    """A small denoiser of 1 x 4 x 4 pictures, of two classes."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.hidden = nn.Conv2d(1, 6, 3, padding=1)
            self.of_class = nn.Embedding(2, 6)
            self.out = nn.Conv2d(6, 1, 3, padding=1)

    def forward(self, x, level, label):
        level = level.reshape(-1, 1, 1, 1).to(x)
        hidden = torch.tanh(self.hidden(x / (1 + level)) + self.of_class(label)[:, :, None, None] + level.log() / 4)
        return x / (1 + level**2) + self.out(hidden)


def looped(network, z, label, levels, second_order):
    """The same, as a stock script has it."""
    x = z * levels[0]
    for now, then in zip(levels, [*levels[1:], 0.0], strict=True):
        slope = (x - network(x, torch.full((len(z),), now).to(z), label)) / now
        there = x + (then - now) * slope
        if second_order and then:
            other = (there - network(there, torch.full((len(z),), then).to(z), label)) / then
            there = x + (then - now) * (0.5 * slope + 0.5 * other)
        x = there
    return x


@pytest.fixture(scope="module")
def network():
    return Denoiser().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def points():
    return torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 1])


@pytest.mark.parametrize(("method", "first"), [(euler, (1.0,)), (heun, (1.0, 0.0))])
def test_it_is_the_plain_loop_and_its_derivative(network, points, method, first):
    z, label = points
    evaluations = method(LEVELS)
    chain = StepChain(network, evaluations, tuple(LEVELS[0] * each for each in first))
    expected = looped(network, z, label, LEVELS, method is heun)
    assert torch.allclose(chain(z, label), expected, atol=1e-5)
    found = chain.at(z, label)
    assert torch.equal(found.value, chain(z, label))
    exact = Denoiser().double()
    for row in range(len(z)):
        here = (z[row : row + 1].double(), label[row : row + 1])
        dense = jacrev(lambda x, c=here[1]: looped(exact, x, c, LEVELS, method is heun))(here[0]).reshape(16, 16)
        eye = torch.eye(16).expand(3, 16, 16)
        assert (found.jvp(eye)[row].double() - dense).norm() < 1e-5 * dense.norm()
        assert (found.vjp(eye)[row].double() - dense.T).norm() < 1e-5 * dense.norm()


def test_it_says_its_cost_in_passes(network, points):
    z, label = points
    found = StepChain(network, heun(LEVELS), (10.0, 0.0)).at(z, label)
    assert found.evaluations == len(heun(LEVELS)) == 2 * len(LEVELS) - 1
    assert (found @ found).evaluations == 9


def test_one_graph_serves_all_evaluations(network, points):
    z, label = points
    chain = StepChain(network, heun(LEVELS), (10.0, 0.0))
    chain.at(z, label).jvp(torch.ones(3, 16, 2))
    assert len(chain._traced._programs) == 1
    few, many = (StepChain(network, heun(LEVELS[:n]), (10.0, 0.0)).at(z, label).kept for n in (2, len(LEVELS)))
    assert many - few == 6 * 2 * 16 * 8, "another step keeps the state, and no activations"


def test_a_surrogate_looks_at_its_last_passes(network, points):
    import polarprior as pp
    from polarprior.surrogate.features import FeaturesOf

    class Chained(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, z):
            z = z.reshape(-1, 1, 4, 4)
            label = torch.zeros(len(z), dtype=torch.int64)
            return looped(self.network, z, label, LEVELS, second_order=True)

    once = pp.wrap(Chained(), latent_dim=16)
    latents = once.prior.draw(range(4))
    alone = pp.wrap(nn.Sequential(nn.Unflatten(1, (1, 4, 4)), network.hidden, network.out), latent_dim=16)
    of_image = FeaturesOf(replace(alone, network=None))(latents).scalars.shape[1]
    of_all, of_last = (FeaturesOf(replace(once, evaluations=n))(latents).scalars.shape[1] for n in (1, 9))
    assert of_all == of_image + 9 * 3, "two convolutions and the classes, at each of nine passes"
    assert of_last == of_image + 2 * 3


def test_it_says_where_it_is(network, points, monkeypatch):
    from polarprior.jacobian import step_chain

    said = []
    monkeypatch.setattr(step_chain, "stage", lambda what: said.append(what) or torch.no_grad())
    z, label = points
    StepChain(network, euler(LEVELS), (10.0,)).at(z, label).jvp(torch.ones(3, 16, 1))
    assert said[0] == "evaluation 1 of 5"
    assert said[-1] == "tangents through evaluation 5 of 5"


def test_a_pass_may_be_told_something_of_its_own(network, points):
    """Here the class; and chains that are given one traced network trace it once."""
    z, _ = points
    classes = [torch.tensor([row, 1 - row, row]) for row in (0, 1, 0)]
    evaluations = [replace(each, told=(label,)) for each, label in zip(euler(LEVELS[:3]), classes, strict=True)]
    traced = TracedJacobian(network)
    x = z * LEVELS[0]
    for now, then, label in zip(LEVELS[:3], [*LEVELS[1:3], 0.0], classes, strict=True):
        x = x + (then - now) / now * (x - network(x, torch.full((3,), now), label))
    for _ in range(2):
        chain = StepChain(traced, evaluations, (LEVELS[0],))
        assert torch.allclose(chain(z), x, atol=1e-5)
        assert torch.allclose(chain.at(z).value, x, atol=1e-5)
        tangents, cotangents = torch.ones(3, 16, 1), torch.ones(3, 16, 1)
        pushed, pulled = chain.at(z).jvp(tangents), chain.at(z).vjp(cotangents)
        assert torch.allclose((pushed * cotangents).sum(), (tangents * pulled).sum(), rtol=1e-4)
    assert len(traced._programs) == 1
