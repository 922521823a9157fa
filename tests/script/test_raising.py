"""Scripts that raise, mostly in one forward and backward pass, and gradients of a wrong shape."""

import numpy as np
import pytest

from gradcheck.options import Edits
from gradcheck.script.entry import ScriptEntry

DATA = """
import numpy as np

rng = np.random.default_rng(4)
x, t = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
"""

HOMEWORK = """
W1, b1 = rng.normal(size=(3, 4)), np.zeros(4)
W2, b2 = rng.normal(size=(4, 2)), np.zeros(2)
h = np.tanh(x @ W1 + b1)
d = h @ W2 + b2 - t
loss = 0.5 * np.sum(d**2)
dW2 = h.T @ d
db2 = d.sum(axis=0)
dh = d @ W2.T * (1 - h**2)
dW1 = x.T @ dh
db1 = dh.sum(axis=0)
print(loss, dW1, db1, dW2, db2)
"""

NET = """
class Net:
    def __init__(self):
        self.params = {"W1": rng.normal(size=(3, 4)), "W2": rng.normal(size=(4, 2))}

    def loss(self, x, t):
        h = np.tanh(x @ self.params["W1"])
        d = h @ self.params["W2"] - t
        loss = np.sum(d**2)
        grads = {"W2": 2 * h.T @ d}
        grads["W1"] = 2 * x.T @ (d @ self.params["W2"].T * (1 - h**2))
        return loss, grads

net = Net()
loss, grads = net.loss(x, t)
"""

MAIN = """
def main():
    weights = {}
    for name, shape in [("W1", (3, 4)), ("W2", (4, 2))]:
        weights[name] = 0.3 * rng.normal(size=shape)
    h, y = forward(weights)
    cost = np.mean((y - t) ** 2)
    print(cost, backward(weights, h, y))

def forward(weights):
    h = np.tanh(x @ weights["W1"])
    return h, h @ weights["W2"]

def backward(weights, h, y):
    d = 2 * (y - t) / t.size
    dh = d @ weights["W2"].T
    return {"W1": x.T @ (dh * (1 - h**2)), "W2": h.T @ d}

if __name__ == "__main__":
    main()
"""

ONE_UPDATE = """
syn0, syn1 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
l1 = np.tanh(x @ syn0)
l2 = l1 @ syn1
print("error", np.mean((l2 - t) ** 2))
l2_delta = 2 * (l2 - t) / t.size
l1_delta = l2_delta @ syn1.T * (1 - l1**2)
syn1 -= 0.1 * l1.T @ l2_delta
syn0 -= 0.1 * x.T @ l1_delta
"""

NUMBERS = """
w1, w2, w3 = 0.4, -0.7, 0.3
rate = 0.5
h = np.tanh(1.2 * w1)
E_1 = 0.5 * (0.3 - w2 * h) ** 2
E_2 = 0.5 * (0.1 - w3 * h) ** 2
E_total = E_1 + E_2
delta1, delta2 = w2 * h - 0.3, w3 * h - 0.1
w2_new = w2 - rate * delta1 * h
w3_new = w3 - rate * delta2 * h
w1_new = w1 - rate * (delta1 * w2 + delta2 * w3) * 1.2 * (1 - h**2)
"""

ADDED_UP = """
kernel = rng.normal(size=(2, 3))
out = np.array([[kernel[f] @ x[i] for i in range(7)] for f in range(2)])
loss = 0.5 * np.sum((out - t.T) ** 2)
dout = out - t.T
dkernel = np.zeros_like(kernel)
for f in range(2):
    for i in range(7):
        dkernel[f] += dout[f, i] * x[i]
"""

OF_ANOTHER_SHAPE = """
W = rng.normal(size=(2, 3))
columns = np.hstack([x[:3], x[3:6]])
y = (columns.reshape(-1, 3) @ W.T)
loss = np.sum((y - t[:6]) ** 2)
upstream = 2 * (y - t[:6]).reshape(2, 3, 2)
d = upstream.reshape(-1, 2)
dW = d.T @ columns.reshape(-1, 3)
"""

