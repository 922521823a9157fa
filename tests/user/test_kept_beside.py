"""What a backward pass returns is not always the gradients, which its object keeps."""

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import UsageError

x = np.random.default_rng(3).normal(size=(6, 4))
TARGET = np.random.default_rng(4).normal(size=(6, 3))


class Layers:
    def __init__(self):
        rng = np.random.default_rng(5)
        self.weights = [rng.normal(size=(4, 5)), rng.normal(size=(5, 3))]
        self.weights_gradients = [None, None]

    def forward(self):
        return np.tanh(x @ self.weights[0]) @ self.weights[1]

    def backward(self, divisor=18):
        delta = (self.forward() - TARGET) / divisor
        hidden = np.tanh(x @ self.weights[0])
        below = delta @ self.weights[1].T * (1 - hidden**2)
        self.weights_gradients[:] = x.T @ below, hidden.T @ delta
        return 0.0, below, x


def loss(layers):
    return np.average((layers.forward() - TARGET) ** 2) / 2


def test_a_cost_and_a_delta_are_not_the_gradients():
    assert gradcheck.check(loss, Layers(), Layers.backward).ok


def test_without_gradients_beside_them_the_mistake_is_said():
    with pytest.raises(UsageError, match="returned a tuple of 3 for 2 parameters"):
        gradcheck.check(loss, Layers(), lambda layers: (0.0, x, x))


def test_an_average_is_a_mean():
    report = gradcheck.check(loss, Layers(), lambda layers: layers.backward(6))
    assert {one.code for one in report.findings if one.severity == "error"} <= {"GC101", "GC104"}
    assert "belongs" not in str(report)
