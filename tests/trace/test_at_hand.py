"""What a finding says to write: what the user's function has at hand at the wrong line."""

import re

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(17)
DAYS, PRICE = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))
SIGNAL, SCALE = RNG.normal(size=(5, 4, 3)), RNG.uniform(0.5, 2.0, size=3)
START = {"K": RNG.normal(size=(3, 4)), "M": RNG.normal(size=(4, 2))}


def loss(p):
    return 0.5 * np.sum((np.tanh(DAYS @ p["K"]) @ p["M"] - PRICE) ** 2)


def other_name(p):
    u = np.tanh(DAYS @ p["K"])
    gap = u @ p["M"] - PRICE
    slope = 1 - u**2
    down = (gap @ p["M"].T) * u
    return {"K": DAYS.T @ down, "M": u.T @ gap}, slope


def factor_left_out(p):
    u = np.tanh(DAYS @ p["K"])
    gap = u @ p["M"] - PRICE
    down = gap @ p["M"].T
    return {"K": DAYS.T @ down, "M": u.T @ gap}


def other_operand(p):
    u = np.tanh(DAYS @ p["K"])
    gap = u @ p["M"] - PRICE
    down = (gap @ p["M"].T) * (1 - u**2)
    return {"K": DAYS.T @ down, "M": u.T @ (u @ p["M"])}, down


def plus_for_minus(p):
    u = np.tanh(DAYS @ p["K"])
    gap = u @ p["M"] - PRICE
    down = (gap @ p["M"].T) * (1 + np.square(u))
    return {"K": DAYS.T @ down, "M": u.T @ gap}


def slope_of_another(p):
    u = np.tanh(DAYS @ p["K"])
    gap = u @ p["M"] - PRICE
    down = gap @ p["M"].T * u * (1 - u)
    return {"K": DAYS.T @ down, "M": u.T @ gap}


def logistic(t):
    return 1 / (1 + np.exp(-t))


def slope_of_output(v):
    return v * (1 - v)


def logistic_loss(p):
    t = DAYS @ p["K"]
    u = logistic(t)
    return 0.5 * np.sum((u @ p["M"] - PRICE) ** 2)


def given_to_a_helper(p):
    t = DAYS @ p["K"]
    u = logistic(t)
    gap = u @ p["M"] - PRICE
    return {"K": DAYS.T @ (gap @ p["M"].T * slope_of_output(t)), "M": u.T @ gap}


def used_twice(p):
    t = DAYS @ p["K"]
    u = logistic(t)
    gap = u @ p["M"] - PRICE
    return {"K": DAYS.T @ (np.dot(gap, p["M"].T) * t * (1 - t)), "M": u.T @ gap}


def half_a_slope(p):
    u = 1 / (1 + np.exp(-(DAYS @ p["K"])))
    gap = u @ p["M"] - PRICE
    return {"K": DAYS.T @ (gap @ p["M"].T * (1 - u)), "M": u.T @ gap}


def test_a_part_of_an_activation_is_no_factor_that_its_slope_lacks():
    finding = gradcheck.check(logistic_loss, START, half_a_slope).findings[0]
    assert finding.code == "GC305"
    assert finding.fix == "write `u * (1 - u)` for `1 - u`"


def test_a_slope_is_written_for_the_last_factors_of_a_product():
    report = gradcheck.check(loss, START, slope_of_another, repair=10.0)
    [patch] = report.repair.patches
    assert '+    down = gap @ p["M"].T * (1 - u**2)' in patch.diff


@pytest.mark.parametrize("grad", [given_to_a_helper, used_twice])
def test_an_operand_with_several_uses_is_told_by_what_it_is_called_at_the_place(grad):
    finding = gradcheck.check(logistic_loss, START, grad).findings[0]
    assert finding.code == "GC302"
    assert finding.message.startswith("t is used where u belongs, in `")
    assert finding.fix == "write `u` for `t`"
    assert any(line.startswith("`t`[") for line in finding.evidence)


