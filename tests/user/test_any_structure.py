"""Random structures of random arrays: the verdict is right, and nothing of the user's changes."""

from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import sweeps
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import gradcheck

SETTINGS = settings(suppress_health_check=list(HealthCheck))
SHAPES = [(), (1,), (4,), (1, 1), (2, 3), (3, 3), (3, 1), (2, 1, 3)]
DTYPES = ["f8", "f4", "f2", "i4", "i8"]
LAYOUTS = ["C", "F", "transposed", "strided", "reversed", "read-only", "offset"]
BUGS = ["factor", "sign", "transposed", "one entry", "zero"]

Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Record:
    alpha: Any
    beta: Any
    title: str = "record"
    rates: list = field(default_factory=list)


class Thing:
    def __init__(self, contents):
        self.contents = contents
        self.name = "thing"


class Slotted:
    __slots__ = ("inner", "label")

    def __init__(self, inner):
        self.inner, self.label = inner, None


def laid_out(values, layout):
    """An array with these values whose memory is arranged in another way."""
    if values.ndim == 0 or layout == "C":
        return values.copy()
    if layout == "F":
        return np.asfortranarray(values)
    if layout == "transposed":
        return np.ascontiguousarray(values.T).T
    if layout == "strided":
        return np.repeat(values, 2, axis=-1)[..., ::2]
    if layout == "reversed":
        return np.ascontiguousarray(values[::-1])[::-1]
    if layout == "offset":
        whole = np.concatenate([np.zeros(3, values.dtype), values.ravel()])
        return whole[3:].reshape(values.shape)
    fixed = values.copy()
    fixed.flags.writeable = False
    return fixed


@st.composite
def arrays(draw, dtypes=tuple(DTYPES), layouts=tuple(LAYOUTS)):
    dtype, shape = np.dtype(draw(st.sampled_from(dtypes))), draw(st.sampled_from(SHAPES))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    # away from where a gradient entry vanishes, so that every planted bug is one
    values = rng.uniform(0.3, 1.2, size=shape)
    if dtype.kind == "i":
        values = rng.integers(1, 4, size=shape)
    return laid_out(np.asarray(values, dtype=dtype), draw(st.sampled_from(layouts)))


def structures(leaves, objects=True):
    keys = st.sampled_from(["W1", "b1", "weights", "bias", "layers", "x"])

    def extended(inner):
        kinds = [
            st.lists(inner, min_size=1, max_size=3),
            st.lists(inner, min_size=1, max_size=3).map(tuple),
            st.dictionaries(keys, inner, min_size=1, max_size=3),
            st.builds(Pair, inner, inner),
            st.builds(Record, inner, inner),
        ]
        if objects:
            kinds += [st.builds(Thing, inner), st.builds(Slotted, inner)]
        return st.one_of(kinds)

    return st.recursive(leaves, extended, max_leaves=6).filter(
        lambda structure: not isinstance(structure, np.ndarray) or structure.ndim
    )


