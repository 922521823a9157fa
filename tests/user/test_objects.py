"""Networks as people hold them: objects with arrays in their attributes."""

from dataclasses import dataclass

import numpy as np
import pytest

import gradcheck

X = np.random.default_rng(0).normal(size=(7, 3))
Y = np.random.default_rng(1).normal(size=(7, 2))


class Network:
    """Lists of weights and biases, caches, data, a velocity and a learning rate."""

    def __init__(self, dtype=np.float64):
        rng = np.random.default_rng(2)
        self.learning_rate = 0.1
        self.weights = [
            rng.normal(size=(3, 4)).astype(dtype),
            rng.normal(size=(4, 2)).astype(dtype),
        ]
        self.biases = [np.full(4, 0.1, dtype), np.full(2, 0.2, dtype)]
        self.data = X
        self.velocity = np.full(3, np.nan)

    def forward(self):
        self.hidden = np.tanh(self.data @ self.weights[0] + self.biases[0])
        self.output = self.hidden @ self.weights[1] + self.biases[1]
        return 0.5 * np.sum((self.output - Y) ** 2)

    def backward(self, factor=1.0):
        delta = self.output - Y
        self.dw, self.db = [None, None], [None, None]
        self.dw[1], self.db[1] = self.hidden.T @ delta, delta.sum(axis=0)
        delta = delta @ self.weights[1].T * (1 - self.hidden**2)
        self.dw[0], self.db[0] = factor * self.data.T @ delta, delta.sum(axis=0)
        return self.dw, self.db


class Layer:
    __slots__ = ("W", "b", "dW", "db", "inputs")

    def __init__(self, n_in, n_out, seed):
        rng = np.random.default_rng(seed)
        self.W, self.b = rng.normal(size=(n_in, n_out)), rng.normal(size=n_out)

    def forward(self, inputs):
        self.inputs = inputs
        return np.tanh(inputs @ self.W + self.b)

    def backward(self, upstream):
        delta = upstream * (1 - np.tanh(self.inputs @ self.W + self.b) ** 2)
        self.dW, self.db = self.inputs.T @ delta, delta.sum(axis=0)
        return delta @ self.W.T


def layers_loss(layers):
    outputs = X
    for layer in layers:
        outputs = layer.forward(outputs)
    return 0.5 * np.sum((outputs - Y) ** 2)


def layers_backward(layers):
    outputs = X
    for layer in layers:
        outputs = layer.forward(outputs)
    upstream = outputs - Y
    for layer in reversed(layers):
        upstream = layer.backward(upstream)


def snapshot(network):
    return [*network.weights, *network.biases], [
        value.copy() for value in (*network.weights, *network.biases)
    ]


def unchanged(network, before):
    arrays, copies = before
    now = [*network.weights, *network.biases]
    return all(one is other for one, other in zip(now, arrays, strict=True)) and all(
        np.array_equal(one, other) for one, other in zip(now, copies, strict=True)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "gradient",
    [
        lambda net: net.backward() and None,
        lambda net: net.backward(),
        lambda net: {"weights": net.backward()[0], "biases": net.db},
        lambda net: {"dw": net.backward()[0], "db": net.db},
        lambda net: net.backward() and net,
    ],
)
def test_an_object_in_every_style_of_returning_its_gradients(dtype, gradient):
    network = Network(dtype)
    before = snapshot(network)
    report = gradcheck.check(Network.forward, network, gradient)
    assert report.ok, str(report)
    checked = [block.name for block in report.blocks if block.verdict == "ok"]
    assert checked == ["weights[0]", "weights[1]", "biases[0]", "biases[1]"]
    aside = {block.name for block in report.blocks if block.verdict == "not checked"}
    assert {"data", "velocity", "learning_rate"} <= aside
    assert unchanged(network, before)
    assert network.data is X
    assert network.learning_rate == 0.1


def test_a_wrong_gradient_of_an_object_is_found_and_named():
    report = gradcheck.check(
        Network.forward, Network(), lambda net: net.backward(7.0) and None, inputs=X, targets=Y
    )
    assert [(f.code, f.blocks) for f in report.findings] == [("GC101", ("weights[0]",))]


