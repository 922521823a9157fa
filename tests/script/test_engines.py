"""Small automatic differentiations of single numbers, with a class and closures that go back."""

from __future__ import annotations

import pytest
from named_bugs import line_of

ENGINE = """
import math
import random

random.seed(3)


class Value:
    def __init__(self, data, made_of=()):
        self.data, self.grad, self.made_of, self.back = data, 0.0, made_of, lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))
        def back():
            self.grad += out.grad
            other.grad += out.grad
        out.back = back
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))
        def back():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out.back = back
        return out

    def tanh(self):
        x = self.data
        t = math.tanh(x)
        out = Value(t, (self,))
        def back():
            self.grad += (1 - t**2) * out.grad
        out.back = back
        return out

    def backward(self):
        order = []
        def visit(one):
            if one not in order:
                for part in one.made_of:
                    visit(part)
                order.append(one)
        visit(self)
        self.grad = 1.0
        for one in reversed(order):
            one.back()


def neuron(weights, row):
    total = weights[-1]
    for weight, value in zip(weights, row):
        total = total + weight * value
    return total.tanh()


layers = [[[Value(random.uniform(-1, 1)) for _ in range(3)] for _ in range(n)] for n in (2, 1)]
params = [one for layer in layers for own in layer for one in own]
rows, wanted = [[0.4, -0.7], [0.9, 0.3], [-0.5, 0.8]], [0.5, -0.3, 0.2]
for turn in range(20):
    loss = Value(0.0)
    for row, t in zip(rows, wanted):
        y = neuron(layers[1][0], [neuron(own, row) for own in layers[0]])
        off = y + -t
        loss = loss + off * off
    for p in params:
        p.grad = 0.0
    loss.backward()
    for p in params:
        p.data -= 0.002 * p.grad
"""


def test_a_right_engine_passes(outcome):
    report = outcome(ENGINE).report
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("right", "wrong", "code", "words"),
    [
        ("(1 - t**2) *", "(1 - x**2) *", "GC302", "self.data is used where t belongs"),
        ("(1 - t**2) *", "t * (1 - t) *", "GC305", "the slope of tanh at self.data is wanted"),
        ("(1 - t**2) * out", "out", "GC303", "the slope of tanh at self.data is missing"),
        ("+= self.data *", "+= other.data *", "GC415", "self.data belongs there"),
        ("+= self.data *", "+=", "GC413", "the factor self.data is missing"),
        ("self.grad += out.grad", "self.grad -= out.grad", "GC106", "its sign is wrong"),
        ("self.grad += out.grad", "self.grad += 2 * out.grad", "GC103", "the factor 2"),
        ("self.grad += out.grad", "self.grad = out.grad", "GC701", "self.grad is overwritten"),
        ("+= other.data *", "= other.data *", "GC701", "self.grad is overwritten"),
    ],
)
def test_a_bug_in_an_operation_is_named_in_the_names_of_the_operation(
    outcome, right, wrong, code, words
):
    report = outcome(ENGINE.replace(right, wrong, 1)).report
    (finding,) = report.errors
    assert (finding.code, finding.location.line) == (code, line_of(right, ENGINE)), str(report)
    assert words in finding.message
    assert set(finding.blocks) == {one.name for one in report.blocks if one.failed}


def test_a_number_that_differs_from_run_to_run_is_an_operand_without_a_gradient(outcome):
    script = ENGINE.replace("def tanh(self)", "def tanh(self, k)").replace(
        "math.tanh(x)", "math.tanh(k * x)"
    )
    script = script.replace("total.tanh()", "total.tanh(0.5 if weights is layers[1][0] else 1.5)")
    right, wrong = "(1 - t**2) * out", "k * t * (1 - t) * out"
    assert outcome(script.replace(right, "k * (1 - t**2) * out")).report.ok
    finding = outcome(script.replace(right, wrong)).report.findings[0]
    assert (finding.code, finding.location.line) == ("GC305", line_of(right, ENGINE)), finding
    assert "the slope of tanh at self.data" in finding.message


