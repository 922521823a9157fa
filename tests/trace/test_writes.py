"""Of several writes into one array, the one that wrote what is wrong is told."""

import ast
from types import SimpleNamespace

import numpy as np
import pytest
from named_bugs import assert_found

import gradcheck
from gradcheck.trace.causes import place_causes
from gradcheck.trace.causes.place_causes import place_cause
from gradcheck.trace.faults.levels import level_of_attribute

RNG = np.random.default_rng(5)
LENGTHS, LABELS = (4, 2), np.array([[0, 2, 1, 1], [2, 0, 0, 0]])


def log_chances(scores):
    grown = np.exp(scores - scores.max(axis=2, keepdims=True))
    return np.log(grown / grown.sum(axis=2, keepdims=True))


def loss(scores):
    logs = log_chances(scores)
    total = 0.0
    for at, length in enumerate(LENGTHS):
        for row in range(length):
            total -= logs[at, row, LABELS[at, row]] * (1 + row)
    return total


def grad(scores):
    logs = log_chances(scores)
    found = np.full(scores.shape, -np.inf)
    for at, length in enumerate(LENGTHS):
        for row in range(length):
            found[at, row, LABELS[at, row]] = 0.0
            for column in range(3):
                share = np.exp(logs[at, row, column]) - np.exp(found[at, row, column])
                found[at, row, column] = share * (2 + row)
        if length < 4:
            found[at, length:] = 0
    return found


def test_a_write_to_right_entries_after_a_wrong_one_is_not_blamed():
    finding = gradcheck.check(loss, RNG.normal(size=(2, 4, 3)), grad).findings[0]
    assert finding.location.source.startswith("found[at, row, column] = share")


def bent(z, slope=False):
    return 1 - np.tanh(z) ** 2 if slope else np.tanh(z)


@pytest.mark.parametrize(
    ("calls", "level"),
    [
        (("bent(self.a, slope=True)", "net.backward(rows, up)"), 1),
        (("bent(z)", "bent(z=net.a)", "backward(rows)"), 2),
        (("bent(z)", "bent(z)", "backward(rows)"), 3),
        (("bent(np.abs(a))", "net.backward(rows, up)"), 2),
    ],
)
def test_what_is_read_from_an_object_was_chosen_where_it_is_read(calls, level):
    texts = ("1 - np.tanh(z) ** 2", *calls)
    chain = [
        SimpleNamespace(code=bent.__code__, place=SimpleNamespace(source=one)) for one in texts
    ]
    assert level_of_attribute(ast.Name("z"), chain, len(calls)) == level


def framed(picture, frame=0):
    wide = np.pad(picture, frame)
    return wide[1:] * wide[:-1], (wide, frame)


def framed_backward(upstream, kept):
    wide, frame = kept
    found = np.zeros_like(wide)
    found[1:] += upstream * wide[:-1]
    found[:-1] += upstream * wide[1:]
    return found[frame:-frame, frame:-frame]


def test_a_slice_that_ends_at_minus_nothing_is_told():
    report = gradcheck.check_layer(framed, framed_backward, RNG.normal(size=(4, 3)))
    assert [finding.code for finding in report.findings] == ["GC202"]
    assert report.findings[0].expression == "found[frame:-frame, frame:-frame]"
    assert "-0" in report.findings[0].fix


SAMPLED = """
import numpy as np

rng = np.random.default_rng(2)
words = [(0, 1, [2, 3, 2, 4]), (1, 3, [0, 0, 2, 4]), (2, 0, [1, 4, 3, 1])]


def chance(z):
    return 1 / (1 + np.exp(-z))


def scores(v, o, U, others):
    return chance(U[o] @ v), chance(-U[others] @ v)


def loss(p):
    parts = [scores(p["V"][c], o, p["U"], others) for c, o, others in words]
    return -sum(np.log(near) + np.sum(np.log(far)) for near, far in parts)


def slopes(v, o, U, others):
    near, far = scores(v, o, U, others)
    dU = np.zeros_like(U)
    dU[o] += (near - 1) * v
    np.add.at(dU, others, np.outer(1 - far, v))
    return (near - 1) * U[o] + (1 - far) @ U[others], dU


def grad(p):
    found = {name: np.zeros_like(value) for name, value in p.items()}
    for c, o, others in words:
        dv, dU = slopes(p["V"][c], o, p["U"], others)
        found["V"][c] += dv
        found["U"] += dU
    return found


def params():
    return {name: rng.normal(size=(5, 3)) for name in "VU"}
"""


def test_rows_that_repeat_in_the_calls_of_a_loop_are_told_where_they_are_written(tmp_path):
    right, wrong = (
        "np.add.at(dU, others, np.outer(1 - far, v))",
        "dU[others] += np.outer(1 - far, v)",
    )
    assert_found(SAMPLED, right, wrong, "GC855", tmp_path)


def written(index, shape):
    key = (slice(None), slice(None), 0)
    arguments = (None, key, np.ones(shape[:2]))
    return SimpleNamespace(
        index=index, name="setitem", place="", value=np.ones(shape), arguments=arguments
    )


def test_what_a_loop_writes_in_layers_of_other_sizes_is_not_compared(monkeypatch):
    tape = [written(0, (8, 4, 2)), written(1, (8, 5, 2)), written(2, (8, 5, 2))]
    monkeypatch.setattr(place_causes, "repetitions", lambda *_: [0, 1, 2])
    state = SimpleNamespace(tape=tape, values=[{}])
    assert place_cause(SimpleNamespace(state=state, operand=2, expected=[tape[2].value])) is None
