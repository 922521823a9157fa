"""Bounds, and the edges of a domain that nobody named."""

import numpy as np
import pytest
from scipy.optimize import Bounds

import gradcheck

BOX = [(0.0, 1.0), (None, 2.0), (-1.0, None)]
EDGES = ([0.0, 2.0, -1.0], [1.0, 0.5, 3.0], [1e-9, 2.0, 0.0], [0.4, -3.0, 1e4])


def boxed(x):
    """A loss that is asked inside of the box alone."""
    assert 0 <= x[0] <= 1
    assert x[1] <= 2
    assert x[2] >= -1
    return np.exp(-x[0]) * np.sin(x[1]) + np.log(x[2] + 2) * x[0]


def slope(x):
    decay = np.exp(-x[0])
    return np.array(
        [-decay * np.sin(x[1]) + np.log(x[2] + 2), decay * np.cos(x[1]), x[0] / (x[2] + 2)]
    )


@pytest.mark.parametrize("at", EDGES)
def test_every_step_stays_inside(at):
    assert gradcheck.check(boxed, np.array(at), slope, bounds=BOX).ok


@pytest.mark.parametrize("at", EDGES[:3])
@pytest.mark.parametrize("entry", range(3))
@pytest.mark.parametrize("factor", [0.0, 2.0, -1.0, 1.0001])
def test_an_error_at_an_edge_is_seen(at, entry, factor):
    def wrong(x):
        gradient = slope(x)
        gradient[entry] *= factor
        return gradient

    at = np.array(at)
    if abs(slope(at)[entry]) > 1e-6:
        report = gradcheck.check(boxed, at, wrong, bounds=BOX, diagnose=False)
        assert report.blocks[0].wrong_entries == 1
        assert report.blocks[0].worst.index == (entry,)


@pytest.mark.parametrize(
    "bounds",
    [
        BOX,
        Bounds([0.0, -np.inf, -1.0], [1.0, 2.0, np.inf]),
        ([0.0, -np.inf, -1.0], [1.0, 2.0, np.inf]),
        {"params": BOX},
    ],
)
def test_the_forms_of_bounds(bounds):
    assert gradcheck.check(boxed, np.array(EDGES[0]), slope, bounds=bounds).ok


def test_bounds_by_block():
    def loss(p):
        assert np.all(p["rate"] >= 0)
        return np.sum(np.sqrt(p["rate"] + 1)) * p["size"]

    def grad(p):
        root = np.sqrt(p["rate"] + 1)
        return {"rate": p["size"] / 2 / root, "size": np.sum(root)}

    params = {"rate": np.zeros((2, 2)), "size": 3.0}
    assert gradcheck.check(loss, params, grad, bounds={"rate": (0, None)}).ok


def test_what_bounds_hold_is_not_checked():
    report = gradcheck.check(boxed, np.array(EDGES[0]), slope, bounds=[(0, 1), (2, 2), (-1, 0)])
    assert report.ok
    assert report.coverage.entries == 2
    assert "params[1]" in " ".join(report.notes)


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ([(0, 1)], "a pair"),
        ([(0, 1), (0, 2), (3, 2)], "above its upper"),
        ([(0, 1), (0, 1), (0, 1)], r"params\[1\] is 2, outside of its bounds 0 and 1"),
        ({"x": (0, 1)}, "no block is called 'x'"),
    ],
)
def test_bounds_that_cannot_be_read(bounds, says):
    with pytest.raises(gradcheck.UsageError, match=says):
        gradcheck.check(boxed, np.array(EDGES[0]), slope, bounds=bounds)


@pytest.mark.parametrize("outside", ["raises", "is nan"])
@pytest.mark.parametrize("at", [1e-12, 1e-6, 1e-3, 1.0])
def test_the_edge_of_a_domain_is_one_entrys(outside, at):
    def loss(x):
        if x[0] <= 0:
            if outside == "raises":
                raise ValueError("no logarithm")
            return np.nan
        return np.log(x[0]) + np.sum(np.cos(x[1:]))

    def grad(x):
        return np.concatenate([1 / x[:1], -np.sin(x[1:])])

    params = np.array([at, 0.5, -1.5])
    assert gradcheck.check(loss, params, grad).ok
    wrong = gradcheck.check(loss, params, lambda x: grad(x) * [2, 1, 1], diagnose=False)
    assert wrong.blocks[0].wrong_entries == 1


def test_a_loss_that_raises_once_is_no_domain():
    calls = []

    def loss(x):
        calls.append(0)
        if len(calls) == 60:
            raise OSError("gone")
        return np.sum(x**2)

    report = gradcheck.check(loss, np.arange(1.0, 9.0), lambda x: 2 * x)
    assert report.verdict == "inconclusive"
    assert "OSError: gone" in report.could_not_check


@pytest.mark.parametrize(
    ("at", "low"), [([900.0, 9.0], 0.0), ([100.0, 9.0], 0.9), ([9.0, 9.0], 0.9)]
)
@pytest.mark.parametrize("factor", [0.5, -2.0, 0.999])
def test_the_edge_of_a_domain_is_no_jump(at, low, factor):
    """Beside bounds losses are extrapolated, which does not look like a rounded term."""

    def loss(z):
        return np.sum(1 / (1 + z))

    def values(z):
        return np.array([np.sum(1 / (1 + z)), np.sum(np.log(z))])

    at = np.array(at)
    bounds = [(low * each, None) for each in at]
    for given, right in ((1.0, "pass"), (factor, "fail")):
        report = gradcheck.check(
            loss, at, lambda z, by=given: -by / (1 + z) ** 2, bounds=bounds, diagnose=False
        )
        assert report.verdict == right
        report = gradcheck.check_jacobian(
            values,
            at,
            lambda z, by=given: np.array([-by / (1 + z) ** 2, 1 / z]),
            bounds=bounds,
            diagnose=False,
        )
        assert report.verdict == right


@pytest.mark.parametrize("seed", range(12))
def test_a_fit_that_ends_at_its_bounds_is_decided(seed):
    """The noise of the residuals is measured on lines that go inwards."""
    t = np.linspace(77, 760, 14)

    def model(x):
        return x[0] * (1 - np.exp(-x[1] * t))

    def jacobian(x):
        decay = np.exp(-x[1] * t)
        return np.column_stack([1 - decay, x[0] * t * decay])

    at = np.array([500.0, 1e-4])
    data = model(at) * (1 + 0.02 * np.random.default_rng(seed).normal(size=14))
    for bounds in ([(500, None), (None, None)], [(500, None), (1e-4, None)], [(None, 500)] * 2):
        report = gradcheck.check_jacobian(
            lambda x: model(x) - data, at, jacobian, bounds=bounds, seed=seed
        )
        assert report.ok
