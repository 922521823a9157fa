"""Entries that are not perturbed one by one are moved together."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 60)), RNG.normal(size=(16, 20))
PARAMS = {"W": RNG.normal(size=(60, 80)) / 8, "V": RNG.normal(size=(80, 20)) / 9}


def loss(p):
    return 0.5 * np.sum((np.tanh(X @ p["W"]) @ p["V"] - Y) ** 2)


def gradient(p):
    hidden = np.tanh(X @ p["W"])
    delta = hidden @ p["V"] - Y
    return {"W": X.T @ (delta @ p["V"].T * (1 - hidden**2)), "V": hidden.T @ delta}


def check(change=None, budget=1e-9):
    def wrong(p):
        gradients = gradient(p)
        if change is not None:
            change(gradients["W"])
        return gradients

    report = gradcheck.check(loss, PARAMS, wrong, budget=budget)
    assert not report.coverage.complete
    return report


def test_what_is_right_passes_and_the_rest_is_said_to_be_screened():
    report = check()
    assert report.ok, str(report)
    assert any("moved together, along random directions" in note for note in report.notes)


@pytest.mark.parametrize("factor", [1.01, 2.0, 0.0, -1.0])
@pytest.mark.parametrize("entry", [(0, 0), (31, 17), (59, 79)])
def test_one_wrong_entry_of_thousands_is_found(entry, factor):
    def change(gradient):
        gradient[entry] *= factor

    report = check(change)
    block = report.blocks[0]
    assert (block.verdict, block.wrong_entries) == ("wrong", 1)
    assert block.worst.index == entry
    assert report.blocks[1].verdict == "ok"


def test_entries_that_are_wrong_everywhere_are_not_hunted_one_by_one():
    def change(gradient):
        gradient += (
            0.01
            * np.abs(gradient).max()
            * np.sign(np.sin(np.arange(gradient.size))).reshape(gradient.shape)
        )

    report = check(change)
    assert report.blocks[0].verdict == "wrong"
    assert report.evaluations < 1000


def test_a_number_of_entries_is_what_was_asked_for():
    report = gradcheck.check(loss, PARAMS, gradient, entries=5)
    assert report.coverage.entries == 10
    assert not any("moved together" in note for note in report.notes)
