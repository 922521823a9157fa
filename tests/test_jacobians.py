"""Jacobians of vector functions: right ones pass, and what is planted in them is found."""

import time

import numpy as np
import pytest
import scipy.sparse as sparse
from curve_fitting import FITS
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import OptimizeResult, least_squares, root
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from sweeps import ALL, sample

import gradcheck
from gradcheck import check_jacobian
from gradcheck.options import Edits

AT = np.array([0.3, 2.0, -1.0])


def function(x):
    return np.array([x[0] * x[1], np.sin(x[0]) + x[2], x[2] ** 2 * x[1]])


def jacobian(x):
    return np.array([[x[1], x[0], 0], [np.cos(x[0]), 0, 1], [0, x[2] ** 2, 2 * x[2] * x[1]]])


def codes(report):
    return [finding.code for finding in report.findings]


SEEN = 1e-4
"""An entry is tried that moves its value by more than this share of what another one does."""


@pytest.mark.parametrize("fit", sample(FITS, every=2), ids=lambda fit: fit.name)
def test_the_jacobians_of_curve_fitting(fit):
    at = np.array(fit.at)
    assert check_jacobian(fit.residuals, at, fit.jacobian).ok
    right = fit.jacobian(at)
    moves = np.abs(right * at)
    entries = np.argwhere(moves > SEEN * moves.max(axis=1, keepdims=True))
    rng = np.random.default_rng(len(fit.name))
    for row, column in rng.permutation(entries)[: None if ALL else 3]:
        wrong = [right.copy() for _ in range(5)]
        for one, factor in zip(wrong, (0.0, 2.0, -1.0, 1.001), strict=False):
            one[row, column] *= factor
        other = (column + 1) % len(at)
        wrong[-1][row, [column, other]] = right[row, [other, column]]
        for number, one in enumerate(wrong[: 4 + (right[row, column] != right[row, other])]):
            report = check_jacobian(fit.residuals, at, one, diagnose=False)
            assert report.verdict != "pass", (row, column, number)


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda a: a.T, "GC201", "transpose"),
        (lambda a: -a, "GC106", "the Jacobian has the wrong sign"),
        (lambda a: a * [1, -1, 1], "GC106", "the column of params[1] has the wrong sign"),
        (lambda a: a * [[1], [1], [2]], "GC103", "the row of function(params)[2] is 2 times"),
        (lambda a: a * [1, 1, 0.3], "GC105", "the column of params[2] is 0.3 times"),
        (
            lambda a: a[[1, 0, 2]],
            "GC411",
            "the rows of function(params)[0] and function(params)[1] are exchanged",
        ),
        (lambda a: a[:, [0, 2, 1]], "GC411", "the columns of params[1] and params[2]"),
        (lambda a: a * [[1], [0], [1]], "GC408", "the row of function(params)[1]: 0 in 2 entries"),
        (
            lambda a: a * [[1, 1, 1], [1, 1, 1], [1, 3, 1]],
            "GC703",
            "d function(params)[2] / d params[1]",
        ),
    ],
)
def test_what_is_wrong_is_named(change, code, says):
    report = check_jacobian(function, AT, lambda x: change(jacobian(x)))
    assert report.verdict == "fail"
    assert codes(report) == [code]
    assert says in report.findings[0].message


def test_entries_that_the_function_does_not_have_are_no_multiple_of_its_own():
    report = check_jacobian(
        lambda x: np.array([x[0] ** 2, x[0] + x[2]]),
        AT,
        lambda x: np.array([[2 * x[0], 1.0, 0], [1.0, x[0], 1.0]]),
    )
    assert codes(report) == ["GC414"]
    assert "the column of params[1]: 2 entries that should be 0" in report.findings[0].message


def test_what_is_said_of_rows_and_columns_is_true_of_all_that_is_in_them():
    wrong = jacobian(AT)
    wrong[1] *= 0.5
    assert "the row of function(params)[1] is 0.5 times what it should be" in said_of(wrong)
    wrong = jacobian(AT)
    wrong[[0, 2], [0, 2]] *= -1
    rows = "the rows of function(params)[0] and function(params)[2]"
    assert f"2 entries in {rows} have the wrong sign" in said_of(wrong)


