"""Updates with momentum, weight decay and both, as they are written in training loops."""

from itertools import product

import numpy as np
import pytest
from sweeps import sample

import gradcheck

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))
RATE = 0.05
MU = 0.9
DECAY = 0.01
NAMES = ("W1", "b1", "W2", "b2")


def params():
    rng = np.random.default_rng(1)
    return {
        "W1": rng.normal(size=(3, 4)),
        "b1": rng.normal(size=4),
        "W2": rng.normal(size=(4, 2)),
        "b2": rng.normal(size=2),
    }


def loss(p):
    return (
        0.5 * float(np.sum((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - Y) ** 2)) / len(X)
    )


def grad(p, factors=None):
    hidden = np.tanh(X @ p["W1"] + p["b1"])
    delta = (hidden @ p["W2"] + p["b2"] - Y) / len(X)
    below = delta @ p["W2"].T * (1 - hidden**2)
    gradients = {
        "W1": X.T @ below,
        "b1": below.sum(axis=0),
        "W2": hidden.T @ delta,
        "b2": delta.sum(axis=0),
    }
    for name, factor in (factors or {}).items():
        gradients[name] = factor * gradients[name]
    return gradients


def start(zero):
    rng = np.random.default_rng(2)
    shapes = {name: value.shape for name, value in params().items()}
    return {
        name: np.zeros(shape) if zero else 0.3 * rng.normal(size=shape)
        for name, shape in shapes.items()
    }


def classical(v, g, rate):
    v[...] = MU * v - rate * g
    return v


def torch_like(v, g, rate):
    v[...] = MU * v + g
    return -rate * v


def nesterov(v, g, rate):
    before = v.copy()
    v[...] = MU * v - rate * g
    return -MU * before + (1 + MU) * v


def moving_average(v, g, rate):
    v[...] = MU * v + (1 - MU) * g
    return -rate * v


FORMS = {
    "classical": classical,
    "torch": torch_like,
    "nesterov": nesterov,
    "moving average": moving_average,
}

STARTED = pytest.mark.parametrize(
    ("form", "zero"), sample(list(product(FORMS, [True, False])), every=3)
)
"""Every form, with a velocity that is zero at first or not; a sample has half of them."""


def momentum_step(form, zero=True, factors=None, decay=None, in_place=False):
    """A step whose velocity is in a closure."""
    velocity = start(zero)

    def step(p, lr=RATE):
        gradients, new = grad(p, factors), {}
        for name in NAMES:
            change = form(velocity[name], gradients[name], lr)
            new[name] = p[name] + change - lr * (decay or {}).get(name, 0.0) * p[name]
            if in_place:
                p[name][...] = new[name]
        return None if in_place else new

    return step


def check(step, rate=RATE, **options):
    given, before = params(), params()
    report = gradcheck.check_step(step, given, loss=loss, learning_rate=rate, **options)
    assert all(np.array_equal(given[name], before[name]) for name in before)
    return report


def verdicts(report):
    return {block.name: block.verdict for block in report.blocks}


def codes(report):
    return [(finding.code, finding.blocks) for finding in report.findings]


@STARTED
def test_momentum_in_a_closure_is_told_and_passes(form, zero):
    report = check(momentum_step(FORMS[form], zero))
    assert report.ok, str(report)
    assert codes(report) == []
    assert any("your step has momentum 0.9" in note for note in report.notes)


@STARTED
def test_momentum_that_updates_in_place_is_told_and_passes(form, zero):
    report = check(momentum_step(FORMS[form], zero, in_place=True), diagnose=False)
    assert report.ok, str(report)


def some_momentum(rates):
    """A velocity for the blocks that have a rate of their own."""
    velocity = start(True)

    def step(p, lr):
        new = {}
        for name, g in grad(p).items():
            velocity[name] = rates.get(name, 0.0) * velocity[name] + g
            new[name] = p[name] - lr * velocity[name]
        return new

    return step


def test_momentum_of_the_weights_alone_is_no_false_alarm():
    report = check(some_momentum({"W1": MU, "W2": MU}), diagnose=False)
    assert report.verdict != "fail", str(report)


def test_two_rates_of_momentum_are_no_false_alarm():
    report = check(some_momentum({"W1": MU, "b1": 0.5, "W2": MU, "b2": 0.5}), diagnose=False)
    assert report.verdict != "fail", str(report)


@pytest.mark.parametrize("mu", [0.1, 0.5, 0.99, 0.9999])
def test_momentum_of_any_size_is_told(mu):
    report = check(some_momentum(dict.fromkeys(NAMES, mu)))
    assert report.ok, str(report)
    assert any(f"your step has momentum {mu:g}" in note for note in report.notes)


