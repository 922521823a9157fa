"""Sums over several axes, of which one is another one than it should be."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(31)
VOLUMES = RNG.normal(size=(3, 2, 4, 4, 2))


def loss(p):
    return np.sum(np.cosh(p["gain"][:, None, None, None] * VOLUMES)) / 9


def gradient_by(summed):
    def gradient(p):
        up = np.sinh(p["gain"][:, None, None, None] * VOLUMES) * VOLUMES / 9
        return {"gain": summed(up)}

    return gradient


@pytest.mark.parametrize(
    ("summed", "wrong"),
    [
        (lambda up: up.sum(axis=(0, 1, 2, 3)), "0, 1, 2, 3"),
        (lambda up: np.sum(up, (0, 2, 3, 1)), "0, 2, 3, 1"),
    ],
)
def test_all_axes_of_a_sum_are_named(summed, wrong):
    (finding,) = gradcheck.check(loss, {"gain": RNG.normal(size=2)}, gradient_by(summed)).findings
    assert finding.code in ("GC204", "GC207")
    assert f"goes over axes {wrong} and must go over axes 0, 2, 3, 4" in finding.message


SQUARES = RNG.normal(size=(3, 4, 4))


def test_the_other_of_two_equal_axes_is_named_and_no_transpose():
    (finding,) = gradcheck.check(
        lambda p: np.sum(np.sin(SQUARES + p["shift"][:, None])),
        {"shift": RNG.normal(size=4)},
        lambda p: {"shift": np.cos(SQUARES + p["shift"][:, None]).sum((0, 1))},
    ).findings
    assert "goes over axes 0, 1 and must go over axes 0, 2" in finding.message


MATRIX, SERIES = RNG.normal(size=(5, 6)), RNG.normal(size=10)


def through_a_matrix(w):
    return MATRIX * w.reshape(5, 6)


def through_a_kernel(w):
    return np.convolve(SERIES, w, "valid")


@pytest.mark.parametrize(
    ("through", "size", "back", "code", "words"),
    [
        (through_a_matrix, 30, lambda up: (up * MATRIX).flatten("F"), "GC201", "in another order"),
        (
            through_a_kernel,
            3,
            lambda up: np.convolve(SERIES, up, "valid")[::-1],
            "GC856",
            "np.correlate does it the other way",
        ),
    ],
)
def test_entries_in_another_order_than_the_losses_are_told(through, size, back, code, words):
    (finding,) = gradcheck.check(
        lambda p: np.sum(np.cosh(through(p["w"]))),
        {"w": RNG.normal(size=size)},
        lambda p: {"w": back(np.sinh(through(p["w"])))},
    ).findings
    assert finding.code == code
    assert words in finding.message
