"""Which findings are one, and which another one makes needless."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from gradcheck.diagnose.fault_in_words import PUT_RIGHT, put_right
from gradcheck.diagnose.rule import Rule, Scale, detectors
from gradcheck.diagnose.rules import unknown_cause
from gradcheck.finding import Finding
from gradcheck.trace import Fault
from gradcheck.trace.fault import NUMBER
from gradcheck.words import listed


def merged(findings: Sequence[Finding], weak: Set[str]) -> tuple[Finding, ...]:
    """One finding for each place, that of a certain cause, with all that it makes wrong."""
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        key = finding.location if finding.severity == "error" else None
        groups.setdefault(key or number, []).append(finding)
    return tuple(_joined(same, weak) if len(same) > 1 else same[0] for same in groups.values())


def _joined(findings: Sequence[Finding], weak: Set[str]) -> Finding:
    told = next((one for one in findings if one.code not in weak), findings[0])
    rest = [one for one in findings if one is not told]
    blocks = tuple(dict.fromkeys(name for one in findings for name in one.blocks))
    others = listed([name for name in blocks if name not in told.blocks])
    errors = [one.error_after_fix for one in findings if one.error_after_fix is not None]
    lines = [*told.evidence, *(line for one in rest for line in one.evidence[-1:])]
    proofs = [line for line in lines if line.startswith(PUT_RIGHT)]
    if len(proofs) == len(findings):
        lines = [*(line for line in lines if line not in proofs), put_right(blocks)]
    return replace(
        told,
        blocks=blocks,
        message=f"{told.message}; the same line makes {others} wrong" if others else told.message,
        evidence=tuple(dict.fromkeys(lines)),
        error_after_fix=max(errors) if len(errors) == len(findings) else None,
        also=tuple(dict.fromkeys(place for one in findings for place in one.also)),
    )


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
