"""The line of a wrong Jacobian or Hessian, and the edit that mends it."""

import inspect

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

import gradcheck
from gradcheck.options import Edits
from gradcheck.running import _is_mendable
from gradcheck.user.contracted import Row, Weighted, contracted
from gradcheck.user.structures import flatten

TIMES = np.linspace(0.1, 2.9, 9)
PLAN = np.random.default_rng(4).normal(size=(7, 3))
LABELS = np.array([1.0, 0, 1, 1, 0, 0, 1])
AT = np.array([1.7, 0.6, 0.4])


def decay(x):
    return x[0] * np.exp(-x[1] * TIMES) + x[2]


def decay_in_columns(x):
    powers = np.exp(-x[1] * TIMES)
    return np.column_stack(
        [
            powers,
            x[0] * TIMES * powers,  # wrong: -x[0]
            np.ones_like(TIMES),
        ]
    )


def bell(x):
    return x[0] * np.exp(-((TIMES - x[1]) ** 2) / (2 * x[2] ** 2))


def bell_assigned(x):
    slopes = np.empty((len(TIMES), 3))
    powers = np.exp(-((TIMES - x[1]) ** 2) / (2 * x[2] ** 2))
    slopes[:, 0] = powers
    slopes[:, 1] = x[0] * powers * (TIMES - x[1]) / x[2] ** 2
    slopes[:, 2] = x[0] * powers * (TIMES - x[1]) ** 2 / x[2] ** 2  # wrong: x[2]
    return slopes


def wave(x):
    return np.array([x[0] * np.sin(x[1] * time + x[2]) for time in TIMES])


def wave_by_rows(x):
    slopes = np.zeros((len(TIMES), 3))
    for row, time in enumerate(TIMES):
        slopes[row, 0] = np.sin(x[1] * time + x[2])
        slopes[row, 1] = x[0] * np.cos(x[1] * time + x[2])  # wrong: time
        slopes[row, 2] = x[0] * np.cos(x[1] * time + x[2])
    return slopes


def reach(x):
    shoulder, elbow = x[0], x[0] + x[1]
    return np.array([np.cos(shoulder) + x[2] * np.cos(elbow), np.sin(shoulder)])


def reach_as_list(x):
    shoulder, elbow = x[0], x[0] + x[1]
    return np.array(
        [
            [
                -np.sin(shoulder) - x[2] * np.sin(elbow),
                -x[2] * np.sin(shoulder),  # wrong: sin(elbow)
                np.cos(elbow),
            ],
            [np.cos(shoulder), 0, 0],
        ]
    )


def turned(x):
    return np.array([x[0] * x[1], 3 * x[1] - x[2], x[2] ** 2])


def turned_as_list(x):
    return np.array(
        [
            [x[1], x[0], 0],
            [
                0,
                2,  # wrong: 3
                -1,
            ],
            [0, 0, 2 * x[2]],
        ]
    )


def chain(x):
    return x[1:] - np.sin(x[:-1])


def chain_of_triplets(x):
    steps = np.arange(len(x) - 1)
    values = np.concatenate(
        [
            np.cos(x[:-1]),  # wrong: -np.cos
            np.ones(len(steps)),
        ]
    )
    places = np.concatenate([steps, steps]), np.concatenate([steps, steps + 1])
    return sparse.coo_matrix((values, places), shape=(len(steps), len(x))).tocsr()


def squashed(x):
    return np.tanh(PLAN @ x)


def squashed_products(x):
    slopes = 1 - np.tanh(PLAN @ x)  # wrong: ** 2
    return LinearOperator(
        PLAN.shape, lambda v: slopes * (PLAN @ v), rmatvec=lambda u: PLAN.T @ (slopes * u)
    )


JACOBIANS = {
    decay_in_columns: decay,
    bell_assigned: bell,
    wave_by_rows: wave,
    reach_as_list: reach,
    turned_as_list: turned,
    chain_of_triplets: chain,
    squashed_products: squashed,
}


def logistic(w):
    scores = PLAN @ w
    return np.sum(np.log1p(np.exp(scores)) - LABELS * scores)


def logistic_gradient(w):
    return PLAN.T @ (1 / (1 + np.exp(-PLAN @ w)) - LABELS)


