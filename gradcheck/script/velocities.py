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

EXACT = 1e-6
"""Largest relative error of what is only added up."""


def velocities(run: Run, step: Step, snapshot: Snapshot, after: State) -> dict[Path, Any]:
    """Return zeros for all arrays that a step remembers, such as velocities, by their paths.

    They have the shape of a parameter, or are lists where parameters are single numbers. An array
    that reaches a number named like a loss is none.
    """
    state = snapshot.state

    def losses_of(values: Mapping[Path, Any]) -> Mapping[int, list[Any]]:
        seen = Seen()
        run.replayed(step.loop, snapshot, values, step.rates, 0.0, seen)
        sites = run.marked.sites
        return {one: of for one, of in seen.records.items() if sites[one].kind != DIFFERENCE}

    losses: Mapping[int, list[Any]] | None = None
    shapes = {np.shape(state.get(path)) for path in step.paths}
    zeros: dict[Path, Any] = {}
    for path, value in leaves(state).items():
        array, now = numbers(value), after.number(path)
        fits = array.shape in shapes or (isinstance(value, list) and () in shapes)
        if path in step.paths or not fits or now is None or not array.ndim:
            continue
        if np.array_equal(now, array):
            continue
        replacement = np.zeros(array.shape) if np.any(array) else np.ones(array.shape)
        without = run.replayed(step.loop, snapshot, {path: replacement}, step.rates)
        if without is not None:
            pairs = [(after.number(own), without.number(own)) for own in step.paths]
            if all(alike(*pair) for pair in pairs):
                continue
            losses = losses_of({}) if losses is None else losses
            if losses == losses_of({path: replacement}):
                zeros[path] = np.zeros(array.shape)
    return zeros


def never_set_back(point: Point, after: State) -> set[Path]:
    """Return the arrays taken for velocities to which each pass adds a gradient, and no more.

    A velocity shrinks from pass to pass. What such an array holds more before a pass, it holds more
    after it, and a parameter moves by the learning rate times that: its gradient is added up.
    """
    kept: set[Path] = set()
    for path, value in point.extra.items():
        more = np.random.default_rng(0).standard_normal(value.shape)
        other = point.run.replayed(
            point.step.loop, point.snapshot, {**point.extra, path: more}, point.step.rates
        )
        if other is None:
            continue
        added = movement(other, after, path)
        if added is None or not np.allclose(added, more, EXACT, EXACT):
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
