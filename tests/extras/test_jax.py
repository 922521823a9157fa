"""Trees of jax arrays and functions with a backward pass of their own, where jax is installed."""

from typing import NamedTuple

import numpy as np
import pytest

import gradcheck

jax = pytest.importorskip("jax")
jnp = jax.numpy

RNG = np.random.default_rng(0)
X, Y = jnp.asarray(RNG.normal(size=(6, 4))), jnp.asarray(RNG.normal(size=(6, 2)))


class Layer(NamedTuple):
    W: jax.Array
    b: jax.Array


PARAMS = {"layers": [Layer(jnp.asarray(RNG.normal(size=(4, 2))), jnp.full(2, 0.1))]}


def loss(params):
    layer = params["layers"][0]
    return jnp.mean((jnp.tanh(X @ layer.W + layer.b) - Y) ** 2)


def verdicts(report):
    return {block.name: block.verdict for block in report.blocks}


@pytest.mark.parametrize("gradient", [None, jax.grad(loss)])
def test_a_tree_of_arrays(gradient):
    report = gradcheck.check(loss, PARAMS, gradient)
    assert verdicts(report) == {"layers[0][0]": "ok", "layers[0][1]": "ok"}


def test_a_gradient_that_is_two_percent_off_is_seen_in_float32():
    report = gradcheck.check(
        loss, PARAMS, lambda params: jax.tree.map(lambda g: 1.02 * g, jax.grad(loss)(params))
    )
    assert verdicts(report) == {"layers[0][0]": "wrong", "layers[0][1]": "wrong"}


def test_float64_is_checked_as_such():
    with jax.enable_x64(True):
        x, y = jnp.asarray(np.array(X), float), jnp.asarray(np.array(Y), float)
        weights = jnp.asarray(RNG.normal(size=(4, 2)))
        report = gradcheck.check(lambda w: jnp.mean((x @ w - y) ** 2), weights)
    assert report.ok
    assert report.blocks[0].resolution < 1e-8


@jax.custom_vjp
def sine(x, w):
    return jnp.sin(x @ w)


def right(saved, upstream):
    x, w = saved
    delta = upstream * jnp.cos(x @ w)
    return delta @ w.T, x.T @ delta


def wrong(saved, upstream):
    x, w = saved
    delta = upstream * jnp.cos(x @ w)
    return delta @ w.T, x.T @ upstream


@pytest.mark.parametrize(("backward", "verdict"), [(right, "ok"), (wrong, "wrong")])
def test_a_custom_vector_jacobian_product(backward, verdict):
    sine.defvjp(lambda x, w: (sine(x, w), (x, w)), backward)
    report = gradcheck.check_layer(sine, None, (X, PARAMS["layers"][0].W))
    assert verdicts(report) == {"x": "ok", "w": verdict}
