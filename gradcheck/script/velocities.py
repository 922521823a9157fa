"""Arrays that a step remembers from pass to pass, such as velocities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck.script.marks import DIFFERENCE, Seen
from gradcheck.script.point import Point
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import Path, State, alike, leaves, movement, numbers
from gradcheck.script.step import Step
from gradcheck.user.blocks import Array

EXACT = 1e-6
"""Largest relative error of what is only added up."""


def velocities(run: Run, step: Step, snapshot: Snapshot, after: State) -> dict[Path, Any]:
    """Return all arrays that a step remembers, such as velocities, with nothing in them, by path.

    They have the shape of a parameter, or are lists where parameters are single numbers. An array
    that reaches a number named like a loss is none.
    """
    state = snapshot.state

    def losses_of(values: Mapping[Path, Any]) -> Mapping[int, list[Any]]:
        seen = Seen()
        run.replayed(step.loop, snapshot, values, step.rates, 0.0, seen)
        sites = run.marked.sites
        marks = (one for one in seen.records if sites[one].kind != DIFFERENCE)
        return {one: seen.records[one] for one in marks if not sites[one].is_watched}

    def moves_them(values: Mapping[Path, Any]) -> bool:
        other = run.replayed(step.loop, snapshot, values, step.rates) if values else None
        pairs = ((after.number(own), other.number(own)) for own in step.paths if other is not None)
        return not all(alike(*pair) for pair in pairs)

    shapes = {np.shape(state.get(path)) for path in step.paths}
    others: dict[Path, Any] = {}
    for path, value in leaves(state).items():
        array, now = numbers(value), after.number(path)
        fits = array.shape in shapes or (isinstance(value, list) and () in shapes)
        if path in step.paths or not fits or now is None or not array.ndim:
            continue
        if not np.array_equal(now, array):
            others[path] = np.zeros(array.shape) if np.any(array) else np.ones(array.shape)
    if not moves_them(others):
        return {}
    moving = {path: other for path, other in others.items() if moves_them({path: other})}
    losses = losses_of({})
    if losses != losses_of(moving):
        moving = {path: one for path, one in moving.items() if losses == losses_of({path: one})}

    def value_of(path: Path, shape: tuple[int, ...]) -> Array:
        """The value with which an array adds nothing; what divides, as in Adagrad, is 1."""
        there = run.replayed(step.loop, snapshot, {path: np.zeros(shape)}, step.rates)
        moved = (None if there is None else there.number(own) for own in step.paths)
        divides = any(one is not None and not np.all(np.isfinite(one)) for one in moved)
        return np.ones(shape) if divides else np.zeros(shape)

    return {path: value_of(path, one.shape) for path, one in moving.items()}


def never_set_back(point: Point, after: State) -> set[Path]:
    """Return the arrays taken for velocities to which each pass adds a gradient, and no more.

    A velocity shrinks from pass to pass. What such an array holds more before a pass, it holds more
    after it, and a parameter moves by the learning rate times that: its gradient is added up.
    """
    kept: set[Path] = set()
    rng = np.random.default_rng(0)
    mores = {path: rng.standard_normal(value.shape) for path, value in point.extra.items()}

    def holding(more: Mapping[Path, Any]) -> State | None:
        values = {**point.extra, **more}
        return point.run.replayed(point.step.loop, point.snapshot, values, point.step.rates)

    every = holding(mores) if mores else None
    for path, more in mores.items():
        if every is None or not _adds(movement(every, after, path), more):
            continue
        other = holding({path: more})
        if other is None or not _adds(movement(other, after, path), more):
            continue
        moves = (
            (movement(after, other, own), point.step.relative(own)) for own in point.step.paths
        )
        moved = [move / by for move, by in moves if move is not None and np.any(move)]
        expected = point.step.rate.value * more
        scale = EXACT * float(np.max(np.abs(expected)))
        if len(moved) == 1 and moved[0].shape == more.shape:
            kept |= {path} if np.allclose(moved[0], expected, EXACT, scale) else set()
    return kept


def _adds(movement: Array | None, more: Array) -> bool:
    return movement is not None and np.allclose(movement, more, EXACT, EXACT)
