"""Scripts without a training loop: one forward and one backward pass, and gradients by name."""

import ast
import re

import pytest

from gradcheck.script.entry import ScriptEntry
from gradcheck.script.statements import depend, opened, statements_of

DATA = """
import numpy as np

rng = np.random.default_rng(4)
x, t = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
"""

BETWEEN_LAYERS = """
W1 = rng.normal(size=(3, 4))
h = np.tanh(x @ W1)
Wout = rng.normal(size=(4, 2))
y = h @ Wout
loss = np.mean((y - t) ** 2)
dy = 2 * (y - t) / y.size
dWout = h.T @ dy
dW1 = x.T @ (dy @ Wout.T * (1 - h@))
for values, slopes in [(W1, dW1), (Wout, dWout)]:
    values -= 0.1 * slopes
print(loss)
"""

ATTENTION = """
Wq, Wk, Wv = (rng.normal(size=(3, 2)) for _ in range(3))
Q, K = x @ Wq, x @ Wk
V = x @ Wv
A = np.exp(Q @ K.T)
A = A / A.sum(axis=1, keepdims=True)
loss = 0.5 * np.sum((A @ V - t) ** 2)
dO = A @ V - t
dV = A.T @ dO
dA = dO @ V.T
dS = A * (dA - (dA * A).sum(axis=1, keepdims=True))
dWq, dWk, dWv = x.T @ (dS @ K), x.T @ (dS@ @ Q), x.T @ dV
"""

DICTS = """
def forward(params, x):
    z = params["W1"] @ x.T + params["b1"]
    return params["W2"] @ np.tanh(z), {"z": z, "a": np.tanh(z)}

def backward(params, cache, d):
    da = params["W2"].T @ d
    dz = da * (1 - cache["a"]@)
    return {"dW1": dz @ x, "db1": dz.sum(axis=1, keepdims=True), "dW2": d @ cache["a"].T}

params = {"W1": rng.normal(size=(4, 3)), "b1": np.zeros((4, 1))}
params["W2"] = rng.normal(size=(2, 4))
out, cache = forward(params, x)
cost = np.sum((out - t.T) ** 2) / 7
grads = backward(params, cache, 2 * (out - t.T) / 7)
for name in grads:
    print(name, grads[name])
"""

OBJECT = """
class Net:
    def __init__(self):
        self.W, self.b = rng.normal(size=(3, 2)), np.zeros(2)

    def forward(self, x):
        self.x, self.y = x, np.tanh(x @ self.W + self.b)
        return self.y

    def backward(self, d):
        d = d * (1 - self.y@)
        self.dW, self.db = self.x.T @ d, d.sum(axis=0)

    def update(self, rate):
        self.W -= rate * self.dW
        self.b -= rate * self.db

if __name__ == "__main__":
    net = Net()
    y = net.forward(x)
    loss = np.mean((y - t) ** 2)
    net.backward(2 * (y - t) / y.size)
    net.update(0.1)
    print(loss, net.dW)
"""

LAYERS = """
class Dense:
    def __init__(self, inputs, outputs):
        self.W, self.b = rng.normal(size=(inputs, outputs)), np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, d):
        self.dW, self.db = self.x.T @ d, d.sum(axis=0)
        return d @ self.W.T

class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, d):
        return d * (1 - self.y@)

layers = [Dense(3, 4), Tanh(), Dense(4, 2)]
a = x
for layer in layers:
    a = layer.forward(a)
loss = np.mean((a - t) ** 2)
d = 2 * (a - t) / a.size
for layer in reversed(layers):
    d = layer.backward(d)
"""

LISTS = """
weights = [rng.normal(size=size) for size in [(3, 5), (5, 4), (4, 2)]]
biases = [np.zeros(size) for size in (5, 4, 2)]
kept = [x]
for w, b in zip(weights, biases):
    kept.append(np.tanh(kept[-1] @ w + b))
cost = 0.5 * np.sum((kept[-1] - t) ** 2)
delta = (kept[-1] - t) * (1 - kept[-1] ** 2)
dws, dbs = [None] * 3, [None] * 3
for layer in (2, 1, 0):
    dws[layer], dbs[layer] = kept[layer].T @ delta, delta.sum(axis=0)
    delta = delta @ weights[layer].T * (1 - kept[layer]@)
"""

