"""Are the user's functions functions? Asked before anything is concluded from their values."""

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
from gradcheck.user.forward import LARGE, asked_first, sample
from gradcheck.user.gradients import Gradients, read_gradients, returned_arrays
from gradcheck.user.problem import Problem

REPEATABLE = 1e-6
"""Two values of one loss that differ by more, relatively, are not of one function."""

REPEATS = 2
ASKED_AGAIN = 9
"""So many times in a row a quick loss is called again: it may go on to other data at times."""

QUICK = 0.01
"""Seconds."""

ELSEWHERE = 1e-3
SINGLE = 1e-6
"""A type whose rounding is coarser is of half precision."""


@dataclass(frozen=True)
class Change:
    """What a call of the user's code changed, by the names of parameters, inputs and targets."""

    call: str
    blocks: tuple[str, ...]
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preflight:
    """What was learnt from the first calls.

    Attributes:
        center: the loss at the user's point; may be nan or infinite.
        repeated: what the loss gave when it was called again there.
        aliased: the names of blocks whose returned gradient is in the parameters' own memory.
        overwritten: the names of blocks whose returned gradient the next call changed.
        ignored: the names of blocks that the loss does not depend on, however far they are moved.
        without_upstream: the gradients of a layer's inputs that are not zero where upstream is.
        noise: how far values of the loss are known to be off.
    """

    center: float
    repeated: tuple[float, ...] = ()
    changes: tuple[Change, ...] = ()
    aliased: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    without_upstream: Mapping[str, Array] = field(default_factory=dict)
    evaluations: int = 1
    noise: float = 0.0

    @property
    def not_zero(self) -> tuple[str, ...]:
        """The names of a layer's inputs whose gradient is not zero where upstream is."""
        return tuple(self.without_upstream)

    @property
    def repeatable(self) -> bool:
        """Whether the loss is the same, but for rounding, whenever it is called."""
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

    `first` is what the very first call of the gradient gave, if there has been one.

    Returns:
        What was learnt; and the user's point with the gradients, whose problem is from now on
        called with private copies and fresh data if the user's code changes what it is given;
        None where the loss is of no use.
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
    evaluations = preflight.evaluations + noise.evaluations
    preflight = replace(preflight, evaluations=evaluations)
    try:
        if problem.step is not None:
            problem = _with_gradient_of_step(Point.at(problem, values, center, noise))
        problem, asked, more = asked_first(problem)
        preflight = replace(preflight, evaluations=preflight.evaluations + more)
        preflight, gradients = _with_gradient(preflight, problem, rng)
    except (UserCodeError, UsageError):  # the comparison says so, and where
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
    if entered.step is None or entered.step.adaptive:
        return entered
    problem = with_memory(point)
    if problem.step is not None and problem.step.anew:
        return with_what_enters(replace(point, problem=problem))
    return problem if entered.step.entering is None else entered


def _half(problem: Problem) -> float:
    """The relative rounding of parameters in half precision; 0 where there are none."""
    types = [dtype for dtype in problem.parameters.storage if dtype.kind == "f"]
    coarsest = max(map(epsilon_of, types), default=0.0)
    return coarsest if coarsest > SINGLE else 0.0


def with_ignored(preflight: Preflight, point: Point) -> Preflight:
    """The same with the blocks that the loss does not depend on; no other has no derivative."""
    still = [
        index
        for index, block in enumerate(point.blocks)
        if block.size and not np.any(block.numeric.estimates.value)
    ]
    ignored = tuple(
        point.blocks[index].name
        for index in still
        if not point.problem.depends_on(index, preflight.center)
    )
    layer = point.problem.layer
    if layer is not None and layer.backward is None and len(ignored) == len(point.blocks):
        ignored = ()  # a layer of the library's that is flat
    evaluations = preflight.evaluations + len(still)
    return replace(preflight, ignored=ignored, evaluations=evaluations)


def still_repeatable(preflight: Preflight, point: Point) -> Preflight:
    """What more calls of the loss at the user's point say, if not all is smooth and right there."""
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
    """What the gradient function returned and changed, and whose memory it returned."""
    parameters = problem.parameters
    given = copies(parameters.values)
    returned = problem.gradient(given, keep=True)
    change = None if problem.step is not None else _changed(problem, GRADIENT, given)
    if change is not None:
        problem = replace(problem, fresh_data=problem.fresh_data or bool(change.data))
    large = sum(value.size for value in parameters.values) > LARGE
    gradients = read_gradients(returned, parameters, copy=not large)
    arrays = returned_arrays(returned, parameters)
    before = {name: sample(array) for name, array in arrays.items()}
    held = parameters.held(given)
    aliased = tuple(
        name
        for name, array in arrays.items()
        if any(np.may_share_memory(array, parameter) for parameter in held)
    )
    del given, held
    with contextlib.suppress(UserCodeError):
        elsewhere = [with_noise(value, ELSEWHERE, rng) for value in parameters.values]
        problem.gradient(elsewhere, keep=True)
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
        without_upstream=_without_upstream(problem),
    )
    return learnt, gradients


def _without_upstream(problem: Problem) -> Mapping[str, Array]:
    """The gradients of a layer's inputs that are not zero under an upstream gradient of zero."""
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
    """What of the parameters and the data is no longer as it was; the data are put back."""
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
