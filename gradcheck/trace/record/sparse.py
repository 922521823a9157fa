"""Replacements of scipy's sparse matrices and their constructors: they use dense arrays."""

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
"""Largest number of entries of the dense form; larger sparse matrices are not traced."""


def is_sparse(value: Any) -> bool:
    """Whether a value is a sparse matrix or array that is small enough for a dense form."""
    module = sys.modules.get("scipy.sparse")
    if module is None or not module.issparse(value) or value.ndim != 2:
        return False
    return bool(value.dtype.kind == "f" and value.shape[0] * value.shape[1] <= LARGEST)


class Sparse:
    """A sparse matrix whose products are recorded.

    Products, rows and the transpose are traced; all else is left to the matrix itself.

    Args:
        matrix: returns the sparse matrix.
        dense: the same matrix as a traced dense array.
    """

    def __init__(self, matrix: Callable[[], Any], dense: Any) -> None:
        self._matrix = matrix
        self._dense = dense

    @property  # type: ignore[misc]  # for isinstance; it is never set
    def __class__(self) -> Any:
        return type(self._matrix())

    @property
    def T(self) -> Sparse:  # noqa: N802 - numpy's own name
        """The transpose."""
        return Sparse(lambda: self._matrix().T, self._dense.T)

    def tocsr(self, copy: bool = False) -> Sparse:
        """Return the same matrix: the layout does not matter here."""
        return self

    tocsc = tocoo = asformat = copy = tocsr

    def transpose(self) -> Sparse:
        """Return the transpose."""
        return self.T

    def dot(self, other: Any) -> Any:
        """Return the product."""
        return self @ other

    def toarray(self) -> Any:
        """Return the dense form."""
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
        part = self._dense[key]
        if part.ndim == 2:
            return Sparse(lambda: self._matrix()[key], part)
        return self._matrix()[key] if part.ndim == 1 else part

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
    """Return a replacement of a class or function of `scipy.sparse`; None if there is none."""
    name, module = getattr(value, "__name__", ""), getattr(value, "__module__", None) or ""
    if not module.startswith("scipy.sparse"):
        return None
    if name in KINDS and isinstance(value, type):
        return _Kind(name, (), {"made": value, "tape": tape})
    return _of_diagonals(value, tape) if name in DIAGONALS else None


class _Kind(type):
    """A class that makes traced matrices, and equals the real class for `isinstance`."""

    made: Any
    tape: Tape

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        try:
            entries = _entries(cls.__name__, arguments, keywords)
        except (TypeError, ValueError, IndexError):
            entries = None
        if isinstance(entries, Sparse):
            return entries
        matrix = None if entries is None else _laid_out(cls.tape, entries)
        return cls.made(*plain(arguments), **plain(keywords)) if matrix is None else matrix

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.made)


def _entries(name: str, arguments: Any, keywords: Any) -> Entries | Sparse | None:
    matrix = arguments[0]
    if type(matrix) is Sparse:
        return matrix
    if open_tape(matrix) is None:
        return None
    if not isinstance(matrix, tuple):
        is_list = isinstance(matrix, list)
        dense = call_numpy(open_tape(matrix), np.array, (matrix,), {}) if is_list else matrix
        return Sparse(lambda: _real(dense), dense) if np.ndim(plain(matrix)) == 2 else None
    shape = keywords.get("shape") or (arguments[1] if len(arguments) > 1 else None)
    if len(matrix) == 2:
        rows, columns = (np.asarray(plain(one)).ravel() for one in matrix[1])
    else:
        inner, ends = (np.asarray(plain(one)) for one in matrix[1:])
        outer = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        rows, columns = (outer, inner) if name.startswith("csr") else (inner, outer)
    if shape is None:
        shape = int(rows.max()) + 1, int(columns.max()) + 1
    return matrix[0], rows.astype(np.intp), columns.astype(np.intp), tuple(plain(shape))


def _of_diagonals(real: Callable[..., Any], tape: Tape) -> Callable[..., Any]:
    def made(diagonals: Any, offsets: Any = 0, shape: Any = None, **keywords: Any) -> Any:
        options = {"offsets": plain(offsets), "shape": plain(shape), **plain(keywords)}
        lines = diagonals if isinstance(diagonals, list | tuple) else [diagonals]
        places = [int(one) for one in np.ravel(np.asarray(plain(offsets)))]
        plain_matrix = real(plain(diagonals), **options)
        lengths = [_length(one, plain_matrix.shape) for one in places]
        if open_tape(diagonals) is None or [np.size(plain(one)) for one in lines] != lengths:
            return plain_matrix
        data = call_numpy(tape, np.concatenate, ([*lines],), {}) if len(lines) > 1 else lines[0]
        steps = [np.arange(length) for length in lengths]
        rows = np.concatenate([s + max(-k, 0) for s, k in zip(steps, places, strict=True)])
        columns = np.concatenate([s + max(k, 0) for s, k in zip(steps, places, strict=True)])
        matrix = _laid_out(tape, (data, rows, columns, plain_matrix.shape))
        return plain_matrix if matrix is None else matrix

    return made


def _length(offset: int, shape: tuple[int, int]) -> int:
    return min(shape[0] + min(offset, 0), shape[1] - max(offset, 0))


def _laid_out(tape: Tape, entries: Entries) -> Sparse | None:
    """Return the matrix in traced dense form; None if it is too large, or entries coincide."""
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
