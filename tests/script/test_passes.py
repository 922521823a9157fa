"""Which pass of a loop is tested: the first, unless it is long and the second is quick."""

import ast

import pytest

from gradcheck.script import passes as module
from gradcheck.script.instrument import mark
from gradcheck.script.passes import Passes
from gradcheck.script.snapshot import take_snapshot
from gradcheck.script.state import State
from gradcheck.script.updating import updating


@pytest.mark.parametrize(
    ("durations", "tested_after", "first"),
    [
        ([0.01, 0.01], 1, 0),  # short ones are not waited for
        ([0.5, 0.02, 0.02], 2, 1),  # the first pass also draws a sample, say
        ([0.5, 0.5, 0.5], 2, 0),  # all are long: the first one, as ever
        ([9.0, 9.0], 1, 0),  # too long for another one
    ],
)
def test_a_quick_pass_is_tested_instead_of_a_long_first_one(
    monkeypatch, durations, tested_after, first
):
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    own, begun = Passes(), []
    for number, seconds in enumerate(durations):
        begun.append(take_snapshot(State({"number": float(number)}, None)))
        if own.ended(0.0, begun[-1]):
            break
        own.begin(0.0, begun[-1])
        now[0] += seconds
    assert number == tested_after
    assert own.first is begun[first]
    assert own.tests == 1


