"""Traced Jacobians: the same numbers as plain differentiation, for less, or plain differentiation."""

from __future__ import annotations

import polarprior as pp
import pytest
import torch
from polarprior.errors import PolarPriorError
from polarprior.jacobian import memory
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.linear_program import LinearProgram
from polarprior.jacobian.nodes import Stage, aten
from polarprior.jacobian.sub_pixel import sub_pixel_convolution, sub_pixel_weight
from polarprior.jacobian.traced import TracedJacobian
from torch import nn
from torch.nn import functional as F

K = 6


class Square(torch.autograd.Function):
    """A custom function as older code writes them: forward with ctx, no setup_context, no jvp."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, cotangent):
        return 2 * ctx.saved_tensors[0] * cotangent


class Modulated(nn.Module):
    """A style-modulated convolution with demodulation, as StyleGAN2 has it: scale, convolve, scale; then a blur."""

    def __init__(self):
        super().__init__()
        self.register_buffer("x", torch.randn(1, 4, 5, 5))
        self.weight = nn.Parameter(torch.randn(3, 4, 3, 3))
        self.affine = nn.Linear(K, 4)
        self.register_buffer(
            "blur", torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1]))[None, None]
        )

    def forward(self, z):
        style = self.affine(F.leaky_relu(z, 0.2)) + 1
        weight = self.weight[None] * style[:, None, :, None, None]
        scale = (weight.square().sum((2, 3, 4)) + 1e-8).rsqrt()
        x = F.conv_transpose2d(self.x * style[:, :, None, None], self.weight.mT.transpose(0, 1), stride=2)
        x = x * scale[:, :, None, None]
        x = F.conv2d(F.pad(x, [1, 1, 1, 1]), self.blur.repeat(3, 1, 1, 1), groups=3)
        return F.leaky_relu(x, 0.2) * 1.4142


def _layers():
    images = nn.Unflatten(1, (K, 1, 1))
    return {
        "linear": nn.Linear(K, 9),
        "activations": nn.Sequential(
            *(
                layer
                for kind in (
                    nn.ReLU,
                    nn.LeakyReLU,
                    nn.ELU,
                    nn.GELU,
                    nn.SiLU,
                    nn.Sigmoid,
                    nn.Tanh,
                    nn.Softplus,
                    nn.Hardtanh,
                )
                for layer in (nn.Linear(K, K), kind())
            )
        ),
        "batch norm": nn.Sequential(
            images, nn.ConvTranspose2d(K, 8, 4), nn.BatchNorm2d(8), nn.ReLU(True), nn.Conv2d(8, 5, 3, 2, 1), nn.Tanh()
        ),
        "group norm, dilated": nn.Sequential(
            images,
            nn.ConvTranspose2d(K, 8, 5),
            nn.GroupNorm(2, 8),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, dilation=2, padding=2, groups=4),
        ),
        "resized, pooled": nn.Sequential(
            images,
            nn.Upsample(scale_factor=4),
            nn.Conv2d(K, 6, 3, padding="same", padding_mode="reflect"),
            nn.AvgPool2d(2),
            nn.PixelShuffle(1),
            nn.MaxPool2d(2),
            nn.Flatten(),
        ),
        "layer norm, attention": nn.Sequential(
            nn.Unflatten(1, (1, 6)),
            nn.Linear(6, 24),
            nn.Unflatten(2, (3, 8)),
            nn.Flatten(1, 2),
            nn.TransformerEncoderLayer(8, 2, 4, dropout=0.0, batch_first=True),
            nn.Flatten(),
        ),
        "whole image": nn.Sequential(images, nn.ConvTranspose2d(K, 8, 4), nn.Tanh(), nn.Conv2d(8, 5, 4)),
        "spectral norm": nn.Sequential(images, nn.utils.spectral_norm(nn.ConvTranspose2d(K, 8, 4)), nn.Tanh()),
        "modulated": Modulated(),
    }


@pytest.fixture(params=list(_layers()))
def module(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        return _layers()[request.param].eval()


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_same(one, other, tolerance=1e-5):
    assert (one - other).norm() <= tolerance * other.norm(), f"{(one - other).norm() / other.norm():.2g}"


def traced(function, points, *context):
    """The traced map; fails where tracing gave up."""
    jacobian = TracedJacobian(function)
    linear_map = jacobian.at(points, *context)
    assert None not in jacobian._programs.values(), "not traced"
    return linear_map


def test_traced_products_are_the_plain_ones(module):
    points = random(5, K)
    mine, plain = traced(module, points), LinearMap.of(module, points)
    tangents, cotangents = random(5, K, 7, seed=1), random(5, mine.output_dim, 7, seed=2)
    assert_same(mine.jvp(tangents), plain.jvp(tangents))
    assert_same(mine.vjp(cotangents), plain.vjp(cotangents))
    assert mine.value.shape == plain.value.shape
    assert_same(mine.value, plain.value)


def test_traced_products_do_not_depend_on_how_many_go_at_once(module, monkeypatch):
    points, tangents = random(5, K), random(5, K, 7, seed=1)
    jacobian = TracedJacobian(module)
    results = []
    for size in (1, 3000, 10**9):
        monkeypatch.setattr(memory, "CPU_BYTES", size)
        results.append(jacobian.at(points).jvp(tangents))
        results.append(jacobian.at(points[:1]).jvp(tangents[:1]))
    for each in results:
        assert_same(each, results[0][: len(each)])


def test_what_remains_for_a_direction_is_the_floor():
    """Batch norm and activation: one product with a slope between two convolutions, and nothing else."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        module = _layers()["batch norm"].eval()
    jacobian = TracedJacobian(module)
    jacobian.at(random(1, K))
    (programs,) = jacobian._programs.values()
    moved = {aten.reshape.default, aten.permute.default}
    for program in (programs.first, programs.second):
        work = [node.target for node in program._at_direction if node.target not in moved]
        assert len(work) == 4, work
        assert {aten.mm.default, aten.convolution.default} <= set(work), "the first convolution is a product"
        assert set(work) <= {aten.mm.default, aten.convolution.default, aten.mul.Tensor, aten.mul_.Tensor}


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(4, 2, 1), (2, 2, 0), (3, 3, 0), (6, 2, 2), (8, 4, 2), (5, 3, 1), (7, 3, 2)]
)
def test_upsampling_to_few_channels_is_a_plain_convolution(size, stride, padding):
    x, weight = random(2, 5, 6, 7), random(5, 3, size, size, seed=1)
    expected = F.conv_transpose2d(x, weight, stride=stride, padding=padding)
    assert_same(sub_pixel_convolution(x, sub_pixel_weight(weight, stride, padding), stride), expected)


