"""A check of every entry of a 64-32-10 network against a bare loop of two loss calls an entry."""

from __future__ import annotations

import time
from collections.abc import Callable

import gradcheck

REPETITIONS = 5


def bare_loop(loss: Callable[[dict], float], params: dict, step: float = 6e-6) -> None:
    """Central differences as a course script writes them: two losses per entry, no bound."""
    for value in params.values():
        flat, gradient = value.reshape(-1), value.copy().reshape(-1)
        for entry in range(flat.size):
            before = flat[entry]
            flat[entry] = before + step
            above = loss(params)
            flat[entry] = before - step
            below = loss(params)
            flat[entry] = before
            gradient[entry] = (above - below) / (2 * step)


def measure(hidden: str, batch_size: int) -> tuple[float, float]:
    """The fastest bare loop and the fastest whole check, in seconds, taken in turns."""
    import numpy as np

    network = gradcheck.MLP([64, 32, 10], [hidden, "softmax"], "categorical_cross_entropy")
    params = network.init(0)
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((batch_size, 64))
    targets = rng.integers(0, 10, batch_size)

    def loss(current: dict) -> float:
        return network.loss(current, inputs, targets)

    def grad(current: dict) -> dict:
        return network.backward(current, inputs, targets)

    loops, checks = [], []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        bare_loop(loss, {name: value.copy() for name, value in params.items()})
        middle = time.perf_counter()
        report = gradcheck.check(loss, params, grad, entries="all")
        loops.append(middle - start)
        checks.append(time.perf_counter() - middle)
        if not report.ok:
            raise SystemExit(f"the check did not pass:\n{report}")
    return min(loops), min(checks)


def rows() -> list[tuple[str, str, str, str]]:
    """One row per network: name, bare loop, check, ratio."""
    table = []
    for hidden, batch_size in (("tanh", 32), ("relu", 32), ("sigmoid", 8)):
        loop, whole = measure(hidden, batch_size)
        name = f"64-32-10 {hidden}/softmax, m={batch_size}"
        table.append((name, f"{loop:.3f} s", f"{whole:.3f} s", f"{whole / loop:.2f}"))
    return table
