"""The training of one case, as a generator of losses: one per epoch, the first before any."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from gradcheck.casefiles import Case, CaseEntry, LayerCase, StepCase
from gradcheck.errors import UsageError
from gradcheck.user.calls import LOSS, STEP, call
from gradcheck.user.forms import more_of, of_parameters
from gradcheck.user.gradients import gradients_at
from gradcheck.user.narrowing import with_gradients_only
from gradcheck.user.number import as_number
from gradcheck.user.problem import Problem
from gradcheck.user.steps import LEARNING_RATE_NAMES, Step, make_step
from gradcheck.user.structures import flatten

Losses = Generator[float, None, None]

LEARNING_RATE = 0.1
EPOCHS = 100


FAR_ABOVE = 9.0
"""An exploding curve ends more than this many times its first loss above that loss."""

ABOVE = 0.1
"""A climbing curve ends more than this many times its first loss above that loss."""

PEAK = 0.5
"""A curve that explodes and stalls has a peak this many times its first loss above that loss."""

LEAST_FALL = 0.05
"""A stalling curve covers less than this share of the possible descent."""

MOST = 0.9
"""The speed of a curve is the number of epochs in which it covers this share of the descent."""

LATE = 1.5
"""A slower curve takes more than this many times as many epochs."""

STILL_FALLING = 0.01
"""A curve that covers at least this share of the descent in its last quarter has not stalled."""

ALIKE = 1e-6


@dataclass(frozen=True)
class Run:
    """A training that has not begun: its losses, its method, its epochs (0 if unknown)."""

    losses: Losses
    how: str
    epochs: int


def make_run(entry: CaseEntry, seed: int, epochs: int | None, learning_rate: float | None) -> Run:
    """Return the training of a case: by the file's `train`, by its step, or by descent."""
    train = own_training(entry)
    if train is not None:
        return _own_run(train, entry, seed, epochs, learning_rate)
    case, _ = entry.build()
    if isinstance(case, LayerCase):
        raise UsageError(
            f"{entry.name} is a LayerCase: a layer alone has no loss to train; name a Case or a "
            "StepCase"
        )
    count = EPOCHS if epochs is None else epochs
    if isinstance(case, StepCase):
        return Run(_bounded(_steps(case, entry.name, learning_rate), count), "its own step", count)
    rate = LEARNING_RATE if learning_rate is None else learning_rate
    how = f"gradient descent, learning rate {rate:g}"
    return Run(_bounded(_descent(case, rate), count), how, count)


def own_training(entry: CaseEntry) -> Callable[..., Generator[Any, None, None]] | None:
    """Return the file's generator `train(variant, seed)`; None if it is another function."""
    train = getattr(inspect.unwrap(entry.make), "__globals__", {}).get("train")
    if not inspect.isgeneratorfunction(train):
        return None
    return train if list(inspect.signature(train).parameters)[:2] == ["variant", "seed"] else None


def _own_run(
    train: Callable[..., Generator[Any, None, None]],
    entry: CaseEntry,
    seed: int,
    epochs: int | None,
    learning_rate: float | None,
) -> Run:
    named = inspect.signature(train).parameters
    if learning_rate is not None and "learning_rate" not in named:
        raise UsageError(f"{entry.name} has its own learning rate; leave --learning-rate out")
    asked = {"epochs": epochs, "learning_rate": learning_rate}
    options = {key: value for key, value in asked.items() if key in named and value is not None}
    losses = _first_items(train(entry.variant, seed, **options))
    usual = named["epochs"].default if "epochs" in named else None
    count = epochs if epochs is not None else usual if isinstance(usual, int) else 0
    how = (train.__doc__ or "").strip().partition("\n")[0]
    return Run(losses if epochs is None else _bounded(losses, epochs), how, count)


def _first_items(yielded: Generator[Any, None, None]) -> Losses:
    with closing(yielded):
        for item in yielded:
            yield as_number(item[0] if isinstance(item, tuple) and item else item)


def _bounded(losses: Losses, epochs: int) -> Losses:
    with closing(losses):
        yield from islice(losses, epochs + 1)


