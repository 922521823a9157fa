"""Carry out an operation on plain arrays, and record it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

import numpy as np

from gradcheck.arrays import mapped
from gradcheck.trace.record.floats import Float
from gradcheck.trace.record.functions import TAKE_ARRAYS, one_of
from gradcheck.trace.record.matrices import (
    as_matrix,
    as_plain_array,
    holds_matrix,
    makes_array,
    of_arrays,
    shape_of_part,
)
from gradcheck.trace.record.names import SHAPED
from gradcheck.trace.record.nodes import RAISED, Reference, Tape
from gradcheck.trace.record.storage import Storage, Traced

DEPTH = 4
"""Depth to which the arguments of a function are searched for traced arrays."""


def plain(value: Any) -> Any:
    """Return a value without tracing, as those in lists, tuples and dicts; arrays keep memory."""
    return mapped(_plain, value)


def _plain(value: Any) -> Any:
    if isinstance(value, Traced):
        return np.ndarray.view(value, np.ndarray) if value.scalar is None else value.scalar
    if type(value) is slice:
        return slice(_plain(value.start), _plain(value.stop), _plain(value.step))
    return float if value is Float else value


def open_tape(value: Any, depth: int = 0) -> Tape | None:
    """Return the open tape of a traced array among some values, if there is one."""
    if isinstance(value, Traced):
        return value.tape if value.tape is not None and value.tape.open else None
    if type(value) is dict:
        value = list(value.values())
    if type(value) in (list, tuple) and depth <= DEPTH:
        for item in value:
            tape = open_tape(item, depth + 1)
            if tape is not None:
                return tape
    return None


def reference(tape: Tape, value: Any) -> Any:
    """Return a value as an argument of a node, with references for the arrays in it."""
    return mapped(partial(_reference, tape), value)


def _reference(tape: Tape, value: Any) -> Any:
    if isinstance(value, Traced):
        return Reference(node_of(tape, value))
    if value is Float:
        return float
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fc" and value.size:
            return Reference(tape.leaf("constant", value))
        return np.array(value)
    return value


def node_of(tape: Tape, array: Any) -> int:
    """Return the index of the node with an array's present value."""
    storage = array.storage
    if array.node is None:
        bare = np.ndarray.view(array, np.ndarray)
        if storage is not None and storage.covers(bare):
            array.node = storage.read(bare)
        else:
            if array.size:
                tape.leak("an array was made where it could not be followed")
            array.node = tape.leaf("untracked", bare)
            array.storage = storage = Storage(tape, bare, array.node)
        array.version = storage.version
    elif storage is not None and array.version != storage.version:
        array.node = storage.read(np.ndarray.view(array, np.ndarray))
        array.version = storage.version
    elif tape.nodes[array.node].value.shape != array.shape:
        arguments = (Reference(array.node), array.shape)
        array.node = tape.record("reshape", np.reshape, arguments, {}, array)
    return int(array.node)


def is_noted(tape: Tape, array: Any) -> bool:
    """True if the tape has a node with an array's present value, and need not make one."""
    storage = array.storage
    is_old = storage is not None and array.version != storage.version
    return (
        array.node is not None and not is_old and tape.nodes[array.node].value.shape == array.shape
    )


