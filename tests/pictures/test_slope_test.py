"""The slope test: what is left of a Taylor expansion, and with which power of the step it falls."""

import pickle

import numpy as np
import pytest

import gradcheck
from gradcheck.report.text import Style, report_text

RNG = np.random.default_rng(3)
MIXING, POINT = RNG.normal(size=(7, 4)), RNG.normal(size=4)


def function(x):
    return np.tanh(MIXING @ x)


def jacobian(x):
    return (1 - function(x) ** 2)[:, None] * MIXING


def loss(x):
    return np.sum(np.exp(function(x)))


def grad(x):
    return jacobian(x).T @ np.exp(function(x))


def order(report):
    return report.pictures.slope_test.order


@pytest.mark.parametrize(("factor", "expected"), [(1, 2), (1.001, 1), (-1, 1)])
def test_the_order_tells_a_right_gradient_from_a_wrong_one(factor, expected):
    report = gradcheck.check(loss, POINT, lambda x: factor * grad(x))
    assert order(report) == pytest.approx(expected, abs=0.05)
    report = gradcheck.check_jacobian(function, POINT, lambda x: factor * jacobian(x))
    assert order(report) == pytest.approx(expected, abs=0.05)

    def hessian(x):
        return factor * np.diag(np.exp(x))

    report = gradcheck.check_hessian(lambda x: np.sum(np.exp(x)), POINT, hessian, grad=np.exp)
    assert order(report) == pytest.approx(expected, abs=0.05)


def test_of_a_straight_loss_nothing_is_left():
    test = gradcheck.check(lambda x: MIXING[0] @ x, POINT, lambda x: MIXING[0]).pictures.slope_test
    assert test.order is None
    assert "only rounding is left" in str(test)


def test_it_is_made_when_it_is_asked_for_and_told_by_v():
    asked = []

    def counted(x):
        asked.append(x)
        return loss(x)

    report = gradcheck.check(counted, POINT, grad)
    before = len(asked)
    assert "slope test" not in str(report)
    assert len(asked) == before
    assert "falls with h^2.0" in report_text(report, None, Style(verbose=True))
    assert len(asked) > before
    assert pickle.loads(pickle.dumps(report)).pictures == report.pictures


def test_of_what_has_changed_since_there_is_none_and_nothing_is_put_back():
    class Holder:
        def __init__(self):
            self.w = POINT.copy()

    holder, scale = Holder(), [1.0]

    def check():
        return gradcheck.check(
            lambda h: scale[0] * loss(h.w), holder, lambda h: {"w": scale[0] * grad(h.w)}
        )

    assert order(check()) == pytest.approx(2, abs=0.05)
    report = check()
    holder.w += 1
    assert report.pictures.slope_test is None
    assert np.array_equal(holder.w, POINT + 1)
    report = check()
    scale[0] = 2.0
    assert report.pictures.slope_test is None


def test_no_step_leaves_the_bounds():
    def rooted(x):
        assert np.all(x >= 0)
        return np.sum(np.exp(x))

    report = gradcheck.check(rooted, np.array([0.0, 1.0]), np.exp, bounds=[(0, None)] * 2)
    assert order(report) == pytest.approx(2, abs=0.1)
