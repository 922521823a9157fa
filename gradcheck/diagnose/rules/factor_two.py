"""GC103: the 2 of the square's derivative and the half of the loss disagree."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import EditKind, Factor, Rule, Scale, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.trace import fault


def _factors(sizes: Sizes, ratio: float | None) -> Iterator[Factor]:
    yield Factor(2.0, "twice what the loss has", "drop a 2, or take the half out of the loss")
    yield Factor(0.5, "half of what the loss has", "multiply by 2, or put a half into the loss")


RULE = Rule(
    code="GC103",
    name="factor-two",
    what="The derivative of the square brings a factor 2, which the half in the loss takes away. "
    "One of the two is missing.",
    shows="analytic / numeric is 2 or 1/2 on every entry.",
    example="loss = np.mean((a - y) ** 2) / 2;  delta = 2 * (a - y)",
    instead="loss = np.mean((a - y) ** 2) / 2;  delta = a - y",
    detector=Scale(_factors),
    also=(Traced((fault.FACTOR_TWO,)),),
    edits=(EditKind.SCALE, EditKind.REMOVED_FACTOR, EditKind.CONSTANT),
)
