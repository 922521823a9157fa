"""Does a predicted gradient give the user's own, up to a constant and a penalty?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradcheck.compare.point import Point
from gradcheck.recognition.network_view import NetworkView
from gradcheck.user.blocks import Array

CLOSE = 1e-6
LARGE = 20_000
SOME = 2_000
RELATIVE = 1e-8
ABSOLUTE_ROUNDINGS = 20.0
NOTHING = 1e-9
"""What is smaller than this, relatively, is rounding and no prediction."""


def is_among(factor: float, known: Iterable[float]) -> bool:
    """Whether a factor is one of those that are known."""
    return any(np.isclose(factor, other, rtol=CLOSE) for other in known)


@dataclass(frozen=True)
class Fit:
    """How a prediction gives the user's gradient of a block.

    Attributes:
        factor: what the prediction is multiplied by.
        penalty: the coefficients of the block's own values that are added: of its weights, and of
            a bias folded into them.
        wanted: what these are in the right gradient.
    """

    factor: float
    penalty: tuple[float, ...]
    wanted: tuple[float, ...]

    @property
    def exact(self) -> bool:
        """Whether the prediction is the gradient, with the right penalty."""
        return self.factor == 1.0 and self.penalty_right

    @property
    def penalty_right(self) -> bool:
        """Whether the penalty's part is right."""
        return self.penalty == self.wanted


