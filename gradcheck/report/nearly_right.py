"""What is said of small errors: without a name, accepted, or excused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradcheck.compare.block import Block
from gradcheck.finding import Finding
from gradcheck.words import listed

UNNAMED = {"GC105", "GC703", "GC999"}


def nearly_right_notes(
    blocks: Sequence[Block], findings: Sequence[Finding], function: str = "loss"
) -> Iterable[str]:
    """What a small error without a name may be: an iteration has slopes of its own, as coded."""
    wrong = [block for block in blocks if block.failed]
    named = {one.code for one in findings if one.severity == "error"} - UNNAMED
    if wrong and not named and all(block.is_slightly_off for block in wrong):
        error = max(block.max_rel_error or 0.0 for block in wrong)
        yield (
            f"{listed([block.name for block in wrong])}: off by no more than {error:.1e} of the "
            f"largest entry; if your {function} is the result of an iteration, say how far off it "
            "is (noise=), or accept so much (rtol=)"
        )


def jump_notes(jump: float, function: str = "loss") -> Iterable[str]:
    """Say that the height of a jump of a function was taken for its noise."""
    if jump:
        yield (
            f"your {function} jumps by {jump:.1e} near this point, as the result of an iteration "
            "that ends early does; as coded, it has slopes of its own, and errors that so large a "
            "noise explains were not counted (noise= sets it)"
        )


def excuse_notes(names: Sequence[str]) -> Iterable[str]:
    """Which blocks are right but for the number that keeps a log finite."""
    if names:
        yield (
            f"{listed(names)}: right for your loss without the small number that guards its log; "
            "with it, the gradient differs by the error shown, which was not counted"
        )
