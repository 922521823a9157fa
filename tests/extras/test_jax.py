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


def with_rule(function, forward, backward):
    made = jax.custom_vjp(function)
    made.defvjp(forward, backward)
    return made


def gate(x):
    return x * jax.nn.sigmoid(x)


def gate_backward(x, upstream):
    sigmoid = jax.nn.sigmoid(x)
    bend = sigmoid * sigmoid
    return (upstream * (sigmoid + x * bend),)


RULE = with_rule(gate, lambda x: (gate(x), x), gate_backward)
DOUBLED = with_rule(jnp.sin, lambda x: (2 * jnp.sin(x), x), lambda x, up: (up * jnp.cos(x),))


@pytest.fixture
def column():
    with jax.enable_x64(True):
        yield jnp.asarray([0.4, -1.3, 2.1, 0.8])


@pytest.mark.parametrize(
    ("function", "name"), [(RULE, ""), (jax.jit(RULE), "gate"), (lambda x: 2 * RULE(x), "gate")]
)
def test_the_line_of_a_rule(column, function, name):
    report = gradcheck.check_layer(function, None, column)
    assert report.verdict == "fail"
    assert report.findings[0].location.source == "bend = sigmoid * sigmoid"
    assert report.findings[0].message.startswith(f"in {name}: " if name else "`")


def test_a_rule_under_vmap_is_blamed(column):
    rows = jnp.stack([column, column[::-1]])
    report = gradcheck.check(lambda p: jax.vmap(RULE)(p).sum(), rows)
    assert report.findings[0].location.source == "bend = sigmoid * sigmoid"


@pytest.mark.parametrize(
    "check",
    [
        lambda x: gradcheck.check_layer(DOUBLED, None, x),
        lambda x: gradcheck.check(lambda x: DOUBLED(x).sum(), x),
    ],
)
def test_a_forward_rule_gives_the_value_of_its_function(column, check):
    report = check(column)
    assert report.verdict == "fail"
    assert "must return the function's own value" in report.findings[0].message


def jvp_of(slope):
    made = jax.custom_jvp(jnp.tanh)
    made.defjvp(lambda primals, tangents: (made(*primals), slope(*primals) * tangents[0]))
    return made


@pytest.mark.parametrize(
    ("slope", "verdict"),
    [(lambda x: 1 - jnp.tanh(x) ** 2, "pass"), (lambda x: 1 - jnp.tanh(x), "fail")],
)
@pytest.mark.parametrize("wrap", [lambda function: function, jax.vmap, jax.jit])
def test_a_custom_jacobian_vector_product(column, slope, verdict, wrap):
    assert gradcheck.check_layer(wrap(jvp_of(slope)), None, column).verdict == verdict


@pytest.mark.parametrize(
    "check",
    [
        lambda rule, x: gradcheck.check_layer(rule, None, x),
        lambda rule, x: gradcheck.check(lambda x: jax.vmap(rule)(x).sum(), x),
    ],
)
def test_a_rule_for_tangents_has_its_line(column, check):
    made = jax.custom_jvp(lambda x: jnp.tanh(x))

    @made.defjvp
    def rule(primals, tangents):
        y = jnp.tanh(primals[0])
        return y, (1 - y) * tangents[0]

    finding = check(made, column).findings[0]
    assert finding.location.source.strip() == "return y, (1 - y) * tangents[0]"
    assert "slope of tanh" in finding.message


def test_the_second_order(column):
    assert gradcheck.check_layer(lambda x: jnp.sin(x) * x[::-1], None, column, order=2).ok
    still = with_rule(
        jnp.sin, lambda x: (jnp.sin(x), x), lambda x, up: (up * jnp.cos(jax.lax.stop_gradient(x)),)
    )
    assert gradcheck.check_layer(still, None, column).ok
    report = gradcheck.check_layer(still, None, column, order=2)
    assert verdicts(report) == {"x": "wrong", "upstream": "ok"}
    assert gradcheck.check(lambda p: jnp.sin(p["a"]).sum(), {"a": column}, order=2).ok


def test_settings_of_a_rule_are_not_perturbed(column):
    power = jax.custom_vjp(lambda n, x: x**n, nondiff_argnums=(0,))
    power.defvjp(lambda n, x: (x**n, x), lambda n, x, up: (up * n * x ** (n - 1),))
    assert gradcheck.check_layer(power, None, (3, column)).ok


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_no_false_alarm(column, dtype):
    report = gradcheck.check_layer(jnp.sin, None, column.astype(dtype))
    assert report.verdict in ("pass", "inconclusive")


def test_what_is_not_searched_for_is_said(column):
    report = gradcheck.check_layer(RULE, None, column, repair=5)
    assert "where jax does not run" in report.repair.reason


def test_a_complex_rule_of_jax_is_read_as_jax_reads_it():
    def rule(back):
        @jax.custom_vjp
        def square(z):
            return z * z

        square.defvjp(lambda z: (z * z, z), lambda z, upstream: (upstream * 2 * back(z),))
        return square

    z = jnp.array([0.3 + 0.2j, 1 - 0.5j])
    assert gradcheck.check_layer(rule(lambda z: z), None, z).ok
    assert not gradcheck.check_layer(rule(jnp.conj), None, z).ok  # it would be right in torch


def test_a_product_of_jax_is_given_a_tree():
    def loss(p):
        return jnp.sum(jnp.sin(p["a"]) * p["b"][0])

    at = {"a": jnp.array([0.3, -1.2]), "b": jnp.array([0.7, 2.0])}

    def product(p, v):
        return jax.jvp(jax.grad(loss), (p,), (v,))[1]

    assert gradcheck.check_hessian(loss, at, product, grad=jax.grad(loss)).ok


def test_an_input_may_be_a_tree():
    at = {"a": jnp.array([0.3, -1.2]), "b": jnp.array([0.7, 2.0])}
    assert gradcheck.check_layer(lambda p: p["a"] * jnp.sin(p["b"]), None, (at,)).ok
    pulled = gradcheck.check_layer(
        lambda p: jax.vjp(lambda q: q["a"] * q["b"], p), lambda g, v: v(g), (at,)
    )
    assert pulled.ok
