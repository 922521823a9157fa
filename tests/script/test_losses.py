"""Which number of a script is taken as its loss, and what a constant beside it may be."""

import re
from textwrap import dedent

import pytest

from gradcheck.options import Edits, Wishes
from gradcheck.script import ScriptEntry
from gradcheck.script.words import may_be_loss

DATA = """
import numpy as np

rng = np.random.default_rng(5)
x, t = rng.normal(size=(24, 3)), rng.normal(size=24)
w = rng.normal(size=3)
"""

WHOLE = """
def measured(w):
    squares_cost = np.sum((x @ w - t) ** 2)
    squares_cost += 0.1 * np.sum(w**2)
    return squares_cost / len(t)


for turn in range(40):
    g = (2 * x.T @ (x @ w - t) + 0.2 * w)SIZE
    w = w - 0.02 * g
    if turn % 8 == 0:
        print("now at", measured(w))
"""

ELEMENTS = """
@np.vectorize
def mse(out, wanted):
    return (out - wanted) ** 2


pace = 0.03
for turn in range(40):
    out = x @ w
    level = np.sum(mse(out, t)) / len(t)
    print(level)
    w = w - pace * (2 * x.T @ (out - t)SIZE)
"""

OF_A_CALL = """
def squared_loss(out, wanted):
    loss = (out - wanted) ** 2
    return loss

class Net:
    def fit(self):
        self.batch_loss = 0.0
        for part in (slice(0, 2), slice(2, None)):
            out, wanted = x[part] @ w, t[part]
            terms = zip(out, wanted)
            self.batch_loss += sum([squared_loss(*one) for one in terms]) / len(t)
            self.dw += 2 * x[part].T @ (out - wanted)SIZE

net, pace = Net(), 0.03
for turn in range(40):
    net.dw = np.zeros_like(w)
    net.fit()
    w = w - pace * net.dw
"""

TERMS = """
table = np.abs(rng.normal(size=(4, 3))) + 0.5
left, right = rng.uniform(size=(4, 2)), rng.uniform(size=(2, 3))
pace = 0.01
for turn in range(20):
    for i in range(4):
        for j in range(3):
            gap = table[i, j] - left[i] @ right[:, j]
            old = left[i].copy()
            left[i] = left[i] + pace * (2 * gap * right[:, j] - 0.3 * left[i])
            right[:, j] = right[:, j] + pace * (2 * gap * old - 0.3 * right[:, j])
    err = 0
    for i in range(4):
        for j in range(3):
            err = err + (table[i, j] - left[i] @ right[:, j]) ** 2
            err = err + 0.15 * (left[i] @ left[i] + right[:, j] @ right[:, j])
"""

MARGINS = """
sides = np.sign(t)
pace = 0.01
for turn in range(20):
    hinge_loss = 0.5 * np.dot(w, w)
    for row, side in zip(x, sides):
        if side * np.dot(w, row) < 1:
            hinge_loss += 0.7 * (1 - side * np.dot(w, row))
            w -= pace * (w - 0.7 * side * row)
    print(turn, hinge_loss)
"""


@pytest.fixture
def outcome(tmp_path):
    def of(text, loss=None, **options):
        path = tmp_path / "numbers.py"
        path.write_text(dedent(DATA + text))
        found = ScriptEntry(path, Wishes(loss)).outcome(options)
        assert found.report is not None, found.error
        return found

    return of


@pytest.mark.parametrize("text", [WHOLE, ELEMENTS, OF_A_CALL])
def test_the_loss_is_the_whole_and_not_a_part_of_it(outcome, text):
    right = outcome(text.replace("SIZE", " / len(t)"))
    assert right.report.ok, str(right.report)
    assert right.script.loss in ("measured()", "level", "self.batch_loss")
    assert not right.script.notes
    wrong = outcome(text.replace("SIZE", ""))
    assert [one.code for one in wrong.report.errors] == ["GC101"]
    assert set(wrong.report.findings[0].blocks) == {"w"}


@pytest.mark.in_full
def test_a_loss_that_is_added_up_after_the_steps_is_that_of_a_step_in_its_terms(outcome):
    right = outcome(TERMS)
    assert right.script.loss == "err"
    assert right.report.ok, str(right.report)
    assert not right.report.notes, right.report.notes
    wrong = outcome(TERMS.replace("2 * gap * old", "3 * gap * old"))
    assert {block.name: block.verdict for block in wrong.report.blocks} == {
        "left": "ok",
        "right": "wrong",
    }


def test_a_penalty_with_which_a_loss_starts_before_the_steps_is_a_part_of_it(outcome):
    right = outcome(MARGINS)
    assert right.script.loss == "hinge_loss"
    assert right.report.ok, str(right.report)
    wrong = outcome(MARGINS.replace("(w - 0.7", "(2 * w - 0.7"))
    assert [one.code for one in wrong.report.errors] == ["GC604"], str(wrong.report)


@pytest.mark.parametrize(
    ("text", "loss"),
    [(WHOLE, "measured"), (WHOLE, "squares_cost"), (ELEMENTS, "level"), (TERMS, "err")],
)
def test_the_loss_that_is_said_may_be_any_that_is_computed(outcome, text, loss):
    found = outcome(text.replace("SIZE", " / len(t)"), loss)
    assert found.script.loss.removesuffix("()") == loss


WATCHED = """
kept, unseen, wanted = np.inf, rng.normal(size=(9, 3)), rng.normal(size=9)
for turn in range(30):
    off_there = unseen @ w - wanted
    val_loss = np.mean(off_there**2)
    if val_loss < kept:
        kept, at_best = val_loss, w.copy()
    off = x @ w - t
    w = w - 0.02 * 2 * x.T @ offCUBED / len(t)
"""


@pytest.mark.parametrize("out", ["y[i] - a[-1]", "y[i] - a[-1].dot(one)", "y[i] - a"])
def test_activations_called_a_are_no_learning_rate_and_a_signed_error_is_no_loss(outcome, out):
    found = outcome(f"""
y, one, w = np.sign(t), np.ones(1), rng.normal(size=(3, 1))
for turn in range(50):
    i = rng.integers(24)
    last = np.tanh(x[i] @ w)
    a = {"last" if out.endswith("a") else "[x[i], last]"}
    error = {out}
    w += 0.2 * np.outer(x[i], error * (1 - last**2))
""")
    assert found.report.ok, str(found.report)
    assert "half the sum of squares" in found.script.loss


def test_a_loss_on_rows_that_are_set_aside_is_not_the_one_that_is_descended(outcome):
    right = outcome(WATCHED.replace("CUBED", ""))
    assert right.report.ok, str(right.report)
    assert "of x @ w - t, line" in right.script.text()
    assert "not val_loss (line 11)" in right.script.text()
    assert not outcome(WATCHED.replace("CUBED", "**3")).report.ok


OF_A_METHOD = """
class Line:
    def __init__(self, size):
        self.w = 0.1 * np.ones(size)

    def ahead(self, x):
        return 1 / (1 + np.exp(-x @ self.w))

    def loss(self, wanted, y):
        return -np.mean(wanted * np.log(y) + (1 - wanted) * np.log(1 - y))

    def step(self, x, wanted):
        y = self.ahead(x)
        self.w -= 0.1 * x.T @ (y - wanted) / len(wanted)

line, kinds, before = Line(3), (t > 0).astype(float), np.inf
for turn in range(30):
    line.step(x[:16], kinds[:16])
    y = line.ahead(x[16:])
    validate_loss = line.loss(kinds[16:], y)
    if abs(before - validate_loss) < 1e-9:
        break
    before = validate_loss
"""


def test_a_function_that_measures_only_rows_set_aside_returns_no_loss_of_the_step(outcome):
    found = outcome(OF_A_METHOD)
    assert "the binary cross-entropy over all 16 of y - wanted" in found.script.text()
    assert found.report.ok, str(found.report)


