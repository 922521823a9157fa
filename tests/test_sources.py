"""The five networks of the cases, held as their authors would hold them.

The published code is wrong in the blocks that its case names, the mended code is right, whether
the parameters live in a dict, in an object with lists, in dicts of layers, or in a training loop.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from modules import module_at

import gradcheck

CASES = Path(__file__).parents[1] / "cases"
ENTRIES = 40


NAMES = "dense_article", "digits_classifier", "overfit_pixels", "relu_regression", "xor"
dense, digits, pixels, relu, xor = (module_at(CASES / f"{name}.py") for name in NAMES)


def wrong(report):
    return {block.name for block in report.blocks if block.verdict not in ("ok", "not checked")}


def right(report):
    return {block.name for block in report.blocks if block.verdict == "ok"}


def rules(report):
    return {finding.rule for finding in report.findings}


def copies(arrays):
    return {name: np.copy(value) for name, value in vars(arrays).items()}


# dense_article: an object with lists of weights and biases


def dense_network(layers=(2, 10, 1), activations=("sigmoid", "sigmoid")):
    rng = np.random.default_rng(5)
    network = dense.NeuralNetwork(list(layers), list(activations), rng)
    x = rng.uniform(-1, 1, size=(2, 20))
    return network, x, np.sin(x[:1]) * np.cos(x[1:])


def dense_backward(net, x, y, error):
    return net.backpropagation(y, *net.feedforward(x), error)


RETURNED = {
    "dw, db": lambda net, dw, db: (dw, db),
    "db, dw": lambda net, dw, db: (db, dw),
    "by attribute": lambda net, dw, db: {"weights": dw, "biases": db},
    "kept": lambda net, dw, db: vars(net).update(dweights=dw, dbiases=db),
}
DENSE_BLOCKS = {"weights[0]", "weights[1]", "biases[0]", "biases[1]"}


@pytest.mark.parametrize("returned", RETURNED)
@pytest.mark.parametrize("error", ["published", "fixed"])
def test_the_dense_network_as_an_object(returned, error):
    network, x, y = dense_network()
    arrays = [*network.weights, *network.biases]
    before = [array.copy() for array in arrays]
    function = dense.wanted_minus_output if error == "published" else dense.output_minus_wanted
    report = gradcheck.check(
        lambda net: net.loss(x, y),
        network,
        lambda net: RETURNED[returned](net, *dense_backward(net, x, y, function)),
        inputs=x,
        targets=y,
    )
    if error == "published":
        assert wrong(report) == DENSE_BLOCKS, str(report)
        assert rules(report) == {"sign-flipped"}
    else:
        assert report.ok, str(report)
        assert right(report) == DENSE_BLOCKS
    now = [*network.weights, *network.biases]
    assert all(one is other for one, other in zip(now, arrays, strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(arrays, before, strict=True))


def test_the_dense_network_of_relus_as_an_object():
    network, x, y = dense_network((2, 8, 8, 1), ("relu", "relu", "linear"))
    report = gradcheck.check(
        lambda net: net.loss(x, y),
        network,
        lambda net: dense_backward(net, x, y, dense.output_minus_wanted),
    )
    assert report.ok, str(report)


def trained_in_batches_of(count):
    network, x, y = dense_network()
    return gradcheck.check_step(
        lambda net: net.train(x, y, batch_size=count, epochs=1, lr=0.01),
        network,
        loss=lambda net: net.loss(x, y),
        learning_rate=0.01,
    )


def test_the_dense_network_trains_by_an_update_that_adds():
    """What is wrong as a gradient is right as a step: its `train` adds."""
    report = trained_in_batches_of(20)
    assert report.ok, str(report)
    assert right(report) == DENSE_BLOCKS


def test_the_dense_network_trains_in_batches_which_is_no_gradient():
    report = trained_in_batches_of(10)
    assert report.verdict == "inconclusive"
    assert "updates, each with a gradient where the last one left" in " ".join(report.notes)


# digits_classifier: an object whose layers are dicts


class Classifier:
    def __init__(self, back_propagation):
        rng = np.random.default_rng(3)
        layers = digits.initial_layers(rng)
        self.hidden_layer = layers["hidden_layer"]
        self.output_layer = layers["output_layer"]
        self.x = rng.uniform(size=784) * (rng.uniform(size=784) < 0.2)
        self.y = np.eye(10)[4]
        self.back_propagation = back_propagation

    def loss(self):
        return digits.squared_error(vars(self), self.x, self.y)

    def gradients(self):
        return self.back_propagation(vars(self), self.x, self.y)

    def train(self, learning_rate):
        for name, gradients in self.gradients().items():
            for key, gradient in gradients.items():
                getattr(self, name)[key] -= learning_rate * gradient


DIGITS = {
    f"{layer}.{key}" for layer in ("hidden_layer", "output_layer") for key in ("weights", "biases")
}


def digits_report(variant):
    gradient = getattr(digits, f"back_propagation_{variant}")
    return gradcheck.check(
        Classifier.loss, Classifier(gradient), Classifier.gradients, entries=ENTRIES
    )


def test_the_mended_digits_classifier_passes():
    report = digits_report("fixed")
    assert report.ok, str(report)
    assert right(report) == DIGITS


def test_the_published_digits_classifier_raises_and_says_so():
    report = digits_report("published")
    assert report.verdict == "fail"
    assert wrong(report) == DIGITS
    assert "shape-misaligned" in rules(report)


def test_the_half_mended_digits_classifier_is_wrong_in_its_output_bias():
    report = digits_report("outer")
    assert wrong(report) == {"output_layer.biases"}
    assert right(report) == {"output_layer.weights"}


def test_the_digits_classifier_trains():
    report = gradcheck.check_step(
        Classifier.train,
        Classifier(digits.back_propagation_fixed),
        loss=Classifier.loss,
        learning_rate=0.1,
        entries=ENTRIES,
    )
    assert report.ok, str(report)
    assert right(report) == DIGITS


# overfit_pixels: its dict of parameters, smaller, and as attributes

SMALL = [48, 6, 1]
PIXELS = {
    "backward_published": ({"W1"}, {"missing-batch-mean"}),
    "backward_derivative_of_output": (
        {"W1", "b1", "W2", "b2"},
        {"activation-derivative-of-output"},
    ),
    "backward_derivative_of_input": ({"W1", "b1", "W2", "b2"}, {"activation-derivative-of-input"}),
    "backward_fixed": (set(), set()),
}


def pictures():
    rng = np.random.default_rng(3)
    parameters = pixels.initialize_parameters(SMALL, rng)
    x = np.round(rng.uniform(0, 255, size=(SMALL[0], 10))) / 255
    return {name: 30 * value for name, value in parameters.items()}, x, np.arange(10)[None] % 2


@pytest.mark.parametrize("backward", PIXELS)
def test_the_pixels_as_attributes_of_an_object(backward):
    parameters, x, y = pictures()
    network = SimpleNamespace(**parameters)
    network_description = gradcheck.MLP(
        SMALL, ["relu", "sigmoid"], "binary_cross_entropy", layout="columns"
    )
    before = copies(network)
    report = gradcheck.check(
        lambda net: pixels.compute_cost(vars(net), x, y),
        network,
        lambda net: getattr(pixels, backward)(vars(net), x, y),
        inputs=x,
        targets=y,
        network=network_description,
    )
    blocks, names = PIXELS[backward]
    assert wrong(report) == blocks, str(report)
    assert rules(report) == names
    assert report.ok is (not blocks)
    assert all(np.array_equal(value, before[name]) for name, value in vars(network).items())


@pytest.mark.parametrize("backward", PIXELS)
def test_the_pixels_as_a_training_step(backward):
    parameters, x, y = pictures()
    report = gradcheck.check_step(
        lambda p: pixels.update_parameters(getattr(pixels, backward)(p, x, y), p, 0.1),
        parameters,
        loss=lambda p: pixels.compute_cost(p, x, y),
        learning_rate=0.1,
    )
    assert wrong(report) == PIXELS[backward][0], str(report)


# relu_regression: variables, in lists


def in_lists(p):
    return SimpleNamespace(
        weights=[p[f"W{i}"] for i in range(1, 5)], biases=[p[f"B{i}"] for i in range(1, 5)]
    )


def by_number(net):
    pairs = zip(net.weights, net.biases, strict=True)
    return {
        name: value
        for i, (weight, bias) in enumerate(pairs, start=1)
        for name, value in ((f"W{i}", weight), (f"B{i}", bias))
    }


def relu_gradient(net, x, t, factor=1.0):
    gradients = relu.all_layers(by_number(net), x, t)
    return {
        "weights": [factor * gradients[f"DW{i}"] for i in range(1, 5)],
        "biases": [factor * gradients[f"DB{i}"] for i in range(1, 5)],
    }


def relu_report(parameters, x, t, gradient):
    network = in_lists({name: value.copy() for name, value in parameters.items()})
    return gradcheck.check(lambda net: relu.error(by_number(net), x, t), network, gradient)


def test_the_relu_network_in_lists():
    report = relu_report(
        relu.parameters(), relu.X, relu.T, lambda net: relu_gradient(net, relu.X, relu.T)
    )
    assert report.ok, str(report)
    assert len(right(report)) == 8


def test_the_relu_network_of_which_only_the_last_layer_is_known():
    p = relu.parameters()
    report = gradcheck.check(
        lambda p: relu.error(p, relu.X, relu.T),
        p,
        lambda p: relu.last_layer_only(p, relu.X, relu.T),
    )
    assert wrong(report) == {"W1", "B1", "W2", "B2", "W3", "B3"}
    assert {block.verdict for block in report.blocks} == {"ok", "missing"}


def test_the_relu_network_with_two_outputs_is_twice_too_large():
    rng = np.random.default_rng(1)
    parameters = relu.parameters()
    parameters["W4"] = np.hstack([relu.W4, rng.standard_normal((6, 1)).round(3)])
    parameters["B4"] = np.array([-0.270, 0.134])
    x = np.vstack([relu.X, rng.standard_normal((4, 4)).round(3)])
    t = rng.standard_normal((5, 2)).round(3)
    report = relu_report(parameters, x, t, lambda net: relu_gradient(net, x, t))
    assert report.verdict == "fail"
    assert len(wrong(report)) == 8
    assert rules(report) == {"factor-two"}
    mended = relu_report(parameters, x, t, lambda net: relu_gradient(net, x, t, 0.5))
    assert mended.ok, str(mended)


def test_the_relu_network_as_globals():
    arrays = {name: value.copy() for name, value in relu.parameters().items()}
    report = gradcheck.check(
        lambda: relu.error(arrays, relu.X, relu.T),
        gradcheck.parameters(arrays, in_place=True),
        lambda: relu.all_layers(arrays, relu.X, relu.T),
    )
    assert report.ok, str(report)
    assert all(np.array_equal(arrays[name], value) for name, value in relu.parameters().items())


# xor: the body of the loop, on globals, in an object, and as a returned dict


class Xor:
    def __init__(self, row=True):
        rng = np.random.default_rng(0)
        self.weights_hidden = rng.uniform(size=(2, 3))
        self.bias_hidden = rng.uniform(size=(1, 3)) if row else 1.7
        self.weights_output = rng.uniform(size=(3, 1))
        self.bias_output = rng.uniform(size=(1, 1)) if row else 1.0
        self.losses = []

    def loss(self):
        return xor.loss(vars(self))

    def body(self, slip=1.0):
        """What is inside the loop of the source, on attributes."""
        hidden, output = xor.predict(vars(self))
        error = xor.ideal_output - output
        slope_output = xor.sigmoid_function(output, derivative=True)
        slope_hidden = xor.sigmoid_function(hidden, derivative=True)
        delta_output = error * slope_output
        delta_hidden = slip * delta_output.dot(self.weights_output.T) * slope_hidden
        rate = xor.learning_rate
        self.weights_output = self.weights_output + hidden.T.dot(delta_output) * rate
        self.bias_output = self.bias_output + np.sum(delta_output, axis=0, keepdims=True) * rate
        self.weights_hidden = self.weights_hidden + xor.input_data.T.dot(delta_hidden) * rate
        self.bias_hidden = self.bias_hidden + np.sum(delta_hidden, axis=0, keepdims=True) * rate
        self.losses.append(self.loss())


XOR = {"weights_hidden", "bias_hidden", "weights_output", "bias_output"}


def test_the_xor_loop_on_an_object():
    network = Xor()
    before = {name: getattr(network, name) for name in XOR}
    values = {name: value.copy() for name, value in before.items()}
    report = gradcheck.check_step(Xor.body, network, loss=Xor.loss, learning_rate=xor.learning_rate)
    assert report.ok, str(report)
    assert right(report) == XOR
    assert all(getattr(network, name) is before[name] for name in XOR)
    assert all(np.array_equal(before[name], values[name]) for name in XOR)


def test_the_xor_loop_on_an_object_with_a_slip_is_found():
    report = gradcheck.check_step(
        lambda net: net.body(2.0), Xor(), loss=Xor.loss, learning_rate=xor.learning_rate
    )
    assert wrong(report) == {"weights_hidden", "bias_hidden"}
    assert rules(report) == {"factor-two"}


def test_the_xor_loop_with_a_hidden_bias_that_is_one_number():
    report = gradcheck.check_step(
        Xor.body, Xor(row=False), loss=Xor.loss, learning_rate=xor.learning_rate
    )
    assert "bias_hidden" in wrong(report), str(report)
    assert "shape-misaligned" in rules(report)


def loop(row):
    """The loop's body on the script's own variables."""
    variables = {name: getattr(Xor(row), name) for name in sorted(XOR)}

    def body(_):
        variables.update(xor.step(variables))

    return variables, body


def test_the_xor_loop_on_the_scripts_own_variables():
    variables, body = loop(row=True)
    before = {name: value.copy() for name, value in variables.items()}
    report = gradcheck.check_step(
        body,
        gradcheck.parameters(variables, in_place=True),
        loss=lambda: xor.loss(variables),
        learning_rate=xor.learning_rate,
    )
    assert report.ok, str(report)
    assert all(np.array_equal(variables[name], value) for name, value in before.items())


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_xor_step_returned_at_its_own_rate_only(rate):
    arrays, _ = loop(row=True)
    report = gradcheck.check_step(xor.step, arrays, loss=xor.loss, learning_rate=rate)
    assert report.verdict == ("pass" if rate == xor.learning_rate else "fail")
