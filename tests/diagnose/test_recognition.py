"""Networks are recognised by their loss alone, as people write them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from sweeps import sample

import gradcheck
from gradcheck import MLP
from gradcheck.network import ACTIVATIONS, LOSSES, PUBLIC_LOSSES
from gradcheck.network.passes import LayerParameters, forward
from gradcheck.recognition.identify import identify
from gradcheck.recognition.losses import Losses, Misfit, solve
from gradcheck.recognition.network_view import delta_from_gradient
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten

HIDDEN = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu")
ENDS = (
    ("linear", "squared_error_sum"),
    ("linear", "half_squared_error_mean"),
    ("sigmoid", "squared_error_mean_all"),
    ("tanh", "half_squared_error_mean_all"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "categorical_cross_entropy"),
)


def words(network, seed=0, layout_data=True, wrong=False):
    """What the report calls a network of the core that is checked without being named."""
    rng = np.random.default_rng(seed)
    params = network.init(seed)
    layout = network.arrangement
    inputs = rng.standard_normal(layout.data_shape(9, network.sizes[0]))
    targets = rng.uniform(0.1, 0.9, layout.data_shape(9, network.sizes[-1]))
    if network.loss_name == "categorical_cross_entropy":
        targets = targets / targets.sum(axis=layout.unit_axis, keepdims=True)
    data = {"inputs": inputs, "targets": targets} if layout_data else {}
    factor = 2.0 if wrong else 1.0
    report = gradcheck.check(
        lambda p: network.loss(p, inputs, targets),
        params,
        lambda p: {k: factor * v for k, v in network.backward(p, inputs, targets).items()},
        **data,
    )
    assert report.ok == (not wrong), str(report)
    return report.network


USUAL = [(*end, *kind) for kind in product(HIDDEN[:3], ("rows", "columns")) for end in ENDS]


@pytest.mark.parametrize(("output", "loss", "hidden", "layout"), sample(USUAL, every=5))
def test_the_usual_networks_are_recognised_even_when_all_is_right(hidden, output, loss, layout):
    found = words(MLP([4, 6, 5, 3], (hidden, hidden, output), loss, layout, l2=0.1))
    assert found is not None
    assert found.startswith(f"4-6-5-3 {hidden}/{hidden}/{output}, ")
    assert "l2 0.1" in found


@pytest.mark.parametrize("seed", sample(range(8), every=4))
def test_mixed_activations_are_found_one_by_one(seed):
    rng = np.random.default_rng(seed)
    hidden = [str(name) for name in rng.choice(HIDDEN, 4)]
    output, loss = ENDS[seed % len(ENDS)]
    found = words(MLP([4, 6, 5, 7, 4, 3], (*hidden, output), loss), seed, wrong=True)
    assert f"4-6-5-7-4-3 {'/'.join(hidden)}/{output}, " in found


def test_the_data_are_found_in_the_closures():
    network = MLP([4, 6, 3], ("tanh", "softmax"), "categorical_cross_entropy")
    assert "tanh/softmax" in words(network, layout_data=False, wrong=True)


X, RNG = np.random.default_rng(0).normal(size=(11, 3)), np.random.default_rng(1)
LABELS = np.arange(11) % 4


def scores(p):
    return np.maximum(X @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


PARAMS = {
    "W1": RNG.normal(size=(3, 5)),
    "b1": RNG.normal(size=5),
    "W2": RNG.normal(size=(5, 4)),
    "b2": RNG.normal(size=4),
}


def guarded(eps):
    return lambda p: -np.log(softmax(scores(p))[np.arange(len(X)), LABELS] + eps).mean()


def without_slope(p):
    return backward(p, lambda hidden: 1.0)


def backward(p, slope=lambda hidden: hidden > 0):
    hidden = np.maximum(X @ p["W1"] + p["b1"], 0)
    delta = (softmax(scores(p)) - np.eye(4)[LABELS]) / len(X)
    below = delta @ p["W2"].T * slope(hidden)
    return {
        "W1": X.T @ below,
        "b1": below.sum(axis=0),
        "W2": hidden.T @ delta,
        "b2": delta.sum(axis=0),
    }


@pytest.mark.parametrize("eps", [0.0, 1e-8, 1e-12])
def test_class_labels_and_a_log_with_a_small_number_added(eps):
    report = gradcheck.check(guarded(eps), PARAMS, without_slope, inputs=X, targets=LABELS)
    assert "3-5-4 relu/softmax" in report.network
    assert [(f.code, f.blocks) for f in report.findings] == [("GC303", ("W1", "b1"))]


@pytest.mark.parametrize("place", ["first", "last"])
def test_biases_that_are_a_row_of_the_weights(place):
    Y = RNG.normal(size=(11, 2))
    ones = np.ones((len(X), 1))

    def with_ones(a):
        return np.hstack([ones, a] if place == "first" else [a, ones])

    def forward(p):
        hidden = np.tanh(with_ones(X) @ p[0])
        return hidden, with_ones(hidden) @ p[1]

    def loss(p):
        return np.mean((forward(p)[1] - Y) ** 2)

    def gradient(p):
        hidden, output = forward(p)
        delta = 2 * (output - Y) / Y.size
        weights = p[1][1:] if place == "first" else p[1][:-1]
        below = delta @ weights.T * hidden * (1 - hidden)
        return [with_ones(X).T @ below, with_ones(hidden).T @ delta]

    params = [RNG.normal(size=(4, 5)), RNG.normal(size=(6, 2))]
    report = gradcheck.check(loss, params, gradient, inputs=X, targets=Y)
    assert "3-5-2 tanh/linear" in report.network
    assert [(f.code, f.blocks) for f in report.findings] == [("GC305", ("params[0]",))]


def test_what_is_no_dense_network_is_not_called_one():
    Y = RNG.normal(size=(11, 5))

    def loss(p):
        return float(np.sum(np.sin(X @ p["W1"] * np.cos(p["b1"])) * Y))

    report = gradcheck.check(
        loss, {k: PARAMS[k] for k in ("W1", "b1")}, lambda p: dict(p), inputs=X, targets=Y
    )
    assert report.network is None
    assert [finding.code for finding in report.errors] == ["GC999"]


def test_a_small_number_before_the_log_is_no_bug():
    report = gradcheck.check(guarded(1e-8), PARAMS, backward, inputs=X, targets=LABELS)
    assert report.ok, str(report)
    assert any("guards its log" in note for note in report.notes)
    report = gradcheck.check(
        guarded(1e-8),
        PARAMS,
        lambda p: {**backward(p), "b2": 1.00001 * backward(p)["b2"]},
        inputs=X,
        targets=LABELS,
    )
    assert [block.name for block in report.blocks if block.failed] == ["b2"]


def prepared(network, seed=0, named=True, scale=1.0):
    """The user's problem whose loss is a network of the core, with its data."""
    rng = np.random.default_rng(seed)
    params, layout = network.init(seed), network.arrangement
    params = {name: scale * value for name, value in params.items()}
    inputs = rng.standard_normal(layout.data_shape(7, network.sizes[0]))
    targets = rng.uniform(0.1, 0.9, layout.data_shape(7, network.sizes[-1]))
    return Problem(
        flatten(params),
        lambda p: network.loss(p, inputs, targets),
        lambda p: network.backward(p, inputs, targets),
        inputs,
        targets,
        network if named else None,
    )