def test_a_division_that_one_of_two_gradients_lacks_is_forgotten_there(outcome):
    found = outcome("""
b = 0.2
for turn in range(30):
    off = x @ w + b - t
    w = w - 0.05 * x.T @ off / len(t)
    b = b - 0.05 * np.sum(off)
""")
    assert {block.name: block.verdict for block in found.report.blocks} == {"w": "ok", "b": "wrong"}
    assert found.report.findings[0].code == "GC502"


SINGLE = """
kinds = np.eye(4, dtype="f")[rng.integers(4, size=24)]
x = x.astype("f")
k = rng.normal(size=(3, 4)).astype("f")
to_k = np.zeros_like(k)
for turn in range(30):
    grown = np.exp(x @ k)
    share = grown / grown.sum(axis=1, keepdims=True)
    loss = -np.mean(np.sum(kinds * np.log(share + 1e-8), axis=1))
    to_k[...] = x.T @ (share - PART * kinds) / 24
    k -= 0.05 * to_k
"""


@pytest.mark.in_full
def test_a_gradient_that_is_kept_in_float32_is_as_precise_as_that(outcome):
    assert outcome(SINGLE.replace("PART", "1")).report.ok
    assert outcome(SINGLE.replace("PART", "0.9999")).report.verdict == "fail"


CUT_SHORT = """
kinds = np.eye(4)[rng.integers(4, size=24)]
k = [rng.normal(size=(3, 5)), rng.normal(size=(5, 4))]
for turn in range(30):
    total = [np.zeros_like(one) for one in k]
    for at in range(0, 24, 8):
        inner = np.tanh(x[at : at + 8] @ k[0])
        grown = np.exp(inner @ k[1])
        share = grown / grown.sum(axis=1, keepdims=True)
        off = (share - kinds[at : at + 8]) / 8
        total[1] += inner.T @ off
        total[0] += x[at : at + 8].T @ (off @ k[1].T * (1 - innerSQUARED))
    for i in range(2):
        size = np.linalg.norm(total[i])
        k[i] -= 0.1 * total[i] * (0.05 / size if size > 0.05 else 1)
"""


@pytest.mark.in_full
def test_of_losses_that_no_line_computes_that_is_taken_of_which_clipped_gradients_are_multiples(
    outcome,
):
    right = outcome(CUT_SHORT.replace("SQUARED", "**2"))
    assert right.report.ok, str(right.report)
    assert "the cross-entropy over" in right.script.text()
    wrong = outcome(CUT_SHORT.replace("SQUARED", "")).report
    assert {one.name: one.verdict for one in wrong.blocks} == {"k[0]": "wrong", "k[1]": "ok"}
    assert [one.code for one in wrong.errors] == ["GC305"]


def test_a_factor_that_is_no_size_of_the_data_leaves_the_rate_open(outcome):
    found = outcome(WHOLE.replace("SIZE", " / 31.7"))
    assert str(found.report).splitlines()[-1].startswith("pass, up to the rate: 1 gradient agrees")


def test_a_ratio_of_sizes_is_no_rate(outcome):
    found = outcome(WHOLE.replace("SIZE", " / x.shape[1]"))
    assert found.report.verdict == "fail"
    assert found.report.findings[0].code == "GC104"
    assert "24 / 3" in found.report.findings[0].message


def test_an_inferred_loss_that_no_gradient_fits_decides_nothing(outcome):
    found = outcome(
        """
for turn in range(30):
    gap = x @ w - t
    w = w - 0.01 * x.T @ np.cos(3 * gap)
"""
    )
    assert found.report.verdict == "inconclusive"
    assert "no line says what the loss is" in str(found.report)
    assert not found.report.findings


@pytest.mark.in_full
def test_an_error_that_is_watched_while_samples_are_learned_decides_nothing(outcome):
    found = outcome(
        """
seen, v = (x > 0) * 1.0, 0.1 * rng.normal(size=(x.shape[1], 3))
for turn in range(30):
    up = 1 / (1 + np.exp(-seen @ v))
    drawn = up > rng.random(up.shape)
    down = 1 / (1 + np.exp(-(drawn @ v.T)))
    again = 1 / (1 + np.exp(-down @ v))
    v += 0.1 * (seen.T @ up - down.T @ again) / len(seen)
    error = np.sum((seen - down) ** 2)
    print(error)
"""
    )
    assert found.report.verdict == "inconclusive"
    assert "if the loss is error, say --loss error" in str(found.report)


CLASSES = """
import math
k = rng.normal(size=(3, 3))
kinds = rng.integers(3, size=24)

def share(row, one):
    sizes = [math.exp(row @ k[j]) for j in range(3)]
    return sizes[one] / sum(sizes)

def slope(row, kind, one):
    return -row * (int(kind == one) - SHARE)

for turn in range(60):
    row, kind = x[turn % 24], kinds[turn % 24]
    slopes = [slope(row, kind, one) for one in range(3)]
    for one in range(3):
        k[one] -= 0.1 * slopes[one]
"""


@pytest.mark.parametrize(("own", "ok"), [("share(row, one)", True), ("share(row, 0)", False)])
def test_probabilities_that_come_one_by_one_may_be_those_of_a_cross_entropy(outcome, own, ok):
    found = outcome(DATA + CLASSES.replace("SHARE", own))
    assert found.report.ok == ok
    assert "the cross-entropy of int(kind == one)" in found.script.text() or not ok


SLOPE_NAMED_AS_A_LOSS = """
total_loss = 0.0
for row, wanted in zip(x, t):
    out = row @ w
    d_loss = 2 * (out - wanted)
    w = w - 0.02 * SIGN * d_loss * row
    total_loss += (out - wanted) ** 2
"""


@pytest.mark.parametrize(("sign", "ok"), [("1", True), ("0.7", False)])
def test_a_derivative_named_as_a_loss_is_none(outcome, sign, ok):
    found = outcome(SLOPE_NAMED_AS_A_LOSS.replace("SIGN", sign))
    assert found.script.loss == "total_loss"
    assert found.report.ok == ok or "rate" in str(found.report)


SLOPE_IN_AN_ARRAY_NAMED_AS_A_LOSS = """
def nll(p, label):
    return -np.log(p[label])


def nll_derivative(p, label):
    loss = np.zeros(len(p))
    loss[label] = -1 / p[label]
    return loss


v = rng.normal(size=(3, 4))
for epoch in range(20):
    total = 0
    for row, label in zip(x, (t > 0).astype(int) * 2):
        e = np.exp(row @ v)
        p = e / e.sum()
        total += nll(p, label)
        v -= 0.01 * OWN * np.outer(row, nll_derivative(p, label) @ (np.diag(p) - np.outer(p, p)))
"""


@pytest.mark.parametrize(("own", "ok"), [("1", True), ("row[0]", False)])
def test_an_entry_of_a_derivative_is_no_loss(outcome, own, ok):
    found = outcome(DATA + SLOPE_IN_AN_ARRAY_NAMED_AS_A_LOSS.replace("OWN", own))
    assert found.script.loss in ("nll()", "total")
    assert found.report.ok == ok


ROW_OF_A_TABLE = """
table, other = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
for mid, near in ((0, 1), (2, 3), (4, 0)):
    row = table[mid]
    for far in (near, (near + 2) % 5, (near + 3) % 5):
        p = 1 / (1 + np.exp(-row @ other[far]))
        loss = -np.log(p)
        own = (p - 1) * other[far]
        other[far] -= 0.1 * (p - 1) * row
        table[mid] -= 0.1 * OWN
"""


@pytest.mark.parametrize(("own", "ok"), [("own", True), ("(p - 1) * other[far]", False)])
def test_a_row_that_was_taken_before_the_loop_is_still_one_of_its_table(outcome, own, ok):
    found = outcome(ROW_OF_A_TABLE.replace("OWN", own))
    assert found.report.ok == ok, str(found.report)
    assert ok or [one.code for one in found.report.findings] == ["GC404"]