def test_two_bugs_in_two_operations_are_both_found(outcome):
    script = ENGINE.replace("(1 - t**2) *", "(1 - x**2) *")
    report = outcome(script.replace("+= self.data *", "+= other.data *")).report
    lines = {one.location.line for one in report.findings if one.location is not None}
    assert {line_of("(1 - t**2) *", ENGINE), line_of("+= self.data *", ENGINE)} <= lines, str(
        report
    )


def test_gradients_that_are_never_set_to_0_are_left_over(outcome):
    report = outcome(ENGINE.replace("p.grad = 0.0", "p.grad = p.grad")).report
    finding = report.findings[0]
    assert finding.code == "GC801"
    assert "still has what an earlier pass added to it" in finding.message
    assert "before `loss.backward()`" in finding.fix


@pytest.mark.parametrize(
    ("added", "code", "words"),
    [
        ("waiting += one.made_of", "GC414", "`back` runs again for the same output"),
        (
            "new = [i for i in dict.fromkeys(one.made_of) if i not in done]\n"
            "            waiting, done = waiting + new, done + new",
            "GC407",
            "`back` uses out.grad too early",
        ),
    ],
    ids=["twice", "early"],
)
def test_an_order_that_is_not_topological_is_told(outcome, added, code, words):
    queue = f"""        waiting, done = [self], []
        self.grad = 1.0
        while waiting:
            one = waiting.pop(0)
            one.back()
            {added}
"""
    begin, end = ENGINE.index("        order = []"), ENGINE.index("\n\ndef neuron")
    script = ENGINE[:begin] + queue + ENGINE[end:]
    report = outcome(script.replace("loss + off * off", "loss + off * off + y")).report
    finding = report.findings[0]
    assert (finding.code, finding.message) == (code, words)
    assert finding.expression == "one.back()"
    assert "topological order" in finding.fix


RECTIFIED = ENGINE.replace("return total.tanh()", "return total.tanh() if len(row) == 2 else total")
RECTIFIED = RECTIFIED.replace("for _ in range(3)] for _ in range(n)] for n in (2, 1)]", "LAYERS]")
RECTIFIED = RECTIFIED.replace(
    "LAYERS]", "for _ in range(own)] for _ in range(n)] for n, own in ((4, 3), (1, 5))]"
)


@pytest.mark.parametrize(
    ("out", "slope", "code"),
    [
        ("0 if x < 0 else x", "(out.data > 0)", ""),
        ("0 if x < 0 else x", "1", "GC303"),
        ("max(0, x)", "(out.grad > 0)", "GC305"),
        ("x if x > 0 else 0.1 * x", "(1.0 if x > 0 else 0.1)", ""),
        ("x if x > 0 else 0.1 * x", "(out.data > 0)", "GC999"),
        ("x if x > 0 else 0.1 * x", "(1.0 if x > 0 else 0.3)", "GC105"),
    ],
)
def test_a_unit_that_is_off_is_judged_as_the_others(outcome, out, slope, code):
    script = RECTIFIED.replace("t = math.tanh(x)", f"t = {out}").replace("(1 - t**2)", slope)
    found = outcome(script).report
    assert [one.code for one in found.errors] == [code] * bool(code)
    for finding in found.findings[: bool(code)]:
        line = line_of(f"self.grad += {slope}", script)
        assert finding.location.line == line


