"""Gradients by torch and jax: their `backward`, `grad` and `vjp`.

A gradient of None, which torch gives for tensors that do not affect the loss, counts as zero.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Parameters, Path
from gradcheck.user.calls import LEAVING
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
"""Values of the same function may differ by this many rounding errors."""


def clear_gradients(holder: Any) -> None:
    """Clears the `.grad` of a module's parameters or of a torch tensor."""
    for tensor in tensors_of(holder):
        tensor.grad = None


def left_by_backward(structure: Any, paths: Mapping[str, Path], has_run: bool) -> dict[str, Any]:
    """The `.grad` of the torch tensors at these paths, by name.

    {} if all are None, unless it is known that the backward pass `has_run`.
    """
    if "torch" not in sys.modules:
        return {}
    places = {name: follow(structure, path) for name, path in paths.items()}
    tensors = {name: at for name, at in places.items() if is_torch(at) and at.requires_grad}
    if not has_run and all(tensor.grad is None for tensor in tensors.values()):
        return {}
    return {name: _or_zero(tensor.grad, tensor) for name, tensor in tensors.items()}


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
    """Whether a loss returned a single number of torch or jax, which can differentiate it."""
    return is_tensor(returned) and np.prod(tuple(returned.shape), dtype=int) == 1


def jax_gradient(loss: Callable[[Any], Any], params: Any) -> Any:
    """The gradient by `jax.grad`, in the structure of the parameters."""
    value, gradient = sys.modules["jax"].value_and_grad(loss)(params)
    _require_same(to_array(loss(params)), to_array(value))
    return gradient


def automatic_product(
    outputs_of: Callable[[Any], Any], params: Mapping[str, Any], upstream: Any, again: bool = False
) -> dict[str, Any]:
    """The vector-Jacobian product by torch or jax, by the names of the inputs.

    `outputs_of` takes the inputs by name; `again` makes the product differentiable itself.
    """
    values = [value for (value,) in leaves(params) if _takes_gradients(value)]
    if not values:
        raise UsageError(
            "without a backward function, the inputs must be torch tensors or jax arrays"
        )
    product = _torch_product if is_torch(values[0]) else _jax_product
    gradients = iter(product(outputs_of, params, values, upstream, again))
    named = mapped(lambda value: next(gradients) if _takes_gradients(value) else None, params)
    return {name: gradient for name, gradient in named.items() if gradient is not None}


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
    if not pairs and any(is_real_tensor(output) for (output,) in leaves(outputs)):
        raise UsageError(
            "your forward returned tensors without a graph; return what the function's apply gave"
        )
    gradients = [None] * len(values)
    if pairs:
        try:
            gradients = _torch_gradients(pairs, values, again, not again and len(pairs) > 1)
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            raise UsageError(f"torch cannot differentiate this: {error}") from None
    if len(pairs) > 1 and not again:
        _require_each_alone(pairs, values, gradients)
    both = zip(gradients, values, strict=True)
    return [_in_graph(*pair) if again else _or_zero(*pair) for pair in both]


def _torch_gradients(
    pairs: Sequence[tuple[Any, Any]], values: list[Any], again: bool, kept: bool
) -> list[Any]:
    """The gradients of the values from outputs and what arrives at them; the graph may be kept."""
    return list(
        sys.modules["torch"].autograd.grad(
            [output for output, _ in pairs],
            values,
            [_as(output, along) for output, along in pairs],
            allow_unused=True,
            create_graph=again,
            retain_graph=again or kept,
        )
    )


def _require_each_alone(
    pairs: Sequence[tuple[Any, Any]], values: list[Any], gradients: Sequence[Any]
) -> None:
    """Raises ValueError unless the gradients are the sums of those of each output alone.

    Then torch may give a backward pass None for what arrives at the others.
    """
    sums: list[Any] = [0.0 for _ in values]
    for number, (output, along) in enumerate(pairs):
        where = f"with an upstream gradient for output {number} alone, and None for the others"
        try:
            alone = _torch_gradients([(output, _copied(along))], values, False, True)
        except LEAVING as error:
            raised = f"{type(error).__name__}: {error}"
            raise ValueError(f"{where}, backward raised {raised}; test each for None") from None
        sums = [
            total if part is None else total + to_array(part)
            for total, part in zip(sums, alone, strict=True)
        ]
    for total, gradient in zip(sums, gradients, strict=True):
        together = 0.0 if gradient is None else to_array(gradient)
        size = np.max(np.abs(together), initial=0.0) + np.max(np.abs(total), initial=0.0)
        epsilon = np.finfo(np.result_type(together, np.float16)).eps
        if np.any(np.abs(total - together) > np.sqrt(epsilon) * size):
            raise ValueError(
                "asked for each output alone, with None for the others, backward gives gradients "
                "whose sum is not what it gives for all of them"
            )