def test_the_tests_of_inner_loops_do_not_make_a_pass_long(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    own, snapshot = Passes(), take_snapshot(State({}, None))
    assert not own.ended(0.0, snapshot)
    own.begin(0.0, snapshot)
    now[0] = 2.0
    assert own.ended(1.95, snapshot)


@pytest.mark.parametrize(
    ("body", "around", "anew"),
    [
        ("cost = f(w); w = w - cost", "", {"cost"}),
        ("a, (b, c) = f(w); d = a + b", "", {"a", "b", "c", "d"}),
        ("total = total + f(w)", "", set()),
        ("total += f(w); total = 0", "", set()),
        ("for x in rows: g = f(x)", "", {"x", "g"}),
        ("for x in rows: g = f(x)", "def h(): return g", {"x"}),
        ("for x in rows: g = f(x); h = g", "", {"x", "h"}),
        ("h = g; for x in rows: g = f(x)", "", {"x", "h"}),
        ("for x in rows: total += f(x)", "", {"x"}),
        ("for g in g: x = g", "", {"x"}),
        ("h[0] = f(w); h = 0", "", set()),
        ("best = min(cost, 1); cost = f(w)", "", {"best"}),
        ("cost = f(w)", "def g(): return cost", set()),
        ("cost = f(w)", "def g(cost): return cost", {"cost"}),
        ("cost = f(w)", "def g():\n    global cost\n    cost += 1", set()),
        ("cost = f(w)", "g = lambda: cost", {"g"}),
        ("cost = f(w)", "graph = f(0)", {"cost", "graph"}),
        ("cost = f(w)", "graph = f(0)\ndef g(): return graph", {"cost"}),
        ("cost = eval('graph')", "graph = f(0)", {"cost"}),
    ],
)
def test_what_a_pass_sets_anew_or_never_reads_is_copied_for_no_replay(body, around, anew):
    statements = f"{body}; w -= 0.1".replace("; ", "\n    ")
    tree = ast.parse(f"{around}\nfor turn in range(9):\n    {statements}")
    found = mark(tree, [], None).loops[-1]
    assert found.left_out - {"turn"} == anew
    kept = take_snapshot(State({"cost": 1.0, "w": 2.0}, None), found.left_out)
    assert set(kept.state.module) == {"cost", "w"} - anew


IN_A_FUNCTION = """
graph = [0.0]
shown = [0.0]
def show():
    return shown
def train(w):
    for turn in range(9):
        w -= 0.1
graph = train(1.0)
"""


def test_what_no_function_reads_is_copied_for_no_replay_of_a_loop_in_one():
    found = mark(ast.parse(IN_A_FUNCTION), [], None).loops[-1]
    names = {"graph": [1.0], "shown": [0.0], "w": 2.0}
    kept = take_snapshot(State(names, {"w": 2.0}), found.left_out, found.unread).state
    assert set(kept.module) == {"shown", "w"}
    assert set(kept.local) == {"w"}


@pytest.mark.parametrize(
    ("body", "is_update"),
    [
        ("x = x + f(x); y = g(x); return y", False),
        ("x = [a + b for a, b in zip(x, y)]; keys.count(y); return y", False),
        ("x = x - 0.1 * y; return x", True),
        ("x = x - 0.1 * y; return [x, y]", True),
        ("x = x - 0.1 * y; z = [x, y]; return z", True),
        ("x = x - 0.1 * y; model.x = x", True),
        ("x = x - 0.1 * y; model['x'] = x", True),
        ("x = x - 0.1 * y; kept.append(x)", True),
        ("global x; x = x - 0.1 * y", True),
        ("x -= 0.1 * y", True),
        ("x = x - 0.1 * y; return lambda: x", True),
    ],
)
def test_a_function_that_changes_only_what_is_its_own_updates_nothing(body, is_update):
    statements = body.replace("; ", "\n    ")
    tree = ast.parse(f"def step(x, y):\n    {statements}")
    assert updating([tree]) == ({"step"} if is_update else set())


SMOOTHED = """
import numpy as np

rng = np.random.default_rng(6)
x, t = rng.normal(size=(8, 3)), rng.normal(size=8)
w1 = rng.normal(size=3)
smooth_loss = 3.0
for turn in range(9):
    loss = 0.5 * np.sum((x @ w1 - t) ** 2)
    smooth_loss = 0.9 * smooth_loss + 0.1 * loss
    print("turn %d: %f" % (turn, smoothed))
    for param, slope in zip([w1], [x.T @ (x @ w1 - t)]):
        param -= 0.01 * slope
"""


def test_of_an_iteration_that_raises_a_smoothed_loss_is_no_parameter(outcome):
    found = outcome(SMOOTHED)
    assert list(found.script.params) == ["w1"]
    assert found.report.findings[0].code == "GC210"


FILLED = """
import numpy as np

rng = np.random.default_rng(5)
w, memory, pace = rng.normal(size=3), [], 0.05
for episode in range(40):
    state = rng.normal(size=3)
    for step in range(9):
        memory.append((state, np.tanh(state.sum())))
        state = 0.9 * state + 0.3 * rng.normal(size=3)
        if len(memory) < WARM:
            continue
        rows = [memory[one] for one in rng.integers(0, len(memory), 4)]
        x, t = np.array([one[0] for one in rows]), np.array([one[1] for one in rows])
        loss = np.mean((x @ w - t) ** 2)
        w -= pace * 2 * x.T @ (x @ w - t)SIZE
"""


@pytest.mark.parametrize(("size", "ok"), [(" / 4", True), ("", False)])
@pytest.mark.parametrize("warm", ["12", "160"])
def test_a_loop_that_trains_once_its_memory_is_full_is_the_step(outcome, warm, size, ok):
    found = outcome(FILLED.replace("WARM", warm).replace("SIZE", size))
    assert found.script.step == 8
    assert (found.report.verdict == "pass") == ok, str(found.report)
    assert ok or [one.code for one in found.report.errors] == ["GC101"], str(found.report)


ADDED_TO_ITSELF = """
import numpy as np

rng = np.random.default_rng(4)
x, t = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
held = {"a": rng.normal(size=(3, 2)), "c": np.zeros((1, 2))}
past = {name: np.zeros_like(value) for name, value in held.items()}
for turn in range(20):
    off = x @ held["a"] + held["c"] - t
    loss = np.mean(off**2)
    to_a, to_c = np.zeros((3, 2)), np.zeros((1, 2))
    for row, gap in zip(x, off):
        to_a += np.outer(row, gap) / 9
        to_c += ADDED
    for own, slope, memory in zip(held.values(), [to_a, to_c], past.values()):
        memory += slope * slope
        own -= 0.1 * slope / np.sqrt(memory + 1e-8)
"""


@pytest.mark.parametrize(("added", "codes"), [("gap / 9", set()), ("to_c", {"GC408"})])
def test_what_a_loop_over_all_parameters_updates_by_0_is_one_of_them(outcome, added, codes):
    report = outcome(ADDED_TO_ITSELF.replace("ADDED", added)).report
    assert len(report.blocks) == 2, str(report)
    assert {one.code for one in report.errors} == codes, str(report)


BY_NAME = """
import numpy as np

rng = np.random.default_rng(7)
x, t = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
held = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=(4, 2))}
for turn in range(20):
    h = np.tanh(x @ held["a"])
    off = h @ held["b"] - t
    loss = 0.5 * np.sum(off**2)
    g = {name: np.zeros_like(value) for name, value in held.items()}
    g["b"] += h.T @ off
    ADDED
    UPDATE
"""


@pytest.mark.parametrize(
    "update",
    [
        "for k in held: held[k] -= 0.1 * g[k]",
        "for k in held: held[k] = held[k] - 0.1 * g[k]",
        "held = {k: held[k] - 0.1 * g[k] for k in held}",
    ],
)
@pytest.mark.parametrize("added", ['g["a"] += x.T @ (off @ held["b"].T * (1 - h * h))', "pass"])
def test_a_gradient_that_is_never_added_up_is_found_in_a_dict(outcome, update, added):
    report = outcome(BY_NAME.replace("ADDED", added).replace("UPDATE", update)).report
    assert len(report.blocks) == 2, str(report)
    codes = [one.code for one in report.errors]
    assert codes == (["GC408"] if added == "pass" else []), str(report)


LEFT_AT_REST = """
import numpy as np

rng = np.random.default_rng(3)
x, t = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
knots, shift = rng.normal(size=(3, 2)), np.zeros(2)
for turn in range(20):
    off = x @ knots + shift - t
    loss = np.mean(off**2)
    off *= 2 / off.size
    dknots, OF_SHIFT = x.T @ off, off.sum(axis=0)
    knots -= 0.1 * dknots
"""


@pytest.mark.parametrize(("name", "is_told"), [("dshift", True), ("total", False)])
def test_a_parameter_whose_update_is_forgotten_is_told_by_its_gradient(outcome, name, is_told):
    found = outcome(LEFT_AT_REST.replace("OF_SHIFT", name))
    assert found.report.ok
    assert ("shift reaches the loss, and nothing updates it" in found.script.text()) == is_told


GONE_OVER = """
for (x, b), target in zip(list(zip(x, x**2)), t):
    off = w * (x @ b) - target
    loss = np.sum(off**2)
    w = w - 0.01 * 2 * np.sum(off) * (x @ b)
"""
SET_ANEW = """
for turn in range(4):
    b = x[turn] ** 2
    for times in range(3):
        off = w * (x[turn] @ b) - t[turn]
        loss = np.sum(off**2)
        db = 2 * np.sum(off) * w * x[turn]
        w = w - 0.01 * 2 * np.sum(off) * (x[turn] @ b)
"""
TAKEN_OFF = """
b, w = 0.3 * x[:, :2], rng.normal(size=(3, 2))
for turn in range(9):
    off = x @ w - b
    w = w - 0.01 * 2 * x.T @ off
    kept = np.sum(off**2)
"""


@pytest.mark.parametrize("loop", [GONE_OVER, SET_ANEW, TAKEN_OFF])
def test_what_loops_go_over_or_set_anew_is_no_parameter_without_an_update(outcome, loop):
    found = outcome(LEFT_AT_REST.partition("for turn")[0] + "w = 0.3\n" + loop)
    assert found.report.ok, str(found.report)
    assert "nothing updates" not in found.script.text()


STATE = """
import numpy as np

rng = np.random.default_rng(5)
x, t = rng.normal(size=(7, 3, 2)), rng.normal(size=(7, 4))
w, u, start = rng.normal(size=(2, 4)), rng.normal(size=4), {"c": np.zeros((7, 4))}


def forward(x, c):
    z = np.tanh(x @ w + u * c)
    c = 0.3 * z + 0.7 * c
    return c, z


for turn in range(20):
    cs, zs = [start["c"]], []
    for i in range(3):
        c, z = forward(x[:, i], cs[-1])
        cs.append(c)
        zs.append(z)
    loss = np.sum((c - t) ** 2)
    back, dw, du = 2 * (c - t), np.zeros((2, 4)), np.zeros(4)
    for i in reversed(range(3)):
        d = 0.3 * back * (1 - zs[i] ** 2)
        dw += x[:, i].T @ d
        du += np.sum(d * cs[i], axis=0)
        back = 0.7 * back + d * u
    w -= 0.01 * dw
    u -= 0.01 * du
"""


def test_an_initial_state_of_zeros_from_which_the_next_is_made_is_no_parameter(outcome):
    report = outcome(STATE).report
    assert report.ok, str(report)
    assert len(report.blocks) == 2, str(report)


UNROLLED = """
import numpy as np

rng = np.random.default_rng(8)
x, t = rng.normal(size=(15, 3)), rng.normal(size=(15, 3))
w, b = rng.normal(size=(3, 3)), np.zeros(3)
for turn in range(30):
    states = [x]
    for _ in range(4):
        states.append(states[-1] + 0.1 * np.tanh(states[-1] @ w + b))
    back = (states[-1] - t) / 15
    loss = np.sum((states[-1] - t) ** 2) / 30
    dw, db = np.zeros((3, 3)), np.zeros(3)
    for state in states[-2::-1]:
        d = 0.1 * back * (1 - np.tanh(state @ w + b) ** 2)
        dw += state.T @ d
        db += d.sum(axis=0)
        back = back + d @ w.T
    w -= 0.5 * dw
    b -= 0.5 * db
"""


@pytest.mark.parametrize("wrong", [[], ["GC407"]])
def test_a_loop_that_adds_up_gradients_and_what_it_brings_back_makes_no_steps(outcome, wrong):
    found = outcome(UNROLLED if not wrong else UNROLLED.replace("back = back +", "back ="))
    assert "the loop at line 7" in found.script.text()
    assert [one.code for one in found.report.errors] == wrong, str(found.report)


BY_ROWS = """
import numpy as np

rng = np.random.default_rng(2)
r, u, v = rng.normal(size=(5, 4)), rng.normal(size=(5, 2)), rng.normal(size=(4, 2))


def move():
    change = np.zeros_like(v)
    for i in range(5):
        off = r[i] - v @ u[i]
        change += 0.05 * np.outer(-off, u[i])
        u[i] -= 0.05 * (-off @ v)
    v[:] -= TIMES * change


for turn in range(20):
    loss = 0.5 * np.sum((r - u @ v.T) ** 2)
    move()
"""


@pytest.mark.parametrize(("times", "ok"), [("1", True), ("2", False)])
def test_what_an_inner_loop_adds_up_for_an_update_is_no_parameter(outcome, times, ok):
    found = outcome(BY_ROWS.replace("TIMES", times))
    assert found.report.ok == ok, str(found.report)
    assert found.script.params == ("u", "v")


FORGOTTEN = """
import numpy as np

rng = np.random.default_rng(2)
x, t, w, b = rng.normal(size=(9, 3)), rng.normal(size=9), rng.normal(size=3), 0.3
for turn in range(20):
    off = x @ w - t
    w -= 0.05 * x.T @ off
    b -= 0.05 * np.sum(off)
"""


def test_a_parameter_that_no_error_depends_on_is_named_where_no_other_loop_trains(outcome):
    report = outcome(FORGOTTEN).report
    assert [(one.code, one.blocks) for one in report.errors] == [("GC805", ("b",))], str(report)


YIELDED = """
import numpy as np

rng = np.random.default_rng(3)
x, t, w = rng.normal(size=(9, 3)), rng.normal(size=9), rng.normal(size=3)


def batches(size):
    start = 0
    while start < 9:
        yield x[start : start + size], t[start : start + size]
        start += size


def train(w, rate, turns):
    for turn in range(turns):
        for part, wanted in batches(3):
            off = part @ w - wanted
            loss = np.mean(off**2)
            w -= rate * 2 * part.T @ OFF / len(off)
            yield turn, loss


for turn, loss in train(w, 0.05, 20):
    print(turn, loss)
"""


@pytest.mark.parametrize(("off", "verdict"), [("off", "pass"), ("(off - wanted)", "fail")])
def test_a_generator_may_train_and_yield_its_loss(outcome, off, verdict):
    found = outcome(YIELDED.replace("OFF", off))
    assert (found.script.params, found.script.loss_line) == (("w",), 19)
    assert found.report.verdict == verdict, str(found.report)
