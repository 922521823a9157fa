"""A comprehension that trains is a loop: it is written out as one, with its variables apart."""

import ast

import pytest

from gradcheck.script.unrolled import unroll

TRAINING = """
import numpy as np

rng = np.random.default_rng(0)
W = 0.3 * rng.normal(size=(5, 4))
data = [(int(i), int(j)) for i, j in rng.integers(0, 5, size=(30, 2))]


def train(i, j):
    h = np.tanh(W[i])
    p = 1 / (1 + np.exp(-h @ W[j]))
    loss = -np.log(p)
    dh = (p - 1) * W[j]
    dj = (p - 1) * h
    W[j] -= 0.05 * dj
    W[i] -= 0.05 * dh * (1 - h**2)
    return loss


"""
LOOPS = [
    "    losses = [train(i, j) for i, j in data]\n    print(np.mean(losses))\n",
    "    print(sum(train(i, j) for i, j in data if i != j) / len(data))\n",
    "    print(np.mean([train(i, j) for i in range(5) for j in range(5) if i < j]))\n",
]
EPOCHS = "for epoch in range(3):\n"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("wrong", "verdict"), [("(1 - h**2)", "pass"), ("(1 + h**2)", "fail")])
def test_what_a_comprehension_calls_is_one_step(outcome, loop, wrong, verdict):
    found = outcome(TRAINING.replace("(1 - h**2)", wrong) + EPOCHS + loop)
    assert found.report.verdict == verdict
    assert found.script.params == ("W",)


@pytest.mark.parametrize(
    "text",
    [
        "x = 3\nvalues = [step(x) for x in [x, 1]]\nprint(x, values)",
        "print(x := 2, sum(step(a) + x for a in range(3) for x in range(a) if x))\nprint(x)",
        "def run(collected):\n    return collected, [step(a) for a in collected]\nprint(run([1]))",
        "print([[step(a) for a in range(b)] for b in range(3)])",
        "print(0 and [step(a) for a in range(3)], [a for a in range(3)], calls)",
        "for b in range(2):\n    calls += [step(a, b) for a in range(b)]\nelse:\n    print(calls)",
    ],
)
def test_what_is_written_out_does_the_same(text, capsys):
    made = "calls = []\ndef step(*a):\n    calls.append(a)\n    return sum(a)\n"
    tree = ast.parse(made + text)
    unroll(tree, {"step"})
    printed = []
    for code in (made + text, compile(tree, "script.py", "exec")):
        exec(code, {})
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != ""
