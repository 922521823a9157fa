"""The state rules: functions that remember, change what is not theirs, or are no functions."""

import inspect

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))


def params():
    rng = np.random.default_rng(1)
    return {"W": rng.normal(size=(3, 2)), "b": np.array([0.3, -0.2])}


def loss(p, inputs=X):
    return 0.5 * float(np.sum((np.tanh(inputs @ p["W"] + p["b"]) - Y) ** 2))


def grad(p, inputs=X):
    outputs = np.tanh(inputs @ p["W"] + p["b"])
    delta = (outputs - Y) * (1 - outputs**2)
    return {"W": inputs.T @ delta, "b": delta.sum(axis=0)}


def codes(report):
    return [finding.code for finding in report.findings]


def verdicts(report):
    return {block.name: block.verdict for block in report.blocks}


def line_of(function, text):
    lines, start = inspect.getsourcelines(function)
    return next(start + index for index, line in enumerate(lines) if text in line)


class Network:
    """Keeps its parameters, its gradients, and whatever a careless author keeps."""

    def __init__(self):
        self.W, self.b = params()["W"], params()["b"]
        self.dW, self.db = np.zeros((3, 2)), np.zeros(2)

    def loss(self):
        return loss(vars(self))

    def accumulate(self):
        gradients = grad(vars(self))
        self.dW += gradients["W"]
        self.db += gradients["b"]

    def accumulate_cleared(self):
        self.dW[...] = 0.0
        self.db[...] = 0.0
        self.accumulate()

    def accumulate_weights_only(self):
        gradients = grad(vars(self))
        self.dW += gradients["W"]
        self.db = gradients["b"]

    def train(self):
        gradients = grad(vars(self))
        self.W -= 0.1 * gradients["W"]
        self.b -= 0.1 * gradients["b"]
        return gradients


@pytest.mark.parametrize("returns", [lambda net: None, lambda net: {"W": net.dW, "b": net.db}])
def test_accumulators_that_are_never_cleared_are_stale(returns):
    net = Network()
    report = gradcheck.check(Network.loss, net, lambda net: net.accumulate() or returns(net))
    assert report.verdict == "fail"
    assert "GC801" in codes(report)
    assert "set gradients that accumulate to zero" in report.findings[0].fix


def test_accumulators_that_are_cleared_are_right():
    report = gradcheck.check(Network.loss, Network(), Network.accumulate_cleared)
    assert report.ok, str(report)
    assert codes(report) == []


def test_of_an_object_too_the_verdict_is_on_the_first_call():
    report = gradcheck.check(Network.loss, Network(), Network.accumulate)
    assert "first of the two calls" in str(report)
    assert verdicts(report)["W"] == "ok"


@pytest.mark.xfail(strict=True, reason="the loss's own calls have accumulated 34 times before")
def test_of_a_pair_too_the_verdict_is_on_the_first_call():
    total = {"W": np.zeros((3, 2)), "b": np.zeros(2)}

    def loss_and_grad(p):
        for name, value in grad(p).items():
            total[name] = total[name] + value
        return loss(p), dict(total)

    report = gradcheck.check(loss_and_grad, params())
    assert report.verdict == "fail"
    assert verdicts(report) == {"W": "ok", "b": "ok"}


def test_only_the_block_that_accumulates_is_stale():
    report = gradcheck.check(Network.loss, Network(), Network.accumulate_weights_only)
    stale = [finding for finding in report.findings if finding.code == "GC801"]
    assert [finding.blocks for finding in stale] == [("W",)]
    assert report.verdict == "fail"
    assert verdicts(report)["b"] == "ok"


def test_the_verdict_is_on_the_first_of_two_calls():
    calls = []

    def gradient(p):
        calls.append(1)
        return {name: len(calls) * value for name, value in grad(p).items()}

    report = gradcheck.check(loss, params(), gradient)
    assert verdicts(report) == {"W": "ok", "b": "ok"}
    assert report.verdict == "fail"
    assert report.findings[0].blocks == ("W", "b")
    assert "the gradient is not the same from call to call" in str(report)


def test_accumulators_in_a_closure_are_stale():
    total = {"W": np.zeros((3, 2)), "b": np.zeros(2)}

    def gradient(p):
        for name, value in grad(p).items():
            total[name] += value
        return {name: value.copy() for name, value in total.items()}

    report = gradcheck.check(loss, params(), gradient)
    assert report.verdict == "fail"
    assert codes(report) == ["GC801"]


