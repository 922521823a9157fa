"""GC411: two blocks of one shape have each other's gradient."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from gradcheck.compare.point import Point
from gradcheck.diagnose.evidence import Evidence, error_if_right
from gradcheck.diagnose.rule import Direct, EditKind, Rule
from gradcheck.finding import Finding


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    wrong = [index for index, block in enumerate(evidence.blocks) if block.verdict == "wrong"]
    for one, other in combinations(wrong, 2):
        if all(_are_exchanged(point, one, other) for point in evidence.points):
            names = [evidence.names[one], evidence.names[other]]
            yield rule.finding(
                names,
                f"{names[0]} has the gradient of {names[1]}, and {names[1]} that of {names[0]}",
                evidence=("exchanged, both agree, at your parameters and at a second point",),
                fix=f"return them in the order {names[0]}, {names[1]}, or exchange their names",
            )


def _are_exchanged(point: Point, one: int, other: int) -> bool:
    first, second = point.blocks[one].gradient.value, point.blocks[other].gradient.value
    if first is None or second is None or first.shape != second.shape:
        return False
    errors = (error_if_right(point, one, second), error_if_right(point, other, first))
    return None not in errors


RULE = Rule(
    code="GC411",
    name="gradients-exchanged",
    what="The gradients of two parameters of one shape are returned in the wrong order, or under "
    "each other's name.",
    shows="each of the two is, entry for entry, what the other should be.",
    example="return dV, dU      # for the parameters (U, V)",
    instead="return dU, dV",
    detector=Direct(_find),
    edits=(EditKind.NAME, EditKind.INDEX),
)