@pytest.mark.parametrize(
    ("grad", "code", "fix"),
    [
        (lambda p: other_name(p)[0], "GC", "write `slope` for `u`"),
        (factor_left_out, "GC303", "multiply `gap @ p['M'].T` by `1 - u**2`"),
        (lambda p: other_operand(p)[0], "GC", "write `gap` for `u @ p['M']`"),
        (plus_for_minus, "GC305", "write `1 - np.square(u)` for `1 + np.square(u)`"),
        (slope_of_another, "GC305", "write `1 - u**2` for `u * (1 - u)`"),
    ],
)
def test_the_fix_is_code_of_what_is_at_hand(grad, code, fix):
    finding = gradcheck.check(loss, START, grad).findings[0]
    assert finding.code.startswith(code)
    assert finding.fix.replace('"', "'").startswith(fix)


def penalised_loss(p):
    return loss(p) + 0.05 * np.sum(p["M"] ** 2)


def taken_off(p):
    gradients = right(p)
    gradients["M"] = gradients["M"] - 0.1*p["M"]  # fmt: skip
    return gradients


def right(p):
    u = np.tanh(DAYS @ p["K"])
    gap = u @ p["M"] - PRICE
    return {"K": DAYS.T @ (gap @ p["M"].T * (1 - u**2)), "M": u.T @ gap}


def divided_by_a_size(p):
    gradients = right(p)
    gradients["M"] = gradients["M"] / len(DAYS)
    return gradients


@pytest.mark.parametrize(
    ("of", "grad", "fix"),
    [
        (penalised_loss, taken_off, 'change the sign of `0.1*p["M"]`'),
        (
            loss,
            divided_by_a_size,
            'leave the division by `len(DAYS)` out of `gradients["M"] / len(DAYS)`',
        ),
    ],
)
def test_a_constant_is_put_right_where_it_stands(of, grad, fix):
    [finding] = gradcheck.check(of, START, grad).findings
    assert finding.fix == fix


def named_again(p):
    u = np.tanh(DAYS @ p["K"])
    gap = u @ p["M"] - PRICE
    arriving = gap @ p["M"].T
    sent = arriving
    return {"K": DAYS.T @ sent, "M": u.T @ gap}


def test_a_right_value_under_another_name_is_told_by_its_own():
    [finding] = gradcheck.check(loss, START, named_again).findings
    assert finding.expression == "sent = arriving"
    assert finding.fix.startswith("multiply `arriving` by `1 - u**2`")


def bent_loss(p):
    return 0.5 * np.sum((np.maximum(0, DAYS @ p["K"]) @ p["M"] - PRICE) ** 2)


def side(v):
    return (v < 0).astype(float)


def other_side(p):
    v = DAYS @ p["K"]
    u = np.maximum(0, v)
    gap = u @ p["M"] - PRICE
    return {"K": DAYS.T @ (gap @ p["M"].T * side(v)), "M": u.T @ gap}


def test_the_mask_of_the_other_side_lacks_no_derivative_that_arrives():
    [finding] = gradcheck.check(bent_loss, START, other_side).findings
    assert finding.code == "GC305"
    assert finding.fix == "write `v > 0` for `(v < 0).astype(float)`"


def bucket_loss(p):
    return np.sum(np.sin(p["table"][[2, 0, 2, 1]] @ np.array([1.0, -2.0])))


def bucket_grad(p):
    rows = [2, 0, 2, 1]
    sums = np.zeros_like(p["table"])
    sums[rows] += np.outer(np.cos(p["table"][rows] @ np.array([1.0, -2.0])), [1.0, -2.0])
    return {"table": sums}


def test_a_list_of_indices_that_repeats_is_seen():
    table = {"table": np.random.default_rng(5).normal(size=(3, 2))}
    finding = gradcheck.check(bucket_loss, table, bucket_grad).findings[0]
    assert finding.code == "GC855"
    assert "np.add.at" in finding.fix


PASSES = [2, 0, 2, 2], [1, 1, 0, 1]


def counted_grad(p):
    """Every pass of the loop adds to rows that repeat within it."""
    sums = np.zeros_like(p["table"])
    for rows in PASSES:
        sums[rows] += np.ones((4, 2))
    return {"table": sums}


def called_grad(p):
    """Every call of a helper fills an array of its own, in which rows repeat."""
    return {"table": sum(of_rows(p, rows) for rows in PASSES)}


