"""Layers that store their outputs and gradients in attributes, or update their own parameters."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Leaf, Parameters, path_name
from gradcheck.user.calls import LEAVING
from gradcheck.user.forms import signature_of
from gradcheck.user.names import derived_names, follow, has_role, is_derived, look_beside
from gradcheck.user.objects import Place, Walk, attributes, is_object
from gradcheck.user.outputs import RATE, mapped
from gradcheck.user.structures import flatten
from gradcheck.user.tensors import is_module, to_array
from gradcheck.user.updaters import watching

GRADIENTS = ("dinputs", "dinput", "dx", "dX", "d_inputs", "d_input", "grad_input", "input_gradient")


def kept_in(owner: Any, returned: Any, names: Sequence[str]) -> Any:
    """The returned value; if a method returns None, the array that it stored in its object."""
    if returned is not None or owner is None:
        return returned
    held = attributes(owner)
    return next((held[name] for name in names if isinstance(held.get(name), np.ndarray)), None)


def gradients_of(owner: Any, returned: Any) -> Any:
    """The gradients that a backward pass returned or stored; `(dx, [dw, db])` is flattened."""
    returned = kept_in(owner, returned, GRADIENTS)
    if type(returned) is not tuple or len(returned) != 2 or type(returned[1]) not in (list, tuple):
        return returned
    if any(not isinstance(gradient, np.ndarray) for gradient in returned[1]):
        return returned
    return (returned[0], *returned[1]) if returned[1] else returned[0]


def zero_gradients(owner: Any, owned: Sequence[Leaf]) -> None:
    """Sets to 0 what an object keeps as its gradients, to which a backward pass may add."""
    for kept in _beside(owner, owned).values():
        if isinstance(kept, np.ndarray) and kept.flags.writeable:
            kept[...] = 0


def _beside(owner: Any, owned: Sequence[Leaf]) -> dict[str, Any]:
    beside = {leaf.name: look_beside(owner, leaf.path[1:]) for leaf in owned}
    ways = [leaf.path[1:] for leaf in owned]
    plain = [way for way in ways if not any(isinstance(a, str) and is_derived(a) for a in way)]
    own = {id(follow(owner, way)) for way in plain}  # `g` beside `v` may be a parameter too
    return {name: at for name, at in beside.items() if at is not None and id(at) not in own}


def of_its_owner(
    returned: Sequence[Any],
    count: int,
    owned: Sequence[Leaf],
    written: Sequence[Sequence[str]],
    kept: Container[str],
) -> dict[str, Any]:
    """The gradients after the first `count`, by the names of the arrays in the layer's object.

    They are told by the names that the source returns them under (`return dx, dgamma`), as in
    `written`, and weights and biases by their shapes as well; those of no fitting shape are those
    of as many weights and biases, if none of these is `kept` beside its array.
    """
    named: dict[str, Any] = {}
    free, size, unfit = list(owned), len(returned), []
    names = next((one for one in written if len(one) == size), [""] * size)
    for item, name in list(zip(returned, names, strict=True))[count:]:
        if isinstance(item, Mapping):
            named |= in_its_owner(item, {}, owned)
            continue
        fitting = [leaf for leaf in free if leaf.shape == np.shape(to_array(item))]
        called = [leaf for leaf in fitting if name in derived_names(leaf.name)]
        chosen = next(iter([*called, *(leaf for leaf in fitting if has_role(leaf.name))]), None)
        if chosen is not None:
            named[chosen.name] = item
            free.remove(chosen)
        elif isinstance(item, np.ndarray):
            unfit.append(item)
    without = [one.name for one in free if has_role(one.name) and one.name not in kept]
    return {
        **named,
        **(dict(zip(without, unfit, strict=True)) if len(without) == len(unfit) else {}),
    }


def in_its_owner(
    gradients: Mapping[str, Any], inputs: Mapping[str, Any], owned: Sequence[Leaf]
) -> dict[str, Any]:
    """The gradients by the names of single arrays: `xs[0]` of a list, `params.W` for `W`."""
    found: dict[str, Any] = {}
    for name, value in gradients.items():
        if isinstance(inputs.get(name), list | tuple) and isinstance(value, list | tuple):
            found |= {f"{name}[{index}]": item for index, item in enumerate(value)}
        elif name in inputs or any(name in derived_names(one) for one in inputs):
            found[name] = value
        else:  # `dx` is that of an input X, also where the object keeps that as its x
            alike = [one for one in inputs if name.lower() in derived_names(one.lower())]
            found[alike[0] if len(alike) == 1 else _in_owner(name, owned)] = value
    return found


def _in_owner(key: str, owned: Sequence[Leaf]) -> str:
    """The name of the one array of an object that a gradient called `key` belongs to, or `key`."""
    keys = [str(leaf.path[-1]) for leaf in owned]
    fitting = [
        leaf.name
        for leaf, own in zip(owned, keys, strict=True)
        if key == own or (key in derived_names(own) and key not in keys)
    ]
    return fitting[0] if len(fitting) == 1 else key


def returned_names(function: Any) -> list[list[str]]:
    """The names in each tuple that the source of a function returns; "" for an expression."""
    try:
        source = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return []
    returned = (node.value for node in ast.walk(source) if isinstance(node, ast.Return))
    return [
        [one.id if isinstance(one, ast.Name) else "" for one in items.elts]
        for items in returned
        if isinstance(items, ast.Tuple)
    ]


def asked_of(
    ask: Callable[[], Any], owner: Any, owned: Sequence[Leaf], rate: float
) -> tuple[Any, dict[str, Any]]:
    """What a backward pass returned, and the gradients that it left beside its object's parameters.

    With a learning rate, those that its update implies come before them, and what it changed in
    the object is put back. An infinite one implies none: optimisers say what they are given.
    """
    places = [
        Place(follow(owner, leaf.path[1:-1]), leaf.path[-1], follow(owner, leaf.path[1:]))
        for leaf in (owned if rate else ())
    ]
    before = [np.array(place.original) for place in places]
    attributes = dict(getattr(owner, "__dict__", {}))
    handed: dict[str, Any] = {}
    with watching(owner, owned if rate else (), handed):
        returned = gradients_of(owner, ask())
    left = {name: copy.copy(kept) for name, kept in _beside(owner, owned).items()}
    left |= handed if np.isinf(rate) else {}
    for leaf, place, value in zip(owned, places, before, strict=False):
        implied = (value - place.get()) / rate if np.shape(place.get()) == value.shape else 0.0
        if np.any(implied) or (has_role(leaf.name) and leaf.name not in left):
            left[leaf.name] = implied
    if rate:
        getattr(owner, "__dict__", {}).update(attributes)
    for place, value in zip(places, before, strict=True):
        if not np.array_equal(place.original, value):
            place.original[...] = value
        place.hold(place.original)
    return returned, left


def with_rate(layer: Any, params: Mapping[str, Any]) -> Any:
    """The layer with the learning rate by which its backward pass updates the layer's object.

    It is an argument of `backward`, that argument's default, or an attribute of the object; or
    infinite, where all gradients are kept beside the parameters or given to optimisers.

    Raises:
        UsageError: there is none, or the update is no rate times a gradient.
    """
    if not layer.owned or layer.reading.rate:
        return replace(layer, rate=float(bool(layer.owned)))
    try:
        once, again = layer.loss(params), layer.loss(params)
        before = dict(getattr(layer.owner, "__dict__", {}))
        with watching(layer.owner, layer.owned, {}):
            layer.gradient(params)
        later = layer.loss(params)
        getattr(layer.owner, "__dict__", {}).update(before)
        if once != again or later == once:
            return layer
        rate = _rate_of(layer.backward, layer.owner)
        updating = replace(layer, rate=rate)
        twice = replace(
            updating, upstream=mapped(lambda one: None if one is None else 2 * one, layer.upstream)
        )
        single, double = (one.gradient(params) if rate else {} for one in (updating, twice))
        told = replace(layer, rate=np.inf)
        moving, given = (one.gradient(params) for one in (replace(layer, rate=1.0), told))
    except LEAVING:  # the check reports it
        return layer
    moved = [name for name, value in single.items() if np.any(value)]
    doubled = [name for name in moved if np.allclose(double[name], 2 * single[name])]
    if doubled and all(name in doubled for name in moved if has_role(name)):
        return updating
    moved = [name for name, value in moving.items() if np.any(value)]
    shown = [name for name in moved if np.any(given.get(name, 0.0)) and name not in layer.names]
    if not moved:  # but what is no array yet, as a scale that begins as 1
        return told
    if shown and all(name in shown for name in moved if has_role(name)):
        return told
    raise UsageError(
        "backward changes the parameters of its object by what is no learning rate times their "
        "gradients; let it return the gradients, or keep them beside the parameters (self.dW)"
    )


def _rate_of(backward: Callable[..., Any], owner: Any) -> float:
    """The learning rate among a function's defaults and an object's attributes; 0 without one."""
    arguments = getattr(signature_of(backward), "parameters", {}).values()
    named = [(one.name, one.default) for one in arguments] + list(attributes(owner).items())
    rates = [(name, value) for name, value in named if RATE.match(name) and type(value) is float]
    return min(rates, key=lambda pair: pair[0] == "alpha", default=("", 0.0))[1]


def owner_of(forward: Any, backward: Any) -> Any:
    """The user's object whose methods these functions are, or None."""
    owners = [getattr(function, "__self__", None) for function in (forward, backward)]
    return next((owner for owner in owners if is_object(owner) and not is_module(owner)), None)


