"""Gradients that objects and layers keep in a dict, or return by the names of their arrays."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(12)
ROWS, WANTED = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))


class Model:
    def __init__(self):
        self.W, self.b = RNG.normal(size=(3, 2)), RNG.normal(size=2)

    def loss(self):
        self.error = ROWS @ self.W + self.b - WANTED
        return np.mean(self.error**2)


class InGrads(Model):
    def backward(self):
        delta = 2 * self.error / self.error.size
        self.grads = {"W": ROWS.T @ delta, "b": delta.sum(axis=0) * 2}


class InGradients(Model):
    def backward(self):
        delta = 2 * self.error / self.error.size
        self.gradients = {"dW": ROWS.T @ delta, "db": delta.sum(axis=0) * 2}


@pytest.mark.parametrize("kind", [InGrads, InGradients])
def test_gradients_in_a_dict_of_the_object_are_judged(kind):
    model = kind()
    report = gradcheck.check(model.loss, model, model.backward)
    assert {one.name: one.verdict for one in report.blocks} == {"W": "ok", "b": "wrong"}


class Scaling:
    """A layer whose arrays have no names of weights."""

    def __init__(self):
        self.beta, self.gamma = RNG.normal(size=3), RNG.normal(size=3)

    def forward(self, x):
        self.x = x
        return self.gamma * x + self.beta


class Returning(Scaling):
    def backward(self, up):
        dgamma, dbeta = (up * self.x).sum(axis=0), up.mean(axis=0)
        return up * self.gamma, dgamma, dbeta


class Keeping(Scaling):
    def backward(self, up):
        self.grads = {"gamma": (up * self.x).sum(axis=0), "beta": up.mean(axis=0)}
        return up * self.gamma


@pytest.mark.parametrize("kind", [Returning, Keeping])
def test_a_layers_gradients_are_told_by_their_names(kind):
    layer = kind()
    report = gradcheck.check_layer(layer.forward, layer.backward, ROWS)
    verdicts = {one.name: one.verdict for one in report.blocks}
    assert verdicts == {"x": "ok", "beta": "wrong", "gamma": "ok"}
