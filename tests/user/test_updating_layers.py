"""Layers whose backward pass adds to gradients that are kept, or updates the layer itself."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(31)
ROWS = RNG.normal(size=(5, 3))


class Summing:
    """Adds to its gradients, which a training sets to zero before every step."""

    def __init__(self, gain=1.0):
        self.W, self.b, self.gain = RNG.normal(size=(3, 2)), RNG.normal(size=2), gain
        self.dW, self.db = RNG.normal(size=(3, 2)), np.zeros(2)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, up):
        self.dW += self.gain * self.x.T @ up
        self.db += up.sum(axis=0)
        return up @ self.W.T


@pytest.mark.parametrize(("gain", "verdict"), [(1.0, "pass"), (0.5, "fail")])
def test_what_was_kept_before_is_no_part_of_a_layers_gradient(gain, verdict):
    layer = Summing(gain)
    before = layer.dW.copy()
    report = gradcheck.check_layer(layer.forward, layer.backward, (ROWS,))
    assert report.verdict == verdict
    assert [one.name for one in report.blocks if one.verdict == "wrong"] == ["W"] * (gain != 1)
    assert np.array_equal(layer.dW, before)


class Updating:
    """Moves its weights in its backward pass, by an own rate."""

    def __init__(self):
        self.W, self.b, self.eta, self.calls = RNG.normal(size=(3, 2)), np.zeros(2), 0.05, 0

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, up):
        down = up @ self.W.T
        self.calls += 1
        self.W -= self.eta * self.x.T @ up
        self.b = self.b - self.eta * up.sum(axis=0)
        return down


class ByDefault(Updating):
    def backward(self, up, learning_rate=0.01):
        self.W -= learning_rate * self.x.T @ up
        self.b -= learning_rate * up.sum(axis=0)
        return up @ self.W.T


class Unused(Updating):
    def backward(self, up, lr=0.1):
        self.grad_W, self.grad_b = self.x.T @ up, up.sum(axis=0)
        return up @ self.W.T


class Signed(Updating):
    def backward(self, up):
        self.W -= self.eta * np.sign(self.x.T @ up)
        return up @ self.W.T


@pytest.mark.parametrize("kind", [Updating, Unused])
def test_a_layer_that_updates_itself_is_checked_and_put_back(kind):
    layer = kind()
    W, before = layer.W, layer.W.copy()
    report = gradcheck.check_layer(layer.forward, layer.backward, (ROWS,))
    assert report.ok
    assert {one.name for one in report.blocks if one.verdict == "ok"} == {"x", "W", "b"}
    assert layer.W is W
    assert np.array_equal(W, before)


class Gated:
    """Updates weights whose names say nothing of a weight."""

    def __init__(self, factor):
        self.Wq, self.gate = RNG.normal(size=(3, 2)), RNG.normal(size=2)
        self.factor = factor

    def forward(self, x):
        self.x = x
        return (x @ self.Wq) * self.gate

    def backward(self, up, learning_rate=1e-3):
        inner = up * self.gate
        gate = (up * (self.x @ self.Wq)).sum(axis=0)
        below = inner @ self.Wq.T
        self.Wq -= learning_rate * self.factor * self.x.T @ inner
        self.gate -= learning_rate * gate
        return below


@pytest.mark.parametrize(("factor", "wrong"), [(1, []), (2, ["Wq"])])
def test_an_updating_layer_may_call_its_weights_what_it_will(factor, wrong):
    layer = Gated(factor)
    report = gradcheck.check_layer(layer.forward, layer.backward, (ROWS,))
    assert [one.name for one in report.blocks if one.verdict == "wrong"] == wrong
    assert {one.name for one in report.blocks} >= {"x", "Wq", "gate"}


def test_an_update_before_the_way_back_is_told_of_a_layer():
    layer = ByDefault()
    finding = gradcheck.check_layer(layer.forward, layer.backward, (ROWS,)).findings[0]
    assert finding.code == "GC404"
    assert finding.expression == "self.W.T"
    assert finding.fix == "use W as it was before the update"


def test_an_update_that_is_no_rate_times_a_gradient_is_refused():
    layer = Signed()
    with pytest.raises(gradcheck.UsageError, match="no learning rate times their"):
        gradcheck.check_layer(layer.forward, layer.backward, (ROWS,))


class WithMoments:
    """A network beside whose parameters an optimizer's moments lie, under the same names."""

    def __init__(self, used=True):
        self.weights = {"W": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}
        self.m, self.v = ({k: np.ones_like(w) for k, w in self.weights.items()} for _ in "mv")
        self.used = used

    def loss(self):
        return np.sum((ROWS @ self.weights["W"] + self.weights["b"]) ** 2) + (
            0.0 if self.used else np.sum(self.m["W"] ** 2)
        )

    def gradients(self):
        delta = 2 * (ROWS @ self.weights["W"] + self.weights["b"])
        return {"W": ROWS.T @ delta, "b": delta.sum(axis=0)}


