"""What raises when it is read, contains itself, or is frozen: a sentence or a report each time."""

import os
import subprocess
import sys

import numpy as np
import pytest

import gradcheck

POINT = np.array([0.4, -1.2])


def loss(p):
    return float(np.sum(np.sin(p["w"])))


def grad(p):
    return {"w": np.cos(p["w"])}


def params():
    return {"w": POINT.copy()}


class WordlessError(Exception):
    def __str__(self):
        raise TypeError("no words")


def wordless(*given):
    raise WordlessError


def test_an_exception_whose_text_raises_is_named_by_its_class():
    report = gradcheck.check(wordless, params(), grad)
    assert report.could_not_check == "your loss raised WordlessError"
    report = gradcheck.check(loss, params(), wordless)
    assert report.verdict == "fail"
    assert "your gradient raised WordlessError" in " ".join(report.notes)


def test_a_layer_and_a_step_with_such_exceptions_are_answered():
    with pytest.raises(gradcheck.UsageError, match="your forward raised WordlessError"):
        gradcheck.check_layer(wordless, lambda up, x: up, (POINT,))
    assert gradcheck.check_layer(lambda x: (x, x), wordless, (POINT,)).verdict == "fail"
    step = gradcheck.check_step(wordless, params(), loss=loss, learning_rate=0.5)
    assert step.verdict == "fail"


def test_a_generator_exit_in_the_loss_is_reported():
    def leaves(p):
        raise GeneratorExit

    assert "GeneratorExit" in gradcheck.check(leaves, params(), grad).could_not_check


class Locked:
    def __array__(self, *given, **named):
        raise LookupError("locked")


class LockedDict(dict):
    def __getitem__(self, key):
        raise OSError("locked")

    __iter__ = keys = items = values = __len__ = __getitem__


def test_what_cannot_be_made_an_array_is_reported():
    assert "locked" in gradcheck.check(lambda p: Locked(), params(), grad).could_not_check
    assert gradcheck.check(loss, params(), lambda p: {"w": Locked()}).verdict == "fail"


def test_a_dict_of_gradients_that_raises_is_reported():
    assert gradcheck.check(loss, params(), lambda p: LockedDict(grad(p))).verdict == "fail"


def looped_list():
    nest = []
    nest += [nest, nest]
    return nest


def looped_dict():
    nest = {"w": POINT}
    nest["again"] = [nest]
    return nest


@pytest.mark.parametrize("nest", [looped_list(), looped_dict()])
def test_a_nest_that_contains_itself_is_refused(nest):
    with pytest.raises(gradcheck.UsageError, match="contains itself"):
        gradcheck.check(lambda p: 1.0, nest, lambda p: p)
    with pytest.raises(gradcheck.UsageError, match="contains itself"):
        gradcheck.check(loss, params(), lambda p: nest)


def test_a_list_that_is_held_twice_does_not_contain_itself():
    inner = [POINT.copy()]
    report = gradcheck.check(
        lambda p: float(np.sum(p[0][0] ** 2)),
        [inner, inner],
        lambda p: [[2 * p[0][0]], [2 * p[0][0]]],
    )
    assert report.ok


def test_the_end_of_a_long_chain_of_objects_is_no_parameter():
    class Link:
        after = None

    class Model:
        def __init__(self):
            self.w = POINT.copy()
            self.chain = Link()

    model = Model()
    last = model.chain
    for _ in range(3000):
        last.after = Link()
        last = last.after
    report = gradcheck.check(lambda m: float(m.w @ m.w), model, lambda m: {"w": 2 * m.w})
    assert report.ok


def test_a_low_recursion_limit_is_a_sentence():
    code = (
        "import sys, numpy as np, gradcheck\n"
        "gradcheck.check(lambda w: float(w @ w), np.ones(2), lambda w: 2 * w)\n"
        "sys.setrecursionlimit(len(__import__('inspect').stack()) + 12)\n"
        "try:\n"
        "    gradcheck.check(lambda w: float(w @ w), np.ones(2), lambda w: 2 * w)\n"
        "except gradcheck.UsageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "recursion limit" in done.stdout
    assert not done.stderr


def test_a_loss_that_freezes_its_parameters_is_checked():
    def freezes(p):
        p["w"].flags.writeable = False
        return loss(p)

    given = params()
    assert gradcheck.check(freezes, given, grad).ok
    assert given["w"].flags.writeable


def test_an_object_that_freezes_its_own_array_is_checked_and_put_back():
    class Model:
        def __init__(self):
            self.w = POINT.copy()

        def loss(self):
            self.w.flags.writeable = False
            return float(self.w @ self.w)

    model = Model()
    report = gradcheck.check(Model.loss, model, lambda m: {"w": 2 * m.w})
    assert report.ok
    np.testing.assert_array_equal(model.w, POINT)


@pytest.mark.parametrize("network", [5, "3-2-1", [3, 2, 1]])
def test_a_network_of_another_type_is_refused(network):
    with pytest.raises(gradcheck.UsageError, match=r"network is .*gradcheck\.MLP"):
        gradcheck.check(loss, params(), grad, network=network)


@pytest.mark.parametrize("mask", [np.ma.masked, np.ma.array(1.0, mask=True)])
def test_a_masked_loss_is_refused(mask):
    with pytest.raises(gradcheck.UsageError, match="masked"):
        gradcheck.check(lambda p: mask, params(), grad)


SCRIPT = """
import os
import numpy as np
import gradcheck

os.rmdir(os.getcwd())


def grad(w):
    wrong = 3 * w
    return wrong


print(gradcheck.check(lambda w: float(w @ w), np.ones(2), grad))
"""


def test_a_wrong_gradient_is_told_where_the_working_directory_is_gone(tmp_path):
    script, gone = tmp_path / "script.py", tmp_path / "gone"
    script.write_text(SCRIPT)
    gone.mkdir()
    where = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        cwd=gone,
        env={**os.environ, "PYTHONPATH": where},
    )
    assert "fail: 1 of 1 gradient is wrong" in done.stdout
    assert f"{script}:" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    "expect", [3, "fial", ["fail"], {"verdicts": "fail"}, {"blocks": "w"}, {"rules": [1]}]
)
def test_an_expectation_of_another_type_is_refused(expect):
    from gradcheck.casefiles.expectations import parse_expectation

    with pytest.raises(gradcheck.UsageError, match="expect"):
        parse_expectation(expect)


def test_without_a_diagnosis_there_is_a_verdict_and_no_cause():
    wrong = gradcheck.check(loss, params(), lambda p: {"w": 2 * grad(p)["w"]}, diagnose=False)
    assert wrong.verdict == "fail"
    assert wrong.findings == ()
    with_cause = gradcheck.check(loss, params(), lambda p: {"w": 2 * grad(p)["w"]})
    assert with_cause.findings
    assert wrong.evaluations < with_cause.evaluations
    layer = gradcheck.check_layer(
        lambda x: (x**2, x), lambda up, x: up * x, (POINT,), diagnose=False
    )
    assert (layer.verdict, layer.findings) == ("fail", ())
