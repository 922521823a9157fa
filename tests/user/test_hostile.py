"""Functions, gradients, names and sizes that no checker should be brought down by."""

import random
import sys
import tracemalloc
import warnings
from itertools import product

import numpy as np
import pytest
from sweeps import sample

import gradcheck
from gradcheck.cli import main

X = np.random.default_rng(0).normal(size=(5, 2))


def params():
    return {"W": np.ones((2, 3)), "b": np.zeros(3)}


def loss(p):
    return float(np.sum((X @ p["W"] + p["b"]) ** 2))


def grad(p):
    residual = X @ p["W"] + p["b"]
    return {"W": 2 * X.T @ residual, "b": 2 * residual.sum(axis=0)}


def verdicts(report):
    return {block.name: block.verdict for block in report.blocks}


def test_what_is_printed_is_counted_and_not_shown(capsys):
    def prints(p):
        print("x" * 999)
        return loss(p)

    report = gradcheck.check(prints, params(), grad)
    assert report.ok
    assert capsys.readouterr().out == ""
    assert f"your code printed {1000 * report.evaluations} characters" in " ".join(report.notes)


def test_a_thousand_warnings_of_numpy_are_one_note():
    def warns(p):
        for _ in range(1000):
            np.log(np.zeros(1))
        return loss(p)

    report = gradcheck.check(warns, params(), grad)
    assert report.ok
    notes = [note for note in report.notes if "warned" in note]
    assert len(notes) == 1
    assert "divide by zero" in notes[0]
    assert f"{__file__}:" in notes[0]
    assert int(notes[0].split("warned ")[1].split(" times")[0]) > 500 * report.evaluations


def test_a_thousand_warnings_that_all_differ_do_not_fill_the_report():
    count = 0

    def warns(p):
        nonlocal count
        for _ in range(1000):
            count += 1
            warnings.warn(f"call {count}", stacklevel=1)
        return loss(p)

    report = gradcheck.check(warns, params(), grad)
    assert report.ok
    assert len(str(report)) < 2000


def stopped_at(call, function, stop):
    calls = []

    def stopped(p=None):
        calls.append(1)
        if len(calls) == call:
            raise stop
        return function() if p is None else function(p)

    return stopped


def test_an_exit_in_the_middle_is_reported_and_not_obeyed():
    exits = stopped_at(calls_of("container") - 12, loss, SystemExit("enough"))
    report = gradcheck.check(exits, params(), grad)
    assert report.verdict == "inconclusive"
    assert "SystemExit: enough" in report.could_not_check
    assert any("test_hostile.py" in note for note in report.notes)


def test_an_exit_in_the_gradient_fails():
    report = gradcheck.check(loss, params(), lambda p: sys.exit())
    assert report.verdict == "fail"
    assert set(verdicts(report).values()) == {"raised"}


def meddles(p):
    np.seterr(all="raise")
    np.random.seed(7)  # noqa: NPY002  # what rude code does
    random.seed(7)
    warnings.simplefilter("error")
    warnings.showwarning = lambda *arguments: None
    return loss(p)


def settings():
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002  # what is to be restored
    filters = tuple(warnings.filters)
    return np.geterr(), numpy_state, random.getstate(), filters, warnings.showwarning, sys.stdout


def raises_after_meddling(p):
    meddles(p)
    raise ValueError("and leaves")


def interrupts_after_meddling(p):
    meddles(p)
    raise KeyboardInterrupt


@pytest.mark.parametrize("function", [meddles, raises_after_meddling])
@pytest.mark.parametrize("who", ["loss", "gradient"])
def test_settings_of_the_process_are_restored(function, who):
    def then_grad(p):
        function(p)
        return grad(p)

    before = settings()
    if who == "loss":
        gradcheck.check(function, params(), grad)
    else:
        gradcheck.check(loss, params(), then_grad)
    assert settings() == before


def test_settings_of_the_process_are_restored_when_it_is_interrupted():
    before = settings()
    with pytest.raises(KeyboardInterrupt):
        gradcheck.check(interrupts_after_meddling, params(), grad)
    assert settings() == before