@pytest.mark.parametrize("stops", [KeyboardInterrupt, RuntimeError])
def test_an_object_is_restored_whatever_is_raised(stops):
    network = Network()
    before = snapshot(network)
    calls = []

    def loss(net):
        calls.append(1)
        if len(calls) == 60:
            raise stops
        return net.forward()

    report = gradcheck.check(loss, network, lambda net: net.backward() and None)
    assert report.verdict == "inconclusive"
    if stops is KeyboardInterrupt:
        assert report.coverage.interrupted
        assert str(report).endswith("inconclusive: interrupted before all was checked")
    assert len(calls) >= 60
    assert unchanged(network, before)


def test_a_list_of_layers_with_slots():
    layers = [Layer(3, 4, 0), Layer(4, 2, 1)]
    report = gradcheck.check(layers_loss, layers, layers_backward)
    assert report.ok, str(report)
    assert [block.name for block in report.blocks] == [
        "params[0].W",
        "params[0].b",
        "params[1].W",
        "params[1].b",
    ]


def test_an_object_that_updates_itself_is_checked_at_its_own_point():
    network = Network()
    before = snapshot(network)

    def gradient(net):
        gradients = net.backward()
        for weights, gradient in zip(net.weights, gradients[0], strict=True):
            weights -= 0.1 * gradient
        net.biases = [bias - 0.1 for bias in net.biases]
        return gradients

    report = gradcheck.check(Network.forward, network, gradient)
    assert report.ok, str(report)
    assert unchanged(network, before) or network.biases[0] is before[0][2]


def test_no_gradient_at_all_is_refused():
    with pytest.raises(gradcheck.UsageError, match="no gradient was found for any array"):
        gradcheck.check(Network.forward, Network(), lambda net: None)


@dataclass(frozen=True)
class Point:
    W: np.ndarray
    b: float
    name: str = "linear"


def test_a_dataclass_is_a_container():
    point = Point(np.ones(3), 0.5)

    def loss(p):
        assert p.name == "linear"
        return float(((X @ p.W + p.b) ** 2).sum())

    def grad(p):
        residual = X @ p.W + p.b
        return Point(2 * X.T @ residual, 2 * residual.sum())

    assert gradcheck.check(loss, point, grad).ok
    missing = gradcheck.check(loss, point, lambda p: {"W": grad(p).W})
    assert [block.verdict for block in missing.blocks] == ["ok", "missing"]
    assert np.array_equal(point.W, np.ones(3))


def test_gradients_that_an_object_keeps_are_no_parameters_beside_those_that_are_returned():
    class Affine:
        def __init__(self):
            self.weight, self.bias = np.array([0.3, -0.7]), np.array([0.2])
            self.gradWeight, self.gradBias = np.zeros(2), np.zeros(1)

    def loss(layers):
        return sum(np.sum(one.weight**2) + 3 * np.sum(one.bias) for one in layers)

    def gradients(layers):
        for one in layers:
            one.gradWeight = 2 * one.weight
        return [{"weight": one.gradWeight, "bias": np.array([3.0])} for one in layers]

    report = gradcheck.check(loss, [Affine(), Affine()], gradients)
    assert report.ok, str(report)
    assert [block.name for block in report.blocks if block.verdict == "ok"] == [
        f"params[{number}].{name}" for number in (0, 1) for name in ("weight", "bias")
    ]
    assert not any("no gradient belongs" in note for note in report.notes)


class Cell:
    """A layer with its arrays and their gradients in two lists."""

    def __init__(self, *arrays):
        self.params = list(arrays)
        self.grads = [np.zeros_like(array) for array in arrays]


class Stack:
    """Two cells, and the lists of both once more."""

    def __init__(self):
        rng = np.random.default_rng(4)
        first = Cell(rng.normal(size=(3, 4)), rng.normal(size=4))
        self.cells = [first, Cell(rng.normal(size=(4, 4)))]
        self.params = [array for cell in self.cells for array in cell.params]
        self.grads = [array for cell in self.cells for array in cell.grads]

    def backward(self, inputs):
        hidden = np.tanh(inputs @ self.params[0] + self.params[1])
        up = (hidden @ self.params[2] @ self.params[2].T) * (1 - hidden**2)
        both = inputs.T @ up, up.sum(axis=0), hidden.T @ (hidden @ self.params[2])
        for kept, made in zip(self.grads, both, strict=True):
            kept[...] = made
        return self.grads