class Network:
    """Its velocity lies beside its parameters, as does its learning rate."""

    def __init__(self, form, zero, factors=None):
        self.form, self.factors = form, factors
        vars(self).update(params())
        self.velocity = start(zero)
        self.learning_rate = RATE

    def loss(self):
        return loss(vars(self))

    def step(self):
        gradients = grad(vars(self), self.factors)
        for name in NAMES:
            change = self.form(self.velocity[name], gradients[name], self.learning_rate)
            setattr(self, name, getattr(self, name) + change)


@STARTED
def test_momentum_in_an_object_is_told_and_passes(form, zero):
    net, before = Network(FORMS[form], zero), params()
    velocity = start(zero)
    report = gradcheck.check_step(Network.step, net, loss=Network.loss, learning_rate=RATE)
    assert report.ok, str(report)
    checked = [block.name for block in report.blocks if block.verdict == "ok"]
    assert checked == list(NAMES)
    assert any("momentum 0.9" in note for note in report.notes)
    assert all(np.array_equal(getattr(net, name), before[name]) for name in NAMES)
    assert all(np.array_equal(net.velocity[name], velocity[name]) for name in NAMES)


@STARTED
def test_a_wrong_gradient_in_an_object_with_momentum_is_found(form, zero):
    net = Network(FORMS[form], zero, {"W1": 2.0})
    report = gradcheck.check_step(Network.step, net, loss=Network.loss, learning_rate=RATE)
    assert codes(report) == [("GC103", ("W1",))]


FACTORS = {2.0: "GC103", -1.0: "GC106", 6.0: "GC101", 7.3: "GC105"}
SWEEP = product(FORMS, [True, False], FACTORS)


@pytest.mark.parametrize(("form", "zero", "factor"), sample(list(SWEEP), every=7))
def test_a_wrong_gradient_under_momentum_keeps_its_rule(form, zero, factor):
    report = check(momentum_step(FORMS[form], zero, {"W2": factor}), inputs=X, targets=Y)
    assert report.verdict == "fail"
    assert verdicts(report) == {"W1": "ok", "b1": "ok", "W2": "wrong", "b2": "ok"}
    assert codes(report) == [(FACTORS[factor], ("W2",))]


@pytest.mark.parametrize("form", ["classical", "torch", "nesterov"])
def test_all_gradients_wrong_under_momentum_fail(form):
    report = check(momentum_step(FORMS[form], True, dict.fromkeys(NAMES, 2.0)))
    assert set(verdicts(report).values()) == {"wrong"}
    assert codes(report) == [("GC103", NAMES)]


def test_all_gradients_tenfold_under_a_moving_average_do_not_pass():
    """Divided by 1 - mu, what the velocity gives has to be the gradient itself."""
    report = check(momentum_step(moving_average, True, dict.fromkeys(NAMES, 3.0)), diagnose=False)
    assert report.verdict == "fail"
    assert set(verdicts(report).values()) == {"wrong"}


WEIGHTS = {"W1": DECAY, "W2": DECAY}
EVERYTHING = dict.fromkeys(NAMES, DECAY)


def decay_step(decay, factors=None):
    def step(p, lr=RATE):
        gradients = grad(p, factors)
        return {
            name: p[name] - lr * (gradients[name] + decay.get(name, 0.0) * p[name])
            for name in NAMES
        }

    return step


@pytest.mark.parametrize("decay", [WEIGHTS, EVERYTHING, {"W2": DECAY}])
def test_weight_decay_is_told_and_passes(decay):
    report = check(decay_step(decay))
    assert report.ok, str(report)
    assert codes(report) == []
    note = next(note for note in report.notes if "weight decay" in note)
    assert "weight decay 0.01 on" in note
    assert all((name in note.split("(")[0]) == (name in decay) for name in NAMES)


@pytest.mark.parametrize("amount", [1e-4, 0.1, 2.0])
def test_weight_decay_of_any_size_is_told(amount):
    report = check(decay_step({"W1": amount, "W2": amount}))
    assert report.ok, str(report)
    assert any(f"weight decay {amount:g} on W1 and W2" in note for note in report.notes)


def test_decay_beside_half_the_gradient_leaves_the_half_alone_wrong():
    report = check(decay_step(EVERYTHING, dict.fromkeys(NAMES, 0.5)))
    assert codes(report) == [("GC103", tuple(NAMES))]
    assert any("weight decay 0.01 on" in note for note in report.notes)