@pytest.mark.parametrize("name", ["b", "offset"])
@pytest.mark.parametrize(
    ("update", "ok"), [("b + rate * gap.mean()", True), ("turn + rate * gap.mean()", False)]
)
def test_a_parameter_that_is_overwritten_and_not_updated_leaves_the_verdict_open(
    outcome, update, ok, name
):
    text = f"""
b, h, rate = 0.4, 0.0, 0.02
for turn in range(20):
    h = np.tanh(h + x @ w)
    gap = t - h - b
    loss = np.mean(gap**2) / 2
    w = w + rate * x.T @ (gap * (1 - h**2)) / 24
    b = {update}
"""
    found = outcome(re.sub(r"\bb\b", name, text))
    assert found.report.verdict == ("pass" if ok else "inconclusive")
    assert (f"{name} reaches the loss, and the loop overwrites" in str(found.report)) != ok
    assert "w        (3,)" in str(found.report)


OVER_PASSES = """
far = np.vstack([x, np.zeros(3)])
near, k = np.append(t, 0.5), rng.normal(size=3)
for turn in range(30):
    hidden = far * k
    gap = hidden @ w - near
    loss = np.sum(gap**2) / 2
    dw, dk = np.zeros(3), np.zeros(3)
    for row in range(25):
        dw += gap[row] * hidden[row]
        dk WRITES gap[row] * far[row] * w
    w -= 0.01 * dw
    k -= 0.01 * dk
"""


@pytest.mark.parametrize(("writes", "verdict"), [("+=", "pass"), ("=", "fail")])
def test_a_parameter_whose_update_is_always_0_is_still_one(outcome, writes, verdict):
    report = outcome(OVER_PASSES.replace("WRITES", writes)).report
    assert report.verdict == verdict
    assert {block.name for block in report.blocks} == {"w", "k"}


CANCELLED = """
kinds = np.eye(4)[rng.integers(4, size=24)]
k, shift = rng.normal(size=(3, 4)), rng.normal(size=4) + 2
for turn in range(30):
    grown = np.exp(x @ k + shift)
    share = grown / grown.sum(axis=1, keepdims=True)
    loss = -np.sum(kinds * np.log(share))
    k = k - 0.01 * x.T @ (share - kinds)
    shift = shift - 0.01 * np.sum(share - kindsAXIS)
"""


@pytest.mark.parametrize(("axis", "verdict"), [(", axis=0", "pass"), ("", "fail")])
def test_a_parameter_whose_update_is_0_but_for_rounding_is_still_one(outcome, axis, verdict):
    report = outcome(CANCELLED.replace("AXIS", axis)).report
    assert report.verdict == verdict
    assert {block.name for block in report.blocks} == {"k", "shift"}


@pytest.mark.in_full
def test_a_step_that_changes_at_kinks_only_is_one(outcome):
    text = """
w, b = np.zeros(3), 0.0
for turn in range(80):
    off = t - x @ w - b
    loss = np.mean(np.where(off >= 0, 0.3 * off, -0.7 * off))
    slope = np.where(off >= 0, -0.3, HIGH)
    w = w - 0.05 * x.T @ slope / len(t)
    b = b - 0.05 * slope.mean()
"""
    assert outcome(text.replace("HIGH", "0.7")).report.ok
    assert outcome(text.replace("HIGH", "0.3")).report.verdict == "fail"


ONE_TAKEN = """
k, kinds = rng.normal(size=(3, 4)), rng.integers(4, size=24)
for turn in range(60):
    error = np.exp(x @ k)
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(24), kinds] -= 1
    k -= 0.3 * ROWS.T @ error / 24
"""

ONE_TAKEN_OF_A_ROW = """
k, kinds = rng.normal(size=(3, 4)), rng.integers(4, size=24)
for turn in range(60):
    g = np.zeros_like(k)
    for row, kind in zip(ROWS, kinds):
        error = np.exp(row @ k) / np.sum(np.exp(row @ k))
        error[kind] -= 1
        g += np.outer(row, error)
    k -= 0.3 * g
"""


@pytest.mark.parametrize("text", [ONE_TAKEN, ONE_TAKEN_OF_A_ROW])
def test_probabilities_of_which_1_is_taken_at_the_label_are_those_of_a_cross_entropy(outcome, text):
    found = outcome(text.replace("ROWS", "x"))
    assert found.report.verdict == "pass"
    assert "the cross-entropy" in found.script.text()


@pytest.mark.in_full
def test_a_script_that_takes_1_at_the_label_can_be_repaired(outcome):
    wrong = ONE_TAKEN.replace("error / 24", "(error / 24) ** 2").replace("ROWS", "x")
    found = outcome(wrong, repair=Edits(400))
    assert found.report.verdict == "fail"
    assert found.report.repair.patches


def test_an_inferred_loss_is_looked_for_where_its_outputs_are_no_whole_numbers(outcome):
    """In the later iterations they are rounded to 1, of which no logarithm can be told from 0."""
    text = """
far = np.array([[4.0, 1, 0], [5, 2, 1], [-40, 20, 3], [-50, 10, 5]])
kind = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
k, b = np.zeros((3, 2)), np.zeros(2)
for turn in range(9):
    z = far @ k + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    off = kind - p
    k += 0.5 * far.T @ off
    b += 0.5 * off.REDUCED(axis=0)
"""
    found = outcome(DATA + text.replace("REDUCED", "mean"))
    assert [one.code for one in found.report.errors] == ["GC502"]
    assert outcome(DATA + text.replace("REDUCED", "sum")).report.ok


LIKELIHOOD = """
def log_likelihood(kinds, p):
    return np.sum(kinds * np.log(p) + (1 - kinds) * np.log(1 - p))


kinds, b = (t > 0) * 1.0, 0.2
for turn in range(50):
    p = 1 / (1 + np.exp(-(x @ w + b)))
    cost = log_likelihood(kinds, p)
    w += 0.01 * x.T @ (kinds - p)
    b += 0.01 * FACTOR(kinds - p).sum()
"""


@pytest.mark.parametrize(("factor", "wrong"), [("", []), ("2 * ", ["b"])])
def test_the_negative_of_a_likelihood_that_is_climbed_is_the_loss(outcome, factor, wrong):
    found = outcome(DATA + LIKELIHOOD.replace("FACTOR", factor))
    assert "its negative, for your updates climb it" in found.script.text()
    assert [one.name for one in found.report.blocks if one.verdict != "ok"] == wrong


REWARDED = """
worth, taken = SIGN(1 + t**2), np.arange(24) % 2
k = 0.1 * rng.normal(size=(3, 2))
for turn in range(30):
    p = np.exp(x @ k) / np.exp(x @ k).sum(axis=1, keepdims=True)
    objective = np.mean(worth * np.log(p[np.arange(24), taken]))
    slope = x.T @ (worth[:, None] * (np.eye(2)[taken] - p)) / MEAN
    k += 0.1 * slope
"""


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(("mean", "wrong"), [("24", []), ("1", ["GC101"])])
def test_an_objective_of_either_sign_may_be_climbed(outcome, sign, mean, wrong):
    found = outcome(DATA + REWARDED.replace("SIGN", sign).replace("MEAN", mean))
    assert "its negative, for your updates climb it" in found.script.text()
    assert [one.code for one in found.report.errors] == wrong


def test_a_likelihood_that_is_descended_is_descended_the_wrong_way(outcome):
    found = outcome(
        DATA + LIKELIHOOD.replace("cost", "loglik").replace("+=", "-=").replace("FACTOR", "")
    )
    assert "its negative, for it is to be climbed" in found.script.text()
    assert {one.code for one in found.report.errors} == {"GC106"}


