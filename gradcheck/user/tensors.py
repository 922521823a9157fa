"""torch tensors and jax arrays, where the user has them: recognised, read, and made.

Neither library is imported here before the user's own code has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor or a jax array."""
    return _is_torch(value) or is_jax(value)


def is_jax(value: Any) -> bool:
    """Whether a value is a jax array."""
    jax = sys.modules.get("jax")
    return jax is not None and hasattr(jax, "Array") and isinstance(value, jax.Array)


def is_real_tensor(value: Any) -> bool:
    """Whether a value is a tensor of floating-point or complex numbers."""
    if _is_torch(value):
        return bool(value.is_floating_point() or value.is_complex())
    return is_jax(value) and np.dtype(value.dtype).kind not in "iub"


def is_module(value: Any) -> bool:
    """Whether a value is a `torch.nn.Module`."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def to_array(value: Any) -> Any:
    """A tensor as a numpy array, which may share its memory; anything else as it is.

    Raises:
        UsageError: numpy has no such type of number.
    """
    if _is_torch(value):
        return _checked(value).detach().cpu().resolve_conj().resolve_neg().numpy()
    return np.asarray(_checked(value)) if is_jax(value) else value


def like(tensor: Any, array: NDArray[Any]) -> Any:
    """A tensor of the same kind and type with the numbers of an array; torch's takes gradients."""
    if _is_torch(tensor):
        torch = sys.modules["torch"]
        made = torch.tensor(array, dtype=tensor.dtype, device=tensor.device)
        return made.requires_grad_(made.is_floating_point() or made.is_complex())
    return sys.modules["jax"].numpy.asarray(array, dtype=tensor.dtype)


def module_arrays(module: Any) -> list[tuple[str, NDArray[Any]]]:
    """The parameters of a module by their own names, as arrays that share their memory.

    Raises:
        UsageError: they are not in the memory of this machine, or of a type numpy does not have.
    """
    arrays = []
    for name, parameter in module.named_parameters():
        if parameter.device.type != "cpu":
            raise UsageError(
                f"{name} is on {parameter.device}; move the module to the CPU with .to('cpu')"
            )
        if parameter.is_floating_point() or parameter.is_complex():
            arrays.append((name, _checked(parameter).detach().numpy()))
    return arrays


def clear_gradients(holder: Any) -> None:
    """Forgets what earlier calls of `.backward()` left in a module or torch tensor."""
    for tensor in _tensors_of(holder):
        tensor.grad = None


def left_by_backward(structure: Any, paths: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The `.grad` of the torch tensors that paths lead to, by name, of those that have one."""
    if "torch" not in sys.modules:
        return {}
    found = {name: _left_at(structure, path) for name, path in paths.items()}
    return {name: gradient for name, gradient in found.items() if gradient is not None}


def _left_at(structure: Any, path: Sequence[Any]) -> Any:
    for step in path:
        if is_module(structure):
            return dict(structure.named_parameters())[step].grad
        if hasattr(step, "index") and not isinstance(step, str):
            structure = structure[step.index]
        elif isinstance(structure, Mapping):
            structure = structure[step]
        else:
            structure = getattr(structure, step)
    return structure.grad if _is_torch(structure) else None


def saved_state(holder: Any) -> Callable[[], None]:
    """What puts the gradients and buffers of a module, or a torch tensor, back as they are now."""
    gradients = [(tensor, tensor.grad) for tensor in _tensors_of(holder)]
    kept = [None if gradient is None else gradient.clone() for _, gradient in gradients]
    buffers = [
        (buffer, buffer.detach().clone())
        for buffer in (holder.buffers() if is_module(holder) else ())
    ]

    def restore() -> None:
        for (parameter, gradient), numbers in zip(gradients, kept, strict=True):
            if gradient is not None:
                gradient.data.copy_(numbers)
            parameter.grad = gradient
        for buffer, numbers in buffers:
            buffer.data.copy_(numbers)

    return restore


def backward(loss: Any) -> None:
    """Runs torch's backward pass from a loss.

    Raises:
        UsageError: the loss does not depend on anything that takes gradients.
    """
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
    return sys.modules["jax"].grad(loss)(params)


def automatic_product(
    outputs_of: Callable[[Mapping[str, Any]], Any], params: Mapping[str, Any], upstream: Any
) -> dict[str, Any]:
    """The vector-Jacobian product by torch or jax itself, by the names of the inputs.

    Raises:
        UsageError: the inputs are no tensors, or the outputs do not depend on them.
    """
    tensors = {name: value for name, value in params.items() if is_tensor(value)}
    if not tensors:
        raise UsageError(
            "without a backward function, the inputs must be torch tensors or jax arrays"
        )
    if any(is_jax(value) for value in tensors.values()):
        jax = sys.modules["jax"]
        outputs, pull_back = jax.vjp(
            lambda inner: _listed(outputs_of({**params, **inner})), tensors
        )
        found: dict[str, Any] = pull_back(_pulled(outputs, upstream))[0]
        return found
    torch = sys.modules["torch"]
    outputs = _listed(outputs_of(params))
    pairs = list(zip(outputs, _pulled(outputs, upstream), strict=True))
    pairs = [
        (output, along) for output, along in pairs if output is not None and output.requires_grad
    ]
    if not pairs:
        raise UsageError(
            "your forward returned tensors without a graph; return what the function's apply gave"
        )
    gradients = torch.autograd.grad(
        [output for output, _ in pairs],
        list(tensors.values()),
        [along for _, along in pairs],
        allow_unused=True,
    )
    return dict(zip(tensors, gradients, strict=True))


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _pulled(outputs: list[Any], upstream: Any) -> list[Any]:
    pairs = zip(outputs, _listed(upstream), strict=True)
    return [
        None if along is None else like(output, np.asarray(to_array(along)))
        for output, along in pairs
    ]


def random_state() -> Callable[[], None]:
    """What puts torch's random state back as it is now, where torch is loaded."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return lambda: None
    state = torch.get_rng_state()
    return lambda: torch.set_rng_state(state)


def _tensors_of(holder: Any) -> list[Any]:
    return list(holder.parameters()) if is_module(holder) else [holder]


def _is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "Tensor") and isinstance(value, torch.Tensor)


def _checked(tensor: Any) -> Any:
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind.startswith(("bfloat", "float8")):
        raise UsageError(
            f"a tensor has dtype {kind}, in which finite differences see nothing; convert to "
            "float32 or, better, float64 for the check"
        )
    return tensor
