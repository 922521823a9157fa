import numpy as np
import pytest

import gradcheck
from gradcheck.errors import UsageError
from gradcheck.user.gradients import read_gradients
from gradcheck.user.structures import flatten

W, B = np.arange(6.0).reshape(2, 3), np.arange(3.0)
FLAT = flatten({"W1": np.zeros((2, 3)), "b1": np.zeros(3)})
GROUPS = flatten(
    {
        "weights": [np.zeros((2, 3)), np.zeros((3, 1))],
        "biases": [np.zeros((1, 3)), np.zeros((1, 1))],
    }
)
LAYERS = flatten({"hidden": {"W": np.zeros((2, 3))}, "out": {"W": np.zeros(3)}})


def values(returned, parameters=FLAT):
    return [block.value for block in read_gradients(returned, parameters).blocks]


@pytest.mark.parametrize(
    "names",
    [
        ("W1", "b1"),
        ("dW1", "db1"),
        ("d_W1", "d_b1"),
        ("W1_grad", "b1_grad"),
        ("grad_W1", "grad_b1"),
        ("gW1", "gb1"),
        ("nabla_W1", "nabla_b1"),
        ("delta_W1", "delta_b1"),
        ("DW1", "DB1"),
        ("dLdW1", "dLdb1"),
        ("de_dW1", "dldb1"),
        ("dE_dW1", "dE_db1"),
        ("dw1", "db1"),
        ("dweights1", "dbias1"),
    ],
)
def test_gradients_are_found_by_exact_and_derived_names(names):
    found = values({names[1]: B, names[0]: W})
    np.testing.assert_array_equal(found[0], W)
    np.testing.assert_array_equal(found[1], B)


def test_an_exact_name_wins_over_a_derived_one():
    found = values({"dW1": -W, "W1": W, "b1": B})
    np.testing.assert_array_equal(found[0], W)


@pytest.mark.parametrize("returned", [(W, B), [W, B]])
def test_a_sequence_is_read_in_block_order(returned):
    np.testing.assert_array_equal(values(returned)[1], B)


@pytest.mark.parametrize(
    "returned",
    [
        {"hidden": {"W": W}, "out": {"W": B}},
        {"hidden": {"dW": W}, "out": {"dW": B}},
        {"hidden.W": W, "out.W": B},
        {"hidden.dW": W, "out.dW": B},
        [W, B],
    ],
)
def test_nested_parameters(returned):
    np.testing.assert_array_equal(values(returned, LAYERS)[1], B)


DW, DB = [W, np.ones((3, 1))], [np.ones((1, 3)), np.full((1, 1), 7.0)]


@pytest.mark.parametrize(
    "returned",
    [
        {"weights": DW, "biases": DB},
        {"dw": DW, "db": DB},
        {"nabla_w": DW, "nabla_b": DB},
        (DW, DB),
        (DB, DW),
        [*DW, *DB],
    ],
)
def test_lists_of_weights_and_biases(returned):
    found = values(returned, GROUPS)
    np.testing.assert_array_equal(found[0], W)
    np.testing.assert_array_equal(found[3], [[7.0]])


def test_groups_that_fit_in_two_orders_are_refused():
    parameters = flatten({"w": [np.zeros((1, 1))], "b": [np.zeros((1, 1))]})
    with pytest.raises(UsageError, match="fit w\\[0\\] and b\\[0\\] in more than one order"):
        read_gradients(([np.ones((1, 1))], [np.ones((1, 1))], [])[:2], parameters)


def test_values_on_the_way_are_ignored_and_said():
    gradients = read_gradients(
        {"dW1": W, "db1": B, "dA1": 1, "dZ2": 2, "cost": 3, "delta3": 4}, FLAT
    )
    assert gradients.surplus == ("dA1", "dZ2", "cost", "delta3")


@pytest.mark.parametrize("extra", ["W2", "dW2", "b7", "momentum"])
def test_a_gradient_of_no_parameter_is_refused(extra):
    with pytest.raises(UsageError, match=f"belong to no parameter: '{extra}'"):
        read_gradients({"dW1": W, "db1": B, extra: W}, FLAT)


def test_a_block_without_gradient_is_missing():
    verdicts = [block.verdict for block in read_gradients({"dW1": W}, FLAT).blocks]
    assert verdicts == ["ok", "missing"]
    verdicts = [block.verdict for block in read_gradients({"W1": W, "b1": None}, FLAT).blocks]
    assert verdicts == ["ok", "missing"]


@pytest.mark.parametrize(
    ("gradient", "verdict"),
    [
        (B, "ok"),
        (B.astype(np.float32), "ok"),
        (B.astype(int), "ok"),
        (B.tolist(), "ok"),
        (B[:, None], "shape"),
        (np.ones(4), "shape"),
        (1.0, "shape"),
        (B * np.nan, "nonfinite"),
        (B / np.array([1, 1, np.inf]) + np.array([0, np.inf, 0]), "nonfinite"),
    ],
)
def test_shape_and_finiteness(gradient, verdict):
    assert read_gradients({"W1": W, "b1": gradient}, FLAT).blocks[1].verdict == verdict


def test_a_bare_array_takes_whatever_is_returned():
    bare = flatten(np.zeros((2, 2)))
    np.testing.assert_array_equal(values([[1, 2], [3, 4]], bare)[0], [[1, 2], [3, 4]])


class Weighted:
    """Its samples have weights, which are no parameters."""

    def __init__(self):
        draw = np.random.default_rng(71)
        self.x, self.y = draw.normal(size=(6, 3)), draw.normal(size=6)
        self.W, self.b, self.weights = draw.normal(size=3), 0.3, draw.uniform(size=6)

    def loss(self):
        return np.sum(self.weights * (self.x @ self.W + self.b - self.y) ** 2)

    def gradient(self, key):
        rest = 2 * self.weights * (self.x @ self.W + self.b - self.y)
        return {key: self.x.T @ rest, "b": rest.sum()}


@pytest.mark.parametrize("key", ["W", "dW"])
def test_a_gradient_by_its_own_name_is_not_that_of_a_namesake(key):
    report = gradcheck.check(Weighted.loss, Weighted(), lambda one: one.gradient(key))
    assert report.ok, str(report)
    assert [block.name for block in report.blocks if block.verdict == "ok"] == ["W", "b"]
