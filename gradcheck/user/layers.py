"""A layer as a loss and a gradient of named parameters: its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import describe
from gradcheck.user.calls import call, hand_over
from gradcheck.user.structures import flatten
from gradcheck.user.tensors import automatic_product, is_real_tensor, is_tensor, like, to_array


@dataclass(frozen=True)
class CheckedLayer:
    """A forward and backward pair as a scalar problem: the output times a fixed upstream gradient.

    By the chain rule, the gradient of sum(upstream * forward(x)) is backward(upstream), whatever
    the upstream gradient is (Griewank and Walther 2008, Evaluating Derivatives, chapter 3).

    Attributes:
        forward: returns the output, or a tuple (output, cache).
        backward: takes (upstream, cache), or upstream alone; returns the inputs' gradients. None
            where torch or jax is to find them, through the backward pass of a function of theirs.
        fixed: the inputs that are not differentiated (whole numbers, settings), by name.
        names: of all inputs, in order.
        positional: whether the inputs are given by position.
        upstream: dL/d output, in the structure of the output.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    fixed: Mapping[str, Any]
    names: tuple[str, ...]
    positional: bool
    upstream: Any

    def loss(self, params: Mapping[str, Any]) -> float:
        """The sum of upstream times output."""
        output, _ = self.run(params)
        return _inner(self.upstream, output)

    def gradient(self, params: Mapping[str, Any]) -> Any:
        """What the backward pass returns, by the names of the inputs."""
        if self.backward is None:
            return automatic_product(lambda inputs: self.run(inputs)[0], params, self.upstream)
        output, cache = self.run(params)
        upstream = _like_output(self.upstream, output)
        takes_cache = _positional_count(self.backward) != 1
        given = (upstream, cache) if takes_cache else (upstream,)
        returned = hand_over(self.backward, *given)
        return self._by_name(returned)

    def run(self, params: Mapping[str, Any]) -> tuple[Any, Any]:
        """The output and the cache."""
        inputs = {name: params.get(name, self.fixed.get(name)) for name in self.names}
        if self.positional:
            result = hand_over(self.forward, *inputs.values())
        else:
            result = hand_over(self.forward, **inputs)
        if isinstance(result, tuple) and self.backward is not None:
            return result[0], result[1] if len(result) == 2 else result[1:]
        return result, None

    def with_upstream(self, upstream: Any) -> CheckedLayer:
        """The same layer under another upstream gradient."""
        return replace(self, upstream=upstream)

    def with_zero_upstream(self) -> CheckedLayer:
        """The same layer under an upstream gradient of zero."""
        upstream = self.upstream
        if isinstance(upstream, tuple | list):
            return self.with_upstream([np.zeros_like(to_array(item)) for item in upstream])
        return self.with_upstream(np.zeros_like(to_array(upstream)))

    def _by_name(self, returned: Any) -> Any:
        if isinstance(returned, tuple | list) and len(returned) == len(self.names):
            pairs = zip(self.names, returned, strict=True)
            return {name: value for name, value in pairs if name not in self.fixed}
        if isinstance(returned, Mapping):
            fixed = {alias for name in self.fixed for alias in (name, f"d{name}")}
            return {name: value for name, value in returned.items() if name not in fixed}
        checked = [name for name in self.names if name not in self.fixed]
        if len(checked) == 1 and not isinstance(returned, tuple | list):
            return {checked[0]: returned}
        if isinstance(returned, tuple | list) and len(returned) == len(checked):
            return dict(zip(checked, returned, strict=True))
        raise UsageError(
            f"backward returned {describe(returned)}; it must return one gradient for each of "
            f"{', '.join(checked)}, in this order or by name"
        )


def make_layer(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    inputs: Any,
    upstream: Any,
    rng: np.random.Generator,
) -> tuple[CheckedLayer, dict[str, Any]]:
    """The layer as a scalar problem, and those of its inputs that are differentiated.

    Raises:
        UsageError: there is no floating-point input.
        UserCodeError: the forward function raised.
    """
    positional = not isinstance(inputs, Mapping)
    if positional:
        values = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
        named = dict(zip(_names_of(forward, len(values)), values, strict=True))
    else:
        named = dict(inputs)
    params = {name: value for name, value in named.items() if _is_differentiable(value)}
    if not params:
        raise UsageError(
            "none of the inputs is a floating-point array; whole numbers are taken as indices"
        )
    fixed = {name: value for name, value in named.items() if name not in params}
    layer = CheckedLayer(forward, backward, fixed, tuple(named), positional, upstream)
    if upstream is None:
        packed = flatten(params)
        output, _ = call(layer.run, "your forward", packed.pack(packed.values))
        upstream = _random_like(output, rng)
    return layer.with_upstream(upstream), params


def _is_differentiable(value: Any) -> bool:
    if isinstance(value, float | np.floating) or is_real_tensor(value):
        return True
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _names_of(forward: Callable[..., Any], count: int) -> list[str]:
    """The names of the first arguments of a function; numbered where it has not as many.

    Of a `torch.autograd.Function`'s `apply`, those of its own forward function after the context.
    """
    own = getattr(getattr(forward, "__self__", None), "forward", None)
    applied = callable(own) and getattr(forward, "__name__", "") == "apply"
    try:
        signature = inspect.signature(own if callable(own) and applied else forward)
        names = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ][1 if applied else 0 :]
    except (TypeError, ValueError):
        names = []
    return names[:count] if len(names) >= count else [f"inputs[{i}]" for i in range(count)]


def _positional_count(function: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 2
    needed = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    return len(needed)


def _inner(upstream: Any, output: Any) -> float:
    if isinstance(output, tuple | list):
        pairs: Sequence[tuple[Any, Any]] = list(zip(upstream, output, strict=True))
        return sum(_inner(*pair) for pair in pairs)
    products = np.asarray(to_array(upstream)) * np.asarray(to_array(output))
    return float(np.sum(products, dtype=np.float64))


def _random_like(output: Any, rng: np.random.Generator) -> Any:
    """Normal numbers in the structure of the output: never all of one sign, never all ones."""
    if isinstance(output, tuple | list):
        return [_random_like(item, rng) for item in output]
    return np.asarray(rng.standard_normal(np.shape(to_array(output))))


def _like_output(upstream: Any, output: Any) -> Any:
    """A copy of the upstream gradient as the backward function expects it: as the output is."""
    if isinstance(upstream, tuple | list) and isinstance(output, tuple | list):
        return [_like_output(*pair) for pair in zip(upstream, output, strict=True)]
    return like(output, to_array(upstream)) if is_tensor(output) else _copied(upstream)


def _copied(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_copied(item) for item in value]
    return np.array(value) if isinstance(value, np.ndarray) else value