def unwatched(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Let no hook see the lines of an operation on a tape, its first argument: they are ours."""

    @wraps(operation)
    def carried_out(tape: Tape | None, *given: Any, **named: Any) -> Any:
        hook = None if tape is None else tape.hook
        if hook is None or sys.gettrace() is not hook:
            return operation(tape, *given, **named)
        sys.settrace(None)
        try:
            return operation(tape, *given, **named)
        finally:
            sys.settrace(hook)

    return carried_out


@unwatched
def apply(
    tape: Tape | None,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    name: str,
    force: bool = False,
) -> Any:
    """Call a function that changes none of its arguments, and record it under a standard name.

    Nothing is recorded if `tape` is None. With `force`, the call is recorded even if none of the
    arguments is traced.
    """
    arguments = as_arrays(name, arguments)
    if tape is not None and any(map(holds_matrix, arguments)):
        return _apply_to_matrices(tape, function, arguments, keywords, name)
    bare = plain(arguments)
    bare_keywords = plain(dict(keywords)) if keywords else {}
    if tape is None or not (force or open_tape((arguments, keywords)) is not None):
        return function(*bare, **bare_keywords)
    try:
        value = function(*bare, **bare_keywords)
    except Exception:
        record_failure(tape, name, function, arguments, keywords)
        raise
    if isinstance(value, np.ndarray):  # asarray may return its argument: no operation
        for bare_argument, argument in zip(bare, arguments, strict=True):
            if value is bare_argument and isinstance(argument, Traced):
                return argument
    return _wrapped(tape, value, name, function, arguments, keywords)


def _apply_to_matrices(
    tape: Tape,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    name: str,
) -> Any:
    """Do an operation as numpy's matrices do it, on arrays, whose results have two axes."""
    operation = of_arrays(function, mapped(as_plain_array, arguments), keywords, name)
    result = apply(tape, *operation)
    is_array = isinstance(result, Traced) and result.scalar is None
    if not is_array or makes_array(function, name):
        return result
    if result.ndim == 1:
        shape = shape_of_part(arguments) if name == "getitem" else (1, -1)
        result = apply(tape, np.reshape, (result, shape), {}, "reshape")
    return as_matrix(result)


def as_arrays(name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of an operation, with arrays for lists that it takes as such."""
    return tuple(map(as_array, arguments)) if name in TAKE_ARRAYS else arguments


def as_array(value: Any) -> Any:
    """Return a list of traced numbers as a traced array; any other value as it is."""
    tape = open_tape(value) if type(value) in (list, tuple) else None
    return value if tape is None else apply(tape, np.array, (value,), {}, "array")


def record_failure(
    tape: Tape, name: str, function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> None:
    """Record an operation that raised an exception, with its operands."""
    references, named = reference(tape, arguments), reference(tape, dict(keywords))
    index = tape.record(f"{RAISED} {name}", function, references, named, np.nan)
    tape.failed = tape.nodes[index]


def _wrapped(
    tape: Tape,
    value: Any,
    name: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """Return a result as a traced array or number; one without numbers is returned as it is."""
    is_named = isinstance(value, tuple) and hasattr(value, "_fields")
    if type(value) in (list, tuple) or is_named:
        if not any(isinstance(item, np.ndarray | np.generic | float | complex) for item in value):
            return value
        items = []
        for index, item in enumerate(value):
            one, of = f"{name}[{index}]", partial(one_of, function, index)
            items.append(_wrapped(tape, item, one, of, arguments, keywords))
        if is_named:
            return type(value)(*items)
        return items if type(value) is list else tuple(items)
    if type(value) is np.ndarray:
        if value.dtype.kind not in "fiubc":
            return value
    elif isinstance(value, np.ndarray):
        tape.leak(f"numpy's {type(value).__name__} is not followed")
        return value
    elif type(value) not in (float, complex) and not isinstance(value, np.inexact | np.bool_):
        return value
    used = plain(arguments) if name in SHAPED else arguments
    references, named = reference(tape, used), reference(tape, dict(keywords))
    node = tape.record(name, function, references, named, value)
    return _as_traced(tape, value, node, arguments)


def _as_traced(tape: Tape, value: Any, node: int, arguments: tuple[Any, ...]) -> Any:
    traced = np.asarray(value).view(tape.array_type)
    traced.tape, traced.node = tape, node
    if not isinstance(value, np.ndarray):
        traced.scalar = value
        return traced
    storages = (one.storage for one in arguments if isinstance(one, Traced) and one.storage)
    shared = (one for one in storages if value.base is not None and one.covers(value))
    traced.storage = next(shared, None) or Storage(tape, value, node)
    traced.version = traced.storage.version
    return traced
