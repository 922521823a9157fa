"""The numbers behind the pictures, and the details, of real checks."""

import pickle
from functools import cache

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(0)
NET = gradcheck.MLP([60, 8, 3], ["tanh", "softmax"], "categorical_cross_entropy")
PARAMS = NET.init(0)
X, Y = RNG.normal(size=(12, 60)), RNG.integers(0, 3, 12)


def checked_anew(change=None):
    def grad(p):
        gradients = NET.backward(p, X, Y)
        return gradients if change is None else change(p, gradients)

    return gradcheck.check(
        lambda p: NET.loss(p, X, Y), PARAMS, grad, inputs=X, targets=Y, network=NET
    )


check = cache(checked_anew)


def one_wrong(p, gradients):
    gradients["W1"][41, 5] *= 3
    return gradients


def wrong_slope(p, gradients):
    trace = NET.trace(p, X, Y)
    delta = trace.deltas[1] @ p["W2"].T * (1 - trace.pre_activations[0] ** 2)
    return {**gradients, "W1": X.T @ delta, "b1": delta.sum(axis=0)}


def test_the_layers_are_those_of_the_network():
    pictures = check(one_wrong).pictures
    assert pictures.inputs == 60
    assert [(layer.units, layer.activation) for layer in pictures.layers] == [
        (8, "tanh"),
        (3, "softmax"),
    ]
    assert pictures.layers[0].blocks == (("W1", "wrong"), ("b1", "ok"))


def test_a_heat_map_shows_the_one_wrong_entry():
    report = check(one_wrong)
    assert [found.block for found in report.pictures.heat_maps] == ["W1", "W2"]
    [found, _] = report.pictures.heat_maps
    assert found.cell == (2, 1)
    assert found.worst == (20, 5)
    assert found.index == (41, 5)
    errors = np.array(found.errors)
    assert errors.shape == (30, 8)
    assert np.argmax(errors) == 20 * 8 + 5
    assert np.sort(errors.ravel())[-2] < 1e-9


def test_a_large_matrix_is_aggregated():
    wide = gradcheck.MLP([501, 300, 1], ["relu", "sigmoid"], "binary_cross_entropy")
    params = wide.init(1)
    inputs, targets = RNG.normal(size=(5, 501)), RNG.integers(0, 2, (5, 1)).astype(float)
    report = gradcheck.check(
        lambda p: wide.loss(p, inputs, targets),
        params,
        lambda p: wide.backward(p, inputs, targets),
        inputs=inputs,
        targets=targets,
    )
    found = report.pictures.heat_maps[0]
    assert len(found.errors) <= 48
    assert len(found.errors[0]) <= 48
    assert found.cell[0] * len(found.errors) >= 501


def test_a_scatter_holds_the_wrong_entries():
    scatter = check(one_wrong).pictures.scatters[0]
    assert sum(scatter.wrong) == 1
    wrong = scatter.wrong.index(True)
    assert scatter.analytic[wrong] == pytest.approx(3 * scatter.numeric[wrong])
    assert len(scatter.numeric) <= 400


def test_the_curve_of_steps_is_a_v():
    curve = check(one_wrong).pictures.step_curve
    assert (curve.block, curve.index) == ("W1", (41, 5))
    errors = np.array(curve.to_numeric)
    lowest = int(np.argmin(errors))
    assert 0 < lowest < len(errors) - 1
    assert errors[0] > 100 * errors[lowest]
    assert errors[-1] > 100 * errors[lowest]
    assert min(curve.to_analytic) > 1


def test_a_wrong_slope_is_drawn_against_z():
    [ratio] = check(wrong_slope).pictures.slope_ratios
    z = np.array(ratio.pre_activation)
    expected = (1 - z**2) / (1 - np.tanh(z) ** 2)
    assert (ratio.layer, ratio.activation) == (1, "tanh")
    np.testing.assert_allclose(ratio.ratio, expected, rtol=1e-6, atol=1e-6)


def test_a_wrong_entry_is_no_slope():
    assert check(one_wrong).pictures.slope_ratios == ()


def test_the_details_say_why_it_is_right():
    report = check()
    told = " ".join(report.details)
    assert "no slope of the softmax" in told
    assert "divided by m = 12 once" in told
    assert "your own loss agrees with it" in told
    assert "measured to be precise to" in told


def test_what_was_asked_is_told_again():
    report = gradcheck.check(lambda w: float(w @ w), np.ones(3), lambda w: 2 * w, entries=2, seed=5)
    assert report.reproduce.startswith("gradcheck.check(..., entries=2, seed=5)  # gradcheck ")


def test_a_report_is_still_small_to_print():
    assert "HeatMap" not in repr(check(one_wrong))


def test_pictures_are_made_when_they_are_asked_for(monkeypatch):
    made = []
    monkeypatch.setattr("gradcheck.pictures.take._heat_map", lambda *_: made.append(1))
    report = checked_anew(one_wrong)
    assert not made
    assert len(report.pictures.heat_maps) == len(made) == 2


def test_a_report_is_sent_to_another_process_with_its_pictures():
    report = pickle.loads(pickle.dumps(check(wrong_slope)))
    assert report.pictures.slope_ratios
    assert report.verdict == "fail"


def test_the_penalty_is_no_part_of_a_slope_ratio():
    net = gradcheck.MLP([6, 5, 2], ["tanh", "linear"], "half_squared_error_mean", l2=0.3)
    params = net.init(1)
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(6, 6)), rng.normal(size=(6, 2))

    def grad(p):
        gradients = net.backward(p, inputs, targets)
        trace = net.trace(p, inputs, targets)
        arriving = trace.deltas[1] @ p["W2"].T
        delta = arriving * (1 - trace.pre_activations[0] ** 2)
        return {**gradients, "W1": inputs.T @ delta + net.l2 * p["W1"], "b1": delta.sum(axis=0)}

    report = gradcheck.check(
        lambda p: net.loss(p, inputs, targets),
        params,
        grad,
        inputs=inputs,
        targets=targets,
        network=net,
    )
    [ratio] = report.pictures.slope_ratios
    z = np.array(ratio.pre_activation)
    expected = (1 - z**2) / (1 - np.tanh(z) ** 2)
    np.testing.assert_allclose(ratio.ratio, expected, rtol=1e-6, atol=1e-6)


def softmax_with_a_small_number():
    rng = np.random.default_rng(3)
    inputs, labels = rng.normal(size=(8, 4)), np.eye(3)[rng.integers(0, 3, 8)]
    params = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}

    def forward(p):
        scores = np.exp(inputs @ p["W"] + p["b"])
        return scores / scores.sum(axis=1, keepdims=True)

    def loss(p):
        return float(-np.mean(np.sum(labels * np.log(forward(p) + 1e-8), axis=1)))

    def grad(p):
        delta = (forward(p) - labels) / len(inputs)
        return {"W": inputs.T @ delta, "b": delta.sum(axis=0)}

    return loss, params, grad


def test_what_is_excused_is_right_in_the_pictures_and_leaves_nothing_to_repair():
    loss, params, grad = softmax_with_a_small_number()
    report = gradcheck.check(loss, params, grad, repair=5.0)
    assert report.verdict == "pass"
    assert [block.excused for block in report.blocks] == [True, True]
    told = [verdict for layer in report.pictures.layers for _, verdict in layer.blocks]
    assert told == ["ok", "ok"]
    assert not any(any(scatter.wrong) for scatter in report.pictures.scatters)
    assert report.repair.tried == 0
    assert "nothing to repair" in report.repair.reason
