"""A loss that is added up, and shown divided by the number of samples."""

import pytest

SUMMED = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
y = X @ np.array([1.0, 2.0, -1.0]) + 0.1 * rng.normal(size=30)
w, n, kept = np.zeros(3), len(X), []
for turn in range(20):
    slope, cost = np.zeros(3), 0.0
    for i in range(n):
        e = X[i] @ w - y[i]
        cost += e**2 / 2
        slope += e * X[i]
    w -= 0.1 * slope / n
    SHOWN
"""
WHOLE = """
import numpy as np

rng = np.random.default_rng(0)
X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
w, n, kept = np.zeros(3), len(X), []
for turn in range(20):
    e = X @ w - y
    cost = np.sum(e**2) / 2
    w -= 0.1 * X.T @ e / n
    SHOWN
"""
SHOWN = [
    "print(turn, cost / n)",
    'print(f"cost {cost / len(X):.3f}")',
    "kept.append(cost / n)",
    "average = cost / n; print(average)",
]


@pytest.mark.parametrize("shown", SHOWN)
def test_the_mean_that_a_script_shows_of_a_sum_is_the_loss_if_it_is_descended(outcome, shown):
    found = outcome(SUMMED.replace("SHOWN", shown))
    assert found.report.verdict == "pass", str(found.report)
    assert found.script.loss.startswith("cost / "), found.script.loss_words
    flipped = outcome(SUMMED.replace("SHOWN", shown).replace("w -=", "w +=")).report
    assert [one.code for one in flipped.errors] == ["GC106"]


def test_the_mean_of_a_sum_that_is_written_at_once_is_the_loss_too(outcome):
    assert outcome(WHOLE.replace("SHOWN", SHOWN[0])).report.verdict == "pass"


@pytest.mark.parametrize("text", [SUMMED, WHOLE])
def test_a_sum_that_is_shown_and_not_descended_is_told(outcome, text):
    errors = outcome(text.replace("SHOWN", "print(turn, cost)")).report.errors
    assert [one.code for one in errors] == ["GC102"]


def test_a_sum_that_is_descended_is_the_loss_whatever_is_shown(outcome):
    text = SUMMED.replace("SHOWN", SHOWN[0]).replace("0.1 * slope / n", "0.001 * slope")
    report = outcome(text).report
    assert report.verdict == "pass", str(report)


CALLED = """
def cost(X, y, w):
    return np.sum((X @ w - y) ** 2) / 2


for turn in range(20):
    w = w - 0.1 / n * X.T @ (X @ w - y)
    print(turn, cost(X, y, w) / n)
"""
LISTED = """
def loss_of(w, x, t):
    return (w @ x - t) ** 2


for turn in range(20):
    losses = [loss_of(w, *pair) for pair in zip(X, y)]
    slopes = [2 * (w @ x - t) * x for x, t in zip(X, y)]
    kept.append(SHOWN)
    w = w - 0.1 * sum(slopes) / len(slopes)
"""


UNNAMED = """
for turn in range(20):
    slope, total = np.zeros(3), 0.0
    for x, t in zip(X, y):
        gap = w @ x - t
        total += np.log(np.cosh(gap))
        slope += np.tanh(gap) * x
    w = w - 0.1 * slope / n
    print("at", turn, total / n)
"""


@pytest.mark.parametrize(
    "loop",
    [
        CALLED,
        UNNAMED,
        LISTED.replace("SHOWN", "sum(losses) / len(losses)"),
        LISTED.replace("SHOWN", "np.mean(losses)"),
    ],
)
def test_the_mean_of_what_is_returned_listed_or_added_up_is_the_loss_too(outcome, loop):
    report = outcome(WHOLE.partition("for turn")[0] + loop).report
    assert report.verdict == "pass", str(report)


BY_ADAM = """
import numpy as np

rng = np.random.default_rng(7)
X, Y = rng.normal(size=(64, 4)), rng.normal(size=(64, 2))
W, b = rng.normal(size=(4, 2)), np.zeros(2)
first, second = [np.zeros_like(W), np.zeros_like(b)], [np.zeros_like(W), np.zeros_like(b)]
turn = 0
for epoch in range(4):
    epoch_loss = 0.0
    for start in range(0, 64, 16):
        x, t = X[start : start + 16], Y[start : start + 16]
        gap = np.tanh(x @ W + b) - t
        epoch_loss += np.sum(gap**2)
        back = 2 * gap * (1 - (gap + t) ** 2) / gap.size
        turn += 1
        for k, (p, g) in enumerate([(W, x.T @ back), (b, back.sum(axis=0))]):
            first[k] = 0.9 * first[k] + 0.1 * g
            second[k] = 0.999 * second[k] + 0.001 * g * g
            corrected = second[k] / (1 - 0.999**turn)
            p -= 0.01 * first[k] / (1 - 0.9**turn) / (np.sqrt(corrected) + 1e-8)
    print(SHOWN)
"""
BATCHES = """
import numpy as np

rng = np.random.default_rng(7)
X, labels = rng.normal(size=(90, 6)), rng.integers(0, 3, 90)
W = 0.1 * rng.normal(size=(6, 3))
for epoch in range(3):
    order, epoch_loss = rng.permutation(90), 0.0
    for start in range(0, 90, 16):
        x, y = X[order[start : start + 16]], labels[order[start : start + 16]]
        p = np.exp(x @ W)
        p /= p.sum(axis=1, keepdims=True)
        epoch_loss += -np.log(p[range(len(y)), y]).sum()
        p[range(len(y)), y] -= 1
        W -= 0.2 * x.T @ p / len(y)
    print(SHOWN)
