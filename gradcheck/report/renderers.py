"""The faces of a run: a new format is one row of `RENDERERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from gradcheck.report import github, json, junit
from gradcheck.report.closing import summary_line
from gradcheck.report.model import Report
from gradcheck.report.outcome import AS_EXPECTED, Outcome
from gradcheck.report.text import PLAIN, Style
from gradcheck.report.text import render as render_report
from gradcheck.sampling import Coverage
from gradcheck.words import printable, printable_lines


@dataclass(frozen=True)
class Renderer:
    """A format.

    Attributes:
        render: outcomes -> the whole text.
        suffixes: of files that are taken to be of this format.
    """

    render: Callable[[Sequence[Outcome]], str]
    suffixes: tuple[str, ...]


def as_text(outcomes: Sequence[Outcome]) -> str:
    """All reports one after the other, and how many came out as expected."""
    parts = [outcome_text(outcome) for outcome in outcomes]
    return "\n".join([*parts, *([summary(outcomes)] if len(outcomes) > 1 else [])])


def outcome_text(outcome: Outcome, style: Style = PLAIN, quiet: bool = False) -> str:
    """The report of one case; one line of it where little is wanted."""
    name = printable(outcome.name)
    how = _how(outcome)
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


def _how(outcome: Outcome) -> str:
    """Whether the case came out as expected, where that is worth saying."""
    if outcome.expected_verdict is None or outcome.report is None:
        return ""
    if outcome.differences:
        return printable_lines(f"NOT as expected: {'; '.join(outcome.differences)}")
    return "" if outcome.expected_verdict == "pass" else "as its author expects"


def _as_html(outcomes: Sequence[Outcome]) -> str:
    from gradcheck.report.html import render

    return render([(outcome.name, _report_of(outcome)) for outcome in outcomes])


def _report_of(outcome: Outcome) -> Report:
    """The report, with how it came out; one without numbers where there is none."""
    report = outcome.report or Report(
        "inconclusive", (), (), None, Coverage(0, 0), 0, 0.0, could_not_check=outcome.error
    )
    how = _how(outcome)
    return replace(report, notes=(*report.notes, how)) if how else report


RENDERERS: Mapping[str, Renderer] = MappingProxyType(
    {
        "text": Renderer(as_text, (".txt", ".log")),
        "json": Renderer(json.render, (".json",)),
        "junit": Renderer(junit.render, (".xml",)),
        "github": Renderer(github.render, ()),
        "html": Renderer(_as_html, (".html", ".htm")),
    }
)
"""All formats by name."""
