# ruff: noqa: E501  # the planted bugs are a table, a row to a line
"""The fault is found at the line that was edited; right code has none."""

import numpy as np
import pytest
from sweeps import ALL, sample

import gradcheck
from benchmarks.edits import edit as edits
from benchmarks.edits.__main__ import render
from benchmarks.edits.__main__ import sample as random_edits
from benchmarks.edits.run import run
from gradcheck.trace import fault as faults
from gradcheck.trace import find_faults, subject_of_problem
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten

PLANTED = [
    ("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1", faults.SLOPE_MISSING),
    ("dense_rows", "dW2 = A1.T @ dZ2", "dW2 = Z1.T @ dZ2", faults.WRONG_OPERAND),
    ("dense_rows", "dZ2 = (out - Y) / len(X)", "dZ2 = (out - Y)", faults.CONSTANT_FACTOR),
    ("dense_columns", "delta = (activations[-1] - Y) / m", "delta = (Y - activations[-1]) / m", None),
    ("per_sample", "dz = dh * (z > 0)", "dz = dh", None),
    ("per_sample", "dW2 += np.outer(e, h)", "dW2 = np.outer(e, h)", None),
    ("layer_classes", "return (self.p - self.y) / len(self.y)", "return self.p - self.y", None),
    ("layer_classes", "slope = self.s + self.x * inner", "slope = self.s - self.x * inner", None),
    ("flat_theta", "G1 = D2.T @ A1 / m", "G1 = D2.T @ A1", faults.CONSTANT_FACTOR),
    ("rnn", "dhnext = draw @ p[\"Whh\"].T", "dhnext = draw @ p[\"Whh\"]", faults.TRANSPOSED),
    ("lstm", "\"f\": df * f * (1 - f),", "\"f\": df * f * (1 + f),", None),
    ("conv_loops", "dz = dflat.reshape(z.shape) * (z > 0)", "dz = dflat.reshape(z.shape)", None),
    ("batch_norm", "dx = dxmu + dmu / n", "dx = dxmu - dmu / n", None),
    ("batch_norm", "dxhat = dout * gamma", "dxhat = dout", None),
    ("attention", "dk = dscores.T @ q", "dk = dscores @ q", None),
    ("softmax_regression", "dW += REG * W", "dW += 2 * REG * W", faults.CONSTANT_FACTOR),
    ("softmax_regression", "dscores /= n", "dscores *= n", faults.CONSTANT_FACTOR),
    ("autoencoder", "g[\"c\"] = up.sum(axis=0)", "g[\"c\"] = 2 * up.sum(axis=0)", None),
    ("helpers_chain", "return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))", "return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)) - 1)", None),
    ("helpers_chain", "up = 2 * (h2 @ p[\"C\"] - Y)", "up = 3 * (h2 @ p[\"C\"] - Y)", faults.CONSTANT_FACTOR),
    ("helpers_chain", "return {\"A\": dA, \"B\": dB, \"C\": dC}", "return {\"A\": dA, \"B\": dB, \"C\": dh1}", faults.WRONG_SHAPE),
    ("digit_samples", "return sigmoid(z) * (1 - sigmoid(z))", "return (1 - sigmoid(z))", None),
    ("digit_samples", "sp = sigmoid_prime(z)", "sp = sigmoid(z)", None),
    ("digit_samples", "for l in range(2, len(SIZES)):", "for l in range(3, len(SIZES)):", faults.NEVER_WRITTEN),
    ("digit_samples", "nabla_b = [nb + db for nb, db in", "nabla_b = [nb - db for nb, db in", faults.CONSTANT_FACTOR),
    ("logistic_regression", "err = predict(p, x) - y", "err = predict(p, x) + y", None),
    ("flat_theta", "D3 = A3 - Y", "D3 = A3", None),
    ("layer_classes", "return grad_out * slope", "return slope", None),
    ("batch_norm", "dout = 2 * (out - Y) / out.size", "dout = 2 * out / out.size", None),
    ("rnn", "dy = (outs[t] - YS[t]) / B", "dy = outs[t] / B", None),
    ("per_sample", "z = W1 @ x + b1", "z = W1 @ x", None),
    ("attention", "inner = np.sum(dp * p, axis", "inner = np.sum(dp, axis", None),
    ("layer_norm", "d_gain = np.sum(error * unit, axis=0)", "d_gain = np.sum(error, axis=0)", None),
    ("digit_samples", "return sigmoid(z) * (1 - sigmoid(z))", "return sigmoid(z)", None),
    ("helpers_chain", "return up * elu_slope(z)", "return elu_slope(z)", None),
    ("rnn", "g[\"bh\"] += draw.sum(axis=0)", "g[\"bh\"] += draw.sum(axis=1)", faults.WRONG_AXIS),
    ("lstm", "raw[k].sum(axis=0)", "raw[k].sum(axis=1)", faults.WRONG_AXIS),
    ("rnn", "g[\"Why\"] += hs[t].T @ dy", "g[\"Why\"] += hs[t] @ dy", faults.TRANSPOSED),
    ("flat_theta", "D3 = A3 - Y", "D3 = A3 + Y", faults.SIGN),
    ("embedding", "dm = np.outer(ds, p[\"w\"])", "dm = np.outer(dw, p[\"w\"])", faults.OTHER_ADJOINT),
    ("rnn", "in reversed(range(T))", "in reversed(range(1, T))", faults.PASS_MISSING),
    ("two_convolutions", "dz1 = dh * (z1 > 0)", "dz1 = dh", faults.SLOPE_MISSING),
    ("helpers_chain", "return up * elu_slope(z)", "return up", None),
    ("autoencoder", "dz = up * (1 - code**2)", "dz = 1 - code**2", faults.UPSTREAM_MISSING),
    ("embedding", """    m = p["E"][IDS].mean(axis=1)
    s = m @ p["w"] + p["b"]
    ds""", """    m = p["E"][IDS].sum(axis=1)
    s = m @ p["w"] + p["b"]
    ds""", None),
]  # fmt: skip  # a table, a row to a line


