"""A Hessian as a function of the parameters and a vector, which returns their product."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Array, Parameters
from gradcheck.user.calls import UserCodeError, call
from gradcheck.user.forms import More, takes
from gradcheck.user.gradients import read_gradients
from gradcheck.user.tensors import to_array
from gradcheck.user.vectors import JACOBIAN

Products = Callable[[Any], Callable[[Array], Any]]
"""Takes packed parameters; returns the product of the Hessian there with a flat vector."""


def products_of(hessian: Any, parameters: Parameters, more: More) -> Products | None:
    """The products that a function of parameters and a vector gives; None if it takes no vector.

    The vector has the structure of the parameters, as `jax.jvp` and torch's `hvp` want it, or is
    flat, if the function takes it only so. A function that may be called with and without a vector
    returns a matrix, unless it raises without one.
    """
    count = 1 + len(more.args)
    named = partial(hessian, **more.kwargs) if callable(hessian) else None
    if named is None or not takes(named, count + 1):
        return None
    here = parameters.pack(parameters.values)
    if takes(named, count) and _runs(named, here, *more.args):
        return None
    if parameters.in_place or (isinstance(here, np.ndarray) and here.ndim == 1):
        return lambda packed: lambda vector: hessian(packed, vector, *more.args, **more.kwargs)

    def products(form: Callable[[Array], Any]) -> Products:
        return lambda packed: (
            lambda vector: _flat(named(packed, form(vector), *more.args), parameters)
        )

    structured = products(parameters.pack_flat)
    if _runs(structured(here), parameters.flat):
        return structured
    takes_flat = _runs(named, here, parameters.flat, *more.args)
    return products(np.asarray) if takes_flat else structured


def _runs(function: Callable[..., Any], *given: Any) -> bool:
    try:
        call(function, JACOBIAN, *given)
    except (UserCodeError, UsageError):
        return False
    return True


def _flat(returned: Any, parameters: Parameters) -> Array:
    """A product in the structure of the parameters as one vector."""
    whole = to_array(returned)
    if isinstance(whole, np.ndarray) and whole.size == len(parameters.flat):
        return np.reshape(whole, -1)
    parts = [block.value for block in read_gradients(returned, parameters).blocks]
    return np.concatenate([np.ravel(part) for part in parts if part is not None])
