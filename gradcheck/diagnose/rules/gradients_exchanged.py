"""GC411: blocks have each other's gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.rule import Direct, EditKind, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault

MOST = 6
"""The number of blocks that a message names."""


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    wrong = [i for i, block in enumerate(evidence.blocks) if block.verdict in ("wrong", "shape")]
    owners = {one: owner for one in wrong if (owner := _owner(one, wrong, evidence)) is not None}
    exchanged = [one for one in wrong if _is_in_circle(one, owners)]
    if exchanged:
        names = [evidence.names[one] for one in exchanged]
        agree = "both" if len(names) == 2 else "all"
        yield rule.finding(
            names,
            _in_words(names, [evidence.names[owners[one]] for one in exchanged]),
            evidence=(f"exchanged, {agree} agree, at your parameters and at a second point",),
            fix=f"return them in the order {', '.join(names)}, or exchange their names",
        )


def _owner(one: int, wrong: Sequence[int], evidence: Evidence) -> int | None:
    """Return the other wrong block for which the gradient of a block is right, or None."""
    given = [point.blocks[one].gradient.value for point in evidence.points]
    for other in wrong:
        errors = (
            None if value is None else error_if_right(point, other, value)
            for point, value in zip(evidence.points, given, strict=True)
        )
        if other != one and None not in errors:
            return other
    return None


def _is_in_circle(one: int, owners: Mapping[int, int]) -> bool:
    """True if a block has the gradient of a block that has that of another, and so on to it."""
    at = owners.get(one)
    for _ in owners:
        if at is None or at == one:
            break
        at = owners.get(at)
    return at == one


def _in_words(names: Sequence[str], owners: Sequence[str]) -> str:
    first, *others = zip(names, owners, strict=True)
    words = [f"{first[0]} has the gradient of {first[1]}"]
    words += [f"{name} that of {owner}" for name, owner in others[: MOST - 1]]
    last = words.pop() if len(others) < MOST else "so on"
    return f"{', '.join(words)}, and {last}"


RULE = Rule(
    code="GC411",
    name="gradients-exchanged",
    what="The gradients of some parameters are returned in the wrong order, also in one vector, or "
    "under each other's names.",
    shows="each of them is, entry for entry, what another should be.",
    example="return dV, dU      # for the parameters (U, V)",
    instead="return dU, dV",
    detector=Direct(_find),
    also=(Traced((fault.PARTS_EXCHANGED,)),),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.EXCHANGED),
)
