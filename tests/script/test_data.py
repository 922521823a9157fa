"""Copies of what a script holds: the same, and of their own."""

import copy

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.script.memory import plain_containers
from gradcheck.script.state import State, take_snapshot

atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
structures = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), structures, max_size=4))
def test_a_copy_is_equal_and_shares_no_container(names):
    snapshot = take_snapshot(State(names, None))
    copied = snapshot.copied({}).module
    assert copied == copy.deepcopy(names)
    mine = {id(one) for one in plain_containers(snapshot.state.module) if type(one) is not tuple}
    theirs = {id(one) for one in plain_containers(copied) if type(one) is not tuple}
    assert mine.isdisjoint(theirs)


def test_what_is_one_list_stays_one_list():
    history = [0.5, 0.25]
    copied = take_snapshot(State({"a": history, "b": [history, np.ones(2)]}, None)).copied({})
    copied.module["a"].append(1.0)
    assert copied.module["b"][0] is copied.module["a"]
    assert history == [0.5, 0.25]


def test_a_container_of_arrays_is_not_plain():
    rows = [[1, 2], [3, 4]]
    assert list(plain_containers({"W": [np.ones(2)], "rows": rows, "none": ()})) == [*rows, ()]
