"""The outcomes of a run as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcheck.report import html
from gradcheck.report.model import Report
from gradcheck.report.outcome import Outcome
from gradcheck.report.run_text import how_it_came_out


def render(outcomes: Sequence[Outcome]) -> str:
    """A page with every report, which says how it came out.

    Raises:
        UsageError: jinja2 is not installed.
    """
    return html.render([(outcome.name, _with_how(outcome)) for outcome in outcomes])


def _with_how(outcome: Outcome) -> Report:
    """The report, with how it came out as a note."""
    report = outcome.report_or_reason
    how = how_it_came_out(outcome)
    return replace(report, notes=(*report.notes, how)) if how else report