"""
SELDOM = SUMMED.replace("SHOWN", "if turn % 9 == 5: print(SHOWN)").replace("cost", "epoch_loss")


def test_gradients_that_enter_adam_may_be_those_of_a_mean_that_is_shown(outcome):
    report = outcome(BY_ADAM.replace("SHOWN", "epoch_loss / Y.size")).report
    assert report.verdict == "pass", str(report)
    assert outcome(BY_ADAM.replace("SHOWN", "epoch_loss")).report.verdict == "fail"


@pytest.mark.parametrize("text", [BATCHES, SELDOM])
def test_a_mean_that_is_shown_elsewhere_leaves_the_size_of_a_sum_open(outcome, text):
    report = outcome(text.replace("SHOWN", "epoch_loss / len(X)")).report
    assert (report.verdict, report.up_to) == ("pass", "the size of the loss"), str(report)
    errors = outcome(text.replace("SHOWN", "epoch_loss")).report.errors
    assert [one.code for one in errors] == ["GC102"]


WITH_A_BUG = """
import numpy as np

rng = np.random.default_rng(7)
X, y = rng.normal(size=(90, 4)), rng.normal(size=(90, 1))
W1, W2 = rng.normal(size=(4, 6)), rng.normal(size=(6, 1))
for epoch in range(3):
    epoch_loss = 0.0
    for start in range(0, 90, 15):
        x, t = X[start : start + 15], y[start : start + 15]
        hidden = np.tanh(x @ W1)
        gap = hidden @ W2 - t
        epoch_loss += np.sum(gap**2)
        back = 2 * gap / len(x)
        dW1 = x.T @ (back @ W2.T * (1 - hidden))
        W2 -= 0.1 * hidden.T @ back
        W1 -= 0.1 * dW1
    print(epoch_loss / len(X))
"""


def test_the_mean_of_a_total_of_the_losses_of_batches_leaves_their_size_open_too(outcome):
    text = WITH_A_BUG.replace("(1 - hidden)", "(1 - hidden**2)")
    text = text.replace("epoch_loss += np.sum(gap**2)", "loss = np.sum(gap**2); epoch_loss += loss")
    report = outcome(text).report
    assert (report.verdict, report.up_to) == ("pass", "the size of the loss"), str(report)
    assert outcome(text.replace("epoch_loss / len(X)", "loss")).report.verdict == "fail"


SENTENCES = """
import numpy as np

rng = np.random.default_rng(0)
sentences = [rng.integers(0, 6, count) for count in (5, 7, 6, 4, 8, 5)]
E, U = 0.3 * rng.normal(size=(6, 4)), 0.3 * rng.normal(size=(4, 6))
for epoch in range(3):
    nll = count = 0
    for words in sentences:
        now, then = words[:-1], words[1:]
        p = np.exp(E[now] @ U)
        p /= p.sum(axis=1, keepdims=True)
        nll -= np.log(p[range(len(then)), then]).sum()
        count += len(then)
        p[range(len(then)), then] -= 1
        dE = np.zeros_like(E)
        np.add.at(dE, now, p @ U.T)
        dU = E[now].T @ p
        E -= 0.3 * dE / len(now)
        U -= 0.3 * dU / len(now)
    print(np.exp(nll / count))
"""


def test_a_sum_may_be_divided_by_another_number_in_every_iteration(outcome):
    report = outcome(SENTENCES).report
    assert (report.verdict, report.up_to) == ("pass", "the size of the loss"), str(report)
    assert outcome(SENTENCES.replace("nll / count", "nll")).report.verdict == "fail"


def test_a_block_that_is_right_tells_the_size_of_a_sum_and_leaves_only_the_bug(outcome):
    found = outcome(WITH_A_BUG)
    assert [(one.code, one.blocks) for one in found.report.errors] == [("GC305", ("W1",))]
    assert any("times 0.06667" in note for note in found.script.notes)


def test_one_block_beside_the_mean_that_is_descended_tells_no_other_size(outcome):
    text = WHOLE.replace("SHOWN", "b -= 0.1 * e.mean() / n; print(cost / n)")
    text = text.replace("X @ w - y", "X @ w + b - y").replace("kept =", "b =").replace("[]", "0.5")
    errors = outcome(text).report.errors
    assert [(one.code, one.blocks) for one in errors] == [("GC502", ("b",))], errors


def test_several_blocks_off_by_one_factor_beside_a_bug_are_right_up_to_the_rate(outcome):
    text = WITH_A_BUG.replace("np.sum(gap**2)", "3.7 * np.mean(gap**2)")
    text = text.replace("epoch_loss / len(X)", "epoch_loss").replace(
        "epoch_loss +=", "epoch_loss ="
    )
    biased = text.replace("hidden @ W2 - t", "hidden @ W2 + c - t").replace(
        "W1, W2 =", "c = 0.1\nW1, W2 ="
    )
    biased = biased.replace("W1 -= 0.1 * dW1", "W1 -= 0.1 * dW1\n        c -= 0.1 * back.sum()")
    errors = outcome(biased).report.errors
    assert [(one.code, one.blocks) for one in errors] == [("GC305", ("W1",))]
    alone = outcome(text).report.errors
    assert {block for one in alone for block in one.blocks} == {"W1", "W2"}
