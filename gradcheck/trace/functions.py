"""The operators, methods and functions that are recorded, by their standard names."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.trace.names import split_names

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
"""By dunder: the standard name, the function, and whether it has a swapped and an in-place form
(None for those of one operand)."""

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


IN_PLACE = split_names("copyto fill_diagonal place put putmask put_along_axis")
"""The functions of numpy that change their first argument."""


@dataclass(frozen=True, slots=True)
class Method:
    """Calls the method of that name."""

    name: str

    def __call__(self, array: Any, *arguments: Any, **keywords: Any) -> Any:
        """Calls the method."""
        return getattr(array, self.name)(*arguments, **keywords)


@dataclass(frozen=True, slots=True)
class Item:
    """One of several results."""

    function: Callable[..., Any]
    index: int

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Takes the result out of the others."""
        return self.function(*arguments, **keywords)[self.index]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a function that changes its first argument makes of a copy of it."""

    function: Callable[..., Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __call__(self, array: Any, *arguments: Any, **keywords: Any) -> NDArray[Any]:
        """Changes a copy."""
        changed = np.empty(self.shape, self.dtype)
        changed[...] = array
        self.function(changed, *arguments, **keywords)
        return changed


@dataclass(frozen=True, slots=True)
class Into:
    """What a function leaves in its `out` argument, as a new array."""

    function: Callable[..., Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __call__(self, *arguments: Any, **keywords: Any) -> NDArray[Any]:
        """Fills a new array."""
        filled = np.empty(self.shape, self.dtype)
        filled[...] = self.function(*arguments, **keywords)
        return filled


@dataclass(frozen=True, slots=True)
class IntoWhere:
    """What a ufunc with `where` leaves in its `out` argument, from what was in it before."""

    function: Callable[..., Any]

    def __call__(self, before: Any, *arguments: Any, **keywords: Any) -> NDArray[Any]:
        """Fills a copy."""
        out = np.array(before)
        self.function(*arguments, out=out, **keywords)
        return out
