"""Targets that the parameters make and no update differentiates, as in reinforcement learning."""

import pytest
from named_bugs import first_finding

import gradcheck
from benchmarks.edits.edit import module_of
from gradcheck.options import Edits

HEAD = """
import numpy as np

rng = np.random.default_rng(6)
NOW, NEXT = rng.normal(size=(12, 4)), rng.normal(size=(12, 4))
TAKEN, REWARDS = rng.integers(0, 3, 12), rng.normal(size=12)
ROWS = np.arange(12)
"""

LEARNED = """
def params():
    shapes = {"W": (4, 6), "b": (6,), "V": (6, 3)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}

def worth(p, states):
    h = np.maximum(0, states @ p["W"] + p["b"])
    return h, h @ p["V"]

def gaps(p):
    target = REWARDS + 0.9 * worth(p, NEXT)[1].max(axis=1)
    h, q = worth(p, NOW)
    return h, q[ROWS, TAKEN] - target

def loss(p):
    return 0.5 * np.mean(gaps(p)[1] ** 2)

def grad(p):
    h, gap = gaps(p)
    back = np.zeros((12, 3))
    back[ROWS, TAKEN] = gap / 12
    inner = back @ p["V"].T * (h > 0)
    return {"W": NOW.T @ inner, "b": inner.sum(axis=0), "V": h.T @ back}
"""

WRITTEN = LEARNED.replace(
    """    target = REWARDS + 0.9 * worth(p, NEXT)[1].max(axis=1)
    h, q = worth(p, NOW)
    return h, q[ROWS, TAKEN] - target
""",
    """    h, q = worth(p, NOW)
    target_q = q.copy()
    target_q[ROWS, TAKEN] = REWARDS + 0.9 * worth(p, NEXT)[1].max(axis=1)
    return h, (q - target_q)[ROWS, TAKEN]
""",
)

ACTED = """
def params():
    return {"P": rng.normal(size=(4, 3)), "v": rng.normal(size=4)}

def shares(p):
    grown = np.exp(NOW @ p["P"])
    return grown / grown.sum(axis=1, keepdims=True)

def loss(p):
    advantage = REWARDS - NOW @ p["v"]
    of_choices = -np.mean(np.log(shares(p)[ROWS, TAKEN]) * advantage)
    return of_choices + 0.5 * np.mean((NOW @ p["v"] - REWARDS) ** 2)

def grad(p):
    off = NOW @ p["v"] - REWARDS
    back = shares(p)
    back[ROWS, TAKEN] -= 1
    return {"P": NOW.T @ (back * -off[:, None]) / 12, "v": NOW.T @ off / 12}
"""


@pytest.mark.parametrize("program", [LEARNED, WRITTEN, ACTED])
def test_a_gradient_may_be_that_with_the_targets_held(program, tmp_path):
    module = module_of(HEAD + program, tmp_path / "right.py")
    report = gradcheck.check(module.loss, module.params(), module.grad)
    assert report.ok, str(report)
    assert any("held constant" in one for one in report.notes), report.notes


@pytest.mark.parametrize("program", [LEARNED, WRITTEN])
def test_a_bug_is_told_from_what_is_held(program, tmp_path):
    right, wrong = ' @ p["V"].T * (h > 0)', ' @ p["V"].T'
    first, line, report = first_finding(HEAD + program, right, wrong, tmp_path)
    assert (first.code, first.location.line) == ("GC303", line), report
    assert set(first.blocks) == {"W", "b"}


def test_what_has_another_name_is_differentiated(tmp_path):
    module = module_of(HEAD + LEARNED.replace("target", "follows"), tmp_path / "other.py")
    report = gradcheck.check(module.loss, module.params(), module.grad)
    assert report.verdict == "fail"
    assert {one.code for one in report.errors} == {"GC407"}


def test_a_bug_beside_what_is_held_can_be_repaired(tmp_path):
    source = (HEAD + LEARNED).replace(' @ p["V"].T * (h > 0)', ' @ p["V"].T')
    module = module_of(source, tmp_path / "wrong.py")
    repair = gradcheck.repair(module.loss, module.params(), module.grad, budget=Edits(5_000))
    assert repair.patches, repair.reason
    assert "(h > 0)" in repair.patches[0].words