GRAPH = """
import math


class Node:
    def __init__(self, *inputs):
        self.inputs, self.value, self.grad = list(inputs), 0.0, 0.0

    def forward(self):
        pass

    def backward(self):
        pass


class Product(Node):
    def forward(self):
        a, b = self.inputs
        self.value = a.value * b.value

    def backward(self):
        a, b = self.inputs
        a.grad += self.grad * b.value
        b.grad += self.grad * a.value


class Sum(Node):
    def forward(self):
        self.value = sum(one.value for one in self.inputs)

    def backward(self):
        for one in self.inputs:
            one.grad += self.grad


class Sigmoid(Node):
    def forward(self):
        self.value = 1.0 / (1.0 + math.exp(-self.inputs[0].value))

    def backward(self):
        self.inputs[0].grad += self.grad * self.value * (1 - self.value)


x, t, w, b, v = Node(), Node(), Node(), Node(), Node()
w.value, b.value, v.value = 0.7, -0.2, 0.4
product = Product(x, w)
z = Sum(product, b)
a = Sigmoid(z)
out = Product(a, v)
off = Sum(out, t)
square = Product(off, off)
graph = [x, t, w, b, v, product, z, a, out, off, square]
for epoch in range(10):
    loss = 0.0
    for p in (w, b, v):
        p.grad = 0.0
    for row, target in [(0.5, -1.0), (0.1, -0.2), (-0.3, -0.7), (0.9, -0.4)]:
        x.value, t.value = row, target
        for one in graph:
            one.forward()
            if one not in (w, b, v):
                one.grad = 0.0
        square.grad = 1.0
        for one in reversed(graph):
            one.backward()
        loss += square.value
    for p in (w, b, v):
        p.value -= 0.1 * p.grad
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code", "words"),
    [
        ("* self.value * (1 - self.value)", "* self.value", "GC305", "where its slope belongs"),
        ("b.grad += self.grad * a.value", "b.grad += self.grad * b.value", "GC415", "a.value"),
        ("b.grad += self.grad * a.value", "b.grad = self.grad * a.value", "GC701", "overwritten"),
        ("        p.grad = 0.0", "        pass", "GC801", "still has what an earlier pass added"),
    ],
)
def test_operations_that_are_objects_are_read_as_those_with_closures(
    outcome, right, wrong, code, words
):
    assert outcome(GRAPH).report.ok
    found = outcome(GRAPH.replace(right, wrong)).report
    assert found.findings[0].code == code, str(found)
    assert words in found.findings[0].message
    if "p.grad" not in right:
        line = line_of(right, GRAPH)
        assert found.findings[0].location.line == line


ARRAYS = """
import numpy as np


class Tensor:
    def __init__(self, data, made_of=()):
        self.data, self.made_of, self.back = np.asarray(data), made_of, lambda: None
        self.grad = np.zeros_like(self.data)

    def __matmul__(self, other):
        out = Tensor(self.data @ other.data, (self, other))
        def back():
            self.grad += out.grad @ other.data.T
            other.grad += self.data.T @ out.grad
        out.back = back
        return out

    def __mul__(self, other):
        out = Tensor(self.data * other.data, (self, other))
        def back():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out.back = back
        return out

    def tanh(self):
        out = Tensor(np.tanh(self.data), (self,))
        def back():
            self.grad += (1 - out.data**2) * out.grad
        out.back = back
        return out

    def sum(self):
        out = Tensor(self.data.sum(), (self,))
        def back():
            self.grad += out.grad * np.ones_like(self.data)
        out.back = back
        return out

    def backward(self):
        order = []
        def visit(one):
            if one not in order:
                for part in one.made_of:
                    visit(part)
                order.append(one)
        visit(self)
        self.grad = np.ones_like(self.data)
        for one in reversed(order):
            one.back()


rng = np.random.default_rng(0)
X, W, V = Tensor(rng.normal(size=(6, 3))), Tensor(rng.normal(size=(3, 4))), rng.normal(size=(4, 2))
V = Tensor(V)
for step in range(5):
    for p in (W, V):
        p.grad = np.zeros_like(p.data)
    out = (X @ W).tanh() @ V
    loss = (out * out).sum()
    loss.backward()
    for p in (W, V):
        p.data -= 0.01 * p.grad
"""


def test_in_an_engine_of_arrays_what_an_assignment_loses_is_told_before_a_factor_that_fits(outcome):
    assert outcome(ARRAYS).report.ok
    right, wrong = ("other.grad += self.data * out", "other.grad = self.data * out")
    finding = outcome(ARRAYS.replace(right, wrong)).report.findings[0]
    assert (finding.code, set(finding.blocks)) == ("GC701", {"W.data", "V.data"})


def test_in_an_engine_of_arrays_an_operation_that_runs_twice_is_told(outcome):
    begin, end = ARRAYS.index("        order = []"), ARRAYS.index("\n\nrng =")
    queue = """        self.grad, waiting = np.ones_like(self.data), [self]
        while waiting:
            one = waiting.pop(0)
            one.back()
            waiting += one.made_of