def test_a_refusal_restores_the_settings_too():
    before = settings()
    with pytest.raises(gradcheck.UsageError):
        gradcheck.check(lambda p: meddles(p) and None, params(), grad)
    assert settings() == before


class Network:
    def __init__(self):
        self.W, self.b = np.ones((2, 3)), np.zeros(3)

    def loss(self):
        return loss(vars(self))

    def grad(self):
        return grad(vars(self))


def check_container(call, arrays, wrong):
    return gradcheck.check(
        stopped_at(call, loss, KeyboardInterrupt),
        arrays,
        lambda p: {**grad(p), "W": wrong * grad(p)["W"]},
    )


def check_object(call, arrays, wrong):
    net = Network()
    net.W, net.b = arrays.values()
    report = gradcheck.check(
        stopped_at(call, Network.loss, KeyboardInterrupt),
        net,
        lambda net: {"W": wrong * net.grad()["W"], "b": net.grad()["b"]},
    )
    assert net.W is arrays["W"]
    assert net.b is arrays["b"]
    return report


def check_in_place(call, arrays, wrong):
    def gradient():
        return {**grad(arrays), "W": wrong * grad(arrays)["W"]}

    kept = dict(arrays)
    interrupted = stopped_at(call, lambda: loss(arrays), KeyboardInterrupt)
    report = gradcheck.check(
        lambda: interrupted(), gradcheck.parameters(arrays, in_place=True), gradient
    )
    assert all(arrays[name] is kept[name] for name in kept)
    return report


WAYS = {"container": check_container, "object": check_object, "in place": check_in_place}


def calls_of(way, wrong=1.0):
    """The last call of the loss in the numeric stage: it moves the last block alone."""
    moved, arrays, net = [], params(), Network()

    def seen(W, b):
        moved.append(np.array_equal(W, np.ones((2, 3))) and not np.array_equal(b, np.zeros(3)))

    def times(gradient):
        return {**gradient, "W": wrong * gradient["W"]}

    functions = {
        "container": (lambda p: seen(**p) or loss(p), arrays, lambda p: times(grad(p))),
        "object": (
            lambda net: seen(net.W, net.b) or net.loss(),
            net,
            lambda net: times(net.grad()),
        ),
        "in place": (
            lambda: seen(**arrays) or loss(arrays),
            gradcheck.parameters(arrays, in_place=True),
            lambda: times(grad(arrays)),
        ),
    }
    gradcheck.check(*functions[way])
    return 1 + max(np.flatnonzero(moved))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrong", [1.0, 2.0])
def test_an_interrupt_in_the_numeric_stage_gives_a_report_and_restores(way, wrong):
    arrays = params()
    report = WAYS[way](calls_of(way, wrong) - 5, arrays, wrong)
    assert report.coverage.interrupted
    assert not report.coverage.complete
    assert report.coverage.reason == "interrupted"
    assert report.verdict == ("inconclusive" if wrong == 1.0 else "fail")
    assert all(np.array_equal(arrays[name], value) for name, value in params().items())
    assert "interrupted" in str(report)
    assert report.to_dict()["verdict"] == report.verdict


def test_every_moment_of_an_interrupt_restores_an_object():
    for call in range(1, calls_of("object"), 3):
        arrays = params()
        try:
            report = check_object(call, arrays, 1.0)
        except KeyboardInterrupt:
            report = None
        assert report is None or report.coverage.interrupted
        assert all(np.array_equal(arrays[name], value) for name, value in params().items())


def test_an_interrupt_after_the_numeric_stage_keeps_what_was_measured():
    def wrong(p):
        return {**grad(p), "W": 2 * grad(p)["W"]}

    calls = []
    gradcheck.check(lambda p: calls.append(1) or loss(p), params(), wrong)
    for call in sample(range(calls_of("container", 2.0), len(calls) + 1), every=12):
        interrupted = stopped_at(call, loss, KeyboardInterrupt)
        try:
            verdict = gradcheck.check(interrupted, params(), wrong).verdict
        except KeyboardInterrupt:
            verdict = "raised"
        assert verdict == "fail", f"at call {call} of {len(calls)}"


