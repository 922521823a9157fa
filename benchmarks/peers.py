"""What others do: a bare loop, scipy, torch; on a stated sample of the entries, and scaled."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.networks import Setting

STEP = 6e-6
SAMPLE = 400


@dataclass(frozen=True)
class Timing:
    """What one way of checking took, for all entries.

    Attributes:
        seconds: measured, or scaled from a sample.
        sample: how many entries were timed, or None for all.
        error: the largest error against the core's gradient, relative to the block's largest
            entry, or None where it was not measured.
    """

    name: str
    seconds: float
    sample: int | None = None
    error: float | None = None


def _sample(setting: Setting) -> tuple[str, np.ndarray]:
    """Entries of the largest block, evenly spread."""
    name = max(setting.params, key=lambda key: setting.params[key].size)
    size = setting.params[name].size
    return name, np.unique(np.linspace(0, size - 1, SAMPLE).astype(int))


def bare_loop(setting: Setting) -> Timing:
    """Central differences as a course script writes them: two losses per entry, no bound."""
    params = {key: value.copy() for key, value in setting.params.items()}
    name, entries = _sample(setting)
    flat, found = params[name].reshape(-1), np.empty(len(entries))
    setting.loss(params)
    start = time.perf_counter()
    for row, entry in enumerate(entries):
        before = flat[entry]
        flat[entry] = before + STEP
        above = setting.loss(params)
        flat[entry] = before - STEP
        below = setting.loss(params)
        flat[entry] = before
        found[row] = (above - below) / (2 * STEP)
    seconds = (time.perf_counter() - start) * setting.size / len(entries)
    return Timing("bare loop", seconds, len(entries), _error(setting, name, entries, found))


def scipy_approx_derivative(setting: Setting) -> Timing:
    """scipy.optimize._numdiff.approx_derivative, 3-point."""
    from scipy.optimize._numdiff import approx_derivative

    params = {key: value.copy() for key, value in setting.params.items()}
    name, entries = _sample(setting)
    flat = params[name].reshape(-1)

    def loss(moved: np.ndarray) -> float:
        flat[entries] = moved
        return setting.loss(params)

    point = flat[entries].copy()
    start = time.perf_counter()
    found = approx_derivative(loss, point, method="3-point")
    seconds = (time.perf_counter() - start) * setting.size / len(entries)
    error = _error(setting, name, entries, np.ravel(found))
    return Timing("scipy approx_derivative", seconds, len(entries), error)


def torch_gradcheck(setting: Setting) -> Timing | None:
    """torch.autograd.gradcheck in float64 on the same network; None without torch."""
    try:
        import torch
    except ImportError:
        return None
    tensors = {key: torch.tensor(value) for key, value in setting.params.items()}
    inputs, targets = torch.tensor(setting.inputs), torch.tensor(setting.targets)
    name, entries = _sample(setting)
    flat, chosen = tensors[name].reshape(-1), torch.tensor(entries)
    functions = {
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "tanh": torch.tanh,
        "softmax": lambda z: torch.log_softmax(z, 1),
    }

    def loss(moved: torch.Tensor) -> torch.Tensor:
        own = {**tensors, name: flat.index_put((chosen,), moved).reshape(tensors[name].shape)}
        a = inputs
        for layer in setting.network.layers:
            z = a @ own[f"W{layer}"] + own[f"b{layer}"]
            a = functions[setting.network.activations[layer - 1]](z)
        if setting.network.loss_name == "categorical_cross_entropy":
            return -(targets * a).sum() / len(inputs)
        if setting.network.loss_name == "binary_cross_entropy":
            return torch.nn.functional.binary_cross_entropy(a, targets)
        return 0.5 * ((a - targets) ** 2).sum()

    point = flat[chosen].clone().requires_grad_(True)
    start = time.perf_counter()
    torch.autograd.gradcheck(loss, (point,), raise_exception=False)
    seconds = (time.perf_counter() - start) * setting.size / len(entries)
    return Timing("torch.autograd.gradcheck", seconds, len(entries))


def _error(setting: Setting, name: str, entries: np.ndarray, found: np.ndarray) -> float:
    analytic = setting.grad(setting.params)[name].reshape(-1)
    return float(np.abs(found - analytic[entries]).max() / np.abs(analytic).max())


PEERS = (bare_loop, scipy_approx_derivative, torch_gradcheck)
