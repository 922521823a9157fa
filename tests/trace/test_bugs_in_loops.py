"""Bugs in loops over time, layers and samples: the line, the name, and what to write."""

import itertools

import numpy as np
import pytest
from named_bugs import first_finding
from sweeps import sample

import gradcheck

GATES = """
import numpy as np

rng = np.random.default_rng(3)
X, y = rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 2))


class Memory:
    def __init__(self, width, units):
        self.units = units
        self.W = rng.normal(size=(width + units, 4 * units)) * 0.5

    def forward(self, xs):
        n = self.units
        h, c, out, self.kept = np.zeros((2, n)), np.zeros((2, n)), [], []
        for t in range(3):
            z = np.hstack([xs[:, t], h])
            a = z @ self.W
            i, f, o = (1 / (1 + np.exp(-a[:, k * n:(k + 1) * n])) for k in range(3))
            u, before = np.tanh(a[:, 3 * n:]), c
            c = f * c + i * u
            bent = np.tanh(c)
            h = o * bent
            self.kept.append((z, i, f, o, u, before, bent))
            out.append(h)
        return np.stack(out, axis=1)

    def backward(self, back):
        self.dW, dx = np.zeros_like(self.W), np.zeros((2, 3, 3))
        dh_next, dc_next = np.zeros((2, self.units)), np.zeros((2, self.units))
        for t in range(2, -1, -1):
            z, i, f, o, u, before, bent = self.kept[t]
            dh = back[:, t] + dh_next
            dc = dh * o * (1 - bent**2) + dc_next
            d_gates = dc * u * i * (1 - i), dc * before * f * (1 - f), dh * bent * o * (1 - o)
            da = np.hstack([*d_gates, dc * i * (1 - u**2)])
            self.dW += z.T @ da
            dz = da @ self.W.T
            dx[:, t], dh_next = dz[:, :3], dz[:, 3:]
            dc_next = dc * f
        return dx


lower, upper = Memory(3, 3), Memory(3, 2)


def params():
    return {"lower": lower.W.copy(), "upper": upper.W.copy()}


def run(p):
    lower.W, upper.W = p["lower"], p["upper"]
    return upper.forward(lower.forward(X))


def loss(p):
    return 0.5 * np.sum((run(p)[:, -1] - y) ** 2)


def grad(p):
    out = run(p)
    back = np.zeros_like(out)
    back[:, -1] = out[:, -1] - y
    lower.backward(upper.backward(back))
    return {"lower": lower.dW, "upper": upper.dW}
"""

LETTERS = """
import numpy as np

rng = np.random.default_rng(2)
line = [np.eye(4)[[k]].T for k in (0, 2, 1, 3, 1)]


def bent(x, slope=False):
    shifted = x + 1e-12
    value = 1 / (1 + np.exp(-shifted))
    if slope:
        return shifted * (1 - shifted)
    return value


def params():
    shapes = {"keep": (5, 9), "take": (5, 9), "add": (5, 9), "out": (4, 5)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def run(p):
    h = held = np.zeros((5, 1))
    kept, state, total = [], [held], 0.0
    for x, goal in zip(line, line[1:]):
        z = np.vstack([x, h])
        f, i, u = bent(p["keep"] @ z), bent(p["take"] @ z), np.tanh(p["add"] @ z)
        held = f * held + i * u
        h = np.tanh(held)
        e = np.exp(p["out"] @ h)
        share = e / e.sum()
        total -= np.sum(goal * np.log(share))
        kept.append((z, f, i, u, h, share - goal))
        state.append(held)
    return total, kept, state


def loss(p):
    return run(p)[0]


def grad(p):
    _, kept, state = run(p)
    g = {name: np.zeros_like(one) for name, one in p.items()}
    later = later_held = np.zeros((5, 1))
    for t in reversed(range(len(kept))):
        z, f, i, u, h, off = kept[t]
        g["out"] += off @ h.T
        dh = p["out"].T @ off + later
        d_held = dh * (1 - h**2) + later_held
        before = state[t]
        df = d_held * before
        df = bent(f, slope=True) * df
        di = bent(i, slope=True) * d_held * u
        du = (1 - u**2) * d_held * i
        g["keep"] += df @ z.T
        g["take"] += di @ z.T
        g["add"] += du @ z.T
        later = (p["keep"].T @ df + p["take"].T @ di + p["add"].T @ du)[4:]
        later_held = d_held * f
    return g
"""

