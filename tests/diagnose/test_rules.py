from itertools import product

import numpy as np
import pytest
from planted.further_mutations import SLOPES_FROM_OUTPUT
from sweeps import sample

import gradcheck
from gradcheck import MLP
from gradcheck.diagnose import engine
from gradcheck.diagnose.rule import Direct
from gradcheck.diagnose.rules import updated_weights_used
from gradcheck.network import LAYOUTS

LAYOUT_NAMES = ("rows", "columns")


def problem(layout, activations=("tanh", "sigmoid", "linear"), batch_size=7, loss=None, seed=0):
    network = MLP([4, 6, 5, 3], activations, loss or "half_squared_error_mean", layout)
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal(network.arrangement.data_shape(batch_size, 4))
    targets = rng.uniform(0.2, 0.8, network.arrangement.data_shape(batch_size, 3))
    return network, network.init(seed), inputs, targets


def check(setup, mutate, with_network=True):
    network, params, inputs, targets = setup
    return gradcheck.check(
        lambda p: network.loss(p, inputs, targets),
        params,
        lambda p: mutate(network, p, inputs, targets),
        inputs=inputs,
        targets=targets,
        network=network if with_network else None,
        entries="all",
    )


def backward(network, params, inputs, targets, slopes=None, bias_sources=None):
    """Backprop with the slope of some layers, or the source of some biases, replaced."""
    layout, trace = LAYOUTS[network.layout], network.trace(params, inputs, targets)
    arriving = network.output_gradient(
        trace.activations[-1], network.wanted(targets, trace.activations[-1])
    )
    gradients = {}
    for layer in reversed(network.layers):
        z, a = trace.pre_activations[layer - 1], trace.activations[layer]
        slope = (slopes or {}).get(layer)
        if slope is None:
            delta = network.activation(layer).pull_back(z, a, arriving, layout.unit_axis)
        else:
            delta = arriving * slope(network.activation(layer), z, a)
        source = (bias_sources or {}).get(layer)
        gradients[f"W{layer}"] = layout.weight_gradient(trace.activations[layer - 1], delta)
        gradients[f"b{layer}"] = layout.bias_gradient(
            delta if source is None else source(arriving, a)
        )
        arriving = layout.step_back(delta, params[f"W{layer}"])
    return gradients


def at_output(activation, z, a):
    return activation.slope(a)


def output_form_of_input(activation, z, a):
    return SLOPES_FROM_OUTPUT[activation.name](z)


def missing(activation, z, a):
    return np.ones_like(z)


SLOPES = {"GC301": at_output, "GC302": output_form_of_input, "GC303": missing}
PLACES = list(product(SLOPES, [1, 2], LAYOUT_NAMES))


@pytest.mark.parametrize(("code", "layer", "layout"), sample(PLACES, every=3))
def test_a_wrong_slope_is_named(code, layer, layout):
    report = check(problem(layout), lambda *args: backward(*args, slopes={layer: SLOPES[code]}))
    assert [finding.code for finding in report.findings] == [code]
    assert set(report.findings[0].blocks) == {
        f"{kind}{number}" for kind in "Wb" for number in range(1, layer + 1)
    }
    assert report.findings[0].error_after_fix < 1e-7


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_two_wrong_slopes_are_both_named_the_one_next_to_the_loss_first(layout):
    report = check(
        problem(layout), lambda *args: backward(*args, slopes={1: missing, 2: at_output})
    )
    assert [finding.code for finding in report.findings] == ["GC301", "GC303"]


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
@pytest.mark.parametrize("layer", [1, 2])
def test_a_bias_from_what_arrives_is_named(layout, layer):
    report = check(
        problem(layout),
        lambda *args: backward(*args, bias_sources={layer: lambda arriving, a: arriving}),
    )
    assert [(f.code, f.blocks) for f in report.findings] == [("GC501", (f"b{layer}",))]


FACTORS = {
    7.0: "GC101",
    21.0: "GC101",
    2.0: "GC103",
    0.5: "GC103",
    3.0: "GC104",
    0.37: "GC105",
    -0.37: "GC105",
    -1.0: "GC106",
}
WAYS = list(product(LAYOUT_NAMES, [True, False], FACTORS))


