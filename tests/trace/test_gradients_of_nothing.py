"""Bugs beside a block whose right gradient is 0: whatever makes an adjoint 0 mends it too."""

from named_bugs import assert_found, bugs

import gradcheck

NORMALISED = """
import numpy as np

rng = np.random.default_rng(3)
X, Y = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))


def params():
    return {
        "W": rng.normal(size=(4, 5)), "b": rng.normal(size=5), "gain": rng.normal(size=5),
        "V": rng.normal(size=(5, 2)),
    }


def run(p):
    z = X @ p["W"] + p["b"]
    inverse = 1 / np.sqrt(z.var(axis=0) + 1e-5)
    unit = (z - z.mean(axis=0)) * inverse
    hidden = np.maximum(unit * p["gain"], 0)
    return inverse, unit, hidden, hidden @ p["V"]


def loss(p):
    return np.mean(np.sum((run(p)[-1] - Y) ** 2, axis=1))


def below_the_norm(dunit, unit, inverse):
    size = len(dunit)
    summed = dunit.sum(axis=0)
    dz = inverse * (size * dunit - summed - unit * (dunit * unit).sum(axis=0)) / size
    return dz


def grad(p):
    inverse, unit, hidden, out = run(p)
    dout = 2 * (out - Y) / len(X)
    dhidden = dout @ p["V"].T * (hidden > 0)
    dz = below_the_norm(dhidden * p["gain"], unit, inverse)
    return {
        "W": X.T @ dz, "b": dz.sum(axis=0), "gain": (dhidden * unit).sum(axis=0),
        "V": hidden.T @ dout,
    }
"""

TWO_BRANCHES = """
import numpy as np

rng = np.random.default_rng(3)
one, other = rng.normal(size=(40, 5)), rng.normal(size=(40, 5))
same = (rng.random(40) < 0.5).astype(float)


def params():
    return {
        "W": rng.normal(size=(5, 6)), "b": rng.normal(size=6),
        "V": 0.5 * rng.normal(size=(6, 3)), "c": rng.normal(size=3),
    }


def embedded(p, x):
    hidden = np.tanh(x @ p["W"] + p["b"])
    return hidden @ p["V"] + p["c"], (x, hidden)


def embedded_back(p, back, kept):
    x, hidden = kept
    dz = back @ p["V"].T * (1 - hidden**2)
    return {"W": x.T @ dz, "b": dz.sum(axis=0), "V": hidden.T @ back, "c": back.sum(axis=0)}


def run(p):
    (left, kept_left), (right, kept_right) = embedded(p, one), embedded(p, other)
    off = left - right
    distance = np.sqrt((off**2).sum(axis=1) + 1e-9)
    return off, distance, np.maximum(3 - distance, 0), kept_left, kept_right


def loss(p):
    _, distance, gap, _, _ = run(p)
    return np.mean(same * distance**2 + (1 - same) * gap**2)


def grad(p):
    off, distance, gap, kept_left, kept_right = run(p)
    ddistance = (2 * same * distance - 2 * (1 - same) * gap) / len(same)
    doff = ddistance[:, None] * off / distance[:, None]
    first = embedded_back(p, doff, kept_left)
    second = embedded_back(p, -doff, kept_right)
    return {name: first[name] + second[name] for name in first}
"""


@bugs(
    (NORMALISED, ".sum(axis=0)) / size", ".sum(axis=0))", "GC101"),
    (TWO_BRANCHES, "back(p, -doff,", "back(p, doff,", "GC106"),
)
def test_the_line_is_found_beside_a_gradient_of_nothing(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)


STRAY = """
import numpy as np

rng = np.random.default_rng(3)
X, Y = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))


def params():
    return {"W": rng.normal(size=(4, 5)), "V": rng.normal(size=(5, 2))}


def loss(p):
    return 1e-4 * np.mean((np.tanh(X @ p["W"]) @ p["V"] - Y) ** 2)


def decay(w):
    return 1e-5 * w**2


def grad(p):
    hidden = np.tanh(X @ p["W"])
    dout = 1e-4 * 2 * (hidden @ p["V"] - Y) / Y.size
    dhidden = dout @ p["V"].T * (1 - hidden**2)
    return {"W": X.T @ dhidden + decay(p["W"]), "V": hidden.T @ dout}
"""


def test_what_is_too_small_to_be_seen_takes_no_term_s_place(tmp_path):
    path = tmp_path / "stray.py"
    path.write_text(STRAY)
    names = {"__file__": str(path)}
    exec(compile(STRAY, str(path), "exec"), names)
    report = gradcheck.check(names["loss"], names["params"](), names["grad"])
    assert [one.code for one in report.errors] == ["GC414"], str(report)
