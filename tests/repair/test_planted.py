"""How many bugs that are planted in source are repaired, and that no patch is wrong.

Every program in `styles` is right. Each bug of `planted` is written into a copy of one, and the
copy is repaired in 10 s. To keep the time small every third bug is tried; all of them where the
environment variable GRADCHECK_ALL_PLANTED is set.
"""

import importlib.util
import itertools
import os
import sys

import numpy as np
import pytest
from repair.planted import PAIRS, SINGLES, source, styles

import gradcheck

BUDGET = 10.0
POINTS = 5
SAMPLES = (7, 7, 7, 6, 9)
"""Of the fresh points: the batch that was checked has 7."""

SAME = 1e-9
SINGLES_REPAIRED = 0.85
PAIRS_REPAIRED = 0.6
EVERY = 1 if os.environ.get("GRADCHECK_ALL_PLANTED") else 3

_numbers = itertools.count()


@pytest.fixture(scope="module")
def results():
    """Whether the first patch of each bug that was tried is right."""
    return {}


@pytest.fixture
def load(tmp_path):
    """Imports a text as a module that no other test has; it is forgotten afterwards."""
    names = []

    def imported(text):
        name = f"planted_program_{next(_numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield imported
    for name in names:
        del sys.modules[name]


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


def repair(bug, load):
    """Whether the first patch is right; no patch may be wrong."""
    right = load(source(bug.style))
    wrong = load(bug.planted())
    assert wrong.make().check().verdict == "fail"
    found = gradcheck.repair(wrong.make(), budget=BUDGET)
    patched = [load(patch.changed[0].after.decode("utf-8")) for patch in found.patches]
    distances = [distance(right, program) for program in patched]
    for patch, one in zip(found.patches, distances, strict=True):
        assert one <= SAME, f"{bug}: a wrong patch, {one:.1e} away\n{patch.diff}"
    return bool(distances)


@pytest.mark.parametrize("style", styles())
def test_a_right_program_has_nothing_to_repair(style, load):
    case = load(source(style)).make()
    assert case.check().verdict == "pass"
    found = gradcheck.repair(case, budget=BUDGET)
    assert not found.ok
    assert "nothing to repair" in found.reason


@pytest.mark.parametrize("bug", [*SINGLES[::EVERY], *PAIRS[::EVERY]], ids=str)
def test_no_patch_of_a_planted_bug_is_wrong(bug, load, results):
    results[bug] = False  # also where a patch is wrong, or the check raises
    results[bug] = repair(bug, load)


def test_most_planted_bugs_are_repaired(results):
    assert results, "run this file as a whole"
    for least, bugs in ((SINGLES_REPAIRED, SINGLES), (PAIRS_REPAIRED, PAIRS)):
        tried = [bug for bug in bugs if bug in results]
        missed = [str(bug) for bug in tried if not results[bug]]
        assert len(tried) - len(missed) >= least * len(tried), missed
