"""Code that raises for its shapes: the operands in words, the line, and the product that fits."""

import numpy as np
import pytest

import gradcheck
from gradcheck.diagnose.sizes import Sizes

RNG = np.random.default_rng(17)
X, Y = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 2))
PARAMS = {"V": RNG.normal(size=(3, 4)), "c": RNG.normal(size=4), "U": RNG.normal(size=(4, 2))}

GRAD = """
import numpy as np

def forward(p):
    z = X @ p["V"] + p["c"]
    a = np.arctan(z)
    return z, a, a @ p["U"]

def loss(p):
    return np.sum(np.cosh(forward(p)[-1] - Y))

def grad(p):
    z, a, out = forward(p)
    d_out = np.sinh(out - Y)
    g = {}
    g["U"] = a.T @ d_out
    d_a = d_out @ p["U"].T
    d_z = d_a / (1 + z**2)
    g["V"] = X.T @ d_z
    g["c"] = d_z.sum(axis=0)
    return g
"""


def report_of(right, wrong, folder):
    assert GRAD.count(right) == 1
    file = folder / "net.py"
    file.write_text(GRAD.replace(right, wrong))
    names = {"X": X, "Y": Y}
    exec(compile(file.read_text(), str(file), "exec"), names)
    line = GRAD[: GRAD.index(right)].count("\n") + 1
    return gradcheck.check(names["loss"], PARAMS, names["grad"]), line


