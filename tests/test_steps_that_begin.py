"""Steps that make their velocity in the first call; it is zeros, as a bias may be."""

import numpy as np
import pytest

import gradcheck

SETTINGS = [(0.05, 0.9), (0.5, 0.5), (0.001, 0.95)]


class Network:
    """One hidden layer and one output, so that the last bias has one entry."""

    def __init__(self, rate, momentum, wrong=1.0):
        self.rate, self.momentum, self.wrong = rate, momentum, wrong
        rng = np.random.default_rng(7)
        self.rows, self.wanted = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
        self.start = {
            "V": rng.normal(size=(3, 4)),
            "b": np.zeros(4),
            "W": rng.normal(size=(4, 1)),
            "c": np.zeros(1),
        }
        self.velocity, self.calls = None, 0

    def loss(self, p):
        hidden = np.tanh(self.rows @ p["V"] + p["b"])
        return np.mean((hidden @ p["W"] + p["c"] - self.wanted) ** 2)

    def gradients(self, p):
        hidden = np.tanh(self.rows @ p["V"] + p["b"])
        error = 2 * (hidden @ p["W"] + p["c"] - self.wanted) / len(self.rows)
        back = error @ p["W"].T * (1 - hidden**2)
        return {
            "V": self.rows.T @ back * self.wrong,
            "b": back.sum(axis=0),
            "W": hidden.T @ error,
            "c": error.sum(axis=0),
        }

    def begin(self, p):
        self.calls += 1
        if self.velocity is None:
            self.velocity = {name: np.zeros_like(value) for name, value in p.items()}

    def look_ahead(self, p):
        self.begin(p)
        v = self.velocity
        g = self.gradients({name: p[name] + self.momentum * v[name] for name in p})
        for name in p:
            v[name] = self.momentum * v[name] - self.rate * g[name]
        return {name: p[name] + v[name] for name in p}

    def mean(self, p):
        self.begin(p)
        g, mu = self.gradients(p), self.momentum
        for name in p:
            self.velocity[name] = mu * self.velocity[name] + (1 - mu) * g[name]
        return {name: p[name] - self.rate * self.velocity[name] for name in p}

    def corrected(self, p):
        moved = self.mean(p)
        short = 1 - self.momentum**self.calls
        return {name: p[name] - (p[name] - moved[name]) / short for name in p}

    def cooling(self, p):
        self.calls += 1
        g = self.gradients(p)
        return {name: p[name] - self.rate / (1 + 0.1 * self.calls) * g[name] for name in p}


def report_of(kind, setting, calls, wrong=1.0):
    network = Network(*setting, wrong)
    step, p = getattr(network, kind), network.start
    for _ in range(calls):
        p = step(p)
    return gradcheck.check_step(step, p, loss=network.loss, learning_rate=network.rate)


@pytest.mark.parametrize("calls", [0, 3])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", ["look_ahead", "mean", "corrected", "cooling"])
def test_a_right_gradient_passes(kind, setting, calls):
    assert report_of(kind, setting, calls).verdict == "pass"


@pytest.mark.parametrize("calls", [0, 3])
@pytest.mark.parametrize("kind", ["look_ahead", "mean", "corrected", "cooling"])
def test_a_wrong_gradient_has_its_factor(kind, calls):
    report = report_of(kind, SETTINGS[0], calls, wrong=1.3)
    assert [(one.code, one.blocks) for one in report.errors] == [("GC105", ("V",))]


def test_what_a_step_keeps_as_its_own_attributes_is_put_back():
    network = Network(0.05, 0.9)

    def step(p):
        if not hasattr(step, "velocity"):
            step.velocity, step.calls = dict.fromkeys(p, 0.0), 0
        step.calls += 1
        g, moved = network.gradients(p), {}
        for name in p:
            step.velocity[name] = 0.9 * step.velocity[name] + 0.1 * g[name]
            moved[name] = p[name] - 0.05 * step.velocity[name] / (1 - 0.9**step.calls)
        return moved

    report = gradcheck.check_step(step, network.start, loss=network.loss, learning_rate=0.05)
    assert report.verdict == "pass"
    assert not hasattr(step, "velocity")


def test_several_updates_in_one_step_are_no_gradient():
    network = Network(0.05, 0.0)

    def passes(p):
        for _ in range(3):
            g = network.gradients(p)
            p = {name: p[name] - 0.05 * g[name] for name in p}
        return p

    report = gradcheck.check_step(passes, network.start, loss=network.loss, learning_rate=0.05)
    assert report.verdict == "inconclusive"
    assert any("makes 3 updates" in note for note in report.notes)


def test_the_same_gradient_taken_twice_is_wrong():
    network = Network(0.05, 0.0)

    def twice(p):
        g = network.gradients(p)
        p = {name: p[name] - 0.05 * g[name] for name in p}
        return {**p, "V": p["V"] - 0.05 * g["V"]}

    report = gradcheck.check_step(twice, network.start, loss=network.loss, learning_rate=0.05)
    assert [one.name for one in report.blocks if one.failed] == ["V"]
