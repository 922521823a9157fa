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
