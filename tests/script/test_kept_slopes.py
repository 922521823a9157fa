"""Engines whose operations keep their slopes, for one loop that goes back through all of them."""

from __future__ import annotations

import pytest
from named_bugs import line_of

from gradcheck.options import Wishes
from gradcheck.script import ScriptEntry

ENGINE = """
import math
import random

random.seed(4)


class Value:
    __slots__ = ("data", "grad", "parts", "slopes")

    def __init__(self, data, parts=(), slopes=()):
        self.data, self.grad, self.parts, self.slopes = data, 0, parts, slopes

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k):
        return Value(self.data**k, (self,), (k * self.data ** (k - 1),))

    def exp(self):
        return Value(math.exp(self.data), (self,), (math.exp(self.data),))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def __radd__(self, other):
        return self + other

    def backward(self):
        order, seen = [], set()

        def visit(one):
            if one not in seen:
                seen.add(one)
                for part in one.parts:
                    visit(part)
                order.append(one)

        visit(self)
        self.grad = 1
        for one in reversed(order):
            for part, slope in zip(one.parts, one.slopes):
                part.grad += slope * one.grad


table = [[Value(random.gauss(0, 0.5)) for _ in range(2)] for _ in range(3)]
params = [one for row in table for one in row]
rows, labels = [[0.5, -0.3], [0.9, 0.4], [-0.6, 0.8]], [1, 0, 2]
for turn in range(12):
    costs = []
    for row, label in zip(rows, labels):
        scores = [sum(w * x for w, x in zip(own, row)).exp() for own in table]
        share = scores[label] * sum(scores) ** -1
        costs.append(share.log() * -1)
    loss = sum(costs) * (1 / len(costs))
    loss.backward()
    for one in params:
        one.data -= 0.1 * one.grad
        one.grad = 0
"""


def test_a_right_engine_passes_and_its_numbers_in_slots_are_the_parameters(outcome):
    report = outcome(ENGINE).report
    assert report.ok, str(report)
    assert [one.name for one in report.blocks][:2] == ["table[0][0].data", "table[0][1].data"]


@pytest.mark.parametrize(
    ("right", "wrong", "code", "words"),
    [
        ("(other.data, self.data)", "(self.data, other.data)", "GC415", "other.data belongs here"),
        ("(k * self.data ** (k - 1),)", "(self.data ** (k - 1),)", "GC106", "its sign is wrong"),
        ("(math.exp(self.data),)", "(self.data,)", "GC302", "where `math.exp(self.data)` belongs"),
        ("(1 / self.data,)", "(-1 / self.data,)", "GC106", "`-1 / self.data` is wrong"),
        ("(1 / self.data,)", "(1 / self.data**2,)", "GC304", "multiplied in once more"),
    ],
)
def test_a_wrong_slope_is_told_where_the_operation_keeps_it(outcome, right, wrong, code, words):
    report = outcome(ENGINE.replace(right, wrong)).report
    (finding,) = report.errors
    assert (finding.code, finding.location.line) == (code, line_of(right, ENGINE)), str(report)
    assert words in finding.message
    assert set(finding.blocks) == {one.name for one in report.blocks if one.failed}


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        ("part.grad = slope * one.grad", "GC701", "part.grad is overwritten"),
        ("part.grad += 0.5 * slope * one.grad", "GC103", "half what it should be"),
        ("part.grad -= slope * one.grad", "GC106", "its sign is wrong"),
    ],
)
def test_what_is_wrong_for_all_operations_is_told_in_the_loop(outcome, wrong, code, words):
    right = "part.grad += slope * one.grad"
    report = outcome(ENGINE.replace(right, wrong)).report
    (finding,) = report.errors
    assert (finding.code, finding.location.line) == (code, line_of(right, ENGINE)), str(report)
    assert words in finding.message


def test_where_no_gradient_comes_back_the_refusal_says_so(tmp_path):
    script = ENGINE.replace("reversed(order)", "order")
    (tmp_path / "main.py").write_text(script)
    refused = ScriptEntry(tmp_path / "main.py").outcome({}).error
    assert "it updates one.data by exactly 0: no gradient comes back to it" in refused


MANY = ENGINE.replace("range(2)] for _ in range(3)]", "range(2)] for _ in range(30)]")


