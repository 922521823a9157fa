"""Whether some values are others, times a constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import is_within

SURELY = 1e-9
"""What is left of the squares of a multiple is less, rounding included."""


def proportion(
    values: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]], tolerance: float = 1e-7
) -> float | None:
    """The constant that `values` are of `others`; None where they are no multiple."""
    pairs = [(_flat(value), _flat(other)) for value, other in zip(values, others, strict=True)]
    if any(value.shape != other.shape for value, other in pairs):
        return None
    size, own, both = (
        sum(float(one[first] @ one[second]) for one in pairs)
        for first, second in ((1, 1), (0, 0), (0, 1))
    )
    if not size or not np.isfinite(size) or not np.isfinite(own):
        return None
    factor, count = both / size, sum(len(value) for value, _ in pairs)
    if own - factor * both > own * max(count * tolerance**2, SURELY):
        return None
    largest = max((max(v.max(), -v.min()) for v, _ in pairs if v.size), default=0.0)
    allowed = tolerance * max(float(largest), 1e-30)
    is_multiple = all(is_within(value, other, allowed, factor) for value, other in pairs)
    return factor if is_multiple else None


def _flat(value: NDArray[Any]) -> NDArray[np.float64]:
    return np.ravel(value).astype(np.float64, copy=False)


def in_a_row(values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The numbers of arrays one after the other."""
    flat = [_flat(value) for value in values]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def in_rows(values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The numbers of arrays of one size, those of each in a row of its own."""
    return _flat(values[0])[None] if len(values) == 1 else np.array([*map(_flat, values)])
