"""The compiled differences give what numpy gives, to rounding."""

import numpy as np
import pytest

from gradcheck.network import differences, kernels

pytest.importorskip("numba")
kernels.wake()

RNG = np.random.default_rng(0)
SHAPES = {
    "a unit and its weights": ((40, 1), (40, 90)),
    "an output, units first": ((1, 40, 1), (1, 40, 90)),
    "all units of a layer": ((40, 90), (7, 40, 90)),
    "one sample": ((1, 1), (1, 2000)),
}


@pytest.mark.parametrize("size", [1e-12, 1e-7, 2e-6])
@pytest.mark.parametrize("of", SHAPES)
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_both_ways_agree_to_rounding(monkeypatch, name, of, size):
    z, d = RNG.normal(size=SHAPES[of][0]), RNG.uniform(-size, size, SHAPES[of][1])
    change = getattr(differences, f"{name}_difference")(z)
    compiled = change(d)
    monkeypatch.setattr(differences, "quotient", lambda *_: None)
    assert np.allclose(compiled, change(d), rtol=1e-15 * 20, atol=0)


@pytest.mark.parametrize("d", [np.full((40, 90), 1e-3), np.full((90, 40), 1e-7).T, np.ones(3)])
def test_what_the_series_do_not_hold_for_is_left_to_numpy(d):
    assert kernels.quotient("tanh", d, np.ones((40, 1)), np.ones((40, 1))) is None