def recognised(problem):
    """The network that is found, as the checks find it."""
    rng = np.random.default_rng(1)
    return identify(problem, 1e-16, 0.0, rng)


def usual_output(loss):
    return next(iter(loss.fused), "sigmoid" if loss.of_probabilities else "linear")


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("name", PUBLIC_LOSSES)
@pytest.mark.parametrize("named", [True, False])
def test_every_loss_of_the_core_is_recognised_as_itself(name, layout, named):
    loss, reduction = PUBLIC_LOSSES[name]
    network = MLP([4, 6, 3], ["tanh", usual_output(loss)], name, layout)
    problem = prepared(network, named=named)
    identity = recognised(problem)
    assert identity.note is None
    assert identity.view.loss_function is loss
    assert identity.view.scale == reduction.scale(7, 3)
    values = problem.parameters.values
    assert identity.view.loss(values) == pytest.approx(problem.loss(values), rel=1e-12)


@pytest.mark.parametrize("eps", [0.0, 1e-5])
@pytest.mark.parametrize("row", LOSSES.values(), ids=lambda row: row.name)
def test_every_row_of_the_losses_is_recognised(row, eps):
    if eps and row.with_log is None:
        pytest.skip("takes no log")
    loss = row.plus(eps) if eps else row
    output = usual_output(row)
    base = MLP([4, 6, 3], ["tanh", output], "squared_error_sum")
    problem = prepared(base, named=False)
    wanted = problem.targets

    def own(p):
        return float(loss.terms(base.forward(p, problem.inputs), wanted).sum() / 7)

    found = recognised(replace(problem, loss_function=own)).view
    assert found.loss_function.name == loss.name
    assert found.plain_loss is row