def of_rows(p, rows):
    sums = np.zeros_like(p["table"])
    sums[rows] += np.ones((4, 2))
    return sums


@pytest.mark.parametrize("grad", [counted_grad, called_grad])
def test_indices_that_repeat_in_every_pass_of_a_loop_are_seen(grad):
    def total(p):
        return sum(np.sum(p["table"][rows]) for rows in PASSES)

    table = {"table": np.random.default_rng(5).normal(size=(3, 2))}
    finding = gradcheck.check(total, table, grad).findings[0]
    assert finding.code == "GC855"
    assert finding.location.source.startswith("sums[rows] +=")


def scaled_loss(p):
    return np.sum(np.tanh(p["scale"] * centred(p)) @ np.array([1.0, -0.5]))


def centred(p):
    made = DAYS @ p["M"]
    return made - made.mean(axis=0)


def scaled_grad(p):
    back = (1 - np.tanh(p["scale"] * centred(p)) ** 2) * np.array([1.0, -0.5])
    return {"M": DAYS.T @ (back - back.mean(axis=0)), "scale": np.sum(back * centred(p), axis=0)}


def test_a_factor_that_is_left_out_before_a_mean_is_that_factor():
    rng = np.random.default_rng(6)
    params = {"M": rng.normal(size=(DAYS.shape[1], 2)), "scale": np.array([1.7, 0.6])}
    finding = gradcheck.check(scaled_loss, params, scaled_grad).findings[0]
    assert finding.code == "GC854"
    assert finding.fix == "multiply it by `p['scale']`"


AIM = np.eye(4)[np.arange(len(DAYS)) % 4]


def softmax_loss(p):
    return -np.sum(AIM * np.log(shares(p)))


def shares(p):
    raised = np.exp(DAYS @ p["M"])
    return raised / raised.sum(axis=1, keepdims=True)


def softmax_grad(p):
    mix = shares(p)
    up = -AIM / mix
    part = up * mix
    return {"M": DAYS.T @ (part - part.sum(axis=1, keepdims=True))}


def test_the_jacobian_of_a_softmax_is_written_out():
    params = {"M": np.random.default_rng(7).normal(size=(DAYS.shape[1], 4))}
    finding = gradcheck.check(softmax_loss, params, softmax_grad).findings[0]
    assert finding.code == "GC310"
    assert finding.expression == "part - part.sum(axis=1, keepdims=True)"
    assert finding.fix == "write `mix * (up - np.sum(up * mix, axis=1, keepdims=True))`"


def test_what_arrives_at_a_softmax_is_put_in_brackets():
    def grad(p):
        mix = shares(p)
        return {"M": DAYS.T @ ((mix - AIM) * (mix * (1 - mix)))}

    params = {"M": np.random.default_rng(7).normal(size=(DAYS.shape[1], 4))}
    finding = gradcheck.check(lambda p: np.sum((shares(p) - AIM) ** 2) / 2, params, grad).findings[
        0
    ]
    total = "np.sum((mix - AIM) * mix, axis=1, keepdims=True)"
    assert finding.fix == f"write `mix * ((mix - AIM) - {total})`"


@pytest.mark.parametrize(
    ("axis", "words", "size"),
    [(None, "over all entries", 1), (0, "along axis 0", 1), (0, "along axis 0", 6)],
)
def test_a_softmax_of_all_samples_together_is_told_where_that_of_each_is_taken(axis, words, size):
    def parts(p):
        raised = np.exp(DAYS @ p["M"])
        return raised / raised.sum(axis=axis)

    aim = np.eye(4)[np.arange(len(DAYS)) % 4]
    finding = gradcheck.check(
        lambda p: -np.sum(aim * np.log(parts(p))),
        {"M": np.random.default_rng(7).normal(size=(DAYS.shape[1], 4))},
        lambda p: {"M": DAYS.T @ (parts(p) - aim) / size},
    ).findings[0]
    assert finding.code == "GC311"
    assert f"goes {words}, and this along axis 1" in finding.message
    assert "add up to 1 along axis 1" in finding.fix