def test_decay_beside_half_the_gradient_is_told_of_the_blocks_that_have_no_other_error():
    report = check(decay_step(EVERYTHING, {**dict.fromkeys(NAMES, 0.5), "b1": -0.5}))
    (told,) = (blocks for code, blocks in codes(report) if code == "GC103")
    assert {*NAMES} - {"b1"} <= {*told}
    assert report.verdict == "fail"


def test_decay_is_measured_where_it_is_told_best():
    """One weight whose derivative is known better than that of the others."""
    rng = np.random.default_rng(4)
    rows, target = rng.normal(size=(7, 3)), rng.normal(size=7)

    def bent(p):
        return np.sum((np.arctan(rows @ p[0]) @ p[1] - target) ** 2) / 7

    def step(p, lr):
        z = rows @ p[0]
        d = 2 * (np.arctan(z) @ p[1] - target) / 7
        gradients = rows.T @ (np.outer(d, p[1]) / (1 + z * z)), np.arctan(z).T @ d
        return [value - lr * (g + 0.02 * value) for value, g in zip(p, gradients, strict=True)]

    for seed in range(8):
        start = [*map(np.random.default_rng(seed).normal, (0.0, 0.0), (1.0, 1.0), ((3, 1), 1))]
        report = gradcheck.check_step(step, start, loss=bent, learning_rate=0.1)
        assert report.verdict == "pass", str(report)


def test_what_grows_the_weights_is_no_decay():
    assert check(decay_step({"W1": -DECAY, "W2": -DECAY}), diagnose=False).verdict == "fail"


def test_two_amounts_of_decay_are_not_passed_silently():
    report = check(decay_step({"W1": DECAY, "W2": 3 * DECAY}))
    assert report.verdict != "pass" or any("decay" in note for note in report.notes)


def test_a_penalty_in_the_loss_is_no_decay():
    def penalised(p):
        return loss(p) + 0.5 * DECAY * float(np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))

    report = gradcheck.check_step(decay_step(WEIGHTS), params(), loss=penalised, learning_rate=RATE)
    assert report.ok, str(report)
    assert not any("decay" in note for note in report.notes)


@pytest.mark.parametrize(
    "squared",
    [
        lambda w: DECAY / 2 * w @ w,
        lambda w: np.sum((np.sqrt(np.array(DECAY / 2)) * w) ** 2),
        lambda w: -np.dot(w / 2, -DECAY * w),
    ],
)
def test_a_penalty_that_is_taken_twice_is_no_decay_wherever_its_factor_stands(squared):
    def fitted(p):
        return np.mean(np.cosh(X @ p["w"] - Y[:, 0]))

    def step(p, lr):
        slope = X.T @ np.sinh(X @ p["w"] - Y[:, 0]) / len(X)
        return {"w": p["w"] - lr * (slope + 2 * DECAY * p["w"])}

    def asked(loss):
        return gradcheck.check_step(step, {"w": np.ones(3)}, loss=loss, learning_rate=RATE)

    assert asked(lambda p: fitted(p) + squared(p["w"])).verdict == "fail"
    assert asked(lambda p: fitted({"w": 2 * p["w"] / 2})).verdict == "pass"


def test_a_penalty_that_is_taken_too_small_is_no_decay_though_another_block_decays_as_much():
    def fitted(p):
        return np.mean(np.cosh(X @ p["w"] + p["b"] - Y[:, 0])) + DECAY / 2 * p["w"] @ p["w"]

    def step(p, lr):
        off = np.sinh(X @ p["w"] + p["b"] - Y[:, 0]) / len(X)
        shrunk = {name: lr * 0.1 * DECAY * value for name, value in p.items()}
        new = {"w": p["w"] - lr * (X.T @ off), "b": p["b"] - lr * off.sum()}
        return {name: value - shrunk[name] for name, value in new.items()}

    start = {"w": np.array([1.0, 0.4, -0.7]), "b": np.array(0.3)}
    report = gradcheck.check_step(step, start, loss=fitted, learning_rate=RATE)
    assert [(one.code, one.blocks) for one in report.errors] == [("GC604", ("w",))], str(report)


@pytest.mark.parametrize("wrong", NAMES)
def test_only_the_wrong_gradient_beside_weight_decay_fails(wrong):
    report = check(decay_step(WEIGHTS, {wrong: 2.0}), diagnose=False)
    assert report.verdict == "fail"
    assert verdicts(report) == dict.fromkeys(NAMES, "ok") | {wrong: "wrong"}


