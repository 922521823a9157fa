"""What stands for scipy's sparse matrices: their products are those of traced dense ones.

Also where the user's code makes them of traced entries.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.array import call_numpy
from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.nodes import Tape
from gradcheck.trace.record.recording import apply, open_tape, plain

LARGEST = 2_000_000
"""Entries of the dense form, beyond which a sparse matrix is left as it is."""


def is_sparse(value: Any) -> bool:
    """Whether a value is a sparse matrix or array that can be laid out in full."""
    module = sys.modules.get("scipy.sparse")
    if module is None or not module.issparse(value) or value.ndim != 2:
        return False
    return bool(value.dtype.kind == "f" and value.shape[0] * value.shape[1] <= LARGEST)


class Sparse:
    """A sparse matrix whose products are recorded.

    What it is asked beside products, rows and its transpose, the matrix itself answers.

    Args:
        matrix: the matrix, or how to get it.
        dense: the same as a traced array.
    """

    def __init__(self, matrix: Callable[[], Any], dense: Any) -> None:
        self._matrix = matrix
        self._dense = dense

    @property  # type: ignore[misc]  # what isinstance asks for; nobody sets it
    def __class__(self) -> Any:
        return type(self._matrix())

    @property
    def T(self) -> Sparse:  # noqa: N802 - numpy's own name
        """The transpose."""
        return Sparse(lambda: self._matrix().T, self._dense.T)

    def tocsr(self, copy: bool = False) -> Sparse:
        """The same in another layout."""
        return self

    tocsc = tocoo = asformat = copy = tocsr

    def transpose(self) -> Sparse:
        """The transpose."""
        return self.T

    def dot(self, other: Any) -> Any:
        """The product."""
        return self @ other

    def toarray(self) -> Any:
        """All entries."""
        return self._dense.copy()

    def __matmul__(self, other: Any) -> Any:
        return self._dense @ _dense_of(other)

    def __rmatmul__(self, other: Any) -> Any:
        return other @ self._dense

    def __mul__(self, other: Any) -> Any:
        import scipy.sparse

        if isinstance(self._matrix(), scipy.sparse.spmatrix) and np.ndim(other):
            return self @ other
        return self._matrix() * other

    def __getitem__(self, key: Any) -> Any:
        found = self._dense[key]
        if found.ndim == 2:
            return Sparse(lambda: self._matrix()[key], found)
        return self._matrix()[key] if found.ndim == 1 else found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._matrix(), name)


def _dense_of(value: Any) -> Any:
    return value._dense if type(value) is Sparse else value


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
        is_list = isinstance(given, list)
        dense = call_numpy(open_tape(given), np.array, (given,), {}) if is_list else given
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
