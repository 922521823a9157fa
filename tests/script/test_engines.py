"""Small automatic differentiations of single numbers, with a class and closures that go back."""

from __future__ import annotations

import pytest

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


def line_of(text: str) -> int:
    return ENGINE[: ENGINE.index(text)].count("\n") + 1


def test_a_right_engine_passes(outcome):
    found = outcome(ENGINE)
    assert found.report.ok, str(found.report)


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
    found = outcome(ENGINE.replace(right, wrong, 1))
    (finding,) = (one for one in found.report.findings if one.severity == "error")
    assert (finding.code, finding.location.line) == (code, line_of(right)), str(found.report)
    assert words in finding.message
    assert set(finding.blocks) == {one.name for one in found.report.blocks if one.failed}


def test_two_bugs_in_two_operations_are_both_found(outcome):
    script = ENGINE.replace("(1 - t**2) *", "(1 - x**2) *")
    found = outcome(script.replace("+= self.data *", "+= other.data *"))
    lines = {one.location.line for one in found.report.findings if one.location is not None}
    assert {line_of("(1 - t**2) *"), line_of("+= self.data *")} <= lines, str(found.report)


def test_gradients_that_are_never_set_to_0_are_left_over(outcome):
    found = outcome(ENGINE.replace("p.grad = 0.0", "p.grad = p.grad"))
    finding = found.report.findings[0]
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
    found = outcome(script.replace("loss + off * off", "loss + off * off + y"))
    finding = found.report.findings[0]
    assert (finding.code, finding.message) == (code, words)
    assert finding.expression == "one.back()"
    assert "topological order" in finding.fix
