"""Bugs of an amount: a size, a constant or a factor that is another one in the loss."""

import pytest
from named_bugs import first_finding

NORMALISED = """
import numpy as np

rng = np.random.default_rng(1)
maps, wanted = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5, 3))


def params():
    return {"kernel": rng.normal(size=(3, 3)), "shift": rng.normal(size=3)}


def forward(p):
    made = maps @ p["kernel"]
    deviation = np.sqrt(made.var(axis=(0, 1)) + 1e-5)
    scaled = (made - made.mean(axis=(0, 1))) / deviation
    return deviation, scaled, scaled + p["shift"]


def loss(p):
    return 0.5 * np.sum((forward(p)[-1] - wanted) ** 2) / len(maps)


def grad(p):
    deviation, scaled, out = forward(p)
    up = (out - wanted) / len(maps)
    count = maps.shape[0] * maps.shape[1]
    made = count * up - up.sum(axis=(0, 1)) - scaled * np.sum(up * scaled, axis=(0, 1))
    made = made / count / deviation
    return {"kernel": np.einsum("nti,ntj->ij", maps, made), "shift": up.sum(axis=(0, 1))}
"""

WEIGHED = """
import numpy as np

rng = np.random.default_rng(2)
rows, hit = rng.normal(size=(12, 3)), rng.random(12) < 0.4
SHARE, POWER = 0.25, 2.0


def params():
    return {"w": rng.normal(size=3)}


def loss(p):
    chance = 1 / (1 + np.exp(-(rows @ p["w"])))
    yes = -SHARE * (1 - chance) ** POWER * np.log(chance)
    no = -(1 - SHARE) * chance**POWER * np.log(1 - chance)
    return np.mean(np.where(hit, yes, no))


def grad(p):
    q = 1 / (1 + np.exp(-(rows @ p["w"])))
    of_yes = SHARE * (1 - q) ** POWER * (POWER * q * np.log(q) + q - 1)
    of_no = (1 - SHARE) * q**POWER * (q - POWER * (1 - q) * np.log(1 - q))
    return {"w": rows.T @ np.where(hit, of_yes, of_no) / len(rows)}
"""

MIXED = """
import numpy as np

rng = np.random.default_rng(3)
x, y = rng.normal(size=(9, 2)), rng.normal(size=(9, 1))


def params():
    return {"W": 0.4 * rng.normal(size=(2, 9))}


def parts(p):
    z = x @ p["W"]
    log_shares = z[:, :3] - np.log(np.exp(z[:, :3]).sum(axis=1, keepdims=True))
    center, spread = z[:, 3:6], np.exp(z[:, 6:])
    joint = log_shares - 0.5 * ((y - center) / spread) ** 2 - z[:, 6:]
    return log_shares, center, spread, joint, np.log(np.exp(joint).sum(axis=1, keepdims=True))


def loss(p):
    return -np.mean(parts(p)[-1])


def grad(p):
    log_shares, center, spread, joint, total = parts(p)
    blame = np.exp(joint - total)
    of_shares = np.exp(log_shares) - blame
    of_center = -blame * (y - center) / spread**2
    of_spread = blame * (1 - ((y - center) / spread) ** 2)
    return {"W": x.T @ np.hstack([of_shares, of_center, of_spread]) / len(x)}
"""

TWINS = """
import numpy as np

rng = np.random.default_rng(4)
left, right = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))


def params():
    return rng.normal(size=(4, 3))


def loss(w):
    return np.mean(np.sum((left @ w - right @ w) ** 2, axis=1) + np.sum((left @ w) ** 4, axis=1))


def grad(w):
    one, other = left @ w, right @ w
    of_one = (2 * (one - other) + 4 * one**3) / len(left)
    of_other = 2 * (other - one) / len(left)
    return left.T @ of_one + right.T @ of_other
"""

MARKED = """
import numpy as np

rng = np.random.default_rng(5)
nodes, seen = rng.normal(size=(7, 4)), np.array([0, 2, 3, 6])
wanted = np.eye(3)[rng.integers(0, 3, 7)]


def params():
    return rng.normal(size=(4, 3))


def shares(w):
    raised = np.exp(nodes @ w)
    return raised / raised.sum(axis=1, keepdims=True)


def loss(w):
    return -np.sum(wanted[seen] * np.log(shares(w)[seen])) / len(seen)


def grad(w):
    made = shares(w)
    up = np.zeros_like(made)
    up[seen] = (made[seen] - wanted[seen]) / len(seen)
    return nodes.T @ up
"""


FACTORED = """
import numpy as np

rng = np.random.default_rng(6)
table = rng.normal(size=(6, 5))


def params():
    start = {"rows": rng.normal(size=(6, 2)), "columns": rng.normal(size=(5, 2))}
    return {**start, "shift": np.ones(6)}


def residual(p):
    return p["rows"] @ p["columns"].T + p["shift"][:, None] - table


def loss(p):
    penalty = np.sum(p["rows"] ** 2) + np.sum(p["columns"] ** 2)
    return 0.5 * np.sum(residual(p) ** 2) + 0.5 * 0.1 * penalty


def grad(p):
    e = residual(p)
    of_rows = e @ p["columns"] + 0.1 * p["rows"]
    of_columns = e.T @ p["rows"] + 0.1 * p["columns"]
    return {"rows": of_rows, "columns": of_columns, "shift": e.sum(axis=1)}
"""


@pytest.mark.parametrize(
    ("program", "right", "wrong", "code", "fix", "later"),
    [
        (NORMALISED, "maps.shape[0] * maps.shape[1]", "len(maps)", "GC104", "be 4 * 5", 2),
        (WEIGHED, "(1 - SHARE) * q", "SHARE * q", "GC105", "write `1 - SHARE` for `SHARE`", 0),
        (MIXED, "/ spread**2", "/ spread", "GC413", "by `spread`", 0),
        (MIXED, "np.exp(log_shares) - b", "log_shares - b", "GC415", "`np.exp(log_shares)`", 0),
        (TWINS, "2 * (other - one)", "(other - one)", "GC103", "by 2", 0),
        (
            MARKED,
            "/ len(seen)\n    return nodes",
            "/ len(wanted)\n    return nodes",
            "GC104",
            "",
            0,
        ),
    ],
)
def test_the_right_amount_is_told(program, right, wrong, code, fix, later, tmp_path):
    finding, line, report = first_finding(program, right, wrong, tmp_path)
    assert (finding.location.line, finding.code) == (line + later, code), report
    assert fix in finding.fix, report


def test_a_mean_over_other_rows_is_to_be_divided_by_the_right_number(tmp_path):
    found, _, report = first_finding(
        MARKED, "/ len(seen)\n    return nodes", "/ len(wanted)\n    return nodes", tmp_path
    )
    assert found.fix == "divide by 4, not by 7", report