def said_of(wrong):
    return check_jacobian(function, AT, wrong).findings[0].message


def test_a_transposed_jacobian_that_is_not_square():
    report = check_jacobian(lambda x: function(x)[:2], AT, lambda x: jacobian(x)[:2].T)
    assert codes(report) == ["GC201"]
    assert report.blocks[0].verdict == "shape"


def test_the_worst_entry_has_both_places():
    wrong = jacobian(AT)
    wrong[2, 1] += 0.5
    worst = check_jacobian(function, AT, wrong).blocks[0].worst
    assert worst.index == (2, 1)
    assert worst.analytic == pytest.approx(1.5)
    assert worst.numeric == pytest.approx(1.0)


def test_parameters_in_blocks_and_values_in_an_array():
    def product(p):
        return np.tanh(p["A"] @ p["b"])[:, None] * np.array([1.0, 2.0])

    def slopes(p):
        slope = (1 - np.tanh(p["A"] @ p["b"]) ** 2)[:, None] * np.array([1.0, 2.0])
        by_a = np.einsum("ij,ik,l->ijkl", slope, np.eye(4), p["b"])
        return {"A": by_a, "b": slope[:, :, None] * p["A"][:, None, :]}

    rng = np.random.default_rng(0)
    params = {"A": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
    report = check_jacobian(product, params, slopes)
    assert report.ok
    assert [block.shape for block in report.blocks] == [(4, 2, 4, 3), (4, 2, 3)]

    def wrong(p):
        found = slopes(p)
        found["b"][1, 0] *= 2
        return found

    report = check_jacobian(product, params, wrong)
    assert [block.verdict for block in report.blocks] == ["ok", "wrong"]
    assert "product(...)[1, 0]" in report.findings[0].message


@pytest.mark.in_full
def test_sizes_from_the_least_to_the_largest():
    scale = 10.0 ** np.arange(-12, 7, 3)

    def values(x):
        return np.array(
            [np.sum(np.sin(x / scale * (1 + i))) for i in range(5)]
        ) * 10.0 ** np.arange(5)

    def slopes(x):
        rows = [(1 + i) * np.cos(x / scale * (1 + i)) / scale * 10.0**i for i in range(5)]
        return np.array(rows)

    at = scale * np.linspace(0.4, 1.3, len(scale))
    assert check_jacobian(values, at, slopes).ok
    for row, column in np.ndindex(5, len(scale)):
        wrong = slopes(at)
        wrong[row, column] *= 1.001
        report = check_jacobian(values, at, wrong, diagnose=False)
        assert report.blocks[0].wrong_entries == 1, (row, column)
        assert report.blocks[0].worst.index == (row, column)


def banded(x):
    found = 3 * np.sin(x)
    found[1:] += x[:-1] ** 2
    found[:-1] -= x[1:] * x[:-1]
    return found


def bands(x):
    middle = 3 * np.cos(x)
    middle[:-1] -= x[1:]
    return sparse.diags([middle, 2 * x[:-1], -x[:-1]], [0, -1, 1]).tocsr()


def test_a_sparse_jacobian_takes_few_evaluations():
    x = np.random.default_rng(1).normal(size=5000)
    report = check_jacobian(banded, x, bands)
    assert report.ok
    assert report.coverage.entries == bands(x).nnz
    assert report.evaluations < 200


@pytest.mark.parametrize("seed", [22, 60])
def test_values_are_no_more_precise_than_the_terms_that_cancel_in_them(seed):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(120, 40)) * (rng.random((120, 40)) < 0.13)
    x, sizes = rng.normal(size=40), 10.0 ** rng.uniform(-5, 5, 120)

    def slopes(x):
        return sparse.csr_matrix((sizes * np.cos(mixing @ x))[:, None] * mixing)

    assert check_jacobian(lambda x: sizes * np.sin(mixing @ x), x, slopes).ok


