"""Several reports of one thing as one: a gradient and its Hessian, all that a solver is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradcheck.finding import Finding
from gradcheck.mending.model import Repair
from gradcheck.report.model import Report
from gradcheck.sampling import Coverage
from gradcheck.words import worst_of


def merged(reports: Mapping[str, Report], notes: tuple[str, ...] = ()) -> Report:
    """The report of all, their blocks named after what each is of."""
    every = list(reports.values())
    last = every[-1]
    reasons = [
        f"{name}: {report.could_not_check}"
        for name, report in reports.items()
        if report.could_not_check
    ]
    unsearched = [report.unsearched for report in every if report.verdict == "fail"]
    said = [f"{name}: {note}" for name, report in reports.items() for note in report.notes]
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
        notes=(*said, *(reasons if len(reasons) < len(every) else ()), *notes),
    )


def _named(finding: Finding, name: str) -> Finding:
    blocks = tuple(f"{name} {block}" for block in finding.blocks)
    return replace(finding, blocks=blocks, message=f"{name}: {finding.message}")


def _repair_of(reports: Sequence[Report]) -> Repair | None:
    """That of the first report that failed and has an edit, or else a reason why not."""
    found = [one.repair for one in reports if one.verdict == "fail" and one.repair is not None]
    every = found or [one.repair for one in reports if one.repair is not None]
    return next((one for one in every if one.ok), every[0] if every else None)
