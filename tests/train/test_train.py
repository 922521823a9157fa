"""Training the variants of a case side by side, and the table and plot of their losses."""

import math
import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from modules import module_at

from gradcheck.casefiles import bundled_folder
from gradcheck.errors import UsageError
from gradcheck.pictures import curves as report
from gradcheck.train import Curve, train_case
from gradcheck.train.runs import verdict

USER_CASES = """
import random
import numpy as np
import gradcheck

W = np.array([1.0, -2.0, 3.0])

def loss(w):
    print("in the loss")
    return float((w ** 2).sum())

def case_of(grad, **options):
    return gradcheck.Case(loss, W, grad, **options)

@gradcheck.case
def fixed():
    return case_of(lambda w: 2 * w)

@gradcheck.case
def published():
    return case_of(lambda w: 0.02 * w)

@gradcheck.case
def flipped():
    return case_of(lambda w: -2 * w)

@gradcheck.case
def huge():
    return case_of(lambda w: 1e3 * w)

@gradcheck.case
def nothing():
    return case_of(lambda w: 0 * w)

@gradcheck.case
def raising():
    calls = []
    def grad(w):
        calls.append(w)
        if len(calls) > 4:
            raise ZeroDivisionError("no\\nsuch number")
        return 2 * w
    return case_of(grad)

@gradcheck.case
def unreadable():
    return case_of(lambda w: "2 w")

@gradcheck.case
def not_made():
    raise LookupError("no data")

@gradcheck.case
def interrupted():
    calls = []
    def grad(w):
        calls.append(w)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return 2 * w
    return case_of(grad)

@gradcheck.case
def wider():
    params = {"W": np.ones((3, 1)), "b": np.zeros(1)}
    return gradcheck.Case(
        lambda p: float((p["W"] ** 2).sum() + p["b"].sum() ** 2), params,
        lambda p: {"W": np.ones((3, 2)), "b": np.zeros(1)},
    )

@gradcheck.case
def last_layer_only():
    params = {"W1": np.ones(2), "W2": np.ones(2)}
    return gradcheck.Case(
        lambda p: float((p["W1"] ** 2).sum() + (p["W2"] ** 2).sum()), params,
        lambda p: {"W2": 2 * p["W2"]},
    )

@gradcheck.case
def both_at_once():
    return gradcheck.Case(lambda w: (loss(w), 2 * w), W)

class Network:
    def __init__(self):
        self.weights = W.copy()

@gradcheck.case
def an_object():
    network = Network()
    return gradcheck.Case(
        lambda net: loss(net.weights), network, lambda net: {"weights": 2 * net.weights}
    )

@gradcheck.case
def from_numpys_numbers():
    return gradcheck.Case(loss, np.random.standard_normal(3), lambda w: 2 * w)

@gradcheck.case
def from_pythons_numbers():
    return gradcheck.Case(loss, W * random.random(), lambda w: 2 * w)

@gradcheck.case
def layer():
    return gradcheck.LayerCase(lambda x: 2 * x, lambda upstream: 2 * upstream, W)

@gradcheck.case
def step_in_place():
    def step(p, lr):
        p["w"] -= lr * 2 * p["w"]
    return gradcheck.StepCase(step, {"w": W}, loss=lambda p: loss(p["w"]), learning_rate=0.1)

@gradcheck.case
def step_that_returns():
    return gradcheck.StepCase(lambda w: 0.8 * w, W, loss=loss, learning_rate=0.1)

@gradcheck.case
def step_that_explodes():
    return gradcheck.StepCase(lambda w: w * 1e200, W, loss=loss, learning_rate=0.1)
"""

OWN_TRAINING = """
import numpy as np
import gradcheck

@gradcheck.case
def published():
    return gradcheck.Case(lambda w: float(w @ w), np.ones(2), lambda w: 2 * w)

@gradcheck.case
def fixed():
    return gradcheck.Case(lambda w: float(w @ w), np.ones(2), lambda w: 2 * w)

def train({arguments}):
    '''how it is done'''
    {body}
"""


@cache
def bundled(name):
    return train_case(name)


def ends(curves):
    return {curve.variant: curve.ended for curve in curves}


def learned(name):
    """The module of a bundled case, its first and last losses once mended, and what it learned."""
    module = module_at(bundled_folder() / f"{name}.py")
    (first, _), *_, (last, parameters) = module.train("fixed", 0)
    return module, first, last, parameters


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(USER_CASES)
    return path


