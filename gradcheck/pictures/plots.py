"""The pictures of a report as matplotlib figures, made without pyplot and its global state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gradcheck.compare.block import Block
from gradcheck.errors import UsageError
from gradcheck.pictures import drawing
from gradcheck.pictures.model import (
    HeatMap,
    LayerPicture,
    Pictures,
    Scatter,
    SlopeRatio,
    StepCurve,
)
from gradcheck.words import printable, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"good": "#17703f", "bad": "#b3261e", "unsure": "#80560a", "unknown": "#566170"}
RIGHT, WRONG = "#2b6cc4", "#b3261e"
COLOUR_MAP = "YlOrRd"
UNTESTED = "#d3dae2"
MOST_UNITS = 5


def figures(pictures: Pictures, blocks: Iterable[Block]) -> dict[str, Figure]:
    """Figures by name: "network", "heat map W1", "scatter W1", "step curve", "slope ratio layer 1".

    Of many blocks as many are drawn as on the HTML page, the wrong ones first.

    Args:
        pictures: what there is to draw.
        blocks: with their verdicts.

    Raises:
        UsageError: matplotlib is not installed.
    """
    found: dict[str, Figure] = {}
    if pictures.layers:
        found["network"] = _network(pictures)
    heat_maps = {heat_map.block: heat_map for heat_map in pictures.heat_maps}
    scatters = {scatter.block: scatter for scatter in pictures.scatters}
    for name in drawing.pictured_blocks(pictures, blocks)[: drawing.MOST_BLOCKS]:
        if name in heat_maps and any(heat_maps[name].errors):
            found[f"heat map {printable(name)}"] = _heat_map(heat_maps[name])
        if name in scatters:
            found[f"scatter {printable(name)}"] = _scatter(scatters[name])
    if pictures.step_curve is not None:
        found["step curve"] = _step_curve(pictures.step_curve)
    for slope in pictures.slope_ratios:
        found[f"slope ratio layer {slope.layer}"] = _slope_ratio(slope)
    return found


def _empty(title: str, size: tuple[float, float] = (5.0, 4.0)) -> tuple[Figure, Axes]:
    """A figure with one set of axes; names in its title are not read as formulas."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("plots need matplotlib: pip install 'gradcheck[plots]'") from None
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize="medium", parse_math=False)
    return figure, axes


def _heat_map(heat_map: HeatMap) -> Figure:
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Rectangle

    figure, axes = _empty(f"{shortened(heat_map.block)}: relative error of every entry")
    colours = colormaps[COLOUR_MAP].with_extremes(bad=UNTESTED)
    shown = [[_shown(error) for error in errors] for errors in heat_map.errors]
    scale = LogNorm(drawing.LEAST_ERROR, drawing.LARGEST_ERROR, clip=True)
    image = axes.imshow(shown, cmap=colours, norm=scale, aspect="auto", interpolation="nearest")
    row, column = heat_map.worst
    for colour, width in (("white", 4), ("black", 2)):  # seen on every colour of the map
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=colour, linewidth=width))
    worst = drawing.entry_name(heat_map.block, heat_map.index)
    axes.set_xlabel(f"outlined: {worst}, the entry furthest off", parse_math=False)
    down, across = heat_map.cell
    if heat_map.cell != (1, 1):
        axes.set_ylabel(f"a cell is the largest of {down} by {across} entries")
    figure.colorbar(image, ax=axes)
    return figure


def _shown(error: float | None) -> float:
    """An error as a colour; nan, which has a colour of its own, where nothing was perturbed."""
    if error is None:
        return math.nan
    return max(error, drawing.LEAST_ERROR) if math.isfinite(error) else drawing.LARGEST_ERROR


def _scatter(scatter: Scatter) -> Figure:
    figure, axes = _empty(f"{shortened(scatter.block)}: analytic against numeric")
    points = list(zip(scatter.numeric, scatter.analytic, scatter.wrong, strict=True))
    for wrong, label, marker, colour in ((False, "right", "o", RIGHT), (True, "wrong", "x", WRONG)):
        chosen = [(x, y) for x, y, is_wrong in points if is_wrong == wrong]
        if _points(axes, chosen, label=label, marker=marker, color=colour, linestyle=""):
            axes.legend()
    span = drawing.span_of((*scatter.numeric, *scatter.analytic))
    ends = (span.low, span.high)
    axes.plot(ends, ends, color="gray", linestyle="--", linewidth=1, zorder=0)
    axes.set(xlim=ends, ylim=ends, xlabel="numeric", ylabel="analytic")
    axes.locator_params(nbins=5)
    return figure