def _copied(along: Any) -> Any:
    return along.clone() if is_torch(along) else np.array(along)


def _in_graph(gradient: Any, tensor: Any) -> Any:
    """A gradient that can be differentiated; one without a graph becomes a constant."""
    return _or_zero(gradient, tensor) + 0 * tensor


def _jax_product(
    outputs_of: Callable[[Any], Any], params: Any, values: list[Any], upstream: Any, again: bool
) -> list[Any]:
    def of_values(values: list[Any]) -> list[Any]:
        given = iter(values)
        inputs = mapped(lambda value: next(given) if _takes_gradients(value) else value, params)
        return [output for (output,) in leaves(outputs_of(inputs)) if is_real_tensor(output)]

    direct = of_values(values)
    outputs, pull_back = sys.modules["jax"].vjp(of_values, values)
    if not again:
        for output, by_rule in zip(direct, outputs, strict=True):
            _require_same(to_array(output), to_array(by_rule))
    pairs = leaves(outputs_of(params), upstream)
    given = [along for output, along in pairs if is_real_tensor(output)]
    along = [_as(output, value) for output, value in zip(outputs, given, strict=True)]
    gradients: list[Any] = pull_back(along)[0]
    return gradients


def _as(output: Any, along: Any) -> Any:
    return along if is_tensor(along) else like(output, np.asarray(along))


def _require_same(direct: NDArray[Any], by_rule: NDArray[Any]) -> None:
    """Raises ValueError if the rule of a `custom_vjp` or `custom_jvp` gives a different value."""
    epsilon, size = np.finfo(direct.dtype).eps, np.max(np.abs(direct), initial=0)
    far = np.abs(direct - by_rule) > ROUNDINGS * epsilon * size
    if np.any(far):
        at = tuple(np.argwhere(far)[0])
        raise ValueError(
            f"the forward rule returns {by_rule[at]:.6g} where the function itself returns "
            f"{direct[at]:.6g}; the forward rule must return the function's own value"
        )


def require_order(order: int, by_hand: Any) -> None:
    """Raises UsageError for an order other than 1 and 2, or 2 with a gradient by hand."""
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
    """The backward pass of a layer as a layer, to check its own derivative (order 2).

    Returns:
        A function of the inputs and the upstream gradient by name, and these arguments by name.
    """

    def outputs_of(inputs: Mapping[str, Any]) -> Any:
        return forward(*inputs.values()) if positional else forward(**inputs)

    def product(**inputs: Any) -> dict[str, Any]:
        upstream = inputs.pop(key)
        return automatic_product(outputs_of, inputs, upstream, again=True)

    key = next(name for name in ("upstream", "upstream_", "_upstream") if name not in named)
    outputs = outputs_of(named)
    takes = any(is_torch(value) and value.requires_grad for (value,) in leaves(named))

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
    draw: Callable[[], np.random.Generator],
) -> Callable[[Any], Any]:
    """The loss (order 1), or its slope along a random direction by torch or jax (order 2)."""
    require_order(order, by_hand)
    if order == 1:
        return loss
    rng = draw()
    along = [rng.standard_normal(shape) for shape in parameters.shapes]
    firsts = {leaf.block: leaf.path for leaf in reversed(parameters.leaves)}

    def slope(packed: Any) -> Any:
        returned = loss(packed)
        if is_jax(returned):
            jax = sys.modules["jax"]
            gradient = jax.grad(loss)(packed)
            values = [follow(gradient, firsts[block]) for block in range(len(along))]
            return sum((value * move).sum() for value, move in zip(values, along, strict=True))
        if not is_torch(returned) or not returned.requires_grad:
            raise UsageError(
                "order=2 needs a loss that torch or jax can differentiate, and no grad beside it"
            )
        values = [follow(packed, firsts[block]) for block in range(len(along))]
        torch = sys.modules["torch"]
        gradients = torch.autograd.grad(returned, values, create_graph=True, allow_unused=True)
        return sum(
            (_in_graph(gradient, value) * like(value, move).detach()).sum()
            for gradient, value, move in zip(gradients, values, along, strict=True)
        )

    return slope
