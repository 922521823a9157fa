"""Passes that take long are replayed with a part of the rows of their data."""

import pytest

from gradcheck.script import rows

BATCH = """
import numpy as np
rng = np.random.default_rng(0)
X, t = rng.normal(size=(600, 3)), rng.normal(size=(600, 1))
m = len(X)
w, b = rng.normal(size=(3, 1)), np.zeros((1, 1))
for epoch in range(5):
    error = np.tanh(X @ w + b) - t
    loss = np.mean(error**2)
    delta = 2 * error * (1 - (error + t) ** 2) / {count}
    w = w - 0.1 * X.T @ delta
    b = b - 0.1 * np.sum({delta}, axis=0, keepdims=True)
    print(loss)
"""

SAMPLES = """
import numpy as np
rng = np.random.default_rng(0)
data = [(rng.normal(size=3), rng.normal()) for _ in range(300)]
class Model:
    def __init__(self, size):
        self.w, self.size = rng.normal(size=3), size
    def train(self, rate):
        cost, slope = 0.0, 0.0
        for x, y in data:
            error = x @ self.w - y
            cost += 0.5 * error**2 / self.size
            slope += {slope} / self.size
        self.w -= rate * slope
        return cost
model = Model(len(data))
for epoch in range(5):
    cost = model.train(0.1)
    print(cost)
"""

IN_ORDER = """
import numpy as np
rng = np.random.default_rng(0)
X, y = rng.normal(size=(500, 3)), rng.normal(size=500)
order = rng.permutation(500)
w = np.ones(3)
for epoch in range(5):
    error = X[order] @ w - y[order]
    loss = np.mean(error**2)
    w = w - 0.1 * 2 / 500 * X[order].T @ error
    print(loss)
"""


INFERRED = """
import numpy as np
rng = np.random.default_rng(1)
X, labels = rng.normal(size=(4, 500)), rng.integers(3, size=500)
W, b = rng.normal(size=(3, 4)), np.zeros((3, 1))
for epoch in range(5):
    Z = W @ X + b
    A = np.exp(Z) / np.sum(np.exp(Z), axis=0)
    targets = np.eye(3)[labels].T
    delta = A - targets
    W = W - 0.1 / 500 * delta @ X.T
    b = b - 0.1 / 500 * np.sum(delta)
    print(np.mean(A.argmax(0) == labels))
"""


@pytest.fixture(autouse=True)
def slow(monkeypatch):
    monkeypatch.setattr(rows, "SLOW_PASS", 0.0)
    monkeypatch.setattr(rows, "KEPT", (40, 16))


def of_rows(found):
    return [one for one in found.script.notes if "rows of its data" in one]


@pytest.mark.parametrize("count", ["m", "600"])
def test_a_slow_pass_is_right_with_fewer_rows(outcome, count):
    found = outcome(BATCH.format(count=count, delta="delta"))
    assert found.report.verdict == "pass"
    assert not found.report.up_to
    assert of_rows(found)
    assert any("with all rows" in one for one in found.script.notes) == (count == "600")


def test_what_is_wrong_with_fewer_rows_is_told_with_its_line(outcome):
    found = outcome(BATCH.format(count="m", delta="delta * X[:, :1]"))
    assert [block.name for block in found.report.blocks if block.failed] == ["b"]
    assert found.report.errors[0].location.line == 12
    assert len(of_rows(found)) == 1
    assert " of 600 rows" in of_rows(found)[0]


@pytest.mark.parametrize(("slope", "verdict"), [("error * x", "pass"), ("error * x**2", "fail")])
def test_a_list_of_samples_is_taken_in_part_with_its_length(outcome, slope, verdict):
    found = outcome(SAMPLES.format(slope=slope))
    assert found.report.verdict == verdict
    assert of_rows(found)


ONE_BY_ONE = """
import numpy as np
rng = np.random.default_rng(2)
X, y = rng.normal(size=(300, 3)), rng.normal(size=300)
w, b = rng.normal(size=3), 0.1
for i in range(300):
    error = X[i] @ w + b - y[i]
    loss = 0.5 * error ** 2
    w, b = w - 0.1 * error * X[i] ** 2, b - 0.1 * error
"""


def test_a_pass_over_one_row_is_not_checked_again_with_all_rows(outcome):
    found = outcome(ONE_BY_ONE)
    assert [block.name for block in found.report.blocks if block.failed] == ["w"]
    assert of_rows(found)
    assert not any("with all rows" in one for one in found.script.notes)


def test_indices_of_rows_need_all_of_them(outcome):
    found = outcome(IN_ORDER)
    assert found.report.verdict == "pass"
    assert not of_rows(found)


def test_an_inferred_loss_of_fewer_rows_is_no_other_loss(outcome):
    found = outcome(INFERRED)
    assert [block.name for block in found.report.blocks if block.failed] == ["b"]
    assert of_rows(found)
    assert not any("with all rows" in one for one in found.script.notes)
