"""Merge findings with one place, and recognise findings that others make needless."""

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
    """Merge the errors of each place, preferably into one whose code is not in `weak`."""
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        key = finding.location if finding.severity == "error" else None
        groups.setdefault(key or number, []).append(finding)
    return tuple(_joined(same, weak) if len(same) > 1 else same[0] for same in groups.values())


def _joined(findings: Sequence[Finding], weak: Set[str]) -> Finding:
    main = next((finding for finding in findings if finding.code not in weak), findings[0])
    rest = [finding for finding in findings if finding is not main]
    blocks = tuple(dict.fromkeys(name for finding in findings for name in finding.blocks))
    others = listed([name for name in blocks if name not in main.blocks])
    errors = [error for finding in findings if (error := finding.error_after_fix) is not None]
    lines = [*main.evidence, *(line for finding in rest for line in finding.evidence[-1:])]
    proofs = [line for line in lines if line.startswith(PUT_RIGHT)]
    if len(proofs) == len(findings):
        lines = [*(line for line in lines if line not in proofs), put_right(blocks)]
    return replace(
        main,
        blocks=blocks,
        message=f"{main.message}; the same line makes {others} wrong" if others else main.message,
        evidence=tuple(dict.fromkeys(lines)),
        error_after_fix=max(errors) if len(errors) == len(findings) else None,
        also=tuple(dict.fromkeys(place for finding in findings for place in finding.also)),
    )


def is_a_number(finding: Finding, faults: Sequence[Fault], rules: Sequence[Rule]) -> bool:
    """True if a finding derives a factor from sizes that is in fact a number in the source."""
    scales = {rule.code for rule, _ in detectors(rules, Scale)}
    return finding.code in scales and any(
        fault.cause is not None
        and fault.cause.name == NUMBER
        and set(finding.blocks) <= set(fault.blocks)
        for fault in faults
    )


def is_better_told(finding: Finding, others: Sequence[Finding], weak: Set[str]) -> bool:
    """True if a finding of no certain cause is needless: the others explain all its blocks.

    A finding of an unknown cause does not replace one that knows the constant.
    """
    if finding.code not in weak:
        return False
    unknown = finding.code == unknown_cause.RULE.code
    blocks = [
        other.blocks
        for other in others
        if other is not finding and (unknown or other.code != unknown_cause.RULE.code)
    ]
    return set().union(*blocks).issuperset(finding.blocks)
