"""The inputs of a layer that have a gradient, and the gradients that its backward pass returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from gradcheck.errors import UsageError
from gradcheck.user.blocks import describe
from gradcheck.user.forms import takes
from gradcheck.user.outputs import is_output, leaves
from gradcheck.user.own_backward import argument_names
from gradcheck.user.tensors import is_real_tensor, to_array

TARGETS = {"t", "y", "target", "targets", "label", "labels", "y_true"}
"""The usual names of those inputs of a loss layer that need no gradient."""


def by_input(returned: Any, names: Sequence[str], checked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The gradients by input, of what `backward` returned.

    `names` are those of all inputs, and `checked` holds the ones that have a gradient. Those of an
    input that is a list may be in a list too, or stand one by one in the place of it.
    """
    if isinstance(returned, Mapping):
        return _of_mapping(returned, names, checked)
    if isinstance(returned, tuple | list):
        for those in (names, list(checked)):
            if len(returned) == len(those):
                pairs = zip(those, returned, strict=True)
                return {name: value for name, value in pairs if name in checked}
        sizes = [len(at) if isinstance(at, tuple | list) else 1 for at in checked.values()]
        if len(returned) == sum(sizes):
            parts = [
                returned[end - size : end]
                for end, size in zip(accumulate(sizes), sizes, strict=True)
            ]
            return {
                name: part if isinstance(at, tuple | list) else part[0]
                for (name, at), part in zip(checked.items(), parts, strict=True)
            }
    else:
        needed = [name for name in checked if name.lower() not in TARGETS]
        if len(needed) == 1:
            return {needed[0]: returned}
    raise UsageError(
        f"backward returned {describe(returned)}; it must return one gradient for each of "
        f"{', '.join(checked)}, in this order or by name"
    )


def count_of(returned: Sequence[Any], checked: Mapping[str, Any]) -> int:
    """How many of the items that a backward pass returned belong to inputs.

    Those of an input that is a list may stand one by one: they have the shapes of its arrays.
    """
    arrays = [one for at in checked.values() for one in (at if _is_list(at) else [at])]
    one_by_one = len(returned) == len(arrays) and all(
        not _is_list(item) and np.shape(to_array(item)) == np.shape(to_array(one))
        for item, one in zip(returned, arrays, strict=True)
    )
    return len(arrays) if one_by_one else len(checked)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _of_mapping(
    returned: Mapping[str, Any], names: Sequence[str], checked: Mapping[str, Any]
) -> Mapping[str, Any]:
    """A dict of gradients without those of fixed inputs; it may be that of an input's own keys."""
    only = next(iter(checked)) if len(checked) == 1 else None
    if (
        only is not None
        and isinstance(checked[only], Mapping)
        and set(returned) <= set(checked[only])
    ):
        return {only: returned}
    fixed = {alias for name in names if name not in checked for alias in (name, f"d{name}")}
    return {name: value for name, value in returned.items() if name not in fixed}


def named_inputs(forward: Callable[..., Any], inputs: Any) -> dict[str, Any]:
    """The inputs by the names of the arguments; a list is the one argument of a function of one."""
    if not callable(forward):
        raise UsageError(
            f"forward is {describe(forward)}, which cannot be called; give its methods, as in "
            "check_layer(layer.forward, layer.backward, inputs)"
        )
    if isinstance(inputs, Mapping):
        return dict(inputs)
    is_one = isinstance(inputs, list) and takes(forward, 1) and not takes(forward, len(inputs))
    values = list(inputs) if isinstance(inputs, tuple | list) and not is_one else [inputs]
    return dict(zip(argument_names(forward, len(values)), values, strict=True))


def differentiable(inputs: Mapping[str, Any], by_hand: bool) -> dict[str, Any]:
    """The inputs that have a gradient: floating-point numbers, arrays of them and lists of these.

    Without a backward pass by hand, tensors and whatever holds them. A dict of arrays counts only
    where it is all there is, as the running means of a layer are kept in one.
    """
    found = {
        name: value
        for name, value in inputs.items()
        if _holds_tensors(value) or (by_hand and _is_number(value))
    }
    others = {name: at for name, at in found.items() if not isinstance(at, Mapping)}
    return others or found if by_hand else found


def require_something_to_check(
    backward: Callable[..., Any] | None, params: Mapping[str, Any]
) -> None:
    """Raises a UsageError where no input has a gradient."""
    if not params and backward is None:
        raise UsageError(
            "without backward, forward must be a function of torch or jax, and its inputs their "
            "tensors or arrays; for any other layer give the backward pass as well"
        )
    if not params:
        raise UsageError(
            "none of the inputs is a floating-point array, or a list or dict of these; arrays of "
            "integers are taken as indices, and objects as settings"
        )


def _is_number(value: Any) -> bool:
    held = [each for (each,) in leaves(value)]
    arrays = bool(held) and all(isinstance(each, np.ndarray) and is_output(each) for each in held)
    return arrays or isinstance(value, complex | float | np.inexact)


def _holds_tensors(value: Any) -> bool:
    return any(is_real_tensor(each) for (each,) in leaves(value))
