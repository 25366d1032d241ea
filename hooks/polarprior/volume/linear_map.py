"""A batch of linear maps that is known by its products: Jacobians that nobody has to store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

Products = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class LinearMap:
    """J_1 ... J_n, each from R^K to R^D, at n points.

    Attributes:
        value: h at the points, [n, *output shape], D numbers a row.
        input_dim: K.
        jvp: tangents [n, K, m] to J T, [n, D, m].
        vjp: cotangents [n, D, m] to J' C, [n, K, m].

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

    def __len__(self) -> int:
        return len(self.value)

    @property
    def output_dim(self) -> int:
        """D."""
        return self.value[0].numel()

    def __matmul__(self, inner: LinearMap) -> LinearMap:
        return LinearMap(
            value=self.value,
            input_dim=inner.input_dim,
            jvp=lambda tangents: self.jvp(inner.jvp(tangents)),
            vjp=lambda cotangents: inner.vjp(self.vjp(cotangents)),
        )

    @classmethod
    def of(cls, function: Callable[[Tensor], Tensor], points: Tensor) -> LinearMap:
        """The Jacobian of a torch function at each row of `points`, by automatic differentiation.

        Args:
            function: [n, *input shape] to [n, *output shape], every row on its own (no batch statistics).
                It may write in place, and its parameters may or may not ask for gradients.
            points: [n, *input shape].

        The tangents of one call go through the network as one batch, under `vmap` where the function
        allows it and otherwise as repeated rows (some in-place writes can't be vmapped).
        """
        points = points.detach()
        n, shape = len(points), points.shape[1:]
        input_dim = points[0].numel()

        def flat(z: Tensor) -> Tensor:
            # A copy: a first layer that works in place must not write into the caller's points.
            return function(z.reshape(-1, *shape).clone()).flatten(1)

        with torch.no_grad():
            value = function(points.clone())
        z = points.reshape(n, input_dim)
        forward = _FirstThatWorks(_vmapped_tangents, _repeated_tangents)
        backward = _FirstThatWorks(_vmapped_cotangents, _repeated_cotangents)
        return cls(
            value=value,
            input_dim=input_dim,
            jvp=lambda tangents: forward(flat, z, tangents),
            vjp=lambda cotangents: backward(flat, z, cotangents),
        )


Function = Callable[[Tensor], Tensor]
Pass = Callable[[Function, Tensor, Tensor], Tensor]


class _FirstThatWorks:
    """Call the first of several equivalent passes that doesn't raise, and stay with it."""

    def __init__(self, *passes: Pass):
        self._passes = list(passes)

    def __call__(self, function: Function, points: Tensor, directions: Tensor) -> Tensor:
        with torch.no_grad():
            while len(self._passes) > 1:
                try:
                    return self._passes[0](function, points, directions)
                except RuntimeError as error:
                    if _is_no_matter_of_vmap(error):
                        raise
                    self._passes.pop(0)
            return self._passes[0](function, points, directions)


def _is_no_matter_of_vmap(error: RuntimeError) -> bool:
    """Out of memory, or random numbers inside the function: repeating rows would make it worse, or hide it."""
    message = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "can't allocate memory" in message
        or "random operation" in message
    )


def _vmapped_tangents(function: Function, points: Tensor, tangents: Tensor) -> Tensor:
    """[n, K, m] to [n, D, m]: the primal runs once, the tangents as a batch beside it."""
    push = vmap(lambda tangent: jvp(function, (points,), (tangent,))[1], in_dims=-1, out_dims=-1)
    return push(tangents)


def _repeated_tangents(function: Function, points: Tensor, tangents: Tensor) -> Tensor:
    """[n, K, m] to [n, D, m], the primal repeated for each tangent."""
    n, _, m = tangents.shape
    rows = tangents.movedim(-1, 1).reshape(n * m, -1)
    pushed = jvp(function, (points.repeat_interleave(m, 0),), (rows,))[1]
    return pushed.reshape(n, m, -1).movedim(1, -1)


def _vmapped_cotangents(function: Function, points: Tensor, cotangents: Tensor) -> Tensor:
    """[n, D, m] to [n, K, m]: one forward pass, the cotangents as a batch through its graph."""
    pull = vjp(function, points)[1]
    return vmap(lambda cotangent: pull(cotangent)[0], in_dims=-1, out_dims=-1)(cotangents)


def _repeated_cotangents(function: Function, points: Tensor, cotangents: Tensor) -> Tensor:
    """[n, D, m] to [n, K, m], the forward pass repeated for each cotangent."""
    n, _, m = cotangents.shape
    rows = cotangents.movedim(-1, 1).reshape(n * m, -1)
    pulled = vjp(function, points.repeat_interleave(m, 0))[1](rows)[0]
    return pulled.reshape(n, m, -1).movedim(1, -1)
