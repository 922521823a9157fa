"""Mini-batch gradient descent with a seeded shuffle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.network.layouts import Array

if TYPE_CHECKING:
    from gradcheck.network.mlp import MLP


@dataclass(frozen=True)
class Training:
    """What training led to.

    Attributes:
        params: the parameters at the end.
        losses: the loss over all samples, at the start and after every epoch.
    """

    params: dict[str, Array]
    losses: tuple[float, ...]


def train(
    network: MLP,
    params: Mapping[str, Array],
    inputs: Array,
    targets: Array,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    *,
    seed: int,
) -> Training:
    """Gradient descent: every epoch goes once through all samples, in a new random order.

    Args:
        network: gives the loss and its gradient.
        params: where to start; not changed.
        inputs: in the network's layout.
        targets: in the shape of the outputs.
        learning_rate: the step is this times the gradient.
        epochs: how often to go through the samples.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        seed: of the shuffle.

    Raises:
        ValueError: a learning rate, number of epochs or batch size that is not positive.
    """
    if not (learning_rate > 0 and epochs >= 0 and batch_size > 0):
        raise ValueError(
            f"learning_rate {learning_rate!r} and batch_size {batch_size!r} must be positive, and "
            f"epochs {epochs!r} must not be negative"
        )
    rng = np.random.default_rng(seed)
    current = {name: np.array(value) for name, value in params.items()}
    losses = [network.loss(current, inputs, targets)]
    axis = network.arrangement.sample_axis
    for _ in range(epochs):
        order = rng.permutation(inputs.shape[axis])
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            gradients = network.backward(
                current, inputs.take(batch, axis=axis), targets.take(batch, axis=axis)
            )
            for name, gradient in gradients.items():
                current[name] = current[name] - learning_rate * gradient
        losses.append(network.loss(current, inputs, targets))
    return Training(current, tuple(losses))
