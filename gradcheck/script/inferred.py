"""Losses that a script never computes, inferred from an error `output - target`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.matrices import as_plain_array
from gradcheck.trace.record.recording import as_array

Pairs = Sequence[tuple[Any, Any]]
"""Pairs of outputs and targets; several where an iteration loops over samples."""

SQUARES, BINARY, CATEGORICAL = "squares", "binary cross-entropy", "cross-entropy"
POISSON = "negative Poisson log-likelihood"


def _square(off: Any) -> Any:
    return np.abs(off) ** 2 if np.iscomplexobj(off) else off**2


TERMS: dict[str, Callable[[Any, Any], Any]] = {
    SQUARES: lambda output, target: np.sum(_square(output - target)),
    BINARY: lambda output, target: (
        -np.sum(target * np.log(output) + (1 - target) * np.log(1 - output))
    ),
    CATEGORICAL: lambda output, target: -np.sum(target * np.log(output)),
    POISSON: lambda output, target: np.sum(output - target * np.log(output)),
}


@dataclass(frozen=True)
class Family:
    """A candidate for the loss: the sum of one of `TERMS` over all pairs, times `scale`.

    That is divided by `divisor`, which a mean has.
    """

    term: str
    scale: float
    words: str
    divisor: int = 1

    def value(self, pairs: Pairs) -> Any:
        """Return the loss of all pairs."""
        first, *others = (TERMS[self.term](*map(_as_array, pair)) for pair in pairs)
        total = self.scale * sum(others, first)
        return total / self.divisor if self.divisor > 1 else total


def _as_array(value: Any) -> Any:
    """Return a list of outputs, or a matrix, as an array: targets can be taken off it, and squares.

    Of a matrix, `**` and `*` mean products.
    """
    followed = as_plain_array(as_array(value))
    return np.array(followed) if isinstance(followed, list) else followed


def families(pairs: Pairs, one_taken: bool = False) -> Iterator[Family]:
    """Yield the losses that could belong to some pairs, the most common first.

    With `one_taken`, the pairs are the probabilities of the labels alone, and 1.
    """
    means = _means(pairs)
    likely = all(map(_are_probabilities, pairs))
    if one_taken:
        yield from _entropies(CATEGORICAL, means) if likely else ()
        return
    if likely and _are_distributions([output for output, _ in pairs]):
        yield from _entropies(CATEGORICAL, means)
    yield Family(SQUARES, 0.5, "half the sum of squares")
    for divisor, counted in means:
        yield Family(SQUARES, 1.0, f"the sum of squares over {counted}", divisor)
    yield Family(SQUARES, 1.0, "the sum of squares")
    for divisor, counted in means:
        yield Family(SQUARES, 0.5, f"half the sum of squares over {counted}", divisor)
    if likely:
        yield from _entropies(BINARY, means)
    elif all(map(_are_counts, pairs)):
        yield from _entropies(POISSON, means)


def _entropies(name: str, means: Sequence[tuple[int, str]]) -> Iterator[Family]:
    yield Family(name, 1.0, f"the {name}")
    for divisor, counted in means:
        yield Family(name, 1.0, f"the {name} over {counted}", divisor)


def _means(pairs: Pairs) -> list[tuple[int, str]]:
    """Return the divisors that a mean may have, and what each one counts."""
    shape = np.shape(pairs[0][0])
    size = sum(int(np.size(output)) for output, _ in pairs)
    divisors = {size: f"all {size}"}
    if len(pairs) > 1:
        divisors.setdefault(len(pairs), f"{len(pairs)} samples")
    elif len(shape) > 1:
        divisors.setdefault(shape[0], f"{shape[0]} rows")
        divisors.setdefault(shape[-1], f"{shape[-1]} columns")
    return [(divisor, counted) for divisor, counted in divisors.items() if divisor > 1]


def _are_probabilities(pair: tuple[Any, Any]) -> bool:
    if any(map(np.iscomplexobj, pair)):
        return False
    output, target = (np.asarray(one, dtype=float) for one in pair)
    return bool(np.all((output > 0) & (output < 1)) and np.all((target >= 0) & (target <= 1)))


def _are_counts(pair: tuple[Any, Any]) -> bool:
    """Whether the targets may be counts, and the outputs what is expected of them."""
    if any(map(np.iscomplexobj, pair)):
        return False
    output, target = (np.asarray(one, dtype=float) for one in pair)
    return bool(np.all(output > 0) and np.all((target >= 0) & (target == np.round(target))))


def _are_distributions(outputs: Sequence[Any]) -> bool:
    """Whether the outputs are distributions: arrays that sum to 1, or scalars that do together."""
    arrays = [np.asarray(output, dtype=float) for output in outputs]
    if len(arrays) > 1 and all(array.size == 1 for array in arrays):
        row = np.ravel(arrays)
        samples = max(round(float(row.sum())), 1)
        arrays = [row.reshape(samples, -1)] if row.size % samples == 0 else []
    return bool(arrays) and all(map(_sum_to_one, arrays))


def _sum_to_one(array: NDArray[np.float64]) -> bool:
    return any(
        array.shape[axis] > 1 and np.allclose(array.sum(axis=axis), 1) for axis in range(array.ndim)
    )
