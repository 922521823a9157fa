"""The entries of a traced array in order, as `numpy.ndarray.flat` has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from gradcheck.trace.record.recording import apply
from gradcheck.trace.record.writing import change


class FlatEntries:
    """The attribute `flat` of a traced array."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return int(self.array.size)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return apply(self.array.tape, _get_flat, (self.array, key), {}, "getitem")

    def __setitem__(self, key: Any, value: Any) -> None:
        change(self.array.tape, "setitem", _set_flat, self.array, (key, value), {})


def _get_flat(array: NDArray[Any], key: Any) -> Any:
    return array.flat[key]


def _set_flat(array: NDArray[Any], key: Any, value: Any) -> None:
    array.flat[key] = value
