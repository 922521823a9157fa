"""Parameters of any structure <-> named blocks, in the user's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
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
from gradcheck.user.objects import Slot, Walk, is_object, steps_from
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
from gradcheck.words import printable


def flatten(params: Any) -> Parameters:
    """Reads named blocks from arrays, numbers, lists, tuples, dicts, dataclasses and nestings.

    Of any other object, the floating-point arrays and numbers in its attributes are blocks. What
    is found in containers is copied; objects are changed in place, and `restore` puts them back.
    Anything else found in a container (None, text, integers that are settings) is handed on to
    the user's functions as it is. What `gradcheck.parameters` made is taken as it is.
    """
    return params if isinstance(params, Parameters) else read_structure(params)


def flatten_real(params: Any, what: str) -> Parameters:
    """As `flatten`, for what takes no complex parameters."""
    found = flatten(params)
    for leaf in found.leaves:
        if leaf.part:
            raise UsageError(
                f"{what} is for real parameters, and {printable(leaf.name)} is complex; give its "
                "real and imaginary parts as parameters of their own"
            )
    return found


def read_structure(params: Any, in_place: bool = False) -> Parameters:
    """The blocks of a structure of the user's.

    Args:
        params: the structure.
        in_place: whether containers are treated as objects are: the very arrays are perturbed.
    """
    if holds_itself(params):
        raise UsageError(f"params is {describe(params)} that contains itself, or goes too deep")
    reader = _Reader(Walk(in_place))
    pack = reader.read(params, ())
    if not reader.found and callable(params):
        raise UsageError(
            f"params is {describe(params)}; the parameters come second, as in "
            "check(loss, params, grad)"
        )
    if not reader.found:
        raise UsageError(
            f"params holds no arrays (it is {describe(params)}); give an array, a dict, list or "
            "tuple of arrays, or an object whose attributes hold arrays"
        )
    leaves = _named(reader.found)
    firsts = {
        leaf.block: (found, leaf) for found, leaf in [*zip(reader.found, leaves, strict=True)][::-1]
    }
    blocks = [firsts[block] for block in range(len(firsts))]
    values = tuple(_as_float64(found) for found, _ in blocks)
    still = frozen([found.value for found, _ in blocks])
    walk = reader.walk
    whole = Parameters(
        names=tuple(leaf.name + (f".{leaf.part}" if leaf.part else "") for _, leaf in blocks),
        values=values,
        dtypes=tuple(found.array.dtype for found, _ in blocks),
        storage=tuple(_storage(found) for found, _ in blocks),
        pack=pack,
        working=tuple(
            None if found.slot is None or found.part else found.slot.working for found, _ in blocks
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


def _named(found: Sequence[_Found]) -> list[Leaf]:
    """With the paths as the user would write them; keys in brackets where two would be the same."""
    counts = Counter(path_name(leaf.path) for leaf in found if leaf.part != "imag")
    return [
        Leaf(
            one.path,
            keyed_name(one.path) if counts[path_name(one.path)] > 1 else path_name(one.path),
            one.array.shape,
            one.block,
            one.transposed,
            one.in_object,
            one.part,
        )
        for one in found
    ]


def is_leaf(value: Any) -> bool:
    """Whether a value is one block: an array, a float, a numpy number or a tensor.

    Arrays of booleans, text and dates are settings or data, not parameters.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "bUSMm"
    return isinstance(value, complex | float | np.inexact | np.integer) or is_real_tensor(value)


@dataclass(frozen=True)
class _Found:
    """An array or number of the user's, or a part of a complex one, and the block that it is."""

    path: Path
    value: Any
    slot: Slot | None = None
    in_object: bool = False
    part: str = ""
    block: int = 0
    transposed: bool = False

    @property
    def array(self) -> NDArray[Any]:
        array = np.asarray(to_array(self.value))
        return getattr(array, self.part) if self.part else array


@dataclass
class _Reader:
    """One reading of a structure: what was found so far, and where it lies in the user's memory."""

    walk: Walk
    found: list[_Found] = field(default_factory=list)
    placed: list[tuple[Places, Slot]] = field(default_factory=list)
    count: int = 0
    _known: dict[Any, int] = field(default_factory=dict)

    def read(self, value: Any, path: Path) -> Pack:
        """Appends the leaves below `value`, and returns what rebuilds it."""
        in_place, is_record = self.walk.whole, is_dataclass(value) and not isinstance(value, type)
        if is_object(value) and not is_dataclass(value):
            return self._in_memory(value, self.walk.slots(value, path), not is_module(value))
        if in_place and (is_record or isinstance(value, Mapping | list | tuple)):
            return self._in_memory(value, self.walk.slots(value, path), False)
        if is_leaf(value):
            slots = [slot for _, slot in self.walk.slots([value])] if in_place else []
            if slots:
                return self._in_memory(value, [(path, slots[0])], False)
            return leaf_pack(value, self._add(_Found(path, value)))
        if isinstance(value, Mapping | list | tuple):
            packs = [(step, self.read(item, (*path, step))) for step, item in steps_from(value)]
            return container_pack(value, packs)
        if is_record:
            named = [(field.name, getattr(value, field.name)) for field in fields(value)]
            packs = [(name, self.read(item, (*path, name))) for name, item in named]
            return dataclass_pack(value, packs)
        return lambda arrays: value

    def _in_memory(self, value: Any, slots: Iterable[tuple[Path, Slot]], in_object: bool) -> Pack:
        """Of what is changed where it is."""
        placed = []
        for path, slot in slots:
            placed.append((self._add(_Found(path, slot.original, slot, in_object)), slot))
        self.placed += placed

        def pack(arrays: Sequence[Any]) -> Any:
            for places, slot in placed:
                array = joined(arrays, places, slot.original)
                if array is not None:
                    slot.put(array)
            return value

        return pack

    def _add(self, leaf: _Found) -> Places:
        """The leaf's block, and whether it lies there transposed; both parts' of a complex one."""
        parts = ("real", "imag") if np.iscomplexobj(leaf.array) else ("",)
        return tuple(self._add_part(replace(leaf, part=part)) for part in parts)

    def _add_part(self, leaf: _Found) -> tuple[int, bool]:
        """A new block if it is new."""
        keys = _memory(leaf)
        block = next((self._known[key] for key in keys if key in self._known), self.count)
        flipped = bool(keys) and keys[0] not in self._known and block != self.count
        if block == self.count:
            self.count += 1
            if keys:
                self._known[keys[0]] = block
        self.found.append(replace(leaf, block=block, transposed=flipped))
        return block, flipped


def _memory(leaf: _Found) -> list[tuple[Any, ...]]:
    """What tells whether two leaves are one array, and whether one is the other transposed."""
    in_place = leaf.slot is not None
    if is_tensor(leaf.value):
        return [(leaf.part, in_place, id(leaf.value))]
    array = leaf.value
    if not isinstance(array, np.ndarray) or not array.size:
        return []
    start = array.__array_interface__["data"][0]
    views = (array, array.T) if array.ndim == 2 and array.size > 1 else (array,)
    return [
        (leaf.part, in_place, start, view.shape, view.strides, view.dtype.str) for view in views
    ]


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
            f"{name} has dtype {array.dtype}; a gradient can be checked for numbers only"
        )
    value = np.array(array, dtype=np.float64, order="K")
    if leaf.slot is None and not np.all(np.isfinite(value)):
        where = np.argwhere(~np.isfinite(value))[0]
        entry = f"{name}[{', '.join(map(str, where))}]" if value.ndim else name
        raise UsageError(f"{entry} is {value[tuple(where)]}; parameters must be finite")
    return value
