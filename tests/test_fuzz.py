"""A small part of the fuzz, and that the fuzz itself tells right from wrong."""

from dataclasses import replace

import numpy as np
import pytest
from sweeps import sample

from benchmarks.fuzz import families  # noqa: F401  # fills the table
from benchmarks.fuzz.doors import WAYS
from benchmarks.fuzz.problem import FAMILIES
from benchmarks.fuzz.run import run
from benchmarks.fuzz.stated import stated_by_closing, stated_errors
from benchmarks.fuzz.tables import render, render_run
from gradcheck import check

STEADY = ("ordinary", "likelihoods")
NAMES = [
    name
    for name, found in FAMILIES.items()
    if found.kind in STEADY and found.name != "two_thousand"
]
LOWEST_PRECISION = 1e-3


@pytest.fixture(autouse=True)
def quick_and_quiet(monkeypatch):
    monkeypatch.setattr("benchmarks.fuzz.doors.SEARCHED", 0.0)
    with np.errstate(all="ignore"):
        yield


def nearest_difference(problem, entry):
    """The central difference, over many steps, that is nearest to the gradient."""
    x, own = problem.point, float(problem.gradient(problem.point)[entry])
    found = [np.inf]
    for share in 10.0 ** -np.arange(1, 12):
        up, down = x.copy(), x.copy()
        up[entry] += share * (abs(x[entry]) or 1)
        down[entry] -= share * (abs(x[entry]) or 1)
        if up[entry] > down[entry]:
            slope = float(problem.loss(up)) - float(problem.loss(down))
            found.append(slope / (float(up[entry]) - float(down[entry])))
    return min(found, key=lambda slope: abs(slope - own))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_of_a_family_is_that_of_its_loss(name):
    problem = FAMILIES[name].make(FAMILIES[name].generator(1))
    gradient = problem.gradient(problem.point)
    assert gradient.shape == problem.point.shape
    if not problem.decidable or problem.slopes is not None:
        return
    scale = np.max(np.abs(gradient)) or 1.0
    for entry in range(min(problem.point.size, 12)):
        off = abs(nearest_difference(problem, entry) - gradient[entry])
        assert off <= LOWEST_PRECISION * scale, entry


@pytest.mark.parametrize("name", sample(NAMES, 4))
def test_no_false_alarm_no_miss_and_no_crash_on_ordinary_problems(name):
    outcomes = {item.outcome: item.text for item in run(FAMILIES[name], 0)}
    for offence in ("false alarm", "miss", "crash"):
        assert offence not in outcomes, outcomes[offence]


def test_a_run_is_the_same_again():
    first, second = (run(FAMILIES["rosenbrock"], 7) for _ in range(2))
    told = [(item.door, item.gradient, item.outcome) for item in first]
    assert told == [(item.door, item.gradient, item.outcome) for item in second]


def through(monkeypatch, ask):
    """The outcomes of a run of a family whose every door is replaced."""
    for name in WAYS:
        monkeypatch.setitem(WAYS, name, ask(WAYS[name]))
    return run(FAMILIES["rosenbrock"], 1)


def test_a_checker_that_passes_all_misses(monkeypatch):
    def blind(way):
        return lambda problem, layout, change, seed: way(problem, layout, lambda g: g, seed)

    checks = through(monkeypatch, blind)
    assert checks[0].outcome == "fine"
    assert [item.outcome for item in checks if item.planted in (2, 5, 10)] == ["miss"] * 3


def test_a_checker_that_fails_all_gives_false_alarms(monkeypatch):
    def doubled(way):
        return lambda problem, layout, change, seed: way(problem, layout, lambda g: 2 * g, seed)

    assert through(monkeypatch, doubled)[0].outcome == "false alarm"


def test_a_checker_that_raises_crashes_and_the_table_shows_where(monkeypatch):
    def broken(way):
        def ask(*given):
            raise ZeroDivisionError("here")

        return ask

    checks = through(monkeypatch, broken)
    assert {item.outcome for item in checks} == {"crash"}
    assert "FAMILY=rosenbrock  SEED=1" in render(checks)
    assert "ZeroDivisionError: here" in render(checks)
    assert "rosenbrock, seed 1" in render_run(checks)


def test_what_a_report_states_is_absolute_and_by_block():
    weights = {"a": np.array([1.0, 2.0]), "b": np.array([1e-3])}
    exact = {"a": 2e3 * weights["a"], "b": 2 * weights["b"]}
    slightly_off = {name: value * (1 + 1e-12) for name, value in exact.items()}
    report = check(
        lambda p: 1e3 * p["a"] @ p["a"] + p["b"] @ p["b"], weights, lambda p: slightly_off
    )
    flat, blocks = np.array([2e3, 4e3, 2e-3]), {"a": np.arange(2), "b": np.array([2])}
    shares = np.array([block.resolution for block in report.blocks])
    stated = stated_errors(report, flat, blocks)
    assert stated == pytest.approx(shares[[0, 0, 1]] * [4e3, 4e3, 2e-3], rel=1e-3)
    by_line = stated_by_closing(report, flat, blocks)
    assert by_line == pytest.approx(shares.max() * np.array([4e3, 4e3, 2e-3]), rel=0.1)


def test_a_slope_between_those_of_a_kink_is_no_error():
    made = FAMILIES["at_the_kink"].make(np.random.default_rng(0))
    problem = replace(made, slopes=lambda x: (np.full(x.size, -1.0), np.full(x.size, 2.0)))
    claimed = np.full(problem.point.size, 1.5)
    assert not np.any(problem.error(claimed))
    assert problem.error(claimed + 1) == pytest.approx(np.full(claimed.size, 0.5))
