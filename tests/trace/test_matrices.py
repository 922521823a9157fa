"""Matrices of numpy's: `*` is their product, and what is taken out of them has two axes."""

import math

import numpy as np
import pytest
from named_bugs import assert_found, bugs

from gradcheck.trace.record.calling import trace_call

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

RNG = np.random.default_rng(6)
ROWS = RNG.normal(size=(3, 3))

EXPRESSIONS = {
    "products": lambda m, a: m * m.T * 2 + 2 * m - m * a,
    "an array by a matrix": lambda m, a: a * m,
    "a fixed matrix": lambda m, a: np.matrix(ROWS) * m,
    "a vector": lambda m, a: m[0] * a + a[0] * m,
    "powers": lambda m, a: m**3,
    "in place": lambda m, a: doubled(m),
    "entries": lambda m, a: np.multiply(m, np.exp(m)) / 2,
    "a row, and a column": lambda m, a: m[1] * m[:, 1] + m[:, 0].T * m[0, :].T,
    "rows": lambda m, a: [row * m for row in m],
    "sums": lambda m, a: m.sum(axis=1) * np.sum(m, axis=0) + m.mean(1) * m.max(axis=0),
    "all of it": lambda m, a: m.sum() + np.mean(m) + m[0, 1],
    "arrays of it": lambda m, a: m.A * m.A + np.asarray(m) * a + m.getA(),
    "one axis": lambda m, a: np.ravel(m) * m.A1 * np.asarray(m.ravel() * 1.0)[0],
    "flat": lambda m, a: m.flatten() * m.ravel().T,
    "joined": lambda m, a: np.concatenate((m, m * m), axis=1) * np.vstack([m, m]),
    "inserted": lambda m, a: np.insert(m, 0, 1.0, axis=1) * np.ones((4, 2)),
    "chosen": lambda m, a: np.where(m > 0, m, 0 * m) * a,
    "inverse": lambda m, a: m.I * m.getT() * np.linalg.inv(m),
    "made of an array": lambda m, a: np.asmatrix(a) * np.matrix(a[0]).T,
    "single numbers": lambda m, a: limited(m) * limited(a),
    "written": lambda m, a: with_a_row(m) * m,
}


@np.vectorize
def limited(number):
    if number > 1:
        return 1.0
    return math.tanh(number)


def doubled(m):
    m = m.copy()
    m *= 2
    m *= m.T
    return m


def with_a_row(m):
    m = m.copy()
    m[0, :] = m[1, :] * m
    return m


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_is_followed_is_what_numpy_does(name):
    function = EXPRESSIONS[name]
    matrix, array = np.matrix(RNG.normal(size=(3, 3))), RNG.normal(size=(3, 3))
    wanted = function(matrix, array)
    trace = trace_call(lambda given: function(*given), [matrix, array])
    assert trace.error is None
    assert not trace.leaks
    found = trace.returned[0]
    pairs = zip(found, wanted, strict=True) if isinstance(wanted, list) else [(found, wanted)]
    for one, other in pairs:
        assert np.shape(one) == np.shape(other)
        assert np.allclose(np.asarray(one), np.asarray(other), 1e-12)


NETWORK = """
import numpy as np

rng = np.random.default_rng(3)
x, t = np.matrix(rng.normal(size=(7, 3))), np.matrix(rng.normal(size=(7, 2)))


def params():
    return {"v": np.matrix(rng.normal(size=(3, 4))), "w": np.matrix(rng.normal(size=(4, 2)))}


def loss(p):
    gap = np.tanh(x * p["v"]) * p["w"] - t
    return np.multiply(gap, gap).sum() / len(x)


def grad(p):
    h = np.tanh(x * p["v"])
    d = 2 * (h * p["w"] - t) / len(x)
    back = np.multiply(d * p["w"].T, 1 - np.multiply(h, h))
    return {"v": x.T * back, "w": h.T * d}
"""

FLAT = """
import numpy as np

rng = np.random.default_rng(5)
x, t = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))


def params():
    return {"theta": rng.normal(size=20)}


def unpacked(p):
    inner, outer = p["theta"][:12], p["theta"][12:]
    return np.matrix(np.reshape(inner, (4, 3))), np.matrix(np.reshape(outer, (2, 4)))


def loss(p):
    inner, outer = unpacked(p)
    out = np.tanh(np.matrix(x) * inner.T) * outer.T
    return np.sum(np.power(out - t, 2)) + 0.1 * np.sum(np.power(inner, 2))


def grad(p):
    inner, outer = unpacked(p)
    h = np.tanh(np.matrix(x) * inner.T)
    of_inner, of_outer = np.zeros(inner.shape), np.zeros(outer.shape)
    for row in range(len(x)):
        d = 2 * (h[row, :] * outer.T - t[row])
        back = np.multiply(d * outer, 1 - np.power(h[row, :], 2))
        of_inner = of_inner + back.T * x[row : row + 1, :]
        of_outer = of_outer + d.T * h[row, :]
    of_inner = of_inner + 0.2 * inner
    return {"theta": np.concatenate((np.ravel(of_inner), np.ravel(of_outer)))}
"""


ONE_BY_ONE = """
import math
import numpy as np

rng = np.random.default_rng(8)
x, t = np.asmatrix(rng.normal(size=(5, 3))), np.asmatrix(rng.normal(size=(5, 2)))


def params():
    return {"v": rng.normal(size=(3, 4)), "w": rng.normal(size=(4, 2))}


@np.vectorize
def logistic(number):
    if number > 30:
        return 1.0
    return 1 / (1 + math.exp(-number))


def loss(p):
    return np.sum(np.square(logistic(x * p["v"]) * p["w"] - t))


def grad(p):
    h = logistic(x * p["v"])
    d = 2 * (h * p["w"] - t)
    back = np.multiply(d * p["w"].T, np.multiply(h, 1 - h))
    return {"v": x.T * back, "w": h.T * d}
"""


@bugs(
    (ONE_BY_ONE, 'np.multiply(d * p["w"].T, np.multiply(h, 1 - h))', 'd * p["w"].T', "GC303"),
    (NETWORK, "1 - np.multiply(h, h)", "1 - h", "GC305"),
    (NETWORK, "/ len(x)\n    back", "\n    back", "GC101"),
    (NETWORK, 'd * p["w"].T', 'd * p["w"].T * 3', "GC105"),
    (FLAT, "0.2 * inner", "0.3 * inner", "GC105"),
    (FLAT, "of_outer + d.T", "d.T", "GC701"),
)
def test_a_bug_has_its_line(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)
