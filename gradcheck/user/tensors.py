"""Recognises, reads and makes torch tensors and jax arrays.

Neither library is imported here before the user's own code has imported it. Gradients by these
libraries are in `automatic`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.numeric.storage import BFLOAT16


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor or a jax array."""
    return is_torch(value) or is_jax(value)


def is_torch(value: Any) -> bool:
    """Whether a value is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "Tensor") and isinstance(value, torch.Tensor)


def is_jax(value: Any) -> bool:
    """Whether a value is a jax array."""
    jax = sys.modules.get("jax")
    return jax is not None and hasattr(jax, "Array") and isinstance(value, jax.Array)


def is_real_tensor(value: Any) -> bool:
    """Whether a value is a tensor of floating-point or complex numbers."""
    if is_torch(value):
        return bool(value.is_floating_point() or value.is_complex())
    return is_jax(value) and np.dtype(value.dtype).kind not in "iub"


def is_sparse(value: Any) -> bool:
    """Whether a value is a sparse torch tensor."""
    return is_torch(value) and value.layout is not sys.modules["torch"].strided


def frozen(values: Sequence[Any]) -> list[bool]:
    """Which values are torch tensors without `requires_grad`, if other values have it."""
    takes = [is_torch(value) and value.requires_grad for value in values]
    return [
        any(takes) and is_torch(value) and not own for value, own in zip(values, takes, strict=True)
    ]


def is_module(value: Any) -> bool:
    """Whether a value is a `torch.nn.Module`."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def to_array(value: Any) -> Any:
    """A tensor as a numpy array, which may share its memory; other values are returned unchanged.

    Sparse tensors become dense; bfloat16 becomes `BFLOAT16`.
    """
    if is_torch(value):
        dense = value.detach().to_dense() if is_sparse(value) else value
        if _is_foreign(dense):
            return dense.float().numpy(force=True).view(BFLOAT16)
        return dense.numpy(force=True)
    if is_jax(value):
        if _is_foreign(value):
            return np.asarray(value.astype(np.float32)).view(BFLOAT16)
        return np.asarray(value)
    return value


MOST_NUMBERS = 2**40
"""Nested lists of more share or hold themselves: no computer could have made them."""


def bounded(value: Any) -> Any:
    """The value as it is.

    Raises:
        UsageError: it is a list that holds itself, or lists that share what they hold so often that
            reading them all would not end.
    """
    held, count = value, 1
    while isinstance(held, list | tuple | Mapping) and held:
        count *= max(len(held), 2)
        if count > MOST_NUMBERS:
            raise UsageError(
                f"a {type(value).__name__} that contains itself, or is nested too deeply, is no "
                "array of numbers"
            )
        held = next(iter(held.values() if isinstance(held, Mapping) else held))
    return value


def like(tensor: Any, array: NDArray[Any]) -> Any:
    """A tensor of the same library and type with these numbers; one of torch has requires_grad."""
    if is_torch(tensor):
        torch = sys.modules["torch"]
        made = torch.tensor(array, dtype=tensor.dtype, device=tensor.device)
        return made.requires_grad_(made.is_floating_point() or made.is_complex())
    return sys.modules["jax"].numpy.asarray(array, dtype=tensor.dtype)


def put_numbers(tensor: Any, array: NDArray[Any]) -> None:
    """Writes the numbers of an array into the memory of a torch tensor, in its type."""
    tensor.data.copy_(sys.modules["torch"].from_numpy(np.array(array)))


def module_parameters(module: Any) -> Iterator[tuple[str, Any]]:
    """Yields the floating-point parameters of a module with their names."""
    for name, parameter in module.named_parameters():
        if parameter.device.type != "cpu":
            raise UsageError(
                f"{name} is on {parameter.device}; move the module to the CPU with .to('cpu')"
            )
        if parameter.is_floating_point() or parameter.is_complex():
            yield name, parameter


def has_own_memory(tensor: Any) -> bool:
    """Whether `to_array` of a torch tensor shares the tensor's memory."""
    return not _is_foreign(tensor) and not is_sparse(tensor) and tensor.device.type == "cpu"


def tensors_of(holder: Any) -> list[Any]:
    """The parameters of a module, or the tensor itself, in a list."""
    return list(holder.parameters()) if is_module(holder) else [holder]


def saved_state(holder: Any) -> Callable[[], None]:
    """A function that restores the gradients and buffers of a module or torch tensor."""
    gradients = [(tensor, tensor.grad) for tensor in tensors_of(holder)]
    saved = [None if gradient is None else gradient.clone() for _, gradient in gradients]
    buffers = [
        (buffer, buffer.detach().clone())
        for buffer in (holder.buffers() if is_module(holder) else ())
    ]

    def restore() -> None:
        for (parameter, gradient), numbers in zip(gradients, saved, strict=True):
            if gradient is not None:
                gradient.data.copy_(numbers)
            parameter.grad = gradient
        for buffer, numbers in buffers:
            buffer.data.copy_(numbers)

    return restore


def _is_foreign(tensor: Any) -> bool:
    """Whether numpy lacks the tensor's type of number."""
    return str(tensor.dtype).removeprefix("torch.").startswith(("bfloat", "float8"))


def as_numbers(value: Any) -> NDArray[Any]:
    """A value as an array; an empty one of objects if its rows have different lengths."""
    try:
        return np.asarray(bounded(to_array(value)))
    except ValueError:
        return np.empty(0, dtype=object)


def as_data(data: Any) -> NDArray[Any] | None:
    """The user's data as an array, or None."""
    return None if data is None else np.asarray(to_array(data))
