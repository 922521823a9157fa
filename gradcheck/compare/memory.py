"""What a step remembers of earlier calls: a velocity, and a learning rate that varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.compare.point import NEAR, Point, slope_along
from gradcheck.user.blocks import BARE, Array, path_name
from gradcheck.user.gradients import Gradient, gradients_at
from gradcheck.user.problem import Problem
from gradcheck.user.steps import Step

FEWEST_ENTRIES = 3
ROUNDING = 1e-6
ROUNDINGS = 10
ALIKE = 1e-3
"""Momenta of two blocks differ by no more if they are one number."""

LARGEST_AHEAD = 0.5
AHEAD = 0.2
"""How far off a multiple of an update is by a gradient ahead of the parameters, at most."""

Calls = Sequence[Sequence[Gradient]]


def with_memory(point: Point) -> Problem:
    """The problem of a step that remembers: its momentum, or that its learning rate varies.

    Its gradient is told from an update without velocity; where that cannot be had, from two.
    """
    problem, step = point.problem, point.problem.step
    if step is None:
        return problem
    calls, counts = [], []
    for _ in range(3):
        calls.append(_asked(problem))
        counts.append([] if step.memory is None else step.memory.numbers())
    alike = _are_alike(calls)
    if (alike and counts[1] == counts[2]) or any(one.verdict == "shape" for one in calls[0]):
        return problem
    if alike:  # but it counts them: a later one may differ, as of a look-ahead
        anew = replace(problem, step=replace(step, anew=True))
        if _are_alike([*calls, _asked(anew)]):
            return anew
    momentum = _find_momentum(problem, step, calls)
    remembered = replace(step, momentum=momentum, unsteady=not alike and not momentum)
    return replace(problem, step=_begun_anew(point, step, calls, momentum) or remembered)


def _asked(problem: Problem) -> tuple[Gradient, ...]:
    return gradients_at(problem, problem.parameters.values)


def _are_alike(calls: Calls) -> bool:
    pairs = (pair for call in calls[1:] for pair in zip(call, calls[0], strict=True))
    return all(np.array_equal(_value(one), _value(other)) for one, other in pairs)


def _begun_anew(
    point: Point, step: Step, calls: Calls, momentum: Mapping[str, float]
) -> Step | None:
    """The step that begins each call without velocity; None where that is no explanation.

    Such updates differ from call to call by one number, the learning rate.
    """
    updates = _without_velocity(point.problem, step)
    if not updates or any(one.verdict != "ok" for update in updates for one in update):
        return None
    first, *others, going_on = ([_value(one) for one in update] for update in updates)
    largest = max(float(np.max(np.abs(value), initial=0.0)) for value in first)
    if not largest:
        return None
    values = point.problem.parameters.values
    roundings = map(step.cancellation, values, (gradient.epsilon for gradient in updates[0]))
    tolerance = ROUNDING + ROUNDINGS * max(roundings) / largest
    rates = [proportion(other, first, tolerance) for other in others]
    known = [rate for rate in rates if rate is not None and rate > 0]
    shares = _shares(point, (first, others[0], going_on), tolerance, bool(momentum))
    if len(known) < len(rates) or shares is None:
        return None
    if any(abs(rate - 1) > tolerance for rate in known):
        leaves = [leaf for leaf in point.problem.parameters.leaves if leaf.block is not None]
        scales = dict.fromkeys(
            (path_name(leaf.path) for leaf in leaves), _ahead(float(np.median(shares)))
        )
        return replace(step, anew=True, varies=True, scales=scales)
    scales = _scales(point.problem, calls, first, momentum, tolerance)
    return replace(step, anew=True, momentum=momentum, scales=scales)


def _value(gradient: Gradient) -> Array:
    return np.zeros(0) if gradient.value is None else gradient.value


def _without_velocity(problem: Problem, step: Step) -> list[Sequence[Gradient]]:
    """Three updates without velocity, and one after the first that goes on with what that left.

    Empty if it is not known what the step remembers.
    """
    if step.memory is None:
        return []
    step.memory.empty()  # what the calls have moved, which is put back next
    anew = replace(problem, step=replace(step, anew=True))
    found = [_asked(anew)]
    for _ in range(2):
        step.memory.empty()
        found.append(_asked(problem))
    _asked(anew)
    return [*found, _asked(problem)]


def _shares(
    point: Point,
    updates: tuple[Sequence[Array], Sequence[Array], Sequence[Array]],
    rounding: float,
    has_momentum: bool,
) -> list[float] | None:
    """The share of an update that what it leaves adds to the next, as a velocity does, by block.

    None where it is no velocity: a sum of gradients that nobody sets back adds all that it was.
    Where the gradient is taken ahead of the parameters (Nesterov 1983), what is added is no
    multiple, only near one; further off, the loss decides if a momentum explains the calls as well.
    Weight decay does not enter a velocity everywhere. The updates are the first two without
    velocity, and the second that goes on with the first.
    """
    shares, slopes = [], []
    has_larger = _has_larger(updates[0])
    for index, (one, other, going_on) in enumerate(zip(*updates, strict=True)):
        share, left = _share(going_on - other, one, point.values[index])
        rate, _ = _share(other, one, point.values[index])
        before = share / (rate or 1.0)
        size = np.max(np.abs(one), initial=0.0)
        near = min(abs(share - 1), abs(before - 1))
        grows = min(share, before) > 1 and (one.size > 1 or not has_larger)
        if near < ROUNDINGS * rounding or (
            grows and proportion([going_on - other], [one], rounding) is not None
        ):
            return None
        near_multiple = AHEAD * share * (one.size >= FEWEST_ENTRIES)
        if has_momentum and left > max(rounding, near_multiple) * size:
            slopes.append(slope_along(point.problem, point.values, index, one))
        shares.append(max(share, before))
    return shares if all(abs(slope - 1) < NEAR for slope in slopes) else None


def _has_larger(blocks: Sequence[Array]) -> bool:
    """Whether a block has several entries: one entry is a multiple of any other."""
    return any(block.size > 1 for block in blocks)


def _share(value: Array, update: Array, weights: Array) -> tuple[float, float]:
    """What a value has of an update beside weight decay, and how much of it that leaves."""
    terms = [update.ravel(), weights.ravel()][: 1 + (update.size >= FEWEST_ENTRIES)]
    matrix = np.stack(terms, axis=1)
    shares = np.linalg.lstsq(matrix, value.ravel(), rcond=None)[0]
    return float(shares[0]), float(np.max(np.abs(value.ravel() - matrix @ shares), initial=0.0))


def _scales(
    problem: Problem,
    calls: Calls,
    first: Sequence[Array],
    momentum: Mapping[str, float],
    tolerance: float,
) -> dict[str, float]:
    """What updates without velocity are of the gradients, by the names of the parameters.

    In Nesterov's form that is 1 + mu. What is 1 up to rounding is 1, or each gradient would be off.
    """
    scales = {}
    for leaf in problem.parameters.leaves:
        name = BARE if problem.parameters.vector is not None else path_name(leaf.path)
        if leaf.block is None or name not in momentum:
            continue
        before, after = (_value(call[leaf.block]) for call in calls[:2])
        own = after - momentum[name] * before
        share, _ = _share(first[leaf.block], own, problem.parameters.values[leaf.block])
        plain = (one for one in (1.0, 1.0 + momentum[name]) if abs(share - one) <= tolerance)
        scales[name] = next(plain, share or 1.0)
    return scales


def _ahead(share: float) -> float:
    """1 + mu, where mu^2 / (1 + mu) of an update is added to the next, as in Nesterov's form."""
    mu = (share + np.sqrt(share**2 + 4 * share)) / 2
    return float(1 + mu) if 0 < share < LARGEST_AHEAD else 1.0


