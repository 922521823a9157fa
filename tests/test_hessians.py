"""Hessians, and all that scipy's solvers are given."""

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.optimize import (
    BFGS,
    Bounds,
    LinearConstraint,
    NonlinearConstraint,
    least_squares,
    minimize,
    rosen,
    rosen_der,
    rosen_hess,
    rosen_hess_prod,
)
from scipy.sparse.linalg import aslinearoperator

import gradcheck
from gradcheck import check_hessian, check_least_squares, check_minimize

AT = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
WITH_AND_WITHOUT = pytest.mark.parametrize("grad", [rosen_der, None], ids=["gradient", "loss"])


def verdicts(report):
    return {block.name: block.verdict for block in report.blocks}


@WITH_AND_WITHOUT
@pytest.mark.parametrize(
    "hessian",
    [
        rosen_hess,
        rosen_hess(AT),
        rosen_hess_prod,
        lambda x: sparse.csr_matrix(rosen_hess(x)),
        lambda x: aslinearoperator(rosen_hess(x)),
    ],
    ids=["dense", "matrix", "product", "sparse", "operator"],
)
def test_a_right_hessian_passes(grad, hessian):
    assert check_hessian(rosen, AT, hessian, grad=grad).ok


@WITH_AND_WITHOUT
@pytest.mark.parametrize("factor", [0.0, 2.0, -1.0, 1.001])
def test_an_entry_that_is_wrong_is_found(grad, factor):
    def wrong(x):
        found = rosen_hess(x)
        found[1, 2] *= factor
        return found

    report = check_hessian(rosen, AT, wrong, grad=grad)
    assert report.verdict == "fail"
    assert report.blocks[-1].worst.index == (1, 2)
    assert "d2L / d params[1] d params[2]" in report.findings[0].message
    assert any("not symmetric" in note for note in report.notes)


@WITH_AND_WITHOUT
def test_a_product_that_is_wrong_is_found(grad):
    wrong = lambda x, v: rosen_hess_prod(x, v) * np.array([1, 1, 2, 1, 1])  # noqa: E731
    report = check_hessian(rosen, AT, wrong, grad=grad)
    assert report.findings[0].code == "GC606"
    assert "symmetric" in report.findings[0].message


@pytest.mark.parametrize(("factor", "verdict"), [(1, "ok"), (2, "wrong")])
def test_a_hessian_beside_a_wrong_gradient_is_that_of_the_loss(factor, verdict):
    def grad(x):
        return 2 * rosen_der(x)

    def hessian(x):
        return factor * rosen_hess(x)

    report = check_hessian(rosen, AT, hessian, grad=grad)
    assert verdicts(report) == {"gradient params": "wrong", "Hessian params": verdict}
    assert report.findings[0].message.startswith("gradient: ")
    report = check_minimize(rosen, AT, jac=grad, hess=hessian)
    assert verdicts(report) == {"jac x": "wrong", "hess x": verdict}


def test_a_hessian_of_blocks():
    def loss(p):
        return np.sum(p["a"] ** 3) * p["b"]

    def hessian(p):
        cross = 3 * p["a"] ** 2
        return np.block([[np.diag(6 * p["a"] * p["b"]), cross[:, None]], [cross, np.zeros(1)]])

    params = {"a": np.array([1.0, 2.0]), "b": 3.0}
    assert check_hessian(loss, params, hessian).ok
    report = check_hessian(loss, params, lambda p: hessian(p) * [1, 1, 2])
    assert verdicts(report) == {"a": "ok", "b": "wrong"}


@pytest.mark.parametrize("factor", [1.001, 2.0])
def test_a_product_without_a_gradient_is_refuted(factor):
    def loss(x):
        return np.sum(x**3 * np.roll(x, 1))

    def product(x, v):
        before = np.roll(x, 1)
        cross = 3 * x**2
        return 6 * x * before * v + cross * np.roll(v, 1) + np.roll(cross * v, -1)

    at = np.array([1.0, 2.0, 3.0])
    assert check_hessian(loss, at, product).ok
    assert check_hessian(loss, at, lambda x, v: factor * product(x, v)).verdict == "fail"