@pytest.mark.parametrize(
    ("form", "decay"),
    [*((form, WEIGHTS) for form in FORMS), *((form, EVERYTHING) for form in FORMS)],
)
@pytest.mark.parametrize("zero", sample([True, False], every=2))
def test_momentum_with_decoupled_decay_passes(form, decay, zero):
    report = check(momentum_step(FORMS[form], zero, decay=decay))
    assert report.ok, str(report)
    assert codes(report) == []


@STARTED
def test_momentum_of_the_decayed_gradient_passes(form, zero):
    velocity = start(zero)

    def step(p, lr):
        gradients = grad(p)
        for name in NAMES:
            decayed = gradients[name] + WEIGHTS.get(name, 0.0) * p[name]
            p[name] = p[name] + FORMS[form](velocity[name], decayed, lr)

    report = check(step)
    assert report.ok, str(report)
    assert any("momentum 0.9" in note for note in report.notes)
    assert any("weight decay" in note for note in report.notes)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(form, marks=pytest.mark.xfail(strict=True, reason="c is told as a multiple"))
        if form in ("moving average", "nesterov")
        else form
        for form in FORMS
    ],
)
def test_decoupled_decay_under_momentum_is_told_with_its_amount(form):
    report = check(momentum_step(FORMS[form], True, decay=WEIGHTS))
    assert any("weight decay 0.01 on W1 and W2" in note for note in report.notes)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrong", ["b1", "b2"])
def test_a_wrong_bias_under_momentum_and_decay_is_found(form, wrong):
    report = check(momentum_step(FORMS[form], True, {wrong: 2.0}, decay=WEIGHTS), diagnose=False)
    assert report.verdict == "fail"
    assert verdicts(report)[wrong] == "wrong"


def adam(p, lr, moments, corrected):
    moments["t"] += 1
    for name, g in grad(p).items():
        m, v = moments[name]
        m[...] = 0.9 * m + 0.1 * g
        v[...] = 0.999 * v + 0.001 * g**2
        t = moments["t"] if corrected else np.inf
        p[name] -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def rmsprop(p, lr, squares):
    for name, g in grad(p).items():
        squares[name][...] = 0.9 * squares[name] + 0.1 * g**2
        p[name] -= lr * g / (np.sqrt(squares[name]) + 1e-8)


def adagrad(p, lr, squares):
    for name, g in grad(p).items():
        squares[name][...] += g**2
        p[name] -= lr * g / (np.sqrt(squares[name]) + 1e-8)


@pytest.mark.parametrize("kind", ["adam", "adam uncorrected", "rmsprop", "adagrad", "sign"])
def test_of_adaptive_updates_the_gradient_that_enters_is_judged(kind):
    moments = {name: (np.zeros_like(v), np.zeros_like(v)) for name, v in params().items()}
    moments["t"] = 0
    squares = {name: np.zeros_like(value) for name, value in params().items()}
    steps = {
        "adam": lambda p, lr: adam(p, lr, moments, True),
        "adam uncorrected": lambda p, lr: adam(p, lr, moments, False),
        "rmsprop": lambda p, lr: rmsprop(p, lr, squares),
        "adagrad": lambda p, lr: adagrad(p, lr, squares),
        "sign": lambda p, lr: {n: p[n] - lr * np.sign(g) for n, g in grad(p).items()},
    }
    report = check(steps[kind], diagnose=False)
    assert report.verdict == "pass"
    assert any("adaptive" in note for note in report.notes)


def test_an_adaptive_update_is_not_called_momentum():
    squares = {name: np.zeros_like(value) for name, value in params().items()}
    report = check(lambda p, lr: rmsprop(p, lr, squares))
    assert not any("your step has momentum" in note for note in report.notes)


def every_entry(gradients):
    return {name: np.clip(g, -0.01, 0.01) for name, g in gradients.items()}


def each_norm(gradients):
    return {name: g * 0.01 / np.linalg.norm(g) for name, g in gradients.items()}


def all_norms(gradients):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    return {name: g * min(1.0, 0.01 / (norm + 1e-6)) for name, g in gradients.items()}


@pytest.mark.parametrize("clip", [every_entry, each_norm, all_norms])
def test_of_a_step_that_clips_the_gradient_before_is_judged(clip):
    report = check(lambda p, lr: {n: p[n] - lr * g for n, g in clip(grad(p)).items()})
    assert report.verdict == "pass", str(report)
    assert any("your step clips the gradient" in note for note in report.notes)

    def half_of_one(p):
        return grad(p) | {"W1": grad(p)["W1"] / 2}

    wrong = check(lambda p, lr: {n: p[n] - lr * g for n, g in clip(half_of_one(p)).items()})
    assert verdicts(wrong) == {"W1": "wrong", "b1": "ok", "W2": "ok", "b2": "ok"}


