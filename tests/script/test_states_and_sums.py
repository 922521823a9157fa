"""Training steps that hold a loop over time or a batch: its states and sums are no weights."""

import ast

import pytest

from gradcheck.script.entry import ScriptEntry
from gradcheck.script.inner_loops import set_anew
from gradcheck.script.instrument import mark
from gradcheck.script.rates import Rate
from gradcheck.script.step import Step

HEAD = """
import numpy as np

rng = np.random.default_rng(3)
seen = np.cumsum(rng.normal(size=20)) * 0.3 + 1
"""

RISK_SETS = """
x, happened = rng.normal(size=(9, 3)), rng.random(9) < 0.7
k = np.array([0.1, -0.2, 0.3])
for turn in range(9):
    loss, slope = 0.0, np.zeros(3)
    risk, tilted = 0.0, np.zeros(3)
    for row, counts in zip(x, happened):
        risk = risk + np.exp(row @ k)
        tilted = tilted + np.exp(row @ k) * row
        loss = loss + counts * (np.log(risk) - row @ k)
        slope += counts * (tilted / risk# - row)
    k = k - 0.02 * slope
"""

SIMULATED = """
def decay(k, c, dt=0.1):
    z, by_k, by_c = 1.0, 0.0, 0.0
    loss, to_k, to_c = 0.0, 0.0, 0.0
    for value in seen:
        by_k, by_c = by_k + dt * (-z - k * by_k#), by_c + dt * (1 - k * by_c)
        z = z + dt * (c - k * z)
        loss += (z - value) ** 2
        to_k += 2 * (z - value) * by_k
        to_c += 2 * (z - value) * by_c
    return loss, to_k, to_c

k, c = 0.5, 0.2
for turn in range(9):
    loss, to_k, to_c = decay(k, c)
    k -= 0.01 * to_k
    c -= 0.01 * to_c
"""

SMOOTHED = """
k = 0.3
for turn in range(9):
    level, by_k, loss, slope = seen[0], 0.0, 0.0, 0.0
    for value in seen[1:]:
        off = value - level
        loss += off ** 2
        slope += -2 * off * by_k
        by_k = by_k + off - k * by_k#
        level = level + k * off
    k -= 1e-4 * slope
"""

FILTERED = """
log_q = log_r = 0.0
for turn in range(9):
    q, r = np.exp(log_q), np.exp(log_r)
    m, P, by_m, by_P = 0.0, 4.0, np.zeros(2), np.zeros(2)
    nll, slope = 0.0, np.zeros(2)
    for value in seen:
        P, by_P = P + q, by_P + np.array([q, 0.0])
        S, by_S, v, by_v = P + r, by_P + np.array([0.0, r]), value - m, -by_m
        nll += 0.5 * (np.log(S) + v * v / S)
        slope += 0.5 * (by_S / S + 2 * v * by_v / S - v * v * by_S / S ** 2#)
        K, by_K = P / S, by_P / S - P * by_S / S ** 2
        m, by_m = m + K * v, by_m + by_K * v + K * by_v
        P, by_P = P - K * P, by_P - by_K * P - K * by_P
    log_q -= 0.05 * slope[0]
    log_r -= 0.05 * slope[1]
"""

STEPS = [
    (RISK_SETS, ("k",), " / 2"),
    (SIMULATED, ("k", "c"), " * 2"),
    (SMOOTHED, ("k",), " * 2"),
    (FILTERED, ("log_q", "log_r"), " / 2"),
]


@pytest.mark.parametrize(("step", "params", "bug"), STEPS)
@pytest.mark.parametrize("is_right", [True, False])
def test_the_states_and_sums_of_a_loop_in_a_step_are_no_parameters(
    outcome, step, params, bug, is_right
):
    found = outcome(HEAD + step.replace("#", "" if is_right else bug))
    assert found.script.params == params
    assert found.report.verdict == ("pass" if is_right else "fail"), str(found.report)


FITS = """
x, t = rng.normal(size=(12, 3)), rng.normal(size=12)
total, penalty = 0.0, 0.0
for fit in range(3):
    k = np.zeros(3)
    for turn in range(9):
        off = x @ k - t
        loss = 0.5 * np.sum(off ** 2) + 0.5 * penalty * np.sum(k ** 2)
        k -= 0.01 * (x.T @ off + penalty * k)
    total += loss
    penalty += GROWS
"""


