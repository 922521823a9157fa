"""The pictures as matplotlib figures: all of them, of any names and numbers; no global state."""

import io
import re
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest
from pictures.drawn import HOSTILE, INF, NAN, block_of, pictures_of, report_of
from sweeps import sample

from gradcheck.errors import UsageError
from gradcheck.pictures import drawing
from gradcheck.pictures.model import HeatMap, LayerPicture, Pictures, Scatter, SlopeRatio
from gradcheck.words import printable

pytest.importorskip("matplotlib")


def draw(report):
    """The figures, each drawn once."""
    figures = report.plot()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the font need not have every letter
        for figure in figures.values():
            figure.savefig(io.BytesIO(), format="svg")
    return figures


def test_every_kind_of_picture_has_a_name():
    names = ["network", "heat map W1", "scatter W1", "step curve", "slope test"]
    assert list(report_of().plot()) == [*names, "slope ratio layer 1"]


def test_no_picture_is_no_figure():
    assert report_of(pictures=Pictures()).plot() == {}


def test_wrong_entries_differ_in_colour_and_shape():
    axes = report_of().plot()["scatter W1"].axes[0]
    right, wrong = axes.get_lines()[:2]
    assert (right.get_label(), list(right.get_xdata())) == ("right", [0.5, 2.0])
    assert (wrong.get_label(), list(wrong.get_ydata())) == ("wrong", [pytest.approx(4 / 3)])
    assert right.get_marker() != wrong.get_marker()
    assert right.get_color() != wrong.get_color()


def test_a_heat_map_is_logarithmic_and_outlines_its_worst_cell():
    axes = report_of().plot()["heat map W1"].axes[0]
    shown = axes.images[0]
    assert (shown.norm.vmin, shown.norm.vmax) == (drawing.LEAST_ERROR, drawing.LARGEST_ERROR)
    assert shown.get_array().mask.tolist() == [[False, False], [True, False]]
    assert {outline.get_xy() for outline in axes.patches} == {(0.5, -0.5)}
    assert "W1[0, 1]" in axes.get_xlabel()


def test_a_step_curve_has_two_lines_and_shows_an_error_of_zero():
    axes = report_of().plot()["step curve"].axes[0]
    numeric, analytic = axes.get_lines()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert list(numeric.get_ydata()) == [1e-6, drawing.NO_ERROR, 1e-4]
    assert list(analytic.get_ydata()) == [1.0, 1.0, 1.0]


def test_a_slope_ratio_has_a_line_at_one():
    points, one = report_of().plot()["slope ratio layer 1"].axes[0].get_lines()
    assert list(points.get_ydata()) == [0.5, 1.0]
    assert list(one.get_ydata()) == [1.0, 1.0]


PAIRS = list(zip(HOSTILE, (*HOSTILE[1:], HOSTILE[0]), strict=True))


@pytest.mark.parametrize(("hostile", "activation"), sample(PAIRS, every=8), ids=ascii)
def test_names_are_text_and_not_formulas(hostile, activation):
    pictures = replace(
        pictures_of(hostile),
        layers=(LayerPicture(1, 2, activation, ((hostile, "wrong"),)),),
        slope_ratios=(SlopeRatio(1, activation, (0.0,), (1.0,)),),
    )
    figures = draw(report_of(hostile, pictures=pictures))
    assert f"scatter {printable(hostile)}" in figures
    assert (
        figures[f"scatter {printable(hostile)}"].axes[0].get_title().startswith(printable(hostile))
    )


def test_nan_infinity_and_numbers_at_the_limits_are_drawn_somewhere():
    awkward = (0.0, INF, -INF, NAN, 1.7e308, -1.7e308, 5e-324)
    pictures = replace(
        pictures_of("W1", errors=((NAN, INF, 0.0, 1e308),)),
        scatters=(Scatter("W1", awkward, awkward[::-1], (True, False) * 3 + (True,)),),
        slope_ratios=(
            SlopeRatio(1, "relu", awkward, awkward[::-1]),
            SlopeRatio(2, "elu", (NAN,), (INF,)),
        ),
        step_curve=replace(pictures_of("W1").step_curve, to_numeric=(NAN, INF, NAN)),
        slope_test=replace(pictures_of("W1").slope_test, left=(NAN, INF, 0.0), order=None),
    )
    figures = draw(report_of(pictures=pictures))
    assert len(figures) == 7
    assert figures["heat map W1"].axes[0].images[0].get_array()[0, 1] == drawing.LARGEST_ERROR


def test_single_entry_blocks():
    pictures = Pictures(
        layers=(LayerPicture(1, 0, None, ()),),
        heat_maps=(HeatMap("s", (1, 1), ((0.5,),), (1, 1), (0, 0), ()),),
        scatters=(Scatter("s", (0.0,), (0.0,), (False,)),),
    )
    names = {"network", "heat map s", "scatter s"}
    assert set(draw(report_of(pictures=pictures))) == names


def test_of_many_blocks_the_wrong_ones_are_drawn():
    names = [f"W{number}" for number in range(100)]
    pictures = Pictures(scatters=tuple(Scatter(name, (1.0,), (1.0,), (False,)) for name in names))
    blocks = tuple(block_of(name, "wrong" if name == "W99" else "ok") for name in names)
    figures = report_of(pictures=pictures, blocks=blocks).plot()
    assert next(iter(figures)) == "scatter W99"
    assert len(figures) == drawing.MOST_BLOCKS


def test_pyplot_stays_out_of_it():
    code = (
        "import sys; sys.path.insert(0, 'tests');"
        "from pictures.drawn import report_of; report_of().plot();"
        "assert 'matplotlib.figure' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=re.escape("pip install matplotlib")):
        report_of().plot()
