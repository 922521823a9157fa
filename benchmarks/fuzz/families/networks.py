"""Networks and their parts, some of which gradcheck recognises."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fuzz.exact import from_formula, tangent
from benchmarks.fuzz.problem import DOORS, Array, Problem, Shapes, family

KIND = "networks"
RECOGNISED = "recognised networks"
EVERY = (*DOORS, "step")


def cut(x: Array, shapes: Shapes) -> list[Array]:
    """The blocks of a flat vector."""
    sizes = [int(np.prod(shape, dtype=int)) for shape in shapes.values()]
    parts = np.split(x, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes.values(), strict=True)]


def start(rng: np.random.Generator, shapes: Shapes, size: float = 1.0) -> Array:
    """Random parameters."""
    return size * rng.normal(size=sum(int(np.prod(shape, dtype=int)) for shape in shapes.values()))


def network_shapes(rng: np.random.Generator, outputs: int) -> Shapes:
    """Of two layers: small, or large enough for the structured engine to pay."""
    n_in, hidden = (4, 5) if rng.random() < 0.5 else (12, 20)
    return {"W1": (n_in, hidden), "b1": (hidden,), "W2": (hidden, outputs), "b2": (outputs,)}


def softmax(z: Array, m: Any) -> Array:
    """Along the last axis, for scores of moderate size."""
    e = m.exp(z)
    return e / np.sum(e, axis=-1, keepdims=True)


def two_layers(
    rng: np.random.Generator, activation: str, shift: float = 0.0, size: float = 1.0
) -> Problem:
    """Two layers with a squared error; `shift` moves the hidden pre-activations."""
    shapes = network_shapes(rng, 3)
    X, Y = rng.normal(size=(6, shapes["W1"][0])), rng.normal(size=(6, 3))

    def loss(x: Array, m: Any) -> Any:
        W1, b1, W2, b2 = cut(x, shapes)
        z = X @ W1 + b1
        if activation == "tanh":
            h = m.tanh(z)
        elif activation == "sigmoid":
            h = 1 / (1 + m.exp(-z))
        else:
            h = m.maximum(z, 0 * z)
        return np.mean((h @ W2 + b2 - Y) ** 2)

    x = start(rng, shapes, size)
    cut(x, shapes)[1][:] += shift
    data = {"inputs": X, "targets": Y}
    return from_formula(loss, x, tangent, shapes=shapes, data=data)


@family(RECOGNISED, EVERY)
def tanh_network(rng: np.random.Generator) -> Problem:
    """An ordinary network."""
    return two_layers(rng, "tanh", size=10.0 ** rng.uniform(-3, 0.3))


@family(RECOGNISED, EVERY)
def sigmoid_network(rng: np.random.Generator) -> Problem:
    """Sigmoids, ordinary to saturated."""
    return two_layers(rng, "sigmoid", shift=rng.choice([0.0, 5.0, 20.0, 40.0]))


@family(RECOGNISED, EVERY)
def relu_network(rng: np.random.Generator) -> Problem:
    """Rectified units, some dead."""
    return two_layers(rng, "relu", shift=rng.choice([0.0, -2.0, -20.0]))


@family(RECOGNISED, EVERY)
def classifier(rng: np.random.Generator) -> Problem:
    """Softmax with cross-entropy, labels as integers."""
    shapes = network_shapes(rng, 3)
    X, labels = rng.normal(size=(7, shapes["W1"][0])), rng.integers(0, 3, 7)

    def loss(x: Array, m: Any) -> Any:
        W1, b1, W2, b2 = cut(x, shapes)
        scores = m.tanh(X @ W1 + b1) @ W2 + b2
        return -np.mean(m.log(softmax(scores, m)[np.arange(7), labels]))

    data = {"inputs": X, "targets": labels}
    return from_formula(loss, start(rng, shapes), tangent, shapes=shapes, data=data)


@family(RECOGNISED, EVERY)
def guarded_logarithm(rng: np.random.Generator) -> Problem:
    """Binary cross-entropy with a small number added inside of its logarithms."""
    shapes = network_shapes(rng, 1)
    X = rng.normal(size=(7, shapes["W1"][0]))
    y = rng.integers(0, 2, (7, 1)).astype(float)
    eps = 10.0 ** rng.uniform(-12, -5)

    def loss(x: Array, m: Any) -> Any:
        W1, b1, W2, b2 = cut(x, shapes)
        p = 1 / (1 + m.exp(-(m.tanh(X @ W1 + b1) @ W2 + b2)))
        return -np.mean(y * m.log(p + eps) + (1 - y) * m.log(1 - p + eps))

    data = {"inputs": X, "targets": y}
    return from_formula(loss, start(rng, shapes), tangent, shapes=shapes, data=data)


@family(KIND, EVERY)
def attention(rng: np.random.Generator) -> Problem:
    """One head over four positions of width two."""
    shapes = {"Q": (2, 2), "K": (2, 2), "V": (2, 2)}
    X, Y = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))

    def loss(x: Array, m: Any) -> Any:
        Q, K, V = cut(x, shapes)
        weights = softmax((X @ Q) @ (X @ K).T / np.sqrt(2), m)
        return np.mean((weights @ (X @ V) - Y) ** 2)

    return from_formula(loss, start(rng, shapes), tangent, shapes=shapes)


@family(KIND, EVERY)
def recurrent(rng: np.random.Generator) -> Problem:
    """Up to twenty steps of tanh, with gradients that vanish or grow."""
    shapes = {"W": (3, 3), "U": (2, 3), "b": (3,), "V": (3, 1)}
    steps, gain = int(rng.integers(3, 21)), rng.uniform(0.2, 2)
    X, Y = rng.normal(size=(steps, 2)), rng.normal(size=(1,))

    def loss(x: Array, m: Any) -> Any:
        W, U, b, V = cut(x, shapes)
        h = 0 * b
        for row in X:
            h = m.tanh(h @ W + row @ U + b)
        return np.sum((h @ V - Y) ** 2)

    return from_formula(loss, start(rng, shapes, gain), tangent, shapes=shapes)


@family(KIND, EVERY)
def convolution(rng: np.random.Generator) -> Problem:
    """Two kernels over an image, a smooth unit, and a sum."""
    shapes = {"kernel": (2, 3, 3), "b": (2,)}
    image, weights = rng.normal(size=(6, 6)), rng.normal(size=(2, 4, 4))

    def loss(x: Array, m: Any) -> Any:
        kernel, b = cut(x, shapes)
        patches = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
        maps = np.einsum("ijkl,ckl->cij", patches, kernel) + b[:, None, None]
        return np.sum(weights * m.tanh(maps))

    return from_formula(loss, start(rng, shapes), tangent, shapes=shapes)


@family(KIND, EVERY)
def batch_normalisation(rng: np.random.Generator) -> Problem:
    """A batch of nearly equal or of varied rows; the bias before it has the derivative 0."""
    shapes = {"W": (3, 4), "b": (4,), "gamma": (4,), "beta": (4,)}
    X, Y = rng.normal(size=(6, 3)) * 10.0 ** rng.uniform(-3, 0), rng.normal(size=(6, 4))

    def loss(x: Array, m: Any) -> Any:
        W, b, gamma, beta = cut(x, shapes)
        z = X @ W + b
        centred = z - np.mean(z, axis=0)
        normal = centred / m.sqrt(np.mean(centred * centred, axis=0) + 1e-5)
        return np.mean((m.tanh(gamma * normal + beta) - Y) ** 2)

    return from_formula(loss, start(rng, shapes), tangent, shapes=shapes)


@family(KIND, EVERY)
def deep_chain(rng: np.random.Generator) -> Problem:
    """Eight narrow layers of any gain: the first blocks have tiny derivatives, or huge ones."""
    shapes = {f"W{k}": (2, 2) for k in range(1, 9)}
    X, Y, gain = rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), rng.uniform(0.1, 1.5)

    def loss(x: Array, m: Any) -> Any:
        h = X
        for W in cut(x, shapes):
            h = m.tanh(h @ W)
        return np.mean((h - Y) ** 2)

    return from_formula(loss, start(rng, shapes, gain), tangent, shapes=shapes)