STATES = """
import numpy as np

rng = np.random.default_rng(7)
X, goal = rng.normal(size=(5, 3)), rng.normal(size=4)


def params():
    return {"U": rng.normal(size=(4, 3)), "V": rng.normal(size=(4, 4)) * 0.4}


def states(p):
    h = np.zeros((6, 4))
    for t in range(5):
        h[t + 1] = np.tanh(p["U"] @ X[t] + p["V"] @ h[t])
    return h


def loss(p):
    return np.sum((states(p)[-1] - goal) ** 2)


def grad(p):
    h = states(p)
    dU, dV, back = np.zeros((4, 3)), np.zeros((4, 4)), 2 * (h[-1] - goal)
    for t in reversed(range(5)):
        bent = back * (1 - h[t + 1] ** 2)
        dU += np.outer(bent, X[t])
        dV += np.outer(bent, h[t])
        back = p["V"].T @ bent
    return {"U": dU, "V": dV}
"""

WINDOWS = """
import numpy as np

rng = np.random.default_rng(11)
WORDS = [(0, 1, [3, 4, 3]), (2, 0, [5, 1]), (0, 4, [2, 5, 5])]


def params():
    return {"middle": rng.normal(size=(6, 3)), "around": rng.normal(size=(6, 3))}


def bent(x):
    return 1 / (1 + np.exp(-x))


def loss(p):
    total = 0.0
    for word, seen, others in WORDS:
        v = p["middle"][word]
        total -= np.log(bent(p["around"][seen] @ v))
        for k in others:
            total -= np.log(bent(-p["around"][k] @ v))
    return total / len(WORDS)


def sampled(v, seen, others, U):
    gv, gU = np.zeros_like(v), np.zeros_like(U)
    s = bent(U[seen] @ v)
    gv += (s - 1) * U[seen]
    gU[seen] += (s - 1) * v
    for k in others:
        off = 1 - bent(-U[k] @ v)
        gv += off * U[k]
        gU[k] += off * v
    return gv, gU


def grad(p):
    dM, dA = np.zeros((6, 3)), np.zeros((6, 3))
    for word, seen, others in WORDS:
        gv, gU = sampled(p["middle"][word], seen, others, p["around"])
        dM[word] += gv / len(WORDS)
        dA += gU / len(WORDS)
    return {"middle": dM, "around": dA}
"""

LAYERS = """
import numpy as np

rng = np.random.default_rng(13)
X, y = rng.normal(size=(3, 8)), np.array([[1, 0, 0, 1, 1, 0, 1, 0]])


def params():
    shapes = {"W1": (5, 3), "W2": (4, 5), "W3": (1, 4)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def forward(p):
    A, kept = X, []
    for name in ("W1", "W2", "W3"):
        Z = p[name] @ A
        kept.append((A, Z))
        A = 1 / (1 + np.exp(-Z)) if name == "W3" else np.maximum(0, Z)
    return A, kept


def loss(p):
    A, _ = forward(p)
    return -np.mean(y * np.log(A) + (1 - y) * np.log(1 - A))


def relu_backward(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def sigmoid_backward(dA, Z):
    s = 1 / (1 + np.exp(-Z))
    dZ = dA * s * (1 - s)
    return dZ


def grad(p):
    A, kept = forward(p)
    grads, dA = {}, -(y / A) + (1 - y) / (1 - A)
    for name, back in (("W3", sigmoid_backward), ("W2", relu_backward), ("W1", relu_backward)):
        before, Z = kept.pop()
        dZ = back(dA, Z)
        grads[name] = dZ @ before.T / 8
        dA = p[name].T @ dZ
    return grads
"""

