"""Gradients that a script holds under a name, or with the value that its step implies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from gradcheck.script.state import PARTS, Attribute, Path, State, alike, bare, last_name, leaves
from gradcheck.trace.record.graph import grouped
from gradcheck.user.blocks import Array
from gradcheck.user.names import derived_names
from gradcheck.user.nodes import siblings_of

BARE = ("gradient", "grad", "grads", "gradients", "dw", "dW")
"""Names for the gradient of the only parameter."""

GRADIENTS = re.compile(
    r"(?i)grad|nabla|delta|^d(?!ata|ate|ays|ecod|eep|ense|epth|ict|im|isc|ist|oc|one|ropout)"
)
"""Pattern of the names of containers of gradients."""

PASSED_ON = re.compile(
    r"(?i)^([xyzahsot]|inp\w*|out\w*|data|batch\w*|samples?|images?|state|pred\w*|act\w*|logits?)[_\d]*$"
)
"""Pattern of the names of data, and of what a layer computes of it."""


def named_gradients(
    after: State,
    paths: Sequence[Path],
    before: State,
    others: Set[Path],
    any_shape: bool = False,
) -> dict[Path, Path]:
    """Return the path of each parameter's gradient after an iteration; empty unless all have one.

    All gradients must lie in one container: under names derived from the parameters' names, the
    same names in another container, or the same indices of a list; those of several lists may lie
    in as many. `others` are excluded; what an
    iteration leaves as it was, such as the gradients of another network, comes last. With
    `any_shape` those that are named after the parameters may have another shape, if not all have
    theirs.
    """
    if any_shape and (fitting := named_gradients(after, paths, before, others)):
        return fitting
    holders: dict[Path, dict[Any, Any]] = {}
    for path, value in leaves(after).items():
        if path not in others:
            holders.setdefault(path[:-1], {})[path[-1]] = value
    for part in PARTS:  # an array may have several names, of which `leaves` has one
        arrays = {name: one for name, one in after.part(part).items() if type(one) is np.ndarray}
        fresh = {name: one for name, one in arrays.items() if (part, name) not in {*others, *paths}}
        holders[part,] = {**fresh, **holders.get((part,), {})}
    best, strength = dict[Path, Path](), (0, False, False)
    for holder, items in holders.items():
        if len(items) < len(paths):
            continue
        is_own = any(holder == path[:-1] for path in paths)
        places, derived = _in_holder(holder, items, paths, before, is_own, any_shape)
        is_set = any(not alike(before.number(one), after.number(one)) for one in places.values())
        own_strength = (derived, is_set, bool(GRADIENTS.search(last_name(("", *holder[1:])))))
        if len({*places.values()}) == len(paths) and own_strength > strength:
            best, strength = places, own_strength
    beside = best or _beside(after, paths, before, others, any_shape)
    return beside or _in_several(after, paths, before, others)


def has_gradient(there: Mapping[Path, Any], path: Path) -> bool:
    """Whether an array of this shape is named as the gradient of what lies at a path.

    That of the data and of activations may be computed as well, and is not meant.
    """
    if PASSED_ON.match(last_name(path)):
        return False
    shape, names = np.shape(there[path]), {*_derived(path[-1]), f"D{bare(path[-1])}"}
    return any(
        np.shape(value) == shape and np.any(value)
        for other, value in there.items()
        if bare(other[-1]) in names
        or (shape and other[-1] == path[-1] and GRADIENTS.search(last_name(other[:-1])))
    )


def equal_gradients(
    after: State, wanted: Mapping[Path, Array], others: Set[Path]
) -> dict[Path, Path]:
    """Return the paths of the gradients that a step implies, under any name; empty unless all."""
    places: dict[Path, Path] = {}
    for place, value in leaves(after).items():
        if place in others or place in wanted or not isinstance(value, np.ndarray | float):
            continue
        for path, gradient in wanted.items():
            if path not in places and are_equal(gradient, np.asarray(value)):
                places[path] = place
    return places if len(places) == len(wanted) else {}


def are_equal(implied: Array, value: Array) -> bool:
    """Whether a gradient equals the implied one up to the rounding of the parameters."""
    size = float(np.max(np.abs(value), initial=0.0))
    return implied.shape == value.shape and np.allclose(
        implied, value, rtol=1e-5, atol=1e-9 * (1 + size)
    )


def _in_holder(
    holder: Path,
    items: Mapping[Any, Any],
    paths: Sequence[Path],
    before: State,
    is_own: bool,
    any_shape: bool,
) -> tuple[dict[Path, Path], int]:
    places: dict[Path, Path] = {}
    derived = 0
    is_named = not is_own and bool(GRADIENTS.search(last_name(("", *holder[1:]))))
    for path in paths:
        wanted = np.shape(before.get(path))
        fitting: list[tuple[bool, int, Any, Any]] = []
        for name in _names(path[-1], len(paths) == 1, is_own):
            for key in (name, Attribute(name) if isinstance(name, str) else name):
                if key not in items:
                    continue
                shape, is_made = np.shape(items[key]), isinstance(items[key], np.number)
                may_be_wrong = any_shape and wanted and (is_named or name in _derived(path[-1]))
                may_be_wrong = may_be_wrong and (shape or is_made)  # else it is a small step
                if shape == wanted or may_be_wrong:
                    fitting.append((type(items[key]) is float, len(fitting), name, key))
        if fitting:  # a plain number `db` beside a computed `grad_b` is a small step, too
            _, _, name, key = min(fitting, key=lambda one: one[:2])
            places[path] = (*holder, key)
            derived += name != bare(path[-1])
    return places, derived


def _beside(
    after: State, paths: Sequence[Path], before: State, others: Set[Path], any_shape: bool
) -> dict[Path, Path]:
    """Return gradients that lie beside each parameter: `layer.dW` beside `layer.W`."""
    places: dict[Path, Path] = {}
    for path in paths:
        for name in _names(path[-1], False, True):
            there = (*path[:-1], Attribute(name) if isinstance(path[-1], Attribute) else name)
            value = None if there in others else after.number(there)
            if value is None:
                continue
            may_be_wrong = any_shape and value.ndim and name in _derived(path[-1])
            if may_be_wrong or value.shape == np.shape(before.get(path)):
                places[path] = there
                break
    return places if len(places) == len(paths) else {}


def _in_several(
    after: State, paths: Sequence[Path], before: State, others: Set[Path]
) -> dict[Path, Path]:
    """Return gradients of several lists, each in a list of its own: `dWs[0]` for `Ws[0]`."""
    of_each = grouped((path[:-1], path) for path in paths if isinstance(path[-1], int))
    if len(of_each) < 2:
        return {}
    places: dict[Path, Path] = {}
    for own in of_each.values():
        places |= named_gradients(after, own, before, others)
    holders = {place[:-1] for place in places.values()}
    are_named = all(GRADIENTS.search(last_name(holder)) for holder in holders)
    are_apart = len(holders) == len(of_each) and len({*places.values()}) == len(paths)
    return places if are_named and are_apart else {}


def _derived(step: Any) -> list[str]:
    name = bare(step)
    return derived_names(name) if isinstance(name, str) else []


def _names(step: Any, is_only: bool, is_own: bool) -> list[Any]:
    """Return possible names for the gradient of a parameter, from the last step of its path."""
    name = bare(step)
    if not isinstance(name, str):
        return [] if is_own else [name]
    names = [*derived_names(name), f"D{name}", f"d{name.upper()}", f"gradient_{name}"]
    names += siblings_of(name)
    return [*names, *(BARE if is_only else ()), *([] if is_own else [name])]
