"""What stands for scipy's sparse matrices where the user's code makes them of traced entries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.array import call_numpy
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.recording import apply, open_tape, plain
from gradcheck.trace.record.sparse import LARGEST, Sparse

KINDS = frozenset(split_names("coo_matrix coo_array csr_matrix csr_array csc_matrix csc_array"))
DIAGONALS = ("diags", "diags_array")

Indices = NDArray[np.intp]
Entries = tuple[Any, Indices, Indices, tuple[int, int]]
"""Traced entries, their rows and columns, and the shape of the matrix."""


def sparse_form(value: Any, tape: Tape) -> Any:
    """What makes a followed matrix in the place of a class, or a function, of `scipy.sparse`."""
    name, module = getattr(value, "__name__", ""), getattr(value, "__module__", None) or ""
    if not module.startswith("scipy.sparse"):
        return None
    if name in KINDS and isinstance(value, type):
        return _Kind(name, (), {"made": value, "tape": tape})
    return _of_diagonals(value, tape) if name in DIAGONALS else None


class _Kind(type):
    """A class that makes what is followed, and is the real one to `isinstance`."""

    made: Any
    tape: Tape

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        try:
            entries = _entries(cls.__name__, arguments, keywords)
        except (TypeError, ValueError, IndexError):
            entries = None
        if isinstance(entries, Sparse):
            return entries
        found = None if entries is None else _laid_out(cls.tape, entries)
        return cls.made(*plain(arguments), **plain(keywords)) if found is None else found

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.made)


def _entries(name: str, arguments: Any, keywords: Any) -> Entries | Sparse | None:
    given = arguments[0]
    if type(given) is Sparse:
        return given
    if open_tape(given) is None:
        return None
    if not isinstance(given, tuple):
        dense = given
        return Sparse(lambda: _real(dense), dense) if np.ndim(plain(given)) == 2 else None
    shape = keywords.get("shape") or (arguments[1] if len(arguments) > 1 else None)
    if len(given) == 2:
        rows, columns = (np.asarray(plain(one)).ravel() for one in given[1])
    else:
        inner, ends = (np.asarray(plain(one)) for one in given[1:])
        outer = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        rows, columns = (outer, inner) if name.startswith("csr") else (inner, outer)
    if shape is None:
        shape = int(rows.max()) + 1, int(columns.max()) + 1
    return given[0], rows.astype(np.intp), columns.astype(np.intp), tuple(plain(shape))


def _of_diagonals(real: Callable[..., Any], tape: Tape) -> Callable[..., Any]:
    def made(diagonals: Any, offsets: Any = 0, shape: Any = None, **keywords: Any) -> Any:
        whole = {"offsets": plain(offsets), "shape": plain(shape), **plain(keywords)}
        lines = diagonals if isinstance(diagonals, list | tuple) else [diagonals]
        places = [int(one) for one in np.ravel(np.asarray(plain(offsets)))]
        wanted = real(plain(diagonals), **whole)
        lengths = [_length(one, wanted.shape) for one in places]
        if open_tape(diagonals) is None or [np.size(plain(one)) for one in lines] != lengths:
            return wanted
        data = call_numpy(tape, np.concatenate, ([*lines],), {}) if len(lines) > 1 else lines[0]
        steps = [np.arange(length) for length in lengths]
        rows = np.concatenate([s + max(-k, 0) for s, k in zip(steps, places, strict=True)])
        columns = np.concatenate([s + max(k, 0) for s, k in zip(steps, places, strict=True)])
        found = _laid_out(tape, (data, rows, columns, wanted.shape))
        return wanted if found is None else found

    return made


def _length(offset: int, shape: tuple[int, int]) -> int:
    return min(shape[0] + min(offset, 0), shape[1] - max(offset, 0))


def _laid_out(tape: Tape, entries: Entries) -> Sparse | None:
    """The matrix, as a traced dense one; None where entries are added up, or are too many."""
    data, rows, columns, shape = entries
    is_one_each = len(np.unique(rows * shape[1] + columns)) == len(rows)
    if math.prod(shape) > LARGEST or not is_one_each:
        return None

    def sparse(values: Any) -> Any:
        dense = np.zeros(shape)
        dense[rows, columns] = np.ravel(values)
        return dense

    dense = apply(tape, sparse, (data,), {}, "sparse")
    return Sparse(lambda: _real(dense), dense)


def _real(dense: Any) -> Any:
    from scipy.sparse import csc_matrix

    return csc_matrix(np.asarray(plain(dense)))
