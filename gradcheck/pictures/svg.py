"""The pictures of the HTML page as shapes: positions, numbers and paths.

The template draws them, and so escapes all names in one place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from gradcheck.pictures import drawing
from gradcheck.pictures.charts import Chart, Point, finite, heat_map_caption, heat_map_title
from gradcheck.pictures.model import HeatMap

WIDTH, HEIGHT = 360, 280
LEFT, RIGHT, TOP, BOTTOM = 66, 350, 30, 232
"""The edges of a plot's frame."""

MAP_WIDTH, MAP_HEIGHT, LARGEST_CELL = 310, 240, 36

CROSS = "m-3-3l6 6m0-6l-6 6"
MARKS = {"dots": "h0", "crosses": CROSS}
"""The path drawn at every point, by the style of a series; all other styles are lines."""

LINE_SAMPLE = "M-8 0h16"
"""The path of a line in the legend."""


def plot(chart: Chart) -> dict[str, Any]:
    """Return a chart for the template: its paths, and its ticks with positions and labels."""
    ticks = drawing.decade_ticks if chart.logarithmic else drawing.linear_ticks
    guide = (_place(chart, point) for point in chart.guide)
    return {
        "chart": chart,
        "x_ticks": [(round(_distance(chart, at), 2), label) for at, label in ticks(chart.across)],
        "y_ticks": [(round(_height(chart, at), 2), label) for at, label in ticks(chart.upwards)],
        "guide": f"M{'L'.join(guide)}" if chart.guide else "",
        "series": _series(chart),
    }


def cells(heat_map: HeatMap) -> dict[str, Any]:
    """Return a heat map for the template, with one path for each colour.

    The stroke is one cell wide; `worst` is the cell to outline, `last` the last row and column of
    the matrix.
    """
    rows, columns = len(heat_map.errors), len(heat_map.errors[0])
    paths: dict[int, list[str]] = {}
    for row, errors in enumerate(heat_map.errors):
        column = 0
        steps = [None if error is None else drawing.colour_step(error) for error in errors]
        for step, run in groupby(steps):
            length = len(list(run))
            if step is not None:
                paths.setdefault(step, []).append(f"M{column} {row}h{length}")
            column += length
    return {
        "title": heat_map_title(heat_map),
        "caption": heat_map_caption(heat_map),
        "rows": rows,
        "columns": columns,
        "cell": (min(LARGEST_CELL, MAP_WIDTH / columns), min(LARGEST_CELL, MAP_HEIGHT / rows)),
        "paths": [(step, "".join(path)) for step, path in sorted(paths.items())],
        "worst": heat_map.worst,
        "last": (heat_map.shape[0] - 1, heat_map.shape[1] - 1),
        "untested": any(error is None for errors in heat_map.errors for error in errors),
    }


def _series(chart: Chart) -> list[dict[str, Any]]:
    """Return the series that have finite points, with samples side by side in the legend."""
    drawn: list[dict[str, Any]] = []
    at = LEFT + 8.0
    for series in chart.series:
        mark = MARKS.get(series.style)
        if finite(series.points):
            path = (
                _line(chart, series.points) if mark is None else _marks(chart, series.points, mark)
            )
            sample = LINE_SAMPLE if mark is None else f"M0 0{mark}"
            named = {"label": series.label, "style": series.style}
            drawn.append({**named, "path": path, "sample": sample, "at": at})
            at += 36 + 6.2 * len(series.label)
    return drawn


def _marks(chart: Chart, points: Sequence[Point], mark: str) -> str:
    """Return a path with a mark at every point; marks at the same place are drawn once."""
    places = (_place(chart, _on_axes(chart, point)) for point in finite(points))
    return "".join(f"M{place}{mark}" for place in dict.fromkeys(places))


def _line(chart: Chart, points: Sequence[Point]) -> str:
    """Return a path through the points, interrupted at points that are not finite."""
    are_finite = [all(map(math.isfinite, point)) for point in points]
    commands = ["L" if before else "M" for before, _ in pairwise([False, *are_finite])]
    return "".join(
        f"{command}{_place(chart, _on_axes(chart, point))}"
        for command, is_finite, point in zip(commands, are_finite, points, strict=True)
        if is_finite
    )


def _on_axes(chart: Chart, point: Point) -> Point:
    x, y = point
    return (drawing.exponent(x), drawing.exponent(y)) if chart.logarithmic else point


def _place(chart: Chart, point: Point) -> str:
    x, y = point
    return f"{short_number(_distance(chart, x))} {short_number(_height(chart, y))}"


def _distance(chart: Chart, value: float) -> float:
    return LEFT + chart.across.fraction(value) * (RIGHT - LEFT)


def _height(chart: Chart, value: float) -> float:
    return BOTTOM - chart.upwards.fraction(value) * (BOTTOM - TOP)


def short_number(value: float) -> str:
    """Return a number with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
