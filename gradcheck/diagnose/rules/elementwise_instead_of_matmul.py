"""GC206: `*` where the matrix product belongs."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.layer_state import LayerState
from gradcheck.diagnose.raised import raised_products
from gradcheck.diagnose.rule import Direct, EditKind, Link, Rule, Traced, Variant, WrongLink
from gradcheck.finding import Finding
from gradcheck.trace import fault


def _arrivals(state: LayerState) -> Iterator[Variant]:
    weights, above = state.weights_above, state.delta_above
    if weights is None or above is None:
        return
    for form in (weights, weights.T):
        if above.shape == form.shape == state.pre_activation.shape:
            yield Variant(
                above * form,
                f"delta {state.number + 1} and W{state.number + 1} are multiplied entry by entry",
                f"use the matrix product: delta {state.number + 1} @ W{state.number + 1}.T in rows",
            )


def _products(state: LayerState) -> Iterator[Variant]:
    one, other = state.layer_input, state.delta
    for left in (one, one.T):
        if left.shape == other.shape == (one.shape[1], other.shape[1]):
            yield Variant(
                left * other,
                f"the gradient of W{state.number} is a product entry by entry",
                "use the matrix product: A.T @ delta in rows",
            )


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    for found in raised_products(evidence):
        if found.confusion == "matrix":
            fix = f"use the matrix product: {found.product.left_code} @ {found.product.right_code}"
            yield found.finding(rule, evidence, fix)


RULE = Rule(
    code="GC206",
    name="elementwise-instead-of-matmul",
    what="A product of matrices is written with `*`, which multiplies entry by entry. It runs only "
    "where the shapes are equal or broadcast.",
    shows="the analytic gradient is an elementwise product.",
    example="delta1 = W2.T * delta2 * slope1",
    instead="delta1 = W2.T @ delta2 * slope1",
    detector=WrongLink(Link.UPSTREAM, _arrivals),
    also=(WrongLink(Link.PRODUCT, _products), Direct(_find), Traced((fault.ELEMENTWISE,))),
    edits=(EditKind.PRODUCT, EditKind.LIBRARY_FUNCTION),
)