NUMBERS = """
import math

w1, w2, b = 0.3, -0.2, 0.1
y = math.tanh(w1 * 1.5 - w2 * 0.7 + b)
loss = (y - 0.4) ** 2
dz = 2 * (y - 0.4) * (1 - y@)
dw1, dw2, db = 1.5 * dz, -0.7 * dz, dz
"""

MAIN = """
def main():
    w = rng.normal(size=(3, 2))
    y = np.tanh(x @ w)
    loss = np.sum((y - t) ** 2)
    dw = x.T @ (2 * (y - t) * (1 - y@))
    print(loss, dw)

if __name__ == "__main__":
    main()
"""

BOTH_RETURNED = """
def objective(W, x, t):
    y = np.tanh(x @ W)
    loss = np.mean((y - t) ** 2)
    return loss, x.T @ (2 * (y - t) * (1 - y@)) / y.size

def along(f, x, analytic):
    for _ in range(3):
        at = tuple(rng.integers(size) for size in x.shape)
        old = x[at]
        x[at] = old + 1e-5
        above = f(x)
        x[at] = old
        print((above - f(x)) / 1e-5, analytic[at])

W = 0.1 * rng.normal(size=(3, 2))
loss, grad = objective(W, x, t)
print("loss", loss)
along(lambda w: objective(w, x, t)[0], W, grad)
"""

TWO_PARTS = """
w = rng.normal(size=3)
gap = x @ w - t[:, 0]
loss = np.mean(gap**2)
dw = x.T @ gap * 2 / 7

W1, b1 = rng.normal(size=(3, 4)), np.zeros(4)
W2 = rng.normal(size=(4, 2))
h = np.tanh(x @ W1 + b1)
loss = np.mean((h @ W2 - t) ** 2)
d = 2 * (h @ W2 - t) / t.size
dW2 = h.T @ d
dh = d @ W2.T * (1 - h@)
dW1, db1 = x.T @ dh, dh.sum(axis=0)
numeric = np.zeros_like(W1)
for i in range(3):
    W1[i, 0] += 1e-5
    above = np.mean((np.tanh(x @ W1 + b1) @ W2 - t) ** 2)
    W1[i, 0] -= 1e-5
    numeric[i, 0] = (above - loss) / 1e-5
"""

SUMMED = """
W, b = rng.normal(size=(2, 3)), np.zeros(2)
dW, db, loss = np.zeros_like(W), np.zeros_like(b), 0
for one, wanted in zip(x, t):
    y = np.tanh(W @ one + b)
    loss += np.sum((y - wanted) ** 2)
    d = 2 * (y - wanted) * (1 - y@)
    dW += np.outer(d, one)
    db += d
dW /= 7; db /= 7
loss /= 7
"""

CENTRED = """
W = rng.normal(size=(3, 2))
s = x @ W
s -= s.max(axis=1, keepdims=True)
p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
loss = -np.mean(t * np.log(p))
d = (p * t.sum(axis=1, keepdims=True) - t) / t.size
dW = x.T @ d
loss += 0.05 * np.sum(W**2)
dW += 0.1 * (W@)
"""

LOSS_AFTERWARDS = """
def cost_of(y):
    return np.mean((y - t) ** 2)

W = rng.normal(size=(3, 2))
y = np.tanh(x @ W)
loss = cost_of(y)
dW = x.T @ (2 * (y - t) * (1 - y@)) / y.size
W_new = W - 0.1 * dW
loss = cost_of(np.tanh(x @ W_new))
print("now", loss)
"""

ONE_UPDATE = """
syn0, syn1 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
l1 = np.tanh(x @ syn0)
error = t - l1 @ syn1
print("error", np.mean(np.abs(error)))
l1_delta = error @ syn1.T * (1 - l1@)
syn1 += 0.1 * l1.T @ error
syn0 += 0.1 * x.T @ l1_delta
"""

NEW_NUMBERS = """
w1, w2 = 0.4, -0.7
rate = 0.5
h = np.tanh(1.2 * w1)
total_error = 0.5 * (0.3 - w2 * h) ** 2
gap = w2 * h - 0.3
new_w2 = w2 - rate * gap * h
w1 = w1 - rate * gap * w2 * 1.2 * (1 - h@)
w2 = new_w2
"""

