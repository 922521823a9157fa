"""Gradients that are right only for the parameters for which they were asked first."""

from __future__ import annotations

import linecache

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(8)
X = RNG.normal(size=(12, 3))
LABELS = RNG.integers(0, 2, 12).astype(float)
START = RNG.normal(size=3)


def _probabilities(w):
    return 1 / (1 + np.exp(-X @ w))


def _loss(w):
    p = _probabilities(w)
    return -np.mean(LABELS * np.log(p) + (1 - LABELS) * np.log(1 - p))


class _Cached:
    """A model that computes its probabilities once."""

    def __init__(self):
        self.probabilities = None

    def grad(self, w):
        if self.probabilities is None:
            self.probabilities = _probabilities(w)
        return X.T @ (self.probabilities - LABELS) / len(X)


def _of_a_global(w):
    return X.T @ (_probabilities(START) - LABELS) / len(X)


class _Layers:
    """Two layers with a forward pass that is kept."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.W1, self.W2 = rng.normal(size=(3, 4)), rng.normal(size=4)
        self.kept = None

    def loss(self):
        hidden = np.tanh(X @ self.W1)
        error = hidden @ self.W2 - LABELS
        if self.kept is None:
            self.kept = hidden, error
        return np.mean(error**2)

    def backward(self):
        hidden, error = self.kept
        delta = 2 * error / len(X)
        self.dW2 = hidden.T @ delta
        self.dW1 = X.T @ (np.outer(delta, self.W2) * (1 - hidden**2))


def _reports():
    network = _Layers()
    yield gradcheck.check(_loss, START, _Cached().grad), "self.probabilities -"
    yield gradcheck.check(_loss, START, _of_a_global), "(START)"
    yield gradcheck.check(network.loss, network, network.backward), "self.dW"


@pytest.mark.parametrize("case", range(3))
def test_a_gradient_that_keeps_the_first_call_is_wrong(case):
    report, code = list(_reports())[case]
    assert report.verdict == "fail"
    assert [one.code for one in report.errors] == ["GC801"]
    assert code in linecache.getline(__file__, report.errors[0].location.line)


@pytest.mark.parametrize(
    ("loss", "grad"),
    [
        (lambda w: float(X[0] @ w), lambda w: X[0]),
        (lambda w: np.abs(w).sum(), np.sign),
        (lambda w: np.maximum(0, 1 - X @ w).sum(), lambda w: -X.T @ (X @ w < 1)),
    ],
    ids=["linear", "absolute", "hinge"],
)
def test_a_gradient_that_is_constant_by_nature_is_right(loss, grad):
    assert gradcheck.check(loss, START, grad).verdict == "pass"


def test_a_gradient_that_is_held_ready_is_judged_at_its_point():
    ready = X.T @ (_probabilities(START) - LABELS) / len(X)
    assert gradcheck.check(_loss, START, lambda w: ready.copy()).verdict == "pass"


def test_a_layer_may_hold_what_it_needs_of_its_input():
    report = gradcheck.check_layer(np.tanh, lambda up: up * (1 - np.tanh(X) ** 2), inputs=X)
    assert report.verdict == "pass"


def test_a_cache_that_knows_its_parameters_is_right():
    known = {}

    def grad(w):
        if not np.array_equal(known.get("w"), w):
            known.update(w=w.copy(), gradient=X.T @ (_probabilities(w) - LABELS) / len(X))
        return known["gradient"]

    assert gradcheck.check(_loss, START, grad).verdict == "pass"


def test_the_users_object_is_as_it_was():
    network = _Layers()
    before = network.W1.copy(), network.W2.copy()
    gradcheck.check(network.loss, network, network.backward)
    assert np.array_equal(network.W1, before[0])
    assert np.array_equal(network.W2, before[1])