def test_a_random_gradient_is_stale():
    rng = np.random.default_rng(0)

    def gradient(p):
        return {name: value * (rng.random(value.shape) < 0.5) for name, value in grad(p).items()}

    report = gradcheck.check(loss, params(), gradient)
    assert report.verdict == "fail"
    assert "GC801" in codes(report)


def updates_in_place(p, factor=1.0):
    gradients = {name: factor * value for name, value in grad(p).items()}
    for name, value in gradients.items():
        p[name] -= 0.1 * value
    return gradients


def test_a_gradient_that_updates_its_dict_is_warned_of():
    given, before = params(), params()
    report = gradcheck.check(loss, given, updates_in_place)
    assert report.ok, str(report)
    assert [(f.code, f.severity, f.blocks) for f in report.findings] == [
        ("GC802", "warning", ("W", "b"))
    ]
    assert "your gradient changes W and b" in report.findings[0].message
    assert all(np.array_equal(given[name], before[name]) for name in before)


def test_a_wrong_gradient_that_updates_its_dict_is_wrong():
    report = gradcheck.check(loss, params(), lambda p: updates_in_place(p, 2.0))
    assert report.verdict == "fail"
    assert set(codes(report)) == {"GC802", "GC103"}


def test_a_warning_hides_no_line():
    labels = np.array([0, 2, 1])

    def shares(scores):
        scores -= scores.max(axis=1, keepdims=True)
        return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    def entropy(scores):
        return -np.sum(np.log(shares(scores)[np.arange(3), labels])) / 3

    def its_gradient(scores):
        share = shares(scores)
        share[np.arange(3), labels] -= 1
        return share / scores.shape[1]

    report = gradcheck.check(entropy, np.random.default_rng(3).normal(size=(3, 5)), its_gradient)
    (wrong,) = report.errors
    assert wrong.code == "GC104"
    assert wrong.expression == "share / scores.shape[1]"


def test_a_loss_that_updates_its_dict_is_warned_of():
    def rescaled(p):
        p["W"] *= 2.0
        return loss(p)

    def its_gradient(p):
        gradients = grad({"W": 2 * p["W"], "b": p["b"]})
        return {"W": 2 * gradients["W"], "b": gradients["b"]}

    report = gradcheck.check(rescaled, params(), its_gradient)
    assert report.ok, str(report)
    assert [(f.code, f.severity, f.blocks) for f in report.findings] == [
        ("GC802", "warning", ("W",))
    ]
    assert "your loss changes W in place" in report.findings[0].message


def test_an_object_that_trains_in_its_gradient_is_warned_of_and_put_back():
    net = Network()
    arrays, before = (net.W, net.b), params()
    report = gradcheck.check(Network.loss, net, Network.train)
    assert [block for block, verdict in verdicts(report).items() if verdict == "ok"] == ["W", "b"]
    assert report.ok, str(report)
    assert [(f.code, f.severity) for f in report.findings] == [("GC802", "warning")]
    assert net.W is arrays[0]
    assert net.b is arrays[1]
    assert np.array_equal(net.W, before["W"])
    assert np.array_equal(net.b, before["b"])


def test_an_object_that_rebinds_in_its_gradient_is_put_back():
    def rebinds(net):
        gradients = grad(vars(net))
        net.W = net.W - 0.1 * gradients["W"]
        return gradients

    net = Network()
    array, before = net.W, net.W.copy()
    report = gradcheck.check(Network.loss, net, rebinds)
    assert report.ok, str(report)
    assert net.W is array
    assert np.array_equal(net.W, before)


@pytest.mark.parametrize("who", ["loss", "gradient", "both"])
def test_data_that_are_changed_are_put_back_and_warned_of(who):
    inputs = X.copy() + 5.0
    before = inputs.copy()

    def centred(changes):
        if changes:
            nonlocal inputs
            inputs -= inputs.mean(axis=0)
            return inputs
        return inputs - inputs.mean(axis=0)

    report = gradcheck.check(
        lambda p: loss(p, centred(who != "gradient")),
        params(),
        lambda p: grad(p, centred(who != "loss")),
        inputs=inputs,
        targets=Y,
    )
    assert report.ok, str(report)
    messages = [finding.message for finding in report.findings if finding.code == "GC802"]
    expected = {"loss": ["your loss"], "gradient": ["your gradient"]}.get(
        who, ["your loss", "your gradient"]
    )
    assert messages == [f"{call} changes inputs in place" for call in expected]
    assert all(finding.severity == "warning" for finding in report.findings)
    assert np.array_equal(inputs, before)


