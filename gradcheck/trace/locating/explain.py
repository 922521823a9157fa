"""Look up the known quantities that a value equals, up to a constant and the order of entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import groups_of, stacks_of
from gradcheck.trace.adjoints.quantities import VALUE, Quantity
from gradcheck.trace.record.graph import grouped

LINES = 24
"""Single rows or columns are looked up too, of quantities with at most this many."""

Features = NDArray[np.float64]
ByPoint = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Known:
    """The known quantities, indexed by features of their values.

    Attributes:
        quantities: all of them.
        features: by size, the features of all quantities, rows and columns of this size.
        rows: by size, the numbers of the quantities to which the rows of `features` belong.
        sizes: by size, the norms that belong to the rows of `features`.
        are_values: for each quantity, True if it is a value of the loss itself.
        tolerance: the relative error allowed.
    """

    quantities: Sequence[Quantity]
    features: dict[int, Features]
    rows: dict[int, NDArray[np.intp]]
    sizes: dict[int, NDArray[np.float64]]
    are_values: NDArray[np.bool_]
    tolerance: float

    def of_kind(self, *kinds: str) -> Iterator[Quantity]:
        """Return the quantities of some kinds."""
        return (quantity for quantity in self.quantities if quantity.kind in kinds)

    def explaining(self, values: ByPoint) -> list[Quantity]:
        """Return the quantities that a value, given by point, equals up to a factor."""
        return self.explaining_each([values])[0]

    def explaining_each(
        self, several: Sequence[ByPoint], exact_values: bool = False
    ) -> list[list[Quantity]]:
        """Do the same for several values; with `exact_values`, values of the loss need factor 1."""
        explained: list[list[Quantity]] = [[] for _ in several]
        by_size: dict[int, list[int]] = {}
        for number, values in enumerate(several):
            size = _count(values[0])
            if size in self.features and all(
                value.dtype.kind in "fc" and _count(value) == size for value in values
            ):
                by_size.setdefault(size, []).append(number)
        for size, numbers in by_size.items():
            features, norms = _features_of([several[number] for number in numbers])
            for number, row, norm in zip(numbers, features, norms, strict=True):
                if np.all(np.isfinite(row)):
                    near = self._near(size, row, norm if exact_values else None)
                    explained[number] = [one for one in near if _is_laid_out(several[number], one)]
        return explained

    def _near(self, size: int, row: Features, norm: float | None) -> list[Quantity]:
        """Return the quantities of a size with these features, values of the loss by norm too."""
        allowed = self.tolerance * (np.abs(row) + 1e-3)
        order, firsts = self.sorted[size]
        first, last = np.searchsorted(firsts, (row[0] - allowed[0], row[0] + allowed[0]))
        if first == last:
            return []
        chosen = np.sort(order[first:last])
        near = np.all(np.abs(self.features[size][chosen] - row) < allowed, axis=1)
        rows = self.rows[size][chosen]
        if norm is not None:
            same = np.abs(self.sizes[size][chosen] - norm) <= self.tolerance * norm
            near &= same | ~self.are_values[rows]
        return [self.quantities[number] for number in dict.fromkeys(rows[near].tolist())]

    @cached_property
    def sorted(self) -> dict[int, tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """By size, the order of the rows by their first feature, and these features sorted."""
        orders = {size: np.argsort(features[:, 0]) for size, features in self.features.items()}
        return {size: (order, self.features[size][order, 0]) for size, order in orders.items()}


def _count(value: NDArray[Any]) -> int:
    """Return how many real numbers an array has: two for each complex one."""
    return value.size * (2 if value.dtype.kind == "c" else 1)


def _is_laid_out(values: ByPoint, quantity: Quantity) -> bool:
    """False if a value has a quantity's shape and entries, but other ones along its axes.

    Axes may be exchanged, and what stands along one may be in another order.
    """
    value, known = values[0], quantity.values[0]
    if value.shape != known.shape or value.ndim < 2:
        return True
    shares = [_shares(known, axis) for axis in range(known.ndim)]
    return all(
        any(
            own.size == other.size and np.allclose(own, other, rtol=1e-4, atol=1e-7)
            for other in shares
        )
        for own in (_shares(value, axis) for axis in range(value.ndim))
    )


def _shares(value: NDArray[Any], axis: int) -> Features:
    """Return the shares that slices along an axis have in the sum of squares, sorted."""
    others = tuple(one for one in range(value.ndim) if one != axis)
    squares = np.sort(np.sum(np.square(np.abs(value), dtype=np.float64), axis=others))
    return np.asarray(squares / np.sum(squares))


def known_quantities(quantities: Sequence[Quantity], tolerance: float) -> Known:
    """Index the quantities by the features of their values."""
    by_size: dict[int, list[tuple[Features, NDArray[np.intp], NDArray[np.float64]]]] = {}
    alike = grouped(
        ((item.values[0].shape, _count(item.values[0])), number)
        for number, item in enumerate(quantities)
    )
    for numbers in alike.values():
        of_shape = [quantities[number].values for number in numbers]
        for several, repeated in _with_lines(of_shape):
            features, norms = _features_of(several)
            finite = np.all(np.isfinite(features), axis=1)
            owners = np.repeat(np.array(numbers, dtype=np.intp), repeated)
            rows = features[finite], owners[finite], norms[finite]
            by_size.setdefault(_count(several[0][0]), []).append(rows)
    indexed, owned, sizes = (
        {size: np.concatenate([rows[column] for rows in parts]) for size, parts in by_size.items()}
        for column in range(3)
    )
    return Known(
        quantities,
        indexed,
        owned,
        sizes,
        np.array([quantity.kind == VALUE for quantity in quantities], dtype=bool),
        tolerance,
    )


def _with_lines(of_shape: Sequence[ByPoint]) -> Iterator[tuple[Sequence[ByPoint], int]]:
    """Yield the quantities of one shape, then their rows and columns, with the number of each."""
    yield of_shape, 1
    if of_shape[0][0].ndim != 2:
        return
    height, width = of_shape[0][0].shape
    if height <= LINES:
        yield [[matrix[k] for matrix in item] for item in of_shape for k in range(height)], height
    if width <= LINES:
        yield [[matrix[:, k] for matrix in item] for item in of_shape for k in range(width)], width


def _features_of(several: Sequence[ByPoint]) -> tuple[Features, NDArray[np.float64]]:
    """Return features of each value that no factor or reordering of entries changes, and its norm.

    The norm is over all points and entries.
    """
    features, norms = [], []
    with np.errstate(all="ignore"):
        for group in groups_of(several):
            squared = [np.einsum("rpe,rpe->r", stack, stack) for stack in stacks_of(group)]
            norms.append(np.sqrt(np.sum(squared, axis=0)))
            cubes, by_point, signed = np.zeros((3, len(group), len(group[0])))
            for stack in stacks_of(group):
                normed = stack / norms[-1][:, None, None]
                absolute, squares = np.abs(normed), normed * normed
                by_point += absolute.sum(axis=2)
                cubes += np.einsum("rpe,rpe->rp", squares, absolute)
                signed += np.einsum("rpe,rpe->rp", squares, normed)
            totals = (cubes.sum(axis=1), by_point.sum(axis=1), np.abs(signed.sum(axis=1)))
            features.append(np.column_stack([*totals, by_point]))
    return np.concatenate(features), np.concatenate(norms)