def test_the_list_of_gradients_beside_the_list_of_parameters_may_be_returned():
    inputs = np.random.default_rng(5).normal(size=(6, 3))

    def loss(stack):
        hidden = np.tanh(inputs @ stack.params[0] + stack.params[1])
        return 0.5 * np.sum((hidden @ stack.params[2]) ** 2)

    report = gradcheck.check(loss, Stack(), lambda stack: stack.backward(inputs))
    assert report.verdict == "pass"
    assert [block.name for block in report.blocks if block.verdict == "ok"] == [
        "cells[0].params[0]",
        "cells[0].params[1]",
        "cells[1].params[0]",
    ]


class Remembers:
    """A layer that keeps its inputs, and the derivative by them beside the parameter's."""

    def __init__(self):
        self.weights = np.random.default_rng(0).normal(size=(3, 2))
        self.inputs = np.zeros((4, 3))

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dinputs = dvalues @ self.weights.T


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_what_an_object_remembers_of_its_last_call_is_no_parameter(factor):
    layer, x = Remembers(), np.random.default_rng(1).normal(size=(4, 3))

    def grad(_):
        layer.backward(factor * layer.forward(x))

    report = gradcheck.check(lambda _: 0.5 * np.sum(layer.forward(x) ** 2), layer, grad)
    assert "not checked, as no gradient belongs to them: inputs" in str(report)
    assert report.ok is (factor == 1.0)


class Stages:
    """A list of dicts, one for every stage."""

    def __init__(self):
        rng = np.random.default_rng(8)
        self.stages = [
            {"W": rng.normal(size=(3, 4))},
            {"W": rng.normal(size=(4, 2)), "b": rng.normal(size=2)},
        ]

    def loss(self):
        first, last = self.stages
        return 0.5 * np.sum((np.sin(X @ first["W"]) @ last["W"] + last["b"] - Y) ** 2)

    def gradients(self, factor=1.0):
        first, last = self.stages
        z = X @ first["W"]
        d = np.sin(z) @ last["W"] + last["b"] - Y
        dz = d @ last["W"].T * np.cos(z)
        return [{"W": factor * X.T @ dz}, {"W": np.sin(z).T @ d, "b": d.sum(axis=0)}]


def test_gradients_in_the_structure_of_the_one_container():
    assert gradcheck.check(Stages.loss, Stages(), Stages.gradients).ok
    report = gradcheck.check(Stages.loss, Stages(), lambda net: net.gradients(2.0))
    assert [block.name for block in report.blocks if block.failed] == ["stages[0].W"]


class Counter:
    """A recurrent layer whose states are kept in lists, which every forward pass begins anew."""

    def __init__(self):
        self.w = np.array([0.7, -0.4])
        self.begin()

    def begin(self):
        self.h_list = [np.zeros(2)]

    def forward(self, steps):
        self.begin()
        for step in steps:
            self.h_list.append(np.tanh(self.w * step + 0.5 * self.h_list[-1]))
        return self.h_list[-1].sum()

    def backward(self, steps):
        self.forward(steps)
        self.delta_h_list = [np.zeros(2) for _ in self.h_list]
        self.delta_h_list[-1] = np.ones(2)
        self.w_grad = np.zeros(2)
        for t in range(len(steps), 0, -1):
            delta = self.delta_h_list[t] * (1 - self.h_list[t] ** 2)
            self.w_grad += delta * steps[t - 1]
            self.delta_h_list[t - 1] = 0.5 * delta


def test_states_in_a_list_that_the_loss_begins_anew_are_no_parameters():
    layer, steps = Counter(), [0.3, -1.0, 0.6]
    report = gradcheck.check(lambda: layer.forward(steps), layer, lambda: layer.backward(steps))
    assert report.ok, str(report)
    assert [block.name for block in report.blocks if block.verdict == "ok"] == ["w"]
