"""GC802: a call changes the parameters or the data."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, Rule
from gradcheck.finding import Finding
from gradcheck.words import listed


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    for change in evidence.preflight.changes:
        changed = [*change.blocks, *change.data]
        yield rule.finding(
            change.blocks,
            f"{change.call} changes {listed(changed)} in place",
            evidence=(
                f"after one call at your parameters, {listed(changed)} held other numbers; for the "
                "check, they were put back before every call",
            ),
            fix="work on a copy, or write `a = a - b` for `a -= b`; update the parameters outside",
        )


RULE = Rule(
    code="GC802",
    name="parameters-mutated",
    what="A function that should only read its parameters or the data writes into them: an update "
    "in the gradient function, `X -= X.mean()`, a mask multiplied in.",
    shows="the arrays hold other numbers after the call than before.",
    example="X -= X.mean(axis=0)",
    instead="X = X - X.mean(axis=0)",
    detector=Direct(_find, always=True),
    severity="warning",
)