TWO_PASSES = """
import numpy as np

rng = np.random.default_rng(17)
DATA = [(rng.normal(size=(5, 3)), 1.0), (rng.normal(size=(5, 3)), 0.0)]


def params():
    shapes = {"W": (3, 4), "b": (1, 4), "V": (4, 1)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def loss(p):
    total = 0.0
    for x, target in DATA:
        out = np.tanh(x @ p["W"] + p["b"]) @ p["V"]
        total += np.mean((out - target) ** 2)
    return total


def grad(p):
    grads = {}
    for x, target in DATA:
        h = np.tanh(x @ p["W"] + p["b"])
        back = 2 * (h @ p["V"] - target) / 5
        dV = h.T @ back
        dh = back @ p["V"].T * (1 - h**2)
        dW = x.T @ dh
        db = np.sum(dh, axis=0, keepdims=True)
        for name, value in (("W", dW), ("b", db), ("V", dV)):
            grads[name] = grads.get(name, 0) + value
    return grads
"""

CLASSES = """
import numpy as np

rng = np.random.default_rng(19)
X, y = rng.normal(size=(6, 3)), np.array([0, 2, 1, 1, 0, 2])


def params():
    return rng.normal(size=(3, 3))


def loss(W):
    total = 0.0
    for i in range(6):
        z = X[i] @ W
        total += np.log(np.exp(z).sum()) - z[y[i]]
    return total / 6


def grad(W):
    dW = np.zeros_like(W)
    for i in range(6):
        z = X[i] @ W
        share = np.exp(z) / np.exp(z).sum()
        for k in range(3):
            off = share[k] - (k == y[i])
            dW[:, k] += off * X[i]
    return dW / 6
"""

BY_NUMBERS = """
import math

xs, ys = [0.4, -1.1, 0.8, 0.3], [0.2, 0.5, -0.4, 0.9]


def run(A, U, v):
    h, seen, cost = [0.1, -0.2], [], 0.0
    for x, y in zip(xs, ys):
        before = h
        h = [math.tanh(A[k] * x + sum(U[k][j] * before[j] for j in range(2))) for k in range(2)]
        off = sum(v[k] * h[k] for k in range(2)) - y
        cost += off * off
        seen.append((before, h, off))
    return cost, seen


def loss(A, U, v):
    return run(A, U, v)[0]


def grad(A, U, v):
    _, seen = run(A, U, v)
    dA, dU, dv, later = [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0], [0.0, 0.0]
    for t in range(len(xs) - 1, -1, -1):
        before, h, off = seen[t]
        arriving = [0.0, 0.0]
        for k in range(2):
            dv[k] += 2 * off * h[k]
            dh = 2 * off * v[k] + later[k]
            da = dh * (1 - h[k] * h[k])
            dA[k] += da * xs[t]
            for j in range(2):
                dU[k][j] += da * before[j]
                arriving[j] += da * U[k][j]
        later = arriving
    return dA, dU, dv


def params():
    return [[0.7, -0.5], [[0.3, 0.8], [-0.6, 0.2]], [1.2, -0.9]]
"""


