"""A repair as text: each patch with what it edits, how it was proved, and its diff."""

from __future__ import annotations

from gradcheck.mending.model import Patch, Repair
from gradcheck.user.calls import place
from gradcheck.words import listed


def as_text(repair: Repair) -> str:
    """All patches, the most natural first; or why there is none."""
    if not repair.patches:
        return f"no repair: {repair.reason} ({_effort(repair)})"
    count = len(repair.patches)
    head = "one patch makes" if count == 1 else f"{count} patches, each of which makes"
    left = repair.patches[0].left
    what = "every gradient that is returned" if left else "every gradient"
    parts = [f"{head} {what} right ({_effort(repair)})"]
    if left:
        parts.append(
            f"no gradient is returned for {listed(left)}: a part of the backward pass is missing, "
            "which is beyond an edit"
        )
    parts += [_patch(patch, number) for number, patch in enumerate(repair.patches, start=1)]
    return "\n\n".join(parts)


def _effort(repair: Repair) -> str:
    return f"{repair.tried:,} edits tried in {repair.seconds:.1f} s"


def _patch(patch: Patch, number: int) -> str:
    words = "\n   ".join(patch.words.split("\n"))
    proof = f"agrees to {patch.error:.1e} at {patch.points} points"
    return f"{number}. {place(patch.location)}: {words}\n   {proof}\n\n{patch.diff.rstrip()}"