def searched(module, params, **options):
    found = flatten(params)
    rng = np.random.default_rng(1)
    values = list(found.values)
    points = [values] + [
        [value + 0.1 * rng.normal(size=value.shape) for value in values] for _ in range(4)
    ]
    subject = subject_of_problem(Problem(found, module.loss, module.grad))
    return find_faults(subject, points, found.names, **options)


def planted(net, right, wrong, folder):
    source = (edits.NETS / f"{net}.py").read_text()
    assert source.count(right) == 1, "the line is there once"
    line = source[: source.index(right)].count("\n") + 1
    return edits.module_of(source.replace(right, wrong), folder / f"{net}.py"), line


@pytest.mark.parametrize("net", sample(list(edits.nets()), every=2))
def test_right_code_that_is_called_wrong_has_no_fault(net, tmp_path):
    module = edits.module_of((edits.NETS / f"{net}.py").read_text(), tmp_path / f"{net}.py")
    search = searched(module, module.params())
    assert search.faults == ()
    assert search.left == ()
    assert search.unfollowed == ""


OF_KIND = {row[-1]: row for row in reversed(PLANTED) if row[-1]}
LONG = ("lstm", "conv_loops", "two_convolutions", "digit_samples")
OTHERS = [row for row in PLANTED if row[-1] is None and row[0] not in LONG]
TRIED = PLANTED if ALL else [*OF_KIND.values(), *sample(OTHERS, every=2)]


@pytest.mark.parametrize(("net", "right", "wrong", "kind"), TRIED)
def test_a_planted_bug_is_found_at_its_line(net, right, wrong, kind, tmp_path):
    module, line = planted(net, right, wrong, tmp_path)
    search = searched(module, module.params())
    assert search.faults, search
    first = search.faults[0]
    assert first.place is not None
    assert (first.place.line, first.place.file) == (line, module.__file__)
    assert first.expression
    if kind is not None:
        assert kind in (first.kind, first.cause and first.cause.name)


def test_the_mended_gradients_are_right(tmp_path):
    module, _ = planted("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1", tmp_path)
    right = edits.module_of((edits.NETS / "dense_rows.py").read_text(), tmp_path / "right.py")
    params = module.params()
    search = searched(module, params)
    for name, value in right.grad(params).items():
        assert np.allclose(search.faults[-1].mended[name], value, rtol=1e-6)


TWO = [
    (
        "dense_rows",
        ("(out - Y) / len(X)", "(out - Y)"),
        ("dA1 * (1 - A1**2)", "dA1 * (1 - Z1**2)"),
        {"dZ2 = (out - Y)", "dZ1 = dA1 * (1 - Z1**2)"},
    ),
    (
        "autoencoder",  # one replacement with a factor of -1 would do for both
        ('g["W"] + X.T @ dz', 'g["W"] - X.T @ dz'),
        ("dz = up * (1 - code**2)", "dz = up"),
        {'g["W"] = g["W"] - X.T @ dz', "dz = up"},
    ),
]


@pytest.mark.parametrize(("net", "one", "other", "wanted"), TWO)
def test_two_bugs_are_found_one_after_the_other(net, one, other, wanted, tmp_path):
    source = (edits.NETS / f"{net}.py").read_text().replace(*one).replace(*other)
    module = edits.module_of(source, tmp_path / "two.py")
    search = searched(module, module.params())
    lines = source.split("\n")
    assert {lines[fault.place.line - 1].strip() for fault in search.faults} == wanted
    assert search.left == ()


def test_a_judge_that_disagrees_is_believed(tmp_path):
    module, _ = planted("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1", tmp_path)
    search = searched(module, module.params(), judge=lambda gradients: False)
    assert search.faults == ()
    assert set(search.left) == {"W1", "b1"}


def test_a_search_without_time_says_so(tmp_path):
    module, _ = planted("lstm", '"f": df * f * (1 - f),', '"f": df * f,', tmp_path)
    search = searched(module, module.params(), budget=0.0)
    assert search.late
    assert search.faults == ()


