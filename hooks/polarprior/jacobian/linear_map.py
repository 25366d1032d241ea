"""A batch of linear maps that is known by its products: Jacobians that nobody has to store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from polarprior.jacobian.memory import Halving, is_out_of_memory

Products = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class LinearMap:
    """J_1 ... J_n, each from R^K to R^D, at n points.

    Attributes:
        value: h at the points, ``[n, *output shape]``, D numbers a row.
        input_dim: K.
        jvp: tangents [n, K, m] to J T, [n, D, m].
        vjp: cotangents [n, D, m] to J' C, [n, K, m].
        start: where something cheaper than J knows which directions it stretches most: m to such directions,
            orthonormal [n, K, m]. Estimators start there.
        bfloat16: where it can be, the same map with its products taken in bfloat16 at the points' own slopes.
        kept: bytes that products hold on to for each point, such as the slopes of its activations.
        between: where maps are composed, numbers of the widest space between them.
        evaluations: passes through a network that one product takes, where the map is a chain of them.

    Maps compose: ``phi @ g`` is the Jacobian of phi∘g, where phi was taken at ``g.value``.

    >>> a, b = torch.randn(4, 3), torch.randn(5, 4)
    >>> z = torch.randn(2, 3)
    >>> g = LinearMap.of(lambda z: z @ a.T, z)
    >>> h = LinearMap.of(lambda x: x @ b.T, g.value) @ g
    >>> torch.allclose(h.jvp(torch.eye(3).expand(2, 3, 3))[0], b @ a, atol=1e-5)
    True
    """

    value: Tensor
    input_dim: int
    jvp: Products
    vjp: Products
    start: Callable[[int], Tensor] | None = None
    bfloat16: Callable[[], LinearMap] | None = None
    kept: int = 0
    between: int = 0
    evaluations: int = 1

    def __len__(self) -> int:
        return len(self.value)

    @property
    def output_dim(self) -> int:
        """D."""
        return self.value[0].numel()

    def __matmul__(self, inner: LinearMap) -> LinearMap:
        outer_half, inner_half = self.bfloat16, inner.bfloat16
        return LinearMap(
            value=self.value,
            input_dim=inner.input_dim,
            jvp=lambda tangents: self.jvp(inner.jvp(tangents)),
            vjp=lambda cotangents: inner.vjp(self.vjp(cotangents)),
            start=inner.start,
            bfloat16=(lambda: outer_half() @ inner_half()) if outer_half and inner_half else None,
            kept=self.kept + inner.kept,
            between=max(self.between, inner.output_dim, inner.between),
            evaluations=max(self.evaluations, inner.evaluations),
        )

    @classmethod
    def of(cls, function: Callable[..., Tensor], points: Tensor, *context: Tensor) -> LinearMap:
        """The Jacobian of a torch function at each row of `points`, by automatic differentiation.

        Args:
            function: points ``[n, *input shape]`` and context tensors [n, ...] to ``[n, *output shape]``, every row
                on its own (no batch statistics). It may write in place, and its parameters may or may not ask for
                gradients.
            points: ``[n, *input shape]``.
            context: tensors [n, ...] that are not differentiated, such as classes.

        The tangents of one call go through the network as one batch: under `vmap` where the function allows it,
        else as repeated rows (some in-place writes can't be vmapped), else by differentiating backwards twice
        (some operations can't be differentiated forwards).
        """
        points = points.detach()
        n, shape = len(points), points.shape[1:]
        input_dim = points[0].numel()

        def flat(z: Tensor) -> Tensor:
            # A copy: a first layer that works in place must not write into the caller's points.
            repeats = len(z) // n
            rows = context if repeats == 1 else [each.repeat_interleave(repeats, 0) for each in context]
            return function(z.reshape(-1, *shape).clone(), *rows).flatten(1)

        with torch.no_grad():
            value = function(points.clone(), *context)
        z = points.reshape(n, input_dim)
        forward = _FirstThatWorks(_vmapped_tangents, _repeated_tangents, _twice_backward)
        backward = _FirstThatWorks(_vmapped_cotangents, _repeated_cotangents)
        return cls(
            value=value,
            input_dim=input_dim,
            jvp=lambda tangents: forward(flat, z, tangents),
            vjp=lambda cotangents: backward(flat, z, cotangents),
        )


Function = Callable[[Tensor], Tensor]
Pass = Callable[[Function, Tensor, Tensor], Tensor]


def plain_attention() -> AbstractContextManager[None]:
    """Let torch compute attention by plain products: its fused kernels can't be differentiated twice."""
    return sdpa_kernel(SDPBackend.MATH)


class _FirstThatWorks:
    """Call the first of several equivalent passes that doesn't raise, and stay with it."""

    def __init__(self, *passes: Pass):
        self._passes = list(passes)
        self._halving = Halving()

    def __call__(self, function: Function, points: Tensor, directions: Tensor) -> Tensor:
        def run(at_once: int) -> Tensor:
            blocks = directions.split(at_once, -1)
            return torch.cat([self._run(function, points, block) for block in blocks], -1)

        with plain_attention():
            return self._halving(run, directions.shape[-1])

    def _run(self, function: Function, points: Tensor, directions: Tensor) -> Tensor:
        while len(self._passes) > 1:
            try:
                with torch.no_grad():
                    return self._passes[0](function, points, directions)
            except RuntimeError as error:
                # Repeated rows would hide random numbers.
                if is_out_of_memory(error) or "random operation" in str(error):
                    raise
                self._passes.pop(0)
        with torch.no_grad():
            return self._passes[0](function, points, directions)


def _vmapped_tangents(function: Function, points: Tensor, tangents: Tensor) -> Tensor:
    """[n, K, m] to [n, D, m]: the primal runs once, the tangents as a batch beside it."""
    push = vmap(lambda tangent: jvp(function, (points,), (tangent,))[1], in_dims=-1, out_dims=-1)
    return push(tangents)


def _repeated_tangents(function: Function, points: Tensor, tangents: Tensor) -> Tensor:
    """[n, K, m] to [n, D, m], the primal repeated for each tangent."""
    rows = _as_rows(tangents)
    return _as_columns(jvp(function, (_repeated(points, tangents),), (rows,))[1], tangents)


def _twice_backward(function: Function, points: Tensor, tangents: Tensor) -> Tensor:
    """[n, K, m] to [n, D, m]: J' c is linear in c, and its own backward pass takes t to J t."""
    with torch.enable_grad():
        repeated = _repeated(points, tangents).requires_grad_(True)
        value = function(repeated)
        cotangents = torch.zeros_like(value, requires_grad=True)
        pulled = torch.autograd.grad(value, repeated, cotangents, create_graph=True)[0]
        return _as_columns(torch.autograd.grad(pulled, cotangents, _as_rows(tangents))[0], tangents)


def _vmapped_cotangents(function: Function, points: Tensor, cotangents: Tensor) -> Tensor:
    """[n, D, m] to [n, K, m]: one forward pass, the cotangents as a batch through its graph."""
    pull = vjp(function, points)[1]
    return vmap(lambda cotangent: pull(cotangent)[0], in_dims=-1, out_dims=-1)(cotangents)


def _repeated_cotangents(function: Function, points: Tensor, cotangents: Tensor) -> Tensor:
    """[n, D, m] to [n, K, m], the forward pass repeated for each cotangent."""
    with torch.enable_grad():
        repeated = _repeated(points, cotangents).requires_grad_(True)
        pulled = torch.autograd.grad(function(repeated), repeated, _as_rows(cotangents))[0]
    return _as_columns(pulled, cotangents)


def _repeated(points: Tensor, directions: Tensor) -> Tensor:
    return points.repeat_interleave(directions.shape[-1], 0)


def _as_rows(directions: Tensor) -> Tensor:
    """[n, K, m] to [n m, K]."""
    return directions.mT.reshape(-1, directions.shape[1])


def _as_columns(rows: Tensor, directions: Tensor) -> Tensor:
    """[n m, D] to [n, D, m]."""
    n, _, m = directions.shape
    return rows.reshape(n, m, -1).mT
