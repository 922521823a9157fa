"""Memory that several arrays share, and the base of traced arrays, which hold it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.nodes import Reference, Tape


@dataclass(slots=True, eq=False)
class Storage:
    """One piece of memory: the array that covers all of it, and the index of its present value.

    The version tells how often it was written to.
    """

    tape: Tape
    root: NDArray[Any]
    node: int
    version: int = 0

    def covers(self, array: NDArray[Any]) -> bool:
        """Whether an array lies in this memory."""
        return array.size > 0 and bool(np.may_share_memory(array, self.root))

    def is_whole(self, array: NDArray[Any]) -> bool:
        """Whether an array is all of it, in the root's own order."""
        root = self.root
        return (
            array.shape == root.shape
            and array.strides == root.strides
            and array.dtype == root.dtype
            and _address(array) == _address(root)
        )

    def positions(self, view: NDArray[Any]) -> NDArray[np.intp] | None:
        """The flat positions in the root of a view's entries; None for one of another type."""
        if view.dtype != self.root.dtype:
            return None
        offsets = _offsets(view) + (_address(view) - _address(self.root))
        if self.root.flags.c_contiguous:
            return offsets // self.root.itemsize
        own = _offsets(self.root).reshape(-1)
        order = np.argsort(own, kind="stable")
        return order[np.searchsorted(own[order], offsets)]

    def read(self, view: NDArray[Any]) -> int:
        """The index of a node with a view's present value."""
        positions = self.positions(view)
        if positions is None:
            self.tape.leak("an array was read as another type of number")
            return self.tape.leaf("untracked", view)
        return self.tape.record(
            "view", partial(_gathered, positions), (Reference(self.node),), {}, view
        )

    def written(self, view: NDArray[Any], node: int) -> None:
        """Notes that a view has got the value of a node."""
        if not self.is_whole(view):
            positions = self.positions(view)
            if positions is None:
                self.tape.leak("an array was written as another type of number")
                node = self.tape.leaf("untracked", self.root)
            else:
                arguments = (Reference(self.node), Reference(node))
                node = self.tape.record(
                    "scatter", partial(_scattered, positions), arguments, {}, self.root
                )
        self.node = node
        self.version += 1


def _gathered(positions: NDArray[np.intp], root: NDArray[Any]) -> NDArray[Any]:
    """The entries at flat positions."""
    return np.asarray(root).reshape(-1)[positions]


def _scattered(
    positions: NDArray[np.intp], root: NDArray[Any], entries: NDArray[Any]
) -> NDArray[Any]:
    """A copy of an array with other entries at flat positions."""
    changed = np.array(root, order="C")
    changed.reshape(-1)[positions] = entries
    return changed


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _offsets(array: NDArray[Any]) -> NDArray[np.intp]:
    """The distances in bytes of an array's entries from its first."""
    offsets = np.zeros(array.shape, dtype=np.intp)
    for axis, (length, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        shape = [1] * array.ndim
        shape[axis] = length
        offsets += (np.arange(length, dtype=np.intp) * stride).reshape(shape)
    return offsets


class Traced(np.ndarray[Any, Any]):
    """An array or number that belongs to a tape.

    Attributes:
        tape: where its operations are recorded.
        storage: its memory; None for a number.
        node: the index of its value, or None where that is still to be read.
        version: the storage's version when `node` was read.
        scalar: the number that it stands for; None for an array.
    """

    tape: Tape | None = None
    storage: Storage | None = None
    node: int | None = None
    version: int = 0
    scalar: Any = None

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, Traced):
            self.tape, self.storage = source.tape, source.storage