PARTS = {"a": np.array([[1.0, 2.0], [0.5, -1.0]]), "b": np.array([3.0, 0.4])}


def cubes(p):
    return np.sum(p["a"] ** 3 * p["b"])


def slopes_of_cubes(p):
    return {"a": 3 * p["a"] ** 2 * p["b"], "b": np.sum(p["a"] ** 3, axis=0)}


def times(p, v):
    cross = 3 * p["a"] ** 2
    return {"a": 6 * p["a"] * p["b"] * v["a"] + cross * v["b"], "b": np.sum(cross * v["a"], axis=0)}


def times_flat(p, v):
    parts = times(p, {"a": v[:4].reshape(2, 2), "b": v[4:]})
    return np.concatenate([parts["a"].ravel(), parts["b"]])


def times_with_anything(p, *vectors, **settings):
    return times(p, vectors[0])


@pytest.mark.parametrize("product", [times, times_flat, times_with_anything])
def test_the_vector_of_a_product_is_like_the_parameters(product):
    assert check_hessian(cubes, PARTS, product, grad=slopes_of_cubes).ok
    wrong = check_hessian(cubes, PARTS, lambda p, v: twice(product(p, v)), grad=slopes_of_cubes)
    assert wrong.verdict == "fail"


def twice(returned):
    return (
        {key: 2 * part for key, part in returned.items()}
        if isinstance(returned, dict)
        else (2 * returned)
    )


def test_the_vector_of_a_product_has_the_shape_of_a_matrix():
    at = PARTS["a"]
    right = check_hessian(
        lambda x: np.sum(x @ x), at, lambda x, v: np.ones((2, 2)) @ v.T + v.T @ np.ones((2, 2))
    )
    assert right.ok


@pytest.mark.in_full
def test_a_loss_that_bends_fast_and_one_at_its_edge():
    def fast(x):
        return np.exp(60 * x[0]) * x[1]

    def of_fast(x):
        return np.exp(60 * x[0]) * np.array([[3600 * x[1], 60], [60, 0]])

    assert check_hessian(fast, np.ones(2), of_fast).ok
    assert check_hessian(fast, np.ones(2), lambda x: 1.01 * of_fast(x)).verdict == "fail"

    def edge(x):
        assert x[0] >= 0
        return np.sqrt(x[0] + 0.1) * x[1]

    def of_edge(x):
        slope = 0.5 / np.sqrt(x[0] + 0.1)
        return np.array([[-slope / (x[0] + 0.1) / 2 * x[1], slope], [slope, 0]])

    assert check_hessian(edge, np.array([0.0, 1.0]), of_edge, bounds=[(0, None), (None, 1)]).ok


@pytest.mark.parametrize(
    ("factor", "loss"),
    [
        (1, lambda x: np.sum(x**3) + 1e-7 * np.sin(1e3 * x[0])),
        (1.01, lambda x: np.round(np.sum(x**3), 9)),
    ],
)
def test_a_hessian_that_no_two_steps_find_wrong_by_the_same_is_not_decided(factor, loss):
    report = check_hessian(loss, np.array([0.3, 0.7]), lambda x: factor * np.diag(6 * x))
    assert report.verdict == "inconclusive", str(report)
    assert not report.findings


def test_a_case_of_a_hessian():
    assert gradcheck.HessianCase(rosen, AT, rosen_hess, grad=rosen_der).check().ok


