"""The edit that makes a gradient right, found in the user's own source, proved and printed."""

import cProfile
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from modules import module_of
from sweeps import without_slow

import gradcheck
from gradcheck.cli import main
from gradcheck.mending.patches import write
from gradcheck.options import Edits

BUDGET = Edits(1500)

NET = """
import numpy as np

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 4)), RNG.normal(size=(7, 3))
PARAMS = {
    "W1": RNG.normal(size=(4, 5)), "b1": RNG.normal(size=5),
    "W2": RNG.normal(size=(5, 3)), "b2": RNG.normal(size=3),
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def forward(p):
    z1 = X @ p["W1"] + p["b1"]     # keep   this spacing
    a1 = sigmoid(z1)
    return z1, a1, a1 @ p["W2"] + p["b2"]


def loss(p):
    return 0.5 * np.sum((forward(p)[2] - Y) ** 2) / len(X)


def grad(p):
    z1, a1, out = forward(p)
    m = len(X)
    delta2 = (out - Y) / m
    delta1 = (delta2 @ p["W2"].T) * sigmoid_prime(z1)
    return {
        "W1": X.T @ delta1, "b1": delta1.sum(axis=0),
        "W2": a1.T @ delta2, "b2": delta2.sum(axis=0),
    }
"""

BUGS = {
    "missing mean": ("(out - Y) / m", "(out - Y)"),
    "wrong argument": ("sigmoid_prime(z1)", "sigmoid_prime(a1)"),
    "missing slope": (" * sigmoid_prime(z1)", ""),
    "sign": ("(out - Y) / m", "(Y - out) / m"),
    "helper": ("return sigmoid(z) * (1 - sigmoid(z))", "return sigmoid(z) * (1 + sigmoid(z))"),
    "axis": ('b1": delta1.sum(axis=0)', 'b1": delta1.sum(axis=1)'),
}


def load(folder, text, name="net"):
    return module_of(text, folder, name)


def repair(*arguments, budget=BUDGET):
    return gradcheck.repair(*arguments, budget=budget)


def changed(old, new):
    assert NET.count(old) == 1
    return NET.replace(old, new)


def mended(patch, folder):
    """The module as the patch leaves it."""
    return load(folder, patch.changed[0].after.decode(), "mended")


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_mended(tmp_path, bug):
    module = load(tmp_path, changed(*BUGS[bug]))
    found = repair(module.loss, module.PARAMS, module.grad)
    assert found.ok, str(found)
    right = load(tmp_path, NET, "right")
    for patch in found.patches:
        after = mended(patch, tmp_path)
        rng = np.random.default_rng(5)
        for _ in range(5):
            point = {name: rng.normal(size=v.shape) for name, v in right.PARAMS.items()}
            wanted, got = right.grad(point), after.grad(point)
            for name in wanted:
                np.testing.assert_allclose(got[name], wanted[name], rtol=1e-9, atol=1e-12)


def test_what_is_not_edited_stays_byte_for_byte(tmp_path):
    module = load(tmp_path, changed(*BUGS["missing mean"]))
    [patch, *_] = repair(module.loss, module.PARAMS, module.grad).patches
    one = patch.changed[0]
    before, after = one.before.split(b"\n"), one.after.split(b"\n")
    pairs = enumerate(zip(before, after, strict=True))
    different = [number for number, (old, new) in pairs if old != new]
    assert len(different) == 1
    assert before[different[0]].strip() == b"delta2 = (out - Y)"


def test_the_diff_applies_with_patch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = load(tmp_path, changed(*BUGS["wrong argument"]))
    [patch, *_] = repair(module.loss, module.PARAMS, module.grad).patches
    done = subprocess.run(
        ["patch", "-p0"], input=patch.diff, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "net.py").read_text() == NET


def test_a_profiler_that_is_at_work_goes_on(tmp_path):
    module = load(tmp_path, changed(*BUGS["missing mean"]))
    with cProfile.Profile() as profiler:
        assert repair(module.loss, module.PARAMS, module.grad).ok
        Path("a call after it").exists()
    assert "exists" in {getattr(one.code, "co_name", "") for one in profiler.getstats()}


def test_a_right_gradient_needs_nothing(tmp_path):
    module = load(tmp_path, NET)
    found = repair(module.loss, module.PARAMS, module.grad)
    assert not found.ok
    assert "nothing to repair" in found.reason


