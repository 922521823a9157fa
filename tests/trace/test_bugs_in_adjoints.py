"""Bugs in adjoint equations, in helpers that return several gradients, and in their order."""

from named_bugs import assert_found, bugs, first_finding

DRIVEN = """
import numpy as np

h, stiff, rub = 0.1, 3.0, 0.4
begin, wanted = np.array([0.3, -0.2]), np.array([0.7, 0.1])


def moved(state, push):
    at, fast = state
    return np.array([at + h * fast, fast + h * (push - stiff * np.sin(at) - rub * fast)])


def run(pushes):
    states = [begin]
    for push in pushes:
        states.append(moved(states[-1], push))
    return states


def loss(pushes):
    states = run(pushes)
    on_the_way = sum(0.15 * (s - wanted) @ (s - wanted) for s in states[1:-1])
    return on_the_way + 2.5 * np.sum((states[-1] - wanted) ** 2) + 0.05 * np.sum(pushes**2)


def grad(pushes):
    states = run(pushes)
    back = 5.0 * (states[-1] - wanted)
    out = np.zeros(len(pushes))
    for k in reversed(range(len(pushes))):
        out[k] = h * back[1] + 0.1 * pushes[k]
        at = states[k][0]
        along = np.array([[1.0, h], [-h * stiff * np.cos(at), 1.0 - h * rub]])
        back = along.T @ back
        if k:
            back = back + 0.3 * (states[k] - wanted)
    return out


def params():
    return np.random.default_rng(12).normal(size=9)
"""

TWO_WAYS = """
import numpy as np

rng = np.random.default_rng(13)
X, y = rng.normal(size=(5, 3, 2)), rng.normal(size=(3, 2))


def params():
    sizes = {"A": (2, 3), "B": (3, 3), "c": (3,), "D": (2, 3), "E": (3, 3), "f": (3,), "G": (6, 2)}
    return {name: rng.normal(size=size) * 0.6 for name, size in sizes.items()}


def states_of(seq, W, U, b):
    states = [np.zeros((3, 3))]
    for x in seq:
        states.append(np.tanh(x @ W + states[-1] @ U + b))
    return states


def both(p):
    there = states_of(X, p["A"], p["B"], p["c"])
    back = states_of(X[::-1], p["D"], p["E"], p["f"])
    joined = np.hstack([there[-1], back[-1]])
    return there, back, joined, joined @ p["G"]


def loss(p):
    return ((both(p)[-1] - y) ** 2).mean()


def through_time(seq, states, last, U):
    dW, dU, db, dh = 0.0, 0.0, 0.0, last
    for t in range(len(seq) - 1, -1, -1):
        da = dh * (1 - states[t + 1] ** 2)
        dW = dW + seq[t].T @ da
        dU = dU + states[t].T @ da
        db = db + da.sum(axis=0)
        dh = da @ U.T
    return dW, dU, db


def grad(p):
    there, back, joined, out = both(p)
    dout = 2 * (out - y) / y.size
    dG = joined.T @ dout
    dthere, dback = np.split(dout @ p["G"].T, 2, axis=1)
    dA, dB, dc = through_time(X, there, dthere, p["B"])
    dD, dE, df = through_time(X[::-1], back, dback, p["E"])
    return dict(A=dA, B=dB, c=dc, D=dD, E=dE, f=df, G=dG)
"""


FLOW = """
import numpy as np

rng = np.random.default_rng(14)
X = rng.normal(size=(7, 4))


def params():
    def layer():
        sizes = {"W": (2, 3), "S": (3, 2), "T": (3, 2)}
        return {name: 0.7 * rng.normal(size=size) for name, size in sizes.items()}
    return [layer(), layer()]


def coupled(x, layer):
    kept, moved = x[:, :2], x[:, 2:]
    h = np.tanh(kept @ layer["W"])
    log_scale = np.tanh(h @ layer["S"])
    out = np.hstack([moved * np.exp(log_scale) + h @ layer["T"], kept])
    return out, (kept, moved, h, log_scale)


def loss(layers):
    z, log_det = X, 0.0
    for layer in layers:
        z, cache = coupled(z, layer)
        log_det = log_det + cache[-1].sum(axis=1)
    return np.mean(0.5 * (z**2).sum(axis=1) - log_det)


def grad(layers):
    z, caches = X, []
    for layer in layers:
        z, cache = coupled(z, layer)
        caches.append(cache)
    m, grads = len(X), []
    dz = z / m
    for layer, (kept, moved, h, log_scale) in zip(layers[::-1], caches[::-1]):
        dout, dkept = dz[:, :2], dz[:, 2:]
        ds = dout * moved * np.exp(log_scale) - 1 / m
        dpre = ds * (1 - log_scale**2)
        dt = dout
        up = dpre @ layer["S"].T + dt @ layer["T"].T
        dh = up * (1 - h**2)
        grads.insert(0, {"W": kept.T @ dh, "S": h.T @ dpre, "T": h.T @ dt})
        dz = np.hstack([dkept + dh @ layer["W"].T, dout * np.exp(log_scale)])
    return grads
"""

