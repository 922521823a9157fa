"""Helpers for a slope, which are right, and are given too little; and one that is wrong itself."""

import numpy as np
import pytest

import gradcheck

DRAW = np.random.default_rng(60)
XS, GOAL = DRAW.normal(size=(4, 5, 3)), DRAW.normal(size=(5, 3))
WEIGHTS = {"A": 0.6 * DRAW.normal(size=(3, 3)), "B": 0.6 * DRAW.normal(size=(3, 3))}


def squashed(z):
    return np.tanh(z)


def squashed_back(back, s):
    return back * (1 - s**2)


def run(p, xs):
    state, kept = np.zeros_like(GOAL), []
    for x in xs:
        a, b = squashed((x + state) @ p["A"]), squashed(x @ p["B"])
        kept.append((x, state, a, b))
        state = a * b
    return state, kept


def loss(p, xs):
    return np.sum((run(p, xs)[0] - GOAL) ** 2)


def without_the_gate(p, xs):
    state, kept = run(p, xs)
    back = 2 * (state - GOAL)
    grads = {"A": 0, "B": 0}
    for x, before, a, b in reversed(kept):
        da = back  # * b
        db = back * a
        dz = squashed_back(da, a)
        grads["A"] = grads["A"] + (x + before).T @ dz
        grads["B"] = grads["B"] + x.T @ squashed_back(db, b)
        back = dz @ p["A"].T
    return grads


@pytest.mark.parametrize("count", [1, 3])
def test_what_a_helper_is_given_lacks_the_factor(count):
    report = gradcheck.check(loss, WEIGHTS, without_the_gate, args=(XS[:count],))
    found = report.findings[0]
    assert (found.code, found.fix) == ("GC413", "multiply `back` by `b`"), str(report)
    assert found.expression == "da = back"


def twice(z):
    return np.tanh(np.exp(z))


def twice_back(back, z):
    r = np.exp(z)
    return back * r  # * (1 - np.tanh(r) ** 2)


def by_helper(p, x):
    z = x @ p["A"]
    back = 2 * (twice(z) + p["c"] - GOAL)
    return {"A": x.T @ twice_back(back, z), "c": back.sum(axis=0)}


def test_what_a_helper_leaves_out_itself_is_missing_there():
    params = {"A": WEIGHTS["A"], "c": DRAW.normal(size=3)}
    report = gradcheck.check(
        lambda p, x: np.sum((twice(x @ p["A"]) + p["c"] - GOAL) ** 2),
        params,
        by_helper,
        args=(XS[0],),
    )
    assert report.findings[0].expression == "back * r", str(report)


class Gated:
    """Sends back the product of `x @ A` and a gate through helpers that know nothing else."""

    def __init__(self, slope_of="gate", given="z"):
        self.A, self.B, self.slope_of, self.given = WEIGHTS["A"], WEIGHTS["B"], slope_of, given

    def forward(self, x):
        inner, z = x @ self.B, np.tanh(x @ self.A)
        gate = 1 / (1 + np.exp(-inner))
        return z * gate, {"z": z, "gate": gate, "inner": inner}

    def backward(self, back, kept):
        z, gate, inner = kept["z"], kept["gate"], kept["inner"]
        if self.slope_of == "gate":
            dinner = sigmoid_back(back * z, gate)
        else:
            dinner = sigmoid_back(back * z, inner)  # gate
        dz = back * gate * tanh_slope(z) if self.given == "z" else back * gate * tanh_slope(back)
        return dz @ self.A.T + dinner @ self.B.T


def sigmoid_back(d_out, out):
    return d_out * out * (1 - out)


def tanh_slope(out):
    return 1 - out**2


@pytest.mark.parametrize(
    ("net", "code", "called"),
    [
        (Gated(slope_of="inner"), "GC302", "sigmoid_back(back * z, inner)"),
        (Gated(given="back"), "GC307", "tanh_slope(back)"),
    ],
)
def test_a_right_helper_that_is_given_another_value_is_wrong_where_it_is_called(net, code, called):
    assert gradcheck.check_layer(Gated().forward, Gated().backward, XS[0]).ok
    found = gradcheck.check_layer(net.forward, net.backward, XS[0]).findings[0]
    assert (found.code, found.expression) == (code, called), found