def _step_curve(curve: StepCurve) -> Figure:
    title = f"{drawing.entry_name(curve.block, curve.index)}: error against step size"
    figure, axes = _empty(title)
    lines = (
        (curve.to_numeric, "to the numeric gradient", "-", RIGHT),
        (curve.to_analytic, "to yours", "--", WRONG),
    )
    for distances, label, style, colour in lines:
        heights = [max(distance, drawing.NO_ERROR) for distance in distances]
        chosen = list(zip(curve.steps, heights, strict=True))
        if _points(axes, chosen, label=label, linestyle=style, color=colour):
            axes.set(xscale="log", yscale="log")
            axes.legend()
    axes.set(xlabel="step size", ylabel="relative distance")
    return figure


def _slope_ratio(slope: SlopeRatio) -> Figure:
    title = f"layer {slope.layer}, {shortened(slope.activation)}: delta against pre-activation"
    figure, axes = _empty(title)
    points = list(zip(slope.pre_activation, slope.ratio, strict=True))
    _points(axes, points, marker="o", linestyle="", color=RIGHT)
    axes.axhline(1.0, color="gray", linestyle="--", linewidth=1, zorder=0)
    axes.set(xlabel="pre-activation z", ylabel="your delta / right delta")
    return figure


def _points(axes: Axes, points: Sequence[tuple[float, float]], **style: Any) -> bool:
    """Draws what is finite, in numbers that do not overflow, and says whether there was any."""
    finite = [
        (drawing.within(x), drawing.within(y))
        for x, y in points
        if math.isfinite(x) and math.isfinite(y)
    ]
    if finite:
        axes.plot(*zip(*finite, strict=True), markersize=4, **style)
    return bool(finite)


def _network(pictures: Pictures) -> Figure:
    figure, axes = _empty("The network, layer by layer", (1.5 * (len(pictures.layers) + 2), 4.0))
    before = _heights(3 if pictures.inputs is None else pictures.inputs)
    _column(axes, 0, before, "unknown")
    inputs = "" if pictures.inputs is None else f"\n{pictures.inputs:,}"
    axes.text(0, 3, f"inputs{inputs}", ha="center", va="bottom")
    for x, layer in enumerate(pictures.layers, start=1):
        heights = _heights(layer.units)
        _edges(axes, x, before, heights, layer)
        _column(axes, x, heights, drawing.layer_standing(layer))
        _words(axes, x, layer)
        before = heights
    axes.set(xlim=(-0.7, len(pictures.layers) + 0.7), ylim=(-5, 4))
    axes.set_axis_off()
    return figure


def _heights(count: int) -> list[float]:
    drawn = max(1, min(count, MOST_UNITS))
    return [unit - (drawn - 1) / 2 for unit in range(drawn)]


def _column(axes: Axes, x: float, heights: Sequence[float], standing: str) -> None:
    axes.plot(
        [x] * len(heights),
        heights,
        marker="o",
        markersize=11,
        linestyle="",
        markerfacecolor="white",
        markeredgecolor=COLOURS[standing],
    )


def _edges(
    axes: Axes, x: float, before: Sequence[float], heights: Sequence[float], layer: LayerPicture
) -> None:
    standing = drawing.layer_standing(layer)
    style = "--" if standing == "bad" else "-"
    for start in before:
        for end in heights:
            axes.plot(
                [x - 1, x],
                [start, end],
                color=COLOURS[standing],
                linestyle=style,
                linewidth=0.6,
                zorder=0,
            )


def _words(axes: Axes, x: float, layer: LayerPicture) -> None:
    activation = shortened(layer.activation or "", 12)
    words = f"layer {layer.number}\n{layer.units:,} {activation}".rstrip()
    axes.text(x, 3, words, ha="center", va="bottom", parse_math=False)
    lines = [f"{shortened(name, 14)}: {verdict}" for name, verdict in layer.blocks]
    axes.text(x, -3, "\n".join(lines), ha="center", va="top", parse_math=False)
