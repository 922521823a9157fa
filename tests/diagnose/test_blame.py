"""Which expression a finding blames: the wrong term, the wrong call, one place once."""

import numpy as np
import pytest

import gradcheck
from benchmarks.edits.edit import module_of

HEAD = """
import math
import numpy as np

rng = np.random.default_rng(8)
"""

GATED = """
XS, Y = rng.normal(size=(5, 3)), rng.normal(size=4)

def params():
    return {
        "A": rng.normal(size=(3, 4)), "B": rng.normal(size=(4, 4)), "G": rng.uniform(0.3, 0.9, 4)
    }

def states(p):
    found = [np.zeros(4)]
    for x in XS:
        found.append(np.tanh(x @ p["A"] + (p["G"] * found[-1]) @ p["B"]) + 0.5 * found[-1])
    return found

def loss(p):
    return np.sum((states(p)[-1] - Y) ** 2)

def grad(p):
    s = states(p)
    dA, dB, dG = np.zeros((3, 4)), np.zeros((4, 4)), np.zeros(4)
    carried = 2 * (s[-1] - Y)
    for t in range(len(XS), 0, -1):
        made = s[t] - 0.5 * s[t - 1]
        inner = carried * (1 - made**2)
        dA += np.outer(XS[t - 1], inner)
        dB += np.outer(p["G"] * s[t - 1], inner)
        through = p["B"] @ inner
        dG += through * s[t - 1]
        carried = 0.5 * carried + through  # WRONG
    return {"A": dA, "B": dB, "G": dG}
"""

CENTRED = """
X, Y = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))

def params():
    return {"W": rng.normal(size=(4, 4)), "g": rng.uniform(0.5, 2, 4)}

def normed(x):
    centred = x - np.mean(x, axis=1, keepdims=True)
    size = 1 / np.sqrt(np.mean(centred**2, axis=1, keepdims=True))
    return centred * size, size

def loss(p):
    return np.sum((normed(X @ p["W"])[0] * p["g"] - Y) ** 2)

def grad(p):
    unit, size = normed(X @ p["W"])
    up = 2 * (unit * p["g"] - Y)
    own = up * p["g"]
    shift = np.mean(own, axis=1, keepdims=True)
    along = np.mean(own * unit, axis=1, keepdims=True) + shift  # WRONG
    return {"W": X.T @ (size * (own - shift - unit * along)), "g": np.sum(up * unit, axis=0)}
"""

EARLY = """
X, Y = rng.normal(size=(6, 3)), rng.normal(size=6)

def params():
    return {"w": rng.normal(size=3)}

def loss(p):
    return 0.5 * np.sum((X @ p["w"] - Y) ** 2)

def grad(p):
    error = X @ p["w"] - Y
    found = np.zeros(3)
    for row, e in zip(X, error):
        found = found + e * row
        return {"w": found}  # WRONG
"""

TABLE = """
RATE, PRICE = 0.02, 4.1

def params():
    return {"tax": rng.uniform(1, 2, 5), "fee": rng.uniform(1, 2, 4)}

def loss(p):
    gap = PRICE - p["tax"][3] - p["fee"][2]
    return gap**2 + RATE * (p["tax"][3] ** 2 + p["fee"][2] ** 2)

def by_tax(p):
    return 2 * RATE * 3 - 2 * (PRICE - p["tax"][3] - p["fee"][2])  # WRONG

def grad(p):
    found = {"tax": np.zeros(5), "fee": np.zeros(4)}
    found["tax"][3] = by_tax(p)
    found["fee"][2] = 2 * RATE * p["fee"][2] - 2 * (PRICE - p["tax"][3] - p["fee"][2])
    return found
"""

STABLE = """
X, Y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))

def squash(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))

def bend(z):
    s = squash(z)
    return s * (1 - s)

def params():
    return {"A": rng.normal(size=(3, 4)), "B": rng.normal(size=(4, 2))}

def loss(p):
    return np.sum((squash(X @ p["A"]) @ p["B"] - Y) ** 2)

def grad(p):
    z = X @ p["A"]
    a = squash(z)
    up = 2 * (a @ p["B"] - Y)
    back = up @ p["B"].T
    return {"A": X.T @ (back * bend(a)), "B": a.T @ up}  # WRONG
"""

