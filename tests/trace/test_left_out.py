"""What a gradient leaves out, in loops, penalties, recursions and parts of a batch."""

import inspect

import numpy as np
import pytest
from named_bugs import first_finding

import gradcheck

RNG = np.random.default_rng(29)


def first_of(report):
    """The code and the words of the first finding, and the line of source where it stands."""
    assert report.verdict == "fail", report
    first = report.findings[0]
    lines = inspect.getsource(inspect.getmodule(first_of)).splitlines()
    return first.code, first.message, lines[first.location.line - 1]


# A ranking loss in a loop: every violated margin moves two columns.

ITEMS, BEST = RNG.normal(size=(7, 4)), [0, 2, 1, 1, 0, 2, 2]


def ranking(p):
    total = 0.0
    for item, best in zip(ITEMS, BEST, strict=True):
        score = np.sinh(item @ p["W"])
        for other in range(3):
            if other != best and score[other] - score[best] + 0.5 > 0:
                total += score[other] - score[best] + 0.5
    return total


def ranking_grad(p):
    dW = np.zeros_like(p["W"])
    for item, best in zip(ITEMS, BEST, strict=True):
        z = item @ p["W"]
        score = np.sinh(z)
        for other in range(3):
            if other != best and score[other] - score[best] + 0.5 > 0:
                dW[:, other] += item * np.cosh(z[other])  # here
    return {"W": dW}


# A factorisation whose penalty has four pieces, one for every array.

SEEN = [(0, 1, 2.0), (2, 0, 1.0), (1, 1, 3.0), (0, 2, 0.5)]


def factored(p):
    total = 0.0
    for row, column, value in SEEN:
        error = p["U"][row] @ p["V"][column] + p["b"][row] + p["c"][column] - value
        total += np.cosh(error) + 0.3 * (p["b"][row] ** 2 + p["c"][column] ** 2)
        total += 0.2 * (p["U"][row] @ p["U"][row] + p["V"][column] @ p["V"][column])
    return total


def factored_grad(p):
    g = {name: np.zeros_like(value) for name, value in p.items()}
    for row, column, value in SEEN:
        d = np.sinh(p["U"][row] @ p["V"][column] + p["b"][row] + p["c"][column] - value)
        g["U"][row] += d * p["V"][column] + 0.4 * p["U"][row]
        g["V"][column] += d * p["U"][row] + 0.4 * p["V"][column]
        g["b"][row] += d + 0.6 * p["b"][row]
        g["c"][column] += d  # here
    return g


# Of a penalty on differences one half has been forgotten.


def rough(w):
    steps = w[1:] - w[:-1]
    return np.sum(np.exp(ITEMS[:, 0:1] * w)) + 0.7 * np.sum(steps**2)


def rough_grad(w):
    g = np.sum(ITEMS[:, 0:1] * np.exp(ITEMS[:, 0:1] * w), axis=0)
    g[:-1] -= 1.4 * (w[1:] - w[:-1])  # here
    return g


# A recursion that is differentiated forward.

PUSHES, SEEN_STATES = RNG.normal(size=6), RNG.normal(size=6)


def recursion(p):
    state, total = 0.2, 0.0
    for push, seen in zip(PUSHES, SEEN_STATES, strict=True):
        state = np.sin(p["a"] * state + p["b"] * push)
        total += (state - seen) ** 2
    return total


def recursion_grad(p):
    state, by_a, by_b, g = 0.2, 0.0, 0.0, {"a": 0.0, "b": 0.0}
    for push, seen in zip(PUSHES, SEEN_STATES, strict=True):
        inner = p["a"] * state + p["b"] * push
        by_a = np.cos(inner) * (state + p["a"] * by_a)
        by_b = np.cos(inner) * push  # here
        state = np.sin(inner)
        g["a"] += 2 * (state - seen) * by_a
        g["b"] += 2 * (state - seen) * by_b
    return g


def late_recursion_grad(p):
    state, by_a, by_b, g = 0.2, 0.0, 0.0, {"a": 0.0, "b": 0.0}
    for push, seen in zip(PUSHES, SEEN_STATES, strict=True):
        inner = p["a"] * state + p["b"] * push
        state = np.sin(inner)
        by_a = np.cos(inner) * (state + p["a"] * by_a)  # here
        by_b = np.cos(inner) * (push + p["a"] * by_b)
        g["a"] += 2 * (state - seen) * by_a
        g["b"] += 2 * (state - seen) * by_b
    return g


