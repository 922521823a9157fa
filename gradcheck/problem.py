"""One check: the user's loss and gradient, the blocks and the data, ready to be called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.adapters import Step
from gradcheck.blocks import Array, Parameters, describe
from gradcheck.errors import UsageError
from gradcheck.network import MLP
from gradcheck.usercode import UserCodeError, call

LOSS = "your loss"
GRADIENT = "your gradient"
STEP = "your step"


@dataclass(frozen=True)
class Options:
    """How thoroughly to check; the arguments of `check` by their names.

    Raises:
        UsageError: a value makes no sense.
    """

    entries: str | int = "auto"
    budget: float = 10.0
    rtol: float | None = None
    workers: int = 1
    seed: int = 0
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        entries = self.entries
        whole = isinstance(entries, int) and not isinstance(entries, bool) and entries > 0
        if not whole and entries not in ("all", "auto"):
            raise UsageError(
                f"entries is {entries!r}; it must be 'all', 'auto' or a positive whole number"
            )
        if not isinstance(self.budget, int | float) or not self.budget > 0:
            raise UsageError(f"budget is {self.budget!r}; it must be a positive number of seconds")
        if self.rtol is not None and not (
            isinstance(self.rtol, int | float) and 0 <= self.rtol < 1
        ):
            raise UsageError(f"rtol is {self.rtol!r}; it must be at least 0 and below 1")
        if not isinstance(self.workers, int) or self.workers < 1:
            raise UsageError(f"workers is {self.workers!r}; it must be at least 1")


@dataclass(frozen=True)
class Problem:
    """What is checked.

    Attributes:
        parameters: the point, as blocks.
        loss_function: takes the user's structure, returns the loss (or the pair).
        gradient_function: takes the user's structure, returns the gradients; None where
            `loss_function` returns the pair (loss, gradients).
        inputs: the data, if the user gave them.
        targets: the targets, if the user gave them.
        network: the network, if the user said which it is.
        step: the update that the gradient is implied by, if it is one.
        layered: whether the blocks are the weights and biases of layers.
        set_aside: names and shapes of an object's arrays that no gradient belongs to.
        private_copies: every call gets copies of its own, because the user's code changes what
            it is given.
    """

    parameters: Parameters
    loss_function: Callable[[Any], Any]
    gradient_function: Callable[[Any], Any] | None
    inputs: NDArray[Any] | None = field(default=None)
    targets: NDArray[Any] | None = field(default=None)
    network: MLP | None = field(default=None)
    step: Step | None = field(default=None)
    layered: bool = field(default=True)
    private_copies: bool = field(default=False)
    set_aside: tuple[tuple[str, tuple[int, ...]], ...] = field(default=())

    def __post_init__(self) -> None:
        for name, function in (("loss", self.loss_function), ("grad", self.gradient_function)):
            if function is not None and not callable(function):
                raise UsageError(
                    f"{name} is {describe(function)}; it must be a function of the parameters"
                )

    def loss(self, values: Sequence[Array]) -> float:
        """The user's loss at the given blocks; may be nan or infinite.

        Raises:
            UserCodeError: the user's function raised.
            UsageError: it did not return a number.
        """
        returned = call(self.loss_function, LOSS, self._pack(values))
        if self.gradient_function is None:
            returned = _pair(returned)[0]
        return as_number(returned)

    def gradient(self, values: Sequence[Array]) -> Any:
        """What the user's gradient function returns at the given blocks.

        Raises:
            UserCodeError: the user's function raised.
            UsageError: there is no gradient in what it returned.
        """
        if self.parameters.in_objects:
            self.loss(values)  # a backward pass may read what the forward pass left in the object
        packed = self._pack([value.copy(order="K") for value in values])
        if self.gradient_function is None:
            return _pair(call(self.loss_function, LOSS, packed))[1]
        return call(self.gradient_function, GRADIENT, packed)

    def implied_gradient(self, values: Sequence[Array], learning_rate: float) -> Any:
        """What the step implies at another learning rate than the user's.

        Raises:
            UserCodeError: the step raised.
        """
        packed = self._pack([value.copy(order="K") for value in values])
        return None if self.step is None else call(self.step.gradient, STEP, packed, learning_rate)

    def entry_loss(self, values: Sequence[Array]) -> Callable[[int, int, float], float]:
        """The loss at `values` with one entry set to another value, on arrays of its own."""
        values = self.parameters.bind(values)
        cells = [value.flat for value in values]
        loss = self.loss

        def entry_loss(block: int, entry: int, value: float) -> float:
            cell = cells[block]
            before = cell[entry]
            cell[entry] = value
            try:
                return loss(values)
            except UserCodeError as error:
                name = self.parameters.entry_name(block, entry)
                moved = f"{LOSS}, with {name} moved by {value - before:+.2g},"
                raise UserCodeError(replace(error.raised, call=moved)) from None
            finally:
                cell[entry] = before

        return entry_loss

    def _pack(self, values: Sequence[Array]) -> Any:
        if self.private_copies:
            values = [value.copy(order="K") for value in values]
        return self.parameters.pack(values)


def as_number(returned: Any) -> float:
    """The loss as a float; arrays of one element count as numbers.

    Raises:
        UsageError: it is not one real number.
    """
    if type(returned) is float or type(returned) is np.float64:
        return float(returned)
    if returned is None:
        raise UsageError(
            "your loss returned None; it must return one number (is a return missing?)"
        )
    if isinstance(returned, tuple) and len(returned) == 2:
        raise UsageError(
            "your loss returned a pair, and grad was given too; leave grad out if the loss returns "
            "(loss, gradients), or return the loss alone"
        )
    array = np.asarray(returned) if not isinstance(returned, str | dict) else np.empty(0)
    if array.dtype.kind not in "fiub" or array.size != 1:
        hint = "; sum or mean it" if array.size > 1 and array.dtype.kind in "fiub" else ""
        raise UsageError(
            f"your loss returned {describe(returned)}; it must return one number{hint}"
        )
    return float(array.reshape(-1)[0])


def _pair(returned: Any) -> tuple[Any, Any]:
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return returned[0], returned[1]
    raise UsageError(
        f"without grad, your loss must return a pair (loss, gradients); it returned "
        f"{describe(returned)}"
    )
