"""What replays share, and the arrays that still share memory when variables are copied."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.script.copies import CONTAINERS, are_atoms, keeps_state
from gradcheck.trace.record.array import traced_leaf
from gradcheck.trace.record.ownership import ATOMS, is_users_object
from gradcheck.trace.record.recording import open_tape, plain
from gradcheck.user.objects import attributes

SHARED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)

COPIED = (
    "builtins",
    "numpy",
    "collections",
    "functools",
    "__main__",
    "random",
    "types",
    "argparse",
)
"""Packages whose objects are copied; all replays share the objects of any other package."""

HELD = (list, dict, float, np.ndarray)
"""What a class may hold for its objects to train, and the rate."""


def views(values: Iterable[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return pairs of an array and another that shows its memory, or a part of it.

    Examples are `W_prime = W.T`, the tied weights of an autoencoder, and `center = vectors[word]`.
    """
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    first: dict[Any, NDArray[Any]] = {}
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for array in arrays:
        bases = [one for one in arrays if one is array.base and one.flags.forc]
        if bases and array.size < bases[0].size and array.dtype == bases[0].dtype:
            pairs.append((bases[0], array))
            continue
        if array.size > 1:
            reach = sum((n - 1) * step for n, step in zip(array.shape, array.strides, strict=True))
            if min(array.strides) > 0 and reach + array.itemsize == array.nbytes:
                whole = first.setdefault((array.ctypes.data, array.nbytes, array.dtype), array)
                if whole is not array:
                    pairs.append((whole, array))
    return pairs


def keep_memory_shared(
    shared: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    memo: dict[int, Any],
    constant: Collection[int] = frozenset(),
) -> None:
    """Make the copies of arrays that share memory share memory, too.

    `shared` are pairs of an array and a view of it. `memo` holds the copies by the ids of the
    originals, as in `copy.deepcopy`; it is added to. `constant` are ids of arrays not copied.
    """
    for whole, view in shared:
        if id(whole) in constant:
            continue
        copied = memo.get(id(whole), whole)
        begin = view.ctypes.data - whole.ctypes.data
        if open_tape(copied) is None:
            copied = np.empty_like(whole) if copied is whole else copied
            if copied.strides != whole.strides:
                copied = np.empty_like(whole)
            copied[...] = memo.get(id(whole), whole)
            memo[id(whole)] = copied
        memo[id(view)] = _seen_as(view, copied, begin)


def _seen_as(view: NDArray[Any], memory: Any, begin: int) -> Any:
    """Return the memory of one array, from a byte on, with the shape and the strides of `view`."""
    bare = plain(memory)
    in_a_row = bare.transpose(np.argsort(bare.strides)[::-1])  # axes may be in any order
    flat = np.ndarray(bare.nbytes, np.uint8, in_a_row)
    inside = np.ndarray(view.shape, view.dtype, flat, begin, view.strides)
    tape = open_tape(memory)
    return inside if tape is None else traced_leaf(tape, inside, "a view", memory.storage)


def is_shared(value: Any) -> bool:
    """Whether a value is a module, a function, a class, or an object of some library.

    A function that keeps arrays in its closure is an object with attributes.
    """
    if isinstance(value, SHARED):
        return not keeps_state(value)
    return not _is_copied(type(value))


def _is_copied(kind: type) -> bool:
    return str(kind.__module__).split(".")[0] in COPIED or is_users_object(kind)


def own_what_classes_hold(value: Any) -> None:
    """Give the objects in a structure the numbers that only their classes hold.

    `weights = []` in the body of a class, filled by `__init__`, would be copied with no object.
    """
    for one in _within(value, set()):
        if type(getattr(one, "__dict__", None)) is dict and not is_shared(one):
            for kind in type(one).__mro__:
                held = vars(kind).items() if _is_copied(kind) else ()
                for name, attribute in held:
                    if isinstance(attribute, HELD) and not name.startswith("__"):
                        vars(one).setdefault(name, attribute)


def _within(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield what is in a structure, without what immutable values are in."""
    if id(value) in seen or isinstance(value, ATOMS):
        return
    seen.add(id(value))
    items = _items(value)
    yield value
    if not are_atoms(items):
        for item in items:
            yield from _within(item, seen)


def _items(value: Any) -> list[Any]:
    if type(value) is dict:
        return [*value, *value.values()]
    if type(value) in CONTAINERS:
        return list(value)
    return [] if is_shared(value) else list(attributes(value).values())
