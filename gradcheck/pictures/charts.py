"""The plots of a report, with all that the page and the figures say of them alike."""

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
    """Points of a chart, by the label and the style that the legend shows."""

    label: str
    style: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """A plot with two axes.

    Attributes:
        caption: how to read it.
        labels: of the axis to the right, and of that upwards.
        across: what the axis to the right shows; exponents of ten where it is logarithmic.
        upwards: the same of the axis upwards.
        guide: the ends of a line to compare with; () for none.
        logarithmic: whether both axes are.
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
        """How many points are not finite."""
        return sum(len(series.points) - len(finite(series.points)) for series in self.series)


def finite(points: Iterable[Point]) -> list[Point]:
    """The points that can be drawn."""
    return [point for point in points if all(map(math.isfinite, point))]


def charts_of(pictures: Pictures) -> dict[str, Chart]:
    """The plots of the whole gradient, by name."""
    found = {}
    if pictures.step_curve is not None:
        found["step curve"] = step_chart(pictures.step_curve)
    if pictures.slope_test is not None:
        found["slope test"] = slope_test_chart(pictures.slope_test)
    slopes = {f"slope ratio layer {one.layer}": slope_chart(one) for one in pictures.slope_ratios}
    return found | slopes


def scatter_chart(scatter: Scatter) -> Chart:
    """The relative error of every entry against the size of its derivative."""
    points = []
    for numeric, analytic in zip(scatter.numeric, scatter.analytic, strict=True):
        size = max(abs(numeric), abs(analytic))
        error = abs(analytic - numeric) / size if size else 0.0
        points.append((max(size, NO_ERROR), max(error, NO_ERROR)))
    marked = list(zip(points, scatter.wrong, strict=True))
    return Chart(
        title=f"{shortened(scatter.block)}: relative error against size",
        caption="How far an entry is from what finite differences give, by the larger of the two.",
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
    """Both distances of the central difference against the step size, on logarithmic axes."""
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
    """What is left of the Taylor expansion against the step, beside h^2 and h."""
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
        caption="Of f(x) + h g . d along a random line. Where your gradient is right it falls "
        f"with the square of h, down to a noise of about {test.noise:.1e}; where wrong, and at a "
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
    """The user's delta by the right one against the pre-activation."""
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
    """What a heat map shows."""
    return f"{shortened(heat_map.block)}: relative error of every entry"


def heat_map_caption(heat_map: HeatMap) -> str:
    """What is outlined, and what a cell stands for."""
    worst = entry_name(heat_map.block, heat_map.index)
    caption = f"Outlined: the cell of {worst}, the entry furthest off."
    if heat_map.cell == (1, 1):
        return caption
    down, across = heat_map.cell
    return f"{caption} A cell is the largest error of {down} by {across} entries."