def test_a_softmax_of_all_samples_is_told_where_the_backward_pass_has_its_transpose():
    def parts(p):
        raised = np.exp(p["M"] @ DAYS.T)
        return (raised / raised.sum()).T

    aim = np.eye(4)[np.arange(len(DAYS)) % 4]
    [finding] = gradcheck.check(
        lambda p: -np.sum(aim * np.log(parts(p))) / len(DAYS),
        {"M": np.random.default_rng(7).normal(size=(4, DAYS.shape[1]))},
        lambda p: {"M": ((parts(p) - aim) / len(DAYS)).T @ DAYS},
    ).findings
    assert finding.code == "GC311"
    assert "goes over all entries, and this along axis 1" in finding.message


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, aim: np.sum((p - aim) ** 2),
        lambda p, aim: -10 * np.sum(aim * np.log(p) + (1 - aim) * np.log(1 - p)),
    ],
)
@pytest.mark.parametrize("by_label", [True, False])
def test_the_derivative_of_a_cross_entropy_by_the_scores_is_told_beside_another_loss(
    loss, by_label
):
    labels = np.arange(len(DAYS)) % 4

    def grad(p):
        delta = shares(p) - (0 if by_label else np.eye(4)[labels])
        if by_label:
            delta[np.arange(len(DAYS)), labels] -= 1
        return {"M": DAYS.T @ delta / len(DAYS)}

    params = {"M": np.random.default_rng(7).normal(size=(DAYS.shape[1], 4))}
    [finding] = gradcheck.check(lambda p: loss(shares(p), np.eye(4)[labels]), params, grad).findings
    assert finding.code == "GC601"
    assert "it is the derivative of the cross-entropy" in finding.message
    assert "let the loss be the cross-entropy" in finding.fix


def test_the_rounding_that_a_sum_leaves_of_a_softmax_is_no_jacobian_of_it():
    x, aim = DAYS[0], np.eye(4)[1]

    def parts(p):
        raised = np.exp(x @ p["M"] + p["b"])
        return raised / raised.sum()

    def grad(p):
        delta = parts(p) - aim
        return {"M": np.outer(x, delta), "b": np.zeros(4) + delta.sum(axis=0, keepdims=True)}

    params = {"M": np.random.default_rng(7).normal(size=(len(x), 4)), "b": np.zeros(4)}
    [finding] = gradcheck.check(lambda p: -np.log(parts(p)[1]), params, grad).errors
    assert finding.code != "GC310"
    assert finding.fix == "write `delta` for it"


def ahead(p):
    low = np.tanh(DAYS @ p["M"])
    return low, np.tanh(low @ p["N"])


def test_of_two_equal_values_the_one_made_first_is_written():
    weights, aim = np.linspace(1, 2, len(DAYS))[:, None], 0.0  # out - aim is out

    def grad(p):
        low, out = ahead(p)
        off = out - aim
        up = weights * off
        back = up @ p["N"].T * (1 - low**2)
        return {"M": DAYS.T @ back, "N": low.T @ (up / np.cosh(low @ p["N"]) ** 2)}

    params = {"M": 0.1 * np.ones((DAYS.shape[1], 2)), "N": np.array([[0.7, -0.2], [0.4, 0.5]])}
    report = gradcheck.check(lambda p: np.sum(weights * (ahead(p)[1] - aim) ** 2) / 2, params, grad)
    assert "`1 - out**2`" in report.findings[0].fix


def test_the_names_are_those_that_the_function_unpacks():
    def total(weights):
        inner, outer = weights
        return np.sum(np.cos(np.tanh(DAYS @ inner) @ outer))

    def grad(weights):
        inner, outer = weights
        mid = np.tanh(DAYS @ inner)
        back = -np.sin(mid @ outer)
        return [DAYS.T @ ((back @ outer.T) * (1 - mid**2)), np.abs(mid.T @ back)]

    report = gradcheck.check(total, list(START.values()), grad)
    finding = report.findings[0]
    assert finding.blocks == ("params[1]",)
    assert finding.expected == "dL/douter"


