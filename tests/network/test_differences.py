"""The change of every activation and loss, against 60-digit arithmetic and against subtraction."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.network.activations import ACTIVATIONS
from gradcheck.network.losses import CANDIDATES, LOSSES
from gradcheck.network.rows import Activation

ROWS = [row for row in ACTIVATIONS.values() if isinstance(row, Activation)]
FUSED = [(name, loss) for loss in LOSSES.values() for name in loss.fused]
POINTS = np.array([-30.0, -6.0, -1.7, -0.31, -1e-9, 0.0, 1e-9, 0.27, 1.9, 5.5, 30.0])
EXACT = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "relu": lambda z: max(z, 0),
    "leaky_relu": lambda z: z if z > 0 else mpmath.mpf(0.01) * z,
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "gelu": lambda z: z * mpmath.ncdf(z),
}


@pytest.mark.parametrize("step", [1e-9, -1e-7, 1e-4, -0.03, 0.7, -2.5])
@pytest.mark.parametrize("name", EXACT)
def test_the_change_keeps_its_digits(name, step):
    found = ACTIVATIONS[name].difference(POINTS)(np.full(POINTS.shape, step))
    with mpmath.workdps(60):
        f = EXACT[name]
        wanted = [f(mpmath.mpf(z) + mpmath.mpf(step)) - f(mpmath.mpf(z)) for z in POINTS]
    lowest = 1e-12 if name == "gelu" else 1e-300  # gelu has a minimum, where it does not change
    np.testing.assert_allclose(
        found, np.array(wanted, dtype=float), rtol=2e-13, atol=lowest * abs(step)
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(deadline=None)
@given(z=st.floats(-20, 20), d=st.floats(-3, 3))
def test_the_change_is_the_subtraction(row, z, d):
    z, d = np.array([[z]]), np.array([[d, -d, 0.0]])
    kept = d.copy()
    wanted = row.value(z + d) - row.value(z)
    scale = 1 + np.abs(row.value(z + d)) + np.abs(row.value(z))
    np.testing.assert_allclose((row.difference(z)(d) - wanted) / scale, 0, atol=3e-13)
    np.testing.assert_array_equal(d, kept)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("step", [1e-9, 1e-3, 2.0])
def test_the_change_of_a_softmax(step, axis):
    softmax = ACTIVATIONS["softmax"]
    z = np.array([[0.3, -1.2, 2.2], [40.0, 0.0, -3.0]])
    d = step * np.array([[1.0, -0.4, 0.2], [0.3, 0.9, -0.7]])
    if axis == 0:
        z, d = z.T, d.T
    found = softmax.change(z, softmax.activate(z, axis), axis)(d)
    with mpmath.workdps(60):
        wanted = [
            _softmax(row, moved) for row, moved in zip(_rows(z, axis), _rows(d, axis), strict=True)
        ]
    np.testing.assert_allclose(_rows(found, axis), wanted, rtol=1e-12)


def _rows(array, axis):
    return array.T if axis == 0 else array


def _softmax(z, d):
    def outputs(logits):
        powers = [mpmath.exp(logit) for logit in logits]
        return [power / sum(powers) for power in powers]

    before = outputs([mpmath.mpf(value) for value in z])
    after = outputs(
        [mpmath.mpf(value) + mpmath.mpf(more) for value, more in zip(z, d, strict=True)]
    )
    return [float(one - other) for one, other in zip(after, before, strict=True)]


@pytest.mark.parametrize("row", CANDIDATES, ids=lambda row: row.name)
@settings(deadline=None)
@given(a=st.floats(0.001, 0.999), y=st.sampled_from([0.0, 1.0, 0.3]), share=st.floats(-0.9, 0.9))
def test_the_change_of_a_loss_is_the_subtraction(row, a, y, share):
    d = np.array([share * min(a, 1 - a)])
    a, y = np.array([a]), np.array([y])
    wanted = row.terms(a + d, y) - row.terms(a, y)
    np.testing.assert_allclose(row.change(a, y)(d), wanted, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("row", CANDIDATES, ids=lambda row: row.name)
def test_the_change_of_a_loss_keeps_its_digits(row):
    a, y, step = np.array([0.2, 0.7, 0.45]), np.array([0.0, 1.0, 1.0]), 1e-9
    both = [row.change(a, y)(np.full(3, sign * step)) for sign in (1, -1)]
    np.testing.assert_allclose((both[0] - both[1]) / (2 * step), row.derivative(a, y), rtol=1e-13)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("name", "loss"), FUSED, ids=lambda pair: str(getattr(pair, "name", pair)))
def test_the_change_of_logits_where_they_saturate(name, loss, soft):
    fused = loss.fused[name]
    z = np.array([[0.4, -0.3, 1.0], [37.0, -37.0, 2.0], [-500.0, 3.0, 500.0]])
    y = np.eye(3)[[0, 0, 2]]
    if soft:
        y[0] = [0.2, 0.5, 0.3]
    a = ACTIVATIONS[name].activate(z, 1)
    d = 1e-9 * np.array([[1.0, -2.0, 0.5], [0.7, 0.1, -1.0], [1.0, 1.0, -0.2]])
    changes = [fused.change(z, a, y, 1)(sign * d) for sign in (1, -1)]
    slope = (changes[0] - changes[1]) / 2
    np.testing.assert_allclose(slope, (fused.delta(z, a, y, 1) * d).sum(axis=1), rtol=2e-12)
    whole = fused.terms(z + 1e9 * d, y, 1).sum(axis=1) - fused.terms(z, y, 1).sum(axis=1)
    np.testing.assert_allclose(fused.change(z, a, y, 1)(1e9 * d), whole, rtol=1e-11, atol=1e-12)
    turned = fused.change(*(array.T[..., None] for array in (z, a, y)), 0)(d.T[..., None])
    np.testing.assert_allclose(turned[..., 0], changes[0], rtol=1e-13)
