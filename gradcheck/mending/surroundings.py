"""What a candidate may spoil beside the parameters: the user's data, and objects' attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.recognition.data import arrays_in
from gradcheck.user.objects import is_object
from gradcheck.user.problem import Problem

DEPTH = 4
MOST_BYTES = 2**27


class Surroundings:
    """Arrays that the user's functions hold, as they are now, and the attributes that objects have.

    Args:
        problem: what is checked.
        functions: the user's functions.
    """

    def __init__(self, problem: Problem, functions: Sequence[Any]) -> None:
        self._arrays: list[tuple[NDArray[Any], NDArray[Any], bytes]] = []
        self._problem = problem
        seen: set[int] = set()
        left = MOST_BYTES
        holders = [*functions, problem.loss_function, problem.gradient_function]
        for holder in holders:
            for array in arrays_in(holder, DEPTH, seen) if holder is not None else ():
                left -= array.nbytes
                if array.flags.writeable and left > 0:
                    self._arrays.append((array, array.copy(), array.tobytes()))
        self._objects = [
            (one, dict(vars(one)))
            for one in _objects_in(problem.parameters.owner, DEPTH)
            if hasattr(one, "__dict__")
        ]

    def restore(self) -> None:
        """Puts back what was changed; attributes are what they were."""
        for array, before, numbers in self._arrays:
            if array.tobytes() != numbers and array.shape == before.shape:
                np.copyto(array, before)
        for one, attributes in self._objects:
            for name in vars(one).keys() - attributes:
                delattr(one, name)
            for name, value in attributes.items():
                if vars(one).get(name) is not value:
                    object.__setattr__(one, name, value)
        self._problem.restore_data()
        self._problem.parameters.restore()


def _objects_in(value: Any, depth: int) -> list[Any]:
    """The user's own objects: the parameters' owner, and those in its lists and attributes."""
    if depth < 0:
        return []
    if isinstance(value, list | tuple):
        return [inner for item in value for inner in _objects_in(item, depth - 1)]
    if not is_object(value):
        return []
    inner = (
        [one for item in vars(value).values() for one in _objects_in(item, depth - 1)]
        if hasattr(value, "__dict__")
        else []
    )
    return [value, *inner]
