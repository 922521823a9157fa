"""Tell the data of a script from what its replays share, and containers of plain values."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any

from gradcheck.trace.record.ownership import ATOMS, is_users_object

SHARED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
COPIED = ("builtins", "numpy", "collections", "__main__", "random", "types", "argparse")
"""Packages whose objects are copied; all replays share the objects of any other package."""

CONTAINERS = (list, tuple, set, dict)


def is_shared(value: Any) -> bool:
    """Whether a value is a module, a function, a class, or an object of some library."""
    module = str(type(value).__module__).split(".")[0]
    return isinstance(value, SHARED) or not (module in COPIED or is_users_object(type(value)))


def plain_containers(value: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield the containers in a structure whose items are all immutable, each container once.

    For these `copy.copy` is as good as `copy.deepcopy`, and does not visit every item in Python.
    """
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, ATOMS):
        return
    seen.add(id(value))
    items = _items(value)
    if type(value) in CONTAINERS and are_atoms(items):
        yield value
        return
    for item in items:
        yield from plain_containers(item, seen)


def are_atoms(items: Iterable[Any]) -> bool:
    """Whether all items are immutable values; the types are compared, as there may be many."""
    return all(issubclass(kind, ATOMS) for kind in set(map(type, items)))


def _items(value: Any) -> list[Any]:
    if type(value) is dict:
        return [*value, *value.values()]
    if type(value) in CONTAINERS:
        return list(value)
    attributes = getattr(value, "__dict__", None)
    return list(attributes.values()) if type(attributes) is dict and not is_shared(value) else []
