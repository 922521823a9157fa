"""What a candidate may spoil besides the parameters: the user's data and objects' attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import copied, same_arrays
from gradcheck.mending.held import Held, Holdings
from gradcheck.trace.record.graph import grouped
from gradcheck.trace.record.ownership import list_restorer, restorer
from gradcheck.user.problem import Problem

MOST_BYTES = 2**27
MOST_ITEMS = 500
"""The maximum length of lists and dicts that are restored; longer ones are data."""

SCRIPTS = "gradcheck.script."
"""The room of the steps that replay an iteration of a script."""


class Surroundings:
    """The present contents of the user's functions, and the attributes of their owners."""

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
        own = Holdings.of(functions)  # a script's problem has functions that are not the user's
        owned = Holdings.of([problem.parameters.owner, *owners])
        objects = {id(one): one for one in (*held.objects, *owned.objects) if _is_users(one)}
        containers = [*own.containers, *owned.containers, *map(vars, objects.values())]
        self._undo = [
            restorer(one) if isinstance(one, dict) else list_restorer(one)
            for one in containers
            if len(one) <= MOST_ITEMS
        ]

    def restore(self) -> None:
        """Put back what was changed, attributes included."""
        for array, before in self._arrays:
            if array.flags.writeable and array.shape == before.shape:
                np.copyto(array, before)
        for undo in self._undo:
            undo()
        self._problem.restore_data()
        self._problem.parameters.restore()


def _is_users(value: object) -> bool:
    return str(type(value).__module__).partition(".")[0] != "gradcheck"


def replays(step: object) -> bool:
    """Whether a step replays an iteration of a script, with all that this began with."""
    return str(getattr(step, "__module__", "")).startswith(SCRIPTS)


class Remembered:
    """What a step remembers of earlier calls: its velocity, and how often it ran."""

    def __init__(self, problem: Problem) -> None:
        step = None if problem.step is None else problem.step.step
        self._holders = [step, problem.parameters.owner]
        self._shapes = frozenset(problem.parameters.shapes)
        self._surroundings = Surroundings(problem, [step], [step])
        self._before = self._held()

    def restore(self) -> None:
        """Put all back as it was."""
        for one, before in self._before:
            one.put_back(before)
        self._surroundings.restore()

    def empty(self) -> None:
        """Set values of a parameter's shape to 0, if the calls up to the first use changed them.

        Python's numbers stay: they count calls or are rates.
        """
        moving = self._moving
        for one, _ in self._held():
            if one.path in moving and self._is_shaped(one.value):
                one.put_back(np.zeros_like(one.value)[()])

    def numbers(self) -> list[float]:
        """The numbers that the step and its object hold at present."""
        values = (one.value for one in Holdings.of(self._holders).held)
        return [float(value) for value in values if isinstance(value, int | float)]

    @cached_property
    def _moving(self) -> frozenset[tuple[str, ...]]:
        now, before = (
            grouped((one.path, np.asarray(value)) for one, value in held if self._is_shaped(value))
            for held in (self._held(), self._before)
        )
        return frozenset(path for path in now if not same_arrays(now[path], before.get(path, [])))

    def _held(self) -> list[tuple[Held, Any]]:
        """Return what the step and its object hold; values of a parameter's shape are copied."""
        pairs = ((one, one.value) for one in Holdings.of(self._holders).held)
        return [(one, copied(own, 0) if self._is_shaped(own) else own) for one, own in pairs]

    def _is_shaped(self, value: Any) -> bool:
        is_real = isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f"
        return is_real and value.shape in self._shapes


@contextmanager
def state_kept(problem: Problem) -> Iterator[Problem]:
    """Yield the problem with a step that can return to its present memory; return it at the end."""
    if problem.step is None or replays(problem.step.step):
        yield problem
        return
    remembered = Remembered(problem)
    try:
        yield replace(problem, step=replace(problem.step, memory=remembered))
    finally:
        remembered.restore()
