"""Parameters of any structure <-> named blocks, in the user's order.

A block is one parameter array. Its name is the path that the user would write to reach it:
`W1`, `weights[0]`, `hidden_layer.weights`; a bare array is `params`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.objects import Position, Slot, find_slots, is_object

Array = NDArray[np.float64]
Path = tuple[Any, ...]
"""The keys, attributes and positions (`Position`) that lead to a leaf."""

Pack = Callable[[Sequence[Array]], Any]
"""Builds the user's structure around the given arrays, one per block."""

BARE = "params"


@dataclass(frozen=True)
class Parameters:
    """The point at which gradients are checked, and the way back to the user's structure.

    Attributes:
        paths: one path per block, in the user's order.
        names: the paths as the user would write them.
        values: float64 copies of the blocks, each in its block's shape.
        dtypes: the dtypes as the user gave them.
        pack: builds the user's structure around arrays shaped like `values`; arrays are
            referred to, not copied. Of objects it changes the attributes.
        slots: where a block lives in an object of the user's; None for what is copied.
        owner: the user's structure or object itself.
    """

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    values: tuple[Array, ...]
    dtypes: tuple[np.dtype[Any], ...]
    pack: Pack
    slots: tuple[Slot | None, ...]
    owner: Any

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of every block."""
        return tuple(value.shape for value in self.values)

    def bind(self, values: Sequence[Array]) -> list[Array]:
        """Arrays with the given values that may be changed in place, and are seen once packed."""
        bound = []
        for value, slot in zip(values, self.slots, strict=True):
            if slot is None or slot.working is None:
                bound.append(np.array(value, order="K"))
            else:
                slot.working[...] = value
                bound.append(slot.working)
        return bound

    def narrowed(self, kept: Sequence[int]) -> Parameters:
        """These parameters without the others, which are then left alone until `restore`."""
        count, whole = len(self.paths), self.pack

        def pack(arrays: Sequence[Array]) -> Any:
            every: list[Any] = [None] * count
            for block, array in zip(kept, arrays, strict=True):
                every[block] = array
            return whole(every)

        return Parameters(
            paths=tuple(self.paths[block] for block in kept),
            names=tuple(self.names[block] for block in kept),
            values=tuple(self.values[block] for block in kept),
            dtypes=tuple(self.dtypes[block] for block in kept),
            pack=pack,
            slots=tuple(self.slots[block] for block in kept),
            owner=self.owner,
        )

    @property
    def in_objects(self) -> bool:
        """Whether any block lives in an object of the user's."""
        return any(slot is not None for slot in self.slots)

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Restores the user's objects when the block ends, whatever is raised in it."""
        try:
            yield
        finally:
            self.restore()

    def held(self, given: Sequence[Array]) -> list[Array]:
        """The arrays that the user's functions could have changed when they were given `given`."""
        return [
            array if slot is None or slot.working is None else slot.working
            for array, slot in zip(given, self.slots, strict=True)
        ]

    def restore(self) -> None:
        """Puts the user's objects back as they were."""
        for value, slot in zip(self.values, self.slots, strict=True):
            if slot is not None:
                slot.restore(value)

    def entry_name(self, block: int, entry: int) -> str:
        """An entry as the user would write it, from its flat index: `W1[0, 3]`."""
        index = np.unravel_index(entry, self.values[block].shape)
        where = f"[{', '.join(map(str, index))}]" if index else ""
        return f"{self.names[block]}{where}"


def flatten(params: Any) -> Parameters:
    """Reads named blocks from arrays, numbers, lists, tuples, dicts, dataclasses and nestings.

    Of any other object, the floating-point arrays and numbers in its attributes are blocks. What
    is found in containers is copied; objects are changed in place, and `restore` puts them back.
    Anything else found in a container (None, text, integers that are settings) is handed on to
    the user's functions as it is.

    Raises:
        UsageError: there is no array in `params`, or one that has no gradient (object, complex).
    """
    leaves: list[_Leaf] = []
    pack = _reader(params, (), leaves)
    if not leaves:
        raise UsageError(
            f"params holds no arrays (it is {describe(params)}); give an array, a dict, list or "
            "tuple of arrays, or an object whose attributes hold arrays"
        )
    return Parameters(
        paths=tuple(leaf.path for leaf in leaves),
        names=tuple(path_name(leaf.path) for leaf in leaves),
        values=tuple(_as_float64(leaf) for leaf in leaves),
        dtypes=tuple(np.asarray(leaf.value).dtype for leaf in leaves),
        pack=pack,
        slots=tuple(leaf.slot for leaf in leaves),
        owner=params,
    )