def test_a_mask_multiplied_into_the_data_would_make_the_loss_another_one():
    """`X *= 0.5` gives another loss at every call, unless the data are put back."""
    inputs = X.copy()

    def halves(p):
        nonlocal inputs
        inputs *= 0.5
        return loss(p, inputs)

    report = gradcheck.check(halves, params(), lambda p: grad(p, inputs * 0.5), inputs=inputs)
    assert report.ok, str(report)
    assert codes(report) == ["GC802"]
    assert np.array_equal(inputs, X)


def test_data_are_put_back_when_the_gradient_raises():
    inputs = X.copy()

    def gradient(p):
        nonlocal inputs
        inputs -= 1.0
        raise ValueError("no")

    report = gradcheck.check(loss, params(), gradient, inputs=inputs)
    assert report.verdict == "fail"
    assert np.array_equal(inputs, X)


def with_dropout(draw):
    def dropped(p):
        return loss(p, X * (draw(X.shape) < 0.8))

    return dropped


@pytest.mark.parametrize(
    "draw",
    [
        lambda shape: np.random.rand(*shape),  # noqa: NPY002  # what people write
        np.random.default_rng(3).random,
    ],
    ids=["global", "generator"],
)
def test_unseeded_dropout_is_not_decided(draw):
    report = gradcheck.check(with_dropout(draw), params(), grad)
    assert report.verdict == "inconclusive"
    assert codes(report) == ["GC803"]
    assert report.could_not_check == report.findings[0].message
    assert "another number" in report.could_not_check
    assert {block.verdict for block in report.blocks} == {"not checked"}


def test_seeded_dropout_is_checked():
    def draw(shape):
        return np.random.default_rng(3).random(shape)

    def gradient(p):
        return grad(p, X * (draw(X.shape) < 0.8))

    report = gradcheck.check(with_dropout(draw), params(), gradient)
    assert report.ok, str(report)
    assert codes(report) == []


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_loss_that_cycles_through_batches_is_not_decided(count):
    calls = []

    def cycles(p):
        calls.append(1)
        rows = slice(len(calls) % count, None, count)
        return 0.5 * float(np.sum((np.tanh(X[rows] @ p["W"] + p["b"]) - Y[rows]) ** 2))

    report = gradcheck.check(cycles, params(), grad)
    assert report.verdict == "inconclusive"
    assert codes(report) == ["GC803"]
    assert report.could_not_check


LATE = pytest.mark.xfail(strict=True, reason="it is called three times at one point, and no more")


