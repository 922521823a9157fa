"""Steps whose size says nothing of the gradient are told, and a wrong learning rate is said."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(8)
ROWS, TARGET = RNG.normal(size=(7, 3)), RNG.normal(size=7)
START = {"w": RNG.normal(size=3), "b": np.array(0.3)}


def loss(p):
    return float(np.mean(np.log(np.cosh(ROWS @ p["w"] + p["b"] - TARGET))))


def grad(p):
    d = np.tanh(ROWS @ p["w"] + p["b"] - TARGET) / 7
    return {"w": ROWS.T @ d, "b": d.sum()}


def adagrad(sign=1.0, gradient=grad):
    squares = {}

    def step(p, lr):
        new = {}
        for name, g in gradient(p).items():
            squares[name] = squares.get(name, 0.0) + g * g
            new[name] = p[name] - sign * lr * g / np.sqrt(squares[name] + 1e-12)
        return new

    return step


def check(step, rate=0.01):
    return gradcheck.check_step(step, START, loss=loss, learning_rate=rate)


def sign_of_a_kept_gradient():
    kept = grad(START)
    return lambda p, lr: {name: p[name] - lr * np.sign(kept[name]) for name in kept}


def test_a_step_by_the_sign_of_what_cannot_be_read_is_undecided_and_told():
    report = check(sign_of_a_kept_gradient())
    assert report.verdict == "inconclusive", str(report)
    assert report.findings == ()
    assert any("adaptive" in note for note in report.notes)
    assert not any("low-precision" in note for note in report.notes)


def undivided(p):
    """Seven times the gradients of w and b."""
    d = np.tanh(ROWS @ p["w"] + p["b"] - TARGET)
    return ROWS.T @ d, d.sum()


@pytest.mark.parametrize(
    ("of_w", "of_b"),
    [
        (lambda g: g / 7, lambda g: g / 7),
        (lambda g: -(-g / 7), lambda g: g / 7),
        (lambda g: g / 7, lambda g: -(-g / 7)),
    ],
    ids=["divided", "w turned", "b turned"],
)
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_a_sign_says_nothing_of_the_size_of_what_it_is_taken_of(of_w, of_b, share):
    def step(p, lr):
        w, b = undivided(p)
        gradients = {"w": of_w(w), "b": np.array(of_b(b))}
        return {name: p[name] - lr * np.sign(share * g) for name, g in gradients.items()}

    assert check(step).verdict == "pass", str(check(step))


def test_a_sign_of_the_negative_of_a_gradient_fails():
    def step(p, lr):
        w, b = undivided(p)
        return {"w": p["w"] + lr * np.sign(w / 7), "b": p["b"] - lr * np.sign(b / 7)}

    assert check(step).verdict == "fail", str(check(step))


@pytest.mark.parametrize(("share", "codes"), [(1.0, set()), (2.0, {"GC103"})])
def test_a_bias_of_one_row_takes_in_the_sum_over_the_rows(share, codes):
    start = {"W": RNG.normal(size=(3, 2)), "b": 0.1 * np.ones((1, 2))}
    targets = RNG.normal(size=(7, 2))
    squares = {name: np.zeros_like(value) for name, value in start.items()}

    def step(p, lr):
        off = (ROWS @ p["W"] + p["b"] - targets) / 7
        new = {}
        for name, g in {"W": ROWS.T @ off, "b": share * off.sum(axis=0)}.items():
            squares[name] = squares[name] + g**2
            new[name] = p[name] - lr * g / np.sqrt(squares[name] + 1e-12)
        return new

    def half(p):
        return 0.5 * np.sum((ROWS @ p["W"] + p["b"] - targets) ** 2) / 7

    report = gradcheck.check_step(step, start, loss=half, learning_rate=0.01)
    assert {one.code for one in report.findings if one.severity == "error"} == codes, str(report)
    assert all(one.expression for one in report.findings if one.code in codes)


def test_an_adaptive_step_that_climbs_fails():
    assert check(adagrad(-1.0)).verdict == "fail"


def test_a_gradient_of_one_size_is_not_taken_for_an_adaptive_step():
    report = gradcheck.check_step(
        lambda p, lr: {"w": p["w"] - lr * 1.5},
        {"w": np.ones(3)},
        loss=lambda p: float(np.sum(p["w"])),
        learning_rate=0.1,
    )
    assert report.verdict == "fail"


@pytest.mark.parametrize(("used", "given"), [(0.2, 0.05), (0.01, 0.4), (0.1, 0.2)])
def test_the_learning_rate_that_a_step_uses_is_said(used, given):
    report = check(lambda p: {name: p[name] - used * g for name, g in grad(p).items()}, given)
    assert report.verdict == "fail"
    assert any(f"with the learning rate {used:g} in the place" in note for note in report.notes)


def test_a_gradient_without_the_inputs_moves_all_alike_and_is_wrong():
    def step(p, lr, inputs=1.0):
        off = np.exp(ROWS @ p["w"]) - 2.0
        return {"w": p["w"] - lr * np.sum(off[:, None] * inputs, axis=0) * np.ones(3) / 7}

    def loss(p):
        return float(np.mean(np.exp(ROWS @ p["w"]) - 2.0 * (ROWS @ p["w"])))

    start = {"w": 0.3 * np.ones(3)}
    assert (ROWS.T @ (np.exp(ROWS @ start["w"]) - 2.0) > 0).all()
    for inputs, verdict in ((1.0, "fail"), (ROWS, "pass")):
        report = gradcheck.check_step(
            lambda p, lr, own=inputs: step(p, lr, own), start, loss=loss, learning_rate=0.1
        )
        assert report.verdict == verdict, str(report)


def adam_with_decay(p, lr, sign=1.0):
    moves = {name: sign * g / (np.abs(g) + 1e-8) for name, g in grad(p).items()}
    return {name: p[name] - lr * (moves[name] + 0.05 * p[name] * (name == "w")) for name in p}


def adadelta(p, lr, sign=1.0):
    moves = {name: sign * g / np.sqrt(0.05 * g * g + 1e-6) for name, g in grad(p).items()}
    return {name: p[name] - lr * 1e-3 * moves[name] for name in p}


@pytest.mark.parametrize("step", [adam_with_decay, adadelta])
def test_decay_and_a_small_number_leave_an_adaptive_step_adaptive(step):
    report = check(step)
    assert report.verdict == "pass", str(report)
    assert any("adaptive" in note for note in report.notes)
    assert check(lambda p, lr: step(p, lr, -1.0)).verdict == "fail"


def with_state(update, gradient=grad, sign=1.0):
    """A step that remembers two moments by name, and has been taken a few times already."""
    first, second = ({name: 0.1 * np.ones_like(START[name]) for name in START} for _ in range(2))

    def step(p, lr):
        return {
            name: p[name] - sign * lr * update(g, name, first, second)
            for name, g in gradient(p).items()
        }

    return step


def adam_update(g, name, first, second):
    first[name] = 0.9 * first[name] + 0.1 * g
    second[name] = 0.999 * second[name] + 0.001 * g * g
    return first[name] / (np.sqrt(second[name]) + 1e-8)


def centred(g, name, first, second):
    first[name] = 0.9 * first[name] + 0.1 * g
    second[name] = 0.9 * second[name] + 0.1 * np.square(g)
    return g * (second[name] - 0.001 * first[name] ** 2) ** -0.5


def adamax(g, name, first, second):
    first[name] = 0.9 * first[name] + 0.1 * g
    second[name] = np.maximum(0.999 * second[name], np.abs(g))
    return first[name] / second[name]


def one_root(g, name, first, second):
    """As Adadelta does, with both means under one root."""
    second[name] = 0.95 * second[name] + 0.05 * g**2
    change = np.sqrt((first[name] + 1e-6) / (second[name] + 1e-6)) * g
    first[name] = 0.95 * first[name] + 0.05 * change**2
    return change


def without_mean(p):
    right = grad(p)
    return {"w": right["w"] * 7, "b": right["b"]}


@pytest.mark.parametrize("update", [adam_update, centred, adamax, one_root])
def test_the_gradient_that_enters_an_adaptive_step_with_a_past_is_judged(update):
    report = check(with_state(update))
    assert report.verdict == "pass", str(report)
    assert any("the gradient that enters it was read" in note for note in report.notes)
    wrong = check(with_state(update, without_mean))
    assert [(one.code, one.blocks) for one in wrong.findings] == [("GC105", ("w",))]
    assert wrong.findings[0].location.source == 'return {"w": right["w"] * 7, "b": right["b"]}'
    assert check(with_state(update, sign=-1.0)).verdict != "pass"


def test_squares_that_make_the_gradient_itself_are_not_taken_for_those_of_an_adaptive_step():
    def hidden(p):
        return np.tanh(TARGET * p["scale"] + p["shift"])

    def slopes(p):
        h = hidden(p)
        back = (1 - h * h) * (h - 0.5)
        return {"scale": back * TARGET, "shift": back}

    report = gradcheck.check_step(
        adagrad(gradient=slopes),
        {"scale": RNG.normal(size=7), "shift": RNG.normal(size=7)},
        loss=lambda p: 0.5 * float(np.sum((hidden(p) - 0.5) ** 2)),
        learning_rate=0.01,
    )
    assert report.verdict == "pass", str(report)


def each_scaled(factor, gradients):
    """A step that multiplies the gradient of each sample with a factor made of its norm."""

    def step(p, lr):
        gw, gb = gradients(p)
        norms = np.sqrt((gw**2).sum(axis=1) + gb**2)
        s = factor(norms)
        w = p["w"] - lr * (gw * s[:, None]).sum(axis=0)
        return {"w": w, "b": p["b"] - lr * (gb * s).sum()}

    return step


def one_by_one(factor, gradients):
    def step(p, lr):
        w, b = np.zeros(3), 0.0
        for gw, gb in zip(*gradients(p), strict=True):
            s = factor(np.sqrt(np.sum(gw**2) + gb**2))
            w = w + s * gw
            b = b + s * gb
        return {"w": p["w"] - lr * w, "b": p["b"] - lr * b}

    return step


def of_samples(p):
    d = np.tanh(ROWS @ p["w"] + p["b"] - TARGET) / 7
    return ROWS * d[:, None], d


def without_slope(p):
    d = (ROWS @ p["w"] + p["b"] - TARGET) / 7
    return ROWS * d[:, None], d


@pytest.mark.parametrize("way", [each_scaled, one_by_one])
@pytest.mark.parametrize(
    "factor", [lambda norm: 1 / np.maximum(1.0, norm / 0.05), lambda norm: 1 / (norm + 1e-12)]
)
def test_a_sum_of_gradients_that_are_each_scaled_by_their_norm_is_judged_without_that(way, factor):
    report = check(way(factor, of_samples))
    assert report.verdict == "pass", str(report)
    assert any("the gradient of each sample by its norm" in note for note in report.notes)
    wrong = check(way(factor, without_slope))
    assert wrong.verdict == "inconclusive", str(wrong)
    assert any("nor is it one without the scaling" in note for note in wrong.notes)


def test_a_number_of_samples_left_out_of_what_is_scaled_is_no_fault():
    report = check(each_scaled(lambda norm: 7 / np.maximum(1.0, norm), of_samples))
    assert report.verdict == "pass", str(report)
