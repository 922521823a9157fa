"""An update step and the gradient that it implies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import without_units
from gradcheck.errors import UsageError
from gradcheck.numeric.storage import epsilon_of
from gradcheck.user.blocks import Array, describe
from gradcheck.user.calls import hand_over
from gradcheck.user.forms import signature_of
from gradcheck.user.structures import flatten

LEARNING_RATE_NAMES = ("lr", "learning_rate", "eta", "alpha", "step_size")


ADAPTIVE, CUT, SCALED, REMEMBERED = "adaptive", "cut", "scaled", "remembered"
SOLVED, EACH = "solved", "each"
"""What an update does to the gradient that enters it: divide it by its size, clip it or scale it by
its norm, multiply it by a number of each block's own, add it to what earlier calls left, solve a
linear system with it, or scale that of each sample by its own norm."""

UPDATES = ADAPTIVE, CUT, SOLVED, REMEMBERED, SCALED


class Memory(Protocol):
    """What a step remembers of earlier calls."""

    def restore(self) -> None:
        """Puts all back as it was before the check."""

    def empty(self) -> None:
        """Sets what it has of the shape of a parameter, and has changed since, to 0."""

    def numbers(self) -> list[float]:
        """The numbers that it holds at present, such as counts of its calls."""


@dataclass(frozen=True)
class Step:
    """An update step; the gradient that it implies is (old - new) / learning_rate.

    Attributes:
        step: takes the parameters (and the learning rate, if it has an argument for it); returns
            the new ones, or changes them in place.
        keyword: the name of its argument for the learning rate, or None.
        momentum: the momentum coefficients, by the names of parameters.
        share: the factor of the gradient in the velocity: 1, or 1 - momentum in a moving average.
        decay: the weight decay of blocks, by index.
        spared: the entries of a flat block that it leaves alone, such as biases.
        moves: how many learning rates an adaptive step moves every entry, without decay; else None.
        several: how many updates it makes, each with a gradient where the last one left; else 0.
        entering: a function from the blocks' values to the gradients that enter the step, by name,
            where these are judged; else None.
        update: what the step then does to them, a row of `UPDATES`.
        rates: the multiples of them that it takes off, by the names of the blocks.
        memory: the state that the step keeps between calls, which can be restored and emptied.
        anew: whether each call begins with the state before the check, with an empty velocity.
        scales: by the names of parameters with momentum, the first update without velocity as a
            multiple of the gradient; if known, this update gives the gradient.
        varies: whether its learning rate changes between calls, so that each needs a fresh state.
        unsteady: whether its updates differ from call to call for no known reason.
        known: the names of the arrays that an object held at first, or None for containers; arrays
            of an object that the step adds or leaves unchanged are no parameters of it.
    """

    step: Callable[..., Any]
    learning_rate: float
    keyword: str | None
    momentum: Mapping[str, float] = field(default_factory=dict)
    share: float = 1.0
    decay: Mapping[int, float] = field(default_factory=dict)
    spared: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)
    moves: float | None = None
    several: int = 0
    entering: Callable[[Sequence[Array]], Any] | None = None
    update: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)
    memory: Memory | None = None
    anew: bool = False
    scales: Mapping[str, float] = field(default_factory=dict)
    varies: bool = False
    unsteady: bool = False
    known: frozenset[str] | None = None

    def begin(self) -> None:
        """Restore the state of a step with an empty velocity; parameters must be set afterwards."""
        if self.anew and self.memory is not None:
            self.memory.restore()
            self.memory.empty()

    @property
    def implies_no_gradient(self) -> bool:
        """Whether what it implies is of no gradient's size: it is adaptive, or several updates."""
        is_scaled = self.update == EACH and self.entering is None
        return self.moves is not None or self.several > 0 or is_scaled

    @property
    def roundings(self) -> int:
        """The number of roundings of new parameters that a gradient holds at most."""
        return 4 if self.momentum and not self.anew else 2

    def cancellation(self, value: Array, epsilon: float) -> float:
        """The error of (old - new) / learning_rate by the rounding of the parameters.

        `epsilon` is the relative precision of the type in which the new parameters are stored.
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
            name: np.asarray(_implied(value, new, rate), dtype=new.dtype)
            for name, (value, new) in pairs.items()
        }
        if self.known is None:
            return implied
        names = [name for name, value in implied.items() if name in self.known and np.any(value)]
        return {name: implied[name] for name in names}


def _implied(old: Array, new: NDArray[Any], rate: float) -> Array:
    """The gradient that an update implies, in its own shape, where that is broadcast to another."""
    after = new.astype(np.float64)
    if without_units(new.shape, old.shape):
        return np.asarray((old - after.reshape(old.shape)) / rate)
    implied = np.asarray((old - after) / rate)
    rounding = 4 * epsilon_of(new.dtype) * float(np.max(np.abs(after), initial=0.0)) / rate
    for axis in range(implied.ndim):
        if np.all(np.ptp(implied, axis=axis) <= rounding):
            implied = implied.take([0], axis=axis)
    return implied


def decayed(step: Step, block: int, weights: Array, gradient: Array) -> Array:
    """What the decay of a step adds to the gradient of a block."""
    shrunk = step.decay[block] * moved(weights, gradient)
    return np.where(step.spared[block], 0.0, shrunk) if block in step.spared else shrunk


def moved(weights: Array, gradient: Array) -> Array:
    """The weights with a nonzero gradient, and 0 for others (unused rows of an embedding)."""
    return np.where(gradient == 0, 0.0, weights)


def make_step(
    step: Callable[..., Any], learning_rate: float, known: frozenset[str] | None = None
) -> Step:
    """The `Step` of the user's function; raises UsageError for an unusable learning rate."""
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
    """The arrays of a structure by name, in its types; None if it is no structure of parameters."""
    kinds = np.ndarray | np.floating | float
    both_arrays = isinstance(structure, kinds) and isinstance(params, kinds)
    if structure is None or (type(structure) is not type(params) and not both_arrays):
        return None
    try:
        parameters = flatten(structure)
    except UsageError:
        return None
    typed = [
        value.astype(dtype) if dtype.kind == "f" else value
        for value, dtype in zip(parameters.values, parameters.dtypes, strict=True)
    ]
    return dict(zip(parameters.names, typed, strict=True))
