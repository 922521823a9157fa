"""Bugs in functions that return the loss with the gradient, and add it up in one array."""

import pytest
from named_bugs import assert_found, bugs, first_finding

LEAGUE = """
import numpy as np

rng = np.random.default_rng(5)
clubs = 5
hosts = rng.integers(0, clubs, 20)
guests = (hosts + rng.integers(1, clubs, 20)) % clubs
scored, conceded = rng.poisson(1.6, 20), rng.poisson(1.1, 20)


def both(theta):
    level, strong = theta[0], theta[1 : 1 + clubs]
    tight = theta[1 + clubs :]
    ours = np.exp(level + strong[hosts] - tight[guests])
    theirs = np.exp(strong[guests] - tight[hosts])
    loss = np.sum(ours - scored * np.log(ours)) + np.sum(theirs - conceded * np.log(theirs))
    loss += 0.4 * (strong @ strong + tight @ tight)
    first, second = ours - scored, theirs - conceded
    by_strong, by_tight = np.zeros(clubs), np.zeros(clubs)
    np.add.at(by_strong, hosts, first)
    np.add.at(by_strong, guests, second)
    np.add.at(by_tight, guests, first)
    np.add.at(by_tight, hosts, second)
    whole = np.zeros_like(theta)
    whole[0] = first.sum()
    whole[1 : 1 + clubs] = by_strong + 0.8 * strong
    whole[1 + clubs :] = 0.8 * tight - by_tight
    return loss, whole


def loss(theta):
    return both(theta)[0]


def grad(theta):
    return both(theta)[1]


def params():
    return 0.3 * rng.normal(size=1 + 2 * clubs)
"""

HOSE = """
import numpy as np

beads, rest = 7, 0.6
wall = np.random.default_rng(3).normal(size=(beads, 3)).cumsum(axis=0)


def both(inner):
    at = wall.copy()
    at[1:-1, 1:] = inner
    steps = np.diff(at, axis=0)
    long = np.linalg.norm(steps, axis=1)
    bends = np.diff(at, n=2, axis=0)
    energy = 0.7 * np.sum(bends**2) + 1.5 * np.sum((long - rest) ** 2)
    force = np.zeros_like(at)
    turn = 1.4 * bends
    force[:-2] += turn
    force[1:-1] -= 2 * turn
    force[2:] += turn
    pull = (3 * (long - rest) / long)[:, None] * steps
    force[:-1] -= pull
    force[1:] += pull
    return energy, force[1:-1, 1:]


def loss(inner):
    return both(inner)[0]


def grad(inner):
    return both(inner)[1]


def params():
    return wall[1:-1, 1:] + 0.1
"""

DUELS = """
import numpy as np

rng = np.random.default_rng(2)
duels = [(0, 1, 0.4, 1.5), (1, 2, 0.9, 0.7), (3, 2, 0.2, 2.2), (0, 3, 0.6, 0.4), (4, 1, 0.1, 3.1)]


def both(raw):
    strength = raw - raw.mean()
    loss, slopes = 0.1 * strength @ strength, 0.2 * strength
    for one, other, share, trust in duels:
        gap = strength[one] - strength[other]
        chance = 1 / (1 + np.exp(-gap))
        loss += trust * (np.logaddexp(0, gap) - share * gap)
        push = trust * (chance - share)
        slopes[one] += push
        slopes[other] -= push
    return loss, slopes - slopes.mean()


def loss(raw):
    return both(raw)[0]


def grad(raw):
    return both(raw)[1]


def params():
    return rng.normal(size=5)
"""

PACKED = """
import numpy as np

rng = np.random.default_rng(7)
seen, kinds = rng.normal(size=(9, 3)), rng.integers(0, 2, 9)


def both(whole):
    first, second = whole[:12].reshape(3, 4), whole[12:].reshape(4, 2)
    hidden = np.tanh(seen @ first)
    grown = np.exp(hidden @ second)
    shares = grown / grown.sum(axis=1, keepdims=True)
    cost = -np.mean(np.log(shares[np.arange(9), kinds])) + 0.05 * whole @ whole
    off = shares
    off[np.arange(9), kinds] -= 1.0
    off /= len(seen)
    slopes = np.empty_like(whole)
    slopes[12:] = (hidden.T @ off).ravel()
    slopes[:12] = (seen.T @ (off @ second.T * (1 - hidden**2))).ravel()
    slopes += 0.1 * whole
    return cost, slopes


def loss(whole):
    return both(whole)[0]


def grad(whole):
    return both(whole)[1]


def params():
    return rng.normal(size=20) / 2
"""


