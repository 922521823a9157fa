# ruff: noqa: B905, E741, N812, I001, RUF012, RUF007, RUF059, RUF100  # as users write it
"""Functions of p["x"] (3, 4), p["y"] (4,), p["z"] (2, 3, 4) and the number p["s"]: one per kind."""

import math
from math import exp

import numpy as np
from numpy import tanh, zeros

import helpers


def point():
    rng = np.random.default_rng(3)
    return {
        "x": rng.normal(size=(3, 4)),
        "y": rng.normal(size=4),
        "z": rng.normal(size=(2, 3, 4)),
        "s": 1.3,
    }


def buffer_in_loop(p):
    out = np.zeros((3, 4))
    for i in range(3):
        for j in range(4):
            out[i, j] = p["x"][i, j] * p["y"][j]
    return out


def buffer_of_the_type_of_an_entry(p):
    out = np.zeros((3, 4), dtype=type(p["x"][0][0]))
    for i in range(3):
        for j in range(4):
            out[i][j] = p["x"][i][j] * p["y"][j]
    return out


def rows_in_loop(p):
    out = np.empty_like(p["x"])
    for i, row in enumerate(p["x"]):
        out[i] = row * p["y"]
    out[1:] -= p["y"]
    return out


def flat_theta(p):
    theta = np.zeros(20)
    theta[:12] = p["x"].ravel()
    theta[12:16] = p["y"]
    left, right = theta[:12].reshape(3, 4), theta[12:16]
    theta[4:8] *= 3
    return left * right


def writes_through_views(p):
    a = p["x"].copy()
    column = a[:, 1]
    turned = a.T
    column *= p["y"][0]
    turned[2] = p["y"][:3]
    block = turned[1:3][:, ::2]
    block += 1.5
    return a * column[:, None]


def lists_put_into_arrays(p):
    sums = [np.sum(row) for row in p["x"]]
    made = np.ones((3, 3))
    made[:, 0] = sums
    made[1] += sums
    return made * np.add.reduce(sums) + np.multiply.outer(sums, [p["s"]] * 3)


def stale_view(p):
    a = p["x"] * 2
    view = a[0]
    before = view * 1
    a[0] = p["y"]
    return before + view * 3


def in_place_operators(p):
    a = p["x"].copy()
    a += p["y"]
    a -= 2
    a *= a
    a /= p["s"]
    a **= 2
    return a


def scalar_updates(p):
    total = p["s"]
    before = total
    for value in p["y"]:
        total += value * value
        total /= 1.5
    return total * before


def number_to_a_power(p):
    return p["y"][1] ** 2 + p["y"][2] ** 3 + 2.0 ** p["y"][0] + p["s"] ** 1.5


def add_at(p):
    out = np.zeros((5, 4))
    np.add.at(out, [0, 2, 2], p["x"])
    np.subtract.at(out, np.array([4, 4, 0]), p["x"] * p["s"])
    return out


def out_arguments(p):
    out = np.empty((3, 4))
    np.multiply(p["x"], p["y"], out=out)
    np.add(out, 1.0, out=out, where=out > 0)
    total = np.zeros(4)
    np.sum(out, axis=0, out=total)
    product = np.zeros(3)
    np.dot(out, p["y"], out=product)
    return total[:3] * product


def masks(p):
    a = p["x"].copy()
    a[a < 0] = 0
    b = np.where(p["x"] > 0, p["x"], 0.1 * p["x"])
    b[p["x"] > 1] *= 2
    return a + b * (p["x"] < 0.5)


def of_math(p):
    parts = [math.exp(-v) + math.log(1 + v * v) + exp(v / 3) for v in p["y"]]
    return math.sqrt(sum(parts)) + math.pow(p["s"], 2) + math.tanh(p["s"]) * math.pi


def of_float(p):
    values = [float(v) for v in p["y"]]
    a = np.array(values, dtype=float)
    checked = sum(v for v in values if isinstance(v, float))
    return a * float(p["s"]) + checked + float("1.5") + a.astype(float)


def generators(p):
    def squares():
        for row in p["x"]:
            yield row * row

    return sum(squares()) + sum(v for v in p["y"])


def closures(p):
    kept = {}

    def keep(name, value):
        kept[name] = np.tanh(value)
        return lambda up: up * (1 - kept[name] ** 2)

    back = keep("a", p["x"])
    return back(kept["a"] * p["y"])


