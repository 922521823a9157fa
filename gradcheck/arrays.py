"""Copies of arrays, and comparisons part by part, which need little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PART = 2**14
"""Numbers per part: a part and its intermediate results fit in the processor's cache."""

FEWEST = 8
"""The number of entries from which on a slope is told from a random one."""

SURELY = 1e-9
"""What is left of the squares of a multiple is less, rounding included."""


def copies(values: Iterable[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Copies of arrays, in the same memory order."""
    return [value.copy(order="K") for value in values]


def thawed(array: NDArray[Any]) -> NDArray[Any]:
    """Makes an array writeable again, which the user's code may have frozen; returns it."""
    if not array.flags.writeable:
        array.flags.writeable = True
    return array


def largest_difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The largest entry of |one - other|; nan if either array holds a nan."""
    parts = [np.max(np.abs(a - b)) for a, b in _parts(one, other)]
    return float(np.max(parts, initial=0.0))


def is_within(one: NDArray[Any], other: NDArray[Any], allowed: float, factor: float = 1.0) -> bool:
    """Whether every entry of |one - factor * other| is at most `allowed`, and none is nan."""
    return all(bool(np.max(np.abs(a - factor * b)) <= allowed) for a, b in _parts(one, other))


def proportion(
    values: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]], tolerance: float = 1e-7
) -> float | None:
    """The constant that `values` are of `others`; None where they are no multiple."""
    pairs = [(as_flat(value), as_flat(other)) for value, other in zip(values, others, strict=True)]
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


def wide(value: Any) -> NDArray[Any]:
    """An array of doubles, or of complex numbers made of doubles."""
    array = np.asarray(value)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, copy=False)


def as_flat(value: NDArray[Any]) -> NDArray[np.float64]:
    """The real numbers of an array in a row: of each complex one both parts."""
    flat = np.ravel(wide(value))
    return flat.view(np.float64) if flat.dtype.kind == "c" else flat


def products(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """`some @ others` of real numbers; the parts of complex ones are multiplied one by one."""
    return np.real(some @ others.conj())


def same_numbers(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays of the same shape hold the same numbers; nan equals nan."""
    floating = one.dtype.kind in "fc"
    return all(
        np.array_equal(a, b) or (floating and np.array_equal(a, b, equal_nan=True))
        for a, b in _parts(one, other)
    )


def all_finite(array: NDArray[Any]) -> bool:
    """Whether every entry is finite."""
    return all(bool(np.all(np.isfinite(part))) for part, _ in _parts(array, array))


def same_arrays(some: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]]) -> bool:
    """Whether two sequences of arrays have the same length, shapes and numbers."""
    return len(some) == len(others) and all(
        one.shape == other.shape and same_numbers(one, other)
        for one, other in zip(some, others, strict=True)
    )


def own_arrays(**data: Any) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """The user's writeable data arrays by name, each paired with a copy of its content."""
    return {
        name: (array, array.copy())
        for name, array in data.items()
        if isinstance(array, np.ndarray) and array.flags.writeable and array.dtype.kind != "O"
    }


def copied(value: Any, depth: int) -> Any:
    """Copies arrays, also those in lists, tuples and dicts nested up to `depth` levels."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if depth and type(value) is dict:
        return {key: copied(item, depth - 1) for key, item in value.items()}
    if depth and type(value) in (list, tuple):
        return type(value)(copied(item, depth - 1) for item in value)
    return value


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """A structure of lists, tuples and dicts with all else in it changed."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([mapped(change, item) for item in value])
    if kind is dict:
        return {key: mapped(change, item) for key, item in value.items()}
    return change(value)


def groups_of(several: Sequence[Sequence[NDArray[Any]]]) -> Iterator[list[list[NDArray[Any]]]]:
    """Yields batches of the lists, their arrays flattened; a batch fits in the cache, or is one."""
    at_once = max(1, 4 * PART // max(len(several[0]) * several[0][0].size, 1))
    for first in range(0, len(several), at_once):
        yield [[as_flat(one) for one in own] for own in several[first : first + at_once]]


def stacks_of(group: Sequence[Sequence[NDArray[Any]]]) -> Iterator[NDArray[np.float64]]:
    """Yields a group as arrays (lists, arrays, entries), as many entries as the cache holds."""
    at_once = max(1, 4 * PART // (len(group) * len(group[0])))
    for first in range(0, group[0][0].size, at_once):
        entries = slice(first, first + at_once)
        yield np.array([[one[entries] for one in own] for own in group], dtype=np.float64)


def slices_of(count: int) -> list[slice]:
    """Slices that divide `count` entries into parts of at most `PART`."""
    return [slice(first, min(first + PART, count)) for first in range(0, count, PART)]


def _parts(one: NDArray[Any], other: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    one, other = np.asarray(one), np.asarray(other)  # so that the trace records nothing here
    if 0 < one.size <= PART and one.shape == other.shape:
        yield one, other
        return
    if one.flags.f_contiguous and other.flags.f_contiguous:
        one, other = one.T, other.T
    one, other = one.reshape(-1), other.reshape(-1)
    for part in slices_of(one.size):
        yield one[part], other[part]


def one_factor(ratios: Sequence[float] | NDArray[np.float64], close: float) -> float | None:
    """The positive factor that all ratios are, nearly; None if they differ."""
    if not len(ratios) or not np.all(np.isfinite(ratios)):
        return None
    middle = float(np.median(ratios))
    return middle if middle > 0 and float(np.ptp(ratios)) < 2 * close * middle else None


def without_units(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """True if two shapes are the same but for axes of length 1."""
    return [length for length in one if length != 1] == [n for n in other if n != 1]


def roughness(used: Sequence[NDArray[Any]], inputs: Sequence[NDArray[Any]]) -> float:
    """Return the total variation of a slope over its sorted inputs, relative to a random order.

    Infinite with fewer than `FEWEST` entries, which can look smooth by chance.
    """
    if any(value.shape != of.shape for value, of in zip(used, inputs, strict=True)):
        return np.inf
    y = np.concatenate([np.ravel(value) for value in used])
    x = np.concatenate([np.ravel(value) for value in inputs])
    finite = np.isfinite(y) & np.isfinite(x)
    x, y = x[finite], y[finite]
    if len(y) < FEWEST or not np.ptp(y):
        return np.inf
    along = np.abs(np.diff(y[np.argsort(x)])).sum()
    # each value less all below it, and all above less it
    ranks = 2 * np.arange(len(y)) + 1 - len(y)
    shuffled = 2 * (ranks @ np.sort(y)) / len(y) ** 2 * (len(y) - 1)
    return float(along / shuffled)
