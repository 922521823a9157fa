from __future__ import annotations

import math

import numpy as np
import pytest

from gradcheck.network.activations import ACTIVATIONS, LEAK, PUBLIC_ACTIVATIONS
from gradcheck.network.rows import Activation, Softmax

ELEMENTWISE = [row for row in ACTIVATIONS.values() if isinstance(row, Activation)]
SOFTMAX = ACTIVATIONS["softmax"]
POINTS = np.array([-6.0, -3.3, -1.7, -0.9, -0.31, -0.05, 0.04, 0.27, 0.8, 1.9, 3.1, 5.5])


def central(function, z, step):
    return (function(z + step) - function(z - step)) / (2 * step)


def richardson(function, z, step=4e-3):
    coarse, middle, fine = (central(function, z, step / 2**k) for k in range(3))
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return (16 * second - first) / 15


def one_sided(function, z, direction, step=1e-4):
    """Exact for quadratics; `direction` is +1 or -1."""
    h = direction * step
    f = function(np.array([z, z + h, z + 2 * h]))
    return (-3 * f[0] + 4 * f[1] - f[2]) / (2 * h)


def by_name(rows):
    return {"argvalues": rows, "ids": [row.name for row in rows]}


@pytest.mark.parametrize("row", **by_name(ELEMENTWISE))
def test_slope_is_the_derivative_of_the_value(row):
    np.testing.assert_allclose(row.slope(POINTS), richardson(row.value, POINTS), rtol=0, atol=1e-11)


def test_the_public_names_are_those_of_the_contract():
    assert list(PUBLIC_ACTIVATIONS) == [
        *("linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu", "softmax")
    ]


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("linear", 2.5, 2.5),
        ("sigmoid", 0.7, 1 / (1 + math.exp(-0.7))),
        ("tanh", -0.7, math.tanh(-0.7)),
        ("relu", -3.0, 0.0),
        ("relu", 3.0, 3.0),
        ("leaky_relu", -3.0, -3.0 * LEAK),
        ("elu", -1e-9, math.expm1(-1e-9)),
        ("elu", 2.0, 2.0),
        ("softplus", 0.7, math.log1p(math.exp(0.7))),
        ("softplus", -40.0, math.exp(-40)),
        ("gelu", 0.7, 0.7 * 0.5 * math.erfc(-0.7 / math.sqrt(2))),
        ("gelu", -12.0, -12.0 * 0.5 * math.erfc(12.0 / math.sqrt(2))),
    ],
)
def test_value_against_the_formula(name, z, expected):
    assert float(ACTIVATIONS[name].value(np.array([z]))[0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "z", "expected"),
    [
        ("sigmoid", 40.0, math.exp(-40)),
        ("sigmoid", -40.0, math.exp(-40)),
        ("tanh", 20.0, 4 * math.exp(-40)),
        ("tanh", -20.0, 4 * math.exp(-40)),
        ("elu", -40.0, math.exp(-40)),
        ("softplus", -40.0, math.exp(-40)),
    ],
)
def test_slope_keeps_its_digits_in_the_tails(name, z, expected):
    slope = float(ACTIVATIONS[name].slope(np.array([z]))[0])
    assert slope == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("row", **by_name(ELEMENTWISE))
def test_the_slope_jumps_at_the_listed_kinks_and_nowhere_else(row):
    for z in (*row.kinks, 0.0, *POINTS):
        jump = abs(one_sided(row.value, z, +1) - one_sided(row.value, z, -1))
        assert (jump > 0.5) == (z in row.kinks), f"at z={z} the slope jumps by {jump}"


@pytest.mark.parametrize("row", **by_name([row for row in ELEMENTWISE if row.kinks]))
def test_at_a_kink_the_slope_is_the_one_on_the_left(row):
    for kink in row.kinks:
        left = one_sided(row.value, kink, -1)
        assert float(row.slope(np.array([kink]))[0]) == pytest.approx(left, abs=1e-9)


@pytest.mark.parametrize("row", **by_name(ELEMENTWISE))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_out_all_is_finite_and_silent(row, dtype):
    far = np.array([-1000.0, -400.0, -50.0, 0.0, 50.0, 400.0, 1000.0], dtype=dtype)
    with np.errstate(all="raise", under="ignore"):
        value, slope = row.value(far), row.slope(far)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert value.shape == slope.shape == far.shape
    assert value.dtype == slope.dtype == dtype


@pytest.mark.parametrize("unit_axis", [0, 1])
def test_softmax_pulls_back_through_its_jacobian(unit_axis):
    rng = np.random.default_rng(3)
    z, upstream = rng.standard_normal((2, 4, 3))
    a = SOFTMAX.activate(z, unit_axis)
    got = np.moveaxis(SOFTMAX.pull_back(z, a, upstream, unit_axis), unit_axis, -1)
    samples = zip(np.moveaxis(a, unit_axis, -1), np.moveaxis(upstream, unit_axis, -1), strict=True)
    expected = [(np.diag(p) - np.outer(p, p)) @ arriving for p, arriving in samples]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(a.sum(axis=unit_axis), 1, rtol=1e-15)


def test_softmax_far_out_is_finite_and_silent():
    z = np.array([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0]])
    with np.errstate(all="raise", under="ignore"):
        a = SOFTMAX.activate(z, 1)
        back = SOFTMAX.pull_back(z, a, np.ones_like(z), 1)
    np.testing.assert_allclose(a, [[1, 0, 0], [1 / 3] * 3], rtol=1e-15)
    np.testing.assert_allclose(back, 0, atol=1e-15)
    assert isinstance(SOFTMAX, Softmax)


@pytest.mark.parametrize("row", **by_name(ACTIVATIONS.values()))
def test_a_stack_of_layers_is_each_of_them(row):
    stack = np.random.default_rng(0).normal(size=(3, 5, 4))
    alone = [row.activate(z, 1) for z in stack]
    np.testing.assert_allclose(row.activate(stack, -1), alone, rtol=1e-15)
