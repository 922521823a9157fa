"""The forms in which functions take their parameters."""

import numpy as np
import pytest

import gradcheck

DATA = np.random.default_rng(3).normal(size=(5, 2))
A, C = np.full((2, 3), 0.3), np.arange(3.0)


def energy(A, c):
    return np.sum(np.cos(DATA @ A + c))


def forces(A, c):
    s = -np.sin(DATA @ A + c)
    return DATA.T @ s, s.sum(axis=0)


def scaled(params, scale, power=2):
    return scale * np.sum(params**power)


def scaled_slope(params, scale, power=2):
    return scale * power * params ** (power - 1)


@pytest.mark.parametrize(
    "params", [(A, C), [A, C], {"A": A, "c": C}], ids=["tuple", "list", "dict"]
)
def test_each_parameter_as_an_argument_of_its_own(params):
    report = gradcheck.check(energy, params, forces)
    assert report.ok
    assert [block.shape for block in report.blocks] == [(2, 3), (3,)]


def test_a_wrong_gradient_of_unpacked_arguments_is_found_at_its_line():
    def wrong(A, c):
        s = np.sin(DATA @ A + c)
        return -DATA.T @ s, s.sum(axis=0)

    report = gradcheck.check(energy, (A, C), wrong)
    assert [block.verdict for block in report.blocks] == ["ok", "wrong"]
    assert report.findings[0].location.file == __file__


def test_what_is_given_beside_the_parameters():
    params = np.array([0.5, -2.0])
    assert gradcheck.check(scaled, params, scaled_slope, args=(3.0,)).ok
    assert gradcheck.check(scaled, params, scaled_slope, args=(3.0,), kwargs={"power": 3}).ok
    assert not gradcheck.check(scaled, params, lambda p, scale: p, args=(3.0,)).ok


def test_args_that_are_no_tuple_are_refused():
    with pytest.raises(gradcheck.UsageError, match=r"write args=\(value,\)"):
        gradcheck.check(scaled, np.ones(2), scaled_slope, args=3.0)


@pytest.mark.parametrize(
    ("function", "params", "line"),
    [
        (lambda p, x, y: 0.0, np.ones(2), r"args=\(x, y\), or lambda params: <lambda>\(params, x"),
        (lambda u, v, x: 0.0, (A, C), r"lambda params: <lambda>\(\*params, x\)"),
        (lambda u, v: 0.0, {"A": A, "c": C}, r"<lambda>\(params\['A'\], params\['c'\]\)"),
    ],
)
def test_the_line_to_write_is_shown(function, params, line):
    with pytest.raises(gradcheck.UsageError, match=line):
        gradcheck.check(function, params, lambda p: p)


def test_a_function_of_any_number_of_arguments_is_given_the_items_of_a_list():
    def loss(*weights):
        first, second = weights
        return np.sum(np.sin(first)) + np.sum(second**2)

    def grad(*weights):
        return [np.cos(weights[0]), 2 * weights[1]]

    def passed_on(*args, **kwargs):
        return of_list(*args, **kwargs)

    def of_list(weights):
        return loss(*weights)

    params = [np.array([0.3, 0.7]), np.array([1.0, -2.0, 0.5])]
    assert gradcheck.check(loss, params, grad).ok
    assert gradcheck.check(passed_on, params, grad).ok
