"""What a candidate may spoil beside the parameters: the user's data, and objects' attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.mending.held import Holdings
from gradcheck.trace.record.ownership import list_restorer, restorer
from gradcheck.user.problem import Problem

MOST_BYTES = 2**27
MOST_ITEMS = 500
"""Longer lists and dicts are data, which are left as they are."""


class Surroundings:
    """What the user's functions hold, as it is now, and the attributes that their owners have."""

    def __init__(
        self, problem: Problem, functions: Sequence[Any], owners: Sequence[Any] = ()
    ) -> None:
        self._problem = problem
        self._arrays: list[tuple[NDArray[Any], NDArray[Any]]] = []
        left = MOST_BYTES
        held = Holdings.of([*functions, problem.loss_function, problem.gradient_function])
        for array in (one.value for one in held.held if one.is_array):
            left -= array.nbytes
            if array.flags.writeable and left > 0:
                self._arrays.append((array, array.copy()))
        own = Holdings.of(functions)  # of a script, those of the problem are not the user's
        owned = Holdings.of([problem.parameters.owner, *owners])
        containers = [*own.containers, *owned.containers, *map(vars, owned.objects)]
        self._undo = [
            restorer(one) if isinstance(one, dict) else list_restorer(one)
            for one in containers
            if len(one) <= MOST_ITEMS
        ]

    def restore(self) -> None:
        """Puts back what was changed; attributes are what they were."""
        for array, before in self._arrays:
            if array.flags.writeable and array.shape == before.shape:
                np.copyto(array, before)
        for undo in self._undo:
            undo()
        self._problem.restore_data()
        self._problem.parameters.restore()


@contextmanager
def state_kept(problem: Problem) -> Iterator[Problem]:
    """The problem, whose step can begin anew from what it remembers now, and does in the end."""
    if problem.step is None:
        yield problem
        return
    surroundings = Surroundings(problem, [problem.step.step], [problem.step.step])
    try:
        yield replace(problem, step=replace(problem.step, restore=surroundings.restore))
    finally:
        surroundings.restore()