"""
    finding = outcome(ARRAYS[:begin] + queue + ARRAYS[end:]).report.findings[0]
    assert (finding.code, set(finding.blocks)) == ("GC414", {"W.data", "V.data"})


HANDED_DOWN = """
import numpy as np


class Array:
    def __init__(self, data, ways=()):
        self.data, self.ways, self.grad = data, ways, np.zeros_like(data)

    def backward(self, grad):
        self.grad = self.grad + grad
        for other, way in self.ways:
            other.backward(way(grad))


def product(a, b):
    ways = (a, lambda g: g @ b.data.T), (b, lambda g: a.data.T @ g)
    return Array(a.data @ b.data, ways)


def tanh(a):
    out = np.tanh(a.data)
    def way(g):
        return g * (1 - out**2)
    return Array(out, [(a, way)])


def times(a, b):
    return Array(a.data * b.data, [(a, lambda g: g * b.data), (b, lambda g: g * a.data)])


rng = np.random.default_rng(2)
X, W, V = (Array(rng.normal(size=size)) for size in ((6, 3), (3, 4), (4, 2)))
for step in range(5):
    W.grad, V.grad = np.zeros((3, 4)), np.zeros((4, 2))
    out = product(tanh(product(X, W)), V)
    squares = times(out, out)
    loss = squares.data.sum()
    squares.backward(np.ones((6, 2)))
    W.data = W.data - 0.01 * W.grad
    V.data = V.data - 0.01 * V.grad
"""


def test_what_a_closure_has_from_around_it_is_chosen_in_the_closure(outcome):
    assert outcome(HANDED_DOWN).report.ok
    finding = outcome(HANDED_DOWN.replace("out**2", "np.tanh(out) ** 2")).report.findings[0]
    line = line_of("out**2", HANDED_DOWN)
    assert (finding.code, finding.location.line) == ("GC301", line)
    assert finding.message.startswith("out is used where")


FUNCTIONS = """
import numpy as np


class Product:
    def ahead(self, a, b):
        self.kept = a, b
        return a @ b

    def back(self, up):
        a, b = self.kept
        return up @ b.T, a.T @ up


class Ramp:
    def ahead(self, a):
        self.kept = a
        return np.maximum(a, 0)

    def back(self, up):
        a, down = self.kept, up.copy()
        down[a < 0] = 0
        return (down,)


class Node:
    def __init__(self, data, made=None, of=()):
        self.data, self.made, self.of, self.grad = data, made, of, None

    def backward(self):
        for node, part in zip(self.of, self.made.back(self.grad) if self.made else ()):
            node.grad = part
            node.backward()


def do(kind, *of):
    made = kind()
    return Node(made.ahead(*(one.data for one in of)), made, of)


rng = np.random.default_rng(4)
X, W, V = (Node(rng.normal(size=size)) for size in ((7, 3), (3, 5), (5, 2)))
t = rng.normal(size=(7, 2))
for step in range(5):
    out = do(Product, do(Ramp, do(Product, X, W)), V)
    loss = np.sum((out.data - t) ** 2)
    out.grad = 2 * (out.data - t)
    out.backward()
    W.data = W.data - 0.01 * W.grad
    V.data = V.data - 0.01 * V.grad
"""


def test_what_a_function_also_uses_rightly_its_caller_chose_rightly(outcome):
    assert outcome(FUNCTIONS).report.ok
    finding = outcome(FUNCTIONS.replace("down[a < 0]", "down[up < 0]")).report.findings[0]
    line = line_of("down[a < 0]", FUNCTIONS)
    assert (finding.code, finding.location.line) == ("GC307", line)


def test_what_an_earlier_pass_left_is_not_lost_and_a_run_within_another_is_not_early(outcome):
    # no rule knows this one, so that nothing else explains it
    wrong = FUNCTIONS.replace("a.T @ up", "a.T @ np.sort(up, axis=0)")
    findings = outcome(wrong).report.findings
    assert {"GC701", "GC407"}.isdisjoint(one.code for one in findings), findings


COMPUTED_WHEN_ASKED = """
import numpy as np
rng = np.random.default_rng(4)
rows, labels = rng.normal(size=(20, 3)), (rng.normal(size=20) > 0) * 1.0