def path_name(path: Path) -> str:
    """The path as the user would write it: `layers[0].W`."""
    name = ""
    for step in path:
        if isinstance(step, Position):
            name = f"{name or BARE}[{step.index}]"
        elif isinstance(step, str):
            name = f"{name}.{step}" if name else step
        else:
            name = f"{name or BARE}[{step!r}]"
    return name or BARE


def describe(value: Any) -> str:
    """What a value is, in a few words for a message: `a list of 3`, `an array of shape (2, 3)`."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    if isinstance(value, Mapping | list | tuple):
        return f"{article} {kind} of {len(value)}" if len(value) else f"an empty {kind}"
    return f"{article} {kind}"


def is_leaf(value: Any) -> bool:
    """Whether a value is one block: an array, a float or a numpy number.

    Arrays of booleans, text and dates are settings or data, not parameters.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "bUSMm"
    return isinstance(value, float | np.floating | np.integer)


def children(container: Any) -> Iterator[tuple[Any, Any]]:
    """The steps out of a container or dataclass, in order: (key or Position, value)."""
    if isinstance(container, Mapping):
        yield from container.items()
    elif isinstance(container, list | tuple):
        for index, item in enumerate(container):
            yield Position(index), item
    else:
        yield from ((field.name, getattr(container, field.name)) for field in fields(container))


@dataclass(frozen=True)
class _Leaf:
    path: Path
    value: Any
    slot: Slot | None = None


def _reader(value: Any, path: Path, leaves: list[_Leaf]) -> Pack:
    """Appends the leaves below `value`, and returns what rebuilds it."""
    if is_leaf(value):
        leaves.append(_Leaf(path, value))
        return _leaf_pack(value, len(leaves) - 1)
    if isinstance(value, Mapping | list | tuple):
        packs = [(step, _reader(item, (*path, step), leaves)) for step, item in children(value)]
        return _container_pack(value, packs)
    if is_dataclass(value) and not isinstance(value, type):
        packs = [(step, _reader(item, (*path, step), leaves)) for step, item in children(value)]
        return _dataclass_pack(value, packs)
    if is_object(value):
        return _object_pack(value, path, leaves)
    return lambda arrays: value


def _object_pack(value: Any, path: Path, leaves: list[_Leaf]) -> Pack:
    placed = []
    for steps, slot in find_slots(value):
        placed.append((len(leaves), slot))
        leaves.append(_Leaf((*path, *steps), slot.original, slot))

    def pack(arrays: Sequence[Array]) -> Any:
        for block, slot in placed:
            if arrays[block] is not None:
                slot.put(arrays[block])
        return value

    return pack


def _dataclass_pack(value: Any, packs: list[tuple[Any, Pack]]) -> Pack:
    def pack_dataclass(arrays: Sequence[Array]) -> Any:
        packed = copy.copy(value)
        for name, pack in packs:
            object.__setattr__(packed, name, pack(arrays))
        return packed

    return pack_dataclass


def _leaf_pack(leaf: Any, block: int) -> Pack:
    if isinstance(leaf, np.ndarray):
        subclass = type(leaf)
        if subclass is np.ndarray:
            return lambda arrays: arrays[block]
        return lambda arrays: arrays[block].view(subclass)
    if isinstance(leaf, np.generic):
        return lambda arrays: np.float64(arrays[block])
    return lambda arrays: float(arrays[block])


def _container_pack(container: Any, packs: list[tuple[Any, Pack]]) -> Pack:
    if isinstance(container, dict) and type(container) is not dict:

        def pack_subclass(arrays: Sequence[Array]) -> Any:
            packed = container.copy()
            packed.update((key, pack(arrays)) for key, pack in packs)
            return packed

        return pack_subclass
    if isinstance(container, Mapping):
        return lambda arrays: {key: pack(arrays) for key, pack in packs}
    if hasattr(container, "_fields"):
        return lambda arrays: type(container)(*(pack(arrays) for _, pack in packs))
    if isinstance(container, tuple):
        return lambda arrays: tuple(pack(arrays) for _, pack in packs)
    return lambda arrays: [pack(arrays) for _, pack in packs]


def _as_float64(leaf: _Leaf) -> Array:
    array, name = np.asarray(leaf.value), path_name(leaf.path)
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