@pytest.mark.parametrize(
    ("program", "right", "wrong", "shown", "code"),
    sample(
        [
            (GATES, "o * (1 - bent**2) + dc_next", "o + dc_next", "dh * o + dc_next", "GC303"),
            (GATES, "dc * i * (1 - u**2)]", "dc * i * (1 - u)]", "1 - u", "GC305"),
            (GATES, "dc * i * (1", "dc_next * i * (1", "dc_next * i * (1 - u**2)", "GC405"),
            (GATES, "dc_next = dc * f", "dc_next = dc", "dc_next = dc", "GC413"),
            (
                STATES,
                "np.outer(bent, h[t])",
                "np.outer(bent, h[t + 1])",
                "np.outer(bent, h[t + 1])",
                "GC416",
            ),
            (LETTERS, "bent(f, slope=True)", "bent(f)", "bent(f)", "GC305"),
            (LETTERS, "= state[t]", "= state[t - 1]", "d_held * before", "GC416"),
            (WINDOWS, "gv += off * U[k]", "gv += off", "gv += off", "GC413"),
            (WINDOWS, "gU[k] += off * v", "gU[k] += v", "gU[k] += v", "GC413"),
            (WINDOWS, "gv += (s - 1) * U[seen]", "gv += U[seen]", "gv += U[seen]", "GC413"),
            (LAYERS, "dZ = dA * s * (1 - s)", "dZ = s * (1 - s)", "s * (1 - s)", "GC410"),
            (LAYERS, "dZ = dA * s * (1 - s)", "dZ = 1 - s", "1 - s", "GC305"),
            (LAYERS, "    dZ[Z <= 0] = 0", "    pass", "np.array(dA, copy=True)", "GC303"),
            (LAYERS, "= 0\n    return dZ", "= 0\n    return Z", "Z", "GC"),
            (TWO_PASSES, "dh, axis=0", "dh, axis=1", "np.sum(dh, axis=1, keepdims=True)", "GC202"),
            (BY_NUMBERS, "dh * (1 - h[k] * h[k])", "dh * (1 - h[k])", "dh * (1 - h[k])", "GC"),
            (BY_NUMBERS, "off * v[k] + l", "off * v[k] - l", "later[k]", "GC106"),
            (CLASSES, " / np.exp(z).sum()\n", "\n", "np.exp(z)", "GC413"),
            (CLASSES, "+= off * X[i]", "+= X[i]", "dW[:, k] += X[i]", "GC413"),
        ],
        every=2,
    ),
)
def test_a_bug_is_shown_and_named(program, right, wrong, shown, code, tmp_path):
    finding, _, report = first_finding(program, right, wrong, tmp_path)
    assert (finding.expression, finding.code[: len(code)]) == (shown, code), report


def test_the_right_index_is_written_out(tmp_path):
    finding, _, _ = first_finding(
        STATES, "np.outer(bent, h[t])", "np.outer(bent, h[t + 1])", tmp_path
    )
    assert finding.fix == "write `h[t]` for `h[t + 1]`"


def test_a_row_alone_is_not_taken_for_shares_of_it():
    def leaky(x):
        return np.where(x > 0, x, 0.1 * x)

    x = np.random.default_rng(0).normal(size=(1, 7))
    report = gradcheck.check_layer(lambda x: (leaky(x), x), lambda up, x: up * (x > 0), (x,))
    assert report.findings[0].code == "GC306"


def shares(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def entry_by_entry(entry):
    def backward(up, p):
        down = np.zeros_like(p)
        for i in range(p.shape[0]):
            for j in range(p.shape[1]):
                down[i, j] += entry(up, p, i, j)
        return down

    return backward


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (lambda up, p, i, j: up[i, j], "GC303"),
        (lambda up, p, i, j: up[i, j] * p[i, j] * (1 - p[i, j]), "GC309"),
        (lambda up, p, i, j: p[i, j] * (up[i, j] - up[i, j] * p[i].sum() / 2), "GC310"),
    ],
)
def test_a_softmax_whose_derivative_is_made_entry_by_entry_is_told(entry, code):
    x = np.random.default_rng(4).normal(size=(3, 5))
    report = gradcheck.check_layer(
        lambda scores: (shares(scores),) * 2, entry_by_entry(entry), (x,)
    )
    assert report.findings[0].code == code, report
    assert "keepdims=True" in report.findings[0].fix, report


def by_halves(z):
    """A sigmoid that takes either side by a mask: its shapes change with the signs."""
    below = z < 0
    shrunk = np.zeros_like(z)
    shrunk[~below] = np.exp(-z[~below])
    shrunk[below] = np.exp(z[below])
    return np.where(below, shrunk, 1.0) / (1 + shrunk)


