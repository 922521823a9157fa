"""The numeric gradient of a network of dense layers, all weights and biases at once.

There are two tiers: "literal" moves every weight and bias by itself; "shared lines" lets the
weights into a unit share the evaluations along its pre-activation. Both evaluate the nonlinear
network and use none of its derivatives. The lines also give the error bounds and show which weights
cross a kink; these are evaluated literally with the smallest step that changes z, on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.dense import Batch, DenseNetwork
from gradcheck.numeric.estimate import Array
from gradcheck.numeric.lines import Lines, choose_step, shared_lines
from gradcheck.numeric.literal import literal_seconds, literal_slopes, moves_of, one_sided_slopes

LITERAL = "literal"
SHARED_LINES = "shared lines"

SPREAD_FACTOR = 4.0
ROUNDINGS = 8.0
AT_KINK = 1e-13
"""The step at a kink, relative to z; with a smaller one, rounding would decide on the side."""

SLICE_NUMBERS = 2**16


@dataclass
class LayerGradient:
    """The numeric gradient of one layer: its weights, (n_in, n_out), and its bias, (n_out,).

    The weights may be many, and few samples: their derivatives are held as products.

    Attributes:
        at: the weights themselves.
        decay: the derivative of the penalty, by these.
        unit_error: the error bound of dL/dz of every unit, for all samples, (n_out,).
        input_size: the sum of |A| over the samples, (n_in,).
        products: A of some samples, (n, n_in), and dL/dz of every unit, (n_out, n).
        others: the derivatives that are no such product, (n_in, n_out); None if all are.
        weight_gap: the right slope minus the left one, for weights at a kink; None without kinks.
    """

    at: Array
    decay: float
    bias: Array
    unit_error: Array
    input_size: Array
    samples: int
    products: list[tuple[Array, Array]] = field(default_factory=list)
    others: Array | None = None
    weight_gap: Array | None = None
    bias_gap: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def weights(self) -> Array:
        """The derivatives by the weights; at a kink, the mean of both one-sided slopes."""
        if self.others is not None and not self.products and not self.decay:
            return self.others
        total = np.zeros_like(self.at) if self.others is None else self.others.copy(order="K")
        for layer_input, slopes in self.products:
            _add_product(total, layer_input, slopes)
        if self.decay:
            total += self.decay * self.at
        return total

    def add_product(self, layer_input: Array, slopes: Array) -> None:
        """Adds A^T slopes^T; the products are carried out where that takes less memory."""
        self.products.append((layer_input, slopes))
        if sum(factor.size for pair in self.products for factor in pair) > self.at.size:
            for pair in self.products:
                _add_product(self.singly(), *pair)
            self.products.clear()

    def singly(self) -> Array:
        """The array of the derivatives that are no product, which may be changed."""
        if self.others is None:
            self.others = np.zeros_like(self.at)
        return self.others

    @property
    def largest_bound(self) -> float:
        """The largest error bound of all derivatives."""
        most = max(float(np.max(self.input_size, initial=0.0)), self.samples)
        return most * float(np.max(self.unit_error, initial=0.0))

    @property
    def weight_bound(self) -> Array:
        """The error bound of every weight's derivative, (n_in, n_out)."""
        bound = np.empty_like(self.at)
        np.multiply.outer(self.input_size, self.unit_error, out=bound)
        return bound

    @property
    def bias_bound(self) -> Array:
        """The error bound of every bias's derivative, (n_out,)."""
        return self.samples * self.unit_error


def choose_tier(network: DenseNetwork, budget: float) -> str:
    """The literal tier if its estimated time is within the budget in seconds, else shared lines."""
    return LITERAL if seconds_of(network) <= budget else SHARED_LINES


def seconds_of(network: DenseNetwork) -> float:
    """The approximate seconds of the literal tier."""
    return sum(literal_seconds(batch) for batch in network.batches())


