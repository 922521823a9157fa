"""Results for Gradescope: a point for each gradient, and as much told as the teacher wants."""

import json
from dataclasses import replace

import pytest
from report.reports import RIGHT, WRONG

from gradcheck.report.outcome import Outcome
from gradcheck.report.renderers import RENDERERS

BAD = Outcome("nets:bad", WRONG, differences=("expected pass, came out as fail",))


def results(*outcomes, hints=None):
    return json.loads(RENDERERS["gradescope"].render(outcomes, hints=hints))


def test_a_point_for_each_gradient():
    found = results(BAD, Outcome("nets:good", RIGHT))
    tests = {test["name"]: test["score"] for test in found["tests"]}
    assert [tests[f"nets:bad {name}"] for name in ("W1", "b1", "W2", "b2")] == [0, 1, 0, 0]
    assert "nets:bad cache" not in tests  # it was not checked
    right = len(RIGHT.blocks)
    assert (found["score"], found["max_score"]) == (1 + right, 4 + right)
    assert found["output"] == "1 of 2 cases came out as expected"


def test_what_is_expected_to_fail_has_its_points():
    found = results(Outcome("nets:known", WRONG, "fail", "fail"))
    assert found["score"] == found["max_score"] == 4


def test_a_case_without_a_result_costs_a_point():
    lost = Outcome("nets:lost", None, differences=("it hangs",), error="it hangs")
    (test,) = results(lost)["tests"]
    assert (test["score"], test["max_score"], test["status"]) == (0, 1, "failed")
    assert test["output"] == "it hangs"


def test_what_no_gradient_tells_costs_a_point():
    unstable = replace(RIGHT, verdict="fail")
    last = results(Outcome("nets:bad", unstable, differences=("it fails",)))["tests"][-1]
    assert (last["score"], last["output"]) == (0, "it fails")


@pytest.mark.parametrize(
    ("hints", "told", "kept"),
    [
        ("none", "", "WRONG"),
        ("where", "WRONG in 12 of 12\nlook at nets/mlp.py:41", "batch size"),
        ("full", "the batch size is 8", "no such words"),
    ],
)
def test_hints_are_as_many_as_the_teacher_wants(hints, told, kept):
    found = results(BAD, hints=hints)
    outputs = "\n".join(each["output"] for each in (found, *found["tests"]))
    assert told in outputs
    assert kept not in outputs
    assert results(BAD) == results(BAD, hints="where")
