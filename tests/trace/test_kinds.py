"""Kinds of bugs, in code of other shapes than a dense network's: the cause, and its line."""

import inspect

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(71)


def first_of(report):
    """The first finding, with the line of source where it stands."""
    assert report.verdict == "fail", report
    first = report.findings[0]
    source = "" if first.location is None else inspect.getsource(inspect.getmodule(first_of))
    lines = source.splitlines()
    return first, lines[first.location.line - 1].partition("  #")[0].strip() if lines else ""


# A maximum over windows that share entries, and a sum of rows that come more than once.

SIGNALS, ROWS = RNG.normal(size=(4, 7)), [0, 2, 0, 1]


def windows_loss(w):
    mapped = SIGNALS * w
    return sum(np.exp(row[at : at + 3].max()) for row in mapped for at in range(5))


def windows_grad(w):
    mapped, back = SIGNALS * w, np.zeros((4, 7))
    for number, row in enumerate(mapped):
        for at in range(5):
            top = at + np.argmax(row[at : at + 3])
            back[number, top] = np.exp(row[top])
    return (SIGNALS * back).sum(axis=0)


def rows_loss(table):
    return sum(np.sin(table[row]).sum() * (number + 1) for number, row in enumerate(ROWS))


def rows_grad(table):
    found = np.zeros_like(table)
    for number, row in enumerate(ROWS):
        for column in range(2):
            found[row][column] = np.cos(table[row][column]) * (number + 1)
    return found


@pytest.mark.parametrize(
    ("loss", "grad", "shape", "line"),
    [
        (windows_loss, windows_grad, (7,), "back[number, top] = np.exp(row[top])"),
        (rows_loss, rows_grad, (3, 2), "found[row][column] = np.cos("),
    ],
)
def test_an_entry_that_a_later_pass_writes_over_is_to_be_added_to(loss, grad, shape, line):
    finding, source = first_of(gradcheck.check(loss, RNG.normal(size=shape), grad))
    assert finding.code == "GC701"
    assert source.startswith(line)
    assert "+=" in finding.fix


# What is right as it stands is not to blame for a factor that is missing after it.

POOLED = RNG.normal(size=(4, 3, 5))


def pooled_loss(p):
    return np.sum(np.cosh(np.tanh(POOLED * p["g"]).mean(axis=2) @ p["w"]))


def pooled_grad(p):
    tops = np.tanh(POOLED * p["g"])
    d_out = np.sinh(tops.mean(axis=2) @ p["w"])
    d_mean = np.outer(d_out, p["w"])
    d_tops = np.repeat(d_mean[:, :, None], 5, axis=2)
    return {
        "g": np.sum(d_tops * (1 - tops**2) * POOLED, axis=(0, 1)),
        "w": tops.mean(axis=2).T @ d_out,
    }


def test_a_missing_mean_is_told_after_what_is_right():
    params = {"g": RNG.normal(size=5), "w": RNG.normal(size=3)}
    finding, source = first_of(gradcheck.check(pooled_loss, params, pooled_grad))
    assert finding.code == "GC101"
    assert source.startswith("d_tops =")


# A penalty on some of the entries of one vector, and labels that are whole numbers.

INPUTS = np.c_[np.ones(9), RNG.normal(size=(9, 3))]
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1])


def logistic_loss(theta):
    share = 1 / (1 + np.exp(-INPUTS @ theta))
    fit = LABELS.dot(np.log(share)) + (1 - LABELS).dot(np.log(1 - share))
    return -fit / 9 + 0.3 * np.sum(theta[1:] ** 2)


def data_part(theta):
    return INPUTS.T @ (1 / (1 + np.exp(-INPUTS @ theta)) - LABELS) / 9


def without_penalty(theta):
    grad = data_part(theta)
    return grad  # noqa: RET504  # as it is written


def penalty_taken_off(theta):
    grad = data_part(theta)
    grad[1:] -= 0.6 * theta[1:]
    return grad


def penalty_too_large(theta):
    grad = data_part(theta)
    grad[1:] += 0.9 * theta[1:]
    return grad


def penalty_on_all(theta):
    grad = data_part(theta)
    grad += 0.6 * theta
    return grad


