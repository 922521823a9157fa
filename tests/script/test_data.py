"""Copies of what a script holds: the same, and of their own."""

import copy
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.script.copies import deep_copy
from gradcheck.script.snapshot import take_snapshot
from gradcheck.script.state import NUMBERS, State, leaves
from gradcheck.user.objects import Place

atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
structures = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), structures, max_size=4))
def test_a_copy_is_equal_and_shares_no_container(names):
    snapshot = take_snapshot(State(names, None))
    copied = snapshot.copied({}).module
    assert copied == copy.deepcopy(names)
    mine, theirs = (set(map(id, containers(one))) for one in (snapshot.state.module, copied))
    assert mine.isdisjoint(theirs)


def containers(value):
    """The lists and dicts in a structure, itself included."""
    items = value.values() if isinstance(value, dict) else value
    inner = [containers(one) for one in items if isinstance(one, dict | list | tuple)]
    return [one for own in inner for one in own] + ([] if isinstance(value, tuple) else [value])


def test_what_is_one_list_stays_one_list():
    history = [0.5, 0.25]
    copied = take_snapshot(State({"a": history, "b": [history, np.ones(2)]}, None)).copied({})
    copied.module["a"].append(1.0)
    assert copied.module["b"][0] is copied.module["a"]
    assert history == [0.5, 0.25]


def test_copies_share_memory_whatever_the_order_of_their_axes():
    images = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)
    names = {"images": images, "channels_last": images.transpose(1, 2, 0)}
    copied = take_snapshot(State(names, None)).copied({}).module
    copied["images"][2, 1, 0] = -1
    assert copied["channels_last"][1, 0, 2] == -1
    assert np.array_equal(copied["channels_last"].transpose(2, 0, 1), copied["images"])


def test_a_view_into_a_dict_looks_into_its_copy():
    weights = {"w": np.ones(2)}
    copied = deep_copy({"values": weights.values(), "keys": weights.keys(), "w": weights}, {})
    assert next(iter(copied["values"])) is copied["w"]["w"] is not weights["w"]
    assert list(copied["keys"]) == ["w"]


def test_a_large_table_of_whole_numbers_that_stays_the_same_is_not_copied_for_every_replay():
    table, weights = np.arange(3000), np.ones(3000)
    snapshot = take_snapshot(State({"table": table, "weights": weights}, None))
    begun = leaves(snapshot.copied({}), NUMBERS)
    snapshot.share({**begun, ("module", "weights"): weights + 1.0})
    copied, again = snapshot.copied({}).module, snapshot.copied({}).module
    assert np.shares_memory(copied["table"], again["table"])
    assert not np.shares_memory(copied["weights"], again["weights"])


class Node:
    __slots__ = ("__weakref__", "data", "parts")

    def __init__(self, data, parts=()):
        self.data, self.parts = data, parts


class Layer:
    def __init__(self, weights):
        self.weights, self.after = weights, None


class Counted(Layer):
    def __deepcopy__(self, memo):
        return Counted(0.0)


def test_objects_are_copied_with_their_slots_and_attributes_and_once_each():
    leaf = Node(1.5)
    root = Node(2.0, (leaf, leaf))
    layer = Layer(np.ones(2))
    layer.after = layer
    memo = {id(layer.weights): "in its place"}
    copied = deep_copy({"root": root, "layer": layer, "leaf": leaf, "own": Counted(1.0)}, memo)
    assert copied["root"].parts == (copied["leaf"], copied["leaf"])
    assert copied["leaf"] is not leaf
    assert copied["leaf"].data == 1.5
    assert copied["leaf"].parts == ()
    assert copied["layer"].after is copied["layer"] is not layer
    assert copied["layer"].weights == "in its place"
    assert copied["own"].weights == 0.0


def test_the_copy_of_an_iterator_moves_on_its_own():
    own = np.nditer(np.ones((2, 3)), flags=["multi_index"])
    own.iternext()
    copied = take_snapshot(State({"it": own}, None)).copied({}).module["it"]
    while copied.iternext():
        pass
    assert own.multi_index == (0, 1)


def test_a_place_behind_a_weak_reference_is_set_on_what_it_refers_to():
    layer = Layer(np.ones(2))
    Place(weakref.proxy(layer), "after", None).set("there")
    assert layer.after == "there"


