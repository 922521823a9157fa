"""Gradients that are cut off at a bound before they are returned."""

import numpy as np
import pytest

import gradcheck

rng = np.random.default_rng(0)
inputs, targets = rng.normal(size=(30, 6)), rng.normal(size=(30, 3))
PARAMS = {"W1": rng.normal(size=(6, 5)), "b1": rng.normal(size=5), "W2": rng.normal(size=(5, 3))}


def loss(p):
    hidden = np.tanh(inputs @ p["W1"] + p["b1"])
    return 0.5 * np.sum((hidden @ p["W2"] - targets) ** 2)


def clipped_at(bound, power=2):
    def grad(p):
        hidden = np.tanh(inputs @ p["W1"] + p["b1"])
        d = hidden @ p["W2"] - targets
        dz = (d @ p["W2"].T) * (1 - hidden**power)
        gradients = {"W1": inputs.T @ dz, "b1": dz.sum(axis=0), "W2": hidden.T @ d}
        for gradient in gradients.values():
            np.clip(gradient, -bound, bound, out=gradient)
        return gradients

    return grad


# two entries of W1 and one of b1 are larger than 7, one of W1 alone is larger than 34.5
@pytest.mark.parametrize(("bound", "wrong"), [(7.0, ("W1", "b1", "W2")), (34.5, ("W1",))])
def test_it_is_told_of_every_block_with_its_line(bound, wrong):
    report = gradcheck.check(loss, PARAMS, clipped_at(bound))
    (finding,) = report.findings
    assert (finding.code, finding.blocks) == ("GC412", wrong)
    assert "np.clip(gradient" in finding.expression


def test_a_fault_above_the_clip_is_told_beside_it():
    report = gradcheck.check(loss, PARAMS, clipped_at(7.0, power=1))
    told = {finding.code: finding for finding in report.findings}
    assert told.keys() == {"GC412", "GC305"}
    assert told["GC412"].blocks == ("W2",)
    assert told["GC305"].blocks == ("W1", "b1")
    assert told["GC305"].expression == "1 - hidden**power"


def test_entries_that_inputs_of_zeros_and_ones_make_alike_are_not_clipped():
    switches = np.array([1.0, 0.0, 1.0, 1.0, 0.0])

    def value(p):
        return np.tanh(p["w"] @ switches) + np.sin(p["v"] @ switches)

    def too_small(p):
        slopes = 1 - np.tanh(p["w"] @ switches) ** 2, np.cos(p["v"] @ switches)
        return {"w": slopes[0] ** 2 * switches, "v": slopes[1] * slopes[0] * switches}

    start = {"w": np.array([0.3, -0.2, 0.1, 0.4, 0.2]), "v": np.array([0.2, 0.1, -0.3, 0.4, 0.1])}
    report = gradcheck.check(value, start, too_small)
    assert report.verdict == "fail"
    assert "GC412" not in [finding.code for finding in report.findings]


def test_only_the_last_row_is_kept_and_then_clipped_in_place():
    slopes = rng.normal(size=(4, 3))

    def value(p):
        return sum(np.sum(np.tanh(p["W"] @ row + p["b"])) for row in slopes)

    def grad(p):
        dW, db = np.zeros((2, 3)), np.zeros(2)
        for row in slopes:
            dz = 1 - np.tanh(p["W"] @ row + p["b"]) ** 2
            dW += np.outer(dz, row)
            db = dz
        for gradient in (dW, db):
            np.clip(gradient, -30, 30, out=gradient)
        return {"W": dW, "b": db}

    start = {"W": rng.normal(size=(2, 3)), "b": rng.normal(size=2)}
    (finding,) = gradcheck.check(value, start, grad).findings
    assert (finding.code, finding.blocks) == ("GC701", ("b",))
    assert finding.location.source == "db = dz"