@pytest.mark.parametrize(("layout", "with_network", "factor"), sample(WAYS, every=5))
def test_a_constant_factor_is_named(layout, with_network, factor):
    def scaled(network, *data):
        gradients = network.backward(*data)
        gradients["W2"] = factor * gradients["W2"]
        return gradients

    report = check(problem(layout), scaled, with_network)
    assert [(finding.code, finding.blocks) for finding in report.findings] == [
        (FACTORS[factor], ("W2",))
    ]


def test_what_rounding_leaves_of_a_sum_is_no_multiple_of_the_gradient():
    rng = np.random.default_rng(0)
    inputs, wanted = rng.normal(size=(40, 3)), np.eye(4)[rng.integers(4, size=40)]
    params = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}

    def outputs(p):
        scores = np.exp(inputs @ p["W"] + p["b"])
        return scores / scores.sum(axis=1, keepdims=True)

    def step(p, lr):
        return {
            "W": p["W"] - lr * inputs.T @ (outputs(p) - wanted) / 40,
            "b": p["b"] - lr * np.full(4, 1e-17),
        }

    def loss(p):
        return -np.sum(wanted * np.log(outputs(p))) / 40

    report = gradcheck.check_step(step, params, loss=loss, learning_rate=0.1)
    assert [one.blocks for one in report.findings] == [("b",)]
    assert report.findings[0].code != "GC105"


def test_all_blocks_off_by_the_same_factor_make_one_finding():
    report = check(
        problem("rows"), lambda net, *data: {k: -v for k, v in net.backward(*data).items()}
    )
    assert [finding.code for finding in report.findings] == ["GC106"]
    assert len(report.findings[0].blocks) == 6


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_a_transposed_gradient_is_named(layout):
    def transposed(network, *data):
        gradients = network.backward(*data)
        gradients["W1"] = gradients["W1"].T
        return gradients

    report = check(problem(layout), transposed)
    assert [(finding.code, finding.blocks) for finding in report.findings] == [("GC201", ("W1",))]
    assert report.blocks[0].verdict == "shape"


def test_a_transposed_square_gradient_is_named():
    network = MLP([4, 4, 2], ["tanh", "linear"], "squared_error_sum")
    rng = np.random.default_rng(0)
    setup = network, network.init(1), rng.standard_normal((5, 4)), rng.standard_normal((5, 2))

    def transposed(net, *data):
        return net.backward(*data) | {"W1": net.backward(*data)["W1"].T}

    report = check(setup, transposed)
    assert [(finding.code, finding.blocks) for finding in report.findings] == [("GC201", ("W1",))]
    assert report.blocks[0].verdict == "wrong"


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_a_bias_that_is_not_reduced_is_named(layout):
    def unreduced(network, params, inputs, targets):
        gradients = network.backward(params, inputs, targets)
        return gradients | {"b2": network.trace(params, inputs, targets).deltas[1]}

    report = check(problem(layout), unreduced)
    assert [(finding.code, finding.blocks) for finding in report.findings] == [("GC203", ("b2",))]


def test_a_missing_gradient_is_named():
    def partial(network, *data):
        gradients = network.backward(*data)
        return {name: gradients[name] for name in ("W3", "b3", "b1")}

    report = check(problem("rows"), partial)
    assert [f.code for f in report.findings] == ["GC207"]
    assert set(report.findings[0].blocks) == {"W1", "W2", "b2"}


def test_a_flat_bias_gradient_for_a_column_is_named():
    def flat(network, *data):
        gradients = network.backward(*data)
        return gradients | {"b1": gradients["b1"].reshape(-1)}

    report = check(problem("columns"), flat)
    assert [(finding.code, finding.blocks) for finding in report.findings] == [("GC202", ("b1",))]


def test_what_no_rule_describes_is_wrong_and_has_no_name():
    def noisy(network, *data):
        gradients = network.backward(*data)
        gradients["W2"] = np.sin(gradients["W2"])
        return gradients

    report = check(problem("rows"), noisy)
    assert report.verdict == "fail"
    assert [finding.code for finding in report.findings] == ["GC999"]
    assert any("only the product that makes the gradient of W2" in line for line in report.layers)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