def test_what_is_wrong_in_a_sparse_jacobian():
    def wrong(x):
        found = bands(x).tolil()
        found[7, 8] *= 2
        found[20, 19] = 0
        return found.tocsc()

    x = np.random.default_rng(1).normal(size=60)
    report = check_jacobian(banded, x, wrong)
    assert codes(report) == ["GC207", "GC703"]
    assert "d banded(params)[20] / d params[19]" in report.findings[0].evidence[0]
    assert "d banded(params)[7] / d params[8]" in report.findings[1].message
    assert report.blocks[0].wrong_entries == 2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_sparse", [False, True])
def test_many_values_cost_little_more_than_their_differences(seed, is_sparse):
    rng = np.random.default_rng(seed)
    rows, columns = 400, 30
    mixing = rng.normal(size=(rows, columns)) * 10.0 ** rng.uniform(-1, 0, (rows, 1))
    if is_sparse:
        mixing[np.arange(rows)[:, None] % columns != np.arange(columns)] = 0
    point = rng.normal(size=columns)

    def many(x):
        return np.exp(np.sin(mixing @ x)) * np.linspace(1, 100, rows)

    def right(x):
        inner = mixing @ x
        found = (many(x) * np.cos(inner))[:, None] * mixing
        return sparse.csr_matrix(found) if is_sparse else found

    report = gradcheck.check_jacobian(many, point, right)
    assert report.ok
    assert report.evaluations <= (60 if is_sparse else 2 * columns + 40)
    changed = right(point).copy()
    row, column = np.argwhere(mixing)[rng.integers(np.count_nonzero(mixing))]
    changed[row, column] += 2 * report.blocks[0].error_bound
    report = gradcheck.check_jacobian(many, point, lambda x: changed)
    assert report.verdict == "fail"
    assert report.blocks[0].worst.index == (row, column)


@pytest.mark.parametrize("seed", range(6))
def test_values_that_do_not_move_hide_their_noise(seed):
    """Saturated units at a solution: a residual of 0 is made of numbers rounded as 1 is."""
    rng = np.random.default_rng(seed)
    mixing, point = rng.normal(size=(500, 5)), 8 * rng.normal(size=5)
    data = np.tanh(mixing @ point)

    def slopes(x):
        return (1 - np.tanh(mixing @ x) ** 2)[:, None] * mixing

    assert check_jacobian(lambda x: np.tanh(mixing @ x) - data, point, slopes).verdict != "fail"


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize(("at_kink", "verdict"), [(0, "pass"), (1, "pass"), (3, "inconclusive")])
def test_at_a_kink_every_slope_between_is_right(is_sparse, at_kink, verdict):
    point = np.array([0.3, 1.0, 2.5, 1.7])

    def hinged(x):
        return np.abs(x - 1) + np.roll(x, 1)

    def slopes(x):
        found = np.diag(np.where(x == 1, at_kink, np.sign(x - 1))) + np.roll(np.eye(4), 1, 0)
        return sparse.csr_matrix(found) if is_sparse else found

    assert check_jacobian(hinged, point, slopes).verdict == verdict
    wrong = slopes(point) * 1.0
    wrong[2, 2] = -1
    assert check_jacobian(hinged, point, wrong).verdict == "fail"


def test_an_entry_that_the_pattern_misses_and_a_group_covers():
    """Its column moves a row that another column of the group has an entry in."""

    def both(x):
        return np.array([x[0] ** 2 + np.sin(x[1]), x[1] ** 3])

    def one(x):
        return sparse.csr_matrix(np.diag([2 * x[0], 3 * x[1] ** 2]))

    report = check_jacobian(both, np.array([0.7, 1.2]), one)
    assert codes(report) == ["GC207"]
    assert "d both(params)[0] / d params[1]" in report.findings[0].evidence[0]


