"""From what the stages found to the report: the verdict, the words for layers, the notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np

from gradcheck.compare.comparison import Comparison
from gradcheck.compare.verdict import Block
from gradcheck.diagnose.engine import Diagnosis
from gradcheck.diagnose.excuses import excuse
from gradcheck.diagnose.layers import describe_layers
from gradcheck.diagnose.words import shortened
from gradcheck.finding import Finding
from gradcheck.options import Options
from gradcheck.preflight import Preflight
from gradcheck.report.details import details_of
from gradcheck.report.model import Report
from gradcheck.report.notes import heard_notes, notes_of, raised_notes
from gradcheck.report.pictures import Pictures
from gradcheck.sampling import Coverage, Selection
from gradcheck.user.calls import Heard, Raised
from gradcheck.user.problem import Problem
from gradcheck.version import __version__


def build_report(
    ready: Preflight,
    selection: Selection,
    comparison: Comparison,
    diagnosis: Diagnosis,
    options: Options,
    heard: Heard,
    pictures: Pictures,
    seconds: float,
) -> Report:
    """The report of a check that was carried out."""
    done = sum(len(block.entries) for block in comparison.numeric.blocks)
    coverage = replace(selection.coverage, entries=done)
    if comparison.tie is not None:
        coverage = replace(coverage, engine=comparison.tie.tier, tied=comparison.tie.evaluations)
    if comparison.numeric.interrupted:
        coverage = Coverage(done, coverage.total, "interrupted", interrupted=True)
    if diagnosis.interrupted:
        coverage = replace(coverage, interrupted=True)
    names = ready.problem.parameters.names
    comparison = replace(comparison, blocks=excuse(comparison.blocks, diagnosis.excused))
    accepted = _accepted(diagnosis.findings, options.allow)
    notes = notes_of(ready, comparison, diagnosis, heard)
    return Report(
        verdict=_verdict(ready, comparison, accepted),
        blocks=(
            *comparison.blocks,
            *(
                Block(leaf.name, leaf.shape, "not checked", 0)
                for leaf in ready.problem.parameters.left_out
            ),
        ),
        findings=tuple(_tidied_finding(finding, names) for finding in diagnosis.findings),
        network=diagnosis.network,
        coverage=coverage,
        evaluations=ready.evaluations + comparison.numeric.evaluations + diagnosis.evaluations,
        seconds=seconds,
        layers=tuple(
            _tidied(line, names) for line in describe_layers(comparison.blocks, diagnosis.layers)
        ),
        notes=notes,
        details=details_of(ready, comparison, diagnosis),
        pictures=pictures,
        reproduce=_reproduce(ready.problem, options),
    )


def _tidied_finding(finding: Finding, names: tuple[str, ...]) -> Finding:
    """The finding with names that fit on a line in its texts; its blocks are named as they are."""
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
    seconds: float,
    raised: Raised | None = None,
    findings: tuple[Finding, ...] = (),
) -> Report:
    """The report of a check that could not be carried out because of the loss."""
    parameters = problem.parameters
    blocks = tuple(
        Block(name, shape, "not checked", 0)
        for name, shape in zip(parameters.names, parameters.shapes, strict=True)
    )
    total = sum(value.size for value in parameters.values)
    return Report(
        verdict="inconclusive",
        blocks=blocks,
        findings=findings,
        network=None,
        coverage=Coverage(0, total, "the loss could not be evaluated"),
        evaluations=0,
        seconds=seconds,
        could_not_check=reason,
        notes=(*raised_notes(raised), *heard_notes(heard)),
    )


def _accepted(findings: Iterable[Finding], allow: tuple[str, ...]) -> set[str]:
    """The names of the blocks whose findings are all accepted by the user."""
    allowed: set[str] = set()
    refused: set[str] = set()
    for finding in findings:
        target = allowed if finding.code in allow or finding.rule in allow else refused
        target.update(finding.blocks)
    return allowed - refused


def _verdict(ready: Preflight, comparison: Comparison, accepted: set[str]) -> str:
    blocks = comparison.blocks
    suspect = {*comparison.unstable, *ready.not_zero}
    counted = [block for block in blocks if block.name not in accepted]
    if any(block.failed or block.name in suspect for block in counted):
        return "fail"
    if comparison.numeric.interrupted or any(block.verdict == "inconclusive" for block in counted):
        return "inconclusive"
    if blocks and all(block.verdict == "not checked" for block in blocks):
        return "inconclusive"
    pairs = zip(blocks, comparison.screened, strict=False)
    if any(found is not None and found.suspects for block, found in pairs if block in counted):
        return "inconclusive"
    tested = [block for block in counted if block.verdict != "not checked" and block.size]
    if not tested and not accepted:
        return "inconclusive"
    if tested and all(block.name in ready.ignored for block in tested):
        return "inconclusive"
    return "pass"


def _reproduce(problem: Problem, options: Options) -> str:
    """A call that makes this check again, with the arguments that are not the defaults."""
    called = "check_layer" if problem.layer else "check_step" if problem.step else "check"
    given = [
        f"{field.name}={getattr(options, field.name)!r}"
        for field in fields(Options)
        if getattr(options, field.name) != field.default or field.name == "seed"
    ]
    versions = f"gradcheck {__version__}, numpy {np.__version__}"
    return f"gradcheck.{called}(..., {', '.join(given)})  # {versions}"
