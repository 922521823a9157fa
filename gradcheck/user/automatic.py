"""How torch and jax differentiate by themselves: what `backward`, `grad` and `vjp` give.

A gradient of None, which torch gives for what a loss does not depend on, is zero.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Parameters, Path
from gradcheck.user.names import follow
from gradcheck.user.outputs import leaves, mapped, random_like
from gradcheck.user.tensors import (
    is_jax,
    is_real_tensor,
    is_tensor,
    is_torch,
    like,
    tensors_of,
    to_array,
)

ROUNDINGS = 1e3
"""So many roundings apart, two values are not of one function."""


def clear_gradients(holder: Any) -> None:
    """Forgets what earlier calls of `.backward()` left in a module or torch tensor."""
    for tensor in tensors_of(holder):
        tensor.grad = None


def left_by_backward(
    structure: Any, paths: Mapping[str, Path], has_run: bool = False
) -> dict[str, Any]:
    """The `.grad` of the torch tensors that paths lead to, by name.

    Where all are None there are none, unless it is known that the backward pass has run.
    """
    if "torch" not in sys.modules:
        return {}
    tensors = {name: follow(structure, path) for name, path in paths.items()}
    tensors = {name: one for name, one in tensors.items() if is_torch(one) and one.requires_grad}
    if not has_run and all(one.grad is None for one in tensors.values()):
        return {}
    return {name: _or_zero(one.grad, one) for name, one in tensors.items()}


def _or_zero(gradient: Any, tensor: Any) -> Any:
    return sys.modules["torch"].zeros_like(tensor) if gradient is None else gradient


def backward(loss: Any) -> None:
    """Runs torch's backward pass from a loss."""
    if not loss.requires_grad:
        raise UsageError(
            "your loss returned a tensor without a graph, so .backward() cannot give its "
            "gradients; return the loss as it was computed from the parameters, not detached"
        )
    loss.backward()


def differentiates_itself(returned: Any) -> bool:
    """Whether a loss returned one number with which the library can find gradients by itself."""
    return is_tensor(returned) and np.prod(tuple(returned.shape), dtype=int) == 1


def jax_gradient(loss: Callable[[Any], Any], params: Any) -> Any:
    """The gradient by jax's own differentiation, in the structure of the parameters."""
    value, gradient = sys.modules["jax"].value_and_grad(loss)(params)
    _require_same(to_array(loss(params)), to_array(value))
    return gradient


def automatic_product(
    outputs_of: Callable[[Any], Any], params: Mapping[str, Any], upstream: Any, again: bool = False
) -> dict[str, Any]:
    """The vector-Jacobian product by torch or jax itself, by the names of the inputs.

    The function takes the inputs by name; `again` says that the product will be differentiated
    itself.
    """
    values = [value for (value,) in leaves(params) if _takes_gradients(value)]
    if not values:
        raise UsageError(
            "without a backward function, the inputs must be torch tensors or jax arrays"
        )
    of = _torch_product if is_torch(values[0]) else _jax_product
    gradients = iter(of(outputs_of, params, values, upstream, again))
    found = mapped(lambda one: next(gradients) if _takes_gradients(one) else None, params)
    return {name: gradient for name, gradient in found.items() if gradient is not None}


def _takes_gradients(value: Any) -> bool:
    return is_real_tensor(value) and (is_jax(value) or value.requires_grad)


def _torch_product(
    outputs_of: Callable[[Any], Any], params: Any, values: list[Any], upstream: Any, again: bool
) -> list[Any]:
    outputs = outputs_of(params)
    pairs = [
        (output, along)
        for output, along in leaves(outputs, upstream)
        if is_torch(output) and output.requires_grad and along is not None
    ]
    if not pairs and not again:
        raise UsageError(
            "your forward returned tensors without a graph; return what the function's apply gave"
        )
    gradients = [None] * len(values)
    if pairs:
        try:
            gradients = sys.modules["torch"].autograd.grad(
                [output for output, _ in pairs],
                values,
                [_as(output, along) for output, along in pairs],
                allow_unused=True,
                create_graph=again,
            )
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            raise UsageError(f"torch cannot differentiate this: {error}") from None
    pairs = list(zip(gradients, values, strict=True))
    return [_in_graph(*pair) if again else _or_zero(*pair) for pair in pairs]


def _in_graph(gradient: Any, tensor: Any) -> Any:
    """A gradient to differentiate: what was made without a graph is a constant to torch."""
    return _or_zero(gradient, tensor) + 0 * tensor


