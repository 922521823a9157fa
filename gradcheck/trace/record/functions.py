"""The operators, methods and functions that are recorded, with their standard names."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.record.names import split_names

Shape = tuple[int, ...]

OPERATORS: dict[str, tuple[str, Callable[..., Any], bool | None]] = {
    "add": ("add", operator.add, True),
    "sub": ("subtract", operator.sub, True),
    "mul": ("multiply", operator.mul, True),
    "truediv": ("divide", operator.truediv, True),
    "matmul": ("matmul", operator.matmul, True),
    "pow": ("power", operator.pow, True),
    "floordiv": ("floor_divide", operator.floordiv, True),
    "mod": ("remainder", operator.mod, True),
    "and": ("bitwise_and", operator.and_, True),
    "or": ("bitwise_or", operator.or_, True),
    "xor": ("bitwise_xor", operator.xor, True),
    "lshift": ("left_shift", operator.lshift, True),
    "rshift": ("right_shift", operator.rshift, True),
    "divmod": ("divmod", divmod, True),
    "lt": ("less", operator.lt, False),
    "le": ("less_equal", operator.le, False),
    "gt": ("greater", operator.gt, False),
    "ge": ("greater_equal", operator.ge, False),
    "eq": ("equal", operator.eq, False),
    "ne": ("not_equal", operator.ne, False),
    "neg": ("negative", operator.neg, None),
    "pos": ("positive", operator.pos, None),
    "abs": ("absolute", operator.abs, None),
    "invert": ("invert", operator.invert, None),
}
"""By dunder: standard name, function, whether swapped and in-place forms exist (None: unary)."""

METHODS = split_names(
    """
    all any argmax argmin argpartition argsort astype choose clip compress conj conjugate
    copy cumprod cumsum diagonal dot flatten item max mean min nonzero prod ptp ravel repeat
    reshape round searchsorted squeeze std sum swapaxes take trace transpose var
    """
)
METHODS = frozenset(name for name in METHODS if hasattr(np.ndarray, name))

IN_PLACE_METHODS = ("fill", "partition", "put", "sort")

PROPERTIES = tuple(name for name in ("T", "mT", "real", "imag") if hasattr(np.ndarray, name))

QUESTIONS = split_names(
    """
    shape ndim size may_share_memory shares_memory result_type iscomplexobj isrealobj
    can_cast array_repr array_str array2string save savez savez_compressed savetxt
    broadcast_shapes min_scalar_type common_type
    """
)
"""Functions whose results are no part of the computation."""


TAKE_ARRAYS = frozenset(name for name in dir(np) if isinstance(getattr(np, name), np.ufunc))
TAKE_ARRAYS |= split_names("dot inner kron outer solve vdot sum mean prod max min std var cumsum")
"""Functions and operators to whom a list is an array, as the outputs of single neurons are."""


IN_PLACE = split_names("copyto fill_diagonal place put putmask put_along_axis")
"""The numpy functions that change their first argument."""


def call_method(name: str, array: Any, /, *arguments: Any, **keywords: Any) -> Any:
    """Call a method of an array by its name; a float is converted to numpy's first."""
    array = np.float64(array) if type(array) is float else array
    return getattr(array, name)(*arguments, **keywords)


def one_of(function: Callable[..., Any], index: int, /, *arguments: Any, **keywords: Any) -> Any:
    """Return one of several results of a function."""
    return function(*arguments, **keywords)[index]


def changed(
    function: Callable[..., Any],
    shape: Shape,
    dtype: Any,
    array: Any,
    /,
    *arguments: Any,
    **keywords: Any,
) -> NDArray[Any]:
    """Apply a function that changes its first argument to a copy, and return the copy."""
    copy = np.empty(shape, dtype)
    copy[...] = array
    function(copy, *arguments, **keywords)
    return copy


def filled(
    function: Callable[..., Any], shape: Shape, dtype: Any, /, *arguments: Any, **keywords: Any
) -> NDArray[Any]:
    """Return in a new array what a function would write to its `out` argument."""
    out = np.empty(shape, dtype)
    out[...] = function(*arguments, **keywords)
    return out


def filled_where(
    function: Callable[..., Any], before: Any, /, *arguments: Any, **keywords: Any
) -> NDArray[Any]:
    """Return in a new array what a ufunc with `where` would write to `out` = `before`."""
    out = np.array(before)
    function(*arguments, out=out, **keywords)
    return out
