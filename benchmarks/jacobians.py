"""Jacobians against scipy's `approx_derivative` of three points, and torch's gradcheck."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy.sparse
from scipy.optimize._numdiff import approx_derivative

import gradcheck

ROWS, COLUMNS = 1_000, 100
SIZE, DIAGONALS = 10_000, (-2, -1, 0, 1, 2)
REPETITIONS = 5

Function = Callable[[np.ndarray], np.ndarray]


def dense() -> tuple[Function, Callable, np.ndarray, Callable | None]:
    """1,000 values of 100 parameters, their Jacobian, a point, and the values by torch."""
    rng = np.random.default_rng(0)
    mixing, point = rng.normal(size=(ROWS, COLUMNS)) / 10, rng.normal(size=COLUMNS)

    def function(x: np.ndarray) -> np.ndarray:
        return np.sin(mixing @ x)

    def jacobian(x: np.ndarray) -> np.ndarray:
        return np.cos(mixing @ x)[:, None] * mixing

    def by_torch(x: Any) -> Any:
        return (x.new_tensor(mixing) @ x).sin()

    return function, jacobian, point, by_torch


def sparse() -> tuple[Function, Callable, np.ndarray, Callable | None]:
    """10,000 values of as many parameters, five of which each depends on; torch has no such."""

    def function(x: np.ndarray) -> np.ndarray:
        found = np.zeros(SIZE)
        for offset in DIAGONALS:
            rows = np.arange(max(0, -offset), SIZE - max(0, offset))
            found[rows] += np.sin((offset + 3) * x[rows + offset])
        return found

    def jacobian(x: np.ndarray) -> scipy.sparse.spmatrix:
        bands = [(offset + 3) * np.cos((offset + 3) * x) for offset in DIAGONALS]
        return scipy.sparse.dia_matrix((bands, DIAGONALS), (SIZE, SIZE)).tocsr()

    return function, jacobian, np.random.default_rng(0).uniform(0.1, 1, SIZE), None


def by_torchs_gradcheck(function: Callable, point: np.ndarray) -> None:
    """Check one column and one row at a time, as torch does."""
    import torch

    if not torch.autograd.gradcheck(function, (torch.tensor(point, requires_grad=True),)):
        raise SystemExit("torch's check is not what was to be timed")


def side_by_side() -> list[tuple[str, str, int, str, str]]:
    """(Jacobian, way, evaluations, seconds, scipy's of both by these): the fastest of a few."""
    rows = []
    for name, (function, jacobian, point, by_torch) in (
        (f"dense {ROWS:,} x {COLUMNS}", dense()),
        (f"sparse {SIZE:,} x {SIZE:,}", sparse()),
    ):
        claimed = jacobian(point)
        sparsity = claimed if scipy.sparse.issparse(claimed) else None
        calls = [0]

        def counted(x: Any, function: Callable = function, calls: list = calls) -> Any:
            calls[0] += 1
            return function(x)

        def peer(counted=counted, point=point, sparsity=sparsity) -> None:
            approx_derivative(counted, point, method="3-point", sparsity=sparsity)

        def own(counted=counted, point=point, jacobian=jacobian, entries="auto") -> None:
            report = gradcheck.check_jacobian(counted, point, jacobian, entries=entries)
            if not (report.ok and report.coverage.complete):
                raise SystemExit(f"the check is not what was to be timed:\n{report}")

        asked = [gradcheck.check_jacobian(counted, point, jacobian) for _ in range(REPETITIONS)]

        def slopes(asked=asked) -> None:
            if abs(asked.pop().pictures.slope_test.order - 2) > 0.1:
                raise SystemExit("the slope test does not say what it should")

        ways = {
            "scipy approx_derivative": peer,
            "gradcheck": own,
            "gradcheck, entries='all'": partial(own, entries="all"),
            "slope test alone": slopes,
        }
        if by_torch is not None and find_spec("torch"):
            asked_torch = partial(counted, function=by_torch)
            ways["torch.autograd.gradcheck"] = partial(by_torchs_gradcheck, asked_torch, point)
        taken: dict[str, list[tuple[float, int]]] = {way: [] for way in ways}
        for _ in range(REPETITIONS):
            for way, run in ways.items():
                calls[0], start = 0, time.perf_counter()
                run()
                taken[way].append((time.perf_counter() - start, calls[0]))
        best = {way: min(found) for way, found in taken.items()}
        scipys = best["scipy approx_derivative"]
        for way, (seconds, evaluations) in best.items():
            ratios = f"{scipys[1] / evaluations:.2f}, {scipys[0] / seconds:.2f}"
            rows.append((name, way, evaluations, f"{seconds:.3g}", ratios))
    return rows
