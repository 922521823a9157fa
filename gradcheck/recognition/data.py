"""The data of a network: as given, or found where the user's functions keep them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.user.blocks import Array, Parameters
from gradcheck.user.objects import attributes, is_object
from gradcheck.user.problem import Problem
from gradcheck.user.tensors import is_tensor, to_array

DEPTH = 4
MOST = 12


MOST_TARGETS = 2**26
"""More numbers are no targets of a network that is looked for."""


def candidate_data(problem: Problem) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Arrays that may be the inputs, and arrays that may be the targets, the likeliest first."""
    if problem.inputs is not None:
        inputs = [problem.inputs]
        if problem.targets is not None:
            return inputs, [problem.targets]
        return inputs, [problem.inputs, *_found(problem)]
    found = _found(problem)
    targets = [problem.targets] if problem.targets is not None else found
    return found, targets


def as_rows(data: NDArray[Any], features: int) -> Iterator[Array]:
    """The data as (m, features), in every way in which they can be that."""
    array = np.asarray(data)
    if array.dtype.kind not in "fiub" or not array.size or array.size % features:
        return
    array = array.astype(np.float64)
    if array.ndim == 1 and (array.size == features or features == 1):
        yield array.reshape(-1, features)
    elif array.ndim == 2:
        if array.shape[1] == features:
            yield array
        if array.shape[0] == features:
            yield array.T
    elif array.ndim > 2:
        if int(np.prod(array.shape[1:])) == features:
            yield array.reshape(len(array), features)
        if array.shape[-1] == 1 and array.ndim == 3 and array.shape[1] == features:
            yield array[..., 0]


def as_targets(data: NDArray[Any], batch_size: int, outputs: int) -> Iterator[Array]:
    """The targets as (m, K), in every way in which they can be that; labels become one-hot."""
    array = np.asarray(data)
    if array.dtype.kind not in "fiub" or not array.size:
        return
    if batch_size * outputs > MOST_TARGETS:
        return
    if array.size == batch_size and outputs > 1:
        labels = array.reshape(-1)
        whole = labels.astype(np.intp)
        if np.array_equal(whole, labels):
            for first in (0, 1):
                if whole.min() >= first and whole.max() < outputs + first:
                    yield (whole[:, None] == np.arange(first, outputs + first)).astype(np.float64)
        return
    if array.size != batch_size * outputs:
        return
    array = array.astype(np.float64)
    if array.ndim == 2 and array.shape == (batch_size, outputs):
        yield array
    if array.ndim == 2 and array.shape == (outputs, batch_size):
        yield array.T
    elif array.ndim != 2:
        yield array.reshape(batch_size, outputs)


def _found(problem: Problem) -> list[NDArray[Any]]:
    """The arrays in the closures, defaults, globals and objects of the user's functions."""
    parameters = problem.parameters
    found: list[NDArray[Any]] = []
    seen: set[int] = set()
    for function in (problem.loss_function, problem.gradient_function):
        if function is not None:
            for array in arrays_in(function, DEPTH, seen):
                if len(found) < MOST and array.size > 1 and not _is_parameter(array, parameters):
                    found.append(array)
    for leaf in parameters.left_out:
        slot = next(
            (slot for slot, _ in parameters.origin if slot.place.step == leaf.path[-1]), None
        )
        if slot is not None and isinstance(slot.original, np.ndarray) and len(found) < MOST:
            found.append(slot.original)
    return found


def _is_parameter(array: NDArray[Any], parameters: Parameters) -> bool:
    return any(
        isinstance(slot.original, np.ndarray) and slot.original is array
        for slot, _ in parameters.origin
    ) and not any(leaf.block is None and leaf.shape == array.shape for leaf in parameters.leaves)


def arrays_in(value: Any, depth: int, seen: set[int]) -> Iterator[NDArray[Any]]:
    """The arrays that can be reached from a value."""
    if depth < 0 or id(value) in seen:
        return
    seen.add(id(value))
    if is_tensor(value):
        value = to_array(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fiub":
            yield value
    elif isinstance(value, Mapping):
        for item in list(value.values())[:MOST]:
            yield from arrays_in(item, depth - 1, seen)
    elif isinstance(value, list | tuple):
        if value and all(isinstance(item, int | float | list | tuple) for item in value):
            yield from _as_one_array(value)
        elif (stacked := _stacked(value)) is not None:
            yield from stacked
        else:
            for item in value[:MOST]:
                yield from arrays_in(item, depth - 1, seen)
    elif isinstance(value, functools.partial):
        for item in (value.func, *value.args, *value.keywords.values()):
            yield from arrays_in(item, depth - 1, seen)
    elif inspect.ismethod(value):
        yield from arrays_in(value.__func__, depth - 1, seen)
        yield from arrays_in(value.__self__, depth - 1, seen)
    elif inspect.isfunction(value):
        yield from _arrays_of_function(value, depth, seen)
    elif is_object(value):
        for item in attributes(value).values():
            yield from arrays_in(item, depth - 1, seen)


def _arrays_of_function(function: Any, depth: int, seen: set[int]) -> Iterator[NDArray[Any]]:
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    names = [name for name in function.__code__.co_names if name in function.__globals__]
    used = [function.__globals__[name] for name in names]
    for item in (*cells, *(function.__defaults__ or ()), *used):
        if not inspect.ismodule(item) and not inspect.isclass(item):
            yield from arrays_in(item, depth - 1, seen)


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _stacked(samples: Sequence[Any]) -> list[NDArray[Any]] | None:
    """The samples of a list as one array, or of a list of pairs as two; None where they differ."""
    if len(samples) < 2:
        return None
    if all(isinstance(item, list | tuple) and len(item) == 2 for item in samples):
        columns = [_stacked([item[index] for item in samples]) for index in (0, 1)]
        found = [array for column in columns if column for array in column]
        return found if len(found) == 2 else None
    if not all(isinstance(item, np.ndarray | int | float | np.generic) for item in samples):
        return None
    shapes = {np.shape(item) for item in samples}
    if len(shapes) > 1:
        return None
    stacked = np.stack([np.asarray(item) for item in samples])
    return [stacked] if stacked.dtype.kind in "fiub" else None


def _as_one_array(value: Any) -> Iterator[NDArray[Any]]:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return
    yield array
