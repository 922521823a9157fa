"""The networks that speed is measured on, with their data and the losses of all peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import gradcheck

Params = dict[str, np.ndarray]


@dataclass(frozen=True)
class Setting:
    """A network at a point, with data."""

    name: str
    network: gradcheck.MLP
    params: Params
    inputs: np.ndarray
    targets: np.ndarray

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return sum(value.size for value in self.params.values())

    def loss(self, params: Params) -> float:
        """As a user would give it."""
        return self.network.loss(params, self.inputs, self.targets)

    def grad(self, params: Params) -> Params:
        """As a user would give it."""
        return self.network.backward(params, self.inputs, self.targets)


def _setting(name: str, network: gradcheck.MLP, batch_size: int) -> Setting:
    rng = np.random.default_rng(1)
    inputs = rng.random((batch_size, network.sizes[0]))
    outputs = network.sizes[-1]
    if outputs == 1:
        targets = rng.integers(0, 2, (batch_size, 1)).astype(float)
    else:
        targets = np.eye(outputs)[rng.integers(0, outputs, batch_size)]
    return Setting(name, network, network.init(0), inputs, targets)


MAKERS: dict[str, Callable[[], Setting]] = {
    "A": lambda: _setting(
        "A 784-100-10 sigmoid, squared error, m=32",
        gradcheck.MLP([784, 100, 10], ["sigmoid", "sigmoid"], "half_squared_error_sum"),
        32,
    ),
    "B": lambda: _setting(
        "B 12288-64-1 relu/sigmoid, cross-entropy, m=10",
        gradcheck.MLP([12288, 64, 1], ["relu", "sigmoid"], "binary_cross_entropy"),
        10,
    ),
    "C": lambda: _setting(
        "C 256-256-256-256-10 tanh, softmax cross-entropy, m=32",
        gradcheck.MLP([256] * 4 + [10], ["tanh"] * 3 + ["softmax"], "categorical_cross_entropy"),
        32,
    ),
}


def growing(parameters: int) -> Setting:
    """A 784-n-10 network of about so many parameters."""
    hidden = max(1, round((parameters - 10) / 795))
    network = gradcheck.MLP([784, hidden, 10], ["tanh", "softmax"], "categorical_cross_entropy")
    return _setting(f"784-{hidden}-10", network, 32)