TWICE = """
X, Y = rng.normal(size=(6, 3)), rng.normal(size=6)

def params():
    return {"w": rng.normal(size=3), "c": rng.normal(size=())}

def loss(p):
    return np.mean(np.abs(X @ p["w"] + p["c"] - Y) ** 3)

def grad(p):
    gap = X @ p["w"] + p["c"] - Y
    slope = 3 * gap * np.abs(gap) / len(Y)
    return {"w": 3.0 * (X.T @ slope), "c": np.sum(slope)}  # WRONG
"""

ENTRIES = """
def params():
    return {"w": np.array([0.4, -0.7])}

def output(p):
    return math.tanh(p["w"][0] * 0.8 + p["w"][1] * 1.7)

def loss(p):
    return (output(p) - 0.2) ** 2

def step(p):
    out, w = output(p), p["w"]
    error = 2 * (out - 0.2)
    by_first = error * (1 - out**2) * 0.8
    by_second = error * 1.7  # WRONG
    w[0] = w[0] - 0.1 * by_first
    w[1] = w[1] - 0.1 * by_second
    return p
"""

SHARED = """
X, OTHER, Y = rng.normal(size=(9, 3)), rng.normal(size=(9, 3)), rng.integers(0, 2, 9)
BEFORE = rng.normal(size=3)

def params():
    return {"w": rng.normal(size=3)}

def chances(w, x=X, heat=1.0):
    z = x @ w
    return 1 / (1 + np.exp(-z / heat))

def loss(p):
    c = chances(p["w"])
    return -np.mean(Y * np.log(c) + (1 - Y) * np.log(1 - c))

def grad(p):
    w = p["w"]
    return {"w": X.T @ (CALL - Y) / len(Y)}  # WRONG
"""

LABELS = """
X, Y = rng.normal(size=(9, 3)), rng.integers(0, 4, 9)

def params():
    return {"w": rng.normal(size=(3, 4))}

def shares(p):
    e = np.exp(X @ p["w"])
    return e / e.sum(axis=1, keepdims=True)

def loss(p):
    return -np.mean(np.log(shares(p)[np.arange(len(Y)), Y]))

def grad(p):
    delta = shares(p)
    delta[:, Y] -= 1  # WRONG
    return {"w": X.T @ (delta / len(Y))}
"""

CALLS = {
    "chances(BEFORE)": ("GC403", "chances(BEFORE)"),
    "chances(w, OTHER)": ("GC406", "chances(w, OTHER)"),
    "chances(1.5 * w)": ("GC418", "1.5 * w"),
    "chances(-w)": ("GC106", "-w"),
    "chances(w, heat=2.0)": ("GC606", "chances(w, heat=2.0)"),
}

CASES = {
    "a term that is wrong in every pass": (GATED, None, "through"),
    "a term too many": (CENTRED, None, None),
    "a return in a loop": (EARLY, "GC407", 'return {"w": found}'),
    "an index for a value": (TABLE, None, None),
    "an output where the input belongs": (STABLE, "GC301", "bend(a)"),
    "labels taken off everywhere": (LABELS, "GC416", "delta[:, Y]"),
    "a number of the text": (TWICE, "GC105", "3.0 * (X.T @ slope)"),
}


def made(source, folder):
    module = module_of(HEAD + source, folder / "user.py")
    return module, (HEAD + source)[: (HEAD + source).index("# WRONG")].count("\n") + 1


@pytest.mark.parametrize("name", CASES)
def test_the_expression_that_is_wrong_is_blamed(name, tmp_path):
    source, code, expression = CASES[name]
    module, line = made(source, tmp_path)
    errors = gradcheck.check(module.loss, module.params(), module.grad).errors
    assert [one.location.line for one in errors] == [line]
    assert code is None or errors[0].code == code
    assert expression is None or errors[0].expression == expression


@pytest.mark.parametrize("call", CALLS)
def test_code_that_the_loss_runs_too_is_not_blamed_but_what_it_is_given(call, tmp_path):
    module, line = made(SHARED.replace("CALL", call), tmp_path)
    (found,) = gradcheck.check(module.loss, module.params(), module.grad).errors
    assert (found.location.line, found.code, found.expression) == (line, *CALLS[call])


def test_an_update_is_not_blamed_for_what_enters_it(tmp_path):
    module, line = made(ENTRIES, tmp_path)
    options = {"loss": module.loss, "learning_rate": 0.1}
    report = gradcheck.check_step(module.step, module.params(), **options)
    assert [one.location.line for one in report.findings if one.location] == [line]


