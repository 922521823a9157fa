"""A report in a program's or a notebook's hands."""

import html
import linecache
import tempfile
from pathlib import Path

import numpy as np
import pytest

import gradcheck
from gradcheck.mending.patches import write
from gradcheck.options import Edits
from gradcheck.user.calls import Location, place

CELL = """
def value(q):
    return np.sum(np.exp(data @ q["A"]) ** 2)


def slope(q):
    e = np.exp(data @ q["A"])
    return {"A": 3 * data.T @ (e * e)}
"""
NAME = str(Path(tempfile.gettempdir(), "ipykernel_99", "31415.py"))


@pytest.fixture
def cell(monkeypatch):
    """The functions of a cell, as a notebook's kernel compiles it."""
    monkeypatch.setitem(linecache.cache, NAME, (len(CELL), None, CELL.splitlines(True), NAME))
    space = {"np": np, "data": np.random.default_rng(7).normal(size=(4, 2)) / 4}
    exec(compile(CELL, NAME, "exec"), space)
    return space


def checked(cell, **options):
    return gradcheck.check(cell["value"], {"A": np.ones((2, 3))}, cell["slope"], **options)


def test_a_report_is_true_where_it_passes(cell):
    assert not checked(cell, diagnose=False)
    assert gradcheck.check(lambda w: np.sum(w**4), np.ones(2), lambda w: 4 * w**3)


def test_repr_is_a_line(cell):
    shown = repr(checked(cell))
    assert shown.startswith("<Report fail: 1 of 1 gradient is wrong")
    assert len(shown) < 200
    assert "\n" not in shown


def test_a_notebook_shows_everything_and_runs_nothing(cell):
    report = checked(cell)
    page = report._repr_html_()
    assert "<script" not in page
    for said in (report.findings[0].message, "cell, line 8", report.findings[0].fix, "(2, 3)"):
        assert html.escape(said) in page


def test_cells_are_called_cells():
    assert place(Location("<ipython-input-8-27af>", 3)) == "cell [8], line 3"
    assert place(Location(NAME, 3)) == "cell, line 3"


def test_a_cell_is_mended_from_what_the_notebook_keeps(cell):
    repair = checked(cell, repair=Edits(300)).repair
    assert repair.ok, repair.reason
    assert repair.patches[0].diff.startswith("--- cell\n")
    with pytest.raises(gradcheck.UsageError, match="in a notebook"):
        write(repair.patches[0])