CIRCLE = NonlinearConstraint(
    lambda x: np.array([x[0] ** 2 + x[1], np.sin(x[2]) * x[0]]),
    -np.inf,
    3,
    jac=lambda x: np.array([[2 * x[0], 1, 0, 0, 0], [np.sin(x[2]), 0, np.cos(x[2]) * x[0], 0, 0]]),
    hess=lambda x, v: (
        v[0] * np.diag([2.0, 0, 0, 0, 0])
        + v[1] * np.cos(x[2]) * np.eye(5)[[2, 1, 0, 3, 4]] * np.array([1, 0, 1, 0, 0])
        - v[1] * np.sin(x[2]) * x[0] * np.diag([0, 0, 1.0, 0, 0])
    ),
)


def product(x, most):
    return most - x[0] * x[1]


def of_product(x, most):
    return np.array([-x[1], -x[0], 0, 0, 0])


def test_all_that_minimize_is_given():
    given = {
        "jac": rosen_der,
        "hess": rosen_hess,
        "bounds": Bounds(0, 1.9),
        "constraints": [
            CIRCLE,
            {"type": "ineq", "fun": product, "jac": of_product, "args": (3.0,)},
            LinearConstraint(np.eye(5), 0, 2),
        ],
    }
    assert minimize(rosen, AT, method="trust-constr", options={"maxiter": 3}, **given).nit == 3
    report = check_minimize(rosen, AT, method="trust-constr", options={"maxiter": 3}, **given)
    assert report.ok
    assert list(verdicts(report)) == [
        "jac x",
        "hess x",
        "constraints[0] jac x",
        "constraints[0] hess x",
        "constraints[1] jac x",
    ]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"jac": lambda x: -rosen_der(x)}, "jac x"),
        ({"hess": lambda x: rosen_hess(x) * 2}, "hess x"),
        ({"hess": None, "hessp": lambda x, p: rosen_hess_prod(x, p) * 2}, "hessp x"),
        (
            {"constraints": {"type": "eq", "fun": product, "jac": product, "args": (0.5,)}},
            "constraint jac x",
        ),
    ],
)
def test_what_is_wrong_in_a_call_of_minimize(change, wrong):
    given = {"jac": rosen_der, "hess": rosen_hess} | change
    report = check_minimize(rosen, AT, **given)
    assert report.verdict == "fail"
    assert verdicts(report)[wrong] in ("wrong", "shape")


def test_a_function_that_returns_the_pair():
    def both(x, scale):
        return scale * rosen(x), scale * rosen_der(x)

    assert minimize(both, AT, args=(2.0,), jac=True).success
    assert check_minimize(both, AT, args=(2.0,), jac=True).ok
    assert check_minimize(lambda x: (rosen(x), 2 * rosen_der(x)), AT, jac=True).verdict == "fail"


def test_what_there_is_nothing_to_check_in():
    for given in ({}, {"jac": "2-point", "hess": BFGS()}):
        with pytest.raises(gradcheck.UsageError, match="nothing to check"):
            check_minimize(rosen, AT, **given)


def test_a_start_outside_of_the_bounds_is_moved():
    report = check_minimize(rosen, AT, jac=rosen_der, bounds=[(0, 1)] * 5)
    assert report.ok
    assert "outside of the bounds" in report.notes[-1]


def test_what_least_squares_takes():
    def residuals(x, t, data, *, scale):
        return scale * (x[0] * np.exp(-x[1] * t) - data)

    def jacobian(x, t, data, *, scale):
        return scale * np.column_stack([np.exp(-x[1] * t), -x[0] * t * np.exp(-x[1] * t)])

    t = np.linspace(0, 2, 9)
    given = {
        "bounds": ([0, 0], [5, np.inf]),
        "args": (t, 3 * np.exp(-t)),
        "kwargs": {"scale": 2.0},
        "loss": "soft_l1",
    }
    start = np.array([5.0, 0.3])
    assert least_squares(residuals, start, jacobian, **given).success
    assert check_least_squares(residuals, start, jacobian, **given).ok
    wrong = lambda *a, **k: jacobian(*a, **k) * [1, -1]  # noqa: E731
    report = check_least_squares(residuals, start, wrong, **given)
    assert report.findings[0].code == "GC106"


