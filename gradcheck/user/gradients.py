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

from gradcheck.arrays import all_finite
from gradcheck.errors import UsageError
from gradcheck.user.blocks import Array, Leaf, Parameters, Path, cut, describe
from gradcheck.user.calls import UserCodeError
from gradcheck.user.names import has_role, is_intermediate, look_beside, look_up
from gradcheck.user.objects import Position, is_object
from gradcheck.user.problem import Problem
from gradcheck.user.tensors import to_array
from gradcheck.words import listed, printable

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
        alike: the blocks of arrays with several places that were all given the same gradient:
            each a part of it, or each the whole.
    """

    blocks: tuple[Gradient, ...]
    ignored: tuple[str, ...] = ()
    alike: tuple[int, ...] = ()


def read_gradients(returned: Any, parameters: Parameters, copy: bool = True) -> Gradients:
    """Assigns what the user's gradient function returned to the blocks.

    Args:
        returned: what it returned.
        parameters: the blocks.
        copy: whether the gradients stay as they are when the user's arrays change.

    Raises:
        UsageError: it cannot be read as the gradients of these parameters.
    """
    if returned is None and not parameters.in_place:
        raise UsageError(
            f"your gradient returned None; it must return the gradients of {_listed(parameters)}"
        )
    found, ignored = _assign(returned, parameters)
    places: list[list[Gradient]] = [[] for _ in parameters.values]
    for leaf, value in zip(parameters.leaves, found, strict=True):
        if leaf.block is not None:
            gradient = _gate(value, leaf.shape, leaf.name, copy)
            places[leaf.block].append(_transposed(gradient) if leaf.transposed else gradient)
    merged = [_merged(gradients) for gradients in places]
    alike = tuple(block for block, gradients in enumerate(places) if _are_alike(gradients))
    return Gradients(tuple(merged), ignored, alike)


def returned_arrays(returned: Any, parameters: Parameters) -> dict[str, NDArray[Any]]:
    """The very arrays that a gradient function returned, by the names of their blocks.

    What it left in an object, or returned as anything else than arrays, is not among them.

    Raises:
        UsageError: it cannot be read as the gradients of these parameters.
    """
    if returned is None or returned is parameters.owner:
        return {}
    found, _ = _assign(returned, parameters)
    return {
        parameters.names[leaf.block]: value
        for leaf, value in zip(parameters.leaves, found, strict=True)
        if leaf.block is not None and isinstance(value, np.ndarray)
    }


def _merged(gradients: list[Gradient]) -> Gradient:
    """The gradient of an array from those at its places: their sum, or the one that all are."""
    given = [gradient for gradient in gradients if gradient.verdict != "missing"]
    if len(given) < 2 or _are_alike(gradients):
        return given[0] if given else gradients[0]
    bad = next((gradient for gradient in given if gradient.verdict != "ok"), None)
    if bad is not None:
        return bad
    total = np.sum([g.value for g in given if g.value is not None], axis=0)
    return Gradient(total, "ok", max(gradient.epsilon for gradient in given))


def _are_alike(gradients: list[Gradient]) -> bool:
    """Whether the places of one array were all given the same gradient."""
    given = [gradient.value for gradient in gradients if gradient.verdict == "ok"]
    first = given[0] if given else None
    return (
        first is not None
        and len(given) == len(gradients) > 1
        and bool(np.any(first))
        and all(value is not None and np.array_equal(first, value) for value in given)
    )


def _transposed(gradient: Gradient) -> Gradient:
    return gradient if gradient.value is None else replace(gradient, value=gradient.value.T)


def _assign(returned: Any, parameters: Parameters) -> tuple[list[Any], tuple[str, ...]]:
    """What was returned for every leaf of the user's structure."""
    leaves = parameters.leaves
    if parameters.vector is not None and not isinstance(returned, Mapping | list | tuple):
        return _pieces(returned, parameters, parameters.vector), ()
    if [leaf.path for leaf in leaves] == [()]:
        return [returned], ()
    if parameters.in_place and (returned is None or returned is parameters.owner):
        return [_or_missing(look_beside(parameters.owner, leaf.path)) for leaf in leaves], ()
    if isinstance(returned, Mapping):
        return _by_name(returned, parameters)
    if is_object(returned):
        found = [_look_up(returned, leaf) for leaf in leaves]
        return [
            _or_missing(look_beside(returned, leaf.path)) if match is None else match[0]
            for match, leaf in zip(found, leaves, strict=True)
        ], ()
    if isinstance(returned, list | tuple):
        return _in_order(returned, parameters), ()
    if len(leaves) == 1:
        return [returned], ()
    if parameters.in_place:
        by_shape = _by_shape([returned], parameters)
        if by_shape is not None:
            return by_shape, ()
    raise UsageError(
        f"your gradient returned {describe(returned)}; it must return the gradients of "
        f"{_listed(parameters)}, in a dict by these names or a list in this order"
    )


