"""Correct gradients where checkers raise false alarms, and planted bugs in the same places."""

import numpy as np
import pytest
from planted.networks import random_setup
from sweeps import sample

import gradcheck

SEEDS = range(24)
KINKED = ("relu", "leaky_relu", "elu")
DISTANCES = (0.0, 1e-9, -1e-9, 1e-8, 1e-7, -1e-7, 1e-6, -1e-5, 1e-5, 1e-4)


def one_unit_by_a_kink(setup, rng):
    """One unit of each layer with kinks at a given distance from it, for one sample."""
    net = setup.network
    for layer in net.layers[:-1]:
        if net.activations[layer - 1] in KINKED:
            trace = net.trace(setup.params, setup.inputs, setup.targets)
            units = trace.pre_activations[layer - 1]
            sample = rng.integers(units.shape[net.arrangement.sample_axis])
            values = units.take(sample, axis=net.arrangement.sample_axis)
            unit = rng.integers(values.size)
            distance = rng.choice(DISTANCES)
            setup.params[f"b{layer}"].flat[unit] += distance - values[unit]


def all_units_by_kinks(setup, rng):
    net = setup.network
    for layer in net.layers[:-1]:
        if net.activations[layer - 1] in KINKED:
            trace = net.trace(setup.params, setup.inputs, setup.targets)
            units = trace.pre_activations[layer - 1]
            sample = rng.integers(units.shape[net.arrangement.sample_axis])
            values = units.take(sample, axis=net.arrangement.sample_axis)
            bias = setup.params[f"b{layer}"]
            setup.params[f"b{layer}"] = bias - values.reshape(bias.shape) + rng.choice(DISTANCES)


def dead_units(setup, rng):
    setup.params["b1"] = setup.params["b1"] - 20


def saturated(setup, rng):
    setup.params = {name: 20 * value for name, value in setup.params.items()}


def layers_of_many_scales(setup, rng):
    for layer in setup.network.layers:
        setup.params[f"W{layer}"] *= 10 ** rng.uniform(-4, 3)


def features_of_many_scales(setup, rng):
    scales = 10 ** rng.uniform(-3, 3, setup.network.sizes[0])
    rows = setup.network.layout == "rows"
    setup.inputs = setup.inputs * (scales if rows else scales[:, None])


def nothing(setup, rng):
    pass


CONDITIONS = {
    "ordinary": (nothing, 1.0, 0.0),
    "one unit by a kink": (one_unit_by_a_kink, 1.0, 0.0),
    "all units by kinks": (all_units_by_kinks, 1.0, 0.0),
    "dead units": (dead_units, 1.0, 0.0),
    "saturated": (saturated, 1.0, 0.0),
    "layers of many scales": (layers_of_many_scales, 1.0, 0.0),
    "features of many scales": (features_of_many_scales, 1.0, 0.0),
    "a constant of a million": (nothing, 1.0, 1e6),
    "gradients of 1e-9": (nothing, 1e-9, 0.0),
}

SWEEP = [(condition, seed) for condition in CONDITIONS for seed in SEEDS]
EVERY = 7

DECIDED = ("ordinary", "one unit by a kink", "gradients of 1e-9")
"""Where every gradient can be told; elsewhere some lie below what the loss can show."""


def under(condition, seed):
    change, factor, constant = CONDITIONS[condition]
    setup = random_setup(seed)
    change(setup, np.random.default_rng(seed))
    net, data = setup.network, (setup.inputs, setup.targets)

    def loss(params):
        return factor * net.loss(params, *data) + constant

    def grad(params):
        return {name: factor * value for name, value in net.backward(params, *data).items()}

    return setup, loss, grad


@pytest.mark.parametrize(("condition", "seed"), sample(SWEEP, EVERY))
def test_a_correct_gradient_raises_no_false_alarm(condition, seed):
    setup, loss, grad = under(condition, seed)
    report = gradcheck.check(loss, setup.params, grad, entries="all", diagnose=False)
    assert report.verdict != "fail", str(report)
    if condition in DECIDED:
        assert report.ok, str(report)
    for block in report.blocks:
        if block.verdict == "inconclusive":
            assert block.resolution > 1e-4, str(report)


@pytest.mark.parametrize(("condition", "seed"), sample(SWEEP, EVERY))
def test_an_entry_that_is_two_percent_off_is_never_called_right(condition, seed):
    setup, loss, grad = under(condition, seed)
    name = sorted(setup.params)[seed % len(setup.params)]
    entry = int(np.argmax(np.abs(grad(setup.params)[name])))

    def wrong(params):
        gradients = {name: value.copy() for name, value in grad(params).items()}
        gradients[name].flat[entry] *= 1.02
        return gradients

    report = gradcheck.check(loss, setup.params, wrong, entries="all", diagnose=False)
    block = next(block for block in report.blocks if block.name == name)
    if np.any(grad(setup.params)[name]):
        assert block.verdict in ("wrong", "inconclusive") or block.resolution > 0.01, str(report)
    if condition == "ordinary" and np.abs(grad(setup.params)[name]).max() > 1e-6:
        assert block.verdict == "wrong"
        assert block.wrong_entries == 1


def test_ties_of_a_maximum_and_the_absolute_value_at_zero_are_kinks():
    report = gradcheck.check(
        lambda w: float(np.max(w) + np.abs(w[2])),
        np.array([1.0, 1.0, 0.0]),
        lambda w: np.eye(3)[np.argmax(w)] + np.array([0.0, 0.0, np.sign(w[2])]),
    )
    assert report.ok
    assert report.blocks[0].kinks == 3


def test_a_gradient_that_is_wrong_beside_the_kink_too_is_wrong_on_it():
    report = gradcheck.check(
        lambda w: float(np.abs(w).sum()), np.zeros(2), lambda w: np.where(w == 0, 3.0, -np.sign(w))
    )
    assert report.verdict == "fail"


@pytest.mark.parametrize("seed", sample(range(6), every=6))
def test_many_samples_have_many_kinks_and_no_false_alarm(seed):
    network = gradcheck.MLP([5, 8, 8, 1], ["relu", "relu", "linear"], "squared_error_mean")
    rng = np.random.default_rng(seed)
    inputs, targets = rng.standard_normal((400, 5)), rng.standard_normal((400, 1))
    report = gradcheck.check(
        lambda p: network.loss(p, inputs, targets),
        network.init(seed),
        lambda p: network.backward(p, inputs, targets),
    )
    assert report.ok, str(report)