ACTOR = """
gamma = 0.9
W = rng.normal(size=(3, 2))
value = rng.normal(size=7)
advantage = t[:, 0] + gamma * value
for step in range(3):
    advantage = t[:, 0] + gamma * value
    z = x @ W
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.mean(advantage * np.log(p[:, 0]))
    dz = p * advantage[:, None]
    dz[:, 0] -= advantage
    dz /= 7
    W -= 0.1 * x.T @ dz
"""


@pytest.mark.parametrize(
    ("text", "right", "wrong", "code"),
    [
        (HOMEWORK, "dW2 = h.T @ d", "dW2 = d @ h.T", "GC202"),
        (HOMEWORK, "d @ W2.T * (1", "d @ W2 * (1", "GC202"),
        (HOMEWORK, "(1 - h**2)", "(1 - hidden**2)", "GC210"),
        (HOMEWORK, "d @ W2.T * (1 - h**2)", "d @ W2.T * (W2 > 0)", "GC202"),
        (NET, "d @ self", "d.T @ self", "GC202"),
        (MAIN, 'd @ weights["W2"].T', 'd @ weights["W2"]', "GC202"),
        (ONE_UPDATE, "l2_delta @ syn1.T", "l2_delta @ syn1", "GC202"),
        (NUMBERS, "w3 * h - 0.1", "(w3 * h)[0]", "GC210"),
        (ADDED_UP, "dout[f, i] * x[i]", "dout[f, i] * x[i][:2]", "GC202"),
        (OF_ANOTHER_SHAPE, "d.T @ columns", "d.reshape(W.shape[::-1] + (2,)) @ columns", "GC202"),
        (OF_ANOTHER_SHAPE, "d.T @ columns.reshape", "d * columns.reshape", "GC202"),
        (ACTOR, "0.1 * x.T @ dz", "0.1 * x @ dz", "GC202"),
    ],
)
def test_the_line_that_raises_in_the_only_backward_pass_is_explained(
    outcome, text, right, wrong, code
):
    assert right in text
    edited = DATA + text.replace(right, wrong)
    report = outcome(edited).report
    first = report.findings[0]
    line = next(n for n, one in enumerate(edited.split("\n"), 1) if wrong in one)
    assert (report.verdict, first.code, first.location.line) == ("fail", code, line)


TRAINED = """
lr = 0.2
W1, W2 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
for turn in range(9):
    h = np.tanh(x @ W1)
    d = h @ W2 - t
    loss = 0.5 * np.sum(d**2)
    dW2 = h.T @ d
    dW1 = x.T @ (d @ W2.T * (1 - h**2))
    W1 -= lr * dW1
    W2 -= lr * dW2
"""


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (HOMEWORK, "dW2 = h.T @ d", "dW2 = d @ h.T"),
        (HOMEWORK, "d @ W2.T * (1", "d @ W2 * (1"),
        (TRAINED, "dW2 = h.T @ d", "dW2 = d @ h.T"),
    ],
)
def test_what_raises_is_mended(tmp_path, text, right, wrong):
    assert right in text
    (tmp_path / "main.py").write_text(DATA + text.replace(right, wrong))
    report = ScriptEntry(tmp_path / "main.py").outcome({"repair": Edits(400)}).report
    added = [one for one in report.repair.patches[0].diff.split("\n") if one.startswith("+")]
    assert [one[1:].strip() for one in added[1:]] == [
        one.strip() for one in text.split("\n") if right in one
    ]


