"""Parameters of any structure <-> named blocks, in the user's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
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
    holds_itself,
    keyed_name,
    path_name,
)
from gradcheck.user.objects import Slot, is_object, look_into, steps_from
from gradcheck.user.packing import container_pack, dataclass_pack, leaf_pack
from gradcheck.user.tensors import (
    frozen,
    is_module,
    is_real_tensor,
    is_sparse,
    is_tensor,
    saved_state,
    to_array,
)
from gradcheck.words import printable


def flatten(params: Any) -> Parameters:
    """Reads named blocks from arrays, numbers, lists, tuples, dicts, dataclasses and nestings.

    Of any other object, the floating-point arrays and numbers in its attributes are blocks. What
    is found in containers is copied; objects are changed in place, and `restore` puts them back.
    Anything else found in a container (None, text, integers that are settings) is handed on to
    the user's functions as it is. What `gradcheck.parameters` made is taken as it is.

    Raises:
        UsageError: there is no array in `params`, or one that has no gradient (object, complex).
    """
    return params if isinstance(params, Parameters) else read_structure(params)


def read_structure(params: Any, in_place: bool = False) -> Parameters:
    """The blocks of a structure of the user's.

    Args:
        params: the structure.
        in_place: whether containers are treated as objects are: the very arrays are perturbed.

    Raises:
        UsageError: as `flatten`.
    """
    if holds_itself(params):
        raise UsageError(f"params is {describe(params)} that contains itself, or goes too deep")
    reader = _Reader(in_place)
    pack = reader.read(params, ())
    if not reader.found:
        raise UsageError(
            f"params holds no arrays (it is {describe(params)}); give an array, a dict, list or "
            "tuple of arrays, or an object whose attributes hold arrays"
        )
    firsts = [reader.found[reader.blocks.index(block)] for block in range(reader.count)]
    values = tuple(_as_float64(leaf) for leaf in firsts)
    names = _unique_names([leaf.path for leaf in reader.found])
    still = frozen([leaf.value for leaf in firsts])
    found = Parameters(
        names=tuple(names[reader.blocks.index(block)] for block in range(reader.count)),
        values=values,
        dtypes=tuple(leaf.array.dtype for leaf in firsts),
        storage=tuple(_storage(leaf) for leaf in firsts),
        pack=pack,
        working=tuple(None if leaf.slot is None else leaf.slot.working for leaf in firsts),
        leaves=(
            *(
                Leaf(leaf.path, name, leaf.array.shape, block, flipped, leaf.in_object)
                for leaf, name, block, flipped in zip(
                    reader.found, names, reader.blocks, reader.transposed, strict=True
                )
            ),
            *(
                Leaf(path, path_name(path), shape, None, in_object=True)
                for path, shape in reader.fixed
            ),
        ),
        owner=params,
        origin=tuple(
            (leaf.slot, values[block].T if flipped else values[block])
            for leaf, block, flipped in zip(
                reader.found, reader.blocks, reader.transposed, strict=True
            )
            if leaf.slot is not None
        ),
        torch=tuple(reader.torch),
        undo=tuple(map(saved_state, reader.torch)),
    )
    moving = [block for block, is_still in enumerate(still) if not is_still]
    return found.narrowed(moving) if any(still) else found


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """The paths as the user would write them; with keys in brackets where two would be the same."""
    names = [path_name(path) for path in paths]
    counts = Counter(names)
    return [
        keyed_name(path) if counts[name] > 1 else name
        for path, name in zip(paths, names, strict=True)
    ]


def is_leaf(value: Any) -> bool:
    """Whether a value is one block: an array, a float, a numpy number or a tensor.

    Arrays of booleans, text and dates are settings or data, not parameters.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "bUSMm"
    return isinstance(value, float | np.floating | np.integer) or is_real_tensor(value)


@dataclass(frozen=True)
class _Found:
    path: Path
    value: Any
    slot: Slot | None = None
    in_object: bool = False

    @property
    def array(self) -> NDArray[Any]:
        return np.asarray(to_array(self.value))