UPDATED_INSIDE = """
class Net:
    def __init__(self):
        self.first, self.second = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))

    def forward(self, x):
        self.h = np.tanh(x @ self.first)
        return self.h @ self.second

    def learn(self, x, d, rate):
        back = d @ self.second.T * (1 - self.h@)
        self.second -= rate * self.h.T @ d
        self.first -= rate * x.T @ back

def main():
    net = Net()
    y = net.forward(x)
    print("loss", np.sum((y - t) ** 2))
    net.learn(x, 2 * (y - t), 0.1)

main()
"""

ROWS = """
embedding = rng.normal(size=(5, 3))
Wout = rng.normal(size=(3, 2))
words = [0, 3, 3, 1, 4, 0, 0]
h = np.tanh(embedding[words])
loss = np.mean((h @ Wout - t) ** 2)
d = 2 * (h @ Wout - t) / t.size
dWout = h.T @ d
dembedding = np.zeros_like(embedding)
np.add.at(dembedding, words, d @ Wout.T * (1 - h@))
"""

REVERSED = """
weights = []
for size in [(3, 5), (5, 4), (4, 2)]:
    weights.append(rng.normal(size=size))
kept = [x]
for w in weights:
    kept.append(np.tanh(kept[-1] @ w))
loss = 0.5 * np.sum((kept[-1] - t) ** 2)
delta = kept[-1] - t
gradients = []
for layer in (2, 1, 0):
    delta = delta * (1 - kept[layer + 1]@)
    gradients.append(kept[layer].T @ delta)
    delta = delta @ weights[layer].T
gradients.reverse()
"""

ENDS_ITSELF = """
import sys

def main(arguments=None, scale=2.0):
    w = rng.normal(size=(3, 2))
    y = np.tanh(x @ w)
    loss = scale * np.sum((y - t) ** 2)
    dw = x.T @ (scale * 2 * (y - t) * (1 - y@))
    print(loss, dw)
    return 0

if __name__ == "__main__":
    sys.exit(main())
"""

NAMED_TUPLES = """
from collections import namedtuple

Layer = namedtuple("Layer", "w b")

def backward(layer, y):
    d = 2 * (y - t) * (1 - y@)
    return Layer(w=x.T @ d, b=d.sum(axis=0))

params = Layer(rng.normal(size=(3, 2)), np.zeros(2))
y = np.tanh(x @ params.w + params.b)
loss = np.sum((y - t) ** 2)
grads = backward(params, y)
"""

RECURRENT = """
Wz, Uz, h0 = rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=2)
h = np.tanh(Wz @ x[0] + Uz @ h0)
loss = np.sum((h - t[0]) ** 2)
dz = 2 * (h - t[0]) * (1 - h@)
dWz, dUz = np.outer(dz, x[0]), np.outer(dz, h0)
"""

MIXTURE = """
logits, means, log_sigmas = np.array([0.1, -0.1]), np.array([-1.0, 1.0]), np.array([0.0, 0.2])
p = np.exp(logits) / np.exp(logits).sum()
z = (x[:, :1] - means) / np.exp(log_sigmas)
dens = p * np.exp(-0.5 * z**2) / np.exp(log_sigmas)
nll = -np.mean(np.log(dens.sum(axis=1)))
r = dens / dens.sum(axis=1, keepdims=True)
dlogits, dmeans = (p - r).mean(axis=0), -(r * z / np.exp(log_sigmas)).mean(axis=0)
dlog_sigmas = (r * (1 - z@)).mean(axis=0)
"""

