"""Where the loss changes nearer than any step: never a false alarm, and the reason is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradcheck

POWERS = st.floats(-250, -1)
KINDS = {
    "pole": (lambda x, e: 1 / (x + e), lambda x, e: -1 / (x + e) ** 2),
    "log": (lambda x, e: np.log(x + e), lambda x, e: 1 / (x + e)),
    "root": (lambda x, e: np.sqrt(x + e), lambda x, e: 0.5 / np.sqrt(x + e)),
}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(KINDS)), POWERS, st.booleans(), st.booleans())
def test_a_right_gradient_at_zero_is_never_called_wrong(kind, power, beside, bounded):
    function, slope = KINDS[kind]
    near = 10.0 ** (power / 2 if kind == "pole" else power)
    point = np.array([0.0, 1.0, 2.0] if beside else [0.0])
    report = gradcheck.check(
        lambda x: np.sum(function(x, near)),
        point,
        lambda x: slope(x, near),
        bounds=[(0, None)] * len(point) if bounded else None,
        diagnose=False,
    )
    assert report.verdict in ("pass", "inconclusive")
    assert report.ok or report.notes


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["log", "root"]), POWERS, st.sampled_from([1.0, 1.01]))
def test_steps_are_in_proportion_to_the_smallest_parameters(kind, power, factor):
    function, slope = KINDS[kind]
    point = np.array([10.0**power])
    report = gradcheck.check(
        lambda x: np.sum(function(x, 0.0)),
        point,
        lambda x: factor * slope(x, 0.0),
        bounds=[(0, None)],
        diagnose=False,
    )
    assert report.verdict == ("pass" if factor == 1 else "fail")


@pytest.mark.parametrize("tiny", [1e-30, 1e-90, 1e-200, 1e-310])
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_a_parameter_that_is_nothing_beside_the_length_of_the_loss(tiny, factor):
    def grad(x):
        return np.cos(x) * np.array([factor, 1, 1])

    report = gradcheck.check(lambda x: np.sum(np.sin(x)), np.array([tiny, 1.0, 2.0]), grad)
    assert report.verdict == ("pass" if factor == 1 else "fail")


@pytest.mark.parametrize("claim", [1e10, 1e30, 1e300])
def test_a_claim_that_no_step_can_show_is_wrong_where_the_loss_is_smooth(claim):
    report = gradcheck.check(
        lambda x: np.sum(np.sin(x)), np.ones(2), lambda x: claim * x, diagnose=False
    )
    assert report.verdict == "fail"
