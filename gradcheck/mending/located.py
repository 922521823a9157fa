"""The line of a bug that the trace cannot place, as in a part of a complex number: the edit's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcheck.compare.followed import unfollowable
from gradcheck.compare.point import Point
from gradcheck.diagnose.engine import Diagnosis
from gradcheck.finding import Finding
from gradcheck.mending.model import Repair
from gradcheck.mending.process import repair
from gradcheck.options import Edits
from gradcheck.progress import Advance
from gradcheck.user.complexes import has_complex

FEW = Edits(400)
"""The budget of a search for the line alone."""


def with_line(
    point: Point, diagnosis: Diagnosis, repaired: Repair | None, advance: Advance
) -> Diagnosis:
    """Return the diagnosis with the place of the first patch, if no finding has a place."""
    errors = [one for one in diagnosis.findings if one.severity == "error"]
    is_complex = has_complex(point.problem)
    may_be = is_complex or (bool(diagnosis.unfollowed) and not unfollowable(point))
    if not (may_be and errors) or any(one.location for one in errors):
        return diagnosis
    repaired = repaired or repair(point, diagnosis, FEW, advance)
    return replace(diagnosis, findings=at_patch(diagnosis.findings, repaired))


def at_patch(findings: Sequence[Finding], repaired: Repair | None) -> tuple[Finding, ...]:
    """Return the findings of errors at the place of the first patch, if there is one."""
    errors = [one for one in findings if one.severity == "error"]
    for patch in repaired.patches[:1] if repaired is not None else ():
        wrong, _, written = patch.words.partition("\n")[0].partition("  ->  ")
        fix = f"write `{written}` for `{wrong}`" if written else wrong
        proof = f"with what is written below, it {patch.proof}"
        placed = [
            replace(
                one,
                location=patch.location,
                expression=wrong,
                evidence=(*one.evidence, proof),
                fix=fix,
            )
            for one in errors
        ]
        return (*placed, *(one for one in findings if one not in errors))
    return tuple(findings)
