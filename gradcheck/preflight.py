"""The first calls: do the user's functions repeat, how precise are they, what do they change?"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck.arrays import copies, same_numbers
from gradcheck.compare.adaptive import with_what_enters
from gradcheck.compare.memory import with_memory
from gradcheck.compare.point import Point
from gradcheck.errors import UsageError
from gradcheck.numeric.noise import estimate_noise
from gradcheck.numeric.storage import epsilon_of
from gradcheck.user.blocks import Array, with_noise
from gradcheck.user.calls import GRADIENT, LOSS, UserCodeError, call
from gradcheck.user.gradients import (
    LARGE,
    Gradients,
    asked_first,
    read_gradients,
    returned_arrays,
    sample,
    samples,
)
from gradcheck.user.problem import Problem
from gradcheck.user.steps import ADAPTIVE, EACH

REPEATABLE = 1e-6
"""A loss that is called twice may differ by this much, relatively."""

REPEATS, ASKED_AGAIN = 2, 9
"""Further calls of a quick loss in a row: it may take new data only now and then."""

QUICK = 0.01
"""Seconds that a quick loss takes at most."""

ELSEWHERE = 1e-3
SINGLE = 1e-6
"""A type with a larger rounding error has half precision."""


@dataclass(frozen=True)
class Change:
    """The parameters (`blocks`), inputs and targets (`data`) that a call of user code changed."""

    call: str
    blocks: tuple[str, ...]
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preflight:
    """The results of the first calls.

    Attributes:
        center: the loss at the user's point; may be nan or infinite.
        repeated: the losses of further calls at the same point.
        changes: what each function changed.
        aliased: the names of blocks whose returned gradient shares memory with the parameters.
        overwritten: the names of blocks whose returned gradient the next call changed.
        unmoved: the names of blocks whose gradient was the same, bit for bit, at another point.
        kept: whether the gradient is known to be right only at the point where it was asked first.
        moved_off: the names of blocks that were moved off zero, where all was right.
        ignored: the names of blocks that the loss does not depend on, however far they are moved.
        without_upstream: the gradients of a layer that are nonzero for a zero upstream gradient.
        noise: the error of the values of the loss, if the user stated it.
    """

    center: float
    repeated: tuple[float, ...] = ()
    changes: tuple[Change, ...] = ()
    aliased: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    unmoved: tuple[str, ...] = ()
    kept: bool = False
    moved_off: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    without_upstream: Mapping[str, Array] = field(default_factory=dict)
    evaluations: int = 1
    noise: float = 0.0

    @property
    def not_zero(self) -> tuple[str, ...]:
        """The names of a layer's inputs whose gradient is nonzero for a zero upstream gradient."""
        return tuple(self.without_upstream)

    @property
    def repeatable(self) -> bool:
        """Whether all calls gave the same loss, up to rounding."""
        largest = max((abs(value - self.center) for value in self.repeated), default=0.0)
        return not largest > max(REPEATABLE * abs(self.center), 2 * self.noise)

    @property
    def usable(self) -> bool:
        """Whether anything can be concluded from the loss."""
        return bool(np.isfinite(self.center)) and self.repeatable


def run_preflight(
    problem: Problem, rng: np.random.Generator, first: Gradients | None = None
) -> tuple[Preflight, Point | None]:
    """Calls the loss and the gradient a few times at the user's point and near it.

    `first` holds the gradients of a call before this one, if there was one.

    Returns:
        The results; and the user's point with its gradients, or None if the loss is not usable. If
        the user's code changes its arguments, the point's problem calls it with private copies.
    """
    values = problem.parameters.values
    given = copies(values)
    center = problem.loss(given)
    change = _changed(problem, LOSS, given)
    frozen = not all(value.flags.writeable for value in given)
    del given
    changes = () if change is None else (change,)
    preflight = Preflight(center, changes=changes, noise=problem.noise)
    if change is not None or frozen:
        fresh_data = change is not None and bool(change.data)
        problem = replace(problem, private_copies=True, fresh_data=fresh_data)
    if not preflight.usable:
        return preflight, None
    preflight = _asked_again(preflight, problem, REPEATS)
    if not preflight.usable:
        return preflight, None
    difference = max(abs(value - center) for value in preflight.repeated)
    noise = estimate_noise(problem.loss_or_nan, values, center, difference, rng)
    noise = noise.at_least(problem.noise).at_rounding(_half(problem), center)
    preflight = replace(preflight, evaluations=preflight.evaluations + noise.evaluations)
    try:
        if problem.step is not None:
            problem = _with_gradient_of_step(Point.at(problem, values, center, noise))
        problem, asked, more = asked_first(problem)
        if more:
            preflight = replace(preflight, evaluations=preflight.evaluations + more)
        preflight, gradients = _with_gradient(preflight, problem, rng)
    except (UserCodeError, UsageError):  # the comparison reports this, with the place
        return preflight, Point.at(problem, values, center, noise).ask_gradient()
    if any(change.data for change in preflight.changes):
        problem = replace(problem, fresh_data=True)
    first = first or asked
    judged = gradients if first is None or problem.step is not None else first
    return preflight, Point.at(problem, values, center, noise).with_gradients(judged)


def _with_gradient_of_step(point: Point) -> Problem:
    """The problem of a step, with how its gradient is told from its updates.

    What it remembers may hide what enters an update.
    """
    entered = with_what_enters(point)
    if entered.step is None or entered.step.update in (ADAPTIVE, EACH):
        return entered
    problem = with_memory(point)
    if problem.step is not None and problem.step.anew:
        return with_what_enters(replace(point, problem=problem))
    if entered.step.entering is not None:
        return entered
    unsteady = problem.step is not None and problem.step.unsteady
    return with_what_enters(point, steady=False) if unsteady else problem