SAMPLE, LABEL = np.random.default_rng(3).normal(size=5), 0.3


def online(update):
    """A step with one sample, whose gradient is the error times the sample."""

    def step(p):
        error = np.dot(p["w"], SAMPLE) + p["b"] - LABEL
        return update(p, {"w": error * SAMPLE, "b": error})

    return step


def one_after_the_other(p, gradients):
    return {name: p[name] - 0.1 * g for name, g in gradients.items()}


def below_a_norm(p, gradients):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    return {name: p[name] - 0.1 * g * (0.01 / norm) for name, g in gradients.items()}


@pytest.mark.parametrize(
    ("update", "is_clipped"), [(one_after_the_other, False), (below_a_norm, True)]
)
def test_a_sample_that_the_error_is_multiplied_with_is_no_gradient(update, is_clipped):
    for seed in range(3):
        report = gradcheck.check_step(
            online(update),
            {"w": np.random.default_rng(seed).normal(size=5), "b": np.array(0.4)},
            loss=lambda p: 0.5 * (p["w"] @ SAMPLE + p["b"] - LABEL) ** 2,
            learning_rate=0.1,
        )
        assert report.verdict == "pass", str(report)
        assert is_clipped == any("clips the gradient" in note for note in report.notes)


def test_a_root_in_the_slope_of_an_activation_is_no_adaptive_step():
    """A bias of one sample has the shape of z, which the smooth sign divides by the root of."""

    def step(p):
        z = SAMPLE * p["w"] + p["b"]
        root = np.sqrt(z**2 + 1)
        delta = (z / root - LABEL) / (root * root * root)
        return {"w": p["w"] - 0.1 * delta * SAMPLE, "b": p["b"] - 0.1 * delta}

    def loss(p):
        z = SAMPLE * p["w"] + p["b"]
        return 0.5 * np.sum((z / np.sqrt(z**2 + 1) - LABEL) ** 2)

    start = {"w": np.linspace(-1, 1, 5), "b": np.linspace(0.2, 0.9, 5)}
    report = gradcheck.check_step(step, start, loss=loss, learning_rate=0.1)
    assert report.verdict == "pass", str(report)
    assert not any("adaptive" in note for note in report.notes)


def test_weights_that_are_clipped_are_no_gradient_that_is():
    def step(p, lr):
        return {name: np.clip(p[name] - lr * g, -0.1, 0.1) for name, g in grad(p).items()}

    report = check(step, diagnose=False)
    assert report.verdict == "fail"
    assert not any("clips the gradient" in note for note in report.notes)


def too_early(p, lr):
    hidden = np.tanh(X @ p["W1"] + p["b1"])
    delta = (hidden @ p["W2"] + p["b2"] - Y) / len(X)
    p["W2"] -= lr * hidden.T @ delta
    p["b2"] -= lr * delta.sum(axis=0)
    below = delta @ p["W2"].T * (1 - hidden**2)
    p["W1"] -= lr * X.T @ below
    p["b1"] -= lr * below.sum(axis=0)


@pytest.mark.parametrize("rate", [1.0, 0.1, 0.01])
def test_two_learning_rates_tell_weights_that_are_updated_too_early(rate):
    report = check(too_early, rate)
    assert codes(report) == [("GC404", ("W1", "b1"))]
    assert not any("momentum" in note for note in report.notes)


def test_weights_are_updated_too_early_layer_for_layer():
    values = {name: np.sin(np.arange(9.0) + k).reshape(3, 3) for k, name in enumerate("abc")}
    values.update(d=np.ones((3, 1)), e=np.full(3, 0.1), f=np.full(3, 0.2))
    x, y = np.cos(np.arange(15.0)).reshape(5, 3), np.sin(np.arange(5.0)).reshape(5, 1)

    def ahead(p):
        outputs = [x]
        for name, bias in zip("abcd", (p["e"], p["f"], 0.0, 0.0), strict=True):
            outputs.append(np.maximum(outputs[-1] @ p[name] + bias, 0.0))
        return outputs

    def step(p, lr):
        outputs = ahead(p)
        off, along = outputs[-1] - y, [np.ones((5, 1))]
        for name in "dcba":
            along[-1] = along[-1] * (outputs.pop() > 0)
            p[name] -= lr * outputs[-1].T @ (off * along[-1])
            along.append(along[-1] @ p[name].T)
        p["f"] -= lr * (off * along[2]).sum(axis=0)
        p["e"] -= lr * (off * along[3]).sum(axis=0)

    report = gradcheck.check_step(
        step, values, loss=lambda p: 0.5 * np.sum((ahead(p)[-1] - y) ** 2), learning_rate=0.01
    )
    assert codes(report) == [("GC404", ("a", "b", "c", "e", "f"))]


