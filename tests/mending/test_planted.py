"""The bugs that are planted in source are repaired, and no patch is wrong.

Every program in `styles` is right. Each bug of `planted` is written into a copy of one, and the
copy is repaired within a number of edits, which take a few seconds.
"""

import itertools

import numpy as np
import pytest
from mending.planted import PAIRS, SINGLES, UNREPAIRED, source, styles
from modules import module_of
from sweeps import sample, without_slow

import gradcheck
from gradcheck.options import Edits

BUDGET = Edits(10_000)
POINTS = 5
SAMPLES = (7, 7, 7, 6, 9)
"""Of the fresh points: the batch that was checked has 7."""

SAME = 1e-9
SINGLES_REPAIRED, PAIRS_REPAIRED = 0.97, 1.0
OF_STYLE = [[bug for bug in SINGLES if bug.style == style] for style in styles()]
QUICK = [without_slow(bugs, "scalars: helper") for bugs in OF_STYLE]
TRIED = [
    *(bug for bugs in QUICK for bug in sample(bugs, every=23, first=QUICK.index(bugs))),
    *sample(PAIRS, every=31),
]


@pytest.fixture
def load(tmp_path):
    """Imports a text as a module."""
    numbers = itertools.count()
    return lambda text: module_of(text, tmp_path, f"planted_{next(numbers)}")


def distance(one, other):
    """The largest relative difference of gradients at fresh random points; nan where one is nan."""
    worst = 0.0
    for seed, samples in zip(range(100, 100 + POINTS), SAMPLES, strict=True):
        try:
            found = other.gradients(np.random.default_rng(seed), samples)
        except Exception:  # a program that fails at another point is not the same
            return np.inf
        wanted = one.gradients(np.random.default_rng(seed), samples)
        if list(map(np.shape, wanted)) != list(map(np.shape, found)):
            return np.inf
        for right, block in zip(wanted, found, strict=True):
            scale = max(np.max(np.abs(right)), 1e-300)
            worst = np.maximum(worst, np.max(np.abs(np.subtract(right, block))) / scale)
    return worst


@pytest.mark.parametrize("style", sample(styles(), every=3))
def test_a_right_program_has_nothing_to_repair(style, load):
    case = load(source(style)).make()
    assert case.check().verdict == "pass"
    found = gradcheck.repair(case, budget=BUDGET)
    assert not found.ok
    assert "nothing to repair" in found.reason


@pytest.mark.parametrize("bug", TRIED, ids=str)
def test_a_planted_bug_is_repaired_and_no_patch_is_wrong(bug, load):
    right, wrong = load(source(bug.style)), load(bug.planted())
    assert wrong.make().check(diagnose=False).verdict == "fail"
    found = gradcheck.repair(wrong.make(), budget=BUDGET)
    for patch in found.patches:
        far = distance(right, load(patch.changed[0].after.decode("utf-8")))
        assert far <= SAME, f"a wrong patch, {far:.1e} away\n{patch.diff}"
    assert found.ok or str(bug) in UNREPAIRED, found.reason


def test_most_planted_bugs_are_repaired():
    for least, bugs in ((SINGLES_REPAIRED, SINGLES), (PAIRS_REPAIRED, PAIRS)):
        unrepaired = [str(bug) for bug in bugs if str(bug) in UNREPAIRED]
        assert len(unrepaired) <= (1 - least) * len(bugs), unrepaired


def test_the_bugs_that_stay_are_in_the_table():
    assert {str(bug) for bug in (*SINGLES, *PAIRS)} >= UNREPAIRED
