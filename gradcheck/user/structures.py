"""Reads the user's structure of parameters into named blocks, and builds it from blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.numeric.storage import BFLOAT16
from gradcheck.user.blocks import (
    Array,
    Leaf,
    Pack,
    Parameters,
    Path,
    describe,
    keyed_name,
    path_name,
)
from gradcheck.user.nodes import as_float
from gradcheck.user.objects import DEEPEST, Slot, Walk, is_object, steps_from
from gradcheck.user.packing import Places, container_pack, dataclass_pack, joined, leaf_pack
from gradcheck.user.tensors import (
    frozen,
    is_module,
    is_real_tensor,
    is_sparse,
    is_tensor,
    saved_state,
    to_array,
)
from gradcheck.words import indexed, printable


def flatten(params: Any) -> Parameters:
    """Reads named blocks from arrays, numbers, lists, tuples, dicts, dataclasses and nestings.

    In any other object, the floating-point arrays and numbers in its attributes are blocks. Arrays
    in containers are copied; objects are changed in place, and `restore` restores them. Other items
    of a container (None, text, integer settings) are passed to the user's functions unchanged. A
    result of `gradcheck.parameters` is returned as it is.
    """
    return params if isinstance(params, Parameters) else read_structure(params)


def flatten_real(params: Any, what: str) -> Parameters:
    """Like `flatten`, but raises UsageError for complex parameters; `what` names the function."""
    parameters = flatten(params)
    for leaf in parameters.leaves:
        if leaf.part:
            raise UsageError(
                f"{what} is for real parameters, and {printable(leaf.name)} is complex; give its "
                "real and imaginary parts as parameters of their own"
            )
    return parameters


def _as_floats(params: Any) -> Any:
    """A number, or a tuple of such alone, as floats; a list of them (`x0=[1, 0.5]`) as an array.

    That is what solvers hand to functions, whatever they are given.
    """
    if type(params) is int:
        return float(params)
    if type(params) in (list, tuple) and params and all(map(_is_number, params)):
        return np.array(params, float) if type(params) is list else tuple(map(float, params))
    return params


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def read_structure(params: Any, in_place: bool = False) -> Parameters:
    """Reads the blocks of a structure; with `in_place` arrays in containers are not copied."""
    if holds_itself(params):
        raise UsageError(
            f"params is {describe(params)} that contains itself, or is nested too deeply"
        )
    reader = _Reader(Walk(in_place))
    pack = reader.read(_as_floats(params), ())
    if not reader.items and callable(params):
        raise UsageError(
            f"params is {describe(params)}; the parameters come second, as in "
            "check(loss, params, grad)"
        )
    if not reader.items:
        raise UsageError(
            f"params holds no arrays (it is {describe(params)}); give an array, a dict, list or "
            "tuple of arrays, or an object whose attributes hold arrays"
        )
    leaves = _named([item.leaf for item in reader.items])
    firsts = {item.leaf.block: item for item in reversed(reader.items)}
    names = {leaf.block: leaf for leaf in reversed(leaves)}
    blocks = [firsts[block] for block in range(len(firsts))]
    values = tuple(map(_as_float64, blocks))
    still = frozen([item.value for item in blocks])
    walk = reader.walk
    whole = Parameters(
        names=tuple(_block_name(names[block]) for block in range(len(firsts))),
        values=values,
        dtypes=tuple(item.array.dtype for item in blocks),
        storage=tuple(map(_storage, blocks)),
        pack=pack,
        working=tuple(
            None if item.slot is None or item.leaf.part else item.slot.working for item in blocks
        ),
        leaves=(
            *leaves,
            *(
                Leaf(path, path_name(path), shape, None, in_object=True)
                for path, shape in walk.fixed
            ),
        ),
        owner=params,
        origin=tuple((slot, joined(values, places)) for places, slot in reader.placed),
        torch=tuple(walk.torch),
        undo=tuple(map(saved_state, walk.torch)),
    )
    moving = [block for block, is_still in enumerate(still) if not is_still]
    return whole.narrowed(moving) if any(still) else whole


def _named(leaves: Sequence[Leaf]) -> list[Leaf]:
    """The leaves; names that would occur twice are replaced by those with keys in brackets."""
    counts = Counter(leaf.name for leaf in leaves if leaf.part != "imag")
    return [
        replace(leaf, name=keyed_name(leaf.path)) if counts[leaf.name] > 1 else leaf
        for leaf in leaves
    ]


def _block_name(leaf: Leaf) -> str:
    return f"{leaf.name}.{leaf.part}" if leaf.part else leaf.name


def holds_itself(value: Any) -> bool:
    """Whether nested dicts, lists and tuples contain themselves, or are nested too deeply."""
    checked: set[int] = set()

    def loops(inner: Any, above: tuple[int, ...]) -> bool:
        if not isinstance(inner, Mapping | list | tuple) or id(inner) in checked:
            return False
        if id(inner) in above or len(above) > DEEPEST:
            return True
        items = inner.values() if isinstance(inner, Mapping) else inner
        if any(loops(item, (*above, id(inner))) for item in items):
            return True
        checked.add(id(inner))
        return False

    return loops(value, ())


def is_leaf(value: Any) -> bool:
    """Whether a value is one block: an array, a float, a numpy number or a tensor.

    Arrays of booleans, text and dates are settings or data, not parameters.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "bUSMm"
    return isinstance(value, complex | float | np.inexact | np.integer) or is_real_tensor(value)


