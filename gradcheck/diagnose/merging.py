"""Which findings are one, and which another one makes needless."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from gradcheck.diagnose.rule import Rule, Scale, detectors
from gradcheck.diagnose.rules import unknown_cause
from gradcheck.finding import Finding
from gradcheck.trace import Fault
from gradcheck.trace.fault import NUMBER


def merged(findings: Sequence[Finding], weak: Set[str]) -> tuple[Finding, ...]:
    """One finding for each place, that of a certain cause, with all that it makes wrong."""
    merged: dict[object, Finding] = {}
    for number, finding in enumerate(findings):
        key = finding.location if finding.severity == "error" else None
        first = merged.setdefault(key or number, finding)
        if first is not finding:
            one, other = (finding, first) if first.code in weak else (first, finding)
            blocks = tuple(dict.fromkeys((*first.blocks, *finding.blocks)))
            evidence = tuple(dict.fromkeys((*one.evidence, *other.evidence[-1:])))
            merged[key or number] = replace(one, blocks=blocks, evidence=evidence)
    return tuple(merged.values())


def is_a_number(finding: Finding, faults: Sequence[Fault], rules: Sequence[Rule]) -> bool:
    """Whether what a finding says of the sizes of a factor is a number of the text."""
    scales = {rule.code for rule, _ in detectors(rules, Scale)}
    return finding.code in scales and any(
        one.cause is not None
        and one.cause.name == NUMBER
        and set(finding.blocks) <= set(one.blocks)
        for one in faults
    )


def is_better_told(finding: Finding, told: Sequence[Finding], weak: Set[str]) -> bool:
    """Whether a finding of no certain cause is about nothing but what the faults explain.

    A constant that is known stays where the faults have no name for it.
    """
    if finding.code not in weak:
        return False
    unknown = finding.code == unknown_cause.RULE.code
    by = [
        one
        for one in told
        if one is not finding and (unknown or one.code != unknown_cause.RULE.code)
    ]
    return set().union(*(one.blocks for one in by)).issuperset(finding.blocks)
