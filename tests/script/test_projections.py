"""Parameters that are put back onto a sphere, a simplex or the mean 0 are judged without that."""

import pytest

FITTED = """
import numpy as np

rng = np.random.default_rng(4)
X = rng.normal(size=(30, 3))
T = np.tanh(X @ rng.normal(size=(3, 4)))
D = rng.normal(size=(3, 4))


def projected(D):
    return D / np.maximum(1.0, np.sqrt(np.sum(D**2)))


for turn in range(30):
    BEFORE
    out = np.tanh(X @ D)
    loss = np.mean((out - T) ** 2)
    slope = X.T @ (2 * (out - T) * (1 - out**2)) / T.size
    UPDATE
    AFTER
"""
PLAIN = "D = D - 0.4 * slope"


@pytest.mark.parametrize(
    ("before", "update", "after", "left_out"),
    [
        (
            "",
            "D -= 0.4 * slope",
            "D /= np.linalg.norm(D, axis=0)",
            "D /= np.linalg.norm(D, axis=0)",
        ),
        ("", PLAIN, "length = np.sqrt(D.T @ D).sum(); D[:] = D / length", "D[:] = D / length"),
        ("", PLAIN, "D = D - np.tile(np.mean(D, 0), (3, 1))", "D = D - np.tile"),
        ("D = D / np.linalg.norm(D, axis=0)", PLAIN, "", "D = D / np.linalg.norm(D, axis=0)"),
        ("", "D = projected(D - 0.4 * slope)", "", "D = projected(D)"),
    ],
)
def test_a_projection_is_left_out(outcome, before, update, after, left_out):
    parts = {"BEFORE": before, "UPDATE": update, "AFTER": after}
    text = FITTED
    for name, part in parts.items():
        text = text.replace(name, part or "pass")
    found = outcome(text)
    assert found.script.params == ("D",)
    assert found.report.ok, str(found.report)
    assert any(f"judged without {left_out}" in note for note in found.script.notes)
    assert outcome(text.replace("1 - out**2", "1 + out**2")).report.verdict == "fail"


def test_what_moves_no_parameter_stays_as_it_is(outcome):
    text = FITTED.replace("UPDATE", PLAIN).replace("AFTER", "pass")
    found = outcome(text.replace("BEFORE", "x = X[turn:]; x -= x.mean(0); x /= np.sqrt(x.var())"))
    assert found.report.ok, str(found.report)
    assert not found.script.notes
