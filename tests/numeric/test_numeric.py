import numpy as np
import pytest

import gradcheck
from gradcheck.numeric.blackbox import numeric_gradient
from gradcheck.numeric.gradient import Claim
from gradcheck.numeric.noise import estimate_noise
from gradcheck.numeric.stencils import Stencil

POINT = np.linspace(-1.3, 1.7, 40)


def measure(function, derivative, point=POINT, claimed=None):
    """The estimates of a sum of one-dimensional functions, and the true derivatives."""
    rng = np.random.default_rng(0)
    work = point.copy()

    def loss(blocks):
        return float(function(blocks[0]).sum())

    def entry_loss(entry, value):
        before, work[entry] = work[entry], value
        result = loss([work])
        work[entry] = before
        return result

    def entry_losses(block, entries, moved):
        return np.array([entry_loss(*pair) for pair in zip(entries, moved, strict=True)])

    center = loss([point])
    noise = estimate_noise(loss, [point], center, 0.0, rng)
    truth = derivative(point)
    claim = Claim(truth if claimed is None else claimed, 1e-15)
    entries = [np.arange(point.size)]
    measured = numeric_gradient(entry_losses, [point], center, noise, entries, [claim], rng)
    return measured.blocks[0].estimates, truth, measured, noise


def test_wrong_entries_are_sampled_where_the_evaluations_do_not_suffice():
    rng = np.random.default_rng(0)
    point = rng.normal(size=2000)
    claim = np.where(np.arange(2000) % 2, 2.0, 1.0) * np.cos(point)
    calls = 0

    def losses(block, entries, moved):
        nonlocal calls
        calls += len(entries)
        return np.sin(point).sum() + np.sin(moved) - np.sin(point[entries])

    center = float(np.sin(point).sum())
    noise = estimate_noise(lambda p: float(np.sin(p[0]).sum()), [point], center, 0.0, rng)
    entries, claims = [np.arange(2000)], [Claim(claim, 1e-15, each=2.0)]
    (block,) = numeric_gradient(losses, [point], center, noise, entries, claims, rng).blocks
    off = np.abs(block.estimates.value - claim[block.entries]) > 3 * block.estimates.bound
    assert calls < 10000
    assert 256 < np.count_nonzero(off) < 1000 == np.count_nonzero(~off)
    claims = [Claim(claim, 1e-15)]
    (whole,) = numeric_gradient(losses, [point], center, noise, entries, claims, rng).blocks
    assert len(whole.entries) == 2000


SMOOTH = {
    "exponential": (np.exp, np.exp),
    "sine of a million": (lambda x: 1e6 * np.sin(x), lambda x: 1e6 * np.cos(x)),
    "fast sine": (lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x)),
    "tiny": (lambda x: 1e-9 * np.tanh(x), lambda x: 1e-9 / np.cosh(x) ** 2),
    "with a constant": (lambda x: np.tanh(x) + 1e6, lambda x: 1 / np.cosh(x) ** 2),
    "in float32": (lambda x: np.tanh(x.astype(np.float32)), lambda x: 1 / np.cosh(x) ** 2),
    "rounded": (lambda x: np.round(np.sin(x), 7), np.cos),
    "linear": (lambda x: 3 * x, lambda x: 3 + 0 * x),
    "flat": (lambda x: 0 * x + 1, lambda x: 0 * x),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("claim", ["right", "none", "wrong"])
def test_the_bound_covers_the_true_error(name, claim):
    function, derivative = SMOOTH[name]
    claimed = {"right": None, "none": POINT * np.nan, "wrong": derivative(POINT) * 1.1 + 1e-3}
    estimates, truth, _, _ = measure(function, derivative, claimed=claimed[claim])
    assert np.all(np.abs(estimates.value - truth) <= 2 * estimates.bound)
    scale = np.abs(truth).max() or 1.0
    assert np.median(estimates.bound) <= 2e-3 * scale


def test_a_right_gradient_costs_little_more_than_two_evaluations_an_entry():
    point = np.random.default_rng(0).normal(size=2000)
    _, _, measured, _ = measure(np.tanh, lambda x: 1 / np.cosh(x) ** 2, point)
    assert measured.evaluations <= 2.05 * point.size


@pytest.mark.parametrize("distance", [0.0, 1e-9, -1e-8, 1e-7, -1e-6, 1e-5, 1e-3])
def test_both_slopes_are_right_on_a_kink_and_one_beside_it(distance):
    point = POINT.copy()
    point[7] = distance
    estimates, truth, _, _ = measure(
        lambda x: np.maximum(x, 0) ** 1.0 + x**2, lambda x: (x > 0) + 2 * x, point
    )
    assert np.all(estimates.distance(truth) <= 2 * estimates.bound)
    if distance == 0 or abs(distance) >= 1e-7:
        assert estimates.kink[7] == (distance == 0)
    assert np.count_nonzero(estimates.kink) <= 1


@pytest.mark.parametrize(
    ("function", "lowest", "highest"),
    [
        (np.sin, 1e-16, 1e-12),
        (lambda x: np.sin(x) + 1e6, 1e-10, 1e-7),
        (lambda x: np.sin(x.astype(np.float32)), 1e-7, 1e-4),
        (lambda x: np.round(np.sin(x), 5), 1e-6, 1e-3),
    ],
)
def test_the_noise_is_what_the_function_has(function, lowest, highest):
    noise = estimate_noise(
        lambda blocks: float(function(blocks[0]).sum()),
        [POINT],
        float(function(POINT).sum()),
        0.0,
        np.random.default_rng(0),
    )
    assert lowest <= noise.level <= highest


@pytest.mark.parametrize("shape", [(), (1,), (3, 2)])
def test_the_noise_is_measured_near_the_point_and_not_at_it(shape):
    point, asked = np.full(shape, 5.0), []

    def loss(values):
        asked.append(np.max(np.abs(values[0] - point)))
        return float(np.sum(values[0] ** 2))

    noise = estimate_noise(loss, [point], loss([point]), 0.0, np.random.default_rng(0))
    assert noise.evaluations == len(asked) - 1
    assert min(asked[1:]) > 0
    assert max(asked) < 0.1


def test_a_stencil_that_has_not_the_order_it_claims_is_refused():
    with pytest.raises(ValueError, match="moment 2"):
        Stencil((0, 1), (-1.0, 1.0), order=2)


@pytest.mark.parametrize("seed", [8, 14])
def test_small_weights_whose_kinks_are_near_are_wrong_and_not_coarsely_rounded(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(10, 3)), rng.integers(0, 2, size=(10, 1))
    point = {"W1": rng.normal(size=(3, 20)) * 0.01, "b1": rng.normal(size=20) * 1e-9}
    point.update(W2=rng.normal(size=(20, 1)) * 0.01, b2=np.zeros(1))

    def forward(p):
        z = x @ p["W1"] + p["b1"]
        return z, 1 / (1 + np.exp(-(np.maximum(z, 0) @ p["W2"] + p["b2"])))

    def loss(p):
        a = forward(p)[1]
        return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))

    def grad(p):
        z, a = forward(p)
        d = (a - y) / 10
        below = d @ p["W2"].T * (z > 0) / 10
        gradients = x.T @ below, below.sum(axis=0), np.maximum(z, 0).T @ d, d.sum(axis=0)
        return dict(zip(("W1", "b1", "W2", "b2"), gradients, strict=True))

    report = gradcheck.check(loss, point, grad, diagnose=False)
    assert [block.verdict for block in report.blocks] == ["wrong", "wrong", "ok", "ok"]