def test_a_dense_jacobian_with_a_pattern():
    x = np.random.default_rng(2).normal(size=40)
    report = check_jacobian(banded, x, lambda x: bands(x).toarray(), sparsity=bands(x) != 0)
    assert report.ok
    assert "moved together" in report.notes[0]
    report = check_jacobian(banded, x, bands, entries="all")
    assert report.ok
    assert "groups" in report.notes[0]


def wide(rows, columns, is_sparse, seed):
    """A function of many parameters, of sizes from 1e-6 to 1e4, and its Jacobian."""
    rng = np.random.default_rng(seed)
    size = 10.0 ** rng.uniform(-6, 4, columns)
    mixing = rng.normal(size=(rows, columns)) / size / np.sqrt(columns)
    if is_sparse:
        mixing[rng.random(mixing.shape) > 6 / columns] = 0

    def values(x):
        return np.exp(mixing @ x)

    return values, lambda x: values(x)[:, None] * mixing, size * rng.normal(size=columns)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("is_sparse", [True, False])
def test_many_columns_are_decided_together(is_sparse, seed):
    values, slopes, x = wide(70, 90, is_sparse, seed)
    form = sparse.csr_matrix if is_sparse else np.asarray
    report = check_jacobian(values, x, lambda x: form(slopes(x)))
    assert report.ok
    assert report.evaluations <= 40
    assert report.coverage.complete
    assert "random directions" in report.coverage.reason
    assert not check_jacobian(values, x, lambda x: form(slopes(x)), entries="all").coverage.reason
    right = slopes(x)
    sizes = np.abs(right * x)
    sizes[sizes < 0.1 * sizes.max(axis=1, keepdims=True)] = 0
    shown = np.argwhere(sizes)
    rng = np.random.default_rng(seed)
    for row, column in shown[rng.permutation(len(shown))[:1]]:
        for factor in (0.0, 2.0, -1.0, 1.0001):
            wrong = right.copy()
            wrong[row, column] *= factor
            report = check_jacobian(values, x, form(wrong), diagnose=False)
            assert report.verdict == "fail", (row, column, factor)
            assert report.blocks[0].wrong_entries == 1
    wrong = right[:, [1, 0, *range(2, 90)]]
    assert check_jacobian(values, x, form(wrong), diagnose=False).verdict == "fail"


def test_a_wrong_column_is_found_where_there_is_no_time_for_all():
    values, slopes, x = wide(40, 200, False, 0)

    def slow(x):
        end = time.perf_counter() + 2e-3
        while time.perf_counter() < end:
            pass
        return values(x)

    changed = slopes(x)
    changed[:, 117] *= 1.5
    report = check_jacobian(slow, x, changed, budget=0.02)
    assert not report.coverage.complete
    assert "column of params[117] is 1.5 times" in report.findings[0].message


