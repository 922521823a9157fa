"""Merge several reports into one, for example on a solver's gradient and Hessian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradcheck.finding import Finding
from gradcheck.mending.model import Repair
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage
from gradcheck.words import worst_of


def merged(reports: Mapping[str, Report], notes: tuple[str, ...] = ()) -> Report:
    """Return one report of all; each block's name begins with the name of its report."""
    every = list(reports.values())
    last = every[-1]
    reasons = [
        f"{name}: {report.could_not_check}"
        for name, report in reports.items()
        if report.could_not_check
    ]
    unsearched = [report.unsearched for report in every if report.verdict == "fail"]
    named_notes = [f"{name}: {note}" for name, report in reports.items() for note in report.notes]
    return replace(
        last,
        verdict=worst_of(report.verdict for report in every),
        blocks=tuple(
            replace(block, name=f"{name} {block.name}")
            for name, report in reports.items()
            for block in report.blocks
        ),
        findings=tuple(
            _named(finding, name) for name, report in reports.items() for finding in report.findings
        ),
        network=None,
        coverage=Coverage(
            sum(report.coverage.entries for report in every),
            sum(report.coverage.total for report in every),
            next((report.coverage.reason for report in every if report.coverage.reason), None),
        ),
        evaluations=sum(report.evaluations for report in every),
        seconds=sum(report.seconds for report in every),
        could_not_check="; ".join(reasons) if len(reasons) == len(every) else None,
        layers=(),
        unsearched="; ".join(dict.fromkeys(unsearched)) if all(unsearched) else "",
        repair=_repair_of(every),
        notes=(*named_notes, *(reasons if len(reasons) < len(every) else ()), *notes),
    )


def _named(finding: Finding, name: str) -> Finding:
    blocks = tuple(f"{name} {block}" for block in finding.blocks)
    return replace(finding, blocks=blocks, message=f"{name}: {finding.message}")


def _repair_of(reports: Sequence[Report]) -> Repair | None:
    """Return the repair of the first failed report that has one, or a reason why there is none."""
    of_failed = [one.repair for one in reports if one.verdict == "fail" and one.repair is not None]
    repairs = of_failed or [one.repair for one in reports if one.repair is not None]
    return next((one for one in repairs if one.ok), repairs[0] if repairs else None)
