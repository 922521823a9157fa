"""Steps whose size says nothing of the gradient are told, and a wrong learning rate is said."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(8)
ROWS, TARGET = RNG.normal(size=(7, 3)), RNG.normal(size=7)
START = {"w": RNG.normal(size=3), "b": np.array(0.3)}


def loss(p):
    return float(np.mean(np.log(np.cosh(ROWS @ p["w"] + p["b"] - TARGET))))


def grad(p):
    d = np.tanh(ROWS @ p["w"] + p["b"] - TARGET) / 7
    return {"w": ROWS.T @ d, "b": d.sum()}


def adagrad(sign=1.0):
    squares = {}

    def step(p, lr):
        new = {}
        for name, g in grad(p).items():
            squares[name] = squares.get(name, 0.0) + g * g
            new[name] = p[name] - sign * lr * g / np.sqrt(squares[name] + 1e-12)
        return new

    return step


def by_sign(p, lr):
    return {name: p[name] - lr * np.sign(g) for name, g in grad(p).items()}


def check(step, rate=0.01):
    return gradcheck.check_step(step, START, loss=loss, learning_rate=rate)


@pytest.mark.parametrize("step", [adagrad(), by_sign])
def test_an_adaptive_step_is_undecided_and_told(step):
    report = check(step)
    assert report.verdict == "inconclusive", str(report)
    assert report.findings == ()
    assert any("adaptive" in note for note in report.notes)
    assert not any("low-precision" in note for note in report.notes)


def test_an_adaptive_step_that_climbs_fails():
    assert check(adagrad(-1.0)).verdict == "fail"


def test_a_gradient_of_one_size_is_not_taken_for_an_adaptive_step():
    report = gradcheck.check_step(
        lambda p, lr: {"w": p["w"] - lr * 1.5},
        {"w": np.ones(3)},
        loss=lambda p: float(np.sum(p["w"])),
        learning_rate=0.1,
    )
    assert report.verdict == "fail"


@pytest.mark.parametrize(("used", "given"), [(0.2, 0.05), (0.01, 0.4), (0.1, 0.2)])
def test_the_learning_rate_that_a_step_uses_is_said(used, given):
    report = check(lambda p: {name: p[name] - used * g for name, g in grad(p).items()}, given)
    assert report.verdict == "fail"
    assert any(f"with the learning rate {used:g} in the place" in note for note in report.notes)


def adam_with_decay(p, lr, sign=1.0):
    moves = {name: sign * g / (np.abs(g) + 1e-8) for name, g in grad(p).items()}
    return {name: p[name] - lr * (moves[name] + 0.05 * p[name] * (name == "w")) for name in p}


def adadelta(p, lr, sign=1.0):
    moves = {name: sign * g / np.sqrt(0.05 * g * g + 1e-6) for name, g in grad(p).items()}
    return {name: p[name] - lr * 1e-3 * moves[name] for name in p}


@pytest.mark.parametrize("step", [adam_with_decay, adadelta])
def test_decay_and_a_small_number_leave_an_adaptive_step_adaptive(step):
    report = check(step)
    assert report.verdict == "inconclusive", str(report)
    assert any("adaptive" in note for note in report.notes)
    assert check(lambda p, lr: step(p, lr, -1.0)).verdict == "fail"
