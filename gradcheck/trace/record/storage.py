"""Memory shared by several arrays, and the base class of traced arrays, which refer to it."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.functions import changed
from gradcheck.trace.record.nodes import Reference, Tape
from gradcheck.trace.record.places import Called

Entry = tuple[int, ...]
"""The first indices of an entry, or of a row, of an array; none is negative."""


@dataclass(slots=True)
class Pending:
    """What one statement has written that is not recorded yet: its keys and values by entry."""

    called: Called
    writes: dict[Entry, tuple[Any, Any]] = field(default_factory=dict)

    def may_take(self, entry: Entry, called: Called) -> bool:
        """Whether the statement has written other entries only, each of as many numbers."""
        is_alike = all(len(one) == len(entry) for one in islice(self.writes, 1))
        return is_alike and called[0] == self.called[0] and entry not in self.writes


@dataclass(slots=True, eq=False)
class Storage:
    """Memory: the array that covers it, the node of its present value, and a count of writes.

    What a loop writes into a large array, entry by entry, is recorded as one node once the array is
    read: a copy of the array for each entry would fill the memory.
    """

    tape: Tape
    root: NDArray[Any]
    recorded: int
    version: int = 0
    pending: Pending | None = None

    @property
    def node(self) -> int:
        """The index of the present value."""
        self.settle()
        return self.recorded

    def covers(self, array: NDArray[Any]) -> bool:
        """Whether an array lies in this memory."""
        return array.size > 0 and bool(np.may_share_memory(array, self.root))

    def is_whole(self, array: NDArray[Any]) -> bool:
        """Whether an array covers the whole memory in the order of the root."""
        root = self.root
        return (
            array.shape == root.shape
            and array.strides == root.strides
            and array.dtype == root.dtype
            and _address(array) == _address(root)
        )

    def positions(self, view: NDArray[Any]) -> NDArray[np.intp] | None:
        """Return the flat positions of a view's entries in the root; None if the dtypes differ."""
        if view.dtype != self.root.dtype:
            return None
        offsets = _offsets(view) + (_address(view) - _address(self.root))
        if self.root.flags.c_contiguous:
            return offsets // self.root.itemsize
        offsets_of_root = _offsets(self.root).reshape(-1)
        order = np.argsort(offsets_of_root, kind="stable")
        return order[np.searchsorted(offsets_of_root[order], offsets)]

    def postpone(self, entry: Entry, key: Any, value: Any, called: Called) -> None:
        """Note that `value`, an argument of a node, was written to an entry of the root."""
        pending = self.pending
        if pending is None or not pending.may_take(entry, called):
            self.settle()
            pending = self.pending = Pending(called)
        pending.writes[entry] = key, value
        self.version += 1

    def settle(self) -> None:
        """Record what was postponed."""
        pending, self.pending = self.pending, None
        if pending is None:
            return
        (key, value), *others = pending.writes.values()
        if others:
            key = tuple(np.array(positions) for positions in zip(*pending.writes, strict=True))
            together = [value, *(other for _, other in others)]
            numbers = [
                self.tape.nodes[one.index].value if isinstance(one, Reference) else one
                for one in together
            ]
            value = Reference(
                self.tape.record("array", np.array, (together,), {}, numbers, pending.called)
            )
        write = partial(changed, operator.setitem, self.root.shape, self.root.dtype)
        arguments = (Reference(self.recorded), key, value)
        self.recorded = self.tape.record("setitem", write, arguments, {}, self.root, pending.called)

    def read(self, view: NDArray[Any]) -> int:
        """Record a node with the present value of a view, and return its index."""
        if self.is_whole(view):
            return self.node
        positions = self.positions(view)
        if positions is None:
            self.tape.leak("an array was read as another type of number")
            return self.tape.leaf("untracked", view)
        return self.tape.record(
            "view", partial(_gathered, positions), (Reference(self.node),), {}, view
        )

    def written(self, view: NDArray[Any], node: int) -> None:
        """Note that the value of a node was written to a view."""
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
        self.recorded = node
        self.version += 1


def _gathered(positions: NDArray[np.intp], root: NDArray[Any]) -> NDArray[Any]:
    """Return the entries at flat positions."""
    return np.asarray(root).reshape(-1)[positions]


def _scattered(
    positions: NDArray[np.intp], root: NDArray[Any], entries: NDArray[Any]
) -> NDArray[Any]:
    """Return a copy of an array with other entries at flat positions."""
    changed = np.array(root, order="C")
    changed.reshape(-1)[positions] = entries
    return changed


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _offsets(array: NDArray[Any]) -> NDArray[np.intp]:
    """Return the distances in bytes of an array's entries from its first entry."""
    offsets = np.zeros(array.shape, dtype=np.intp)
    for axis, (length, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        shape = [1] * array.ndim
        shape[axis] = length
        offsets += (np.arange(length, dtype=np.intp) * stride).reshape(shape)
    return offsets


class _OfFloats(type):
    """Makes `np.zeros(shape, dtype=type(x[0]))` an array of floats, as it is untraced."""

    if not TYPE_CHECKING:  # for whom `view(Traced)` would be a plain array then
        dtype = property(lambda cls: np.dtype(np.float64))


class Traced(np.ndarray[Any, Any], metaclass=_OfFloats):
    """An array or number that belongs to a tape.

    Attributes:
        tape: the tape that records its operations.
        storage: its memory; None for a number.
        node: the index of its value; None until it is read from the storage.
        version: the version of the storage when `node` was read.
        scalar: the number it stands for; None for an array.
        is_matrix: whether it stands for a matrix of numpy's, `np.matrix`.
    """

    tape: Tape | None = None
    storage: Storage | None = None
    node: int | None = None
    version: int = 0
    scalar: Any = None
    is_matrix: ClassVar[bool] = False
    matrix_type: ClassVar[type[Traced]]

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, Traced):
            self.tape, self.storage = source.tape, source.storage
