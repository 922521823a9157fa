"""Entries that are not perturbed one by one are moved together.

The activation is one that no network is recognised by.
"""

from itertools import product

import numpy as np
import pytest
from sweeps import sample

import gradcheck

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 60)), RNG.normal(size=(16, 20))
PARAMS = {"W": RNG.normal(size=(60, 80)) / 8, "V": RNG.normal(size=(80, 20)) / 9}


def loss(p):
    return 0.5 * np.sum((np.arctan(X @ p["W"]) @ p["V"] - Y) ** 2)


def gradient(p):
    pre_activation = X @ p["W"]
    hidden = np.arctan(pre_activation)
    delta = hidden @ p["V"] - Y
    slope = 1 / (1 + pre_activation**2)
    return {"W": X.T @ (delta @ p["V"].T * slope), "V": hidden.T @ delta}


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


ENTRIES = list(product([(0, 0), (31, 17), (59, 79)], [1.01, 2.0, 0.0, -1.0]))


@pytest.mark.parametrize(("entry", "factor"), sample(ENTRIES, every=5))
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


SIZE = 100_000
MIXING = np.random.default_rng(0).normal(size=(40, SIZE)) / np.sqrt(SIZE)


@pytest.mark.parametrize(("entry", "most"), [(None, 56), (31_415, 116)])
def test_few_evaluations_are_enough_for_many_parameters(entry, most):
    def wrong(w):
        gradient = MIXING.T @ np.cos(MIXING @ w)
        if entry is not None:
            gradient[entry] *= 1.5
        return gradient

    point = np.random.default_rng(1).normal(size=SIZE)
    report = gradcheck.check(lambda w: float(np.sum(np.sin(MIXING @ w))), point, wrong, budget=1e-9)
    assert report.ok == (entry is None)
    assert report.evaluations <= most
    assert entry is None or report.blocks[0].worst.index == (entry,)


@pytest.mark.in_full
def test_several_wrong_entries_are_found_one_after_the_other():
    factors = np.ones(SIZE)
    factors[[100, 200, 300]] = 1.5

    def wrong(w):
        return MIXING.T @ np.cos(MIXING @ w) * factors

    point = np.random.default_rng(1).normal(size=SIZE)
    report = gradcheck.check(lambda w: float(np.sum(np.sin(MIXING @ w))), point, wrong, budget=1e-9)
    assert report.blocks[0].wrong_entries == 3
    assert report.evaluations <= 220
