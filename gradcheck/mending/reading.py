"""Gradients read off what candidates return, which is nearly always built alike."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from gradcheck.user.blocks import Array, Parameters
from gradcheck.user.gradients import Gradient, read_gradients
from gradcheck.user.returned import assign

Read = Sequence[Array | Gradient]
"""For every block its gradient, or, of what cannot be compared, how it was read."""


class Reader:
    """Reads gradients; where each stands in a structure is found out once.

    Args:
        parameters: the blocks.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._known: dict[Hashable, list[int] | None] = {}

    def read(self, returned: Any) -> Read:
        """The gradients of the blocks.

        Raises:
            UsageError: they cannot be read.
            UserCodeError: they raised when they were read.
        """
        arrays: list[Array] = []
        form = _form(returned, arrays)
        if form is not None:
            places = self._known.get(form, ())
            if places:
                return [arrays[place] for place in places]
        gradients = read_gradients(returned, self._parameters).blocks
        if form is not None and form not in self._known:
            self._known[form] = self._places(returned, arrays)
        return [one.value if one.comparable and one.value is not None else one for one in gradients]

    def _places(self, returned: Any, arrays: Sequence[Array]) -> list[int] | None:
        """Which array is the gradient of each block; None where it is not so simple."""
        order = {id(array): place for place, array in enumerate(arrays)}
        places: dict[int, int] = {}
        for leaf, value in zip(
            self._parameters.leaves, assign(returned, self._parameters)[0], strict=True
        ):
            if leaf.block is None:
                continue
            place = order.get(id(value))
            if place is None or leaf.block in places or leaf.transposed:
                return None
            if arrays[place].shape != leaf.shape:
                return None
            places[leaf.block] = place
        count = len(self._parameters.names)
        if len(order) < len(arrays) or len(places) < count:
            return None
        return [places[block] for block in range(count)]


def _form(value: Any, arrays: list[Array]) -> tuple[Any, ...] | None:
    """How dicts and lists of arrays are built, and in their order the arrays; None if others."""
    kind = type(value)
    keys: tuple[Any, ...] = ()
    items = value
    if kind is np.ndarray and value.dtype == np.float64:
        arrays.append(value)
        return (value.shape,)
    if kind is dict:
        keys, items = tuple(value), value.values()
    elif kind is not list and kind is not tuple:
        return None
    forms = [_form(item, arrays) for item in items]
    return None if None in forms else (kind.__name__, keys, *forms)
