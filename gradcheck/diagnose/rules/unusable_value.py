"""GC210: a name has no value where it is used, or one of another kind than the line needs."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.raised import unusable_finding
from gradcheck.diagnose.rule import Direct, EditKind, Rule
from gradcheck.finding import Finding


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    if not evidence.search.faults:
        yield from unusable_finding(rule, evidence)


RULE = Rule(
    code="GC210",
    name="unusable-value",
    what="A line names something that has no value there, or one of another kind than the line "
    "needs: another name is meant, or the value is made too late.",
    shows="an exception that speaks of a name, an attribute, an index or a type.",
    example="dZ1 = dW1 * (1 - A1**2)      # there is no dW1 yet",
    instead="dZ1 = dA1 * (1 - A1**2)",
    detector=Direct(_find),
    edits=(EditKind.NAME, EditKind.INDEX),
)
