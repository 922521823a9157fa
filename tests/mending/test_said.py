"""What the diagnosis says to write is tried first, and plain patches come before others."""

import sys

import pytest
from modules import module_of

import gradcheck
import gradcheck.cli
from gradcheck.mending.candidate import Mended
from gradcheck.mending.context import Edit
from gradcheck.mending.ranking import changed_words, ranked
from gradcheck.options import Edits

HEAD = "import numpy as np\n\nDRAWN = np.random.default_rng(6)\n"
FEW = Edits(30)
"""So few edits that nothing but what is said can be found by them."""

GATES = """
START = {"a": DRAWN.normal(size=(4, 3)), "b": DRAWN.normal(size=(4, 3))}
X, Y = DRAWN.normal(size=(6, 3)), DRAWN.normal(size=(6, 4))

def loss(p):
    return np.sum(np.tanh(X @ p["a"].T) * np.sin(X @ p["b"].T) * Y)

def grad(p):
    gate, cell = np.tanh(X @ p["a"].T), np.sin(X @ p["b"].T)
    dgate = Y * cell * (1 - gate**2)
    dcell = Y * gate * np.cos(X @ p["b"].T)
    dA = dgate.T @ X
    dB = dcell.T @ X
    return {"a": dA, "b": dB}
"""

BUGS = {
    # name: (right text, wrong text)
    "another name": ("dcell.T @ X", "cell.T @ X"),
    "a factor left out": ("Y * gate * np.cos", "Y * np.cos"),
    "a number too many": ("dgate.T @ X", "3 * dgate.T @ X"),
    "a term too many": ("dB = dcell.T @ X", "dB = dcell.T @ X + dA"),
    "a number in each": None,
}


@pytest.mark.parametrize("bug", BUGS)
def test_what_the_diagnosis_names_is_tried_first(bug, tmp_path):
    right, wrong = BUGS[bug] or ("", "")
    program = GATES.replace(right, wrong) if right else GATES
    if bug == "a number in each":
        program = program.replace("dgate.T @ X", "dgate.T @ X * 2").replace(
            "dcell.T @ X", "dcell.T @ X / 4"
        )
    module = module_of(HEAD + program, tmp_path, "said_" + bug.replace(" ", "_"))
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=FEW)
    del sys.modules[module.__name__]
    assert found.ok, str(found)
    if right:
        assert right in found.patches[0].changed[0].after.decode(), str(found)


PATHS = """
START = {"u": DRAWN.normal(size=(4, 4)), "v": DRAWN.normal(size=(4, 4)), "w": np.ones(4)}
X = DRAWN.normal(size=(3, 4))

def states(p):
    h, kept = np.ones(4), []
    for x in X:
        a, b = np.tanh(p["u"] @ h + x), np.cos(p["w"] * h + p["v"] @ x)
        kept.append((x, h, a, b))
        h = a * b
    return h, kept

def loss(p):
    return np.sum(np.sinh(states(p)[0]))

def grad(p):
    h, kept = states(p)
    dh, du, dv, dw = np.cosh(h), np.zeros((4, 4)), np.zeros((4, 4)), np.zeros(4)
    for x, h, a, b in reversed(kept):
        da = dh * b * (1 - a**2)
        db = -dh * a * np.sin(p["w"] * h + p["v"] @ x)
        du, dv, dw = du + np.outer(da, h), dv + np.outer(db, x), dw + db * h
        dh = p["u"].T @ da + db * p["w"]
    return {"u": du, "v": dv, "w": dw}
"""


@pytest.mark.parametrize("wrong", ['p["u"].T @ da', 'db * p["w"]'])
def test_what_comes_back_through_a_product_is_added(wrong, tmp_path):
    program = PATHS.replace('p["u"].T @ da + db * p["w"]', wrong)
    module = module_of(HEAD + program, tmp_path, "said_paths")
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=Edits(120))
    del sys.modules[module.__name__]
    terms = ('p["u"].T @ da + db * p["w"]', 'db * p["w"] + da @ p["u"]')
    assert found.ok, str(found)
    assert any(one in found.patches[0].changed[0].after.decode() for one in terms), str(found)


