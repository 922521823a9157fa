"""A root of the squared error that a script shows is a measure of it, and need not be descended."""

import pytest

SHOWN = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
y = np.tanh(X @ [1.0, -1.0, 0.5])[:, None]
W, V = rng.normal(size=(3, 4)) * 0.5, rng.normal(size=(4, 1)) * 0.5
for turn in range(20):
    h = np.tanh(X @ W)
    e = h @ V - y
    SET
    d = 2 * e / len(X)
    dV, dW = h.T @ d, X.T @ (d @ V.T * (1 - h**2))
    V -= 0.1 * dV
    W -= 0.1 * dW
    print("error", rmse)
"""
OF_ALL, OF_THE_MEAN = "rmse = np.sqrt(np.mean(e**2))", "mse = np.mean(e**2); rmse = mse**0.5"


@pytest.mark.parametrize("measure", [OF_ALL, OF_THE_MEAN])
def test_the_squared_error_beside_its_root_may_be_descended(outcome, measure):
    text = SHOWN.replace("SET", measure)
    assert outcome(text).report.verdict == "pass", str(outcome(text).report)
    errors = outcome(text.replace("1 - h**2", "1 - h")).report.errors
    assert [one.code for one in errors] == ["GC305"]
    assert outcome(text.replace("-= 0.1 * dV", "+= 0.1 * dV")).report.verdict == "fail"


def test_a_root_that_is_descended_is_the_loss(outcome):
    text = SHOWN.replace("SET", OF_ALL).replace("d = 2 * e", "d = e / rmse")
    found = outcome(text)
    assert (found.report.verdict, found.script.loss) == ("pass", "rmse")


def test_a_root_that_is_called_the_loss_is_believed(outcome):
    errors = outcome(SHOWN.replace("SET", OF_ALL).replace("rmse", "loss")).report.errors
    assert [one.code for one in errors] == ["GC601"]
