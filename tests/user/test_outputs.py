"""What forward passes return: several outputs, caches, whole numbers, and what is refused."""

from collections import namedtuple

import numpy as np
import pytest

import gradcheck
from gradcheck import UsageError, check_layer

X = np.random.default_rng(5).normal(size=(4, 3))
Parts = namedtuple("Parts", ["low", "high"])


class Halves:
    """The arctangent and its cube; what backward needs is kept."""

    def forward(self, x):
        self.x, self.y = x, np.arctan(x)
        return self.y, self.y**3

    def backward(self, dlow, dhigh):
        return (dlow + 3 * self.y**2 * dhigh) / (1 + self.x**2)

    def without_the_second(self, dlow, dhigh):
        return dlow / (1 + self.x**2)

    def of_words(self, first, second):
        return self.backward(first, second)

    def wrong_of_words(self, first, second):
        return first + second

    def of_a_pair(self, pair):
        return self.backward(*pair)


@pytest.mark.parametrize("backward", ["backward", "of_words", "of_a_pair"])
def test_two_outputs_without_a_cache(backward):
    layer = Halves()
    assert check_layer(layer.forward, getattr(layer, backward), X).ok


def test_an_output_that_is_dropped_is_missed():
    layer = Halves()
    assert check_layer(layer.forward, layer.without_the_second, X).verdict == "fail"


def test_what_names_and_numbers_do_not_tell_is_refused():
    layer = Halves()
    with pytest.raises(UsageError, match=r"def backward\(dout1, dout2\)"):
        check_layer(layer.forward, layer.wrong_of_words, X)


def test_two_outputs_and_a_cache():
    report = check_layer(
        lambda x: (2 * x, x**2, x), lambda dtwo, dsquare, cache: 2 * dtwo + 2 * cache * dsquare, X
    )
    assert report.ok


def test_outputs_by_name():
    by_key = check_layer(
        lambda x: ({"low": x, "high": x**2}, x), lambda up, x: up["low"] + 2 * x * up["high"], X
    )
    by_field = check_layer(lambda x: Parts(x, 5 * x), lambda up: up.low + 5 * up.high, X)
    assert by_key.ok
    assert by_field.ok


def test_whole_numbers_take_no_upstream():
    def smallest(x):
        at = x.argmin(axis=1)
        return (x.min(axis=1), at), at

    def spread(upstream, at):
        dx = np.zeros(X.shape)
        dx[np.arange(4), at] = upstream[0]
        return dx

    assert check_layer(smallest, spread, X).ok


def test_a_loss_whose_upstream_has_a_default():
    cache = {}

    def forward(x):
        cache["x"] = x
        return np.sum(x**2)

    assert check_layer(forward, lambda dout=1: 2 * cache["x"] * dout, X).ok
    report = check_layer(forward, lambda dout=1: 2 * cache["x"], X)
    assert report.ok
    assert "does nothing with dout, which is 1 by default" in str(report)
    assert not check_layer(forward, lambda dout=1: 3 * cache["x"], X).ok
    assert not check_layer(forward, lambda dout: 2 * cache["x"], X).ok
    assert check_layer(forward, lambda: 2 * cache["x"], X).ok
    assert check_layer(forward, lambda: cache["x"], X).verdict == "fail"


@pytest.mark.parametrize(
    ("forward", "options", "said"),
    [
        (lambda x: (x[x > X[0, 0] - 1e-9], x), {}, "shape"),
        (lambda x: ("text", x), {}, "no array of numbers"),
        (lambda x: (x, x), {"upstream": np.ones(3)}, r"upstream has shape \(3,\)"),
        (lambda x: ({"y": x}, x), {"upstream": np.ones(3)}, "same structure"),
    ],
)
def test_what_cannot_be_checked_is_refused(forward, options, said):
    with pytest.raises(UsageError, match=said):
        check_layer(forward, lambda up, x: np.ones_like(x), X, **options)


def test_a_layer_is_refused_by_the_assertion_too():
    with pytest.raises(gradcheck.GradientMismatch):
        gradcheck.assert_layer(lambda x: (x**2, x), lambda up, x: up * x, X)