BESIDE = """
H = 3
START = {"a": DRAWN.normal(size=(4, H)), "b": DRAWN.normal(size=(4 + H, 2))}
X, Y = DRAWN.normal(size=(6, 4)), DRAWN.normal(size=(6, 2))

def loss(p):
    both = np.concatenate([np.sinh(X @ p["a"]), X], axis=1)
    return np.sum(np.sin(both @ p["b"]) * Y)

def grad(p):
    both = np.concatenate([np.sinh(X @ p["a"]), X], axis=1)
    up = np.cos(both @ p["b"]) * Y
    dboth = up @ p["b"].T
    return {"a": X.T @ (dboth[:, -H:] * np.cosh(X @ p["a"])), "b": both.T @ up}
"""


def test_a_slice_ends_at_a_name_and_not_at_a_number(tmp_path):
    module = module_of(HEAD + BESIDE, tmp_path, "said_beside")
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=FEW)
    del sys.modules[module.__name__]
    assert "dboth[:, :H] *" in found.patches[0].changed[0].after.decode(), str(found)


@pytest.mark.parametrize(
    ("before", "texts", "shown"),
    [
        ("total / n + mean", ["(x * y).mean(axis=-1, keepdims=True)", "total / n"], [1, 0]),
        ("total / n / n", ["total / n", "total / n / n * n", "mean"], [0, 2]),
    ],
    ids=["the plainest first", "none that puts words into what is right already"],
)
def test_the_plainest_of_what_is_proved_is_shown(before, texts, shown):
    old, *new = ({"net.py": f"s = {text}\n".encode()} for text in (before, *texts))
    mended = [
        Mended((Edit("net.py", 4, 4 + len(before), text.encode(), 1.0, 1, ""),), file, 0.0)
        for text, file in zip(texts, new, strict=True)
    ]
    assert [one.texts for one in ranked(mended, old, [])] == [new[index] for index in shown]


def test_the_words_that_change_are_counted():
    assert changed_words({"net.py": b"s = total / n\n"}, {"net.py": b"s = total / n + mean\n"}) == 2


PENALISED = """
START = {"a": DRAWN.normal(size=(3, 4)), "b": DRAWN.normal(size=(4, 2))}
X, Y = DRAWN.normal(size=(6, 3)), DRAWN.integers(0, 2, 6)
RATE = 0.3

def one_hot(labels, count):
    return np.eye(count)[labels]

def loss(p):
    miss = np.tanh(X @ p["a"]) @ p["b"] - one_hot(Y, 2)
    return np.sum(miss**2) / 2 + RATE / 2 * np.sum(p["a"]**2)

def grad(p):
    hidden = np.tanh(X @ p["a"])
    miss = hidden @ p["b"] + one_hot(Y, 2)
    db = hidden.T @ miss
    da = X.T @ (miss @ p["b"].T * (1 - hidden**2))
    return {"a": da, "b": db}
"""


def test_what_is_wrong_behind_another_bug_is_made_for_it_when_that_is_mended(tmp_path):
    module = module_of(HEAD + PENALISED, tmp_path, "said_penalised")
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=Edits(150))
    del sys.modules[module.__name__]
    assert found.ok, str(found)
    after = found.patches[0].changed[0].after.decode()
    assert 'miss = hidden @ p["b"] - one_hot(Y, 2)' in after, str(found)
    assert '(1 - hidden**2)) + RATE * p["a"]' in after, str(found)


PLAIN = """
START = {"a": DRAWN.normal(size=(3, 4)), "c": DRAWN.normal(size=(4, 2)), "b": DRAWN.normal(size=2)}
X, Y = DRAWN.normal(size=(6, 3)), DRAWN.normal(size=(6, 2))

def forward(p):
    hidden = 1 / (1 + np.exp(-(X @ p["a"])))
    return hidden, hidden @ p["c"] + p["b"]

def loss(p):
    return np.sum((forward(p)[1] - Y)**2)

def grad(p):
    hidden, out = forward(p)
    miss = 2 * (out - Y)
    back = miss @ p["c"].T
    back *= hidden * (1 - hidden)
    return {"a": X.T @ back, "c": hidden.T @ miss, "b": miss.sum(axis=0)}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "plain"),
    [
        ("(out - Y)", "(out + Y)", "2 * (out - Y)"),
        ("(out - Y)", "out", "2 * (out - Y)"),
        ("X.T @ back", "X.T * back", "X.T @ back"),
        ("hidden * (1 - hidden)", "hidden", "hidden * (1 - hidden)"),
        ("miss.sum(axis=0)", "miss.mean(axis=0)", "miss.sum(axis=0)"),
    ],
)
def test_what_is_shown_is_what_people_write(right, wrong, plain, tmp_path):
    assert PLAIN.count(right) == 1
    module = module_of(HEAD + PLAIN.replace(right, wrong), tmp_path, "said_plain")
    found = gradcheck.repair(module.loss, module.START, module.grad, budget=Edits(1500))
    del sys.modules[module.__name__]
    assert plain in found.patches[0].changed[0].after.decode(), str(found)


SCRIPT = """
import math
import random