@dataclass
class _Reader:
    """One reading of a structure: the leaves found so far, and which of them are one array."""

    in_place: bool = False
    found: list[_Found] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    transposed: list[bool] = field(default_factory=list)
    fixed: list[tuple[Path, tuple[int, ...]]] = field(default_factory=list)
    torch: list[Any] = field(default_factory=list)
    count: int = 0
    _known: dict[Any, int] = field(default_factory=dict)

    def read(self, value: Any, path: Path) -> Pack:
        """Appends the leaves below `value`, and returns what rebuilds it."""
        if is_object(value) and not is_dataclass(value):
            return self._read_object(value, path, in_object=True)
        if self.in_place and isinstance(value, Mapping | list | tuple):
            return self._read_object(value, path, in_object=False)
        if is_leaf(value):
            slot = _own_slot(value) if self.in_place else None
            block, flipped = self._add(_Found(path, value, slot))
            if slot is not None:
                return lambda arrays: _put(slot, arrays[block], value)
            return leaf_pack(value, block, flipped)
        if isinstance(value, Mapping | list | tuple):
            packs = [(step, self.read(item, (*path, step))) for step, item in steps_from(value)]
            return container_pack(value, packs)
        if is_dataclass(value) and not isinstance(value, type):
            if self.in_place:
                return self._read_object(value, path, in_object=False)
            named = [(field.name, getattr(value, field.name)) for field in fields(value)]
            packs = [(name, self.read(item, (*path, name))) for name, item in named]
            return dataclass_pack(value, packs)
        return lambda arrays: value

    def _read_object(self, value: Any, path: Path, in_object: bool) -> Pack:
        contents = look_into(value, self.in_place)
        self.torch += contents.torch
        self.fixed += [((*path, *steps), shape) for steps, shape in contents.fixed]
        placed = []
        for steps, slot in contents.slots:
            block, flipped = self._add(
                _Found((*path, *steps), slot.original, slot, in_object and not is_module(value))
            )
            placed.append((block, flipped, slot))

        def pack(arrays: Sequence[Any]) -> Any:
            for block, flipped, slot in placed:
                if arrays[block] is not None:
                    slot.put(arrays[block].T if flipped else arrays[block])
            return value

        return pack

    def _add(self, leaf: _Found) -> tuple[int, bool]:
        """The leaf's block, and whether it lies there transposed; a new one if it is new."""
        keys = _memory(leaf)
        block = next((self._known[key] for key in keys if key in self._known), self.count)
        flipped = bool(keys) and keys[0] not in self._known and block != self.count
        if block == self.count:
            self.count += 1
            if keys:
                self._known[keys[0]] = block
        self.found.append(leaf)
        self.blocks.append(block)
        self.transposed.append(flipped)
        return block, flipped


def _memory(leaf: _Found) -> list[tuple[Any, ...]]:
    """What tells whether two leaves are one array, and whether one is the other transposed."""
    in_place = leaf.slot is not None
    if is_tensor(leaf.value):
        return [(in_place, id(leaf.value))]
    array = leaf.value
    if not isinstance(array, np.ndarray) or not array.size:
        return []
    start = array.__array_interface__["data"][0]
    views = (array, array.T) if array.ndim == 2 and array.size > 1 else (array,)
    return [(in_place, start, view.shape, view.strides, view.dtype.str) for view in views]


def _own_slot(value: Any) -> Slot | None:
    """The slot of a bare array that is perturbed itself."""
    return next((slot for _, slot in look_into([value], whole=True).slots), None)


def _put(slot: Slot, array: Any, value: Any) -> Any:
    if array is not None:
        slot.put(array)
    return value


def _storage(leaf: _Found) -> np.dtype[Any]:
    """The type in which the user's functions see the block."""
    dtype = leaf.array.dtype
    kept = is_tensor(leaf.value) or (leaf.slot is not None and leaf.slot.itself)
    return dtype if kept or (dtype == BFLOAT16 and dtype.metadata) else np.dtype(np.float64)


def _as_float64(leaf: _Found) -> Array:
    array, name = leaf.array, printable(path_name(leaf.path))
    if is_sparse(leaf.value):
        raise UsageError(f"{name} is a sparse tensor; give a dense one, and make it sparse inside")
    if array.dtype.kind not in "fiu":
        raise UsageError(
            f"{name} has dtype {array.dtype}; a gradient can be checked for real numbers only"
        )
    value = np.array(array, dtype=np.float64, order="K")
    if leaf.slot is None and not np.all(np.isfinite(value)):
        where = np.argwhere(~np.isfinite(value))[0]
        entry = f"{name}[{', '.join(map(str, where))}]" if value.ndim else name
        raise UsageError(f"{entry} is {value[tuple(where)]}; parameters must be finite")
    return value
