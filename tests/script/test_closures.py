"""Parameters that functions keep in their closures are found, replayed and judged."""

import pytest

LAYERS = """
import numpy as np

rng = np.random.default_rng(0)


def dense(inputs, outputs):
    W, b = 0.4 * rng.normal(size=(inputs, outputs)), np.zeros(outputs)
    kept = dW = db = None

    def forward(x):
        nonlocal kept
        kept = x
        return x @ W + b

    def backward(g):
        nonlocal dW, db
        dW, db = kept.T @ g, g.sum(axis=0)
        return g @ W.T

    def update(rate):
        nonlocal W, b
        W = W - rate * dW
        b = b - rate * db

    return forward, backward, update


def tanh():
    y = None

    def forward(x):
        nonlocal y
        y = np.tanh(x)
        return y

    return forward, lambda g: g * (1 - y**2), lambda rate: None


layers = [dense(3, 6), tanh(), dense(6, 1)]
X = rng.normal(size=(40, 3))
T = np.sin(X.sum(axis=1, keepdims=True))
for epoch in range(20):
    h = X
    for forward, _, _ in layers:
        h = forward(h)
    loss = np.mean((h - T) ** 2)
    g = 2 * (h - T) / h.size
    for _, backward, _ in reversed(layers):
        g = backward(g)
    for *_, step in layers:
        step(0.1)
"""
TRAINER = """
import numpy as np


def trainer(lr):
    rng = np.random.default_rng(1)
    held = {"W": 0.5 * rng.normal(size=(3, 2)), "b": np.zeros(2)}
    scale = 1.0

    def fit(x, y):
        nonlocal scale
        out = scale * (x @ held["W"] + held["b"])
        loss = 0.5 * np.sum((out - y) ** 2) / len(x)
        d = (out - y) / len(x)
        dscale = np.sum(d * (x @ held["W"] + held["b"]))
        d = d * scale
        held["W"] -= lr * x.T @ d
        held["b"] -= lr * d.sum(axis=0)
        scale = scale - lr * dscale
        return loss

    return fit


def main():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    learn = trainer(0.05)
    for epoch in range(30):
        loss = learn(X, Y)


main()
"""


def test_layers_that_are_closures_are_judged_and_their_bug_is_told(outcome):
    found = outcome(LAYERS)
    assert found.report.verdict == "pass", str(found.report)
    assert found.script.params == (
        "layers[0][0].W",
        "layers[0][0].b",
        "layers[2][0].W",
        "layers[2][0].b",
    )
    error = outcome(LAYERS.replace("1 - y**2", "1 - y")).report.errors[0]
    assert error.code == "GC305"
    assert "lambda g: g * (1 - y)" in error.location.source


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [("", "", None), ("d.sum(", "d.mean(", "GC102"), ("dscale = ", "dscale = -", "GC106")],
)
def test_what_a_function_of_a_factory_trains_is_judged(outcome, right, wrong, code):
    found = outcome(TRAINER.replace(right, wrong) if right else TRAINER)
    assert set(found.script.params) == {"held['W']", "held['b']", "scale"}
    assert [one.code for one in found.report.errors] == ([code] if code else [])


DATA = """
import numpy as np
from functools import partial

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
y = X @ [1.0, 2.0, 3.0]
"""
PARTIAL = """
def step(held, lr):
    gap = X @ held["w"] + held["b"] - y
    held["w"] -= lr * 2 * X.T @ gap / len(y)
    held["b"] -= lr * 2 * gap.mean()
    return np.mean(gap**2)


held = {"w": np.zeros(3), "b": np.zeros(1)}
train = partial(step, held, lr=0.1)
for turn in range(30):
    loss = train()
"""
METHODS = """
class Net:
    def __init__(self):
        self.w, self.b = np.zeros(3), np.zeros(1)

    def loss(self):
        self.gap = X @ self.w + self.b - y
        return np.mean(self.gap**2)

    def update(self, lr):
        self.w = self.w - lr * 2 * X.T @ self.gap / len(y)
        self.b = self.b - lr * 2 * self.gap.mean()


net = Net()
forward, learn = net.loss, net.update
for turn in range(30):
    loss = forward()
    learn(0.1)
"""
INNER = """
def experiment():
    w, b = np.zeros(3), 0.0

    def predict():
        return X @ w + b

    def update(lr):
        nonlocal w, b
        gap = predict() - y
        w = w - lr * 2 * X.T @ gap / len(y)
        b = b - lr * 2 * gap.mean()

    for turn in range(30):
        loss = np.mean((predict() - y) ** 2)
        update(0.1)


experiment()
"""


@pytest.mark.parametrize("text", [PARTIAL, METHODS, INNER])
def test_what_is_called_by_another_name_is_followed(outcome, text):
    assert outcome(DATA + text).report.verdict == "pass"
    error = outcome(DATA + text.replace("gap.mean()", "gap.sum()")).report.errors[0]
    assert error.code == "GC502"
    assert "gap.sum()" in error.location.source


RECURSIVE = """
import numpy as np

rng = np.random.default_rng(0)


def network(depth):
    weights, kept = [0.5 * rng.normal(size=(3, 3)) for _ in range(depth)], []

    def forward(x, k=0):
        if k == 0:
            kept.clear()
        kept.append(x)
        return x if k == depth else forward(np.tanh(x @ weights[k]), k + 1)

    def backward(g, k=depth - 1):
        if k >= 0:
            g = g * (1 - kept[k + 1] ** 2)
            following = g @ weights[k].T
            weights[k] = weights[k] - 0.1 * kept[k].T @ g
            backward(following, k - 1)

    return forward, backward


forward, backward = network(3)
X, T = rng.normal(size=(20, 3)), 0.5 * rng.normal(size=(20, 3))
for epoch in range(20):
    out = forward(X)
    loss = np.sum((out - T) ** 2) / len(X)
    backward(2 * (out - T) / len(X))
"""


def test_functions_that_call_themselves_are_copied_too_and_their_calls_told_apart(outcome):
    assert outcome(RECURSIVE).report.verdict == "pass"
    error = outcome(RECURSIVE.replace("kept[k + 1] ** 2", "kept[k] ** 2")).report.errors[0]
    assert error.code == "GC308"
    assert error.message.endswith(
        "it is the slope of tanh at `x @ weights[k]` in another pass or call"
    )
