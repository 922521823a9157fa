"""Converts a recognised network for the structured engine, and its gradients back into blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gradcheck.network.passes import forward
from gradcheck.numeric.dense import DenseLayer, DenseNetwork
from gradcheck.numeric.estimate import Estimates, largest_of
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.numeric.groups import rows_up_to
from gradcheck.numeric.lines import STEP
from gradcheck.numeric.structured import LayerGradient
from gradcheck.recognition.network_view import ROWS, NetworkView
from gradcheck.recognition.placed import added
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
) -> tuple[BlockGradient, ...]:
    """The numeric gradient of every block, from the gradients of the layers.

    All bounds are widened by `apart`, relative to the block's largest derivative.
    """
    derivatives: dict[int, Array] = {}
    bounds: dict[int, Array] = {}
    gaps: dict[int, Array] = {}
    for placed, gradient in zip(view.placed, gradients, strict=True):
        pairs = (
            (derivatives, gradient.weights, gradient.bias),
            (bounds, gradient.weight_bound, gradient.bias_bound),
            (gaps, gradient.weight_gap, gradient.bias_gap),
        )
        for by_block, of_weights, of_bias in pairs:
            if of_weights is not None:
                for block, part in placed.into_blocks(of_weights, of_bias, values).items():
                    added(by_block, block, part)
    blocks = []
    for block in range(len(values)):
        flat, bound = derivatives.pop(block).reshape(-1), bounds.pop(block).reshape(-1)
        bound += apart * largest_of(flat)
        estimates = Estimates.smooth(flat, bound)
        if block in gaps:
            estimates = _with_gaps(estimates, gaps.pop(block).reshape(-1))
        blocks.append(BlockGradient(rows_up_to(flat.size), estimates, STEP))
    return tuple(blocks)


def _with_gaps(estimates: Estimates, gap: Array) -> Estimates:
    """The estimates, which at a kink are the range between the slopes on both sides."""
    half = np.abs(gap) / 2
    kink = half > estimates.bound
    half[~kink] = 0.0
    return replace(estimates, lower=estimates.value - half, upper=estimates.value + half, kink=kink)