def test_weights_that_are_updated_too_early_under_momentum_leave_the_others_right():
    velocity = start(True)

    def step(p, lr):
        new = dict(p)

        def update(name, g):
            velocity[name] = MU * velocity[name] + g
            new[name] = p[name] - lr * velocity[name]

        hidden = np.tanh(X @ p["W1"] + p["b1"])
        delta = (hidden @ p["W2"] + p["b2"] - Y) / len(X)
        update("W2", hidden.T @ delta)
        update("b2", delta.sum(axis=0))
        below = delta @ new["W2"].T * (1 - hidden**2)
        update("W1", X.T @ below)
        update("b1", below.sum(axis=0))
        return new

    found = verdicts(check(step, diagnose=False))
    assert found == {"W1": "wrong", "b1": "wrong", "W2": "ok", "b2": "ok"}


def test_one_learning_rate_tells_it_where_the_network_is_known():
    report = check(lambda p: too_early(p, 0.1), 0.1)
    assert report.verdict == "fail"
    assert verdicts(report) == {"W1": "wrong", "b1": "wrong", "W2": "ok", "b2": "ok"}
    assert [code for code, _ in codes(report)] == ["GC404"]


def test_too_early_and_another_bug_are_two_findings():
    def step(p, lr):
        before = p["b2"].copy()
        too_early(p, lr)
        p["b2"] += p["b2"] - before

    report = check(step, 0.1)
    assert set(codes(report)) == {("GC404", ("W1", "b1")), ("GC103", ("b2",))}


def plain(p, lr):
    return {name: p[name] - lr * g for name, g in grad(p).items()}


@pytest.mark.parametrize("rate", [1e-10, 1e-8, 1e-6])
@pytest.mark.parametrize(
    "make", [lambda: plain, lambda: decay_step(WEIGHTS)], ids=["plain", "decay"]
)
def test_a_tiny_learning_rate_is_no_false_alarm(make, rate):
    report = check(make(), rate)
    assert report.verdict in ("pass", "inconclusive"), str(report)
    assert codes(report) == []


@pytest.mark.parametrize("rate", [1e-4, 1e-6, 1e-8, 1e-10])
def test_momentum_at_a_tiny_learning_rate_is_no_false_alarm(rate):
    for seed in sample(range(30), every=5):
        rng = np.random.default_rng(seed)
        arrays = {name: rng.normal(size=value.shape) for name, value in params().items()}
        report = gradcheck.check_step(
            momentum_step(torch_like), arrays, loss=loss, learning_rate=rate, diagnose=False
        )
        assert report.verdict != "fail", str(report)


def test_momentum_at_the_tiniest_learning_rate_is_no_false_alarm():
    assert check(momentum_step(torch_like), 1e-12, diagnose=False).verdict != "fail"


