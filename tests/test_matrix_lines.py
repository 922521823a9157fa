"""The line of a wrong Jacobian or Hessian, and the edit that mends it."""

import inspect

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import NonlinearConstraint
from scipy.sparse.linalg import LinearOperator
from sweeps import sample

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


def linked(x):
    ahead, behind = x[1:] ** 3, x[:-1] ** 2
    return np.hstack([0, 3 * (ahead - behind)]) + np.hstack([2 * (ahead - behind), 0])


def linked_in_a_loop(x):
    slopes = np.zeros((len(x), len(x)))
    slopes[0, 0], slopes[0, 1] = -4 * x[0], 6 * x[1] ** 2
    for i in range(1, len(x) - 1):
        slopes[i, i - 1] = -6 * x[i - 1]
        slopes[i, i] = 9 * x[i] ** 2 - 4 * x[i]
        slopes[i, i + 1] = 6 * x[i + 1]  # wrong: ** 2
    slopes[-1, -2:] = -6 * x[-2], 9 * x[-1] ** 2
    return slopes


def grown(x, rate=1.0):
    return np.array([np.exp(-x[0]), np.exp(rate * x[1])])


def grown_by_a_tenth(x, rate=1.0):
    second = 0.1 * np.exp(rate * x[1])  # wrong: 0.1
    return np.array([[-np.exp(-x[0]), 0], [0, second]])


def grown_by_a_tenth_in_lists(x, rate=1.0):
    return sparse.csr_matrix(
        [
            [-np.exp(-x[0]), 0],
            [0, 0.1 * np.exp(rate * x[1])],  # wrong: 0.1
        ]
    )


def in_two(p):
    return p["size"][0] * np.exp(-p["more"][0] * TIMES) + p["more"][1] * TIMES


def in_two_by_block(p):
    powers = np.exp(-p["more"][0] * TIMES)
    slope = -1.5 * p["size"][0] * TIMES * powers  # wrong: 1.5
    return {"size": powers[:, None], "more": np.column_stack([slope, TIMES])}


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


@pytest.mark.parametrize("jacobian", sample([*JACOBIANS], every=2), ids=lambda one: one.__name__)
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


@pytest.mark.parametrize(
    ("function", "jacobian", "at"),
    [
        (linked, linked_in_a_loop, np.linspace(0.3, 0.9, 12)),
        (grown, grown_by_a_tenth, np.ones(2)),
        (grown, grown_by_a_tenth_in_lists, np.ones(2)),
        (in_two, in_two_by_block, {"size": np.array([1.5]), "more": np.array([0.7, 0.3])}),
    ],
)
def test_the_line_of_an_entry_and_of_a_column(function, jacobian, at):
    found = gradcheck.check_jacobian(function, at, jacobian).findings[0]
    assert found.location.line == wrong_line(jacobian)[0]
    assert "is to be added" not in str(found)


def test_two_columns_are_exchanged_where_others_of_their_rows_are_zero():
    def exchanged(x):
        return np.array([[10.0, -20 * x[0]], [0.0, -1.0]])

    def function(x):
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    [finding] = gradcheck.check_jacobian(function, np.array([-1.2, 1]), exchanged).findings
    assert finding.code == "GC411"
    assert "columns" in finding.message


HESSIANS = [(h, g) for h in (logistic_hessian, logistic_product) for g in (logistic_gradient, None)]


@pytest.mark.parametrize(("hessian", "grad"), sample(HESSIANS, every=3))
def test_the_line_of_a_wrong_hessian_and_its_patch(hessian, grad):
    report = gradcheck.check_hessian(logistic, AT, hessian, grad=grad, repair=Edits(20_000))
    [finding] = report.findings
    assert finding.location.line == wrong_line(hessian)[0]
    assert report.repair.ok
    if grad is None:
        assert "the second derivative of the loss by scores" in finding.fix
    else:
        assert finding.code == "GC305"
        assert "shares * (1 - shares)" in finding.fix


def test_the_line_of_a_number_and_of_a_sign_in_a_hessian_alone():
    def valley(x):
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    def bent(x):
        across = -400 * x[0]
        return np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, across], [across, 100]])

    def turning(x):
        return np.sum(np.cos(x)) * x[0]

    def turned_round(x):
        found = np.diag(-np.cos(x) * x[0])
        found[0] -= np.sin(x)
        found[:, 0] += np.sin(x)
        return found

    [number] = gradcheck.check_hessian(valley, np.array([-1.2, 1]), bent).findings
    assert number.fix == "write 200 for `100`"
    [sign] = gradcheck.check_hessian(turning, np.array([0.3, 1, 2]), turned_round).findings
    assert (sign.code, sign.expression) == ("GC106", "np.sin(x)")


def test_a_hessian_of_one_number_is_followed():
    [finding] = gradcheck.check_hessian(
        lambda x: np.sin(x) ** 2, 0.7, lambda x: np.sin(x) * 2, grad=lambda x: np.sin(2 * x)
    ).findings
    assert finding.location is not None