def smooth_loss(w):
    return np.sum(np.cosh(INPUTS @ w)) + 0.4 * np.sum(np.sqrt(w**2 + 0.01))


def smooth_grad(w):
    slope = INPUTS.T @ np.sinh(INPUTS @ w)
    return slope - 0.4 * w / np.sqrt(w**2 + 0.01)


@pytest.mark.parametrize(
    ("loss", "grad", "code", "line"),
    [
        (logistic_loss, without_penalty, "GC602", "return grad"),
        (logistic_loss, penalty_taken_off, "GC603", "grad[1:] -= 0.6 * theta[1:]"),
        (logistic_loss, penalty_too_large, "GC604", "grad[1:] += 0.9 * theta[1:]"),
        (logistic_loss, penalty_on_all, "GC604", "grad += 0.6 * theta"),
        (smooth_loss, smooth_grad, "GC603", "return slope - 0.4 * w / np.sqrt(w**2 + 0.01)"),
    ],
)
def test_a_penalty_is_known_in_parts_and_in_other_forms_than_squares(loss, grad, code, line):
    finding, source = first_of(gradcheck.check(loss, RNG.normal(size=4), grad))
    assert (finding.code, source) == (code, line)


# Layers: what arrives is handed on as it came, and what the forward pass compares is right.


def scaled_elu(z):
    out = np.where(z >= 0, z, 0.7 * np.expm1(z))
    return out, (z, out)


def handed_on(upstream, cache):
    return upstream


def without_its_scale(upstream, cache):
    z, out = cache
    return upstream * np.where(z >= 0, 1, out)


def dropped(x):
    mask = np.random.default_rng(3).random(x.shape) < 0.6
    return x * mask / 0.6, mask


def kept_without_scale(upstream, mask):
    return upstream * mask


@pytest.mark.parametrize(
    ("forward", "backward", "codes", "line"),
    [
        (scaled_elu, handed_on, {"GC303", "GC306"}, "return upstream"),
        (scaled_elu, without_its_scale, {"GC305", "GC306"}, "return upstream * np.where("),
        (dropped, kept_without_scale, {"GC852"}, "return upstream * mask"),
    ],
)
def test_of_a_layer_the_line_of_the_backward_pass_is_told(forward, backward, codes, line):
    inputs = (np.random.default_rng(5).normal(size=(6, 3)),)
    finding, source = first_of(gradcheck.check_layer(forward, backward, inputs))
    assert finding.code in codes
    assert source.startswith(line)


# Right values, used turned round or transposed; and operands that do not fit.

DRIVE = RNG.normal(size=(4, 3))


def driven_loss(p):
    state = p["start"]
    for push in DRIVE:
        state = p["A"] @ state + p["B"] * push
    return np.sum(state**4)


def driven_grad(p):
    A, B = p["A"], p["B"]
    states = [p["start"]]
    for push in DRIVE:
        states.append(A @ states[-1] + B * push)
    back, dA, dB = 4 * states[-1] ** 3, np.zeros((3, 3)), np.zeros(3)
    for number in reversed(range(4)):
        dA += np.outer(back, states[number])
        dB += back * DRIVE[number]
        back = A @ back
    return {"A": dA, "B": dB, "start": back}


def slid(x, kernel):
    width = kernel.shape[1]
    return np.array([np.sum(x[:, at : at + width] * kernel) for at in range(7 - width)])


SLID = RNG.normal(size=(2, 7))


def slid_loss(p):
    return np.sum(slid(np.sin(SLID * p["w"]), p["k"]) ** 3)


def slid_grad(p):
    bent = np.sin(SLID * p["w"])
    d_out, width = 3 * slid(bent, p["k"]) ** 2, p["k"].shape[1]
    d_bent, d_k = np.zeros_like(bent), np.zeros_like(p["k"])
    for at, d in enumerate(d_out):
        d_k += d * bent[:, at : at + width]
        d_bent[:, at : at + width] += d * p["k"][:, ::-1]
    return {"w": d_bent * np.cos(SLID * p["w"]) * SLID, "k": d_k}


