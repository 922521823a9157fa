"""Combine the faults that the trace found with the findings of the rules.

The trace proposes and the numeric gradient decides: a fault is reported only if the gradients that
it mends agree with finite differences in more entries, and in all entries that agreed before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import replace

from gradcheck.arrays import proportion
from gradcheck.compare.point import Point
from gradcheck.diagnose.fault_in_words import PUT_RIGHT, evidence_of, fix_of, message_of, put_right
from gradcheck.diagnose.rule import Rule, Scale, Traced
from gradcheck.diagnose.rules import (
    RULES,
    detectors,
    loss_ignores_parameters,
    stale_state,
    unknown_cause,
    zero_gradient,
)
from gradcheck.finding import Finding
from gradcheck.trace import Fault, Search
from gradcheck.trace.causes.constant_factors import DROP
from gradcheck.trace.fault import (
    CONSTANT_FACTOR,
    EXTRA_TERM,
    KEEP_MISSING,
    MEAN_AND_TWO,
    MEAN_MISSING,
    NUMBER,
    OTHER_FORMULA,
    OTHER_SIZE,
    OVERWRITTEN,
    PAIRED,
    PATH_MISSING,
    WRONG_AXIS,
)
from gradcheck.words import gradient_of, listed

LONGEST_CODE = 60
SUM = re.compile(r" [+-] (?![^(\[]*[)\]])")
"""A sum or difference outside of all brackets."""

SCALES = frozenset(rule.code for rule, _ in detectors(Scale))
"""The codes of rules that derive a factor from sizes."""

ORDERS = (OVERWRITTEN, PATH_MISSING, EXTRA_TERM)
"""Kinds of faults of the order in which an engine's operations run, or of what they add to."""

UNCERTAIN = frozenset(rule.code for rule in RULES if rule.last_resort) | {unknown_cause.RULE.code}
"""The codes of rules that name no certain cause."""


def with_faults(
    findings: Sequence[Finding], search: Search, failed: Set[str]
) -> tuple[Finding, ...]:
    """Return the rules' findings with the expression at fault, and those of unexplained faults.

    Args:
        findings: the findings of all rules but those that the trace proves.
        search: the result of tracing the user's functions.
        failed: the names of the wrong blocks.
    """
    left = [
        replace(fault, blocks=tuple(name for name in fault.blocks if name in failed))
        for fault in search.faults
        if failed & set(fault.blocks)
    ]
    errors = [one.code for one in findings if one.severity == "error"]
    doubt = search.doubt
    if doubt is not None and doubt.kind in (OTHER_FORMULA, PAIRED) and failed <= set(doubt.blocks):
        rest = (one for one in findings if one.severity != "error")
        return tuple(one for one in (_of_fault(doubt), *rest) if one is not None)
    if doubt is not None and UNCERTAIN.issuperset(errors) and failed <= set(doubt.blocks):
        left = [_doubted(left[0], doubt), *left[1:]] if left else [doubt]
    placed = []
    vague = (_is_a_number, _is_of_an_order, _is_of_more, _is_made_zero)
    findings = [one for one in findings if not any(is_vague(one, left) for is_vague in vague)]
    for finding in findings:
        explained = [fault for fault in left if _is_told_by(finding, fault)]
        if explained:
            left = [fault for fault in left if fault is not explained[0]]
            if finding.code != loss_ignores_parameters.RULE.code:  # any 0 mends it, wherever
                finding = _with_fault(finding, explained[0])
        placed.append(finding)
    certain = [one for one in placed if one.severity == "error" and one.code not in UNCERTAIN]
    named = set().union(*(one.blocks for one in certain))
    added = [
        finding
        for fault in left
        if not named.issuperset(fault.blocks)
        for finding in [_of_fault(fault)]
        if finding is not None
    ]
    by = [*added, *(finding for finding in placed if finding.expression)]
    remaining = [finding for finding in placed if not _is_better_told(finding, by, search.nothing)]
    return _merged(
        [
            *(one for one in remaining if one.code not in UNCERTAIN),
            *added,
            *(one for one in remaining if one.code in UNCERTAIN),
        ]
    )


def _is_told_by(finding: Finding, fault: Fault) -> bool:
    """True if a finding explains a fault for certain, or if the fault has no name at all."""
    if finding.severity != "error" or not set(fault.blocks) & set(finding.blocks):
        return False
    if fault.place is None or not fault.expression or finding.code == unknown_cause.RULE.code:
        return False
    return finding.code not in UNCERTAIN or _rule_of(fault) is unknown_cause.RULE


def without_rate(search: Search, point: Point, findings: Sequence[Finding]) -> Search:
    """Return the search without a constant common to all blocks of a step that no rule names.

    The constant may be the learning rate.
    """
    named = any(one.severity == "error" and one.code not in UNCERTAIN for one in findings)
    if point.problem.step is None or named:
        return search
    is_rate = [
        one.kind == CONSTANT_FACTOR and _is_of_all(one, point) and not _is_of_sizes(one)
        for one in search.faults
    ]
    return replace(search, faults=()) if is_rate == [True] else search


def _is_of_sizes(fault: Fault) -> bool:
    """True if a size that a mean divides by is what is wrong, which is no matter of a rate."""
    cause = fault.cause
    return cause is not None and (
        cause.name in (MEAN_MISSING, MEAN_AND_TWO) or (cause.name == OTHER_SIZE and cause.fix != "")
    )


def _is_of_all(fault: Fault, point: Point) -> bool:
    """True if a fault mends all blocks by one constant, and not by a term."""
    if {block.name for block in point.blocks} != set(fault.blocks):
        return False
    pairs = [(fault.mended.get(block.name), block.gradient.value) for block in point.blocks]
    both = [(one, other) for one, other in pairs if one is not None and other is not None]
    return len(both) == len(pairs) and proportion(*zip(*both, strict=True)) is not None


