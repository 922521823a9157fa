"""An update step as a gradient: what it implies of the parameters that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import UsageError
from gradcheck.user.blocks import Array, describe
from gradcheck.user.calls import hand_over
from gradcheck.user.forms import signature_of
from gradcheck.user.structures import flatten

LEARNING_RATE_NAMES = ("lr", "learning_rate", "eta", "alpha", "step_size")


class Memory(Protocol):
    """What a step remembers of earlier calls."""

    def restore(self) -> None:
        """Puts all back as it was before the check."""

    def empty(self) -> None:
        """Sets what it has of the shape of a parameter, and has changed since, to 0."""


@dataclass(frozen=True)
class Step:
    """An update step; the gradient that it implies is (old - new) / learning_rate.

    Attributes:
        step: takes the parameters (and the learning rate, if it has an argument for it); returns
            the new ones, or changes them in place.
        keyword: the name of its argument for the learning rate, or None.
        momentum: by how much of their last updates it goes on, by the parameters' names.
        share: the share of the gradient in its velocity: 1, or 1 - momentum in a moving average.
        decay: the weight decay of blocks, by index.
        moves: by how many learning rates an adaptive step moves every entry, but for decay; None
            of any other.
        entering: reads the gradients that enter an adaptive step, or one that cuts them off, by the
            blocks' names, from their values; None for any other step, and where it cannot be read.
        memory: what the step remembers, which can be put back and emptied.
        anew: whether each call begins with what it remembered at first, but for its velocity.
        scales: what the first update without a velocity is of the gradient, by the names of the
            parameters with momentum; where it is known, a gradient is told from that update.
        varies: whether its learning rate changes from call to call.
        adaptive: whether such a step divides gradients by their size.
        known: the names of the arrays that an object held at first, or None for containers: of an
            object, what the step leaves as it is, and what it adds, is no parameter of the step.
    """

    step: Callable[..., Any]
    learning_rate: float
    keyword: str | None
    momentum: Mapping[str, float] = field(default_factory=dict)
    share: float = 1.0
    decay: Mapping[int, float] = field(default_factory=dict)
    moves: float | None = None
    entering: Callable[[Sequence[Array]], Any] | None = None
    adaptive: bool = False
    memory: Memory | None = None
    anew: bool = False
    scales: Mapping[str, float] = field(default_factory=dict)
    varies: bool = False
    known: frozenset[str] | None = None

    def begin(self) -> None:
        """Lets a step that is to begin anew do so; its parameters are to be given afterwards."""
        if self.anew and self.memory is not None:
            self.memory.restore()
            self.memory.empty()

    def cancellation(self, value: Array, epsilon: float) -> float:
        """What the rounding of the parameters does to (old - new) / learning_rate.

        `epsilon` is the relative precision of the type that the new ones are kept in.
        """
        return epsilon * float(np.max(np.abs(value), initial=0.0)) / self.learning_rate

    def gradient(self, params: Any, learning_rate: float | None = None) -> dict[str, NDArray[Any]]:
        """The implied gradient, by the names of the blocks, in the types of the new parameters."""
        rate = self.learning_rate if learning_rate is None else learning_rate
        old = flatten(params)
        before = dict(zip(old.names, old.values, strict=True))
        named = {} if self.keyword is None else {self.keyword: rate}
        returned = hand_over(self.step, params, **named)
        after = _leaves(returned, params)
        if after is None or set(after) != set(before):
            after = _leaves(params, params) or {}
        pairs = {name: (value, after.get(name, value)) for name, value in before.items()}
        implied = {
            name: np.asarray((value - new.astype(np.float64)) / rate, dtype=new.dtype)
            for name, (value, new) in pairs.items()
        }
        if self.known is None:
            return implied
        return {name: one for name, one in implied.items() if name in self.known and np.any(one)}


def moved(weights: Array, gradient: Array) -> Array:
    """The weights that a step moves, and 0 for others: of an embedding, those that it looks up."""
    return np.where(gradient == 0, 0.0, weights)


def make_step(
    step: Callable[..., Any], learning_rate: float, known: frozenset[str] | None = None
) -> Step:
    """The step with its learning rate, and the names of the arrays of an object."""
    if not callable(step):
        raise UsageError(f"step is {describe(step)}; it must be a function of the parameters")
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, int | float):
        raise UsageError(f"learning_rate is {describe(learning_rate)}; it must be a number")
    if not 0 < learning_rate < float("inf"):
        raise UsageError(f"learning_rate is {learning_rate!r}; it must be positive")
    signature = signature_of(step)
    second = list(signature.parameters)[1:2] if signature is not None else []
    keyword = next((name for name in second if name in LEARNING_RATE_NAMES), None)
    return Step(step, float(learning_rate), keyword, known=known)


def _leaves(structure: Any, params: Any) -> dict[str, NDArray[Any]] | None:
    """The arrays of a structure by name, in its types; None where it is none of parameters."""
    kinds = np.ndarray | np.floating | float
    both_arrays = isinstance(structure, kinds) and isinstance(params, kinds)
    if structure is None or (type(structure) is not type(params) and not both_arrays):
        return None
    try:
        found = flatten(structure)
    except UsageError:
        return None
    kept = [
        value.astype(dtype) if dtype.kind == "f" else value
        for value, dtype in zip(found.values, found.dtypes, strict=True)
    ]
    return dict(zip(found.names, kept, strict=True))
