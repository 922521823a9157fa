"""The picture of the network: one column of units for each layer, with its blocks' verdicts."""

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

    `words` are the number of units and the activation; `more` is True if not all units are drawn;
    `edges` is a path from the units of the previous column. `blocks` are names and verdicts; the
    last may be the number of blocks left out.
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
    """Return the network as columns, inputs first; () if its layers are not known."""
    if not pictures.layers:
        return ()
    words = "" if pictures.inputs is None else f"{pictures.inputs:,}"
    units, more = _units(3 if pictures.inputs is None else pictures.inputs)
    drawn = [Column(COLUMN_WIDTH / 2, "inputs", words, "unknown", units, more, "", ())]
    for layer in pictures.layers:
        drawn.append(_column(layer, drawn[-1]))
    return tuple(drawn)


def _column(layer: LayerPicture, previous: Column) -> Column:
    x = previous.x + COLUMN_WIDTH
    units, more = _units(layer.units)
    edges = "".join(
        f"M{short_number(previous.x)} {short_number(start)}L{short_number(x)} {short_number(end)}"
        for start in previous.units
        for end in units
    )
    blocks = [(shortened(name, 12), verdict) for name, verdict in layer.blocks]
    if len(blocks) > MOST_BLOCK_LINES:
        omitted = len(blocks) - MOST_BLOCK_LINES + 1
        blocks = [*blocks[: MOST_BLOCK_LINES - 1], (f"{omitted} more", "")]
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
    """Return the heights at which units are drawn, and whether some are left out."""
    drawn = max(1, min(count, MOST_UNITS))
    middle = UNITS_TOP + (MOST_UNITS - 1) * UNIT_DISTANCE / 2
    top = middle - (drawn - 1) * UNIT_DISTANCE / 2
    return tuple(top + UNIT_DISTANCE * unit for unit in range(drawn)), count > drawn
