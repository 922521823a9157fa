"""Batches that a generator of the script yields: each replay of an iteration gets the same ones."""

import pytest

TRAINER = """
import numpy as np

np.random.seed(4)
rows = np.random.randn(24, 3)
wanted = np.tanh(rows @ np.random.randn(3, 2))

def batches(size):
    while True:
        for at in range(0, 24, size):
            yield rows[at : at + size].copy(), wanted[at : at + size]

class Trainer:
    def __init__(self):
        self.W = 0.3 * np.random.randn(3, 2)
        self.made = batches(6)

    def train(self, turns):
        for turn in range(turns):
            x, t = next(self.made)
            x *= 2
            kept = np.random.rand(*x.shape) < 0.7
            y = np.tanh((x * kept) @ self.W)
            loss = np.sum((y - t) ** 2)
            self.W -= 0.01 * (x * kept).T @ (2 * (y - t) * (1 - y**2))

Trainer().train(40)
"""

FINITE = """
import numpy as np
rng = np.random.default_rng(1)
x, w = rng.normal(size=(30, 3)), rng.normal(size=3)
t = x @ rng.normal(size=3)
rows = (i for i in range(30))
for turn in range(15):
    i, j = next(rows), next(rows)
    e = np.array([x[i] @ w - t[i], x[j] @ w - t[j]])
    loss = e @ e
    w -= 0.01 * (2 * e[0] * x[i] + 2 * e[1] * x[j])
"""


@pytest.mark.parametrize("text", [TRAINER, FINITE])
def test_what_a_generator_yields_is_the_same_in_every_replay(outcome, text):
    report = outcome(text).report
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize(
    ("text", "right", "wrong", "code"),
    [(TRAINER, "(1 - y**2)", "(1 - y)", "GC305"), (FINITE, "+ 2 * e[1]", "- 2 * e[1]", "GC106")],
)
def test_a_bug_in_a_step_on_such_a_batch_is_named(outcome, text, right, wrong, code):
    report = outcome(text.replace(right, wrong)).report
    assert [one.code for one in report.errors] == [code], str(report)
