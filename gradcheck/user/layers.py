"""A layer as a scalar loss of its inputs, with the gradient from its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from gradcheck.arrays import own_arrays
from gradcheck.errors import UsageError
from gradcheck.user.automatic import automatic_product, product_of, require_order
from gradcheck.user.blocks import Leaf, Parameters, describe
from gradcheck.user.by_input import (
    by_input,
    count_of,
    differentiable,
    named_inputs,
    require_something_to_check,
)
from gradcheck.user.calls import LEAVING, call, hand_over
from gradcheck.user.conventions import CONVENTIONS, JAX, TORCH, Convention
from gradcheck.user.draws import Draws
from gradcheck.user.held import (
    asked_of,
    at_its_default,
    builds_itself,
    gradients_of,
    has_parameters,
    in_its_owner,
    kept_in,
    of_its_owner,
    owner_of,
    returned_names,
    with_owner,
    with_rate,
    zero_gradients,
)
from gradcheck.user.kept_lists import KeptLists
from gradcheck.user.outputs import (
    OUTPUTS,
    THE_OUTPUT,
    THE_UPSTREAM,
    Reading,
    fitted,
    inner,
    like_output,
    mapped,
    random_like,
    readings,
)
from gradcheck.user.own_backward import taken_apart
from gradcheck.user.structures import flatten
from gradcheck.user.tensors import is_torch, to_array

ROUGH = 1e-5
"""The step and the relative error of the test that decides between two readings."""


@dataclass(frozen=True)
class CheckedLayer:
    """A forward and backward pair as a scalar problem: the output times a fixed upstream gradient.

    By the chain rule, the gradient of sum(upstream * forward(x)) is backward(upstream), whatever
    the upstream gradient is (Griewank and Walther 2008, Evaluating Derivatives, chapter 3).

    Attributes:
        forward: returns the output, or a tuple (output, cache).
        backward: takes (upstream, cache), or upstream alone; returns the inputs' gradients. None
            if torch or jax computes them, through the backward pass of a function of theirs.
        fixed: the inputs that are not differentiated (integers, settings), by name.
        upstream: dL/d output, in the structure of the output.
        owner: the object whose methods they are; its parameters are checked with the inputs.
        owned: the places of the arrays in the owner.
        checked: the other inputs, by name, as they were given.
        rate: the learning rate with which backward updates them; 0 if it does not.
        convention: the convention of the upstream gradient of complex outputs.
        possible: the conventions that are possible; one if the library fixes it.
        draws: the states of the generators that forward draws from, or None if it does not.
        lists: those that forward appends to, which hold in every call what they held before.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    fixed: Mapping[str, Any]
    names: tuple[str, ...]
    positional: bool
    upstream: Any
    reading: Reading
    owner: Any = None
    owned: tuple[Leaf, ...] = ()
    checked: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 0.0
    convention: Convention = TORCH
    possible: tuple[Convention, ...] = CONVENTIONS
    draws: Draws | None = None
    lists: KeptLists = field(default_factory=KeptLists)

    def loss(self, params: Mapping[str, Any]) -> float:
        """The sum of upstream times output."""
        output, _ = self.run(params)
        return inner(self.upstream, output)

    def gradient(self, params: Mapping[str, Any]) -> Any:
        """The gradients from the backward pass, by the names of the inputs."""
        upstream = mapped(self.convention.written, self.upstream)
        if self.backward is None:
            return automatic_product(lambda inputs: self.run(inputs)[0], params, upstream)
        output, cache = self.run(params)
        upstream = like_output(upstream, output)
        given = self._given(upstream, output, cache, params)
        if not self.owned:
            returned = gradients_of(self.owner, hand_over(self.backward, *given))
            return self._by_name(returned)
        zero_gradients(self.owner, self.owned)
        asked = partial(hand_over, self.backward, *given)
        returned, stored = asked_of(asked, self.owner, self.owned, self.rate)
        return {
            **stored,
            **({} if self.rate and returned is None else self._with_owned(returned, stored)),
        }

    def run(self, params: Mapping[str, Any]) -> tuple[Any, Any]:
        """The output and the cache."""
        return self.reading.split(self.returned(params))

    def returned(self, params: Mapping[str, Any]) -> Any:
        """Calls the forward pass, which draws what it drew in the first call."""
        if self.draws is not None:
            self.draws.restore()
        self.lists.cut()
        inputs = {name: params.get(name, self.fixed.get(name)) for name in self.names}
        values, named = (inputs.values(), {}) if self.positional else ((), inputs)
        returned = hand_over(self.forward, *values, **named)
        return kept_in(self.owner, returned, OUTPUTS)

    def _given(self, upstream: Any, output: Any, cache: Any, params: Mapping[str, Any]) -> Any:
        """The arguments of the backward pass."""
        taken = self.reading.taken
        if not taken:
            return self.reading.given(upstream, cache)
        known = {**self.fixed, **params, THE_OUTPUT: output, THE_UPSTREAM: upstream}
        return tuple(known[name] for name in taken)

    def with_zero_upstream(self) -> CheckedLayer:
        """The layer with an upstream gradient of zero."""
        zero = mapped(
            lambda item: None if item is None else np.zeros_like(to_array(item)), self.upstream
        )
        return replace(self, upstream=zero)

    def _with_owned(self, returned: Any, kept: Mapping[str, Any]) -> dict[str, Any]:
        """The gradients by name; those of the owner's parameters may follow those of the inputs."""
        if not self.checked:  # indices alone, which an embedding takes
            returned = returned if isinstance(returned, tuple) else (returned,)
            return of_its_owner(returned, 0, self.owned, self._written, kept)
        is_list = isinstance(returned, tuple | list)
        count = count_of(returned, self.checked) if is_list else 1
        if not is_list or len(returned) <= count:
            return self._by_name(returned)
        following = of_its_owner(returned, count, self.owned, self._written, kept)
        return {**self._by_name(returned[:count]), **following}

    @cached_property
    def _written(self) -> list[list[str]]:
        return returned_names(self.backward)

    def _by_name(self, returned: Any) -> dict[str, Any]:
        found = dict(by_input(returned, self.names, self.checked))
        return in_its_owner(found, self.checked, self.owned) if self.owned else found


