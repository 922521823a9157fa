"""Record operations that write to arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.functions import changed, filled, filled_where
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.recording import as_arrays, open_tape, plain, record_failure, reference
from gradcheck.trace.record.storage import Storage, Traced


def change(
    tape: Tape | None,
    name: str,
    function: Callable[..., Any],
    target: Any,
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> Any:
    """Call a function that changes its first argument, and record the new value."""
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
    replayed = partial(changed, function, target.shape, target.dtype)
    act = partial(function, plain(target), *bare, **bare_keywords)
    write_back(tape, name, replayed, (target, *arguments), keywords, target, act)
    return None


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