def trained(file, variant, **options):
    curves = {curve.variant: curve for curve in train_case(f"{file}:{variant}", **options)}
    return curves[variant]


def test_xor_gets_four_right_answers():
    xor, _, _, parameters = learned("xor")
    assert np.array_equal(xor.predict(parameters)[1] > 0.5, xor.ideal_output > 0.5)


@pytest.mark.in_full
def test_the_ten_images_are_overfitted():
    fixed = bundled("overfit_pixels")[1]
    assert fixed.losses[0] > 0.5
    assert fixed.losses[-1] < 0.01


def test_the_article_fits_its_function():
    article, _, last, network = learned("dense_article")
    x, y = article.toy_data("fixed", np.random.default_rng(0))
    best_constant = 0.5 * np.var(y)
    assert last == network.loss(x, y)
    assert last < best_constant / 10


def test_the_digits_are_told_apart():
    digits, _, _, layers = learned("digits_classifier")
    x, labels = digits.ten_classes(np.random.default_rng(0))
    right = np.argmax([digits.feed_forward(layers, picture)[-1] for picture in x], axis=1) == labels
    assert set(labels) == set(range(10))
    assert np.mean(right) > 0.95


def test_the_hidden_layer_learns_once_it_has_a_gradient():
    outer, fixed = bundled("digits_classifier:outer")
    assert outer.ended == "converges slower"
    assert outer.losses[-1] > 10 * fixed.losses[-1]


def test_the_regression_fits_its_point():
    regression, _, _, parameters = learned("relu_regression")
    answer = regression.forward(parameters, regression.X)[-1]
    assert answer == pytest.approx(regression.T, abs=1e-3)


@pytest.mark.parametrize(
    ("case", "ended"),
    [
        ("xor", "converges"),
        ("overfit_pixels", "explodes and stalls"),
        ("dense_article", "climbs"),
        ("relu_regression", "converges slower"),
    ],
)
def test_what_the_bug_does_to_training(case, ended):
    assert ends(bundled(case)) == {"published": ended, "fixed": "converges"}


def test_the_published_loss_explodes_and_comes_back():
    published = bundled("overfit_pixels")[0]
    assert max(published.losses) > 2 * published.losses[0]
    assert published.losses[-1] == pytest.approx(math.log(2), rel=0.01)


def test_code_that_raises_ends_its_curve():
    published, fixed = bundled("digits_classifier")
    assert len(published.losses) == 1
    assert published.ended.startswith("raises ValueError: shapes (10,) and (100,) not aligned")
    assert fixed.ended == "converges"


def test_both_variants_begin_at_the_same_loss():
    for case in ("xor", "overfit_pixels", "dense_article", "digits_classifier", "relu_regression"):
        published, fixed = train_case(case, epochs=1)
        assert published.losses[0] == fixed.losses[0]


def test_a_named_variant_is_trained_beside_the_fixed_one():
    curves = train_case("overfit_pixels:raw_pixels", epochs=3)
    assert [curve.variant for curve in curves] == ["raw_pixels", "fixed"]
    assert curves[0].ended == "explodes"
    assert [len(curve.losses) for curve in curves] == [4, 4]
    assert [c.variant for c in train_case("relu_regression:fixed", epochs=3)] == ["fixed"]


def test_the_same_seed_gives_the_same_curves():
    one, again = (train_case("dense_article", seed=3, epochs=5) for _ in range(2))
    assert one == again
    assert one != train_case("dense_article", seed=4, epochs=5)


def test_the_options_reach_the_files_own_training():
    slow = train_case("relu_regression", epochs=7, learning_rate=1e-4)[1]
    assert len(slow.losses) == 8
    assert slow.losses[1] == pytest.approx(slow.losses[0], rel=0.1)
    with pytest.raises(UsageError, match="its own learning rate"):
        train_case("xor", learning_rate=0.2)


def test_a_users_case_is_trained_by_gradient_descent(file, capsys):
    published, fixed = train_case(str(file))
    assert len(fixed.losses) == 101
    assert fixed.losses[1] == pytest.approx(fixed.losses[0] * 0.8**2)
    assert fixed.losses[-1] < 1e-9
    assert published.losses[0] == fixed.losses[0]
    assert ends((published, fixed)) == {"published": "converges slower", "fixed": "converges"}
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("variant", "ended"),
    [
        ("flipped", "explodes"),
        ("huge", "explodes"),
        ("nothing", "stalls"),
        ("raising", "raises ZeroDivisionError: no such number"),
        ("not_made", "raises LookupError: no data"),
        ("wider", "raises ValueError: the gradient of W has shape (3, 2), and W has (3, 1)"),
        ("last_layer_only", "converges"),
        ("both_at_once", "converges"),
        ("an_object", "converges"),
        ("step_in_place", "converges"),
        ("step_that_returns", "converges"),
        ("step_that_explodes", "explodes"),
    ],
)
def test_how_a_users_case_ends(file, variant, ended):
    assert trained(file, variant).ended == ended


