"""Losses with a known tolerance."""

import numpy as np
import pytest

import gradcheck

AT = np.array([0.3, 1.0, -0.7])
WEIGHTS = np.array([1.0, 2.0, 3.0])


def noisy(size):
    def loss(x):
        value = np.sum(WEIGHTS * np.sin(x))
        return value + size * (np.sin(1e9 * value) + np.sin(7e8 * np.sum(x))) / 2

    return loss


def slope(x):
    return WEIGHTS * np.cos(x)


@pytest.mark.parametrize("size", [1e-4, 1e-6, 1e-8])
def test_a_right_gradient_passes_within_what_can_be_seen(size):
    report = gradcheck.check(noisy(size), AT, slope, noise=size)
    assert report.ok
    assert report.blocks[0].resolution > 100 * size
    wrong = gradcheck.check(noisy(size), AT, lambda x: slope(x) * [1, 1, 1.5], noise=size)
    assert wrong.verdict == "fail"


def test_a_loss_that_differs_from_call_to_call_within_its_noise():
    rng = np.random.default_rng(0)

    def loss(x):
        return np.sum(WEIGHTS * np.sin(x)) + 1e-7 * rng.uniform(-1, 1)

    assert gradcheck.check(loss, AT, slope, noise=1e-7).ok
    assert gradcheck.check(loss, AT, lambda x: 2 * slope(x), noise=1e-7).verdict == "fail"


def test_a_jacobian_of_values_with_a_known_noise():
    def values(x):
        return np.sin(x) + 1e-6 * np.sin(1e9 * np.sum(x))

    assert gradcheck.check_jacobian(values, AT, lambda x: np.diag(np.cos(x)), noise=1e-6).ok
    report = gradcheck.check_jacobian(values, AT, lambda x: -np.diag(np.cos(x)), noise=1e-6)
    assert report.verdict == "fail"


@pytest.mark.parametrize("noise", [-1.0, "1e-6", np.inf])
def test_a_noise_that_is_none(noise):
    with pytest.raises(gradcheck.UsageError, match="noise"):
        gradcheck.check(noisy(0.0), AT, slope, noise=noise)


def fixed_point(rate, tolerance):
    x, last = np.zeros_like(rate), 1.0
    while np.max(np.abs(x - last)) > tolerance:
        x, last = np.tanh(rate * x + 1), x
    return x


def of_fixed_point(tolerance):
    """The loss of a fixed point that is found to a tolerance, and the gradient of its limit."""

    def loss(rate):
        return np.sum(fixed_point(rate, tolerance) ** 2)

    def grad(rate):
        x = fixed_point(rate, 1e-14)
        return 2 * x * x * (1 - x**2) / (1 - rate * (1 - x**2))

    return loss, grad


RATE = np.array([0.6, 0.3])


@pytest.mark.parametrize("tolerance", [1e-4, 1e-5, 1e-6])
def test_an_iteration_that_ends_early(tolerance):
    """As it is coded, it has other slopes than its limit: its jumps show how far it is off."""
    loss, grad = of_fixed_point(tolerance)
    report = gradcheck.check(loss, RATE, grad)
    assert report.ok
    assert "your loss jumps by" in report.notes[0]
    assert 10 * tolerance < report.blocks[0].resolution < 1
    assert gradcheck.check(loss, RATE, grad, noise=tolerance).ok


@pytest.mark.parametrize("wrong", [[1.3, 1.0], [-1.0, 1.0], [1.0, 1.02]])
def test_a_wrong_gradient_of_such_an_iteration(wrong):
    loss, grad = of_fixed_point(1e-7)
    for noise in (None, 1e-7):
        report = gradcheck.check(loss, RATE, lambda rate: wrong * grad(rate), noise=noise)
        assert report.verdict == "fail"


def test_jumps_along_one_entry_do_not_excuse_another():
    loss, grad = of_fixed_point(1e-7)

    def with_square(p):
        return loss(p[:2]) + p[2] ** 2

    def slightly_wrong(p):
        return np.append(grad(p[:2]), 2.00001 * p[2])

    report = gradcheck.check(with_square, np.append(RATE, 0.4), slightly_wrong)
    assert report.verdict == "fail"


def test_a_mask_makes_jumps_and_excuses_no_gradient_without_it():
    weights, slopes = np.array([0.04, 0.7, -0.4]), np.array([0.001, 2.0, -3.0])

    def loss(w):
        return np.sum(slopes * np.sin(w * (np.abs(w) > 0.05)))

    report = gradcheck.check(loss, weights, lambda w: slopes * np.cos(w))
    assert report.verdict == "fail"
    assert report.blocks[0].worst.index == (0,)


COUPLED = np.random.default_rng(2).normal(size=(5, 5)) / 4
BIASES = np.array([0.3, -0.5, 0.8, 0.1, -0.2])


def equilibrium(biases, tolerance):
    state, last = np.zeros(5), np.ones(5)
    while np.linalg.norm(state - last) > tolerance:
        state, last = np.tanh(COUPLED @ state + biases), state
    return state


def of_equilibrium(biases):
    slopes = np.diag(1 - equilibrium(biases, 1e-15) ** 2)
    return np.linalg.solve(np.eye(5) - slopes @ COUPLED, slopes)


@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
def test_a_jacobian_of_an_iteration_that_ends_early(tolerance):
    def function(biases):
        return equilibrium(biases, tolerance)

    report = gradcheck.check_jacobian(function, BIASES, of_equilibrium)
    assert report.ok, str(report)
    assert any("your function jumps by" in note for note in report.notes)
    for factor in (1.01, -1.0):
        wrong = np.ones((5, 5))
        wrong[3, 3] = factor
        assert not gradcheck.check_jacobian(function, BIASES, wrong * of_equilibrium(BIASES)).ok


def test_small_errors_of_a_jacobian_are_no_scale():
    report = gradcheck.check_jacobian(lambda x: x**2 * (1 + 1e-7), BIASES, lambda x: np.diag(2 * x))
    assert [one.code for one in report.findings] == ["GC999"]
    assert any("if your function is the result of an iteration" in note for note in report.notes)
