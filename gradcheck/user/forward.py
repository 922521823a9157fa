"""Gradients that read what the loss left behind when it was called last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from gradcheck.arrays import same_arrays
from gradcheck.user.blocks import Array
from gradcheck.user.gradients import Gradients, read_gradients
from gradcheck.user.problem import Problem

LARGE = 10**5
"""Of so many parameters, gradients are compared by samples, and not kept."""

SAMPLE, ELSEWHERE = 10**4, 1.001


def asked_first(problem: Problem) -> tuple[Problem, Gradients | None, int]:
    """The first call of a gradient, and whether it is of where the loss was called last.

    That was elsewhere till now: it is then another after the loss has been called here, and the
    same whenever it has been, and not where the loss has been called elsewhere since.

    Returns:
        The problem, what the call gave where that is not too large to be kept, and how many
        evaluations of the loss this cost.
    """
    alone = problem.step is not None or problem.layer is not None
    if alone or problem.runs_forward or problem.gradient_function is None:
        return problem, None, 0
    at, parameters = problem.parameters.values, problem.parameters
    large = sum(value.size for value in at) > LARGE
    forward = replace(problem, reads_forward=True)
    first = read_gradients(problem.gradient(at), parameters, copy=not large)
    before, kept = _samples(first), None if large else first
    del first
    here = _samples(read_gradients(forward.gradient(at), parameters, copy=False))
    if same_arrays(before, here):
        return problem, kept, 1
    away = [value * ELSEWHERE + ELSEWHERE - 1 for value in at]
    problem.loss(away)
    there = _samples(read_gradients(problem.gradient(at), parameters, copy=False))
    last = read_gradients(forward.gradient(at), parameters, copy=not large)
    if same_arrays(here, there) or not same_arrays(here, _samples(last)):
        return problem, kept, 3
    return forward, None if large else last, 3


def _samples(gradients: Gradients) -> list[Array]:
    return [sample(block.value) for block in gradients.blocks if block.value is not None]


def sample(array: NDArray[Any]) -> NDArray[Any]:
    """A copy of an array, or of some of its entries where it is very large."""
    flat = array.reshape(-1)
    return flat[:: 1 + flat.size // SAMPLE].copy()