@pytest.mark.parametrize("grows", ["0.5", "0.0"])
def test_a_fit_that_begins_anew_is_still_a_training_loop(outcome, grows):
    found = outcome(HEAD + FITS.replace("GROWS", grows))
    assert found.script.params == ("k",)
    assert found.report.ok, str(found.report)


ENTRIES = """
x, t = rng.normal(size=(9, 3)), rng.normal(size=9)
k, c = rng.normal(size=3), MADE
for turn in range(9):
    loss, to_k, to_c = 0.0, np.zeros(3), [0.0, 0.0]
    for row, value in zip(x, t):
        off = row @ k + c[0] * row[0] ** 2 + c[1] - value
        loss += off ** 2
        to_k += 2 * off * row
    for j in range(2):
        c[j] -= 0.01 * to_c[j]
    k -= 0.01 * to_k
"""


@pytest.mark.parametrize("made", ["[0.1, 0.2]", "np.array([0.1, 0.2])"])
def test_entries_that_are_updated_by_0_belong_to_a_parameter(outcome, made):
    report = outcome(HEAD + ENTRIES.replace("MADE", made)).report
    assert [one.code for one in report.errors] == ["GC408"], str(report)
    assert {block.name for block in report.blocks} == {"k", "c"}


def test_a_sum_is_not_taken_where_no_gradient_comes_to_the_parameter(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(HEAD + SMOOTHED.replace("slope += -2 * off * by_k", "pass"))
    outcome = ScriptEntry(script).outcome({})
    assert outcome.report is None
    assert "it only adds up level" in outcome.error
    assert "k by exactly 0: no gradient comes back to it" in outcome.error


def test_a_sum_that_is_overwritten_leaves_the_step_where_it_is(outcome):
    found = outcome(HEAD + FILTERED.replace("#", "").replace("slope += 0.5", "slope = 0.5"))
    assert found.script.params == ("log_q", "log_r")
    assert [one.code for one in found.report.errors] == ["GC701"], str(found.report)


def test_of_a_whole_array_one_entry_may_move_alone(outcome):
    text = SIMULATED.replace("#", "").replace("    to_c += 2 * (z - value) * by_c\n", "")
    text = (
        text.split("k, c = 0.5")[0]
        + """
p = np.array([0.5, 0.2])
for turn in range(9):
    loss, to_k, to_c = decay(*p)
    p = p - 0.01 * np.array([to_k, to_c])
"""
    )
    found = outcome(HEAD + text)
    assert found.script.params == ("p",)
    assert found.report.verdict == "fail"


PENALISED = """
x, t = rng.normal(size=(12, 3)), rng.normal(size=12)
k = rng.normal(size=3)
for turn in range(9):
    off = x @ k - t
    loss = 0.5 * np.sum(off ** 2)
    loss += 0.05 * np.sum(k ** 2)
    k = k - 0.05 * (x.T @ off + 0.1 * k)
"""


def test_a_number_in_the_penalty_is_not_the_rate_of_the_same_value(outcome):
    found = outcome(HEAD + PENALISED)
    assert found.script.rate_words.startswith("the 0.05 in line 13;")
    assert found.report.ok
    assert "weight decay" not in str(found.report)


FOLDS = """
x, t = rng.normal(size=(12, 3)), rng.normal(size=12)
for fold in range(2):
    k, lr = np.zeros(3), 0.02
    for turn in range(4):
        for rows in (slice(0, 6), slice(6, 12)):
            off = x[rows] @ k - t[rows]
            loss = 0.5 * np.sum(off ** 2)
            k -= lr * x[rows].T @ off
        lr -= 0.001
    print(fold, loss)
"""


@pytest.mark.parametrize(("line", "are"), [("lr -= 0.001", False), ("k -= 0.1 * lr * k", True)])
def test_only_what_is_updated_beside_a_loop_makes_doubt_of_it(line, are):
    beside = "    print" if are else "        lr"
    text = (HEAD + FOLDS).replace(beside, beside.replace("print", f"{line}\n    print"))
    marked = mark(ast.parse(text), [], None)
    inner = next(one for one in range(3) if not marked.inside(one))
    assert bool(set_anew(marked, Step(inner, Rate(0.02, "lr"), [("module", "k")]))) == are


VELOCITIES = """
x = rng.normal(size=(30, 4))
labels = rng.integers(0, 3, 30)
w, b, v, c = rng.normal(size=(4, 5)), np.zeros(5), rng.normal(size=(5, 3)), np.zeros(3)
of_w, of_b, of_v, of_c = w, b, v, c
momentum, decay, rate = -0.5, 0.2, 0.1
for turn in range(9):
    right, total = 0, 0
    for start in range(0, 30, 10):
        rows, own = x[start : start + 10], np.eye(3)[labels[start : start + 10]]
        {norm}
        h = np.tanh(z)
        p = np.exp(h @ v + c)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.sum(own * np.log(p))
        total += loss
        right += np.mean(np.argmax(p, axis=1) == np.argmax(own, axis=1))
        off = p - own
        below = off @ v.T * (1 - h**2)
        {back}
        of_w = momentum * of_w - (1 + momentum) * rate * rows.T @ below - rate * abs(decay * of_w)
        w += of_w
        of_v = momentum * of_v - (1 + momentum) * rate * h.T @ off - rate * abs(decay * of_v)
        v += of_v
        of_b = momentum * of_b - (1 + momentum) * rate * below.sum(axis=0)
        b += of_b
        of_c = momentum * of_c - (1 + momentum) * rate * off.sum(axis=0)
        c += of_c
"""
PLAIN = "z = rows @ w + b", "pass"
NORMED = (
    "u = rows @ w + b; s = u.std(axis=0); z = (u - u.mean(axis=0)) / s",
    "below = (below - below.mean(axis=0) - z * (below * z).mean(axis=0)) / s",
)


@pytest.mark.parametrize(("norm", "back"), [PLAIN, NORMED])
def test_a_sum_of_accuracies_and_a_bias_that_a_norm_takes_out_are_no_weights(outcome, norm, back):
    begun = "import numpy as np\n\nrng = np.random.default_rng(4)\n"
    found = outcome(begun + VELOCITIES.format(norm=norm, back=back))
    assert "right" not in found.script.params
    assert found.report.ok, str(found.report)


MASKED_IN_PLACE = """
import numpy as np
rng = np.random.default_rng(3)
x, t = rng.normal(size=(3, 8, 4)), rng.normal(size=(8, 2))
u, w, v = rng.normal(size=(4, 5)), rng.normal(size=(5, 5)), rng.normal(size=(5, 2))
for turn in range(30):
    mask = np.random.binomial(1, 0.5, size=(8, 5)) / 0.5
    hs = {-1: np.zeros((8, 5))}
    for k in range(3):
        hs[k] = np.tanh(x[k] @ u + hs[k - 1] @ w)
        hs[k] *= mask
    off = hs[2] @ v - t
    loss = np.mean(off**2)
    up = 2 * off / off.size
    dv, du, dw = hs[2].T @ up, np.zeros_like(u), np.zeros_like(w)
    dh = up @ v.T
    for k in reversed(range(3)):
        dz = dh * mask * (1 - hs[k] * hs[k])
        du += x[k].T @ dz
        dw += hs[k - 1].T @ dz
        dh = dz @ w.T
    u -= 0.1 * du
    w -= 0.1 * dw
    v -= 0.1 * dv
"""


def test_a_state_before_its_mask_is_told_by_its_line_and_not_as_a_slope(outcome):
    [first] = outcome(MASKED_IN_PLACE).report.errors
    assert first.code == "GC415", first.message
    assert "hs[k] of line 10 belongs here" in first.message
    assert MASKED_IN_PLACE.splitlines()[first.location.line - 1].strip().startswith("dz =")
    right = MASKED_IN_PLACE.replace("hs[k] *= mask", "kept[k], hs[k] = hs[k], hs[k] * mask")
    right = right.replace("hs = {-1", "kept, hs = {}, {-1")
    assert outcome(right.replace("1 - hs[k] * hs[k]", "1 - kept[k] ** 2")).report.ok