@pytest.mark.parametrize("columns", [4, 50])
def test_an_entry_that_the_pattern_misses_in_an_empty_column(columns):
    def values(x):
        found = x[: columns // 2] ** 2
        found[1] += np.sin(x[-1])
        return found

    def slopes(x):
        return sparse.diags([2 * x[: columns // 2]], [0], (columns // 2, columns))

    x = np.linspace(0.5, 2, columns)
    report = check_jacobian(values, x, slopes)
    assert codes(report) == ["GC207"]
    assert f"d values(params)[1] / d params[{columns - 1}]" in report.findings[0].evidence[0]


@pytest.mark.parametrize("adjoint", [True, False])
def test_an_operator(adjoint):
    assert check_jacobian(function, AT, lambda x: aslinearoperator(jacobian(x))).ok

    def wrong(x):
        right, other = jacobian(x), jacobian(x) * [[1], [1], [2]]
        one, two = (right, other) if adjoint else (other, right)
        return LinearOperator((3, 3), matvec=lambda v: one @ v, rmatvec=lambda u: two.T @ u)

    report = check_jacobian(function, AT, wrong)
    assert report.verdict == "fail"
    assert codes(report)[0] == "GC606"
    wrong_blocks = [block.name for block in report.blocks if block.verdict == "wrong"]
    assert wrong_blocks == (["params"] if adjoint else ["forward product"])


def test_an_operator_without_an_adjoint():
    def operator(x, factor=1.0):
        return LinearOperator((3, 3), matvec=lambda v: factor * jacobian(x) @ v)

    report = check_jacobian(function, AT, operator)
    assert report.ok
    assert any("only the forward one" in note for note in report.notes)
    assert check_jacobian(function, AT, lambda x: operator(x, 1.1)).verdict == "fail"


def test_a_pattern_that_leaves_out_what_the_jacobian_holds():
    report = check_jacobian(function, AT, jacobian, sparsity=np.eye(3))
    assert report.ok
    assert report.notes[0].startswith("your Jacobian is not 0 outside of sparsity")


@pytest.mark.parametrize("is_sparse", [False, True])
def test_of_complex_values_both_parts_are_checked(is_sparse):
    form = sparse.csr_matrix if is_sparse else np.asarray

    def waves(x):
        return x * np.exp(1j * x)

    def slopes(x):
        return form(np.diag((1 + 1j * x) * np.exp(1j * x)))

    assert check_jacobian(waves, AT, slopes).ok
    report = check_jacobian(waves, AT, lambda x: slopes(x).conj())
    assert report.findings[0].message.endswith("waves(params)[2].imag have the wrong sign")


def test_a_function_without_values():
    report = check_jacobian(lambda x: x[:0], AT, lambda x: np.zeros((0, 3)))
    assert report.could_not_check == "your function returns no values"


def test_bounds_and_edges():
    def strict(x):
        assert np.all(x >= 0)
        return np.array([np.sqrt(x[0] + 0.1) * x[1], x[0] - x[1] ** 1.5])

    def slopes(x):
        root = np.sqrt(x[0] + 0.1)
        return np.array([[x[1] / 2 / root, root], [1, -1.5 * np.sqrt(x[1])]])

    at = np.array([0.0, 0.4])
    for bounds in ([(0, None), (0, None)], None):
        assert check_jacobian(strict, at, slopes, bounds=bounds).ok
        report = check_jacobian(
            strict, at, lambda x: slopes(x) * [[1.01, 1], [1, 1]], bounds=bounds
        )
        assert report.blocks[0].wrong_entries == 1


def test_at_a_solution_where_all_residuals_are_rounding():
    t = np.linspace(0, 1, 8)
    data = 2.5 * np.exp(-1.3 * t)

    def residuals(x):
        return x[0] * np.exp(x[1] * t) - data

    def slopes(x):
        return np.column_stack([np.exp(x[1] * t), x[0] * t * np.exp(x[1] * t)])

    found: OptimizeResult = least_squares(residuals, [2, -1], slopes)
    assert check_jacobian(residuals, found.x, slopes).ok
    assert not check_jacobian(residuals, found.x, lambda x: slopes(x) * [1, 1.001]).ok


def test_what_root_takes():
    def pair(x, shift):
        return banded(x) - shift, bands(x).toarray()

    start = np.full(6, 0.5)
    assert root(pair, start, args=(0.1,), jac=True).x.shape == (6,)
    assert check_jacobian(pair, start, True, args=(0.1,)).ok


def test_what_solve_ivp_takes():
    def oscillator(t, y, damping):
        return np.array([y[1], -y[0] - damping * y[1] ** 3 + np.cos(t)])

    def slopes(t, y, damping):
        return np.array([[0, 1], [-1, -3 * damping * y[1] ** 2]])

    at = np.array([0.4, -0.7])
    report = check_jacobian(
        lambda y: oscillator(0.2, y, 0.5), at, lambda y: slopes(0.2, y, 0.5), seed=3
    )
    assert report.ok
    with pytest.raises(gradcheck.UsageError, match=r"oscillator takes the time first"):
        check_jacobian(oscillator, at, slopes, args=(0.5,))


def test_a_function_that_cannot_be_checked():
    report = check_jacobian(lambda x: np.array([1.0, np.nan]), AT, np.zeros((2, 3)))
    assert "residual[1]" in report.could_not_check
    report = check_jacobian(lambda x: x / 0.0 if x[9] else x, AT, np.zeros((2, 3)))
    assert "your function raised IndexError" in report.could_not_check
    rng = np.random.default_rng(0)
    report = check_jacobian(lambda x: x + rng.normal(size=3), AT, np.eye(3))
    assert "called again" in report.could_not_check


def test_a_jacobian_of_another_shape():
    report = check_jacobian(function, AT, np.zeros((4, 3)))
    assert codes(report) == ["GC202"]
    with pytest.raises(gradcheck.UsageError, match="must hold real numbers"):
        check_jacobian(function, AT, np.array([["a"] * 3] * 3))


def test_a_case_of_a_jacobian():
    assert gradcheck.JacobianCase(function, AT, jacobian).check().ok
    case = gradcheck.JacobianCase(function, AT, lambda x: 2 * jacobian(x), expect="fail")
    assert case.check().verdict == "fail"
    with pytest.raises(gradcheck.UsageError, match="takes no argument"):
        gradcheck.JacobianCase(function, AT, jacobian, network=None)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_any_shape(rows, columns, seed, is_sparse):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.7)
    at = rng.normal(size=columns)

    def values(x):
        return np.tanh(weights @ x)

    def slopes(x):
        return (1 - values(x) ** 2)[:, None] * weights

    form = sparse.csr_matrix if is_sparse else np.asarray
    assert check_jacobian(values, at, lambda x: form(slopes(x))).ok
    if np.abs(slopes(at)).max() > 1e-3:
        row, column = np.unravel_index(np.argmax(np.abs(slopes(at))), weights.shape)
        wrong = slopes(at)
        wrong[row, column] *= 1.01
        report = check_jacobian(values, at, form(wrong), diagnose=False)
        assert report.blocks[0].wrong_entries == 1


MIXED = np.array([[1 + 2j, 0.5, -1j], [2 - 1j, 1j, 0.3]])
COMPLEX = np.array([0.4 - 1j, 1.2 + 0.3j, -0.5 + 0.8j])


@pytest.mark.parametrize("is_sparse", [False, True])
def test_by_complex_parameters_both_parts_are_checked(is_sparse):
    form = sparse.csr_matrix if is_sparse else np.asarray
    right = MIXED * np.cos(COMPLEX)
    report = check_jacobian(lambda z: MIXED @ np.sin(z), COMPLEX, form(right))
    assert report.ok
    assert [block.name for block in report.blocks] == ["params.real", "params.imag"]
    assert "that by y is i times it" in report.notes[0]
    for part in (1, 1j):
        wrong = right.copy()
        wrong[1, 2] += 1e-6 * part
        assert not check_jacobian(lambda z: MIXED @ np.sin(z), COMPLEX, form(wrong)).ok


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (lambda g: g, "dF/dx + i dF/dy, as torch"),
        (np.conj, "dF/dx - i dF/dy, as jax"),
        (lambda g: g / 2, "by conj(z)"),
        (lambda g: g.conj() / 2, "by z, "),
    ],
)
def test_real_values_by_complex_parameters_follow_a_convention(written, words):
    def power(p):
        return np.abs(MIXED @ p["z"]) ** 2 * p["gain"]

    def slopes(p):
        out = MIXED @ p["z"]
        by_gain = np.abs(out)[:, None] ** 2
        return {"z": written(2 * p["gain"] * out[:, None] * MIXED.conj()), "gain": by_gain}

    params = {"z": COMPLEX, "gain": 0.7}
    report = check_jacobian(power, params, slopes)
    assert report.ok
    assert words in report.notes[0]
    assert (
        check_jacobian(power, params, lambda p: {**slopes(p), "z": 1.5 * slopes(p)["z"]}).verdict
        == "fail"
    )


def test_what_has_no_complex_derivative_is_given_by_both_parts():
    def squared(z):
        return np.conj(z) ** 2

    def slopes(z):
        x, y = np.diag(2 * z.real), np.diag(2 * z.imag)
        return np.block([[x, -y], [-y, -x]])

    assert not check_jacobian(squared, COMPLEX, slopes).notes
    assert check_jacobian(squared, COMPLEX, slopes).ok
    report = check_jacobian(squared, COMPLEX, lambda z: np.diag(2 * z.conj()))
    assert "not complex-differentiable" in report.notes[0]


FREQUENCIES = np.linspace(1, 4, 7)


def response(z):
    return z[0] / (1j * FREQUENCIES + z[1])


def without_a_sign(z):
    below = 1j * FREQUENCIES + z[1]
    return np.column_stack([1 / below, z[0] / below**2])


def without_a_square(z):
    below = 1j * FREQUENCIES + z[1]
    return np.column_stack([1 / below, -z[0] / below])


def without_i(z):
    return np.array([[np.exp(1j * z[0]), 0], [1j * z[1], 1j * z[0]]])


def turning(z):
    return np.array([np.exp(1j * z[0]), 1j * z[0] * z[1]])


COMPLEX_POINT = np.array([0.3 + 0.2j, 1 - 0.5j])


@pytest.mark.parametrize(
    ("function", "point", "jacobian", "wrong", "right"),
    [
        (response, COMPLEX_POINT, without_a_sign, "z[0] / below**2", "-z[0] / below**2"),
        (response, COMPLEX_POINT.real, without_a_square, "below", "below**2"),
        (turning, np.array([0.3, 0.5]), without_i, "np.exp(1j * z[0])", "np.exp(1j * z[0]) * 1j"),
    ],
)
def test_a_wrong_complex_jacobian_has_its_line(function, point, jacobian, wrong, right):
    report = gradcheck.check_jacobian(function, point, jacobian)
    assert report.verdict == "fail"
    [finding] = report.findings
    assert finding.expression == wrong
    assert finding.fix == f"write `{right}` for `{wrong}`"
    assert finding.location.file == __file__


def test_a_wrong_complex_jacobian_is_mended():
    report = gradcheck.check_jacobian(response, COMPLEX_POINT, without_a_sign, repair=Edits(1500))
    assert "-z[0] / below**2" in report.repair.patches[0].diff


def test_one_entry_in_each_row_is_no_factor_of_the_row():
    """Of one number there is always a factor, and of each row another."""
    point = np.linspace(0.6, 1.9, 9)
    report = gradcheck.check_jacobian(lambda x: x**3, point, lambda x: np.diag(3 * x))
    [finding] = report.findings
    assert finding.message.startswith("9 entries in the rows of ")
    assert "and 4 more are wrong" in finding.message
    assert finding.expression == "np.diag(3 * x)"


@pytest.mark.parametrize("factor", [1, 1.1])
def test_products_in_float32_are_of_one_matrix_as_far_as_they_show(factor):
    scales = np.array([0.3, -1.7, 0.0], dtype=np.float32)

    def function(x):
        return np.sin(x.astype(np.float32)) * scales

    def operator(x):
        slope = np.cos(x.astype(np.float32)) * scales
        return LinearOperator(
            (3, 3),
            matvec=lambda v: slope * np.ravel(v).astype(np.float32),
            rmatvec=lambda u: np.float32(factor) * slope * np.ravel(u).astype(np.float32),
        )

    report = gradcheck.check_jacobian(function, np.array([0.3, 1.1, 0.7]), operator)
    assert report.verdict == ("pass" if factor == 1 else "fail")


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        (lambda: 1 / 0, "your function raises when they are moved"),
        (lambda: np.nan, "is not finite"),
    ],
)
def test_a_column_that_cannot_be_moved_is_not_judged(beside, why):
    def function(x):
        return np.array([x[0] ** 2 * x[1], 0.0 if x[1] == 0.7 else beside()])

    def jacobian(x):
        return np.array([[2 * x[0] * x[1], x[0] ** 2], [0, 0]])

    report = gradcheck.check_jacobian(function, np.array([0.3, 0.7]), jacobian)
    assert report.verdict == "inconclusive"
    assert report.notes[0].startswith("not judged: params[1]")
    assert why in report.notes[0]