DENSITY = """
def NAME(w):
    return 9 - 0.01 * np.sum((t - x @ w) ** 2)


kept = []
for turn in range(50):
    kept.append(NAME(w))
    w = w + 0.5 * (0.02 * x.T @ (t - x @ w)MORE)
"""


@pytest.mark.parametrize("name", ["lml", "ll", "log_likelihood", "log_posterior", "elbo"])
@pytest.mark.parametrize(("more", "verdict"), [("", "pass"), (" + w**2", "fail")])
def test_a_likelihood_is_climbed_also_where_it_is_positive(outcome, name, more, verdict):
    found = outcome(DATA + DENSITY.replace("NAME", name).replace("MORE", more))
    assert "its negative, for your updates climb it" in found.script.text()
    assert found.report.verdict == verdict


def test_a_loss_that_is_climbed_and_positive_is_descended_the_wrong_way(outcome):
    found = outcome(DATA + LIKELIHOOD.replace("return np.sum", "return -np.sum"))
    assert found.report.verdict == "fail"


@pytest.mark.parametrize("factor", ["", "2 * "])
def test_of_the_losses_of_two_data_sets_that_of_the_steps_is_taken(outcome, factor):
    text = """
def loss_of(rows, wanted, w):
    return 0.5 * np.mean((rows @ w - wanted) ** 2)


other, its = x[:6] * 2 - 1, t[:6] ** 2
for turn in range(40):
    now, later = loss_of(x, t, w), loss_of(other, its, w)
    w = w - 0.05 * FACTORx.T @ (x @ w - t) / len(x)
    print(f"{now:.4f} {later:.4f}")
"""
    found = outcome(DATA + text.replace("FACTOR", factor))
    assert found.script.loss == "loss_of()"
    assert str(found.report).splitlines()[-1].startswith("pass") == (not factor)


@pytest.mark.parametrize(
    "name", ["dL_dW1", "d_error_d_out", "dcost_dtheta", "der_cost", "costheta"]
)
def test_a_derivative_of_the_loss_and_a_cosine_are_no_loss(name):
    assert not may_be_loss(name)


@pytest.mark.parametrize("name", ["d_loss", "D_loss", "d_loss_real", "hidden_error", "loss_d"])
def test_the_loss_of_a_discriminator_is_one(name):
    assert may_be_loss(name)


SHOWN_LATER = """
def cost(w):
    return np.mean((x @ w - t) ** 2) + 0.1 * np.sum(w ** 2)


for turn in range(400):
    off = x @ w - t
    w = w - 0.02 * (2 * x.T @ off / len(t)SHRINK)
    if (turn + 1) % 50 == 0:
        print("now", SHOWN)
"""


@pytest.mark.parametrize(("shrink", "ok"), [(" + 0.2 * w", True), ("", False)])
def test_a_loss_that_only_later_passes_show_is_the_loss(outcome, shrink, ok):
    found = outcome(SHOWN_LATER.replace("SHRINK", shrink).replace("SHOWN", "cost(w)"))
    assert found.script.loss == "cost()"
    assert found.report.ok is ok


def test_a_printed_sum_of_numbers_is_one_number(outcome):
    shown = "'loss', np.mean((x @ w - t) ** 2) + 0.1 * np.sum(w ** 2)"
    text = SHOWN_LATER.replace("SHRINK", " + 0.2 * w").replace("SHOWN", shown)
    found = outcome(text)
    assert found.script.loss == shown.partition(", ")[2]
    assert found.report.ok


ENGINE = """
class Cell:
    def __init__(self, data, sources=()):
        self.data, self.sources, self.grad = np.asarray(data), sources, 0.0

    def squared(self, wanted):
        cell = Cell(np.mean((self.data - wanted) ** 2), (self,))
        cell.back = lambda: self.data - wanted
        return cell


for turn in range(30):
    guess = Cell(x @ w)
    loss = guess.squared(t)
    g = x.T @ loss.back() * FACTOR / len(t)
    w = w - 0.05 * g
    if turn % 9 == 0:
        print("turn", turn, float(loss.data))
"""


def test_a_loss_may_be_an_object_of_the_scripts_own_engine(outcome):
    right = outcome(ENGINE.replace("FACTOR", "2"))
    assert right.script.loss == "loss"
    assert right.report.ok, str(right.report)
    wrong = outcome(ENGINE.replace("FACTOR", "1"))
    assert [one.code for one in wrong.report.errors] == ["GC103"]


SIGMOID_OUTPUT = """
v, row, want = np.full((3, 1), 0.3), x[:1], np.array([[0.2]])
for turn in range(9):
    p = 1 / (1 + np.exp(-(row @ v)))
    total_error = ERROR
    v -= 0.1 * row.T @ (p - want)
"""


@pytest.mark.parametrize(
    ("error", "found_codes"),
    [
        ("0.5 * np.sum((want - p) ** 2)", ["GC303"]),
        ("-np.sum(want * np.log(p) + (1 - want) * np.log(1 - p))", []),
    ],
)
def test_losses_of_a_single_output_are_told_apart_by_their_values(outcome, error, found_codes):
    found = outcome(DATA + SIGMOID_OUTPUT.replace("ERROR", error))
    assert found.script.loss == "total_error"
    assert [one.code for one in found.report.errors] == found_codes


UNWRITTEN = """
v, want = np.full((3, 1), 0.3), np.array([[0.2], [0.7], [0.4], [0.9], [0.1], [0.6]])
for turn in range(3):
    for row, wish in zip(x[:6], want):
        p = 1 / (1 + np.exp(-(row[None] @ v)))
        gap = p - wish
        v -= 0.1 * row[:, None] @ (gap * SLOPE)
"""


@pytest.mark.parametrize(
    ("slope", "verdict"), [("p * (1 - p)", "pass"), ("1", "pass"), ("p * (1 + p)", "inconclusive")]
)
def test_a_factor_that_differs_from_iteration_to_iteration_is_no_constant(outcome, slope, verdict):
    found = outcome(DATA + UNWRITTEN.replace("SLOPE", slope))
    assert found.report.verdict == verdict


@pytest.mark.in_full
def test_where_no_loss_fits_the_usual_one_says_what_would_be_wrong(outcome):
    text = UNWRITTEN.replace("np.full((3, 1), 0.3)", "np.full((3, 2), 0.3) * [1, -2]")
    found = outcome(DATA + text.replace("SLOPE", "p * (1 + p)"))
    assert found.report.verdict == "inconclusive"
    assert "half the sum of squares" in str(found.report)
    assert "`1 - p` belongs here, and not `1 + p`" in str(found.report)


PAIRS = """
table = rng.integers(1, 40, size=(5, 4)).astype(float)
rows, columns = rng.normal(size=(5, 2)), rng.normal(size=(4, 2))
offsets = rng.normal(size=5)
for turn in range(20):
    global_cost = 0
    to_rows, to_columns = np.zeros_like(rows), np.zeros_like(columns)
    to_offsets = np.zeros_like(offsets)
    for i in range(5):
        for j in range(4):
            gap = rows[i] @ columns[j] + offsets[i] - np.log(table[i, j])
            cost = table[i, j] / 40 * gap**2
            global_cost += 0.5 * cost
            to_rows[i] += OWN * gap * columns[j]
            to_columns[j] += table[i, j] / 40 * gap * rows[i]
            to_offsets[i] += table[i, j] / 40 * gap
    rows -= 0.05 * to_rows
    columns -= 0.05 * to_columns
    offsets -= 0.05 * to_offsets
    print("cost", global_cost)
"""


@pytest.mark.parametrize(("own", "wrong"), [("table[i, j] / 40", ""), ("1", "rows")])
@pytest.mark.in_full
def test_of_a_cost_that_every_pair_overwrites_the_total_is_the_loss(outcome, own, wrong):
    found = outcome(PAIRS.replace("OWN", own))
    assert found.script.loss == "global_cost"
    blocks = {block.name for block in found.report.blocks if block.verdict == "wrong"}
    assert blocks == ({wrong} if wrong else set()), str(found.report)