MANY_WEEKS = np.random.default_rng(61).normal(size=(5, 8, 3))


def run_of_halves(p):
    state, kept, loss = np.zeros((8, 4)), [], 0.0
    for week in MANY_WEEKS:
        gates = by_halves(week @ p["U"] + state @ p["V"])
        share, fresh, leaving = gates[:, :4], gates[:, 4:8], gates[:, 8:]
        kept.append((week, state, share, fresh, leaving))
        state = share * state + fresh * leaving
        loss += 0.5 * np.sum(state**2)
    return loss, state, kept


def halves_grad(p, carry, join):
    _, back, kept = run_of_halves(p)
    found = {"U": np.zeros((3, 12)), "V": np.zeros((4, 12))}
    for week, before, share, fresh, leaving in reversed(kept):
        one = back * before * share * (1 - share)
        two = back * leaving * fresh * (1 - fresh)
        gates = join(one, two, back * fresh * leaving * (1 - leaving))
        found["U"] += week.T @ gates
        found["V"] += before.T @ gates
        back = before + carry(back, share) + gates @ p["V"].T
    return found


def joined(one, two, three):
    return np.hstack([one, two, three])


def joined_otherwise(one, two, three):
    return np.hstack([two, one, three])


@pytest.mark.parametrize(
    ("carry", "join", "code", "fix"),
    [
        (lambda back, share: back * share, joined_otherwise, "GC411", "np.hstack([one, two, three"),
        (lambda back, share: 0.0, joined, "GC407", "share * state"),
    ],
)
def test_where_signs_decide_the_shapes_the_points_are_taken_nearer(carry, join, code, fix):
    start = np.random.default_rng(62)
    params = {"U": start.normal(size=(3, 12)), "V": start.normal(size=(4, 12))}
    report = gradcheck.check(
        lambda p: run_of_halves(p)[0], params, lambda p: halves_grad(p, carry, join)
    )
    assert report.findings[0].code == code
    assert fix in report.findings[0].fix


TUNE = [2, 0, 3, 1, 1, 3, 0, 1]


def sung(p):
    state, kept, loss = np.zeros(4), [], 0.0
    for note, following in itertools.pairwise(TUNE):
        before, state = state, np.tanh(p["I"][:, note] + p["H"] @ state)
        scores = p["O"] @ state + p["c"]
        chances = np.exp(scores) / np.sum(np.exp(scores))
        loss -= np.log(chances[following])
        kept.append((note, before, state, chances))
    return loss, kept


def clipped_grad(p):
    found = {name: np.zeros_like(value) for name, value in p.items()}
    back = np.zeros(4)
    for note, before, state, chances in reversed(sung(p)[1]):
        off = chances.copy()
        off[note] -= 1  # the note that is heard, not the one that follows
        found["O"] += np.outer(off, state)
        found["c"] += off
        inner = (p["O"].T @ off + back) * (1 - state**2)
        found["I"][:, note] += inner
        found["H"] += np.outer(inner, before)
        back = p["H"].T @ inner
    for part in found.values():
        np.clip(part, -5, 5, out=part)
    return found


def test_a_clip_that_cuts_nothing_off_hides_no_bug_before_it():
    draw = np.random.default_rng(64)
    shapes = {"I": (4, 4), "H": (4, 4), "O": (4, 4), "c": (4,)}
    params = {name: 0.4 * draw.normal(size=shape) for name, shape in shapes.items()}
    report = gradcheck.check(lambda p: sung(p)[0], params, clipped_grad)
    assert [finding.expression for finding in report.errors] == ["off[note]"]
    assert set(report.errors[0].blocks) == set(params)


def drawn_away(p):
    """A loss with one draw for each word that is not meant, and its gradient."""
    loss, found = 0.0, np.zeros_like(p)
    for away in (1, 3, 4, 2, 4):
        far = 1 / (1 + np.exp(p[away] @ p[0]))
        loss -= np.log(far)
        found[0] += far * p[away]  # 1 - far
        found[away] += (1 - far) * p[0]
    return loss, found