def builds_itself(layer: Any, params: Mapping[str, Any]) -> bool:
    """Whether the first call of the forward pass made parameters in the object.

    They stay where they are in a further call, as what is kept of the inputs does not; and they
    are weights or biases by their names, or backward moves them or leaves gradients beside them.
    """
    owner, known = layer.owner, {leaf.path[1:] for leaf in layer.owned}
    made = [(path, slot.original) for path, slot in Walk(False).slots(owner) if path not in known]
    arrays = [(path, one) for path, one in made if isinstance(one, np.ndarray)]
    try:
        layer.run({name: mapped(copy.copy, value) for name, value in params.items()})
        staying = [(path, one, one.copy()) for path, one in arrays if follow(owner, path) is one]
        if staying and not layer.reading.rate:
            layer.gradient(params)
    except LEAVING:  # the check reports it
        return False
    grown = False
    for path, array, before in staying:
        moved = follow(owner, path) is not array or not np.array_equal(array, before)
        grown |= moved or has_role(path_name(path)) or look_beside(owner, path) is not None
        array[...] = before
        Place(follow(owner, path[:-1]), path[-1], array).hold(array)
    return grown


def has_parameters(owner: Any) -> bool:
    """Whether an object has weights, biases or kept gradients, checked even where no input is."""
    try:
        leaves = () if owner is None else with_owner({}, owner).leaves
    except UsageError:  # it holds no arrays at all
        return False
    return any(
        has_role(leaf.name) or look_beside(owner, leaf.path[1:]) is not None for leaf in leaves
    )


