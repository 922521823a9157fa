"""GC310: another wrong product with the softmax's Jacobian."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault
from gradcheck.user.blocks import Array


def _variants(state: LayerState) -> Iterator[Variant]:
    if state.activation.name != "softmax":
        return
    for arriving in (state.arriving, state.error):
        if arriving.shape == state.output.shape:
            for words, value in _products(state.output, arriving):
                yield Variant(
                    value,
                    f"delta {state.number} is {words}, which is not the product with the "
                    "Jacobian of the softmax",
                    "p * (g - (p * g).sum(axis, keepdims=True)) with g = dL/dp",
                )


def _products(p: Array, g: Array) -> Iterator[tuple[str, Array]]:
    def total(array: Array) -> Array:
        return np.asarray(array.sum(axis=1, keepdims=True))

    yield "p * g", p * g
    yield "p * (g - g.sum())", p * (g - total(g))
    yield "p * (g - g.mean())", p * (g - total(g) / g.shape[1])
    yield "p * (g + (p * g).sum())", p * (g + total(p * g))
    yield "g - (p * g).sum()", g - total(p * g)
    yield "p * (1 - (p * g).sum())", p * (1 - total(p * g))
    yield "-p * (p * g).sum()", -p * total(p * g)
    yield "p * g - (p * g).sum()", p * g - total(p * g)
    yield "g * p - p**2", g * p - p * p
    yield "p * (g - (g * p**2).sum())", p * (g - total(g * p * p))
    yield "p * g summed over the samples", p * (g - (p * g).sum(axis=0, keepdims=True))
    yield "p * (g - (p * g).sum()) over everything", p * (g - (p * g).sum())
    yield "(1 - p) * g", (1 - p) * g
    yield "p * (p * g).sum()", p * total(p * g)
    yield "g * p (1 - p) - the others' p_i p_j g_i", g * p * (1 - p) - p * g * (1 - p)
    yield "p * (g - p)", p * (g - p)


RULE = Rule(
    code="GC310",
    name="softmax-jacobian-wrong",
    what="The product of dL/dp with the Jacobian diag(p) - p p^T is written wrongly: a sum too "
    "many, over the wrong axis, or with a wrong sign.",
    shows="the rows of delta do not sum to 0.",
    example="delta = p * (g - g.sum(axis=1, keepdims=True))",
    instead="delta = p * (g - (p * g).sum(axis=1, keepdims=True))",
    detector=WrongLink(Link.DELTA, _variants),
    also=(Traced((fault.SOFTMAX_WRONG,)),),
    edits=(EditKind.AXIS, EditKind.SUM, EditKind.SIGN, EditKind.NAME),
)
