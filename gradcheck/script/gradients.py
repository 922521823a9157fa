"""Gradients deduced from a training step, and what the step remembers or leaves unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.script.choice import as_multiple, proportional
from gradcheck.script.loops import Step, plain
from gradcheck.script.losses import CLOSE, Gradients, Loss, Point
from gradcheck.script.running import Run
from gradcheck.script.state import Path, Snapshot, State, alike, last_name, leaves
from gradcheck.script.words import ROLE
from gradcheck.user.blocks import Array

ADAPTIVE = 0.05
"""Largest relative distance of a step from a multiple of the gradients; beyond, it is adaptive."""


def implied_gradients(point: Point, after: State) -> dict[Path, Array]:
    """Return (old - new) / rate for each parameter whose shape the step keeps."""
    gradients = {}
    for path, old in point.start.items():
        new = after.number(path)
        if new is not None and new.shape == old.shape:
            gradients[path] = (old - new) / point.step.rate.value
    return gradients


def source_of(implied: Gradients, named: Gradients, remembers: bool) -> tuple[float, bool]:
    """Return the factor of the gradient in a step, and whether the step implies the gradient.

    An optimiser that has a memory, and whose step is no multiple of the gradients, is adaptive: its
    gradients are read from the script's variables instead.
    """
    if not any(map(np.any, implied.values())):
        return 1.0, False
    if not remembers or not named or set(named) != set(implied):
        return 1.0, True
    factors = []
    for path, gradient in named.items():
        if np.any(gradient):
            factor, off = as_multiple(implied[path], gradient)
            if factor <= 0 or off > ADAPTIVE:
                return 1.0, False
            factors.append(factor)
    if not factors or np.ptp(factors) > ADAPTIVE * np.median(factors):
        return 1.0, not factors
    folded = float(np.median(factors))
    return (folded if abs(folded - 1) > CLOSE else 1.0), True


def velocities(run: Run, step: Step, snapshot: Snapshot, after: State) -> dict[Path, Any]:
    """Return zeros for all arrays that a step remembers, such as velocities, by their paths."""
    state = snapshot.state
    shapes = {np.shape(state.get(path)) for path in step.paths}
    zeros: dict[Path, Any] = {}
    for path, value in leaves(state).items():
        array = np.array(value, dtype=np.float64)
        now = after.number(path)
        if path in step.paths or array.shape not in shapes or now is None or not array.ndim:
            continue
        if np.array_equal(now, array):
            continue
        replacement = np.zeros(array.shape) if np.any(array) else np.ones(array.shape)
        without = run.replayed(step.loop, snapshot, {path: replacement}, step.rate)
        if without is not None:
            pairs = [(after.number(own), without.number(own)) for own in step.paths]
            if not all(alike(*pair) for pair in pairs):
                zeros[path] = np.zeros(array.shape)
    return zeros


def is_of_other_data(
    point: Point, loss: Loss, implied: Gradients, snapshots: Sequence[Snapshot]
) -> bool:
    """Whether a loss is the same in another iteration whose step has another direction.

    If so, the loss is computed from all data, but the step from one sample or a batch.
    """
    values = {path: plain(value) for path, value in point.start.items()}
    base = point.seen({}).last(loss.number)
    for snapshot in snapshots:
        there = replace(point, snapshot=snapshot)
        if snapshot is point.snapshot:
            continue
        try:
            value = there.seen(values).last(loss.number)
            after = point.run.replay(point.step.loop, snapshot, values)
            other = implied_gradients(point, after)
        except Exception:
            continue
        if abs(value - base) <= 1e-12 * abs(base):
            pairs = [(other[path], own) for path, own in implied.items() if path in other]
            return not all(proportional(*pair) for pair in pairs if any(map(np.any, pair)))
    return False


def point_fit(point: Point, loss: Loss, implied: Gradients) -> list[Path]:
    """Return the parameters whose step descends the loss, at least approximately."""
    descending = []
    for path, gradient in implied.items():
        square = float(np.sum(gradient**2))
        if not square:
            continue
        width = 1e-4 / max(float(np.max(np.abs(gradient))), 1e-9)
        sides = point.on_both_sides(path, width * gradient)
        ahead, behind = (seen.last(loss.number) for seen in sides)
        if abs((ahead - behind) / (2 * width * square) - 1) < 0.3:
            descending.append(path)
    return descending


def not_updated(point: Point, loss: Loss) -> tuple[list[Path], list[Path]]:
    """Return arrays named like parameters that reach the loss and are never updated.

    The first ones are left alone by the loop, the others overwritten, as in `b = rate * db`.
    """
    base = point.value(loss, {})
    idle: list[Path] = []
    overwritten: list[Path] = []
    for path, value in leaves(point.snapshot.state).items():
        if path in point.step.paths or not ROLE.match(last_name(path)):
            continue
        array = np.array(value, dtype=np.float64)
        moved = array + 1e-3 * (np.abs(array) + 0.1)
        try:
            if point.value(loss, {path: moved}) != base:
                (overwritten if path in point.step.changed else idle).append(path)
        except Exception:
            continue
    return idle, overwritten