def _find_momentum(problem: Problem, step: Step, calls: Calls) -> dict[str, float]:
    """The mu of every parameter whose update reuses a share of its last one, by name.

    At one point, what a step with momentum implies is i_(t+1) = mu i_t + g, so that the
    differences from call to call shrink by mu, whatever the velocity was at first; Nesterov's form
    does the same (Sutskever et al. 2013). Any single number does so once: a block of one entry has
    the momentum of a larger one, if there is a larger one.
    """
    parameters = problem.parameters
    momenta, firm = {}, []
    for index, gradients in enumerate(zip(*calls, strict=True)):
        values = [gradient.value for gradient in gradients if gradient.verdict == "ok"]
        if len(values) < len(calls):
            continue
        epsilon = max(gradient.epsilon for gradient in gradients)
        rounding = step.cancellation(parameters.values[index], epsilon)
        momentum = _momentum([value for value in values if value is not None], rounding)
        if momentum is not None:
            if parameters.values[index].size > 1:
                firm.append(momentum)
            leaf = next(leaf for leaf in parameters.leaves if leaf.block == index)
            momenta[path_name(leaf.path)] = momentum
    if parameters.vector is not None and momenta:
        return {BARE: next(iter(momenta.values()))}
    if _has_larger(parameters.values):
        momenta = {
            name: value
            for name, value in momenta.items()
            if any(abs(value - other) <= ALIKE for other in firm)
        }
    common = float(np.median(list(momenta.values()))) if momenta else 0.0
    return {
        name: common if abs(value - common) <= ROUNDING else value
        for name, value in momenta.items()
    }


def _momentum(implied: Sequence[Array], rounding: float) -> float | None:
    first, second = (implied[1] - implied[0]).ravel(), (implied[2] - implied[1]).ravel()
    size = float(np.max(np.abs(implied[0]), initial=0.0))
    if not np.max(np.abs(first), initial=0.0) > ROUNDING * size + 10 * rounding:
        return None
    ratio = float(first @ second / (first @ first))
    left = float(np.max(np.abs(second - ratio * first)))
    fits = left <= ROUNDING * max(size, float(np.max(np.abs(first)))) + 10 * rounding
    return ratio if fits and ROUNDING < ratio < 1 - ROUNDING else None
