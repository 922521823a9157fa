from __future__ import annotations

import numpy as np
import pytest

from gradcheck.network import MLP

LAYOUTS = pytest.mark.parametrize("layout", ["rows", "columns"])
GOOD = {"sizes": [3, 4, 2], "activations": ["tanh", "linear"], "loss": "squared_error_sum"}


def classifier(layout="rows", classes=3):
    return MLP([2, classes], ["softmax"], "categorical_cross_entropy", layout)


def samples(layout, m, features=2):
    inputs = np.random.default_rng(5).standard_normal((m, features))
    return inputs if layout == "rows" else inputs.T


@LAYOUTS
@pytest.mark.parametrize(
    "labels",
    [[2, 0, 1, 1], (2, 0, 1, 1), np.array([2, 0, 1, 1], dtype=np.uint8), np.c_[[2, 0, 1, 1]]],
    ids=["list", "tuple", "uint8", "column"],
)
def test_class_labels_are_one_hot_targets(layout, labels):
    net, inputs = classifier(layout), samples(layout, 4)
    params, one_hot = net.init(), np.eye(3)[[2, 0, 1, 1]]
    one_hot = one_hot if layout == "rows" else one_hot.T
    assert net.loss(params, inputs, labels) == net.loss(params, inputs, one_hot)
    expected = net.backward(params, inputs, one_hot)
    for name, block in net.backward(params, inputs, labels).items():
        np.testing.assert_array_equal(block, expected[name])


@LAYOUTS
@pytest.mark.parametrize("labels", [[True, False], [True, False, True]])
def test_truth_values_are_class_labels_0_and_1(layout, labels):
    net = classifier(layout, classes=2)
    inputs = samples(layout, len(labels))
    wanted = net.wanted(np.array(labels), net.forward(net.init(), inputs))
    expected = np.eye(2)[[int(label) for label in labels]]
    np.testing.assert_array_equal(wanted, expected if layout == "rows" else expected.T)


@LAYOUTS
def test_one_label_for_one_sample(layout):
    net, inputs = classifier(layout), samples(layout, 1)
    params = net.init()
    assert net.loss(params, inputs, 2) == net.loss(params, inputs, [0, 0, 1])


@LAYOUTS
@pytest.mark.parametrize("labels", [[0, 1, 3], [-1, 0, 1]])
def test_a_label_that_is_no_class_is_refused(layout, labels):
    net, inputs = classifier(layout), samples(layout, 3)
    with pytest.raises(ValueError, match=r"3 outputs, so they must be 0 to 2"):
        net.loss(net.init(), inputs, labels)


@LAYOUTS
def test_flat_targets_of_one_output(layout):
    net, inputs = MLP([2, 1], ["sigmoid"], "binary_cross_entropy", layout), samples(layout, 4)
    params, flat = net.init(), [0, 1, 1, 0]
    shaped = np.reshape(flat, net.arrangement.data_shape(4, 1))
    assert net.loss(params, inputs, flat) == net.loss(params, inputs, shaped)


@LAYOUTS
def test_vectors_are_one_sample(layout):
    net = MLP(**GOOD, layout=layout)
    params, x, y = net.init(), np.array([0.3, -1.0, 2.0]), np.array([0.5, -0.5])
    inputs, targets = (np.reshape(v, net.arrangement.data_shape(1, v.size)) for v in (x, y))
    assert net.forward(params, x).shape == targets.shape
    assert net.loss(params, x, y) == net.loss(params, inputs, targets)
    expected = net.backward(params, inputs, targets)
    for name, block in net.backward(params, x, y).items():
        np.testing.assert_array_equal(block, expected[name])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"activations": ["tahn", "linear"]}, r"no activation 'tahn'; did you mean tanh"),
        ({"activations": ["tanh", "xyz"]}, r"no activation 'xyz'; There are: linear, sigmoid"),
        (
            {"loss": "squared_eror_sum"},
            r"no loss 'squared_eror_sum'; did you mean .*squared_error_",
        ),
        ({"layout": "column"}, r"no layout 'column'; did you mean columns"),
        ({"activations": "tanh"}, r"activations is the text 'tanh'; give one name per layer"),
        ({"activations": ["tanh"]}, r"makes 2 layers, but there are 1 activations"),
        ({"activations": ["tanh"] * 3}, r"makes 2 layers, but there are 3 activations"),
        ({"activations": ["softmax", "linear"]}, r"softmax is for the output layer"),
        ({"sizes": [3], "activations": []}, r"two or more positive whole numbers"),
        ({"sizes": []}, r"two or more positive whole numbers"),
        ({"sizes": [3, 0, 2]}, r"two or more positive whole numbers"),
        ({"sizes": [3, 4.5, 2]}, r"two or more positive whole numbers"),
        ({"l2": -0.1}, r"l2 is -0.1; it must be finite and not negative"),
        ({"l2": float("nan")}, r"l2 is nan; it must be finite and not negative"),
    ],
    ids=lambda value: " ".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_a_bad_argument_is_refused_with_advice(changed, message):
    with pytest.raises(ValueError, match=message):
        MLP(**{**GOOD, **changed})


@pytest.mark.parametrize(
    ("layout", "shape", "takes"),
    [
        ("rows", (3, 5), r"\(m, 3\)"),
        ("columns", (5, 3), r"\(3, m\)"),
        ("rows", (4,), r"\(m, 3\)"),
        ("columns", (4,), r"\(3, m\)"),
        ("rows", (1, 5, 3), r"\(m, 3\)"),
        ("rows", (), r"\(m, 3\)"),
    ],
)
def test_inputs_of_the_wrong_shape_are_refused(layout, shape, takes):
    net = MLP(**GOOD, layout=layout)
    with pytest.raises(ValueError, match=rf"3 inputs in {layout} takes {takes}"):
        net.forward(net.init(), np.ones(shape))


@pytest.mark.parametrize("shape", [(2, 5), (5, 3), (5,), (10,), (5, 2, 1)])
def test_targets_of_the_wrong_shape_are_refused(shape):
    net = MLP(**GOOD)
    with pytest.raises(ValueError, match=r"targets have shape .*; the outputs have \(5, 2\)"):
        net.loss(net.init(), np.ones((5, 3)), np.ones(shape))


@pytest.mark.parametrize(
    ("b1", "says"), [({}, "params has no b1"), ({"b1": np.ones(7)}, "b1 has shape")]
)
def test_parameters_of_another_network_are_refused(b1, says):
    net = MLP(**GOOD)
    others = {name: value for name, value in net.init().items() if name != "b1"}
    with pytest.raises(ValueError, match=says):
        net.forward({**others, **b1}, np.ones((5, 3)))


def test_str_names_everything():
    assert str(MLP(**GOOD)) == "3-4-2 tanh/linear, squared_error_sum, rows"
    penalised = MLP(**GOOD, layout="columns", l2=0.1)
    assert str(penalised) == "3-4-2 tanh/linear, squared_error_sum, columns, l2=0.1"


def test_init_follows_the_seed():
    net = MLP(**GOOD)
    np.testing.assert_array_equal(net.init(3)["W2"], net.init(3)["W2"])
    assert not np.array_equal(net.init(3)["W2"], net.init(4)["W2"])
    assert all((block != 0).all() for block in net.init().values())
