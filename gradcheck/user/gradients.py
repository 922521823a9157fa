"""Reads the returned gradients and checks structure, shape, type and finiteness of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import all_finite, same_arrays
from gradcheck.errors import UsageError
from gradcheck.numeric.storage import epsilon_of
from gradcheck.user.blocks import Array, Leaf, Parameters, describe
from gradcheck.user.calls import GRADIENT, Raised, UserCodeError, call
from gradcheck.user.conventions import Convention
from gradcheck.user.names import ABSENT, found_beside, look_beside
from gradcheck.user.problem import Problem
from gradcheck.user.returned import as_array, assign, names_of
from gradcheck.user.structures import holds_itself
from gradcheck.user.unfinished import is_settled, returned_so_far
from gradcheck.words import Standing

EPSILON = float(np.finfo(np.float64).eps)

LARGE = 10**5
"""With more parameters, gradients are compared by samples and not stored."""

SAMPLE, ELSEWHERE = 10**4, 1.001


@dataclass(frozen=True)
class Gradient:
    """The analytic gradient of one block.

    Attributes:
        value: the gradient in float64, in the shape in which it was returned; None if missing.
        verdict: "ok" if it can be compared, else "missing", "shape", "nonfinite" or "raised".
        epsilon: the relative precision of the returned type.
    """

    value: Array | None
    verdict: Standing
    epsilon: float = EPSILON

    @property
    def comparable(self) -> bool:
        """Whether the gradient has an entry for every entry of the block."""
        return self.verdict in ("ok", "nonfinite")


MISSING = Gradient(None, "missing")
RAISED = Gradient(None, "raised")


@dataclass(frozen=True)
class Gradients:
    """The analytic gradients of all blocks.

    Attributes:
        surplus: the names of returned entries that belong to no block.
        alike: the blocks with several places for which the same gradient was returned at all
            places: each is either the whole gradient or one part of it.
    """

    blocks: tuple[Gradient, ...]
    surplus: tuple[str, ...] = ()
    alike: tuple[int, ...] = ()


def read_gradients(returned: Any, parameters: Parameters, copy: bool = True) -> Gradients:
    """Assigns the values returned by the user's gradient function to the blocks.

    With `copy` they do not change when the user's arrays do.
    """
    gradients: Gradients = call(_read, GRADIENT, returned, parameters, copy)
    return gradients


def gradients_at(problem: Problem, values: Sequence[Array]) -> tuple[Gradient, ...]:
    """Calls the user's gradient function at a point; the gradients by block.

    Raises:
        UserCodeError: the function raised.
    """
    return read_gradients(problem.gradient(values), problem.parameters).blocks


def ask_gradients(
    problem: Problem, values: Sequence[Array], keep: bool = False
) -> tuple[Gradients, Raised | None]:
    """The gradients at a point; after an exception those computed before it, and the exception.

    With `keep`, as in `Problem.gradient`, the gradients are not copied.
    """
    parameters = problem.parameters
    leaves = parameters.leaves if parameters.in_place else ()
    before = [look_beside(parameters.owner, leaf.path) for leaf in leaves]
    try:
        returned = problem.gradient(values, keep=keep)
        return read_gradients(returned, parameters, copy=not keep), None
    except UserCodeError as error:
        return _made_before(error.raised, problem, values, before), error.raised


def _made_before(
    raised: Raised, problem: Problem, values: Sequence[Array], before: Sequence[Any]
) -> Gradients:
    nothing = Gradients((RAISED,) * len(problem.parameters.names))
    if raised.call != GRADIENT or problem.step is not None or problem.layer is not None:
        return nothing
    made = returned_so_far(raised) or _made_beside(raised, problem.parameters, before)
    if made is None or problem.parameters.vector is not None:
        return nothing
    try:
        blocks = _read(made, problem.parameters, copy=True).blocks
    except UsageError:
        return nothing
    pairs = zip(blocks, values, strict=True)
    if any(
        block.value is not None and np.any(own) and np.array_equal(block.value, own)
        for block, own in pairs
    ):
        return nothing  # these are parameters, some of which have been updated
    return Gradients(tuple(RAISED if block.verdict == "missing" else block for block in blocks))


def _made_beside(
    raised: Raised, parameters: Parameters, before: Sequence[Any]
) -> dict[str, Any] | None:
    """The finished gradients that a call stored in the object before it raised."""
    made = {}
    for leaf, old in zip(parameters.leaves, before, strict=False):
        match = found_beside(parameters.owner, leaf.path)
        if match is None or match[2] is old or not isinstance(match[2], np.ndarray):
            continue
        holder, name, gradient = match
        if np.any(gradient) and is_settled(raised, holder, name):
            made[leaf.name] = gradient
    return made or None


def _read(returned: Any, parameters: Parameters, copy: bool) -> Gradients:
    if holds_itself(returned):
        raise UsageError(f"your gradient returned {describe(returned)} that contains itself")
    if returned is None and not parameters.in_place:
        raise UsageError(
            f"your gradient returned None; it must return the gradients of {names_of(parameters)}"
        )
    assigned, surplus = assign(returned, parameters)
    places: list[list[Gradient]] = [[] for _ in parameters.values]
    for leaf, value in zip(parameters.leaves, assigned, strict=True):
        if leaf.block is not None:
            gradient = _gate(value, leaf, copy, parameters.convention)
            if leaf.transposed and gradient.value is not None:
                gradient = replace(gradient, value=gradient.value.T)
            places[leaf.block].append(gradient)
    merged = [_merged(gradients) for gradients in places]
    alike = tuple(block for block, gradients in enumerate(places) if _are_alike(gradients))
    return Gradients(tuple(merged), surplus, alike)


def returned_arrays(returned: Any, parameters: Parameters) -> dict[str, NDArray[Any]]:
    """The arrays that a gradient function returned, not copied, by the names of their blocks.

    Gradients stored in an object, or returned as other types, are left out.
    """
    if returned is None or returned is parameters.owner:
        return {}
    gradients, _ = assign(returned, parameters)
    return {
        parameters.names[leaf.block]: value
        for leaf, value in zip(parameters.leaves, gradients, strict=True)
        if leaf.block is not None and isinstance(value, np.ndarray)
    }


def _merged(gradients: list[Gradient]) -> Gradient:
    """The gradient of an array with several places: the sum, or the one that is at all places."""
    given = [gradient for gradient in gradients if gradient.verdict != "missing"]
    if len(given) < 2 or _are_alike(gradients):
        return given[0] if given else gradients[0]
    bad = next((gradient for gradient in given if gradient.verdict != "ok"), None)
    if bad is not None:
        return bad
    total = np.sum([g.value for g in given if g.value is not None], axis=0)
    return Gradient(total, "ok", max(gradient.epsilon for gradient in given))


def _are_alike(gradients: list[Gradient]) -> bool:
    given = [gradient.value for gradient in gradients if gradient.verdict == "ok"]
    first = given[0] if given else None
    return (
        first is not None
        and len(given) == len(gradients) > 1
        and bool(np.any(first))
        and all(value is not None and np.array_equal(first, value) for value in given)
    )


def _gate(value: Any, leaf: Leaf, copy: bool, convention: Convention) -> Gradient:
    if value is ABSENT or value is None:
        return MISSING
    shape, array = leaf.shape, as_array(value, leaf.name, bool(leaf.part))
    epsilon = epsilon_of(array.dtype) if array.dtype.kind in "fc" else 0.0
    if leaf.part:
        array = convention.part(array, leaf.part)
    gradient = array.astype(np.float64, copy=copy)
    if array.shape != shape and not (array.size == 1 and shape == ()):
        return Gradient(gradient, "shape", epsilon)
    gradient = gradient if array.shape == shape else gradient.reshape(shape)
    verdict: Standing = "ok" if all_finite(gradient) else "nonfinite"
    return Gradient(gradient, verdict, max(epsilon, EPSILON))


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
