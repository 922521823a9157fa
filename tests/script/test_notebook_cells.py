"""What only notebooks and old scripts write: `%pylab`, star imports of pylab, unfinished cells."""

import json

import pytest

from gradcheck.script import ScriptEntry
from gradcheck.user.notebooks import code_of

FIT = """
X = randn(12, 2)
y = (X[:, 0] > max(0, -1)).astype(float)
figure()
w = zeros(2)
for turn in range(9):
    p = 1 / (1 + exp(-dot(X, w)))
    cost = -mean(y * log(p) + (1 - y) * log(1 - p))
    w = w - 0.1 * dot(X.T, p - y) / 12
plot(w)
"""


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": one} for one in cells]})


@pytest.mark.parametrize("first", ["%pylab inline", "from pylab import *"])
def test_pylab_brings_what_it_would_bring(tmp_path, first):
    (tmp_path / "fit.ipynb").write_text(notebook(first, FIT))
    outcome = ScriptEntry(tmp_path / "fit.ipynb").outcome({})
    assert outcome.report is not None, outcome.error
    assert outcome.report.ok, str(outcome.report)


def test_a_single_line_that_does_not_parse_is_left_out():
    assert code_of(notebook("a = 1", "from ", "np.dot?", "print a")) == "a = 1\npass\npass\npass"
    assert code_of(notebook("for a in b:\n    print a")) == "for a in b:\n    print a"


def test_a_line_that_goes_on_with_an_operator_is_no_magic():
    cell = """text = (
    "%d of %d"
    % (1, 2)
)
%timeit f()
same = (text
    != 2)
!ls"""
    assert code_of(notebook(cell)) == cell.replace("%timeit f()", "pass").replace("!ls", "pass")
