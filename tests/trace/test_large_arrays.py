"""What loops write into a large array is followed without a copy of the array for each entry."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from named_bugs import assert_found, bugs

from gradcheck.trace.adjoints.reverse import adjoints
from gradcheck.trace.record.calling import trace_call, trace_calls
from gradcheck.trace.record.graph import evaluate

ROWS, COLUMNS = 40, 30

INDEX = st.integers(-ROWS, ROWS - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("entry"), INDEX, st.integers(-COLUMNS, COLUMNS - 1)),
        st.tuples(st.just("row"), INDEX),
        st.tuples(st.just("number"), INDEX),
        st.tuples(st.just("last row"), INDEX),
        st.tuples(st.just("view"), INDEX),
        st.tuples(st.just("added"), INDEX),
        st.tuples(st.just("either"), INDEX | st.tuples(INDEX, st.integers(0, 4))),
        st.tuples(st.just("read"), INDEX),
    ),
    max_size=20,
)


def written(steps, x):
    made, total = np.zeros((ROWS, COLUMNS)), 0.0
    for turn, (kind, *at) in enumerate(steps):
        if kind == "entry":
            made[tuple(at)] = x[turn % 3] ** 2
        elif kind == "row":
            made[at[0]] = np.sin(turn + x.sum()) * np.arange(COLUMNS)
        elif kind == "either":
            made[at[0]] = x[0] * (np.ones(COLUMNS) if type(at[0]) is int else 2.0)
        elif kind == "number":
            made[at[0], 3] = 0.25
        elif kind == "last row":
            made[at[0]] = made[at[0] - 1] * x[1]
        elif kind == "view":
            made[at[0]][2:7] = x[2]
        elif kind == "added":
            made[at[0], 1:4] += x
        else:
            total = total + made[at[0]] @ np.cos(np.arange(COLUMNS))
    return np.sum(made * np.sin(np.arange(made.size)).reshape(made.shape)) + total


@settings(max_examples=60)
@given(STEPS)
@example([("either", 3), ("either", (4, 1)), ("either", 4)])
def test_any_writes_and_reads_have_the_value_and_the_slope_of_the_plain_run(steps):
    x, along = np.array([0.4, -0.7, 1.2]), np.array([0.3, 0.5, -0.8])
    trace = trace_call(lambda x: written(steps, x) + 0 * x[0], x)
    result, leaf = trace.indices[0], next(node for node in trace.nodes if node.is_leaf)
    assert not trace.leaks
    assert float(trace.nodes[result].value) == written(steps, x)
    again = evaluate_all(trace.nodes)
    assert again[result] == pytest.approx(written(steps, x), rel=1e-12, abs=1e-12)
    found = adjoints(trace.nodes, [one.value for one in trace.nodes], {result: np.ones(())})
    analytic = np.sum(found.of_nodes.get(leaf.index, np.zeros(3)) * along)
    ahead, behind = (written(steps, x + side * along) for side in (1e-5, -1e-5))
    assert analytic == pytest.approx((ahead - behind) / 2e-5, rel=1e-6, abs=1e-6)


def evaluate_all(nodes):
    values = []
    for node in nodes:
        values.append(node.value if node.is_leaf else evaluate(node, values))
    return values


def filled(x):
    made = np.zeros((ROWS, COLUMNS))
    for row in range(ROWS):
        for column in range(COLUMNS):
            made[row, column] = x[0] * row + x[1] * column
    return made.sum()


def test_all_that_a_loop_writes_is_one_value():
    names = [node.name for node in trace_call(filled, np.array([0.5, 2.0])).nodes]
    assert names.count("setitem") == 1


def test_nothing_is_recorded_once_the_record_is_full():
    assert len(trace_calls([filled], np.array([0.5, 2.0]), most=50).nodes) <= 60


def test_an_entry_beyond_the_end_is_the_operation_that_fails():
    def beyond(x):
        made = np.zeros((ROWS, COLUMNS))
        for row in range(ROWS + 1):
            made[row, 0] = x[0]
        return made.sum()

    trace = trace_call(beyond, np.array([0.5]))
    assert isinstance(trace.error, IndexError)
    assert trace.tape.failed is not None


CONVOLVED = """
import numpy as np

rng = np.random.default_rng(3)
signal, weights, target = rng.normal(size=1030), rng.normal(size=1028) / 1028, 0.3


def params():
    return {"k": rng.normal(size=3), "b": rng.normal(size=1)}


def convolved(p):
    made = np.zeros(1028)
    for i in range(1028):
        made[i] = signal[i : i + 3] @ p["k"] + p["b"][0]
    return made


def loss(p):
    return (np.maximum(convolved(p), 0) @ weights - target) ** 2


def grad(p):
    made = convolved(p)
    active = np.maximum(made, 0)
    dactive = 2 * (active @ weights - target) * weights
    dmade = dactive * (made > 0)
    dk, db = np.zeros(3), np.zeros(1)
    for i in range(1028):
        dk += dmade[i] * signal[i : i + 3]
        db += dmade[i]
    return {"k": dk, "b": db}
"""


@bugs(
    (CONVOLVED, "dmade = dactive * (made > 0)", "dmade = dactive", "GC303"),
    (CONVOLVED, "dactive * (made > 0)", "dactive * (dactive > 0)", "GC415"),
)
def test_a_bug_between_the_loops_of_a_convolution_is_named(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)
