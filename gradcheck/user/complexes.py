"""Which convention complex gradients follow: the one that most entries agree with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Array
from gradcheck.user.calls import UserCodeError
from gradcheck.user.conventions import CONVENTIONS, Convention
from gradcheck.user.gradients import read_gradients
from gradcheck.user.outputs import leaves
from gradcheck.user.problem import Problem
from gradcheck.user.tensors import to_array

ENTRIES = 8
"""So many of every block are asked."""

ROUGH = 1e-4
"""The step, in sizes of the parameter."""

NEAR = 0.05
"""Slopes nearer than this share of the largest are the same; conventions differ by more."""

ALIKE = 0.9
"""The cosine from which on a gradient is one of a convention, though none of it is right: else a
wrong one would be read by whichever convention it happens to be nearest to."""

Slopes = list[Array]
"""Of the entries that were asked, by block."""


def with_convention(problem: Problem, rng: np.random.Generator) -> Problem:
    """The problem with its complex gradients read by the convention that they follow.

    Blocks that follow another one than most do are told in it.
    """
    entries = [
        np.sort(rng.permutation(value.size)[:ENTRIES]) for value in problem.parameters.values
    ]
    possible = CONVENTIONS if problem.layer is None else problem.layer.possible
    try:
        claims = [_claimed(_read_by(problem, one), entries) for one in possible]
        slopes = _slopes(problem, entries)
    except (UserCodeError, UsageError):  # the comparison says so, and where
        return problem
    largest = [np.full(len(one), np.max(np.abs(one), initial=0.0)) for one in slopes]
    numeric, near = np.concatenate(slopes), NEAR * np.concatenate(largest)
    block = np.repeat(np.arange(len(slopes)), list(map(len, slopes)))
    analytic = np.array([np.concatenate(claimed) for claimed in claims])
    agrees = np.abs(analytic - numeric) <= near
    agreeing = np.array([np.bincount(block, one, len(slopes)) for one in agrees])
    agreeing[agreeing <= np.bincount(block, minlength=len(slopes)) / 2] = 0  # it may be chance
    # the cosine of the angle between them
    along = np.nan_to_num(analytic) @ np.nan_to_num(numeric)
    sizes = np.linalg.norm(np.nan_to_num(analytic), axis=1) * np.linalg.norm(np.nan_to_num(numeric))
    alike = np.round(np.divide(along, sizes, out=np.zeros(len(sizes)), where=sizes > 0), 3)
    alike[alike < ALIKE] = 0.0
    ranked = sorted(range(len(claims)), key=lambda one: (-agreeing[one].sum(), -alike[one], one))
    best = ranked[0]
    convention = possible[best]
    others = {}
    for real, imag in problem.parameters.halves:
        counts = agreeing[:, real] + agreeing[:, imag]
        own = int(np.argmax(counts))
        if counts[own] > counts[best]:
            name = problem.parameters.names[imag].removesuffix(".imag")
            others[name] = possible[own].formula
    return _read_by(problem, replace(convention, others=tuple(others.items())))


def has_complex(problem: Problem) -> bool:
    """Whether any parameter, or output of a layer, is complex."""
    if problem.parameters.has_complex or problem.layer is None:
        return problem.parameters.has_complex
    return any(np.iscomplexobj(to_array(along)) for (along,) in leaves(problem.layer.upstream))


def _read_by(problem: Problem, convention: Convention) -> Problem:
    problem = replace(problem, parameters=replace(problem.parameters, convention=convention))
    if problem.layer is None:
        return problem
    layer = replace(problem.layer, convention=convention)
    return replace(problem, layer=layer, loss_function=layer.loss, gradient_function=layer.gradient)


def _claimed(problem: Problem, entries: Sequence[NDArray[np.intp]]) -> Slopes:
    parameters = problem.parameters
    blocks = read_gradients(problem.gradient(parameters.values), parameters).blocks
    return [
        np.full(len(chosen), np.nan)
        if gradient.value is None or not gradient.comparable
        else gradient.value.reshape(-1)[chosen]
        for gradient, chosen in zip(blocks, entries, strict=True)
    ]


def _slopes(problem: Problem, entries: Sequence[NDArray[np.intp]]) -> Slopes:
    values = problem.parameters.values
    loss, found = problem.entry_loss(values), []
    for block, chosen in enumerate(entries):
        step = ROUGH * (float(np.max(np.abs(values[block]), initial=0.0)) or 1.0)
        start = values[block].reshape(-1)[chosen]
        ends = [
            [loss(block, *pair) for pair in zip(chosen.tolist(), start + move, strict=True)]
            for move in (step, -step)
        ]
        found.append((np.array(ends[0]) - np.array(ends[1])) / (2 * step))
    return found