@dataclass(frozen=True)
class Target:
    """The user's gradient of a block at all points, prepared to be compared with predictions.

    Attributes:
        right: the gradients one after the other, with the right penalty taken off.
        parts: the block's values that a penalty adds, for every kind of entries.
        wanted: the right coefficients of these.
        allowed: how far a prediction may be from each entry.
        some: of the weights of a large layer, the inputs and the outputs of some entries that are
            compared first; else None.
        few: the target with these entries alone; None where there is no `some`.
    """

    right: Array
    parts: tuple[Array, ...]
    wanted: tuple[float, ...]
    allowed: Array
    some: tuple[NDArray[np.intp], ...] | None = None
    few: Target | None = None

    @classmethod
    def of(
        cls, points: Sequence[Point], view: NetworkView, number: int, block: int
    ) -> Target | None:
        """The block's gradients; None where they cannot be the product of anything."""
        gradients, limits = [], []
        for point in points:
            gradient = point.blocks[block].gradient
            if gradient.verdict != "ok" or gradient.value is None:
                return None
            scale = float(np.max(np.abs(gradient.value), initial=0.0))
            limit = RELATIVE * scale + ABSOLUTE_ROUNDINGS * point.blocks[block].precision
            gradients.append(gradient.value.ravel())
            limits.append(np.full(gradient.value.size, limit))
        flat = np.concatenate(gradients)
        largest = float(np.max(np.abs(flat), initial=0.0))
        pairs = [_penalty_parts(view, number, block, point.values) for point in points]
        wanted = tuple(coefficient for coefficient, _ in pairs[0])
        parts = tuple(
            np.concatenate([pair[kind][1].ravel() for pair in pairs]) for kind in range(len(wanted))
        )
        right = flat - sum(c * part for c, part in zip(wanted, parts, strict=True))
        if not np.max(np.abs(right), initial=0.0) > NOTHING * largest:
            return None
        allowed = np.concatenate(limits)
        placed, size = view.placed[number - 1], points[0].values[block].size
        if size <= LARGE or block != placed.layer.weight or placed.folded is not None:
            return cls(right, parts, wanted, allowed)
        some = np.arange(0, size, size // SOME)
        kept = np.concatenate([some + size * index for index in range(len(points))])
        few = cls(right[kept], tuple(part[kept] for part in parts), wanted, allowed[kept])
        rows = placed.n_in if placed.turned else placed.n_out
        one, other = some // rows, some % rows
        places = (other, one) if placed.turned else (one, other)
        return cls(right, parts, wanted, allowed, places, few)

    def may_fit(
        self, inputs: Sequence[Array], deltas: Sequence[Array], penalties: bool = True
    ) -> bool:
        """Whether the products of a layer's inputs and its deltas may give the gradients."""
        if self.some is None or self.few is None:
            return True
        ins, outs = self.some
        some = [
            np.einsum("nk,nk->k", a[:, ins], delta[:, outs])
            for a, delta in zip(inputs, deltas, strict=True)
        ]
        return self.few.fit(some, penalties) is not None

    def fit(self, predictions: Sequence[Array], penalties: bool = True) -> Fit | None:
        """How predictions give the gradients: times a factor, and with another penalty."""
        predicted = np.concatenate([prediction.ravel() for prediction in predictions])
        if predicted.size != self.right.size:
            return None
        size = float(predicted @ predicted)
        if not self._least < size < math.inf:
            return None
        factor = _cleaned(float(predicted @ self.right) / size)
        left = np.abs(self.right - factor * predicted)
        if factor and (left <= self.allowed * max(1.0, abs(factor))).all():
            return Fit(factor, self.wanted, self.wanted)
        return self._with_penalty(predicted) if penalties else None

    @cached_property
    def _least(self) -> float:
        """A prediction whose squares sum to less is none."""
        return NOTHING**2 * float(self.right @ self.right)

    @cached_property
    def _basis(self) -> Array:
        return np.linalg.qr(np.column_stack(self.parts))[0]

    @cached_property
    def _left(self) -> Array:
        return self._without_parts(self.right)

    def _without_parts(self, values: Array) -> Array:
        return np.asarray(values - self._basis @ (values @ self._basis))

    def _may_fit(self, predicted: Array) -> bool:
        """Whether the prediction and the parts, times any constants, come near at all."""
        own = self._without_parts(predicted)
        size = float(own @ own)
        if not size > 1e-12 * float(predicted @ predicted):
            return True
        left = self._left - float(own @ self._left) / size * own
        return bool(left @ left <= 4 * (self.allowed @ self.allowed))

    def _with_penalty(self, predicted: Array) -> Fit | None:
        """The fit with another penalty than the loss's, of one kind of entries at least."""
        if len(self.right) < 2 * (2 + len(self.parts)) or not self._may_fit(predicted):
            return None
        largest = float(np.max(np.abs(self.right)))
        for columns, target in (
            (self.parts, self.right - predicted),
            ((*self.parts, predicted), self.right),
        ):
            matrix = np.column_stack(columns)
            found, _, rank, _ = np.linalg.lstsq(matrix, target, rcond=None)
            if rank < matrix.shape[1] or np.any(np.abs(matrix @ found - target) > self.allowed):
                continue
            more = [
                0.0 if abs(value) * float(np.max(np.abs(part))) <= 1e-7 * largest else float(value)
                for value, part in zip(found, self.parts, strict=False)
            ]
            factor = _cleaned(float(found[-1])) if len(columns) > len(self.parts) else 1.0
            penalty = tuple(
                0.0 if abs(right + value) <= CLOSE * abs(right) else right + value
                for right, value in zip(self.wanted, more, strict=True)
            )
            return Fit(factor, penalty, self.wanted)
        return None


def _penalty_parts(
    view: NetworkView, number: int, block: int, values: Sequence[Array]
) -> list[tuple[float, Array]]:
    """The right coefficients of a block's values in its gradient, with these values."""
    placed = view.placed[number - 1]
    weights, bias = placed.weights(values), placed.bias(values)
    none_w, none_b = np.zeros_like(weights), np.zeros_like(bias)
    if block == placed.layer.bias:
        return [(2 * view.l2_bias, values[block])]
    of_weights = placed.into_blocks(weights, none_b, values)[block]
    parts = [(2 * view.l2, of_weights)]
    if placed.folded is not None:
        parts.append((2 * view.l2_bias, placed.into_blocks(none_w, bias, values)[block]))
    return parts


def _cleaned(factor: float) -> float:
    return 1.0 if abs(factor - 1) <= CLOSE else factor
