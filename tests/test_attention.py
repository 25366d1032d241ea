"""Networks with attention, norms over groups and one_hot labels are traced, and for what it should cost."""

from __future__ import annotations

import math

import pytest
import torch
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.traced import TracedJacobian
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional as F

PLACES, WIDTH = 64, 12


class Attended(nn.Module):
    """Attention between places, as `how` takes it, from linear layers, and a residual."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.three = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, z):
        x = z.reshape(-1, PLACES, WIDTH)
        return (x + self.out(self.how(*self.three(x).chunk(3, -1)))).flatten(1)


def fused(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def masked(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def by_products(q, k, v):
    return (q @ k.mT / math.sqrt(WIDTH)).softmax(-1) @ v


def by_einsum(q, k, v):
    """As EDM has it: channels before places, and the weights as the second factor."""
    q, k, v = (each.mT for each in (q, k, v))
    weights = torch.einsum("ncq,nck->nqk", q, k / math.sqrt(WIDTH)).softmax(dim=2)
    return torch.einsum("nqk,nck->ncq", weights, v).mT


def over_the_queries(q, k, v):
    """Weights that sum to one over another axis than the product's: no attention, though it looks like one."""
    return (q @ k.mT / math.sqrt(WIDTH)).softmax(-2) @ v


KINDS = [fused, masked, by_products, by_einsum, over_the_queries]


@pytest.fixture
def points():
    return torch.randn(2, PLACES * WIDTH, generator=torch.Generator().manual_seed(0))


def made(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        return make().eval().requires_grad_(False)


def programs_of(function, points):
    jacobian = TracedJacobian(function)
    found = jacobian.at(points)
    (programs,) = jacobian._programs.values()
    assert programs is not None, "not traced"
    return found, programs


@pytest.mark.parametrize("how", KINDS)
def test_it_is_the_derivative(how, points):
    module = made(lambda: Attended(how))
    found, _ = programs_of(module, points)
    tangents = torch.randn(2, PLACES * WIDTH, 5, generator=torch.Generator().manual_seed(1))
    dense = jacrev(made(lambda: Attended(how)).double())(points[:1].double()).reshape(-1, PLACES * WIDTH)
    for moved, expected in ((found.jvp, dense), (found.vjp, dense.T)):
        assert (moved(tangents)[0].double() - expected @ tangents[0].double()).norm() < 1e-5 * expected.norm()
    assert torch.allclose(found.value, module(points), atol=1e-5)


def written_as_large_as_the_scores(programs):
    """Operations of a tangent whose result has a number for each pair of places."""
    views = {
        "aten.reshape.default",
        "aten.permute.default",
        "aten.transpose.int",
        "aten.expand.default",
        "aten.unsqueeze.default",
    }
    values = [(str(node.target), node.meta["val"]) for node in programs.first._at_direction]
    found = [name for name, value in values if isinstance(value, Tensor) and value.numel() == PLACES**2]
    return sorted(name.replace("mul_", "mul") for name in found if name not in views)


@pytest.mark.parametrize("how", [fused, by_products, by_einsum])
def test_a_tangent_writes_two_matrices_as_large_as_the_places_squared(how, points):
    """The scores' tangent, and its product with the weights; all else only reads them."""
    _, programs = programs_of(made(lambda: Attended(how)), points)
    assert written_as_large_as_the_scores(programs) == ["aten.bmm.default", "aten.mul.Tensor"]


def test_it_is_no_attention_where_another_axis_is_normalised(points):
    _, programs = programs_of(made(lambda: Attended(over_the_queries)), points)
    assert len(written_as_large_as_the_scores(programs)) > 2


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Unflatten(1, (12, 8, 8)), nn.GroupNorm(3, 12), nn.SiLU(), nn.Conv2d(12, 3, 3)),
        nn.Sequential(nn.Unflatten(1, (12, 8, 8)), nn.GroupNorm(3, 12, affine=False), nn.Conv2d(12, 3, 3)),
        nn.Sequential(nn.Unflatten(1, (PLACES, WIDTH)), nn.LayerNorm(WIDTH), nn.RMSNorm(WIDTH), nn.Linear(WIDTH, 3)),
        nn.Sequential(
            nn.Unflatten(1, (PLACES, WIDTH)),
            nn.TransformerEncoderLayer(WIDTH, 2, 20, dropout=0.0, batch_first=True, norm_first=True),
        ),
    ],
    ids=["group norm", "group norm without weights", "layer and RMS norm", "transformer layer"],
)
def test_norms_are_traced(module, points):
    found, _ = programs_of(module.eval(), points)
    plain, tangents = LinearMap.of(module, points), torch.ones(2, PLACES * WIDTH, 1)
    tangents[:, ::3] = -2
    assert (found.jvp(tangents) - plain.jvp(tangents)).norm() < 1e-5 * plain.jvp(tangents).norm()


def test_a_group_norm_behind_attention_takes_numbers_in_any_order(points):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attended, self.norm, self.out = Attended(fused), nn.GroupNorm(3, WIDTH), nn.Conv2d(WIDTH, 2, 3)

        def forward(self, z):
            images = self.attended(z).reshape(-1, PLACES, WIDTH).mT.reshape(-1, WIDTH, 8, 8)
            return self.out(self.norm(images) + images)

    found, _ = programs_of(made(Block), points)
    tangents = torch.ones(2, PLACES * WIDTH, 1)
    tangents[:, ::3] = -2
    plain = LinearMap.of(made(Block), points).jvp(tangents)
    assert (found.jvp(tangents) - plain).norm() < 1e-5 * plain.norm()


class OneHot(nn.Module):
    """A conditional DCGAN as users write them."""

    def __init__(self, classes=8):
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Unflatten(1, (14, 1, 1)), nn.ConvTranspose2d(14, 6, 4), nn.ReLU(), nn.ConvTranspose2d(6, 3, 4, 2, 1)
        )

    def forward(self, z, label):
        return self.layers(torch.cat([z, F.one_hot(label, self.classes).to(z)], 1))


def test_one_hot_labels_need_no_word_of_the_user(caplog):
    module, z, label = made(OneHot), torch.randn(3, 6), torch.tensor([7, 0, 3])
    jacobian = TracedJacobian(module)
    found = jacobian.at(z, label)
    assert not caplog.text
    assert torch.allclose(found.value, module(z, label), atol=1e-6)
    assert not torch.allclose(found.jvp(torch.ones(3, 6, 1))[0], found.jvp(torch.ones(3, 6, 1))[1])


class Asking(nn.Module):
    def forward(self, x):
        return x if float(x.sum()) > 0 else -x


class Drawing(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Asking, "net.1 (Asking), return x if float(x.sum()) > 0 else -x (test_attention.py:"),
        (Asking, "it needs the value of a tensor, so that its path depends on its numbers"),
        (Drawing, "aten.randn_like of net.1 (Drawing) draws random numbers"),
    ],
)
def test_what_is_not_traced_says_which_operation_of_which_module_is_the_reason(make, said, caplog):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 4), make())

        def forward(self, z: Tensor) -> Tensor:
            return self.net(z)

    model = made(Model)
    TracedJacobian(lambda z: model(z)).at(torch.ones(1, 4))
    assert said in caplog.text


def test_classes_that_one_hot_would_have_to_count_are_named(caplog):
    model = made(lambda: OneHot(classes=-1))
    TracedJacobian(model).at(torch.randn(1, 6), torch.tensor([7]))
    assert "give it num_classes" in caplog.text
