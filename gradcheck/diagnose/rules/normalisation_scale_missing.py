"""GC854: gamma is absent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_forms import Form, LayerPoint
from gradcheck.diagnose.rule import EditKind, LayerForms, Rule, Traced
from gradcheck.trace import fault
from gradcheck.user.blocks import Array


def _forms(point: LayerPoint) -> Iterator[Form]:
    upstream = point.upstream
    if upstream is None:
        return
    for name, scale in point.others.items():
        if scale.ndim > upstream.ndim or not _fits(scale, upstream):
            continue
        for power in (1, 2, -1):
            factor = scale**power
            scaled = point.gradient_with(upstream=upstream * factor)
            yield Form(
                np.full_like(point.analytic, np.nan) if scaled is None else scaled,
                _message(name, power),
                f"made from upstream * {name}{'' if power == 1 else f'**{power}'}",
                f"begin the way to {point.problem.parameters.names[point.block]} with "
                f"upstream * {name}, once",
            )


def _message(name: str, power: int) -> str:
    if power == 1:
        return f"lacks the factor {name}"
    if power == -1:
        return f"has the factor {name} once too often"
    return f"is divided by {name}, which belongs in it as a factor"


def _fits(scale: Array, upstream: Array) -> bool:
    if scale.size < 2:
        return False
    try:
        return np.broadcast_shapes(scale.shape, upstream.shape) == upstream.shape
    except ValueError:
        return False


RULE = Rule(
    code="GC854",
    name="normalisation-scale-missing",
    what="The output is scaled by gamma per unit; on the way back, gamma is left out.",
    shows="too large or too small by 1/gamma, unit by unit.",
    example="dxhat = upstream",
    instead="dxhat = upstream * gamma",
    detector=LayerForms(_forms),
    also=(Traced((fault.GAMMA_MISSING,)),),
    edits=(EditKind.MISSING_FACTOR, EditKind.NAME),
)