def test_what_cannot_be_read_as_a_gradient_ends_its_own_curve_only(file):
    unreadable, fixed = train_case(f"{file}:unreadable")
    assert unreadable.ended.startswith("cannot be trained: the gradient of params is a str")
    assert unreadable.losses == (14.0,)
    assert fixed.ended == "converges"


def test_what_has_no_gradient_stays_as_it_is(file):
    assert trained(file, "last_layer_only").losses[-1] == pytest.approx(2.0)


def test_a_curve_ends_where_the_gradient_raises(file):
    curves = train_case(f"{file}:raising")
    assert 1 < len(curves[0].losses) < len(curves[1].losses) == 101


def test_a_step_is_called_as_it_is(file):
    for variant in ("step_in_place", "step_that_returns"):
        losses = trained(file, variant, epochs=2).losses
        assert losses == pytest.approx([14.0, 14.0 * 0.8**2, 14.0 * 0.8**4])
    assert trained(file, "step_in_place", learning_rate=0.25).losses[1] == pytest.approx(3.5)
    with pytest.raises(UsageError, match="its own learning rate"):
        train_case(f"{file}:step_that_returns", learning_rate=0.25)


def test_an_object_moves_as_an_array_does(file):
    assert trained(file, "an_object").losses == trained(file, "fixed").losses


@pytest.mark.parametrize("variant", ["from_numpys_numbers", "from_pythons_numbers"])
def test_the_global_generators_are_seeded_for_the_users_code_and_put_back(file, variant):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, again, other = (trained(file, variant, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_a_layer_is_refused(file):
    with pytest.raises(UsageError, match="mine:layer is a LayerCase: a layer alone has no loss"):
        train_case(f"{file}:layer")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("xorr", "did you mean xor"),
        ("xor:fixd", "did you mean fixed"),
        ("nowhere.py", "no case or file 'nowhere.py'"),
    ],
)
def test_unknown_names_get_the_nearest_ones(target, message):
    with pytest.raises(UsageError, match=message):
        train_case(target)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        train_case(str(tmp_path))


@pytest.mark.parametrize(
    "option", [{"epochs": 0}, {"learning_rate": math.nan}, {"learning_rate": -1.0}, {"seed": -1}]
)
def test_senseless_options_are_refused(option):
    with pytest.raises(UsageError, match="it must be"):
        train_case("relu_regression", **option)


def test_an_interrupt_gives_the_curves_so_far(file):
    curves = train_case(f"{file}:interrupted")
    assert ends(curves) == {"interrupted": "interrupted"}
    assert len(curves[0].losses) > 1


def own(tmp_path, body, arguments="variant, seed"):
    path = tmp_path / "own.py"
    path.write_text(OWN_TRAINING.format(body=body, arguments=arguments))
    return str(path)


def test_a_files_own_training_may_yield_losses_or_tuples(tmp_path):
    plain = train_case(own(tmp_path, "yield from (4.0, 2.0, seed / 8)"), seed=1)
    pairs = train_case(own(tmp_path, "yield from ((4.0, None), (2.0, None), (0.125, None))"))
    assert plain == pairs
    assert plain[0] == Curve("published", (4.0, 2.0, 0.125), "converges", "how it is done")


def test_a_training_without_an_end_is_cut_off(tmp_path):
    endless = own(tmp_path, "while True: yield 1.0")
    assert [len(curve.losses) for curve in train_case(endless, epochs=9)] == [10, 10]


def test_a_training_that_yields_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="yields no loss"):
        train_case(own(tmp_path, "yield from ()"))


def test_another_function_of_that_name_is_left_alone(tmp_path):
    other = own(tmp_path, "yield 1.0", arguments="inputs, targets")
    assert all(len(curve.losses) == 101 for curve in train_case(other))


def test_progress_is_told_epoch_by_epoch():
    told = []

    def begin(unit, total):
        told.append((unit, total))
        return told.append

    train_case("relu_regression:fixed", epochs=2, begin=begin)
    assert told == [("epochs", 2), 1, 1, 1]


FIXED = tuple(2.0**-epoch for epoch in range(40))


