"""Arrays that reach the loss, and that a step does not update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from gradcheck.script.averages import approaches
from gradcheck.script.choice import proportional
from gradcheck.script.named import has_gradient
from gradcheck.script.point import Loss, Point
from gradcheck.script.state import (
    Path,
    State,
    alike,
    label,
    last_name,
    leaves,
    movement,
    numbers,
)
from gradcheck.script.words import ROLE, may_be_loss

MOST_LEFT = 40
"""Largest number of changed arrays for which a learning rate of their own is looked for."""

ROUNDING = 1e-13
"""Relative difference of two losses that may be their rounding alone."""


def reaching(point: Point, loss: Loss) -> list[Path]:
    """Return what an iteration changes, is no parameter of the step, and reaches the loss."""
    step, after = point.step, point.run.replayed(point.step.loop, point.snapshot)
    now = {} if after is None else point.snapshot.changed(after)
    state = point.snapshot.state
    known = state.places(step.all_paths)  # an array may have another path as well
    left = [
        path
        for path in dict.fromkeys([*step.changed, *now])
        if not state.places([path]) & known
        if label(path) != loss.words and not may_be_loss(last_name(path))
    ]
    return of_the_loss(point, loss, left[:MOST_LEFT])


def of_the_loss(point: Point, loss: Loss, paths: Sequence[Path]) -> list[Path]:
    """Return those of the paths on whose numbers the loss depends, beyond its rounding.

    A bias before a batch normalisation is no more than that.
    """
    reached: list[Path] = []
    with suppress(Exception):
        base = point.value(loss, {}) if paths else 0.0
        for path in paths:
            array = numbers(point.snapshot.state.get(path))
            moved = array + 1e-3 * (np.abs(array) + 0.1)
            with suppress(Exception):
                there = point.value(loss, {path: moved})
                reached += [] if np.isclose(there, base, ROUNDING, 0.0) else [path]
    return reached


def not_updated(point: Point, loss: Loss) -> tuple[list[Path], list[Path]]:
    """Return arrays that reach the loss like parameters and are not updated.

    The first ones are named so, and left alone by the loop; the others are overwritten, as in
    `b = rate * db`: they are named so, or what they become depends on the learning rate.
    """
    step = point.step
    halved = point.run.replayed(step.loop, point.snapshot, point.extra, step.rates, 0.5)
    whole = point.run.replayed(step.loop, point.snapshot, point.extra)
    changed = reaching(point, loss)
    others = point.run.marked.no_parameters(step.loop)
    begun = [one for one in leaves(point.snapshot.state) if last_name(one) not in others]
    named = [path for path in begun if ROLE.match(last_name(path))]
    there = {} if whole is None else leaves(whole)
    more = (path for path in begun if path in there and has_gradient(there, path))
    known = point.snapshot.state.places([*step.all_paths, *changed])
    idle = [
        path
        for path in dict.fromkeys([*named, *more])
        if not point.snapshot.state.places([path]) & known
    ]
    idle = of_the_loss(point, loss, idle)
    if halved is None or whole is None:
        return idle, [path for path in changed if path in named]
    moved = (path for path in changed if path not in point.extra)
    by_rate = (path for path in moved if not alike(halved.number(path), whole.number(path)))
    overwritten = dict.fromkeys([*(path for path in changed if path in named), *by_rate])
    return idle, [path for path in overwritten if not _follows_parameter(point, path, whole)]


def _follows_parameter(point: Point, path: Path, after: State) -> bool:
    """Whether a number is a copy of a parameter, goes a part of the way to it, or is its move."""
    now, before = after.number(path), point.snapshot.state.number(path)
    for one in point.step.paths:
        there, start = after.number(one), point.start[one]
        if there is None or now is None or before is None or there.shape != now.shape:
            continue
        if proportional(there - start, now) and np.any(now):
            return True
        if any(approaches(now - before, value - before) for value in (there, start)):
            return True
    return False


def left_at_rest(point: Point, gradients: Mapping[Path, Path]) -> list[Path]:
    """Return the parameters that a step without a memory leaves, though their gradients are not 0.

    It has to do so in all iterations, and to move others. `gradients` are the paths of theirs.
    """
    resting = set(gradients)
    for snapshot in point.run.snapshots:
        after = point.run.replayed(point.step.loop, snapshot, point.extra)
        if after is None:
            return []
        moves = {path: movement(after, snapshot.state, path) for path in gradients}
        still = {path for path, move in moves.items() if move is not None and not np.any(move)}
        if len(still) == len(moves):
            return []
        values = {path: after.number(gradients[path]) for path in still}
        resting &= {path for path, value in values.items() if value is not None and np.any(value)}
    return [path for path in gradients if path in resting]
