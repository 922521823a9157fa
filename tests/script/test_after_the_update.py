"""A loss that follows the update is named by what it is made of, not by the gradient before it."""

import pytest

FUNCTIONS = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
y = (X[:, 1] > 0.2) * 1.0
w = np.zeros(3)
lr, kept = 0.1, []


def output(w):
    return 1 / (1 + np.exp(-X @ w))


def WORD(w):
    p = output(w)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def slope(w):
    return X.T @ (output(w) - y) / len(y)


for turn in range(30):
    UPDATE
    kept.append(WORD(w))
"""
UPDATES = [
    "w = w - lr * slope(w)",
    "w -= 0.1 * slope(w)",
    "w -= lr * X.T @ (output(w) - y) / len(y)",
]


@pytest.mark.parametrize("word", ["cost", "custo", "perdida"])
@pytest.mark.parametrize("update", UPDATES)
def test_the_cause_is_named_where_the_loss_follows_the_update(outcome, update, word):
    text = FUNCTIONS.replace("UPDATE", update).replace("WORD", word)
    assert outcome(text).report.ok
    (found,) = outcome(text.replace("(w) - y", "(w) + y")).report.errors
    assert found.code == "GC106"
    assert "output(w) + y" in found.message


@pytest.mark.parametrize("update", ["w - 0.1 * slope(w)", "w - lr * slope(w)"])
def test_a_penalty_that_is_too_large_is_no_weight_decay(outcome, update):
    text = FUNCTIONS.replace("UPDATE", f"w = {update}").replace("WORD", "cost")
    text = text.replace("np.log(1 - p))", "np.log(1 - p)) + 0.05 * np.sum(w**2)")
    assert outcome(text.replace("/ len(y)\n", "/ len(y) + 0.1 * w\n")).report.ok
    (found,) = outcome(text.replace("/ len(y)\n", "/ len(y) + 0.3 * w\n")).report.errors
    assert found.code == "GC604"


RAISING = """
import numpy as np

rng = np.random.default_rng(0)


class Netz:
    def __init__(self):
        self.gewichte = [rng.normal(size=(2, 5)), rng.normal(size=(5, 1))]

    def vor(self, x):
        self.h = np.tanh(x @ self.gewichte[0])
        return self.h @ self.gewichte[1]

    def lerne(self, x, d):
        delta = d @ self.gewichte[1] * (1 - self.h**2)
        self.gewichte[1] -= 0.1 * self.h.T @ d
        self.gewichte[0] -= 0.1 * x.T @ delta


netz = Netz()
x = rng.normal(size=(20, 2))
for runde in range(20):
    aus = netz.vor(x)
    fehler = np.mean((aus - x[:, :1]) ** 2)
    netz.lerne(x, 2 * (aus - x[:, :1]) / len(x))
"""


def test_what_a_function_of_the_loop_would_update_is_known_where_it_raises(outcome):
    found = outcome(RAISING)
    assert found.script.params == ("netz.gewichte[0]", "netz.gewichte[1]")
    assert [one.code for one in found.report.errors] == ["GC202"]


def test_what_raises_is_wrong_beside_a_parameter_that_an_inferred_loss_lacks(outcome):
    found = outcome("""
import numpy as np

rng = np.random.default_rng(0)
P, Y, speed = rng.normal(size=(6, 6)), rng.normal(size=(6, 2)), np.zeros((6, 2))
for turn in range(20):
    Q = Y @ Y.T
    PQ = P - Q
    slope = np.zeros_like(Y)
    for j in range(6):
        slope[j] = np.sum((P[:, j] @ Q[:, j])[:, None] * (Y[j] - Y), axis=0)
    speed = 0.5 * speed - 0.1 * slope
    Y = Y + speed
""")
    assert found.script.params == ("Y",)
    assert [one.code for one in found.report.errors] == ["GC210"]
