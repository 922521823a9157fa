"""Scripts in float32 are computed in float64, where it can be done."""

import pytest

from gradcheck.script.precision import IN_DOUBLE

NET = """
import numpy as np
from data import halves, kind
rng = np.random.default_rng(5)
x = halves(rng.normal(size=(60, 4)))
t = rng.normal(size=(60, 1)).astype("float32")
w = np.array(0.5 * rng.normal(size=(4, 6)), dtype=np.float32)
v = (0.5 * rng.normal(size=(6, 1))).astype(kind)
for turn in range(20):
    inner = np.zeros((60, 6), np.float32)
    inner[:] = x @ w
    h = np.maximum(inner, 0)
    off = h @ v - t
    loss = np.mean(off ** 2)
    dv = h.T @ off * (2 / 60)
    dw = x.T @ (off @ v.T * (inner > 0)) * (2 / 60)
    v -= np.float32(0.1) * dv
    w -= np.float32(0.1) * dw
"""

DATA = """
import numpy
from numpy import float32 as kind

def halves(numbers):
    return numbers.astype(numpy.float16)
"""


def test_float32_is_computed_in_float64(outcome):
    found = outcome(NET, data=DATA)
    assert found.report.ok, str(found.report)
    assert IN_DOUBLE in found.script.notes


def test_an_error_below_the_precision_of_float32_is_seen(outcome):
    found = outcome(
        NET.replace("off * (2 / 60)\n    dw", "off * (2.00001 / 60)\n    dw"), data=DATA
    )
    assert {block.name: block.verdict for block in found.report.blocks} == {"v": "wrong", "w": "ok"}


@pytest.mark.parametrize(
    "text", ["assert x.itemsize == 2", "v = np.frombuffer(v.tobytes(), np.float32).reshape(6, 1)"]
)
def test_a_script_that_needs_its_types_is_run_as_it_is(outcome, text):
    found = outcome(NET.replace("for turn", f"{text}\nv = v.copy()\nfor turn"), data=DATA)
    assert found.report.ok, str(found.report)
    assert IN_DOUBLE not in found.script.notes


def test_bytes_are_read_as_they_were_written(outcome):
    written = "np.arange(60, dtype='<f4').tobytes()"
    read = f"t = np.frombuffer({written}, dtype=np.float32)[:, None] / 60\nfor turn"
    found = outcome(NET.replace("for turn", read), data=DATA)
    assert found.report.ok, str(found.report)
    assert IN_DOUBLE in found.script.notes
