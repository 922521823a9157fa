"""Where a script keeps its learning rate, and what only looks like one."""

import re

import pytest

TABLE = """
import numpy as np
rng = np.random.default_rng(8)
x, t = rng.normal(size=(15, 3)), rng.normal(size=(15, 2))
"""

CLASS = """
import numpy as np

class Map:
    def __init__(self):
        self.k = np.random.default_rng(1).normal(size=(3, 2))

    def ahead(self, x):
        self.x, self.y = x, np.tanh(x @ self.k)
        return self.y

    def back(self, t):
        self.g = self.x.T @ ((self.y - t) * (1 - self.y**2))"""

MODEL = f"""{CLASS}

    def move(self, learning_rate=1e-3):
        self.k = self.k - learning_rate * self.g
"""

TRAINING = """
from model import Map
m = Map()
for turn in range(9):
    loss = 0.5 * np.sum((m.ahead(x) - t) ** 2)
    m.back(t)
    m.move(RATE)
"""

PASSES = """
k = rng.normal(size=(3, 2))
for turn in range(9):
    made = [np.tanh(x @ k)]
    for a in range(1):
        off = made[1 - a - 1] - t[:15 - a]
        k -= 0.05 * x.T @ (off * (1 - made[0]SQUARED))
"""


@pytest.fixture
def outcome(outcome):
    return lambda text, **modules: outcome(TABLE + text, **modules)


@pytest.mark.parametrize("rate", ["1e-3", "1e-2 / 10", "1e-3 * 2 ** -(turn // 50)"])
@pytest.mark.parametrize("slope", ["(1 - self.y**2)", "(1 - self.y)"])
def test_a_rate_may_be_given_to_a_method_of_another_module(outcome, rate, slope):
    model = MODEL.replace("(1 - self.y**2)", slope)
    found = outcome(TRAINING.replace("RATE", rate), model=model)
    assert "rate    learning_rate = 0.001;" in found.script.text()
    wrong = [(one.code, one.location.line) for one in found.report.findings]
    assert wrong == ([] if "**" in slope else [("GC305", 13)])


@pytest.mark.parametrize(("square", "verdict"), [("**2", "pass"), ("", "fail")])
def test_a_name_in_an_index_is_no_rate(outcome, square, verdict):
    found = outcome(PASSES.replace("SQUARED", square))
    assert found.report.verdict == verdict
    assert "the sum of squares of made[1 - a - 1] - t[:15 - a]" in found.script.text()


ADDED_UP = """
dk, db = np.zeros((3, 2)), np.zeros(2)
k, b = rng.normal(size=(3, 2)), np.zeros(2)
for turn in range(40):
    off = x @ k + b - t
    loss = np.sum(off**2)
    dk SIGN 2 * x.T @ off
    db SIGN 2 * off.sum(axis=0)
    k -= 0.002 * dk
    b -= 0.002 * db
"""


@pytest.mark.in_full
def test_a_gradient_that_no_pass_sets_back_is_no_velocity(outcome):
    found = outcome(ADDED_UP.replace("SIGN", "+="))
    assert found.report.verdict == "fail"
    [finding] = [one for one in found.report.findings if one.location.source.startswith("dk")]
    assert finding.code == "GC801"
    assert "set `dk` to 0" in finding.fix
    assert outcome(ADDED_UP.replace("SIGN", "=")).report.ok
    shrinking = ADDED_UP.replace("dk SIGN", "dk = 0.9 * dk +").replace("db SIGN", "db = 0.9 * db +")
    assert outcome(shrinking).report.ok


OWN_RATES = """
t, w = t[:, 0], np.full(3, 0.2)
b, slope, stretch = 0.4, 0.3, np.ones(3)
rate_of_w, rate_of_b = 0.02, 0.05
for turn in range(20):
    gap = x @ (w * stretch) + b - slope * t
    loss = np.mean(gap**2) / 2
    w -= rate_of_w * stretch * (x.T @ gap) / len(x)
    b -= UPDATE
    slope -= 0.001
    stretch += 0.1 * (np.abs(w) + 1 - stretch)
"""


