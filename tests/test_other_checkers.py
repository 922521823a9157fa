"""What people write who come from another gradient checker: their arguments, forms and inputs."""

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import UsageError

A = np.array([[0.3, -1.2, 0.8], [1.1, 0.4, -0.6]])
B = np.array([[0.5, 2.0], [-0.7, 0.9]])


def square(x):
    return np.sum(x**2)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"eps": 1e-6}, "a step of its own"),
        ({"atol": 1e-5}, "rtol=1e-3 accepts"),
        ({"direction": "random"}, "random directions first"),
        ({"rng": np.random.default_rng(0)}, "it is called seed"),
        ({"seed": np.random.default_rng(0)}, "seed is Generator"),
    ],
)
def test_the_arguments_of_other_checkers_are_explained(argument, words):
    with pytest.raises(UsageError, match=words):
        gradcheck.check(square, A, lambda x: 2 * x, **argument)
    with pytest.raises(UsageError, match=words):
        gradcheck.check_layer(np.sin, lambda upstream: upstream * np.cos(A), A, **argument)


@pytest.mark.parametrize(
    "bounds", [(np.ones(2), np.full(2, 2.0)), (np.ones(2), np.inf), (1, 2), [(1, 2), (1, 2)]]
)
def test_bounds_may_be_two_arrays(bounds):
    seen = []

    def function(x):
        seen.append(x.copy())
        return x**3

    at = np.array([1.0, 2.0])
    assert gradcheck.check_jacobian(function, at, lambda x: np.diag(3 * x**2), bounds=bounds).ok
    assert np.min(seen) >= 1
    assert np.max(seen) <= 2 or bounds[1] is np.inf


def test_a_point_just_outside_of_its_bounds_is_said_in_full():
    with pytest.raises(UsageError, match=r"outside of its bounds 10\.00000000\d+ and 11"):
        gradcheck.check(square, np.array([10.0]), lambda x: 2 * x, bounds=[(10 + 1e-9, 11)])


def test_a_sparsity_pattern_may_come_with_its_groups():
    pattern = np.tri(5, k=1) * np.tri(5, k=1).T
    report = gradcheck.check_jacobian(
        lambda x: x**2,
        np.arange(1.0, 6),
        lambda x: np.diag(2 * x),
        sparsity=(pattern, np.arange(5)),
    )
    assert report.ok


def joined(arrays):
    return np.concatenate(arrays, axis=1)


@pytest.mark.parametrize(
    "backward",
    [
        lambda up: [up[:, :3], up[:, 3:]],
        lambda up: ((up[:, :3], up[:, 3:]),),
        lambda up: {"arrays": [up[:, :3], up[:, 3:]]},
    ],
)
@pytest.mark.parametrize("kind", [list, tuple])
def test_an_input_may_be_a_list_of_arrays(backward, kind):
    assert gradcheck.check_layer(joined, backward, (kind([A, B]),)).ok


def test_a_wrong_gradient_in_a_list_is_seen():
    report = gradcheck.check_layer(joined, lambda up: [up[:, :3], 2 * up[:, 3:]], ([A, B],))
    assert [block.name for block in report.blocks if block.failed] == ["arrays[1]"]


def test_lists_of_gradients_may_stand_one_by_one():
    def cell(x, state):
        h, c = state
        return x * h + c

    def backward(up):
        return up * 2.0, up * A, up

    assert gradcheck.check_layer(cell, backward, (A, (np.full((2, 3), 2.0), A))).ok


def test_an_input_may_be_a_dict_of_arrays():
    assert gradcheck.check_layer(lambda p: p["a"] * 2, lambda up: {"a": 2 * up}, ({"a": A},)).ok


def test_a_dict_of_arrays_beside_other_inputs_is_state():
    def normed(x, kept):
        kept["mean"] = 0.9 * kept["mean"] + 0.1 * x.mean(axis=0)
        return x * 2

    assert gradcheck.check_layer(normed, lambda up: 2 * up, (A, {"mean": np.zeros(3)})).ok


def test_a_forward_pass_may_return_its_own_backward_pass():
    def forward(a, b):
        return a.T @ b, lambda up: (b @ up.T, a @ up)

    assert gradcheck.check_layer(forward, lambda g, v: v(g), (A, B)).ok


def test_none_stands_for_an_upstream_gradient_of_zero():
    report = gradcheck.check_layer(
        lambda x: (2 * x, 5 * x),
        lambda da, db: 2 * da + 5 * db,
        A,
        upstream=(np.ones((2, 3)), None),
    )
    assert report.ok


@pytest.mark.parametrize(("slope", "right"), [(0.0, "pass"), (1.0, "fail")])
def test_a_layer_may_be_constant(slope, right):
    report = gradcheck.check_layer(np.ones_like, lambda up: slope * up, A)
    assert report.verdict == right


