"""Masks, of zeros and ones, that are missing from a gradient."""

import itertools

import numpy as np
import pytest
from named_bugs import assert_found, first_finding

import gradcheck
from gradcheck.trace.locating.trial import Trials

RNG = np.random.default_rng(77)
ROWS, GOALS = RNG.normal(size=(12, 3)), RNG.normal(size=12)
AT_HOME = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0])


WEIGHTS, COUNTS = RNG.uniform(0.3, 1, size=12), RNG.poisson(2, size=(2, 12)).astype(float)
TAKEN, BEFORE = RNG.integers(0, 3, size=12), RNG.uniform(0.25, 0.5, size=12)


def rates(p):
    edge = p["edge"] * AT_HOME
    return np.exp(ROWS @ p["w"] + edge), np.exp(-(ROWS @ p["w"]) + edge)


def home_loss(p):
    ours, theirs = rates(p)
    fits = COUNTS[0] * np.log(ours) - ours + COUNTS[1] * np.log(theirs) - theirs
    return -np.sum(WEIGHTS * fits)


def home_grad(p):
    ours, theirs = rates(p)
    first, second = WEIGHTS * (COUNTS[0] - ours), WEIGHTS * (COUNTS[1] - theirs)
    edge = np.sum(WEIGHTS * AT_HOME * (COUNTS[0] - ours)) + np.sum(WEIGHTS * (COUNTS[1] - theirs))
    return {"w": -ROWS.T @ (first - second), "edge": -edge}


def chances(p):
    grown = np.exp(ROWS @ p["w"])
    return grown / grown.sum(axis=1, keepdims=True)


def ratio_loss(p):
    ratio = chances(p)[np.arange(12), TAKEN] / BEFORE
    return -np.minimum(ratio * GOALS, np.clip(ratio, 0.8, 1.2) * GOALS).mean()


def ratio_grad(p):
    back = chances(p)
    ratio = back[np.arange(12), TAKEN] / BEFORE
    back[np.arange(12), TAKEN] -= 1
    back *= (GOALS * ratio / 12)[:, None]
    return {"w": ROWS.T @ back}


@pytest.mark.parametrize(
    ("loss", "grad", "params", "line", "fix"),
    [
        (
            home_loss,
            home_grad,
            {"w": 0.3 * RNG.normal(size=3), "edge": np.array(0.2)},
            "np.sum(WEIGHTS * (COUNTS[1] - theirs))",
            "multiply `WEIGHTS * (COUNTS[1] - theirs)` by `AT_HOME`",
        ),
        (
            ratio_loss,
            ratio_grad,
            {"w": RNG.normal(size=(3, 3))},
            "back *= (GOALS * ratio / 12)[:, None]",
            "multiply by a mask that is 0 in these entries",
        ),
    ],
)
def test_a_missing_mask_is_a_factor_and_no_slope(loss, grad, params, line, fix):
    finding = gradcheck.check(loss, params, grad).findings[0]
    assert (finding.code, finding.fix) == ("GC413", fix)
    assert line in finding.location.source


def test_one_entry_that_a_penalty_leaves_out_is_told_by_its_place():
    def ridge(w):
        return 0.5 * np.mean((ROWS @ w - GOALS) ** 2) + 0.3 * w[1:] @ w[1:]

    def ridge_grad(w):
        return ROWS.T @ (ROWS @ w - GOALS) / 12 + 0.6 * w

    finding = gradcheck.check(ridge, RNG.normal(size=3), ridge_grad).findings[0]
    assert finding.expression == "0.6 * w"
    assert finding.fix == "leave [0] out, as the loss does"


BINARY = """
import numpy as np

rng = np.random.default_rng(0)
X, y = rng.normal(size=(9, 3)), np.array([0, 1, 1, 0, 1, 0, 0, 1, 1])


def loss(w):
    p = 1 / (1 + np.exp(-X @ w))
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))


def grad(w):
    p = 1 / (1 + np.exp(-X @ w))
    up, down = 1 - p, p * 1
    return -X.T @ (y * up - (1 - y) * down)


def params():
    return rng.normal(size=3)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [("p * 1", "p * 2", "GC103"), ("p * 1", "-p", "GC106"), ("1 - p,", "p - 1,", "GC106")],
)
def test_a_factor_is_told_also_where_a_mask_comes_later(right, wrong, code, tmp_path):
    assert_found(BINARY, right, wrong, code, tmp_path)


DROPPED = """
import numpy as np

