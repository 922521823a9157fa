"""The numeric gradient of a whole network at once, against the core's gradient by hand."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.network import ACTIVATIONS, MLP, PUBLIC_ACTIVATIONS, PUBLIC_LOSSES
from gradcheck.numeric import dense, lines
from gradcheck.numeric.structured import LITERAL, SHARED_LINES, choose_tier, structured_gradient
from gradcheck.recognition.dense import as_blocks, dense_network
from gradcheck.recognition.identify import from_network
from gradcheck.recognition.layers import group_layers
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten

TIERS = (LITERAL, SHARED_LINES)


def prepared(net, params, inputs, targets):
    """The network as the engine takes it, with what brings its gradients into blocks."""
    parameters = flatten(params)
    problem = Problem(parameters, lambda p: 0.0, None, inputs, targets, net)
    view = from_network(problem, net, group_layers(parameters.names, parameters.shapes))
    return view, parameters.values, dense_network(view, parameters.values)


def numeric(net, params, inputs, targets, tier):
    view, values, network = prepared(net, params, inputs, targets)
    blocks = as_blocks(view, values, structured_gradient(network, tier), 0.0)
    return dict(zip(params, blocks, strict=True))


def data(net, count, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((count, net.sizes[0]))
    targets = rng.random((count, net.sizes[-1]))
    if net.loss_name == "categorical_cross_entropy":
        targets = np.eye(net.sizes[-1])[rng.integers(0, net.sizes[-1], count)]
    if net.loss_name == "binary_cross_entropy":
        targets = (targets > 0.5).astype(float)
    return (inputs.T, targets.T) if net.layout == "columns" else (inputs, targets)


HIDDEN = [name for name in PUBLIC_ACTIVATIONS if name != "softmax"]
ENDS = [
    (output, loss)
    for output in PUBLIC_ACTIVATIONS
    for loss in PUBLIC_LOSSES
    if "squared" in loss or output in ("sigmoid", "softmax")
]


@st.composite
def networks(draw):
    hidden = draw(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(HIDDEN)), max_size=3))
    output, loss = draw(st.sampled_from(ENDS))
    sizes = [draw(st.integers(1, 4)), *(size for size, _ in hidden), draw(st.integers(1, 3))]
    layout = draw(st.sampled_from(["rows", "columns"]))
    l2 = draw(st.sampled_from([0.0, 0.3]))
    return MLP(sizes, [*(name for _, name in hidden), output], loss, layout, l2)


@given(
    net=networks(), count=st.integers(1, 6), seed=st.integers(0, 99), tier=st.sampled_from(TIERS)
)
def test_every_entry_is_right_within_its_bound(net, count, seed, tier):
    params, (inputs, targets) = net.init(seed), data(net, count, seed)
    analytic = net.backward(params, inputs, targets)
    for name, block in numeric(net, params, inputs, targets, tier).items():
        truth = analytic[name].reshape(-1)
        scale = max(np.abs(value).max() for value in analytic.values())
        distance = block.estimates.distance(truth)
        assert np.all(distance <= block.estimates.bound + 1e-14 * scale)
        assert np.all(block.estimates.bound <= 1e-9 * max(scale, 1e-12) * count * 10)


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_tiers_agree(hidden, layout):
    net = MLP([5, 7, 6, 3], [hidden, hidden, "softmax"], "categorical_cross_entropy", layout, 0.1)
    params, (inputs, targets) = net.init(3), data(net, 11)
    both = [numeric(net, params, inputs, targets, tier) for tier in TIERS]
    for name in params:
        one, other = (found[name].estimates.value for found in both)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13 * np.abs(one).max())


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("scale", [1e-8, 1e-3, 30.0])
def test_weights_of_any_scale(scale, tier):
    net = MLP([6, 8, 5, 2], ["tanh", "sigmoid", "linear"], "half_squared_error_mean")
    params = {name: scale * value for name, value in net.init(1).items()}
    inputs, targets = data(net, 9)
    analytic = net.backward(params, inputs, targets)
    for name, block in numeric(net, params, inputs, targets, tier).items():
        largest = np.abs(analytic[name]).max()
        error = np.abs(block.estimates.value - analytic[name].reshape(-1))
        assert error.max() <= 1e-10 * largest
        assert np.all(error <= block.estimates.bound)


@pytest.mark.parametrize("tier", TIERS)
def test_a_saturated_network_keeps_its_digits(tier):
    net = MLP([4, 5, 3], ["sigmoid", "softmax"], "categorical_cross_entropy")
    params, (inputs, targets) = net.init(0), data(net, 6)
    params["W2"] *= 60
    analytic = net.backward(params, inputs, targets)
    for name, block in numeric(net, params, inputs, targets, tier).items():
        np.testing.assert_allclose(
            block.estimates.value, analytic[name].reshape(-1), rtol=1e-9, atol=1e-300
        )


@pytest.mark.parametrize("tier", TIERS)
def test_small_batches_of_samples_add_up(monkeypatch, tier):
    net = MLP([4, 6, 5, 2], ["relu", "tanh", "sigmoid"], "binary_cross_entropy")
    params, (inputs, targets) = net.init(0), data(net, 23)
    whole = numeric(net, params, inputs, targets, tier)
    monkeypatch.setattr(dense, "BATCH_NUMBERS", 30)
    monkeypatch.setattr(lines, "CHUNK_NUMBERS", 50)
    for name, block in numeric(net, params, inputs, targets, tier).items():
        expected = whole[name].estimates.value
        atol = 1e-13 * np.abs(expected).max()
        np.testing.assert_allclose(block.estimates.value, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("tier", TIERS)
def test_a_kink_at_the_point_shows_both_slopes(tier):
    net = MLP([2, 3, 1], ["relu", "linear"], "half_squared_error_sum")
    params = {name: value.copy() for name, value in net.init(0).items()}
    params["b1"][:] = 0
    inputs, targets = np.array([[0.0, 0.0], [1.0, 0.5]]), np.array([[0.7], [0.2]])
    found = numeric(net, params, inputs, targets, tier)["b1"].estimates
    for unit in range(3):
        slopes = []
        for sign in (1, -1):
            moved = {name: value.copy() for name, value in params.items()}
            moved["b1"][unit] += sign * 1e-7
            change = net.loss(moved, inputs, targets) - net.loss(params, inputs, targets)
            slopes.append(sign * change / 1e-7)
        assert found.kink[unit]
        ends = [found.lower[unit], found.upper[unit]]
        np.testing.assert_allclose(ends, sorted(slopes), atol=1e-6)
    weights = numeric(net, params, inputs, targets, tier)["W1"].estimates
    assert not weights.kink.any(), "no weight moves a unit whose inputs are zero"


@pytest.mark.parametrize("tier", TIERS)
def test_kinks_everywhere(tier):
    net = MLP([3, 4, 2], ["relu", "linear"], "squared_error_mean")
    params = {name: np.zeros_like(value) for name, value in net.init(0).items()}
    params["W2"] += 0.5
    inputs, targets = data(net, 5)
    found = numeric(net, params, inputs, targets, tier)
    assert found["W1"].estimates.kink.all()
    assert found["b1"].estimates.kink.all()
    for name, gradient in net.backward(params, inputs, targets).items():
        estimates = found[name].estimates
        assert np.all(estimates.distance(gradient.reshape(-1)) <= estimates.bound)


@pytest.mark.parametrize("distance", [1e-6, 1e-9, 1e-11])
def test_what_is_near_a_kink_and_not_on_it_is_told_exactly(distance):
    net = MLP([1, 2, 1], ["relu", "linear"], "half_squared_error_sum")
    params = {name: value.copy() for name, value in net.init(0).items()}
    inputs, targets = np.array([[1.0]]), np.array([[0.3]])
    params["b1"][:] = -params["W1"][0] + np.array([distance, -distance])
    found = numeric(net, params, inputs, targets, SHARED_LINES)
    analytic = net.backward(params, inputs, targets)
    for name, block in found.items():
        assert not block.estimates.kink.any()
        np.testing.assert_allclose(block.estimates.value, analytic[name].ravel(), atol=1e-12)


@pytest.mark.parametrize("tier", TIERS)
def test_what_is_held_besides_the_result_is_little(tier):
    net = MLP([400, 600, 10], ["tanh", "softmax"], "categorical_cross_entropy")
    params, (inputs, targets) = net.init(0), data(net, 3000 if tier == SHARED_LINES else 20)
    _, _, network = prepared(net, params, inputs, targets)
    tracemalloc.start()
    found = structured_gradient(network, tier)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result = sum(gradient.weights.nbytes for gradient in found)
    assert peak - result < 64e6


def test_the_tier_follows_the_budget():
    net = MLP([20, 30, 4], ["tanh", "softmax"], "categorical_cross_entropy")
    network = prepared(net, net.init(0), *data(net, 50))[2]
    assert choose_tier(network, 10.0) == LITERAL
    assert choose_tier(network, 1e-9) == SHARED_LINES


def test_units_that_share_a_normalisation_below_the_output_are_left_to_the_black_box():
    net = MLP([4, 3], ["softmax"], "categorical_cross_entropy")
    view, values, network = prepared(net, net.init(0), *data(net, 5))
    assert network is not None
    object.__setattr__(view, "activations", (ACTIVATIONS["softmax over the samples"],))
    assert dense_network(view, values) is None


@pytest.mark.in_full
def test_what_is_held_does_not_grow_with_the_samples():
    net = MLP([3, 800, 2], ["relu", "linear"], "squared_error_mean")
    network = prepared(net, net.init(0), *data(net, 12_000))[2]
    tracemalloc.start()
    structured_gradient(network, SHARED_LINES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


def test_derivatives_of_few_samples_are_held_as_products_and_of_many_carried_out():
    net = MLP([30, 40, 5], ["relu", "softmax"], "categorical_cross_entropy", l2=0.3)
    params = net.init(0)
    for count, held in ((6, True), (200, False)):
        inputs, targets = data(net, count)
        network = prepared(net, params, inputs, targets)[2]
        found = structured_gradient(network, SHARED_LINES)
        assert bool(found[0].products) == held
        right = net.backward(params, inputs, targets)
        for layer, gradient in enumerate(found, 1):
            np.testing.assert_allclose(gradient.weights, right[f"W{layer}"], atol=1e-12)
            assert gradient.weight_bound.max() <= gradient.largest_bound


def test_bounds_below_the_least_are_not_worked_out_and_all_others_are_right():
    net = MLP([30, 40, 5], ["tanh", "softmax"], "categorical_cross_entropy")
    view, values, network = prepared(net, net.init(0), *data(net, 6))
    gradients = structured_gradient(network, SHARED_LINES)
    own = as_blocks(view, values, gradients, 1e-12)
    least = [9 * float(block.estimates.bound.max()) for block in own]
    for floor in (least, [0.5 * least[0] / 9] * 4):
        raised = as_blocks(view, values, gradients, 1e-12, floor)
        for block, before, smallest in zip(raised, own, floor, strict=True):
            np.testing.assert_array_equal(block.estimates.value, before.estimates.value)
            wanted = np.fmax(before.estimates.bound, smallest)
            np.testing.assert_allclose(block.estimates.bound, wanted, rtol=1e-12)
    assert as_blocks(view, values, gradients, 1e-12, least)[0].estimates.bound.strides == (0,)