def test_a_gradient_by_the_exponential_of_its_parameters_is_named_by_its_numbers():
    weights = np.array([0.7, -0.4, 1.1])

    def loss(p):
        return float(np.sum(np.sort(np.exp(p) * weights) ** 2))

    report = gradcheck.check(loss, np.log([1.3, 0.8, 0.2]), lambda p: 2 * np.exp(p) * weights**2)
    assert [one.code for one in report.errors] == ["GC605"]


def test_rows_of_a_jacobian_without_a_cause_are_one_finding():
    def both(p):
        return np.array([p[0] * p[1], p[0] + p[1] ** 2, p[0] * p[1] ** 3])

    def wrong(p):
        return np.array([[p[1] + 1, p[0] + 2], [2.0, p[1]], [p[1] ** 2, p[0] * p[1] ** 2]])

    report = gradcheck.check_jacobian(both, np.array([1.3, 0.6]), wrong)
    assert len(report.errors) == 1


THINNED = """
PAGES, MARKS = rng.normal(size=(9, 4)), rng.normal(size=(9, 2))
SHARE = 0.7
KEPT = [(rng.uniform(size=(9, 5)) < SHARE).astype(float) for _ in range(2)]

def params():
    sizes = [(4, 5), (5, 5), (5, 2)]
    return {f"M{n}": rng.normal(size=size) for n, size in enumerate(sizes)}

def rectified(back, z):
    return np.where(SIGN > 0, back, 0.0)

def layers(p):
    out, kept = PAGES, []
    for n, mask in enumerate(KEPT):
        z = out @ p[f"M{n}"]
        kept.append((out, z))
        out = np.maximum(z, 0) * mask / SHARE
    return out, kept

def loss(p):
    return 0.5 * np.sum((layers(p)[0] @ p["M2"] - MARKS) ** 2)

def grad(p):
    out, kept = layers(p)
    error = out @ p["M2"] - MARKS
    found, back = {"M2": out.T @ error}, error @ p["M2"].T
    for n in (1, 0):
        below, z = kept[n]
        back = back * KEPT[n] OP SHARE
        back = rectified(back, z)
        found[f"M{n}"] = below.T @ back
        back = back @ p[f"M{n}"].T
    return found
"""


@pytest.mark.parametrize(
    ("sign", "operator", "line", "code", "fix"),
    [
        # a factor in every layer is one fault at one line
        ("z", "*", "back = back * KEPT[n] * SHARE", "GC418", "divide by `SHARE`"),
        # a helper that is given both chose the wrong one itself
        (
            "back",
            "/",
            "return np.where(back > 0, back, 0.0)",
            "GC307",
            "write `z > 0` for `back > 0`",
        ),
    ],
)
def test_a_slip_in_a_layer_is_blamed_once_where_it_was_made(
    sign, operator, line, code, fix, tmp_path
):
    text = THINNED.replace("SIGN", sign).replace("OP", operator)
    module = module_of(HEAD + text, tmp_path / "thinned.py")
    report = gradcheck.check(module.loss, module.params(), module.grad)
    (found,) = report.errors
    assert (found.location.source.strip(), found.code, found.fix) == (line, code, fix)


class Linear:
    def __init__(self, inputs, outputs):
        draw = np.random.default_rng(5)
        self.w, self.b = draw.normal(size=(inputs, outputs)), draw.normal(size=outputs)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dy):
        self.dw = self.x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.w.T


class Residual:
    """A block whose branch ends in a mask."""

    def __init__(self):
        self.first, self.second = Linear(3, 4), Linear(4, 3)
        self.mask = (np.random.default_rng(6).random((5, 3)) < 0.6) / 0.6

    def forward(self, x):
        self.h = np.tanh(self.first.forward(x))
        return x + self.second.forward(self.h) * self.mask

    def unmasked(self, dy):
        dh = self.second.backward(dy) * (1 - self.h**2)
        return dy + self.first.backward(dh)

    def alone(self, dy):
        dh = self.second.backward(dy * self.mask) * (1 - self.h**2)
        return self.first.backward(dh)


@pytest.mark.parametrize(
    ("name", "code", "expression"),
    [
        ("unmasked", "GC851", "self.second.backward(dy)"),
        ("alone", "GC407", "self.first.backward(dh)"),
    ],
)
def test_the_call_of_a_layer_that_is_right_in_another_call_is_blamed(name, code, expression):
    block = Residual()
    x = np.random.default_rng(7).normal(size=(5, 3))
    report = gradcheck.check_layer(block.forward, getattr(block, name), x)
    assert [(one.code, one.expression) for one in report.findings] == [(code, expression)]


