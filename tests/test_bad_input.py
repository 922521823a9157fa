"""What cannot be checked gets one sentence, and the user's arrays and settings stay as they are."""

import random
import sys
import warnings

import numpy as np
import pytest

import gradcheck

X = np.random.default_rng(0).normal(size=(5, 2))


def params():
    return {"W": np.ones((2, 3)), "b": np.zeros(3)}


def loss(p):
    return float(np.sum((X @ p["W"] + p["b"]) ** 2))


def grad(p):
    residual = X @ p["W"] + p["b"]
    return {"W": 2 * X.T @ residual, "b": 2 * residual.sum(axis=0)}


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (np.ones(3), "an array of shape .* sum or mean it"),
        (None, "returned None"),
        ("x", "returned a str"),
        (1j, "returned the complex number"),
        ([1, 2], "a list of 2"),
        ((1.0, {}), "returned a pair, and grad was given too"),
    ],
)
def test_a_loss_that_is_no_number(returned, sentence):
    with pytest.raises(gradcheck.UsageError, match=sentence):
        gradcheck.check(lambda p: returned, params(), grad)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_is_not_decided(value):
    report = gradcheck.check(lambda p: value, params(), grad)
    assert report.verdict == "inconclusive"
    assert f"your loss is {value}" in report.could_not_check


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({}, "holds no arrays .* an empty dict"),
        ([], "an empty list"),
        (None, "it is None"),
        ({"a": "text"}, "holds no arrays"),
        ({"W": np.array([None, 1])}, "W has dtype object"),
        ({"W": np.array([1.0, np.nan])}, r"W\[1\] is nan"),
    ],
)
def test_parameters_that_cannot_be_checked(bad, sentence):
    with pytest.raises(gradcheck.UsageError, match=sentence):
        gradcheck.check(loss, bad, grad)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda g: None, "returned None; it must return the gradients of W and b"),
        (lambda g: {"x": g}, "belong to no parameter: 'x'"),
        (lambda g: {**g, "W9": 1}, "belong to no parameter: 'W9'"),
        (lambda g: {}, "an empty dict"),
        (lambda g: [1, 2, 3], "a list of 3 for 2 parameters"),
        (lambda g: 1.0, "returned a float"),
        (lambda g: {**g, "W": "text"}, "the gradient of W is a str"),
        (lambda g: {**g, "W": [[1, 2], [3]]}, "the gradient of W is a list"),
        (lambda g: {**g, "W": g["W"] + 1j}, "dL/d W is its real part"),
    ],
)
def test_gradients_that_cannot_be_read(change, sentence):
    with pytest.raises(gradcheck.UsageError, match=sentence):
        gradcheck.check(loss, params(), lambda p: change(grad(p)))


@pytest.mark.parametrize(
    "options",
    [
        {"entries": "some"},
        {"entries": 0},
        {"entries": True},
        {"budget": -1},
        {"budget": "x"},
        {"rtol": 3},
        {"workers": 0},
    ],
)
def test_options_that_make_no_sense(options):
    with pytest.raises(gradcheck.UsageError, match="it must be"):
        gradcheck.check(loss, params(), grad, **options)


def test_what_is_not_a_function_is_refused():
    with pytest.raises(gradcheck.UsageError, match="kwargs is an int; it must be a dict"):
        gradcheck.check(loss, params(), grad, kwargs=3)
    with pytest.raises(gradcheck.UsageError, match="is not one of scipy's constraints"):
        gradcheck.check_minimize(np.sum, np.ones(3), jac=np.ones_like, constraints=[3])
    with pytest.raises(gradcheck.UsageError, match="check_hessian is for real parameters"):
        gradcheck.check_hessian(np.sum, 1j * np.ones(3), np.ones_like)
    with pytest.raises(gradcheck.UsageError, match="grad is a dict of 2"):
        gradcheck.check(loss, params(), params())


def raises(p):
    raise RuntimeError("no")


def exits(p):
    sys.exit(3)


@pytest.mark.parametrize("function", [raises, exits])
def test_a_loss_that_raises_cannot_be_checked(function):
    report = gradcheck.check(function, params(), grad)
    assert report.verdict == "inconclusive"
    assert "your loss raised" in report.could_not_check
    assert any("test_bad_input.py" in note for note in report.notes)


def test_a_loss_that_raises_beside_the_point_says_which_entry():
    def fussy(p):
        if p["b"][1] != 0 and p["b"][0] == 0:
            raise ValueError("moved")
        return loss(p)

    report = gradcheck.check(fussy, params(), grad)
    assert report.verdict == "inconclusive"
    assert [block.verdict for block in report.blocks] == ["ok", "inconclusive"]
    assert any(note.startswith("not judged: b[1], as your loss raises") for note in report.notes)


@pytest.mark.parametrize("function", [raises, exits])
def test_a_gradient_that_raises_fails_and_says_where(function):
    report = gradcheck.check(loss, params(), function)
    assert report.verdict == "fail"
    assert {block.verdict for block in report.blocks} == {"raised"}
    assert all(block.entries for block in report.blocks)
    assert any("test_bad_input.py" in note for note in report.notes)


