"""The derivatives of linear algebra are those of central differences."""

import numpy as np
import pytest
import scipy.linalg

import gradcheck
from gradcheck.trace.adjoints.differences import differenced
from gradcheck.trace.adjoints.linear_algebra import LINEAR_ALGEBRA
from gradcheck.trace.record.nodes import Node, Reference

RNG = np.random.default_rng(19)
A, B = RNG.normal(size=(4, 4)) + 4 * np.eye(4), RNG.normal(size=(4, 2))
SPREAD = A @ A.T
SMALL = np.linalg.cholesky(SPREAD)

USES = [
    (np.linalg.inv, [A], {}),
    (scipy.linalg.inv, [A], {}),
    (np.linalg.det, [A], {}),
    (np.linalg.solve, [A, B], {}),
    (np.linalg.solve, [A, B[:, 0]], {}),
    (scipy.linalg.solve, [SPREAD, B], {"assume_a": "pos"}),
    (np.linalg.cholesky, [SPREAD], {}),
    (scipy.linalg.cholesky, [SPREAD], {}),
    (scipy.linalg.cholesky, [SPREAD, True], {}),
    (scipy.linalg.solve_triangular, [SMALL, B], {"lower": True}),
    (scipy.linalg.solve_triangular, [SMALL, B[:, 0]], {"lower": True, "trans": "T"}),
    (scipy.linalg.solve_triangular, [SMALL.T, B, 1], {}),
]


@pytest.mark.parametrize(("function", "given", "keywords"), USES)
def test_a_derivative_is_that_of_differences(function, given, keywords):
    values = [np.asarray(one) for one in given if isinstance(one, np.ndarray)]
    places = [Reference(at) if at < len(values) else one for at, one in enumerate(given)]
    out = np.asarray(function(*given, **keywords))
    name, operands = function.__name__, tuple(range(len(values)))
    node = Node(len(values), name, function, tuple(places), keywords, out, (), 0, operands)
    up = RNG.normal(size=out.shape)
    parts = dict(LINEAR_ALGEBRA[name](node, out, values, up))
    for index, wanted in differenced(node, values, up):
        found = parts[index]
        if np.array_equal(values[index], values[index].T):  # only half of it is read
            found, wanted = found + found.T, wanted + wanted.T
        assert np.allclose(found, wanted, rtol=1e-6, atol=1e-8)


POINTS, HEIGHTS = RNG.uniform(-2, 2, size=(8, 2)), RNG.normal(size=8)
APART = ((POINTS[:, None] - POINTS[None]) ** 2).sum(axis=2)


def evidence(p):
    spread = p["gain"] * np.exp(-APART * p["rate"]) + 0.1 * np.eye(8)
    factor = scipy.linalg.cholesky(spread, lower=True)
    part = scipy.linalg.solve_triangular(factor, HEIGHTS, lower=True)
    return 0.5 * part @ part + np.sum(np.log(np.diag(factor)))


def slopes(p):
    near = np.exp(-APART * p["rate"])
    inverse = np.linalg.inv(p["gain"] * near + 0.1 * np.eye(8))
    weights = inverse @ HEIGHTS
    outer = inverse - np.outer(weights, weights)
    return {"gain": 0.5 * np.sum(outer * near), "rate": -np.sum(outer * near * APART) * p["gain"]}


def test_a_gaussian_process_is_followed_to_the_wrong_expression():
    report = gradcheck.check(evidence, {"gain": np.array(1.3), "rate": np.array(0.4)}, slopes)
    assert [one.name for one in report.blocks if one.verdict == "wrong"] == ["rate"]
    assert report.findings[0].code == "GC103"
    assert "np.sum(outer * near * APART)" in report.findings[0].location.source


def shifted(level):
    factor = scipy.linalg.cholesky(np.exp(-APART) + 0.1 * np.eye(8), lower=True)
    part = scipy.linalg.solve_triangular(factor, HEIGHTS - level, lower=True)
    return 0.5 * part @ part


@pytest.mark.parametrize(("turn", "code"), [({"trans": "T"}, None), ({}, "GC201")])
def test_a_triangular_solve_without_the_transpose_is_told(turn, code):
    def slope(level):
        factor = scipy.linalg.cholesky(np.exp(-APART) + 0.1 * np.eye(8), lower=True)
        part = scipy.linalg.solve_triangular(factor, HEIGHTS - level, lower=True)
        return -scipy.linalg.solve_triangular(factor, part, lower=True, **turn)

    report = gradcheck.check(shifted, np.linspace(-1, 1, 8), slope)
    assert [one.code for one in report.errors] == [code] * bool(code)


def test_a_trace_of_an_elementwise_product_is_told():
    draw = np.random.default_rng(66)
    near = np.exp(-(np.subtract.outer(draw.normal(size=6), draw.normal(size=6)) ** 2))
    base, seen = near @ near.T + np.eye(6), draw.normal(size=6)

    def loss(p):
        return 0.5 * seen @ np.linalg.solve(base + p[0] * near + p[0] * near.T, seen) + p[1] ** 2

    def grad(p):
        side = near + near.T
        pulled = np.linalg.solve(base + p[0] * side, seen)
        pull = np.outer(pulled, pulled)
        return np.array([-0.5 * np.trace(pull * side), 2 * p[1]])

    finding = gradcheck.check(loss, np.array([0.3, 0.7]), grad).findings[0]
    assert (finding.code, finding.fix) == ("GC206", "write `pull @ side`")
