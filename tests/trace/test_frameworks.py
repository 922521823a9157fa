"""Layers of a framework of one's own: shared updates, borrowed modules, windows written back."""

import importlib
import sys

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(31)


class Rule:
    """An update that all parameters of a layer share."""

    def apply(self, layer, grads, rate):
        for name in layer.params:
            layer.params[name] -= rate * grads[name]


class Pair:
    def __init__(self):
        shapes = {"A": (3, 4), "B": (4, 2), "a": (4,), "b": (2,)}
        self.params = {name: RNG.normal(size=shape) for name, shape in shapes.items()}
        self.rule = Rule()

    def forward(self, rows):
        self.rows = rows
        self.mid = np.tanh(rows @ self.params["A"] + self.params["a"])
        return self.mid @ self.params["B"] + self.params["b"]

    def backward(self, up, rate):
        below = up @ self.params["B"].T * (1 - self.mid**2)
        grads = {"b": up.sum(axis=0), "a": below.sum(axis=0)}
        grads["B"] = self.mid.T @ up / len(up)
        grads["A"] = self.rows.T @ below / len(up)
        self.rule.apply(self, grads, rate)


def test_a_factor_of_some_parameters_is_not_blamed_on_the_update_of_all():
    pair, rows, up = Pair(), RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))

    def step(_, lr):
        pair.forward(rows)
        pair.backward(up, lr)

    report = gradcheck.check_step(
        step, pair, loss=lambda _: float(np.sum(pair.forward(rows) * up)), learning_rate=0.1
    )
    (finding,) = report.findings
    assert finding.location.source.startswith("grads[")
    assert "leave the division by `len(up)` out" in finding.fix


class Windows:
    """A convolution of maps `(m, height, width)`, whose arrays are made by a module it holds."""

    def __init__(self, exchanged):
        self.xp, self.exchanged = np, exchanged
        self.kernel = RNG.normal(size=4)

    def forward(self, maps):
        xp = self.xp
        self.padded = xp.pad(maps, ((0, 0), (1, 1), (1, 1)))
        out = xp.zeros((len(maps), maps.shape[1] + 1, maps.shape[2] + 1))
        for i in range(2):
            for j in range(2):
                out += self.kernel[2 * i + j] * self.padded[:, i : i + 5, j : j + 5]
        return out

    def backward(self, up):
        found = self.xp.zeros(self.padded.shape)
        for i in range(2):
            for j in range(2):
                if self.exchanged:
                    found[:, j : j + 5, i : i + 5] += self.kernel[2 * i + j] * up
                else:
                    found[:, i : i + 5, j : j + 5] += self.kernel[2 * i + j] * up
        return found[:, 1:-1, 1:-1]


@pytest.mark.parametrize("exchanged", [False, True])
def test_windows_that_are_added_at_exchanged_indices_are_told(exchanged):
    windows = Windows(exchanged)
    report = gradcheck.check_layer(windows.forward, windows.backward, RNG.normal(size=(2, 4, 4)))
    assert report.ok != exchanged
    if exchanged:
        assert report.findings[0].code == "GC201"
        assert report.findings[0].fix == "write `found[:, i:i + 5, j:j + 5]`"
    assert windows.xp is np


ROWS, TARGETS = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 4))


def kept(p):
    state, all_kept = np.full(4, 0.5), []
    for row in ROWS:
        gate = 1 / (1 + np.exp(-(row @ p["U"])))
        state = np.tanh(gate * (state @ p["V"]))
        all_kept.append({"gate": gate, "state": state, "row": row})
    return all_kept


def loss_of_kept(p):
    return 0.5 * sum(np.sum((k["state"] - t) ** 2) for k, t in zip(kept(p), TARGETS, strict=True))


def grad_of_kept(p):
    all_kept, after = kept(p), np.zeros(4)
    found = {name: np.zeros_like(value) for name, value in p.items()}
    for t in reversed(range(5)):
        k = all_kept[t]
        before = all_kept[t - 1]["state"] if t else np.full(4, 0.5)
        d = (k["state"] - TARGETS[t] + after) * (1 - k["state"] ** 2)
        found["V"] += np.outer(k["state"], d * k["gate"])  # not `before`
        slope = k["gate"] * (1 - k["gate"])
        found["U"] += np.outer(k["row"], d * (before @ p["V"]) * slope)
        after = (d * k["gate"]) @ p["V"].T
    return found


