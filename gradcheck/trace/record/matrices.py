"""Traced arrays in place of numpy's matrices: `*` is their product, and they have two axes.

What a matrix does is recorded as what arrays do: a product, a sum that keeps its axis. The rules
are those of `numpy.matrix`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gradcheck.trace.record.names import split_names
from gradcheck.trace.record.storage import Traced

REDUCTIONS = split_names("all any max mean min prod std sum var")
"""The functions and methods along an axis whose results have two axes too."""

TO_ARRAYS = split_names(
    "array asarray ascontiguousarray bincount copy einsum interp outer ravel select where"
)
"""The functions that make an array of a matrix."""

Operation = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any], str]
"""A function, its arguments, and its standard name."""


def holds_matrix(value: Any) -> bool:
    """Whether a value is a matrix, traced or not, or a list with one."""
    if isinstance(value, Traced):  # first, as every operation is asked
        return value.is_matrix
    if isinstance(value, list | tuple):
        return any(isinstance(one, np.ndarray) and holds_matrix(one) for one in value)
    return type(value) is np.matrix


def as_plain_array(value: Any) -> Any:
    """Return a matrix as the array of the same memory; any other value as it is."""
    if type(value) is np.matrix:
        return np.ndarray.view(value, np.ndarray)
    if not isinstance(value, Traced) or not value.is_matrix:
        return value
    return _viewed(value, value.tape.array_type if value.tape is not None else Traced)


def as_matrix(array: Traced) -> Traced:
    """Return a traced array with two axes as a traced matrix of the same memory."""
    if array.ndim == 2 and array.tape is not None and array.node is not None:
        array.tape.nodes[array.node].is_matrix = True
    return _viewed(array, type(array).matrix_type) if array.ndim == 2 else array


def _viewed(array: Traced, kind: type[Traced]) -> Traced:
    viewed: Traced = np.ndarray.view(array, kind)
    viewed.tape, viewed.storage = array.tape, array.storage
    viewed.node, viewed.version, viewed.scalar = array.node, array.version, array.scalar
    return viewed


def of_arrays(
    function: Callable[..., Any], arguments: tuple[Any, ...], keywords: Mapping[str, Any], name: str
) -> Operation:
    """Return the operation on arrays that does what this one does on matrices."""
    if function is operator.mul and all(map(np.ndim, arguments)):
        return operator.matmul, tuple(map(_with_two_axes, arguments)), keywords, "matmul"
    axis = keywords.get("axis", next(iter(arguments[1:]), None))
    if name in REDUCTIONS and axis is not None:
        keywords = {**keywords, "keepdims": True}
    return function, arguments, keywords, name


def _with_two_axes(value: Any) -> Any:
    return np.reshape(value, (1, -1)) if np.ndim(value) == 1 else value


def makes_array(function: Callable[..., Any], name: str) -> bool:
    """Whether a function makes an array of a matrix; a method of that name makes a matrix."""
    return name in TO_ARRAYS and not isinstance(function, partial)


def shape_of_part(arguments: tuple[Any, ...]) -> tuple[int, int]:
    """Return the shape of a row or a column that is taken out of a matrix by an index."""
    _, key = arguments
    is_column = isinstance(key, tuple) and len(key) > 1 and np.isscalar(key[1])
    return (-1, 1) if is_column else (1, -1)