@pytest.mark.parametrize(
    "activations", [("relu", "tanh", "sigmoid"), ("gelu", "elu", "linear"), ("tanh",) * 3]
)
def test_correct_code_has_no_findings(layout, activations):
    report = check(problem(layout, activations), MLP.backward)
    assert report.ok
    assert report.findings == ()


def test_a_network_that_is_not_the_users_is_not_believed():
    setup = problem("rows")
    other = MLP([4, 6, 5, 3], ("tanh", "tanh", "linear"), "half_squared_error_mean")
    network, params, inputs, targets = setup
    report = gradcheck.check(
        lambda p: network.loss(p, inputs, targets),
        params,
        lambda p: backward(network, p, inputs, targets, slopes={1: missing}),
        inputs=inputs,
        targets=targets,
        network=other,
    )
    assert report.verdict == "fail"
    assert "relu" in report.network or "sigmoid" in report.network
    assert [finding.code for finding in report.findings] == ["GC303"]
    assert any("the diagnosis did not use it" in note for note in report.notes)


def test_a_rule_that_is_allowed_is_reported_and_not_counted():
    network, params, inputs, targets = problem("rows")
    report = gradcheck.check(
        lambda p: network.loss(p, inputs, targets),
        params,
        lambda p: {k: -v for k, v in network.backward(p, inputs, targets).items()},
        allow=["sign-flipped"],
    )
    assert report.ok
    assert report.findings[0].code == "GC106"


def unfollowed(value):
    return float.fromhex(float(value).hex())


def test_one_number_that_is_wrong_is_no_factor_of_the_right_one():
    report = gradcheck.check(
        lambda p: float(np.cosh(unfollowed(p["a"]))),
        {"a": np.asarray(0.9)},
        lambda p: {"a": 2.37 * unfollowed(p["a"]) ** 3},
        noise=1e-4,  # a second point nearby agrees with any factor, as far as can be seen
    )
    assert [one.code for one in report.findings] == ["GC999"], str(report)


def test_a_sign_that_one_of_two_gradients_has_wrong_is_none_of_the_error():
    x, y = np.arange(6.0), np.array([1.0, 0.0, 3.0, 1.0, 5.0, 4.0])

    def loss(p):
        return np.sum((p["slope"] * x + p["start"] - y) ** 2)

    def grad(p):
        off = 2 * (p["slope"] * x + p["start"] - y)
        return {"slope": off @ x, "start": off @ np.full(6, -1.0)}

    (finding,) = gradcheck.check(loss, {"slope": 0.3, "start": 0.7}, grad).findings
    assert (finding.code, finding.blocks) == ("GC106", ("start",))
    assert "change its sign" in finding.fix


def test_a_rule_that_raises_costs_no_verdict(monkeypatch):
    def broken(rule, evidence, *left):
        yield from ()
        raise ValueError("of two shapes")

    rules = ((updated_weights_used.RULE, Direct(broken)), *engine.DIRECT)
    monkeypatch.setattr(engine, "DIRECT", rules)
    monkeypatch.setattr(engine, "FORGIVEN", (Exception,))
    x, t = np.random.default_rng(0).normal(size=(2, 7, 2))
    report = gradcheck.check(
        lambda w: 0.5 * np.sum((x @ w - t) ** 2), np.ones((2, 2)), lambda w: x.T @ (t - x @ w)
    )
    assert [one.code for one in report.errors] == ["GC106"]


def test_gradients_of_another_shape_at_another_rate_have_no_limit():
    columns = [np.ones((3, 1)), np.ones((3, 1)), np.ones((3, 4))]
    assert updated_weights_used._weighted([1.0, 2.0], columns[:2])[0, 0] == 3.0
    assert updated_weights_used._weighted([1.0, 2.0], columns[1:]) is None
    assert updated_weights_used._weighted([1.0, 2.0], [None, columns[0]]) is None
