"""A number that a loop only shows, keeps or compares may be its loss, whatever it is called."""

import ast

import pytest

from gradcheck.script import ScriptEntry
from gradcheck.script.watched import watched_in

START = """
import numpy as np

rng = np.random.default_rng(1)
x, t = rng.normal(size=(9, 3)), rng.normal(size=9)
"""

DECAY = """
a, k, times = 1.0, 0.7, np.abs(t)
trace = []
for turn in range(50):
    model = a * np.exp(-k * times)
    r = (model - x[:, 0]) / 0.3
    chi2 = np.sum(r**2) + 0.5 * k**2
    d = 2 * r / 0.3
    ga, gk = np.sum(d * model) / a, -np.sum(d * model * times) + k
    a -= 1e-3 * ga
    k -= 1e-3 * gk
    trace.append(chi2)
"""

QUADRATIC = """
A, b = x.T @ x, x.T @ t
w, before = np.zeros(3), np.inf
while True:
    f = 0.5 * w @ A @ w - b @ w
    g = A @ w - b
    if abs(f - before) < 1e-9:
        break
    before = f
    w = w - 0.02 * g
"""

KEPT = """
u, values = rng.normal(size=12), []
noisy = u + 0.1
for turn in range(60):
    d = np.diff(u)
    n = np.sqrt(d**2 + 0.01)
    values.append(0.5 * np.sum((u - noisy) ** 2) + 0.2 * np.sum(n))
    pull = np.zeros(12)
    pull[1:] += d / n
    pull[:-1] -= d / n
    u = u - 0.1 * ((u - noisy) + 0.2 * pull)
"""

MOMENTUM = """
w, v = rng.normal(size=3), np.zeros(3)
for turn in range(50):
    m = t * (x @ w)
    q = np.mean(np.log1p(np.exp(-m))) + 0.05 * w @ w
    v = 0.9 * v - 0.3 * (-(x.T @ (t / (1 + np.exp(m)))) / 9 + 0.1 * w)
    speed = np.linalg.norm(v)
    w += v
    print(q, speed)
"""


PAIR = """
def score(p):
    m = t * (x @ p)
    return np.mean(np.log1p(np.exp(-m))), -x.T @ (t / (1 + np.exp(m))) / 9

p = 0.3 * rng.normal(size=3)
for turn in range(40):
    height, slope = score(p)
    p = p - 0.01 * slope
    if turn % 10 == 0:
        print(turn, height)
"""

NEIGHBOURS = """
spots = rng.normal(size=(30, 4)) * 0.5 + 2 * (np.arange(30)[:, None] // 10)
apart = ((spots[:, None] - spots) ** 2).sum(axis=2)
P = np.exp(-apart / 2) * (1 - np.eye(30))
P = np.maximum(P / P.sum(), 1e-12)
place = 0.1 * rng.normal(size=(30, 2))
for turn in range(50):
    near = 1 / (1 + ((place[:, None] - place) ** 2).sum(axis=2)) * (1 - np.eye(30))
    Q = np.maximum(near / near.sum(), 1e-12)
    kl = np.sum(P * np.log(P / Q))
    pull = (P - Q) * near
    slope = 4 * (pull.sum(axis=1)[:, None] * place - pull @ place)
    place = place - 0.5 * slope
    print(turn, kl)
"""


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        (DECAY, "chi2"),
        (QUADRATIC, "f"),
        (KEPT, "values"),
        (MOMENTUM, "q"),
        (PAIR, "height"),
        (NEIGHBOURS, "kl"),
    ],
    ids=["residuals", "a quadratic form", "kept", "momentum", "of a pair", "an inferred one near"],
)
def test_what_a_loop_only_shows_is_its_loss_where_the_steps_descend_it(outcome, text, loss):
    found = outcome(START + text)
    assert found.report.ok, str(found.report)
    assert found.script.loss == loss


def test_one_right_gradient_is_enough_to_believe_it(outcome):
    found = outcome(START + DECAY.replace("* times) + k", "* times) - k"))
    assert found.script.loss == "chi2"
    assert [block.name for block in found.report.blocks if block.failed] == ["k"]


def test_without_one_it_is_no_loss(tmp_path):
    (tmp_path / "main.py").write_text(START + MOMENTUM.replace("+ 0.1 * w)", "+ 0.2 * w)"))
    outcome = ScriptEntry(tmp_path / "main.py").outcome({})
    assert "no loss was found" in outcome.error
    assert "--loss q" in outcome.error


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("f = g(x)", {"f"}),
        ("f = g(x); print(f'{f}')", {"f"}),
        ("f = g(x); kept.append(f)", {"f", "kept"}),
        ("f = g(x); x = x - f", set()),
        ("f = g(x); f += 1", {"f"}),
        ("f += g(x); x -= f", set()),
        ("f = g(x); total = f + 1; print(total)", {"total"}),
        ("f = x", set()),
        ("kept.append(x); x = kept[-1]", set()),
    ],
)
def test_what_is_only_shown_kept_or_compared(body, names):
    assert watched_in(ast.parse(f"for x in y:\n    {body}").body[0]) == names