@pytest.mark.parametrize(
    ("update", "said", "codes"),
    [
        ("rate_of_b * gap.mean()", "rate_of_w = 0.02 of w, rate_of_b = 0.05 of b;", []),
        ("0.07 * gap.mean()", "the 0.07 in line 13 of b, rate_of_w = 0.02 of w;", []),
        ("gap.mean()", "rate_of_w = 0.02 of w, none (1) of b;", []),
        ("rate_of_b * gap.sum()", "", ["GC101"]),
        ("rate_of_b * -gap.mean()", "", ["GC106"]),
        ("rate_of_b * gap.mean() * b", "", ["GC418"]),
    ],
)
def test_a_parameter_may_have_a_learning_rate_of_its_own(outcome, update, said, codes):
    found = outcome(OWN_RATES.replace("UPDATE", update))
    assert set(found.script.params) == {"w", "b"}  # no schedule, and no moving average
    assert said in found.script.rate_words
    assert [one.code for one in found.report.errors] == codes


@pytest.mark.parametrize(("name", "params"), [("out_bias", {"w", "out_bias"}), ("c", {"w"})])
def test_a_bias_that_is_updated_without_a_rate_may_be_named_after_its_layer(outcome, name, params):
    text = re.sub(r"\bb\b", name, OWN_RATES.replace("UPDATE", "gap.mean()"))
    assert set(outcome(text).script.params) == params


@pytest.mark.in_full
def test_every_layer_may_have_a_learning_rate_of_its_own(outcome):
    text = """
class Layer:
    def __init__(self, ins, outs, rate):
        self.k, self.rate = np.random.default_rng(ins).normal(size=(ins, outs)), rate

    def ahead(self, x):
        self.x = x
        return x @ self.k

    def back(self, off):
        down = off @ self.k.T
        self.k -= self.rate * FACTORself.x.T @ off
        return down


first, second = Layer(3, 4, 0.01), Layer(4, 2, 0.03)
for turn in range(9):
    h = np.tanh(first.ahead(x))
    gap = second.ahead(h) - t
    loss = np.sum(gap**2) / 2
    first.back(second.back(gap) * (1 - h**2))
"""
    found = outcome(text.replace("FACTOR", ""))
    assert found.report.ok
    assert found.script.params == ("first.k", "second.k")
    assert not outcome(text.replace("FACTOR", "-")).report.ok


REMEMBERED = """
w, b = np.full((3, 2), 0.2), np.zeros(2)
along_w, along_b = np.zeros((3, 2)), np.zeros(2)
for turn in range(20):
    gap = GAP
    loss = np.sum(gap**2) / 2
    dw, db = x.T @ gap, gap.sum(axis=0)
    along_w = 0.9 * along_w + 0.01 * dw + 0.001 * w * np.abs(dw)
    along_b = 0.9 * along_b + 0.01 * db
    w = w SIGN along_w
    b = b + along_b
"""


@pytest.mark.parametrize(
    ("gap", "sign", "wrong"),
    [
        ("t - x @ w - b", "+", None),
        ("t - x @ w - b", "-", "the gradient of w is the negative"),
        ("x @ w + b - t", "+", "the gradients of w and b are right, but the update adds them"),
        ("x @ w + b - t", "-", "the gradient of b is right, but the update adds it"),
    ],
)
def test_gradients_that_a_step_with_a_memory_adds_are_negatives(outcome, gap, sign, wrong):
    found = outcome(REMEMBERED.replace("GAP", gap).replace("SIGN", sign))
    errors = found.report.errors
    assert [one.code for one in errors] == (["GC106"] if wrong else [])
    assert not wrong or wrong in errors[0].message


BY_NAME = """
import numpy as np

rng = np.random.default_rng(3)
x, t = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))


class Net:
    def __init__(self):
        self.W1, self.W2 = rng.normal(size=(3, 4)), rng.normal(size=(4, 1))

    def backward(self, hidden, delta):
        slopes = {"W1": np.zeros_like(self.W1)}
        slopes["W2"] = hidden.T @ delta
        slopes["W1"] += x.T @ (delta @ self.W2.T * (1 - hidden**OWN))
        return slopes


net = Net()
for turn in range(30):
    hidden = np.tanh(x @ net.W1)
    gap = hidden @ net.W2 - t
    loss = np.mean(gap**2)
    slopes = net.backward(hidden, 2 * gap / 12)
    for name in slopes:
        setattr(net, name, getattr(net, name) - 0.05 * slopes[name])
"""

BY_FUNCTIONS = """
import numpy as np
from scipy.special import expit

rng = np.random.default_rng(4)
x, t = rng.normal(size=(3, 15)), rng.integers(2, size=(1, 15))
alpha = 0.1
new = theta = rng.normal(size=(3, 1))
error_log = np.empty(30)
for turn in range(30):
    out = expit(np.dot(theta.T, x))
    terms = np.add(np.multiply(t, np.log(out)), np.multiply(1 - t, np.log(1 - out)))
    error_log[turn] = -terms.sum() / 15
    slopes = np.dot(np.subtract(out**OWN, t), x.T)
    theta = np.subtract(new, np.multiply(alpha / 15, slopes.T))
    new = theta
"""