def test_the_pass_and_the_shape_are_the_users():
    def steps(p):
        state = np.zeros(4)
        seen = []
        for row in DAYS:
            seen.append(state)
            state = np.tanh(row @ p["K"] + 0.5 * state)
        return state, seen

    def grad(p):
        state, seen = steps(p)
        back, total = state, np.zeros_like(p["K"])
        for row, before in zip(DAYS[::-1], seen[::-1], strict=True):
            now = np.tanh(row @ p["K"] + 0.5 * before)
            inner = back * (1 - now**2)
            total += np.outer(row, now)
            back = 0.5 * inner
        return {"K": total}

    report = gradcheck.check(lambda p: 0.5 * np.sum(steps(p)[0] ** 2), {"K": START["K"]}, grad)
    finding = report.findings[0]
    assert finding.fix == "write `inner` for `now`"
    assert any("in pass " in line and "of shape (3, 4)" in line for line in finding.evidence)


def test_a_batch_of_matrices_that_is_turned_once_too_often_is_called_so():
    def mixed(p):
        return np.sum(np.tanh(SIGNAL @ p["Q"] @ (SIGNAL @ p["R"]).transpose(0, 2, 1)) ** 3)

    def grad(p):
        one, other = SIGNAL @ p["Q"], SIGNAL @ p["R"]
        out = np.tanh(one @ other.transpose(0, 2, 1))
        back = 3 * out**2 * (1 - out**2)
        ones = back.transpose(0, 2, 1) @ other
        others = back.transpose(0, 2, 1) @ one
        return {
            "Q": np.einsum("nti,nto->io", SIGNAL, ones),
            "R": np.einsum("nti,nto->io", SIGNAL, others),
        }

    rng = np.random.default_rng(3)
    weights = {"Q": 0.5 * rng.normal(size=(3, 2)), "R": 0.5 * rng.normal(size=(3, 2))}
    finding = gradcheck.check(mixed, weights, grad).findings[0]
    assert finding.code == "GC201"
    assert finding.fix == "write `back` for `back.transpose(0, 2, 1)`"


def test_a_value_in_the_reverse_order_is_to_be_turned():
    taps = {"taps": np.array([0.3, -1.1, 0.8])}
    line = RNG.normal(size=9)

    def total(p):
        return np.sum(np.exp(np.convolve(line, p["taps"], mode="valid")))

    def grad(p):
        up = np.exp(np.convolve(line, p["taps"], mode="valid"))
        return {"taps": np.correlate(line, up, mode="valid")}

    finding = gradcheck.check(total, taps, grad).findings[0]
    assert "reverse order" in finding.message
    assert finding.fix == "turn it round: `[::-1]`"


def test_no_fix_repeats_what_is_wanted():
    def total(p):
        return np.sum(np.sin(DAYS @ p["K"]))

    def grad(p):
        return {"K": DAYS.T @ np.cos(DAYS @ p["K"] + 0.3)}

    finding = gradcheck.check(total, {"K": START["K"]}, grad).findings[0]
    assert not finding.fix.startswith("let")


@pytest.mark.parametrize("turned", [True, False])
def test_a_weight_that_the_step_has_changed_is_told_without_its_rate(turned):
    def step(p):
        if not turned:
            return one_entry_after_the_other(p)
        u = np.tanh(DAYS @ p["K"])
        gap = u @ p["M"] - PRICE
        p["M"] = p["M"] - 0.02 * u.T @ gap
        p["K"] = p["K"] - 0.02 * DAYS.T @ ((gap @ p["M"].T) * (1 - u**2))
        return p

    def one_entry_after_the_other(p):
        gap = p["K"][1] @ p["M"][:, 0] - 1.5
        for k in range(4):
            p["K"][1][k] -= 0.02 * gap * p["M"][k][0]
            p["M"][k][0] -= 0.02 * gap * p["K"][1][k]
        return p

    def single(p):
        return 0.5 * (p["K"][1] @ p["M"][:, 0] - 1.5) ** 2

    report = gradcheck.check_step(step, START, loss=loss if turned else single, learning_rate=0.02)
    assert "GC404" in [finding.code for finding in report.findings]


def in_a_sum(p):
    gap = DAYS @ p["K"] @ p["M"] - PRICE
    pulled = 0.6 * p["M"]
    down = DAYS.T @ gap @ p["M"].T
    return {"K": down, "M": (DAYS @ p["K"]).T @ gap - pulled}