@pytest.mark.parametrize(
    ("right", "wrong", "code", "fix"),
    [
        ('d_out @ p["U"].T', 'd_out @ p["U"]', "GC202", "d_out @ p['U'].T"),
        ('d_out @ p["U"].T', 'd_out * p["U"].T', "GC206", "d_out @ p['U'].T"),
        ("X.T @ d_z", "X @ d_z", "GC202", "X.T @ d_z"),
        ("a.T @ d_out", "a @ d_out", "GC202", "a.T @ d_out"),
        ("np.sinh(out - Y)", "np.sinh(out - X)", "GC202", None),
        ("d_a / (1 + z**2)", "np.concatenate([d_a, X])", "GC202", None),
    ],
)
def test_the_operation_that_raised_is_named(right, wrong, code, fix, tmp_path):
    report, line = report_of(right, wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == (code, line)
    assert "(7, " in first.message
    if fix is not None:
        assert first.fix == fix


def test_a_shape_that_went_wrong_before_the_raise_is_told_there(tmp_path):
    report, line = report_of("np.sinh(out - Y)", "np.sinh(out - Y).sum(axis=1)", tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == ("GC202", line)
    assert any(place.line == line + 3 for place in first.also)
    assert "a later line raises" in first.message


def test_blocks_made_before_keep_their_verdict(tmp_path):
    report, _ = report_of("X.T @ d_z", "X @ d_z", tmp_path)
    assert {block.name: block.verdict for block in report.blocks} == {
        "V": "raised",
        "c": "raised",
        "U": "ok",
    }
    assert report.findings[0].blocks == ("V", "c")


def test_a_gradient_that_is_asked_for_before_it_is_made_is_missing(tmp_path):
    report, line = report_of('g["V"] = X.T @ d_z', 'g["V"] = g["c"] * 2', tmp_path)
    [found] = report.errors
    assert (found.code, found.location.line, found.blocks) == ("GC207", line, ("V", "c"))
    assert "no gradient of c was made before" in found.message


def test_arithmetic_that_raises_is_told_with_what_it_was_given(tmp_path):
    wrong = 'steep = 900.0\n    g["V"] = __import__("math").exp(steep) * X.T @ d_z'
    report, line = report_of('g["V"] = X.T @ d_z', wrong, tmp_path)
    [found] = report.errors
    assert (found.code, found.location.line) == ("GC903", line + 1)
    assert "steep reaches 900" in found.evidence


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("X.T @ d_zz", "did you mean d_z"),
        ("X.T @ d_v; d_v = d_z", "make d_v before this line"),
        ("X.T @ g.T", "what is meant for `g`"),
        ("X.T @ len(d_z).T", "for the one of these"),
        ("X.T @ g[d_z]", "what is meant for"),
        ("X.T @ np.ones(d_z)", "write `np.ones(d_z.shape)`"),
    ],
)
def test_a_value_that_the_line_cannot_use_is_told_with_what_it_is(wrong, told, tmp_path):
    report, line = report_of("X.T @ d_z", wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == ("GC210", line)
    assert told in first.fix


WITHOUT = """    g
only = grad

def grad(p):
    return dict(only(p))
"""

SILENT = """    g["c"] = 0 + total(d_z)
    return g

def total(d):
    print(d)
"""


AT_TIMES = """    def shape(d):
        raise NotImplementedError

    def halves(d, shape):
        if shape is None:
            return d, 1
        elif shape == 1:
            return d, 2

    g, size = halves({}, shape)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "fix"),
    [
        ("    return g\n", WITHOUT, "return g"),
        ("    return g\n", SILENT, "let total end with"),
        ("d_z.sum(axis=0)", "np.arange(4); g['c'] -= d_z.sum(axis=0)", "let g['c'] begin with"),
    ],
)
def test_what_gives_none_or_takes_no_float_is_told(right, wrong, fix, tmp_path):
    report, line = report_of(right, wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == ("GC210", line)
    assert first.fix.startswith(fix)


def test_a_function_that_gives_none_at_times_is_told(tmp_path):
    first = report_of("    g = {}\n", AT_TIMES, tmp_path)[0].findings[0]
    assert first.fix == "let halves end with `return`: it gives None", first


def test_a_gradient_that_is_right_and_raises_does_not_pass(tmp_path):
    report, _ = report_of("    return g\n", "    1 + None\n    return g\n", tmp_path)
    assert report.verdict == "inconclusive", report
    assert "raised before it returned" in str(report)


@pytest.mark.parametrize(
    ("right", "wrong", "fix"),
    [
        ('d_a = d_out @ p["U"].T', 'd_a = (3 * d_out) @ p["U"]', "(3 * d_out) @ p['U'].T"),
        ('d_a = d_out @ p["U"].T', "d_a = d_out.ravel()", "d_out.ravel().reshape(7, 2)"),
    ],
)
def test_a_multiple_of_a_derivative_is_known_by_its_shape(right, wrong, fix, tmp_path):
    report, line = report_of(right, wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line, first.fix) == ("GC202", line, fix)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="it takes them")
@pytest.mark.parametrize(
    ("wrong", "code", "told"),
    [
        ("X.T @ d_z; s = d_z[:1, :1]; '%f' % s", "GC210", "write `s.item()`"),
        (
            "X.T @ d_z; float(0.5 * np.dot(d_z[:, :1].T, d_z[:, :1]))",
            "GC210",
            "d_z[:, :1])).item()`",
        ),
        ("X.T @ d_z; g['V'][0, 0] = X.T[:1] @ d_z[:, 0]", "GC202", "d_z[:, 0].item()`"),
    ],
)
def test_an_array_of_one_number_is_told_to_be_none(wrong, code, told, tmp_path):
    report, line = report_of("X.T @ d_z", wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == (code, line), str(report)
    assert told in first.fix


def test_a_loop_that_goes_beyond_the_end_names_its_index(tmp_path):
    wrong = """np.zeros((3, 4))
    for i in range(4):
        g["V"][i] = X[:, i] @ d_z"""
    report, line = report_of("X.T @ d_z", wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == ("GC416", line + 1)
    assert "goes to 3, where axis 1 has 3" in first.message


ONES = """
class Scaled:
    def __init__(self):
        self.gain = np.ones((3, 1))

    def forward(self, x):
        self.x = x
        return self.gain * x

    def backward(self, upstream, lr):
        of_gain = np.sum(upstream * self.x, axis=(0, 2), keepdims=True)
        self.gain -= lr * of_gain
        return upstream * self.gain
"""


def test_a_sum_that_keeps_axes_is_told_where_it_is_made(tmp_path):
    wrong = "np.zeros(4); g['c'] += d_z.sum(axis=0, keepdims=True)"
    report, line = report_of("d_z.sum(axis=0)", wrong, tmp_path)
    finding = report.findings[0]
    assert (finding.code, finding.location.line) == ("GC202", line)
    assert "is dL/dc in the shape (1, 4), with which this line raises" in finding.message
    assert finding.fix == "d_z.sum(axis=0, keepdims=True).reshape(4,)"

    names = {"np": np}
    file = tmp_path / "scaled.py"
    file.write_text(ONES)
    exec(compile(ONES, str(file), "exec"), names)
    layer = names["Scaled"]()
    report = gradcheck.check_layer(layer.forward, layer.backward, (RNG.normal(size=(2, 3, 5)),))
    finding = report.findings[0]
    assert (finding.code, finding.location.line) == ("GC202", 11)
    assert finding.message.startswith("np.sum(upstream * self.x, axis=(0, 2), keepdims=True) is (1")
    assert finding.fix.endswith("keepdims=True).reshape(3, 1)")


def test_axes_are_named_only_where_all_are_known():
    sizes = Sizes(batch_size=6, outputs=2, features=None)
    assert sizes.shape_words((6, 2)) == "(6, 2) samples x outputs"
    assert sizes.shape_words((4, 6)) == "(4, 6)"
    assert sizes.shape_words(()) == "()"


def test_a_derivative_in_the_other_layout_is_blamed_and_not_the_product_that_it_breaks():
    rows, goals = RNG.normal(size=(6, 3)), RNG.normal(size=6)

    def loss(p):
        return 0.5 * np.sum((np.arctan(rows @ p["inner"]) @ p["outer"] - goals) ** 2)

    def gradient(p):
        seen = rows @ p["inner"]
        miss = np.arctan(seen) @ p["outer"] - goals
        back = np.outer(p["outer"], miss)
        slope = 1 / (1 + seen**2)
        return {"inner": rows.T @ (back * slope), "outer": miss @ np.arctan(seen)}

    params = {"inner": RNG.normal(size=(3, 4)), "outer": RNG.normal(size=4)}
    (finding,) = gradcheck.check(loss, params, gradient).findings
    assert finding.location.source.strip() == 'back = np.outer(p["outer"], miss)'
    assert finding.fix.endswith(".T")


def test_an_index_that_fits_another_array_of_the_line_does_not_blame_the_loop(tmp_path):
    wrong = """np.zeros((3, 4))
    for i in range(7):
        g["V"][i] += X[i] @ (X.T @ d_z)"""
    report, line = report_of("X.T @ d_z", wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == ("GC210", line + 2)


def test_parameters_that_an_update_returns_are_no_gradients(tmp_path):
    wrong = """    return update(p, g)

def update(p, g):
    p = dict(p)
    for k in ("V", "c", "U"):
        p[k] = p[k] - 0.1 * g[k.replace("U", "u")]
    return p
"""
    report, _ = report_of("    return g\n", wrong, tmp_path)
    assert {block.verdict for block in report.blocks} == {"raised"}


def test_operands_of_one_size_that_broadcast_are_given_one_shape(tmp_path):
    wrong = "np.sinh(out[:, :1] - Y[:, 0])"
    report, line = report_of("np.sinh(out - Y)", wrong, tmp_path)
    first = report.findings[0]
    assert (first.code, first.location.line) == ("GC202", line)
    assert first.fix == "give both one shape: Y[:, 0].reshape(7, 1)"
