"""What a step says of the gradients: what it implies, remembers, moves, and leaves where it is."""

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
"""How far a step may be from a multiple of the gradients, relative, and be called one."""


def implied_gradients(point: Point, after: State) -> dict[Path, Array]:
    """The gradients that a step implies, where it keeps the parameters' shapes."""
    found = {}
    for path, old in point.start.items():
        new = after.number(path)
        if new is not None and new.shape == old.shape:
            found[path] = (old - new) / point.step.rate.value
    return found


def source_of(implied: Gradients, named: Gradients, remembers: bool) -> tuple[float, bool]:
    """What the step takes of a gradient, and whether it is told by the step at all.

    An optimiser that remembers something and whose step is no multiple of the gradients is
    adaptive: then the script's own variables are the gradients.
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
    """What a step remembers beside its parameters, as zeros: then it says nothing of the past."""
    state = snapshot.state
    shapes = {np.shape(state.get(path)) for path in step.paths}
    found: dict[Path, Any] = {}
    for path, value in leaves(state).items():
        array = np.array(value, dtype=np.float64)
        now = after.number(path)
        if path in step.paths or array.shape not in shapes or now is None or not array.ndim:
            continue
        if np.array_equal(now, array):
            continue
        other = np.zeros(array.shape) if np.any(array) else np.ones(array.shape)
        without = run.replayed(step.loop, snapshot, {path: other}, step.rate)
        if without is not None:
            pairs = [(after.number(own), without.number(own)) for own in step.paths]
            if not all(alike(*pair) for pair in pairs):
                found[path] = np.zeros(array.shape)
    return found


def is_of_other_data(
    point: Point, loss: Loss, implied: Gradients, snapshots: Sequence[Snapshot]
) -> bool:
    """Whether a loss stays the same in another iteration, whose step goes another way.

    Then it is computed of all data, and the step of one sample, or of some.
    """
    values = {path: plain(value) for path, value in point.start.items()}
    base = point.seen({}).numbers.get(loss.number)
    for snapshot in snapshots:
        there = replace(point, snapshot=snapshot)
        if snapshot is point.snapshot or base is None:
            continue
        try:
            value = there.seen(values).numbers.get(loss.number)
            after = point.run.replay(point.step.loop, snapshot, values)
            other = implied_gradients(point, after)
        except Exception:
            continue
        if value is not None and abs(value - base) <= 1e-12 * abs(base):
            pairs = [(other[path], own) for path, own in implied.items() if path in other]
            return not all(proportional(*pair) for pair in pairs if any(map(np.any, pair)))
    return False


def point_fit(point: Point, loss: Loss, implied: Gradients) -> list[Path]:
    """The parameters that move down a loss, within a factor."""
    found = []
    for path, gradient in implied.items():
        square = float(np.sum(gradient**2))
        if not square:
            continue
        width = 1e-4 / max(float(np.max(np.abs(gradient))), 1e-9)
        sides = point.on_both_sides(path, width * gradient)
        ahead, behind = (seen.numbers.get(loss.number, np.nan) for seen in sides)
        if abs((ahead - behind) / (2 * width * square) - 1) < 0.3:
            found.append(path)
    return found


def unmoved(point: Point, loss: Loss) -> list[Path]:
    """Arrays named like parameters that reach the loss and that the loop never updates."""
    base = point.value(loss, {})
    idle = []
    for path, value in leaves(point.snapshot.state).items():
        changed = path in point.step.changed or path in point.step.paths
        if changed or not ROLE.match(last_name(path)):
            continue
        array = np.array(value, dtype=np.float64)
        moved = array + 1e-3 * (np.abs(array) + 0.1)
        try:
            if point.value(loss, {path: moved}) != base:
                idle.append(path)
        except Exception:
            continue
    return idle
