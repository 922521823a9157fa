"""Findings with the line of the user's source that they are about."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from gradcheck.diagnose.assignments import Assignment
from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Place, Rule
from gradcheck.diagnose.source import Sources
from gradcheck.finding import Finding
from gradcheck.recognition.layers import Layer
from gradcheck.user.blocks import Leaf

LONGEST_CODE = 60


def located(
    evidence: Evidence, findings: Sequence[Finding], rules: Sequence[Rule]
) -> tuple[Finding, ...]:
    """The findings, each with its line where that is certain."""
    if not any(finding.location is None and finding.blocks for finding in findings):
        return tuple(findings)
    sources = Sources(evidence.problem)
    by_code = {rule.code: rule for rule in rules}
    return tuple(
        _located(evidence, finding, sources, by_code[finding.code]) for finding in findings
    )


def _located(evidence: Evidence, finding: Finding, sources: Sources, rule: Rule) -> Finding:
    if finding.location is not None or finding.severity != "error" or not finding.blocks:
        return finding
    assignment = _assignment(evidence, finding, sources, rule.place)
    if assignment is None:
        return finding
    fix = _fix_in_code(finding, rule, assignment)
    return replace(finding, location=assignment.location, fix=fix)


def _fix_in_code(finding: Finding, rule: Rule, assignment: Assignment) -> str:
    """The fix, with the user's own expression where the right code follows from it."""
    value = assignment.value
    if rule.rewritten is None or assignment.updates or len(finding.blocks) != 1:
        return finding.fix
    code = ast.unparse(value)
    if isinstance(value, ast.Dict | ast.Tuple | ast.List) or len(code) > LONGEST_CODE:
        return finding.fix
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub):
        code = f"({code})"
    return f"{rule.rewritten.format(code=code)}   ({finding.fix})"


def _assignment(
    evidence: Evidence, finding: Finding, sources: Sources, place: Place
) -> Assignment | None:
    """The assignment of the delta or of the block's gradient that a finding is about."""
    if place is Place.NOWHERE:
        return None
    leaves = [_leaf(evidence, name) for name in finding.blocks]
    known = [leaf for leaf in leaves if leaf is not None]
    layer = _nearest(evidence, finding)
    whole = layer is not None and all(
        evidence.names[block] in finding.blocks for block in layer.blocks
    )
    if layer is not None and whole and (place.of_delta or len(finding.blocks) > 1):
        weight = _leaf(evidence, evidence.names[layer.weight])
        bias = None if layer.bias is None else _leaf(evidence, evidence.names[layer.bias])
        if weight is not None:
            delta = sources.of_delta(weight, bias)
            if delta is not None and place is Place.UPSTREAM:
                return sources.of_upstream(delta)
            return delta
    if known and (len(known) == 1 or not place.of_delta):
        step = evidence.problem.step is not None
        return sources.of_gradient(known[0], step, place is Place.PENALTY)
    return None


def _nearest(evidence: Evidence, finding: Finding) -> Layer | None:
    """The layer of a finding that is nearest to the loss."""
    layers = [
        layer
        for layer in evidence.layers
        if any(evidence.names[block] in finding.blocks for block in layer.blocks)
    ]
    return layers[-1] if layers else None


def _leaf(evidence: Evidence, name: str) -> Leaf | None:
    return next((leaf for leaf in evidence.problem.parameters.leaves if leaf.name == name), None)
