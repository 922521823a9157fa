"""Assigns the value returned by a gradient function to the leaves of the user's structure.

It may have the structure of the parameters, be a dict by (derived) name or path, or a list or tuple
in block order. An ambiguous value raises UsageError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Leaf, Parameters, Path, cut, describe
from gradcheck.user.names import (
    ABSENT,
    follow,
    is_intermediate,
    kept_gradients,
    look_beside,
    look_up,
    without_namesakes,
)
from gradcheck.user.nodes import PARAMETERS
from gradcheck.user.objects import Position, is_object
from gradcheck.user.tensors import as_numbers, to_array
from gradcheck.words import listed, printable


class SeveralHoldersError(UsageError):
    """The names in a gradient are those of the arrays in several containers of an object."""

    def __init__(self, holders: list[Any]) -> None:
        super().__init__(
            f"the names in your gradient are those of {listed([str(each) for each in holders])}; "
            f"write gradcheck.parameters(params, only={str(holders[0])!r}) for the one that it is "
            "the gradient of"
        )
        self.holders = holders


def assign(returned: Any, parameters: Parameters) -> tuple[list[Any], tuple[str, ...]]:
    """The gradient of every leaf, complex for both parts of an array; the surplus names."""
    gradients, surplus = _assigned(returned, parameters.undivided)
    if len(gradients) < len(parameters.leaves):
        last = np.cumsum([leaf.part != "imag" for leaf in parameters.leaves]) - 1
        gradients = [gradients[place] for place in last]
    return gradients, surplus


def _assigned(returned: Any, parameters: Parameters) -> tuple[list[Any], tuple[str, ...]]:
    leaves = parameters.leaves
    if parameters.vector is not None and not isinstance(returned, Mapping | list | tuple):
        return _pieces(returned, parameters, parameters.vector), ()
    if [leaf.path for leaf in leaves] == [()]:
        return [returned], ()
    if parameters.in_place and (returned is None or returned is parameters.owner):
        return [_or_missing(one) for one in _all_beside(parameters)], ()
    if isinstance(returned, Mapping):
        return _by_name(returned, parameters)
    if is_object(returned):
        matches = [_look_up(returned, leaf) for leaf in leaves]
        return [
            _or_missing(look_beside(returned, leaf.path)) if match is None else match[0]
            for match, leaf in zip(matches, leaves, strict=True)
        ], ()
    if isinstance(returned, list | tuple):
        return _in_order(returned, parameters), ()
    if len(leaves) == 1:
        return [returned], ()
    if parameters.in_place:
        by_shape = _by_shape([returned], parameters)
        if by_shape is not None:
            return by_shape, ()
        if (kept := _kept(parameters)) is not None:
            return kept, ()
    raise UsageError(
        f"your gradient returned {describe(returned)}; it must return the gradients of "
        f"{names_of(parameters)}, in a dict by these names or a list in this order"
    )


def _all_beside(parameters: Parameters) -> list[Any]:
    """What the object keeps beside each parameter as its gradient; None where it keeps nothing."""
    return [look_beside(parameters.owner, leaf.path) for leaf in parameters.leaves]


def _kept(parameters: Parameters) -> list[Any] | None:
    """The gradients beside all parameters; what is returned, as a cost and a delta, is not them."""
    beside = _all_beside(parameters) if parameters.in_place else [None]
    return None if any(one is None for one in beside) else beside


def _pieces(returned: Any, parameters: Parameters, shape: tuple[int, ...]) -> list[Any]:
    vector = as_array(returned, "the vector")
    if vector.shape != shape:
        raise UsageError(
            f"your gradient returned {describe(vector)} for a vector of shape {shape}; return it "
            "in the vector's own shape, or the gradients of the blocks in a dict"
        )
    return list(cut(vector, (leaf.shape for leaf in parameters.leaves)))


def _look_up(returned: Any, leaf: Leaf) -> tuple[Any, Path] | None:
    """The gradient of a leaf, by the name that the user gave it, else by its path."""
    return look_up(returned, (leaf.name,)) or look_up(returned, leaf.path)


def _or_missing(value: Any) -> Any:
    return ABSENT if value is None else value


def _by_name(
    returned: Mapping[Any, Any], parameters: Parameters
) -> tuple[list[Any], tuple[str, ...]]:
    matches = [_look_up(returned, leaf) for leaf in parameters.leaves]
    if not any(matches):
        matches = _inside(returned, parameters)
    matches = without_namesakes(matches, parameters.leaves)
    used = {match[1][0] for match in matches if match is not None}
    extra = [key for key in returned if key not in used]
    known = [leaf.name for leaf in parameters.leaves]
    given = [key for key in extra if returned[key] is not None]  # None is right for a setting
    unknown = [key for key in given if not is_intermediate(key, known)]
    if unknown or not used:
        first = ", ".join(map(repr, (unknown or list(returned))[:5]))
        raise UsageError(
            f"your gradient returned entries that belong to no parameter: {first}; the parameters "
            f"are {names_of(parameters)}"
            if returned
            else f"your gradient returned an empty dict; the parameters are {names_of(parameters)}"
        )
    values = [ABSENT if match is None else match[0] for match in matches]
    return values, tuple(map(str, given))


def _inside(returned: Mapping[Any, Any], parameters: Parameters) -> list[tuple[Any, Path] | None]:
    """The gradients of the parameters in one container of an object, by their names in there."""
    leaves = parameters.leaves
    matches = [
        look_up(returned, leaf.path[1:])
        if leaf.block is not None and len(leaf.path) > 1 and leaf.in_object
        else None
        for leaf in leaves
    ]
    holders = list(
        dict.fromkeys(
            leaf.path[0] for leaf, match in zip(leaves, matches, strict=True) if match is not None
        )
    )
    named = [holder for holder in holders if holder in PARAMETERS]
    if len(holders) > 1 and len(named) != 1:
        raise SeveralHoldersError(holders)
    holder = (named or holders or [None])[0]
    return [
        match if leaf.path[:1] == (holder,) else None
        for leaf, match in zip(leaves, matches, strict=True)
    ]


def _in_order(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any]:
    """The gradients in the structure of the parameters, if it is the same, or one per block."""
    paths = [leaf.path for leaf in parameters.leaves]
    same_structure = [follow(returned, path) for path in paths]
    beside = kept_gradients([leaf.path for leaf in parameters.leaves if leaf.in_object])
    pairs = zip(same_structure, paths, strict=True)
    if all(value is not ABSENT or path in beside for value, path in pairs):
        firsts = {path[0] for path in paths}
        extra = [part for i, part in enumerate(returned) if Position(i) not in firsts]
        # a layer without parameters is empty
        if all(
            part is None or (isinstance(part, Mapping | list | tuple) and not part)
            for part in extra
        ):
            return same_structure
    in_one = len({path[:1] for path in paths}) == 1 and all(path[1:] for path in paths)
    if in_one and len({path[1] for path in paths}) == len(returned):
        inside = [follow(returned, path[1:]) for path in paths]
        if not any(one is ABSENT for one in inside):
            return inside  # the structure of the one container that the parameters lie in
    if parameters.in_place:
        by_shape = _by_shape(returned, parameters)
        if by_shape is not None:
            return by_shape
    groups = _grouped(returned, parameters)
    if groups is not None:
        return groups
    if len(returned) == len(paths):
        return list(returned)
    every_place: list[int] = []
    first_places: dict[int, int] = {}
    for index, leaf in enumerate(parameters.leaves):
        if leaf.block is not None and leaf.path not in beside:
            every_place.append(index)
            first_places.setdefault(leaf.block, index)
    for places in (every_place, list(first_places.values())):
        if len(returned) == len(places):
            ordered: list[Any] = [ABSENT] * len(paths)
            for index, value in zip(places, returned, strict=True):
                ordered[index] = value
            return ordered
    if (kept := _kept(parameters)) is not None:
        return kept
    raise UsageError(
        f"your gradient returned {describe(returned)} for {len(parameters.names)} parameters "
        f"({names_of(parameters)}); return one gradient for each, in this order, or a dict by name"
    )


def _by_shape(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any] | None:
    """Assigns arrays, or lists of arrays, to the attributes of an object by their shapes.

    None if an item fits no attribute, or more than one.
    """
    leaves = parameters.leaves
    attributes: dict[Any, list[int]] = {}
    for index, leaf in enumerate(leaves):
        attributes.setdefault(leaf.path[:1], []).append(index)
    gradients: list[Any] = [ABSENT] * len(leaves)
    used: set[Any] = set()
    for item in returned:
        several = isinstance(item, list | tuple)
        shapes = [np.shape(part) for part in item] if several else [np.shape(item)]
        fitting = [
            name
            for name, indices in attributes.items()
            if [leaves[index].shape for index in indices] == shapes and name not in used
        ]
        if len(fitting) != 1:
            return None
        used.add(fitting[0])
        for index, part in zip(attributes[fitting[0]], item if several else [item], strict=True):
            gradients[index] = part
    return gradients


def _grouped(returned: list[Any] | tuple[Any, ...], parameters: Parameters) -> list[Any] | None:
    """Assigns groups such as `(nabla_w, nabla_b)` to the keys of a dict of lists that they fit."""
    leaves = parameters.leaves
    keys = list(dict.fromkeys(leaf.path[0] for leaf in leaves))
    if len(keys) != len(returned) or any(len(leaf.path) < 2 for leaf in leaves):
        return None
    readings = []
    for order in ([*range(len(keys))], [*range(len(keys))][::-1]):
        source = dict(zip(keys, (returned[index] for index in order), strict=True))
        values = [follow(source[leaf.path[0]], leaf.path[1:]) for leaf in leaves]
        if any(value is ABSENT for value in values):
            continue
        fits = all(
            np.shape(to_array(value)) == leaf.shape
            for value, leaf in zip(values, leaves, strict=True)
        )
        readings.append((fits, values))
    fitting = [values for fits, values in readings if fits]
    if len(fitting) > 1 and len(keys) > 1:
        raise UsageError(
            f"the {len(returned)} groups that your gradient returned fit {names_of(parameters)} in "
            f"more than one order; return a dict with the keys {', '.join(map(str, keys))}"
        )
    if fitting:
        return fitting[0]
    return readings[0][1] if readings and len(returned) != len(leaves) else None


def as_array(value: Any, name: str, is_complex: bool = False) -> NDArray[Any]:
    """A returned gradient as an array."""
    if isinstance(value, np.ma.MaskedArray) and value.dtype.kind in "fiu":
        value = np.ma.filled(value.astype(np.float64), np.nan)  # masked entries have no gradient
    array = as_numbers(value)
    if array.dtype.kind == "c" and (is_complex or not np.any(array.imag)):
        return array if is_complex else array.real
    if array.dtype.kind == "c":
        raise UsageError(
            f"the gradient of {printable(name)} is complex, and {printable(name)} is real: dL/d "
            f"{printable(name)} is its real part"
        )
    if array.dtype.kind not in "fiub":
        raise UsageError(
            f"the gradient of {printable(name)} is {describe(value)}; it must be an array of real "
            "numbers"
        )
    return array


def names_of(parameters: Parameters) -> str:
    """The names of the blocks, for messages."""
    return listed([name or repr(name) for name in parameters.names], most=8)
