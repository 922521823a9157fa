"""What stands for a sparse matrix of scipy's: its products are those of a traced dense one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

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
        return self._dense @ _laid_out(other)

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


def _laid_out(value: Any) -> Any:
    return value._dense if type(value) is Sparse else value