@pytest.mark.parametrize(
    ("function", "at"), [(lambda x: x > 0, 0.0), (np.floor, 3.0), (np.sign, 0.0), (np.round, 0.5)]
)
def test_where_the_loss_jumps_no_gradient_is_right(function, at):
    """On either side of the jump, 0 is right."""
    for away, right in ((0.0, "inconclusive"), (0.2, "pass")):
        report = gradcheck.check(
            lambda x: np.sum(x**2) + np.sum(function(x)),
            np.array([at + away, 0.7]),
            lambda x: 2 * x,
        )
        assert report.verdict == right


def test_whole_numbers_as_parameters_are_numbers():
    assert gradcheck.check(lambda x: x**3, 2, lambda x: 3 * x**2).ok
    assert gradcheck.check(lambda x: x[0] ** 3 * x[1], [2, 1], lambda x: [12, 8]).ok
    assert gradcheck.check_jacobian(np.sinh, 1, np.cosh).ok
    assert gradcheck.check_hessian(lambda x: x**4, 2, lambda x: 12 * x**2).ok


@pytest.mark.parametrize("returned", [False, np.bool_(True)])
def test_a_function_that_says_whether_it_could_is_none(returned):
    with pytest.raises(UsageError, match="must return one number"):
        gradcheck.check(lambda x: returned, A, lambda x: 2 * x)
    with pytest.raises(UsageError, match="must return numbers"):
        gradcheck.check_jacobian(lambda x: returned, A, lambda x: np.zeros((1, 6)))


@pytest.mark.parametrize("noisy", [np.floor, lambda x: 0.3 * np.sin(1e9 * x)])
@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_a_noisy_row_beside_a_precise_one_is_undecided_and_says_why(noisy, factor):
    def function(x):
        return np.array([noisy(x[0]) + x[0] ** 2, x[1] ** 2])

    report = gradcheck.check_jacobian(
        function, np.array([2.0, 0.4]), lambda x: np.diag([factor * 2 * x[0], 2 * x[1]])
    )
    assert report.verdict == "inconclusive"
    assert any("do not settle" in note for note in report.notes)


@pytest.mark.parametrize("point", [[0.3, 0.6], [1, 0.5], [2, 3], list(np.ones(2))])
def test_a_list_of_numbers_is_handed_over_as_an_array(point):
    """As solvers do it; the matrix that is right for an array is right for the list."""
    matrix = np.array([[0.0, 1.0], [-2.0, -3.0]])
    assert gradcheck.check_jacobian(
        lambda x: matrix @ x + x**2, point, lambda x: matrix + 2 * np.diag(x)
    ).ok
    assert gradcheck.check_hessian(lambda x: np.sum(x**3), point, lambda x: np.diag(6 * x)).ok
    report = gradcheck.check(square, point, lambda x: 2 * x)
    assert [block.shape for block in report.blocks] == [(2,)]
    assert report.ok


def test_a_list_of_numbers_may_still_be_spread_over_arguments():
    report = gradcheck.check(lambda a, b: a**2 * b, [3, 0.5], lambda a, b: (2 * a * b, a**2))
    assert report.ok


def test_none_may_stand_for_the_gradient_of_a_setting():
    params = {"x": A, "power": 2}
    report = gradcheck.check(
        lambda p: np.sum(p["x"] ** p["power"]), params, lambda p: {"x": 2 * p["x"], "power": None}
    )
    assert report.ok


def test_further_arguments_go_to_the_gradient_too_and_that_is_said():
    def slope(x):
        return 2 * x

    with pytest.raises(UsageError, match=r"write lambda params, \*_: slope\(params\)"):
        gradcheck.check(lambda x, factor: factor * square(x), A, slope, args=(1.0,))


def test_a_value_that_a_tiny_parameter_does_not_move_at_all_has_the_derivative_0():
    """Beside a parameter of 1e6, the steps of one of 1e-12 show too little."""
    sizes = 10.0 ** np.arange(-12, 7, 3)

    def function(x):
        part = x / sizes
        return np.array([np.sin(part[0]), np.exp(part[-1]), part[1] * part[-2]])

    def jacobian(x):
        part, rows = x / sizes, np.zeros((3, len(x)))
        rows[0, 0], rows[1, -1], rows[2, 1], rows[2, -2] = (
            np.cos(part[0]),
            np.exp(part[-1]),
            part[-2],
            part[1],
        )
        return rows / sizes

    assert gradcheck.check_jacobian(function, 0.9 * sizes, jacobian).ok
    report = gradcheck.check_jacobian(
        lambda x: function(x) + np.array([0, 1e5 * x[0], 0]), 0.9 * sizes, jacobian
    )
    assert not report.ok
