"""The verdict on functions that no network is recognised in, and what a pass states."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradcheck
from gradcheck import pipeline
from gradcheck.compare.block import Block
from gradcheck.compare.verdict import judge_block
from gradcheck.numeric.estimate import Estimates
from gradcheck.numeric.gradient import BlockGradient
from gradcheck.user.gradients import Gradient

check = partial(gradcheck.check, diagnose=False)


def changed(grad, index, factor=1.0, added=0.0):
    def wrong(x):
        gradient = np.array(grad(x), dtype=float)
        gradient[index] = gradient[index] * factor + added
        return gradient

    return wrong


def waves(scales, rng):
    """The sum of sin(x / s), each x of the size of its own s."""
    s = np.array(scales)
    x = s * rng.uniform(0.3, 1.2, s.size) * rng.choice([-1, 1], s.size)
    return lambda x: float(np.sum(np.sin(x / s))), x, lambda x: np.cos(x / s) / s


@settings(max_examples=40, deadline=None)
@given(decades=st.lists(st.integers(-12, 6), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_parameters_of_any_sizes_in_one_vector_are_judged(decades, seed):
    rng = np.random.default_rng(seed)
    loss, x, grad = waves([10.0**decade for decade in decades], rng)
    assert check(loss, x, grad).verdict == "pass"
    index = int(rng.integers(x.size))
    for factor in (0.0, -1.0, 2.0):
        if abs(grad(x)[index] * x[index]) > 1e-3:
            assert check(loss, x, changed(grad, index, factor)).verdict != "pass"


SMOOTH = {
    "squares": lambda m: (lambda x: float(np.sum((m @ x) ** 2)), lambda x: 2 * m.T @ (m @ x)),
    "sines": lambda m: (
        lambda x: float(np.sum(np.sin(3 * m @ x))),
        lambda x: 3 * m.T @ np.cos(3 * m @ x),
    ),
    "log of a sum": lambda m: (
        lambda x: float(np.log(np.sum(np.exp(m @ x)))),
        lambda x: m.T @ np.exp(m @ x) / np.sum(np.exp(m @ x)),
    ),
}


@pytest.mark.parametrize("times", [2.0, 5.0, 10.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_an_error_above_the_stated_resolution_does_not_pass(name, times):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 7))
        loss, grad = SMOOTH[name](rng.normal(size=(n, n)))
        x = rng.normal(size=n)
        report = check(loss, x, grad, seed=seed)
        assert report.ok
        error = times * report.blocks[0].resolution * np.max(np.abs(grad(x)))
        wrong = changed(grad, int(rng.integers(n)), added=error)
        assert check(loss, x, wrong, seed=seed).verdict != "pass"


LENGTHS = {
    "a pole": (lambda x: float(np.sum(1 / x)), [1e-7, 0.5], lambda x: -1 / x**2),
    "a root": (
        lambda x: float(np.sum(np.cbrt(x))),
        [1e-11, 0.5],
        lambda x: 1 / (3 * np.cbrt(x) ** 2),
    ),
    "a chirp": (
        lambda x: float(np.sum(x**2 * np.sin(1 / x))),
        [1e-7],
        lambda x: 2 * x * np.sin(1 / x) - np.cos(1 / x),
    ),
    "steep and wide": (
        lambda x: float(np.sum(np.tanh(x / [1.0, 1e-8]))),
        [0.5, 3e-9],
        lambda x: 1 / ([1.0, 1e-8] * np.cosh(x / [1.0, 1e-8]) ** 2),
    ),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_nothing_is_called_wrong_that_a_smaller_step_supports(name):
    loss, x, grad = LENGTHS[name]
    assert check(loss, np.array(x), grad).verdict != "fail"
    assert check(loss, np.array(x), lambda x: 2 * grad(x)).verdict != "pass"


def term_in(dtype, n, seed):
    """A term in float64, and one whose parameter is cast first."""
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(n, n)).astype(dtype)
    wide = m.astype(float)

    def loss(p):
        return np.sum(np.sin(p["x"])) + float(np.sum((m @ p["y"].astype(dtype)) ** 2))

    def grad(p):
        return {"x": np.cos(p["x"]), "y": 2 * wide.T @ (wide @ p["y"])}

    return loss, {"x": rng.normal(size=3), "y": rng.normal(size=n)}, grad


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_term_in_a_lower_precision_is_no_false_alarm_and_hides_no_missing_gradient(dtype, n):
    def missing(p):
        return grad(p) | {"y": 0 * p["y"]}

    for seed in range(3):
        loss, params, grad = term_in(dtype, n, seed)
        assert check(loss, params, grad, seed=seed).verdict != "fail"
        assert check(loss, params, missing, seed=seed).verdict != "pass"


def test_a_gradient_in_float32_of_terms_that_cancel_is_right_of_a_loss_in_float64():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 5)) + 3
    y = X @ np.ones(5)

    def grad(w):
        x, target = X.astype(np.float32), y.astype(np.float32)
        return 2 * x.T @ (x @ w.astype(np.float32) - target) / np.float32(len(x))

    near = np.ones(5) + 1e-3 * rng.normal(size=5)
    assert check(lambda w: float(np.mean((X @ w - y) ** 2)), near, grad).ok


@pytest.mark.parametrize("steps", [16, 64, 256])
def test_a_loss_in_steps_is_undecided_and_says_so(steps):
    x = np.array([0.31, -0.77, 1.13])
    report = check(lambda x: float(np.sum(np.floor(steps * x))), x, np.zeros_like)
    assert report.verdict == "inconclusive"
    assert any("in steps of" in note for note in report.notes)


@pytest.mark.parametrize("size", [1e-8, 1e-7, 1e-6, 1e-4])
def test_a_plateau_that_ends_in_kinks_is_no_staircase(size):
    def loss(x):
        return float(np.maximum(x[0] - size, 0) - np.maximum(-x[0] - size, 0) + x[1])

    assert check(loss, np.zeros(2), lambda x: np.array([0.0, 1.0])).ok


def test_a_parameter_without_effect_passes_in_absolute_terms():
    rng = np.random.default_rng(0)
    m, u = rng.normal(size=(4, 4)), rng.normal(size=4)
    params = {"s": np.array([1.3]), "c": rng.normal(size=4)}

    def loss(p):
        moved = p["s"] * u
        return float(np.sum(np.sin(m @ (moved / np.linalg.norm(moved)) + p["c"])))

    def grad(p):
        moved = p["s"] * u
        return {"s": np.zeros(1), "c": np.cos(m @ (moved / np.linalg.norm(moved)) + p["c"])}

    report = check(loss, params, grad)
    block = report.blocks[0]
    assert (report.verdict, block.resolution) == ("pass", None)
    assert 0 < block.error_bound < 1e-9
    wrong = check(loss, params, lambda p: grad(p) | {"s": np.full(1, 1e-6)})
    assert wrong.verdict != "pass"


@pytest.mark.parametrize("factor", [-1.0, 10.0, 1000.0])
def test_what_is_lost_in_rounding_and_is_not_rounding_itself_does_not_pass(factor):
    coefficients = [1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]
    report = check(
        lambda x: np.polyval(coefficients, x[0]),
        np.array([1.001]),
        lambda x: factor * 6 * (x - 1) ** 5,
    )
    assert report.verdict != "pass"


def test_a_weight_that_is_pruned_at_a_threshold_is_asked_at_a_small_step():
    x = np.array([0.0, 1.3, -0.7, 2.1, 0.4])
    c = np.array([1.0, 2.0, 3.0, 4.0, 5.0])

    def kept(x):
        return x * (np.abs(x) > 1e-6)

    def loss(x):
        return float(np.sum(np.sin(c + kept(x))))

    def forgotten(x):
        return np.cos(c + kept(x))

    assert check(loss, x, forgotten).verdict != "pass"
    assert check(loss, x, lambda x: forgotten(x) * (np.abs(x) > 1e-6)).verdict != "fail"


def block_of(values, bounds, analytic, kink=None, **further):
    values, analytic = np.array(values, dtype=float), np.array(analytic, dtype=float)
    estimates = Estimates.smooth(values, np.array(bounds, dtype=float))
    if kink is not None:
        lower, upper = (np.array(end, dtype=float) for end in kink)
        at = lower < upper
        estimates = Estimates(values, estimates.bound, lower, upper, at)
    numeric = BlockGradient(np.arange(values.size), estimates, 1e-5, **further)
    block = Block(
        "w",
        values.shape,
        value=np.ones(values.shape),
        gradient=Gradient(analytic, "ok"),
        numeric=numeric,
    )
    return judge_block(block, None, 1.0)


def test_the_resolution_is_the_largest_error_that_would_have_been_called_wrong():
    block = block_of([1.0, -2.0], [1e-6, 4e-6], [1.0, -2.0])
    assert (block.verdict, block.resolution) == ("ok", pytest.approx(3 * 4e-6 / 2))


def test_what_a_kink_excuses_counts_into_the_resolution():
    block = block_of([1.0, 2.0], [1e-6, 1e-6], [0.8, 2.0], ([0.8, 2.0], [1.2, 2.0]))
    assert block.verdict == "ok"
    assert block.resolution == pytest.approx((0.4 + 3e-6) / 2)


def test_a_block_that_could_not_have_seen_an_error_of_its_own_size_is_undecided():
    block = block_of([0.0, 0.1], [1e-6, 1e-6], [0.0, 0.1], ([-3.0, 0.1], [2.0, 0.1]))
    assert block.resolution > 1
    assert block.verdict == "inconclusive"


def test_what_is_neither_within_the_bound_nor_beyond_twice_is_undecided():
    for error, verdict in ((0.9e-4, "ok"), (1.5e-4, "inconclusive"), (2.5e-4, "wrong")):
        assert block_of([1.0], [1e-4], [1.0 + error]).verdict == verdict


def test_the_worst_entry_of_a_large_block_is_found_wherever_it_is():
    values = np.linspace(1.0, 2.0, 60_000)
    for errors, verdict, worst in (
        ({20_000: 0.5e-6, 59_999: 0.9e-6}, "ok", 59_999),
        ({3: 1.5e-6, 45_000: 1.9e-6}, "inconclusive", 45_000),
        ({10: 4e-6, 40_000: 9e-6, 59_000: 3e-6}, "wrong", 40_000),
        ({10: 4e-6, 40_000: np.nan}, "wrong", 40_000),
    ):
        analytic = values.copy()
        analytic[list(errors)] += list(errors.values())
        block = block_of(values, np.full(values.size, 1e-6), analytic)
        assert (block.verdict, block.worst.index) == (verdict, (worst,))
        assert block.wrong_entries == (len(errors) if verdict == "wrong" else 0)


def test_judging_a_large_block_holds_little_besides():
    values = np.linspace(1.0, 2.0, 10**6)
    block = block_of(values, np.full(values.size, 1e-6), values)
    tracemalloc.start()
    judge_block(block, None, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes


def test_entries_of_a_smaller_scale_are_judged_on_it():
    shares = np.array([1.0, 1e-6])
    right = block_of([1.0, 1e-6], [1e-9, 1e-12], [1.0, 1e-6], share=shares)
    assert (right.verdict, right.resolution) == ("ok", pytest.approx(3e-6))
    vague = block_of([1.0, 1e-6], [1e-9, 1e-7], [1.0, 1e-6], share=shares)
    assert vague.verdict == "inconclusive"


@pytest.mark.parametrize(("error", "verdict"), [(0.0, "pass"), (0.4, "pass"), (2.0, "fail")])
def test_at_the_bottom_of_a_bowl_the_stated_bound_holds_what_rounding_does_to_the_gradient(
    error, verdict
):
    bottom = np.array([0.7123])

    def loss(params):
        return np.sum((params["a"] - bottom) ** 2)

    def gradient(off):
        return lambda params: {"a": 2 * (params["a"] - bottom) + off}

    stated = check(loss, {"a": bottom.copy()}, gradient(0.0)).blocks[0].error_bound
    assert stated > 1e-16
    assert check(loss, {"a": bottom.copy()}, gradient(error * stated)).verdict == verdict


def test_a_gradient_of_zero_at_a_minimum_passes_and_is_said_to_test_little():
    report = check(lambda w: np.sum(w * w), np.zeros(3), lambda w: 2 * w)
    assert report.ok
    assert any("exactly zero here, so little was tested" in note for note in report.notes)


@pytest.mark.parametrize(("slope", "verdict"), [(0.03, "pass"), (0.06, "fail")])
def test_a_gradient_of_0_that_rounding_takes_across_a_kink_is_judged_on_it(slope, verdict):
    beside = np.nextafter(0.1, 0)

    def loss(p):
        return float(0.03 * np.maximum(beside - p["b"], 0).sum() + np.sum(p["v"] ** 2))

    def grad(p):
        return {"b": np.where(p["b"] > beside, 0.03 - slope, -slope), "v": 2 * p["v"]}

    params = {"b": np.array([0.1, 0.4, 0.5]), "v": np.ones(2)}
    assert check(loss, params, grad).verdict == verdict


@pytest.mark.parametrize("size", [0.12, 0.9, 2.4])
def test_a_term_that_is_rounded_to_float16_leaves_a_right_gradient_undecided(size):
    w = size * np.array([1.0, -0.83])

    def loss(params):
        half = params["w"].astype(np.float16)
        return np.sum(np.sin(params["w"])) + float(np.sum(half * half) + np.float16(1.0))

    report = check(loss, {"w": w}, lambda params: {"w": np.cos(params["w"]) + 2 * params["w"]})
    assert report.verdict != "fail"


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize(("share", "verdict"), [(1.0, "fail"), (0.0, "pass")])
def test_what_is_rounded_beside_entries_that_are_not_is_told(kind, share, verdict):
    def loss(w):
        return np.sum(np.sin(w[:3])) + float((np.float32(1.3) * w[3].astype(kind)) ** 2)

    def grad(w):
        return np.append(np.cos(w[:3]), share * 2 * 1.69 * w[3])

    assert check(loss, np.array([-1.07, -0.76, 0.77, -1.04]), grad).verdict != verdict


@pytest.mark.parametrize(("slope", "at"), [(0.5, -2.0), (1.0, 0.1), (2.0, -0.5)])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "pass"), (1.02, "fail")])
def test_one_parameter_of_a_loss_that_is_rounded_finds_its_step(slope, at, factor, verdict):
    def loss(w):
        return round(float(np.sin(slope * w[0])), 8)

    def grad(w):
        return factor * slope * np.cos(slope * w)

    assert check(loss, np.array([at]), grad).verdict == verdict


def test_a_derivative_less_than_a_step_of_the_loss_is_not_wrong():
    def loss(w):
        return round(float(np.sum(np.tanh(w) ** 2)), 4)

    def grad(w):
        return 2 * np.tanh(w) / np.cosh(w) ** 2

    for size in (4.8, 5.0, 5.3, 5.6):
        w = size * np.array([1.0, 1.2, -1.1, 1.4, 0.97])
        assert check(loss, w, grad).verdict != "fail"


def test_a_gradient_of_zero_beside_a_step_is_not_wrong():
    w = np.array([2.0409191, 1.2450035, 0.4180988, -0.5677696])
    assert check(lambda w: np.sum(np.round(w, 2)), w, np.zeros_like, seed=1).verdict != "fail"


def test_entries_of_a_whole_block_are_found_by_position_by_index_and_by_mask():
    value = np.arange(6.0) ** 2
    whole = BlockGradient(6, Estimates.smooth(value, np.ones(6)), 1e-5)
    some = whole[np.array([1, 4, 5])]
    assert (whole.count, some.count) == (6, 3)
    np.testing.assert_array_equal(whole.entries, range(6))
    for part in (whole[2:4], whole[value > 3][:2], some, some.at(np.array([4]))):
        np.testing.assert_array_equal(part.estimates.value, part.entries**2.0)
    assert whole.at(np.array([3])).entries.tolist() == [3]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_right_gradient_passes_at_the_bottom_of_a_valley(count):
    def grad(x):
        slope = np.zeros_like(x)
        slope[:-1] = -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
        slope[1:] += 200 * (x[1:] - x[:-1] ** 2)
        return slope

    def valley(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    assert gradcheck.check(valley, np.ones(count), grad).verdict == "pass"


def test_beside_kinks_no_more_is_asked_than_the_budget_allows(monkeypatch):
    rng = np.random.default_rng(1)
    params = {"w": rng.normal(size=(3, 4)) * np.array([1.0, 0.0, 1.0, 0.0])}
    x = rng.normal(size=(5, 3))

    def loss(p):
        return np.sum(np.maximum(x @ p["w"], 0.0) * np.arange(1.0, 5.0))

    def grad(p):
        return {"w": x.T @ ((x @ p["w"] >= 0.0) * np.arange(1.0, 5.0))}

    whole = gradcheck.check(loss, params, grad, budget=60.0)
    effort = pipeline.Effort
    monkeypatch.setattr(pipeline, "Effort", lambda *given: effort(*given[:3], -1.0))
    ended = gradcheck.check(loss, params, grad, budget=60.0)
    assert whole.ok
    assert ended.verdict == "inconclusive"
    assert ended.evaluations < whole.evaluations