class Affine:
    """Its weights, and their gradients beside them or returned."""

    def __init__(self, share=1.0):
        rng = np.random.default_rng(9)
        self.W, self.b, self.share = rng.normal(size=(3, 2)), np.zeros(2), share

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.share * self.x.T @ dout, dout.sum(axis=0)
        self.dx = dout @ self.W.T
        return self.dx

    def returning(self, dout):
        return dout @ self.W.T, self.share * self.x.T @ dout, dout.sum(axis=0)

    def by_name(self, dout):
        dx, dW, db = self.returning(dout)
        return dx, {"W": dW, "b": db}


@pytest.mark.parametrize("backward", ["backward", "returning", "by_name"])
def test_the_parameters_of_a_layer_with_its_input(backward):
    for share, verdict in ((1.0, "ok"), (0.25, "wrong")):
        layer = Affine(share)
        layer.forward(X)  # what it keeps is no parameter, though there is a gradient beside it
        before = layer.W.copy()
        report = check_layer(layer.forward, getattr(layer, backward), X)
        verdicts = {block.name: block.verdict for block in report.blocks if block.entries}
        assert verdicts == {"x": "ok", "W": verdict, "b": "ok"}
        assert np.array_equal(layer.W, before)


def test_the_targets_of_a_loss_need_no_gradient():
    targets = np.eye(3)[[0, 2, 1, 1]]
    report = check_layer(
        lambda x, t: (np.sum((x - t) ** 2), (x, t)),
        lambda dout, cache: 2 * dout * (cache[0] - cache[1]),
        (X, targets),
    )
    assert {block.name: block.verdict for block in report.blocks} == {"x": "ok", "t": "not checked"}


class Rows:
    def __init__(self):
        self.w, self.b = np.ones((3, 2)), np.full(2, 0.5)
        self.params = [self.w, self.b]

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, up):
        return up @ self.w.T, [self.x.T @ up, up.sum(axis=0)]


def test_gradients_of_parameters_may_come_in_a_list_after_that_of_the_input():
    layer = Rows()
    report = check_layer(layer.forward, layer.backward, X)
    assert report.ok
    assert {"x", "w", "b"} <= {block.name for block in report.blocks if block.verdict == "ok"}
    assert check_layer(np.tanh, lambda up: (up, []), np.zeros(3)).ok


def test_a_number_after_outputs_is_one_of_them_where_that_makes_the_layer_right():
    kept = {}

    def forward(x):
        kept["x"] = x
        return np.sin(x), np.cos(x), x.sum()

    def backward(a, b, c):
        return a * np.cos(kept["x"]) - b * np.sin(kept["x"]) + c

    assert check_layer(forward, backward, (np.linspace(0.2, 1, 6),)).ok


def test_an_output_and_its_cache_in_a_list():
    report = check_layer(lambda x: [x**3, (x, 3)], lambda up, kept: 3 * up * kept[0] ** 2, (X,))
    assert report.verdict == "pass", str(report)


def test_an_upstream_gradient_in_lists_arrives_as_an_array():
    report = check_layer(
        lambda x: (x**3, x), lambda up, x: 3 * up * x**2, (X,), upstream=X[::-1].tolist()
    )
    assert report.verdict == "pass", str(report)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_without_a_cache_backward_is_given_the_inputs_or_the_output():
    def scaled(x, w):
        return x * w

    cases = [
        (sigmoid, lambda dout, x: dout * sigmoid(x) * (1 - sigmoid(x)), X),
        (sigmoid, lambda X, dout: dout * sigmoid(X) * (1 - sigmoid(X)), X),
        (sigmoid, lambda dA, out: dA * out * (1 - out), X),
        (sigmoid, lambda delta, z: delta * sigmoid(z) * (1 - sigmoid(z)), X),
        (scaled, lambda g, x, w: (g * w, g * x), (X, X + 2)),
        (scaled, lambda g, w, x: (g * w, g * x), (X, X + 2)),
        (scaled, lambda g, first, second: (g * second, g * first), (X, X + 2)),
    ]
    for forward, backward, inputs in cases:
        assert check_layer(forward, backward, inputs).ok
    assert check_layer(sigmoid, lambda dout, x: dout * sigmoid(x), X).verdict == "fail"