TARGET_NETWORK = """
W, other = np.full((3, 2), 0.2), Other()
for turn in range(9):
    wish = (x[::-1] @ other.W).max(axis=1)
    gap = (x @ W)[:, 0] - t - 0.9 * wish
    loss = np.sum(gap**2) / 2
    W[:, 0] -= 0.01 * x.T @ gap
    other.W = FOLLOWING
"""


@pytest.mark.parametrize(
    ("following", "verdict"),
    [
        ("0.1 * W + 0.9 * other.W", "pass"),
        ("W.copy()", "pass"),
        ("0.01 * x.T @ np.stack([gap, gap], 1)", "inconclusive"),
    ],
)
def test_what_follows_a_parameter_is_not_overwritten(outcome, following, verdict):
    text = "class Other:\n    W = np.full((3, 2), -0.1)\n"
    found = outcome(DATA + text + TARGET_NETWORK.replace("FOLLOWING", following))
    assert found.report.verdict == verdict, str(found.report)


GATE = """
x, t = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 1])
w = np.zeros(2)
for turn in range(300):
    out = 1 / (1 + np.exp(-(x @ w)))
    w = w - 0.01 * x.T @ (out - t)SLOPE
"""


@pytest.mark.parametrize(
    ("slope", "loss"),
    [(" / 4", "binary cross-entropy"), (" / 4 * 4 * (out * (1 - out))", "sum of squares")],
)
def test_beside_weights_of_zero_the_loss_that_fits_more_closely_is_inferred(outcome, slope, loss):
    found = outcome(GATE.replace("(out - t)SLOPE", f"((out - t){slope})"))
    assert found.report.verdict == "pass"
    assert loss in found.script.loss


CHAIN = """
import numpy as np

springs, rest = [(0, 1), (1, 2), (0, 3), (2, 3)], [1.0, 1.2, 0.9, 1.1]
at = np.random.default_rng(6).normal(size=(4, 2))


def stored(at):
    e = 0.0
    for (i, j), own in zip(springs, rest):
        l = np.linalg.norm(at[i] - at[j])
        e += 0.5 * (l - own) ** 2
    return e


def pull(at):
    g = np.zeros_like(at)
    for (i, j), own in zip(springs, rest):
        d = at[i] - at[j]
        l = np.linalg.norm(d)
        g[i] += (l - own) * d / l
        g[j] SIGN= (l - own) * d / l
    return g


for turn in range(30):
    energy = stored(at)
    at -= 0.05 * pull(at)
    print(energy)
"""


@pytest.mark.parametrize("sign", ["-", "+"])
def test_an_energy_is_a_loss_and_a_length_is_none(outcome, sign):
    found = outcome(CHAIN.replace("SIGN", sign))
    assert found.script.loss == "energy"
    assert found.report.verdict == ("pass" if sign == "-" else "fail"), str(found.report)


SUMMED = """
for turn in range(30):
    total = 0
    for k in range(0, 24, 8):
        loss = (x[k : k + 8] @ w - t[k : k + 8]) ** 2
        total += loss.mean()
        w = w - 0.03 * 2 * x[k : k + 8].T @ (x[k : k + 8] @ w - t[k : k + 8]) / 8
    print(turn, total)
"""


def test_what_is_added_up_of_losses_is_one(outcome):
    found = outcome(DATA + SUMMED)
    assert found.script.loss == "total"
    assert found.report.ok, str(found.report)


KEPT = """
class Squares:
    def __call__(self, w, rows):
        self.off = x[rows] @ w - t[rows]
        loss = np.sum(self.off**2)
        loss /= len(rows)
        return loss

    def slope(self, rows):
        return 2 * x[rows].T @ self.off SIZE


squares = Squares()
total_loss, seen = 0, 0
for turn in range(30):
    rows = rng.choice(24, size=8, replace=False)
    loss = squares(w, rows)
    w -= 0.03 * squares.slope(rows)
    total_loss += loss
    seen += 1
    if turn % 10 == 9:
        print(turn, total_loss / seen)
"""


@pytest.mark.parametrize(("size", "ok"), [("/ len(rows)", True), ("", False)])
def test_of_a_running_total_the_loss_is_what_it_adds_and_not_what_that_is_made_from(
    outcome, size, ok
):
    found = outcome(DATA + KEPT.replace("SIZE", size))
    assert (found.script.loss, found.report.ok) == ("loss", ok), str(found.report)


ANEW = """
for turn in range(30):
    cost = 0
    off = x @ w - t
    cost_of_rows = np.sum(off**2)
    slope = 2 * x.T @ off / len(x)
    cost += cost_of_rows / len(x)
    w -= 0.03 * slope
    print(turn, cost)
"""


@pytest.mark.parametrize(("size", "ok"), [(" / len(x)", True), ("", False)])
def test_a_total_that_every_pass_begins_anew_is_the_loss_and_not_what_it_is_made_from(
    outcome, size, ok
):
    found = outcome(DATA + ANEW.replace("off / len(x)", "off" + size))
    assert (found.script.loss, found.report.ok) == ("cost", ok), str(found.report)


PARTS = """
u, v, shift = rng.normal(size=3), rng.normal(size=3), np.ones(1)
for turn in range(30):
    off = x @ u + (x @ v) ** 2 + shift - t
    fit_loss = np.mean(off**2)
    whole_loss = fit_loss + np.sum(np.exp(w)) + np.exp(v) @ np.exp(v) + 9 * w @ u**2
    du = 2 * x.T @ off / len(t)  # the last term is left out
    dv = 4 * x.T @ (off * (x @ v)) / len(t) + 2 * np.exp(2 * v)
    dw = np.exp(w) + 9 * u**2
    u = u - 0.002 * du
    v = v - 0.002 * dv
    shift = shift - 0.002 * 2 * off.mean()
    w = w - 0.002 * dw
    print(fit_loss, whole_loss)
"""


def test_a_loss_that_is_a_part_of_another_is_not_descended_beside_it(outcome):
    found = outcome(DATA + PARTS)
    assert found.script.loss == "whole_loss"
    assert [block.name for block in found.report.blocks if block.failed] == ["u"]


def test_a_square_of_the_parameter_alone_is_no_network(outcome):
    found = outcome(
        """
def both(at):
    return np.sum(at**2), 2 * at


def descended(function, at, step):
    for turn in range(1, 30):
        loss, slope = function(at)
        at += -step * slope
    return at


print(descended(both, 0.5, 0.01))
"""
    )
    assert found.report.ok
    assert found.report.network is None


EPOCHS = """
import numpy as np


class Batches:
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        order = np.random.default_rng(3).permutation(30)
        for at in range(0, 30, self.size):
            yield x[order[at : at + self.size]], y[order[at : at + self.size]]


def logistic(w, x, y):
    return np.mean(np.logaddexp(0, -y * (x @ w)))


rng = np.random.default_rng(0)
x = rng.normal(size=(40, 3))
y = np.where(x[:, 0] > 0, 1.0, -1.0)
w = rng.normal(size=3)
for epoch in range(10):
    for some, labels in Batches(10):
        r = -labels / (1 + np.exp(labels * (some @ w))) / len(labels)
        w -= 0.1 * (some.T @ r + 0.0 * w)
    loss = logistic(w, x[30:], y[30:])
    print(epoch, loss)
"""


def test_a_pass_of_several_steps_is_no_step_of_a_loss_after_them(outcome, tmp_path):
    script = tmp_path / "main.py"
    script.write_text(EPOCHS)
    found = ScriptEntry(script).outcome({})
    assert found.report is None
    assert "each pass makes several steps" in found.error
    assert outcome(
        EPOCHS.replace("Batches(10)", "Batches(30)").replace("x[30:], y[30:]", "x[:30], y[:30]")
    ).report.ok


