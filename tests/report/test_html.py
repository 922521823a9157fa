"""The HTML page: its structure, that it fetches nothing, and that no name breaks out of it."""

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from pictures.drawn import HOSTILE, INF, NAN, block_of, pictures_of, report_of

import gradcheck
from gradcheck.errors import UsageError
from gradcheck.finding import Finding
from gradcheck.pictures import drawing, svg
from gradcheck.pictures.charts import scatter_chart
from gradcheck.pictures.model import HeatMap, LayerPicture, Pictures, Scatter, SlopeRatio
from gradcheck.report.html import page as render
from gradcheck.report.html import pages
from gradcheck.report.outcome import Outcome
from gradcheck.user.calls import Location
from gradcheck.words import printable

pytest.importorskip("jinja2")

VOID = {"meta", "br", "wbr", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """A page as it was parsed: its elements, its text, and what does not balance."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.unbalanced, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        self.unbalanced += self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag, **wanted):
        return [
            attributes
            for found, attributes in self.elements
            if found == tag and wanted.items() <= attributes.items()
        ]


def page_of(*reports):
    return Page(render([(None, report) for report in reports]))


def with_hostile_text(hostile):
    finding = Finding(
        code="GC101",
        rule=hostile,
        blocks=(hostile,),
        message=hostile,
        evidence=(hostile,),
        fix=hostile,
        location=Location(hostile, 1),
        also=(Location(hostile, 2),),
        equally=(hostile,),
    )
    layer = LayerPicture(1, 2, hostile, ((hostile, "wrong"),))
    slope = SlopeRatio(1, hostile, (0.0,), (1.0,))
    return report_of(
        hostile,
        sketch=replace(pictures_of(hostile), layers=(layer,), slope_ratios=(slope,)),
        findings=(finding,),
        network=hostile,
        layers=(hostile,),
        notes=(hostile,),
        details=(hostile,),
        reproduce=hostile,
    )


def test_a_page_tells_everything_that_the_report_holds():
    text = page_of(report_of()).text
    for told in (
        "1 of 2 gradients is wrong",
        "12-7 relu",
        "6 of 8 (entries=4 per block)",
        "1,234",
        "dL/d W1 is 8 times too large",
        "missing-batch-mean",
        '"""Reports with invented pictures, for the renderers that draw them."""',
        "drawn.py:1",
        "/nowhere/nets.py:7",
        "analytic / numeric = 8",
        "X.T @ dZ1 / m",
        "5.2e-11",
        "The numbers fit GC102 equally well.",
        "layer 1: all else right",
        "W1[0, 1]",
        "the step is small",
        "the loss is repeatable",
        "gradcheck run nets.py --seed 3",
    ):
        assert told in text
    assert text.count("b1 is right") == 1  # a finding says it, so the lines on layers do not


def test_every_kind_of_picture_is_drawn_and_described():
    page = page_of(report_of())
    assert len(page.all("svg")) == len(page.all("figure")) == 6
    assert all(attributes["role"] == "img" for attributes in page.all("svg"))
    for title in (
        "The network, layer by layer",
        "W1: relative error of every entry",
        "W1: relative error against size",
        "W1[0, 1]: error against step size",
        "slope test: the error falls with h^2.00",
        "layer 1, relu: delta against pre-activation",
    ):
        assert title in page.text
    assert len(page.all("title")) == 1 + len(page.all("desc")) == 7


def test_tags_balance_and_ids_are_unique():
    page = page_of(report_of(), report_of("W2"), report_of(pictures=Pictures(), findings=()))
    assert page.unbalanced == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"].removeprefix("#") for attributes in page.all("a")]
    assert set(links) <= set(ids)
    assert {"GC101", "GC101-2", "case-1", "case-2", "case-3"} <= set(links)


def test_headings_come_in_order():
    levels = [
        int(tag[1]) for tag, _ in page_of(report_of(), report_of()).elements if tag in "h1h2h3h4"
    ]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("text", [render([("a case", report_of()), (None, report_of())])])
def test_nothing_is_fetched_and_nothing_runs(text):
    assert not re.findall(r"https?:|//\w|\bsrc=|@import|url\(|<script|<link|\bon\w+=", text)
    policy = Page(text).all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy[0]["content"].startswith("default-src 'none'")


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_hostile_text_is_shown_and_stays_text(hostile, monkeypatch):
    monkeypatch.setattr(Location, "source", property(lambda _: hostile))
    text = render([(hostile, with_hostile_text(hostile)), (hostile, with_hostile_text(hostile))])
    page = Page(text)
    assert page.unbalanced == []
    plain = page_of(report_of(), report_of())
    found, wanted = ({tag for tag, _ in one.elements} - {"wbr"} for one in (page, plain))
    assert found == wanted
    assert not [name for _, given in page.elements for name in given if name.startswith("on")]
    assert all(character.isprintable() or character == "\n" for character in text)
    text.encode("utf-8")
    shown = "\n".join(map(printable, hostile.split("\n")))
    assert page.text.count(shown) >= 20
    assert not re.search(r"<script|<img|\bonerror=alert\(1\)>", text)


def test_nan_infinity_and_numbers_at_the_limits_are_drawn_somewhere():
    awkward = (0.0, -0.0, INF, -INF, NAN, 1.7e308, -1.7e308, 5e-324)
    pictures = replace(
        pictures_of("W1", errors=((NAN, INF, 0.0, 1e308),)),
        scatters=(Scatter("W1", awkward, awkward[::-1], (True, False) * 4),),
        slope_ratios=(
            SlopeRatio(1, "relu", awkward, awkward[::-1]),
            SlopeRatio(2, "elu", (NAN,), (INF,)),
        ),
        step_curve=replace(pictures_of("W1").step_curve, to_numeric=(NAN, INF, 0.0)),
    )
    text = render([(None, report_of(pictures=pictures))])
    paths = re.findall(r' d="([^"]*)"', text)
    assert paths
    assert not [path for path in paths if re.search("nan|inf|e[+-]", path)]
    assert "not finite: 4" in text


@pytest.mark.parametrize(
    "values",
    [(0.0,), (3.0,), (-2e-9,), (1e-310, 2e-310), (1.0, 1.0 + 1e-15), (-1.7e308, 1.7e308), ()],
)
def test_an_axis_has_round_numbers_within_it(values):
    span = drawing.span_of(values)
    assert span.low < span.high
    assert all(0 <= span.fraction(value) <= 1 for value in values)
    ticks = drawing.linear_ticks(span)
    assert 2 <= len(ticks) <= 7
    assert len({label for _, label in ticks}) == len(ticks)
    assert all(span.low <= at <= span.high for at, _ in ticks)


def test_points_are_where_their_numbers_say():
    plot = svg.plot(scatter_chart(Scatter("W1", (1e-3, 1.0), (1e-3, 0.1), (False, True))))
    right, wrong = plot["series"]
    assert (right["style"], wrong["style"]) == ("dots", "crosses")
    x, y = (float(part) for part in re.match(r"M(\S+) (\S+?)h0$", right["path"]).groups())
    assert x < (svg.LEFT + svg.RIGHT) / 2
    assert y > (svg.TOP + svg.BOTTOM) / 2  # upwards is to smaller numbers
    assert wrong["path"].endswith(svg.CROSS)


def test_a_heat_map_has_one_path_per_colour_and_all_cells():
    errors = tuple(tuple(10.0 ** -(row % 13) for _ in range(64)) for row in range(64))
    cells = svg.cells(HeatMap("W1", (128, 64), errors, (2, 1), (1, 2), (3, 2)))
    assert len(cells["paths"]) <= drawing.COLOUR_STEPS
    lengths = re.findall(r"h(\d+)", "".join(path for _, path in cells["paths"]))
    assert sum(map(int, lengths)) == 64 * 64
    assert cells["worst"] == (1, 2)
    assert "W1[3, 2]" in cells["caption"]
    assert "2 by 1 entries" in cells["caption"]


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (0.0, 0),
        (1e-13, 0),
        (2e-12, 0),
        (4e-12, 1),
        (0.4, 23),
        (1.0, 23),
        (50.0, 23),
        (INF, 23),
        (NAN, 23),
    ],
)
def test_colours_are_half_decades(error, step):
    assert drawing.colour_step(error) == step


def test_what_was_not_perturbed_has_no_colour_and_a_legend():
    tested = page_of(report_of(pictures=pictures_of("W1", errors=((1.0, 1.0),))))
    untested = page_of(report_of(pictures=pictures_of("W1", errors=((1.0, None),))))
    assert "not perturbed" not in tested.text
    assert "not perturbed" in untested.text


def test_single_entries_and_nothing_at_all():
    scalar = HeatMap("s", (1, 1), ((0.5,),), (1, 1), (0, 0), ())
    pictures = Pictures(
        layers=(LayerPicture(1, 0, None, ()),),
        heat_maps=(scalar,),
        scatters=(Scatter("s", (0.0,), (0.0,), (False,)),),
    )
    page = page_of(report_of(pictures=pictures))
    assert page.unbalanced == []
    assert "s: relative error of every entry" in page.text
    bare = page_of(
        report_of(pictures=Pictures(), blocks=(), findings=(), layers=(), notes=(), network=None)
    )
    assert not bare.all("svg")
    assert "None" not in bare.text


def test_what_could_not_be_checked_says_why():
    page = page_of(
        report_of(
            verdict="inconclusive", could_not_check="your loss raised", blocks=(), findings=()
        )
    )
    assert "your loss raised" in page.text


def test_an_index_stands_above_several_reports_only():
    passed = report_of(verdict="pass", findings=())
    several = Page(render([("first", report_of()), ("second", passed)]))
    assert several.all("nav")
    assert several.all("a", href="#case-2")
    assert not page_of(report_of()).all("nav")


def test_a_page_of_a_thousand_blocks_stays_small_and_says_what_it_leaves_out():
    names = [f"W{number}" for number in range(1000)]
    pictures = Pictures(
        layers=tuple(LayerPicture(n, 5, "relu", ((f"W{n}", "ok"),)) for n in range(1000)),
        scatters=tuple(Scatter(name, (1.0,), (1.0,), (False,)) for name in names),
    )
    blocks = tuple(block_of(name, "wrong" if name == "W999" else "ok") for name in names)
    text = render([(None, report_of(pictures=pictures, blocks=blocks))])
    assert "W999: relative error against size" in text  # the wrong one is drawn, wherever it stands
    assert f"{1000 - drawing.MOST_BLOCKS} more blocks" in text
    assert len(text) < 3_000_000


def test_an_ordinary_page_is_small():
    errors = tuple(tuple(10.0 ** -(row * column % 13) for column in range(64)) for row in range(64))
    names = ("W1", "W2", "W3", "W4")
    numbers = tuple(float(number**0.5) for number in range(400))
    pictures = Pictures(
        heat_maps=tuple(HeatMap(name, (64, 64), errors, (1, 1), (0, 0), (0, 0)) for name in names),
        scatters=tuple(Scatter(name, numbers, numbers, (True,) * 400) for name in names),
    )
    text = render([(None, report_of(pictures=pictures, blocks=tuple(map(block_of, names))))])
    assert len(text) < 300_000


def test_totals_stand_on_top_of_several_cases():
    passed = report_of(verdict="pass", findings=())
    page = Page(render([("a", report_of()), ("b", report_of()), ("c", passed)]))
    totals = page.text[: page.text.index("Are these") if "Are these" in page.text else 600]
    assert "3 cases" in totals
    assert re.search(r"1\s+\N{CHECK MARK}pass", totals)
    assert re.search(r"2\s+\N{BALLOT X}fail", totals)
    assert "GC101 missing-batch-mean in 2" in totals


def test_a_page_for_each_file_and_one_with_the_totals():
    lost = Outcome("dan", None, differences=("it hangs",), error="it hangs")
    names = ("ann/net:one", "ann/net:two", "index:net")
    found = pages([*(Outcome(name, report_of()) for name in names), lost])
    assert list(found) == ["index.html", "ann-net.html", "index-2.html", "dan.html"]
    links = [each["href"] for each in Page(found["index.html"]).all("a")]
    targets = [
        "ann-net.html#case-1",
        "ann-net.html#case-2",
        "index-2.html#case-1",
        "dan.html#case-1",
    ]
    assert links[1:] == targets
    for target in targets:
        file, _, anchor = target.partition("#")
        assert Page(found[file]).all("article", id=anchor)
    assert "it hangs" in found["dan.html"]
    assert all(Page(text).unbalanced == [] for text in found.values())


def test_names_break_between_their_words():
    text = render([("nets/my_long_network:published", report_of())])
    assert "nets/<wbr>my_<wbr>long_<wbr>network:<wbr>published</h2>" in text


def test_a_scatter_without_points_is_not_drawn():
    report = gradcheck.check(
        lambda p: float(np.sum(p["w"] ** 2) + p["b"] ** 2),
        {"w": np.ones(3), "b": 1.0},
        lambda p: {"w": np.full(3, np.nan), "b": 2 * p["b"]},
    )
    assert [scatter.block for scatter in report.pictures.scatters] == ["b"]


def test_a_real_report_becomes_a_page():
    report = gradcheck.check(lambda w: float(w @ w), np.array([1.0, 2.0]), lambda w: w)
    assert report.to_html().startswith("<!DOCTYPE html>")
    assert "wrong" in Page(report.to_html()).text


def test_without_jinja2_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UsageError, match=re.escape("pip install jinja2")):
        report_of().to_html()
