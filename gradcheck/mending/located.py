"""The line of what is wrong where the trace follows nothing: that of the edit that mends it.

So it is with complex numbers, and where parameters move along directions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcheck.finding import Finding
from gradcheck.mending.model import Patch
from gradcheck.options import Edits

FEW = Edits(400)
"""So many edits are tried for a line alone."""

ARROW = "  ->  "
"""What the words of an edit have between the expression and what is written for it."""


def are_without_line(findings: Sequence[Finding]) -> bool:
    """Whether there are errors, and none has a line."""
    errors = [one for one in findings if one.severity == "error"]
    return bool(errors) and all(one.location is None for one in errors)


def located(findings: Sequence[Finding], patch: Patch) -> tuple[Finding, ...]:
    """The findings with the place of a patch, which puts all of them right."""
    expression, _, written = patch.words.partition("\n")[0].partition(ARROW)
    first = patch.location
    return tuple(
        replace(
            one,
            location=first,
            expression=expression,
            evidence=(*one.evidence, f"with what is written below, it {patch.proof}"),
            fix=f"write `{written}` for `{expression}`" if written else expression,
        )
        if one.severity == "error"
        else one
        for one in findings
    )
