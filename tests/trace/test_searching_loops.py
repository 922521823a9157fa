"""A loop that goes on until it finds the entry to return from ends as it is meant to."""

import pytest
from named_bugs import first_finding

SEARCHING = """
import numpy as np

rng = np.random.default_rng(2)
image, label = rng.normal(size=(6, 6)), 2


def params():
    return {"k": rng.normal(size=(3, 3)), "W": rng.normal(size=(4, 3))}


def windows(size):
    return [(i, j) for i in range(size) for j in range(size)]


def run(p):
    made = np.zeros((4, 4))
    for i, j in windows(4):
        made[i, j] = np.sum(image[i : i + 3, j : j + 3] * p["k"])
    best = np.zeros((2, 2))
    for i, j in windows(2):
        best[i, j] = np.amax(made[2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
    scores = best.reshape(-1) @ p["W"]
    shares = np.exp(scores) / np.sum(np.exp(scores))
    return made, best, scores, shares


def loss(p):
    return -np.log(run(p)[-1][label])


def top_back(up, scores, best, W):
    for i, slope in enumerate(up):
        if slope == 0:
            continue
        each = np.exp(scores)
        total = np.sum(each)
        dscores = -each[i] * each / total**2
        dscores[i] = each[i] * (total - each[i]) / total**2
        dscores = slope * dscores
        return np.outer(best.reshape(-1), dscores), (W @ dscores).reshape(best.shape)


def pool_back(up, made):
    dmade = np.zeros(made.shape)
    for i, j in windows(2):
        part = made[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        for k, m in windows(2):
            if part[k, m] == np.amax(part):
                dmade[2 * i + k, 2 * j + m] = up[i, j]
    return dmade


def grad(p):
    made, best, scores, shares = run(p)
    up = np.zeros(3)
    up[label] = -1 / shares[label]
    dW, dbest = top_back(up, scores, best, p["W"])
    dmade = pool_back(dbest, made)
    dk = np.zeros((3, 3))
    for i, j in windows(4):
        dk += dmade[i, j] * image[i : i + 3, j : j + 3]
    return {"k": dk, "W": dW}
"""


@pytest.mark.parametrize("wrong", ["dmade[2 * i + m, 2 * j + k]", "dmade[2 * i, 2 * j]"])
def test_a_fault_elsewhere_is_not_laid_to_its_return(wrong, tmp_path):
    right = "dmade[2 * i + k, 2 * j + m]"
    finding, line, report = first_finding(SEARCHING, right, wrong, tmp_path)
    assert finding.location.line == line, report
    assert finding.code in ("GC416", "GC999"), report
