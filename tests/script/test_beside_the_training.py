"""What a pass moves beside the training, and trials of a step that come before it."""

import pytest

TABLE = """
import numpy as np

rng = np.random.default_rng(8)
x, t = rng.normal(size=(15, 3)), rng.normal(size=(15, 2))
"""

FOLLOWED = """
W, b = rng.normal(size=(3, 2)), np.zeros(2)
net, slow = {"W": W, "b": b}, {"W": W + 0.3, "b": b - 0.2}
for turn in range(30):
    RATE
    wish = t + 0.5 * np.tanh(x @ slow["W"] + slow["b"])
    gap = np.tanh(x @ W + b) - wish
    loss = np.mean(gap**2)
    back = gap * (1 - np.tanh(x @ W + b)POWER) / 15
    for old, slope in zip((W, b), (x.T @ back, back.sum(axis=0))):
        old -= rate * slope
    for name in slow:
        FOLLOWING
"""


@pytest.mark.parametrize(
    "following",
    [
        "slow[name] += 0.05 * (net[name] - slow[name])",
        "slow[name] -= (1 - 0.95) * (slow[name] - net[name])",
        "slow[name] = 0.7 * slow[name] + 0.3 * net[name]",
    ],
)
@pytest.mark.parametrize("rate", ["rate = 0.3", "rate = 0.3 * (1 + np.cos(0.05 * turn))"])
def test_an_average_of_the_parameters_is_not_what_is_trained(outcome, rate, following):
    text = TABLE + FOLLOWED.replace("RATE", rate).replace("FOLLOWING", following)
    found = outcome(text.replace("POWER", "**2"))
    assert found.script.params == ("W", "b")
    assert found.report.ok, str(found.report)
    assert outcome(text.replace("POWER", "**3")).report.verdict == "fail"


SEARCHED = """
def cost(w):
    return np.mean(np.log1p(np.exp(-y * (z @ w)))) + 0.05 * w @ w

def slope(w):
    return z.T @ (-y / (1 + np.exp(y * (z @ w)))) / 15 + 0.1 * w

def searched(w, g, length=8.0):
    while cost(w - length * g) > cost(w) - 0.3 * length * g @ g:
        length *= 0.5
    return length

z, y = 3 * x, np.sign(t[:, 0])
w = np.zeros(3)
for turn in range(20):
    g = slope(w)
    SEARCH
"""

BY_HAND = """before = cost(w)
    length = 8.0
    while cost(w - length * g) > before - 0.3 * length * g @ g:
        length = length * 0.5
    w = w - length * g"""


@pytest.mark.parametrize("search", [BY_HAND, "w -= searched(w, g) * g\n    loss = cost(w)"])
def test_what_a_line_search_finds_is_the_rate(outcome, search):
    text = TABLE + SEARCHED.replace("SEARCH", search)
    found = outcome(text)
    assert found.report.ok, str(found.report)
    assert not found.script.notes
    assert "none" not in found.script.rate_words
    assert outcome(text.replace("+ 0.1 * w", "+ 0.3 * w")).report.verdict == "fail"


NEWTON = """
y = (t[:, 0] > 0) * 1.0
w = np.full(3, 0.1)
for turn in range(8):
    p = 1 / (1 + np.exp(-(x @ w)))
    LOSS
    H = x.T @ (x * (p * (1 - p))[:, None]) + np.eye(3)
    UPDATE
"""

LOGISTIC = "loss = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) + w @ w / 2"
CLIMBED = "loglik = np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))"
SQUARES = "gap = p - y\n    cost = np.sum(gap**2)\n    J = x * (p * (1 - p))[:, None]"


@pytest.mark.parametrize(
    ("loss", "update", "right", "wrong", "code"),
    [
        (LOGISTIC, "w -= np.linalg.solve(H, x.T @ (p - y) + w)", "+ w)", ")", "GC602"),
        (LOGISTIC, "w = w - np.linalg.inv(H) @ (x.T @ (p - y) + w)", "p - y", "y - p", "GC106"),
        (CLIMBED, "w = w + np.linalg.solve(H, x.T @ (y - p))", "(y - p)", "((y - p) * p)", "GC304"),
        (
            SQUARES,
            "w -= np.linalg.solve(J.T @ J + np.eye(3), J.T @ gap)",
            "J.T @ gap",
            "x.T @ gap",
            "GC601",
        ),
    ],
)
def test_the_gradient_that_enters_a_newton_step_is_judged(
    outcome, loss, update, right, wrong, code
):
    text = TABLE + NEWTON.replace("LOSS", loss).replace("UPDATE", update)
    found = outcome(text)
    assert found.report.ok, str(found.report)
    assert "solves a linear system with the gradient" in str(found.report)
    failed = outcome(text.replace(right, wrong))
    assert failed.report.verdict == "fail"
    assert code in [one.code for one in failed.report.errors], str(failed.report)


STOPPED_EARLY = """
held_x, held_t = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
net = {name: 0.4 * rng.normal(size=shape) for name, shape in SHAPES}
cache = {}
rate, lowest, kept, waited = 0.1, FIRST, None, 0

def run(x, t):
    cache["h"] = np.tanh(x @ net["W1"] + net["b1"])
    cache["gap"] = cache["h"] @ net["W2"] + net["b2"] - t
    return np.mean(cache["gap"] ** 2)

for turn in range(40):
    loss = run(x, t)
    back = 2 * cache["gap"] / t.size
    slopes = {"W2": cache["h"].T @ back, "b2": back.sum(axis=0)}
    back = back @ net["W2"].T * (1 - cache["h"] ** 2)
    slopes |= {"W1": x.T @ back, "b1": back.sum(axis=0)}
    for name in net:
        net[name] -= rate * slopes[name]
    held = run(held_x, held_t)
    if held < lowest:
        lowest, kept, waited = held, {name: array.copy() for name, array in net.items()}, 0
    else:
        waited += 1
        if waited > 5:
            break
"""


@pytest.mark.parametrize("first", ["np.inf", "10.0"])
@pytest.mark.parametrize("width", [2, 6, 12])
def test_the_best_parameters_so_far_are_no_parameters(outcome, width, first):
    shapes = [("W1", (3, width)), ("b1", (width,)), ("W2", (width, 2)), ("b2", (2,))]
    text = STOPPED_EARLY.replace("SHAPES", str(shapes)).replace("FIRST", first)
    found = outcome(TABLE + text)
    assert found.script.params == tuple(f"net['{name}']" for name, _ in shapes)
    assert found.report.ok, str(found.report)


FACTORS = """
import numpy as np

rng = np.random.default_rng(12)
R = rng.normal(size=(6, 5))
p = {"U": rng.normal(size=(6, 2)), "V": rng.normal(size=(5, 2))}


def errors(p):
    return p["U"] @ p["V"].T - R


def loss(p):
    return 0.5 * np.sum(errors(p) ** 2) + 0.05 * (np.sum(p["U"] ** 2) + np.sum(p["V"] ** 2))


def grad(p):
    e = errors(p)
    of_rows = e @ p["V"] + 0.1 * p["U"]
    of_columns = e.T @ p["U"]
    return {"U": of_rows, "V": of_columns}


for turn in range(50):
    total = loss(p)
    g = grad(p)
    for name in p:
        p[name] = p[name] - 0.01 * g[name]
"""


def test_a_penalty_is_missing_in_the_function_that_is_to_make_it(outcome):
    found = outcome(FACTORS).report.findings[0]
    assert (found.code, found.location.line) == ("GC602", 20), found
