import copy
import tracemalloc
from collections import OrderedDict, namedtuple

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

from gradcheck.errors import UsageError
from gradcheck.user.structures import flatten

Pair = namedtuple("Pair", "left right")

numbers = st.floats(-1e6, 1e6)
arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.int8]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    elements=st.integers(-100, 100),
)
laid_out = arrays.flatmap(
    lambda a: (
        st.sampled_from([a, np.asfortranarray(a), a.T, np.repeat(a, 2, -1)[..., ::2]])
        if a.ndim
        else st.just(a)
    )
)
settings_leaves = st.sampled_from([None, "relu", True])
structures = st.recursive(
    laid_out | numbers | settings_leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("abcW"), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: Pair(*pair))
    ),
    max_leaves=6,
)


def same(one, other):
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(structures)
def test_packing_what_was_flattened_gives_the_same_structure_without_sharing_memory(structure):
    try:
        parameters = flatten(structure)
    except UsageError:
        assume(False)
    is_vector = type(structure) is list and {*map(type, structure)} <= {int, float}
    wanted = np.array(structure, float) if is_vector else structure
    assert same(wanted, parameters.pack(parameters.values))
    assert len(set(parameters.names)) == len(parameters.names)
    before = copy.deepcopy(structure)
    for value in parameters.values:
        value[...] = 12345.5
    assert same(structure, before)


@pytest.mark.parametrize(
    ("structure", "names"),
    [
        (np.ones(2), ("params",)),
        ([np.ones(2), np.ones(1)], ("params[0]", "params[1]")),
        ({"W2": np.ones(2), "W1": np.ones(1)}, ("W2", "W1")),
        ({"weights": [np.ones(1), np.ones(2)]}, ("weights[0]", "weights[1]")),
        ({"hidden_layer": {"weights": np.ones(1)}}, ("hidden_layer.weights",)),
        ({"layers": [{"W": np.ones(1)}]}, ("layers[0].W",)),
        ([{"W": np.ones(1)}], ("params[0].W",)),
        ({1: np.ones(1), 2: np.ones(1)}, ("params[1]", "params[2]")),
        (Pair(np.ones(1), 2.0), ("params[0]", "params[1]")),
        ({"w": 0.5, "b": np.float32(2)}, ("w", "b")),
    ],
)
def test_names_are_the_paths_that_the_user_would_write(structure, names):
    assert flatten(structure).names == names


def test_scalars_come_back_as_scalars_and_matrices_as_matrices():
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0]])
    parameters = flatten({"w": 0.5, "b": np.float32(2), "M": matrix, "z": np.array(3.0)})
    packed = parameters.pack(parameters.values)
    assert type(packed["w"]) is float
    assert type(packed["b"]) is np.float64
    assert type(packed["M"]) is np.matrix
    assert packed["z"].shape == ()


def test_a_dict_keeps_its_kind_and_order():
    packed = flatten(OrderedDict(b=np.ones(1), a="relu"))
    assert list(packed.pack(packed.values).items())[1] == ("a", "relu")
    assert type(packed.pack(packed.values)) is OrderedDict


def test_read_only_arrays_are_copied():
    array = np.ones(3)
    array.flags.writeable = False
    assert flatten(array).values[0].flags.writeable


def test_an_entry_is_named_as_the_user_would_write_it():
    parameters = flatten({"W": np.ones((2, 3)), "b": 1.0})
    assert parameters.entry_name(0, 5) == "W[1, 2]"
    assert parameters.entry_name(1, 0) == "b"


def test_a_nudged_point_moves_every_block_by_its_own_spread():
    rng = np.random.default_rng(0)
    wide, narrow = 20 * rng.standard_normal((100, 50)), np.full(5000, 3.0)
    parameters = flatten({"wide": wide, "narrow": narrow, "number": 1.5})
    point = parameters.nudged(parameters.values, 0.3, rng)
    assert [value.shape for value in point] == list(parameters.shapes)
    assert np.std(point[0] - wide) == pytest.approx(6.0, rel=0.05)
    assert np.std(point[1] - narrow) == pytest.approx(0.03, rel=0.05)
    furthest = np.abs(point[1] - narrow).max()
    assert furthest <= 0.03 * np.sqrt(3)
    assert point[2] != 1.5


def test_a_nudged_point_takes_no_more_memory_than_itself():
    rng, parameters = np.random.default_rng(0), flatten({"W": np.zeros(10**6)})
    tracemalloc.start()
    point = parameters.nudged(parameters.values, 0.3, rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * point[0].nbytes