def logistic_hessian(w):
    shares = 1 / (1 + np.exp(-PLAN @ w))  # wrong: shares * (1 - shares)
    weights = np.diag(shares)
    return PLAN.T @ weights @ PLAN


def logistic_product(w, v):
    shares = 1 / (1 + np.exp(-PLAN @ w))  # wrong: shares * (1 - shares)
    return PLAN.T @ (shares * (PLAN @ v))


def wrong_line(function):
    """The number of the line that is marked, and what it lacks."""
    lines, first = inspect.getsourcelines(function)
    number, line = next((n, line) for n, line in enumerate(lines) if "# wrong: " in line)
    return first + number, line.partition("# wrong: ")[2].strip()


@pytest.mark.parametrize("jacobian", JACOBIANS, ids=lambda one: one.__name__)
def test_the_line_of_a_wrong_jacobian_and_its_patch(jacobian):
    report = gradcheck.check_jacobian(JACOBIANS[jacobian], AT, jacobian, repair=Edits(20_000))
    number, lacking = wrong_line(jacobian)
    [finding] = [one for one in report.findings if one.location is not None]
    assert finding.location.line == number
    assert finding.expression
    assert "dL/d" not in str(report)
    added = [line for line in report.repair.patches[0].diff.splitlines() if line.startswith("+ ")]
    assert len(added) == 1
    assert lacking in added[0]


@pytest.mark.parametrize("hessian", [logistic_hessian, logistic_product])
def test_the_line_of_a_wrong_hessian_and_its_patch(hessian):
    report = gradcheck.check_hessian(
        logistic, AT, hessian, grad=logistic_gradient, repair=Edits(20_000)
    )
    [finding] = report.findings
    assert finding.code == "GC305"
    assert finding.location.line == wrong_line(hessian)[0]
    assert "shares * (1 - shares)" in finding.fix
    assert report.repair.ok


def test_scipys_doors_have_the_line_and_the_patch_too():
    squares = gradcheck.check_least_squares(decay, AT, decay_in_columns, repair=Edits(20_000))
    assert squares.findings[0].location.line == wrong_line(decay_in_columns)[0]
    assert squares.repair.ok
    constraint = {"type": "ineq", "fun": turned, "jac": turned_as_list}
    found = gradcheck.check_minimize(logistic, AT, jac=logistic_gradient, constraints=constraint)
    assert found.findings[0].location.line == wrong_line(turned_as_list)[0]
    assert "write 3 for `2`" in found.findings[0].fix


def test_where_nothing_can_be_followed_no_repair_is_offered():
    hessian = gradcheck.check_hessian(logistic, AT, logistic_hessian)
    assert hessian.findings[0].location is None
    assert "give grad=" in hessian.unsearched
    assert not _is_mendable(hessian)
    assert any("give grad=" in note for note in hessian.notes)
    given = gradcheck.check_jacobian(decay, AT, decay_in_columns(AT), repair=Edits(100))
    assert "the matrix was given" in given.repair.reason
    followed = gradcheck.check_hessian(logistic, AT, logistic_hessian, grad=logistic_gradient)
    assert _is_mendable(followed)


def test_a_factor_of_one_row_is_not_told_of_its_column():
    report = gradcheck.check_jacobian(wave, AT, wave_by_rows)
    assert "by 3" not in report.findings[0].fix
    assert "time" in report.findings[0].fix


@pytest.mark.parametrize("how", [Row(3), Weighted(np.arange(1.0, 10.0))])
def test_a_number_of_the_rows_has_its_own_gradient(how):
    problem = contracted(flatten(AT), wave, lambda x: wave_by_rows(x) * [1, 1, 1], how)
    moved = [AT + step * np.array([0, 0, 1.0]) for step in (1e-6, -1e-6)]
    slope = (problem.loss([moved[0]]) - problem.loss([moved[1]])) / 2e-6
    assert np.isclose(problem.gradient([AT])[2], slope, rtol=1e-7)


def test_weights_of_further_rows_are_those_that_the_first_had():
    few, more = (Weighted(np.ones(4)).of(np.eye(count)[0]) for count in (4, 9))
    assert few == more
