"""Findings as SARIF 2.1.0 for code scanning services (OASIS, 2020)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradcheck.diagnose.rules import RULES
from gradcheck.files import from_here
from gradcheck.report.outcome import AS_EXPECTED, Outcome
from gradcheck.user.calls import Location
from gradcheck.version import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(outcomes: Sequence[Outcome]) -> str:
    """Return one run, with a result for each finding of the cases with an unexpected outcome."""
    results = [result for outcome in outcomes for result in _results(outcome)]
    named = {result["ruleId"] for result in results}
    rules = [
        {"id": rule.code, "name": rule.name, "shortDescription": {"text": rule.what}}
        for rule in RULES
        if rule.code in named
    ]
    driver = {"name": "gradcheck", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _results(outcome: Outcome) -> Iterator[dict[str, Any]]:
    if outcome.status == AS_EXPECTED:
        return
    for finding in outcome.report_or_reason.findings:
        lines = [f"{outcome.name}: {finding.message}", *finding.lines]
        yield {
            "ruleId": finding.code,
            "level": finding.severity,
            "message": {"text": "\n".join(lines)},
            "locations": [_location(finding.location)] if finding.location else [],
        }
    if not outcome.report_or_reason.findings:
        yield {
            "ruleId": "GC999",
            "level": "warning",
            "message": {"text": f"{outcome.name}: {outcome.reason}"},
            "locations": [],
        }


def _location(place: Location) -> dict[str, Any]:
    file = Path(place.file)
    near = from_here(file)
    uri = file.absolute().as_uri() if near is file else near.as_posix()
    region = {"startLine": place.line}
    if place.columns is not None:
        column, end_line, end_column = place.columns
        region |= {"startColumn": column + 1, "endLine": end_line, "endColumn": end_column + 1}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