def test_the_loss_is_never_changed_to_fit(tmp_path):
    text = NET.replace("z1 = X @ p", "z1 = 2 * X @ p").replace(
        "sigmoid_prime(z1)", "sigmoid_prime(z1)"
    )
    module = load(tmp_path, text)
    found = repair(module.loss, module.PARAMS, module.grad)
    before = module.loss(module.PARAMS)
    for patch in found.patches:
        assert mended(patch, tmp_path).loss(module.PARAMS) == pytest.approx(before, rel=1e-12)


GUARDED = """
import numpy as np

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(9, 3)), (RNG.uniform(size=9) > 0.4).astype(float)
PARAMS = {"w": RNG.normal(size=3), "b": np.array(0.2)}


def shares(p):
    return 1 / (1 + np.exp(-(X @ p["w"] + p["b"])))


def loss(p, least=1e-5):
    q = shares(p)
    return -np.mean(Y * np.log(q + least) + (1 - Y) * np.log(1 - q + least))


def grad(p):
    off = (shares(p) - Y) / len(Y)
    return {"w": X.T @ off, "b": off.sum()}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X.T @ off", "off @ X / len(Y)"),
        ("off.sum()", "off.mean()"),
        ("(shares(p) - Y)", "(Y - shares(p))"),
    ],
)
def test_what_keeps_a_log_finite_is_no_part_of_a_right_gradient(tmp_path, old, new):
    net = load(tmp_path, GUARDED.replace(old, new))
    [patch, *_] = repair(net.loss, net.PARAMS, net.grad).patches
    fixed = mended(patch, tmp_path)
    right = load(tmp_path, GUARDED, "right")
    for name, value in right.grad(right.PARAMS).items():
        np.testing.assert_allclose(fixed.grad(fixed.PARAMS)[name], value, rtol=1e-12)


def test_two_bugs_are_mended_one_after_the_other(tmp_path):
    text = changed(*BUGS["missing mean"]).replace("sigmoid_prime(z1)", "sigmoid_prime(a1)")
    module = load(tmp_path, text)
    found = repair(module.loss, module.PARAMS, module.grad)
    assert found.ok, str(found)
    after = mended(found.patches[0], tmp_path)
    right = load(tmp_path, NET, "right")
    for name, value in right.grad(right.PARAMS).items():
        np.testing.assert_allclose(after.grad(right.PARAMS)[name], value, rtol=1e-9, atol=1e-12)


METHODS = """
import numpy as np

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))


def logged(function):
    def wrapper(*args):
        return function(*args)
    return wrapper


class Net:
    def __init__(self):
        self.W = RNG.normal(size=(3, 2))
        self.b = RNG.normal(size=2)

    def loss(self):
        return np.sum((np.tanh(X @ self.W + self.b) - Y) ** 2)

    @logged
    def backward(self):
        a = np.tanh(X @ self.W + self.b)
        delta = 2 * (a - Y) * (1 - a)
        self.dW, self.db = X.T @ delta, delta.sum(axis=0)
"""

CLOSURE = """
import numpy as np


def make():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=5), 0.3

    def loss(w):
        return (np.sin(w @ x) - y) ** 2

    def grad(w):
        return 2 * (np.sin(w @ x) - y) * np.sin(w @ x) * x

    def cosine(w):
        return np.cos(w @ x)

    return loss, grad, rng.normal(size=5)