SCALARS = {"a": np.array(0.8), "b": np.array(-0.6)}
FACTORS = {"U": RNG.normal(size=(3, 2)), "V": RNG.normal(size=(3, 2))}
FACTORS |= {"b": RNG.normal(size=3), "c": RNG.normal(size=3)}


@pytest.mark.parametrize(
    ("loss", "params", "grad", "code", "said"),
    [
        (ranking, {"W": RNG.normal(size=(4, 3))}, ranking_grad, "GC407", "`score[best]`"),
        (factored, FACTORS, factored_grad, "GC602", '`p["c"][column] ** 2`'),
        (rough, RNG.normal(size=5), rough_grad, "GC407", "`w[1:]`"),
        (recursion, SCALARS, recursion_grad, "GC407", '`p["a"] * state`'),
        (recursion, SCALARS, late_recursion_grad, "GC999", ""),
    ],
)
def test_what_is_left_out_is_said_at_its_line(loss, params, grad, code, said):
    found, message, source = first_of(gradcheck.check(loss, params, grad))
    assert (found, source.endswith("# here")) == (code, True), message
    assert said in message


# A gradient that adds up parts of a batch.

INPUTS, WANTED = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))
NET = {"A": RNG.normal(size=(3, 5)), "B": RNG.normal(size=(5, 2))}


def batch_loss(p):
    return np.sum(np.log(np.cosh(np.tanh(INPUTS @ p["A"]) @ p["B"] - WANTED)))


def of_part(p, x, y):
    h = np.tanh(x @ p["A"])
    d = np.tanh(h @ p["B"] - y)
    return x.T @ (d @ p["B"].T), h.T @ d  # here


def by_parts(p):
    dA, dB = np.zeros((3, 5)), np.zeros((5, 2))
    for start in range(0, 12, 4):
        one, other = of_part(p, INPUTS[start : start + 4], WANTED[start : start + 4])
        dA += one
        dB += other
    return {"A": dA, "B": dB}


def test_a_slope_that_every_part_of_a_batch_lacks_is_found():
    found, message, source = first_of(gradcheck.check(batch_loss, NET, by_parts))
    assert (found, source.endswith("# here")) == ("GC303", True), message


# A layer hands what arrives to the helper that is there for its slope.


class Bent:
    def ahead(self, z):
        self.z = z
        return np.arctan(z)

    def slope(self, z):
        return 1 / (1 + z**2)

    def back(self, arriving):
        return arriving * self.slope(arriving)  # here


def layers_loss(p):
    return np.sum(np.exp(Bent().ahead(INPUTS @ p["A"]) @ p["B"]))


def layers_grad(p):
    bent = Bent()
    h = bent.ahead(INPUTS @ p["A"])
    d = np.exp(h @ p["B"])
    dz = bent.back(d @ p["B"].T)
    return {"A": INPUTS.T @ dz, "B": h.T @ d}


def test_what_a_function_was_given_rightly_is_handed_on_there():
    found, message, source = first_of(gradcheck.check(layers_loss, NET, layers_grad))
    assert (found, source.endswith("# here")) == ("GC307", True), message


# What comes back through the next state of a differential equation, which is used often.

STEP, START = 0.2, np.array([0.9, -0.4])
OBSERVED = np.random.default_rng(31).normal(size=(5, 2))


def moved(p, s):
    push = p[0] * s[1] - p[1] * s[0] * s[0]
    pull = -p[2] * np.sin(s[0]) - p[0] * s[1]
    return s + STEP * np.array([push, pull])


def trajectory(p):
    s, total = START, 0.0
    for seen in OBSERVED:
        s = moved(p, s)
        total += np.sum((s - seen) ** 2)
    return total


def swept(p, back):
    states = [START]
    for _ in OBSERVED:
        states.append(moved(p, states[-1]))
    carried, g = np.zeros(2), np.zeros(3)
    for n in reversed(range(len(OBSERVED))):
        s = states[n]
        carried = carried + 2 * (states[n + 1] - OBSERVED[n])
        g[0] += STEP * (carried[0] * s[1] - carried[1] * s[1])
        g[1] += STEP * carried[0] * -s[0] * s[0]
        g[2] += STEP * carried[1] * -np.sin(s[0])
        slopes = np.array([[-2 * p[1] * s[0], p[0]], [-p[2] * np.cos(s[0]), -p[0]]])
        carried = back(slopes, carried)
    return g


