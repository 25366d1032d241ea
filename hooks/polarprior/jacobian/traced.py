"""The Jacobian of a torch function, from graphs that are traced once and then run at any point."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functionalize, jvp, vjp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.traceback import preserve_node_meta

from polarprior.jacobian.compiled import compiling, is_compiling
from polarprior.jacobian.forward_graph import Running, forward_graph
from polarprior.jacobian.linear_map import LinearMap, plain_attention
from polarprior.jacobian.linear_program import LinearProgram, channels_last, to_dtype
from polarprior.jacobian.memory import rows_at_once
from polarprior.jacobian.nodes import Untraceable

log = logging.getLogger(__name__)
AGREEMENT = 1e-3
"""Largest relative difference between the traced products and plain ones; rounding of float32 makes 1e-6."""
NUDGES, ALLOWED, LARGEST = (-1e-6, 1e-6, 3e-6), 10, 0.02
"""Where a large network has units on the edge of a kink, rounding alone moves more than that: then `ALLOWED` times
what nudging the point by these shares moves is let pass, and `LARGEST` at most."""


@dataclass(frozen=True, eq=False)
class _Programs:
    """A product with J and one with J'. The second is the transpose of the first, and starts from its residuals."""

    first: LinearProgram
    second: LinearProgram
    first_is_tangent: bool
    output_shape: torch.Size


class TracedJacobian:
    """Points to Jacobians of `function`, near the floor of one forward pass a tangent.

    The function is traced for one row; forward-mode (or, where an operation has none, reverse-mode)
    differentiation of that graph gives one for tangents, and its transpose one for cotangents. What does
    not depend on the direction is computed once a point: see `polarprior.jacobian.rewriting`. Both are checked
    against plain automatic differentiation before they are used; a function that can't be traced (its path depends
    on its numbers) or whose trace disagrees goes on with `LinearMap.of`. Its weights are those of the first call:
    make another one after they change.

    Args:
        function: points [n, *input shape] and context tensors [n, ...] (such as classes) to [n, *output shape], every
            row on its own.
    """

    def __init__(self, function: Callable[..., Tensor]):
        self.function = function
        self._programs: dict[object, _Programs | None] = {}

    def at(self, points: Tensor, *context: Tensor) -> LinearMap:
        """The Jacobian at each row of `points`."""
        points = points.detach()
        key = (points.shape[1:], points.dtype, points.device)
        if key not in self._programs:
            self._programs[key] = self._traced(points[:1], [each[:1] for each in context])
        programs = self._programs[key]
        if programs is None:
            return LinearMap.of(self.function, points, *context)
        return _linear_map(programs, points, context)

    def _traced(self, point: Tensor, context: list[Tensor]) -> _Programs | None:
        try:
            # torch notes all shapes, and makes a mode for it each time unless there is one: 2/5 of a trace.
            shapes = TracingContext(FakeTensorMode(allow_fallback_kernels=True))
            with torch.no_grad(), plain_attention(), compiling(False), tracing(shapes):
                programs = _trace(self.function, point, context)
                programs.first.finish()
                programs.second.finish()
                self._check(programs, torch.cat([point, 0.9 * point]), [torch.cat([c, c]) for c in context])
        except Exception as error:  # whatever a foreign model raises under a tracer, plain differentiation may not
            log.warning("the model can't be traced, so that its Jacobians cost several times more: %s", error)
            return None
        return programs

    def _check(self, programs: _Programs, points: Tensor, context: list[Tensor]) -> None:
        def products(linear_map: LinearMap) -> list[Tensor]:
            directions = [(2, width, 2) for width in (linear_map.input_dim, linear_map.output_dim)]
            stream = torch.Generator().manual_seed(0)
            tangents, cotangents = (torch.randn(shape, generator=stream).to(points) for shape in directions)
            return [linear_map.value, linear_map.jvp(tangents), linear_map.vjp(cotangents)]

        plain = products(LinearMap.of(self.function, points, *context))
        off = _differences(products(_linear_map(programs, points, context)), plain)
        if off > AGREEMENT:
            nudged = (products(LinearMap.of(self.function, points * (1 + nudge), *context)) for nudge in NUDGES)
            if off > min(ALLOWED * max(_differences(each, plain) for each in nudged), LARGEST):
                raise Untraceable("the traced products differ from plain ones")