"""


def test_a_decorated_method_is_edited(tmp_path):
    module = load(tmp_path, METHODS)
    found = repair(lambda net: net.loss(), module.Net(), lambda net: net.backward())
    assert found.ok, str(found)
    assert "1 - a**2" in found.patches[0].diff.replace("(", "").replace(")", "")


def test_a_closure_keeps_its_variables(tmp_path):
    text = CLOSURE.replace("np.sin(w @ x) * x", "-np.cos(w @ x) * x")
    loss, grad, w = load(tmp_path, text).make()
    found = repair(loss, w, grad)
    assert found.ok, str(found)


def test_a_lambda_on_a_line_with_another_is_mended():
    found = repair(lambda w: float(w @ w), np.ones(3), lambda w: 3 * w)
    assert "lambda w: 2 * w)" in found.patches[0].diff


def test_a_function_without_source_is_refused_in_a_sentence():
    scope = {"np": np}
    exec("def grad(w):\n    return 3 * w\n", scope)
    found = repair(lambda w: float(w @ w), np.ones(3), scope["grad"])
    assert not found.ok
    assert "source" in found.reason


def test_a_file_that_was_changed_since_is_refused(tmp_path):
    module = load(tmp_path, changed(*BUGS["sign"]))
    (tmp_path / "net.py").write_text("import numpy\n\n\n" + changed(*BUGS["sign"]))
    found = repair(module.loss, module.PARAMS, module.grad)
    assert "was changed since" in found.reason


def test_nothing_is_written_without_being_asked_and_then_whole(tmp_path):
    text = changed(*BUGS["sign"])
    module = load(tmp_path, text)
    [patch, *_] = repair(module.loss, module.PARAMS, module.grad).patches
    assert (tmp_path / "net.py").read_text() == text
    assert write(patch) == [(tmp_path / "net.py", tmp_path / "net.py.orig")]
    assert (tmp_path / "net.py").read_bytes() == patch.changed[0].after
    assert (tmp_path / "net.py.orig").read_text() == text
    with pytest.raises(gradcheck.UsageError, match="changed meanwhile"):
        write(patch)


def test_candidates_that_hang_or_eat_memory_are_survived(tmp_path):
    text = changed(*BUGS["missing mean"]).replace(
        "    m = len(X)\n",
        "    m = len(X)\n    n = 0\n    while n < m:\n        n = n + 1\n"
        "    scratch = np.zeros(m * 2)\n",
    )
    module = load(tmp_path, text)
    found = repair(module.loss, module.PARAMS, module.grad)
    assert found.ok, str(found)


CASE = """
import gradcheck
from net import grad, loss, PARAMS

@gradcheck.case
def mine():
    return gradcheck.Case(loss=lambda p: loss(p), params=PARAMS, grad=lambda p: grad(p))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in ("run", "repairing"):
        monkeypatch.setattr(f"gradcheck.commands.{command}.REPAIR_SECONDS", BUDGET)
    (tmp_path / "net.py").write_text(changed(*BUGS["missing mean"]))
    (tmp_path / "checks.py").write_text(CASE)
    return tmp_path


def test_the_command_prints_a_diff_and_writes_when_asked(folder, capsys):
    assert main(["repair", "checks.py"]) == 0
    shown = capsys.readouterr().out
    assert "+    delta2 = (out - Y) / m" in shown
    assert "--- net.py" in shown
    assert main(["repair", "checks.py", "--write"]) == 0
    assert (folder / "net.py").read_text() == NET
    assert main(["repair", "checks.py"]) == 1
    assert "nothing to repair" in capsys.readouterr().out


def test_a_run_adds_the_patch_to_every_format(folder, capsys):
    pytest.importorskip("jsonschema")
    from jsonschema import validate

    from gradcheck.report.json import schema

    assert main(["run", "checks.py", "--repair", "--output", "r.json", "--output", "r.html"]) == 1
    assert "repair: " in capsys.readouterr().out
    document = json.loads(Path("r.json").read_text())
    validate(document, schema())
    assert "(out - Y) / m" in document["cases"][0]["repair"]["patches"][0]["diff"]
    assert "(out - Y) / m" in Path("r.html").read_text()


@pytest.mark.parametrize(
    ("name", "patched"),
    without_slow(
        [
            ("dense_article:published", "a - y"),
            ("overfit_pixels:derivative_of_output", "sigmoid_prime(Z2)"),
            ("overfit_pixels:derivative_of_input", "sigmoid(AL, deriv=True)"),
            ("relu_regression:two_outputs", "Y - T"),
            ("xor:published", "np.sum(delta_hidden, axis=None, keepdims=True)"),
        ],
        "overfit_pixels",
    ),
)
def test_the_bundled_cases_are_mended(name, patched):
    from gradcheck.casefiles import find_cases

    [entry] = find_cases([name])
    case, _ = entry.build()
    found = repair(case, budget=Edits(150))
    assert patched in found.patches[0].diff


@pytest.mark.parametrize("variant", without_slow(["outer", "published"], "published"))
def test_a_gradient_that_is_missing_is_beyond_an_edit(variant):
    from gradcheck.casefiles import find_cases

    [entry] = find_cases([f"digits_classifier:{variant}"])
    found = repair(entry.build()[0], budget=Edits(4000))
    assert "error * do_dz" in found.patches[0].diff
    assert found.patches[0].left == ("hidden_layer.weights", "hidden_layer.biases")
    assert "which is beyond an edit" in str(found)
