"""One mistake made in every layer: its factors multiply, and each is put right on its own."""

import numpy as np

import gradcheck

rng = np.random.default_rng(2)
X, Y = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
PARAMS = {
    "A": rng.normal(size=(4, 7)),
    "B": rng.normal(size=(7, 6)),
    "C": rng.normal(size=(6, 5)),
    "D": rng.normal(size=(5, 2)),
}
MASKS = [rng.random((12, units)) < 0.8 for units in (7, 6, 5)]


def forward(p):
    one = np.tanh(X @ p["A"])
    first = one * MASKS[0] / 0.8
    two = np.tanh(first @ p["B"])
    second = two * MASKS[1] / 0.8
    three = np.tanh(second @ p["C"])
    third = three * MASKS[2] / 0.8
    return one, first, two, second, three, third


def loss(p):
    return 0.5 * np.sum((forward(p)[-1] @ p["D"] - Y) ** 2)


def grad(p):
    one, first, two, second, three, third = forward(p)
    error = third @ p["D"] - Y
    below = error @ p["D"].T * MASKS[2] * (1 - three**2)
    lower = below @ p["C"].T * MASKS[1] * (1 - two**2)
    lowest = lower @ p["B"].T * MASKS[0] * (1 - one**2)
    return {"A": X.T @ lowest, "B": first.T @ lower, "C": second.T @ below, "D": third.T @ error}


def test_the_missing_scale_of_three_dropouts_is_three_findings():
    findings = [one for one in gradcheck.check(loss, PARAMS, grad).findings if one.location]
    assert [one.code for one in findings] == ["GC852"] * 3
    assert [one.location.source.split(" = ")[0] for one in findings] == ["below", "lower", "lowest"]