def test_words_are_the_users_own(tmp_path):
    module, _ = planted("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1", tmp_path)
    first = searched(module, module.params()).faults[0]
    assert first.cause.words == "the slope of tanh at Z1 is missing"
    assert first.actual == "dL/dA1"
    assert set(first.blocks) == {"W1", "b1"}
    assert first.entry is not None
    assert first.entry.actual != first.entry.expected


def test_code_that_raises_has_its_fault_where_the_shape_went_wrong(tmp_path):
    module, line = planted(
        "dense_rows", "dA1 = dZ2 @ p[\"W2\"].T", "dA1 = dZ2[:, :, None] * p[\"W2\"].T", tmp_path
    )  # fmt: skip
    search = searched(module, module.params())
    assert search.faults[0].place.line == line


def test_random_edits_are_mostly_found():
    """A small part of `make edits`."""
    nets = ["dense_rows", "flat_theta", "attention", "batch_norm", "rnn", "embedding"]
    outcomes = [one for one in map(run, random_edits(12, 7, nets)) if one is not None]
    assert len(outcomes) >= 8
    for raises, floor in ((False, 0.6), (True, 0.8)):
        found = [one.found for one in outcomes if one.raises is raises]
        assert sum(found) >= floor * len(found)
    assert "raising edits" in render(outcomes)


def table_of(net, right, wrong, folder):
    module, line = planted(net, right, wrong, folder)
    return searched(module, module.params()).backward, line


@pytest.mark.parametrize(
    ("net", "right", "wrong"),
    [
        ("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1 * (1 - A1)"),
        ("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1"),
        ("per_sample", "dz = dh * (z > 0)", "dz = dh * (z < 0)"),
        ("layer_classes", "slope = self.s + self.x * inner", "slope = self.s - self.x * inner"),
    ],
)
def test_the_table_begins_at_the_edited_line_and_what_follows_inherits(net, right, wrong, tmp_path):
    rows, line = table_of(net, right, wrong, tmp_path)
    first = next(row for row in rows if row.first)
    assert (first.location.line, first.verdict) == (line, "wrong")
    assert first.expected
    at = rows.index(first)
    assert {row.verdict for row in rows[:at]} <= {"right", "inherited"}
    assert "inherited" in {row.verdict for row in rows}
    assert [row.verdict for row in rows].count("wrong") == 1


def test_the_table_says_what_each_value_is(tmp_path):
    rows, _ = table_of("dense_rows", "dZ1 = dA1 * (1 - A1**2)", "dZ1 = dA1", tmp_path)
    said = {row.expression: (row.actual, row.expected, row.verdict) for row in rows}
    assert said["A1 = np.tanh(Z1)"] == ("forward value", "", "right")
    assert said["dW2 = A1.T @ dZ2"] == ("dL/dW2", "", "right")
    assert said['dA1 = dZ2 @ p["W2"].T'] == ("dL/dA1", "", "right")
    assert said["dZ1 = dA1"] == ("dL/dA1", "dL/dZ1", "wrong")
    assert said["dW1 = X.T @ dZ1"] == ("", "dL/dW1", "inherited")


def test_the_passes_of_a_loop_are_one_row(tmp_path):
    edit = 'dhnext = draw @ p["Whh"].T', 'dhnext = draw @ p["Whh"]'
    rows, _ = table_of("rnn", *edit, tmp_path)
    inherits = next(row for row in rows if row.expression.startswith("dh = "))
    assert (inherits.verdict, inherits.passes, inherits.wrong_pass) == ("inherited", 5, 2)
    assert len({row.location for row in rows}) == len(rows) <= 40


def test_a_gradient_that_raises_has_a_table_up_to_there(tmp_path):
    rows, _ = table_of("dense_rows", "dW1 = X.T @ dZ1", "dW1 = X @ dZ1", tmp_path)
    assert rows[-1].verdict == "wrong"
    assert rows[-1].expression.startswith("dW1")
    assert "right" in {row.verdict for row in rows}


def test_whole_numbers_that_are_chosen_come_from_no_operand():
    def slope(x):
        return np.where(x > 0, 1, 0.01)

    report = gradcheck.check_layer(
        lambda x: (np.where(x > 0, x, 0.1 * x), x),
        lambda upstream, x: upstream * slope(x),
        np.random.default_rng(4).normal(size=(5, 3)),
    )
    assert [finding.code for finding in report.findings] == ["GC306"]


def test_what_is_summed_over_an_axis_too_many_is_named():
    report = gradcheck.check_layer(
        lambda x: (x.sum(axis=1), x),
        lambda upstream, x: np.full(x.shape, upstream.sum()),
        np.random.default_rng(5).normal(size=(5, 3)),
    )
    (finding,) = report.errors
    assert finding.code == "GC209", str(report)
    assert "it is summed over" in finding.message
    assert "too much" in finding.message