SPARSE = """
import numpy as np

rng = np.random.default_rng(15)
X, wanted, weight = rng.uniform(size=(5, 8)), 0.2, 1.5


def params():
    return {"A": rng.normal(size=(3, 5)), "B": rng.normal(size=(5, 3))}


def loss(p):
    h = 1 / (1 + np.exp(-p["A"] @ X))
    active = h.mean(axis=1)
    kl = wanted * np.log(wanted / active) + (1 - wanted) * np.log((1 - wanted) / (1 - active))
    return ((p["B"] @ h - X) ** 2).sum() / 16 + weight * kl.sum()


def grad(p):
    h = 1 / (1 + np.exp(-p["A"] @ X))
    active = h.mean(axis=1)
    off = (p["B"] @ h - X) / 8
    dkl = weight * (-wanted / active + (1 - wanted) / (1 - active)) / 8
    dh = p["B"].T @ off + dkl[:, None]
    dA = (dh * h * (1 - h)) @ X.T
    dB = off @ h.T
    return {"B": dB, "A": dA}
"""


ONE_WAY = """
import numpy as np

rng = np.random.default_rng(16)
X, y = rng.normal(size=(4, 5, 2)), rng.normal(size=(5, 3))


def params():
    return {"U": 0.5 * rng.normal(size=(2, 3)), "W": 0.5 * rng.normal(size=(3, 3))}


def states_of(p):
    states = [np.zeros((5, 3))]
    for x in X:
        states.append(np.tanh(x @ p["U"] + states[-1] @ p["W"]))
    return states


def loss(p):
    return 0.5 * np.sum((states_of(p)[-1] - y) ** 2)


def grad(p):
    states = states_of(p)
    sums = {name: np.zeros_like(value) for name, value in p.items()}
    dh = states[-1] - y
    for t in range(len(X) - 1, -1, -1):
        da = dh * (1 - states[t + 1] ** 2)
        sums["U"] += X[t].T @ da
        sums["W"] += states[t].T @ da
        dh = da @ p["W"].T
    return sums
"""


CELLS = """
import numpy as np

rng = np.random.default_rng(17)
X, y = rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 4, 2))


def params():
    return {"W": rng.normal(size=(3, 2)), "U": rng.normal(size=(3, 2))}


def cell(p, x, c):
    f = 1 / (1 + np.exp(-x @ p["U"]))
    c_new = f * c + x @ p["W"]
    return c_new, np.tanh(c_new), (x, c, f)


def run(p):
    c, seen, caches = np.zeros((4, 2)), [], []
    for x in X:
        c, h, cache = cell(p, x, c)
        seen.append(h)
        caches.append(cache)
    return np.array(seen), caches


def loss(p):
    return 0.5 * ((run(p)[0] - y) ** 2).sum()


def cell_back(grads, dh, h, dc, cache):
    x, c, f = cache
    dc = dc + dh * (1 - h**2)
    grads["W"] += x.T @ dc
    grads["U"] += x.T @ (dc * c * f * (1 - f))
    return grads, dc * f


def grad(p):
    seen, caches = run(p)
    grads, dc = {name: np.zeros_like(value) for name, value in p.items()}, np.zeros((4, 2))
    for t in range(len(X) - 1, -1, -1):
        grads, dc = cell_back(grads, seen[t] - y[t], seen[t], dc, caches[t])
    return grads
"""

STEERED = """
import numpy as np

steps, dt = 5, 0.2
wanted = np.array([0.5, 0.9])


def reached(at):
    return np.array([np.sin(at[0]) + at[1], at[0] * np.cos(at[1])])


def ways(at):
    return np.array([[np.cos(at[0]), 1.0], [np.cos(at[1]), -at[0] * np.sin(at[1])]])


def run(forces):
    at, fast, path = np.array([0.2, 0.4]), np.zeros(2), []
    for force in forces:
        fast = 0.8 * fast + dt * force
        at = at + dt * fast
        path.append(at)
    return path


def loss(forces):
    missed = sum(0.5 * np.sum((reached(at) - wanted) ** 2) for at in run(forces))
    return missed + 0.01 * np.sum(forces**2)


def grad(forces):
    path, out = run(forces), 0.02 * forces
    of_at, of_fast = np.zeros(2), np.zeros(2)
    for k in reversed(range(steps)):
        off = reached(path[k]) - wanted
        of_at = of_at + ways(path[k]).T @ off
        of_fast = of_fast + dt * of_at
        out[k] += dt * of_fast
        of_fast = 0.8 * of_fast
    return out


def params():
    return np.random.default_rng(15).normal(size=(steps, 2))
"""

