"""Parameters in one container of an object, and gradients in another beside it."""

import numpy as np
import pytest

import gradcheck

DATA = np.random.default_rng(8).normal(size=(6, 2))


class Model:
    """A fit with its parameters in a dict, a list, or under other names."""

    def __init__(self, holder="params", keys=("A", "c"), factor=1.0):
        values = [np.array([0.4, -0.7]), np.array([0.2])]
        held = dict(zip(keys, values, strict=True)) if keys else values
        setattr(self, holder, held)
        self.holder, self.factor, self.keys = holder, factor, keys or (0, 1)
        self.velocity = {
            key: np.zeros_like(value) for key, value in zip(self.keys, values, strict=True)
        }

    def energy(self):
        A, c = (getattr(self, self.holder)[key] for key in self.keys)
        self.z = DATA @ A + c
        return np.sum(self.z**3)

    def slopes(self):
        d = 3 * self.z**2
        return dict(zip(self.keys, (self.factor * DATA.T @ d, d.sum(keepdims=True)), strict=True))


def both(model):
    return model.energy(), model.slopes()


def keeping(name, as_list=False):
    def keep(model):
        slopes = model.slopes()
        setattr(model, name, list(slopes.values()) if as_list else slopes)

    return keep


def wrong_blocks(report):
    return {block.name for block in report.blocks if block.verdict == "wrong"}


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize(
    ("holder", "loss", "grad"),
    [
        ("params", Model.energy, Model.slopes),
        ("params", both, None),
        ("params", Model.energy, keeping("grads")),
        ("parameters", Model.energy, keeping("gradients")),
        ("trainable_parameters", Model.energy, keeping("gradients")),
        ("_params", Model.energy, keeping("grads")),
    ],
)
def test_a_dict_of_an_object(holder, loss, grad, factor):
    report = gradcheck.check(loss, Model(holder, factor=factor), grad)
    assert wrong_blocks(report) == (set() if factor == 1.0 else {f"{holder}.A"})
    assert len([block for block in report.blocks if block.verdict != "not checked"]) == 2


def test_lists_beside_each_other():
    model = Model("weights", keys=())
    report = gradcheck.check(Model.energy, model, keeping("grads", as_list=True))
    assert [block.name for block in report.blocks if block.verdict == "ok"] == [
        "weights[0]",
        "weights[1]",
    ]


def test_of_two_containers_with_the_same_names_the_loss_reads_one():
    assert gradcheck.check(Model.energy, Model("first"), Model.slopes).ok
    narrowed = gradcheck.parameters(Model("first"), only="first")
    assert gradcheck.check(Model.energy, narrowed, Model.slopes).ok


class Number:
    """A number of a small engine."""

    def __init__(self, data, pull=()):
        self.data, self.grad, self.pull = data, 0.0, pull

    def __mul__(self, other):
        return Number(self.data * other.data, ((self, other.data), (other, self.data)))

    def back(self, up=1.0):
        self.grad += up
        for number, slope in self.pull:
            number.back(up * slope)


def test_numbers_with_data_and_grad():
    def loss(numbers):
        return numbers[0] * numbers[1] * numbers[0]

    def grad(numbers, start=1.0):
        for number in numbers:
            number.grad = 0.0
        loss(numbers).back(start)

    numbers = [Number(1.5), Number(-0.5)]
    report = gradcheck.check(loss, numbers, grad)
    assert report.ok
    assert [block.name for block in report.blocks if block.entries] == [
        "params[0].data",
        "params[1].data",
    ]
    assert not gradcheck.check(loss, numbers, lambda numbers: grad(numbers, 2.0)).ok
    assert [(number.data, number.grad) for number in numbers] == [(1.5, 0.0), (-0.5, 0.0)]


def test_layers_without_parameters_among_those_with_some():
    params = [{}, {"k": np.array([0.3, 0.8])}, {}]
    report = gradcheck.check(
        lambda layers: np.sum(layers[1]["k"] ** 4),
        params,
        lambda layers: [{}, {"k": 4 * layers[1]["k"] ** 3}, None],
    )
    assert report.ok
