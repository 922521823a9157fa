"""Bugs of single layers, each found by its rule and by no other."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(0)
X, GAMMA, BETA = RNG.normal(size=(7, 4)) * 2 + 1, RNG.uniform(0.5, 2, 4), RNG.normal(size=4)
MASK, KEEP = RNG.random((7, 4)) < 0.6, 0.6
IDS, TABLE = np.array([2, 0, 5, 2, 4, 2, 0]), RNG.normal(size=(6, 3))
IMAGE, KERNEL = RNG.normal(size=(6, 7)), RNG.normal(size=(3, 2))


def dropout(x):
    return x * MASK / KEEP, None


def normalise(axis):
    def forward(x, gamma, beta):
        deviation = np.sqrt(x.var(axis=axis, keepdims=True) + 1e-5)
        normal = (x - x.mean(axis=axis, keepdims=True)) / deviation
        return gamma * normal + beta, (normal, deviation, gamma)

    return forward


def normalise_back(axis, mean=True, variance=True, scaled=lambda upstream, gamma: upstream * gamma):
    def backward(upstream, cache):
        normal, deviation, gamma = cache
        g = scaled(upstream, gamma)
        dx = g
        if mean:
            dx = dx - g.mean(axis=axis, keepdims=True)
        if variance:
            dx = dx - normal * (g * normal).mean(axis=axis, keepdims=True)
        return dx / deviation, (upstream * normal).sum(axis=0), upstream.sum(axis=0)

    return backward


def embedding(ids, table):
    return table[ids], (ids, table.shape)


def embedding_once(upstream, cache):
    ids, shape = cache
    table = np.zeros(shape)
    table[ids] += upstream
    return None, table


def embedding_last(upstream, cache):
    ids, shape = cache
    table = np.zeros(shape)
    table[ids] = upstream
    return None, table


def correlate(image, kernel):
    rows, columns = kernel.shape
    out = np.empty((image.shape[0] - rows + 1, image.shape[1] - columns + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sum(image[i : i + rows, j : j + columns] * kernel)
    return out


def convolve(image, kernel):
    return correlate(image, kernel), (image, kernel)


def convolve_back(turn):
    def backward(upstream, cache):
        image, kernel = cache
        rows, columns = kernel.shape
        padded = np.pad(upstream, ((rows - 1, rows - 1), (columns - 1, columns - 1)))
        return correlate(padded, turn(kernel)), correlate(image, upstream)

    return backward


LAYERS = {
    "mask missing": (dropout, lambda u: u / KEEP, (X,), "GC851", "x"),
    "keep missing": (dropout, lambda u: u * MASK, (X,), "GC852", "x"),
    "half kept": (lambda x: (x * MASK / 0.5, None), lambda u: u * MASK, (X,), "GC852", "x"),
    "statistics constant": (
        normalise(0),
        normalise_back(0, mean=False, variance=False),
        (X, GAMMA, BETA),
        "GC853",
        "x",
    ),
    "variance constant": (
        normalise(0),
        normalise_back(0, variance=False),
        (X, GAMMA, BETA),
        "GC853",
        "x",
    ),
    "mean constant": (normalise(1), normalise_back(1, mean=False), (X, GAMMA, BETA), "GC853", "x"),
    "gamma missing": (
        normalise(0),
        normalise_back(0, scaled=lambda upstream, gamma: upstream),
        (X, GAMMA, BETA),
        "GC854",
        "x",
    ),
    "gamma missing, layer": (
        normalise(1),
        normalise_back(1, scaled=lambda upstream, gamma: upstream),
        (X, GAMMA, BETA),
        "GC854",
        "x",
    ),
    "gamma twice": (
        normalise(0),
        normalise_back(0, scaled=lambda upstream, gamma: upstream * gamma * gamma),
        (X, GAMMA, BETA),
        "GC418",
        "x",
    ),
    "gamma squared": (
        normalise(0),
        normalise_back(0, scaled=lambda upstream, gamma: upstream * gamma**2),
        (X, GAMMA, BETA),
        "GC418",
        "x",
    ),
    "divided by gamma": (
        normalise(1),
        normalise_back(1, scaled=lambda upstream, gamma: upstream / gamma),
        (X, GAMMA, BETA),
        "GC418",
        "x",
    ),
    "repeated once": (embedding, embedding_once, (IDS, TABLE), "GC855", "table"),
    "repeated last": (embedding, embedding_last, (IDS, TABLE), "GC855", "table"),
    "not rotated": (convolve, convolve_back(lambda k: k), (IMAGE, KERNEL), "GC856", "image"),
    "half rotated": (convolve, convolve_back(lambda k: k[::-1]), (IMAGE, KERNEL), "GC856", "image"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_bug_of_a_layer_is_named(name):
    forward, backward, inputs, code, block = LAYERS[name]
    report = gradcheck.check_layer(forward, backward, inputs)
    assert [(finding.code, finding.blocks) for finding in report.findings] == [(code, (block,))]
    assert report.findings[0].error_after_fix < 1e-6


def slid(images, size):
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    return np.moveaxis(windows, 3, -1)


@pytest.mark.parametrize(
    ("turned", "fix"),
    [
        (lambda k: k, "turn it round: `[::-1, ::-1, :, :]`"),
        (lambda k: np.rot90(np.rot90(k, 1, (2, 3)), 1, (2, 3)), "write `k[::-1, ::-1, :, :]`"),
    ],
)
def test_a_kernel_whose_first_axes_slide_has_to_be_turned_round_in_these(turned, fix):
    images, kernels = RNG.normal(size=(2, 5, 5, 2)), RNG.normal(size=(2, 2, 2, 3))

    def forward(x, k):
        return np.tensordot(slid(x, 2), k, axes=([3, 4, 5], [0, 1, 2])), (x, k)

    def backward(upstream, cache):
        x, k = cache
        padded = np.pad(upstream, ((0, 0), (1, 1), (1, 1), (0, 0)))
        of_kernels = np.tensordot(slid(x, 2), upstream, axes=([0, 1, 2], [0, 1, 2]))
        return np.tensordot(slid(padded, 2), turned(k), axes=([3, 4, 5], [0, 1, 3])), of_kernels

    [finding] = gradcheck.check_layer(forward, backward, (images, kernels)).findings
    assert (finding.code, finding.fix) == ("GC856", fix)


@pytest.mark.parametrize(
    ("divided", "code", "fix"),
    [
        (lambda up: up.shape[0], "GC104", "divide the other terms by 36, not by 3"),
        (lambda up: 72 * 36, "GC105", "multiply the other terms by 72"),
    ],
)
def test_terms_of_a_norm_that_are_divided_by_another_number_are_told_together(divided, code, fix):
    over = {"axis": (0, 2, 3), "keepdims": True}

    def forward(x):
        norm = 1 / np.sqrt(x.var(**over) + 1e-5)
        return (x - x.mean(**over)) * norm, (x - x.mean(**over), norm)

    def backward(up, cache):
        off, norm = cache
        count = divided(up)
        to_mean, to_var = -np.sum(up * norm, **over), -0.5 * np.sum(up * off * norm**3, **over)
        return up * norm + to_mean * (1.0 / count) + to_var * ((2.0 / count) * off)

    [finding] = gradcheck.check_layer(forward, backward, (RNG.normal(size=(3, 2, 3, 4)),)).findings
    assert (finding.code, finding.fix) == (code, fix)


def excite(x, down, up):
    means = x.mean(axis=1)
    gates = 1 / (1 + np.exp(-np.tanh(means @ down) @ up))
    return x * gates[:, None], (means, gates)


def test_a_mean_that_a_network_makes_a_gate_of_is_no_statistic():
    x, down, up = RNG.normal(size=(3, 5, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=(3, 4))

    def backward(upstream, cache):
        means, gates = cache
        hidden = np.tanh(means @ down)
        d_gates = (upstream * x).sum(axis=1) * gates * (1 - gates)
        d_hidden = d_gates @ up.T * (1 - hidden**2)
        return upstream * gates[:, None], means.T @ d_hidden, hidden.T @ d_gates

    found = gradcheck.check_layer(excite, backward, (x, down, up)).findings[0]
    assert (found.code, found.blocks) == ("GC407", ("x",))


def test_the_sum_of_a_parameter_beside_others_is_no_statistic():
    z, weights = RNG.normal(size=(8, 2)), RNG.normal(size=8)

    def forward(log_scale):
        scaled = z / np.exp(log_scale)
        return weights * (-0.5 * np.sum(scaled**2, axis=1) - np.sum(log_scale)), scaled

    def backward(upstream, scaled):
        return np.sum((upstream * weights)[:, None] * scaled**2, axis=0)

    found = gradcheck.check_layer(forward, backward, (RNG.normal(size=2),)).findings[0]
    assert found.code == "GC407"


def test_a_sum_that_only_the_gradient_spreads_again_is_no_statistic():
    weights, x, y = (RNG.normal(size=shape) for shape in ((3, 4), (4, 9), (3, 9)))

    def loss(weights):
        units = 1 / (1 + np.exp(-(weights @ x)))
        share = np.sum(units, axis=1) / 9
        spread = np.tile(-1 / share + 1 / (1 - share), (9, 1)).T  # noqa: F841
        back = (units - y) * units * (1 - units)
        penalty = -np.sum(np.log(share) + np.log(1 - share))
        return np.sum((units - y) ** 2) / 18 + penalty, back @ x.T / 9

    found = gradcheck.check(loss, weights).findings[0]
    assert found.code == "GC407"


def test_what_is_not_summed_along_a_broadcast_axis_is_to_be_summed():
    x, gate = RNG.normal(size=(2, 3, 5)), RNG.normal(size=(2, 3, 1))
    found = gradcheck.check_layer(lambda x, gate: x * gate, lambda u: (u * gate, u * x), (x, gate))
    assert found.findings[0].code == "GC202"
    assert found.findings[0].fix.startswith("sum it with axis=2, keepdims=True: ")


def normalise_otherwise(change):
    def backward(upstream, cache):
        normal, deviation, gamma = cache
        return change(upstream * gamma, normal, deviation), *normalise_back(0)(upstream, cache)[1:]

    return backward


OTHERWISE = {
    "xhat missing": lambda g, n, s: (g - g.mean(axis=0) - (g * n).mean(axis=0)) / s,
    "sign": lambda g, n, s: (g - g.mean(axis=0) + n * (g * n).mean(axis=0)) / s,
    "size": lambda g, n, s: (g - g.sum(axis=0) - n * (g * n).mean(axis=0)) / s,
    "variance": lambda g, n, s: (g - g.mean(axis=0) - n * (g * n).mean(axis=0)) / s**2,
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_a_bug_would_be_right_with_does_not_name_it(name):
    backward = normalise_otherwise(OTHERWISE[name])
    report = gradcheck.check_layer(normalise(0), backward, (X, GAMMA, BETA))
    assert report.findings[0].blocks == ("x",)
    assert report.findings[0].location is not None
    assert report.findings[0].code not in ("GC853", "GC301", "GC302")


def test_repeated_classes_of_other_samples_are_no_lost_index():
    classes = np.array([1, 3, 1, 0, 3])

    def forward(scores):
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(shares[np.arange(5), classes]).sum(), shares

    def backward(upstream, shares):
        slopes = shares.copy()
        slopes[:, classes] -= 1
        return upstream * slopes

    report = gradcheck.check_layer(forward, backward, (X[:5],))
    assert [finding.code for finding in report.findings] == ["GC416"]


RIGHT = {
    "dropout": (dropout, lambda u: u * MASK / KEEP, (X,)),
    "batch norm": (normalise(0), normalise_back(0), (X, GAMMA, BETA)),
    "layer norm": (normalise(1), normalise_back(1), (X, GAMMA, BETA)),
    "convolution": (convolve, convolve_back(lambda k: k[::-1, ::-1]), (IMAGE, KERNEL)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_layer_has_no_findings(name):
    report = gradcheck.check_layer(*RIGHT[name])
    assert report.ok
    assert report.findings == ()


def test_a_relu_without_its_mask_is_no_dropout():
    report = gradcheck.check_layer(lambda x: (np.maximum(x, 0), x), lambda u, x: u, (X,))
    assert "GC851" not in [finding.code for finding in report.findings]


def test_a_zero_upstream_gradient_must_give_zero():
    def backward(upstream):
        return upstream * np.sqrt(np.sum(upstream**2)) / np.sqrt(np.sum(upstream**2))

    report = gradcheck.check_layer(lambda x: x, backward, (X,))
    assert report.verdict == "fail"
    assert "upstream gradient of zero" in str(report)


def test_a_relu_of_what_arrives_is_a_mask_of_the_wrong_quantity():
    report = gradcheck.check_layer(
        lambda x: (x * (x > 0), x), lambda up, x: np.maximum(up, 0), (X - 2,)
    )
    assert [finding.code for finding in report.findings] == ["GC307"], str(report)


def test_a_bias_of_columns_is_not_reduced():
    report = gradcheck.check_layer(
        lambda x, w, b: (w @ x + b, (x, w)),
        lambda up, kept: (kept[1].T @ up, up @ kept[0].T, up),
        (X.T, RNG.normal(size=(3, 4)), RNG.normal(size=(3, 1))),
    )
    assert [finding.code for finding in report.findings] == ["GC203"], str(report)
    assert "one column per sample" in report.findings[0].message


def test_a_row_for_a_vector_is_an_axis_too_many_and_no_row_per_sample():
    report = gradcheck.check_layer(
        lambda x, w: (w @ np.tanh(x), (x, w)),
        lambda up, kept: (
            (up[None] @ kept[1]) * (1 - np.tanh(kept[0]) ** 2),
            np.outer(up, np.tanh(kept[0])),
        ),
        (X[0], RNG.normal(size=(2, X.shape[1]))),
    )
    assert [finding.code for finding in report.findings] == ["GC202"], str(report)
    assert "its values are right" in report.findings[0].message


def test_a_two_that_is_forgotten_is_no_other_size():
    def forward(x):
        return np.sqrt(np.mean(x**2, axis=1)), x

    def backward(up, x):
        square = up / (2 * np.sqrt(np.mean(x**2, axis=1)))
        return square[:, None] * x / x.shape[1]

    report = gradcheck.check_layer(forward, backward, (RNG.normal(size=(3, 6)),))
    assert [finding.code for finding in report.findings] == ["GC103"], str(report)


def test_a_right_part_that_is_added_without_its_mean_is_wrong_where_it_is_added():
    def forward(x):
        middle = np.mean(x, axis=1, keepdims=True)
        out = np.tanh(x - middle)
        return out, out

    def backward(up, out):
        total = up * (1 - out**2)
        to_middle = -total.sum(axis=1, keepdims=True)
        total += to_middle
        return total

    report = gradcheck.check_layer(forward, backward, (RNG.normal(size=(3, 5)),))
    assert [finding.code for finding in report.findings] == ["GC101"], str(report)
    assert "   total += to_middle" in str(report)
    assert "to_middle = " not in str(report)


class GatedStep:
    """A step of a recurrent layer over flat vectors whose backward pass works on rows."""

    def __init__(self):
        rng = np.random.default_rng(4)
        self.U, self.V = rng.normal(size=(4, 4)), rng.normal(size=(4, 3))

    def forward(self, x, h):
        self.x, self.h = x, h
        self.g = 1 / (1 + np.exp(-(self.V @ x)))
        self.n = np.tanh(self.U @ h)
        return self.g * self.n

    def backward(self, delta):
        delta = delta.reshape(1, -1)
        dn = delta * self.g * (1 - self.n**2)
        dg = delta * self.n * self.g * (1 - self.g)
        self.dU, self.dV = np.outer(dn, self.h), np.outer(dg, self.x)
        return dg @ self.V, dn @ self.U


class Unscaled(GatedStep):
    def backward(self, delta):
        delta = delta.reshape(1, -1)
        dn = delta * self.g * (1 - self.n**2)
        dg = delta * self.n * self.g * (1 - self.g)
        self.dU, self.dV = np.outer(dn, self.h), np.outer(dg, self.x)
        return dg @ self.V, delta * self.g @ self.U


def test_a_row_in_place_of_a_vector_does_not_hide_that_its_values_are_wrong():
    inputs = (np.array([0.4, -1.0, 0.7]), np.array([0.2, 0.9, -0.6, 1.1]))
    shaped, wrong = (
        gradcheck.check_layer(layer.forward, layer.backward, inputs)
        for layer in (GatedStep(), Unscaled())
    )
    assert [one.code for one in shaped.findings] == ["GC202", "GC202"]
    assert {one.code for one in wrong.findings if "h" in one.blocks} == {"GC202", "GC405"}, wrong


def test_a_softplus_without_its_slope_lacks_a_slope_and_is_no_other_parameterisation():
    report = gradcheck.check_layer(
        lambda x: (np.log1p(np.exp(x)), x), lambda upstream, x: upstream, (X,)
    )
    assert report.findings[0].code == "GC303"
