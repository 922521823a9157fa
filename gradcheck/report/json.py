"""The report as JSON: schema 1, fields by the names of `Block` and `Finding`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from gradcheck.compare.verdict import Block, Worst
from gradcheck.finding import Finding
from gradcheck.usercode import Location
from gradcheck.version import __version__

if TYPE_CHECKING:
    from gradcheck.report.model import Report

SCHEMA = 1


def render(cases: Sequence[dict[str, Any]]) -> str:
    """A JSON document of cases, each made by `report_dict`."""
    document = {"schema": SCHEMA, "version": __version__, "cases": list(cases)}
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=True)


def report_dict(
    report: Report,
    *,
    name: str | None = None,
    expected: Any = "pass",
    as_expected: bool | None = None,
) -> dict[str, Any]:
    """One case of the JSON document, in plain types."""
    return {
        "name": name,
        "verdict": report.verdict,
        "expected": expected,
        "as_expected": report.ok if as_expected is None else as_expected,
        "network": report.network,
        "coverage": _plain(report.coverage),
        "evaluations": report.evaluations,
        "seconds": report.seconds,
        "could_not_check": report.could_not_check,
        "blocks": [_plain(block) for block in report.blocks],
        "findings": [_plain(finding) for finding in report.findings],
        "layers": list(report.layers),
        "notes": list(report.notes),
    }


def error_dict(name: str, expected: Any, message: str) -> dict[str, Any]:
    """The case of a target that could not be checked at all."""
    return {
        "name": name,
        "verdict": "inconclusive",
        "expected": expected,
        "as_expected": False,
        "network": None,
        "coverage": None,
        "evaluations": 0,
        "seconds": 0.0,
        "could_not_check": message,
        "blocks": [],
        "findings": [],
        "layers": [],
        "notes": [],
    }


def _plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists; numbers that JSON has no form for as text."""
    if isinstance(value, Location):
        return {"file": value.file, "line": value.line}
    if isinstance(value, Block | Finding | Worst) or hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
