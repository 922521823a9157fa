"""Arrays that lie in the same memory, and stay so when a script's variables are copied."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.array import traced_leaf
from gradcheck.trace.record.recording import open_tape, plain


def views(values: Iterable[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The arrays that are all of an earlier one's memory in another shape, after that one.

    Such is `W_prime = W.T`, the tied weights of an autoencoder.
    """
    first: dict[Any, NDArray[Any]] = {}
    found = []
    for array in values:
        if isinstance(array, np.ndarray) and array.size > 1:
            reach = sum((n - 1) * step for n, step in zip(array.shape, array.strides, strict=True))
            if min(array.strides) > 0 and reach + array.itemsize == array.nbytes:
                whole = first.setdefault((array.ctypes.data, array.nbytes, array.dtype), array)
                if whole is not array:
                    found.append((whole, array))
    return found


def keep_memory_shared(
    found: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    memo: dict[int, Any],
    constant: Collection[int] = frozenset(),
) -> None:
    """Has what a copy makes of two arrays in the same memory lie in the same memory too.

    `found` are the arrays that are views of others, among what is copied. What becomes of objects
    is added to `memo`, as `copy.deepcopy` takes it; `constant` are the ids of arrays that are not
    copied.
    """
    for whole, view in found:
        if id(whole) in constant:
            continue
        copied = memo.get(id(whole), whole)
        if open_tape(copied) is None:
            copied = np.empty_like(whole) if copied is whole else copied
            if copied.strides != whole.strides:
                copied = np.empty_like(whole)
            copied[...] = memo.get(id(whole), whole)
            memo[id(whole)] = copied
        memo[id(view)] = _seen_as(view, copied)


def _seen_as(view: NDArray[Any], memory: Any) -> Any:
    """An array in the memory of another, of the shape and the strides of a third."""
    inside = np.lib.stride_tricks.as_strided(plain(memory), view.shape, view.strides)
    tape = open_tape(memory)
    return inside if tape is None else traced_leaf(tape, inside, "a view", memory.storage)
