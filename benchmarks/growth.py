"""How the time grows with the number of parameters, beside the peers' and each as far as 60 s."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import gradcheck
from benchmarks.black_box import problem
from benchmarks.networks import growing
from benchmarks.own import shared_lines
from benchmarks.peers import PEERS, Timing

SIZES = (10**3, 10**4, 10**5, 10**6, 10**7)
LONGEST = 60.0
FACTOR = 1.5
"""By which a gradient is wrong where its check is timed with the trace."""

Curve = list[tuple[int, float]]
"""(parameters, seconds)."""


def growth() -> dict[str, Curve]:
    """The curve of every way: 784-n-10 networks with m = 32, and a loss that nothing is known of.

    That of a peer is scaled from a sample of the entries.
    """
    ways: dict[str, Callable[[int], tuple[int, float] | None]] = {
        "shared lines": _of_network(shared_lines),
        "check()": _checked(1.0),
        "check() and trace, wrong": _checked(FACTOR),
        "check() of a black box": _black_box,
    }
    ways |= {peer.__name__.replace("_", " "): _of_network(peer) for peer in PEERS}
    return {name: curve for name, way in ways.items() if (curve := _curve(way))}


def _curve(way: Callable[[int], tuple[int, float] | None]) -> Curve:
    """As far as the next point would not take longer than `LONGEST`, were the growth linear."""
    found: Curve = []
    for size in SIZES:
        if found and found[-1][1] * size / found[-1][0] > LONGEST:
            break
        one = way(size)
        if one is None:
            break
        found.append(one)
    return found


def _of_network(measure: Callable[..., Timing | None]) -> Callable[[int], tuple[int, float] | None]:
    def way(size: int) -> tuple[int, float] | None:
        setting = growing(size)
        timing = measure(setting)
        return None if timing is None else (setting.size, timing.seconds)

    return way


def _checked(factor: float) -> Callable[[int], tuple[int, float]]:
    def way(size: int) -> tuple[int, float]:
        setting = growing(size)
        data = {"inputs": setting.inputs, "targets": setting.targets}

        def grad(params: object) -> dict[str, object]:
            found = setting.grad(params)
            return {**found, "W1": factor * found["W1"]}

        start = time.perf_counter()
        gradcheck.check(setting.loss, setting.params, grad, **data)
        return setting.size, time.perf_counter() - start

    return way


def _black_box(size: int) -> tuple[int, float] | None:
    if size > SIZES[-2]:  # its own matrix would not fit
        return None
    loss, point, grad = problem(size)
    start = time.perf_counter()
    gradcheck.check(loss, point, grad, budget=1e-9)
    return size, time.perf_counter() - start


def plot(curves: dict[str, Curve], path: Path) -> bool:
    """Draws them; False without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        sizes, seconds = zip(*curve, strict=True)
        style = "o:" if name in PEER_NAMES else "o-"
        axes.loglog(sizes, seconds, style, markersize=3, label=name)
    axes.axhline(LONGEST, color="grey", linewidth=0.8)
    axes.set_xlabel("parameters")
    axes.set_ylabel("seconds")
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path)
    return True


PEER_NAMES = frozenset(peer.__name__.replace("_", " ") for peer in PEERS)
