"""Gradients that were made before the code raised are judged; what was still to change is not."""

import numpy as np
import pytest

import gradcheck

X = np.array([[1.0, -2.0, 0.5], [0.25, 1.5, -1.0]])
PARAMS = {"a": np.array([0.5, -1.0]), "b": np.array([0.3, 0.7, -0.2]), "w": np.eye(2, 3) + 0.1}


def loss(p):
    return np.sum(p["a"] ** 3) + np.sum(np.sin(p["b"])) + np.sum((p["w"] * X) ** 2)


def into_a_dict(p):
    grads = {}
    grads["a"] = 3 * p["a"] ** 2
    grads["b"] = 2 * np.cos(p["b"])
    grads["w"] = X @ p["w"]
    return grads


def in_variables(p):
    da = 3 * p["a"] ** 2
    db = 2 * np.cos(p["b"])
    dw = X @ p["w"]
    return {"a": da, "b": db, "w": dw}


def in_order(p):
    da, db = 3 * p["a"] ** 2, 2 * np.cos(p["b"])
    return da, db, X @ p["w"]


def handed_through(p):
    return into_a_dict(p)


def a_loop_that_assigns(p):
    rules = {"a": lambda v: 3 * v**2, "b": lambda v: 2 * np.cos(v), "w": lambda v: X @ v}
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    for name, rule in rules.items():
        grads[name] = rule(p[name])
    return grads


def divided_later(p):
    grads = {"a": 3 * p["a"] ** 2, "b": 2 * np.cos(p["b"])}
    grads["w"] = X @ p["w"]
    for name in grads:
        grads[name] = grads[name] / 2
    return grads


def added_to_later(p):
    db = 2 * np.cos(p["b"])
    dw = X @ p["w"]
    db += p["b"]
    return {"b": db, "w": dw}


def given_to_a_helper(p):
    grads = {"b": 2 * np.cos(p["b"])}
    grads["w"] = X @ p["w"]
    print(grads)
    return grads


def added_up_in_a_loop(p):
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    for row in range(3):
        grads["b"] += np.cos(p["b"])
        grads["w"] += X[:, :row] @ p["w"]
    return grads


def changed_on_the_way_out(p):
    return {name: value / 2 for name, value in into_a_dict(p).items()}


def another_way_out(p):
    grads = {"b": 2 * np.cos(p["b"])}
    grads["w"] = X @ p["w"]
    if len(p) > 2:
        return {"b": grads["b"] / 2}
    return grads


def clipped_in_place(p):
    grads = {"b": 2 * np.cos(p["b"])}
    grads["w"] = X @ p["w"]
    for name in grads:
        np.clip(grads[name], -1, 1, out=grads[name])
    return grads


def verdicts(grad):
    report = gradcheck.check(loss, PARAMS, grad)
    return {block.name: block.verdict for block in report.blocks}


@pytest.mark.parametrize(
    "grad", [into_a_dict, in_variables, handed_through, in_order, a_loop_that_assigns]
)
def test_what_was_made_is_judged(grad):
    assert verdicts(grad) == {"a": "ok", "b": "wrong", "w": "raised"}


@pytest.mark.parametrize(
    "grad",
    [
        divided_later,
        added_to_later,
        given_to_a_helper,
        added_up_in_a_loop,
        changed_on_the_way_out,
        another_way_out,
        clipped_in_place,
    ],
)
def test_what_would_have_changed_is_not_judged(grad):
    assert set(verdicts(grad).values()) == {"raised"}


class Model:
    """A model that keeps its gradients beside its parameters."""

    def __init__(self):
        self.W1, self.b1, self.W2 = (PARAMS[name].copy() for name in "abw")

    def loss(self):
        return loss({"a": self.W1, "b": self.b1, "w": self.W2})

    def backward(self):
        self.dW1 = 3 * self.W1**2
        self.db1 = 2 * np.cos(self.b1)
        self.dW2 = X @ self.W2

    def backward_and_scale(self):
        self.dW1 = 3 * self.W1**2
        self.db1 = 2 * np.cos(self.b1)
        self.dW2 = X @ self.W2
        for gradient in (self.dW1, self.db1, self.dW2):
            gradient /= 2

    def backward_in_steps(self):
        self.dW1 = 3 * self.W1**2
        self.db1 = np.zeros(3)
        for row in range(3):
            self.db1 += np.cos(self.b1)
            self.dW2 = X[:, :row] @ self.W2


class Part:
    """One parameter of a model of several, with its own rule."""

    def __init__(self, value, rule):
        self.W, self.rule = value.copy(), rule

    def backward(self):
        self.dW = self.rule(self.W)


class Parts:
    """A model whose gradients are made by its parts, the last first."""

    def __init__(self):
        rules = {"w": lambda v: X @ v, "b": lambda v: 2 * np.cos(v), "a": lambda v: 3 * v**2}
        self.parts = [Part(PARAMS[name], rule) for name, rule in rules.items()]

    def loss(self):
        return loss(dict(zip("wba", (part.W for part in self.parts), strict=True)))

    def backward(self):
        for part in reversed(self.parts):
            part.backward()


def verdicts_of(model, backward):
    report = gradcheck.check(lambda m: m.loss(), model, backward)
    return {block.name: block.verdict for block in report.blocks}


def test_what_was_left_in_an_object_is_judged():
    assert verdicts_of(Model(), Model.backward) == {"W1": "ok", "b1": "wrong", "W2": "raised"}
    assert verdicts_of(Parts(), Parts.backward) == {
        "parts[0].W": "raised",
        "parts[1].W": "wrong",
        "parts[2].W": "ok",
    }


def test_what_an_earlier_call_left_in_it_is_not_judged():
    model = Model()
    model.dW1 = np.ones(2)

    def backward(m):
        m.db1 = 2 * np.cos(m.b1)
        m.dW2 = X @ m.W2
        m.dW1 = 3 * m.W1**2

    found = verdicts_of(model, backward)
    assert [found[name] for name in ("W1", "b1", "W2")] == ["raised", "wrong", "raised"]


def test_what_would_have_changed_in_it_is_not_judged():
    assert verdicts_of(Model(), Model.backward_and_scale) == dict.fromkeys(
        ("W1", "b1", "W2"), "raised"
    )
    assert verdicts_of(Model(), Model.backward_in_steps) == {
        "W1": "ok",
        "b1": "raised",
        "W2": "raised",
    }