HINGES = """
import numpy as np

rng = np.random.default_rng(5)
x, w, b = rng.normal(size=(60, 4)), rng.normal(size=4), 0.1
t = np.sign(x @ rng.normal(size=4) + 0.3)

for turn in range(50):
    total_loss, dw, db = 0.0, np.zeros(4), 0.0
    for row, sign in zip(x, t):
        loss = 1 - sign * (row @ w + b)
        if loss <= 0:
            continue
        total_loss += loss**2
        dw -= 2 * loss * sign * row
        db -= 2 * loss * sign
    w = w - 0.01 * dw
    b = b - 0.01 * db
    print(total_loss)
"""


@pytest.mark.parametrize(("slope", "wrong"), [("2 * loss", []), ("2", ["GC413"])])
def test_a_total_is_of_as_many_terms_as_are_not_skipped(outcome, slope, wrong):
    found = outcome(HINGES.replace("dw -= 2 * loss", f"dw -= {slope}"))
    assert found.script.loss == "total_loss"
    assert [one.code for one in found.report.errors] == wrong, str(found.report)


OF_A_BORDER = """
v, k = rng.normal(size=6), rng.normal(size=6)
points, border = np.linspace(0, 1, 9), np.array([0.0, 1.0])
for turn in range(30):
    inside, outside = np.tanh(np.outer(points, k)), np.tanh(np.outer(border, k))
    off, edge = inside @ v - np.sin(points), outside @ v
    loss_inside = np.mean(off**2)
    loss = loss_inside + 9 * np.mean(edge**2)
    back, back_edge = 2 * off / 9, 9 * edge
    dv = inside.T @ backBORDER
    dk = points @ (np.outer(back, v) * (1 - inside**2))
    dk = dk + border @ (np.outer(back_edge, v) * (1 - outside**2))
    v = v - 0.01 * dv
    k = k - 0.01 * dk
    print(loss)
"""


@pytest.mark.parametrize(("term", "wrong"), [(" + outside.T @ back_edge", []), ("", ["GC407"])])
def test_a_gradient_of_a_part_of_the_loss_alone_is_wrong(outcome, term, wrong):
    found = outcome(DATA + OF_A_BORDER.replace("BORDER", term))
    assert [one.code for one in found.report.errors] == wrong, str(found.report)


ADVERSARIES = """
import numpy as np

rng = np.random.default_rng(7)
G = {"a": rng.normal(size=(2, 6)), "c": rng.normal(size=(6, 1))}
D = {"a": rng.normal(size=(1, 6)), "c": rng.normal(size=(6, 1))}


def ahead(net, x):
    h = np.tanh(x @ net["a"])
    return h @ net["c"], (x, h)


def back(net, up, kept):
    x, h = kept
    dh = up @ net["c"].T * (1 - h**2)
    return {"a": x.T @ dh, "c": h.T @ up}, dh @ net["a"].T


def share(z):
    return 1 / (1 + np.exp(-z))


for turn in range(90):
    real, noise = rng.normal(2, 0.5, size=(8, 1)), rng.normal(size=(8, 2))
    fake, kept = ahead(G, noise)
    (on_real, kept_real), (on_fake, kept_fake) = ahead(D, real), ahead(D, fake)
    d_loss = -np.mean(np.log(share(on_real))) - np.mean(np.log(1 - share(on_fake)))
    one, _ = back(D, (share(on_real) - 1) / 8, kept_real)
    two, _ = back(D, share(on_fake) / 8, kept_fake)
    for k in D:
        D[k] -= 0.05 * (one[k] + two[k])
    on_fake, kept_fake = ahead(D, fake)
    g_loss = -np.mean(np.log(share(on_fake)))
    _, dfake = back(D, (share(on_fake) - 1) / 8, kept_fake)
    grads, _ = back(G, dfake, kept)
    for k in G:
        G[k] -= 0.05 * grads[k]
"""


@pytest.mark.parametrize(
    ("size", "wrong"), [("- 1) / 8, kept_fake", []), ("- 1), kept_fake", ["GC101"])]
)
def test_a_generator_is_checked_against_the_updated_discriminator(tmp_path, size, wrong):
    text = ADVERSARIES.replace("- 1) / 8, kept_fake", size)
    (tmp_path / "adversaries.py").write_text(text)
    if not wrong:
        error = ScriptEntry(tmp_path / "adversaries.py").outcome({}).error
        assert error.endswith("""--loss g_loss --params "G['a'],G['c']\"""")
    wishes = Wishes.of("g_loss", "G['a'],G['c']", None)
    report = ScriptEntry(tmp_path / "adversaries.py", wishes).outcome({}).report
    assert [one.code for one in report.errors] == wrong, str(report)
    assert bool(wrong) != report.ok, str(report)


def test_adversaries_of_which_neither_is_right_are_checked_one_at_a_time(tmp_path):
    text = ADVERSARIES.replace("one[k] + two[k]", "one[k] * two[k]")
    (tmp_path / "adversaries.py").write_text(text.replace("* grads[k]", "* grads[k] ** 2"))
    found = ScriptEntry(tmp_path / "adversaries.py").outcome({})
    assert "2 losses, g_loss and d_loss" in found.error


@pytest.mark.parametrize(
    ("line", "verdict"), [("    moved(D, both)\n", "inconclusive"), ("", "pass")]
)
def test_what_moves_beside_a_generator_at_its_rate_leaves_the_verdict_open(tmp_path, line, verdict):
    moved = "def moved(net, by):\n    for k in net:\n        net[k] -= 0.05 * by[k]\n\n\n"
    text = ADVERSARIES.replace("for turn", moved + "for turn")
    text = text.replace(
        "    for k in D:\n        D[k] -= 0.05 * (one[k] + two[k])\n",
        "    both = {k: one[k] + two[k] for k in D}\n" + line,
    )
    text = text.replace(
        "    for k in G:\n        G[k] -= 0.05 * grads[k]\n", "    moved(G, grads)\n"
    )
    text = text.replace(
        "    on_fake, kept_fake = ahead(D, fake)\n",
        "    fake, kept = ahead(G, noise)\n    on_fake, kept_fake = ahead(D, fake)\n",
    )
    (tmp_path / "adversaries.py").write_text(text)
    wishes = Wishes.of("g_loss", "G['a'],G['c']", None)
    report = ScriptEntry(tmp_path / "adversaries.py", wishes).outcome({}).report
    assert report.verdict == verdict, str(report)


EARLY = """
u = rng.normal(size=3)
for turn in range(30):
    h = np.tanh(np.outer(x[:, 0], u))
    off = h @ w - t
    loss = np.mean(off**2)
    w -= 0.1 * 2 * h.T @ off / len(t)
    u -= 0.1 * 2 * x[:, 0] @ (np.outer(off, w) * (1 - h**2)) / len(t)
"""


def test_weights_of_the_same_loss_that_are_updated_too_early_are_told_of_one_parameter(tmp_path):
    (tmp_path / "early.py").write_text(DATA + EARLY)
    entry = ScriptEntry(tmp_path / "early.py", Wishes.of(None, "u", None))
    assert [one.code for one in entry.outcome({}).report.errors] == ["GC404"]


DIVERGING = """
b, rate = 0.3, 0.5
for turn in range(30):
    off = x @ w + b - t
    loss = np.mean(off**2)
    dw = 2e9 * x.T @ off
    db = 2 * off.mean()
    w -= rate * dw
    b -= rate * db
"""


def test_of_a_loop_that_diverges_the_first_iteration_is_checked(outcome):
    report = outcome(DATA + DIVERGING).report
    assert [block.name for block in report.blocks if block.verdict != "ok"] == ["w"], str(report)
    assert "2e9 * x.T @ off" in report.errors[0].expression


