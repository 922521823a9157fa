"""Gradients that the step of a script implies, and with which sign and factor they enter it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain

import numpy as np

from gradcheck.arrays import without_units
from gradcheck.script.choice import DISCRIMINATOR, GENERATOR, as_multiple, proportional
from gradcheck.script.losses import CLOSE, a_few
from gradcheck.script.marks import ASSIGNED, Seen
from gradcheck.script.point import Gradients, Loss, Point
from gradcheck.script.running import Run
from gradcheck.script.snapshot import Snapshot
from gradcheck.script.state import LOCAL, MODULE, Path, State, label, numbers, plain
from gradcheck.script.step import Step
from gradcheck.script.words import RefusedError
from gradcheck.user.blocks import Array

EXACT = 1e-9
"""Largest relative distance of two steps that differ by a factor of their rates alone."""

ADAPTIVE = 0.05
"""Largest relative distance of a step from a multiple of the gradients; beyond, it is adaptive."""

STEEP = 0.3
"""Largest distance from 1 of the slope along a gradient of the loss; less than its negative, it
is the gradient of an adversary."""

FEW = 0.01
"""Largest relative difference of slopes that have a factor in common."""

AGAINST = -0.5
"""Largest cosine between what a step implies and a gradient that it adds, and does not subtract."""


def of_schedule(run: Run, step: Step, snapshot: Snapshot) -> Step:
    """Return the step of an iteration with the part of its rate that a counter makes.

    In `lr / (1 + epoch)` the counter scales the whole step and changes nothing else. The rate of
    the first iteration, where the counter begins, is taken as the script names it.
    """
    counters = _counted(run.snapshots[0].state, snapshot.state) if run.snapshots else {}
    if not counters:
        return step
    now, then = Seen(), Seen()
    try:
        moved = _moved(run, step, snapshot, {}, now), _moved(run, step, snapshot, counters, then)
    except Exception:
        return step
    factor, off = as_multiple(*moved)
    factor *= step.at(snapshot, run.rates()).rate.value / step.rate.value  # what it names changes
    is_scaled = factor > 0 and off < EXACT < abs(factor - 1)
    if not (is_scaled and now.records and run.marked.are_alike(now, then)):
        return step
    own = {path: rate.times(factor) for path, rate in step.own.items()}
    return replace(step, rate=step.rate.times(factor), own=own)


def _counted(one: State, other: State) -> dict[Path, int]:
    """Return the whole numbers that are not the same in two states, as they are in the first."""
    return {
        (part, name): value
        for part in (LOCAL, MODULE)
        for name, value in one.part(part).items()
        if type(value) is int and type(now := other.part(part).get(name)) is int and value != now
    }


def _moved(
    run: Run, step: Step, snapshot: Snapshot, values: Mapping[Path, int], seen: Seen
) -> Array:
    """Return what an iteration adds to all parameters."""
    after = run.replay(step.loop, snapshot, values, seen=seen)
    pairs = ((numbers(after.get(path)), snapshot.state.get(path)) for path in step.paths)
    return np.concatenate([np.ravel(new - old) for new, old in pairs])


def implied_gradients(point: Point, after: State) -> dict[Path, Array]:
    """Return (old - new) / rate for each parameter whose shape the step keeps, but for units."""
    gradients, rate = {}, point.step.rate.value
    for path, old in point.start.items():
        new = after.number(path)
        if new is not None and without_units(new.shape, old.shape):
            gradients[path] = (old - new.reshape(old.shape)) / (rate * point.step.relative(path))
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


def descents(
    point: Point, losses: Mapping[str, Loss], implied: Gradients
) -> dict[str, dict[Path, float]]:
    """Return how far the step of each parameter descends each loss, over what it implies."""
    found: dict[str, dict[Path, float]] = {name: {} for name in losses}
    for path, gradient in implied.items():
        square = float(np.vdot(gradient, gradient).real)
        if not square:
            continue
        width = 1e-4 / max(float(np.max(np.abs(gradient))), 1e-9)
        sides = point.on_both_sides(path, width * gradient)
        for name, loss in losses.items():
            ahead, behind = (
                loss.value(seen) if loss.family else seen.last(loss.number) for seen in sides
            )
            found[name][path] = (ahead - behind) / (2 * width * square)
    return found


def descending(slopes: Mapping[str, Mapping[Path, float]]) -> dict[str, list[Path]]:
    """Return the parameters whose step descends each loss, at least approximately."""
    return {
        name: [path for path, slope in of.items() if abs(slope - 1) < STEEP]
        for name, of in slopes.items()
    }


def require_one_loss(losses: Sequence[Loss], point: Point, implied: Gradients) -> None:
    """Refuse a loop that descends several losses, each with parameters of its own.

    Raises:
        RefusedError: it does.
    """
    strong: dict[str, Loss] = {}
    for loss in losses:
        if loss.strong and loss.site.kind == ASSIGNED:
            kin = (proportional(loss.slopes, other.slopes) for other in strong.values())
            if loss.words in strong or not any(kin):
                strong[loss.words] = loss
    if len(strong) < 2 or any(loss.agrees for loss in strong.values()):
        return
    some = {path: implied[path] for path in a_few(list(implied), np.random.default_rng(0))}
    moves = _moved_apart(point, strong, some)
    if len(moves) > 1 and len(some) < len(implied):
        moves = _moved_apart(point, strong, implied)
    if len(moves) < 2:
        _require_no_adversary(strong)
        return
    names = {name: ",".join(map(label, paths)) for name, paths in moves.items()}
    summary = "; ".join(f"{name} moves {own.replace(',', ', ')}" for name, own in names.items())
    wishes = (f"--loss {name} --params {_quoted(own)}" for name, own in names.items())
    raise RefusedError(
        f"the loop descends {len(moves)} losses: {summary}; check one at a time: "
        f"{', or '.join(wishes)}"
    )


def _require_no_adversary(names: Collection[str]) -> None:
    """Refuse a generator and a discriminator of which nothing tells what each of them moves.

    Raises:
        RefusedError: both have a loss.
    """
    own = [next(filter(one.match, names), "") for one in (GENERATOR, DISCRIMINATOR)]
    if all(own):
        wishes = ", or ".join(f"--loss {name} --params A,B" for name in own)
        raise RefusedError(
            f"the loop has 2 losses, {own[0]} and {own[1]}: check one at a time, with the "
            f"parameters that it is to move: {wishes}"
        )


def _quoted(words: str) -> str:
    return f'"{words}"' if "'" in words else words


def _moved_apart(
    point: Point, losses: Mapping[str, Loss], implied: Gradients
) -> dict[str, list[Path]]:
    """Return the parameters that descend each loss, of losses that have none in common.

    Nothing unless these are most of all: of many wrong gradients some agree by chance.
    """
    slopes = {name: _of_one_scale(of) for name, of in descents(point, losses, implied).items()}
    moved = _with_a_wrong_one(descending(slopes), slopes, implied)
    moves: dict[str, list[Path]] = {}
    for name, paths in sorted(moved.items(), key=lambda one: -len(one[1])):
        if set(paths).isdisjoint(chain(*moves.values())) and paths:
            moves[name] = paths  # else a part of a loss, or the whole of one
    parts = frozenset[str]().union(*(losses[name].site.reads for name in moves))
    moves = {name: paths for name, paths in moves.items() if name not in parts}
    if len(moves) < 2 or 2 * sum(map(len, moves.values())) < len(implied):
        return {}
    for path in set(slopes[next(iter(moves))]).difference(*moves.values()):
        moves[max(moves, key=lambda name: slopes[name][path])].append(path)
    return {name: [path for path in implied if path in paths] for name, paths in moves.items()}


def _with_a_wrong_one(
    moved: Mapping[str, list[Path]], slopes: Mapping[str, Mapping[Path, float]], implied: Gradients
) -> dict[str, list[Path]]:
    """Return what moves two losses, where the gradients of one of them are wrong.

    What descends the other ascends the one, as of two adversaries; or, together, the parameters
    that do not descend the other descend the one more than twice as fast.
    """
    fitting = [name for name, paths in moved.items() if paths]
    left = [path for path in slopes[fitting[0]] if path not in moved[fitting[0]]] if fitting else []
    if len(fitting) != 1 or not left or 4 * len(moved[fitting[0]]) < len(implied):
        return dict(moved)
    squares = {path: float(np.vdot(implied[path], implied[path]).real) for path in left}
    down = {name: sum(of[path] * squares[path] for path in left) for name, of in slopes.items()}
    against = [one for one in slopes if max(slopes[one][it] for it in moved[fitting[0]]) < -STEEP]
    best = max(against or down, key=lambda name: down[name])
    is_other = bool(against) or 0 < down[best] > 2 * down[fitting[0]]
    return {**moved, best: left} if is_other else dict(moved)


def _of_one_scale(slopes: Mapping[Path, float]) -> dict[Path, float]:
    """Return slopes over the factor that most have in common, as of a sum that enters a mean."""

    def shared(factor: float) -> int:
        return sum(abs(slope / factor - 1) < FEW for slope in slopes.values())

    common = max((one for one in slopes.values() if one > 0), key=shared, default=1.0)
    factor = common if shared(common) > max(shared(1.0), 1) else 1.0
    return {path: slope / factor for path, slope in slopes.items()}