def _descent(case: Case, learning_rate: float) -> Losses:
    """Plain gradient descent with the user's gradients.

    Parameters without a gradient stay constant; a gradient of another shape is broadcast.
    """
    options = case.options
    user_parameters = flatten(options["params"])
    more = more_of(options.get("args", ()), options.get("kwargs"))
    problem = Problem(
        user_parameters,
        of_parameters(options["loss"], user_parameters, more),
        of_parameters(options.get("grad"), user_parameters, more),
        private_copies=True,
        batched=options.get("batched", False),
    )
    with problem.put_back():
        problem, _ = with_gradients_only(problem)
        parameters = problem.parameters
        values = [value.copy() for value in parameters.values]
        while True:
            yield problem.loss(values)
            gradients = gradients_at(problem, values)
            for name, value, gradient in zip(parameters.names, values, gradients, strict=True):
                if gradient.value is not None:
                    _update(name, value, learning_rate * gradient.value)


def _update(name: str, value: Any, change: Any) -> None:
    try:
        value -= change
    except ValueError:
        raise ValueError(
            f"the gradient of {name} has shape {change.shape}, and {name} has {value.shape}"
        ) from None


def _steps(case: StepCase, name: str, learning_rate: float | None) -> Losses:
    options = case.options
    parameters = flatten(options["params"])
    rate = options["learning_rate"] if learning_rate is None else learning_rate
    step = of_parameters(options["step"], parameters, later=LEARNING_RATE_NAMES)
    update = make_step(step, rate)
    if learning_rate is not None and update.keyword is None:
        raise UsageError(f"{name} has its own learning rate; leave --learning-rate out")
    more = more_of(options.get("args", ()), options.get("kwargs"))
    loss = of_parameters(options["loss"], parameters, more)

    def losses() -> Losses:
        params = parameters.pack([value.copy() for value in parameters.values])
        try:
            while True:
                yield as_number(call(loss, LOSS, params))
                params = _stepped(update, params)
        finally:
            parameters.restore()

    return losses()


def _stepped(update: Step, params: Any) -> Any:
    """Return the parameters after an update: the returned ones, or those changed in place."""
    options = {} if update.keyword is None else {update.keyword: update.learning_rate}
    returned = call(lambda: update.step(params, **options), STEP)
    numbers = np.ndarray | np.floating | float
    alike = type(returned) is type(params) or (
        isinstance(returned, numbers) and isinstance(params, numbers)
    )
    try:
        same = alike and set(flatten(returned).names) == set(flatten(params).names)
    except UsageError:
        same = alike  # parameters that are not finite cannot be flattened
    return returned if same else params


def verdict(losses: tuple[float, ...], fixed: tuple[float, ...] = ()) -> str:
    """Classify a curve of at least one loss.

    Its standard is the curve `fixed`, if this converges and both begin with the same loss.
    """
    alone = not fixed or fixed == losses or not math.isclose(fixed[0], losses[0], rel_tol=ALIKE)
    if alone or verdict(fixed) != "converges":
        fixed = losses
    first, last, unit = losses[0], losses[-1], abs(losses[0]) or 1.0
    if not (math.isfinite(first) and math.isfinite(last)) or (last - first) / unit > FAR_ABOVE:
        return "explodes"
    if (last - first) / unit > ABOVE:
        return "climbs"
    way = fixed[0] - fixed[-1]
    highest = max(loss if math.isfinite(loss) else math.inf for loss in losses)
    if (first - last) / (unit if fixed is losses else way) < LEAST_FALL:
        return "explodes and stalls" if (highest - first) / unit > PEAK else "stalls"
    delay = _epochs_to(fixed[0] - MOST * way, losses) / max(
        _epochs_to(fixed[0] - MOST * way, fixed), 1
    )
    late = losses[(len(losses) - 1) * 3 // 4]
    if delay == math.inf and (late - last) / way < STILL_FALLING:
        return "stalls"
    return "converges slower" if delay > LATE else "converges"


def _epochs_to(level: float, losses: tuple[float, ...]) -> float:
    """Return the number of epochs until the loss falls to a level; infinite if it never does."""
    return next((epoch for epoch, loss in enumerate(losses) if loss <= level), math.inf)
