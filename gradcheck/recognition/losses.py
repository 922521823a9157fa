"""The user's loss at a few points, and linear fits of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import overload

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.network.losses import CANDIDATES
from gradcheck.numeric.storage import stored
from gradcheck.recognition.network_view import NetworkView
from gradcheck.user.blocks import Array, Parameters, moved_about, spread_of
from gradcheck.user.calls import UserCodeError
from gradcheck.user.problem import Problem

LARGE = 2**14
"""From this number of entries on, a block is held as a seed and drawn when it is read."""

BYTE = math.sqrt(12) / 2**8
"""The factor that gives random bytes a standard deviation of 1."""

POINTS = 7
NUDGE = 0.3
TOLERANCE = 1e-9

NEARLY = 1e-2
"""Relative misfit of a usual loss up to which losses with a small number in the log are tried."""

LOSS_GROUPS = tuple(tuple(rows) for _, rows in groupby(CANDIDATES, lambda row: row.eps > 0))
"""The usual losses; those with a small number, tried if a usual one is near; the unusual."""


class Nearby(Sequence[Array]):
    """A random point around the parameters, whose blocks are computed when they are read.

    The entries of a large block are displaced by random bytes, of which the seed alone is held.
    """

    def __init__(
        self, parameters: Parameters, spreads: Sequence[float], rng: np.random.Generator
    ) -> None:
        self._parameters, self._spreads = parameters, spreads
        self._held: list[int | Array] = [
            int(rng.integers(2**63)) if value.size >= LARGE else moved_about(value, spread, rng)
            for value, spread in zip(parameters.values, spreads, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, block: int) -> Array: ...
    @overload
    def __getitem__(self, block: slice) -> Sequence[Array]: ...
    def __getitem__(self, block: int | slice) -> Array | Sequence[Array]:
        if isinstance(block, slice):
            return tuple(self)[block]
        moved = self._held[block]
        if isinstance(moved, int):
            value, drawn = self._parameters.values[block], np.random.default_rng(moved)
            moved = np.frombuffer(drawn.bytes(value.size), np.int8).astype(np.float64)
            moved *= BYTE * self._spreads[block]
            moved = moved.reshape(value.shape)
            moved += value
        return stored(moved, self._parameters.storage[block]).astype(np.float64, copy=False)


@dataclass(frozen=True)
class Losses:
    """The user's loss at a few points; `off` is how far a `compared` network is, relatively."""

    points: Sequence[Sequence[Array]]
    values: Array
    tolerance: float
    off: float = 0.0

    def compared(self, view: NetworkView) -> Losses:
        """The losses with `off` for a network (infinite if its loss is), without the points."""
        pairs = zip(self.points, self.values, strict=True)
        apart = [abs(view.loss(point) - loss) / max(abs(loss), 1e-300) for point, loss in pairs]
        off = float(np.max(apart, initial=0.0)) if np.all(np.isfinite(apart)) else np.inf
        return replace(self, points=(), values=self.values[:0], off=off)


def measure(problem: Problem, noise: float, rng: np.random.Generator) -> tuple[Losses | None, int]:
    """Evaluates the user's loss at random points around the user's own.

    Returns:
        The losses, or None if too few are finite or all are equal; and the number of calls.
    """
    parameters = problem.parameters
    spreads = [spread_of(value, NUDGE) for value in parameters.values]
    points: list[Sequence[Array]] = []
    values: list[float] = []
    calls = 0
    while calls < 2 * POINTS and len(points) < POINTS:
        calls += 1
        point = Nearby(parameters, spreads, rng)
        try:
            loss = problem.loss(tuple(point))
        except (UserCodeError, UsageError):
            continue
        if np.isfinite(loss):
            points.append(point)
            values.append(loss)
    if len(points) < POINTS or len(set(values)) == 1:
        return None, calls
    return Losses(tuple(points), np.array(values), max(TOLERANCE, 50 * noise)), calls


def solve(columns: Array, losses: Losses, tolerance: float | None = None) -> Array | None:
    """The factors with which the columns sum to the losses, within the tolerance, or None."""
    scale = np.max(np.abs(columns), axis=0)
    scale[scale == 0] = 1.0
    factors = np.linalg.lstsq(columns / scale, losses.values, rcond=None)[0] / scale
    left = np.abs(columns @ factors - losses.values)
    allowed = losses.tolerance if tolerance is None else tolerance
    fits = bool(np.all(left <= allowed * np.abs(losses.values)))
    return np.asarray(factors, dtype=np.float64) if fits else None


class Misfit:
    """The misfit of a column, together with fixed other columns, to the losses, for any factors.

    It takes many columns at once, as rows, and is never larger than the residual of `solve`.
    """

    def __init__(self, others: Array, losses: Losses) -> None:
        scale = np.max(np.abs(others), axis=0)
        scale[scale == 0] = 1.0
        self._basis = np.linalg.qr(others / scale)[0]
        self._left = self._without(losses.values)
        self._size = float(np.linalg.norm(losses.values))
        self._close = 2 * losses.tolerance

    def __call__(self, totals: Array) -> Array:
        """The least relative error of every row, over all points; inf if an entry is not finite."""
        finite = np.all(np.isfinite(totals), axis=1)
        rows = np.where(finite[:, None], totals, 0.0)
        residuals = self._without(rows)
        squares = (residuals * residuals).sum(axis=1)
        independent = squares > 1e-12 * (rows * rows).sum(axis=1)
        factors = residuals @ self._left / np.where(independent, squares, 1.0)
        left = np.linalg.norm(self._left - factors[:, None] * residuals, axis=1) / self._size
        return np.where(finite, np.where(independent, left, 0.0), np.inf)

    def may_fit(self, totals: Array) -> tuple[list[int], bool]:
        """The rows that may give the losses, and whether any row comes near to them."""
        misfits = self(totals)
        return np.flatnonzero(misfits <= self._close).tolist(), bool(np.any(misfits <= NEARLY))

    def _without(self, rows: Array) -> Array:
        """The rows minus their projection on the other columns."""
        return np.asarray(rows - (rows @ self._basis) @ self._basis.T)
