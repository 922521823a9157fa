"""The usual names of gradients: `dW1` for the parameter `W1`, `dw[0]` for `weights[0]`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from gradcheck.user.blocks import Leaf, Path, path_name
from gradcheck.user.nodes import siblings_of
from gradcheck.user.objects import Position, attributes, is_object
from gradcheck.user.tensors import is_module

OF_A_LOSS = tuple(f"d{loss}{by}" for loss in "LJEClec" for by in ("_d", "d"))
WRITTEN_OUT = ("gradient_", "_gradient_")
PREFIXES = (
    "d",
    "d_",
    "grad_",
    "g",
    "g_",
    "nabla_",
    "delta_",
    "D",
    "grad",
    *WRITTEN_OUT,
    *OF_A_LOSS,
)
SUFFIXES = ("_grad", "_gradient", "_grads", "_gradients", "_g")
ROLES = {
    "weight": {"w", "weight", "weights", "kernel", "ws"},
    "bias": {"b", "bias", "biases", "bs"},
}
CONTAINERS = ("grads", "gradients", "grad", "dparams")
"""The usual names of a dict with the gradients of the arrays beside it, by their names."""

ABSENT = object()
"""Marks a leaf for which no gradient was returned."""

_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>_?\d*)$", re.DOTALL)


def derived_names(name: str) -> list[str]:
    """The names that the gradient of `name` may have, besides `name` itself."""
    return [prefix + name for prefix in PREFIXES] + [name + suffix for suffix in SUFFIXES]


def is_derived(name: str) -> bool:
    """Whether a name may be that of a gradient: `dW`, `W_grad`, `gradients`."""
    return _undressed(name) != name


def look_up(gradients: Any, path: Path) -> tuple[Any, Path] | None:
    """The gradient of the block at `path` in a dict or object, and the keys that led to it.

    Exact names win over derived ones, and derived ones over names of the same role and number
    (`dw` for `weights`).
    """
    if is_object(gradients):
        gradients = attributes(gradients)
    for flat in chain([path_name(path)], _derived_paths(path)):
        if flat in gradients and isinstance(flat, str):
            return gradients[flat], (flat,)
    return _walk(gradients, path, ())


def without_namesakes(
    matches: Sequence[tuple[Any, Path] | None], leaves: Sequence[Leaf]
) -> list[tuple[Any, Path] | None]:
    """The matches but for those by a role (`W` for `weights`) of what another has by its name."""
    pairs = list(zip(matches, leaves, strict=True))
    own = [match[1] for match, leaf in pairs if match is not None and _is_named(match[1], leaf)]
    return [
        None if match is None or (match[1] in own and not _is_named(match[1], leaf)) else match
        for match, leaf in pairs
    ]


def _is_named(found: Path, leaf: Leaf) -> bool:
    """Whether the keys that led to a gradient have the name of a leaf, or one derived from it."""
    if found == (leaf.name,):
        return True
    key, name = (
        next((step for step in reversed(path) if isinstance(step, str)), "")
        for path in (found, leaf.path)
    )
    return key == name or key in derived_names(name)


def is_intermediate(key: Any, names: Sequence[str]) -> bool:
    """Whether an entry of a gradient dict that belongs to no block can be ignored.

    `dA1`, `dZ2`, `delta3` and `cost` are intermediate values; `dW1` beside `W1` is a second name of
    the same block. `W9` and `dW9` look like the gradient of a missing parameter.
    """
    if not isinstance(key, str):
        return False
    stem = _undressed(key)
    if stem != key and stem in names:
        return True
    return (stem != key or key.lower().startswith(("delta", "cost", "loss"))) and _role(
        stem
    ) is None


def has_role(name: str) -> bool:
    """Whether a name is that of a weight or a bias: `W1`, `biases[0]`, `hidden.kernel`."""
    last = re.split(r"[.\[]", re.sub(r"\[\d+\]", "", name))[-1]
    return _role(last) is not None


def _derived_paths(path: Path) -> Iterator[str]:
    for depth, step in enumerate(path):
        if isinstance(step, str):
            for derived in derived_names(step):
                yield path_name((*path[:depth], derived, *path[depth + 1 :]))


def _walk(value: Any, path: Path, walked: Path) -> tuple[Any, Path] | None:
    if not path:
        return value, walked
    step, rest = path[0], path[1:]
    if isinstance(step, Position):
        if isinstance(value, list | tuple) and step.index < len(value):
            return _walk(value[step.index], rest, (*walked, step))
        return None
    keyed = attributes(value) if is_object(value) else value
    if isinstance(keyed, Mapping):
        for key in _keys_for(step, keyed):
            match = _walk(keyed[key], rest, (*walked, key))
            if match is not None:
                return match
    return None


def follow(value: Any, path: Path) -> Any:
    """The value at the end of a path that starts at `value`; `ABSENT` if there is none."""
    for step in path:
        if isinstance(step, Position):
            if not isinstance(value, list | tuple) or step.index >= len(value):
                return ABSENT
            value = value[step.index]
        elif is_module(value):
            value = dict(value.named_parameters()).get(step, ABSENT)
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
        elif is_object(value) and isinstance(step, str) and hasattr(value, step):
            value = getattr(value, step)
        else:
            return ABSENT
    return value


def look_beside(owner: Any, path: Path) -> Any | None:
    """The gradient stored beside the parameter at `path`: `layer.dW` beside `layer.W`.

    One name of the path is replaced by a derived one, the last name first, or looked up in a dict
    beside it (`layer.grads["W"]`); None if none exists.
    """
    match = found_beside(owner, path)
    return None if match is None else match[2]


def found_beside(owner: Any, path: Path) -> tuple[Any, str, Any] | None:
    """The holder of the gradient that `look_beside` finds, its name there, and the gradient."""
    for depth in reversed(range(len(path))):
        if not isinstance(path[depth], str):
            continue
        holder = follow(owner, path[:depth])
        keyed = attributes(holder) if is_object(holder) else holder
        if not isinstance(keyed, Mapping):
            continue
        others = {key: value for key, value in keyed.items() if key != path[depth]}
        for key in _keys_for(path[depth], others):
            gradient = follow(others[key], path[depth + 1 :])
            if key.startswith(WRITTEN_OUT) and _is_summed(owner, path[:depth]):
                continue
            if gradient is not ABSENT and gradient is not None:
                return holder, key, gradient
        for key in CONTAINERS:
            beside = others.get(key)
            match = look_up(beside, path[depth:]) if isinstance(beside, Mapping) else None
            if match is not None and match[0] is not None:
                return holder, key, match[0]
    return None


def _is_summed(owner: Any, path: Path) -> bool:
    """Whether an object keeps gradients of weights that it has not: the sums of its part's.

    A recurrent layer made of layers does; what these keep then is the gradient of one pass.
    """
    outer = (attributes(follow(owner, path[:depth])) for depth in range(len(path)))
    return any(
        isinstance(key, str) and key.startswith(WRITTEN_OUT) and _undressed(key) not in kept
        for kept in outer
        for key in kept
    )


def kept_gradients(paths: Sequence[Path]) -> set[Path]:
    """The paths in an object that hold gradients beside its parameters."""
    beside: dict[tuple[Path, Path], list[str]] = {}
    for path in paths:
        for depth, step in enumerate(path):
            if isinstance(step, str):
                beside.setdefault((path[:depth], path[depth + 1 :]), []).append(step)
    return {
        (*before, sibling, *after)
        for (before, after), names in beside.items()
        for name in names
        for sibling in _keys_for(name, dict.fromkeys(other for other in names if other != name))
        if sibling in siblings_of(name) or _undressed(sibling) != sibling
    }


def _keys_for(name: Any, mapping: Mapping[Any, Any]) -> list[Any]:
    """The keys of a mapping that may hold the gradient of `name`, the best first."""
    if name in mapping:
        return [name]
    if not isinstance(name, str):
        return []
    derived = [other for other in derived_names(name) if other in mapping]
    if derived:
        return derived
    beside = [other for other in siblings_of(name) if other in mapping]
    role = _role(name)
    if beside and not (role and any(_role(str(key)) not in (None, role) for key in mapping)):
        return beside[:1]
    same_role = [
        key
        for key in mapping
        if isinstance(key, str) and role is not None and _role(_undressed(key)) == role
    ]
    return same_role if len(same_role) == 1 else []


def _undressed(key: str) -> str:
    """A derived name without its prefix or suffix."""
    for suffix in SUFFIXES:
        if key.endswith(suffix) and len(key) > len(suffix):
            return key[: -len(suffix)]
    for prefix in sorted(PREFIXES, key=len, reverse=True):
        if key.startswith(prefix) and len(key) > len(prefix):
            return key[len(prefix) :]
    return key


def _role(name: str) -> tuple[str, str] | None:
    """The role of a parameter's name and its number: ("weight", "1") for `W1` and `w_1`."""
    match = _NUMBERED.match(name)
    if match is None:
        return None
    for role, names in ROLES.items():
        if match["stem"].lower() in names:
            return role, match["number"].lstrip("_")
    return None
