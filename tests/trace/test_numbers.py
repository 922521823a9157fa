"""What is followed gives the numbers of the plain run, and adjoints that agree with differences."""

import math

import computations
import numpy as np
import pytest
from scipy import sparse

import gradcheck
from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.trace.adjoints.subjects import subject_of_problem
from gradcheck.trace.fault import Fault
from gradcheck.trace.record.calling import trace_call
from gradcheck.trace.record.graph import evaluate
from gradcheck.user.problem import Problem
from gradcheck.user.structures import flatten

point = computations.point
KINDS = {**computations.SMALL, **computations.LONGER}


def same_bits(one, other):
    assert type(one) is type(other)
    assert np.asarray(one).dtype == np.asarray(other).dtype
    assert np.shape(one) == np.shape(other)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_the_plain_run(kind):
    plain = KINDS[kind](point())
    trace = trace_call(KINDS[kind], point())
    assert trace.error is None
    assert not trace.leaks
    same_bits(trace.returned[0], plain)


@pytest.mark.parametrize("kind", KINDS)
def test_adjoints_agree_with_differences(kind):
    function = KINDS[kind]
    rng = np.random.default_rng(4)
    weights = rng.normal(size=np.shape(function(point())))
    trace = trace_call(function, point())
    assert isinstance(trace.indices[0], int), "the result is on the tape"
    values = [node.value for node in trace.nodes]
    seeds = {trace.indices[0]: weights}
    found = adjoints(trace.nodes, values, seeds).of_nodes
    for name, value in point().items():
        leaf = next(node for node in trace.nodes if node.is_leaf and node.name == name)
        direction = rng.normal(size=np.shape(value))

        def along(size, name=name, value=value, direction=direction):
            moved = value + size * direction
            moved = float(moved) if isinstance(value, float) else moved
            return np.sum(weights * function({**point(), name: moved}))

        numeric = (along(1e-6) - along(-1e-6)) / 2e-6
        analytic = np.sum(found.get(leaf.index, np.zeros(np.shape(value))) * direction)
        assert analytic == pytest.approx(numeric, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_other_types_of_number_stay_as_they_are(dtype):
    def function(p):
        a = p["x"] * p["x"]
        a += 2
        return a @ p["y"].astype(dtype), np.exp(p["x"]).dtype, a.mean(axis=0)

    given = {"x": np.arange(12).reshape(3, 4).astype(dtype), "y": np.arange(4.0)}
    product, kind, mean = function(given)
    traced = trace_call(function, given).returned[0]
    same_bits(traced[0], product)
    same_bits(traced[2], mean)
    assert traced[1] == kind


def test_arrays_in_another_order_keep_it():
    x = np.asfortranarray(point()["x"])
    plain = (x * 2) @ x.T
    traced = trace_call(lambda p: (p * 2) @ p.T, x).returned[0]
    same_bits(traced, plain)
    assert traced.strides == plain.strides


def test_a_function_that_gives_an_array_itself_does_nothing():
    def function(x):
        same = np.asarray(x).astype(float, copy=False)
        return same is x, np.array(x) is x, np.exp(same)

    trace = trace_call(function, np.ones(3))
    assert trace.returned[0][:2] == (True, False)
    assert [node.name for node in trace.nodes if not node.is_leaf] == ["array", "exp"]


def test_reading_a_gradient_adds_no_operation():
    w = np.linspace(0.1, 1, 6).reshape(2, 3)
    problem = Problem(flatten({"w": w}), lambda p: np.sum(p["w"] ** 2), lambda p: {"w": 2 * p["w"]})
    trace = trace_call(subject_of_problem(problem).gradient, {"w": w})
    assert [node.name for node in trace.nodes if not node.is_leaf] == ["multiply"]


def test_a_number_is_not_changed_in_place():
    def function(p):
        total = p["s"]
        before = total
        total += 1
        return before, total

    assert trace_call(function, {"s": 2.0}).returned[0] == (2.0, 3.0)


def test_what_could_not_be_followed_is_said_with_its_line():
    trace = trace_call(lambda p: p["x"].view(np.int64) * 2, {"x": np.ones(3)})
    assert [leak.operation for leak in trace.leaks] == ["a view as int64"]
    assert trace.leaks[0].place.file == __file__
    assert trace.leaks[0].place.source == 'p["x"].view(np.int64)'
    assert trace.indices == (None,)


def test_places_are_expressions_with_their_callers():
    trace = trace_call(computations.other_module, point())
    node = next(node for node in trace.nodes if node.name == "divide")
    assert node.place.source == "kept / (1 + N.abs(kept))"
    assert [call.place.function for call in node.chain] == ["squash", "other_module"]
    assert node.chain[1].place.source == 'helpers.squash(p["x"], helpers.OFFSET)'


def test_plain_assignments_have_a_place():
    def function(p):
        upstream = p["x"] * 2
        dxhat = upstream
        return dxhat + 1

    trace = trace_call(function, point())
    assert [(one.target, one.place.source) for one in trace.tape.assignments] == [
        ("dxhat", "dxhat = upstream")
    ]


def test_a_raise_keeps_the_tape_and_the_failing_operands():
    def function(p):
        a = p["x"] * 2
        return a @ p["x"]

    trace = trace_call(function, point())
    assert isinstance(trace.error, ValueError)
    failed = trace.tape.failed
    assert failed.place.source == 'a @ p["x"]'
    assert [trace.nodes[i].name for i in failed.operands] == ["multiply", "x"]


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_matrix", "diags"])
def test_a_sparse_matrix_of_traced_entries_is_followed(kind):
    rows, columns = np.array([0, 2, 1]), np.array([1, 0, 2])

    def function(p):
        if kind == "diags":
            made = sparse.diags([p["y"] ** 2, p["y"][1:]], [0, 1], shape=(4, 4))
        else:
            made = getattr(sparse, kind)((p["y"][:3] ** 2, (rows, columns)), shape=(3, 3))
        return made.tocsc().toarray()

    trace = trace_call(function, point())
    assert np.array_equal(trace.returned[0], function(point()))
    values = [node.value for node in trace.nodes]
    found = adjoints(trace.nodes, values, {trace.indices[0]: np.ones(np.shape(trace.returned[0]))})
    leaf = next(node for node in trace.nodes if node.is_leaf and node.name == "y")
    slopes = 2 * point()["y"]
    if kind == "diags":
        slopes[1:] += 1
    else:
        slopes[3:] = 0
    assert np.allclose(found.of_nodes[leaf.index], slopes)


def test_a_sparse_matrix_whose_entries_add_up_is_scipys_own():
    def function(p):
        places = np.zeros(2, int), np.zeros(2, int)
        return sparse.coo_matrix((p["y"][:2], places), shape=(1, 1)).toarray()

    assert np.allclose(trace_call(function, point()).returned[0], function(point()))


def nearness(places):
    apart = np.sum((places[:, None] - places[None]) ** 2, axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.exp(-apart)


def closeness(places):
    return np.sum(nearness(places) ** 2)


def closeness_without_a_factor(places):
    near = nearness(places)
    pull = -8 * near  # lacks `* near`
    return np.sum(pull[:, :, None] * (places[:, None] - places[None]), axis=1)


def test_an_infinite_number_in_a_gradient_is_no_whole_number():
    places = np.random.default_rng(6).normal(size=(5, 2))
    finding = gradcheck.check(closeness, places, closeness_without_a_factor).findings[0]
    assert "nearness(places)" in finding.location.source


def test_a_value_that_is_right_but_where_it_should_be_0_is_said_to_be_so():
    given, wanted = np.array([2.0, 3.0, -1.0]), np.array([2.0, 0.0, -1.0])
    found = Fault("value", None, (), "d * v", actual_value=given, expected_value=wanted)
    assert found.ratios == ": it is right in 2 of 3 entries, and should be 0 in the others"


def test_another_root_than_the_loss_divides_by_is_told_by_its_text():
    draw = np.random.default_rng(67)
    asked, told = draw.normal(size=(5, 4)), draw.normal(size=(5, 3))
    width, depth = 3, 7

    def shares(w):
        grown = np.exp(asked @ w @ told.T / np.sqrt(width))
        return grown / grown.sum(axis=1, keepdims=True)

    def loss(w):
        return -np.log(shares(w)[np.arange(5), np.arange(5)]).sum()

    def grad(w):
        off = (shares(w) - np.eye(5)) / np.sqrt(depth)
        return asked.T @ off @ told

    finding = gradcheck.check(loss, 0.3 * draw.normal(size=(4, 3)), grad).findings[0]
    assert finding.fix == "write `np.sqrt(width)` for `np.sqrt(depth)`"
    assert finding.expression == "(shares(w) - np.eye(5)) / np.sqrt(depth)"


def test_a_rounded_number_is_computed_again_from_an_array_without_axes():
    trace = trace_call(lambda p: round(np.exp(p["w"][0]), 2), {"w": np.array([0.3, -0.4])})
    values = [node.value for node in trace.nodes]
    assert evaluate(trace.nodes[trace.indices[0]], values) == 1.35


def test_what_is_too_large_for_math_is_no_number_when_it_is_done_again():
    node = trace_call(lambda p: math.exp(p[0]), [0.5]).nodes[-1]
    assert np.isnan(evaluate(node, {node.operands[0]: np.array(1e4)}))
