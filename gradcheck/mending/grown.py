"""Arrays and parameters with more entries along some axes, of the same kind as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.mending.redrawn import CLOSE, Array, jittered
from gradcheck.user.blocks import Array as Block
from gradcheck.user.blocks import Parameters
from gradcheck.user.objects import Slot
from gradcheck.user.problem import Problem

More = Mapping[int, int]
"""The number of entries to add along each axis."""

HEAVIER = 1.5
"""The factor on the new diagonal entries of a definite matrix, which stays definite."""


def repeated(array: Array, more: More) -> Array | None:
    """Return data with the first slices repeated at the end; None if that breaks their kind.

    Arrays that belong together sample by sample still do: labels and one-hot rows, kernels. A
    distribution still sums to 1, and evenly spaced numbers go on.
    """
    counts = set(more.values())
    if len(more) == 2 and len(counts) == len(set(array.shape)) == 1 and array.ndim == 2:
        return _square(array, counts.pop())
    for axis, count in more.items():
        array = _along(array, axis, count)
    return array


def _along(array: Array, axis: int, count: int) -> Array:
    added = array.take(np.arange(count) % array.shape[axis], axis)
    if array.ndim == 1 and len(array) > 2 and np.all((steps := np.diff(array)) > 0):
        added = array[-1] + np.cumsum(steps[np.arange(count) % len(steps)])
    if axis != _normalised(array):
        return np.concatenate([array, added], axis)
    if set(np.unique(array)) <= {0, 1}:
        return np.concatenate([array, np.zeros_like(added)], axis)
    whole = np.concatenate([array, added], axis)
    return np.asarray(whole / whole.sum(axis, keepdims=True))


def _normalised(array: Array) -> int | None:
    """Return the last axis along which an array sums to 1 everywhere, or None."""
    if array.dtype.kind not in "bfiu" or np.any(array < 0):
        return None
    axes = [axis for axis in reversed(range(array.ndim)) if array.shape[axis] > 1]
    close = (axis for axis in axes if np.allclose(array.sum(axis), 1, rtol=0, atol=CLOSE))
    return next(close, None)


def _square(array: Array, count: int) -> Array | None:
    """Return a larger square matrix: an identity stays one, and a symmetric one definite."""
    size = len(array)
    again = np.concatenate([np.arange(size), np.arange(count) % size])
    whole = array[np.ix_(again, again)]
    new = np.arange(size, size + count)
    if np.array_equal(array, np.diag(np.diag(array))):
        return np.asarray(np.diag(np.diag(whole)))
    if any(np.allclose(array.sum(axis), 0, atol=CLOSE) for axis in (0, 1)):
        return None
    if array.dtype.kind == "f" and np.allclose(array, array.T, rtol=CLOSE):
        whole[new, new] *= HEAVIER
    return np.asarray(whole)


def extended(value: Block, more: More, rng: np.random.Generator) -> Block:
    """Return a parameter with more entries, which differ a little from its first ones."""
    for axis, count in more.items():
        added = value.take(np.arange(count) % value.shape[axis], axis)
        value = np.concatenate([value, jittered(added, rng)], axis)
    return value


def resizable(problem: Problem) -> bool:
    """True if the user's functions can be given parameters of other shapes."""
    parameters = problem.parameters
    is_whole = parameters.vector is None and problem.bounds is None and problem.slope is None
    return is_whole and not parameters.has_complex and not parameters.torch


def slots_of(parameters: Parameters) -> list[tuple[Slot, int]]:
    """Return the places of parameters in the user's objects, with the indices of their blocks."""
    return [
        (slot, block)
        for slot, _ in parameters.origin
        for block, working in enumerate(parameters.working)
        if working is not None and slot.working is working
    ]


def resized(parameters: Parameters, values: Sequence[Block]) -> Parameters:
    """Return the parameters in other shapes; those changed in place are put there at each call."""
    slots = slots_of(parameters)
    placed = {block for _, block in slots}

    def pack(arrays: Sequence[Any]) -> Any:
        for slot, block in slots:
            for place in slot.way:
                place.hold(place.original)
            slot.place.set(arrays[block])
        left = [None if block in placed else one for block, one in enumerate(arrays)]
        return parameters.pack(left)

    def shape(block: int, flipped: bool) -> tuple[int, ...]:
        return values[block].shape[:: -1 if flipped else 1]

    leaves = (
        leaf if leaf.block is None else replace(leaf, shape=shape(leaf.block, leaf.transposed))
        for leaf in parameters.leaves
    )
    return replace(
        parameters,
        values=tuple(values),
        working=(None,) * len(values),
        leaves=tuple(leaves),
        pack=pack,
    )
