"""The global random states, and whether setting them again is spared."""

# ruff: noqa: NPY002  # numpy's global generator is what is tested

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.user.random_states import RandomStates

DRAWS = {
    "normal": lambda: float(np.random.standard_normal()),
    "uniform": lambda: float(np.random.rand()),
    "integer": lambda: int(np.random.randint(10)),
    "permutation": lambda: tuple(np.random.permutation(4)),
    "python": random.random,
}


@given(st.lists(st.sampled_from(sorted(DRAWS)), max_size=6), st.sampled_from(sorted(DRAWS)))
def test_the_same_numbers_are_drawn_after_any_others(before, then):
    np.random.seed(3)
    random.seed(3)
    for name in before:
        DRAWS[name]()
    states = RandomStates()
    first = DRAWS[then]()
    for name in before:
        DRAWS[name]()
    states.restore()
    assert DRAWS[then]() == first
    states.restore()
    states.now().restore()
    assert DRAWS[then]() == first


def test_the_second_of_two_normal_numbers_is_drawn_again():
    np.random.seed(0)
    np.random.standard_normal()  # the second one waits, and takes no word of the generator
    states = RandomStates()
    second = np.random.standard_normal()
    states.restore()
    assert np.random.standard_normal() == second


def test_another_generator_of_numpy_is_restored_too():
    own = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(1))
    try:
        states = RandomStates()
        first = np.random.rand()
        states.now().restore()
        states.restore()
        assert np.random.rand() == first
    finally:
        np.random.set_bit_generator(own)


def test_a_state_is_set_only_where_a_number_was_drawn(monkeypatch):
    states = RandomStates()
    monkeypatch.setattr(np.random, "set_state", lambda _: pytest.fail("nothing was drawn"))
    states.restore()