LEFT, RIGHT = RNG.normal(size=(8, 3)), RNG.normal(size=(8, 5))


def bilinear_loss(m):
    return np.sum(np.arctan(np.sum((LEFT @ m) * RIGHT, axis=1)))


def bilinear_grad(m):
    z = np.sum((LEFT @ m) * RIGHT, axis=1)
    return LEFT @ (RIGHT / (1 + z**2)[:, None])


@pytest.mark.parametrize(
    ("loss", "grad", "shapes", "code", "line"),
    [
        (driven_loss, driven_grad, {"A": (3, 3), "B": 3, "start": 3}, "GC201", "back = A @ back"),
        (
            slid_loss,
            slid_grad,
            {"w": (2, 7), "k": (2, 3)},
            "GC856",
            "d_bent[:, at : at + width] +=",
        ),
    ],
)
def test_what_is_to_be_turned_is_told_where_it_is_used(loss, grad, shapes, code, line):
    params = {name: RNG.normal(size=shape) for name, shape in shapes.items()}
    finding, source = first_of(gradcheck.check(loss, params, grad))
    assert finding.code == code
    assert source.startswith(line)


def test_operands_that_end_in_a_new_axis_of_another_are_told():
    finding, source = first_of(
        gradcheck.check(bilinear_loss, RNG.normal(size=(3, 5)), bilinear_grad)
    )
    assert finding.code == "GC202"
    assert source.startswith("return LEFT @")
    assert "LEFT.T @ " in finding.fix


# Statistics of what is normalised, and one way of two through a function.


def centred_loss(p):
    a = INPUTS @ p["W"]
    spread = np.sqrt(((a - a.mean(-1, keepdims=True)) ** 2).mean(-1, keepdims=True) + 1e-5)
    return np.sum(np.sin((a - a.mean(-1, keepdims=True)) / spread * p["gain"]))


def centred_grad(p):
    a = INPUTS @ p["W"]
    centred = a - a.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    unit = centred / spread
    back = np.cos(unit * p["gain"])
    d_unit = back * p["gain"]
    d_a = d_unit / spread
    return {"W": INPUTS.T @ d_a, "gain": (back * unit).sum(axis=0)}


def square_loss(p):
    a = INPUTS @ p["W"]
    return np.sum(np.sin(a / np.sqrt((a * a).mean(-1, keepdims=True) + 1e-5) * p["gain"]))


def square_grad(p):
    a = INPUTS @ p["W"]
    size = np.sqrt((a * a).mean(-1, keepdims=True) + 1e-5)
    unit = a / size
    back = np.cos(unit * p["gain"])
    d_a = back * p["gain"] / size
    return {"W": INPUTS.T @ d_a, "gain": (back * unit).sum(axis=0)}


def beside_loss(p):
    a = INPUTS @ p["W"]
    return np.sum(np.cosh(a + np.arctan(a) * p["gain"]))


def beside_grad(p):
    a = INPUTS @ p["W"]
    back = np.sinh(a + np.arctan(a) * p["gain"])
    bent = back * p["gain"] / (1 + a)
    return {"W": INPUTS.T @ (back + bent), "gain": (back * np.arctan(a)).sum(axis=0)}


@pytest.mark.parametrize(
    ("loss", "grad", "code", "line"),
    [
        (centred_loss, centred_grad, "GC853", "d_a = d_unit / spread"),
        (square_loss, square_grad, "GC853", 'd_a = back * p["gain"] / size'),
        (beside_loss, beside_grad, "GC305", "bent = back * p["),
    ],
)
def test_one_way_of_several_has_its_own_cause(loss, grad, code, line):
    rng = np.random.default_rng(0)
    params = {"W": 0.4 * rng.normal(size=(4, 5)), "gain": rng.uniform(0.5, 2, size=5)}
    finding, source = first_of(gradcheck.check(loss, params, grad))
    assert finding.code == code
    assert source.startswith(line)


# A power of a scale: its slope at another power is that power again, and no slope taken elsewhere.


def gaussian_loss(scale):
    return np.sum(np.exp(-(INPUTS**2) / (2.0 * scale[0] ** 2.0)))


