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
    assert {one.code for one in report.errors} <= {"GC101", "GC104"}
    assert "belongs" not in str(report)


class Whole:
    """Keeps its gradients under their whole names, behind properties."""

    def __init__(self, count=1):
        rng = np.random.default_rng(6)
        self.weights, self.bias, self.count = rng.normal(size=(4, 3)), rng.normal(size=3), count

    def forward(self, data):
        self.data = data
        return data @ self.weights + self.bias

    def backward(self, upstream):
        self._gradient_weights = self.data.T @ upstream
        self.gradient_bias = self.count * upstream.sum(axis=0)
        return upstream @ self.weights.T

    @property
    def gradient_weights(self):
        return self._gradient_weights


class Twice:
    """Runs its layer twice and keeps the sum, so that the layer has the gradient of one pass."""

    def __init__(self):
        self.inner = Whole()

    def forward(self, data):
        self.data = data
        return self.inner.forward(data) + self.inner.forward(2 * data)

    def backward(self, upstream):
        self._gradient_weights, below = 0.0, 0.0
        for factor in (1, 2):
            self.inner.forward(factor * self.data)
            below = below + factor * self.inner.backward(upstream)
            self._gradient_weights = self._gradient_weights + self.inner.gradient_weights
        return below


@pytest.mark.parametrize("count", [1, 2])
def test_gradients_written_out_belong_to_their_weights(count):
    layer = Whole(count)
    report = gradcheck.check_layer(layer.forward, layer.backward, x)
    assert [block.name for block in report.blocks] == ["data", "weights", "bias"]
    assert [block.name for block in report.blocks if block.failed] == ["bias"] * (count == 2)


def test_the_gradient_of_one_pass_is_not_taken_for_that_of_all():
    layer = Twice()
    report = gradcheck.check_layer(layer.forward, layer.backward, x)
    assert report.ok
    assert "not checked" in str(report)


class Held:
    """Keeps its parameters in a dict, and returns their gradients in one."""

    def __init__(self):
        draw = np.random.default_rng(40)
        self.params = {"W": draw.normal(size=(3, 2)), "b": draw.normal(size=2)}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def pair(self, dy):
        return dy @ self.params["W"].T, {"W": self.x.T @ dy, "b": dy.sum(axis=0)}

    def together(self, dy):
        return {"dx": dy @ self.params["W"].T, "dW": self.x.T @ dy, "db": dy.sum(axis=0)}

    def capital(self, X):
        return self.forward(X)

    def steps(self, xs):
        self.xs = xs
        return [x @ self.params["W"] + self.params["b"] for x in xs]

    def steps_and_rest(self, dys):
        return self.steps_back(dys), self.dW, self.db

    def steps_back(self, dys):
        self.dW = sum(x.T @ dy for x, dy in zip(self.xs, dys, strict=True))
        self.db = sum(dy.sum(axis=0) for dy in dys)
        return [dy @ self.params["W"].T for dy in dys]


ROWS = np.random.default_rng(41).normal(size=(3, 5, 3))


@pytest.mark.parametrize(
    ("forward", "backward", "inputs"),
    [
        ("forward", "pair", ROWS[0]),
        ("forward", "together", ROWS[0]),
        ("capital", "together", ROWS[0]),
        ("steps", "steps_back", ([*ROWS],)),
        ("steps", "steps_and_rest", ([*ROWS],)),
    ],
)
def test_gradients_of_a_layers_dict_and_of_an_input_that_is_a_list(forward, backward, inputs):
    layer = Held()
    report = gradcheck.check_layer(getattr(layer, forward), getattr(layer, backward), inputs)
    assert report.ok, str(report)
    assert {"params.W", "params.b"} < {block.name for block in report.blocks}


class Embedding:
    def __init__(self):
        self.weight = np.random.default_rng(42).normal(size=(5, 3))

    def forward(self, rows):
        self.rows = rows
        return self.weight[rows]

    def beside(self, dy):
        self.dweight = np.zeros_like(self.weight)
        np.add.at(self.dweight, self.rows, dy)

    def returned(self, dy):
        self.beside(dy)
        return self.__dict__.pop("dweight")

    def lost(self, dy):
        self.dweight = np.zeros_like(self.weight)
        self.dweight[self.rows] += dy


@pytest.mark.parametrize(
    ("backward", "codes"), [("beside", []), ("returned", []), ("lost", ["GC855"])]
)
def test_a_layer_that_takes_indices_alone_has_weights_to_check(backward, codes):
    layer = Embedding()
    report = gradcheck.check_layer(layer.forward, getattr(layer, backward), np.array([0, 2, 2]))
    assert [found.code for found in report.findings] == codes
    assert [block.name for block in report.blocks] == ["weight"]


class Normed:
    """A length `g` for each column of `v`, which is not the gradient of `v`."""

    def __init__(self):
        draw = np.random.default_rng(43)
        self.v, self.g = draw.normal(size=(3, 2)), draw.normal(size=2)

    def forward(self, x):
        self.x = x
        return x @ (self.g * self.v / np.linalg.norm(self.v, axis=0))

    def backward(self, dy):
        lengths, dw = np.linalg.norm(self.v, axis=0), self.x.T @ dy
        dg = (dw * self.v).sum(axis=0) / lengths
        dv = self.g / lengths * (dw - dg / lengths * self.v)
        return dy @ (self.g * self.v / lengths).T, dv, dg


def test_a_parameter_is_no_gradient_of_the_one_beside_it():
    layer = Normed()
    report = gradcheck.check_layer(layer.forward, layer.backward, ROWS[0])
    assert report.ok, str(report)
    assert {block.name for block in report.blocks if block.verdict == "ok"} == {"x", "v", "g"}
    assert not report.notes


class Listed:
    """Writes into the arrays of a list or a dict of gradients that it has from the beginning."""

    def __init__(self, kind):
        W = np.random.default_rng(44).normal(size=(3, 2))
        self.params, self.grads = ([W], [0 * W]) if kind is list else ({"W": W}, {"W": 0 * W})
        self.key = 0 if kind is list else "W"

    def forward(self, x):
        self.x = x
        return x @ self.params[self.key]

    def backward(self, dy):
        self.grads[self.key][...] = 2 * self.x.T @ dy
        return dy @ self.params[self.key].T


@pytest.mark.parametrize("kind", [list, dict])
def test_arrays_that_are_kept_for_gradients_are_read(kind):
    layer = Listed(kind)
    report = gradcheck.check_layer(layer.forward, layer.backward, ROWS[0])
    assert [found.code for found in report.findings] == ["GC103"]