rng = np.random.default_rng(2)
rows, answers = rng.normal(size=(4, 20)), (rng.random((1, 20)) < 0.5) * 1
SIZES, kept = (4, 6, 5, 1), 0.87


def rectified(Z):
    return np.maximum(0, Z), Z


def thinned(A, seed):
    drawn = (np.random.default_rng(seed).random(A.shape) < kept).astype(int)
    return A * drawn / kept, drawn


def forward(p):
    A, before, masks = rows, [], []
    for k in (1, 2):
        given = A
        A, Z = rectified(p[f"W{k}"] @ given + p[f"b{k}"])
        A, drawn = thinned(A, k)
        before.append((given, Z))
        masks.append(drawn)
    return 1 / (1 + np.exp(-(p["W3"] @ A))), A, before, masks


def loss(p):
    out = forward(p)[0]
    costs = answers @ np.log(out).T + (1 - answers) @ np.log(1 - out).T
    return -1 / answers.size * costs.item()


def before_rectified(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def linear_backward(dZ, given, W):
    m = given.shape[1]
    return W.T @ dZ, 1 / m * dZ @ given.T, 1 / m * dZ.sum(axis=1, keepdims=True)


def grad(p):
    out, A, before, masks = forward(p)
    dA, dW3, _ = linear_backward(out - answers, A, p["W3"])
    found = {"W3": dW3}
    for k in (2, 1):
        given, Z = before[k - 1]
        dA = dA * masks[k - 1] / kept
        dZ = before_rectified(dA, Z)
        dA, found[f"W{k}"], found[f"b{k}"] = linear_backward(dZ, given, p[f"W{k}"])
    return found


def params():
    shapes = {f"W{k}": (SIZES[k], SIZES[k - 1]) for k in (1, 2, 3)}
    shapes |= {f"b{k}": (SIZES[k], 1) for k in (1, 2)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}
"""


@pytest.mark.parametrize(
    ("wrong", "code"),
    [("dA = dA / kept", "GC851"), ("dA = dA * masks[k - 1] / kept / answers.size", "GC418")],
)
def test_a_mask_that_every_layer_draws_is_told_where_it_belongs(wrong, code, tmp_path):
    assert_found(DROPPED, "dA = dA * masks[k - 1] / kept", wrong, code, tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("masks[k - 1] / kept", "masks[k - 1]", "GC852"),
        ("masks[k - 1] / kept", "masks[k - 1] / kept / kept", "GC105"),
        ("return W.T @ dZ,", "return W.T @ dZ / m,", "GC104"),
    ],
)
def test_the_share_that_is_kept_is_no_size_and_no_penalty(right, wrong, code, tmp_path):
    program = DROPPED.replace("0.87", "0.8")
    assert first_finding(program, right, wrong, tmp_path)[0].code == code


TWO_LAYERS = """
import numpy as np

rng = np.random.default_rng(1)
x, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
sizes = {"a": (4, 5), "b": (5, 3), "c": (3, 2)}


def forward(p):
    z1 = x @ p["a"]
    h1 = np.maximum(z1, 0)
    z2 = h1 @ p["b"]
    h2 = np.maximum(z2, 0)
    return z1, h1, z2, h2, h2 @ p["c"]


def loss(p):
    return np.sum((forward(p)[-1] - y) ** 2) / 2


def grad(p):
    z1, h1, z2, h2, out = forward(p)
    d = out - y
    dh2 = d @ p["c"].T
    dz2 = dh2 * (z2 > 0)
    dz1 = dz2 @ p["b"].T * (z1 > 0)
    return {"a": x.T @ dz1, "b": h1.T @ dz2, "c": h2.T @ d}


def params():
    return {name: rng.normal(size=shape) for name, shape in sizes.items()}
"""


def test_what_is_used_before_its_mask_is_wrong_in_that_use_and_right_before(tmp_path):
    right, wrong = 'dz2 @ p["b"]', 'dh2 @ p["b"]'
    first, line, report = first_finding(TWO_LAYERS, right, wrong, tmp_path)
    assert (first.location.line, first.code) == (line, "GC401"), report
    assert first.fix == "write `dz2` for `dh2`"


@pytest.mark.parametrize(("tries", "codes"), [(8, {"GC999"}), (900, {"GC303", "GC406"})])
def test_what_mends_a_part_is_not_named_where_the_time_ends_soon_after(tries, codes, monkeypatch):
    names, count = {}, itertools.count()
    text = TWO_LAYERS.replace("* (z1 > 0)", "").replace("h1.T @ dz2", "z1.T @ dz2")
    exec(text, names)
    monkeypatch.setattr(Trials, "is_late", property(lambda _: next(count) > tries))
    report = gradcheck.check(names["loss"], names["params"](), names["grad"])
    assert {one.code for one in report.errors} == codes, str(report)


PAIRS = """
import numpy as np

rng = np.random.default_rng(4)
near = rng.uniform(size=(6, 6))
near += near.T
np.fill_diagonal(near, 0)
near /= near.sum()
others = ~np.eye(6, dtype=bool)


def closeness(at):
    squares = np.sum(at**2, axis=1)
    close = 1 / (1 + squares[:, None] + squares - 2 * at @ at.T)
    np.fill_diagonal(close, 0)
    return close


def loss(at):
    close = closeness(at)
    shares = close / close.sum()
    return np.sum(near[others] * np.log(near[others] / shares[others]))


def grad(at):
    shares = closeness(at)
    shares = shares / shares.sum()
    pull = near - shares
    steps = at[:, None] - at[None]
    return 4 * ((pull * closeness(at))[:, :, None] * steps).sum(axis=1)


def params():
    return rng.normal(size=(6, 2))
"""


def test_a_sign_is_not_looked_for_in_what_the_loss_makes_and_masks_alike(tmp_path):
    finding, line, report = first_finding(PAIRS, "near - shares", "shares - near", tmp_path)
    assert finding.code == "GC106", report
    assert line <= finding.location.line <= line + 2, report


def masked_softmax(scores):
    scores = np.where(np.tril(np.ones(scores.shape)) > 0, scores, -np.inf)
    shifted = scores - scores.max(axis=-1, keepdims=True)
    exps = np.exp(shifted)
    return exps / exps.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("slope", "code"),
    [(lambda p, up: p * up, "GC310"), (lambda p, up: p * (1 - p) * up, "GC309")],
)
def test_the_softmax_of_masked_scores_lacks_no_root_of_them(slope, code):
    """The shifted scores are negative, or -inf: their roots are no numbers, and tell nothing."""

    def attend(q, k, v):
        weights = masked_softmax(q @ k.swapaxes(-1, -2) * 0.5)
        return weights @ v, (q, k, v, weights)

    def attend_backward(up, cache):
        q, k, v, weights = cache
        scores = slope(weights, up @ v.swapaxes(-1, -2))
        return scores @ k * 0.5, scores.swapaxes(-1, -2) @ q * 0.5, weights.swapaxes(-1, -2) @ up

    rng = np.random.default_rng(0)
    inputs = tuple(rng.normal(size=(2, 3, 4)) for _ in "qkv")
    report = gradcheck.check_layer(attend, attend_backward, inputs)
    assert [one.code for one in report.errors] == [code], str(report)


BEGUN = """
import numpy as np

rng = np.random.default_rng(6)
x, y = rng.normal(size=(30, 2)) * np.linspace(0.03, 1, 30)[:, None], rng.normal(size=(30, 3))


def loss(p):
    return np.sum((np.maximum(x @ p["a"], 0) @ p["b"] - y) ** 2) / 60


def grad(p):
    h = np.maximum(x @ p["a"], 0)
    d = (h @ p["b"] - y) / 30
    return {"a": x.T @ (d @ p["b"].T * (h > 0)), "b": h.T @ d}


def params():
    return {"a": 1e-5 * rng.normal(size=(2, 10)), "b": rng.normal(size=(10, 3))}
"""


def test_weights_that_begin_near_0_are_followed_among_their_kinks(tmp_path):
    assert_found(BEGUN, " * (h > 0)", "", "GC303", tmp_path)
