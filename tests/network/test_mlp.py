from __future__ import annotations

import itertools

import numpy as np
import pytest
from sweeps import sample

from gradcheck.network import MLP, PUBLIC_ACTIVATIONS, PUBLIC_LOSSES

HIDDEN = [name for name in PUBLIC_ACTIVATIONS if name != "softmax"]
SQUARED = [name for name in PUBLIC_LOSSES if "squared" in name]
PAIRS = [
    *(("linear", name) for name in SQUARED),
    *((name, "squared_error_mean") for name in PUBLIC_ACTIVATIONS if name != "linear"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "binary_cross_entropy"),
    ("sigmoid", "categorical_cross_entropy"),
    ("softmax", "categorical_cross_entropy"),
]
STEP = 4e-3


def problem(net, m, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((m, net.sizes[0]))
    targets = rng.uniform(0.05, 0.95, (m, net.sizes[-1]))
    if net.layout == "columns":
        inputs, targets = inputs.T, targets.T
    return net.init(rng), inputs, targets


def away_from_kinks(net, m):
    """The first problem in which no step can carry a pre-activation over 0, where f is not smooth.

    The slope of elu does not jump there but bends, which the extrapolation does not bear either.
    """
    kinked = [n for n in net.layers if net.activations[n - 1] in ("relu", "leaky_relu", "elu")]
    for seed in range(200):
        params, inputs, targets = problem(net, m, seed)
        trace = net.trace(params, inputs, targets)
        nearest = [np.abs(trace.pre_activations[layer - 1]).min() for layer in kinked]
        alive = all((a != 0).any() for a in trace.activations[1:])
        if alive and min(nearest, default=1) > 8 * STEP:
            return params, inputs, targets
    raise AssertionError("no seed is away from the kinks")


def numeric_gradient(net, params, inputs, targets):
    gradients = {}
    for name, block in params.items():
        gradients[name] = np.empty_like(block)
        for index in np.ndindex(block.shape):

            def central(step, name=name, index=index):
                ends = []
                for signed in (step, -step):
                    moved = params[name].copy()
                    moved[index] += signed
                    ends.append(net.loss({**params, name: moved}, inputs, targets))
                return (ends[0] - ends[1]) / (2 * step)

            coarse, middle, fine = (central(STEP / 2**k) for k in range(3))
            first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
            gradients[name][index] = (16 * second - first) / 15
    return gradients


KINDS = [(hidden, *pair) for pair in PAIRS for hidden in HIDDEN]


@pytest.mark.parametrize(("hidden", "output", "loss"), sample(KINDS, every=5))
def test_backward_is_the_numeric_gradient(hidden, output, loss):
    for layout, l2, m in itertools.product(("rows", "columns"), (0, 0.1), (1, 5)):
        net = MLP([3, 4, 2], [hidden, output], loss, layout, l2)
        params, inputs, targets = away_from_kinks(net, m)
        gradients = net.backward(params, inputs, targets)
        expected = numeric_gradient(net, params, inputs, targets)
        assert list(gradients) == list(params)
        for name, block in expected.items():
            assert gradients[name].shape == params[name].shape
            error = np.abs(gradients[name] - block).max() / np.abs(block).max()
            assert error < 1e-9, f"{net}, m={m}: {name} is off by {error}"


def test_backward_through_three_layers_is_the_numeric_gradient():
    net = MLP([2, 4, 3, 2], ["tanh", "gelu", "softmax"], "categorical_cross_entropy", l2=0.3)
    params, inputs, targets = problem(net, 4, 0)
    gradients = net.backward(params, inputs, targets)
    for name, block in numeric_gradient(net, params, inputs, targets).items():
        np.testing.assert_allclose(gradients[name], block, rtol=0, atol=1e-9 * abs(block).max())


@pytest.mark.parametrize(("output", "loss"), PAIRS, ids=map("+".join, PAIRS))
def test_columns_are_rows_turned_round(output, loss):
    rows = MLP([3, 4, 2], ["tanh", output], loss, "rows", 0.1)
    columns = MLP([3, 4, 2], ["tanh", output], loss, "columns", 0.1)
    params, inputs, targets = problem(rows, 5, 7)
    turned = {key: np.atleast_2d(value).T for key, value in params.items()}
    assert {key: value.shape for key, value in turned.items()} == {
        key: value.shape for key, value in columns.init().items()
    }
    outputs = columns.forward(turned, inputs.T)
    np.testing.assert_allclose(outputs, rows.forward(params, inputs).T, rtol=1e-13)
    here, there = rows.loss(params, inputs, targets), columns.loss(turned, inputs.T, targets.T)
    assert here == pytest.approx(there, rel=1e-13)
    expected = rows.backward(params, inputs, targets)
    for key, got in columns.backward(turned, inputs.T, targets.T).items():
        np.testing.assert_allclose(got, np.atleast_2d(expected[key]).T, rtol=1e-11, atol=1e-15)


def test_the_trace_holds_what_backward_uses():
    net = MLP([3, 4, 2], ["tanh", "linear"], "squared_error_sum")
    params, inputs, targets = problem(net, 5, 1)
    trace = net.trace(params, inputs, targets)
    np.testing.assert_array_equal(trace.activations[0], inputs)
    np.testing.assert_allclose(trace.activations[1], np.tanh(trace.pre_activations[0]))
    np.testing.assert_allclose(trace.deltas[1], 2 * (trace.activations[2] - targets))
    assert [delta.shape for delta in trace.deltas] == [z.shape for z in trace.pre_activations]


def test_biases_are_not_penalised():
    with_penalty = MLP([3, 4, 2], ["tanh", "linear"], "squared_error_sum", l2=2.0)
    without = MLP([3, 4, 2], ["tanh", "linear"], "squared_error_sum")
    params, inputs, targets = problem(without, 5, 1)
    extra = with_penalty.loss(params, inputs, targets) - without.loss(params, inputs, targets)
    assert extra == pytest.approx(sum((params[key] ** 2).sum() for key in ("W1", "W2")))