@pytest.mark.parametrize(("text", "right"), [(BY_NAME, 2), (BY_FUNCTIONS, 1)])
def test_an_update_may_be_written_by_functions(outcome, text, right):
    found = outcome(text.replace("OWN", str(right)))
    assert found.report.ok, str(found.report)
    assert not found.script.notes, found.script.notes
    assert not outcome(text.replace("OWN", "3")).report.ok


@pytest.mark.parametrize(("enters", "verdict"), [(" + 0.01 * db", "pass"), ("", "inconclusive")])
def test_a_gradient_that_never_enters_the_step_leaves_the_verdict_open(outcome, enters, verdict):
    text = REMEMBERED.replace("GAP", "x @ w + b - t").replace("SIGN", "-")
    text = text.replace("b + along_b", "b - along_b")
    found = outcome(text.replace(" + 0.01 * db", enters))
    assert found.report.verdict == verdict
    assert ("the step does not use the gradients of b" in str(found.report)) != bool(enters)


WAVE = """
class Wave:
    def __init__(self):
        self.A, self.f = 1.1, 1.8

    def cost(self):
        return np.mean((self.A * np.sin(self.f * x[:, 0]) - t[:, 0]) ** 2)

    def fit(self, mu=0.01):
        for _ in range(40):
            loss = self.cost()
            gap = self.A * np.sin(self.f * x[:, 0]) - t[:, 0]
            dA = 2 * np.mean(gap * np.sin(self.f * x[:, 0]))
            df = 2 * np.mean(gap * self.A * np.cos(self.f * x[:, 0]) * x[:, 0])
            self.A -= mu * dA
            self.f -= mu * df


Wave().fit()
"""

ANEW = """
params = [np.full((3, 2), 0.1), np.zeros(2)]
for turn in range(40):
    gap = x @ params[0] + params[1] - t
    loss = np.sum(gap**2) / 2
    slopes = [x.T @ gap, gap.sum(axis=0)]
    params = [p - 0.01 * slope for p, slope in zip(params, slopes)]
"""

IN_TUPLES = """
def stepped(layers):
    (k, b), stretch = layers
    gap = stretch * (x @ k + b) - t
    slopes = stretch * x.T @ gap, stretch * gap.sum(axis=0), np.sum(gap * (x @ k + b))
    new = []
    for old, slope in zip((k, b, stretch), slopes):
        new.append(old - 0.01 * slope)
    return ((new[0], new[1]), new[2]), np.sum(gap**2) / 2


layers = ((np.full((3, 2), 0.1), np.zeros(2)), 0.8)
for turn in range(40):
    layers, loss = stepped(layers)
"""

GAIN = """
k, b, gain = np.full((3, 2), 0.1), np.zeros(2), 0.8
for turn in range(40):
    gap = gain * (x @ k + b) - t
    loss = np.sum(gap**2) / 2
    new_k, b = k - 0.01 * gain * x.T @ gap, b - 0.01 * gain * gap.sum(axis=0)
    k, gain = new_k, gain - 0.01 * np.sum(gap * (gap + t) / gain)
"""


@pytest.mark.parametrize(("text", "count"), [(WAVE, 2), (ANEW, 2), (IN_TUPLES, 3), (GAIN, 3)])
def test_an_amplitude_is_no_rate_and_parameters_may_be_built_anew(outcome, text, count):
    found = outcome(TABLE + text)
    assert found.report.ok, str(found.report)
    assert len(found.script.params) == count


FALLING = """
a = rng.normal(size=(3, 2))
rate = 0.4
for turn in range(30):
    gap = np.tanh(x @ a) - t
    loss = np.mean(gap**2)
    slope = x.T @ (2 * gap * (1 - np.tanh(x @ a) ** 2)) / 30
    UPDATE
"""


@pytest.mark.parametrize(
    "update",
    [
        "a -= rate / (1 + turn) * slope",
        "a = a - slope / (turn + 1)",
        "a = a - 0.37 * slope / (turn + 1)",
    ],
)
def test_a_rate_that_falls_as_one_over_the_turns_is_no_divisor_of_the_gradient(outcome, update):
    report = outcome(FALLING.replace("UPDATE", update)).report
    assert report.verdict == "pass", str(report)


