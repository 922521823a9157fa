"""After a run nothing of gradcheck's is left in the user's modules, objects and arrays."""

import gc
import math
import sys
import threading
import types
from pathlib import Path

import computations
import helpers
import numpy as np
import pytest

import gradcheck
from gradcheck.trace.record import floats, proxies, storage
from gradcheck.trace.record.calling import trace_call
from gradcheck.trace.record.ownership import is_users_object


class Net:
    scale = np.ones(3)
    __slots__ = ("W", "__dict__")

    def __init__(self):
        self.W = np.ones((2, 3))
        self.layers = [np.zeros(3), {"b": np.zeros(3)}]
        self.pair = (np.ones(2), 1)
        self.calls = 0

    def run(self, p):
        self.calls += 1
        self.cache = p["x"] * self.scale
        self.W[0] += self.cache[0]
        self.layers.append(self.cache)
        self.layers[1]["new"] = self.cache
        return self.cache.sum() + self.W.sum()


NET = Net()
KEPT = []


def ours(value):
    kinds = (storage.Traced, proxies.ModuleProxy, proxies.IndexProxy)
    return isinstance(value, kinds) or value is floats.Float


def found_in(value, seen):
    """Everything of ours that can be reached from a value of the user's."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | type(None)):
        return []
    seen.add(id(value))
    if ours(value):
        return [value]
    if isinstance(value, types.ModuleType) and value.__name__ not in USERS:
        return []
    if isinstance(value, types.FunctionType) and value.__module__ not in USERS:
        return []
    held = []
    if isinstance(value, types.ModuleType | types.FunctionType | dict | list | tuple | set):
        held = gc.get_referents(value)
    elif isinstance(value, types.CellType):
        held = [value.cell_contents]
    elif isinstance(value, type):
        held = list(vars(value).values()) if value.__module__ in USERS else []
    elif type(value).__module__ in USERS:
        held = [*vars(value).values(), *(getattr(value, n, None) for n in ("W",))]
    return [one for item in held for one in found_in(item, seen)]


USERS = ("computations", "helpers", __name__)


def nothing_is_left(*more):
    seen = set()
    modules = [sys.modules[name] for name in ("computations", "helpers")]
    for value in (*modules, globals(), *more):
        assert not found_in(value, seen)
    assert computations.np is np
    assert computations.math is math
    assert computations.exp is math.exp
    assert computations.zeros is np.zeros
    assert helpers.N is np
    assert "float" not in vars(computations)
    assert float is float


@pytest.mark.parametrize("kind", [*computations.SMALL, *computations.LONGER])
def test_nothing_is_left_after_a_run(kind):
    function = {**computations.SMALL, **computations.LONGER}[kind]
    given = computations.point()
    before = {name: np.copy(value) for name, value in given.items()}
    trace_call(function, given)
    nothing_is_left(given)
    assert all(np.array_equal(given[name], before[name]) for name in given)


def test_objects_are_as_they_were():
    given = {"x": np.arange(3.0)}
    before = (NET.W, NET.layers, NET.pair, Net.scale)
    trace = trace_call(NET.run, given)
    assert trace.error is None
    assert NET.calls == 0
    assert not hasattr(NET, "cache")
    after = (NET.W, NET.layers, NET.pair, Net.scale)
    assert [id(one) for one in after] == [id(one) for one in before]
    assert len(NET.layers) == 2
    assert list(NET.layers[1]) == ["b"]
    assert np.array_equal(NET.W, np.ones((2, 3)))
    nothing_is_left(NET, given)


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_nothing_is_left_after_an_exception(error):
    def function(p):
        computations.in_place_operators(p)
        NET.cache = p["x"] * 2
        raise error("no")

    given = {"x": np.ones((3, 4)), "y": np.ones(4), "s": 2.0}
    trace = trace_call(function, given)
    assert isinstance(trace.error, error)
    assert not hasattr(NET, "cache")
    nothing_is_left(function, given)


def test_nothing_is_left_after_an_interrupt():
    def function(p):
        NET.cache = computations.in_place_operators(p)
        raise KeyboardInterrupt

    given = {"x": np.ones((3, 4)), "y": np.ones(4), "s": 2.0}
    with pytest.raises(KeyboardInterrupt):
        trace_call(function, given)
    nothing_is_left(function, given, NET)
    assert sys.gettrace() is None


def test_an_unfinished_generator_goes_on_with_plain_numbers():
    def rows(p):
        for row in p["x"]:
            yield np.tanh(row).sum()

    def function(p):
        KEPT.append(rows(p))
        return next(KEPT[0])

    given = {"x": np.ones((3, 4))}
    trace = trace_call(function, given)
    assert trace.error is None
    nothing_is_left(function, given)
    assert KEPT == []


class Worker(threading.Thread):
    """Takes a function of numpy's while it is replaced, and uses it afterwards."""

    def __init__(self):
        super().__init__()
        self.taken, self.go = threading.Event(), threading.Event()

    def run(self):
        make = computations.np.zeros
        self.taken.set()
        self.go.wait(5)
        RESULTS.append(make(3) + computations.np.ones(3))


RESULTS = []


def test_another_thread_goes_on_with_plain_arrays():
    worker = Worker()

    def function(p):
        worker.start()
        worker.taken.wait(5)
        return computations.rows_in_loop(p).sum()

    given = {"x": np.ones((3, 4)), "y": np.ones(4)}
    assert trace_call(function, given).error is None
    worker.go.set()
    worker.join(5)
    assert type(RESULTS[0]) is np.ndarray
    nothing_is_left(given)


def test_arrays_that_share_memory_share_it_while_followed():
    theta = np.arange(6.0)
    net = types.SimpleNamespace(theta=theta, W=theta[:4].reshape(2, 2), b=theta[4:])

    def function(p):
        net.theta[...] = p
        return net.W.sum() * net.b

    plain = function(np.ones(6))
    theta[...] = np.arange(6.0)
    trace = trace_call(function, np.ones(6))
    assert np.array_equal(trace.returned[0], plain)
    assert np.array_equal(theta, np.arange(6.0))
    assert type(net.W) is np.ndarray
    assert net.W.base is theta


def test_float_stays_usable_as_a_class_and_a_type():
    kind = (2.0).__class__

    def function(p):
        assert issubclass(np.float64, float)
        assert isinstance(p["x"][0], float)
        assert not isinstance(p["x"], float)
        assert isinstance(1.5, int | float)
        assert np.zeros(2, dtype=float).dtype == np.float64
        assert np.dtype(float) == np.float64
        assert {float: 1}[kind] == 1
        assert kind in (float,)
        assert float("inf") > 1e300
        assert float.fromhex("0x1p1") == 2.0
        return float(p["x"][1]) * 2

    trace = trace_call(function, {"x": np.arange(3.0)})
    assert trace.error is None
    assert trace.returned[0] == 2.0
    assert trace.nodes[trace.indices[0]].name == "multiply"


@pytest.mark.parametrize("held", [{"run": Net.run}, {"__annotations__": {"W": np.ndarray}}])
def test_an_object_of_a_file_that_gradcheck_runs_is_the_users(held, monkeypatch):
    own = types.ModuleType("__main__")
    own.__file__ = str(Path(gradcheck.__file__).parent / "__main__.py")
    monkeypatch.setitem(sys.modules, "__main__", own)
    assert is_users_object(type("Layer", (), {"__module__": "__main__", **held}))
