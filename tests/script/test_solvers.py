"""Scripts that hand a Jacobian to one of scipy's solvers: the Jacobian is checked."""

import pytest

from gradcheck.script import ScriptEntry

pytest.importorskip("scipy")

CURVE = """
import numpy as np
from scipy.optimize import curve_fit, fsolve, least_squares, leastsq, root

t = np.linspace(0.0, 3.0, 25)
y = 2.0 * np.exp(-0.7 * t) + 0.3

def decay(t, size, pace, floor):
    return size * np.exp(-pace * t) + floor

def slopes(t, size, pace, floor):
    e = np.exp(-pace * t)
    return np.array([e, SECOND, np.ones_like(t)]).T

def off(p, scale=1.0):
    return scale * (decay(t, *p) - y)

def off_slopes(p, scale=1.0):
    return scale * slopes(t, *p)

start = np.array([1.0, 1.0, 0.1])
first = least_squares(off, start)  # makes its derivatives itself
"""
CALLS = {
    "curve_fit": "curve_fit(decay, t, y, jac=slopes)",
    "least_squares": "least_squares(off, start, off_slopes, kwargs=dict(scale=2.0))",
    "leastsq": "leastsq(off, start, args=(2.0,), Dfun=off_slopes)",
    "leastsq, turned": "leastsq(off, start, (), lambda p: off_slopes(p).T, col_deriv=True)",
    "root": "root(lambda p: decay(t[:3], *p) - 1, start, jac=lambda p: slopes(t[:3], *p))",
    "fsolve": "fsolve(lambda p: decay(t[:3], *p), start, fprime=lambda p: slopes(t[:3], *p))",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("second", "ok"), [("-size * t * e", True), ("-size * e", False)])
def test_the_jacobian_that_a_solver_is_given_is_checked(call, second, ok, tmp_path):
    text = CURVE.replace("SECOND", second) + f"print({CALLS[call]})\n"
    (tmp_path / "fit.py").write_text(text)
    outcome = ScriptEntry(tmp_path / "fit.py").outcome({})
    assert outcome.report is not None, outcome.error
    assert outcome.report.ok == ok
    assert f"the call of scipy's {call.split(',')[0]} at line 23" in outcome.script.text()
    if not ok:
        places = [one.location.line for one in outcome.report.findings if one.location]
        assert places == [
            text.splitlines().index("    return np.array([e, -size * e, np.ones_like(t)]).T") + 1
        ]
    if call == "curve_fit":
        assert "decay(), line 8" in outcome.script.text()


COLUMN = """
import numpy as np
import scipy.optimize as op

x, t = np.random.default_rng(2).normal(size=(9, 3)), np.arange(9.0)

def cost(p, x, t):
    return float(np.sum((x @ p.reshape(-1, 1) - t.reshape(-1, 1)) ** 2))

def slope(p, x, t):
    return (TWICE * x.T @ (x @ p.reshape(-1, 1) - t.reshape(-1, 1))).flatten()

op.fmin_tnc(cost, np.zeros((3, 1)), slope, args=(x, t))
"""


@pytest.mark.parametrize(("twice", "verdict"), [("2", "pass"), ("1", "fail")])
def test_a_minimiser_passes_on_a_flat_vector_whatever_the_shape_of_its_start(
    twice, verdict, tmp_path
):
    (tmp_path / "fit.py").write_text(COLUMN.replace("TWICE", twice))
    report = ScriptEntry(tmp_path / "fit.py").outcome({}).report
    assert report.verdict == verdict
    assert report.blocks[0].shape == (3,)


def test_a_solver_without_a_jacobian_leaves_the_script_to_its_loop(tmp_path):
    loop = """
w = np.ones(3)
for turn in range(20):
    gap = decay(t, *w) - y
    loss = np.mean(gap**2)
    w -= 0.05 * 2 * slopes(t, *w).T @ gap / len(t)
"""
    (tmp_path / "fit.py").write_text(CURVE.replace("SECOND", "-size * t * e") + loop)
    outcome = ScriptEntry(tmp_path / "fit.py").outcome({})
    assert outcome.script.params == ("w",)
    assert outcome.report.ok


WALK = """
import numpy as np
from scipy.optimize import minimize

wanted = np.array([0.8, 1.5])


def walked(p):
    x, path, t, end, dt = np.array([1.0, 0.5]), [], 0.0, 1.2, 0.1
    while t < end - 1e-9:
        path.append(x)
        h = min(dt, end - t)
        x = x + h * (p * x - x**2)
        t += h
    return x, path


def cost(p):
    return np.sum((walked(p)[0] - wanted) ** 2)


def slope(p):
    x, path = walked(p)
    back, total = 2 * (x - wanted), np.zeros(2)
    for x in reversed(path):
        total = total + 0.1 * back * x
        back = back * (1 - 0.1 * (TWO * x - p))
    return total


FIRST
minimize(cost, np.ones(2), jac=slope)
"""


@pytest.mark.parametrize("first", ["", "wanted = walked(np.array([1.3, 0.7]))[0]"])
@pytest.mark.parametrize(("two", "ok"), [("2", True), ("1", False)])
def test_a_loop_that_walks_through_time_is_not_one_that_trains(two, ok, first, tmp_path):
    (tmp_path / "walk.py").write_text(WALK.replace("TWO", two).replace("FIRST", first))
    found = ScriptEntry(tmp_path / "walk.py").outcome({})
    assert found.report is not None, found.error
    assert found.report.ok == ok, str(found.report)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_error_of_a_symmetric_system_is_the_gradient_of_another_loss(outcome, symmetric):
    text = f"""
import numpy as np

rng = np.random.default_rng(1)
A, b, x = rng.normal(size=(6, 6)), rng.normal(size=6), np.zeros(6)
A = A @ A.T if {symmetric} else A
for turn in range(200):
    r = A @ x - b
    x = x - 0.02 * r
    print(turn, np.linalg.norm(r))
"""
    report = outcome(text).report
    assert report.verdict == ("inconclusive" if symmetric else "fail")
    assert ("x A x / 2 - b x" in (report.could_not_check or "")) == symmetric