def test_the_last_layer_of_a_generator_is_a_plain_convolution():
    layers = [nn.Unflatten(1, (K, 1, 1)), nn.ConvTranspose2d(K, 4, 4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1)]
    jacobian = TracedJacobian(nn.Sequential(*layers))
    jacobian.at(random(1, K))
    (programs,) = jacobian._programs.values()
    assert sub_pixel_convolution in [node.target for node in programs.first._at_direction]
    assert aten.convolution.default in [node.target for node in programs.second._at_direction]


def test_custom_functions_without_forward_mode_are_traced():
    weight, points = random(K, 8), random(3, K, seed=5)

    def function(z):
        return Square.apply(z @ weight).sin()

    exact = LinearMap.of(lambda z: (z @ weight).square().sin(), points)
    tangents, cotangents = random(3, K, 2, seed=1), random(3, 8, 2, seed=2)
    for linear_map in (traced(function, points), LinearMap.of(function, points)):
        assert_same(linear_map.jvp(tangents), exact.jvp(tangents))
        assert_same(linear_map.vjp(cotangents), exact.vjp(cotangents))


def test_an_operation_without_forward_mode_is_traced_backwards(monkeypatch):
    """torch has forward-mode formulas for nearly all; here it is made to say that it has none."""
    from polarprior.jacobian import traced as module

    def no_forward_mode(*args):
        raise NotImplementedError

    points, network = random(3, K), nn.Sequential(nn.Linear(K, 8), nn.Tanh())
    plain = LinearMap.of(network, points)
    monkeypatch.setattr(module, "jvp", no_forward_mode)
    linear_map = traced(network, points)
    assert_same(linear_map.jvp(random(3, K, 2)), plain.jvp(random(3, K, 2)))
    assert_same(linear_map.vjp(random(3, 8, 2)), plain.vjp(random(3, 8, 2)))


def test_context_is_not_differentiated():
    scale = torch.tensor([1.0, 5.0])

    def function(z, label):
        return z * scale[label][:, None]

    linear_map = traced(function, random(3, K), torch.tensor([0, 1, 1]))
    norms = linear_map.jvp(torch.eye(K).expand(3, -1, -1)).flatten(1).norm(dim=1) / K**0.5
    torch.testing.assert_close(norms, torch.tensor([1.0, 5.0, 5.0]))


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda z: z.square() if float(z.detach().sum()) > 0 else -z, "a path that depends on the numbers"),
        (lambda z: z * float(z.detach().abs().max()), "a number that was baked in"),
    ],
    ids=["branch", "constant"],
)
def test_what_cannot_be_traced_is_differentiated_plainly(function, why, caplog):
    points = random(1, K)
    jacobian = TracedJacobian(function)
    linear_map = jacobian.at(points)
    assert "can't be traced" in caplog.text, why
    t = random(1, K, 2, seed=1)
    torch.testing.assert_close(linear_map.jvp(t), LinearMap.of(function, points).jvp(t))


def test_nothing_outside_is_written_to():
    state = torch.zeros(3)

    class Counts(nn.Module):
        def forward(self, z):
            state.add_(1)
            return z * 2

    jacobian = TracedJacobian(Counts())
    jacobian.at(random(1, K))
    assert list(jacobian._programs.values()) == [None]
    before = state.clone()
    pp.LinearMap.of(lambda z: z * 2, random(1, K)).jvp(random(1, K, 1))
    assert torch.equal(state, before)


def test_a_program_counts_its_memory():
    graph = torch.fx.symbolic_trace(lambda z, t: (t,))
    z, t = (node for node in graph.graph.nodes if node.op == "placeholder")
    z.meta["val"] = t.meta["val"] = torch.zeros(1, 100)
    program = LinearProgram(graph)
    assert program.row_bytes == 400
    assert t.meta["stage"] == Stage.DIRECTION


def test_out_of_memory_halves_what_goes_at_once():
    seen = []

    def run(size):
        seen.append(size)
        if size > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.tensor(size)

    halving = memory.Halving()
    assert halving(run, 20) == 3
    assert seen == [20, 10, 5, 3]
    assert halving(run, 20) == 3
    assert seen == [20, 10, 5, 3, 3], "it remembers"
    assert halving(run, 2) == 2
    with pytest.raises(PolarPriorError, match="a single direction"):
        memory.Halving()(_never, 4)
    with pytest.raises(ValueError, match="else"):
        memory.Halving()(_fails, 4)


def _never(size):
    raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


def _fails(size):
    raise ValueError("something else")