def _jax_product(
    outputs_of: Callable[[Any], Any], params: Any, values: list[Any], upstream: Any, again: bool
) -> list[Any]:
    def of_values(values: list[Any]) -> list[Any]:
        given = iter(values)
        inputs = mapped(lambda one: next(given) if _takes_gradients(one) else one, params)
        return [output for (output,) in leaves(outputs_of(inputs)) if is_real_tensor(output)]

    own = of_values(values)
    outputs, pull_back = sys.modules["jax"].vjp(of_values, values)
    if not again:
        for one, other in zip(own, outputs, strict=True):
            _require_same(to_array(one), to_array(other))
    given = [
        along for output, along in leaves(outputs_of(params), upstream) if is_real_tensor(output)
    ]
    along = [_as(output, one) for output, one in zip(outputs, given, strict=True)]
    found: list[Any] = pull_back(along)[0]
    return found


def _as(output: Any, along: Any) -> Any:
    return along if is_tensor(along) else like(output, np.asarray(along))


def _require_same(own: NDArray[Any], by_rule: NDArray[Any]) -> None:
    """Raises where the rule of a `custom_vjp` or `custom_jvp` returns another value."""
    far = np.abs(own - by_rule) > ROUNDINGS * np.finfo(own.dtype).eps * np.max(
        np.abs(own), initial=0
    )
    if np.any(far):
        at = tuple(np.argwhere(far)[0])
        raise ValueError(
            f"the forward rule returns {by_rule[at]:.6g} where the function itself returns "
            f"{own[at]:.6g}; the forward rule must return the function's own value"
        )


def require_order(order: int, by_hand: Any) -> None:
    """Refuses an order that is not offered."""
    if order not in (1, 2):
        raise UsageError(f"order is {order!r}; it must be 1, or 2 for the gradient's own gradient")
    if order == 2 and by_hand is not None:
        raise UsageError(
            "order=2 differentiates the gradient that torch or jax makes; leave out the one by "
            "hand (check_hessian checks second derivatives that are written by hand)"
        )


def product_of(
    forward: Callable[..., Any],
    named: Mapping[str, Any],
    positional: bool,
    rng: np.random.Generator,
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The backward pass of a layer as a layer, for its own derivative to be checked (order 2).

    Returns:
        A function of the inputs and the upstream gradient by name, and these.
    """

    def outputs_of(inputs: Mapping[str, Any]) -> Any:
        return forward(*inputs.values()) if positional else forward(**inputs)

    def product(**inputs: Any) -> dict[str, Any]:
        upstream = inputs.pop(key)
        return automatic_product(outputs_of, inputs, upstream, again=True)

    key = next(name for name in ("upstream", "upstream_", "_upstream") if name not in named)
    outputs = outputs_of(named)
    takes = any(is_torch(one) and one.requires_grad for (one,) in leaves(named))

    def drawn_for(output: Any, along: Any) -> Any:
        if not is_real_tensor(output):
            return None
        made = like(output, along)
        return made if is_jax(made) else made.requires_grad_(takes)

    drawn = mapped(drawn_for, outputs, random_like(outputs, rng))
    return product, {**named, key: drawn}


def slope_of(
    order: int,
    loss: Callable[[Any], Any],
    by_hand: Any,
    parameters: Parameters,
    rng: np.random.Generator,
) -> Callable[[Any], Any]:
    """The loss itself (order 1); or its slope along a random direction by its library (order 2)."""
    require_order(order, by_hand)
    if order == 1:
        return loss
    along = [rng.standard_normal(shape) for shape in parameters.shapes]
    firsts = {leaf.block: leaf.path for leaf in reversed(parameters.leaves)}

    def slope(packed: Any) -> Any:
        returned = loss(packed)
        if is_jax(returned):
            jax = sys.modules["jax"]
            gradient = jax.grad(loss)(packed)
            values = [follow(gradient, firsts[block]) for block in range(len(along))]
            return sum((value * one).sum() for value, one in zip(values, along, strict=True))
        if not is_torch(returned) or not returned.requires_grad:
            raise UsageError(
                "order=2 needs a loss that torch or jax can differentiate, and no grad beside it"
            )
        values = [follow(packed, firsts[block]) for block in range(len(along))]
        torch = sys.modules["torch"]
        gradients = torch.autograd.grad(returned, values, create_graph=True, allow_unused=True)
        return sum(
            (_in_graph(gradient, value) * like(value, one).detach()).sum()
            for gradient, value, one in zip(gradients, values, along, strict=True)
        )

    return slope
