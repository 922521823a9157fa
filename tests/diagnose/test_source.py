"""The line of a finding, in the many ways in which people write a gradient."""

import itertools
import textwrap

import numpy as np
import pytest
from modules import module_at

import gradcheck

HEADER = """
import numpy as np

X = np.random.default_rng(0).normal(size=(8, 3))
Y = np.random.default_rng(1).normal(size=(8, 2))


def forward(p):
    hidden = np.tanh(X @ p["W1"] + p["b1"])
    return hidden, hidden @ p["W2"] + p["b2"]


def loss(p):
    return 0.5 * np.sum((forward(p)[1] - Y) ** 2)

"""
STYLES = {
    "names and a dict": """
def grad(p):
    hidden, output = forward(p)
    delta2 = output - Y
    dW2 = hidden.T @ delta2
    db2 = delta2.sum(axis=0)
    delta1 = delta2 @ p["W2"].T  # here
    dW1 = X.T @ delta1
    db1 = delta1.sum(axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
""",
    "a cache of deltas": """
def grad(p):
    hidden, output = forward(p)
    c, grads = {}, {}
    c["d2"] = output - Y
    c["d1"] = c["d2"] @ p["W2"].T  # here
    grads["dW2"] = hidden.T @ c["d2"]
    grads["db2"] = c["d2"].sum(axis=0)
    grads["dW1"] = X.T @ c["d1"]
    grads["db1"] = c["d1"].sum(axis=0)
    return grads
""",
    "products in the returned dict": """
def grad(p):
    hidden, output = forward(p)
    delta2 = output - Y
    delta1 = np.dot(delta2, p["W2"].T)  # here
    return {
        "W1": X.T @ delta1,
        "b1": delta1.sum(axis=0),
        "W2": hidden.T @ delta2,
        "b2": delta2.sum(axis=0),
    }
""",
    "a scale in one product": """
def grad(p):
    hidden, output = forward(p)
    delta2 = output - Y
    grads = {"W2": hidden.T @ delta2, "b2": delta2.sum(axis=0)}
    delta1 = delta2 @ p["W2"].T * (1 - hidden**2)
    grads["W1"] = X.T @ delta1 / 8  # here
    grads["b1"] = delta1.sum(axis=0)
    return grads
""",
    "an update of the delta": """
def grad(p):
    hidden, output = forward(p)
    delta2 = output - Y
    delta1 = delta2 @ p["W2"].T
    delta1 *= hidden * (1 - hidden)  # here
    dW1, db1 = X.T @ delta1, delta1.sum(axis=0)
    dW2, db2 = hidden.T @ delta2, delta2.sum(axis=0)
    return dict(W1=dW1, b1=db1, W2=dW2, b2=db2)
""",
}
number = itertools.count()


def module_of(text, folder):
    path = folder / f"source_{next(number)}.py"
    path.write_text(HEADER + textwrap.dedent(text), encoding="utf-8")
    module = module_at(path)
    marked = [i for i, line in enumerate(path.read_text().split("\n"), 1) if "# here" in line]
    return module, marked


def params():
    rng = np.random.default_rng(2)
    shapes = {"W1": (3, 4), "b1": (4,), "W2": (4, 2), "b2": (2,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("style", STYLES)
def test_the_line_to_change_is_given(style, tmp_path):
    module, marked = module_of(STYLES[style], tmp_path)
    report = gradcheck.check(module.loss, params(), module.grad, inputs=module.X, targets=module.Y)
    assert report.verdict == "fail"
    assert [finding.location.line for finding in report.findings] == marked
    assert "# here" in report.findings[0].location.source


def test_code_without_a_source_has_no_line():
    scope = {}
    exec(HEADER + STYLES["names and a dict"], scope)  # what a notebook does
    report = gradcheck.check(scope["loss"], params(), scope["grad"])
    assert report.findings[0].code == "GC303"
    assert report.findings[0].location is None
