"""scipy's functions in operations of numpy's."""

import numpy as np
import pytest
from scipy import special

from gradcheck.trace.record.library_functions import FORMS, form_of

A = np.random.default_rng(3).normal(size=(4, 3)) * 30


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("name", FORMS)
def test_a_form_gives_what_scipy_gives(name, axis):
    own, scipys = FORMS[name](A, axis=axis), getattr(special, name)(A, axis=axis)
    assert np.shape(own) == np.shape(scipys)
    assert np.allclose(own, scipys, rtol=1e-12, atol=1e-12)


def test_what_a_form_lacks_is_asked_of_scipy():
    assert form_of(special.logsumexp, {"axis": 0}) is not None
    assert form_of(special.logsumexp, {"b": 2.0}) is None
