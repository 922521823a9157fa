"""Checks gradients along the tangent space of a manifold or of structured parameters.

The loss is a function of coordinates t in an orthonormal basis B of the tangent space,
x(t) = x + B (t - t0). Its gradient is B^T g, whatever the normal component of g is. The basis is
rotated at random, so that it shows no pattern of entries; t0 has the size of the parameters, so
that the steps suit them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Array, Leaf, Parameters
from gradcheck.user.bounds import Bounds
from gradcheck.user.forms import takes
from gradcheck.user.gradients import read_gradients
from gradcheck.words import with_nearest

MOST = 4096
SAME = 1e-8
ZERO = 1e-10

Projection = Callable[[Array], Any]

NAMED: Mapping[str, Callable[[Array], Projection]] = {
    "symmetric": lambda value: lambda along: (along + along.T) / 2,
    "triangular": lambda value: np.triu if np.any(np.triu(value, 1)) else np.tril,
    "orthogonal": lambda value: (
        lambda along: along - value @ (value.T @ along + along.T @ value) / 2
    ),
    "sphere": lambda value: lambda along: along - value * np.vdot(value, along) / np.sum(value**2),
    "simplex": lambda value: lambda along: along - np.mean(along),
}


def along(
    directions: Any, parameters: Parameters, grad: Any, bounds: Bounds | None
) -> tuple[Parameters, Callable[[Any], Any]]:
    """The coordinates along the tangent space as parameters, and the gradient by them.

    `directions` is a name, or a projection on the tangent space, a function of (vector) or (point,
    vector), or a dict of these by block.
    """
    if parameters.in_place or bounds is not None or not callable(grad):
        raise UsageError(
            "directions is for arrays, and dicts, lists or tuples of them, with a function grad "
            "and without bounds"
        )
    bases = _bases(directions, parameters)
    start = tuple(
        value if basis is None else np.full(basis.shape[1], _size(value))
        for value, basis in zip(parameters.values, bases, strict=True)
    )

    def pack(arrays: Any) -> Any:
        whole = []
        for array, value, basis, first in zip(arrays, parameters.values, bases, start, strict=True):
            if basis is not None and array is not None:
                array = value + (basis @ (array - first)).reshape(value.shape)
            whole.append(array)
        return parameters.pack(whole)

    def by_directions(packed: Any) -> Any:
        read = read_gradients(grad(packed), parameters).blocks
        parts = {}
        for name, gradient, basis in zip(parameters.names, read, bases, strict=True):
            value = gradient.value
            if basis is not None and value is not None and gradient.comparable:
                value = basis.T @ value.ravel()
            if value is not None:
                parts[name] = value
        return next(iter(parts.values())) if len(parameters.names) == 1 else parts

    return _moving(parameters, start, pack), by_directions


def _size(value: Array) -> float:
    return float(np.linalg.norm(value) / np.sqrt(value.size)) or 1.0


def _moving(
    parameters: Parameters, start: tuple[Array, ...], pack: Callable[[Any], Any]
) -> Parameters:
    """The parameters replaced by their coordinates, from which `pack` builds them."""
    return replace(
        parameters,
        values=start,
        pack=pack,
        working=(None,) * len(start),
        leaves=tuple(
            Leaf((name,), name, value.shape, block)
            for block, (name, value) in enumerate(zip(parameters.names, start, strict=True))
        ),
        storage=(np.dtype(np.float64),) * len(start),
    )


def _bases(directions: Any, parameters: Parameters) -> list[Array | None]:
    """For every block, the basis of its tangent space; None if it may move everywhere."""
    names = parameters.names
    given = directions if isinstance(directions, Mapping) else dict.fromkeys(names, directions)
    blocks = zip(parameters.by_name(given), parameters.values, names, strict=True)
    return [None if block[0] is None else _basis(*block) for block in blocks]


def _basis(given: Any, value: Array, name: str) -> Array:
    """An orthonormal basis of the tangent space of a block, (size, k)."""
    if isinstance(given, str):
        if given not in NAMED:
            raise UsageError(with_nearest(f"directions has no {given!r}", given, NAMED))
        square = value.ndim == 2 and value.shape[0] == value.shape[1]
        if given == "symmetric" and not (square and np.allclose(value, value.T)):
            raise UsageError(f"{name} is not symmetric")
        if given == "orthogonal" and not (
            value.ndim == 2 and np.allclose(value.T @ value, np.eye(value.shape[1]))
        ):
            raise UsageError(f"{name} is not orthogonal")
        given = NAMED[given](value)
    if not callable(given):
        raise UsageError("directions is a name, a projection, or a dict of these by block")
    if takes(given, 2) and not takes(given, 1):
        given = partial(given, value)
    if value.size > MOST:
        raise UsageError(f"{name} has {value.size} entries; directions are for at most {MOST}")
    units = np.eye(value.size)
    columns = [np.asarray(given(unit.reshape(value.shape)), float).ravel() for unit in units]
    matrix = np.column_stack(columns)
    if not np.allclose(matrix @ matrix, matrix, atol=SAME):
        raise UsageError(
            f"directions of {name} is no projection: applied twice, its result changes"
        )
    left, sizes, _ = np.linalg.svd(matrix)
    basis = left[:, sizes > ZERO]
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(basis.shape[1],) * 2))[0]
    return np.asarray(basis @ turned)
