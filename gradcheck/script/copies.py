"""Deep copies of a script's variables: as `copy.deepcopy` makes them, and several times as fast.

An engine's graph of thousands of objects is copied for every replay of an iteration.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterable
from functools import lru_cache, partial
from types import CellType, FunctionType
from typing import Any

import numpy as np

from gradcheck.trace.record.ownership import ATOMS, is_users_function, is_users_object
from gradcheck.user.objects import cells_of, slots_of

CONTAINERS = (list, tuple, set, dict)

VIEWS: dict[Any, Any] = {type(one({})): one for one in (dict.keys, dict.values, dict.items)}
"""What looks into a dict, as a layer may keep it, with the method that makes it."""

KEPT = frozenset((int, float, complex, str, bytes, bool, type(None)))
"""The commonest of the immutable types."""

IN_CELLS = (np.ndarray, float, list, dict)
"""What a closure may keep to train."""

SPECIAL = ("__reduce_ex__", "__reduce__", "__getstate__", "__new__", "__getattribute__")
"""Methods of `object` that tell how it is copied; a class may have its own."""

OWN = ("__deepcopy__", "__copy__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")


def are_atoms(items: Iterable[Any]) -> bool:
    """Whether all items are immutable values; the types are compared, as there may be many."""
    return all(issubclass(kind, ATOMS) for kind in set(map(type, items)))


def keeps_state(function: Any) -> bool:
    """Whether a value is a function of the user's that keeps arrays or numbers in its closure.

    A factory makes it so, whose variables it reads, or changes by `nonlocal`.
    """
    if not isinstance(function, FunctionType) or not function.__closure__:
        return False
    held = [value for _, _, value in cells_of(function)]
    keeps = any(isinstance(one, IN_CELLS) or is_users_object(type(one)) for one in held)
    return keeps and is_users_function(function)


def deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of a value; `memo` has the copies by the ids of the originals, and is added to.

    Raises:
        Exception: an object within cannot be copied, as a lock.
    """
    kind: Any = type(value)
    if kind in KEPT or (kind is tuple and are_atoms(value)):
        return value
    key = id(value)  # asked once, as the sandbox hears it
    if key in memo:
        return memo[key]
    if kind in CONTAINERS and are_atoms(value) and (kind is not dict or are_atoms(value.values())):
        return memo.setdefault(key, copy.copy(value))
    if kind is list:
        items = memo[key] = []
        items += [one if type(one) in KEPT else deep_copy(one, memo) for one in value]
        return items
    if kind is dict:
        named = memo[key] = {}
        named.update((deep_copy(name, memo), deep_copy(one, memo)) for name, one in value.items())
        return named
    if kind is tuple:
        new = [deep_copy(one, memo) for one in value]
        is_same = all(one is other for one, other in zip(value, new, strict=True))
        return memo.setdefault(key, value if is_same else tuple(new))
    if kind is np.nditer:  # it holds its place, and a loop by hand moves it
        return memo.setdefault(key, value.copy())
    if kind is FunctionType and keeps_state(value):
        return _copied_closure(value, memo)
    if kind is partial:
        keywords = {name: deep_copy(one, memo) for name, one in value.keywords.items()}
        given = [deep_copy(one, memo) for one in value.args]
        return memo.setdefault(key, partial(deep_copy(value.func, memo), *given, **keywords))
    if kind in VIEWS:
        (seen,) = gc.get_referents(value)
        return memo.setdefault(key, VIEWS[kind](deep_copy(seen, memo)))
    slots = _slots(kind)
    if slots is None:
        return copy.deepcopy(value, memo)
    made = memo[key] = object.__new__(kind)
    if hasattr(value, "__dict__"):
        attributes = vars(made)
        attributes.update((name, _attribute(one, memo)) for name, one in vars(value).items())
    for name in slots:
        if hasattr(value, name):
            held = getattr(value, name)
            copied = held if type(held) in KEPT else deep_copy(held, memo)
            object.__setattr__(made, name, copied)
    return made


def _attribute(value: Any, memo: dict[int, Any]) -> Any:
    """Return a copy, or the value itself if it cannot be copied: its object has others to copy."""
    try:
        return deep_copy(value, memo)
    except TypeError:  # a generator or a lock, for example
        return value


def _copied_closure(function: FunctionType, memo: dict[int, Any]) -> FunctionType:
    """Return a copy of a function with its own variables, shared by the functions of a factory."""
    own = {name: (cell, value) for name, cell, value in cells_of(function)}
    unfilled = [(cell, value) for cell, value in own.values() if id(cell) not in memo]
    cells = [memo.setdefault(id(one), CellType()) for one in function.__closure__ or ()]
    code, names = function.__code__, function.__globals__
    made = FunctionType(code, names, function.__name__, function.__defaults__, tuple(cells))
    made.__kwdefaults__, made.__qualname__ = function.__kwdefaults__, function.__qualname__
    made.__module__, made.__doc__ = function.__module__, function.__doc__
    vars(made).update(vars(function))
    memo[id(function)] = made
    for cell, value in unfilled:
        memo[id(cell)].cell_contents = deep_copy(value, memo)
    return made


@lru_cache(maxsize=256)
def _slots(kind: Any) -> tuple[str, ...] | None:
    """Return the slots of a class whose objects are their attributes; None for any other class."""
    is_plain = all(getattr(kind, one, None) is getattr(object, one, None) for one in SPECIAL)
    if not is_plain or any(hasattr(kind, one) for one in OWN):
        return None
    slots = tuple(slots_of(kind))
    return None if any(name.startswith("__") for name in slots) else slots