def test_beside_a_falling_rate_a_missing_mean_is_still_named(outcome):
    update = "a -= rate / (1 + turn) * slope"
    report = outcome(FALLING.replace("UPDATE", update).replace(" / 30", " / 2")).report
    assert report.findings[0].code == "GC101"


def test_that_the_step_of_one_number_is_a_multiple_does_not_turn_its_loss_around(outcome):
    text = """
marks, w = np.array([-2.0, -1.0, 1.0, 5.0]), 0.0
def share(mark):
    return np.exp(w * mark) / np.sum(np.exp(w * marks))
for turn in range(9):
    for mark, wanted in zip(marks, (1.0, 1.0, 2.0, 3.0)):
        loss = -wanted * share(mark) / 4
        w = w - 0.01 * (share(mark) - wanted / 4)
"""
    assert outcome(text).report.verdict == "fail"


SCALED = f"""{CLASS} / 15

    def move(self, lr):
        effective_lr = lr * 15
        self.k -= effective_lr * self.g
"""


@pytest.mark.parametrize(("slope", "verdict"), [("self.y**2", "pass"), ("self.y", "fail")])
def test_a_rate_that_the_update_scales_by_the_batch_is_the_rate_there(outcome, slope, verdict):
    found = outcome(
        """
from model import Map
m = Map()
lr_start, lr_end = 1e-3, 1e-5
for turn in range(9):
    lr = lr_start + (lr_end - lr_start) * turn / 9
    loss = np.mean(0.5 * np.sum((m.ahead(x) - t) ** 2, axis=1))
    m.back(t)
    m.move(lr)
""",
        model=SCALED.replace("self.y**2", slope),
    )
    assert "rate    effective_lr = " in found.script.text()
    assert found.report.verdict == verdict, str(found.report)
    assert [one.code for one in found.report.errors] == ["GC305"] * (verdict == "fail")


DIVIDED_FIRST = """
k, c, of_k, of_c = rng.normal(size=(3, 2)), np.zeros(2), np.ones((3, 2)), np.ones(2)
for turn in range(30):
    off = x @ k + c - t
    loss = np.sum(off**2) / 30
    dk, dc = x.T @ off / 15, off.sum(axis=0) / 15SIZE
    k -= 0.1 * dk / np.sqrt(of_k)
    c -= 0.1 * dc / np.sqrt(of_c)
    of_k += dk**2
    of_c += dc**2
"""


@pytest.mark.parametrize("kept", ["of_", "g"], ids=["of another name", "named as a gradient"])
@pytest.mark.parametrize(("size", "codes"), [("", set()), (" * 15", {"GC105"})])
def test_what_divides_a_step_before_anything_is_added_to_it_is_1(outcome, size, codes, kept):
    text = DIVIDED_FIRST.replace("SIZE", size).replace("of_", kept)
    report = outcome(text if kept == "of_" else text.replace("dk", "p").replace("dc", "q")).report
    assert {one.code for one in report.errors} == codes, str(report)


WEIGHED = """
k, weights = rng.normal(size=3), rng.uniform(0.1, 0.9, size=15)
for turn in range(40):
    some = slice(turn % 5 * 3, turn % 5 * 3 + 3)
    off, weight = x[some] @ k - t[some, 0], weights[turn % 5]
    loss = 0.5 * np.sum(LOSS)
    dk = off @ x[some]
    CUT
    k -= 0.01 * dk
"""


@pytest.mark.parametrize(
    ("loss", "cut", "verdict"),
    [
        ("weight * off**2", "", "inconclusive"),
        ("weight * off**2", "dk *= weight", "pass"),
        ("off**2 / 7", "", "pass"),
        ("off**2", "dk *= min(1, 0.02 / np.linalg.norm(dk))", "pass"),
    ],
)
def test_a_rate_is_the_same_in_every_iteration(outcome, loss, cut, verdict):
    report = outcome(WEIGHED.replace("LOSS", loss).replace("CUT", cut)).report
    assert report.verdict == verdict, str(report)
    assert ("another in every iteration" in str(report)) == (verdict == "inconclusive")


