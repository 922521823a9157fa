"""GC106: the negative gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.rule import EditKind, Factor, Rule, Scale, Traced
from gradcheck.diagnose.sizes import Sizes
from gradcheck.trace import fault


def _factors(sizes: Sizes, ratio: float | None) -> Iterator[Factor]:
    yield Factor(
        -1.0,
        "the negative of the right one",
        "take (a - y) in place of (y - a); as it stands, the gradient is right only with an update "
        "that adds it",
        "change its sign",
    )


RULE = Rule(
    code="GC106",
    name="sign-flipped",
    what="The error is taken as (y - a), so that every gradient that follows from it points "
    "downhill. An update that adds such a gradient makes the loss smaller; one that subtracts it "
    "makes the loss grow.",
    shows="analytic / numeric is -1 on every entry.",
    example="delta = y - a;      W -= lr * dW",
    instead="delta = a - y;      W -= lr * dW",
    detector=Scale(_factors),
    also=(Traced((fault.SIGN,)),),
    edits=(EditKind.SIGN, EditKind.ASSIGNED_OR_ADDED),
    rewritten="-{code}",
)
