"""A small number that a loss adds inside a log: excused wherever it is, and it excuses no error."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(4)
ROWS = RNG.normal(size=(7, 3))
LABELS = np.eye(4)[RNG.integers(0, 4, 7)]
SIGNALS = RNG.normal(size=(7, 9))
WINDOWS = np.lib.stride_tricks.sliding_window_view(SIGNALS, 4, axis=1)
CERTAIN = np.array([1.0, 1, 0, 1, 0, 1, 0])
CLICKS = (RNG.random(7) > 0.4).astype(float)
GUARD = 1e-8


def softmax(z):
    shifted = np.exp(z - z.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def bare_logits():
    def loss(z):
        return -np.sum(LABELS * np.log(softmax(z) + GUARD))

    return loss, RNG.normal(size=(7, 4)), lambda z: softmax(z) - LABELS


def unknown_activation(size=1.0):
    def scores(p):
        return p["scale"] * np.cos(ROWS @ p["W"])

    def loss(p):
        guarded = GUARD + softmax(scores(p))
        return -np.mean(np.sum(LABELS * np.log2(guarded), axis=1))

    def grad(p):
        d = (softmax(scores(p)) - LABELS) / 7 / np.log(2)
        z = ROWS @ p["W"]
        return {"W": ROWS.T @ (-p["scale"] * np.sin(z) * d), "scale": np.sum(d * np.cos(z), axis=0)}

    params = {"W": size * RNG.normal(size=(3, 4)), "scale": np.array([1.0, 2.0, -1.5, 0.7])}
    return loss, params, grad


def convolution():
    def output(p):
        return 1 / (1 + np.exp(-(np.tanh(WINDOWS @ p["kernel"]).sum(axis=1) + p["b"])))

    def loss(p, guard=GUARD):
        q = output(p)
        return -np.mean(CLICKS * np.log(q + guard) + (1 - CLICKS) * np.log(1 - q + guard))

    def grad(p):
        d = (output(p) - CLICKS) / 7
        slope = 1 - np.tanh(WINDOWS @ p["kernel"]) ** 2
        return {"kernel": np.einsum("i,ij,ijk->k", d, slope, WINDOWS), "b": np.array([d.sum()])}

    return loss, {"kernel": RNG.normal(size=4), "b": np.zeros(1)}, grad


def saturated():
    """Kept from 0 and from 1: samples that are certain have no derivative there."""

    def output(w):
        return 1 / (1 + np.exp(-20 * np.sinh(ROWS @ w)))

    def loss(w):
        q = np.clip(output(w), GUARD, 1 - GUARD)
        return -np.mean(CERTAIN * np.log(q) + (1 - CERTAIN) * np.log(1 - q))

    w = 1.15 * np.array([0.35, -0.32, 0.31])
    return loss, w, lambda w: ROWS.T @ (20 * np.cosh(ROWS @ w) * (output(w) - CERTAIN)) / 7


def put_together():
    """Guarded sample by sample, before the log; the gradient is computed of the guarded numbers."""

    def guarded(p):
        rows = np.zeros((7, 4))
        for at, z in enumerate(ROWS @ p["W"] + p["b"]):
            rows[at] = np.exp(z) / np.sum(np.exp(z)) + GUARD
        return rows

    def grad(p):
        d = (guarded(p) - LABELS) / 7
        return {"W": ROWS.T @ d, "b": d.sum(axis=0)}

    def loss(p):
        return -np.mean(np.sum(LABELS * np.log(guarded(p)), axis=1))

    return loss, {"W": RNG.normal(size=(3, 4)), "b": np.zeros(4)}, grad


SETTINGS = {
    "put together": put_together,
    "certain": saturated,
    "bare logits": bare_logits,
    "an unknown activation": unknown_activation,
    "small weights": lambda: unknown_activation(0.01),
    "a convolution": convolution,
}


def times(gradient, factor):
    if isinstance(gradient, dict):
        return {name: factor * value for name, value in gradient.items()}
    return factor * gradient


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("diagnosed", [True, False])
def test_a_gradient_without_the_small_number_is_excused_and_said_to_be(name, diagnosed):
    loss, params, grad = SETTINGS[name]()
    report = gradcheck.check(loss, params, grad, diagnose=diagnosed)
    assert report.verdict == "pass", str(report)
    excused = [block for block in report.blocks if block.excused]
    assert excused
    assert all(block.resolution > block.max_rel_error for block in excused)
    assert any("small number" in note for note in report.notes)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("factor", [1 + 1e-5, 1.01, 0.5, -1.0])
def test_the_excuse_hides_no_factor(name, factor):
    loss, params, grad = SETTINGS[name]()
    report = gradcheck.check(loss, params, lambda p: times(grad(p), factor), diagnose=False)
    assert report.verdict == "fail", str(report)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1.01, "fail")])
def test_a_block_that_differs_more_is_excused_beside_one_that_differs_little(factor, verdict):
    places = np.arange(7), LABELS.argmax(axis=1)
    z = np.random.default_rng(4).normal(size=(7, 4))
    z[0, places[1][0]] = -12.3  # a label that is all but ruled out

    def loss(p):
        return -np.sum(np.log(softmax(p["z"] + p["b"])[places] + GUARD))

    def grad(p):
        d = factor * (softmax(p["z"] + p["b"]) - LABELS)
        return {"z": d, "b": d.sum(axis=0)}

    report = gradcheck.check(loss, {"z": z, "b": np.array([0, 0.1, -0.2, 0.3])}, grad)
    assert report.verdict == verdict, str(report)
    if report.ok:
        errors = [block.max_rel_error for block in report.blocks]
        assert errors[0] > 0.01 > errors[1]


def test_an_error_of_twice_what_is_stated_beside_an_excuse_does_not_pass():
    loss, params, grad = bare_logits()
    stated = gradcheck.check(loss, params, grad).blocks[0].resolution

    def wrong(z):
        gradient = grad(z)
        gradient[2, 1] += 2 * stated * np.abs(gradient).max()
        return gradient

    assert gradcheck.check(loss, params, wrong, diagnose=False).verdict != "pass"


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1 + 1e-3, "fail")])
def test_the_small_number_is_excused_in_the_entries_that_are_moved_together_as_well(
    factor, verdict
):
    rows = np.random.default_rng(1).normal(size=(7, 120))
    params = {"W": 0.3 * np.random.default_rng(2).normal(size=(120, 25)), "scale": np.ones(4)}

    def scores(p):
        return p["scale"] * np.cos(rows @ p["W"])[:, :4]

    def loss(p):
        return -np.sum(LABELS * np.log(softmax(scores(p)) + 1e-6))

    def grad(p):
        d = factor * (softmax(scores(p)) - LABELS)
        z = (rows @ p["W"])[:, :4]
        slopes = np.zeros((7, 25))
        slopes[:, :4] = -p["scale"] * np.sin(z) * d
        return {"W": rows.T @ slopes, "scale": np.sum(d * np.cos(z), axis=0)}

    report = gradcheck.check(loss, params, grad, budget=0.05, diagnose=False)
    assert report.verdict == verdict, str(report)
    assert not report.coverage.complete
    if report.ok:
        assert any("moved together" in note for note in report.notes)


def test_a_parameter_is_no_small_number():
    x = np.array([0.3, 0.8, 1.4])

    def loss(p):
        return float(np.sum(np.log(x + p["offset"])))

    params = {"offset": np.array(1e-4)}
    right = {"offset": np.sum(1 / (x + 1e-4))}
    without = {"offset": np.sum(1 / x)}
    assert gradcheck.check(loss, params, lambda p: right).verdict == "pass"
    assert gradcheck.check(loss, params, lambda p: without).verdict == "fail"