SQUARED = ["**2", "**3"]
PROGRAMS = {
    "parameters made between the layers": (BETWEEN_LAYERS, SQUARED, ("W1", "Wout")),
    "intermediates named as parameters": (ATTENTION, [".T", ""], ("Wq", "Wk", "Wv")),
    "dicts": (DICTS, SQUARED, ("params['W1']", "params['b1']", "params['W2']")),
    "an object": (OBJECT, SQUARED, ("net.W", "net.b")),
    "layers": (LAYERS, SQUARED, ("layers[0].W", "layers[0].b", "layers[2].W", "layers[2].b")),
    "lists": (
        LISTS,
        SQUARED,
        tuple(f"{one}[{i}]" for one in ("weights", "biases") for i in range(3)),
    ),
    "numbers": (NUMBERS, SQUARED, ("w1", "w2", "b")),
    "a function": (MAIN, SQUARED, ("w",)),
    "loss and gradient returned": (BOTH_RETURNED, SQUARED, ("W",)),
    "two parts": (TWO_PARTS, SQUARED, ("W1", "b1", "W2")),
    "sums over samples": (SUMMED, SQUARED, ("W", "b")),
    "one update": (ONE_UPDATE, SQUARED, ("syn0", "syn1")),
    "new numbers": (NEW_NUMBERS, SQUARED, ("w1", "w2")),
    "an update inside of a method": (UPDATED_INSIDE, SQUARED, ("net.first", "net.second")),
    "scores that are centred, and a penalty": (CENTRED, ["", "**2"], ("W",)),
    "rows of a table": (ROWS, SQUARED, ("embedding", "Wout")),
    "lists that are filled and turned round": (
        REVERSED,
        SQUARED,
        tuple(f"weights[{i}]" for i in range(3)),
    ),
    "a function whose result ends the script": (ENDS_ITSELF, SQUARED, ("w",)),
    "a recurrent unit": (RECURRENT, SQUARED, ("Wz", "Uz")),
    "a mixture": (MIXTURE, SQUARED, ("logits", "means", "log_sigmas")),
    "named tuples": (NAMED_TUPLES, SQUARED, ("params.w", "params.b")),
    "another loss afterwards": (LOSS_AFTERWARDS, SQUARED, ("W",)),
}


BUG = re.compile(r"@(?=\))|(?<=dS)@")
"""Where the bug is planted."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_backward_pass_is_checked(outcome, name):
    text, (right, wrong), params = PROGRAMS[name]
    text = DATA + text
    found = outcome(BUG.sub(right, text))
    assert found.script.params == params
    assert "__" not in found.script.loss
    assert found.report.ok, str(found.report)
    broken = outcome(BUG.sub(wrong, text)).report
    assert broken.verdict == "fail"
    assert broken.findings[0].location.line == text[: BUG.search(text).start()].count("\n") + 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_bug_in_one_backward_pass_is_mended(tmp_path, name):
    text, (right, wrong), _ = PROGRAMS[name]
    path = tmp_path / "main.py"
    path.write_text(BUG.sub(wrong, DATA + text))
    [patch, *_] = ScriptEntry(path).outcome({"repair": 20.0}).report.repair.patches
    changed = {one[1:] for one in patch.diff.splitlines() if one[0] == "+" and one[:3] != "+++"}
    assert changed
    assert changed <= {*BUG.sub(right, DATA + text).splitlines()}, patch.diff


TWO_STEPS = (
    """
W = rng.normal(size=(3, 2))
"""
    + 2
    * """
y = x @ W
loss = np.mean((y - t) ** 2)
dW = 2 * x.T @ (y - t) / t.size
W = W - 0.1 * dW
"""
)


OF_A_LAYER = """
w, b, dout = rng.normal(size=(3, 2)), np.zeros(2), rng.normal(size=(7, 2))
out = x @ w + b
dw, db = x.T @ dout, dout.sum(axis=0)
print(np.max(np.abs(out - t)))
"""

SIZES = """
w = 0.5 * x[:, :2]
y = 2 * w
dt, dw = 0.1, w[1:] - w[:-1]
loss = np.sum(y)
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TWO_STEPS, "no training loop was found"),
        (OF_A_LAYER, "compute gradients of w, b, but no loss was found"),
        (SIZES, "no training loop was found"),
    ],
    ids=["two steps", "a layer", "differences"],
)
def test_gradients_of_no_loss_are_refused(tmp_path, text, why):
    path = tmp_path / "main.py"
    path.write_text(DATA + text)
    assert why in ScriptEntry(path).outcome({}).error


DEVIATIONS = """
w, b = x[:, 0].copy(), x[:, 1].copy()
dw, db = w - w.mean(), b - b.mean()
print("covariance", np.mean(dw * db))
loss = np.mean((w - b) ** 2)
"""

SLOPES_OF_THE_OUTPUT = """
w, b = 0.5, 0.1
given, wanted = 1.2, 0.7
y = 1 / (1 + np.exp(-(w * given + b)))
dw, db = y * (1 - y) * given, y * (1 - y)
loss = (y - wanted) ** 2
"""

IN_TIME = """
g, dt = 9.81, 0.01
theta, omega = 0.4, 0.0
d_theta, d_omega = omega, -g * np.sin(theta)
theta += dt * d_theta
omega += dt * d_omega
loss = 0.5 * omega**2 - g * np.cos(theta) + g * np.cos(0.4)
"""

