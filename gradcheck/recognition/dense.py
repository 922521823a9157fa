"""Converts a recognised network for the structured engine, and its gradients back into blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gradcheck.network.passes import forward
from gradcheck.numeric.dense import DenseLayer, DenseNetwork
from gradcheck.numeric.estimate import Estimates, largest_of
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.numeric.lines import STEP
from gradcheck.numeric.structured import LayerGradient
from gradcheck.recognition.network_view import ROWS, NetworkView
from gradcheck.user.blocks import Array


def dense_network(view: NetworkView, values: Sequence[Array]) -> DenseNetwork | None:
    """The network at a point; None if a hidden layer mixes units, or any layer mixes samples."""
    *hidden, output = view.activations
    if output.mixes == "samples" or any(activation.mixes != "nothing" for activation in hidden):
        return None
    if not view.covers(values):
        return None
    loss, layers = view.loss_function, view.parameters(values)
    return DenseNetwork(
        tuple(
            DenseLayer(layer.weights, layer.bias, layer.activation.change, layer.activation.kinks)
            for layer in layers
        ),
        view.inputs,
        view.targets,
        partial(forward, layers=layers, layout=ROWS),
        partial(loss.changes, output),
        view.scale,
        separable=output.mixes == "nothing",
        target_kinks=loss.kinked,
        l2=view.l2,
        l2_bias=view.l2_bias,
    )


def as_blocks(
    view: NetworkView,
    values: Sequence[Array],
    gradients: Sequence[LayerGradient],
    apart: float,
    least: float | Sequence[float] = 0.0,
) -> tuple[BlockGradient, ...]:
    """The numeric gradient of every block, from the gradients of the layers.

    All bounds are widened by `apart`, relative to the block's largest derivative, and are no
    smaller than `least`, of all blocks or of each; where no bound is larger, none is worked out.
    """
    derivatives = _by_block(view, values, ((each.weights, each.bias) for each in gradients))
    gaps = _by_block(view, values, ((each.weight_gap, each.bias_gap) for each in gradients))
    wider = [apart * largest_of(derivatives[block]) for block in range(len(values))]
    floor, most = np.broadcast_to(least, len(values)), np.array(wider)
    for placed, gradient in zip(view.placed, gradients, strict=True):
        most[list(placed.layer.blocks)] += gradient.largest_bound
    even = not gaps and bool(np.all(most <= floor))
    bounds = {} if even else bounds_of(view, values, gradients)
    blocks = []
    for block in range(len(values)):
        flat = derivatives.pop(block)
        bound = np.broadcast_to(floor[block], flat.shape) if even else bounds.pop(block)
        if not even:
            bound += wider[block]
        estimates = Estimates.smooth(flat, bound)
        if block in gaps:
            estimates = _with_gaps(estimates, gaps.pop(block))
        if not even and floor[block]:
            estimates = replace(estimates, bound=np.fmax(estimates.bound, floor[block]))
        blocks.append(BlockGradient(flat.size, estimates, STEP))
    return tuple(blocks)


def bounds_of(
    view: NetworkView, values: Sequence[Array], gradients: Sequence[LayerGradient]
) -> dict[int, Array]:
    """The error bounds of every block, before they are widened."""
    return _by_block(view, values, ((each.weight_bound, each.bias_bound) for each in gradients))


def _by_block(
    view: NetworkView, values: Sequence[Array], of_layers: Iterable[tuple[Array | None, Array]]
) -> dict[int, Array]:
    """What belongs to the weights and the bias of every layer, flat, by block."""
    parts = view.by_block(of_layers, values)
    return {block: part.reshape(-1) for block, part in parts.items()}


def _with_gaps(estimates: Estimates, gap: Array) -> Estimates:
    """The estimates, which at a kink are the range between the slopes on both sides."""
    half = np.abs(gap) / 2
    kink = half > estimates.bound
    half[~kink] = 0.0
    return replace(estimates, lower=estimates.value - half, upper=estimates.value + half, kink=kink)