def in_a_statement(p):
    gap = DAYS @ p["K"] @ p["M"] - PRICE
    made = (DAYS @ p["K"]).T @ gap
    made -= 0.6 * p["M"]
    return {"K": DAYS.T @ gap @ p["M"].T, "M": made}


@pytest.mark.parametrize(("grad", "term"), [(in_a_sum, "pulled"), (in_a_statement, '0.6 * p["M"]')])
def test_a_term_of_the_wrong_sign_is_shown_with_its_own_value(grad, term):
    def loss(p):
        fit = 0.5 * np.sum((DAYS @ p["K"] @ p["M"] - PRICE) ** 2)
        return fit + 0.3 * np.sum(p["M"] ** 2)

    finding = gradcheck.check(loss, START, grad).findings[0]
    assert (finding.code, finding.expression) == ("GC603", term)
    entry = next(line for line in finding.evidence if line.startswith(f"`{term}`["))
    numbers = re.search(r"is (\S+) and should be (\S+),", entry)
    assert float(numbers[1]) == -float(numbers[2])


HOURS = np.linspace(0.2, 2.4, 8)


def parabola(q):
    return q[0] * (HOURS - q[1]) ** 2 + q[2]


def parabola_slopes(q):
    slopes = np.ones((HOURS.size, 3))
    slopes[:, 0] = (HOURS - q[1]) ** 2
    slopes[:, 1] = -2 * q[0] * (HOURS - q[1]) * q[1]
    return slopes


def test_a_number_too_many_in_a_product_is_to_be_left_out():
    at = np.array([2.1, 3.2, 0.7])
    (found,) = gradcheck.check_jacobian(parabola, at, parabola_slopes).findings
    assert "* q[1]" in found.expression
    assert found.fix == "leave the factor `q[1]` out"
    assert "factor too many" in found.message


MARK, TURN = np.array([1.0, 2.0]), np.eye(3)
TURN[:2, :2] = [[0.8, 0.6], [-0.6, 0.8]]


def turned_by(angle):
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def seen(v):
    return TURN @ np.array([*turned_by(v[2]) @ (MARK - v[:2]), -v[2]])


def seen_by_frames(v):
    far = np.eye(3)
    far[:2, :2] = turned_by(v[2])
    far[:2, 2] = -turned_by(v[2]).dot(v[:2])
    return TURN @ far @ np.array([*MARK, 1.0]) - TURN @ np.array([0, 0, v[2]])


def of_the_mark_alone(v):
    by = -np.eye(3)
    by[:2, :2] = -turned_by(v[2])
    by[:2, 2] = turned_by(v[2] + np.pi / 2).dot(MARK)
    return TURN.dot(by)


@pytest.mark.parametrize(("values", "code"), [(seen, "GC417"), (seen_by_frames, "GC407")])
def test_nothing_is_divided_by_what_has_zeros(values, code):
    report = gradcheck.check_jacobian(values, np.array([0.2, 0.5, 0.4]), of_the_mark_alone)
    assert report.findings[0].code == code
    assert "divide" not in report.findings[0].fix


ONE, BEGIN = DAYS[:1], {"K": START["K"], "V": RNG.normal(size=(4, 1))}


def of_one_label(p):
    return 0.5 * np.sum((1.0 - logistic(logistic(ONE @ p["K"]) @ p["V"])) ** 2)


def raw_error_twice(p):
    u = logistic(ONE @ p["K"])
    out = logistic(u @ p["V"])
    gap = 1.0 - out
    shares = gap @ p["V"].T
    return {"K": -ONE.T @ (gap * u * (1 - u)), "V": -u.T @ (gap * out * (1 - out))}, shares


def test_an_error_is_not_multiplied_by_an_error_to_make_a_slope():
    finding = gradcheck.check(of_one_label, BEGIN, lambda p: raw_error_twice(p)[0]).findings[0]
    assert "shares" not in f"{finding.message} {finding.fix}", finding.message
    assert finding.code == "GC999"
    assert "-t" not in finding.message  # it is -1 times the derivative by t
