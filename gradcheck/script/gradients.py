"""Gradients that a script holds or its step implies, and what the step remembers or leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.script.choice import as_multiple, proportional
from gradcheck.script.loops import plain
from gradcheck.script.losses import CLOSE
from gradcheck.script.marks import DIFFERENCE, Seen
from gradcheck.script.point import Gradients, Loss, Point
from gradcheck.script.running import Run
from gradcheck.script.state import (
    Attribute,
    Path,
    Snapshot,
    State,
    alike,
    bare,
    last_name,
    leaves,
    movement,
    numbers,
)
from gradcheck.script.step import Step
from gradcheck.user.blocks import Array
from gradcheck.user.names import derived_names
from gradcheck.user.nodes import SIBLINGS

ADAPTIVE, EXACT = 0.05, 1e-6
"""Largest relative distance of a step from a multiple of the gradients; beyond, it is adaptive.

The second is the largest relative error of what is only added up.
"""

AGAINST = -0.5
"""Largest cosine between what a step implies and a gradient that it adds, and does not subtract."""

BARE = ("gradient", "grad", "grads", "gradients", "dw", "dW")
"""Names for the gradient of the only parameter."""

GRADIENTS = re.compile(r"(?i)grad|^d|nabla|delta")
"""Pattern of the names of containers of gradients."""


def implied_gradients(point: Point, after: State) -> dict[Path, Array]:
    """Return (old - new) / rate for each parameter whose shape the step keeps."""
    gradients, rate = {}, point.step.rate.value
    for path, old in point.start.items():
        new = after.number(path)
        if new is not None and new.shape == old.shape:
            gradients[path] = (old - new) / (rate * point.step.relative(path))
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


def opposed(
    point: Point, after: State, names: Mapping[Path, Path], implied: Gradients
) -> frozenset[Path]:
    """Return the parameters that a step moves along the gradients at `names`, and not against them.

    As its memory may say so in one iteration, the first one has to agree.
    """
    added = _added(after, names, implied)
    first = point.run.snapshots[0] if point.run.snapshots else point.snapshot
    if not added or first is point.snapshot:
        return added
    then = point.run.replayed(point.step.loop, first, point.extra)
    if then is None:
        return frozenset()
    return added & _added(then, names, implied_gradients(replace(point, snapshot=first), then))


def _added(after: State, names: Mapping[Path, Path], implied: Gradients) -> frozenset[Path]:
    kept = {path: after.number(place) for path, place in names.items() if path in implied}
    return frozenset(one for one, value in kept.items() if _cosine(implied[one], value) < AGAINST)


def negated(gradients: Gradients, added: Set[Path]) -> Gradients:
    """Return the gradients, those that a step adds with the other sign."""
    return {path: -value if path in added else value for path, value in gradients.items()}


def _cosine(one: Array, other: Array | None) -> float:
    if other is None or one.shape != other.shape:
        return 0.0
    return float(np.vdot(one, other).real / (np.linalg.norm(one) * np.linalg.norm(other) or 1.0))


def velocities(run: Run, step: Step, snapshot: Snapshot, after: State) -> dict[Path, Any]:
    """Return zeros for all arrays that a step remembers, such as velocities, by their paths.

    An array that reaches a number named like a loss is none.
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
        if path in step.paths or array.shape not in shapes or now is None or not array.ndim:
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
        square = float(np.vdot(gradient, gradient).real)
        if not square:
            continue
        width = 1e-4 / max(float(np.max(np.abs(gradient))), 1e-9)
        sides = point.on_both_sides(path, width * gradient)
        ahead, behind = (seen.last(loss.number) for seen in sides)
        if abs((ahead - behind) / (2 * width * square) - 1) < 0.3:
            descending.append(path)
    return descending


def named_gradients(
    after: State, paths: Sequence[Path], before: State, others: Set[Path]
) -> dict[Path, Path]:
    """Return the path of each parameter's gradient after an iteration; empty unless all have one.

    All gradients must lie in one container: under names derived from the parameters' names, the
    same names in another container, or the same indices of a list. `others` are excluded; what an
    iteration leaves as it was, such as the gradients of another network, comes last.
    """
    holders: dict[Path, dict[Any, Any]] = {}
    for path, value in leaves(after).items():
        if path not in others:
            holders.setdefault(path[:-1], {})[path[-1]] = value
    best, strength = dict[Path, Path](), (0, False, False)
    for holder, items in holders.items():
        is_own = any(holder == path[:-1] for path in paths)
        places, derived = _in_holder(holder, items, paths, before, is_own)
        is_set = any(not alike(before.number(one), after.number(one)) for one in places.values())
        own_strength = (derived, is_set, bool(GRADIENTS.search(last_name(("", *holder[1:])))))
        if len(places) == len(paths) and own_strength > strength:
            best, strength = places, own_strength
    return best or _beside(after, paths, before)


def equal_gradients(
    after: State, wanted: Mapping[Path, Array], others: Set[Path]
) -> dict[Path, Path]:
    """Return the paths of the gradients that a step implies, under any name; empty unless all."""
    places: dict[Path, Path] = {}
    for place, value in leaves(after).items():
        if place in others or place in wanted or not isinstance(value, np.ndarray | float):
            continue
        for path, gradient in wanted.items():
            if path not in places and are_equal(gradient, np.asarray(value)):
                places[path] = place
    return places if len(places) == len(wanted) else {}


def are_equal(implied: Array, value: Array) -> bool:
    """Whether a gradient equals the implied one up to the rounding of the parameters."""
    size = float(np.max(np.abs(value), initial=0.0))
    return implied.shape == value.shape and np.allclose(
        implied, value, rtol=1e-5, atol=1e-9 * (1 + size)
    )


def _in_holder(
    holder: Path, items: Mapping[Any, Any], paths: Sequence[Path], before: State, is_own: bool
) -> tuple[dict[Path, Path], int]:
    places: dict[Path, Path] = {}
    derived = 0
    for path in paths:
        wanted = np.shape(before.get(path))
        for name in _names(path[-1], len(paths) == 1, is_own):
            for key in (name, Attribute(name) if isinstance(name, str) else name):
                if key in items and np.shape(items[key]) == wanted and path not in places:
                    places[path] = (*holder, key)
                    derived += name != bare(path[-1])
    return places, derived


def _beside(after: State, paths: Sequence[Path], before: State) -> dict[Path, Path]:
    """Return gradients that lie beside each parameter: `layer.dW` beside `layer.W`."""
    places: dict[Path, Path] = {}
    for path in paths:
        for name in _names(path[-1], False, True):
            there = (*path[:-1], Attribute(name) if isinstance(path[-1], Attribute) else name)
            value = after.number(there)
            if value is not None and value.shape == np.shape(before.get(path)):
                places[path] = there
                break
    return places if len(places) == len(paths) else {}


def _names(step: Any, is_only: bool, is_own: bool) -> list[Any]:
    """Return possible names for the gradient of a parameter, from the last step of its path."""
    name = bare(step)
    if not isinstance(name, str):
        return [] if is_own else [name]
    names = [*derived_names(name), f"D{name}", f"d{name.upper()}", f"gradient_{name}"]
    names += SIBLINGS.get(name, ())
    return [*names, *(BARE if is_only else ()), *([] if is_own else [name])]
