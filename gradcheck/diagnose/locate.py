"""Findings with the line of the user's source that they are about."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Delta, Detector, Penalty, Rule, Slope, Upstream
from gradcheck.diagnose.source import Assignment, Sources
from gradcheck.finding import Finding
from gradcheck.recognition.layers import Layer
from gradcheck.user.blocks import Leaf

MENDED = {"GC106": "-{code}", "GC101": "{code} / m"}
"""What one factor makes of the user's expression; m is the batch size."""

LONGEST_CODE = 60

ELSEWHERE = ("GC207", "GC311", "GC408", "GC80", "GC90", "GC999")
"""Rules on what is missing, or is not in the backward pass."""


def located(
    evidence: Evidence, findings: Sequence[Finding], rules: Sequence[Rule]
) -> tuple[Finding, ...]:
    """The findings, each with its line where that is certain."""
    if not any(finding.location is None and finding.blocks for finding in findings):
        return tuple(findings)
    sources = Sources(evidence.problem)
    kinds = _Kinds(
        _codes(rules, Slope, Upstream, Delta), _codes(rules, Upstream), _codes(rules, Penalty)
    )
    return tuple(_located(evidence, finding, sources, kinds) for finding in findings)


@dataclass(frozen=True)
class _Kinds:
    """The codes of the rules on deltas, on what arrives at a layer, and on penalties."""

    delta: set[str]
    upstream: set[str]
    penalty: set[str]


def _codes(rules: Sequence[Rule], *kinds: type[Detector]) -> set[str]:
    return {rule.code for rule in rules if any(isinstance(d, kinds) for d in rule.detectors)}


def _located(evidence: Evidence, finding: Finding, sources: Sources, kinds: _Kinds) -> Finding:
    if finding.location is not None or finding.severity != "error" or not finding.blocks:
        return finding
    if finding.code.startswith(ELSEWHERE):
        return finding
    found = _assignment(evidence, finding, sources, kinds)
    if found is None:
        return finding
    return replace(finding, location=found.location, fix=_fix_in_code(finding, found))


def _fix_in_code(finding: Finding, found: Assignment) -> str:
    """The fix, with the user's own expression where one factor mends it."""
    pattern = MENDED.get(finding.code)
    if pattern is None or found.value is None or found.updates or len(finding.blocks) != 1:
        return finding.fix
    code = ast.unparse(found.value)
    if isinstance(found.value, ast.Dict | ast.Tuple | ast.List) or len(code) > LONGEST_CODE:
        return finding.fix
    if isinstance(found.value, ast.BinOp) and isinstance(found.value.op, ast.Add | ast.Sub):
        code = f"({code})"
    return f"{pattern.format(code=code)}   ({finding.fix})"


def _assignment(
    evidence: Evidence, finding: Finding, sources: Sources, kinds: _Kinds
) -> Assignment | None:
    """The assignment of the delta or of the block's gradient that a finding is about."""
    leaves = [_leaf(evidence, name) for name in finding.blocks]
    known = [leaf for leaf in leaves if leaf is not None]
    layer = _nearest(evidence, finding)
    whole = layer is not None and all(
        evidence.names[block] in finding.blocks for block in layer.blocks
    )
    if layer is not None and whole and (finding.code in kinds.delta or len(finding.blocks) > 1):
        weight = _leaf(evidence, evidence.names[layer.weight])
        bias = None if layer.bias is None else _leaf(evidence, evidence.names[layer.bias])
        if weight is not None:
            delta = sources.of_delta(weight, bias)
            upstream = delta is not None and finding.code in kinds.upstream
            return sources.of_upstream(delta) if delta is not None and upstream else delta
    if len(known) == 1 or finding.code not in kinds.delta:
        if not known:
            return None
        step = evidence.problem.step is not None
        return sources.of_gradient(known[0], step, finding.code in kinds.penalty)
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
