"""The pictures of a report as matplotlib figures, made without pyplot's global state."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise, product
from textwrap import fill
from typing import TYPE_CHECKING, Any

from gradcheck.compare.block import Block
from gradcheck.errors import UsageError
from gradcheck.pictures import drawing, network_svg
from gradcheck.pictures.charts import (
    Chart,
    charts_of,
    finite,
    heat_map_caption,
    heat_map_title,
    scatter_chart,
)
from gradcheck.pictures.drawing import within
from gradcheck.pictures.model import HeatMap, Pictures
from gradcheck.words import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"good": "#17703f", "bad": "#b3261e", "unsure": "#80560a", "unknown": "#566170"}
RIGHT, WRONG = "#2b6cc4", "#b3261e"
COLOUR_MAP = "YlOrRd"
UNTESTED = "#d3dae2"
CAPTION_WIDTH = 70
STYLES: dict[str, dict[str, Any]] = {
    "dots": {"marker": "o", "linestyle": "", "color": RIGHT},
    "crosses": {"marker": "x", "linestyle": "", "color": WRONG},
    "solid": {"linestyle": "-", "color": RIGHT},
    "dashed": {"linestyle": "--", "color": WRONG},
    "guide": {"linestyle": ":", "color": COLOURS["unknown"]},
}
"""The matplotlib arguments for each style of a series."""


def figures(pictures: Pictures, blocks: Iterable[Block]) -> dict[str, Figure]:
    """Return figures by name: "network", "heat map W1", "scatter W1", "step curve", ...

    Further names are "slope test" and "slope ratio layer 1". The number of blocks is limited as on
    the HTML page, wrong ones first.
    """
    by_name: dict[str, Figure] = {}
    if pictures.layers:
        by_name["network"] = _network(pictures)
    for name, _, heat_map, scatter in drawing.by_block(pictures, blocks)[: drawing.MOST_BLOCKS]:
        if heat_map is not None:
            by_name[f"heat map {printable(name)}"] = _heat_map(heat_map)
        if scatter is not None:
            by_name[f"scatter {printable(name)}"] = _chart(scatter_chart(scatter))
    return by_name | {name: _chart(chart) for name, chart in charts_of(pictures).items()}


def empty_figure(title: str, size: tuple[float, float] = (5.0, 4.0)) -> tuple[Figure, Axes]:
    """Return a figure with one set of axes; its title is not parsed as a formula."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("plots need matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize="medium", parse_math=False)
    return figure, axes


def _heat_map(heat_map: HeatMap) -> Figure:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Rectangle

    figure, axes = empty_figure(heat_map_title(heat_map))
    colours = colormaps[COLOUR_MAP].with_extremes(bad=UNTESTED)
    clipped = [[_shown(error) for error in errors] for errors in heat_map.errors]
    scale = LogNorm(drawing.LEAST_ERROR, drawing.LARGEST_ERROR, clip=True)
    image = axes.imshow(clipped, cmap=colours, norm=scale, aspect="auto", interpolation="nearest")
    row, column = heat_map.worst
    for colour, width in (("white", 4), ("black", 2)):  # visible on every colour of the map
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=colour, linewidth=width))
    caption = fill(heat_map_caption(heat_map), CAPTION_WIDTH)
    axes.set_xlabel(caption, parse_math=False)
    figure.colorbar(image, ax=axes)
    return figure


def _shown(error: float | None) -> float:
    """Clip an error to the colour scale; nan where no entry was perturbed."""
    if error is None:
        return math.nan
    return max(error, drawing.LEAST_ERROR) if math.isfinite(error) else drawing.LARGEST_ERROR


def _chart(chart: Chart) -> Figure:
    figure, axes = empty_figure(chart.title)
    for series in chart.series:
        points = [(within(x), within(y)) for x, y in finite(series.points)]
        if points:
            style = STYLES[series.style]
            axes.plot(*zip(*points, strict=True), label=series.label, markersize=4, **style)
            axes.legend()
    if chart.guide:
        guide = zip(*chart.guide, strict=True)
        axes.plot(*guide, color="gray", linestyle="--", linewidth=1, zorder=0)
    if chart.logarithmic:
        axes.set(xscale="log", yscale="log")
    else:
        axes.set(xlim=chart.across, ylim=chart.upwards)
        axes.locator_params(nbins=5)
    axes.set(xlabel=chart.labels[0], ylabel=chart.labels[1])
    return figure


def _network(pictures: Pictures) -> Figure:
    columns = network_svg.columns(pictures)
    figure, axes = empty_figure("The network, layer by layer", (1.5 * (len(columns) + 1), 4.0))
    for before, column in pairwise(columns):
        style = "--" if column.standing == "bad" else "-"
        for start, end in product(before.units, column.units):
            line = [before.x, column.x], [start, end]
            colour = COLOURS[column.standing]
            axes.plot(*line, color=colour, linestyle=style, linewidth=0.6, zorder=0)
    for column in columns:
        axes.plot(
            [column.x] * len(column.units),
            column.units,
            marker="o",
            markersize=11,
            linestyle="",
            markerfacecolor="white",
            markeredgecolor=COLOURS[column.standing],
        )
        words = f"{column.title}\n{column.words}".rstrip()
        axes.text(column.x, 40, words, ha="center", va="bottom", parse_math=False)
        blocks = [f"{name}: {verdict}" if verdict else name for name, verdict in column.blocks]
        axes.text(column.x, 180, "\n".join(blocks), ha="center", va="top", parse_math=False)
    axes.set(xlim=(0, len(columns) * network_svg.COLUMN_WIDTH), ylim=(230, 10))
    axes.set_axis_off()
    return figure
