"""The functions of a `Problem` as the subject that is followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck.trace.adjoints.points import Subject, nothing
from gradcheck.user.blocks import Parameters, cut
from gradcheck.user.gradients import read_gradients
from gradcheck.user.objects import Position
from gradcheck.user.problem import Problem
from gradcheck.user.tensors import to_array


def subject_of_problem(problem: Problem) -> Subject:
    """Return the user's functions of a problem, those inside layers and steps included."""
    parameters, tangents = problem.parameters, problem.tangents
    whole = parameters if tangents is None else tangents.whole
    own_loss, direction = problem.slope or (problem.loss_function, None)

    def loss(packed: Any) -> Any:
        if problem.batched:
            stacks = [value[None] for value in blocks(packed).values()]
            return problem.loss_function(parameters.pack(stacks))[0]
        returned = own_loss(packed)
        return to_array(returned[0] if problem.gradient_function is None else returned)

    def gradient(packed: Any) -> Mapping[str, Any]:
        if problem.runs_forward:
            problem.loss_function(packed)
        if problem.gradient_function is None:
            returned = problem.loss_function(packed)[1]
        elif problem.step is not None:
            values = [value.copy() for value in blocks(packed).values()]  # the step moves them
            returned = problem.implied_gradient(values, packed=packed)
        else:
            returned = problem.gradient_function(packed)
        gradients = read_gradients(returned, parameters, copy=False).blocks
        return {
            name: gradient.value
            for name, gradient in zip(parameters.names, gradients, strict=True)
            if gradient.value is not None
        }

    def blocks(packed: Any) -> Mapping[str, Any]:
        return _blocks(packed, whole)

    owner = parameters.owner if parameters.in_place else None  # else the functions see copies
    users = (own_loss, problem.gradient_function, problem.step, owner)
    return Subject(
        parameters.names,
        parameters.pack,
        loss,
        gradient,
        blocks,
        users,
        None if parameters.vector is None else lambda vector: cut(vector, parameters.shapes),
        enters=problem.step is not None and problem.step.entering is not None,
        direction=direction,
        parts=_parts(whole),
        convention=parameters.convention,
        back=None if tangents is None else tangents.back,
        begin=nothing if problem.step is None else problem.step.begin,
    )


def _blocks(packed: Any, whole: Parameters) -> dict[str, Any]:
    """Return the parameters by name from a structure of them."""
    by_name: dict[str, Any] = {}
    if whole.vector is not None:
        return {"params": packed}
    for leaf in whole.leaves:
        if leaf.block is None:
            continue
        value = _at(packed, leaf.path)
        if value is None:
            value = _at(whole.owner, leaf.path)
        if leaf.transposed:
            value = np.transpose(value)
        by_name.setdefault(whole.names[leaf.block], value)
    return by_name


def _parts(parameters: Parameters) -> dict[str, str]:
    """Return by name of a block that is a part of complex numbers, which part it is."""
    return {
        parameters.names[leaf.block]: leaf.part
        for leaf in parameters.leaves
        if leaf.part and leaf.block is not None
    }


def _at(structure: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if structure is None:
            return None
        if isinstance(step, Position):
            structure = structure[step.index]
        elif isinstance(structure, Mapping):
            structure = structure.get(step)
        else:
            structure = getattr(structure, step, None)
    return structure
