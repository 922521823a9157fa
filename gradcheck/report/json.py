"""The report as JSON: schema 1, with the field names of `Block` and `Finding`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from gradcheck.user.calls import Location
from gradcheck.version import __version__

if TYPE_CHECKING:
    from gradcheck.report.model import Report
    from gradcheck.report.outcome import Outcome

SCHEMA = 1

TOLD = (
    *("network", "coverage", "evaluations", "seconds", "could_not_check", "blocks", "findings"),
    *("layers", "notes", "printed", "details", "backward", "reproduce", "repair"),
)
"""The fields of a report that are copied into the document, in this order."""


def render(outcomes: Sequence[Outcome]) -> str:
    """Return a JSON document of all outcomes."""
    return document([outcome_dict(outcome) for outcome in outcomes])


def document(cases: Sequence[dict[str, Any]]) -> str:
    """Return a JSON document of cases given in plain types."""
    whole = {"schema": SCHEMA, "version": __version__, "cases": list(cases)}
    return json.dumps(whole, indent=2, allow_nan=False, ensure_ascii=True)


def outcome_dict(outcome: Outcome) -> dict[str, Any]:
    """Return one case of the document, with the expected verdict."""
    return {
        **report_dict(outcome.report_or_reason),
        **({"coverage": None} if outcome.report is None else {}),
        "name": outcome.name,
        "expected": outcome.expected,
        "as_expected": not outcome.differences,
        **({} if outcome.script is None else {"script": outcome.script.to_dict()}),
    }


def report_dict(report: Report) -> dict[str, Any]:
    """Return one case of the document, for a report without a name that should pass."""
    return {
        "name": None,
        "verdict": report.verdict,
        "expected": "pass",
        "as_expected": report.ok,
        **{name: _plain(getattr(report, name)) for name in TOLD},
    }


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the document, which the package contains."""
    text = resources.files("gradcheck.report").joinpath("schema.json").read_text("utf-8")
    document_schema: dict[str, Any] = json.loads(text)
    return document_schema


def _plain(value: Any) -> Any:
    """Convert dataclasses to dicts, tuples to lists, and non-finite numbers to strings."""
    if isinstance(value, Location):
        optional = {name: getattr(value, name) for name in ("column", "end_line", "end_column")}
        columns = {name: number for name, number in optional.items() if number is not None}
        return {"file": value.file, "line": value.line, **columns}
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.repr]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
