"""Ridge regression with its leave-one-out predictions, for fewer rows than columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PENALTIES = np.geomspace(1e-6, 1e3, 28)
"""What is tried: multiples of the mean eigenvalue of the rows' Gram matrix."""


class Ridge(NamedTuple):
    """A linear fit.

    Attributes:
        centre, slope: [F]; the prediction at x is ``level + (x - centre) @ slope``.
        level: mean of the targets.
        left_out: [N], what each row is predicted as by the fit to all others.
    """

    centre: np.ndarray
    slope: np.ndarray
    level: float
    left_out: np.ndarray


def fit(x: np.ndarray, y: np.ndarray) -> Ridge:
    """Ridge regression of y [N] on the standardised columns of x [N, F], the penalty by leave-one-out error.

    With K the Gram matrix of the rows, centred, and A = (K + penalty)⁻¹, the residual of row i left out is
    (A y)_i / A_ii (Golub, Heath, Wahba: Generalized cross-validation, Technometrics 21, 1979).

    Columns that don't vary are left out.
    """
    centre, scale = x.mean(0), x.std(0)
    varies = scale > 1e-9 * np.abs(centre).clip(min=1e-9)
    columns = (x[:, varies] - centre[varies]) / scale[varies]
    level = float(y.mean())
    eigenvalues, vectors = np.linalg.eigh(columns @ columns.T)
    eigenvalues = eigenvalues.clip(min=0)
    projected, squares = vectors.T @ (y - level), vectors**2
    best, duals, residuals = np.inf, np.zeros_like(y), y - level
    for penalty in PENALTIES * max(float(eigenvalues.mean()), 1e-12):
        inverse = 1 / (eigenvalues + penalty)
        # Centred rows sum to 0: the eigenvector of ones belongs to the level, which is fitted as well.
        diagonal = squares @ inverse - inverse[0] / len(y)
        fitted = vectors @ (inverse * projected)
        left_out = fitted / diagonal
        if (error := float(left_out @ left_out)) < best:
            best, duals, residuals = error, fitted, left_out
    slope = np.zeros(x.shape[1])
    slope[varies] = columns.T @ duals / scale[varies]
    return Ridge(centre, slope, level, y - residuals)
