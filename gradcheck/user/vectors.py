"""The user's vector function and its Jacobian, in the forms in which users write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.pattern import Pattern
from gradcheck.user.blocks import Parameters, by_block, describe
from gradcheck.user.bounds import Bounds
from gradcheck.user.calls import Raised, UserCodeError, call
from gradcheck.user.complexes import of_both_parts
from gradcheck.user.tensors import as_numbers
from gradcheck.words import indexed

FUNCTION = "your function"
JACOBIAN = "your Jacobian"
ROW = "residual"


@dataclass(frozen=True)
class Matrix:
    """The entries of a Jacobian in its sparsity pattern; all entries if it is dense."""

    pattern: Pattern
    values: Array

    @property
    def dense(self) -> Array:
        """The whole of it, with 0 where it has no entry."""
        whole = np.zeros(self.pattern.shape)
        whole[self.pattern.rows, self.pattern.columns] = self.values
        return whole

    def transposed(self) -> Array:
        """The entry (j, i) for every entry (i, j) of a square matrix; 0 if there is none."""
        rows, columns = self.pattern.shape
        if len(self.values) == rows * columns:
            return self.values.reshape(columns, rows).T.ravel()
        keys = self.pattern.columns * rows + self.pattern.rows
        wanted = self.pattern.rows * rows + self.pattern.columns
        at = np.clip(np.searchsorted(keys, wanted), 0, max(len(keys) - 1, 0))
        return np.where(keys[at] == wanted, self.values[at], 0.0)


@dataclass
class Vectors:
    """The user's function of flat parameters.

    Attributes:
        of_loss: whether it is the gradient of a loss by these parameters.
        named: names the values, given their number; None for the usual names.
        outside: the exceptions of the function at moved parameters.
        is_complex: whether the values are complex; then all real parts come first.
        loss: the loss of a flat vector whose differences are the function, or None.
    """

    parameters: Parameters
    function: Callable[..., Any]
    shape: tuple[int, ...] = ()
    bounds: Bounds | None = None
    of_loss: bool = False
    named: Callable[[int], str] | None = None
    outside: list[Raised] = field(default_factory=list)
    is_complex: bool = False
    loss: Callable[..., Any] | None = None

    @property
    def point(self) -> Array:
        """The parameters in one vector."""
        return self.parameters.flat

    @property
    def has_parts(self) -> bool:
        """Whether values or parameters are complex, so that each has two parts."""
        return self.is_complex or self.parameters.has_complex

    @property
    def rows(self) -> int:
        """The number of values that the function returns."""
        return math.prod(self.shape)

    def asked(self, flat: Array) -> NDArray[np.float64]:
        """Calls the function at flat parameters; the values in their shape, complex ones split."""
        given = call(self.function, FUNCTION, self.parameters.pack_flat(flat))
        returned = self.real(given)
        if returned.dtype.kind not in "fiu":
            raise UsageError(f"{FUNCTION} returned {describe(given)}; it must return numbers")
        if self.shape and returned.shape != self.shape:
            raise UsageError(
                f"{FUNCTION} returned shape {returned.shape} with a parameter moved, and "
                f"{self.shape} before"
            )
        return returned.astype(np.float64)

    def real(self, given: Any) -> NDArray[Any]:
        """What the function returned, real parts before imaginary ones."""
        returned = as_numbers(given)
        self.is_complex |= returned.dtype.kind == "c"
        return _both_parts(returned) if self.is_complex else returned

    def moved(self, flat: Array) -> Array:
        """The values at moved parameters, (m,); nan if the function raises."""
        try:
            return self.asked(flat).reshape(-1)
        except UserCodeError as error:
            if not isinstance(error.raised.error, Exception):
                raise
            self.outside.append(error.raised)
            return np.full(self.rows, np.nan)

    def inside(self, flat: Array) -> Array:
        """The parameters clipped to the bounds."""
        return flat if self.box is None else np.clip(flat, *self.box)

    @property
    def box(self) -> tuple[Array, Array] | None:
        """The bounds (low, high) of every parameter, or None."""
        return None if self.bounds is None else self.bounds.flat

    def place(self, column: int) -> tuple[int, int]:
        """The block and the flat index of a column."""
        for block, value in enumerate(self.parameters.values):
            if column < value.size:
                return block, column
            column -= value.size
        raise IndexError(column)

    @property
    def matrix_name(self) -> str:
        """The name of the matrix of derivatives."""
        return "Hessian" if self.of_loss else "Jacobian"

    def row_name(self, row: int) -> str:
        """A value of the function in words: `fun(x)[3]`, or `residual[3]` without a name."""
        if self.named is not None:
            return self.named(row)
        if self.of_loss:
            return f"dL/d {self.column_name(row)}"
        if self.is_complex:
            half, shape = self.rows // 2, (self.shape[0] // 2, *self.shape[1:])
            part = "imag" if row >= half else "real"
            return f"{replace(self, shape=shape, is_complex=False).row_name(row % half)}.{part}"
        index = np.unravel_index(row, self.shape) if self.shape else ()
        called, names = getattr(self.function, "__name__", ""), self.parameters.names
        given = names[0] if len(names) == 1 else "..."
        text = f"{called}({given})" if called.isidentifier() else ROW
        return indexed(text, index)

    def derivative_name(self, row: int, by: str) -> str:
        """The derivative of a value by the parameter named `by`, in words."""
        if self.of_loss:
            return f"d2L / d {self.column_name(row)} d {by}"
        return f"d {self.row_name(row)} / d {by}"

    def column_name(self, column: int) -> str:
        """A parameter as the user would write it."""
        return self.parameters.entry_name(*self.place(column))


def read_matrix(returned: Any, vectors: Vectors, more: Pattern | None = None) -> Matrix:
    """Reads a Jacobian: a dense array, a sparse matrix, or arrays by block.

    `more` is a pattern whose entries are added, as 0 if they are missing.
    """
    shape = vectors.rows, len(vectors.point)
    if vectors.parameters.has_complex:
        returned = of_both_parts(returned, vectors)
    if hasattr(returned, "tocsc"):
        matrix = returned.tocsc()
        if vectors.is_complex and matrix.shape != shape:
            from scipy.sparse import vstack

            matrix = vstack([matrix.real, matrix.imag]).tocsc()
        if matrix.shape != shape:
            raise WrongShapeError(matrix.shape, shape, matrix.toarray)
        return _of_sparse(matrix, shape, more)
    dense = _dense(returned, vectors)
    if more is not None and not more.is_full:
        outside = np.ones(shape, dtype=bool)
        outside[more.rows, more.columns] = False
        if not np.any(dense[outside]):
            return Matrix(more, dense[more.rows, more.columns])
    if more is None or not more.is_full:
        starts = np.arange(shape[1] + 1) * shape[0]
        more = Pattern(starts, np.tile(np.arange(shape[0]), shape[1]), shape)
    return Matrix(more, dense.T.flatten())


class WrongShapeError(UsageError):
    """The Jacobian has a wrong shape; `dense` returns it as an array."""

    def __init__(
        self, shape: tuple[int, ...], wanted: tuple[int, int], dense: Callable[[], Array]
    ) -> None:
        super().__init__(
            f"{JACOBIAN} has shape {shape}; it must have {wanted}: one row for each value that "
            "your function returns, one column for each parameter"
        )
        self.shape, self.wanted, self.dense = shape, wanted, dense


def read_pattern(given: Any, shape: tuple[int, int]) -> Pattern | None:
    """The pattern of `sparsity`, an array or a sparse matrix that is nonzero at the entries.

    Of a pair (pattern, groups of columns), as scipy takes it, the groups are found anew.
    """
    if given is None:
        return None
    from scipy.sparse import csc_matrix

    with_groups = isinstance(given, tuple) and len(given) == 2 and np.ndim(given[1]) == 1
    pattern = csc_matrix(given[0] if with_groups else given)
    if pattern.shape != shape:
        raise UsageError(f"sparsity has shape {pattern.shape}; the Jacobian has {shape}")
    pattern.eliminate_zeros()
    return _of_sparse(pattern, shape, None).pattern


def _of_sparse(matrix: Any, shape: tuple[int, int], more: Pattern | None) -> Matrix:
    from scipy.sparse import csc_matrix

    matrix = csc_matrix(matrix, copy=True)
    matrix.sum_duplicates()
    matrix.sort_indices()
    if more is not None:
        if np.array_equal(matrix.indptr, more.starts) and np.array_equal(matrix.indices, more.rows):
            return Matrix(more, np.asarray(matrix.data, dtype=np.float64))
        # the patterns are added, not the values, since 0 + nan would be nan
        places = csc_matrix((np.ones(len(matrix.data)), matrix.indices, matrix.indptr), shape)
        places = places + csc_matrix((np.ones(len(more.rows)), more.rows, more.starts), shape)
        places.sort_indices()
        columns = np.repeat(np.arange(shape[1]), np.diff(places.indptr))
        values = np.asarray(matrix[places.indices, columns]).ravel()
        matrix = csc_matrix((values, places.indices, places.indptr), shape)
    matrix.sort_indices()
    pattern = Pattern(matrix.indptr.astype(np.intp), matrix.indices.astype(np.intp), shape)
    return Matrix(pattern, np.asarray(matrix.data, dtype=np.float64))


def _both_parts(array: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([np.atleast_1d(array.real), np.atleast_1d(array.imag)])


def _of_blocks(returned: Any, parameters: Parameters) -> Any:
    """The whole of a Hessian in blocks by two parameters each, as jax and torch give it."""
    names, sizes = parameters.names, [value.size for value in parameters.values]
    blocks = [by_block(part, names) for part in by_block(returned, names)]
    arrays = [list(map(as_numbers, row)) for row in blocks]
    if [[array.size for array in row] for row in arrays] != np.outer(sizes, sizes).tolist():
        return returned
    rows = zip(arrays, sizes, strict=True)
    return np.block([[one.reshape(size, -1) for one in row] for row, size in rows])


def _dense(returned: Any, vectors: Vectors) -> Array:
    shape = vectors.rows, len(vectors.point)
    parameters = vectors.parameters
    if vectors.of_loss and isinstance(returned, Mapping | tuple):
        returned = _of_blocks(returned, parameters)
    parts = by_block(returned, parameters.names)
    if isinstance(returned, Mapping) and len(parts) < len(parameters.names):
        absent = [name for name in parameters.names if name not in returned]
        raise UsageError(f"your {vectors.matrix_name} holds nothing for {', '.join(absent)}")
    arrays = [as_numbers(part) for part in parts]
    if vectors.is_complex and arrays[0].shape != shape:
        arrays = [_both_parts(array) for array in arrays]
    for part, array in zip(parts, arrays, strict=True):
        if array.dtype.kind not in "fiub":
            raise UsageError(
                f"your {vectors.matrix_name} is {describe(part)}; it must hold real numbers, "
                "rows of one length"
            )
    if len(arrays) == len(parameters.names):
        fitting = [
            array.shape in ((*vectors.shape, *own), (vectors.rows, math.prod(own)))
            or (1 in shape and array.size == vectors.rows * math.prod(own) and array.ndim < 2)
            for array, own in zip(arrays, parameters.shapes, strict=True)
        ]
        if all(fitting):
            flat = [array.reshape(vectors.rows, -1) for array in arrays]
            whole = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
            return whole.astype(np.float64, copy=False)
    if arrays[0].shape != shape:
        raise WrongShapeError(arrays[0].shape, shape, lambda: arrays[0].astype(np.float64))
    return arrays[0].astype(np.float64, copy=False)
