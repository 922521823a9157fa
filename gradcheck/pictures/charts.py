"""The charts of a report, with titles, captions and axes for the HTML page and for matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gradcheck.pictures.drawing import NO_ERROR, Span, entry_name, exponent, span_of
from gradcheck.pictures.model import HeatMap, Pictures, Scatter, SlopeRatio, SlopeTest, StepCurve
from gradcheck.words import shortened

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """Points of a chart, with the label and the style that the legend shows."""

    label: str
    style: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """A plot with two axes.

    Attributes:
        caption: how to read the plot.
        labels: the labels of the x axis and of the y axis.
        across: the range of the x axis; of exponents of ten if it is logarithmic.
        upwards: the range of the y axis, likewise.
        guide: the two ends of a reference line; () for none.
        logarithmic: whether both axes are logarithmic.
    """

    title: str
    caption: str
    labels: tuple[str, str]
    series: tuple[Series, ...]
    across: Span
    upwards: Span
    guide: tuple[Point, ...] = ()
    logarithmic: bool = False

    @property
    def left_out(self) -> int:
        """The number of points that are not finite, and are therefore not drawn."""
        return sum(len(series.points) - len(finite(series.points)) for series in self.series)


def finite(points: Iterable[Point]) -> list[Point]:
    """Return the points whose coordinates are finite."""
    return [point for point in points if all(map(math.isfinite, point))]


def charts_of(pictures: Pictures) -> dict[str, Chart]:
    """Return the charts that concern the whole gradient, by name."""
    charts = {}
    if pictures.step_curve is not None:
        charts["step curve"] = step_chart(pictures.step_curve)
    if pictures.slope_test is not None:
        charts["slope test"] = slope_test_chart(pictures.slope_test)
    slopes = {f"slope ratio layer {one.layer}": slope_chart(one) for one in pictures.slope_ratios}
    return charts | slopes


def scatter_chart(scatter: Scatter) -> Chart:
    """Plot the relative error of each entry against the size of its derivative."""
    points = []
    for numeric, analytic in zip(scatter.numeric, scatter.analytic, strict=True):
        size = max(abs(numeric), abs(analytic))
        error = abs(analytic - numeric) / size if size else 0.0
        points.append((max(size, NO_ERROR), max(error, NO_ERROR)))
    marked = list(zip(points, scatter.wrong, strict=True))
    return Chart(
        title=f"{shortened(scatter.block)}: relative error against size",
        caption="The analytic minus the numeric derivative, relative to the larger of the two.",
        labels=("size of the derivative", "relative error"),
        series=(
            Series("right", "dots", tuple(point for point, wrong in marked if not wrong)),
            Series("wrong", "crosses", tuple(point for point, wrong in marked if wrong)),
        ),
        across=span_of(exponent(x) for x, _ in points),
        upwards=span_of((*(exponent(y) for _, y in points), exponent(NO_ERROR), 0.0)),
        logarithmic=True,
    )


def step_chart(curve: StepCurve) -> Chart:
    """Plot the distances of the central difference from both derivatives against step size."""
    distances = (*curve.to_numeric, *curve.to_analytic)
    lines = (
        ("to the numeric gradient", "solid", curve.to_numeric),
        ("to yours", "dashed", curve.to_analytic),
    )
    return Chart(
        title=f"{entry_name(curve.block, curve.index)}: error against step size",
        caption="How far the central difference is from the numeric gradient and from your "
        "derivative. Where your derivative is right, both fall and rise together.",
        labels=("step size", "relative distance"),
        series=tuple(
            Series(label, style, _curve(curve.steps, values)) for label, style, values in lines
        ),
        across=span_of(map(exponent, curve.steps)),
        upwards=span_of(map(exponent, distances)),
        logarithmic=True,
    )


def slope_test_chart(test: SlopeTest) -> Chart:
    """Plot the remainder of the Taylor expansion against the step h, beside h^2 and h."""
    points = _curve(test.steps, test.left)
    first = next((y for _, y in finite(points)), 1.0)
    squares, multiples = (
        _curve(test.steps, [first * (x / test.steps[0]) ** power for x in test.steps])
        for power in (2, 1)
    )
    return Chart(
        title=f"slope test: the error falls with h^{test.order:.2f}"
        if test.order is not None
        else "slope test: only rounding is left",
        caption="Error of f(x) + h g . d along a random line. Where your gradient is right, it "
        f"falls with the square of h, down to noise of {test.noise:.1e}; where wrong, and at a "
        "kink, with h.",
        labels=("step h", "error"),
        series=(
            Series("error", "solid", points),
            Series("right: h^2", "guide", squares),
            Series("wrong: h", "dashed", multiples),
        ),
        across=span_of(map(exponent, test.steps)),
        upwards=span_of(exponent(y) for _, y in (*points, *squares)),
        logarithmic=True,
    )


def _curve(steps: Sequence[float], errors: Sequence[float]) -> tuple[Point, ...]:
    return tuple((x, max(y, NO_ERROR)) for x, y in zip(steps, errors, strict=True))


def slope_chart(slope: SlopeRatio) -> Chart:
    """Plot the ratio of the user's delta to the right one against the pre-activation."""
    points = tuple(zip(slope.pre_activation, slope.ratio, strict=True))
    across = span_of(x for x, _ in finite(points))
    return Chart(
        title=f"layer {slope.layer}, {shortened(slope.activation)}: delta against pre-activation",
        caption="Your delta divided by the right one. It is 1, the line, where the slope is right.",
        labels=("pre-activation z", "your delta / right delta"),
        series=(Series("units and samples", "dots", points),),
        across=across,
        upwards=span_of((1.0, *(y for _, y in finite(points)))),
        guide=((across.low, 1.0), (across.high, 1.0)),
    )


def heat_map_title(heat_map: HeatMap) -> str:
    """Return the title of a heat map."""
    return f"{shortened(heat_map.block)}: relative error of every entry"


def heat_map_caption(heat_map: HeatMap) -> str:
    """Return a caption that names the outlined entry, and the entries per cell."""
    worst = entry_name(heat_map.block, heat_map.index)
    caption = f"Outlined: the cell of {worst}, the entry with the largest error."
    if heat_map.cell == (1, 1):
        return caption
    down, across = heat_map.cell
    return f"{caption} A cell shows the largest error of {down} by {across} entries."