def _doubted(fault: Fault, doubt: Fault) -> Fault:
    """Return a fault of the gradient with the operation of the loss that may be wrong instead."""
    if doubt.cause is None or doubt.place is None:
        return fault
    cause = doubt.cause
    if fault.cause is not None:
        words = "; or ".join(filter(None, (fault.cause.words, cause.words)))
        cause = replace(fault.cause, words=words)
    return replace(fault, cause=cause, also=(doubt.place, *fault.also))


def _rule_of(fault: Fault) -> Rule:
    """Return the rule that names a fault."""
    name = fault.kind if fault.cause is None else fault.cause.name
    for rule, detector in detectors(Traced):
        if name in detector.causes and detector.fits(fault):
            return rule
    return unknown_cause.RULE


def _with_fault(finding: Finding, fault: Fault) -> Finding:
    """Return a rule's finding with the expression at fault, and the right code if it follows."""
    rewritten = next(one for one in RULES if one.code == finding.code).rewritten
    is_plain = "=" not in fault.expression and len(fault.expression) <= LONGEST_CODE
    if rewritten is not None and is_plain and len(finding.blocks) == 1:
        code = f"({fault.expression})" if SUM.search(fault.expression) else fault.expression
        finding = replace(
            finding, fix=f"{rewritten.format(code=code).removeprefix('--')}   ({finding.fix})"
        )
    if fault.fix.startswith(DROP):
        finding = replace(finding, fix=fault.fix)
    blocks = fault.blocks if set(finding.blocks) < set(fault.blocks) else finding.blocks
    return replace(
        finding,
        blocks=blocks,
        message=finding.message.replace(gradient_of(finding.blocks), gradient_of(blocks), 1),
        location=None if fault.place is None else fault.place.location,
        also=tuple(place.location for place in fault.also),
        expression=fault.expression,
        actual=fault.actual,
        expected=fault.expected,
        evidence=(*finding.evidence, *evidence_of(fault)),
    )


def _of_fault(fault: Fault) -> Finding | None:
    """Return the finding of a fault; None if it has neither a name nor a place."""
    rule = _rule_of(fault)
    if rule is unknown_cause.RULE and (fault.place is None or not fault.expression):
        return None
    return replace(
        rule.finding(
            fault.blocks,
            message_of(fault),
            evidence_of(fault),
            fix_of(fault),
            fault.error_after_fix,
        ),
        location=fault.place.location if fault.place and fault.place.source else None,
        also=tuple(place.location for place in fault.also),
        expression=fault.expression or None,
        actual=fault.actual,
        expected=fault.expected,
    )


def _merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Merge the errors of each place, preferably into one of a certain cause; an alias is last."""
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        key = finding.location if finding.severity == "error" else None
        groups.setdefault(key or number, []).append(finding)
    merged = (_joined(same) if len(same) > 1 else same[0] for same in groups.values())
    return tuple(sorted(merged, key=lambda finding: finding.code == "GC804"))


def _joined(findings: Sequence[Finding]) -> Finding:
    main = next((finding for finding in findings if finding.code not in UNCERTAIN), findings[0])
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


def _is_a_number(finding: Finding, faults: Sequence[Fault]) -> bool:
    """True if a finding derives a factor from sizes that the source shows to be another."""
    return finding.code in SCALES and any(
        fault.cause is not None
        and fault.cause.name in (NUMBER, MEAN_AND_TWO, KEEP_MISSING)
        and set(finding.blocks) <= set(fault.blocks)
        for fault in faults
    )


def _is_of_an_order(finding: Finding, faults: Sequence[Fault]) -> bool:
    """True if what the operations of an engine do wrongly tells more than a finding.

    If they lose something or do it twice, it may be another gradient from call to call, as a set
    has another order, and it may be wrong by a factor.
    """
    told = (
        fault.blocks
        for fault in faults
        if fault.of_operation
        or (fault.cause is not None and fault.cause.name == fault.kind in ORDERS)
    )
    is_vague = finding.code in {stale_state.RULE.code, *SCALES}
    return is_vague and set(finding.blocks) <= set().union(*told)


def _is_of_more(finding: Finding, faults: Sequence[Fault]) -> bool:
    """True if the loss ignores blocks that a fault makes wrong together with others.

    A bias before a normalisation is one: its gradient is 0 only where what follows is right.
    """
    is_ignored = finding.code == loss_ignores_parameters.RULE.code
    return is_ignored and any(set(finding.blocks) < set(one.blocks) for one in faults)


def _is_made_zero(finding: Finding, faults: Sequence[Fault]) -> bool:
    """True if faults are sums over an axis along which the terms cancel, as errors of softmax."""
    told = (one.blocks for one in faults if one.cause and one.cause.name == WRONG_AXIS)
    return finding.code == zero_gradient.RULE.code and set(finding.blocks) <= set().union(*told)


def _is_better_told(finding: Finding, others: Sequence[Finding], nothing: Set[str]) -> bool:
    """True if a finding of no certain cause is needless: the others explain all its blocks.

    What is to be 0 is explained by any other. A finding of an unknown cause does not replace one
    that knows the constant.
    """
    if finding.code not in UNCERTAIN:
        return False
    unknown = finding.code == unknown_cause.RULE.code
    rest = (other for other in others if other is not finding)
    named = (one.blocks for one in rest if unknown or one.code != unknown_cause.RULE.code)
    told = set().union(*named)
    return bool(told) and (told | nothing).issuperset(finding.blocks)