@dataclass(frozen=True)
class _Item:
    """The array or number in a place; its real or imaginary part if the leaf is one."""

    leaf: Leaf
    value: Any
    slot: Slot | None = None

    @property
    def array(self) -> NDArray[Any]:
        return _part(self.value, self.leaf.part)


def _part(value: Any, part: str) -> NDArray[Any]:
    array = np.asarray(to_array(value))
    return getattr(array, part) if part else array


@dataclass
class _Reader:
    """The state of reading a structure: the arrays found, and their places in memory."""

    walk: Walk
    items: list[_Item] = field(default_factory=list)
    placed: list[tuple[Places, Slot]] = field(default_factory=list)
    count: int = 0
    _known: dict[Any, int] = field(default_factory=dict)

    def read(self, value: Any, path: Path) -> Pack:
        """Appends the leaves below `value`; returns the function that rebuilds it from blocks."""
        in_place, is_record = self.walk.whole, is_dataclass(value) and not isinstance(value, type)
        if is_object(value) and not is_dataclass(value):
            return self._in_memory(value, self.walk.slots(value, path), not is_module(value))
        if in_place and (is_record or isinstance(value, Mapping | list | tuple)):
            return self._in_memory(value, self.walk.slots(value, path), False)
        if is_leaf(value):
            slots = [slot for _, slot in self.walk.slots([value])] if in_place else []
            if slots:
                return self._in_memory(value, [(path, slots[0])], False)
            return leaf_pack(value, self._add(path, value))
        if isinstance(value, Mapping | list | tuple):
            packs = [(step, self.read(item, (*path, step))) for step, item in steps_from(value)]
            return container_pack(value, packs)
        if is_record:
            named = [(field.name, getattr(value, field.name)) for field in fields(value)]
            packs = [(name, self.read(item, (*path, name))) for name, item in named]
            return dataclass_pack(value, packs)
        return lambda arrays: value

    def _in_memory(self, value: Any, slots: Iterable[tuple[Path, Slot]], in_object: bool) -> Pack:
        """Appends the leaves of arrays that are changed in place; returns what sets them."""
        placed = [
            (self._add(path, as_float(slot.original), slot, in_object), slot)
            for path, slot in slots
        ]
        self.placed += placed

        def pack(arrays: Sequence[Any]) -> Any:
            for places, slot in placed:
                array = joined(arrays, places, slot.original)
                if array is not None:
                    slot.put(array)
            return value

        return pack

    def _add(
        self, path: Path, value: Any, slot: Slot | None = None, in_object: bool = False
    ) -> Places:
        """Appends the leaf of a place, or two if complex; the block and transposition of each."""
        places = []
        for part in ("real", "imag") if np.iscomplexobj(to_array(value)) else ("",):
            block, flipped = self._block(value, part, slot is not None)
            shape = _part(value, part).shape
            leaf = Leaf(path, path_name(path), shape, block, flipped, in_object, part)
            self.items.append(_Item(leaf, value, slot))
            places.append((block, flipped))
        return tuple(places)

    def _block(self, value: Any, part: str, in_place: bool) -> tuple[int, bool]:
        """The block of an array, a new one for a new array; and whether it is transposed."""
        keys = [(part, in_place, *key) for key in _memory(value)]
        block = next((self._known[key] for key in keys if key in self._known), self.count)
        flipped = bool(keys) and keys[0] not in self._known and block != self.count
        if block == self.count:
            self.count += 1
            self._known.update(dict.fromkeys(keys[:1], block))
        return block, flipped


def _memory(value: Any) -> list[tuple[Any, ...]]:
    """Keys of an array and of its transpose; arrays with the same key share all their memory."""
    if is_tensor(value):
        return [(id(value),)]
    if not isinstance(value, np.ndarray) or not value.size:
        return []
    start = value.__array_interface__["data"][0]
    views = (value, value.T) if value.ndim == 2 and value.size > 1 else (value,)
    return [(start, view.shape, view.strides, view.dtype.str) for view in views]


def _storage(item: _Item) -> np.dtype[Any]:
    """The type in which the user's functions see the block."""
    dtype = item.array.dtype
    preserved = is_tensor(item.value) or (item.slot is not None and item.slot.itself)
    return dtype if preserved or (dtype == BFLOAT16 and dtype.metadata) else np.dtype(np.float64)


def _as_float64(item: _Item) -> Array:
    array, name = item.array, printable(path_name(item.leaf.path))
    if is_sparse(item.value):
        raise UsageError(f"{name} is a sparse tensor; give a dense one, and make it sparse inside")
    if array.dtype.kind not in "fiu":
        raise UsageError(
            f"{name} has dtype {array.dtype}; a gradient can be checked for numbers only"
        )
    value = np.array(array, dtype=np.float64, order="K")
    if item.slot is None and not np.all(np.isfinite(value)):
        where = tuple(np.argwhere(~np.isfinite(value))[0])
        raise UsageError(f"{indexed(name, where)} is {value[where]}; parameters must be finite")
    return value