@pytest.mark.parametrize(
    ("losses", "word"),
    [
        (FIXED, "converges"),
        ((1.0, 2.0, math.nan), "explodes"),
        ((math.nan, 1.0), "explodes"),
        ((1.0, 50.0, 20.0), "explodes"),
        ((1.0, 1.5, 2.0), "climbs"),
        ((1.0, 6.0, 1.0), "explodes and stalls"),
        ((1.0, math.inf, 1.0), "explodes and stalls"),
        ((1.0, 0.99, 0.99), "stalls"),
        ((1.0, *(0.6,) * 39), "stalls"),
        (tuple(0.9**epoch for epoch in range(40)), "converges slower"),
        (tuple(1 - 0.01 * epoch for epoch in range(40)), "converges slower"),
        ((1.0, 0.9, 0.8, 0.7), "converges slower"),
        ((-1.0, -5.0), "converges"),
        ((3.0, 2.0, 2.0), "converges"),
    ],
)
def test_the_words_for_curves(losses, word):
    assert verdict(losses, FIXED) == word


def test_the_table_shows_the_ends_and_the_peak():
    losses = [1.0 - epoch / 2000 for epoch in range(1001)]
    losses[777] = 55.5
    curves = (
        Curve("published", tuple(losses), "explodes", "how"),
        Curve("fixed", (1.0, 0.5, math.nan), "raises \x1b[31m"),
    )
    text = report.table(curves)
    how, body, closing = text.split("\n\n")
    rows = {row.split()[0]: row.split()[1:] for row in body.splitlines()}
    assert how == "how"
    assert closing == "published: explodes\nfixed: raises \\x1b[31m"
    assert rows["epoch"] == ["published", "fixed"]
    assert rows["0"] == ["1", "1"]
    assert rows["2"] == ["0.999", "nan"]
    assert rows["777"] == ["55.5"]
    assert rows["1000"] == ["0.5"]
    assert 10 < len(rows) < 18


def test_the_table_of_what_never_began():
    assert report.table([Curve("fixed", (), "raises OSError")]) == "fixed: raises OSError"


CURVES = (Curve("a $x_", FIXED, "converges"), Curve("_b", (1.0,), "raises ValueError: $ \x1b"))


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("SVG", b"<?xml")])
def test_a_plot_is_saved_in_the_format_of_its_suffix(tmp_path, suffix, magic):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"plot.{suffix}"
    report.plot(CURVES, path)
    assert path.read_bytes().startswith(magic)
    assert os.listdir(tmp_path) == [path.name]


def test_the_plot_has_every_curve_and_a_log_axis_where_it_can(tmp_path):
    pytest.importorskip("matplotlib")
    axes = report.figure(CURVES).axes[0]
    assert axes.get_yscale() == "log"
    assert [tuple(line.get_ydata()) for line in axes.get_lines()] == [FIXED, (1.0,)]
    assert len(axes.get_legend().get_texts()) == 2
    assert report.figure([Curve("a", (1.0, -1.0), "converges")]).axes[0].get_yscale() == "linear"
    report.plot([Curve("a", (), "raises OSError"), Curve("b", (math.nan,), "")], tmp_path / "p.png")


def test_huge_and_infinite_losses_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    huge = Curve("a", (1.0, 1e308, math.inf, -1e308, math.nan), "explodes")
    for curve in (huge, Curve("a", (1e-320, 1e308), "explodes")):
        report.plot([curve], tmp_path / "plot.png")


def test_a_plot_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure").Figure

    def failing(self, file, **options):
        file.write(b"half")
        raise OSError("no such program")

    path = tmp_path / "plot.png"
    path.write_text("before")
    monkeypatch.setattr(figure, "savefig", failing)
    with pytest.raises(UsageError, match=r"plot\.png cannot be drawn: no such program"):
        report.plot(CURVES, path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["plot.png"]


@pytest.mark.parametrize("name", ["plot", "plot.xyz", "", "nowhere/plot.png"])
def test_a_plot_that_cannot_be_saved_gets_a_sentence(tmp_path, name):
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match=r"use one of .*\.png|no folder"):
        report.plot(CURVES, tmp_path / name)


def test_without_matplotlib_the_plot_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install matplotlib"):
        report.plot(CURVES, tmp_path / "plot.png")


def test_training_loads_no_matplotlib():
    code = (
        "import sys\n"
        "from gradcheck.train import train_case; from gradcheck.pictures import curves\n"
        "curves.table(train_case('relu_regression', epochs=3))\n"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