@pytest.mark.parametrize(("slope", "bend", "wrong"), [(1, 1, []), (2, 1, [1, 2]), (1, -1, [2])])
def test_a_robust_loss_of_least_squares(slope, bend, wrong):
    def rho(z):
        return np.array([np.log1p(z), slope / (1 + z), -bend / (1 + z) ** 2])

    t = np.linspace(0, 2, 9)
    residuals, start = lambda x: x[0] * np.exp(-x[1] * t) - 1, np.array([2.0, 0.3])
    report = check_least_squares(residuals, start, loss=rho, f_scale=0.5)
    found = [name for name, verdict in verdicts(report).items() if verdict == "wrong"]
    assert found == [f"loss rho[{order}] z" for order in wrong]


@pytest.mark.parametrize(
    "form",
    [np.asarray, sparse.csr_matrix, aslinearoperator, lambda a: "2-point"],
    ids=["dense", "sparse", "operator", "estimated"],
)
def test_the_hessian_of_a_constraint(form):
    def jacobian(x):
        return form(np.array([[2 * x[0], 1.0], [x[1], x[0]]]))

    def hessian(factor):
        return lambda x, v: v[0] * np.diag([2.0, 0]) + factor * v[1] * np.array([[0, 1], [1, 0]])

    values = lambda x: np.array([x[0] ** 2 + x[1], x[0] * x[1]])  # noqa: E731
    given = "2-point" if isinstance(form(np.eye(2)), str) else jacobian
    for factor, verdict in ((1, "ok"), (2, "wrong")):
        constraint = NonlinearConstraint(values, -1, 1, jac=given, hess=hessian(factor))
        report = check_minimize(rosen, [1.0, 2.0], jac=rosen_der, constraints=constraint)
        assert verdicts(report)["constraint hess x"] == verdict


def test_a_row_of_a_hessian_speaks_of_no_other_loss():
    """With 0 for the 2 in the loss, two rows would be right; the first says that it is 2."""

    def loss(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def grad(x):
        found = np.zeros_like(x)
        found[:-1] += -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
        found[1:] += 200 * (x[1:] - x[:-1] ** 2)
        return found

    def hessian(x):
        inner = 1200 * x[1:-1] ** 2 - 400 * x[2:]
        diagonal = np.concatenate([[1200 * x[0] ** 2 - 400 * x[1] + 2], 200 + inner, [200.0]])
        return np.diag(diagonal) + np.diag(-400 * x[:-1], 1) + np.diag(-400 * x[:-1], -1)

    report = gradcheck.check_hessian(loss, np.array([1.3, 0.7, 0.8, 1.9]), hessian, grad=grad)
    assert report.verdict == "fail"
    assert "GC607" not in [finding.code for finding in report.findings]


@pytest.mark.parametrize(("factor", "verdict"), [(1, "pass"), (2, "fail")])
@pytest.mark.parametrize("kind", [dict, tuple])
def test_a_hessian_may_be_in_blocks_by_two_parameters_each(kind, factor, verdict):
    """As `jax.hessian` gives that of a tree, and torch's `hessian` that of several arguments."""

    def made(a, b):
        return {"a": a, "b": b} if kind is dict else (a, b)

    def parts(p):
        return p.values() if kind is dict else p

    def loss(p):
        a, b = parts(p)
        return np.sum(a**2) * np.sum(b**3)

    def hessian(p):
        a, b = parts(p)
        mixed = np.outer(2 * a, 3 * b**2)
        own = 2 * np.eye(2) * np.sum(b**3), np.diag(6 * b) * np.sum(a**2)
        return made(made(own[0], mixed), made(factor * mixed.T, own[1]))

    point = made(np.array([0.3, 1.2]), np.array([2.0, 0.5, -1.0]))
    assert gradcheck.check_hessian(loss, point, hessian).verdict == verdict