class Leaf:
    def __init__(self, val):
        self.val, self.grad = val, 0.0

class Score:
    def __init__(self, of):
        self.of, self.grad = of, 0.0

    @property
    def val(self):
        return rows @ self.of.val

    def back(self):
        self.of.grad += rows.T @ self.grad

class Entropy(Score):
    @property
    def val(self):
        p = 1 / (1 + np.exp(-self.of.val))
        return -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))

    def back(self):
        p = 1 / (1 + np.exp(-self.of.val))
        self.of.grad += self.grad * (p - labels) / len(rows)

w = Leaf(rng.normal(size=3))
for turn in range(40):
    score = Score(w)
    loss = Entropy(score)
    w.grad, loss.grad = 0.0, 1.0
    loss.back()
    score.back()
    w.val = w.val - 0.5 * w.grad
    print(f"now {loss.val:.4f}")
"""


def test_a_loss_may_be_an_object_whose_number_is_computed_when_asked(outcome):
    right = outcome(COMPUTED_WHEN_ASKED)
    assert (right.report.verdict, right.script.loss) == ("pass", "loss"), str(right.report)
    wrong = outcome(COMPUTED_WHEN_ASKED.replace("(p - labels)", "(labels - p)"))
    assert [one.code for one in wrong.report.errors] == ["GC106"], str(wrong.report)


def test_a_row_of_an_array_less_a_list_of_values_is_an_array_of_operations(outcome):
    text = ENGINE.replace("class Value:", "import numpy as np\n\n\nclass Value:")
    text = text.replace("wanted = [[", "wanted = [[").replace(
        "0.5, -0.3, 0.2]", "[0.5], [-0.3], [0.2]]"
    )
    text = text.replace("off = y + -t", "off = (np.array(t) - [y])[0]")
    text = text.replace(
        "    def tanh(self):",
        """    def __rsub__(self, other):
        return self * -1 + other

    def tanh(self):""",
    )
    report = outcome(text).report
    assert report.verdict == "pass", str(report)


TRAINED_BY_AN_OBJECT = """
import numpy as np

class Tensor:
    def __init__(self, item, made_of=()):
        self.item, self.grad, self.made_of, self.back = item, 0.0, made_of, lambda: None

    def __matmul__(self, other):
        out = Tensor(self.item @ other.item, (self, other))
        def back():
            self.grad = self.grad + np.outer(out.grad, other.item)
            other.grad = other.grad + self.item.T @ out.grad
        out.back = back
        return out

    def log_cosh(self):
        out = Tensor(np.sum(np.log(np.cosh(self.item))), (self,))
        def back():
            self.grad = self.grad + np.tanh(self.item) * out.grad
        out.back = back
        return out

    def backward(self):
        self.grad, waiting = 1.0, [self]
        while waiting:
            one = waiting.pop()
            one.back()
            waiting.extend(one.made_of)

class Trainer:
    def __init__(self):
        rng = np.random.default_rng(2)
        self.rows, self.w = Tensor(rng.normal(size=(9, 3))), Tensor(rng.normal(size=3))

    def train(self, turns):
        for turn in range(turns):
            self.w.grad = 0.0
            distance = (self.rows @ self.w).log_cosh()
            distance.backward()
            self.w.item = self.w.item - 0.02 * self.w.grad

Trainer().train(20)
"""


def test_a_method_differentiates_its_loss_whatever_the_names(outcome):
    right = outcome(TRAINED_BY_AN_OBJECT)
    assert (right.report.verdict, right.script.loss) == ("pass", "distance"), str(right.report)
    wrong = outcome(TRAINED_BY_AN_OBJECT.replace("+ np.tanh(", "- np.tanh("))
    assert [one.code for one in wrong.report.errors] == ["GC106"], str(wrong.report)
