"""The network as shapes: a column of units for every layer, with the verdicts of its blocks."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.pictures import drawing
from gradcheck.pictures.model import LayerPicture, Pictures
from gradcheck.pictures.svg import short_number
from gradcheck.words import shortened

COLUMN_WIDTH, UNIT_DISTANCE, UNITS_TOP = 124, 24, 58
MOST_UNITS, MOST_BLOCK_LINES = 5, 4


@dataclass(frozen=True)
class Column:
    """A layer of the network, or its inputs, as a column of units.

    `words` say how many units, and the activation; `more` whether it has more than are drawn;
    `edges` is the path from the units of the column before. Blocks are names and verdicts; the last
    may be how many more there are.
    """

    x: float
    title: str
    words: str
    standing: str
    units: tuple[float, ...]
    more: bool
    edges: str
    blocks: tuple[tuple[str, str], ...]


def columns(pictures: Pictures) -> tuple[Column, ...]:
    """The network as columns, the inputs first; () where its layers are not known."""
    if not pictures.layers:
        return ()
    words = "" if pictures.inputs is None else f"{pictures.inputs:,}"
    units, more = _units(3 if pictures.inputs is None else pictures.inputs)
    drawn = [Column(COLUMN_WIDTH / 2, "inputs", words, "unknown", units, more, "", ())]
    for layer in pictures.layers:
        drawn.append(_column(layer, drawn[-1]))
    return tuple(drawn)


def _column(layer: LayerPicture, before: Column) -> Column:
    x = before.x + COLUMN_WIDTH
    units, more = _units(layer.units)
    edges = "".join(
        f"M{short_number(before.x)} {short_number(start)}L{short_number(x)} {short_number(end)}"
        for start in before.units
        for end in units
    )
    blocks = [(shortened(name, 12), verdict) for name, verdict in layer.blocks]
    if len(blocks) > MOST_BLOCK_LINES:
        left = len(blocks) - MOST_BLOCK_LINES + 1
        blocks = [*blocks[: MOST_BLOCK_LINES - 1], (f"{left} more", "")]
    return Column(
        x=x,
        title=f"layer {layer.number}",
        words=f"{layer.units:,} {shortened(layer.activation or '', 12)}".rstrip(),
        standing=drawing.layer_standing(layer),
        units=units,
        more=more,
        edges=edges,
        blocks=tuple(blocks),
    )


def _units(count: int) -> tuple[tuple[float, ...], bool]:
    """How far down the units of a layer are drawn, and whether there are more of them."""
    drawn = max(1, min(count, MOST_UNITS))
    middle = UNITS_TOP + (MOST_UNITS - 1) * UNIT_DISTANCE / 2
    top = middle - (drawn - 1) * UNIT_DISTANCE / 2
    return tuple(top + UNIT_DISTANCE * unit for unit in range(drawn)), count > drawn