def power_too_low(scale):
    return np.array(
        [np.sum(np.exp(-(INPUTS**2) / (2.0 * scale[0] ** 2)) * INPUTS**2 / scale[0] ** 2)]
    )


def test_a_power_of_a_scale_is_no_slope_at_another_quantity():
    finding, _ = first_of(gradcheck.check(gaussian_loss, np.array([0.8]), power_too_low))
    assert finding.code == "GC413"
    assert "the division by `scale[0]` is missing" in finding.message


# What a function chose of what it was given, and what its helper returned to it.

OWN = np.random.default_rng(72)
POINTS, AIMS = OWN.normal(size=(6, 3)), OWN.normal(size=(6, 2))


def forward(p):
    before = POINTS @ p["W"]
    after = np.tanh(before)
    return {"before": before, "after": after, "out": after @ p["V"]}


class Layer:
    def run(self, p):
        self.after = np.tanh(POINTS @ p["W"])
        return self.after

    def slope(self):
        return self.after

    def back(self, delta, V):
        return (delta @ V.T) * \
            self.slope()  # fmt: skip


def of_units(p):
    return 0.5 * np.sum((forward(p)["out"] - AIMS) ** 2)


def back_to_w(delta, kept, V):
    return POINTS.T @ (delta @ V.T * (1 - kept["before"] ** 2))


def without_slope(delta, after, V):
    return POINTS.T @ (delta @ V.T * after)


def other_item(p):
    kept = forward(p)
    delta = kept["out"] - AIMS
    return {"W": back_to_w(delta, kept, p["V"]), "V": kept["after"].T @ delta}


def own_value(p):
    kept = forward(p)
    after, delta = kept["after"], kept["out"] - AIMS
    return {"W": without_slope(delta, after, p["V"]), "V": after.T @ delta}


def of_a_helper(p):
    layer = Layer()
    delta = layer.run(p) @ p["V"] - AIMS
    return {"W": POINTS.T @ layer.back(delta, p["V"]), "V": layer.after.T @ delta}


@pytest.mark.parametrize(
    ("grad", "line", "fix"),
    [
        (other_item, 'return POINTS.T @ (delta @ V.T * (1 - kept["before"]', "use after"),
        (own_value, "return POINTS.T @ (delta @ V.T * after)", "write `1 - after**2` for `after`"),
        (of_a_helper, "return self.after", "write `1 - self.after**2` for `self.after`"),
    ],
)
def test_the_function_that_should_have_used_something_else_is_blamed(grad, line, fix):
    start = {"W": OWN.normal(size=(3, 4)), "V": OWN.normal(size=(4, 2))}
    first, source = first_of(gradcheck.check(of_units, start, grad))
    assert source.startswith(line)
    assert fix in first.fix


# A local name in a helper that has several callers is no name of what one of them gets.


def bell(x, slope=False):
    f = np.exp(-x * x)
    if slope:
        return -2 * x * f
    return f


def bump(x, slope=False):
    f = np.sin(x) + 2
    if slope:
        return np.cos(x)
    return f


def gated_loss(p):
    return np.sum(np.tanh(bell(INPUTS @ p["W"]) * bump(INPUTS @ p["V"]))) + bump(bell(p["W"][0, 0]))


def ungated_grad(p):
    a, c, first = INPUTS @ p["W"], INPUTS @ p["V"], p["W"][0, 0]
    up = 1 - np.tanh(bell(a) * bump(c)) ** 2
    by_w = INPUTS.T @ (up * bell(a, slope=True))
    by_w[0, 0] += np.cos(bell(first)) * bell(first, slope=True)
    return {"W": by_w, "V": INPUTS.T @ (up * bell(a) * bump(c, slope=True))}


def test_what_a_helper_returns_is_named_by_its_call():
    rng = np.random.default_rng(2)
    params = {"W": 0.4 * rng.normal(size=(4, 3)), "V": rng.normal(size=(4, 3))}
    finding, _ = first_of(gradcheck.check(gated_loss, params, ungated_grad))
    assert finding.code == "GC413"
    assert 'the factor `bump(INPUTS @ p["V"])` is' in finding.message