def whole_sweep(p):
    return swept(p, lambda slopes, carried: carried + STEP * (slopes.T @ carried))


def turned_sweep(p):
    return swept(p, lambda slopes, carried: carried + STEP * (slopes @ carried))  # here


def short_sweep(p):
    return swept(p, lambda slopes, carried: STEP * (slopes.T @ carried))  # here


@pytest.mark.in_full
def test_what_a_state_brings_back_through_the_next_one():
    start = np.array([0.7, 0.5, 1.1])
    assert gradcheck.check(trajectory, start, whole_sweep).ok
    for sweep, code in ((turned_sweep, "GC201"), (short_sweep, "GC407")):
        found, message, source = first_of(gradcheck.check(trajectory, start, sweep))
        assert (found, source.endswith("# here")) == (code, True), message


# Dropout after a relu: `a > 0` would tell of the mask as well.

UNITS_KEPT = (RNG.random((9, 6)) < 0.6) * 1.0
UNITS_KEPT[0] = 0.0
ROWS, GOALS = RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2))


def dropped_out(p):
    a = np.maximum(ROWS @ p["A"], 0) * UNITS_KEPT / 0.6
    return np.sum((np.maximum(a @ p["B"], 0) @ p["C"] - GOALS) ** 2)


def kept_grad(p, mask):
    z = ROWS @ p["A"]
    a = np.maximum(z, 0) * UNITS_KEPT / 0.6
    y = a @ p["B"]
    d = 2 * (np.maximum(y, 0) @ p["C"] - GOALS)
    dy = d @ p["C"].T * (y > 0)
    da = mask(dy @ p["B"].T)
    dz = da * (z > 0)
    return {"A": ROWS.T @ dz, "B": a.T @ dy, "C": np.maximum(y, 0).T @ d}


def test_a_mask_that_is_forgotten_before_a_relu():
    shapes = {"A": (4, 6), "B": (6, 5), "C": (5, 2)}
    params = {name: np.random.default_rng(6).normal(size=shape) for name, shape in shapes.items()}
    right = gradcheck.check(
        dropped_out, params, lambda p: kept_grad(p, lambda g: g * UNITS_KEPT / 0.6)
    )
    assert right.ok, str(right)
    report = gradcheck.check(dropped_out, params, lambda p: kept_grad(p, lambda g: g / 0.6))
    found, message, _ = first_of(report)
    assert found == "GC851", message
    assert "UNITS_KEPT" in message or "mask" in message


SHARES = """
import numpy as np

rng = np.random.default_rng(6)
rows, chosen = rng.normal(size=(7, 3)), rng.integers(0, 4, 7)


def forward(p):
    scores = rows @ p["W"] + p["b"]
    highest = scores.max(axis=1, keepdims=True)
    weights = np.exp(scores - highest)
    total = weights.sum(axis=1, keepdims=True)
    return scores, weights, total, weights * total**-1


def loss(p):
    return -np.log(forward(p)[-1])[np.arange(7), chosen].sum()


def grad(p):
    scores, weights, total, shares = forward(p)
    dshares = np.zeros_like(shares)
    dshares[np.arange(7), chosen] = -1 / shares[np.arange(7), chosen]
    dweights = total**-1 * dshares
    dtotal = -(total**-2) * (weights * dshares).sum(axis=1, keepdims=True)
    dweights = dweights + dtotal
    dscores = weights * dweights
    dhighest = -dscores.sum(axis=1, keepdims=True)
    dscores = dscores + np.eye(4)[scores.argmax(axis=1)] * dhighest
    return {"W": rows.T @ dscores, "b": dscores.sum(axis=0)}


def params():
    return {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
"""


def test_a_path_that_is_left_out_is_not_looked_for_in_a_constant_further_on(tmp_path):
    right, wrong = "    dweights = dweights + dtotal\n", ""
    finding, _, report = first_finding(SHARES, right, wrong, tmp_path)
    assert finding.location.source == "dweights = total**-1 * dshares", report
