"""Layers that make their parameters in their first call, or keep lists of what they computed."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck

X = np.random.default_rng(50).normal(size=(5, 3))


class Built:
    """Makes its parameters when it sees its first input, and keeps a list of inputs."""

    def __init__(self, slip=1.0):
        self.params, self.grads, self.seen = {"gain": None}, {}, []
        self.slip, self.lr = slip, 0.1

    def forward(self, x):
        if self.params["gain"] is None:
            self.params["gain"] = np.random.default_rng(51).normal(size=(x.shape[1], 2))
        self.seen.append(x)
        return x @ self.params["gain"]

    def backward(self, dy):
        self.grads["gain"] = self.slip * self.seen[0].T @ dy
        return dy @ self.params["gain"].T


class Updating(Built):
    def backward(self, dy):
        dx = super().backward(dy)
        self.params["gain"] -= self.lr * self.grads.pop("gain")
        return dx


def checked(report):
    return {block.name for block in report.blocks if block.verdict != "not checked"}


@pytest.mark.parametrize(("slip", "code"), [(1.0, []), (2.0, ["GC103"])])
def test_parameters_that_the_first_call_makes_are_checked(slip, code):
    layer = Built(slip)
    report = gradcheck.check_layer(layer.forward, layer.backward, X)
    assert [found.code for found in report.findings] == code, str(report)
    assert checked(report) == {"x", "params.gain"}


def test_what_backward_does_to_parameters_just_made_is_undone():
    layer = Updating()
    report = gradcheck.check_layer(layer.forward, layer.backward, X)
    assert report.ok, str(report)
    made = np.random.default_rng(51).normal(size=(3, 2))
    assert np.array_equal(layer.params["gain"], made)


class OneOnly(Built):
    """Expects that it was called once since its list was empty, as a part of another layer."""

    def backward(self, dy):
        (x,) = self.seen
        self.grads["gain"] = x.T @ dy
        return dy @ self.params["gain"].T


class Around:
    def __init__(self):
        self.part = OneOnly()

    def forward(self, x):
        return np.tanh(self.part.forward(x))

    def backward(self, dy):
        return self.part.backward(
            dy * (1 - np.tanh(self.part.seen[0] @ self.part.params["gain"]) ** 2)
        )


@pytest.mark.parametrize("kind", [OneOnly, Around])
def test_no_call_sees_what_another_one_appended(kind):
    layer = kind()
    report = gradcheck.check_layer(layer.forward, layer.backward, X)
    assert report.ok, str(report)
    assert len(checked(report)) == 2


def product(xs):
    return xs[0] * xs[1], xs


def product_backward(dy, xs):
    return [dy * xs[1], dy * xs[0]]


def test_a_list_is_the_one_argument_of_a_layer_of_one_argument():
    assert gradcheck.check_layer(product, product_backward, [X, X + 1]).ok


class Misplaced:
    """Returns another array where the gradient of its weights belongs."""

    def __init__(self):
        self.W, self.b = np.random.default_rng(52).normal(size=(3, 2)), np.zeros(2)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        return dy @ self.W.T, [self.W.T @ self.W, dy.sum(axis=0)]


def test_an_array_of_no_fitting_shape_is_the_gradient_of_the_one_left():
    layer = Misplaced()
    report = gradcheck.check_layer(layer.forward, layer.backward, X)
    verdicts = {block.name: block.verdict for block in report.blocks}
    assert verdicts == {"x": "ok", "W": "shape", "b": "ok"}


class Parameter:
    def __init__(self, data):
        self.data = np.array(data, dtype=np.float32)
        self.grad = np.zeros_like(self.data)


class Table:
    """Takes indices alone, and adds to a gradient in float32 beside the number."""

    def __init__(self):
        self.table = Parameter(np.random.default_rng(53).normal(size=(5, 3)))

    def forward(self, rows):
        self.rows = rows
        return np.tanh(self.table.data[rows])

    def backward(self, dy):
        kept = self.table.data[self.rows]
        np.add.at(self.table.grad, self.rows, dy * (1 - kept**2))


def test_gradients_added_to_in_float32_are_followed():
    layer = Table()
    report = gradcheck.check_layer(layer.forward, layer.backward, np.array([0, 2, 2]))
    (found,) = report.findings
    assert found.code == "GC302"
    assert found.location is not None, str(report)
    assert layer.table.grad.dtype == layer.table.data.dtype == np.float32
