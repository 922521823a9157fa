"""The outcomes of a run as text."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.report.closing import summary_line
from gradcheck.report.outcome import AS_EXPECTED, Outcome
from gradcheck.report.text import PLAIN, Style
from gradcheck.report.text import render as render_report
from gradcheck.words import printable, printable_lines


def render(outcomes: Sequence[Outcome]) -> str:
    """All reports one after the other, and how many came out as expected."""
    parts = [outcome_text(outcome) for outcome in outcomes]
    return "\n".join([*parts, *([summary(outcomes)] if len(outcomes) > 1 else [])])


def outcome_text(outcome: Outcome, style: Style = PLAIN, quiet: bool = False) -> str:
    """The report of one case; one line of it if quiet."""
    name = printable(outcome.name)
    how = how_it_came_out(outcome)
    if outcome.report is None:
        return f"{name}: could not check: {printable_lines(outcome.error or '')}"
    if quiet:
        return (
            f"{name}: {printable_lines(summary_line(outcome.report))}{f' ({how})' if how else ''}"
        )
    text = render_report(outcome.report, outcome.name, style)
    return f"{text}\n{how}\n" if how else f"{text}\n"


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many cases came out as expected, and what the others did."""
    expected = sum(outcome.status == AS_EXPECTED for outcome in outcomes)
    lines = [f"{expected} of {len(outcomes)} cases came out as expected"]
    for outcome in outcomes:
        if outcome.status != AS_EXPECTED:
            reasons = "; ".join(outcome.differences) or "interrupted"
            lines.append(printable_lines(f"  {outcome.name}: {reasons}"))
    return "\n".join(lines)


def how_it_came_out(outcome: Outcome) -> str:
    """Whether the case came out as expected, where that is worth saying."""
    if outcome.expected_verdict is None or outcome.report is None:
        return ""
    if outcome.differences:
        return printable_lines(f"NOT as expected: {'; '.join(outcome.differences)}")
    return "" if outcome.expected_verdict == "pass" else "as its author expects"
