"""The loss that a script shows of all data is that of a batch, where nothing else is decided."""

import ast

import pytest

from gradcheck.script.borrowed import borrow_losses

BATCHES = """
import numpy as np

rng = np.random.default_rng(3)


class Net:
    def __init__(self):
        self.w, self.b = rng.normal(size=(4, 3)), np.zeros(3)

    def output(self, x):
        z = np.exp(x @ self.w + self.b)
        return z / z.sum(axis=1, keepdims=True)

    def loss(self, x, y):
        return -np.mean(np.sum(y * np.log(self.output(x)), axis=1))

    def learn(self, x, y):
        off = WRONG / len(x)
        self.w -= 0.1 * x.T @ off
        self.b -= 0.1 * off.sum(axis=0)


def batches(x, y, size):
    for begin in range(0, len(x), size):
        yield x[begin : begin + size], y[begin : begin + size]


X = rng.normal(size=(40, 4))
Y = np.eye(3)[rng.integers(0, 3, 40)]
net = Net()
for epoch in range(20):
    LOOP
    print(epoch, SHOWN)
"""
SLICES = "for k in range(0, 40, 8):\n        net.learn(X[k : k + 8], Y[k : k + 8])"
LOOPS = [
    SLICES,
    "for k in range(5):\n        rows = rng.permutation(40)[:8]\n        x, y = X[rows], Y[rows]\n"
    "        net.learn(x, y)",
    "for x, y in batches(X, Y, 8):\n        net.learn(x, y)",
]
PENALTY = "+ 0.05 * np.sum(self.w**2)"
OTHER = "np.mean(np.abs(y - self.output(x)) ** 1.5)"
SIGN = "(y - self.output(x))"


def script(loop, wrong, shown="net.loss(X, Y)"):
    text = BATCHES.replace("LOOP", loop).replace("SHOWN", shown)
    return text.replace("WRONG", wrong)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_wrong_sign_in_a_batch_is_told_by_the_loss_of_all_data(outcome, loop):
    found = outcome(script(loop, SIGN))
    assert [one.code for one in found.report.errors] == ["GC106"]
    assert any("no line computes" in note for note in found.script.notes)
    assert outcome(script(loop, "(self.output(x) - y)")).report.ok


def test_a_penalty_that_only_the_loss_of_all_data_has_is_told_by_it(outcome):
    text = script(SLICES, "(self.output(x) - y)").replace("axis=1))\n", f"axis=1)) {PENALTY}\n")
    assert outcome(text.replace("x.T @ off", "(x.T @ off + 0.1 * self.w)")).report.ok
    found = outcome(text.replace("x.T @ off", "(x.T @ off * self.w + 0.1 * self.w)"))
    assert found.report.verdict == "fail"
    assert found.script.loss == "loss_of_the_batch"


def test_what_the_updates_may_not_descend_decides_nothing(outcome):
    text = script(SLICES, SIGN).replace(
        "-np.mean(np.sum(y * np.log(self.output(x)), axis=1))", OTHER
    )
    assert outcome(text).report.verdict == "inconclusive"


FIT = "def fit(X):\n    for x in X:\n        w[0] -= 0.1 * x\n\n\n"


@pytest.mark.parametrize(
    ("loop", "borrowed"),
    [
        (f"{FIT}for k in range(9):\n    step(X[k])\ncost = fit(X)", None),
        ("for k in range(9):\n    step(X[k])", ["X[k]"]),
        ("for x, t in zip(X, T):\n    step(x)", ["x", "t"]),
        ("for k in range(9):\n    step(X)", None),
        ("for k in range(9):\n    step(X[0])", None),
        ("for k in range(9):\n    print(cost(X, T))\n    step(X[k])", None),
    ],
)
def test_only_the_loss_of_what_a_loop_takes_parts_of_is_borrowed(loop, borrowed):
    tree = ast.parse(loop if "cost" in loop or "fit" in loop else f"{loop}\nprint(cost(X, T))")
    said = borrow_losses(tree)
    assert bool(said) == (borrowed is not None)
    assert all(part in said[0] for part in borrowed or ())


MARGIN = """
import numpy as np

rng = np.random.default_rng(1)
X = rng.normal(size=(60, 3))
t = np.where(X @ [1.0, -1.0, 0.5] > 0, 1, -1)


class Machine:
    def __init__(self):
        self.w, self.b, self.decay, self.rate = np.zeros(3), 0.0, 0.01, 0.05

    def cost(self, X, t):
        short = np.maximum(0, 1 - t * (X @ self.w + self.b))
        return self.decay / 2 * self.w @ self.w + short.mean()

    def fit(self, X, t):
        for _ in range(10):
            for i, x in enumerate(X):
                if t[i] * (x @ self.w + self.b) >= 1:
                    self.w -= self.rate * self.decay * self.w
                else:
                    self.w -= self.rate * (self.decay * self.w - x * t[i])
                    self.b -= self.rate * -t[i]
            print("cost", self.cost(X, t))


Machine().fit(X, t)
"""


def test_the_steps_of_an_epoch_are_no_single_step(outcome):
    found = outcome(MARGIN)
    assert found.report.ok
    assert found.script.loss == "loss_of_the_batch"
    assert outcome(MARGIN.replace("- x * t[i]", "+ x * t[i]")).report.verdict == "fail"


CRITIC = """
import numpy as np

rng = np.random.default_rng(5)
X = rng.normal(size=(60, 4))
r, a = X @ [1.0, 2, -1, 0], rng.integers(0, 2, 60)
actor, critic = 0.1 * rng.normal(size=(4, 2)), np.zeros(4)


def value_loss(X, r):
    return np.mean((X @ critic - r) ** 2)


for epoch in range(10):
    for k in range(0, 60, 12):
        x, ahead = X[k : k + 12], r[k : k + 12] - X[k : k + 12] @ critic
        p = np.exp(x @ actor)
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(12), a[k : k + 12]] -= 1
        actor -= 0.1 * x.T @ (p * ahead[:, None]) / 12
        critic += 0.1 * 2 * x.T @ ahead / 12
    print(value_loss(X, r))
"""


def test_a_parameter_that_a_borrowed_loss_lacks_leaves_the_verdict_open(outcome):
    assert outcome(CRITIC).report.verdict == "inconclusive"
