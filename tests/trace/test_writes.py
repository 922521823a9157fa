"""Of several writes into one array, the one that wrote what is wrong is told."""

import numpy as np

import gradcheck

RNG = np.random.default_rng(5)
LENGTHS, LABELS = (4, 2), np.array([[0, 2, 1, 1], [2, 0, 0, 0]])


def log_chances(scores):
    grown = np.exp(scores - scores.max(axis=2, keepdims=True))
    return np.log(grown / grown.sum(axis=2, keepdims=True))


def loss(scores):
    logs = log_chances(scores)
    total = 0.0
    for at, length in enumerate(LENGTHS):
        for row in range(length):
            total -= logs[at, row, LABELS[at, row]] * (1 + row)
    return total


def grad(scores):
    logs = log_chances(scores)
    found = np.full(scores.shape, -np.inf)
    for at, length in enumerate(LENGTHS):
        for row in range(length):
            found[at, row, LABELS[at, row]] = 0.0
            for column in range(3):
                share = np.exp(logs[at, row, column]) - np.exp(found[at, row, column])
                found[at, row, column] = share * (2 + row)
        if length < 4:
            found[at, length:] = 0
    return found


def test_a_write_to_right_entries_after_a_wrong_one_is_not_blamed():
    finding = gradcheck.check(loss, RNG.normal(size=(2, 4, 3)), grad).findings[0]
    assert finding.location.source.startswith("found[at, row, column] = share")
