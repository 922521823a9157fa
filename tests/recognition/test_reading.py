"""Networks are read from what the loss does, whatever their parameters and data lie in."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(0)
SAMPLES, FEATURES, UNITS, CLASSES = 12, 4, 5, 3
X = RNG.standard_normal((SAMPLES, FEATURES))
WHOLE = np.round(X).astype(int)
Y = RNG.standard_normal((SAMPLES, CLASSES))
LABELS = np.arange(SAMPLES) % CLASSES
SIGNS = np.where(RNG.random(SAMPLES) > 0.5, 1.0, -1.0)


def drawn(*shape):
    return 0.6 * RNG.standard_normal(shape)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def one_vector():
    first, second = FEATURES * UNITS, FEATURES * UNITS + UNITS
    third = second + UNITS * CLASSES

    def loss(theta):
        hidden = np.tanh(X @ theta[:first].reshape(FEATURES, UNITS) + theta[first:second])
        z = hidden @ theta[second:third].reshape(UNITS, CLASSES) + theta[third:]
        return -np.mean(np.log(softmax(z)[np.arange(SAMPLES), LABELS]))

    return loss, drawn(third + CLASSES), "4-5-3 tanh/softmax, cross-entropy, mean over samples"


def turned_in_one_vector():
    middle = UNITS * (FEATURES + 1)

    def loss(theta):
        first = theta[:middle].reshape(UNITS, FEATURES + 1)
        second = theta[middle:].reshape(CLASSES, UNITS + 1)
        ones = np.ones((SAMPLES, 1))
        hidden = np.hstack([ones, np.tanh(np.hstack([ones, X]) @ first.T)])
        penalty = np.sum(first[:, 1:] ** 2) + np.sum(second[:, 1:] ** 2)
        return np.sum((hidden @ second.T - Y) ** 2) / (2 * SAMPLES) + 0.05 * penalty

    return loss, drawn(middle + CLASSES * (UNITS + 1)), "4-5-3 tanh/linear, half squared error"


def pairs_in_a_loop():
    def loss(pairs):
        a = X
        for w, b in pairs[:-1]:
            a = np.maximum(a @ w + b, 0)
        w, b = pairs[-1]
        return np.mean((a @ w + b - Y) ** 2)

    pairs = [(drawn(4, 5), drawn(5)), (drawn(5, 6), drawn(6)), (drawn(6, 3), drawn(3))]
    return loss, pairs, "4-5-6-3 relu/relu/linear, squared error"


def one_stack():
    def loss(p):
        a = X
        for w, b in zip(p["W"], p["b"], strict=True):
            a = np.tanh(a @ w + b)
        return np.mean((a @ p["v"] - Y[:, 0]) ** 2)

    params = {"W": drawn(3, 4, 4), "b": drawn(3, 4), "v": drawn(4)}
    return loss, params, "4-4-4-4-1 tanh/tanh/tanh/linear, squared error"


def samples_in_a_loop():
    def loss(p):
        total = 0.0
        for x, y in zip(X, LABELS, strict=True):
            hidden = np.tanh(p["W1"] @ x + p["b1"])
            total -= np.log(softmax(p["W2"] @ hidden + p["b2"])[y])
        return total / SAMPLES

    params = {"W1": drawn(5, 4), "b1": drawn(5), "W2": drawn(3, 5), "b2": drawn(3)}
    return loss, params, "4-5-3 tanh/softmax, cross-entropy, mean over samples"


def samples_in_columns():
    def loss(p):
        hidden = np.sin(p["A"] @ X.T + p["c"])
        return np.sum(np.abs(p["B"] @ hidden + p["e"] - Y.T))

    params = {"A": drawn(5, 4), "c": drawn(5, 1), "B": drawn(3, 5), "e": drawn(3, 1)}
    return loss, params, "4-5-3 sine/linear, absolute error, summed"


def prepared_data():
    def loss(p):
        x = (X - X.mean(axis=0)) / X.std(axis=0)
        hidden = np.tanh(np.einsum("mi, io -> mo", x, p["U"]) + p["s"])
        return np.mean((np.einsum("mi,io->mo", hidden, p["V"]) - Y) ** 2)

    return loss, {"U": drawn(4, 5), "s": drawn(5), "V": drawn(5, 3)}, "4-5-3 tanh/linear, squared"


def signs_as_classes():
    def loss(p):
        return np.mean(np.log1p(np.exp(-SIGNS * (WHOLE @ p["w"] + p["b"]))))

    return loss, {"w": drawn(4), "b": np.array(0.3)}, "4-1 sigmoid, binary cross-entropy, mean"


def bias_in_the_first_column():
    def loss(p):
        hidden = np.tanh(X @ p["T"][:, 1:].T + p["T"][:, 0])
        return np.sum((hidden @ p["V"] - Y) ** 2) / 2

    return (
        loss,
        {"T": drawn(5, 5), "V": drawn(5, 3)},
        "4-5-3 tanh/linear, half squared error, summed",
    )


def weights_used_twice():
    def loss(p):
        return np.mean((np.tanh(X @ p["W"] + p["b"]) @ p["W"].T + p["c"] - X) ** 2)

    return (
        loss,
        {"W": drawn(4, 5), "b": drawn(5), "c": drawn(4)},
        "4-5-4 tanh/linear, squared error",
    )


FORMS = (
    one_vector,
    turned_in_one_vector,
    pairs_in_a_loop,
    one_stack,
    samples_in_a_loop,
    samples_in_columns,
    prepared_data,
    signs_as_classes,
    bias_in_the_first_column,
    weights_used_twice,
)


def numeric(loss, params):
    """The gradient by central differences, as blocks, and what packs these."""
    leaves = gradcheck.parameters(params)
    found = []
    for block, value in enumerate(leaves.values):
        gradient = np.zeros(value.size)
        for entry in range(value.size):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [one.copy() for one in leaves.values]
                moved[block].flat[entry] += step
                ends.append(float(loss(leaves.pack(moved))))
            gradient[entry] = (ends[0] - ends[1]) / 2e-5
        found.append(gradient.reshape(value.shape))
    return found, leaves.pack


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_the_network_is_read_and_its_gradient_judged(form):
    loss, params, words = form()
    right, pack = numeric(loss, params)
    report = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6)
    assert report.network is not None
    assert report.network.startswith(words)
    assert report.ok, str(report)
    right[0].flat[-1] += 1e-2 * np.abs(right[0]).max()
    wrong = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6, diagnose=False)
    assert [block.failed for block in wrong.blocks] == [True] + [False] * (len(right) - 1)


def with_a_way_around(p):
    hidden = np.tanh(X @ p["A"])
    return hidden + np.tanh(hidden @ p["B"])


def with_weights_that_are_kept(p):
    kept = np.where(np.arange(UNITS) < 3, p["B"], 0.0)
    return np.tanh(X @ p["A"]) @ kept


def standardised(p):
    z = X @ p["A"]
    return (z - z.mean(axis=0)) / z.std(axis=0) @ p["B"]


@pytest.mark.parametrize("outputs", [with_a_way_around, with_weights_that_are_kept, standardised])
def test_what_is_no_dense_network_is_none(outputs):
    params = {"A": drawn(FEATURES, UNITS), "B": drawn(UNITS, UNITS)}
    wanted = RNG.standard_normal((SAMPLES, UNITS))

    def loss(p):
        return np.mean((outputs(p) - wanted) ** 2)

    right, pack = numeric(loss, params)
    report = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6)
    assert report.network is None
    assert report.ok, str(report)


def test_a_long_loss_is_followed_only_so_far(monkeypatch):
    monkeypatch.setattr("gradcheck.recognition.tape.MOST_VALUES", 20)
    loss, params, _ = samples_in_a_loop()
    right, pack = numeric(loss, params)
    report = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6)
    assert report.ok
    assert report.network is None
    data = {"inputs": X, "targets": LABELS}
    guessed = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6, **data)
    assert guessed.ok
    assert guessed.network.startswith("4-5-3 tanh/softmax, cross-entropy")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (2, 0, 3, 1)])
@pytest.mark.parametrize("columns", [False, True])
def test_the_order_of_a_bare_list_is_guessed_where_the_loss_cannot_be_followed(
    monkeypatch, order, columns
):
    monkeypatch.setattr("gradcheck.recognition.tape.MOST_VALUES", 20)
    layers = [drawn(4, 5), drawn(5), drawn(5, 3), drawn(3)]

    def loss(params):
        w, b, v, c = (params[order.index(one)] for one in range(4))
        w, v = (w.T, v.T) if columns else (w, v)
        hidden = np.tanh(sum(X[:, [i]] * w[i] for i in range(4)) + b)
        return np.mean((sum(hidden[:, [i]] * v[i] for i in range(5)) + c - Y) ** 2)

    params = [layers[one].T if columns else layers[one] for one in order]
    right, pack = numeric(loss, params)
    data = {"inputs": X, "targets": Y}
    report = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6, **data)
    assert report.ok
    assert report.network.startswith("4-5-3 tanh/linear, squared error")


ONES = np.ones((SAMPLES, 1))


@pytest.mark.parametrize(
    ("params", "outputs", "words"),
    [
        ([drawn(5, 3)], lambda p: np.hstack([ONES, X]) @ p[0], "4-3 linear"),
        ([drawn(5, 3)], lambda p: np.hstack([X, ONES]) @ p[0], "4-3 linear"),
        ([drawn(4), np.array(0.3)], lambda p: (X @ p[0] + p[1])[:, None], "4-1 linear"),
    ],
)
def test_biases_in_the_weights_and_vectors_are_guessed(monkeypatch, params, outputs, words):
    monkeypatch.setattr("gradcheck.recognition.tape.MOST_VALUES", 1)
    targets = Y[:, : outputs(params).shape[1]]

    def loss(params):
        return np.sum((outputs(params) - targets) ** 2)

    right, pack = numeric(loss, params)
    data = {"inputs": X, "targets": targets}
    report = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6, **data)
    assert report.ok
    assert report.network.startswith(words)


@pytest.mark.parametrize("given", [X.T, X.reshape(SAMPLES, 2, 2), X[..., None]])
def test_data_are_brought_into_rows_where_the_loss_cannot_be_followed(monkeypatch, given):
    monkeypatch.setattr("gradcheck.recognition.tape.MOST_VALUES", 1)

    def loss(p):
        return np.sum((X @ p["W"] + p["b"] - Y) ** 2)

    params = {"W": drawn(4, 3), "b": drawn(3)}
    right, pack = numeric(loss, params)
    data = {"inputs": given, "targets": Y}
    report = gradcheck.check(loss, params, lambda p: pack(right), rtol=1e-6, **data)
    assert report.ok
    assert report.network.startswith("4-3 linear")


@pytest.mark.parametrize(
    ("units", "data", "words"),
    [
        (3, {}, "was given without inputs and targets"),
        (4, {"inputs": X, "targets": Y}, "the parameters do not have the shapes"),
        (3, {"inputs": X, "targets": Y[1:]}, "inputs and targets do not have the shapes"),
    ],
)
def test_a_network_that_is_named_and_does_not_fit_is_not_used(units, data, words):
    net, other = (
        gradcheck.MLP((4, n, 3), ("tanh", "linear"), "squared_error_sum") for n in (3, units)
    )
    report = gradcheck.check(
        lambda p: net.loss(p, X, Y),
        net.init(0),
        lambda p: net.backward(p, X, Y),
        network=other,
        **data,
    )
    assert report.ok
    assert words in report.notes[0]