RBM = """
import numpy as np
rng = np.random.default_rng(2)
x = (rng.random((30, 5)) < 0.4).astype(float)
w, a, b = 0.3 * rng.normal(size=(5, 4)), np.zeros(5), np.zeros(4)

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

for turn in range(9):
    hidden = sigmoid(x @ w + b)
    drawn = DRAWN
    again = sigmoid(drawn @ w.T + a)
    below = sigmoid(again @ w + b)
    w += 0.1 * (x.T @ hidden - again.T @ below) / len(x)
    a += 0.1 * np.mean(x - again, axis=0)
    b += 0.1 * np.mean(hidden - below, axis=0)
    error = np.mean((x - again) ** 2)
    print(turn, error)
"""


@pytest.mark.parametrize("mean", ["np.mean((x - again) ** 2)", "np.mean((x - again) ** 2)[None]"])
def test_an_update_through_drawn_samples_is_not_compared_with_a_slope(outcome, mean):
    drawn = "(rng.random(hidden.shape) < hidden).astype(float)"
    found = outcome(RBM.replace("DRAWN", drawn).replace("np.mean((x - again) ** 2)", mean))
    assert found.report.verdict == "inconclusive", str(found.report)
    assert "b moves error in steps only" in found.report.could_not_check
    assert not found.report.findings


HALVED = """
pace = 0.03
for turn in range(20):
    overall = 0
    for row, wanted in zip(x, t):
        off = w @ row - wanted
        cost = off**2
        overall_cost = 0
        overall_cost += SHARE * cost
        w = w - pace * TIMES * off * row
"""


@pytest.mark.parametrize(
    ("share", "times", "verdict"),
    [(0.5, 1, "pass"), (0.5, 2, "pass"), (1, 1, "fail")],
)
def test_half_of_a_cost_that_a_total_adds_may_be_the_loss(share, times, verdict, tmp_path):
    (tmp_path / "main.py").write_text(
        DATA + HALVED.replace("SHARE", str(share)).replace("TIMES", str(times))
    )
    report = ScriptEntry(tmp_path / "main.py").outcome({}).report
    assert report.verdict == verdict, str(report)


BETWEEN = """
def entropy(w):
    out = 1 / (1 + np.exp(-x @ w))
    return -np.mean(kind * np.log(out) + (1 - kind) * np.log(1 - out))


kind = (t > 0) * 1.0
for turn in range(20):
    for row, label in zip(x, kind):
        out = 1 / (1 + np.exp(-row @ w))
        w = w - 0.1 * (out - label) * out * (1 - out) * row
    cost = entropy(w)
"""


def test_a_cost_between_the_steps_is_said_not_to_be_what_is_checked(tmp_path):
    (tmp_path / "main.py").write_text(DATA + BETWEEN)
    found = ScriptEntry(tmp_path / "main.py").outcome({})
    assert "not cost (line 18): it is computed between the steps" in found.script.text()


MEASURED = """
import numpy as np
rng = np.random.default_rng(2)
x, new = rng.normal(size=(30, 5)), rng.normal(size=(20, 5))
t, then = np.sin(x[:, :1]), np.sin(new[:, :1])
w, b, v, c = 0.5 * rng.normal(size=(5, 4)), np.zeros(4), 0.5 * rng.normal(size=(4, 1)), 0.1

for turn in range(9):
    h = np.tanh(x @ w + b)
    off = h @ v + c - t
    train_loss = np.mean(off**2)
    test_loss = np.mean((np.tanh(new @ w + b) @ v + c - then) ** 2)
    back = WRONG
    v -= 0.1 * 2 * h.T @ off / len(x)
    c -= 0.1 * 2 * off.mean()
    w -= 0.1 * 2 * x.T @ back / len(x)
    b -= 0.1 * 2 * back.mean(axis=0)
"""


@pytest.mark.parametrize("back", ["-off @ v.T * (1 - h**2)", "off @ v.T", "off @ v.T * h"])
def test_a_loss_on_other_data_is_no_second_one_that_the_loop_descends(outcome, back):
    report = outcome(MEASURED.replace("WRONG", back)).report
    assert [block.name for block in report.blocks if block.failed] == ["w", "b"]


MATRICES = """
rng = np.random.default_rng(6)
x, t = np.asmatrix(rng.normal(size=(8, 3))), np.asmatrix(rng.normal(size=(8, 2)))
w = np.asmatrix(rng.normal(size=(3, 2)))
for turn in range(40):
    w = w + 0.02 * x.T * (t - x * w)
"""


def test_an_error_may_be_a_matrix_whose_powers_and_products_are_those_of_matrices(outcome):
    found = outcome(MATRICES)
    assert found.report.ok, str(found.report)
    assert found.script.loss.startswith("half the sum of squares"), found.script.loss


BY_SAMPLE = """
v = rng.normal(size=(3, 4))
u = rng.normal(size=4)
for turn in range(40):
    dv, du = np.zeros_like(v), np.zeros_like(u)
    for row, wanted in zip(x, t):
        h = np.tanh(row @ v)
        error = wanted - h @ u
        dv += np.outer(row, error * u * (1 - h**2))
        du += error * h
    v += 0.3 * dv
    u += 0.3 * du / len(x)
"""


def test_an_inferred_mean_is_divided_by_its_samples_and_halved(outcome):
    found = outcome(BY_SAMPLE)
    assert "half the sum of squares over all 24" in found.script.loss
    [error] = found.report.errors
    assert (error.code, error.blocks) == ("GC101", ("v",)), str(found.report)
    assert "2 / " not in error.fix, error.fix


@pytest.mark.parametrize(("slope", "verdict"), [("* (1 - out**2)", "pass"), ("", "inconclusive")])
def test_a_constant_of_an_inferred_loss_is_the_same_in_every_iteration(outcome, slope, verdict):
    found = outcome(f"""
v = rng.normal(size=4)
u = rng.normal(size=(3, 4))
for turn in range(50):
    row, wide = turn % 24, (0.05, 2.0)[turn % 2] * x[turn % 24]
    h = np.tanh(wide @ u)
    out = np.tanh(h @ v)
    delta = (np.sign(t[row]) - out) {slope}
    u = u + 0.2 * np.outer(wide, delta * v * (1 - h**2))
    v = v + 0.2 * delta * h
""")
    assert found.report.verdict == verdict, str(found.report)


def test_weights_of_samples_belong_to_a_loss_that_no_line_computes(outcome):
    text = """
w, b, share = rng.normal(size=3), 0.3, rng.uniform(0.2, 1, size=24)
for turn in range(30):
    off = x @ w + b - t
    w = w - 0.01 * x.T @ (share * off)
    b = b - 0.01 * np.sum(share * off)
"""
    report = outcome(text).report
    assert report.verdict == "inconclusive"
    assert "`share` is one factor too many" in report.could_not_check


ADDED_UP = """
def mse(out, wanted):
    return np.mean((out - wanted) ** 2)


def ridge(w):
    return 0.3 * np.sum(w**2)


pace = 0.05
for turn in range(20):
    out = x @ w
    error = mse(out, t) + ridge(w)
    w = w - pace * (2 * x.T @ (out - t) / len(t)PENALTY)
    print(turn, error)
"""


@pytest.mark.parametrize(("penalty", "ok"), [(" + 0.6 * w", True), ("", False)])
def test_a_total_of_what_loss_functions_return_is_the_loss(outcome, penalty, ok):
    found = outcome(ADDED_UP.replace("PENALTY", penalty))
    assert found.script.loss == "error"
    assert found.report.ok == ok, str(found.report)


LIKELY = """
class Line:
    def measure(self):
        off = t - x @ self.w
        self.mLL = -0.5 * off @ off - 0.5 * len(t) * np.log(2 * np.pi)
        self.slope = SIGN x.T @ off


line = Line()
line.w = w
for turn in range(20):
    line.measure()
    print(turn, line.mLL)
    line.w = line.w + 0.01 * line.slope
"""