def _half(problem: Problem) -> float:
    """The relative rounding error of parameters in half precision; 0 if there are none."""
    types = [dtype for dtype in problem.parameters.storage if dtype.kind == "f"]
    coarsest = max(map(epsilon_of, types), default=0.0)
    return coarsest if coarsest > SINGLE else 0.0


def with_ignored(preflight: Preflight, point: Point) -> Preflight:
    """Adds the blocks that the loss does not depend on; only blocks with slopes of 0 are tested."""
    flat = [
        index
        for index, block in enumerate(point.blocks)
        if block.size and not np.any(block.numeric.estimates.value)
    ]
    if not flat:
        return preflight
    ignored = tuple(
        point.blocks[index].name
        for index in flat
        if not point.problem.depends_on(index, preflight.center)
    )
    are_zero = not any(np.any(block.gradient.value) for block in point.blocks)
    if point.problem.layer is not None and len(ignored) == len(point.blocks) and are_zero:
        ignored = ()  # a layer that is constant, as its backward pass says
    evaluations = preflight.evaluations + len(flat)
    return replace(preflight, ignored=ignored, evaluations=evaluations)


def still_repeatable(preflight: Preflight, point: Point) -> Preflight:
    """Calls the loss again at the user's point, unless every block is right and smooth there."""
    if all(block.verdict == "ok" and not block.kinks for block in point.blocks):
        return preflight
    times = ASKED_AGAIN if point.noise.seconds < QUICK else 1
    return _asked_again(preflight, point.problem, times)


def _asked_again(preflight: Preflight, problem: Problem, times: int) -> Preflight:
    values = problem.parameters.values
    again = [problem.loss(copies(values)) for _ in range(times)]
    return replace(
        preflight, repeated=(*preflight.repeated, *again), evaluations=preflight.evaluations + times
    )


def _with_gradient(
    preflight: Preflight, problem: Problem, rng: np.random.Generator
) -> tuple[Preflight, Gradients]:
    """Calls the gradient function: what it returns and changes, and whose memory it returns."""
    parameters = problem.parameters
    given = copies(parameters.values)
    returned = problem.gradient(given, keep=True)
    change = None if problem.step is not None else _changed(problem, GRADIENT, given)
    if change is not None:
        problem = replace(problem, fresh_data=problem.fresh_data or bool(change.data))
    large = sum(value.size for value in parameters.values) > LARGE
    gradients = read_gradients(returned, parameters, copy=not large)
    here = samples(gradients)
    arrays = returned_arrays(returned, parameters)
    before = {name: sample(array) for name, array in arrays.items()}
    held = parameters.held(given)
    aliased = tuple(
        name
        for name, array in arrays.items()
        if any(np.may_share_memory(array, parameter) for parameter in held)
    )
    del given, held
    there = []
    with contextlib.suppress(UserCodeError, UsageError):
        moved = problem.gradient(  # the point is held nowhere else: it may be large
            [with_noise(value, ELSEWHERE, rng) for value in parameters.values], keep=True
        )
        there = samples(read_gradients(moved, parameters, copy=False))
        del moved
    overwritten = tuple(
        name
        for name, array in arrays.items()
        if name not in aliased and not same_numbers(sample(array), before[name])
    )
    if overwritten and large:
        returned = problem.gradient(parameters.values)
    gradients = read_gradients(returned, parameters) if large else gradients
    learnt = replace(
        preflight,
        changes=(*preflight.changes, *(() if change is None else (change,))),
        aliased=aliased,
        overwritten=overwritten,
        unmoved=_unmoved(parameters.names, gradients, here, there),
        without_upstream=_without_upstream(problem),
    )
    return learnt, gradients


def _unmoved(
    names: Sequence[str], gradients: Gradients, here: Sequence[Array], there: Sequence[Array]
) -> tuple[str, ...]:
    """The names of blocks whose gradient, of which there are samples at two points, is the same."""
    if len(here) != len(there):
        return ()
    pairs = zip(names, gradients.blocks, strict=True)
    returned = [name for name, gradient in pairs if gradient.value is not None]
    return tuple(
        name
        for name, one, other in zip(returned, here, there, strict=True)
        if one.shape == other.shape and np.any(one) and same_numbers(one, other)
    )


def _without_upstream(problem: Problem) -> Mapping[str, Array]:
    """The gradients of a layer's inputs that are nonzero for a zero upstream gradient."""
    if problem.layer is None or problem.layer.reading.arguments == 0:
        return {}
    parameters = problem.parameters
    packed = parameters.pack(copies(parameters.values))
    returned = call(problem.layer.with_zero_upstream().gradient, GRADIENT, packed)
    gradients = read_gradients(returned, parameters).blocks
    return {
        name: gradient.value
        for name, gradient in zip(parameters.names, gradients, strict=True)
        if gradient.value is not None and np.any(gradient.value != 0)
    }


def _changed(problem: Problem, call: str, given: Sequence[Array]) -> Change | None:
    """The parameters and data that a call changed, or None; the data are restored."""
    parameters = problem.parameters
    blocks = tuple(
        name
        for name, before, after in zip(
            parameters.names, parameters.values, parameters.held(given), strict=True
        )
        if not same_numbers(before, after)
    )
    data = problem.restore_data()
    return Change(call, blocks, data) if blocks or data else None
