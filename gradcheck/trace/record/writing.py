"""Record operations that write to arrays."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.functions import changed, filled, filled_where
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.recording import (
    as_arrays,
    open_tape,
    plain,
    record_failure,
    reference,
    unwatched,
)
from gradcheck.trace.record.storage import Storage, Traced

LARGE = 1024
"""Size from which an array is not copied for every entry that is written."""


@unwatched
def change(
    tape: Tape | None,
    name: str,
    function: Callable[..., Any],
    target: Any,
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """Call a function that changes its first argument, and record the new value."""
    tape = tape if tape is not None and tape.open else None
    arguments = as_arrays(name, arguments)
    bare = plain(arguments)
    bare_keywords = plain(dict(keywords))
    if not isinstance(target, Traced):
        if tape is not None:
            tape.leak(f"{name} wrote into an array that is not followed")
        return function(target, *bare, **bare_keywords)
    if tape is None:
        tape = open_tape((target, arguments))
    if tape is None:
        return function(plain(target), *bare, **bare_keywords)
    if function is operator.setitem and _postponed(tape, target, *arguments):
        return None
    replayed = partial(changed, function, target.shape, target.dtype)
    act = partial(function, plain(target), *bare, **bare_keywords)
    write_back(tape, name, replayed, (target, *arguments), keywords, target, act)
    return None


def _postponed(tape: Tape, target: Any, key: Any, value: Any) -> bool:
    """Carry out a write to one entry, or row, of a large array; False if it is none."""
    bare: NDArray[Any] = np.ndarray.view(target, np.ndarray)
    indices = key if type(key) is tuple else (key,)
    if (
        bare.size < LARGE
        or len(indices) > bare.ndim
        or not all(
            (type(one) is int or isinstance(one, np.integer)) and -length <= one < length
            for one, length in zip(indices, bare.shape, strict=False)
        )
    ):
        return False
    is_fitting = np.shape(value) == bare.shape[len(indices) :]
    if not is_fitting or target.storage is None or not target.storage.is_whole(bare):
        return False
    argument = reference(tape, value)
    bare[key] = plain(value)
    entry = tuple(int(one) % length for one, length in zip(indices, bare.shape, strict=False))
    target.storage.postpone(entry, key, argument, tape.calls.here())
    return True


def write_back(
    tape: Tape,
    name: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    target: Any,
    act: Callable[[], Any],
) -> None:
    """Carry out and record an operation that writes to `target`.

    `function` returns the new value in a new array, from the old values of the arguments; `act`
    carries out the operation itself.
    """
    references, named = reference(tape, arguments), reference(tape, dict(keywords))
    if target.storage is not None:
        target.storage.settle()
    try:
        act()
    except Exception:
        record_failure(tape, name, function, references, named)
        raise
    bare: NDArray[Any] = np.ndarray.view(target, np.ndarray)
    node = tape.record(name, function, references, named, bare)
    if target.storage is None or not target.storage.covers(bare):
        target.storage = Storage(tape, bare, node)
    target.storage.written(bare, node)
    target.node, target.version = node, target.storage.version


@unwatched
def compute_into(
    tape: Tape | None,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    name: str,
    out: Any,
) -> Any:
    """Call a function with an `out` argument, and return that argument."""
    arguments = as_arrays(name, arguments)
    bare = plain(arguments)
    bare_keywords = plain(dict(keywords))
    if tape is None:
        function(*bare, out=plain(out), **bare_keywords)
        return out
    if not isinstance(out, Traced):
        traced = out.view(tape.array_type)
        traced.tape, out = tape, traced
        traced.storage = Storage(tape, plain(traced), tape.leaf("buffer", plain(traced)))
        traced.node = traced.storage.node
    into = partial(filled, function, out.shape, out.dtype)
    if keywords.get("where", True) is not True:
        into, arguments = partial(filled_where, function), (out, *arguments)
    act = partial(function, *bare, out=plain(out), **bare_keywords)
    write_back(tape, name, into, arguments, keywords, out, act)
    return out
