"""GC309: p(1 - p) in place of the Jacobian."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.rule import EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.trace import fault


def _variants(state: LayerState) -> Iterator[Variant]:
    if state.activation.name == "softmax":
        p = state.output
        squared = state.view.loss_function.name == "squared error"
        for arriving in (state.arriving, state.error) if squared else (state.arriving,):
            if arriving.shape == p.shape:
                yield Variant(
                    arriving * p * (1 - p),
                    f"delta {state.number} takes p (1 - p) for the derivative of the softmax: that "
                    "is the diagonal of its Jacobian only",
                    "p * (g - (p * g).sum(axis, keepdims=True)) with g = dL/dp",
                )


RULE = Rule(
    code="GC309",
    name="softmax-diagonal-only",
    what="Every output of a softmax depends on all its inputs. The slope p (1 - p) leaves out the "
    "other outputs, -p_i p_j.",
    shows="the rows of delta do not sum to 0; the analytic delta is dL/dp times p (1 - p).",
    example="delta = (p - y) * p * (1 - p)      # with a squared error",
    instead="g = p - y;  delta = p * (g - (p * g).sum(axis=1, keepdims=True))",
    detector=WrongLink(Link.DELTA, _variants),
    also=(Traced((fault.SOFTMAX_DIAGONAL,)),),
    edits=(EditKind.REMOVED_FACTOR, EditKind.FUNCTION, EditKind.SOFTMAX),
)