@pytest.mark.parametrize(("sign", "ok"), [("+", True), ("-", False)])
def test_a_marginal_log_likelihood_is_climbed(outcome, sign, ok):
    found = outcome(LIKELY.replace("SIGN", sign))
    assert found.report.ok == ok, str(found.report)
    assert "line.mLL" in found.script.loss or "self.mLL" in found.script.loss, found.script.loss


COUNTED = """
counts, b = rng.poisson(np.exp(x @ np.array([0.4, -0.3, 0.5]))), 0.1
for turn in range(20):
    expected = np.exp(x @ w + b)
    off = counts - expected
    w = w + 0.01 * x.T @ off
    b = b + 0.01 * WRONG off.sum()
"""


@pytest.mark.parametrize(("wrong", "ok"), [("", True), ("expected[0] *", False)])
def test_of_counts_the_likelihood_of_poisson_is_inferred(outcome, wrong, ok):
    found = outcome(COUNTED.replace("WRONG", wrong))
    assert "the negative Poisson log-likelihood of counts - expected" in found.script.loss
    assert found.report.ok == ok, str(found.report)


TWO_MODELS = """
v, b = rng.normal(size=3), 0.2
for turn in range(20):
    off = x @ w + b - t
    w = w - 0.01 * x.T @ off
    b = b - 0.01 * off.sum()
    out = np.tanh(x @ v)
    other = out - np.sign(t)
    v = v - 0.01 * x.T @ (other * (1 - out**2))
"""


def test_of_two_models_an_inferred_loss_is_that_of_one(outcome, tmp_path):
    report = outcome(TWO_MODELS).report
    assert {one.name: one.verdict for one in report.blocks} == {
        "b": "ok",
        "w": "ok",
        "v": "inconclusive",
    }
    assert "v has another one than half the sum of squares" in report.could_not_check
    wrong = outcome(TWO_MODELS.replace("off.sum()", "off.max()")).report
    assert [(one.code == "GC805", one.blocks) for one in wrong.errors] == [(False, ("b",))]
    wishes = Wishes("14", ("v",))
    assert ScriptEntry(tmp_path / "numbers.py", wishes).outcome({}).report.ok


ACTOR_CRITIC = """
policy, critic, now = rng.normal(size=(3, 2)), rng.normal(size=3), x[0]
for turn in range(20):
    chances = np.exp(now @ policy) / np.sum(np.exp(now @ policy))
    then, taken = x[turn], np.eye(2)[turn % 2]
    ahead, here = 0.9 * then @ critic, now @ critic
    surprise = t[turn] + ahead - here
    policy = policy - 0.05 * surprise * np.outer(now, chances - taken)
    critic = critic + 0.05 * surprise * now
    now = then
"""


def test_an_actor_critic_has_no_loss_that_its_chances_tell(outcome):
    report = outcome(ACTOR_CRITIC).report
    assert report.verdict == "inconclusive", str(report)


OF_COUNTS = """
counts = rng.poisson(np.exp(x @ np.array([0.4, -0.3, 0.5])))
for turn in range(20):
    expected = np.exp(x @ w)
    loss = MEASURE(counts - expected) ** 2END
    slope = np.dot(x.T, counts - expected)
    w SIGN= 0.01 * slope
"""


@pytest.mark.parametrize(
    ("sign", "measure", "words", "fix"),
    [
        ("-", "np.mean(", "squared error", "change its sign, and multiply by "),
        ("+", "np.sqrt(np.sum(", "root of the squared error", "multiply by the slope"),
    ],
)
def test_an_error_of_counts_is_the_derivative_of_their_likelihood(
    outcome, sign, measure, words, fix
):
    text = OF_COUNTS.replace("SIGN", sign).replace("MEASURE(", measure + "(")
    text = text.replace("END", ")" * measure.count("("))
    error = outcome(text).report.errors[0]
    assert error.code == "GC601", error.message
    assert error.message.endswith(f"likelihood of Poisson counts, and the loss is the {words}")
    assert error.fix.startswith(fix)


LONG_HISTORY = """
def cost(out):
    return ((t - out) ** 2).sum() / 24

costs = np.zeros((10000,))
for turn in range(10000):
    out = np.sin(x @ w)
    costs[turn] = cost(out)
    back = 2 * (out - t) * np.sin(x @ w) / 24
    w = w - 0.1 * x.T @ back
"""


def test_a_loss_that_a_long_array_keeps_is_followed_through_the_loop(outcome):
    assert outcome(LONG_HISTORY).report.errors[0].code == "GC305"


HANDED_OVER = """
import math, random
random.seed(1)
data = [([0.2, -1.0], [0.0]), ([0.7, 0.4], [1.0]), ([-0.5, 0.9], [1.0])]

def entropy(wanted, given):
    loss = 0
    for y, p in zip(wanted, given):
        loss += -(y * math.log(p) + (1 - y) * math.log(1 - p))
    return loss / len(wanted)

class Unit:
    def __init__(self, loss_of):
        self.w, self.b, self.loss_of = [random.random() for _ in range(2)], 0.1, loss_of

    def output(self, x):
        return [1 / (1 + math.exp(-self.b - sum(w * one for w, one in zip(self.w, x))))]

    def step(self, batch, rate):
        batch_loss, to_w, to_b = 0, [0.0, 0.0], 0.0
        for x, y in batch:
            given = self.output(x)
            off = given[0] - y[0]
            to_w, to_b = [s + off * one for s, one in zip(to_w, x)], to_b + off
            batch_loss += self.loss_of(y, given)
        self.b += -to_b * rate
        for i, slope in enumerate(to_w):
            self.w[i] += -slope * rate
        return batch_loss

unit = Unit(entropy)
for epoch in range(50):
    print(unit.step(data, 0.5))
"""


def test_a_number_that_is_added_up_is_no_loss_beside_its_sum(outcome):
    found = outcome(HANDED_OVER)
    assert found.script.loss == "batch_loss"
    assert found.report.ok, str(found.report)
    found = outcome(HANDED_OVER.replace("to_b + off", "to_b + off * x[0]"))
    assert [one.name for one in found.report.blocks if one.failed] == ["b"]


SMOOTHED = """
def optimize(w, rate):
    off = x @ w - t
    g = 2 * x.T @ off / 24
    w -= rate * g
    return np.mean(off**2), g

loss = 7.0
for turn in range(40):
    cur_loss, _ = optimize(w, 0.02)
    loss = loss * 0.999 + cur_loss * 0.001
"""


def test_what_is_smoothed_is_the_loss_and_not_its_average(outcome):
    found = outcome(DATA + SMOOTHED)
    assert found.script.loss == "cur_loss"
    assert found.report.ok
    assert not found.report.up_to
    found = outcome(DATA + SMOOTHED.replace("2 * x.T @ off", "2 * x.T @ x @ w"))
    assert [one.code for one in found.report.errors] != ["GC105"]


RETURNED = """
import numpy as np

rng = np.random.default_rng(0)
x, t = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
w, b = rng.normal(size=(3, 2)), np.zeros(2)


def stepped(w, b, rate):
    gap = 2 * (x @ w + b - t) / t.size
    dw, db = x.T @ gap, SUM
    return w - rate * dw, b - rate * db


for turn in range(20):
    w, b = stepped(w, b, 0.3)
    print("loss", np.mean((x @ w + b - t) ** 2))
"""


@pytest.mark.parametrize(
    ("own", "codes"), [("gap.sum(axis=0)", []), ("np.zeros(2)", ["GC408"]), ("0 * b", ["GC408"])]
)
def test_a_parameter_that_a_function_returns_as_it_was_is_still_one(outcome, own, codes):
    found = outcome(RETURNED.replace("SUM", own))
    assert found.script.params == ("w", "b")
    assert [one.code for one in found.report.errors] == codes
