"""Bugs that parameters of zero hide, as biases are before the first step."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(15)
SEEN, WANTED = RNG.normal(size=(10, 3)), RNG.normal(size=10)
PARAMS = {"W": RNG.normal(size=(3, 4)), "b": np.zeros(4), "v": RNG.normal(size=4)}


def forward(p):
    hidden = np.tanh(SEEN @ p["W"] + p["b"])
    return hidden, hidden @ p["v"] - WANTED


def loss(p):
    return 0.5 * np.mean(forward(p)[1] ** 2) + 0.1 * np.sum(p["v"] ** 2)


def backward(p, kept, of_bias=lambda b: 0.0):
    hidden, error = kept
    below = np.outer(error / 10, p["v"]) * (1 - hidden**2)
    return {
        "W": SEEN.T @ below,
        "b": below.sum(axis=0) + of_bias(p["b"]),
        "v": hidden.T @ error / 10 + 0.2 * p["v"],
    }


def right(p):
    return backward(p, forward(p))


def penalises_the_bias(p):
    return backward(p, forward(p), lambda b: 0.2 * b)


def forgets_the_bias(p):
    hidden = np.tanh(SEEN @ p["W"])
    return backward(p, (hidden, hidden @ p["v"] - WANTED))


def test_a_bias_of_zero_hides_no_penalty():
    report = gradcheck.check(loss, PARAMS, penalises_the_bias)
    assert [block.name for block in report.blocks if block.verdict == "wrong"] == ["b"]
    assert report.findings[0].code == "GC604"
    assert any("right where b is zero" in note for note in report.notes)


def test_a_bias_of_zero_does_not_hide_that_it_is_forgotten():
    report = gradcheck.check(loss, PARAMS, forgets_the_bias)
    assert report.verdict == "fail"
    assert "SEEN @ p" in report.findings[0].expression


def test_a_right_gradient_costs_little_more_and_keeps_its_point():
    report = gradcheck.check(loss, PARAMS, right)
    assert report.ok
    assert not any("zero, which hides the bug" in note for note in report.notes)


def test_a_gradient_that_knows_its_own_point_only_is_right_there():
    kept = forward(PARAMS)
    assert gradcheck.check(loss, PARAMS, lambda p: backward(p, kept)).ok
    held = right(PARAMS)
    assert gradcheck.check(loss, PARAMS, lambda p: held).ok


@pytest.mark.parametrize("share", [0.2, 0.0])
def test_weights_that_are_all_zero_do_not_hide_a_penalty(share):
    def penalised(w):
        return 0.5 * np.mean((SEEN @ w - WANTED) ** 2) + 0.1 * np.sum(w**2)

    def grad(w):
        return SEEN.T @ (SEEN @ w - WANTED) / 10 + share * w

    report = gradcheck.check(penalised, np.zeros(3), grad)
    assert report.ok == bool(share)
    assert share or report.findings[0].code == "GC602"


def test_where_the_loss_is_not_defined_off_zero_the_verdict_is_that_of_zero():
    def only_there(p):
        if np.any(p["b"] < -0.01) or np.any(p["b"] > 0.01):
            raise ValueError("out of the domain")
        return loss(p)

    assert gradcheck.check(only_there, PARAMS, right).ok