def make_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    inputs: Any,
    upstream: Any,
    rng: np.random.Generator,
    order: int = 1,
) -> tuple[CheckedLayer, Parameters]:
    """The layer as a scalar problem, and its parameters: the inputs and the owner's arrays."""
    positional, named = not isinstance(inputs, Mapping), named_inputs(forward, inputs)
    require_order(order, backward)
    if order == 2:
        forward, named = call(product_of, "your forward", forward, named, positional, rng)
        positional, upstream = False, None
    params = differentiable(named, backward is not None)
    owner = owner_of(forward, backward)
    if not params and not has_parameters(owner):
        require_something_to_check(backward, params)
    fixed = {name: value for name, value in named.items() if name not in params}
    still = own_arrays(**fixed)
    parameters = flatten(params) if owner is None else with_owner(params, owner)
    layer = CheckedLayer(
        forward,
        backward,
        fixed,
        tuple(named),
        positional,
        upstream,
        Reading(0, 1),
        owner,
        tuple(leaf for leaf in parameters.leaves if leaf.in_object),
        params,
    )
    if backward is None:
        layer = replace(layer, possible=(TORCH if any(map(is_torch, params.values())) else JAX,))
    try:
        start, draws = parameters.pack(parameters.values), Draws.of(forward)
        lists = KeptLists.of(owner)
        returned = call(layer.returned, "your forward", start)
        layer = replace(layer, draws=draws if draws.went_on() else None)
        layer = replace(layer, lists=lists.growing(owner, partial(layer.returned, start)))
        candidates = [
            _with_upstream(replace(layer, reading=reading), returned, upstream, rng)
            for reading in readings(returned, backward, tuple(named))
        ]
        if backward is None and order == 1:
            return taken_apart(candidates[0], start), parameters
        given = {name: start[name] for name in params}
        chosen = _chosen(candidates, given, rng) if candidates[1:] else candidates[0]
        if owner is not None and builds_itself(chosen, given):
            layer.lists.cut()
            return make_layer(forward, backward, inputs, upstream, rng, order)
        chosen = with_rate(chosen, start)
        return chosen if upstream is not None else at_its_default(chosen, start), parameters
    finally:
        parameters.restore()
        for array, before in still.values():
            array[...] = before


def _with_upstream(
    layer: CheckedLayer, returned: Any, upstream: Any, rng: np.random.Generator
) -> CheckedLayer:
    """The layer with an upstream gradient that fits its output."""
    output, _ = layer.reading.split(returned)
    drawn = random_like(output, rng)  # also raises for outputs that cannot be checked
    if layer.reading.arguments == 0:
        if np.shape(to_array(output)) != ():
            raise UsageError(
                "backward takes no upstream gradient, which it needs unless forward returns one "
                "number; write def backward(upstream)"
            )
        drawn = np.ones(()) if upstream is None else upstream
    given = layer.reading.taken or layer.reading.given(drawn, None)
    if len(given) < layer.reading.arguments:
        raise UsageError(
            f"backward needs {layer.reading.arguments} arguments, and forward returned "
            f"{describe(returned)}; it is called with one upstream gradient for each output, and "
            "the cache: def backward(dout1, dout2, cache) where forward returns out1, out2, cache"
        )
    if upstream is not None:
        drawn = mapped(_or_zeros, drawn, fitted(upstream, output))
    return replace(layer, upstream=drawn)


def _or_zeros(drawn: Any, given: Any) -> Any:
    """The user's upstream gradient of an output; None stands for zero."""
    return given if given is not None or drawn is None else np.zeros_like(drawn)


def _chosen(
    candidates: Sequence[CheckedLayer], params: Mapping[str, Any], rng: np.random.Generator
) -> CheckedLayer:
    """The candidate (outputs with a cache, or outputs alone) for which the gradient is right."""
    right = [layer for layer in candidates if _is_right(layer, params, rng)]
    if len(right) == 1 or candidates[0].reading.arguments == 1:
        return (right or candidates)[0]
    count = candidates[0].reading.arguments
    raise UsageError(
        f"forward returned a tuple of {count}: are all outputs, or is the last a cache? Name the "
        "arguments of backward accordingly, def backward(dout1, dout2) or "
        "def backward(upstream, cache); or let forward return ((out1, out2), cache)"
    )


def _is_right(layer: CheckedLayer, params: Mapping[str, Any], rng: np.random.Generator) -> bool:
    """Whether the gradient roughly equals the slope of the loss along one random direction."""
    values = {name: np.asarray(to_array(value)) for name, value in params.items()}
    along = {name: rng.standard_normal(value.shape) for name, value in values.items()}
    try:
        given = layer.gradient(params)
        up, down = (
            layer.loss({name: value + size * along[name] for name, value in values.items()})
            for size in (ROUGH, -ROUGH)
        )
        slopes = [np.real(np.vdot(given[name], direction)) for name, direction in along.items()]
    except LEAVING:  # the reading may be wrong, so that the user's code may raise anything
        return False
    numeric, analytic = (up - down) / (2 * ROUGH), float(np.sum(slopes))
    return bool(abs(numeric - analytic) <= ROUGH * (abs(numeric) + np.abs(slopes).sum()))
