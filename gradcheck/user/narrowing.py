"""Selects the arrays of an object that are its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Parameters
from gradcheck.user.by_input import TARGETS
from gradcheck.user.calls import UserCodeError
from gradcheck.user.gradients import Gradient, Gradients, gradients_at
from gradcheck.user.names import has_role, kept_gradients
from gradcheck.user.problem import Problem
from gradcheck.user.returned import SeveralHoldersError, names_of


def with_gradients_only(problem: Problem) -> tuple[Problem, Gradients | None]:
    """The problem without arrays of an object that are no parameters: caches, data, velocities.

    The arrays of an object that have a gradient are its parameters; if the gradient function
    raises, those with names of weights and biases.

    Returns:
        The problem, and the gradients of the first call; None if it was not called.
    """
    parameters = problem.parameters
    if not any(_may_be_none(problem, block) for block in range(len(parameters.names))):
        return problem, None
    try:
        problem, gradients = _asked(problem)
        parameters = problem.parameters
    except UserCodeError:
        named = [
            block
            for block, name in enumerate(parameters.names)
            if has_role(name) or not _may_be_none(problem, block)
        ]
        narrowed = parameters.narrowed(named) if named else parameters
        return replace(problem, parameters=narrowed), None
    moving = problem.step is not None or problem.layer is not None
    doubted = [moving or _is_replaced(parameters, block) for block in range(len(gradients))]
    center = problem.loss(parameters.values) if any(doubted) else np.nan
    chosen = [
        block
        for block, gradient in enumerate(gradients)
        if (
            gradient.verdict != "missing"
            and (not doubted[block] or problem.depends_on(block, center))
        )
        or not _may_be_none(problem, block)
        or (parameters.names[block].lower() in TARGETS and np.any(gradient.value))
    ]
    if not chosen:
        raise UsageError(
            f"no gradient was found for any array of your object ({names_of(parameters)}); return "
            "them in a dict by name, or store them beside the parameters under names like dW1"
        )
    first = Gradients(tuple(gradients[block] for block in chosen))
    return replace(problem, parameters=parameters.narrowed(chosen, _added_to(parameters))), first


def _added_to(parameters: Parameters) -> list[int]:
    """The gradients beside the parameters in a type that would round what is added to them."""
    beside = kept_gradients([leaf.path for leaf in parameters.leaves if leaf.in_object])
    held = {leaf.block for leaf in parameters.leaves if leaf.path in beside and not leaf.part}
    return [
        block
        for block, dtype in enumerate(parameters.dtypes)
        if block in held and dtype in (np.float16, np.float32)
    ]


def _asked(problem: Problem) -> tuple[Problem, tuple[Gradient, ...]]:
    """The gradients, and the problem with the one container that they can be the gradients of."""
    try:
        return problem, gradients_at(problem, problem.parameters.values)
    except SeveralHoldersError as several:
        narrowed = replace(problem, parameters=_read_by_the_loss(problem, several.holders))
        return narrowed, gradients_at(narrowed, narrowed.parameters.values)


def _read_by_the_loss(problem: Problem, holders: Sequence[object]) -> Parameters:
    """The parameters without the arrays in some containers that the loss does not depend on.

    An optimizer's moments have the names of the parameters that they belong to.
    """
    parameters, center = problem.parameters, problem.loss(problem.parameters.values)
    doubted = {leaf.block for leaf in parameters.leaves if leaf.path[0] in holders}
    blocks = range(len(parameters.names))
    return parameters.narrowed(
        [one for one in blocks if one not in doubted or problem.depends_on(one, center)]
    )


def _is_replaced(parameters: Parameters, block: int) -> bool:
    """Whether the last call put something else in all places of a block, as into a cache."""
    working = parameters.working[block]
    own = [slot for slot, _ in parameters.origin if slot.working is working is not None]
    return bool(own) and all(slot.is_replaced for slot in own)


def _may_be_none(problem: Problem, block: int) -> bool:
    """Whether a block may be no parameter: it is in an object, or it is the targets of a layer.

    Where torch or jax differentiates a layer, a name is no sign of targets.
    """
    parameters, layer = problem.parameters, problem.layer
    if layer is not None and layer.backward and parameters.names[block].lower() in TARGETS:
        return True
    return any(leaf.in_object for leaf in parameters.leaves if leaf.block == block)
