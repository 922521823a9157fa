"""check_layer and check_step, with worked layers and the updates that people write."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
MASK = RNG.random((5, 3)) < 0.7
LABELS = np.array([0, 2, 1, 2, 0])
IMAGE, KERNEL = RNG.normal(size=(6, 5)), RNG.normal(size=(3, 2))


def affine(x, weights, bias):
    return x @ weights + bias, (x, weights)


def affine_backward(upstream, cache):
    x, weights = cache
    return upstream @ weights.T, x.T @ upstream, upstream.sum(axis=0)


def softmax_loss(scores, labels):
    shifted = scores - scores.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    return -np.log(probabilities[rows, labels]).mean(), (probabilities, labels)


def softmax_loss_backward(upstream, cache):
    probabilities, labels = cache
    gradient = probabilities.copy()
    gradient[np.arange(len(labels)), labels] -= 1
    return upstream * gradient / len(labels), None


def batch_norm(x, gamma, beta):
    mean, deviation = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-5)
    normal = (x - mean) / deviation
    return gamma * normal + beta, (normal, deviation, gamma)


def batch_norm_backward(upstream, cache):
    normal, deviation, gamma = cache
    g = upstream * gamma
    dx = (g - g.mean(axis=0) - normal * (g * normal).mean(axis=0)) / deviation
    return dx, (upstream * normal).sum(axis=0), upstream.sum(axis=0)


def layer_norm(x):
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    normal = (x - x.mean(axis=1, keepdims=True)) / deviation
    return normal, (normal, deviation)


def layer_norm_backward(upstream, cache):
    normal, deviation = cache
    centred = upstream - upstream.mean(axis=1, keepdims=True)
    return (centred - normal * (upstream * normal).mean(axis=1, keepdims=True)) / deviation


def embedding(table, indices):
    return table[indices], (table.shape, indices)


def embedding_backward(upstream, cache):
    gradient = np.zeros(cache[0])
    np.add.at(gradient, cache[1], upstream)
    return gradient, None


def convolution(image, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return np.einsum("ijkl,kl->ij", windows, kernel), (image, kernel, windows)


def convolution_backward(upstream, cache):
    image, kernel, windows = cache
    gradient = np.zeros(image.shape)
    for i in range(upstream.shape[0]):
        for j in range(upstream.shape[1]):
            rows, columns = slice(i, i + kernel.shape[0]), slice(j, j + kernel.shape[1])
            gradient[rows, columns] += upstream[i, j] * kernel
    return gradient, np.einsum("ijkl,ij->kl", windows, upstream)


def max_pool(x):
    blocks = x[:4, :4].reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, 4)
    return blocks.max(axis=2), (x, blocks.argmax(axis=2))


def max_pool_backward(upstream, cache):
    x, winners = cache
    gradient = np.zeros(x.shape)
    for i in range(2):
        for j in range(2):
            row, column = divmod(winners[i, j], 2)
            gradient[2 * i + row, 2 * j + column] += upstream[i, j]
    return gradient


def recurrent_cell(x, hidden, w_x, w_h):
    new = np.tanh(x @ w_x + hidden @ w_h)
    return new, (x, hidden, w_x, w_h, new)


def recurrent_cell_backward(upstream, cache):
    x, hidden, w_x, w_h, new = cache
    delta = upstream * (1 - new**2)
    return delta @ w_x.T, delta @ w_h.T, x.T @ delta, hidden.T @ delta


LAYERS = {
    "affine": (affine, affine_backward, (X, W, B)),
    "relu": (lambda x: np.maximum(x, 0), lambda upstream: upstream * (X > 0), X),
    "sigmoid": (
        lambda x: (1 / (1 + np.exp(-x)), 1 / (1 + np.exp(-x))),
        lambda upstream, a: upstream * a * (1 - a),
        X,
    ),
    "softmax with cross-entropy": (softmax_loss, softmax_loss_backward, (X, LABELS)),
    "dropout with a fixed mask": (
        lambda x, keep: (x * MASK / keep, keep),
        lambda upstream, keep: {"dx": upstream * MASK / keep},
        {"x": X, "keep": 1},
    ),
    "batch normalisation": (batch_norm, batch_norm_backward, (X, np.ones(3), np.zeros(3))),
    "layer normalisation": (layer_norm, layer_norm_backward, X),
    "embedding": (embedding, embedding_backward, (W, LABELS)),
    "convolution": (convolution, convolution_backward, (IMAGE, KERNEL)),
    "max pooling": (max_pool, max_pool_backward, IMAGE),
    "recurrent cell": (
        recurrent_cell,
        recurrent_cell_backward,
        (X, RNG.normal(size=(5, 4)), W, RNG.normal(size=(4, 4))),
    ),
    "two outputs": (
        lambda x: ((np.sin(x), x**2), x),
        lambda upstream, x: upstream[0] * np.cos(x) + upstream[1] * 2 * x,
        X,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_right_layer_passes(name):
    report = gradcheck.check_layer(*LAYERS[name])
    assert report.ok, str(report)
    assert report.layers == ()


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_sums_upstream_away_fails(name):
    """What a check with an upstream gradient of ones alone would not see."""
    forward, backward, inputs = LAYERS[name]

    def ones(upstream):
        if isinstance(upstream, list):
            return [ones(item) for item in upstream]
        return np.ones_like(upstream)

    def careless(upstream, cache=None):
        takes_one = backward.__code__.co_argcount == 1
        return backward(ones(upstream)) if takes_one else backward(ones(upstream), cache)

    careless_alone = (lambda upstream: careless(upstream)) if name == "relu" else careless
    if name != "relu":
        careless_alone = lambda upstream, cache: careless(upstream, cache)  # noqa: E731  # one line
    report = gradcheck.check_layer(forward, careless_alone, inputs)
    assert report.verdict == "fail"


def gate(x, held):
    new = np.tanh(x + held)
    return np.sin(new) * x, new, {"x": x, "new": new}


def gate_backward(d_out, dnew_state, kept):
    to_new = dnew_state + d_out * np.cos(kept["new"]) * kept["x"]
    below = to_new * (1 - kept["new"] ** 2)
    return below + d_out * np.sin(kept["new"]), below


def gate_in_a_pair(x, held):
    out, new, kept = gate(x, held)
    return (out, new), kept


@pytest.mark.parametrize("forward", [gate, gate_in_a_pair])
def test_two_upstream_gradients_and_a_cache(forward):
    held = RNG.normal(size=X.shape)
    assert gradcheck.check_layer(forward, gate_backward, (X, held)).ok

    def without_state(first, second, kept):
        return gate_backward(first, 0 * second, kept)

    report = gradcheck.check_layer(forward, without_state, (X, held))
    assert [block.verdict for block in report.blocks] == ["wrong", "wrong"]


def test_a_backward_that_needs_more_than_there_is_says_how_it_is_called():
    with pytest.raises(gradcheck.UsageError, match="backward needs 3 arguments, and forward"):
        gradcheck.check_layer(lambda x: np.sin(x), lambda a, b, c: a, X)


def test_a_second_output_without_an_upstream_gradient_is_said_not_to_be_checked():
    kept = {}

    def forward(x):
        kept["x"] = x
        return np.sin(x), x**2

    report = gradcheck.check_layer(forward, lambda upstream: upstream * np.cos(kept["x"]), X)
    assert report.ok
    assert any("all but the first are taken as the cache" in note for note in report.notes)


def test_a_gradient_of_what_the_output_does_not_depend_on_is_wrong_whatever_its_name_is():
    x, y = np.random.default_rng(0).normal(size=(2, 4))
    given = gradcheck.check_layer(lambda x, y: x, lambda up: (up, up), (x, y))
    assert [block.verdict for block in given.blocks] == ["ok", "wrong"]
    zero = gradcheck.check_layer(lambda x, y: x, lambda up: (up, 0 * up), (x, y))
    assert zero.ok
    assert zero.notes[0] == "not checked, as no gradient belongs to them: y"


def test_an_upstream_gradient_is_blamed_where_it_is_used():
    def backward(up, cache):
        return up[0] + up[1]

    x = np.random.default_rng(0).normal(size=4)
    [finding] = gradcheck.check_layer(lambda x: ((x, 2 * x), None), backward, x).findings
    assert (finding.code, finding.expression) == ("GC103", "up[1]")
    assert finding.location.source == "return up[0] + up[1]"


def test_lost_repeated_indices_are_found_in_their_rows():
    def lost(upstream, cache):
        gradient = np.zeros(cache[0])
        gradient[cache[1]] += upstream
        return gradient, None

    report = gradcheck.check_layer(embedding, lost, (W, LABELS))
    assert report.blocks[0].name == "table"
    assert report.blocks[0].wrong_entries == 2 * 4


def test_a_layer_that_raises_and_one_without_inputs_are_refused():
    with pytest.raises(gradcheck.UsageError, match="your forward raised ZeroDivisionError"):
        gradcheck.check_layer(lambda x: 1 / 0, lambda upstream: upstream, X)
    with pytest.raises(gradcheck.UsageError, match="none of the inputs"):
        gradcheck.check_layer(lambda x: x, lambda upstream: upstream, LABELS)
    with pytest.raises(gradcheck.UsageError, match="one gradient for each of x, weights, bias"):
        gradcheck.check_layer(affine, lambda upstream, cache: (upstream,), (X, W, B))


TARGETS = RNG.normal(size=(5, 2))


def network():
    rng = np.random.default_rng(1)
    return {"W1": rng.normal(size=(3, 4)), "W2": rng.normal(size=(4, 2)), "b": 0.3}


def loss(p):
    return 0.5 * np.mean(np.sum((np.tanh(X @ p["W1"]) @ p["W2"] + p["b"] - TARGETS) ** 2, 1))


def returns_new(p, lr):
    hidden = np.tanh(X @ p["W1"])
    delta = (hidden @ p["W2"] + p["b"] - TARGETS) / len(X)
    below = delta @ p["W2"].T * (1 - hidden**2)
    return {
        "W1": p["W1"] - lr * X.T @ below,
        "W2": p["W2"] - lr * hidden.T @ delta,
        "b": p["b"] - lr * delta.sum(),
    }


def changes_in_place(p, eta):
    new = returns_new(p, eta)
    p["W1"] += new["W1"] - p["W1"]
    p["W2"][...] = new["W2"]
    p["b"] = new["b"]


def with_a_constant(p):
    return returns_new(p, 1e-3)


def uses_updated_weights(p, learning_rate):
    hidden = np.tanh(X @ p["W1"])
    delta = (hidden @ p["W2"] + p["b"] - TARGETS) / len(X)
    p["W2"] -= learning_rate * hidden.T @ delta
    p["b"] -= learning_rate * delta.sum()
    p["W1"] -= learning_rate * X.T @ (delta @ p["W2"].T * (1 - hidden**2))


@pytest.mark.parametrize("step", [returns_new, changes_in_place, with_a_constant])
def test_a_right_update_passes_and_touches_nothing(step):
    params, before = network(), network()
    report = gradcheck.check_step(step, params, loss=loss, learning_rate=1e-3)
    assert report.ok, str(report)
    assert all(np.array_equal(params[name], before[name]) for name in before)


@pytest.mark.parametrize("rate", [1e-8, 1e-5, 1.0, 100.0])
def test_cancellation_is_no_false_alarm(rate):
    assert gradcheck.check_step(returns_new, network(), loss=loss, learning_rate=rate).verdict in (
        "pass",
        "inconclusive",
    )


@pytest.mark.parametrize("off", [2e-5, 5e-5, 1e-4])
def test_an_error_that_the_rounding_of_smaller_steps_hides_does_not_vanish_with_them(off):
    def step(p, lr):
        return returns_new(p, lr * (1 + off * np.sqrt(np.mean(p["W1"] ** 2))))

    report = gradcheck.check_step(step, network(), loss=loss, learning_rate=5e-9)
    assert "GC404" not in [finding.code for finding in report.findings]


@pytest.mark.parametrize("rate", [0.5, 0.01])
def test_weights_that_are_updated_too_early_are_named(rate):
    report = gradcheck.check_step(uses_updated_weights, network(), loss=loss, learning_rate=rate)
    assert [(f.code, f.blocks) for f in report.findings] == [("GC404", ("W1",))]


def test_the_wrong_learning_rate_shows_as_a_scale():
    report = gradcheck.check_step(with_a_constant, network(), loss=loss, learning_rate=1e-2)
    assert [f.code for f in report.findings] == ["GC105"]


def test_an_object_that_updates_itself():
    class Network:
        def __init__(self):
            vars(self).update(network())

        def update(self, lr):
            changes_in_place(vars(self), lr)

    net, before = Network(), network()
    report = gradcheck.check_step(
        Network.update, net, loss=lambda net: loss(vars(net)), learning_rate=0.1
    )
    assert report.ok, str(report)
    assert all(np.array_equal(getattr(net, name), before[name]) for name in before)


def test_an_update_that_does_nothing_fails():
    report = gradcheck.check_step(lambda p: None, network(), loss=loss, learning_rate=0.1)
    assert report.verdict == "fail"


@pytest.mark.parametrize("rate", [0, -1, "x", None, True, float("inf")])
def test_a_learning_rate_that_is_none_is_refused(rate):
    with pytest.raises(gradcheck.UsageError, match="learning_rate is"):
        gradcheck.check_step(returns_new, network(), loss=loss, learning_rate=rate)


def test_an_unknown_option_gets_the_nearest_name():
    with pytest.raises(gradcheck.UsageError, match="did you mean budget"):
        gradcheck.check_step(returns_new, network(), loss=loss, learning_rate=0.1, budgt=3)


class Kept:
    """A layer whose methods return nothing: what they make is kept in attributes."""

    def __init__(self, rng):
        self.weights, self.biases = rng.normal(size=(3, 2)), np.zeros((1, 2))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class Updating:
    """A layer whose backward pass updates it."""

    def __init__(self, rng, slip=1.0):
        self.weights, self.bias, self.slip = rng.normal(size=(2, 3)), np.ones((2, 1)), slip

    def forward(self, x):
        self.x = x
        return self.weights @ x + self.bias

    def backward(self, upstream, learning_rate):
        below = self.weights.T @ upstream
        self.weights = self.weights - learning_rate * self.slip * upstream @ self.x.T
        self.bias -= learning_rate * upstream
        return below


def test_a_layer_may_keep_its_output_and_its_gradients():
    layer = Kept(RNG)
    report = gradcheck.check_layer(layer.forward, layer.backward, RNG.normal(size=(4, 3)))
    assert report.ok, str(report)
    assert {block.name for block in report.blocks} >= {"inputs", "weights", "biases"}


@pytest.mark.parametrize("slip", [1.0, 2.0])
def test_a_backward_pass_may_update_its_layer(slip):
    layer = Updating(RNG, slip)
    before = layer.weights.copy(), layer.bias.copy()
    report = gradcheck.check_layer(layer.forward, layer.backward, RNG.normal(size=(3, 1)))
    assert [block.name for block in report.blocks if block.failed] == ["weights"] * (slip == 2.0)
    assert np.array_equal(layer.weights, before[0])
    assert np.array_equal(layer.bias, before[1])


@pytest.mark.parametrize("near", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("rounded", [np.floor, np.trunc, np.round])
def test_beside_a_jump_a_smaller_step_decides(rounded, near):
    jump = 0.5 if rounded is np.round else 2.0
    x = np.array([0.3, 1.2, -0.7, jump + near])
    assert gradcheck.check_layer(rounded, lambda upstream: 0 * upstream, x).ok
    assert not gradcheck.check_layer(rounded, lambda upstream: upstream, x).ok


def scaled(x, w):
    return x * w, (x, w)


def with_none(upstream, cache):
    return upstream * cache[1], None


def with_zeros(upstream, cache):
    return upstream * cache[1], np.zeros_like(cache[1])


def without_one(upstream, cache):
    return {"x": upstream * cache[1]}


@pytest.mark.parametrize(
    ("backward", "code", "expression"),
    [
        (with_none, "GC207", "None"),
        (with_zeros, "GC408", "np.zeros_like(cache[1])"),
        (without_one, "GC207", '{"x": upstream * cache[1]}'),
    ],
)
def test_a_gradient_that_is_never_made_has_the_line_where_it_is_missing(backward, code, expression):
    rng = np.random.default_rng(0)
    report = gradcheck.check_layer(scaled, backward, (rng.normal(size=3), rng.normal(size=3)))
    [finding] = report.findings
    assert (finding.code, finding.expression) == (code, expression)
    assert finding.location.line == backward.__code__.co_firstlineno + 1


def test_an_index_that_a_layer_changes_is_told_and_put_back():
    def forward(x, rows):
        rows += 1
        return x * rows.sum()

    rows = np.array([0, 1])
    report = gradcheck.check_layer(forward, lambda up: 3 * up, (np.ones(3), rows))
    assert report.ok
    assert {finding.code for finding in report.findings} == {"GC802"}
    assert rows.tolist() == [0, 1]
