"""Steps that are right and follow no gradient of one point: in turn, and proximal ones."""

import pytest

HEAD = """
import numpy as np

rng = np.random.default_rng(11)
x, t = rng.normal(size=(12, 4)), rng.normal(size=12)
"""

ALTERNATING = """
rows, columns, seen = rng.normal(size=(6, 2)), rng.normal(size=(5, 2)), rng.normal(size=(6, 5))
for turn in range(9):
    off = seen - rows @ columns.T
    loss = np.sum(off ** 2)
    rows += 0.02 * 2 * off @ columns
    off = seen - rows @ columns.T
    columns += 0.02 * 2 * off.T @ rows
"""

ONE_BY_ONE = """
k = rng.normal(size=4)
for turn in range(9):
    for j in range(4):
        off = x @ k - t
        loss = 0.5 * np.mean(off ** 2)
        k[j] -= 0.3 * x[:, j] @ off / len(off)
"""


BUGS = [(ALTERNATING, ("    off = seen - rows @ columns.T\n    columns", "    columns"))]
BUGS += [(ONE_BY_ONE, ("x[:, j] @ off", "x[:, j] @ (off - t)"))]


@pytest.mark.parametrize(("text", "bug"), BUGS)
def test_updates_in_turn_are_no_gradient_of_one_point(outcome, text, bug):
    report = outcome(HEAD + text).report
    assert report.verdict == "inconclusive", str(report)
    assert "as alternating descent does" in report.could_not_check
    wrong = outcome(HEAD + text.replace(*bug)).report
    assert wrong.verdict == "fail", str(wrong)


SHRUNK = """
def soft_threshold(z, by):
    return np.sign(z) * np.maximum(np.abs(z) - by, 0)

k, lr = rng.normal(size=4), 0.05
for turn in range(9):
    off = x @ k - t
    loss = 0.5 * np.mean(off ** 2) + 0.1 * np.sum(np.abs(k))
    z = k - lr * x.T @ off / len(off)
    k = STEP
"""


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        ("np.sign(z) * np.maximum(np.abs(z) - lr * 0.1, 0)", "inconclusive"),
        ("soft_threshold(z, lr * 0.1)", "inconclusive"),
        ("z - lr * 0.3 * np.sign(k)", "fail"),
    ],
)
def test_what_a_proximal_step_implies_is_no_gradient(outcome, step, verdict):
    text = SHRUNK.replace("STEP", step).replace("np.abs(k)", "np.abs(k) ** 1.5")
    report = outcome(HEAD + text).report
    assert report.verdict == verdict, str(report)
    assert ("as a proximal step does" in (report.could_not_check or "")) == (verdict != "fail")


LAYERS_OF_ADAM = """
class Dense:
    def __init__(self, rows, columns):
        self.w, self.m, self.s, self.count = rng.normal(size=(rows, columns)), 0.0, 0.0, 0

    def ahead(self, x):
        self.x = x
        return x @ self.w

    def back(self, up):
        WAY
        self.dw = self.x.T @ up
        self.count += 1
        self.m = 0.9 * self.m + 0.1 * self.dw
        self.s = 0.99 * self.s + 0.01 * self.dw**2
        ahead = self.m / (1 - 0.9**self.count)
        size = np.sqrt(self.s / (1 - 0.99**self.count)) + 1e-8
        self.w = self.w - 0.05 * ahead / size
        return BACK

below, above = Dense(4, 3), Dense(3, 1)
for turn in range(30):
    h = np.tanh(below.ahead(x))
    off = above.ahead(h) - t[:, None]
    loss = np.mean(off**2)
    below.back(above.back(2 * off / off.size) * (1 - h**2))
"""


@pytest.mark.parametrize(
    ("way", "back", "codes"),
    [
        ("", "up @ self.w.T", ["GC404"]),
        ("to_x = up @ self.w.T", "to_x", []),
        ("to_x = up @ self.w.T; up = up + 0.1 * self.x[:, :1]", "to_x", ["GC414"]),
    ],
)
def test_weights_that_adam_has_updated_are_told_as_that(outcome, way, back, codes):
    found = outcome(HEAD + LAYERS_OF_ADAM.replace("WAY", way).replace("BACK", back))
    assert [one.code for one in found.report.errors] == codes, str(found.report)
