"""GC999: none of the rules gives the gradient: the evidence, and no guess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.layers import infer_place
from gradcheck.diagnose.rule import EditKind, Last, Rule
from gradcheck.finding import Finding
from gradcheck.words import gradient_of, listed


def find(rule: Rule, evidence: Evidence, blocks: Sequence[int]) -> Iterator[Finding]:
    """Yield the finding on blocks that no other rule explains."""
    names = tuple(evidence.names[block] for block in blocks)
    lines = [line for block in blocks[:6] if (line := _ratios(evidence, block))]
    place = infer_place(evidence.blocks, evidence.layers)
    yield rule.finding(
        names,
        f"{gradient_of(names)} wrong, and no rule explains why",
        evidence=(*((place,) if place else ()), *lines, *_hints(evidence, blocks)),
        fix="compare its formula with the derivative of your forward pass, factor by factor"
        if evidence.problem.layer is not None
        else "begin with the block nearest to the loss, and compare its formula with the "
        "derivative of your forward pass, factor by factor",
    )


def _hints(evidence: Evidence, blocks: Sequence[int]) -> Iterator[str]:
    """Yield hints on what to try or supply, so that more can be said."""
    parameters = evidence.problem.parameters
    for block in blocks:
        gradient = evidence.blocks[block].gradient.value
        if evidence.blocks[block].verdict != "shape" or gradient is None:
            continue
        others = [
            name
            for name, shape in zip(parameters.names, parameters.shapes, strict=True)
            if shape == gradient.shape
        ]
        if others:
            yield (
                f"the gradient returned for {evidence.names[block]} has the shape of "
                f"{listed(others)}: are they in another order?"
            )
    if parameters.has_complex and not parameters.convention.conjugate:
        yield "what multiplies z goes back as its conjugate: of A @ z it is A.conj().T, not A.T"
    if evidence.problem.layer is not None:
        return
    if len(parameters.shapes) == 1 and len(parameters.shapes[0]) == 1 and parameters.vector is None:
        yield (
            "for more, say which blocks the vector holds: gradcheck.parameters(theta, shapes={...})"
        )
    elif evidence.network is None and evidence.problem.inputs is None and evidence.layers:
        yield "for more, give the data as inputs= and targets=, so that the network is recognised"


def _ratios(evidence: Evidence, block: int) -> str | None:
    """Describe the spread of analytic over numeric among the entries of a block."""
    gradient = evidence.blocks[block].gradient.value
    measured = evidence.blocks[block].numeric
    if gradient is None or gradient.size != evidence.blocks[block].size:
        return None
    analytic = gradient.ravel()[measured.entries]
    numeric = measured.estimates.value
    usable = np.isfinite(analytic) & (np.abs(numeric) > 10 * measured.estimates.bound)
    if not usable.any():
        return None
    ratio = analytic[usable] / numeric[usable]
    right = int(np.sum(np.abs(ratio - 1) < 1e-5))
    if right == len(ratio):
        return None
    low, middle, high = (f"{value + 0.0:.4g}" for value in np.quantile(ratio, (0, 0.5, 1)))
    spread = f"is {low}" if low == high else f"goes from {low} to {high} (median {middle})"
    return (
        f"{evidence.names[block]}: analytic / numeric {spread}; {right} of {len(ratio)} entries "
        "agree"
    )


RULE = Rule(
    code="GC999",
    name="unknown-cause",
    what="The gradient is wrong in a way that is not in the catalogue, or in several ways at once "
    "that cannot be told apart.",
    shows="nothing that the rules describe gives this gradient.",
    example="dW = np.sqrt(np.abs(X.T @ delta))",
    instead="dW = X.T @ delta",
    detector=Last(find),
    edits=(EditKind.CONJUGATE,),
)
