"""What is said of small errors: without a name, accepted, or excused; and of undecided ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

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


def undecided_notes(
    blocks: Sequence[Block], quantum: float = 0.0, function: str = "loss"
) -> Iterable[str]:
    """Say why blocks could not be decided, one sentence for each reason."""
    blocks_by_reason: dict[str, list[Block]] = {}
    for block in blocks:
        if block.verdict == "inconclusive":
            reason = _reason(block, block.numeric.quantum or quantum, function)
            blocks_by_reason.setdefault(reason, []).append(block)
    for reason, those in blocks_by_reason.items():
        names = ", ".join(block.name for block in those[:6])
        seen = max(block.resolution or 0.0 for block in those)
        yield reason.format(names=names, seen=seen)


def _reason(block: Block, quantum: float, function: str) -> str:
    """The sentence, with placeholders for the names of the blocks."""
    if not np.all(np.isfinite(block.numeric.estimates.value)):
        return (
            f"{{names}}: the {function} is not finite near this point, so no derivative can be "
            "taken"
        )
    if quantum:
        return (
            f"{{names}}: your {function} moves in steps of {quantum:.1e} (is it counted, rounded "
            "to a few digits, or computed in float16?), and differences say little about its "
            "derivative"
        )
    if block.resolution is None or not np.isfinite(block.resolution):
        return (
            f"{{names}}: the difference quotients do not settle at any step that your {function} "
            "resolves: a kink, a jump or the edge of its domain is too near; move the point"
        )
    return (
        "[GC902] low-precision: {names}: relative errors below {seen:.1e} cannot be seen here; "
        "compute in float64, or move to a point where the gradient is larger"
    )


def jump_notes(jump: float, function: str = "loss") -> Iterable[str]:
    """Say that the height of a jump of a function was taken for its noise."""
    if jump:
        yield (
            f"your {function} jumps by {jump:.1e} near this point, as the result of an iteration "
            "that ends early does; as coded, it has slopes of its own, and errors that so large a "
            "noise explains were not counted (noise= sets it)"
        )


def target_notes(blocks: Sequence[Block]) -> Iterable[str]:
    """Which blocks are judged with targets held constant, though the parameters make these."""
    held = [block for block in blocks if block.held]
    if held:
        yield (
            f"{listed([block.name for block in held])}: compared with the derivative of your loss "
            f"with {listed(held[0].held)} held constant, as temporal-difference learning does"
        )


def excuse_notes(names: Sequence[str]) -> Iterable[str]:
    """Which blocks are right but for the number that keeps a log finite."""
    if names:
        yield (
            f"{listed(names)}: right for your loss without the small number that guards its log; "
            "with it, the gradient differs by the error shown, which was not counted"
        )