def test_what_is_kept_by_name_is_not_read_at_a_name_minus_one():
    params = {"U": RNG.normal(size=(3, 4)), "V": RNG.normal(size=(4, 4))}
    (finding,) = gradcheck.check(loss_of_kept, params, grad_of_kept).findings
    assert finding.code == "GC416"
    assert finding.location.source.startswith('found["V"] += ')
    assert finding.fix == "take that of the pass before, as the loss runs"


def kernel_loss(kernels):
    tiles = np.stack([MAPS[:, i : i + 4, j : j + 4] for i in range(2) for j in range(2)])
    return float(np.sum(np.tanh(np.einsum("tmxyc,oct->mxyo", tiles, kernels.reshape(3, 2, 4)))))


MAPS = RNG.normal(size=(2, 5, 5, 2))


@pytest.mark.parametrize(
    ("laid", "fix"),
    [
        ("turned.reshape(3, -1)", None),
        ("of_tiles.reshape(3, -1)", "write `of_tiles.transpose(1, 2, 0)` for `of_tiles`"),
        (
            "of_tiles.transpose(1, 0, 2).reshape(3, -1)",
            "write `of_tiles.transpose(1, 2, 0)` for `of_tiles.transpose(1, 0, 2)`",
        ),
    ],
)
def test_a_reshape_of_axes_in_another_order_is_told(laid, fix, tmp_path, monkeypatch):
    (tmp_path / "kernels_laid.py").write_text(
        "import numpy as np\n\n\ndef kernel_grad(kernels, maps):\n"
        "    parts = [maps[:, i : i + 4, j : j + 4] for i in range(2) for j in range(2)]\n"
        "    tiles, weights = np.stack(parts), kernels.reshape(3, 2, 4)\n"
        "    out = np.tanh(np.einsum('tmxyc,oct->mxyo', tiles, weights))\n"
        "    of_tiles = np.einsum('mxyo,tmxyc->toc', 1 - out**2, tiles)\n"
        "    turned = of_tiles.transpose(1, 2, 0)\n"
        f"    return {laid}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kernels_laid", raising=False)
    grad = importlib.import_module("kernels_laid").kernel_grad
    report = gradcheck.check(kernel_loss, RNG.normal(size=(3, 8)), lambda k: grad(k, MAPS))
    assert report.ok == (fix is None)
    if fix:
        assert (report.findings[0].code, report.findings[0].fix) == ("GC201", fix)
        assert report.findings[0].location.line == 10


def relu_layer(x, W, b):
    out = np.maximum(x @ W + b, 0)
    return out, (x, W)


def relu_layer_back(up, cache):
    x, W = cache
    by_b = up.sum(axis=0)  # without the slope of the relu
    return up @ W.T, x.T @ up, by_b


def test_what_a_backward_pass_is_given_is_blamed_at_its_first_use():
    inputs = (RNG.normal(size=(6, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4))
    (finding,) = gradcheck.check_layer(relu_layer, relu_layer_back, inputs).findings
    assert finding.code == "GC303"
    assert finding.location.source.startswith("by_b = up.sum(axis=0)")


def kept_back(up, keep):
    return up * MASK * keep


def divided_back(up, keep):
    return up * MASK / keep


MASK = RNG.random((6, 3)) < 0.7


@pytest.mark.parametrize(
    ("power", "back", "fix"),
    [(-1, kept_back, "write `up * MASK / keep`"), (1, divided_back, "write `up * MASK * keep`")],
)
def test_a_constant_that_multiplies_and_is_to_divide_is_told(power, back, fix):
    report = gradcheck.check_layer(
        lambda x: x * MASK * 0.7**power, lambda up: back(up, 0.7), RNG.normal(size=(6, 3))
    )
    assert (report.findings[0].code, report.findings[0].fix) == ("GC418", fix)


def nll_and_slope(scores):
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    total = grown.sum(axis=1, keepdims=True)
    rows, labels = np.arange(4), np.array([0, 2, 1, 1])
    logs = scores - scores.max(axis=1, keepdims=True) - total  # not its logarithm
    slope = grown / total
    slope[rows, labels] -= 1
    return -logs[rows, labels].mean(), slope / 4


def test_a_loss_that_lacks_a_logarithm_is_doubted():
    finding = gradcheck.check(nll_and_slope, RNG.normal(size=(4, 3))).findings[0]
    assert finding.code == "GC607"
    assert "the logarithm of `grown.sum(axis=1, keepdims=True)`" in finding.message