def test_moments_of_the_same_names_have_no_gradient():
    net = WithMoments()
    report = gradcheck.check(lambda net: net.loss(), net, lambda net: net.gradients())
    assert report.ok
    assert [one.name for one in report.blocks if one.verdict == "ok"] == ["weights.W", "weights.b"]


def test_two_containers_that_the_loss_reads_are_not_told_apart():
    with pytest.raises(gradcheck.UsageError, match=r"weights and m; .*only='weights'"):
        gradcheck.check(WithMoments.loss, WithMoments(used=False), WithMoments.gradients)


class Reused:
    """A network that is run on two batches, and keeps what the second one left."""

    def __init__(self):
        self.W, self.V = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))

    def run(self, rows):
        self.hidden = np.tanh(rows @ self.W)
        return self.hidden @ self.V

    def loss(self):
        return np.sum(self.run(ROWS) ** 2) - np.sum(self.run(2 * ROWS))

    def gradient(self):
        up = 2 * self.run(ROWS)
        first = self.hidden
        down = -np.ones_like(self.run(2 * ROWS))
        dV = self.hidden.T @ up + self.hidden.T @ down
        second = down @ self.V.T * (1 - self.hidden**2)
        return {"W": ROWS.T @ (up @ self.V.T * (1 - first**2)) + 2 * ROWS.T @ second, "V": dV}


def test_a_value_that_a_later_run_has_replaced_is_one_of_another_run():
    finding = gradcheck.check(Reused.loss, Reused(), Reused.gradient).findings[0]
    assert finding.code == "GC406"
    assert "dV = self.hidden.T @ up" in finding.location.source
    assert "self.hidden of another pass" in finding.message


class Node:
    """A number of a small engine, with its gradient; a bias begins as a whole number."""

    def __init__(self, data):
        self.data, self.grad = data, 0.0


class Line:
    def __init__(self):
        self.slope, self.bias, self.order = Node(0.5), Node(0), 3

    def loss(self):
        return sum((self.slope.data * x**self.order + self.bias.data - 1) ** 2 for x in (1, 2))

    def backward(self, gain=1.0):
        off = {x: 2 * (self.slope.data * x**3 + self.bias.data - 1) for x in (1, 2)}
        self.slope.grad = sum(one * x**3 for x, one in off.items())
        self.bias.grad = gain * sum(off.values())


@pytest.mark.parametrize(("gain", "verdict"), [(1.0, "ok"), (0.5, "wrong")])
def test_a_node_that_holds_a_whole_number_is_a_parameter(gain, verdict):
    line = Line()
    report = gradcheck.check(Line.loss, line, lambda line: line.backward(gain))
    assert {one.name: one.verdict for one in report.blocks if one.verdict != "not checked"} == {
        "slope.data": "ok",
        "bias.data": verdict,
    }
    assert type(line.bias.data) is int


class Optimiser:
    """As much of Adam as remembers and divides; it moves what it is given, or returns it moved."""

    def __init__(self):
        self.rate, self.second, self.calls = 0.1, {}, 0

    def moved(self, key, w, g):
        self.calls += 1
        self.second[key] = 0.9 * self.second.get(key, 0.0) + g**2
        return w - self.rate * g / (np.sqrt(self.second[key]) + 1e-8)

    def update(self, w, grad):
        return self.moved(w.shape, w, grad)

    def step(self, layer):
        layer.W[...], layer.b[...] = (
            self.moved(0, layer.W, layer.dW),
            self.moved(1, layer.b, layer.db),
        )