@pytest.mark.parametrize("row", ACTIVATIONS.values(), ids=lambda row: row.name)
@pytest.mark.parametrize("place", ["hidden", "output"])
def test_every_row_of_the_activations_is_recognised(row, place):
    if getattr(row.rank, place) is None:
        pytest.skip("networks do not have it there")
    names = {"hidden": (row, ACTIVATIONS["linear"]), "output": (ACTIVATIONS["tanh"], row)}[place]
    base = MLP([4, 6, 3], ["tanh", "linear"], "squared_error_mean")
    problem = prepared(base, named=False, scale=5.0)  # far enough to reach every kink

    def own(p):
        layers = [
            LayerParameters(p[f"W{number}"], p[f"b{number}"], activation)
            for number, activation in enumerate(names, start=1)
        ]
        outputs = forward(problem.inputs, layers, base.arrangement)[1][-1]
        return float(np.mean((outputs - problem.targets) ** 2))

    found = recognised(replace(problem, loss_function=own)).view
    assert [one.name for one in found.activations] == [one.name for one in names]


@pytest.mark.parametrize("others", ["two", "one twice", "none"])
def test_no_fit_is_ruled_out_beforehand(others):
    rng = np.random.default_rng(3)
    columns = rng.uniform(1, 2, (7, 2))
    if others != "two":
        columns[:, 1] = columns[:, 0] if others == "one twice" else 0.0
    totals = rng.uniform(1, 2, (4, 7))
    totals[2] = 3 * columns[:, 0]
    totals[3, 5] = np.inf
    losses = Losses((), 0.3 * totals[0] + 0.1 * columns[:, 0], 1e-9)
    for tolerance, expected in ((1e-9, {0, 2}), (1e-4, {0, 2})):
        close = replace(losses, values=losses.values * (1 + tolerance / 3), tolerance=tolerance)
        may_fit, near = Misfit(columns, close).may_fit(totals)
        assert (set(may_fit), near) == (expected, True)
        assert solve(np.column_stack([totals[0], columns]), close) is not None
        assert solve(np.column_stack([totals[1], columns]), close) is None


def test_the_delta_of_a_layer_is_told_from_its_gradient():
    rng = np.random.default_rng(0)
    layer_input, delta = rng.standard_normal((5, 8)), rng.standard_normal((5, 3))
    gradient = layer_input.T @ delta
    np.testing.assert_allclose(delta_from_gradient(layer_input, gradient), delta, rtol=1e-12)
    twice = np.vstack([layer_input[:4], layer_input[:1]])
    assert delta_from_gradient(twice, twice.T @ delta) is None, "two samples are the same"
    tall = rng.standard_normal((9, 8))
    assert delta_from_gradient(tall, gradient) is None, "there are more samples than inputs"
    gradient[2, 1] += 1e-3
    assert delta_from_gradient(layer_input, gradient) is None, "no delta gives that"
    assert delta_from_gradient(layer_input, np.full((8, 3), np.nan)) is None