class Layer:
    offset = np.linspace(-1, 1, 4)

    def __init__(self, gain):
        self.gain = gain

    def forward(self, x):
        self.x = x
        return x * self.gain + self.offset

    def backward(self, up):
        self.d_gain = (up * self.x).sum(axis=0)
        return up * self.gain


def classes(p):
    layer = Layer(p["y"])
    out = layer.forward(p["x"])
    return layer.backward(out) + layer.d_gain


def other_module(p):
    return helpers.squash(p["x"], helpers.OFFSET) + helpers.Table.rows["wide"](p["y"])


def imported_functions(p):
    a = zeros((3, 4))
    a[0] = tanh(p["y"])
    return a + p["x"]


def lists_of_arrays(p):
    columns = [p["x"][:, j] for j in range(4)]
    return np.array(columns).T * np.stack([p["y"]] * 3) + np.vstack([p["y"], p["x"][:2]])


def flat_iteration(p):
    out = np.zeros_like(p["x"])
    for i, value in enumerate(p["x"].flat):
        out.flat[i] = value * value
    return out * p["x"].tolist()[1][2]


def unusual_calls(p):
    a = np.copy(p["x"])
    np.copyto(a, p["y"])
    np.fill_diagonal(a, p["s"])
    b = p["x"].copy()
    b.sort(axis=1)
    b.fill(2.0)
    c = np.array(p["x"])
    np.put(c, [0, 5], p["y"][:2])
    return a * c + b


