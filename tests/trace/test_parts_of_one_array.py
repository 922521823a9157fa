"""Another part of an array than the loss reads, where its text is the one that the loss has."""

from named_bugs import first_finding

CHAIN = """
import numpy as np

rng = np.random.default_rng(6)
x, tags = rng.normal(size=(6, 4)), rng.integers(0, 3, size=6)
x[:, :3] += 2 * np.eye(3)[tags]


def params():
    return {"U": rng.normal(size=(4, 3)), "T": rng.normal(size=(3, 3))}


def log_sum(a, axis):
    top = a.max(axis=axis, keepdims=True)
    return (top + np.log(np.exp(a - top).sum(axis=axis, keepdims=True))).squeeze(axis)


def both_ways(p, emit):
    ahead, behind = np.zeros(emit.shape), np.zeros(emit.shape)
    ahead[0] = emit[0]
    for t in range(1, len(emit)):
        ahead[t] = emit[t] + log_sum(ahead[t - 1][:, None] + p["T"], axis=0)
    for t in range(len(emit) - 2, -1, -1):
        behind[t] = log_sum(p["T"] + emit[t + 1] + behind[t + 1], axis=1)
    return ahead, behind, log_sum(ahead[-1], axis=0)


def loss(p):
    emit = x @ p["U"]
    steps = np.arange(len(tags))
    return both_ways(p, emit)[-1] - emit[steps, tags].sum() - p["T"][tags[:-1], tags[1:]].sum()


def grad(p):
    emit = x @ p["U"]
    ahead, behind, whole = both_ways(p, emit)
    demit = np.exp(ahead + behind - whole)
    demit[np.arange(len(tags)), tags] -= 1
    dT = np.zeros((3, 3))
    for t in range(len(tags) - 1):
        dT += np.exp(ahead[t][:, None] + p["T"] + emit[t + 1] + behind[t + 1] - whole)
        dT[tags[t], tags[t + 1]] -= 1
    return {"U": x.T @ demit, "T": dT}
"""


def test_another_part_is_read(tmp_path):
    right, wrong = "emit[t + 1] + behind[t + 1], axis", "emit[t] + behind[t + 1], axis"
    finding, line, report = first_finding(CHAIN, right, wrong, tmp_path)
    assert (finding.location.line, finding.code) == (line, "GC416"), report
    assert "`emit[t]` for `emit[t]`" not in finding.fix
