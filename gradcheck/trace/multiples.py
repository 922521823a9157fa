"""Whether some values are others, times a constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SURELY = 1e-9
"""What is left of the squares of a multiple is less, rounding included."""


def proportion(
    values: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]], tolerance: float = 1e-7
) -> float | None:
    """The constant that `values` are of `others`; None where they are no multiple."""
    one, other = in_a_row(values), in_a_row(others)
    if one.shape != other.shape:
        return None
    size, own = float(other @ other), float(one @ one)
    if not size or not np.isfinite(size) or not np.isfinite(own):
        return None
    factor = float(one @ other) / size
    if own - factor * factor * size > own * max(len(one) * tolerance**2, SURELY):
        return None
    largest = max(float(one.max()), -float(one.min()), 1e-30)
    return factor if float(np.max(np.abs(one - factor * other))) <= tolerance * largest else None


def in_a_row(values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The numbers of arrays one after the other."""
    flat = [np.ravel(value) for value in values]
    return np.concatenate(flat, dtype=np.float64, casting="unsafe")