def structured_gradient(
    network: DenseNetwork, tier: str, advance: Callable[[int], None] = lambda count: None
) -> tuple[LayerGradient, ...]:
    """The numeric gradients of all layers, from the input on.

    It needs a few MiB besides the result, whatever the sizes of network and batch. The tier is
    `LITERAL` or `SHARED_LINES`; `advance` is called with the number of parameters done.
    """
    gradients = tuple(
        LayerGradient(
            layer.weights,
            2 * network.l2,  # l2 ((w + h)^2 - (w - h)^2) / 2h = 2 l2 w for every h
            np.zeros_like(layer.bias),
            np.zeros_like(layer.bias),
            np.zeros(len(layer.weights)),
            len(network.inputs),
            bias_gap=np.zeros_like(layer.bias),
        )
        for layer in network.layers
    )
    for batch in network.batches():  # one at a time, since each caches its results
        share = len(batch.inputs) / len(network.inputs)
        for index, gradient in enumerate(gradients):
            _add(gradient, batch, index, tier)
            advance(round(share * (gradient.at.size + gradient.bias.size)))
    for gradient, layer in zip(gradients, network.layers, strict=True):
        if network.l2_bias:
            gradient.bias += 2 * network.l2_bias * layer.bias
    return gradients


def _add(gradient: LayerGradient, batch: Batch, layer: int, tier: str) -> None:
    """Adds the contribution of a batch to the gradient of a layer."""
    step = choose_step(batch, layer)
    lines = shared_lines(batch, layer, step)
    layer_input = batch.layer_input(layer)
    _add_error(gradient, lines, layer_input)
    columns = np.column_stack([layer_input, np.ones(len(layer_input))])
    at_kinks = np.asarray(lines.crossed.any(axis=1))
    if tier == SHARED_LINES:
        smooth = np.where(at_kinks[:, None], 0.0, lines.slopes)
        gradient.add_product(layer_input, smooth)
        gradient.bias += smooth.sum(axis=1)
        units = np.flatnonzero(at_kinks).tolist()
        along_units: Iterable[Array] = lines.slopes[units] @ columns
    else:
        units = list(range(len(at_kinks)))
        along_units = literal_slopes(batch, layer, columns, step)
    for unit, slopes in zip(units, along_units, strict=True):
        if at_kinks[unit]:
            over = np.any(columns[lines.crossed[unit]] != 0, axis=0)
            _replace_at_kinks(gradient, batch, layer, unit, columns, np.flatnonzero(over), slopes)
        gradient.singly()[:, unit] += slopes[:-1]
        gradient.bias[unit] += slopes[-1]


def _add_error(gradient: LayerGradient, lines: Lines, layer_input: Array) -> None:
    rounding = (ROUNDINGS + np.sqrt(gradient.samples)) * np.finfo(np.float64).eps
    smooth = ~lines.crossed
    spread = np.max(lines.spread, axis=1, initial=0.0, where=smooth)
    largest = np.max(np.abs(lines.slopes), axis=1, initial=0.0)
    np.maximum(
        gradient.unit_error, SPREAD_FACTOR * spread + rounding * largest, out=gradient.unit_error
    )
    gradient.input_size += np.abs(layer_input).sum(axis=0)


def _add_product(total: Array, layer_input: Array, slopes: Array) -> None:
    """Adds A^T slopes^T to the gradient of the weights, a few rows at a time, in memory order."""
    if total.flags.c_contiguous:
        total, left, right = total, layer_input.T, slopes.T
    else:
        total, left, right = total.T, slopes, layer_input
    rows = max(1, SLICE_NUMBERS // total.shape[1])
    for first in range(0, len(total), rows):
        here = slice(first, first + rows)
        total[here] += left[here] @ right


def _replace_at_kinks(
    gradient: LayerGradient,
    batch: Batch,
    layer: int,
    unit: int,
    columns: Array,
    over: NDArray[np.intp],
    slopes: Array,
) -> None:
    """Replaces slopes whose step crossed a kink by the mean of both one-sided slopes.

    `over` holds their indices in `slopes`, (n_in + 1,), whose last entry belongs to the bias. The
    differences of the one-sided slopes are added to the gaps of the layer's gradient.
    """
    size = max(1.0, float(np.abs(batch.pre_activation(layer)).max(initial=0.0)))
    (right, left), nearer = (
        one_sided_slopes(batch, layer, unit, *moves_of(columns[:, over], AT_KINK * size / part))
        for part in (1, 2)
    )
    slopes[over] = (right + left) / 2
    if gradient.weight_gap is None:
        gradient.weight_gap = np.zeros_like(gradient.at)
    gap = np.zeros(len(slopes))
    # extrapolated to h = 0: for a smooth loss the gap is h f'', and this is 0
    gap[over] = 2 * (nearer[0] - nearer[1]) - (right - left)
    gradient.weight_gap[:, unit] += gap[:-1]
    gradient.bias_gap[unit] += gap[-1]
