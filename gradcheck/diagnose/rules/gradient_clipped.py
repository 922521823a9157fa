"""GC412: entries, or the norm, of a gradient stop at a bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import Fault, fault
from gradcheck.user.blocks import Array
from gradcheck.words import gradient_of

FEWEST = 2
ROUNDING = 1e-9


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    wrong = [index for index, block in enumerate(evidence.blocks) if block.verdict == "wrong"]
    bounds = {
        index: bound
        for index, bound in _bounds(evidence.first, wrong).items()
        if all(_is_cut_at(point, index, bound) for point in evidence.points[1:])
    }
    clipped = list(bounds)
    for bound in dict.fromkeys(bounds.values()):
        names = [evidence.names[index] for index in clipped if bounds[index] == bound]
        yield rule.finding(
            names,
            f"{gradient_of(names)} clipped: entries stop at {bound:.6g} in size",
            evidence=(
                "where the numeric gradient is smaller the two agree, and where it is larger, the "
                f"analytic one is {bound:.6g} or -{bound:.6g}",
            ),
            fix="clip the gradient in the update, outside of the backward pass, and check it "
            "without the clip",
        )
    norm = _norm(evidence.points) if not clipped else None
    if norm is not None:
        names = [evidence.names[index] for index in wrong]
        yield rule.finding(
            names,
            f"{gradient_of(names)} clipped: together they have the norm {norm:.6g}",
            evidence=("the direction is right, and the norm is the same at a second point",),
            fix="clip the norm in the update, outside of the backward pass, and check the gradient "
            "without the clip",
        )


def _bounds(point: Point, wrong: Sequence[int]) -> dict[int, float]:
    """Return the bounds of clipped blocks; one entry suffices if another block has more at it."""
    alone = {index: _bound(point, index, fewest=1) for index in wrong}
    sure = {index: _bound(point, index, FEWEST) for index in wrong}
    return {
        index: bound
        for index, bound in alone.items()
        if bound is not None and bound in sure.values()
    }


def _bound(point: Point, index: int, fewest: int) -> float | None:
    """Return the size at which at least `fewest` entries of a block are cut off, or None."""
    analytic = point.blocks[index].analytic
    bound = float(np.max(np.abs(analytic), initial=0.0))
    at_bound = np.abs(np.abs(analytic) - bound) <= ROUNDING * bound
    if not bound or at_bound.all() or np.count_nonzero(at_bound) < fewest:
        # one entry is always the largest; if all have one size, they are signs
        return None
    return bound if _is_cut_at(point, index, bound) else None


def _is_cut_at(point: Point, index: int, bound: float) -> bool:
    """True if a block is the numeric gradient, cut off at a bound.

    One at which entries are alike by chance, as those of inputs of 0 and 1, is another elsewhere.
    """
    block = point.blocks[index]
    clipped = np.clip(block.numeric.estimates.value, -bound, bound)
    allowed = 2 * (block.numeric.estimates.bound + block.precision)
    return bool(np.all(np.abs(clipped - block.analytic) <= allowed))


def _norm(points: tuple[Point, ...]) -> float | None:
    """Return the norm of all gradients, if it is the same at both points by a scaling, or None."""
    if len(points) < FEWEST:
        return None
    norms, ratios = [], []
    for point in points:
        values = [block.gradient.value for block in point.blocks]
        if any(value is None or not np.all(np.isfinite(value)) for value in values):
            return None
        whole: Array = np.concatenate([np.ravel(value) for value in values if value is not None])
        norms.append(float(np.linalg.norm(whole)))
        analytic = np.concatenate([block.analytic for block in point.blocks])
        numeric = np.concatenate([block.numeric.estimates.value for block in point.blocks])
        square = float(numeric @ numeric)
        ratio = float(analytic @ numeric) / square if square else 0.0
        ratios.append(ratio)
        for index, block in enumerate(point.blocks):
            value = block.gradient.value
            if not block.failed or value is None:
                continue
            if not ratio or error_if_right(point, index, value / ratio, 1 / abs(ratio)) is None:
                return None
    same = abs(norms[0] - norms[1]) <= ROUNDING * norms[0]
    # the norms of a constant gradient agree without a clip: the factors must differ
    same &= abs(ratios[0] - ratios[1]) > 1e3 * ROUNDING
    return norms[0] if same and all(0 < ratio < 1 for ratio in ratios) else None


def is_clip(fault: Fault) -> bool:
    """True if the wrong expression is a call of `np.clip` that cuts the right value off."""
    return fault.expression.startswith(("np.clip(", "numpy.clip(")) and cuts_off(fault)


def cuts_off(fault: Fault) -> bool:
    """True unless an entry has another sign than the right one, or is larger."""
    actual, expected = fault.actual_value, fault.expected_value
    if actual is None or expected is None or actual.shape != expected.shape:
        return True
    allowed = ROUNDING * np.max(np.abs(expected), initial=0.0)
    beyond = np.abs(actual) > np.abs(expected) + allowed
    return not np.any(beyond | (actual * expected < -(allowed**2)))


RULE = Rule(
    code="GC412",
    name="gradient-clipped",
    what="The gradient is cut off at a bound, entry by entry or by its norm, before it is "
    "returned. Clipping belongs to the update: a clipped gradient is not that of the loss.",
    shows="some entries have exactly the same size, and the others are right.",
    example="dW = np.clip(X.T @ delta, -1, 1)",
    instead="dW = X.T @ delta      # and clip in the update",
    detector=Direct(_find),
    also=(
        Traced((fault.CLIPPED,), cuts_off),
        Traced((fault.WRONG_VALUE, fault.OTHER_ADJOINT), is_clip),
    ),
    edits=(EditKind.FUNCTION,),
)
