"""Make the report from the results of the stages: verdict, lines on layers, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

import numpy as np

from gradcheck.compare.block import Block
from gradcheck.compare.point import Point
from gradcheck.diagnose.engine import Diagnosis
from gradcheck.diagnose.layers import describe_layers
from gradcheck.finding import Finding
from gradcheck.options import Options
from gradcheck.pictures.take import Sketch
from gradcheck.preflight import Preflight
from gradcheck.report.details import details_of
from gradcheck.report.model import Report
from gradcheck.report.notes import heard_notes, notes_of, raised_notes
from gradcheck.sampling import Coverage
from gradcheck.user.calls import Heard, Raised
from gradcheck.user.problem import Problem
from gradcheck.version import __version__
from gradcheck.words import Verdict, shortened


def build_report(
    point: Point,
    preflight: Preflight,
    coverage: Coverage,
    diagnosis: Diagnosis,
    options: Options,
    heard: Heard,
) -> Report:
    """Return the report of a completed check."""
    names = point.problem.parameters.names
    accepted = accepted_blocks(diagnosis.findings, options.allow)
    left_out = point.problem.parameters.left_out
    view = diagnosis.view
    return Report(
        verdict=_verdict(point, preflight, accepted),
        blocks=(*point.blocks, *(Block(leaf.name, leaf.shape) for leaf in left_out)),
        findings=tuple(
            _tidied_finding(finding, names)
            for finding in _accepted_last(diagnosis.findings, options.allow)
        ),
        network=None if view is None else str(view),
        coverage=_coverage(point, coverage, diagnosis),
        evaluations=preflight.evaluations + point.evaluations + diagnosis.evaluations,
        seconds=0.0,
        layers=tuple(
            _tidied(line, names)
            for line in describe_layers(
                point.blocks,
                diagnosis.layers,
                is_network=view is not None,
                is_placed=any(finding.location for finding in diagnosis.findings),
            )
        ),
        notes=notes_of(point, preflight, diagnosis, heard),
        details=details_of(point, view),
        backward=diagnosis.backward,
        sketch=Sketch.of(point, view, options.seed),
        reproduce=_reproduce(point.problem, options),
        not_zero=preflight.not_zero,
    )


def _coverage(point: Point, planned: Coverage, diagnosis: Diagnosis) -> Coverage:
    """Return how many entries were perturbed, and by which engine."""
    entries = sum(block.numeric.count for block in point.blocks)
    if point.interrupted:
        return Coverage(entries, planned.total, "interrupted", interrupted=True)
    coverage = replace(planned, entries=entries, interrupted=diagnosis.interrupted)
    if point.tie is None:
        return coverage
    return replace(coverage, engine=point.tie.tier, tied=point.tie.evaluations)


def _tidied_finding(finding: Finding, names: tuple[str, ...]) -> Finding:
    """Return the finding with shortened block names in its texts."""
    return replace(
        finding,
        message=_tidied(finding.message, names),
        evidence=tuple(_tidied(line, names) for line in finding.evidence),
        fix=_tidied(finding.fix, names),
    )


def _tidied(text: str, names: tuple[str, ...]) -> str:
    for name in names:
        if name != shortened(name):
            text = text.replace(name, shortened(name))
    return text


def unchecked_report(
    problem: Problem,
    reason: str,
    heard: Heard,
    raised: Raised | None = None,
    findings: tuple[Finding, ...] = (),
) -> Report:
    """Return the report of a check that failed because the loss could not be evaluated."""
    parameters = problem.parameters
    blocks = tuple(map(Block, parameters.names, parameters.shapes))
    total = sum(value.size for value in parameters.values)
    return Report(
        verdict="inconclusive",
        blocks=blocks,
        findings=findings,
        network=None,
        coverage=Coverage(0, total, "the loss could not be evaluated"),
        evaluations=0,
        seconds=0.0,
        could_not_check=reason,
        notes=(*raised_notes(raised), *heard_notes(heard)),
    )


def accepted_blocks(findings: Iterable[Finding], allow: tuple[str, ...]) -> set[str]:
    """Return the names of the blocks all of whose findings the user accepts."""
    allowed: set[str] = set()
    refused: set[str] = set()
    for finding in findings:
        (allowed if _is_accepted(finding, allow) else refused).update(finding.blocks)
    return allowed - refused


def _is_accepted(finding: Finding, allow: tuple[str, ...]) -> bool:
    return finding.code in allow or finding.rule in allow


def _accepted_last(findings: Sequence[Finding], allow: tuple[str, ...]) -> list[Finding]:
    """The findings, of the errors first those that the user does not accept."""
    errors = [finding for finding in findings if finding.severity == "error"]
    ordered = iter(sorted(errors, key=lambda finding: _is_accepted(finding, allow)))
    return [next(ordered) if finding.severity == "error" else finding for finding in findings]


def _verdict(point: Point, preflight: Preflight, accepted: set[str]) -> Verdict:
    suspect = {*point.unstable, *preflight.not_zero}
    counted = [block for block in point.blocks if block.name not in accepted]
    if any(block.failed or block.name in suspect for block in counted):
        return "fail"
    if point.interrupted or any(block.verdict == "inconclusive" for block in counted):
        return "inconclusive"
    if point.raised is not None and not accepted:
        return "inconclusive"  # what it had finished is right
    if point.blocks and all(block.verdict == "not checked" for block in point.blocks):
        return "inconclusive"
    if any(block.screened is not None and block.screened.suspects for block in counted):
        return "inconclusive"
    tested = [block for block in counted if block.verdict != "not checked" and block.size]
    if not tested and not accepted:
        return "inconclusive"
    if tested and all(block.name in preflight.ignored for block in tested):
        return "inconclusive"
    return "pass"


def _reproduce(problem: Problem, options: Options) -> str:
    """Return a call that repeats this check, with all arguments that are not defaults."""
    function = "check_layer" if problem.layer else "check_step" if problem.step else "check"
    arguments = [
        f"{field.name}={getattr(options, field.name)!r}"
        for field in fields(Options)
        if getattr(options, field.name) != field.default or field.name == "seed"
    ]
    versions = f"gradcheck {__version__}, numpy {np.__version__}"
    return f"gradcheck.{function}(..., {', '.join(arguments)})  # {versions}"