def steps_of(value):
    if isinstance(value, dict):
        return [(f".{key}", key, item) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [(f"[{index}]", index, item) for index, item in enumerate(value)]
    if isinstance(value, Record):
        return [(".alpha", "alpha", value.alpha), (".beta", "beta", value.beta)]
    if isinstance(value, Thing):
        return [(".contents", "contents", value.contents)]
    return [(".inner", "inner", value.inner)]


def leaves_of(value, name=""):
    """The arrays of a structure by the names that the contract gives them, in order."""
    if isinstance(value, np.ndarray | np.generic | float):
        return {name.removeprefix(".") or "params": value}
    found = {}
    for suffix, _, item in steps_of(value):
        found.update(
            leaves_of(item, (name or "params") + suffix if suffix[0] == "[" else name + suffix)
        )
    return found


def rebuilt(value, gradients):
    """The same structure with gradients in place of arrays; what has attributes as a dict."""
    if isinstance(value, np.ndarray | np.generic | float):
        return next(gradients)
    items = [(key, rebuilt(item, gradients)) for _, key, item in steps_of(value)]
    if isinstance(value, Pair):
        return Pair(*(item for _, item in items))
    if isinstance(value, list | tuple):
        return type(value)(item for _, item in items)
    return dict(items)


def coefficients(leaves):
    return [0.5 + 0.25 * index for index in range(len(leaves))]


def loss(structure):
    leaves = [np.asarray(leaf, dtype=np.float64) for leaf in leaves_of(structure).values()]
    return float(
        sum(
            np.sum(c * np.sin(leaf) + leaf**2 / 2)
            for c, leaf in zip(coefficients(leaves), leaves, strict=True)
        )
    )


def right_gradients(structure):
    leaves = leaves_of(structure)
    values = [np.asarray(leaf, dtype=np.float64) for leaf in leaves.values()]
    return {
        name: c * np.cos(value) + value
        for name, c, value in zip(leaves, coefficients(values), values, strict=True)
    }


def planted(gradient, bug):
    """The gradient with a bug; None where it would be none."""
    if bug == "transposed":
        wrong = gradient.T if gradient.ndim == 2 and len(set(gradient.shape)) == 1 else gradient
    elif bug == "one entry":
        wrong = gradient.copy()
        wrong.reshape(-1)[-1] *= 1.01
    else:
        wrong = {"factor": 1.5, "sign": -1.0, "zero": 0.0}[bug] * gradient
    return None if np.allclose(wrong, gradient, rtol=1e-3) else wrong


def in_structure(structure, gradients):
    return rebuilt(structure, iter(gradients.values()))


RETURNED = {
    "in the same structure": in_structure,
    "by name": lambda structure, gradients: dict(gradients),
    "in order": lambda structure, gradients: list(gradients.values()),
}


def containers_of(value):
    if isinstance(value, np.ndarray | np.generic | float):
        return []
    return [value, *(one for _, _, item in steps_of(value) for one in containers_of(item))]


def snapshot(structure):
    leaves = list(leaves_of(structure).values())
    return {
        "objects": [*containers_of(structure), *leaves],
        "bytes": [leaf.tobytes() for leaf in leaves],
        "layout": [(leaf.dtype, leaf.shape, leaf.strides, leaf.flags.writeable) for leaf in leaves],
        "attributes": [
            sorted(vars(one)) if hasattr(one, "__dict__") else None
            for one in containers_of(structure)
        ],
    }


def same(one, other):
    return (
        len(one["objects"]) == len(other["objects"])
        and all(a is b for a, b in zip(one["objects"], other["objects"], strict=True))
        and all(one[key] == other[key] for key in ("bytes", "layout", "attributes"))
    )


def checked(report):
    return {block.name: block.verdict for block in report.blocks if block.verdict != "not checked"}


def check(structure, way, bug=None, which=0):
    """The report of a check with a bug in one block, and that block's name.

    Bugs of the first block are diagnosed too, which meets the structure as well.
    """
    names = list(leaves_of(structure))
    wrong = names[which % len(names)]
    if bug is not None:
        assume(planted(right_gradients(structure)[wrong], bug) is not None)

    def gradient(given):
        gradients = right_gradients(given)
        if bug is not None:
            mutated = planted(gradients[wrong], bug)
            gradients[wrong] = gradients[wrong] if mutated is None else mutated
        return RETURNED[way](given, gradients)

    kinds = [type(one) for one in containers_of(structure)]

    def loss_of_the_same_kind(given):
        assert [type(one) for one in containers_of(given)] == kinds
        return loss(given)

    before = snapshot(structure)
    report = gradcheck.check(
        loss_of_the_same_kind, structure, gradient, diagnose=sweeps.ALL or which == 0
    )
    assert same(before, snapshot(structure))
    return report, wrong


def is_fixed(structure, in_object=False):
    """Whether an array lies in a tuple of an object, where it cannot be exchanged for another."""
    if isinstance(structure, np.ndarray):
        return False
    inside = in_object or isinstance(structure, Thing | Slotted)
    items = [item for _, _, item in steps_of(structure)]
    fixed = inside and isinstance(structure, tuple)
    return any(
        (fixed and isinstance(item, np.ndarray) and not is_own(item)) or is_fixed(item, inside)
        for item in items
    )


def is_own(array):
    return array.dtype == np.float64 and array.flags.writeable


CONTAINERS = structures(arrays(), objects=False)
FLOATS = structures(arrays(dtypes=("f8", "f4"))).filter(lambda value: not is_fixed(value))


KINDS = {"container": CONTAINERS, "object": FLOATS}


@pytest.mark.parametrize("way", RETURNED)
@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(data=st.data())
def test_right_gradients_of_any_structure_pass(kind, way, data):
    structure = data.draw(KINDS[kind])
    assume(way == "in the same structure" or not isinstance(structure, np.ndarray))
    report, _ = check(structure, way)
    assert report.ok, str(report)
    assert checked(report) == dict.fromkeys(leaves_of(structure), "ok")


@pytest.mark.parametrize("way", RETURNED)
@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(data=st.data(), bug=st.sampled_from(BUGS), which=st.integers(min_value=0, max_value=5))
def test_one_wrong_gradient_of_any_structure_is_found(kind, way, data, bug, which):
    structure = data.draw(KINDS[kind])
    assume(way == "in the same structure" or not isinstance(structure, np.ndarray))
    report, wrong = check(structure, way, bug, which)
    assert report.verdict == "fail", str(report)
    assert {name for name, verdict in checked(report).items() if verdict != "ok"} == {wrong}
    assert kind == "object" or checked(report)[wrong] == "wrong"


WRITEABLE = structures(
    arrays(dtypes=("f8",), layouts=("C", "F", "transposed", "strided", "reversed", "offset"))
)


@SETTINGS
@given(
    structure=WRITEABLE,
    bug=st.sampled_from([None, *BUGS]),
    which=st.integers(min_value=0, max_value=5),
)
@example(structure=[[Thing(np.ones(()))]], bug=None, which=0)
def test_the_very_arrays_of_any_structure(structure, bug, which):
    names = list(leaves_of(structure))
    wrong = names[which % len(names)]
    assume(bug is None or planted(right_gradients(structure)[wrong], bug) is not None)

    def gradient():
        gradients = right_gradients(structure)
        if bug is not None:
            mutated = planted(gradients[wrong], bug)
            gradients[wrong] = gradients[wrong] if mutated is None else mutated
        return in_structure(structure, gradients)

    before = snapshot(structure)
    report = gradcheck.check(
        lambda: loss(structure),
        gradcheck.parameters(structure, in_place=True),
        gradient,
        diagnose=sweeps.ALL or which == 0,
    )
    assert same(before, snapshot(structure))
    assert checked(report) == {
        name: "wrong" if bug is not None and name == wrong else "ok" for name in names
    }


@pytest.mark.parametrize("kind", [list, tuple, lambda items: Pair(*items)])
def test_gradients_in_dataclasses_in_a_list(kind):
    records = kind([Record(np.ones(2), np.ones(3)), Record(np.ones(1), np.ones((2, 2)))])

    def gradient(given):
        leaves = iter(right_gradients(given).values())
        return kind([Record(next(leaves), next(leaves)) for _ in range(2)])

    assert gradcheck.check(loss, records, gradient).ok


def in_a_tuple(array):
    thing = Thing((array,))
    thing.bias = np.ones(2)
    return thing


def tuple_loss(thing):
    return float(np.sum(np.float64(thing.contents[0]) ** 2) + np.sum(thing.bias**2))


def wrong_tuple_gradient(thing):
    thing.dbias = 2 * thing.bias
    thing.dcontents = [7 * thing.contents[0]]


def test_a_wrong_gradient_of_an_array_in_a_tuple_of_an_object_fails():
    thing = in_a_tuple(np.ones(3))
    assert gradcheck.check(tuple_loss, thing, wrong_tuple_gradient).verdict == "fail"


@pytest.mark.parametrize("kind", ["float32", "read-only"])
def test_an_array_that_cannot_be_exchanged_is_not_passed_over_in_silence(kind):
    array = np.ones(3, dtype=np.float32) if kind == "float32" else np.ones(3)
    array.flags.writeable = kind != "read-only"
    report = gradcheck.check(tuple_loss, in_a_tuple(array), wrong_tuple_gradient)
    assert not report.ok or "contents[0]" in str(report)
