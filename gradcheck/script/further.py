"""Parameters of a step that its first iteration, or its learning rate, does not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.script.gradients import descending, descents, implied_gradients
from gradcheck.script.handover import Taken
from gradcheck.script.named import GRADIENTS
from gradcheck.script.rates import Rate, increments, uses
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import (
    Path,
    alike,
    label,
    last_name,
    leaves,
    movement,
    numbers,
    plain,
)
from gradcheck.script.step import Step
from gradcheck.script.trial import Trial
from gradcheck.script.words import may_be_parameter
from gradcheck.trace.record.graph import grouped
from gradcheck.user.blocks import Array

FAR = 1e6
FOLLOWING = 0.05
"""Largest relative difference of a movement from that of a moving average."""


def further_paths(run: Run, step: Step, snapshot: Snapshot) -> list[Path]:
    """Return the parameters that another iteration moves, perhaps more than the first one."""
    after = run.replayed(step.loop, snapshot)
    if after is None:
        return []
    trial = Trial(run, step.loop, snapshot, after, snapshot.changed(after))
    paths = trial.frozen(step.rates, list(trial.trained))
    for moved in trial.nudged_both_ways(paths):
        paths = trial.frozen(step.rates, paths, moved)
    return trial.without_sums(step.rate, paths)


def gets_lost(values: Sequence[Array | None]) -> bool:
    """Whether a parameter changes its shape or grows beyond all bounds, in some iterations.

    Then the first one is to be checked.
    """
    there = [value for value in values if value is not None]
    sizes = [float(np.max(np.abs(value), initial=1.0)) for value in there]
    grows = bool(sizes) and not sizes[-1] < FAR * sizes[0]
    return grows or len({value.shape for value in there}) > 1


def idle_paths(run: Run, step: Step, snapshot: Snapshot) -> list[Path]:
    """Return the parameters that an iteration updates by 0, though it moves others by them."""
    after = run.replayed(step.loop, snapshot)
    if after is None:
        return []
    known, begun, there = set(step.all_paths), leaves(snapshot.state), leaves(after)
    added_to = {id(one): one for own in run.idle.values() for one in own}.values()
    zeros = _zeros_beside(there, known)

    def is_idle(path: Path, value: Any) -> bool:
        is_added_to = label(path) in run.idle or any(_is_as(one, value) for one in added_to)
        is_gradient = GRADIENTS.search(last_name(path))
        return is_added_to or ((*path, np.shape(value)) in zeros and not is_gradient)

    still = [
        path
        for path, value in there.items()
        if path in begun and path not in known and is_idle(path, value)
    ]
    values = {path: numbers(snapshot.state.get(path)) for path in still}
    trial = Trial(run, step.loop, snapshot, after, values)
    moved = trial.nudged(still)
    return [
        path  # each alone: what divides the step of another, as in Adagrad, may become negative
        for path in still
        if trial.frozen(step.rates, [path], moved)
        if (after := run.replayed(step.loop, snapshot, {path: plain(moved[path])}))
        if any(not alike(after.number(one), trial.after.number(one)) for one in step.paths)
    ]


def _is_as(one: Any, value: Any) -> bool:
    """Whether a value is an array, or has its numbers: an update may have put a new array there."""
    return one is value or (np.size(value) > 1 and np.array_equal(one, value))


def _zeros_beside(there: Mapping[Path, Any], known: Set[Path]) -> set[Path]:
    """Return the neighbours of parameters that are 0 where the gradients of these lie, with shapes.

    These lie under the same keys; so do sums of their squares. The update may make them all anew.
    """
    own = grouped((one[:-1], one[-1]) for one in known)
    keys = {key for of_one in own.values() for key in of_one}
    moved = {one[:-1] for one, value in there.items() if one[-1] in keys and np.any(value)}
    zeros = [one for one, value in there.items() if one[:-1] in moved and not np.any(value)]
    shapes = grouped((one[-1], np.shape(there[one])) for one in zeros if one[:-1] not in own)
    return {(*path, key, one) for path in own for key in shapes for one in {*shapes[key]}}


def with_own_rates(run: Run, step: Step, snapshot: Snapshot, left: Sequence[Path]) -> Step:
    """Return the step with those of `left` as parameters that a learning rate of their own moves.

    Failing that, those named like parameters that an update without a rate moves: their rate is 1.
    """
    after = run.replayed(step.loop, snapshot)
    if after is None or not left:
        return step
    changed = snapshot.changed(after)
    trial = Trial(
        run,
        step.loop,
        snapshot,
        after,
        {path: changed[path] for path in left if path in changed and path not in step.paths},
    )
    trial.changed = trial.trained
    own: dict[Path, Rate] = {}
    for rate in _possible(trial):
        still = [
            path
            for path in trial.changed
            if path not in own and (rate.words or may_be_parameter(last_name(path)))
        ]
        frozen = trial.frozen(rate, still) if still else []
        found = [path for path in frozen if trial.halved(rate, [path])]
        for path in trial.staying(rate, found) if found else ():
            if _descends(trial, path, rate, step):
                own[path] = rate
    return replace(step, paths=[*step.paths, *own], own={**step.own, **own})


def holding(taken: Taken | None, wanted: Sequence[Path]) -> tuple[list[Rate], list[Path]]:
    """Return what at 0 holds parameters that descend another loss, and what moves nevertheless.

    A generator is trained against the discriminator that the same step has updated before. Where
    they have the same lines and rate, the one is not to be held without the other.
    """
    rest = set(taken.point.step.paths).difference(wanted) if taken is not None else ()
    if taken is None or not rest:
        return [], []
    point = taken.point
    after = point.run.replay(point.step.loop, point.snapshot, point.extra)
    kept = {path: after.number(place) for path, place in taken.gradients.items()}
    gradients = kept or implied_gradients(point, after)
    own = {path: value for path, value in gradients.items() if path in rest and value is not None}
    loss = taken.found.loss
    others = set(rest).difference(*descending(descents(point, {loss.words: loss}, own)).values())
    changed = point.snapshot.changed(after)
    moved = {path: changed[path] for path in point.step.paths if path in changed}
    trial = Trial(point.run, point.step.loop, point.snapshot, after, moved)
    found = []
    for rate in (*increments(point.run.marked.sites), *trial.possible_rates()):
        held = set() if others.isdisjoint(moved) else set(trial.frozen(rate, list(moved)))
        if held and held <= others:
            found.append(rate)
            for path in held:
                del moved[path]
    return found, [path for path in moved if path in rest]


def _possible(trial: Trial) -> Iterator[Rate]:
    sites = trial.run.marked.sites
    yield from trial.possible_rates()
    trial.run.replayed(trial.number, trial.snapshot)
    yield from uses(trial.run.rates(), sites)
    yield from increments(sites)


def _descends(trial: Trial, path: Path, rate: Rate, step: Step) -> bool:
    """Whether a movement may be that of a gradient: no constant, and no moving average.

    A moving average follows by its rate times its own distance from something else; so does a bias
    under a squared error.
    """
    usual = movement(trial.after, trial.snapshot.state, path)
    own = trial.nudged([path])[path]
    alone = trial.run.replayed(trial.number, trial.snapshot, {path: plain(own)})
    others = {one: numbers(trial.snapshot.state.get(one)) for one in step.paths}
    together = replace(trial, changed={**others, **trial.changed}).nudged([*others, path])
    values = {one: plain(value) for one, value in together.items()}
    all_moved = trial.run.replayed(trial.number, trial.snapshot, values)
    if usual is None or alone is None or all_moved is None:
        return False
    there, with_others = alone.number(path), all_moved.number(path)
    if there is None or with_others is None:
        return False
    if there.shape != own.shape or with_others.shape != own.shape:
        return usual.shape != own.shape  # an update of a wrong shape
    size = 1e-6 * float(np.max(np.abs(usual), initial=0.0))
    is_constant = np.max(np.abs(with_others - together[path] - usual), initial=0.0) <= size
    nudge = rate.value * (own - trial.changed[path])
    follows = np.max(np.abs(there - own - usual + nudge)) <= FOLLOWING * np.max(np.abs(nudge))
    if is_constant or not follows:
        return not is_constant
    followed = trial.changed[path] + usual / rate.value
    return may_be_parameter(last_name(path)) and not any(
        one != path and np.shape(value) == followed.shape and np.allclose(numbers(value), followed)
        for one, value in leaves(trial.after).items()
    )
