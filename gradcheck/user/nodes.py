"""The names of gradients beside numbers and containers, and the numbers of a small engine."""

from __future__ import annotations

from typing import Any

import numpy as np

PARAMETERS = ("params", "parameters")
"""The usual names of a container of parameters."""

HELD = ("data", "value", "val", "v", "item", "array")
"""The usual names of the number in an object of a small engine."""

SIBLINGS = {
    **dict.fromkeys(PARAMETERS, ("grads", "gradients", "grad")),
    "weights": ("grads", "gradients"),
    **dict.fromkeys(HELD, ("grad", "gradient", "g")),
}
"""The usual names of gradients beside a container, or beside a number of a small engine."""


def siblings_of(name: Any) -> tuple[str, ...]:
    """The usual names of gradients beside a name; `trainable_params` is one of `params`."""
    of_parameters = isinstance(name, str) and name.lower().endswith(PARAMETERS)
    return SIBLINGS[PARAMETERS[0]] if of_parameters else SIBLINGS.get(name, ())


def is_perturbed(holder: Any, step: Any, value: Any) -> bool:
    """Whether a number in an object can be perturbed: a float, or the `Value(0)` of an engine.

    A whole number is one of these if its gradient lies beside it; a tuple cannot be changed.
    """
    if type(value) is not int or not isinstance(step, str):
        return isinstance(value, float | np.floating) and not isinstance(holder, tuple)
    beside = (getattr(holder, name, None) for name in siblings_of(step))
    return any(isinstance(one, int | float) for one in beside)


def as_float(number: Any) -> Any:
    """The number, but a whole one of Python's as a float."""
    return float(number) if type(number) is int else number
