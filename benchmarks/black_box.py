"""A loss that nothing is known of: how few evaluations a verdict takes, and two processes."""

from __future__ import annotations

import time

import numpy as np

import gradcheck

SIZE = 100_000
WRONG = ((), (777,), (5,), (99_999,), (31_415,), (100, 200, 300))
CHEAP = 300
TURNS = 20
LOSS_SECONDS = 0.005


def _problem(size: int):
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
    loss, point, grad = _problem(SIZE)
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
    """The seconds of a bare loop and of a check, of a loss of some ten microseconds."""
    loss, point, grad = _problem(CHEAP)

    def loop() -> None:
        for entry, before in enumerate(point.tolist()):
            for moved in (before + 1e-6, before - 1e-6):
                point[entry] = moved
                loss(point)
            point[entry] = before

    taken = []
    for way in (loop, lambda: gradcheck.check(loss, point, grad)):
        seconds = []
        for _ in range(TURNS):
            start = time.process_time()
            way()
            seconds.append(time.process_time() - start)
        taken.append(min(seconds))
    return taken[0], taken[1]


def two_workers() -> tuple[float, float] | None:
    """The seconds of one and of two workers on a loss of 5 ms; None without joblib."""
    try:
        import joblib  # noqa: F401  # only whether it is there
    except ImportError:
        return None
    plain, point, grad = _problem(800)

    def loss(w: np.ndarray) -> float:
        end = time.perf_counter() + LOSS_SECONDS
        while time.perf_counter() < end:
            pass
        return plain(w)

    taken = []
    for workers in (1, 2):
        start = time.perf_counter()
        gradcheck.check(loss, point, grad, entries="all", workers=workers)
        taken.append(time.perf_counter() - start)
    return taken[0], taken[1]