def grouped(x, gain):
    rows = x.reshape(4, 6).T
    mean, variance = rows.mean(axis=0), rows.var(axis=0) + 1e-5
    deviation = np.sqrt(variance)
    z = (rows - mean) / deviation
    z = z.T.reshape(x.shape)
    return gain * z, {"z": z, "deviation": deviation, "gain": gain}


def grouped_back(dout, cache):
    dgain = np.sum(dout * cache["z"], axis=0)
    z = cache["z"].reshape(4, 6).T
    dz = (dout * cache["gain"]).reshape(4, 6).T
    total = np.sum(dz, axis=0)
    dx = dz - total / 6 - np.sum(z, axis=0) * z / 6  # dz * z
    dx /= cache["deviation"]
    return dx.T.reshape(dout.shape), dgain


def test_a_name_that_is_also_used_rightly_in_the_same_sum_is_not_blamed():
    draw = np.random.default_rng(8)
    inputs = (draw.normal(size=(2, 12)), draw.normal(size=12))
    (found,) = gradcheck.check_layer(grouped, grouped_back, inputs).findings
    assert (found.expression, found.fix) == ("np.sum(z, axis=0)", "multiply `z` by `dz`")


def centred(x):
    mean, variance = x.mean(axis=0), x.var(axis=0) + 1e-5
    return (x - mean) / np.sqrt(variance), (x, mean, variance)


def centred_back(dout, cache):
    x, mean, variance = cache
    dvariance = np.sum(dout * (mean - x) * -0.5 * variance**-1.5, axis=0)  # x - mean
    dmean = -np.sum(dout / np.sqrt(variance), axis=0)
    return dout / np.sqrt(variance) + dvariance * 2 * (x - mean) / len(x) + dmean / len(x)


def test_what_is_the_negative_of_a_derivative_has_the_wrong_sign_where_it_is_made():
    x = np.random.default_rng(9).normal(size=(6, 3))
    (found,) = gradcheck.check_layer(centred, centred_back, x).findings
    assert found.code == "GC106"
    assert found.expression.startswith("dout * (mean - x)")


class Regression:
    def __init__(self):
        draw = np.random.default_rng(10)
        self.x, self.y = draw.normal(size=(9, 4)), draw.normal(size=(9, 3))
        self.w, self.b = draw.normal(size=(4, 3)), draw.normal(size=3)

    def loss(self):
        return 0.5 * np.sum((self.x @ self.w + self.b - self.y) ** 2) / 9

    def gradients(self):
        rest = self.x @ self.w + self.b - self.y
        return self.x.T @ rest / 9, rest.sum(axis=0)

    def step(self):
        dw, db = self.gradients()
        self.w -= 0.1 * dw
        self.b -= 0.1 * db


def test_a_sum_for_a_mean_comes_before_the_learning_rate():
    report = gradcheck.check_step(
        Regression.step, Regression(), loss=Regression.loss, learning_rate=0.1
    )
    assert [found.expression for found in report.findings] == ["rest.sum(axis=0)"]


def both(p):
    """The loss and the gradients of a walk through time, by one function."""
    states, loss, draw = [np.zeros((4, 1))], 0.0, np.random.default_rng(11)
    inputs, aims = draw.normal(size=(2, 5, 4, 1))
    for x, aim in zip(inputs, aims, strict=True):
        states.append(np.tanh(x + np.dot(p["w"], states[-1])))
        loss += 0.5 * np.sum((np.dot(p["v"], states[-1]) - aim) ** 2)
    dw, dv = np.zeros((4, 4)), np.zeros((4, 4))
    for t in reversed(range(5)):
        dy = np.dot(p["v"], states[t + 1]) - aims[t]
        dv += np.dot(dy, states[t + 1].T)
        dh = np.dot(p["v"].T, dy)  # + what the next step sends back
        raw = (1 - states[t + 1] ** 2) * dh
        dw += np.dot(raw, states[t].T)
    return loss, dw, dv


def test_what_the_loss_runs_too_is_no_other_call_of_the_gradient():
    draw = np.random.default_rng(12)
    params = {"w": 0.5 * draw.normal(size=(4, 4)), "v": draw.normal(size=(4, 4))}
    held = gradcheck.parameters(params, in_place=True)
    report = gradcheck.check(lambda: both(params)[0], held, lambda: both(params)[1:])
    assert report.findings[0].expression == "(1 - states[t + 1] ** 2) * dh"
