from __future__ import annotations

import math

import numpy as np
import pytest

from gradcheck.network import MLP
from gradcheck.network.activations import ACTIVATIONS
from gradcheck.network.losses import CANDIDATES, LOSSES, PUBLIC_LOSSES

OUTPUTS = np.array([[0.11, 0.52, 0.37], [0.83, 0.06, 0.29], [0.45, 0.71, 0.94]])
TARGETS = np.array([[1.0, 0.0, 0.0], [0.2, 0.5, 0.3], [0.0, 0.9, 1.0]])
FUSED = [(name, loss.name) for loss in LOSSES.values() for name in loss.fused]
LOGITS = np.array([[-3.2, 0.4, 1.9], [2.7, -0.6, 0.0], [5.1, -4.4, 0.8]])


def richardson(function, at, step=2e-3):
    def central(h):
        return (function(at + h) - function(at - h)) / (2 * h)

    first = (4 * central(step / 2) - central(step)) / 3
    second = (4 * central(step / 4) - central(step / 2)) / 3
    return (16 * second - first) / 15


def one_logit(layout="rows"):
    """A network whose pre-activation is its input."""
    net = MLP([1, 1], ["sigmoid"], "binary_cross_entropy", layout)
    return net, {"W1": np.ones(net.weight_shape(1)), "b1": np.zeros(net.bias_shape(1))}


def two_logits(layout="rows"):
    """A softmax whose pre-activations are its input and 0."""
    net = MLP([1, 2], ["softmax"], "categorical_cross_entropy", layout)
    weights = np.array([1.0, 0.0]).reshape(net.weight_shape(1))
    return net, {"W1": weights, "b1": np.zeros(net.bias_shape(1))}


@pytest.mark.parametrize("loss", CANDIDATES, ids=lambda loss: loss.name)
def test_derivative_is_that_of_the_terms(loss):
    expected = richardson(lambda a: loss.terms(a, TARGETS), OUTPUTS)
    np.testing.assert_allclose(loss.derivative(OUTPUTS, TARGETS), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("squared_error_sum", 1.0),
        ("half_squared_error_sum", 0.5),
        ("squared_error_mean", 1 / 4),
        ("half_squared_error_mean", 1 / 8),
        ("squared_error_mean_all", 1 / 12),
        ("half_squared_error_mean_all", 1 / 24),
        ("binary_cross_entropy", 1 / 4),
        ("categorical_cross_entropy", 1 / 4),
    ],
)
def test_scale_for_four_samples_of_three_outputs(name, expected):
    _, reduction = PUBLIC_LOSSES[name]
    assert reduction.scale(4, 3) == pytest.approx(expected, rel=1e-15)


def test_terms_against_the_formulas():
    a, y = np.array([0.2]), np.array([0.7])
    assert LOSSES["squared error"].terms(a, y)[0] == pytest.approx(0.25)
    binary = -0.7 * math.log(0.2) - 0.3 * math.log(0.8)
    assert LOSSES["binary cross-entropy"].terms(a, y)[0] == pytest.approx(binary)
    categorical = -0.7 * math.log(0.2)
    assert LOSSES["cross-entropy"].terms(a, y)[0] == pytest.approx(categorical)


@pytest.mark.parametrize("pair", FUSED, ids="+".join)
@pytest.mark.parametrize("axis", [0, 1])
def test_fused_equals_unfused_in_the_ordinary_range(pair, axis):
    activation, loss = ACTIVATIONS[pair[0]], LOSSES[pair[1]]
    fused = loss.fused[pair[0]]
    a = activation.activate(LOGITS, axis)
    terms = fused.terms(LOGITS, TARGETS, axis)
    delta = activation.pull_back(LOGITS, a, loss.derivative(a, TARGETS), axis)
    np.testing.assert_allclose(terms, loss.terms(a, TARGETS), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(fused.delta(LOGITS, a, TARGETS, axis), delta, rtol=0, atol=1e-13)


@pytest.mark.parametrize("pair", FUSED, ids="+".join)
@pytest.mark.parametrize("axis", [0, 1])
def test_fused_delta_is_the_derivative_of_the_fused_terms(pair, axis):
    fused = LOSSES[pair[1]].fused[pair[0]]
    delta = fused.delta(LOGITS, ACTIVATIONS[pair[0]].activate(LOGITS, axis), TARGETS, axis)
    for index in np.ndindex(LOGITS.shape):
        unit = np.zeros_like(LOGITS)
        unit[index] = 1.0
        slope = richardson(lambda t, u=unit: fused.terms(LOGITS + t * u, TARGETS, axis).sum(), 0.0)
        assert delta[index] == pytest.approx(slope, abs=1e-10)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize(("logit", "label"), [(1000.0, 0), (-1000.0, 1)])
def test_far_out_on_the_wrong_side_the_binary_loss_is_1000(layout, logit, label):
    net, params = one_logit(layout)
    with np.errstate(all="raise", under="ignore"):
        assert net.loss(params, [[logit]], [[label]]) == 1000.0
        delta = net.trace(params, [[logit]], [[label]]).deltas[-1]
    np.testing.assert_array_equal(delta, [[1.0 - 2 * label]])


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize(("logit", "label"), [(1000.0, 1), (-1000.0, 0)])
def test_far_out_on_the_wrong_side_the_categorical_loss_is_1000(layout, logit, label):
    net, params = two_logits(layout)
    with np.errstate(all="raise", under="ignore"):
        assert net.loss(params, [[logit]], [label]) == 1000.0
        delta = net.trace(params, [[logit]], [label]).deltas[-1]
    np.testing.assert_array_equal(delta.reshape(-1), [-1.0, 1.0] if label == 0 else [1.0, -1.0])


@pytest.mark.parametrize(("logit", "label", "sign"), [(40.0, 1, -1), (-40.0, 0, +1)])
def test_on_the_right_side_loss_and_delta_keep_their_digits(logit, label, sign):
    net, params = one_logit()
    delta = float(net.trace(params, [[logit]], [[label]]).deltas[-1][0, 0])
    assert delta == pytest.approx(sign * math.exp(-40), rel=1e-12, abs=0)
    loss = net.loss(params, [[logit]], [[label]])
    assert loss == pytest.approx(math.exp(-40), rel=1e-12, abs=0)


@pytest.mark.parametrize("name", ["binary cross-entropy", "cross-entropy"])
def test_unfused_terms_and_derivatives_are_finite_at_0_and_1(name):
    a, y = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(LOSSES[name].terms(a, y)).all()
        assert np.isfinite(LOSSES[name].derivative(a, y)).all()


def test_a_saturated_softmax_with_the_right_label_keeps_its_digits():
    network = MLP([2, 2], ["softmax"], "categorical_cross_entropy")
    params = {"W1": np.eye(2), "b1": np.zeros(2)}
    inputs, targets = np.array([[40.0, 0.0]]), np.array([[1.0, 0.0]])
    np.testing.assert_allclose(network.loss(params, inputs, targets), np.exp(-40), rtol=1e-12)
    delta = network.trace(params, inputs, targets).deltas[0]
    np.testing.assert_allclose(delta, [[-np.exp(-40), np.exp(-40)]], rtol=1e-12)
