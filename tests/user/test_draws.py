"""Layers that draw random numbers, such as dropout."""

import random

import numpy as np
import pytest

import gradcheck

X = np.random.default_rng(0).normal(size=(5, 4))
OF_MODULE = np.random.default_rng(1)


class Dropout:
    def __init__(self):
        self.held = {"own": [np.random.default_rng(2)], "old": np.random.RandomState(3)}

    def drawn(self, kind, shape):
        if kind == "python":
            return np.array([random.random() for _ in range(np.prod(shape))]).reshape(shape)
        return {
            "numpy": np.random.rand,
            "module": lambda *shape: OF_MODULE.random(shape),
            "own": lambda *shape: self.held["own"][0].random(shape),
            "old": self.held["old"].rand,
        }[kind](*shape)

    def forward(self, x, kind):
        self.kind = kind
        self.mask = (self.drawn(kind, x.shape) < 0.6) / 0.6
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask

    def redrawn(self, dy):
        return dy * (self.drawn(self.kind, dy.shape) < 0.6) / 0.6


@pytest.mark.parametrize("kind", ["numpy", "python", "module", "own", "old"])
def test_every_call_of_a_layer_draws_the_same(kind):
    layer = Dropout()
    report = gradcheck.check_layer(layer.forward, layer.backward, (X, kind))
    assert report.ok, str(report)
    assert any("draws random numbers" in note for note in report.notes)
    report = gradcheck.check_layer(layer.forward, layer.redrawn, (X, kind))
    assert report.verdict == "fail"


def test_a_mask_that_the_backward_pass_lacks_is_named():
    layer = Dropout()
    report = gradcheck.check_layer(layer.forward, lambda dy: dy, (X, "numpy"))
    assert [finding.code for finding in report.findings] == ["GC851"]


def test_a_layer_that_goes_on_without_drawing_is_not_decided():
    calls = []

    def forward(x):
        calls.append(1)
        return x * len(calls)

    report = gradcheck.check_layer(forward, lambda dy: dy * len(calls), X)
    assert report.verdict == "inconclusive"
    assert report.findings[0].code == "GC803"
