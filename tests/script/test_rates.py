"""Where a script keeps its learning rate, and what only looks like one."""

import pytest

TABLE = """
import numpy as np
rng = np.random.default_rng(8)
x, t = rng.normal(size=(15, 3)), rng.normal(size=(15, 2))
"""

MODEL = """
import numpy as np

class Map:
    def __init__(self):
        self.k = np.random.default_rng(1).normal(size=(3, 2))

    def ahead(self, x):
        self.x, self.y = x, np.tanh(x @ self.k)
        return self.y

    def back(self, t):
        self.g = self.x.T @ ((self.y - t) * (1 - self.y**2))

    def move(self, learning_rate=1e-3):
        self.k = self.k - learning_rate * self.g
"""

TRAINING = """
from model import Map
m = Map()
for turn in range(9):
    loss = 0.5 * np.sum((m.ahead(x) - t) ** 2)
    m.back(t)
    m.move(RATE)
"""

PASSES = """
k = rng.normal(size=(3, 2))
for turn in range(9):
    made = [np.tanh(x @ k)]
    for a in range(1):
        off = made[1 - a - 1] - t[:15 - a]
        k -= 0.05 * x.T @ (off * (1 - made[0]SQUARED))
"""


@pytest.fixture
def outcome(outcome):
    return lambda text, **modules: outcome(TABLE + text, **modules)


@pytest.mark.parametrize("rate", ["1e-3", "1e-2 / 10", "1e-3 * 2 ** -(turn // 50)"])
@pytest.mark.parametrize("slope", ["(1 - self.y**2)", "(1 - self.y)"])
def test_a_rate_may_be_given_to_a_method_of_another_module(outcome, rate, slope):
    model = MODEL.replace("(1 - self.y**2)", slope)
    found = outcome(TRAINING.replace("RATE", rate), model=model)
    assert "rate    learning_rate = 0.001;" in found.script.text()
    wrong = [(one.code, one.location.line) for one in found.report.findings]
    assert wrong == ([] if "**" in slope else [("GC305", 13)])


@pytest.mark.parametrize(("square", "verdict"), [("**2", "pass"), ("", "fail")])
def test_a_name_in_an_index_is_no_rate(outcome, square, verdict):
    found = outcome(PASSES.replace("SQUARED", square))
    assert found.report.verdict == verdict
    assert "the sum of squares of made[1 - a - 1] - t[:15 - a]" in found.script.text()


ADDED_UP = """
dk, db = np.zeros((3, 2)), np.zeros(2)
k, b = rng.normal(size=(3, 2)), np.zeros(2)
for turn in range(40):
    off = x @ k + b - t
    loss = np.sum(off**2)
    dk SIGN 2 * x.T @ off
    db SIGN 2 * off.sum(axis=0)
    k -= 0.002 * dk
    b -= 0.002 * db
"""


def test_a_gradient_that_no_pass_sets_back_is_no_velocity(outcome):
    found = outcome(ADDED_UP.replace("SIGN", "+="))
    assert found.report.verdict == "fail"
    [finding] = [one for one in found.report.findings if one.location.source.startswith("dk")]
    assert finding.code == "GC801"
    assert "set `dk` to 0" in finding.fix
    assert outcome(ADDED_UP.replace("SIGN", "=")).report.ok
    shrinking = ADDED_UP.replace("dk SIGN", "dk = 0.9 * dk +").replace("db SIGN", "db = 0.9 * db +")
    assert outcome(shrinking).report.ok


BY_NAME = """
import numpy as np

rng = np.random.default_rng(3)
x, t = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))


class Net:
    def __init__(self):
        self.W1, self.W2 = rng.normal(size=(3, 4)), rng.normal(size=(4, 1))

    def backward(self, hidden, delta):
        slopes = {"W1": np.zeros_like(self.W1)}
        slopes["W2"] = hidden.T @ delta
        slopes["W1"] += x.T @ (delta @ self.W2.T * (1 - hidden**OWN))
        return slopes


net = Net()
for turn in range(30):
    hidden = np.tanh(x @ net.W1)
    gap = hidden @ net.W2 - t
    loss = np.mean(gap**2)
    slopes = net.backward(hidden, 2 * gap / 12)
    for name in slopes:
        setattr(net, name, getattr(net, name) - 0.05 * slopes[name])
"""

BY_FUNCTIONS = """
import numpy as np
from scipy.special import expit

rng = np.random.default_rng(4)
x, t = rng.normal(size=(3, 15)), rng.integers(2, size=(1, 15))
alpha = 0.1
new = theta = rng.normal(size=(3, 1))
error_log = np.empty(30)
for turn in range(30):
    out = expit(np.dot(theta.T, x))
    terms = np.add(np.multiply(t, np.log(out)), np.multiply(1 - t, np.log(1 - out)))
    error_log[turn] = -terms.sum() / 15
    slopes = np.dot(np.subtract(out**OWN, t), x.T)
    theta = np.subtract(new, np.multiply(alpha / 15, slopes.T))
    new = theta
"""


@pytest.mark.parametrize(("text", "right"), [(BY_NAME, 2), (BY_FUNCTIONS, 1)])
def test_an_update_may_be_written_by_functions(outcome, text, right):
    found = outcome(text.replace("OWN", str(right)))
    assert found.report.ok, str(found.report)
    assert not found.script.notes, found.script.notes
    assert not outcome(text.replace("OWN", "3")).report.ok
