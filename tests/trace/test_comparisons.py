"""A comparison that is cast to numbers hands no gradient on."""

import numpy as np
import pytest

import gradcheck

rng = np.random.default_rng(2)
X, labels = rng.normal(size=(9, 4)), rng.integers(0, 3, size=9)
EACH = np.arange(9)


def margins(W):
    scores = X @ W
    found = np.maximum(0, scores - scores[EACH, labels][:, None] + 1)
    found[EACH, labels] = 0
    return found


def loss(W):
    return margins(W).sum() / 9 + 0.1 * np.sum(W * W)


def grad(W):
    counted = (margins(W) > 0).astype(float)
    counted[EACH, labels] = -counted.sum(axis=1)
    return X.T.dot(counted) / 9 + 0.1 * W


def test_the_penalty_of_a_hinge_loss_is_found_beside_its_comparison():
    report = gradcheck.check(loss, 0.1 * rng.normal(size=(4, 3)), grad)
    assert [finding.code for finding in report.findings] == ["GC604"]


def pairs_loss(scores):
    found = np.maximum(0, scores - scores[EACH, labels][:, None] + 1)
    counts = np.sum(found > 0, axis=1)  # the label itself is among them
    found[EACH, labels] = 0
    down = (found > 0) / 9
    down[EACH, labels] -= counts / 9
    return found.sum() / 9, down


def test_what_is_only_compared_is_no_derivative():
    report = gradcheck.check(pairs_loss, 2 * rng.normal(size=(9, 3)))
    assert report.verdict == "fail"
    assert all("np.maximum" not in (finding.expression or "") for finding in report.findings)


def kinked_loss(p):
    return np.sum((np.maximum(X @ p["inner"], 0) @ p["outer"]) ** 2)


def kinked(compare):
    def gradient(p):
        seen = X @ p["inner"]
        kept = np.maximum(seen, 0)
        up = 2 * kept @ p["outer"]
        return {"inner": X.T @ compare(up @ p["outer"].T, seen), "outer": kept.T @ up}

    return gradient


@pytest.mark.parametrize(
    ("compare", "wrong", "right"),
    [
        (lambda up, seen: up * seen > 0, "up * seen > 0", "up * (seen > 0)"),
        (lambda up, seen: seen >= 0 * up, "seen >= 0 * up", "up * (seen >= 0)"),
    ],
)
def test_a_comparison_that_takes_in_the_derivative_is_found_where_it_is_made(compare, wrong, right):
    params = {"inner": rng.normal(size=(4, 5)), "outer": rng.normal(size=(5, 2))}
    (finding,) = gradcheck.check(kinked_loss, params, kinked(compare)).findings
    assert (finding.code, finding.expression) == ("GC305", wrong)
    assert finding.fix == f"write `{right}` for `{wrong}`"
