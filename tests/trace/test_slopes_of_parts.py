"""A slope of a part of a function is none of another layer, where layers are of one class."""

from named_bugs import first_finding

GATES = """
import numpy as np

rng = np.random.default_rng(4)
X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))


class Gate:
    def forward(self, x, W):
        self.x, self.W = x, W
        self.g = x @ W
        self.s = 1 / (1 + np.exp(-self.g))
        return self.g * self.s

    def backward(self, back):
        dg = back * (self.s + self.g * self.s * (1 - self.s))
        return dg @ self.W.T, self.x.T @ dg


gates = [Gate(), Gate()]


def params():
    return [rng.normal(size=(3, 3)) for _ in gates]


def run(p):
    x = X
    for gate, W in zip(gates, p):
        x = x + gate.forward(x, W)
    return x


def loss(p):
    return 0.5 * np.sum((run(p) - Y) ** 2)


def grad(p):
    back, grads = run(p) - Y, []
    for gate in reversed(gates):
        through, dW = gate.backward(back)
        back = back + through
        grads.insert(0, dW)
    return grads
"""


def test_the_slope_of_a_part_of_a_function_is_not_that_of_another_layer(tmp_path):
    right, wrong = "(self.s + self.g * self.s * (1 - self.s))", "(self.s * (1 - self.s))"
    finding, line, report = first_finding(GATES, right, wrong, tmp_path)
    assert finding.location.line == line, report
    assert finding.code == "GC305", report
