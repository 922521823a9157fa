"""How much memory a check takes beyond the user's own parameters, in multiples of these."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np

import gradcheck
from benchmarks.networks import growing

SIZES = (10**5, 10**6, 10**7)
NETWORKS = (10**5, 7 * 10**5)
AT_ONCE = 2**16
BUDGET = 0.1


def memory() -> list[tuple[str, int, float]]:
    """(what is checked, parameters, the largest amount held by their size)."""
    rows = [("black box", size, _peak(_black_box(size)) / (8 * size)) for size in SIZES]
    for size in NETWORKS:
        setting = growing(size)
        data = {"inputs": setting.inputs, "targets": setting.targets}

        def checked(setting=setting, data=data) -> object:
            return gradcheck.check(setting.loss, setting.params, setting.grad, **data)

        rows.append(("network", setting.size, _peak(checked) / (8 * setting.size)))
    return rows


def _black_box(size: int) -> Callable[[], object]:
    """A check whose own functions hold next to nothing but the gradient."""
    point = np.random.default_rng(0).random(size)
    parts = [slice(first, first + AT_ONCE) for first in range(0, size, AT_ONCE)]

    def loss(w: np.ndarray) -> float:
        return sum(float(np.arctan(w[part]).sum()) for part in parts) / size

    def grad(w: np.ndarray) -> np.ndarray:
        gradient = w * w
        gradient += 1
        return np.divide(1 / size, gradient, out=gradient)

    return lambda: gradcheck.check(loss, point, grad, budget=BUDGET)


def _peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
