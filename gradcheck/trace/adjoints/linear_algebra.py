"""The derivatives of inverses, determinants, Cholesky factors and solutions of linear systems.

After Giles 2008, Collected matrix derivative results. A matrix of which only a half is read, as one
that is known to be symmetric, gets a symmetric adjoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.adjoints.differences import Contributions
from gradcheck.trace.record.graph import resolve
from gradcheck.trace.record.nodes import Node, Reference

Array = NDArray[Any]
Parts = tuple[Array, ...]

SYMMETRIC = ("sym", "pos", "symmetric", "positive definite")
"""The values of `assume_a` under which scipy reads half of a matrix."""


def _rule(
    adjoints: Callable[..., Parts | None], *named: str
) -> Callable[..., Contributions | None]:
    """Make a rule from a function of the adjoint, the result, the operands and `named` settings."""

    def rule(node: Node, out: Array, values: Any, g: Array) -> Contributions | None:
        count = adjoints.__code__.co_argcount - 3
        given, more = node.arguments[:count], node.arguments[count:]
        settings = {**dict(zip(named, more, strict=False)), **node.keywords}
        operands = [np.asarray(resolve(item, values)) for item in given]
        fits = len(given) == count and len(more) <= len(named)
        if not fits or any(one.dtype.kind != "f" or one.ndim > 2 for one in operands):
            return None
        try:
            parts = adjoints(g, np.asarray(out), {"of": node.function, **settings}, *operands)
        except np.linalg.LinAlgError:
            return None
        if parts is None:
            return None
        pairs = zip(given, parts, strict=True)
        return [(one.index, np.asarray(part)) for one, part in pairs if isinstance(one, Reference)]

    return rule


def _inverse(g: Array, out: Array, _: Any, a: Array) -> Parts:
    return (-out.T @ g @ out.T,)


def _determinant(g: Array, out: Array, _: Any, a: Array) -> Parts:
    return (g * out * np.linalg.inv(a).T,)


def _cholesky(g: Array, out: Array, settings: Any, a: Array) -> Parts:
    is_scipys = settings["of"].__module__.startswith("scipy")
    upper = settings.get("upper", is_scipys and not settings.get("lower", False))
    factor, g = (out.T, g.T) if upper else (out, g)
    inner = np.tril(factor.T @ np.tril(g))
    inner[np.diag_indices(len(inner))] /= 2
    back = np.linalg.inv(np.tril(factor))
    whole = back.T @ inner @ back
    return ((whole + whole.T) / 2,)


def _beside(g: Array, x: Array) -> Array:
    """The outer product, or that of the columns: the adjoint of a matrix with solution `x`."""
    return np.outer(g, x) if x.ndim == 1 else g @ x.T


def _solve(g: Array, out: Array, settings: Any, a: Array, b: Array) -> Parts | None:
    if settings.get("transposed") or settings.get("lower"):
        return None
    right = np.linalg.solve(a.T, g)
    of_a = -_beside(right, out)
    is_symmetric = settings.get("assume_a") in SYMMETRIC
    return ((of_a + of_a.T) / 2 if is_symmetric else of_a), right


def _solve_triangular(g: Array, out: Array, settings: Any, a: Array, b: Array) -> Parts | None:
    if settings.get("unit_diagonal"):
        return None
    half = np.tril if settings.get("lower") else np.triu
    turned = settings.get("trans", 0) not in (0, "N")
    right = np.linalg.solve(half(a) if turned else half(a).T, g)
    of_a = -_beside(right, out)
    return half(of_a.T if turned else of_a), right


LINEAR_ALGEBRA: dict[str, Callable[..., Contributions | None]] = {
    "inv": _rule(_inverse),
    "det": _rule(_determinant),
    "cholesky": _rule(_cholesky, "lower"),
    "solve": _rule(_solve),
    "solve_triangular": _rule(_solve_triangular, "trans", "lower"),
}
