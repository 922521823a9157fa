"""A loss that nothing is known of: how few evaluations a verdict takes, and two processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

import gradcheck

SIZE = 100_000
WRONG = ((), (777,), (5,), (99_999,), (31_415,), (100, 200, 300))
CHEAP, CHEAP_SECONDS = 300, 1e-5
TURNS = 60
LOSS_SECONDS = 0.005
DASK_SECONDS, DASK_ENTRIES = 0.02, 2000


def problem(size: int):
    """A loss of so many parameters, a point, and its gradient."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(40, size)) / np.sqrt(size)
    point = rng.normal(size=size)

    def loss(w: np.ndarray) -> float:
        return float(np.sum(np.sin(mixing @ w)))

    def grad(w: np.ndarray) -> np.ndarray:
        return mixing.T @ np.cos(mixing @ w)

    return loss, point, grad


def screening() -> list[tuple[str, int, str, str]]:
    """(gradient, evaluations, verdict, smallest visible error): a right one, and single errors."""
    loss, point, grad = problem(SIZE)
    rows = []
    for entries in WRONG:
        factors = np.ones(SIZE)
        factors[list(entries)] = 1.5

        def checked(w: np.ndarray, factors: np.ndarray = factors) -> np.ndarray:
            return grad(w) * factors

        report = gradcheck.check(loss, point, checked, budget=1e-9)
        named = f"{', '.join(map(str, entries))} times 1.5" if entries else "right"
        seen = next((note for note in report.notes if "would have" in note), "")
        found = report.verdict
        if entries and report.blocks[0].worst is not None:
            block = report.blocks[0]
            found += f", params[{block.worst.index[0]}], {block.wrong_entries} wrong"
        rows.append((named, report.evaluations, found, seen))
    return rows


def cheap() -> tuple[float, float]:
    """The seconds of a bare loop and of a check, of a loss of ten microseconds or a little more."""
    plain, point, grad = problem(CHEAP)
    [seconds] = _quickest(lambda: plain(point))
    times = 1 + int(CHEAP_SECONDS / seconds)

    def loss(w: np.ndarray) -> float:
        return sum(plain(w) for _ in range(times)) / times

    def loop() -> None:
        for entry, before in enumerate(point.tolist()):
            for moved in (before + 1e-6, before - 1e-6):
                point[entry] = moved
                loss(point)
            point[entry] = before

    bare, whole = _quickest(loop, lambda: gradcheck.check(loss, point, grad))
    return bare, whole


def _quickest(*ways: Callable[[], object]) -> list[float]:
    """The least CPU seconds that each way takes, of many turns in which they alternate."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(TURNS):
        for way, taken in zip(ways, seconds, strict=True):
            start = time.process_time()
            way()
            taken.append(time.process_time() - start)
    return [min(taken) for taken in seconds]


def two_workers() -> tuple[float, float] | None:
    """The seconds of one and of two workers on a loss of 5 ms; None without joblib."""
    if not find_spec("joblib"):
        return None
    loss, point, grad = _slow(800, LOSS_SECONDS)
    taken = [_taken(loss, point, grad, workers) for workers in (1, 2)]
    return taken[0], taken[1]


def dask() -> tuple[float, float] | None:
    """Those of one process and of a Dask cluster of two, on 2,000 entries of 20 ms; or None."""
    if not find_spec("joblib") or not find_spec("distributed"):
        return None
    import joblib
    from distributed import Client, LocalCluster

    loss, point, grad = _slow(DASK_ENTRIES, DASK_SECONDS)
    alone = _taken(loss, point, grad, 1)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        return alone, _taken(loss, point, grad, 2)


def _slow(size: int, least: float):
    plain, point, grad = problem(size)

    def loss(w: np.ndarray) -> float:
        end = time.perf_counter() + least
        while time.perf_counter() < end:
            pass
        return plain(w)

    return loss, point, grad


def _taken(loss, point: np.ndarray, grad, workers: int) -> float:
    start = time.perf_counter()
    gradcheck.check(loss, point, grad, entries="all", workers=workers)
    return time.perf_counter() - start
