"""Pictures as shapes: where what stands on the page, in plain numbers and paths.

The template draws them, so that every name in them is escaped in one place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from gradcheck.pictures import drawing
from gradcheck.pictures.drawing import Span, Tick
from gradcheck.pictures.model import (
    HeatMap,
    Scatter,
    SlopeRatio,
    StepCurve,
)
from gradcheck.words import shortened

WIDTH, HEIGHT = 360, 280
LEFT, RIGHT, TOP, BOTTOM = 66, 350, 30, 232
"""The frame of a plot."""

MAP_WIDTH, MAP_HEIGHT, LARGEST_CELL = 310, 240, 36

CROSS = "m-3-3l6 6m0-6l-6 6"
SAMPLES = {"dots": "M0 0h0", "crosses": f"M0 0{CROSS}", "solid": "M-8 0h16", "dashed": "M-8 0h16"}
"""What a series looks like in the legend, by its style."""


@dataclass(frozen=True)
class Series:
    """Points or lines of a plot.

    Attributes:
        label: what the legend calls them.
        style: "dots", "crosses", "solid" or "dashed".
        path: the SVG path.
        at: where the legend has its sample, from the left.
    """

    label: str
    style: str
    path: str
    at: float

    @property
    def sample(self) -> str:
        """The path of the legend's sample."""
        return SAMPLES[self.style]


@dataclass(frozen=True)
class Plot:
    """A plot with two axes.

    Attributes:
        title: what it shows, in a few words.
        caption: how to read it.
        x_label: what is to the right.
        y_label: what is upwards.
        x_ticks: positions and labels.
        y_ticks: positions and labels.
        guides: the paths of lines to compare with.
        series: what is drawn.
        left_out: how many points are not finite.
    """

    title: str
    caption: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    guides: tuple[str, ...]
    series: tuple[Series, ...]
    left_out: int


@dataclass(frozen=True)
class Cells:
    """A heat map.

    Attributes:
        title: what it shows, in a few words.
        caption: what the worst cell is, and what a cell stands for.
        rows: how many rows of cells.
        columns: how many columns of cells.
        cell: width and height of a cell.
        paths: colour steps with the path of their cells, which is stroked one cell wide.
        worst: the row and column of the cell to mark.
        last: the last row and column of the matrix.
        untested: whether there are cells where nothing was perturbed.
    """

    title: str
    caption: str
    rows: int
    columns: int
    cell: tuple[float, float]
    paths: tuple[tuple[int, str], ...]
    worst: tuple[int, int]
    last: tuple[int, int]
    untested: bool


def scatter_plot(scatter: Scatter) -> Plot:
    """Analytic against numeric derivatives, on equal axes: the right ones lie on the diagonal."""
    span = drawing.span_of((*scatter.numeric, *scatter.analytic))
    points = list(zip(scatter.numeric, scatter.analytic, scatter.wrong, strict=True))
    finite = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    right = _marks(((x, y) for x, y, wrong in finite if not wrong), span, span, "h0")
    wrong = _marks(((x, y) for x, y, wrong in finite if wrong), span, span, CROSS)
    return Plot(
        title=f"{shortened(scatter.block)}: analytic against numeric",
        caption="An entry on the line has the derivative that finite differences give.",
        x_label="numeric",
        y_label="analytic",
        x_ticks=_across(drawing.linear_ticks(span), span),
        y_ticks=_upwards(drawing.linear_ticks(span), span),
        guides=(f"M{LEFT} {BOTTOM}L{RIGHT} {TOP}",),
        series=_legend(("right", "dots", right), ("wrong", "crosses", wrong)),
        left_out=len(points) - len(finite),
    )


def step_plot(curve: StepCurve) -> Plot:
    """Both distances of the central difference against the step size, on logarithmic axes."""
    steps = [drawing.exponent(step) for step in curve.steps]
    numeric = [drawing.exponent(value) for value in curve.to_numeric]
    analytic = [drawing.exponent(value) for value in curve.to_analytic]
    across, upwards = drawing.span_of(steps), drawing.span_of((*numeric, *analytic))
    pairs = [*zip(steps, numeric, strict=True), *zip(steps, analytic, strict=True)]
    return Plot(
        title=f"{drawing.entry_name(curve.block, curve.index)}: error against step size",
        caption="How far the central difference is from the numeric gradient and from your "
        "derivative. Where your derivative is right, both fall and rise together.",
        x_label="step size",
        y_label="relative distance",
        x_ticks=_across(drawing.decade_ticks(across), across),
        y_ticks=_upwards(drawing.decade_ticks(upwards), upwards),
        guides=(),
        series=_legend(
            ("to the numeric gradient", "solid", _line(steps, numeric, across, upwards)),
            ("to yours", "dashed", _line(steps, analytic, across, upwards)),
        ),
        left_out=sum(not all(map(math.isfinite, pair)) for pair in pairs),
    )