@pytest.mark.in_full
def test_scipys_doors_have_the_line_and_the_patch_too():
    squares = gradcheck.check_least_squares(decay, AT, decay_in_columns, repair=Edits(20_000))
    assert squares.findings[0].location.line == wrong_line(decay_in_columns)[0]
    assert squares.repair.ok
    constraint = {"type": "ineq", "fun": turned, "jac": turned_as_list}
    found = gradcheck.check_minimize(logistic, AT, jac=logistic_gradient, constraints=constraint)
    assert found.findings[0].location.line == wrong_line(turned_as_list)[0]
    assert "write 3 for `2`" in found.findings[0].fix


def test_where_nothing_can_be_followed_no_repair_is_offered():
    matrix = decay_in_columns(AT)
    given = gradcheck.check_jacobian(decay, AT, matrix, repair=Edits(100))
    assert given.findings[0].location is None
    assert "a matrix was given" in given.unsearched
    assert "a matrix was given" in given.repair.reason
    assert any("a matrix was given" in note for note in given.notes)
    assert not _is_mendable(gradcheck.check_jacobian(decay, AT, matrix))
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


def untimed_in_writes(x):
    e = np.exp(-x[1] * TIMES)
    J = np.empty((9, 2))
    J[:, 0] = e
    J[:, 1] = -x[0] * e  # times TIMES
    return J


def untimed_in_columns(x):
    e = np.exp(-x[1] * TIMES)
    return np.column_stack([e, -x[0] * e])


def untimed_in_rows(x):
    e = np.exp(-x[1] * TIMES)
    return np.array([e, -x[0] * e]).T


@pytest.mark.parametrize("jacobian", [untimed_in_writes, untimed_in_columns, untimed_in_rows])
def test_a_factor_that_a_column_lacks_is_named(jacobian):
    report = gradcheck.check_jacobian(lambda x: x[0] * np.exp(-x[1] * TIMES), AT[:2], jacobian)
    assert report.findings[0].code == "GC413"
    assert report.findings[0].fix == "multiply `-x[0] * e` by `TIMES`"


def unscaled(x):
    e, c = np.exp(-x[1] * TIMES), np.cos(x[2] * TIMES)
    J = np.empty((9, 3))
    J[:, 0] = e  # * c
    J[:, 1] = -x[0] * TIMES * e * c
    J[:, 2] = -x[0] * TIMES * e * np.sin(x[2] * TIMES)
    return J


def test_a_name_that_is_written_into_a_column_has_its_fix():
    def function(x):
        return x[0] * np.exp(-x[1] * TIMES) * np.cos(x[2] * TIMES)

    report = gradcheck.check_jacobian(function, AT, unscaled)
    assert (report.findings[0].code, report.findings[0].fix) == ("GC413", "multiply `e` by `c`")


def sheared(x):
    return [x[0] ** 2 + x[1] ** 2, x[2] * np.sin(x[0])]


def sheared_rows(x):
    return [[2 * x[0], 2 * x[1], 0], [x[2] * np.cos(x[0]), 0, np.sin(x[0])]]


def sheared_off(x):
    return [[2 * x[0], 2 * x[1], 0], [x[2] * np.cos(x[0]), 0, np.cos(x[0])]]  # np.sin


def sheared_curved(x, v):
    H = np.diag([2 * v[0] + v[1] * x[2] * np.sin(x[0]), 2 * v[0], 0])  # wrong: minus
    H[0, 2] = H[2, 0] = v[1] * np.cos(x[0])
    return H


def test_rows_in_a_list_are_no_blocks():
    (found,) = gradcheck.check_jacobian(sheared, AT, sheared_off).findings
    assert found.expression == "np.cos(x[0])", found.message


def test_a_constraints_hessian_has_its_line():
    curved = NonlinearConstraint(sheared, -1, 1, jac=sheared_rows, hess=sheared_curved)
    report = gradcheck.check_minimize(np.sum, AT, jac=np.ones_like, constraints=curved)
    (found,) = report.findings
    assert found.location is not None, found.message
    assert found.expression == "v[1] * x[2] * np.sin(x[0])", found.message


def turned_about(q):
    w, x, y, z = q
    return np.array([2 * (x * y - w * z), 2 * (w * y + x * z)])


def exchanged(q):
    w, x, y, z = q
    rows = [
        [-2 * z, 2 * x, 2 * y, -2 * w],  # 2 * y, 2 * x
        [2 * y, 2 * z, 2 * w, 2 * x],
    ]
    return np.array(rows)


def test_names_that_are_exchanged_in_one_row_are_told_there():
    at = np.array([0.8, 0.3, -0.4, 0.33])
    (found,) = gradcheck.check_jacobian(turned_about, at, exchanged).findings
    assert (found.code, found.expression, found.fix) == ("GC415", "2 * x", "write `y` for `x`")
