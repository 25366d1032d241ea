"""The matrices of a multi-level metric: one that all classes share, and one more for each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Levels:
    """M_0 and M_1, ..., M_C; the metric of class t is M_0 + M_t, eq. 10.

    Attributes:
        shared: M_0, symmetric and positive semidefinite, [d, d].
        own: M_t, the same, [C, d, d].
    """

    shared: Tensor
    own: Tensor

    @classmethod
    def start(cls, classes: int, like: Tensor) -> Levels:
        """M_0 = I and M_t = 0, where the regulariser of eq. 12 is 0, for points such as those of `like` [..., d]."""
        dim = like.shape[-1]
        return cls(torch.eye(dim, dtype=like.dtype, device=like.device), like.new_zeros(classes, dim, dim))

    def of_class(self, label: int | None) -> Tensor:
        """M_0 + M_t, or M_0 where `label` is None: [d, d]."""
        return self.shared if label is None else self.shared + self.own[label]

    def regulariser(self, rho_0: float, rho_t: float) -> tuple[Tensor, Levels]:
        """Eq. 12, and its gradient."""
        away = self.shared - torch.eye(len(self.shared), dtype=self.shared.dtype, device=self.shared.device)
        value = rho_0 * away.square().sum() + rho_t * self.own.square().sum()
        return value, Levels(2 * rho_0 * away, 2 * rho_t * self.own)

    def stepped(self, gradient: Levels, rate: float) -> Levels:
        """A step down, and back to the positive semidefinite matrices: eq. 16."""
        return Levels(
            positive_part(self.shared - rate * gradient.shared), positive_part(self.own - rate * gradient.own)
        )

    def norm(self) -> float:
        """Frobenius, of all."""
        return float((self.shared.square().sum() + self.own.square().sum()).sqrt())


def positive_part(matrix: Tensor) -> Tensor:
    """The nearest symmetric positive semidefinite matrix, [..., d, d]: negative eigenvalues become 0."""
    values, vectors = torch.linalg.eigh((matrix + matrix.mT).double() / 2)
    found: Tensor = (vectors * values.clamp(min=0)[..., None, :]) @ vectors.mT
    return found.to(matrix.dtype)


def factor(matrix: Tensor) -> Tensor:
    """L [r, d] with M = L'L, r the rank of M [d, d]: eigenvectors, largest first, each with its largest entry above
    0. Eigenvalues that rounding alone leaves, below d eps of the largest (as `numpy.linalg.matrix_rank` has it), are
    none."""
    limits = torch.finfo(matrix.dtype)
    values, vectors = torch.linalg.eigh(matrix.double())
    kept = values > len(matrix) * limits.eps * max(float(values[-1]), limits.tiny)
    return upright((vectors[:, kept] * values[kept].sqrt()).T.flip(0).to(matrix.dtype))


def upright(rows: Tensor) -> Tensor:
    """Rows [r, d], each with the sign that makes its largest entry positive."""
    return rows * rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()