def with_gradients_only(problem: Problem) -> tuple[Problem, Gradients | None]:
    """The problem without what an object holds beside its parameters: caches, data, velocities.

    Of an object's arrays, those with a gradient are its parameters; where the gradient raises,
    those that are named like weights and biases.

    Returns:
        The problem, and what the first call of the gradient gave; None where it was not called.

    Raises:
        UsageError: none of them has one.
        UserCodeError: the loss raised.
    """
    parameters = problem.parameters
    if not any(leaf.in_object for leaf in parameters.leaves):
        return problem, None
    try:
        gradients = read_gradients(problem.gradient(parameters.values), parameters).blocks
    except UserCodeError:
        named = [block for block, name in enumerate(parameters.names) if has_role(name)]
        narrowed = parameters.narrowed(named) if named else parameters
        return replace(problem, parameters=narrowed), None
    center = np.nan if problem.step is None else problem.loss(parameters.values)
    kept = [
        block
        for block, gradient in enumerate(gradients)
        if (
            gradient.verdict != "missing"
            and (problem.step is None or problem.depends_on(block, center))
        )
        or not any(leaf.in_object for leaf in parameters.leaves if leaf.block == block)
    ]
    if not kept:
        raise UsageError(
            f"no gradient was found for any array of your object ({_listed(parameters)}); return "
            "them in a dict by name, or keep them beside the parameters under names like dW1"
        )
    first = Gradients(tuple(gradients[block] for block in kept))
    return replace(problem, parameters=parameters.narrowed(kept)), first


def _pieces(returned: Any, parameters: Parameters, shape: tuple[int, ...]) -> list[Any]:
    """The gradient of a vector, cut as the vector is."""
    vector = _as_array(returned, "the vector")
    if vector.shape != shape:
        raise UsageError(
            f"your gradient returned {describe(vector)} for a vector of shape {shape}; return it "
            "in the vector's own shape, or the gradients of the blocks in a dict"
        )
    return list(cut(vector, (leaf.shape for leaf in parameters.leaves)))


def _look_up(returned: Any, leaf: Leaf) -> tuple[Any, Path] | None:
    """By the name that the user gave it, else by its path."""
    return look_up(returned, (leaf.name,)) or look_up(returned, leaf.path)


def _or_missing(value: Any) -> Any:
    return _MISSING if value is None else value


