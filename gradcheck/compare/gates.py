"""Gates before any subtraction: structure, shape, type, finiteness.

A gradient comes in the structure of the parameters, in a dict by (derived) name or path, or in a
list or tuple in block order. What cannot be read in exactly one way is refused with a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.blocks import Array, Parameters, describe
from gradcheck.compare.names import is_intermediate, look_beside, look_up
from gradcheck.errors import UsageError
from gradcheck.objects import Position, is_object
from gradcheck.problem import Problem
from gradcheck.usercode import UserCodeError

_MISSING = object()


@dataclass(frozen=True)
class Gradient:
    """The analytic gradient of one block, as far as it can be used.

    Attributes:
        value: float64, in the shape in which it was returned; None when nothing was.
        verdict: "ok" when it can be compared, else "missing", "shape", "nonfinite" or "raised".
        epsilon: the relative precision of the type that it was returned in.
    """

    value: Array | None
    verdict: str
    epsilon: float = float(np.finfo(np.float64).eps)

    @property
    def comparable(self) -> bool:
        """Whether it has an entry for every entry of the block."""
        return self.verdict in ("ok", "nonfinite")


RAISED = Gradient(None, "raised")


@dataclass(frozen=True)
class Gradients:
    """The analytic gradients of all blocks.

    Attributes:
        blocks: one per block, in order.
        ignored: names of returned entries that belong to no block.
    """

    blocks: tuple[Gradient, ...]
    ignored: tuple[str, ...] = ()


def read_gradients(returned: Any, parameters: Parameters) -> Gradients:
    """Assigns what the user's gradient function returned to the blocks.

    Raises:
        UsageError: it cannot be read as the gradients of these parameters.
    """
    if returned is None and not parameters.in_objects:
        raise UsageError(
            f"your gradient returned None; it must return the gradients of {_listed(parameters)}"
        )
    found, ignored = _assign(returned, parameters)
    blocks = tuple(
        _gate(value, shape, name)
        for value, shape, name in zip(found, parameters.shapes, parameters.names, strict=True)
    )
    return Gradients(blocks, ignored)


def _assign(returned: Any, parameters: Parameters) -> tuple[list[Any], tuple[str, ...]]:
    if parameters.paths == ((),):
        return [returned], ()
    if parameters.in_objects and (returned is None or returned is parameters.owner):
        return [_or_missing(look_beside(parameters.owner, path)) for path in parameters.paths], ()
    if isinstance(returned, Mapping):
        return _by_name(returned, parameters)
    if is_object(returned):
        found = [look_up(returned, path) for path in parameters.paths]
        return [
            _or_missing(look_beside(returned, path)) if match is None else match[0]
            for match, path in zip(found, parameters.paths, strict=True)
        ], ()
    if isinstance(returned, list | tuple):
        return _in_order(returned, parameters), ()
    if len(parameters.paths) == 1:
        return [returned], ()
    raise UsageError(
        f"your gradient returned {describe(returned)}; it must return the gradients of "
        f"{_listed(parameters)}, in a dict by these names or a list in this order"
    )


def with_gradients_only(problem: Problem) -> Problem:
    """The problem without what an object holds beside its parameters: caches, data, velocities.

    Of an object's arrays, those with a gradient are its parameters.

    Raises:
        UsageError: none of them has one.
        UserCodeError: the loss raised.
    """
    parameters = problem.parameters
    if not parameters.in_objects:
        return problem
    try:
        gradients = read_gradients(problem.gradient(parameters.values), parameters).blocks
    except UserCodeError:
        return problem
    kept = [
        block
        for block, gradient in enumerate(gradients)
        if gradient.verdict != "missing" or parameters.slots[block] is None
    ]
    if not kept:
        raise UsageError(
            f"no gradient was found for any array of your object ({_listed(parameters)}); return "
            "them in a dict by name, or keep them beside the parameters under names like dW1"
        )
    aside = [block for block in range(len(gradients)) if block not in kept]
    return replace(
        problem,
        parameters=parameters.narrowed(kept),
        set_aside=tuple((parameters.names[block], parameters.shapes[block]) for block in aside),
    )


def _or_missing(value: Any) -> Any:
    return _MISSING if value is None else value


def _by_name(
    returned: Mapping[Any, Any], parameters: Parameters
) -> tuple[list[Any], tuple[str, ...]]:
    found = [look_up(returned, path) for path in parameters.paths]
    used = {match[1][0] for match in found if match is not None}
    extra = [key for key in returned if key not in used]
    known = parameters.names
    unknown = [key for key in extra if not is_intermediate(key, known)]
    if unknown or not used:
        listed = ", ".join(map(repr, (unknown or list(returned))[:5]))
        raise UsageError(
            f"your gradient returned entries that belong to no parameter: {listed}; the parameters "
            f"are {_listed(parameters)}"
            if returned
            else f"your gradient returned an empty dict; the parameters are {_listed(parameters)}"
        )
    values = [_MISSING if match is None else match[0] for match in found]
    return values, tuple(map(str, extra))


def _in_order(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any]:
    """By the structure of the parameters if it is the same, else one item per block."""
    same_structure = [_follow(returned, path) for path in parameters.paths]
    if all(value is not _MISSING for value in same_structure):
        extra = len(returned) - len({path[0] for path in parameters.paths})
        if not extra:
            return same_structure
    if parameters.in_objects:
        by_shape = _by_shape(returned, parameters)
        if by_shape is not None:
            return by_shape
    groups = _grouped(returned, parameters)
    if groups is not None:
        return groups
    if len(returned) == len(parameters.paths):
        return list(returned)
    raise UsageError(
        f"your gradient returned {describe(returned)} for {len(parameters.paths)} parameters "
        f"({_listed(parameters)}); return one gradient for each, in this order, or a dict by name"
    )


def _by_shape(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any] | None:
    """Arrays, or lists of arrays, to those attributes of an object that have their shapes.

    None where an item fits no attribute, or more than one.
    """
    attributes: dict[Any, list[int]] = {}
    for block, path in enumerate(parameters.paths):
        attributes.setdefault(path[:1], []).append(block)
    found: list[Any] = [_MISSING] * len(parameters.paths)
    taken: set[Any] = set()
    for item in returned:
        several = isinstance(item, list | tuple)
        shapes = [np.shape(part) for part in item] if several else [np.shape(item)]
        fitting = [
            name
            for name, blocks in attributes.items()
            if [parameters.shapes[block] for block in blocks] == shapes and name not in taken
        ]
        if len(fitting) != 1:
            return None
        taken.add(fitting[0])
        for block, part in zip(attributes[fitting[0]], item if several else [item], strict=True):
            found[block] = part
    return found


def _follow(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if isinstance(step, Position):
            if not isinstance(value, list | tuple) or step.index >= len(value):
                return _MISSING
            value = value[step.index]
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
        else:
            return _MISSING
    return value


def _grouped(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any] | None:
    """`(nabla_w, nabla_b)` against a dict of lists: every group to the key that it fits."""
    keys = list(dict.fromkeys(path[0] for path in parameters.paths))
    if len(keys) != len(returned) or any(len(path) < 2 for path in parameters.paths):
        return None
    readings = []
    for order in ([*range(len(keys))], [*range(len(keys))][::-1]):
        source = dict(zip(keys, (returned[index] for index in order), strict=True))
        values = [_follow(source[path[0]], path[1:]) for path in parameters.paths]
        if any(value is _MISSING for value in values):
            continue
        fits = all(
            np.shape(value) == shape for value, shape in zip(values, parameters.shapes, strict=True)
        )
        readings.append((fits, values))
    fitting = [values for fits, values in readings if fits]
    if len(fitting) > 1 and len(keys) > 1:
        raise UsageError(
            f"the {len(returned)} groups that your gradient returned fit {_listed(parameters)} in "
            f"more than one order; return a dict with the keys {', '.join(map(str, keys))}"
        )
    if fitting:
        return fitting[0]
    return readings[0][1] if readings and len(returned) != len(parameters.paths) else None


def _gate(value: Any, shape: tuple[int, ...], name: str) -> Gradient:
    if value is _MISSING or value is None:
        return Gradient(None, "missing")
    array = _as_array(value, name)
    epsilon = float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0
    gradient = np.array(array, dtype=np.float64)
    if array.shape != shape and not (array.size == 1 and shape == ()):
        return Gradient(gradient, "shape", epsilon)
    gradient = gradient.reshape(shape)
    verdict = "ok" if np.all(np.isfinite(gradient)) else "nonfinite"
    return Gradient(gradient, verdict, max(epsilon, float(np.finfo(np.float64).eps)))


def _as_array(value: Any, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiub":
        raise UsageError(
            f"the gradient of {name} is {describe(value)}; it must be an array of real numbers"
        )
    return array


def _listed(parameters: Parameters) -> str:
    names = [name or repr(name) for name in parameters.names]
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:7])}, ... ({len(names)})"
