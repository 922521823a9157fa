"""Which known quantities a value is, up to a constant and the order of its entries."""

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
"""Of how many rows or columns at most single ones are known quantities too."""

Features = NDArray[np.float64]
ByPoint = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Known:
    """The quantities, to be looked up by value, with the relative error that is allowed.

    By size there are rows of features, each of a quantity, or of a row or column of one, of that
    size; with the number of the quantity, and the norm. `are_values` are those of the loss itself.
    """

    quantities: Sequence[Quantity]
    features: dict[int, Features]
    rows: dict[int, NDArray[np.intp]]
    sizes: dict[int, NDArray[np.float64]]
    are_values: NDArray[np.bool_]
    tolerance: float

    def of_kind(self, *kinds: str) -> Iterator[Quantity]:
        """The quantities of some kinds."""
        return (one for one in self.quantities if one.kind in kinds)

    def explaining(self, values: ByPoint) -> list[Quantity]:
        """The quantities that values are, up to a factor."""
        return self.explaining_each([values])[0]

    def explaining_each(
        self, several: Sequence[ByPoint], exact_values: bool = False
    ) -> list[list[Quantity]]:
        """The same for several values; if exact, those of the forward pass with no factor."""
        found: list[list[Quantity]] = [[] for _ in several]
        by_size: dict[int, list[int]] = {}
        for number, values in enumerate(several):
            size = values[0].size
            if size in self.features and all(
                value.dtype.kind == "f" and value.size == size for value in values
            ):
                by_size.setdefault(size, []).append(number)
        for size, numbers in by_size.items():
            features, norms = _features_of([several[number] for number in numbers])
            for number, own, norm in zip(numbers, features, norms, strict=True):
                if np.all(np.isfinite(own)):
                    found[number] = self._near(size, own, norm if exact_values else None)
        return found

    def _near(self, size: int, own: Features, norm: float | None) -> list[Quantity]:
        """The quantities of a size with these features, and values of the loss with this norm."""
        allowed = self.tolerance * (np.abs(own) + 1e-3)
        order, firsts = self.sorted[size]
        first, last = np.searchsorted(firsts, (own[0] - allowed[0], own[0] + allowed[0]))
        if first == last:
            return []
        chosen = np.sort(order[first:last])
        near = np.all(np.abs(self.features[size][chosen] - own) < allowed, axis=1)
        rows = self.rows[size][chosen]
        if norm is not None:
            same = np.abs(self.sizes[size][chosen] - norm) <= self.tolerance * norm
            near &= same | ~self.are_values[rows]
        return [self.quantities[number] for number in dict.fromkeys(rows[near].tolist())]

    @cached_property
    def sorted(self) -> dict[int, tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """By size, the rows by their first feature, and that."""
        orders = {size: np.argsort(found[:, 0]) for size, found in self.features.items()}
        return {size: (order, self.features[size][order, 0]) for size, order in orders.items()}


def known_quantities(quantities: Sequence[Quantity], tolerance: float) -> Known:
    """The quantities, ready to be looked up."""
    found: dict[int, list[tuple[Features, NDArray[np.intp], NDArray[np.float64]]]] = {}
    alike = grouped((one.values[0].shape, number) for number, one in enumerate(quantities))
    for numbers in alike.values():
        of_shape = [quantities[number].values for number in numbers]
        for several, repeated in _with_lines(of_shape):
            own, norms = _features_of(several)
            finite = np.all(np.isfinite(own), axis=1)
            owners = np.repeat(np.array(numbers, dtype=np.intp), repeated)
            rows = own[finite], owners[finite], norms[finite]
            found.setdefault(several[0][0].size, []).append(rows)
    features, owned, sizes = (
        {size: np.concatenate([one[part] for one in parts]) for size, parts in found.items()}
        for part in range(3)
    )
    return Known(
        quantities,
        features,
        owned,
        sizes,
        np.array([quantity.kind == VALUE for quantity in quantities], dtype=bool),
        tolerance,
    )


def _with_lines(of_shape: Sequence[ByPoint]) -> Iterator[tuple[Sequence[ByPoint], int]]:
    """Quantities of one shape; then their rows and columns, so many of each."""
    yield of_shape, 1
    if of_shape[0][0].ndim != 2:
        return
    height, width = of_shape[0][0].shape
    if height <= LINES:
        yield [[one[k] for one in own] for own in of_shape for k in range(height)], height
    if width <= LINES:
        yield [[one[:, k] for one in own] for own in of_shape for k in range(width)], width


def _features_of(several: Sequence[ByPoint]) -> tuple[Features, NDArray[np.float64]]:
    """Numbers that a constant factor and another order of the entries do not change; the norms.

    The norm of each is over its points and entries.
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