class Optimised(Summing):
    def __init__(self, gain=1.0):
        super().__init__(gain)
        self.optimiser = Optimiser()
        self.each = {"W": Optimiser(), "b": Optimiser()}

    def kept(self, up):
        down = super().backward(up)
        self.optimiser.step(self)
        return down

    def own(self, up):
        down = up @ self.W.T
        self.W = self.optimiser.update(self.W, self.gain * self.x.T @ up)
        self.b = self.optimiser.update(self.b, grad=up.sum(axis=0))
        return down

    def several(self, up):
        down = up @ self.W.T
        self.W = self.each["W"].update(self.W, self.gain * self.x.T @ up)
        self.b = self.each["b"].update(self.b, up.sum(axis=0))
        return down

    def late(self, up):
        self.own(up)
        return up @ self.W.T


@pytest.mark.parametrize("way", ["kept", "own", "several"])
@pytest.mark.parametrize(("gain", "verdict"), [(1.0, "pass"), (0.5, "fail")])
def test_an_optimiser_in_the_backward_pass_shows_the_gradients(way, gain, verdict):
    layer = Optimised(gain)
    before = layer.W.copy()
    report = gradcheck.check_layer(layer.forward, getattr(layer, way), (ROWS,))
    assert report.verdict == verdict, str(report)
    assert [one.name for one in report.blocks if one.verdict == "wrong"] == ["W"] * (gain != 1)
    assert any("update of the layer, was not judged" in note for note in report.notes)
    assert np.array_equal(layer.W, before)
    assert type(layer.optimiser) is Optimiser
    assert layer.optimiser.calls == layer.each["W"].calls == 0


def test_weights_that_an_optimiser_has_moved_before_their_use_are_named():
    layer = Optimised()
    report = gradcheck.check_layer(layer.forward, layer.late, (ROWS,))
    assert [found.code for found in report.findings] == ["GC404"]


class Part:
    """A layer inside of another, with an update of its own."""

    def __init__(self, inputs, outputs):
        self.W, self.eta = RNG.normal(size=(inputs, outputs)), 0.1

    def up(self, x):
        self.x = x
        return x @ self.W

    def down(self, up):
        self.given = up
        return up @ self.W.T

    def update(self):
        self.W -= self.eta * self.x.T @ self.given


class Whole:
    def __init__(self):
        self.one, self.two, self.eta = Part(3, 4), Part(4, 2), 0.1

    def forward(self, x):
        self.h = np.tanh(self.one.up(x))
        return self.two.up(self.h)

    def backward(self, up):
        down = self.one.down(self.two.down(up) * (1 - self.h**2))
        self.one.update()
        self.two.update()
        return down


def test_a_part_with_an_update_is_no_optimiser():
    layer = Whole()
    report = gradcheck.check_layer(layer.forward, layer.backward, (ROWS,))
    assert report.ok, str(report)
    assert {one.name for one in report.blocks if one.verdict == "ok"} == {"x", "one.W", "two.W"}


class BeginsAsOne:
    """Has a scale that is a whole number until its first update makes an array of it."""

    def __init__(self, slip):
        self.gain, self.slip = 1, slip

    def forward(self, x):
        self.x = x
        return self.gain * np.tanh(x)

    def backward(self, dy, lr=0.1):
        dx = self.slip * dy * self.gain * (1 - np.tanh(self.x) ** 2)
        self.gain -= lr * (dy * np.tanh(self.x)).sum(axis=0)
        return dx


@pytest.mark.parametrize(("slip", "codes"), [(1.0, []), (2.0, ["GC103"])])
def test_a_scale_that_is_no_array_yet_is_put_back(slip, codes):
    layer = BeginsAsOne(slip)
    x = np.random.default_rng(9).normal(size=(5, 3))
    report = gradcheck.check_layer(layer.forward, layer.backward, x)
    assert [found.code for found in report.findings] == codes, str(report)
    assert layer.gain == 1
