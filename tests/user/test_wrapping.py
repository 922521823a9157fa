"""`gradcheck.parameters`: names, shapes, only, in_place; and arrays that are tied."""

import numpy as np
import pytest

import gradcheck

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 4)), RNG.normal(size=(7, 3))
W, B = RNG.normal(size=(4, 3)), RNG.normal(size=3)
THETA = np.concatenate([W.ravel(), B])
SHAPES = {"W1": (4, 3), "b1": (3,)}


def vector_loss(theta):
    return 0.5 * np.sum((X @ theta[:12].reshape(4, 3) + theta[12:] - Y) ** 2)


def vector_gradient(theta, factor=1.0):
    delta = X @ theta[:12].reshape(4, 3) + theta[12:] - Y
    return np.concatenate([(X.T @ delta).ravel(), factor * delta.sum(axis=0)])


def verdicts(report):
    return {block.name: block.verdict for block in report.blocks}


def test_a_vector_is_reported_by_the_blocks_that_lie_in_it():
    before = THETA.copy()
    cut = gradcheck.parameters(THETA, shapes=SHAPES)
    assert gradcheck.check(vector_loss, cut, vector_gradient).ok
    report = gradcheck.check(vector_loss, cut, lambda theta: vector_gradient(theta, 2.0))
    assert verdicts(report) == {"W1": "ok", "b1": "wrong"}
    assert report.findings[0].code == "GC103"
    assert np.array_equal(THETA, before)


def test_the_gradient_of_a_cut_vector_may_come_in_blocks():
    def in_blocks(theta):
        whole = vector_gradient(theta)
        return {"dW1": whole[:12].reshape(4, 3), "db1": whole[12:]}

    assert gradcheck.check(vector_loss, gradcheck.parameters(THETA, shapes=SHAPES), in_blocks).ok


def test_a_column_vector_keeps_its_shape():
    def loss(theta):
        assert theta.shape == (15, 1)
        return vector_loss(theta.ravel())

    column = gradcheck.parameters(THETA.reshape(-1, 1), shapes=SHAPES)
    assert gradcheck.check(loss, column, lambda t: vector_gradient(t.ravel()).reshape(-1, 1)).ok
    with pytest.raises(gradcheck.UsageError, match=r"shape \(15,\).*vector of shape \(15, 1\)"):
        gradcheck.check(loss, column, lambda t: vector_gradient(t.ravel()))


def test_a_vector_cut_in_place_is_the_very_one():
    theta = THETA.copy()
    cut = gradcheck.parameters(theta, shapes=SHAPES, in_place=True)
    report = gradcheck.check(lambda: vector_loss(theta), cut, lambda: vector_gradient(theta))
    assert verdicts(report) == {"W1": "ok", "b1": "ok"}
    assert np.array_equal(theta, THETA)


def test_only_what_is_asked_for_is_checked():
    def loss(params):
        return 0.5 * np.sum((X @ params["W"] * params["scale"] + params["b"] - Y) ** 2)

    def gradient(params):
        delta = X @ params["W"] * params["scale"] + params["b"] - Y
        return {"W": X.T @ (delta * params["scale"])}

    params = {"W": W, "b": B, "scale": np.full(3, 1.5)}
    assert verdicts(gradcheck.check(loss, params, gradient))["b"] == "missing"
    report = gradcheck.check(loss, gradcheck.parameters(params, only="W"), gradient)
    assert report.ok
    assert verdicts(report) == {"W": "ok", "b": "not checked", "scale": "not checked"}
    assert "as only= leaves them out: b and scale" in str(report)


@pytest.mark.parametrize(
    ("only", "checked"),
    [
        (["layers[*].W"], {"layers[0].W", "layers[1].W"}),
        (["layers[1]"], {"layers[1].W", "layers[1].b"}),
        (["layers"], {"layers[0].W", "layers[0].b", "layers[1].W", "layers[1].b"}),
        (["*b", "layers[0].W"], {"layers[0].b", "layers[1].b", "layers[0].W"}),
    ],
)
def test_patterns_name_paths(only, checked):
    params = {"layers": [{"W": W, "b": B}, {"W": X, "b": np.ones(2)}], "layers2": Y}
    found = gradcheck.parameters(params, only=only)
    assert set(found.names) == checked


def test_gradients_in_order_are_of_those_that_are_checked():
    only = gradcheck.parameters([W, B], only="params[1]")

    def gradient(params):
        return [(X @ params[0] + params[1] - Y).sum(axis=0)]

    report = gradcheck.check(
        lambda params: 0.5 * np.sum((X @ params[0] + params[1] - Y) ** 2), only, gradient
    )
    assert verdicts(report) == {"params[0]": "not checked", "params[1]": "ok"}


def test_names_are_the_users_own_and_gradients_are_found_under_either():
    def loss(params):
        return 0.5 * np.sum((X @ params[0] + params[1] - Y) ** 2)

    def gradient(params):
        delta = X @ params[0] + params[1] - Y
        return {"dW1": X.T @ delta, "db1": delta.sum(axis=0)}

    named = gradcheck.parameters([W, B], names=("W1", "b1"))
    assert verdicts(gradcheck.check(loss, named, gradient)) == {"W1": "ok", "b1": "ok"}
    in_order = gradcheck.check(loss, named, lambda params: list(gradient(params).values()))
    assert verdicts(in_order) == {"W1": "ok", "b1": "ok"}