def test_a_script_may_ask_for_the_temporary_folder(outcome, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", None)  # as in a process that has not asked for it
    found = outcome(
        "import tempfile\nimport numpy as np\ntempfile.gettempdir()\nw = np.ones(3)\n"
        "for turn in range(9):\n    loss = np.sum(w**2)\n    w -= 0.1 * 2 * w\n"
    )
    assert found.report.ok, str(found.report)


OF_VIEWS = """
import numpy as np

rng = np.random.default_rng(0)
W, b, G, H = rng.normal(size=(10, 4)), rng.normal(size=10), np.ones((10, 4)), np.ones(10)

def one_pass(data, rate=0.05):
    total = 0
    for main, other, b_main, b_other, G_main, G_other, H_main, H_other, count in data:
        inner = main @ other + b_main[0] + b_other[0] - np.log(count)
        cost = inner**2
        total += 0.5 * cost
        g_main, g_other = inner * other, inner * main
        main -= rate * g_main / np.sqrt(G_main)
        other -= rate * g_other / np.sqrt(G_other)
        b_main -= rate * inner / np.sqrt(H_main)
        b_other -= rate * inner / np.sqrt(H_other)
        G_main += g_main**2
        G_other += g_other**2
        H_main += inner**2
        H_other += inner**2
    return total

data = [
    (W[i], W[j], b[i : i + 1], b[j : j + 1], G[i], G[j], H[i : i + 1], H[j : j + 1], i + j)
    for i in range(4)
    for j in range(5, 9)
]
for epoch in range(9):
    print(one_pass(data))
"""


@pytest.mark.parametrize("total", ["total", "global_cost"])
def test_the_parameters_of_another_sample_are_no_gradients(outcome, total):
    report = outcome(OF_VIEWS.replace("total", total)).report
    assert report.ok, str(report)
    assert {"data[0][0]", "data[2][1]"} <= {block.name for block in report.blocks}
    wrong = OF_VIEWS.replace("total", total).replace("inner * main", "inner * other")
    assert outcome(wrong).report.verdict == "fail"


def test_what_lies_too_deep_is_found_by_a_shorter_path():
    holder = {"data": np.ones(3)}
    deep = holder
    for _ in range(20):
        reached = State({"deep": deep, "short": holder}, None)
        assert any(one is holder["data"] for one in leaves(reached).values())
        deep = [deep]


FROM_A_CLOSURE = """
import numpy as np
x = np.random.default_rng(0).normal(size=(30, 3))
t = np.tanh(x @ np.ones(3))

def batches(rng):
    def draw():
        rows = rng.integers(0, 30, 8)
        return x[rows], t[rows]
    return draw

def fit(draw):
    w = np.zeros(3)
    for turn in range(9):
        rows, wanted = draw()
        off = rows @ w - wanted
        loss = np.mean(off ** 2)
        w -= 0.1 * 2 * rows.T @ off / 8
    return w

fit(batches(np.random.default_rng(1)))
"""


def test_a_generator_in_a_closure_draws_the_same_in_every_replay(outcome):
    found = outcome(FROM_A_CLOSURE)
    assert found.report.ok, str(found.report)
    found = outcome(FROM_A_CLOSURE.replace("0.1 * 2 *", "0.1 *"))
    assert [one.code for one in found.report.errors] == ["GC103"]


FROM_AN_OBJECT = """
import numpy as np
rng = np.random.default_rng(0)

class Model:
    def __init__(self):
        self.w, self.grads = rng.normal(size=(3, 1)), None

    def backward(self, rows, up):
        self.grads = rows.T @ up

    def update(self, rate):
        self.w, self.grads = self.w - rate * self.grads, None

class Learner:
    def __init__(self, model, batches):
        self.model, self.batches = model, batches

    def train(self, rate):
        for rows, wanted in self.batches:
            off = rows @ self.model.w - wanted
            loss = np.mean(off**2)
            self.model.backward(rows, 2 * off / off.size)
            model.update(rate)

model = Model()
batches = ((rng.normal(size=(20, 3)), rng.normal(size=(20, 1))) for turn in range(30))
Learner(model, batches).train(0.1)
"""


def test_an_object_that_keeps_a_generator_shares_its_model_with_the_module(outcome):
    found = outcome(FROM_AN_OBJECT)
    assert found.report is not None, found.reason
    assert found.report.ok, str(found.report)
    wrong = outcome(FROM_AN_OBJECT.replace("2 * off /", "off /"))
    assert [one.code for one in wrong.report.errors] == ["GC103"]


ANNOTATED = """
from dataclasses import dataclass
import numpy as np

rng = np.random.default_rng(0)
rows, wanted = rng.normal(size=(20, 3)), rng.normal(size=20)

@dataclass
class Model:
    w: np.ndarray
    dw: np.ndarray | None = None

    def back(self, off: np.ndarray) -> None:
        self.dw: np.ndarray = 2 * rows.T @ off / len(rows)

model: Model = Model(rng.normal(size=3))
rate: float = 0.1
for turn in range(30):
    off: np.ndarray = rows @ model.w - wanted
    loss: float = np.mean(off**2)
    model.back(off)
    model.w = model.w - rate * model.dw
"""


@pytest.mark.parametrize("factor", ["2 *", "-2 *"])
def test_annotated_variables_are_variables_as_any_others(outcome, factor):
    found = outcome(ANNOTATED.replace("2 *", factor))
    assert found.report is not None, found.reason
    assert found.script.loss == "loss"
    assert [one.code for one in found.report.errors] == ["GC106"] * (factor != "2 *")


LAZY = """
import numpy as np
rng = np.random.default_rng(0)
x = rng.normal(size=(12, 4))
labels = np.eye(3)[rng.integers(0, 3, 12)]

class Dense:
    def __init__(self, units):
        self.units, self.w, self.b = units, {"val": None}, {"val": None}

    def forward(self, rows):
        if self.w["val"] is None:
            self.w["val"] = np.random.randn(rows.shape[1], self.units)
            self.b["val"] = np.zeros(self.units)
        self.rows = rows
        return rows @ self.w["val"] + self.b["val"]

    def backward(self, delta):
        self.dw, self.db = self.rows.T @ delta, delta.sum(axis=0)
        return delta @ self.w["val"].T

below, above, rate = Dense(5), Dense(3), 0.1
known = {"val": rng.normal(size=4)}
for turn in range(20):
    h = np.tanh(below.forward(x * known["val"]))
    p = np.exp(above.forward(h))
    p /= p.sum(axis=1, keepdims=True)
    off = (p - labels) / 12
    to_x = below.backward(above.backward(off) * (1 - h**2))
    for layer in (below, above):
        layer.w["val"] -= rate * layer.dw
        layer.b["val"] -= rate * layer.db
    known["val"] -= rate * (to_x * x).sum(axis=0)
"""


def test_weights_that_the_first_pass_makes_are_checked_in_a_later_one(outcome):
    found = outcome(LAZY)
    assert len(found.script.params) == 5
    assert found.report.ok, str(found.report)
