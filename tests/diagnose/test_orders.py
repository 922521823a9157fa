"""Right gradients in the wrong order: one finding, at what is returned, whatever holds them."""

import pytest
from named_bugs import first_finding

LAYERS = """
import numpy as np

rng = np.random.default_rng(21)
X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
SHAPES = [(3, 4), (4, 5), (5, 2)]


def outputs(pairs):
    found = [X]
    for W, b in pairs[:-1]:
        found.append(np.tanh(found[-1] @ W + b))
    W, b = pairs[-1]
    return [*found, found[-1] @ W + b]


def loss_of(pairs):
    return 0.5 * ((outputs(pairs)[-1] - y) ** 2).sum() / len(X)


def gradients(pairs):
    below = outputs(pairs)
    delta, found = (below[-1] - y) / len(X), []
    for i in range(len(pairs) - 1, -1, -1):
        found.append((below[i].T @ delta, delta.sum(axis=0)))
        if i:
            delta = delta @ pairs[i][0].T * (1 - below[i] ** 2)
    return found[::-1]


def start():
    return [(rng.normal(size=shape), rng.normal(size=shape[1])) for shape in SHAPES]
"""

IN_PAIRS = f"""{LAYERS}

def params():
    return start()


loss, grad = loss_of, gradients
"""

BY_NAME = f"""{LAYERS}

def params():
    return {{f"{{kind}}{{i}}": value for i, pair in enumerate(start())
            for kind, value in zip("Wb", pair)}}


def loss(p):
    return loss_of([(p[f"W{{i}}"], p[f"b{{i}}"]) for i in range(3)])


def grad(p):
    (W0, b0), (W1, b1), (W2, b2) = gradients([(p[f"W{{i}}"], p[f"b{{i}}"]) for i in range(3)])
    return {{"W0": W0, "b0": b0, "W1": W1, "b1": b1, "W2": W2, "b2": b2}}
"""

IN_A_ROW = f"""{LAYERS}

def params():
    return np.concatenate([part.ravel() for pair in start() for part in pair])


def pairs_of(theta):
    pairs, at = [], 0
    for shape in SHAPES:
        size = shape[0] * shape[1]
        pairs.append((theta[at:at + size].reshape(shape), theta[at + size:at + size + shape[1]]))
        at += size + shape[1]
    return pairs


def loss(theta):
    return loss_of(pairs_of(theta))


def grad(theta):
    (W0, b0), (W1, b1), (W2, b2) = gradients(pairs_of(theta))
    return np.concatenate([W0.ravel(), b0, W1.ravel(), b1, W2.ravel(), b2])
"""

FLAT = "[W0.ravel(), b0, W1.ravel(), b1, W2.ravel(), b2]"


@pytest.mark.parametrize(
    ("program", "right", "wrong", "fix"),
    [
        (IN_PAIRS, "return found[::-1]", "return found", "params[0][0], params[0][1]"),
        (IN_PAIRS, "return found[::-1]", "return [(b, W) for W, b in found[::-1]]", "params[2]"),
        (BY_NAME, '{"W0": W0, "b0": b0, "W1": W1', '{"W0": W1, "b0": b0, "W1": W0', "W0, W1"),
        (
            IN_A_ROW,
            FLAT,
            "[W2.ravel(), b2, W1.ravel(), b1, W0.ravel(), b0]",
            "write `np.concatenate([W0.ravel(), b0, W1",
        ),
        (
            IN_A_ROW,
            FLAT,
            "[b0, W0.ravel(), b1, W1.ravel(), b2, W2.ravel()]",
            "write `np.concatenate([W0.ravel(), b0, W1",
        ),
        (
            IN_A_ROW,
            f"({FLAT})",
            "((b2, W2.ravel(), b1, W1.ravel(), b0, W0.ravel()))",
            "W2.ravel(), b2",
        ),
    ],
)
def test_an_order_is_one_finding_at_what_is_returned(program, right, wrong, fix, tmp_path):
    finding, line, report = first_finding(program, right, wrong, tmp_path)
    assert (finding.code, finding.location.line) == ("GC411", line), report
    assert fix in finding.fix, report
    assert report.count("error[") == 1
