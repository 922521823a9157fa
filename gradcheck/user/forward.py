"""Recognises gradient functions that use values stored by the last call of the loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from gradcheck.arrays import same_arrays
from gradcheck.user.blocks import Array
from gradcheck.user.gradients import Gradients, read_gradients
from gradcheck.user.problem import Problem

LARGE = 10**5
"""With more parameters, gradients are compared by samples and not stored."""

SAMPLE, ELSEWHERE = 10**4, 1.001


def asked_first(problem: Problem) -> tuple[Problem, Gradients | None, int]:
    """Calls the gradient for the first time, and tests whether it depends on the last loss call.

    The last loss call was at another point. A gradient that uses its stored values changes after a
    call of the loss at this point, is then reproducible, and changes after a call elsewhere.

    Returns:
        The problem, the first gradients (None if they are large), and the number of evaluations.
    """
    alone = problem.step is not None or problem.layer is not None
    if alone or problem.runs_forward or problem.gradient_function is None:
        return problem, None, 0
    at, parameters = problem.parameters.values, problem.parameters
    large = sum(value.size for value in at) > LARGE
    first = read_gradients(problem.gradient(at), parameters, copy=not large)
    before, small = samples(first), None if large else first
    del first
    problem.loss(at)
    here = samples(read_gradients(problem.gradient(at), parameters, copy=False))
    if same_arrays(before, here):
        return problem, small, 1
    away = [value * ELSEWHERE + ELSEWHERE - 1 for value in at]
    problem.loss(away)
    there = samples(read_gradients(problem.gradient(at), parameters, copy=False))
    forward = replace(problem, reads_forward=True)
    last = read_gradients(forward.gradient(at), parameters, copy=not large)
    if same_arrays(here, there) or not same_arrays(here, samples(last)):
        return problem, small, 3
    return forward, None if large else last, 3


def samples(gradients: Gradients) -> list[Array]:
    """Samples of the gradients of all blocks that have one."""
    return [sample(block.value) for block in gradients.blocks if block.value is not None]


def sample(array: NDArray[Any]) -> NDArray[Any]:
    """A copy of an array, or of a sample of its entries if it is very large."""
    flat = array.reshape(-1)
    return flat[:: 1 + flat.size // SAMPLE].copy()
