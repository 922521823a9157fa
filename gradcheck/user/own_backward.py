"""Splits a function of torch or jax with a custom backward pass into forward and backward.

`torch.autograd.Function.apply`, `jax.custom_vjp` and `jax.custom_jvp` call rules that the user
wrote. As a forward and a backward function, these are traced, diagnosed and mended like any others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.user.calls import LEAVING
from gradcheck.user.forms import POSITIONAL, signature_of
from gradcheck.user.outputs import Reading, is_output, leaves
from gradcheck.user.tensors import is_tensor, is_torch, to_array

if TYPE_CHECKING:
    from gradcheck.user.layers import CheckedLayer

Pair = tuple[Callable[..., Any], Callable[..., Any]]


def rules_of(function: Any) -> Pair | None:
    """The functions forward(*inputs) -> (output, cache) and backward(upstream, cache).

    None if a function has no custom rules.
    """
    kind = getattr(function, "__self__", None)
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and isinstance(kind, type) and issubclass(kind, torch.autograd.Function):
        return _of_torch(kind, torch) if function.__name__ == "apply" else None
    if jax is None or not isinstance(function, jax.custom_vjp | jax.custom_jvp):
        return None
    return _of_jax(function) if isinstance(function, jax.custom_vjp) else _of_tangents(function)


def taken_apart(layer: CheckedLayer, start: Mapping[str, Any]) -> CheckedLayer:
    """The layer with the user's rules called directly, if they give the same as the library.

    Also if the library rejects the shape of a gradient or the user's rule raises: called directly,
    the rules show more than the library's exception.
    """
    rules = rules_of(layer.forward)
    if rules is None or not layer.positional:
        return layer
    apart = replace(layer, forward=rules[0], backward=rules[1], reading=Reading(1, 2))
    (ours, our_error), (theirs, their_error) = (_asked(each, start) for each in (apart, layer))
    if their_error:
        shape = not our_error and "invalid gradient" in their_error
        return apart if shape or our_error == their_error else layer
    pairs = [] if our_error else [map(to_array, pair) for pair in leaves(ours, theirs)]
    same = not our_error and all(
        one.shape == other.shape and np.allclose(one, other, rtol=1e-4, equal_nan=True)
        for one, other in pairs
    )
    return apart if same else layer


def _asked(layer: CheckedLayer, start: Mapping[str, Any]) -> tuple[Any, str]:
    """The output and the gradients, and ""; or None and the exception as text."""
    try:
        return (layer.run(start)[0], layer.gradient(start)), ""
    except LEAVING as error:
        return None, repr(error)


Called = dict[Any, tuple[Any, ...]]
"""Functions with custom rules, and the arguments of their first call."""


def called_within(run: Callable[[], Any]) -> list[tuple[Any, tuple[Any, ...]]]:
    """The functions with custom rules that a call runs, and the arguments of their first call."""
    calls: Called = {}
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    with ExitStack() as undo:
        if torch is not None:
            for kind in _kinds_below(torch.autograd.Function):
                _note(kind, calls, undo)
        if jax is not None:
            undo.enter_context(jax.disable_jit())
            for kind in (jax.custom_vjp, jax.custom_jvp):
                undo.callback(setattr, kind, "__call__", kind.__call__)
                kind.__call__ = _noting_rule(kind.__call__, calls)
        run()
    return [(getattr(rule, "apply", rule), given) for rule, given in calls.items()]


def _kinds_below(kind: Any) -> Iterator[Any]:
    for subclass in kind.__subclasses__():
        yield from _kinds_below(subclass)
        if not subclass.__module__.startswith("torch."):
            yield subclass


def _note(kind: Any, calls: Called, undo: ExitStack) -> None:
    """Replaces the forward function of a `torch.autograd.Function` by one that records calls."""
    real, first = kind.forward, 0 if has_setup(kind) else 1

    def forward(*given: Any) -> Any:
        calls.setdefault(kind, tuple(map(_numbers_of, given[first:])))
        return real(*given)

    if "forward" in vars(kind):
        undo.callback(setattr, kind, "forward", vars(kind)["forward"])
    else:
        undo.callback(delattr, kind, "forward")
    kind.forward = staticmethod(forward)


def _noting_rule(real: Callable[..., Any], calls: Called) -> Callable[..., Any]:
    def called(rule: Any, *given: Any, **named: Any) -> Any:
        if not named and not rule.__module__.startswith("jax."):
            calls.setdefault(rule, tuple(map(_numbers_of, given)))
        return real(rule, *given, **named)

    return called


def _numbers_of(value: Any) -> Any:
    """A copy of an argument; under vmap, of the first in its batch."""
    if not is_tensor(value):
        return value
    if is_torch(value):
        batched = sys.modules["torch"]._C._functorch
        if not batched.is_batchedtensor(value):
            return value.detach().clone()
        return _numbers_of(batched.get_unwrapped(value).select(batched.maybe_get_bdim(value), 0))
    axis = getattr(value, "batch_dim", None)
    return value if axis is None else _numbers_of(value.val.take(0, axis))


def has_setup(kind: Any) -> bool:
    """Whether a `torch.autograd.Function` has its own `setup_context`."""
    return not kind.setup_context.__module__.startswith("torch.")


class Context:
    """Replaces the context that torch passes to forward and backward."""

    def __init__(self, count: int) -> None:
        self.needs_input_grad = (True,) * count
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Stores tensors for the backward pass."""
        self.saved_tensors = tensors

    def ignore(self, *arguments: Any) -> None:
        """Does nothing, for methods that do not affect the numbers."""

    mark_dirty = mark_non_differentiable = set_materialize_grads = save_for_forward = ignore