CASES = """
import gradcheck
import numpy as np

calls = []

def loss(w):
    calls.append(1)
    if len(calls) == {call}:
        raise KeyboardInterrupt
    return float((w ** 2).sum())

@gradcheck.case
def first():
    return gradcheck.Case(lambda w: float((w ** 2).sum()), np.ones(30), lambda w: 2 * w)

@gradcheck.case
def second():
    return gradcheck.Case(loss=loss, params=np.ones(30), grad=lambda w: 2 * w)

@gradcheck.case
def third():
    with open({marker!r}, "w"):
        pass
    return gradcheck.Case(loss=loss, params=np.ones(30), grad=lambda w: 2 * w)
"""


@pytest.mark.parametrize("call", [1, 60])
def test_an_interrupted_run_stops_with_status_2(tmp_path, capsys, call):
    path, marker = tmp_path / "checks.py", tmp_path / "third_was_run"
    path.write_text(CASES.format(call=call, marker=str(marker)))
    assert main(["run", str(path)]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert "interrupted" in captured.out + captured.err
    assert not marker.exists()


def long_double(values):
    return np.asarray(values).astype(np.longdouble)


READABLE = {
    "a list of lists": lambda value: value.tolist(),
    "a tuple of tuples": lambda value: tuple(map(tuple, value)) if value.ndim > 1 else tuple(value),
    "an unmasked masked array": np.ma.masked_array,
    "long double": long_double,
    "float32": lambda value: value.astype(np.float32),
    "column-major": np.asfortranarray,
    "a read-only view": lambda value: np.broadcast_to(value, value.shape),
    "big-endian": lambda value: value.astype(">f8"),
}


@pytest.mark.parametrize("kind", READABLE)
def test_gradients_of_another_kind_are_read(kind):
    convert = READABLE[kind]
    p = {"W": np.ones((2, 3)) / 3, "b": np.array([0.1, -0.2, 0.3])}
    report = gradcheck.check(loss, p, lambda p: {k: convert(v) for k, v in grad(p).items()})
    assert report.ok, str(report)
    wrong = gradcheck.check(loss, p, lambda p: {k: convert(2 * v) for k, v in grad(p).items()})
    assert verdicts(wrong) == {"W": "wrong", "b": "wrong"}


def test_a_matrix_is_read_and_a_row_of_it_is_another_shape():
    def matrices(p):
        return {name: np.matrix(value) for name, value in grad(p).items()}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        report = gradcheck.check(loss, params(), matrices)
    assert verdicts(report) == {"W": "ok", "b": "shape"}
    assert report.verdict == "fail"


def test_a_masked_entry_is_no_gradient():
    def masked(p):
        gradient = grad(p)["W"]
        mask = np.zeros(gradient.shape, bool)
        mask[1, 2] = True
        return {**grad(p), "W": np.ma.masked_array(gradient, mask)}

    assert gradcheck.check(loss, params(), masked).verdict != "pass"


@pytest.mark.parametrize(
    ("convert", "sentence"),
    [
        (lambda value: value + 1j, "is complex, and W is real"),
        (lambda value: value.astype(object), "dtype object"),
        (lambda value: value.astype(str), "dtype <U"),
        (lambda value: value.astype("datetime64[s]"), "dtype datetime64"),
        (lambda value: "text", "is a str"),
        (lambda value: b"text", "is a bytes"),
        (lambda value: {"x": value}, "is a dict of 1"),
        (iter, "is an iterator"),
    ],
)
def test_gradients_that_are_no_real_numbers_are_refused(convert, sentence):
    with pytest.raises(gradcheck.UsageError, match=f"gradient of W .*{sentence}"):
        gradcheck.check(loss, params(), lambda p: {**grad(p), "W": convert(grad(p)["W"])})


SCALARS = {
    "float": float,
    "np.float64": np.float64,
    "0-d": np.asarray,
    "(1,)": lambda value: np.array([value]),
    "[x]": lambda value: [value],
}


@pytest.mark.parametrize("returned", SCALARS)
@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_number_is_the_gradient_of_a_number(returned, factor):
    for start in (np.array(0.7), 0.7, np.float64(0.7)):
        report = gradcheck.check(
            lambda p: float(np.sin(p["s"])),
            {"s": start},
            lambda p: {"s": SCALARS[returned](factor * float(np.cos(p["s"])))},
        )
        assert report.verdict == ("pass" if factor == 1.0 else "fail"), str(report)


@pytest.mark.parametrize("returned", SCALARS)
def test_a_number_for_a_block_of_one_is_right_or_a_matter_of_shape(returned):
    def gradient(p):
        return {"s": SCALARS[returned](float(np.cos(p["s"][0])))}

    report = gradcheck.check(lambda p: float(np.sin(p["s"][0])), {"s": np.array([0.7])}, gradient)
    expected = "ok" if returned in ("(1,)", "[x]") else "shape"
    assert verdicts(report) == {"s": expected}


NAMES = {
    "escape": "W\x1b[31m\x1b]0;title\x07",
    "newlines": "W\nverdict: pass\r\x08\x00",
    "c1 and bidi": "W\x9b31m\u202e\u2066\u200b",
    "rich": "[bold red]W[/] [link=http://x]y[/link]",
    "html": "<script>alert('W')</script>&amp;",
    "long": "W" * 10_000,
    "format": "{0} %s {W!r} %n",
    "surrogate": "W\ud800",
}


def printable(text):
    return all(character == "\n" or character.isprintable() for character in text)


NAMED = list(product(NAMES, ["right", "wrong", "raising", "nan", "missing"]))


@pytest.mark.parametrize(("name", "way"), sample(NAMED, every=3))
def test_names_of_blocks_stay_text(name, way):
    name = NAMES[name]

    def gradient(p):
        if way == "raising":
            raise ValueError(name)
        value = {"wrong": 7.3 * p[name] ** 3, "nan": np.nan * p[name]}.get(way, 2 * p[name])
        return {"b": 2 * p["b"]} if way == "missing" else {name: value, "b": 2 * p["b"]}

    report = gradcheck.check(
        lambda p: float(sum(np.sum(value**2) for value in p.values())),
        {name: np.array([1.0, 2.0]), "b": np.array([3.0])},
        gradient,
    )
    assert report.verdict == ("pass" if way == "right" else "fail")
    assert report.blocks[0].name == name
    text = str(report)
    assert printable(text)
    text.encode("utf-8")
    report.to_json().encode("utf-8")
    if way == "right":
        assert text.count("pass") == 1 + name.count("pass")
        assert name == NAMES["newlines"] or len(text.splitlines()) == 5


def test_a_name_forges_no_line_of_the_report():
    name = "W\npass: 2 gradients agree"
    report = gradcheck.check(
        lambda p: float(np.sum(p[name] ** 2)), {name: np.ones(2)}, lambda p: {name: 3 * p[name]}
    )
    assert report.verdict == "fail"
    assert not any(line.startswith("pass") for line in str(report).splitlines())


def nested_loss(p):
    return float(np.sum(p["a.b"] ** 2) + np.sum(p["a"]["b"] ** 2))


def nested_gradient(p):
    return {"a.b": 2 * p["a.b"], "a": {"b": 2 * p["a"]["b"]}}


def nested_step(p):
    gradient = nested_gradient(p)
    return {
        "a.b": p["a.b"] - 0.1 * gradient["a.b"],
        "a": {"b": p["a"]["b"] - 0.1 * gradient["a"]["b"]},
    }


@pytest.mark.xfail(strict=True, reason="`a.b` and b in a have one name, and one is not found")
def test_two_paths_of_one_name_in_a_gradient():
    arrays = {"a.b": np.ones(2), "a": {"b": np.full(2, 3.0)}}
    assert gradcheck.check(nested_loss, arrays, nested_gradient).ok


def test_two_paths_of_one_name_in_a_step():
    arrays = {"a.b": np.ones(2), "a": {"b": np.full(2, 3.0)}}
    assert gradcheck.check_step(nested_step, arrays, loss=nested_loss, learning_rate=0.1).ok


@pytest.mark.xfail(strict=True, reason="the key '' is named params, as a bare array is")
def test_an_empty_key_is_told_from_another_called_params():
    report = gradcheck.check(
        lambda p: float(sum(np.sum(value**2) for value in p.values())),
        {"": np.ones(2), "params": np.ones(3)},
        lambda p: {name: 2 * value for name, value in p.items()},
    )
    assert report.ok
    assert len(verdicts(report)) == 2


@pytest.mark.parametrize("name", ["escape", "newlines", "surrogate"])
def test_hostile_names_in_a_refusal_stay_text(name):
    with pytest.raises(gradcheck.UsageError) as refused:
        gradcheck.check(
            lambda p: float(np.sum(p[NAMES[name]] ** 2)), {NAMES[name]: np.ones(2)}, lambda p: {}
        )
    assert printable(str(refused.value))


def test_a_long_name_does_not_fill_the_report():
    name = NAMES["long"]
    report = gradcheck.check(
        lambda p: float(np.sum(p[name] ** 2)), {name: np.ones(2)}, lambda p: {name: 7.3 * p[name]}
    )
    assert report.verdict == "fail"
    assert len(str(report)) < 3000


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_block_without_entries_among_others(shape, factor):
    def gradient(p):
        gradients = grad(p)
        return {"empty": np.zeros(shape), "W": gradients["W"], "b": factor * gradients["b"]}

    p = {"empty": np.zeros(shape), **params()}
    p["b"] += 0.1
    report = gradcheck.check(loss, p, gradient)
    assert verdicts(report)["W"] == "ok"
    assert verdicts(report)["b"] == ("ok" if factor == 1.0 else "wrong")
    assert verdicts(report)["empty"] in ("ok", "not checked")
    assert report.verdict == ("pass" if factor == 1.0 else "fail")


def test_a_gradient_of_another_empty_shape_is_wrong_in_shape():
    report = gradcheck.check(
        lambda p: float(p["w"] @ p["w"]),
        {"w": np.ones(2), "empty": np.zeros((0, 3))},
        lambda p: {"w": 2 * p["w"], "empty": np.zeros((3, 0))},
    )
    assert verdicts(report) == {"w": "ok", "empty": "shape"}


def test_blocks_without_entries_alone_say_nothing():
    report = gradcheck.check(
        lambda p: float(np.sum(p["a"])) + 1.0,
        {"a": np.zeros((0, 3)), "b": np.zeros(0)},
        lambda p: {"a": np.zeros((0, 3)), "b": np.zeros(0)},
    )
    assert report.verdict == "inconclusive"


def test_an_empty_array_alone_says_nothing():
    report = gradcheck.check(lambda w: 0.0, np.zeros(0), lambda w: np.zeros(0))
    assert report.verdict == "inconclusive"


LITTLE = 4.5 * 2**20
"""Bytes that are held beside copies of the parameters, however many there are."""


def test_two_million_parameters_take_about_four_times_their_memory():
    # the point, its gradient, a point beside it and the gradient there: the user's own is the last
    w = np.full(2 * 10**6, 0.5)
    gradcheck.check(lambda w: float(w @ w), w[:10], lambda w: 2 * w, entries=3)
    tracemalloc.start()
    try:
        report = gradcheck.check(lambda w: float(w @ w), w, lambda w: 2 * w, entries=3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.ok, str(report)
    assert report.coverage.entries == 3
    assert peak <= 4 * w.nbytes + LITTLE, f"{peak / w.nbytes:.2f} times the parameters"


@pytest.mark.parametrize("leaving", [SystemExit(3), GeneratorExit("over"), ValueError("no")])
def test_a_backward_that_leaves_the_interpreter_is_told_as_one_that_raises(leaving):
    def backward(upstream, cache):
        raise leaving

    report = gradcheck.check_layer(lambda x: (x**2, x), backward, (np.ones(3),))
    assert report.verdict == "fail"
    assert type(leaving).__name__ in str(report)