@pytest.mark.parametrize(
    "more",
    [
        "import nowhere_to_be_found",
        "e = 1e-5\nfor k in range(4):\n    e = loss + e\nnumeric = np.zeros(3) + db1",
        "print(undefined)",
    ],
    ids=["an import", "a comparison", "a print"],
)
def test_what_ran_before_something_else_raised_is_checked(outcome, more):
    found = outcome(DATA + HOMEWORK + more)
    assert found.report.ok, str(found.report)
    assert "the script raises after these lines: " in found.script.text()
    wrong = outcome(DATA + HOMEWORK.replace("db1 = dh.sum(axis=0)", "db1 = dh.sum(axis=1)") + more)
    assert wrong.report.findings[0].code == "GC204"


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("db1 = dh.sum(axis=0)", "db1 = dh.sum(axis=1)", "GC204"),
        ("dW1 = x.T @ dh", "dW1 = dh.T @ x", "GC201"),
        ("db2 = d.sum(axis=0)", "db2 = d.T", "GC203"),
    ],
)
def test_a_named_gradient_may_have_a_wrong_shape(outcome, right, wrong, code):
    finding = outcome(DATA + HOMEWORK.replace(right, wrong)).report.findings[0]
    assert (finding.code, finding.location.source) == (code, wrong)


def test_an_axis_of_length_one_is_no_error_of_a_named_gradient(outcome):
    kept = HOMEWORK.replace("axis=0)", "axis=0, keepdims=True)")
    report = outcome(DATA + kept).report
    assert report.verdict == "pass"
    assert {block.name for block in report.blocks} == {"W1", "b1", "W2", "b2"}


def test_an_energy_is_believed_where_no_inferred_one_fits(outcome):
    text = """
W = 0.3 * rng.normal(size=(3, 2))
for epoch in range(20):
    a = x @ W
    d = t - a
    E = -np.sum(np.log(np.exp(-d**4)))
    W -= 0.001 * x.T @ (4 * d**3)
"""
    assert outcome(DATA + text).report.findings[0].code == "GC106"
    assert outcome(DATA + text.replace("(4 *", "(-4 *")).report.verdict == "pass"
    assert np.all(np.isfinite(outcome(DATA + text).report.blocks[0].analytic))


RETURNED_TWICE = """
def poisson(w, b):
    rate = np.exp(x @ w + b)
    loss = np.mean(rate - t[:, 0] * np.log(rate))
    off = (rate - t[:, 0]) / 7
    gw, gb = x.T @ off, off.sum()
    return loss, gw, gw

w, b = 0.1 * rng.normal(size=3), 0.0
for epoch in range(9):
    loss, gw, gb = poisson(w, b)
    w = w - 0.1 * gw
    b = b - 0.1 * gb
"""


def test_a_number_with_the_gradient_of_an_array_has_one_of_another_shape(outcome):
    report = outcome(DATA + RETURNED_TWICE).report
    assert [block.name for block in report.blocks if block.verdict == "shape"] == ["b"]
    assert outcome(DATA + RETURNED_TWICE.replace("gw, gw\n", "gw, gb\n")).report.ok


FACTORS = """
P, Q = rng.normal(size=(7, 2)), rng.normal(size=(3, 2))
for epoch in range(9):
    gP, gQ, cost = np.zeros_like(P), np.zeros_like(Q), 0.0
    for u in range(7):
        for i in range(3):
            err = x[u, i] - P[u] @ Q[i]
            cost += 0.5 * err**2
            gP[u] += -err * Q[i]
            gQ[i] += -err * P[u]
    cost += 0.05 * (np.sum(P**2) + np.sum(Q**2))
    gP += 0.1 * P
    gQ += 0.1 * Q
    P -= 0.02 * gP
    Q -= 0.02 * gQ
"""


def test_what_only_decays_is_a_parameter_and_no_moving_average(outcome):
    assert outcome(DATA + FACTORS).report.ok
    finding = outcome(DATA + FACTORS.replace("gQ += 0.1", "gQ = 0.1")).report.findings[0]
    assert (finding.code, finding.blocks) == ("GC407", ("Q",))
    assert finding.location.source == "gQ = 0.1 * Q"