def _by_name(
    returned: Mapping[Any, Any], parameters: Parameters
) -> tuple[list[Any], tuple[str, ...]]:
    found = [_look_up(returned, leaf) for leaf in parameters.leaves]
    used = {match[1][0] for match in found if match is not None}
    extra = [key for key in returned if key not in used]
    known = [leaf.name for leaf in parameters.leaves]
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
    paths = [leaf.path for leaf in parameters.leaves]
    same_structure = [_follow(returned, path) for path in paths]
    if all(value is not _MISSING for value in same_structure):
        extra = len(returned) - len({path[0] for path in paths})
        if not extra:
            return same_structure
    if parameters.in_place:
        by_shape = _by_shape(returned, parameters)
        if by_shape is not None:
            return by_shape
    groups = _grouped(returned, parameters)
    if groups is not None:
        return groups
    if len(returned) == len(paths):
        return list(returned)
    kept = [index for index, leaf in enumerate(parameters.leaves) if leaf.block is not None]
    if len(returned) == len(kept):
        ordered: list[Any] = [_MISSING] * len(paths)
        for index, value in zip(kept, returned, strict=True):
            ordered[index] = value
        return ordered
    raise UsageError(
        f"your gradient returned {describe(returned)} for {len(parameters.names)} parameters "
        f"({_listed(parameters)}); return one gradient for each, in this order, or a dict by name"
    )


def _by_shape(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any] | None:
    """Arrays, or lists of arrays, to those attributes of an object that have their shapes.

    None where an item fits no attribute, or more than one.
    """
    leaves = parameters.leaves
    attributes: dict[Any, list[int]] = {}
    for index, leaf in enumerate(leaves):
        attributes.setdefault(leaf.path[:1], []).append(index)
    found: list[Any] = [_MISSING] * len(leaves)
    taken: set[Any] = set()
    for item in returned:
        several = isinstance(item, list | tuple)
        shapes = [np.shape(part) for part in item] if several else [np.shape(item)]
        fitting = [
            name
            for name, indices in attributes.items()
            if [leaves[index].shape for index in indices] == shapes and name not in taken
        ]
        if len(fitting) != 1:
            return None
        taken.add(fitting[0])
        for index, part in zip(attributes[fitting[0]], item if several else [item], strict=True):
            found[index] = part
    return found


def _follow(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if isinstance(step, Position):
            if not isinstance(value, list | tuple) or step.index >= len(value):
                return _MISSING
            value = value[step.index]
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
        elif is_object(value) and isinstance(step, str) and hasattr(value, step):
            value = getattr(value, step)
        else:
            return _MISSING
    return value


def _grouped(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any] | None:
    """`(nabla_w, nabla_b)` against a dict of lists: every group to the key that it fits."""
    leaves = parameters.leaves
    keys = list(dict.fromkeys(leaf.path[0] for leaf in leaves))
    if len(keys) != len(returned) or any(len(leaf.path) < 2 for leaf in leaves):
        return None
    readings = []
    for order in ([*range(len(keys))], [*range(len(keys))][::-1]):
        source = dict(zip(keys, (returned[index] for index in order), strict=True))
        values = [_follow(source[leaf.path[0]], leaf.path[1:]) for leaf in leaves]
        if any(value is _MISSING for value in values):
            continue
        fits = all(
            np.shape(to_array(value)) == leaf.shape
            for value, leaf in zip(values, leaves, strict=True)
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
    return readings[0][1] if readings and len(returned) != len(leaves) else None


def _gate(value: Any, shape: tuple[int, ...], name: str, copy: bool) -> Gradient:
    if value is _MISSING or value is None:
        return Gradient(None, "missing")
    array = _as_array(value, name)
    epsilon = float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0
    gradient = array.astype(np.float64, copy=copy)
    if array.shape != shape and not (array.size == 1 and shape == ()):
        return Gradient(gradient, "shape", epsilon)
    gradient = gradient.reshape(shape)
    verdict = "ok" if all_finite(gradient) else "nonfinite"
    return Gradient(gradient, verdict, max(epsilon, float(np.finfo(np.float64).eps)))


def _as_array(value: Any, name: str) -> NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray) and value.dtype.kind in "fiu":
        value = np.ma.filled(value.astype(np.float64), np.nan)  # what is masked is no gradient
    try:
        array = np.asarray(to_array(value))
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiub":
        raise UsageError(
            f"the gradient of {printable(name)} is {describe(value)}; it must be an array of real "
            "numbers"
        )
    return array


def _listed(parameters: Parameters) -> str:
    return listed([name or repr(name) for name in parameters.names], most=8)
