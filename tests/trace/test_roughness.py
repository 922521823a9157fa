"""How rough a slope is over its inputs, which tells whether it is a function of them."""

import tracemalloc

import numpy as np

from gradcheck.arrays import roughness


def test_a_function_of_its_input_is_smooth_and_a_shuffled_one_is_rough():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 5))
    assert roughness([np.tanh(x)], [x]) < 0.05
    assert 0.7 < roughness([rng.permutation(np.tanh(x))], [x]) < 1.3


def test_a_large_layer_takes_memory_for_its_entries_and_not_for_their_pairs():
    x = np.random.default_rng(4).normal(size=(200, 100))
    tracemalloc.start()
    try:
        roughness([x**2], [x])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 20 * x.nbytes