ONE_BY_ONE = """
import numpy as np

rng = np.random.default_rng(16)
rows = (rng.random((6, 4)) > 0.4) * 1.0


def squashed(a):
    return 1 / (1 + np.exp(-a))


def forward(x, W, V, c):
    a, seen, cost = c.copy(), [], 0.0
    for i in range(len(x)):
        h = squashed(a)
        p = squashed(V[i] @ h)
        cost -= x[i] * np.log(p) + (1 - x[i]) * np.log(1 - p)
        seen.append((h, p))
        a = a + W[:, i] * x[i]
    return cost, seen


def backward(x, W, V, c, seen):
    dW, dV, da = np.zeros_like(W), np.zeros_like(V), np.zeros_like(c)
    for i in range(len(x) - 1, -1, -1):
        h, p = seen[i]
        dW[:, i] = da * x[i]
        off = p - x[i]
        dV[i] = off * h
        dh = off * V[i]
        da = da + dh * h * (1 - h)
    return dW, dV, da


def loss(params):
    return sum(forward(x, *params)[0] for x in rows) / len(rows)


def grad(params):
    sums = [np.zeros_like(one) for one in params]
    for x in rows:
        _, seen = forward(x, *params)
        for total, one in zip(sums, backward(x, *params, seen)):
            total += one
    return [total / len(rows) for total in sums]


def params():
    return [rng.normal(size=size) for size in ((3, 4), (4, 3), 3)]
"""


@bugs(
    # the state of an adjoint equation is blamed where it is made
    (DRIVEN, "along.T @ back", "along @ back", "GC201"),
    (DRIVEN, "+ 0.3 * (states[k] - wanted)", "+ 0.5 * (states[k] - wanted)", "GC105"),
    (DRIVEN, "+ 0.3 * (states[k] - wanted)", "+ (states[k] - wanted)", "GC105"),
    # nothing of the state arrives in an adjoint, or it arrives with another sign
    (STEERED, "of_fast + dt * of_at", "of_fast + dt", "GC410"),
    (STEERED, "of_fast + dt * of_at", "of_fast - dt * of_at", "GC106"),
    (STEERED, "of_at + ways", "of_at - ways", "GC106"),
    # a loop within each sample's backward pass, in reverse
    (ONE_BY_ONE, "dh * h * (1 - h)", "dh * h", "GC305"),
    (ONE_BY_ONE, "dh * h * (1 - h)", "dh @ h * (1 - h)", "GC205"),
    # a loop over the last step alone, and no sum in it
    (ONE_WAY, "- 1, -1, -1)", "- 1, len(X) - 2, -1)", "GC701"),
    # what is returned in the wrong place
    (TWO_WAYS, "    return dW, dU, db", "    return da, dU, db", "GC415"),
    (TWO_WAYS, "f=df, G=dG)", "f=dc, G=dG)", "GC409"),
    (TWO_WAYS, "D=dD, E=dE, f=df", "D=dE, E=dD, f=df", "GC411"),
    (SPARSE, '"A": dA}', '"A": dh}', "GC415"),
    # a factor left out, a name used for another, a sum in place of a mean
    (FLOW, "dout * moved * np.exp", "dout * np.exp", "GC413"),
    (FLOW, "dh = up * (1 - h**2)", "dh = up * 1", "GC303"),
    (FLOW, "dpre @ layer", "dt @ layer", "GC405"),
    (SPARSE, "h.mean(axis=1)\n    off", "h.sum(axis=1)\n    off", "GC606"),
)
def test_the_bug_is_found_where_it_is(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)


def test_gradients_that_a_caller_takes_in_another_order_are_no_fault_of_the_helper(tmp_path):
    right, wrong = "dD, dE, df = through_time", "dE, dD, df = through_time"
    finding, taken, report = first_finding(TWO_WAYS, right, wrong, tmp_path)
    assert (finding.code, finding.location.line) == ("GC411", taken + 1), report


def test_a_factor_that_a_helper_leaves_out_of_what_it_returns_is_put_there(tmp_path):
    finding, line, report = first_finding(
        CELLS, "return grads, dc * f", "return grads, dc", tmp_path
    )
    assert (finding.code, finding.location.line) == ("GC413", line), report
    assert finding.fix == "multiply `dc` by `f`", report
