"""How much memory a check takes beyond the user's own parameters, in multiples of these.

What is held at once is told in two ways: with all that the user's functions allocate, and without
the gradients that they return and what they hold while they run, which any check of them has.
"""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradcheck
from benchmarks.networks import growing

SIZES = (10**5, 10**6, 10**7)
NETWORKS = (10**5, 7 * 10**5)
AT_ONCE = 2**16
BUDGET = 0.1


@dataclass
class Held:
    """The most that is held at once, in bytes: `whole`, and `own`, without what is the user's."""

    whole: int = 0
    own: int = 0
    returned: int = 0

    def of_user(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The user's function; what it holds while it runs, and returns, is not `own`."""

        def called(*arguments: Any) -> Any:
            self.note()
            result = function(*arguments)
            for array in result.values() if isinstance(result, dict) else [result]:
                if isinstance(array, np.ndarray):
                    self.returned += array.nbytes
                    weakref.finalize(array, self._freed, array.nbytes)
            self.note(within=True)
            return result

        return called

    def note(self, within: bool = False) -> None:
        """Notes the most that was held since this was called last."""
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        self.whole = max(self.whole, most)
        if not within:
            self.own = max(self.own, most - self.returned)

    def _freed(self, count: int) -> None:
        self.note()
        self.returned -= count


def memory() -> list[tuple[str, int, float, float]]:
    """(what is checked, parameters, the most that is held by their size, and of it gradcheck's)."""
    gradcheck.check(lambda w: float(w @ w), np.ones(3), lambda w: 2 * w)  # imports what it needs
    rows = [("black box", size, *_most(size, *_black_box(size), budget=BUDGET)) for size in SIZES]
    for size in NETWORKS:
        setting = growing(size)
        network, inputs, targets = setting.network, setting.inputs, setting.targets
        functions = (
            lambda p, network=network, X=inputs, Y=targets: network.loss(p, X, Y),
            setting.params,
            lambda p, network=network, X=inputs, Y=targets: network.backward(p, X, Y),
        )
        held = _most(setting.size, *functions, inputs=inputs, targets=targets)
        rows.append(("network", setting.size, *held))
    return rows


def _black_box(size: int) -> tuple[Callable[..., Any], np.ndarray, Callable[..., Any]]:
    """A check whose own functions hold next to nothing but the gradient."""
    point = np.random.default_rng(0).random(size)
    parts = [slice(first, first + AT_ONCE) for first in range(0, size, AT_ONCE)]

    def loss(w: np.ndarray) -> float:
        return sum(float(np.arctan(w[part]).sum()) for part in parts) / size

    def grad(w: np.ndarray) -> np.ndarray:
        gradient = w * w
        gradient += 1
        return np.divide(1 / size, gradient, out=gradient)

    return loss, point, grad


def _most(size: int, loss: Any, params: Any, grad: Any, **options: Any) -> tuple[float, float]:
    held = Held()
    tracemalloc.start()
    report = gradcheck.check(held.of_user(loss), params, held.of_user(grad), **options)
    held.note()
    tracemalloc.stop()
    if not report.ok:
        raise SystemExit(f"the check is not what was to be measured:\n{report}")
    return held.whole / (8 * size), held.own / (8 * size)
