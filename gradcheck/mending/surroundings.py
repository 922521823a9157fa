"""What a candidate may spoil beside the parameters: the user's data, and objects' attributes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.mending.held import Holdings
from gradcheck.user.problem import Problem

MOST_BYTES = 2**27
MOST_ITEMS = 500
"""Of longer lists and dicts it is asked no more than how long they are."""


class Surroundings:
    """What the user's functions hold, as it is now, and the attributes that objects have."""

    def __init__(self, problem: Problem, functions: Sequence[Any]) -> None:
        self._problem = problem
        self._arrays: list[tuple[NDArray[Any], NDArray[Any], bytes]] = []
        left = MOST_BYTES
        held = Holdings.of([*functions, problem.loss_function, problem.gradient_function])
        for array in (one.value for one in held.held if one.is_array):
            left -= array.nbytes
            if array.flags.writeable and left > 0:
                self._arrays.append((array, array.copy(), array.tobytes()))
        own = Holdings.of(functions)  # of a script, those of the problem are not the user's
        owned = Holdings.of([problem.parameters.owner])
        self._containers = [(one, one.copy()) for one in (*own.containers, *owned.containers)]
        self._objects = [(one, dict(vars(one))) for one in owned.objects]

    def restore(self) -> None:
        """Puts back what was changed; attributes are what they were."""
        for array, before, numbers in self._arrays:
            if array.tobytes() != numbers and array.shape == before.shape:
                np.copyto(array, before)
        for container, items in self._containers:
            if not _is_same(container, items):
                put = container.update if isinstance(container, dict) else container.extend
                container.clear()
                put(items)
        for one, attributes in self._objects:
            for name in vars(one).keys() - attributes:
                delattr(one, name)
            for name, value in attributes.items():
                if vars(one).get(name) is not value:
                    object.__setattr__(one, name, value)
        self._problem.restore_data()
        self._problem.parameters.restore()


def _is_same(now: Any, before: Any) -> bool:
    if len(now) != len(before):
        return False
    if len(now) > MOST_ITEMS:
        return True
    if isinstance(now, dict):
        return list(now) == list(before) and all(map(is_, now.values(), before.values()))
    return all(map(is_, now, before))
