"""The order, scales and colours that the HTML page and the matplotlib figures share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from gradcheck.compare.block import Block
from gradcheck.pictures.model import HeatMap, LayerPicture, Pictures, Scatter
from gradcheck.words import indexed, shortened

LEAST_ERROR, LARGEST_ERROR = 1e-12, 1.0
"""The ends of the colour scale, which all heat maps share so that they can be compared."""

COLOUR_STEPS = 24

NO_ERROR = 1e-17
"""Position of a zero error on a logarithmic axis: below all rounding errors."""

LARGEST_NUMBER = 1e300
"""Larger numbers are drawn here, so that the length of an axis does not overflow."""

MOST_BLOCKS = 24
"""The largest number of blocks for which heat maps and scatter plots are drawn."""

STANDINGS = {
    "pass": "good",
    "ok": "good",
    "fail": "bad",
    "wrong": "bad",
    "shape": "bad",
    "missing": "bad",
    "raised": "bad",
    "nonfinite": "bad",
    "inconclusive": "unsure",
    "not checked": "unknown",
}
SYMBOLS = {"good": "\N{CHECK MARK}", "bad": "\N{BALLOT X}", "unsure": "?", "unknown": "\N{EN DASH}"}
_WORST_FIRST = ("bad", "unsure", "unknown", "good")

Tick = tuple[float, str]


class Span(NamedTuple):
    """The range of an axis."""

    low: float
    high: float

    def fraction(self, value: float) -> float:
        """Return the position of a number along the axis, from 0 to 1."""
        return (within(value) - self.low) / (self.high - self.low)


def standing(verdict: str) -> str:
    """Summarise a verdict as "good", "bad", "unsure" or "unknown"."""
    return STANDINGS.get(verdict, "unknown")


def layer_standing(layer: LayerPicture) -> str:
    """Return the standing of a layer, which is the worst of its blocks."""
    standings = {standing(verdict) for _, verdict in layer.blocks}
    return next((each for each in _WORST_FIRST if each in standings), "unknown")


def entry_name(block: str, index: tuple[int, ...]) -> str:
    """Return the name of an entry as the user would write it: `W1[0, 3]`."""
    return indexed(shortened(block), index)


class OfBlock(NamedTuple):
    """The pictures of one block."""

    name: str
    failed: bool
    heat_map: HeatMap | None
    scatter: Scatter | None


def by_block(pictures: Pictures, blocks: Iterable[Block]) -> list[OfBlock]:
    """Return the pictures of every block that has one, wrong blocks first."""
    heat_maps = {heat_map.block: heat_map for heat_map in pictures.heat_maps}
    scatters = {scatter.block: scatter for scatter in pictures.scatters}
    failed = {block.name for block in blocks if block.failed}
    every = [
        OfBlock(name, name in failed, heat_maps.get(name), scatters.get(name))
        for name in dict.fromkeys([*heat_maps, *scatters])
    ]
    return sorted(every, key=lambda one: not one.failed)


def colour_step(error: float) -> int:
    """Return the index of the colour of an error; the last one if it is not finite."""
    if not error < LARGEST_ERROR:
        return COLOUR_STEPS - 1
    decades = math.log10(max(error, LEAST_ERROR) / LEAST_ERROR)
    return int(decades / math.log10(LARGEST_ERROR / LEAST_ERROR) * COLOUR_STEPS)


def within(value: float) -> float:
    """Clip a number to the range that can be drawn."""
    return min(max(value, -LARGEST_NUMBER), LARGEST_NUMBER)


def exponent(value: float) -> float:
    """Return the position of a number on a logarithmic axis; unchanged if it is not finite."""
    return math.log10(max(value, NO_ERROR)) if math.isfinite(value) else value


def span_of(values: Iterable[float]) -> Span:
    """Return an axis range for the finite values, with a margin on both sides."""
    finite = [within(value) for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    largest = max(abs(low), abs(high))
    room = 0.05 * (high - low)
    if high - low <= max(1e-9 * largest, 1 / LARGEST_NUMBER):
        room = largest / 2 if largest > 1 / LARGEST_NUMBER else 1.0
    return Span(low - room, high + room)


def linear_ticks(span: Span) -> tuple[Tick, ...]:
    """Return about five round numbers on an axis, with their labels."""
    rough = (span.high - span.low) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(times * magnitude for times in (1, 2, 5, 10) if times * magnitude >= 0.999 * rough)
    numbers = range(math.ceil(span.low / step), math.floor(span.high / step) + 1)
    digits = max(3, math.ceil(math.log10(max(abs(span.low), abs(span.high)) / step)) + 1)
    return tuple((number * step, f"{number * step:.{digits}g}") for number in numbers)


def decade_ticks(span: Span) -> tuple[Tick, ...]:
    """Return at most eight powers of ten on an axis of exponents, with their labels."""
    first, last = math.ceil(span.low), math.floor(span.high)
    every = max(1, math.ceil((last - first + 1) / 8))
    return tuple((float(power), f"1e{power}") for power in range(first, last + 1, every))
