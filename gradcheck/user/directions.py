"""Check gradients along the tangent space of a manifold or of structured parameters.

The loss is taken along an orthonormal basis B of the tangent space, x(t) = x + B (t - t0). Its
gradient by t is B^T g, whatever the normal component of g. The basis is rotated at random, so that
it shows no pattern of entries; t0 has the size of the parameters, so that the steps suit them. On a
known curved manifold, x(t) is projected back to it: to the polar factor U of U H, whose derivative,
and so the gradient by t, is known at every point (Higham 2008, Functions of Matrices, chapter 8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Array, Parameters
from gradcheck.user.bounds import Bounds
from gradcheck.user.forms import takes
from gradcheck.user.gradients import read_gradients
from gradcheck.user.names import follow
from gradcheck.user.packing import made_of
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
CURVED: Mapping[str, Callable[[Array], int]] = {
    "orthogonal": lambda value: value.shape[1],
    "sphere": lambda value: 1,
}
"""The number of orthogonal columns of equal length of a point, as a matrix; others are flat."""


@dataclass(frozen=True, eq=False)
class Way:
    """The tangent space of a block, with coordinates for the block's moves.

    Attributes:
        value: the point.
        basis: an orthonormal basis of the tangent space, (size, k).
        columns: as in `CURVED`; 0 if the manifold is flat, None if its curvature is unknown.
    """

    value: Array
    basis: Array
    columns: int | None

    @property
    def start(self) -> Array:
        """The coordinates of the point, (k,): numbers of the size of its entries."""
        return np.full(self.basis.shape[1], _size(self.value))

    def moved(self, by: Array) -> Array:
        """Return the point at the coordinates `by`."""
        moved = self.value + (self.basis @ (by - self.start)).reshape(self.value.shape)
        if not self.columns:
            return moved
        left, _, right = np.linalg.svd(moved.reshape(-1, self.columns), full_matrices=False)
        return np.asarray(self._length * (left @ right).reshape(self.value.shape))

    def back(self, here: Array, gradient: Array) -> Array:
        """Return the gradient by the coordinates, (k,), from that by the block at a point."""
        return np.asanyarray(self._tangents(np.asarray(here)) @ gradient.reshape(-1))

    def _tangents(self, here: Array) -> Array:
        """Return the derivatives of a point by the coordinates, (k, size)."""
        if not self.columns:
            return self.basis.T
        from scipy.linalg import solve_continuous_lyapunov

        first, there = (
            each.reshape(-1, self.columns) / self._length for each in (self.value, here)
        )
        # `there` is the polar factor of there @ H = first + B (t - t0)
        stretch = solve_continuous_lyapunov(first.T @ there, 2 * np.eye(self.columns))
        sizes, axes = np.linalg.eigh(stretch)
        turned = there @ axes
        moved = self.basis.T.reshape(-1, *first.shape) @ axes
        inside = turned.T @ moved
        skew = (inside - np.swapaxes(inside, 1, 2)) / np.add.outer(sizes, sizes)
        derivatives = turned @ skew + (moved - turned @ inside) / sizes
        return np.asarray((derivatives @ axes.T).reshape(len(moved), -1))

    @property
    def _length(self) -> float:
        """The length of a column of the point."""
        return float(np.linalg.norm(self.value) / np.sqrt(self.columns or 1))


@dataclass(frozen=True, eq=False)
class Tangents:
    """Parameters that move along their tangent spaces.

    Attributes:
        whole: the parameters in the user's structure.
        ways: the tangent space of every block; None for a block that may move everywhere.
    """

    whole: Parameters
    ways: tuple[Way | None, ...]

    @property
    def alone(self) -> bool:
        """True if gradients say nothing at other points, which may be off the manifold."""
        return any(way is not None and way.columns is None for way in self.ways)

    def pack(self, arrays: Any) -> Any:
        """Return the user's structure, from the coordinates of every block."""
        return self.whole.pack(
            [
                array if way is None or array is None else way.moved(array)
                for array, way in zip(arrays, self.ways, strict=True)
            ]
        )

    def back(self, packed: Any, gradients: Mapping[str, Any]) -> dict[str, Any]:
        """Return the gradients by the coordinates, from those by the blocks if their shapes fit."""
        places = {leaf.block: leaf.path for leaf in self.whole.leaves}
        by_name = dict(gradients)
        for block, (name, way) in enumerate(zip(self.whole.names, self.ways, strict=True)):
            gradient = by_name.get(name)
            if way is not None and gradient is not None and np.shape(gradient) == way.value.shape:
                by_name[name] = way.back(follow(packed, places[block]), gradient)
        return by_name

    def gradient(self, grad: Any, packed: Any) -> Any:
        """Return the user's gradient by the coordinates."""
        read = read_gradients(grad(packed), self.whole, copy=False).blocks
        named = zip(self.whole.names, read, strict=True)
        parts = {name: one.value for name, one in named if one.value is not None}
        parts = self.back(packed, parts)
        return next(iter(parts.values())) if len(self.whole.names) == 1 else parts


def along(
    directions: Any, parameters: Parameters, grad: Any, bounds: Bounds | None
) -> tuple[Parameters, Callable[[Any], Any], Tangents]:
    """Return the coordinates along the tangent space as parameters, their gradient, and the maps.

    `directions` is a name, or a projection onto the tangent space, a function of (vector) or
    (point, vector), or a dict of these by block.
    """
    if parameters.in_place or bounds is not None or not callable(grad):
        raise UsageError(
            "directions is for arrays, and dicts, lists or tuples of them, with a function grad "
            "and without bounds"
        )
    tangents = Tangents(parameters, _ways(directions, parameters))
    start = tuple(
        value if way is None else way.start
        for value, way in zip(parameters.values, tangents.ways, strict=True)
    )
    coordinates = made_of(parameters, start, tangents.pack)
    return coordinates, partial(tangents.gradient, grad), tangents


def _size(value: Array) -> float:
    return float(np.linalg.norm(value) / np.sqrt(value.size)) or 1.0


def _ways(directions: Any, parameters: Parameters) -> tuple[Way | None, ...]:
    """Return the tangent space of every block; None if it may move everywhere."""
    names = parameters.names
    given = directions if isinstance(directions, Mapping) else dict.fromkeys(names, directions)
    blocks = zip(parameters.by_name(given), parameters.values, names, strict=True)
    return tuple(None if block[0] is None else _way(*block) for block in blocks)


def _way(given: Any, value: Array, name: str) -> Way:
    columns = None
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
        columns = CURVED[given](value) if given in CURVED else 0
        given = NAMED[given](value)
    if not callable(given):
        raise UsageError("directions is a name, a projection, or a dict of these by block")
    if takes(given, 2) and not takes(given, 1):
        given = partial(given, value)
    if value.size > MOST:
        raise UsageError(f"{name} has {value.size} entries; directions are for at most {MOST}")
    units = np.eye(value.size)
    along = [np.asarray(given(unit.reshape(value.shape)), float).ravel() for unit in units]
    matrix = np.column_stack(along)
    if not np.allclose(matrix @ matrix, matrix, atol=SAME):
        raise UsageError(
            f"directions of {name} is no projection: applied twice, its result changes"
        )
    left, sizes, _ = np.linalg.svd(matrix)
    basis = left[:, sizes > ZERO]
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(basis.shape[1],) * 2))[0]
    return Way(value, np.asarray(basis @ turned), columns)