random.seed(2)
RATE = 0.2
data = [(0.3, 0.8), (0.9, 0.1), (0.5, 0.6)]
slope, shift = 0.4, -0.3


def squash(z):
    return 1 / (1 + math.exp(-z))


def one_step(slope, shift):
    x, wanted = data[random.randint(0, 2)]
    guess = squash(slope * x + shift)
    error = guess - wanted
    loss = error * error
    back = 2 * error * guess * (1 - guess)
    return back * shift * RATE, back * RATE


for epoch in range(40):
    by_slope, by_shift = one_step(slope, shift)
    slope -= by_slope
    shift -= by_shift
"""


@pytest.fixture
def repaired(tmp_path, capsys):
    """What `gradcheck repair` prints for a script."""

    def run(script, *options):
        path = tmp_path / "train.py"
        path.write_text(script, encoding="utf-8")
        gradcheck.cli.main(["repair", *options, str(path)])
        return capsys.readouterr().out

    return run


@pytest.mark.in_full
def test_a_loss_that_is_a_local_of_the_edited_function(repaired):
    assert "+    return back * x * RATE, back * RATE" in repaired(SCRIPT)


def test_a_script_whose_search_its_budget_ended_says_so(repaired):
    far_off = SCRIPT.replace("guess * (1 - guess)", "(math.sin(7 * x) + math.cos(guess) ** 3)")
    out = repaired(far_off, "--budget", "0.05")
    assert "in the 0.05 s allowed" in out
    assert "no edit makes every gradient right" not in out


NETWORK = """
import numpy as np

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
W1, b1 = rng.normal(size=(2, 4)), rng.normal(size=(1, 4))
W2, b2 = rng.normal(size=(4, 1)), rng.normal(size=(1, 1))
for epoch in range(30):
    z1 = X @ W1 + b1
    a1 = 1 / (1 + np.exp(-z1))
    off = a1 @ W2 + b2 - Y
    loss = np.mean(off**2)
    d2 = 2 * off / len(X)
    dW2, db2 = a1.T @ d2, d2.sum(axis=0, keepdims=True)
    d1 = d2 @ W2.T * a1 * (1 - a1)
    W1 -= 0.1 * X.T @ d1
    b1 -= 0.1 * d1.sum(axis=0, keepdims=True)
    W2 -= 0.1 * dW2
    b2 -= 0.1 * db2
"""


@pytest.mark.parametrize("wrong", ["d2 @ W1.T * a1 * (1 - a1)", "d2 @ W2.T * z1 * (1 - z1)"])
def test_a_name_that_the_loop_updates_later_or_that_stands_there_twice(repaired, wrong):
    assert "+    d1 = d2 @ W2.T * a1 * (1 - a1)" in repaired(
        NETWORK.replace("d2 @ W2.T * a1 * (1 - a1)", wrong)
    )


SAMPLES = """
import numpy as np

rng = np.random.default_rng(2)
X, labels = rng.normal(size=(9, 3)), np.array([0.0, 1, 0, 1, 1, 0, 0, 1, 0])
w, V = rng.normal(size=3), rng.normal(size=(3, 2))
rate, hold = 0.02, 0.05
for epoch in range(10):
    for x, label in zip(X, labels):
        z = w @ x + np.sum((x @ V) ** 2)
        prob = 1 / (1 + np.exp(-z))
        loss = -label * np.log(prob) - (1 - label) * np.log(1 - prob) + 0.5 * hold * np.sum(V**2)
        err = prob - label
        inner = x @ V
        gV = np.empty_like(V)
        for i in range(len(V)):
            for k in range(V.shape[1]):
                gV[i, k] = 2 * err * x[i] * inner[k] + hold * V[i, k]
        w -= rate * err * x
        V -= rate * gV