def test_cancellation_enters_the_bound():
    """Of (old - new) / 1e-8, eight digits are left, and no more is claimed to have been seen."""
    tiny, usual = check(plain, 1e-8, diagnose=False), check(plain, 0.1, diagnose=False)
    assert tiny.ok, str(tiny)
    assert all(
        1e-9 < one.resolution < 1e-5 and one.resolution > 10 * other.resolution
        for one, other in zip(tiny.blocks, usual.blocks, strict=True)
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_large_parameter_is_rounded_coarsely_however_small_its_derivative(seed):
    unit = 1e5 * np.random.default_rng(seed).uniform(0.5, 2)

    def loss(p):
        return np.log(1 + (p[0] / unit - 2) ** 2) + np.sin(p[1])

    def grad(p):
        away = p[0] / unit - 2
        return np.array([2 * away / (1 + away**2) / unit, np.cos(p[1])])

    def step(p, lr):
        return p - lr * grad(p)

    def wrong(p, lr):
        return p - lr * grad(p) * np.array([1.01, 1.0])

    point = np.array([unit, 0.7])
    assert gradcheck.check_step(step, point, loss=loss, learning_rate=0.5).ok
    assert gradcheck.check_step(wrong, point, loss=loss, learning_rate=0.5).verdict == "fail"


def test_a_factor_of_two_is_found_at_a_tiny_learning_rate():
    def doubled(p, lr):
        return {name: p[name] - lr * g for name, g in grad(p, {"W1": 2.0}).items()}

    report = check(doubled, 1e-8)
    assert codes(report) == [("GC103", ("W1",))]


def script(arrays, rate):
    for name, g in grad(arrays).items():
        arrays[name] -= rate * g


@pytest.mark.parametrize("is_given_them", [True, False])
def test_a_step_on_the_very_arrays(is_given_them):
    arrays, before = params(), params()
    report = gradcheck.check_step(
        (lambda p: script(arrays, RATE)) if is_given_them else (lambda: script(arrays, RATE)),
        gradcheck.parameters(arrays, in_place=True),
        loss=lambda: loss(arrays),
        learning_rate=RATE,
        diagnose=False,
    )
    assert report.ok, str(report)
    assert all(np.array_equal(arrays[name], before[name]) for name in before)


def few_weights(count, penalty=0.0):
    rng = np.random.default_rng(count)
    rows, target = rng.normal(size=(8, count)), rng.normal(size=8)

    def few_loss(p):
        fit = np.mean(np.arctan(rows @ p["w"] + p["b"] - target) ** 2)
        return float(fit + penalty * np.sum(p["w"] ** 2))

    def few_grad(p):
        z = rows @ p["w"] + p["b"] - target
        d = 2 * np.arctan(z) / (1 + z * z) / 8
        return {"w": rows.T @ d + 2 * penalty * p["w"], "b": d.sum()}

    start = {"w": rng.normal(size=count), "b": np.array(0.2)}
    return few_loss, start, few_grad


@pytest.mark.parametrize("count", [1, 2])
def test_decay_of_one_or_two_weights_is_told(count):
    few_loss, start, few_grad = few_weights(count)

    def step(p, lr):
        g = few_grad(p)
        return {"w": p["w"] * (1 - lr * DECAY) - lr * g["w"], "b": p["b"] - lr * g["b"]}

    report = gradcheck.check_step(step, start, loss=few_loss, learning_rate=RATE)
    assert report.ok, str(report)
    assert any("weight decay 0.01 on w" in note for note in report.notes)


@pytest.mark.parametrize(
    ("count", "penalty", "factor", "of_penalty"),
    [
        *((count, 0.0, factor, 1.0) for count in (1, 2) for factor in (1.1, 2.0)),
        *((count, 0.02, 1.0, factor) for count in (1, 4) for factor in (1.5, 2.0)),
    ],
)
def test_a_wrong_factor_or_too_large_a_penalty_is_no_decay(count, penalty, factor, of_penalty):
    few_loss, start, few_grad = few_weights(count, penalty)

    def step(p, lr):
        g = few_grad(p)
        of_w = factor * g["w"] + (of_penalty - 1) * 2 * penalty * p["w"]
        return {"w": p["w"] - lr * of_w, "b": p["b"] - lr * g["b"]}

    report = gradcheck.check_step(step, start, loss=few_loss, learning_rate=RATE, diagnose=False)
    assert report.verdict == "fail"


def flat_step(decayed, of_biases=1.0):
    """The step of one vector of weights and biases, of which some are decayed."""
    rows, target = np.random.default_rng(2).normal(size=(2, 9, 4))

    def apart(theta):
        return theta[:16].reshape(4, 4), theta[16:]

    def flat_loss(theta):
        w, b = apart(theta)
        return float(np.mean((rows @ w + b - target) ** 2))

    def step(theta, lr):
        w, b = apart(theta)
        d = 2 * (rows @ w + b - target) / target.size
        g = np.concatenate([(rows.T @ d).ravel(), of_biases * d.sum(axis=0)])
        return theta - lr * (g + DECAY * np.where(np.arange(20) < decayed, theta, 0.0))

    return flat_loss, step


@pytest.mark.parametrize(
    ("decayed", "of_biases", "ok"), [(16, 1.0, True), (3, 1.0, False), (16, 2.0, False)]
)
def test_decay_of_the_weights_in_one_vector_is_told_where_they_are_many(decayed, of_biases, ok):
    flat_loss, step = flat_step(decayed, of_biases)
    theta = np.random.default_rng(3).normal(size=20)
    report = gradcheck.check_step(step, theta, loss=flat_loss, learning_rate=RATE, diagnose=False)
    assert report.ok == ok, str(report)
    assert any("weight decay" in note for note in report.notes) == ok, report.notes


def narrow(w):
    """A loss that is defined near 1 alone."""
    if abs(w[0] - 1) > 0.1:
        raise ValueError("outside of the domain")
    return float(w[0] ** 4)


def test_a_loss_that_raises_beside_the_point_does_not_end_the_check():
    def step(w):
        return w - RATE * (4 * w**3 + 0.3 * w)

    report = gradcheck.check_step(step, np.array([1.0]), loss=narrow, learning_rate=RATE)
    assert [block.entries for block in report.blocks] == [1]


@pytest.mark.parametrize("keep", [np.float32, np.float64])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1.5, "fail")])
def test_a_step_of_parameters_in_float32_is_as_precise_as_these(keep, factor, verdict):
    def step(p, lr):
        gradients = {name: np.float32(g) for name, g in grad(p, {"W1": factor}).items()}
        return {name: keep(p[name] - np.float32(lr) * g) for name, g in gradients.items()}

    start = {name: np.float32(value) for name, value in params().items()}
    assert gradcheck.check_step(step, start, loss=loss, learning_rate=RATE).verdict == verdict