class Globals:
    """What a script has at its top level."""

    def __init__(self, dtype=np.float64):
        self.arrays = {"W": W.astype(dtype), "b": B.astype(dtype)}

    def loss(self):
        return 0.5 * np.sum((X @ self.arrays["W"] + self.arrays["b"] - Y) ** 2)

    def gradient(self):
        delta = X @ self.arrays["W"] + self.arrays["b"] - Y
        return {"dW": X.T @ delta, "db": delta.sum(axis=0)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_functions_without_arguments_read_the_very_arrays(dtype):
    script = Globals(dtype)
    kept, before = script.arrays["W"], script.arrays["W"].copy()
    report = gradcheck.check(
        script.loss, gradcheck.parameters(script.arrays, in_place=True), script.gradient
    )
    assert verdicts(report) == {"W": "ok", "b": "ok"}
    assert script.arrays["W"] is kept
    assert np.array_equal(kept, before)
    assert kept.dtype == dtype


def test_the_very_arrays_are_restored_when_the_loss_raises():
    def loss():
        if array[3] != 3.0 and array[0] == 0.0:
            raise RuntimeError("enough")
        return float(np.sum(array**2))

    array = np.arange(5.0)
    report = gradcheck.check(
        loss, gradcheck.parameters(array, in_place=True), lambda: 2 * array, entries="all"
    )
    assert any(note.startswith("not judged: params[3]") for note in report.notes)
    assert np.array_equal(array, np.arange(5.0))


def test_a_function_without_arguments_needs_the_very_arrays():
    script = Globals()
    with pytest.raises(gradcheck.UsageError, match="in_place=True"):
        gradcheck.check(script.loss, script.arrays, script.gradient)


READ_ONLY = np.ones(3)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("params", "wishes", "message"),
    [
        ([W, B], {"names": ["W1"]}, "1 names"),
        ([W, B], {"names": ["W1", "W1"]}, "each its own"),
        (THETA, {"shapes": {"W1": (4, 4)}}, r"16 \(W1\) = 16 numbers, and params has 15"),
        ([W, B], {"shapes": {"W1": (4, 3)}}, "one vector"),
        ([W, B], {"only": ["weights"]}, "'weights', which is the name of no parameter"),
        ([W, B], {"only": []}, "nothing to check"),
        (READ_ONLY, {"in_place": True}, "read-only"),
        (np.arange(3), {"in_place": True}, "no arrays|integers"),
    ],
)
def test_wishes_that_do_not_fit_are_refused(params, wishes, message):
    with pytest.raises(gradcheck.UsageError, match=message):
        gradcheck.parameters(params, **wishes)


SQUARE = RNG.normal(size=(4, 4))


def tied_loss(params):
    return 0.5 * np.sum((np.tanh(X @ params["encoder"]) @ params["decoder"] - X) ** 2)


def parts(params):
    hidden = np.tanh(X @ params["encoder"])
    delta = hidden @ params["decoder"] - X
    return X.T @ (delta @ params["decoder"].T * (1 - hidden**2)), hidden.T @ delta


RETURNED = {
    "parts": (lambda e, d: {"encoder": e, "decoder": d}, "ok"),
    "the whole, once": (lambda e, d: {"encoder": e + d}, "ok"),
    "the whole, twice": (lambda e, d: {"encoder": e + d, "decoder": e + d}, "ok"),
    "a wrong part": (lambda e, d: {"encoder": e, "decoder": 2 * d}, "wrong"),
    "a part alone": (lambda e, d: {"encoder": e}, "wrong"),
}


@pytest.mark.parametrize("way", RETURNED)
@pytest.mark.parametrize("transposed", [False, True])
def test_one_array_under_two_names_is_one_block(way, transposed):
    combine, verdict = RETURNED[way]

    def gradient(params):
        encoder, decoder = parts(params)
        if not transposed:
            return combine(encoder, decoder)
        returned = combine(encoder, decoder.T)
        if "decoder" in returned:
            returned["decoder"] = returned["decoder"].T
        return returned

    params = {"encoder": SQUARE, "decoder": SQUARE.T if transposed else SQUARE}
    report = gradcheck.check(tied_loss, params, gradient)
    assert verdicts(report) == {"encoder": verdict}
    assert "encoder and decoder are one array (tied)" in str(report)


def test_equal_parts_of_a_tied_gradient_are_told_from_the_whole():
    twice = [SQUARE, SQUARE]

    def loss(params):
        return float(np.sum(params[0] ** 2) + np.sum(params[1] ** 2))

    assert gradcheck.check(loss, twice, lambda params: [2 * params[0], 2 * params[1]]).ok
    assert gradcheck.check(loss, twice, lambda params: [4 * params[0], 4 * params[1]]).ok
    assert not gradcheck.check(loss, twice, lambda params: [3 * params[0], 3 * params[1]]).ok


class TiedAutoencoder:
    def __init__(self, dtype=np.float64):
        self.encoder = SQUARE.astype(dtype)
        self.decoder = self.encoder.T

    def loss(self):
        self.hidden = np.tanh(X @ self.encoder)
        self.delta = self.hidden @ self.decoder - X
        return 0.5 * np.sum(self.delta**2)

    def backward(self):
        self.d_encoder = X.T @ (self.delta @ self.decoder.T * (1 - self.hidden**2))
        self.d_decoder = self.hidden.T @ self.delta


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_object_may_hold_an_array_and_its_transpose(dtype):
    network = TiedAutoencoder(dtype)
    report = gradcheck.check(TiedAutoencoder.loss, network, TiedAutoencoder.backward)
    assert report.ok, str(report)
    assert "encoder and decoder are one array (tied)" in str(report)
    assert np.array_equal(network.encoder, SQUARE.astype(dtype))
    assert np.shares_memory(network.encoder, network.decoder)
