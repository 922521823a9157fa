"""The problem of one check: the user's loss and gradient, the blocks and the data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.arrays import copies, same_numbers, thawed
from gradcheck.errors import UsageError
from gradcheck.network import MLP
from gradcheck.user.automatic import (
    backward,
    clear_gradients,
    differentiates_itself,
    jax_gradient,
    left_by_backward,
)
from gradcheck.user.blocks import BARE, Array, Parameters, describe, path_name, with_noise
from gradcheck.user.bounds import Bounds
from gradcheck.user.calls import GRADIENT, LEAVING, LOSS, STEP, UserCodeError, as_users_error, call
from gradcheck.user.layers import CheckedLayer
from gradcheck.user.number import as_number, as_pair
from gradcheck.user.steps import Step, decayed
from gradcheck.user.tensors import is_jax

if TYPE_CHECKING:
    from gradcheck.user.directions import Tangents

Function = Callable[..., Any]

FAR, DRAWS = (0.1, 1.0, 10.0), 4
"""The sizes of the noise that tests whether the loss depends on a block, and how often it is drawn:
a share of few numbers may be the same again by chance."""


@dataclass(frozen=True)
class Problem:
    """The functions to check, and how to call them.

    Attributes:
        loss_function: takes the user's structure, returns the loss (or the pair).
        gradient_function: takes the user's structure, returns the gradients; None if
            `loss_function` returns the pair (loss, gradients).
        layered: whether the blocks are the weights and biases of layers.
        private_copies: every call gets copies, because the user's code changes its arguments.
        fresh_data: the data are restored before every call, because the user's code changes them.
        reads_forward: the gradient function uses values that the last call of the loss stored.
        batched: the loss takes a stack of parameters and returns as many losses.
        data: the user's arrays of data with copies of their content, by argument.
        noise: the absolute error of the loss that the user stated, or 0.
        slope: if the loss is a directional derivative by differences of another loss: that loss, of
            one vector, and the direction.
        tangents: if the parameters are coordinates along a tangent space, the maps of these.
    """

    parameters: Parameters
    loss_function: Function
    gradient_function: Function | None
    inputs: NDArray[Any] | None = None
    targets: NDArray[Any] | None = None
    network: MLP | None = None
    step: Step | None = None
    layered: bool = True
    layer: CheckedLayer | None = None
    private_copies: bool = False
    fresh_data: bool = False
    reads_forward: bool = False
    batched: bool = False
    data: Mapping[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    bounds: Bounds | None = None
    noise: float = 0.0
    slope: tuple[Function, Array] | None = None
    tangents: Tangents | None = None

    def __post_init__(self) -> None:
        for name, function in (("loss", self.loss_function), ("grad", self.gradient_function)):
            if function is not None and not callable(function):
                raise UsageError(
                    f"{name} is {describe(function)}; it must be a function of the parameters"
                )
        if self.network is not None and not isinstance(self.network, MLP):
            raise UsageError(
                f"network is {describe(self.network)}; it must be a network made with gradcheck.MLP"
            )
        if self.batched:
            self._require_stackable()

    def _require_stackable(self) -> None:
        if self.gradient_function is None:
            raise UsageError("batched=True needs grad: a loss of a stack returns only losses")
        if self.parameters.in_place or self.parameters.vector is not None:
            raise UsageError(
                "batched=True is for arrays, and dicts, lists or tuples of them: a stack of these "
                "parameters cannot be made"
            )

    def loss(self, values: Sequence[Array]) -> float:
        """The user's loss at the given blocks; may be nan or infinite.

        Raises:
            UserCodeError: the user's function raised.
            UsageError: it did not return a number.
        """
        if self.fresh_data:
            self.restore_data()
        values = self.inside(values)
        if self.batched:
            values = [value[None] for value in values]
        return self._number(call(self.loss_function, LOSS, self._pack(values)))

    def inside(self, values: Sequence[Array]) -> Sequence[Array]:
        """The values clipped to the bounds."""
        return values if self.bounds is None else self.bounds.inside(values)

    def loss_or_nan(self, values: Sequence[Array]) -> float:
        """The loss, or nan if the user's function raises."""
        try:
            return self.loss(values)
        except UserCodeError:
            return float("nan")

    def _number(self, returned: Any) -> float:
        if self.gradient_function is None and not differentiates_itself(returned):
            returned = as_pair(returned)[0]
        if type(returned) is float or type(returned) is np.float64:
            return float(returned)
        return float(call(as_number, LOSS, returned))

    @property
    def runs_forward(self) -> bool:
        """Whether the loss is called before each gradient, which may use its stored values."""
        return self.parameters.in_place or self.reads_forward

    def gradient(self, values: Sequence[Array], keep: bool = False) -> Any:
        """Calls the user's gradient function at the given blocks.

        With `keep` the function gets the arrays themselves, so that the caller sees changes.
        """
        if self.step is not None:
            self.step.begin()
        if self.runs_forward:
            self.loss(values)
        if self.fresh_data:
            self.restore_data()
        values = values if keep else self.inside(values)
        packed = self.parameters.pack(values if keep and self.step is None else copies(values))
        for holder in self.parameters.torch:
            clear_gradients(holder)
        if self.gradient_function is None:
            returned = self._own_gradient(packed)
        elif self.step is not None:
            returned = (self.step.entering or self.implied_gradient)(values)
        else:
            returned = call(self.gradient_function, GRADIENT, packed)
        if returned is None or returned is packed:
            paths = {leaf.name: leaf.path for leaf in self.parameters.leaves}
            left = left_by_backward(packed, paths, self.gradient_function is None)
            return left[BARE] if left and list(paths.values()) == [()] else left or returned
        return returned

    def _own_gradient(self, packed: Any) -> Any:
        """The gradient that the loss function returns as well, or that torch or jax computes."""
        returned = call(self.loss_function, LOSS, packed)
        if not differentiates_itself(returned):
            return as_pair(returned)[1]
        if is_jax(returned):
            return call(jax_gradient, GRADIENT, self.loss_function, packed)
        call(backward, GRADIENT, returned)
        return None

    def depends_on(self, block: int, center: float) -> bool:
        """Whether the loss differs from `center` when the entries of a block move far."""
        values = list(self.parameters.values)
        original = values[block]
        rng = np.random.default_rng(0)
        for size in (size for size in FAR for _ in range(DRAWS)):
            values[block] = with_noise(original, size, rng)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    if self.loss(values) != center:
                        return True
                except UserCodeError:
                    return True
        return False

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Restores the user's objects and data at the end of the with-block."""
        try:
            yield
        finally:
            self.parameters.restore()
            self.restore_data()

    def is_as_it_was(self) -> bool:
        """Whether the user's objects and data are unchanged since the check began."""
        data = all(same_numbers(array, before) for array, before in self.data.values())
        return data and self.parameters.is_as_it_was()

    def restore_data(self) -> tuple[str, ...]:
        """Restores the user's data; returns the names of the arrays that had changed."""
        changed = []
        for name, (array, before) in self.data.items():
            if not same_numbers(array, before):
                array[...] = before
                changed.append(name)
        return tuple(changed)

    def implied_gradient(
        self, values: Sequence[Array], learning_rate: float | None = None, packed: Any = None
    ) -> Any:
        """The gradient implied by the update step; with momentum, by two consecutive updates."""
        step = self.step
        if step is None:
            return None
        if packed is None:
            packed = self._pack(copies(values))
        implied: dict[str, Array] = call(step.gradient, STEP, packed, learning_rate)
        if step.anew:
            implied = {name: one / step.scales.get(name, 1.0) for name, one in implied.items()}
        elif step.momentum:
            again = self._pack(copies(values))
            second = call(step.gradient, STEP, again, learning_rate)
            for name in step.momentum.keys() & implied:
                implied[name] = second[name] - step.momentum[name] * implied[name]
        if step.share != 1.0 or step.decay:
            blocks = {path_name(leaf.path): leaf.block for leaf in self.parameters.leaves}
            for name, value in implied.items():
                block = blocks.get(name)
                implied[name] = value / step.share
                if block is not None and block in step.decay:
                    implied[name] = implied[name] - decayed(step, block, values[block], value)
        return implied[BARE] if list(implied) == [BARE] else implied

    def entry_loss(self, values: Sequence[Array]) -> Callable[[int, Any, Any], float]:
        """A function (block, entry, value) -> the loss at `values` with this entry changed.

        It works on arrays of its own, in place; entry and value may be arrays of equal length.
        """
        values = copies(values) if self.private_copies else self.parameters.bind(values)
        views = [thawed(array).view() for array in values]  # stay writeable, whatever is frozen
        cells = [v.reshape(-1) if v.flags.c_contiguous else v.flat for v in views]
        loss, bounds = self._quick_loss(), self.bounds

        def entry_loss(block: int, entry: Any, value: Any) -> float:
            if bounds is not None and not bounds.holds(block, entry, value):
                return np.nan
            cell, array = cells[block], values[block]
            before = cell[entry]
            if not array.flags.writeable:
                thawed(array)
            cell[entry] = value
            try:
                return loss(values)
            except UserCodeError as error:
                name = self.parameters.entry_name(block, np.ravel(entry)[0])
                what = f"{LOSS}, with {name} moved by {np.ravel(value - before)[0]:+.2g},"
                raise UserCodeError(replace(error.raised, call=what, moved=True)) from None
            finally:
                cell[entry] = before

        return entry_loss

    def _quick_loss(self) -> Callable[[Sequence[Array]], float]:
        """The loss function, without the work around each call if none of it is needed."""
        if self.fresh_data or self.bounds or self.batched or self.private_copies:
            return self.loss
        function, pack, number = self.loss_function, self.parameters.pack, self._number
        alone = self.gradient_function is not None

        def quick_loss(values: Sequence[Array]) -> float:
            try:
                returned = function(pack(values))
            except LEAVING as error:
                raise as_users_error(LOSS, error) from None
            return returned if alone and type(returned) is float else number(returned)

        return quick_loss

    def _pack(self, values: Sequence[Array]) -> Any:
        if self.private_copies:
            values = copies(values)
        return self.parameters.pack(values)
