"""Functions of scipy's in operations of numpy, which can be followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Axis = int | tuple[int, ...] | None

FOLLOWED = ("special", "signal", "ndimage", "linalg", "fft")
"""The parts of scipy whose functions take arrays and return what they make of them."""


def softmax(x: Any, axis: Axis = None) -> Any:
    """As `scipy.special.softmax`."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def logsumexp(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """As `scipy.special.logsumexp`, without weights and signs."""
    largest = np.max(a, axis=axis, keepdims=True)
    found = np.log(np.sum(np.exp(a - largest), axis=axis, keepdims=True)) + largest
    return found if keepdims else np.squeeze(found, axis=axis)


def log_softmax(x: Any, axis: Axis = None) -> Any:
    """As `scipy.special.log_softmax`."""
    return x - logsumexp(x, axis=axis, keepdims=True)


FORMS: dict[str, Callable[..., Any]] = {
    "softmax": softmax,
    "logsumexp": logsumexp,
    "log_softmax": log_softmax,
}


def form_of(function: Any, keywords: Any) -> Callable[..., Any] | None:
    """The same in operations of numpy's, if that is known for a call with these keywords."""
    if not function.__module__.startswith("scipy.special"):
        return None
    form = FORMS.get(function.__name__)
    return form if form is not None and set(keywords) <= {"axis", "keepdims"} else None