def _differences(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest relative difference; infinite where one is NaN."""
    shares = [
        (mine - other).norm() / other.norm().clamp_min(torch.finfo(torch.float32).tiny)
        for mine, other in zip(found, expected, strict=True)
    ]
    return float(torch.stack(shares).nan_to_num(torch.inf).max())


def _trace(function: Callable[..., Tensor], point: Tensor, context: list[Tensor]) -> _Programs:
    forward = Running(forward_graph(function, point, *context))
    try:
        with preserve_node_meta():
            return _differentiated(forward, function, point, context)
    except Untraceable:
        raise
    except Exception as error:
        raise Untraceable(forward.reason(error)) from error


def _differentiated(
    forward: Running, function: Callable[..., Tensor], point: Tensor, context: list[Tensor]
) -> _Programs:
    z = point.flatten(1)
    shape = point.shape

    def flat(z: Tensor, rest: tuple[Tensor, ...]) -> Tensor:
        found: Tensor = forward(z.reshape(shape), *rest)
        return found

    def push(z: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        *others, tangent = rest
        both = jvp(lambda z: flat(z, tuple(others)), (z,), (tangent,))
        return both[0], both[1]

    def pull(z: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        *others, cotangent = rest
        both = vjp(lambda z: flat(z, tuple(others)), z)
        return both[0], both[1](cotangent)[0]

    output_shape = function(point.clone(), *context).shape[1:]
    cotangent = z.new_ones(1, output_shape.numel())
    try:
        first = LinearProgram(make_fx(functionalize(push))(z, *context, torch.ones_like(z)))
        return _Programs(first, _transposed(first, (z, *context), z, cotangent), True, output_shape)
    except NotImplementedError:  # no forward-mode formula
        first = LinearProgram(make_fx(functionalize(pull))(z, *context, cotangent))
        return _Programs(first, _transposed(first, (z, *context), cotangent, z), False, output_shape)


def _transposed(program: LinearProgram, point: tuple[Tensor, ...], into: Tensor, out: Tensor) -> LinearProgram:
    """The transpose: from the residuals of `program` and a direction like `out`, to one like `into`."""

    def pull(*inputs: Tensor) -> tuple[Tensor]:
        *residuals, direction = inputs
        return vjp(lambda t: program(residuals, t), torch.zeros_like(into))[1](direction)

    return LinearProgram(make_fx(functionalize(pull))(*program.at(*point)[1], torch.ones_like(out)))


def _linear_map(programs: _Programs, points: Tensor, context: Sequence[Tensor]) -> LinearMap:
    rows = (points.flatten(1), *context)
    with torch.no_grad():
        (value,), residuals = vmap(programs.first.at)(*(row[:, None] for row in rows))
        residuals = [channels_last(each) for each in residuals]
    input_dim, output_dim = points[0].numel(), programs.output_shape.numel()

    @cache
    def of_transpose() -> list[Tensor]:
        with torch.no_grad():
            return [channels_last(each) for each in vmap(programs.second.at)(*residuals)[1]] if residuals else []

    def in_dtype(dtype: torch.dtype, bfloat16: Callable[[], LinearMap] | None) -> LinearMap:
        def first(directions: Tensor, size: int) -> Tensor:
            return _products(programs.first, residuals, directions, size, dtype)

        def second(directions: Tensor, size: int) -> Tensor:
            return _products(programs.second, of_transpose(), directions, size, dtype)

        jvp, vjp = (first, second) if programs.first_is_tangent else (second, first)
        return LinearMap(
            value=value.reshape(-1, *programs.output_shape),
            input_dim=input_dim,
            jvp=lambda tangents: jvp(tangents, output_dim),
            vjp=lambda cotangents: vjp(cotangents, input_dim),
            bfloat16=bfloat16,
            kept=sum(each.nbytes for each in residuals) // len(points),
        )

    return in_dtype(value.dtype, lambda: in_dtype(torch.bfloat16, None))


def _products(
    program: LinearProgram, residuals: list[Tensor], directions: Tensor, size: int, dtype: torch.dtype
) -> Tensor:
    """[n, K, m] to [n, D, m] with D = `size`, or with K and D in each other's place; computed in `dtype`."""
    n, _, m = directions.shape
    out = directions.new_empty(n, m, size)
    directions = directions.mT.contiguous()[:, :, None].to(dtype)
    if dtype != out.dtype:
        program, residuals = program.to(dtype), [to_dtype(each, dtype) for each in residuals]
    along = vmap(program, in_dims=(None, 0))
    compiled = is_compiling()

    def product(block: Callable[..., Tensor], here: list[Tensor], there: Tensor) -> Tensor:
        return program.compiled(block, here, there) if compiled else block(here, there)

    @torch.no_grad()
    def run(rows: int) -> Tensor:
        latents, at_once = max(1, rows // m), min(rows, m)
        for i in _blocks(n, latents, alike=compiled):
            here = [each[i] for each in residuals]
            for j in _blocks(m, at_once, alike=compiled):
                if latents == 1:  # one vmap less: its residuals need no axis for the latents
                    out[i.start, j] = product(along, [each[0] for each in here], directions[i.start, j])[:, 0]
                else:
                    out[i, j] = product(vmap(along), here, directions[i, j])[:, :, 0]
        return out

    return program.halving(run, min(rows_at_once(program.row_bytes, directions.device), n * m)).mT


def _blocks(total: int, most: int, alike: bool) -> list[slice]:
    """Blocks of `most`, the last one shorter; or `alike`, of one size, where the last begins a little earlier."""
    if not alike:
        return [slice(start, min(start + most, total)) for start in range(0, total, most)]
    size = -(-total // -(-total // most))
    return [slice(start, start + size) for start in (min(each, total - size) for each in range(0, total, size))]