def rude(p):
    print("hello")
    warnings.warn("careful", stacklevel=1)
    np.seterr(all="raise")
    np.random.seed(1)  # noqa: NPY002  # what rude code does
    random.seed(1)
    p["W"] += 1.0
    p["new"] = 3
    return 0.0


def global_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002  # the state that is to be restored


def polite(p):
    rude({"W": np.zeros(1)})
    return grad(p)


def test_rude_functions_leave_no_trace(capsys):
    given = params()
    before = {name: value.copy() for name, value in given.items()}
    errors, states = np.geterr(), (global_state(), random.getstate())
    report = gradcheck.check(lambda p: rude(p) + loss(p), given, polite)
    assert capsys.readouterr().out == ""
    assert np.geterr() == errors
    assert np.array_equal(global_state(), states[0])
    assert random.getstate() == states[1]
    assert given.keys() == before.keys()
    assert all(np.array_equal(given[name], before[name]) for name in before)
    assert any("your code warned" in note and "careful" in note for note in report.notes)
    assert report.findings[0].code == "GC802"
    assert report.findings[0].severity == "warning"


@pytest.mark.parametrize("stale", ["accumulates", "doubles on the second call"])
def test_a_gradient_that_changes_from_call_to_call_does_not_pass(stale):
    calls = []

    def gradient(p):
        calls.append(1)
        factor = len(calls) if stale == "accumulates" else 1 + (len(calls) > 1)
        return {name: factor * value for name, value in grad(p).items()}

    report = gradcheck.check(loss, params(), gradient)
    assert report.verdict == "fail"
    assert [finding.code for finding in report.findings] == ["GC801"]


def test_a_loss_that_ignores_its_parameters_does_not_pass():
    report = gradcheck.check(lambda p: 1.0, params(), grad)
    assert report.verdict == "fail"
    assert [finding.code for finding in report.findings] == ["GC805"]


def test_a_parameter_that_the_loss_does_not_use_is_used_or_left_out():
    report = gradcheck.check(
        loss,
        {**params(), "unused": np.ones(2)},
        lambda p: {**grad(p), "unused": np.array([0.5, 2.0])},
    )
    finding = report.findings[0]
    assert (finding.code, finding.blocks, finding.location) == ("GC805", ("unused",), None)
    assert "use unused in the forward pass, or leave out its gradient" in finding.fix


def test_an_offset_that_a_mean_takes_away_is_wrong_by_what_follows_it():
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))

    def centred(p):
        raised = X @ p["W"] + p["b"]
        return raised - 1 / len(X) * raised.sum(axis=0)

    def backward(p):
        upstream = 2 * (centred(p) - Y)
        through_mean = upstream.sum(axis=0)
        upstream = upstream + 1 / len(X) * (np.ones_like(Y) * through_mean)
        return {"W": X.T @ upstream, "b": upstream.sum(axis=0)}

    p = {"W": rng.normal(size=(3, 2)), "b": np.array([0.25, -1.5])}
    report = gradcheck.check(lambda p: 1000 + np.sum((centred(p) - Y) ** 2), p, backward)
    found = [(finding.code, finding.blocks) for finding in report.findings]
    assert found == [("GC106", ("W", "b"))], str(report)


def test_a_random_loss_is_not_decided():
    rng = np.random.default_rng(0)
    report = gradcheck.check(lambda p: loss(p) * (1 + 0.1 * rng.normal()), params(), grad)
    assert report.verdict == "inconclusive"


def test_assert_gradients_raises_with_the_whole_report():
    with pytest.raises(gradcheck.GradientMismatch, match="sign-flipped") as raised:
        gradcheck.assert_gradients(loss, params(), lambda p: {k: -v for k, v in grad(p).items()})
    assert isinstance(raised.value, AssertionError)
    assert raised.value.report.verdict == "fail"
    assert gradcheck.assert_gradients(loss, params(), grad).ok


def shared_sixty_times(value):
    for _ in range(60):
        value = [value, value]
    return value


def holding_itself(value):
    value = [value]
    value.insert(0, value)
    return value


@pytest.mark.parametrize("nested", [shared_sixty_times, holding_itself])
def test_lists_without_end_are_refused_wherever_they_come_back(nested):
    def endless(x):
        return nested(x)

    for ask in (
        lambda: gradcheck.check(lambda x: np.sum(x**2), np.ones(3), endless),
        lambda: gradcheck.check(endless, np.ones(3), lambda x: x),
        lambda: gradcheck.check_jacobian(endless, np.ones(3), lambda x: np.eye(3)),
        lambda: gradcheck.check_jacobian(lambda x: 2 * x, np.ones(3), endless),
        lambda: gradcheck.check_layer(endless, lambda upstream: upstream, np.ones(3)),
        lambda: gradcheck.check_layer(lambda x: 2 * x, endless, np.ones(3)),
    ):
        with pytest.raises(gradcheck.UsageError, match="a list"):
            ask()
