"""Eigenvalues, determinants, inverses, factorisations and norms of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula
from benchmarks.fuzz.problem import DOORS, Array, Problem, family

KIND = "matrices"
EVERY = (*DOORS, "step")


def of_matrix(
    X: Array, loss: Callable[[Array], float], gradient: Callable[[Array], Array], **known: Any
) -> Problem:
    """A problem whose parameters are one matrix."""
    shape = X.shape
    return Problem(
        lambda x: loss(x.reshape(shape)),
        X.ravel(),
        lambda x: gradient(x.reshape(shape)).ravel(),
        shapes={"X": shape},
        **known,
    )


@family(KIND, EVERY)
def eigenvalue(rng: np.random.Generator) -> Problem:
    """The largest eigenvalue of a symmetric matrix; the next one may be near."""
    n, gap = int(rng.integers(2, 5)), 10.0 ** rng.uniform(-5, 0)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    values = np.sort(rng.normal(size=n))
    values[-1] = values[-2] + gap

    def gradient(X: Array) -> Array:
        v = np.linalg.eigh((X + X.T) / 2)[1][:, -1]
        return np.outer(v, v)

    return of_matrix(
        Q @ np.diag(values) @ Q.T,
        lambda X: np.linalg.eigvalsh((X + X.T) / 2)[-1],
        gradient,
        decidable=gap > 1e-3,
    )


@family(KIND, EVERY)
def log_determinant(rng: np.random.Generator) -> Problem:
    """The log-determinant of (X X' + s I), s down to 1e-6."""
    n, s = int(rng.integers(2, 5)), 10.0 ** rng.uniform(-6, 0)
    eye = s * np.eye(n)
    return of_matrix(
        rng.normal(size=(n, n)),
        lambda X: np.linalg.slogdet(X @ X.T + eye)[1],
        lambda X: 2 * np.linalg.solve(X @ X.T + eye, X),
    )


@family(KIND, EVERY)
def linear_solve(rng: np.random.Generator) -> Problem:
    """The number b' X^-1 c."""
    n = int(rng.integers(2, 6))
    b, c = rng.normal(size=n), rng.normal(size=n)
    return of_matrix(
        n * np.eye(n) + rng.normal(size=(n, n)),
        lambda X: float(b @ np.linalg.solve(X, c)),
        lambda X: -np.outer(np.linalg.solve(X.T, b), np.linalg.solve(X, c)),
    )


@family(KIND, EVERY)
def inverse_norm(rng: np.random.Generator) -> Problem:
    """The squared norm of the inverse."""
    n = int(rng.integers(2, 5))

    def gradient(X: Array) -> Array:
        B = np.linalg.inv(X)
        return -2 * B.T @ B @ B.T

    return of_matrix(
        n * np.eye(n) + rng.normal(size=(n, n)), lambda X: np.sum(np.linalg.inv(X) ** 2), gradient
    )


@family(KIND, EVERY)
def cholesky_factor(rng: np.random.Generator) -> Problem:
    """A weighted sum of the entries of a Cholesky factor, by its textbook loop."""
    n = 3
    B, weights = rng.normal(size=(n, n)), rng.normal(size=(n, n))
    rows, columns = np.tril_indices(n)
    A = B @ B.T + 10.0 ** rng.uniform(-3, 0) * np.eye(n)

    def loss(x: Array, m: Any) -> Any:
        at = {(int(i), int(j)): x[k] for k, (i, j) in enumerate(zip(rows, columns, strict=True))}
        total = 0 * x[0]
        for j in range(n):
            for i in range(j, n):
                value = at[i, j] - sum(at[i, k] * at[j, k] for k in range(j))
                at[i, j] = m.sqrt(value) if i == j else value / at[j, j]
                total = total + weights[i, j] * at[i, j]
        return total

    return from_formula(loss, A[rows, columns])


@family(KIND, EVERY)
def singular_values(rng: np.random.Generator) -> Problem:
    """The sum of the singular values, or the largest."""
    n, k = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    count = int(rng.choice([1, min(n, k)]))

    def gradient(X: Array) -> Array:
        U, _, V = np.linalg.svd(X, full_matrices=False)
        return U[:, :count] @ V[:count]

    return of_matrix(
        rng.normal(size=(n, k)),
        lambda X: np.sum(np.linalg.svd(X, compute_uv=False)[:count]),
        gradient,
    )


@family(KIND, EVERY)
def quadratic_in_the_inverse(rng: np.random.Generator) -> Problem:
    """A Gaussian log-likelihood of a covariance near to singular."""
    n, s = 3, 10.0 ** rng.uniform(-4, 0)
    Y = rng.normal(size=(8, n))
    A = rng.normal(size=(n, 2))
    S = A @ A.T + s * np.eye(n)

    def loss(X: Array) -> float:
        return float(np.linalg.slogdet(X)[1] + np.mean(Y * np.linalg.solve(X, Y.T).T) * n)

    def gradient(X: Array) -> Array:
        B = np.linalg.inv(X)
        return B.T - B.T @ (Y.T @ Y / len(Y)) @ B.T

    return of_matrix(S, loss, gradient)