SMALL = {
    "whole_numbers_in_a_list": lambda p: np.array([[p["y"][0], 100], [2, p["y"][1] * 3]]),
    "lists_of_numbers": lambda p: (
        np.exp([np.dot(one, p["y"]) for one in p["x"]])
        * [np.dot([2 * entry for entry in p["y"]], p["x"][i]) for i in range(3)]
    ),
    "indexing": lambda p: p["x"][1:, ::2] * p["x"][[0, 2]][:, [1, 3]] + p["y"][None, :2],
    "arithmetic": lambda p: (2 - p["x"]) / (1 + p["y"] ** 2) + -p["x"] * +p["y"] + abs(p["x"]) ** 3,
    "sums": lambda p: (
        p["x"].sum(0) + np.sum(p["x"], axis=-1, keepdims=True) + np.add.reduce(p["x"])
    ),
    "means": lambda p: np.mean(p["x"]) + p["x"].mean(axis=1, keepdims=True) * p["x"],
    "extremes": lambda p: p["x"].max(axis=1) + np.min(p["x"], axis=1) + np.amax(p["y"]),
    "ufunc_reduce": lambda p: np.maximum.reduce(p["x"]) + np.multiply.reduce(p["x"], axis=0),
    "spread": lambda p: p["x"].var(axis=0, ddof=1) + np.std(p["x"], axis=0) + p["y"].std(),
    "products": lambda p: p["x"] @ p["y"] + np.dot(p["x"], p["y"]) + (p["x"] @ p["x"].T).sum(1),
    "stacked_products": lambda p: p["z"] @ p["x"].T + np.matmul(p["z"], p["z"].transpose(0, 2, 1)),
    "outer_inner": lambda p: np.outer(p["y"], p["y"]) + np.inner(p["x"].T, p["x"].T),
    "vdot": lambda p: np.vdot(p["y"], p["y"]) + np.multiply.outer(p["y"], p["y"]),
    "tensordot": lambda p: np.tensordot(p["z"], p["x"], axes=([1, 2], [0, 1])),
    "einsum": lambda p: (
        np.einsum("ij,j->i", p["x"], p["y"]) + np.einsum("kij,ij->i", p["z"], p["x"])
    ),
    "einsum_implicit": lambda p: (
        np.einsum("ij,kj", p["x"], p["x"]) + np.einsum("ii", p["x"][:, :3])
    ),
    "kron": lambda p: np.kron(p["y"], p["x"]),
    "elementary": lambda p: (
        np.exp(p["x"]) + np.log(np.abs(p["x"])) + np.tanh(p["x"]) + np.sin(p["x"])
    ),
    "roots": lambda p: np.sqrt(p["x"] ** 2 + 1) + np.power(np.abs(p["x"]), 1.5) + np.cos(p["x"]),
    "careful": lambda p: np.log1p(p["x"] ** 2) + np.expm1(p["x"]) + np.logaddexp(0, p["x"]),
    "more_elementary": lambda p: (
        np.arctan(p["x"]) + np.cosh(p["x"]) + np.square(p["x"]) + np.log2(3 + p["y"])
    ),
    "choices": lambda p: (
        np.maximum(p["x"], 0) + np.minimum(p["x"], p["y"]) + np.sign(p["x"]) * p["x"]
    ),
    "clipping": lambda p: np.clip(p["x"], -0.5, 0.5) + p["x"].clip(0, None) + np.abs(p["x"]),
    "where": lambda p: np.where(p["x"] > 0, p["x"], np.exp(np.minimum(p["x"], 0)) - 1),
    "stacking": lambda p: np.concatenate([p["x"], p["y"][None]]) * np.vstack([p["x"], p["y"]]),
    "short_stacks": lambda p: np.c_[p["x"], p["x"][:, 0]] + np.r_[p["y"], p["s"]],
    "appended": lambda p: (
        np.append(p["x"], np.ones((3, 1)), axis=1) + np.hstack([p["x"], p["x"][:, :1]])
    ),
    "cut": lambda p: np.delete(p["x"], 1, axis=0) * np.insert(p["y"], 1, p["s"])[:4],
    "pieces": lambda p: np.split(p["x"], 2, axis=1)[0] * np.hsplit(p["x"], 2)[1],
    "padded": lambda p: (
        np.pad(p["x"], ((1, 1), (0, 2))) + np.pad(p["x"], ((1, 1), (1, 1)), mode="edge")
    ),
    "rolled": lambda p: np.roll(p["x"], 1, axis=1) * np.flip(p["x"], 0) + np.rot90(p["x"], 2),
    "repeated": lambda p: np.repeat(p["x"], 2, axis=0) + np.tile(p["y"], (6, 1)),
    "reshaped": lambda p: (
        p["x"].reshape(4, 3).T.ravel() * p["x"].flatten() + np.swapaxes(p["x"], 0, 1).reshape(-1)
    ),
    "axes": lambda p: np.moveaxis(p["z"], 0, -1).squeeze() + np.expand_dims(p["x"], -1),
    "broadcast": lambda p: (
        np.broadcast_to(p["y"], (3, 4)) * np.atleast_2d(p["y"]) + np.diag(p["y"])[:3]
    ),
    "triangles": lambda p: np.tril(p["x"]) + np.triu(p["x"], 1) + np.trace(p["x"]),
    "norms": lambda p: np.linalg.norm(p["x"]) + np.linalg.norm(p["x"], axis=1)[:, None] * p["x"],
    "cumulated": lambda p: (
        np.cumsum(p["x"], axis=1) + np.cumprod(p["x"], axis=0) + np.diff(p["y"]).sum()
    ),
    "sorted": lambda p: (
        np.sort(p["x"], axis=1) * p["x"][np.arange(3), p["x"].argmax(axis=1)][:, None]
    ),
    "linalg": lambda p: np.linalg.inv(p["x"][:, :3] + 3 * np.eye(3)) @ p["x"],
    "windows": lambda p: np.lib.stride_tricks.sliding_window_view(p["y"], 2) @ p["y"][:2],
    "numpy_of_numbers": lambda p: np.exp(p["s"]) + np.maximum(p["s"], 0) + np.float64(2) * p["s"],
    "methods": lambda p: (
        p["x"].dot(p["y"]) + p["x"].take([0, 1, 2], axis=1).sum(1) + p["x"].prod(1)
    ),
    "full": lambda p: np.full((3, 4), p["s"]) + np.full_like(p["x"], 2.0) + np.ones(4) * p["x"],
}

LONGER = {
    function.__name__: function
    for function in (
        buffer_in_loop,
        buffer_of_the_type_of_an_entry,
        rows_in_loop,
        flat_theta,
        writes_through_views,
        lists_put_into_arrays,
        stale_view,
        in_place_operators,
        scalar_updates,
        number_to_a_power,
        add_at,
        out_arguments,
        masks,
        of_math,
        of_float,
        generators,
        closures,
        classes,
        other_module,
        imported_functions,
        lists_of_arrays,
        flat_iteration,
        unusual_calls,
    )
}
