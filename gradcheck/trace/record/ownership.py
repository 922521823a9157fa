"""Which functions, classes and objects belong to the user, and how to restore them."""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping, Set
from functools import partial
from threading import Thread
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from gradcheck.trace.record.places import TRACE, is_followed
from gradcheck.user.calls import OWN_FOLDER

ADAPTERS = "gradcheck.user"
LIMIT = 50_000
"""The largest number of objects that are searched."""

ATOMS = (str, bytes, bool, int, float, complex, type(None), np.dtype, np.generic, range)
UNSEEN = object()


def boxed(value: Any) -> Any:
    """Wrap an array so that it can be assigned to one element of an object array."""
    if not isinstance(value, np.ndarray):
        return value
    box = np.empty((), dtype=object)
    box[()] = value
    return box


def given_others(
    value: partial[Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Callable[[], None]:
    """Replace the arguments of a partial, and return a function that restores them."""
    before: Any = value.__reduce__()[2]
    settable: Any = value  # the type stubs lack partial.__setstate__
    settable.__setstate__((value.func, arguments, keywords, value.__dict__ or None))
    return lambda: settable.__setstate__(before)


def is_users_object(kind: type) -> bool:
    """Whether objects of a class are searched for arrays, and restored afterwards."""
    if kind is SimpleNamespace or kind.__module__.startswith(ADAPTERS):
        return True
    if issubclass(kind, Thread):
        return False
    return any(is_followed(file_of(base)) for base in kind.__mro__)


def file_of(kind: type) -> str:
    """Return the file in which a class is defined."""
    is_main = kind.__module__ == "__main__"  # which is gradcheck's own beside a file that it runs
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is not None and not is_main:
        return str(file)
    for item in vars(kind).values():
        code = getattr(getattr(item, "__func__", item), "__code__", None)
        if code is not None and not (is_main and code.co_filename.startswith("<")):
            return str(code.co_filename)
    if file is not None and is_followed(str(file)):
        return str(file)
    return "<frozen>" if kind.__module__ in sys.builtin_module_names else "<unknown>"


def is_users_function(function: FunctionType) -> bool:
    """Whether a function is the user's; generated code belongs to its module."""
    file = function.__globals__.get("__file__")
    is_generated = function.__code__.co_filename.startswith("<")
    return is_followed(function.__code__.co_filename) and (
        not is_generated or file is None or is_followed(file)
    )


def is_adapter(function: FunctionType) -> bool:
    """Whether a function is gradcheck's wrapper around a user's function."""
    file = function.__code__.co_filename
    return file.startswith(str(OWN_FOLDER)) and not file.startswith(TRACE)


def names_in(code: CodeType) -> set[str]:
    """Return the global and attribute names that a code object and its inner functions use."""
    inner = (names_in(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def restorer(names: MutableMapping[Any, Any], only: Set[Any] | None = None) -> Callable[[], None]:
    """Return a function that restores the present items of a mapping, or `only` some of them."""
    before = dict(names) if only is None else {key: names[key] for key in only & names.keys()}

    def restore() -> None:
        for key in list(names) if only is None else only & names.keys():
            if key not in before:
                del names[key]
        for key, value in before.items():
            if key not in names or names[key] is not value:
                names[key] = value

    return restore


def list_restorer(items: Any) -> Callable[[], None]:
    """Return a function that restores the present items of a list."""
    before = list(items)

    def restore() -> None:
        if len(items) != len(before) or any(
            new is not old for new, old in zip(items, before, strict=True)
        ):
            items.clear()
            items.extend(before)

    return restore