@pytest.mark.parametrize(("step", "ok"), [("-rate * gn", True), ("-rate * gn * un", False)])
def test_rows_that_are_added_up_move_by_the_rate_of_the_others(outcome, step, ok):
    found = outcome(f"""{TABLE}
w, c = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
for k in range(60):
    rate = max(0.001, 0.05 * (1 - k / 60))
    i, j, others = k % 7, k % 5, np.array([1, 4, 1])
    u, v, un = w[i], c[j], c[others]
    s, sn = 1 / (1 + np.exp(-(u @ v))), 1 / (1 + np.exp(-(un @ u)))
    loss = -np.log(s) - np.sum(np.log(1 - sn))
    gu, gv, gn = (s - 1) * v + sn @ un, (s - 1) * u, sn[:, None] * u
    w[i] -= rate * gu
    c[j] -= rate * gv
    np.add.at(c, others, {step})
""")
    assert (found.report.verdict == "pass") == ok, str(found.report)
    assert len(found.script.params) == 2


PUT_BACK = """
w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
for turn in range(30):
    h = np.tanh(x @ w)
    gap = 2 * (h @ v - t) / len(x)
    NEW = w - .05 * x.T @ ((gap @ v.T) * (1 - h**2))
    v = v - .05 * h.T @ gap
    w = NEW
    print(np.sum((h @ v - t) ** 2) / len(x))
"""


@pytest.mark.parametrize("new", ["w2", "wn", "neww"])
def test_a_new_value_may_be_put_back_at_the_end(outcome, new):
    text = TABLE + PUT_BACK.replace("NEW", new)
    found = outcome(text)
    assert found.script.params == ("w", "v")
    assert found.report.ok, str(found.report)
    assert outcome(text.replace("1 - h**2", "1 - h")).report.verdict == "fail"


FROM_A_SCHEDULE = """
import numpy as np
rng = np.random.default_rng(5)
x, t = rng.normal(size=(24, 3)), rng.normal(size=24) > 0
eps = 1e-12

class Pace:
    def __init__(self):
        self.now = 0.4

    def __call__(self):
        self.now = 0.99 * self.now
        return self.now

class Weights:
    def __init__(self):
        self.val, self.grad = rng.normal(size=3), np.zeros(3)

class Likely:
    def __init__(self, val):
        self.val, self.grad = val, np.zeros(len(val))

    def back(self, v):
        j = 1.0 / (self.val + eps)
        self.grad += v * j

w, pace = Weights(), Pace()
for turn in range(30):
    p = 1 / (1 + np.exp(-x @ w.val))
    q = Likely(np.where(t, p, 1 - p))
    loss = -np.mean(np.log(q.val + eps))
    q.back(-1 / len(x))
    w.grad = x.T @ (np.where(t, q.grad, -q.grad) * p * (1 - p))
    alpha = pace()
    w.val -= w.grad * alpha
"""


def test_a_number_that_scales_a_gradient_of_0_is_not_preferred_to_the_rate(outcome):
    found = outcome(FROM_A_SCHEDULE)
    assert found.script.rate_words.startswith("alpha"), found.script.rate_words
    assert found.report.verdict == "pass", str(found.report)


TRAINER = """
class Optimiser:
    def __init__(self, model, lr):
        self.model, self.lr = model, lr

    def step(self):
        delta = self.lr * self.model.g
        self.model.k = self.model.k - delta

class Trainer:
    def __init__(self, model, lr):
        self.model, self.lr = model, lr
        self.optimiser = Optimiser(model, lr=self.lr)

    def train(self):
        for turn in range(9):
            loss = 0.5 * np.sum((self.model.ahead(x) - t) ** 2)
            self.model.back(t)
            self.optimiser.step()
            self.lr *= 0.95

Trainer(Map(), 0.01).train()
"""


def test_of_the_rates_of_one_value_the_one_that_is_used_is_taken(outcome):
    found = outcome(TABLE + CLASS + TRAINER)
    assert found.report.verdict == "pass", str(found.report)
    assert found.script.learning_rate == pytest.approx(0.01)


TWICE = """
k, b = rng.normal(size=(3, 2)), np.zeros(2)
costs = []
def step():
    global k, b
    e = np.tanh(x @ k + b) - t
    d = e * (1 - (e + t) ** 2)
    k = k - (0.9 * 0.001 * (x.T @ d) + 0.001 * (x.T @ d))
    b = b - 0.01 * d.sum(axis=0)
    return e
for turn in range(9):
    step()
    if turn % 1 == 0:
        costs.append(0.5 * np.sum(step() ** 2))
"""


def test_two_updates_in_a_pass_are_no_gradient_though_each_block_has_its_rate(outcome):
    report = outcome(TABLE + TWICE).report
    assert report.verdict == "inconclusive", str(report)
    assert any("makes 2 updates" in note for note in report.notes), str(report)
