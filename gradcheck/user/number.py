"""Reads the value returned by a loss function: one number, or the pair (loss, gradients)."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import describe
from gradcheck.user.nodes import HELD
from gradcheck.user.objects import attributes, is_object
from gradcheck.user.tensors import bounded, is_tensor, to_array

NUMBER = float | int | np.floating | np.ndarray
ROUNDED = 1e-9
"""An imaginary part of at most this share of the number is rounding."""


def as_number(returned: Any) -> float:
    """The loss as a float; arrays of one element count as numbers."""
    if returned is None:
        raise UsageError(
            "your loss returned None; it must return one number (is a return missing?)"
        )
    if isinstance(returned, tuple) and len(returned) == 2:
        raise UsageError(
            "your loss returned a pair, and grad was given too; leave grad out if the loss returns "
            "(loss, gradients), or return the loss alone"
        )
    if np.ma.is_masked(bounded(returned)):
        raise UsageError("your loss returned a masked number; fill the mask, or leave it out")
    returned = to_array(carried(returned))
    array = np.asarray(returned) if not isinstance(returned, str | dict) else np.empty(0)
    if array.dtype.kind == "c" and array.size == 1:
        number = complex(array.reshape(-1)[0])
        if abs(number.imag) > ROUNDED * abs(number):
            raise UsageError(
                f"your loss returned the complex number {number:.6g}; it must be real: return "
                "its real part, or np.abs(...) ** 2"
            )
        array = array.real
    if array.dtype.kind not in "fiu" or array.size != 1:
        hint = "; sum or mean it" if array.size > 1 and array.dtype.kind in "fiu" else ""
        raise UsageError(
            f"your loss returned {describe(returned)}; it must return one number{hint}"
        )
    return float(array.reshape(-1)[0])


def carried(value: Any) -> Any:
    """The number in an object of the user's own autodiff engine; any other value as it is."""
    if not is_object(value):
        return value
    own = attributes(value)
    numbers = (own[name] if name in own else _computed(value, name) for name in HELD)
    return next((one for one in numbers if isinstance(one, NUMBER)), value)


def _computed(value: Any, name: str) -> Any:
    """What a property of an object returns: the number of a graph that computes when asked."""
    with contextlib.suppress(Exception):
        return getattr(value, name, None)
    return None


def as_pair(returned: Any) -> tuple[Any, Any]:
    """The loss and the gradients, from a function that returns both."""
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return returned[0], returned[1]
    if is_tensor(returned):
        raise UsageError(
            f"your loss returned {describe(returned)}; sum or mean it, or check the function as "
            "what it is: check_layer(function, None, inputs)"
        )
    raise UsageError(
        f"without grad, your loss must return a pair (loss, gradients); it returned "
        f"{describe(returned)}"
    )