def slope_plot(slope: SlopeRatio) -> Plot:
    """The user's delta by the right one against the pre-activation."""
    points = list(zip(slope.pre_activation, slope.ratio, strict=True))
    finite = [point for point in points if all(map(math.isfinite, point))]
    across = drawing.span_of(x for x, _ in finite)
    upwards = drawing.span_of((1.0, *(y for _, y in finite)))
    one = short_number(_height(1.0, upwards))
    return Plot(
        title=f"layer {slope.layer}, {shortened(slope.activation)}: delta against pre-activation",
        caption="Your delta divided by the right one. It is 1, the line, where the slope is right.",
        x_label="pre-activation z",
        y_label="your delta / right delta",
        x_ticks=_across(drawing.linear_ticks(across), across),
        y_ticks=_upwards(drawing.linear_ticks(upwards), upwards),
        guides=(f"M{LEFT} {one}H{RIGHT}",),
        series=_legend(("units and samples", "dots", _marks(finite, across, upwards, "h0"))),
        left_out=len(points) - len(finite),
    )


def cells(heat_map: HeatMap) -> Cells | None:
    """The cells of a heat map, one path per colour; None where there are none."""
    rows, columns = len(heat_map.errors), max(map(len, heat_map.errors), default=0)
    if not rows or not columns:
        return None
    paths: dict[int, list[str]] = {}
    for row, errors in enumerate(heat_map.errors):
        column = 0
        for step, run in groupby(errors, _step):
            length = len(list(run))
            if step is not None:
                paths.setdefault(step, []).append(f"M{column} {row}h{length}")
            column += length
    caption = f"Outlined: the cell of {drawing.entry_name(heat_map.block, heat_map.index)}, the "
    caption += "entry furthest off."
    if heat_map.cell != (1, 1):
        down, across = heat_map.cell
        caption += f" A cell is the largest error of {down} by {across} entries."
    return Cells(
        title=f"{shortened(heat_map.block)}: relative error of every entry",
        caption=caption,
        rows=rows,
        columns=columns,
        cell=(min(LARGEST_CELL, MAP_WIDTH / columns), min(LARGEST_CELL, MAP_HEIGHT / rows)),
        paths=tuple((step, "".join(path)) for step, path in sorted(paths.items())),
        worst=heat_map.worst,
        last=(heat_map.shape[0] - 1, heat_map.shape[1] - 1),
        untested=any(error is None for errors in heat_map.errors for error in errors),
    )


def _step(error: float | None) -> int | None:
    return None if error is None else drawing.colour_step(error)


def _marks(points: Iterable[tuple[float, float]], across: Span, upwards: Span, mark: str) -> str:
    """A path with the same mark at every point; marks that would cover each other once."""
    places = (_place(x, y, across, upwards) for x, y in points)
    return "".join(f"M{place}{mark}" for place in dict.fromkeys(places))


def _line(xs: Sequence[float], ys: Sequence[float], across: Span, upwards: Span) -> str:
    """A path through the points, interrupted where one is not finite."""
    drawn = [math.isfinite(x) and math.isfinite(y) for x, y in zip(xs, ys, strict=True)]
    commands = ["L" if before else "M" for before, _ in pairwise([False, *drawn])]
    return "".join(
        f"{command}{_place(x, y, across, upwards)}"
        for command, here, x, y in zip(commands, drawn, xs, ys, strict=True)
        if here
    )


def _legend(*series: tuple[str, str, str]) -> tuple[Series, ...]:
    """The series that have something to show, side by side in the legend."""
    shown, at = [], LEFT + 8.0
    for label, style, path in series:
        if path:
            shown.append(Series(label, style, path, at))
            at += 36 + 6.2 * len(label)
    return tuple(shown)


def _place(x: float, y: float, across: Span, upwards: Span) -> str:
    return f"{short_number(_distance(x, across))} {short_number(_height(y, upwards))}"


def _distance(value: float, span: Span) -> float:
    return LEFT + span.fraction(value) * (RIGHT - LEFT)


def _height(value: float, span: Span) -> float:
    return BOTTOM - span.fraction(value) * (BOTTOM - TOP)


def _across(ticks: tuple[Tick, ...], span: Span) -> tuple[Tick, ...]:
    return _placed(ticks, lambda value: _distance(value, span))


def _upwards(ticks: tuple[Tick, ...], span: Span) -> tuple[Tick, ...]:
    return _placed(ticks, lambda value: _height(value, span))


def _placed(ticks: tuple[Tick, ...], place: Callable[[float], float]) -> tuple[Tick, ...]:
    return tuple((round(place(value), 2), label) for value, label in ticks)


def short_number(value: float) -> str:
    """A number in SVG: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