def test_of_hundreds_of_numbers_some_are_checked_and_the_report_says_so(outcome):
    found = outcome(MANY)
    assert found.report.ok, str(found.report)
    assert len(found.report.blocks) == 24
    assert {int(one.name[6:].split("]")[0]) // 10 for one in found.report.blocks} == {0, 1, 2}
    (note,) = [one for one in found.script.notes if "are checked" in one]
    assert note.startswith("24 of 60 parameters are checked, spread over all of them")


def test_numbers_that_are_named_are_checked_however_many_there_are(tmp_path):
    path = tmp_path / "main.py"
    path.write_text(MANY)
    names = "table[7][1].data", "table[29][0].data"
    report = ScriptEntry(path, Wishes(params=names)).outcome({}).report
    assert [one.name for one in report.blocks] == list(names)


BEGUN = ENGINE[: ENGINE.index("for turn in range(12)")]
ADAM = """
means, sizes = [0.0] * len(params), [0.0] * len(params)
for turn in range(12):
    costs = []
    for row, label in zip(rows, [1, 0, 1]):
        scores = [sum(w * x for w, x in zip(own, row)).exp() for own in table[: 3 - turn % 2]]
        share = scores[label] * sum(scores) ** -1
        costs.append(share.log() * -1)
    loss = sum(costs) * (1 / len(costs))
    loss.backward()
    for k, one in enumerate(params):
        means[k] = 0.8 * means[k] + 0.2 * one.grad
        sizes[k] = 0.9 * sizes[k] + 0.1 * one.grad**2
        one.data -= 0.01 * means[k] / (sizes[k] ** 0.5 + 1e-8)
        one.grad = 0
"""
MOMENTUM = ADAM.replace("0.01 * means[k] / (sizes[k] ** 0.5 + 1e-8)", "0.05 * means[k]")


@pytest.mark.parametrize("update", [ADAM, MOMENTUM])
def test_what_a_step_remembers_is_no_gradient_of_what_this_pass_leaves_out(outcome, update):
    found = outcome(BEGUN + update)
    assert found.report.ok, str(found.report)
    assert not any("several learning rates" in one for one in found.report.notes)


def test_a_wrong_slope_behind_an_adaptive_step_is_told_where_the_operation_keeps_it(outcome):
    script, right = (
        BEGUN + ADAM,
        "(other.data, self.data))",
    )
    report = outcome(script.replace(right, "(self.data, other.data))")).report
    finding = report.errors[0]
    assert (finding.code, finding.location.line) == ("GC415", line_of(right, script)), str(report)
    assert "other.data belongs here" in finding.message


PAIRS = """
import math


class Node:
    def __init__(self, value, parents=()):
        self.value, self.grad, self.parents = value, 0.0, parents


def times(a, b):
    return Node(a.value * b.value, [(a, b.value), (b, a.value)])


def plus(a, b):
    return Node(a.value + b.value, [(a, 1.0), (b, 1.0)])


def sigmoid(a):
    s = 1 / (1 + math.exp(-a.value))
    return Node(s, [(a, s * (1 - s))])


def order_of(node, done):
    for parent, _ in node.parents:
        if parent not in done:
            order_of(parent, done)
    done.append(node)
    return done


def backpropagate(loss):
    loss.grad = 1.0
    for node in reversed(order_of(loss, [])):
        for parent, slope in node.parents:
            parent.grad += node.grad * slope


w, b, v = Node(0.4), Node(-0.2), Node(0.8)
for turn in range(20):
    loss = Node(0.0)
    for x, t in [(0.5, 0.2), (-0.9, 0.7), (0.3, 0.4)]:
        out = times(sigmoid(plus(times(w, Node(x)), b)), v)
        off = plus(out, Node(-t))
        loss = plus(loss, times(off, off))
    for one in (w, b, v):
        one.grad = 0.0
    backpropagate(loss)
    for one in (w, b, v):
        one.value -= 0.1 * one.grad
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("(a, b.value)", "(a, a.value)", "GC415"),
        ("s * (1 - s)", "a.value * (1 - a.value)", "GC305"),
    ],
)
def test_slopes_may_stand_in_pairs_and_functions_be_free(outcome, right, wrong, code):
    assert outcome(PAIRS).report.ok
    report = outcome(PAIRS.replace(right, wrong)).report
    finding = report.findings[0]
    assert (finding.code, finding.location.line) == (code, line_of(right, PAIRS)), str(report)


DECORATED = """
import functools

import numpy as np

TAPE = []


class Var:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


def primitive(function):
    @functools.wraps(function)
    def wrapped(*operands):
        data, pullback = function(*(one.data for one in operands))
        out = Var(data)

        def step():
            for one, part in zip(operands, pullback(out.grad)):
                one.grad += part
        TAPE.append(step)
        return out
    return wrapped


@primitive
def linear(x, w):
    return x @ w, lambda up: (up @ w.T, x.T @ up)


@primitive
def scaled(x, by):
    n = x / np.sqrt(x.var(axis=1, keepdims=True) + 0.1)

    def pullback(up):
        down = up * by
        total = (down * n).mean(axis=1, keepdims=True)
        size = np.sqrt(x.var(axis=1, keepdims=True) + 0.1)
        return (down - (n - n.mean(axis=1, keepdims=True)) * total) / size, (up * n).sum(axis=0)
    return n * by, pullback


@primitive
def entropy(z):
    rows = np.arange(len(labels))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    def pullback(up):
        q = p.copy()
        q[rows, labels] -= 1
        return (up * q / len(labels),)
    return -np.mean(np.log(p[rows, labels])), pullback


rng = np.random.default_rng(4)
x = Var(rng.normal(size=(12, 3)))
labels = np.argmax(x.data, axis=1)
w, by, v = (Var(rng.normal(size=size)) for size in ((3, 5), 5, (5, 3)))
for epoch in range(5):
    TAPE.clear()
    loss = entropy(linear(scaled(linear(x, w), by), v))
    for one in (w, by, v):
        one.grad = np.zeros_like(one.data)
    loss.grad = np.ones(())
    for step in reversed(TAPE):
        step()
    for one in (w, by, v):
        one.data = one.data - 0.1 * one.grad
    print(loss.data)
"""


def test_operations_may_have_arrays_of_indices_among_their_arguments(outcome):
    assert outcome(DECORATED).report.ok
    finding = outcome(DECORATED.replace("down = up * by", "down = up")).report.findings[0]
    line = line_of("down = up", DECORATED)
    assert (finding.code, finding.location.line) == ("GC854", line), finding.message