NEWTON = """
w, b = np.zeros(3), 0.1
gap = x @ w + b - t[:, 0]
loss = 0.5 * np.sum(gap**2)
A = np.c_[x, np.ones(7)]
d = np.linalg.solve(A.T @ A, A.T @ gap)
dw, db = d[:3], d[3]
w = w - dw
b = b - db
"""

OF_A_FILTER = """
signal = rng.normal(size=30)
kernel = np.array([0.25, 0.5, 0.25])
dkernel = np.array([-0.5, 0.0, 0.5])
smooth, edges = np.convolve(signal, kernel, "same"), np.convolve(signal, dkernel, "same")
loss = np.mean((smooth - signal) ** 2)
print(loss, edges)
"""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (DEVIATIONS, "none agrees with loss, and none depends on the other parameters"),
        (SLOPES_OF_THE_OUTPUT, "none agrees with loss, and none depends on wanted"),
        (IN_TIME, "does not agree with loss, and does not depend on g"),
        (NEWTON, "none agrees with loss, and the lines call solve, as for a step of Newton's"),
        (OF_A_FILTER, "does not agree with loss, and does not depend on signal"),
    ],
    ids=["deviations", "slopes of the output", "derivatives in time", "a Newton step", "a filter"],
)
def test_what_is_only_named_like_a_gradient_is_not_called_wrong(outcome, text, what):
    report = outcome(DATA + text).report
    assert report.verdict == "inconclusive"
    assert what in report.could_not_check


def test_sizes_are_no_dependence_and_calls_read_what_their_functions_read():
    tree = ast.parse(
        "W = make()\nn = len(W)\nV = zeros(W.shape[1], n)\ndef half(): return W / 2\nU = half()\n"
    )
    _, _, of_sizes, through_a_call = statements_of(tree)
    statements = statements_of(tree)
    assert not depend(statements, 0, statements.index(of_sizes), "W")
    assert depend(statements, 0, statements.index(through_a_call), "W")


@pytest.mark.parametrize(
    "text",
    [
        "def main():\n    return 1\n    w = 2\nmain()",
        "def main(w): w = 2\nmain(1)",
        "def main(): w = 2\nprint(1)",
        "",
    ],
)
def test_only_a_function_without_arguments_that_ends_the_script_is_opened(text):
    assert opened(ast.parse(text)) is None
    for call in ("main()", "sys.exit(main())", "raise SystemExit(main())"):
        assert opened(ast.parse("def main():\n    w = 2\n    return w\n" + call)) is not None


def test_a_small_number_beside_a_computed_gradient_is_none(outcome):
    text = """
w, b = rng.normal(size=3), 0.2
r = x @ w + b - t[:, 0]
loss = np.mean(r**2)
grad_w, grad_b = 2 * x.T @ r / 7, 2 * r.mean()
db = 1e-6
print((np.mean((r + db) ** 2) - loss) / db, grad_b)
"""
    report = outcome(DATA + text).report
    assert report.verdict == "pass"
    assert {block.name for block in report.blocks} == {"w", "b"}
    wrong = outcome(DATA + text.replace("2 * r.mean()", "r.mean()")).report
    assert [block.name for block in wrong.blocks if block.failed] == ["b"]


WEIGHT_NORM = """
class Unit:
    def __init__(self):
        self.v, self.g, self.b = rng.normal(size=3), 1.5, 0.1
    def forward(self, x):
        self.size = np.sqrt(np.sum(self.v ** 2))
        self.x, self.w = x, self.g * self.v / self.size
        return x @ self.w + self.b
    def backward(self, d):
        self.db, dw = d.sum(), self.x.T @ d
        self.dg = dw @ self.v / self.size@
        self.dv = self.g / self.size * (dw - dw @ self.v / self.size * self.v / self.size)
unit = Unit()
loss = np.mean((unit.forward(x) - t[:, 0]) ** 2)
unit.backward(2 * (unit.forward(x) - t[:, 0]) / len(x))
"""


@pytest.mark.parametrize("bug", ["", " / 2"])
def test_a_neighbour_of_parameters_may_have_any_name(outcome, bug):
    found = outcome(DATA + WEIGHT_NORM.replace("@\n", f"{bug}\n"))
    assert found.script.params == ("unit.v", "unit.g", "unit.b")
    assert [block.name for block in found.report.blocks if block.failed] == ["g"] * bool(bug)
