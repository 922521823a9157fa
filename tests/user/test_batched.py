"""Losses that take a stack of parameters, and the bar that is shown while many are evaluated."""

import io

import numpy as np
import pytest

import gradcheck
from gradcheck.progress import no_bar, progress_bar

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 2))
PARAMS = {"W": RNG.normal(size=(5, 2)), "b": RNG.normal(size=2)}
CALLS = []


def stacked_loss(p):
    CALLS.append(len(p["W"]))
    z = np.arctan(X @ p["W"] + p["b"][:, None, :])
    return ((z - Y) ** 2).sum(axis=(1, 2))


def grad(p):
    z = X @ p["W"] + p["b"]
    delta = 2 * (np.arctan(z) - Y) / (1 + z**2)
    return {"W": X.T @ delta, "b": delta.sum(axis=0)}


def test_a_stack_is_evaluated_at_once():
    CALLS.clear()
    report = gradcheck.check(stacked_loss, PARAMS, grad, batched=True)
    assert report.ok, str(report)
    assert max(CALLS) >= PARAMS["W"].size
    one_by_one = gradcheck.check(
        lambda p: stacked_loss({name: value[None] for name, value in p.items()})[0], PARAMS, grad
    )
    assert [b.worst for b in report.blocks] == [b.worst for b in one_by_one.blocks]


def test_a_wrong_gradient_is_found_in_a_stack():
    report = gradcheck.check(
        stacked_loss, PARAMS, lambda p: {**grad(p), "b": 2 * grad(p)["b"]}, batched=True
    )
    assert [block.verdict for block in report.blocks] == ["ok", "wrong"]


def test_a_loss_that_takes_no_stack_is_refused():
    with pytest.raises(gradcheck.UsageError, match=r"it must return \d+ losses"):
        gradcheck.check(lambda p: float(stacked_loss(p)[0]), PARAMS, grad, batched=True)
    with pytest.raises(gradcheck.UsageError, match="needs grad"):
        gradcheck.check(lambda p: (stacked_loss(p), grad(p)), PARAMS, batched=True)
    parameters = gradcheck.parameters(PARAMS, in_place=True)
    with pytest.raises(gradcheck.UsageError, match="batched=True is for arrays"):
        gradcheck.check(stacked_loss, parameters, grad, batched=True)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def loss(p):
    return float(stacked_loss({name: value[None] for name, value in p.items()})[0])


def test_a_bar_is_shown_on_a_terminal_only(monkeypatch):
    terminal, file = Terminal(), io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    assert gradcheck.check(loss, PARAMS, grad).ok
    assert file.getvalue() == ""
    monkeypatch.setattr("gradcheck.progress.PATIENCE", 0.0)
    monkeypatch.setattr("sys.stderr", terminal)
    assert gradcheck.check(loss, PARAMS, grad).ok
    assert "losses" in terminal.getvalue()


def test_without_a_terminal_nothing_is_loaded(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress_bar() as begin:
        assert begin is no_bar