def _of_torch(kind: Any, torch: Any) -> Pair:
    def forward(*inputs: Any) -> Any:
        context = Context(len(inputs))
        with torch.no_grad():
            if not has_setup(kind):
                return kind.forward(context, *inputs), (context, inputs)
            outputs = kind.forward(*inputs)
            kind.setup_context(context, inputs, outputs)
            return outputs, (context, inputs)

    def backward(upstream: Any, residuals: Any) -> tuple[Any, ...]:
        context, inputs = residuals
        with torch.no_grad():
            return _filled(kind.backward(context, *_listed(upstream)), inputs)

    return forward, backward


def _of_jax(rule: Any) -> Pair:
    ahead, back, still = rule.fwd, rule.bwd, rule.nondiff_argnums

    def forward(*inputs: Any) -> Any:
        outputs, residuals = ahead(*inputs)
        return outputs, (residuals, inputs)

    def backward(upstream: Any, cache: Any) -> tuple[Any, ...]:
        residuals, inputs = cache
        fixed = [inputs[position] for position in still]
        rest = [value for position, value in enumerate(inputs) if position not in still]
        return _filled(back(*fixed, residuals, upstream), rest)

    return forward, backward


def _of_tangents(rule: Any) -> Pair:
    """Forward and backward from a rule for tangents, if the Jacobian is diagonal (symmetric).

    Every input is moved by itself, along the upstream gradient.
    """
    ahead, along, still = rule.fun, rule.jvp, rule.nondiff_argnums

    def forward(*inputs: Any) -> Any:
        return ahead(*inputs), inputs

    def backward(upstream: Any, inputs: Any) -> tuple[Any, ...]:
        fixed = [inputs[position] for position in still]
        rest = tuple(value for position, value in enumerate(inputs) if position not in still)
        gradients = []
        for moved in range(len(rest)):
            tangents = [upstream if i == moved else 0 * value for i, value in enumerate(rest)]
            gradients.append(along(*fixed, rest, tuple(tangents))[1])
        return tuple(gradients)

    return forward, backward


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)


def _filled(returned: Any, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The returned gradients; None for a floating-point input becomes zero."""
    pairs = zip(_listed(returned), inputs, strict=True)
    return tuple(
        0 * value if gradient is None and is_output(value) else gradient
        for gradient, value in pairs
    )


def argument_names(forward: Callable[..., Any], count: int) -> list[str]:
    """The names of the first `count` arguments of a function; `inputs[i]` if it has fewer.

    For `apply` of a `torch.autograd.Function`, those of its forward function after the context.
    """
    kind: Any = getattr(forward, "__self__", None)
    rule = getattr(kind, "forward", None)
    applied = callable(rule) and getattr(forward, "__name__", "") == "apply"
    signature = signature_of(rule if callable(rule) and applied else forward)
    places = [] if signature is None else signature.parameters.values()
    names = [argument.name for argument in places if argument.kind in POSITIONAL]
    names = names[1:] if applied and not has_setup(kind) else names
    return names[:count] if len(names) >= count else [f"inputs[{i}]" for i in range(count)]
