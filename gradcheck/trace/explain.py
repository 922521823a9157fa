"""Which known quantities a value is, up to a constant and the order of its entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.quantities import VALUE, Quantity

LINES = 24
"""Of how many rows or columns at most single ones are known quantities too."""

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """The quantities, to be looked up by value.

    Attributes:
        quantities: all of them.
        features: by size, one row for every quantity, or row or column of one, of that size.
        rows: by size, the number of the quantity that each row of features belongs to.
        sizes: by size, the norm of what each row of features is of.
        are_values: by number, whether the quantity is a value of the loss.
        tolerance: the relative error that equal features may have.
    """

    quantities: Sequence[Quantity]
    features: dict[int, Features]
    rows: dict[int, NDArray[np.intp]]
    sizes: dict[int, NDArray[np.float64]]
    are_values: NDArray[np.bool_]
    tolerance: float

    def explaining(
        self, values: Sequence[NDArray[Any]], exact_values: bool = False
    ) -> list[Quantity]:
        """The quantities that values at all points are.

        Args:
            values: by point.
            exact_values: whether values of the loss must be met without a constant factor.
        """
        known = self.features.get(values[0].size)
        if known is None or any(value.dtype.kind != "f" for value in values):
            return []
        own = _features(values)
        if own is None:
            return []
        near = np.all(np.abs(known - own) < self.tolerance * (np.abs(own) + 1e-3), axis=1)
        rows = self.rows[values[0].size]
        if exact_values:
            size = float(np.sqrt(sum(np.sum(np.square(value)) for value in values)))
            same = np.abs(self.sizes[values[0].size] - size) <= self.tolerance * size
            near &= same | ~self.are_values[rows]
        return [self.quantities[number] for number in dict.fromkeys(rows[near].tolist())]


def known_quantities(quantities: Sequence[Quantity], tolerance: float) -> Known:
    """The quantities, ready to be looked up."""
    features: dict[int, list[Features]] = {}
    rows: dict[int, list[NDArray[np.intp]]] = {}
    sizes: dict[int, list[NDArray[np.float64]]] = {}
    alike: dict[tuple[int, ...], list[int]] = {}
    for number, quantity in enumerate(quantities):
        alike.setdefault(quantity.values[0].shape, []).append(number)
    for numbers in alike.values():
        whole = np.array([quantities[number].values for number in numbers], dtype=np.float64)
        for stack, repeated in _with_lines(whole):
            own = _features_of(stack)
            finite = np.all(np.isfinite(own), axis=1)
            size = stack.shape[2]
            features.setdefault(size, []).append(own[finite])
            norms = np.sqrt(np.sum(np.square(stack[finite]), axis=(1, 2)))
            sizes.setdefault(size, []).append(norms)
            owners = np.repeat(np.array(numbers, dtype=np.intp), repeated)
            rows.setdefault(size, []).append(owners[finite])
    return Known(
        quantities,
        {size: np.concatenate(found) for size, found in features.items()},
        {size: np.concatenate(found) for size, found in rows.items()},
        {size: np.concatenate(found) for size, found in sizes.items()},
        np.array([quantity.kind == VALUE for quantity in quantities], dtype=bool),
        tolerance,
    )


def _with_lines(whole: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.float64], int]]:
    """The wholes, their rows and their columns, as (how many, points, entries).

    Args:
        whole: several quantities of one shape, (quantities, points, ...).
    """
    count, points = whole.shape[:2]
    yield whole.reshape(count, points, -1), 1
    if whole.ndim != 4:
        return
    height, width = whole.shape[2:]
    if height <= LINES:
        yield whole.transpose(0, 2, 1, 3).reshape(-1, points, width), height
    if width <= LINES:
        yield whole.transpose(0, 3, 1, 2).reshape(-1, points, height), width


def _features(values: Sequence[NDArray[Any]]) -> Features | None:
    own = _features_of(np.array([np.ravel(value) for value in values], dtype=np.float64)[None])[0]
    return own if np.all(np.isfinite(own)) else None


def _features_of(stack: NDArray[np.float64]) -> Features:
    """Numbers that a constant factor and another order of the entries do not change.

    Args:
        stack: (how many, points, entries).
    """
    with np.errstate(all="ignore"):
        normed = stack / np.sqrt(np.sum(stack * stack, axis=(1, 2), keepdims=True))
        absolute = np.abs(normed)
        cubes = absolute * absolute * normed
        by_point = absolute.sum(axis=2)
        return np.column_stack(
            [
                np.sum(np.abs(cubes), axis=(1, 2)),
                by_point.sum(axis=1),
                np.abs(np.sum(cubes, axis=(1, 2))),
                by_point,
            ]
        )
