"""Names and lines of bugs in scripts that keep everything at the top of a file."""

import pytest

XOR = """
import numpy as np
rng = np.random.default_rng(4)

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
wanted = np.array([[0], [1], [1], [0]])
W1, b1, W2, b2 = rng.random((2, 3)), rng.random((1, 3)), rng.random((3, 1)), rng.random((1, 1))

for epoch in range(50):
    z1 = inputs @ W1
    z1 += b1
    h = sigmoid(z1)
    z2 = h @ W2
    z2 += b2
    output = sigmoid(z2)
    error = wanted - output
    loss = 0.5 * np.sum(error ** 2)
    delta2 = error * output * (1 - output)
    sent = delta2 @ W2.T
    delta1 = sent * h * (1 - h)
    W2 += 0.5 * h.T @ delta2
    b2 += 0.5 * np.sum(delta2, axis=0, keepdims=True)
    W1 += 0.5 * inputs.T @ delta1
    b1 += 0.5 * np.sum(delta1, axis=0, keepdims=True)
print(loss)
"""

ONE_TOO_FEW = """
ratings = [(0, 1, 4), (1, 0, 2), (1, 2, 5), (2, 1, 1), (0, 2, 3), (2, 0, 4)]
users = [[0.3, -0.4], [0.2, 0.5], [-0.6, 0.1]]
items = [[0.5, 0.2], [-0.3, 0.4], [0.1, 0.7]]
for turn in range(20):
    total = 0.0
    for u, i, rating in ratings:
        off = rating - sum(users[u][k] * items[i][k] for k in range(2))
        total += 0.5 * off ** 2
        total += 0.025 * sum(users[u][k] ** 2 + items[i][k] ** 2 for k in range(2))
        for k in range(2):
            of_user, of_item = users[u][k], items[i][k]
            users[u][k] += 0.02 * (off * of_item - 0.05 * of_user)
            items[i][k] += 0.02 * (off * of_user - 0.05 * of_item)
    print(turn, total)
"""

NORMALISED = """
import numpy as np
rng = np.random.default_rng(6)
x, labels = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)

class Dense:
    def __init__(self, inputs, outputs):
        self.values = [rng.normal(size=(inputs, outputs)), np.zeros(outputs)]
        self.slopes = [np.zeros_like(one) for one in self.values]
    def forward(self, x):
        self.x = x
        return x @ self.values[0] + self.values[1]
    def backward(self, up):
        self.slopes[0][...] = self.x.T @ up
        self.slopes[1][...] = up.sum(axis=0)
        return up @ self.values[0].T

class Normalised:
    def __init__(self, size):
        self.values, self.slopes = [np.ones(size)], [np.zeros(size)]
    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.x_hat = (x - x.mean(axis=0)) / self.std
        return self.values[0] * self.x_hat
    def backward(self, up):
        self.slopes[0][...] = np.sum(up * self.x_hat, axis=0)
        up = up * self.values[0]
        return (up - up.mean(axis=0) - self.x_hat * (up * self.x_hat).mean(axis=0)) / self.std

layers, speeds, rate = [Dense(4, 6), Normalised(6), Dense(6, 3)], {}, 0.05
for turn in range(20):
    a = x
    for layer in layers:
        a = layer.forward(a)
    p = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(30), labels]).mean()
    up = p.copy()
    up[np.arange(30), labels] -= 1
    up = up / 30
    for layer in reversed(layers):
        up = layer.backward(up)
    pairs = [pair for layer in layers for pair in zip(layer.values, layer.slopes)]
    for number, (value, slope) in enumerate(pairs):
        speed = 0.9 * speeds.get(number, np.zeros_like(value)) - rate * slope
        speeds[number] = speed
        value += speed
    print(loss)
"""

SAMPLED = """
import numpy as np
rng = np.random.default_rng(8)
words, others = rng.normal(size=(9, 4)), rng.normal(size=(9, 4))

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def pair(word, context, drawn, rate):
    v = words[word]
    shown = sigmoid(v @ others[context])
    loss = -np.log(shown)
    of_word, of_context, of_drawn = (shown - 1) * others[context], (shown - 1) * v, []
    for one in drawn:
        s = sigmoid(v @ others[one])
        loss += -np.log(1 - s)
        of_word = of_word + s * others[one]
        of_drawn.append(s * v)
    others[context] -= rate * of_context
    for one, slope in zip(drawn, of_drawn):
        others[one] -= rate * slope
    words[word] -= rate * of_word
    return loss

for turn in range(4):
    total = 0
    for word in range(8):
        total += pair(word, word + 1, rng.integers(0, 9, 3), 0.05)
    print(turn, total)
"""

DECAYED = """
import numpy as np
rng = np.random.default_rng(9)
x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
w = np.full(3, 0.02)
for turn in range(60):
    p = 1 / (1 + np.exp(-x @ w))
    loss = -np.mean(y * np.log(p + 1e-8) + (1 - y) * np.log(1 - p + 1e-8)) + 0.01 * np.sum(w ** 2)
    dw = x.T @ (p - y) / 40 + 0.02 * w
    w -= 0.3 * dw
print(loss)
"""


@pytest.mark.parametrize(
    ("program", "right", "wrong", "code", "line", "words"),
    [
        (XOR, "error * output * (1 - output)", "error", "GC303", "delta2 = error", "sigmoid at z2"),
        (XOR, "sent * h * (1 - h)", "sent", "GC303", "delta1 = sent", "slope of sigmoid at z1"),
        (
            ONE_TOO_FEW,
            "(off * of_item - 0.05",
            "(off * of_user - 0.05",
            "GC415",
            "users[u][k] +=",
            "of_user",
        ),
        (ONE_TOO_FEW, " - 0.05 * of_item", "", "GC602", "items[i][k] +=", "by items[2] is missing"),
        (SAMPLED, "append(s * v)", "append(-s * v)", "GC106", "append(-s * v)", "`-s`"),
        (DECAYED, "+ 0.02 * w\n", "- 0.02 * w\n", "GC603", "- 0.02 * w", "sign of the penalty"),
        (NORMALISED, "    up = up / 30\n", "", "GC101", "labels] -= 1", "30 times"),
    ],
)
def test_a_bug_is_named_where_it_is(outcome, program, right, wrong, code, line, words):
    assert outcome(program).report.ok
    text = program.replace(right, wrong)
    report = outcome(text).report
    first = report.errors[0]
    assert first.code == code, str(report)
    assert line in text.splitlines()[first.location.line - 1], str(report)
    assert words in str(report), str(report)