@bugs(
    (LEAGUE, "at(by_strong, guests, second)", "at(by_strong, hosts, second)", "GC416"),
    (LEAGUE, "at(by_tight, guests, first)", "at(by_tight, hosts, first)", "GC416"),
    (LEAGUE, "0.8 * tight - by_tight", "0.8 * strong - by_tight", "GC415"),
    (HOSE, "force[:-1] -= pull", "force[:-1] += pull", "GC106"),
    (HOSE, "force[1:-1] -= 2 * turn", "force[1:-1] -= turn", "GC103"),
    (HOSE, "force[2:] += turn", "force[2:] -= turn", "GC106"),
    (PACKED, "+= 0.1 * whole", "+= 0.05 * whole", "GC604"),
    (DUELS, "trust * (chance - share)", "chance - share", "GC413"),
    (DUELS, "slopes[other] -= push", "slopes[other] += push", "GC106"),
)
def test_a_bug_in_one_of_several_additions_is_found_there(program, right, wrong, code, tmp_path):
    assert_found(program, right, wrong, code, tmp_path)


def test_a_factor_of_all_that_one_vector_holds_is_told_where_it_is_made(tmp_path):
    finding, line, report = first_finding(PACKED, "    off /= len(seen)\n", "", tmp_path)
    assert (finding.code, finding.location.line) == ("GC101", line - 1), report


STATES = """
import numpy as np

rng = np.random.default_rng(8)
days, rains, flows = 5, rng.uniform(0, 2, size=(5, 3)), rng.normal(size=(5, 2))


def stores(both):
    inlets, leaks = both[:3], both[3:]
    kept, held = [], START
    for rain in rains:
        held = np.tanh(rain @ inlets + held @ leaks)
        kept.append(held)
    return kept


def loss(both):
    return 0.5 * sum(np.sum((held - flow) ** 2) for held, flow in zip(stores(both), flows))


def grad(both):
    kept, leaks = stores(both), both[3:]
    by_inlets, by_leaks, later = np.zeros((3, 2)), np.zeros((2, 2)), np.zeros(2)
    for day in reversed(range(days)):
        change = (later + kept[day] - flows[day]) * (1 - kept[day] ** 2)
        by_inlets += np.outer(rains[day], change)
        before = kept[day - 1] if day else START
        by_leaks += np.outer(before, change)
        later = leaks @ change
    return np.vstack([by_inlets, by_leaks])


def params():
    return rng.normal(size=(5, 2))
"""


@pytest.mark.parametrize(
    ("start", "taken"),
    [("np.array([0.3, -0.4])", "what the loss starts with"), ("np.zeros(2)", "zeros")],
)
def test_the_last_state_read_where_the_first_belongs_is_named(start, taken, tmp_path):
    program = STATES.replace("START", start)
    found = first_finding(program, f" if day else {start}", "", tmp_path)
    finding, line, report = found
    assert (finding.code, finding.location.line) == ("GC416", line + 1), report
    assert f"take {taken} in that pass: an index of -1 reads the last entry" in report


CELLS = """
import numpy as np

rng = np.random.default_rng(0)
seen, told = rng.normal(size=(2, 1, 3)), rng.normal(size=(2, 1, 2))


def squash(z):
    return 1 / (1 + np.exp(-z))


def cells(p):
    held, gates, out, cell = [], [], [], np.zeros((1, 2))
    for x in seen:
        gates.append(squash(x @ p[0]))
        cell = cell * gates[-1] + np.tanh(x @ p[1])
        held.append(cell)
        out.append(squash(np.tanh(cell) @ p[2]))
    return held, gates, out


def loss(p):
    return 0.5 * sum(np.sum((made - t) ** 2) for made, t in zip(cells(p)[-1], told))


def grad(p):
    held, gates, out = cells(p)
    found = [np.zeros_like(one) for one in p]
    for k in (1, 0):
        before = held[k - 1] if k else np.zeros((1, 2))
        d_out = (out[k] - told[k]) * out[k] * (1 - out[k])
        found[2] += np.tanh(held[k]).T @ d_out
        d_cell = d_out @ p[2].T * (1 - np.tanh(held[k]) ** 2)
        if k == 0:
            d_cell = d_cell + later * gates[1]
        d_gate = d_cell * before * gates[k] * (1 - gates[k])
        later = d_cell
        found[0] += seen[k].T @ d_gate
        found[1] += seen[k].T @ (d_cell * (1 - np.tanh(seen[k] @ p[1]) ** 2))
    return found


def params():
    return [rng.normal(size=shape) for shape in ((3, 2), (3, 2), (2, 2))]
"""


def test_after_another_bug_a_value_that_is_to_be_0_does_not_lack_itself(tmp_path):
    program = CELLS.replace("told[k]) * out[k]", "told[k]) * SHARE * out[k]")
    program = program.replace("def loss", "SHARE = 1.0\n\n\ndef loss")
    wrong = "held[k - 1]\n        SHARE = out[k]"
    whole = "held[k - 1] if k else np.zeros((1, 2))"
    _, line, report = first_finding(program, whole, wrong, tmp_path)
    assert f"wrong.py:{line + 7}" in report, report
    assert "GC417" not in report, report