"""


def test_a_penalty_in_loops_with_another_label_and_weight(repaired):
    out = repaired(SAMPLES.replace(" + hold * V[i, k]", ""))
    assert "inner[k] + hold * V[i, k]\n" in out
    assert "with other X, hold and label" in out


INSIDE = """
import numpy as np

X = np.array([[0.2, 1.1], [-0.7, 0.4], [1.3, -0.5], [0.6, 0.9]])
Y = np.array([0.3, -0.2, 0.9, 0.1])


def main():
    global latest
    slope, shift = np.array([0.5, -0.3]), 0.2
    for epoch in range(30):
        off = X @ slope + shift - Y
        loss = np.mean(off**2)
        latest = loss
        by_slope = 2 * X.T @ off / len(off)
        by_shift = 2 * np.sum(off)
        slope = slope - 0.1 * by_slope
        shift = shift - 0.1 * by_shift


main()
"""


def test_a_loop_in_a_function_that_changes_a_global_is_edited(repaired):
    assert "+        by_shift = 2 * np." in repaired(INSIDE)


LAYERED = """
import numpy as np

RNG = np.random.default_rng(8)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 1))
weights = [RNG.normal(size=(3, 5)), RNG.normal(size=(5, 4)), RNG.normal(size=(4, 1))]
eta = 0.3
for epoch in range(20):
    outs = [X]
    for w in weights:
        outs.append(np.tanh(outs[-1] @ w))
    loss = np.sum((outs[-1] - Y) ** 2)
    down = 2 * (outs[-1] - Y) * (1 - outs[-1] ** 2)
    downs = [down]
    for i in range(len(weights) - 1, 0, -1):
        downs.insert(0, downs[0] @ weights[i].T * (1 - outs[i] ** 2))
    for i in range(len(weights)):
        weights[i] = weights[i] - eta * outs[i].T @ downs[i]
"""


@pytest.mark.in_full
def test_a_loop_that_raised_is_mended_to_a_step_down(repaired):
    wrong = LAYERED.replace("eta * outs[i].T", "eta * outs[i + 1].T")
    assert "+        weights[i] = weights[i] - eta * outs[i].T @ downs[i]" in repaired(wrong)


@pytest.mark.in_full
def test_how_often_a_loop_has_run_is_no_factor(repaired):
    out = repaired(LAYERED.replace("down = 2 * (outs", "down = (outs"), "-v")
    assert "makes every gradient right" in out
    assert "* epoch" not in out


@pytest.mark.in_full
def test_an_index_is_another_number_and_no_count_of_passes(repaired):
    wrong = LAYERED.replace("downs.insert(0, downs[0] @", "downs.insert(0, downs[-1] @")
    out = repaired(wrong, "-v")
    assert "downs[0] @ weights[i].T" in out.split("2. ")[0]
    assert "epoch" not in "".join(line for line in out.split("\n") if line.startswith("+"))
    assert "__gradcheck" not in out


SMOOTHED = """
import numpy as np

RNG = np.random.default_rng(0)
X, labels = RNG.normal(size=(12, 4)), RNG.integers(0, 3, size=12)
W, b = RNG.normal(size=(4, 3)), np.zeros(3)
target = 0.9 * np.eye(3)[labels] + 0.1 / 3
for step in range(30):
    scores = np.exp(X @ W + b)
    shares = scores / scores.sum(axis=1, keepdims=True)
    loss = -np.mean(np.sum(target * np.log(shares), axis=1))
    delta = shares.copy()
    delta[np.arange(12), labels] -= 1
    delta /= 12
    W = W - 0.1 * X.T @ delta
    b = b - 0.1 * delta.sum(axis=0)
"""


@pytest.mark.in_full
def test_an_edit_before_the_loss_that_changes_it_is_refused(repaired):
    out = repaired(SMOOTHED, "-v")
    assert "- target" in out
    assert "+    shares =" not in out