class Decaying:
    """A step whose learning rate shrinks with every call, from `first` calls on."""

    def __init__(self, first=0, gradient=grad):
        self.calls, self.gradient = first, gradient

    def __call__(self, p, lr):
        self.calls += 1
        return {n: p[n] - lr / (1 + 0.1 * self.calls) * g for n, g in self.gradient(p).items()}


@pytest.mark.parametrize("first", [0, 7])
def test_a_learning_rate_that_shrinks_from_call_to_call_is_told_and_no_error(first):
    step = Decaying(first)
    report = check(step)
    assert report.verdict == "pass", str(report)
    told = f"with {RATE / (1 + 0.1 * (first + 1)):.6g}"
    assert any("changes from call to call" in note and told in note for note in report.notes)
    assert step.calls == first
    wrong = check(Decaying(first, lambda p: grad(p) | {"W1": grad(p)["W1"] * 3}))
    assert verdicts(wrong) == {"W1": "wrong", "b1": "ok", "W2": "ok", "b2": "ok"}


def test_what_a_step_remembers_is_put_back():
    moments = {name: np.ones_like(value) for name, value in params().items()}
    history = []

    def step(p, lr):
        history.append(lr)
        for name, g in grad(p).items():
            moments[name] *= 0.9
            moments[name] += g
            p[name] -= lr * moments[name]

    assert check(step).verdict == "pass"
    assert history == []
    assert all(np.all(moment == 1) for moment in moments.values())


@pytest.mark.parametrize("order", [("W2", "b2", "W1", "b1"), NAMES, NAMES[::-1]])
def test_each_block_is_updated_before_the_next_gradient_is_computed(order):
    def in_turn(p):
        for name in order:
            p[name] -= RATE * grad(p)[name]

    report = gradcheck.check_step(in_turn, params(), loss=loss, learning_rate=RATE)
    assert codes(report) == [("GC404", tuple(name for name in NAMES if name != order[0]))]
    assert any(line.startswith("the loss has these") for line in report.findings[0].evidence)


def test_a_gradient_that_is_computed_anew_after_one_update():
    def step(p):
        p["W2"] -= RATE * grad(p)["W2"]
        for name, g in grad(p).items():
            p[name] -= RATE * g * (name != "W2")

    report = gradcheck.check_step(step, params(), loss=loss, learning_rate=RATE)
    assert {code for code, _ in codes(report)} == {"GC404"}
    assert "the loss has these derivatives once W2 is updated" in report.findings[0].evidence


def test_a_size_that_stands_where_another_belongs_is_no_matter_of_the_rate():
    waves, wanted = RNG.normal(size=(6, 4, 3)), RNG.normal(size=(6, 2))
    start = {"U": RNG.normal(size=(3, 5)), "V": RNG.normal(size=(5, 5)), "R": np.ones((5, 2))}

    def states(p):
        kept = [np.zeros((6, 5))]
        for t in range(4):
            kept.append(np.sin(waves[:, t] @ p["U"] + kept[-1] @ p["V"]))
        return kept

    def loss(p):
        return np.sum(np.cosh(states(p)[-1] @ p["R"] - wanted)) / 6

    def step(p, lr):
        kept = states(p)
        up = np.sinh(kept[-1] @ p["R"] - wanted)
        up /= waves.shape[1]
        to = {"U": 0.0, "V": 0.0, "R": kept[-1].T @ up}
        up = up @ p["R"].T
        for t in reversed(range(4)):
            up = up * np.cos(waves[:, t] @ p["U"] + kept[t] @ p["V"])
            to["U"], to["V"] = to["U"] + waves[:, t].T @ up, to["V"] + kept[t].T @ up
            up = up @ p["V"].T
        return {name: p[name] - lr * to[name] for name in p}

    report = gradcheck.check_step(step, start, loss=loss, learning_rate=RATE)
    finding = report.findings[0]
    assert finding.code == "GC104", str(report)
    assert "up /= waves.shape[1]" in str(report)
    assert finding.fix == "divide by 6, not by 4"
