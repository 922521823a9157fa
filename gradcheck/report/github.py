"""Findings as GitHub Actions annotations: workflow commands that mark lines of the source.

Format and escapes: GitHub Docs, "Workflow commands for GitHub Actions", `toCommandValue` of
@actions/core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gradcheck.files import from_here
from gradcheck.finding import Finding
from gradcheck.report.closing import summary_line
from gradcheck.report.outcome import AS_EXPECTED, WRONG, Outcome, how_many
from gradcheck.words import printable, printable_lines

_OF_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_OF_PROPERTIES = _OF_DATA | str.maketrans({":": "%3A", ",": "%2C"})


def render(outcomes: Sequence[Outcome]) -> str:
    """Return one line per finding of the cases with an unexpected outcome, and a summary."""
    lines = [line for outcome in outcomes for line in _annotations(outcome)]
    return "\n".join([*lines, how_many(outcomes)])


def _annotations(outcome: Outcome) -> Iterator[str]:
    if outcome.status == AS_EXPECTED:
        return
    level = "error" if outcome.status == WRONG else "warning"
    if outcome.report is None:
        yield _command(level, {"title": outcome.name}, outcome.reason)
        return
    for finding in outcome.report.errors:
        yield _command(
            level, _place(outcome, finding), "\n".join((finding.message, *finding.lines))
        )
    if not outcome.report.errors:
        reasons = "; ".join(outcome.differences)
        yield _command(level, {"title": outcome.name}, f"{summary_line(outcome.report)}\n{reasons}")


def _place(outcome: Outcome, finding: Finding) -> dict[str, str]:
    title = {"title": f"{finding.code} {finding.rule} ({outcome.name})"}
    if finding.location is None:
        return title
    file = from_here(Path(finding.location.file))
    columns = {}
    if finding.location.columns is not None:
        column, end_line, end_column = finding.location.columns
        columns = {"endLine": str(end_line), "col": str(column + 1), "endColumn": str(end_column)}
    return {"file": file.as_posix(), "line": str(finding.location.line), **columns, **title}


def _command(level: str, properties: dict[str, str], message: str) -> str:
    listed = ",".join(
        f"{key}={printable(value).translate(_OF_PROPERTIES)}" for key, value in properties.items()
    )
    return f"::{level} {listed}::{printable_lines(message).translate(_OF_DATA)}"