def with_owner(params: Mapping[str, Any], owner: Any) -> Parameters:
    """The inputs and an object's arrays, which keep their own names unless an input has it."""
    key = next(name for name in ("layer", "owner", "self_") if name not in params)
    both = flatten({**params, key: owner})
    owned = {f"{key}.{path_name(leaf.path[1:])}" for leaf in both.leaves if leaf.in_object}
    short = {name: name.removeprefix(f"{key}.") for name in owned}
    short = {name: new for name, new in short.items() if new not in params}
    return replace(
        both,
        names=tuple(short.get(name, name) for name in both.names),
        leaves=tuple(replace(leaf, name=short.get(leaf.name, leaf.name)) for leaf in both.leaves),
    )


def at_its_default(layer: Any, params: Mapping[str, Any]) -> Any:
    """The layer; if it is a loss whose `backward(dout=1)` ignores dout, with upstream 1."""
    try:
        given = next(iter(inspect.signature(layer.backward or layer.forward).parameters.values()))
        under = [
            replace(layer, upstream=np.full((), number)).gradient(params) for number in (1.0, 0.0)
        ]
        is_loss = given.default == 1 and np.shape(to_array(layer.run(params)[0])) == ()
        same = all(np.array_equal(value, under[1][name]) for name, value in under[0].items())
    except LEAVING:  # the check reports it
        return layer
    if not (is_loss and same and any(map(np.any, under[0].values()))):
        return layer
    reading = replace(layer.reading, arguments=0, left_out=given.name)
    return replace(layer, reading=reading, upstream=np.ones(()))