def test_what_to_write_is_said_in_code_where_it_is_at_hand():
    report = gradcheck.check(drawn_away, 0.5 * np.random.default_rng(65).normal(size=(5, 3)))
    assert report.findings[0].fix.replace("1.0", "1") == "write `1 - far` for `far`"


def coupled(params, x):
    """Couplings of two halves: what they make of x, the sum of their logarithms, what they keep."""
    total, kept = 0.0, []
    for p in params:
        a, b = np.split(x, 2, axis=1)
        s = np.tanh(a @ p["s"])
        kept.append({"a": a, "b": b, "s": s})
        x = np.concatenate([b * np.exp(s) + a @ p["t"], a], axis=1)
        total = total + s.sum(axis=1)
    return x, total, kept


def unlikely(params, x):
    out, total, _ = coupled(params, x)
    return np.mean(0.5 * np.sum(out**2, axis=1) - total)


def uncoupled(params, x):
    out, _, kept = coupled(params, x)
    down, found = out / len(x), []
    for p, layer in zip(reversed(params), reversed(kept), strict=True):
        a, b, s = layer["a"], layer["b"], layer["s"]
        first, rest = np.split(down, 2, axis=1)
        ds = first * b * s - 1 / len(x)  # np.exp(s)
        inner = ds * (1 - s**2)
        found.insert(0, {"s": a.T @ inner, "t": a.T @ first})
        down = np.concatenate([rest + inner @ p["s"].T + first @ p["t"].T, first * np.exp(s)], 1)
    return found


def test_a_name_that_is_also_used_rightly_in_each_pass_was_given_rightly():
    draw = np.random.default_rng(12)
    params = [{name: 0.5 * draw.normal(size=(2, 2)) for name in "st"} for _ in range(3)]
    report = gradcheck.check(unlikely, params, uncoupled, args=(draw.normal(size=(8, 4)),))
    assert report.findings[0].fix == "write `np.exp(s)` for `s`"
    assert report.findings[0].expression == "first * b * s"


def carried(p, xs):
    c, total, kept = np.zeros((5, 2)), 0.0, []
    for x in xs:
        z = x @ p["W"]
        s, t = np.tanh(z[:, :2]), np.tanh(z[:, 2:])
        c = 0.5 * c + s
        total += np.sum(t * np.sin(c))
        kept.append((x, s, t, c))
    return total, kept


def uncarried(p, xs):
    dW, dc = np.zeros_like(p["W"]), 0.0
    for x, s, t, c in reversed(carried(p, xs)[1]):
        dc = 0.5 * dc  # + t * np.cos(c)
        ds = dc * (1 - s**2)
        dt = np.sin(c) * (1 - t**2)
        dW += x.T @ np.hstack((ds, dt))
    return {"W": dW}


def test_a_part_that_is_zero_is_named_and_not_what_it_is_joined_to():
    draw = np.random.default_rng(0)
    params = {"W": draw.normal(size=(3, 4))}
    xs = draw.normal(size=(3, 5, 3))
    report = gradcheck.check(lambda p, xs: carried(p, xs)[0], params, uncarried, args=(xs,))
    assert report.findings[0].code == "GC407"
    assert report.findings[0].expression == "dc * (1 - s**2)"


def chained(w, rows):
    return sum(np.sum(np.exp(w * row)) - w[0, 1] for row in rows)


def anew(w, rows):
    for row in rows:
        dw = row * np.exp(w * row)  # +=
        dw[0, 1] -= 1
    return dw


def test_what_each_pass_makes_anew_and_writes_to_is_to_be_added_where_it_is_made():
    draw = np.random.default_rng(3)
    args = (draw.normal(size=(4, 2, 3)),)
    (found,) = gradcheck.check(chained, draw.normal(size=(2, 3)), anew, args=args).findings
    assert found.code == "GC701"
    assert found.expression == "row * np.exp(w * row)"