COLUMNS = """
rng = np.random.default_rng(4)
X = rng.normal(size=(3, 12))
T = X.sum(axis=0, keepdims=True)
W, b = rng.normal(size=(1, 3)), np.zeros((1, 1))
V, c = rng.normal(size=(4, 1)), np.zeros(4)
for epoch in range(9):
    y = W @ X + b
    z = V @ y + c[:, None]
    loss = np.mean(np.sum((z - V @ T) ** 2, axis=0))
    dz = 2 * (z - V @ T) / 12
    dy = V.T @ dz
    dW = dy @ X.T
    db = dy.sum(axis=1, keepdims=True)
    dc = dz.sum(axis=1)
    W = W - 0.01 * dW
    b = b - 0.01 * db
    c = c - 0.01 * dc
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("dW = dy @ X.T", "dW = X @ dy.T", "GC202"),
        ("db = dy.sum(axis=1, keepdims=True)", "db = 1 * dy", "GC203"),
    ],
)
def test_an_update_that_broadcasts_has_a_gradient_of_a_wrong_shape(outcome, right, wrong, code):
    assert outcome(DATA + COLUMNS).report.verdict == "pass"
    finding = outcome(DATA + COLUMNS.replace(right, wrong)).report.findings[0]
    assert (finding.code, finding.location.source) == (code, wrong)


def test_what_an_update_broadcasts_is_read_without_a_name_too(outcome):
    named = ("b = b - 0.01 * db", "W = W - 0.01 * dW", "c = c - 0.01 * dc")
    text = COLUMNS
    for update, value in zip(named, ("dy", "dy @ X.T", "dz.sum(axis=1)"), strict=True):
        text = text.replace(update, f"{update[:-2]}({value})")
    finding = outcome(DATA + text).report.findings[0]
    assert (finding.code, finding.blocks) == ("GC203", ("b",))


@pytest.mark.parametrize("kept", ["dc = dz.sum(axis=1, keepdims=True).T", "dc = dz.sum(axis=1)"])
def test_an_axis_of_length_one_that_an_update_adds_is_no_error(outcome, kept):
    text = COLUMNS.replace("c[:, None]", "c.reshape(4, 1)").replace("dc = dz.sum(axis=1)", kept)
    assert outcome(DATA + text).report.verdict == "pass"


CLASSES = """
labels = np.array([0, 1, 1, 0, 1, 0, 1])
W, b = rng.normal(size=(3, 2)), np.zeros(2)
p = np.exp(x @ W + b)
p /= p.sum(axis=1, keepdims=True)
loss = -np.log(p[range(7), labels]).mean()
p[range(7), labels] -= 1
d = p / 7
dW = x.T @ d
db = d.sum(axis=0)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("labels] -= 1", "y] -= 1", "GC210"),
        ("labels] -= 1", "labels[:6]] -= 1", "GC210"),
        ("db = d.sum(axis=0)", "db = d", "GC203"),
        ("db = d.sum(axis=0)", "db = d.sum()", "GC204"),
    ],
)
def test_no_gradient_of_straight_code_is_left_out(outcome, right, wrong, code):
    assert outcome(DATA + CLASSES).report.verdict == "pass"
    finding = outcome(DATA + CLASSES.replace(right, wrong)).report.findings[0]
    assert finding.code == code
    assert wrong in finding.location.source or wrong == "db = d"  # the line that makes d


@pytest.mark.parametrize(
    ("right", "wrong", "line", "fix"),
    [
        ("db1 = dh.sum(axis=0)", "db1 = dh", "b1 -= 0.1 * db1", "(0.1 * db1).sum(axis=0)"),
        ("dW1 = x.T @ dh", "dW1 = dh.T @ x", "", "x.T @ dh"),
    ],
)
def test_an_update_in_place_tells_the_sum_that_is_missing(outcome, right, wrong, line, fix):
    update = "".join(f"\n    {one} -= 0.1 * d{one}" for one in ("b1", "b2", "W1", "W2"))
    [made, *rest] = HOMEWORK.split("\nh = ")
    loop = f"{made}\nfor epoch in range(9):\n    h = {rest[0]}".replace("\n", "\n    ")
    loop = (
        loop.replace("\n    W", "\nW")
        .replace("\n    for", "\nfor")
        .replace("\n        h", "\n    h")
    )
    text = DATA + loop.replace("\ndW", "\n    dW") + update
    assert outcome(text).report.verdict == "pass"
    finding = outcome(text.replace(right, wrong)).report.findings[0]
    assert (finding.code, finding.location.source, finding.fix) == ("GC202", line or wrong, fix)