@pytest.mark.parametrize("calls_per_batch", [1, 2, 8, pytest.param(40, marks=LATE)])
def test_a_loss_that_goes_on_to_the_next_batch_later_is_not_decided(calls_per_batch):
    """Its gradient is that of the batch of the loss."""
    calls = []

    def rows():
        return slice(len(calls) // calls_per_batch % 2, None, 2)

    def batch_loss(p):
        value = 0.5 * float(np.sum((X[rows()] @ p["W"] + p["b"] - Y[rows()]) ** 2))
        calls.append(1)
        return value

    def batch_gradient(p):
        delta = X[rows()] @ p["W"] + p["b"] - Y[rows()]
        return {"W": X[rows()].T @ delta, "b": delta.sum(axis=0)}

    report = gradcheck.check(batch_loss, params(), batch_gradient)
    assert report.verdict == "inconclusive"
    assert "GC803" in codes(report)


def test_a_loss_with_a_running_mean_is_not_decided():
    running = np.zeros(2)

    def normalised(p):
        nonlocal running
        outputs = X @ p["W"] + p["b"]
        running = 0.9 * running + 0.1 * outputs.mean(axis=0)
        return float(np.sum((outputs - running - Y) ** 2))

    report = gradcheck.check(normalised, params(), grad)
    assert report.verdict == "inconclusive"
    assert codes(report) == ["GC803"]


class Buffered(Network):
    """Fills the same buffers at every call."""

    def gradient(self):
        gradients = grad(vars(self))
        self.dW[...], self.db[...] = gradients["W"], gradients["b"]

    def returned(self):
        self.gradient()
        return {"W": self.dW[:], "b": self.db}


def test_a_view_of_a_buffer_that_the_next_call_fills_is_warned_of():
    report = gradcheck.check(Buffered.loss, Buffered(), Buffered.returned)
    assert report.ok, str(report)
    assert [(f.code, f.severity, f.blocks) for f in report.findings] == [
        ("GC804", "warning", ("W", "b"))
    ]
    assert "overwritten by the next call" in report.findings[0].message
    assert "copy" in report.findings[0].fix


def test_a_buffer_in_a_closure_is_warned_of():
    buffer = np.zeros((3, 2))

    def gradient(p):
        gradients = grad(p)
        buffer[...] = gradients["W"]
        return {"W": buffer, "b": gradients["b"]}

    report = gradcheck.check(loss, params(), gradient)
    assert report.ok, str(report)
    assert [(f.code, f.blocks) for f in report.findings] == [("GC804", ("W",))]


def test_gradients_that_are_merely_kept_in_the_object_are_not():
    report = gradcheck.check(Buffered.loss, Buffered(), Buffered.gradient)
    assert report.ok, str(report)
    assert codes(report) == []


def half_squares(p):
    return 0.5 * float(sum(np.sum(value**2) for value in p.values()))


@pytest.mark.parametrize(
    "gradient",
    [lambda p: p, lambda p: {"W": p["W"], "b": p["b"][:]}],
    ids=["the dict itself", "arrays and views"],
)
def test_a_gradient_that_is_the_parameter_is_warned_of(gradient):
    report = gradcheck.check(half_squares, params(), gradient)
    assert report.ok, str(report)
    assert [(f.code, f.severity, f.blocks) for f in report.findings] == [
        ("GC804", "warning", ("W", "b"))
    ]
    assert "the parameters' own memory" in report.findings[0].message


def test_a_wrong_gradient_that_is_the_parameter_is_wrong():
    report = gradcheck.check(lambda p: 2 * half_squares(p), params(), lambda p: p)
    assert report.verdict == "fail"
    assert verdicts(report) == {"W": "wrong", "b": "wrong"}
    assert [found.code for found in report.findings] == ["GC103", "GC804"]


def test_a_copy_of_the_parameter_is_no_alias():
    report = gradcheck.check(
        half_squares, params(), lambda p: {name: value.copy() for name, value in p.items()}
    )
    assert report.ok
    assert codes(report) == []


def test_a_loss_that_reads_globals_fails_and_says_how_to():
    weights = params()
    report = gradcheck.check(lambda p: loss(weights), weights, lambda p: grad(weights))
    assert report.verdict == "fail"
    assert [(f.code, f.blocks) for f in report.findings] == [("GC805", ("W", "b"))]
    assert "in_place=True" in report.findings[0].fix
    assert gradcheck.check(
        lambda p: loss(weights),
        gradcheck.parameters(weights, in_place=True),
        lambda p: grad(weights),
    ).ok


def test_a_loss_that_reads_one_block_from_elsewhere_fails_for_that_one():
    bias = params()["b"]
    report = gradcheck.check(lambda p: loss({"W": p["W"], "b": bias}), params(), grad)
    assert report.verdict == "fail"
    assert verdicts(report) == {"W": "ok", "b": "wrong"}
    assert [(f.code, f.blocks) for f in report.findings] == [("GC805", ("b",))]
    assert "in_place=True" in report.findings[0].fix


def test_nothing_is_decided_when_the_gradient_is_zero_too():
    report = gradcheck.check(
        lambda p: 1.5, params(), lambda p: {name: np.zeros_like(value) for name, value in p.items()}
    )
    assert report.verdict == "inconclusive"
    assert codes(report) == ["GC805"]
    assert "does not depend on W and b" in str(report).splitlines()[-1]


def test_one_unused_block_with_a_zero_gradient_is_right_and_noted():
    bias = params()["b"]
    report = gradcheck.check(
        lambda p: loss({"W": p["W"], "b": bias}),
        params(),
        lambda p: {"W": grad({"W": p["W"], "b": bias})["W"], "b": np.zeros(2)},
    )
    assert report.ok, str(report)
    assert codes(report) == []
    assert any("b: your loss does not depend on it" in note for note in report.notes)


def test_units_that_are_off_are_no_ignored_parameters():
    def off(p):
        return float(np.sum(np.maximum(X @ p["W"] + p["b"] - 7.0, 0.0)))

    report = gradcheck.check(
        off, params(), lambda p: {name: np.zeros_like(value) for name, value in p.items()}
    )
    assert "GC805" not in codes(report)


class WithVelocity(Network):
    def __init__(self):
        super().__init__()
        self.velocity = np.zeros(3)

    def raises(self):
        raise ValueError("no")


def test_a_gradient_that_raises_is_not_a_loss_that_ignores_its_velocity():
    report = gradcheck.check(Network.loss, WithVelocity(), WithVelocity.raises)
    assert report.verdict == "fail"
    assert "GC805" not in codes(report)


def takes_log_of_zero(p):
    inside = np.maximum(X @ p["W"] + p["b"], 0.0)
    return float(np.sum(np.log(inside)))


def overflows(p):
    scores = np.exp(1000.0 * (X @ p["W"] + p["b"]))
    return float(np.sum(scores / scores.sum()))


def infinity(p):
    return float(np.exp(1000.0 * np.abs(p["W"])).sum())


@pytest.mark.parametrize(
    ("function", "text", "value", "hint"),
    [
        (takes_log_of_zero, "np.log(inside)", "-inf", "clip"),
        (overflows, "np.exp(", "nan", "before exp"),
        (infinity, "np.exp(", "inf", "before exp"),
    ],
)
def test_a_loss_that_is_no_number_is_located_where_numpy_warned(function, text, value, hint):
    report = gradcheck.check(function, params(), grad)
    assert report.verdict == "inconclusive"
    assert codes(report) == ["GC903"]
    finding = report.findings[0]
    assert f"your loss is {value} " in finding.message
    assert report.could_not_check == finding.message
    assert finding.location.file == __file__
    assert finding.location.line == line_of(function, text)
    assert hint in finding.fix


def test_the_saturated_layer_of_a_known_network_is_named():
    network = gradcheck.MLP([3, 4, 2], ["tanh", "sigmoid"], "binary_cross_entropy")
    p = network.init(seed=0)
    p["W2"] = p["W2"] * 1e5
    labels = (Y > 0).astype(float)

    def naive(p):
        hidden = np.tanh(X @ p["W1"] + p["b1"])
        q = 1 / (1 + np.exp(-(hidden @ p["W2"] + p["b2"])))
        return -float(np.mean(np.sum(labels * np.log(q) + (1 - labels) * np.log(1 - q), axis=1)))

    report = gradcheck.check(
        naive,
        p,
        lambda p: network.backward(p, X, labels),
        network=network,
        inputs=X,
        targets=labels,
    )
    assert report.verdict == "inconclusive"
    assert codes(report) == ["GC903"]
    assert any(line.startswith("layer 2") for line in report.findings[0].evidence)
    assert report.findings[0].location.file == __file__


def root(p):
    return float(np.sum(np.sqrt(p["W"] ** 2)) + np.sum(p["b"] ** 2))


def root_gradient(p):
    return {"W": p["W"] / np.sqrt(p["W"] ** 2), "b": 2 * p["b"]}


def test_a_nan_gradient_of_a_finite_loss_fails_and_is_located():
    given = params()
    given["W"][0, 0] = 0.0
    report = gradcheck.check(root, given, root_gradient)
    assert report.verdict == "fail"
    assert verdicts(report) == {"W": "nonfinite", "b": "ok"}
    finding = report.findings[0]
    assert (finding.code, finding.blocks) == ("GC903", ("W",))
    assert finding.location.line == line_of(root_gradient, "np.sqrt")
    assert "denominator" in finding.fix


def test_state_rules_are_accepted_by_name_only_for_what_they_explain():
    report = gradcheck.check(
        loss, params(), lambda p: updates_in_place(p, 2.0), allow=("parameters-mutated",)
    )
    assert report.verdict == "fail"


class Kept:
    """A fit whose loss leaves its gradient behind, for a function that hands it on."""

    def __init__(self, factor=1.0):
        self.factor, self.slope = factor, None

    def loss(self, p):
        outputs = np.tanh(X @ p["W"] + p["b"])
        delta = (outputs - Y) * (1 - self.factor * outputs**2)
        self.slope = {"W": X.T @ delta, "b": delta.sum(axis=0)}
        return 0.5 * float(np.sum((outputs - Y) ** 2))

    def grad(self, p):
        return {name: 1 * value for name, value in self.slope.items()}


def test_a_gradient_that_the_loss_left_behind_is_that_of_its_last_call():
    kept = Kept()
    report = gradcheck.check(kept.loss, params(), kept.grad)
    assert report.verdict == "pass"
    assert not report.findings


def test_a_wrong_gradient_that_the_loss_left_behind_is_found_where_it_is_made():
    kept = Kept(0.5)
    report = gradcheck.check(kept.loss, params(), kept.grad)
    assert codes(report) == ["GC305"]
    assert report.findings[0].location.line == line_of(Kept, "delta =")


def test_a_share_of_few_numbers_depends_on_them():
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=6)
        report = gradcheck.check(lambda w: np.mean(w > 0), values, np.zeros_like)
        assert codes(report) == [], f"{seed}: {report}"
