"""A report in a notebook: an HTML fragment in the notebook's own colours, light or dark."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from gradcheck.finding import Finding
from gradcheck.report.closing import summary_line
from gradcheck.report.text import HEADERS, block_row, worst_entry
from gradcheck.user.calls import place
from gradcheck.words import printable_lines

if TYPE_CHECKING:
    from gradcheck.report.model import Report

STYLE = """
.gradcheck-report { color: inherit; max-width: 60em; overflow-x: auto }
.gradcheck-report .said { border-left: 4px solid #8b8b8b; padding-left: .6em; font-weight: 600 }
.gradcheck-report .pass { border-color: #2e9e5b }
.gradcheck-report .fail { border-color: #d64545 }
.gradcheck-report .inconclusive { border-color: #c98a1b }
.gradcheck-report table { border-collapse: collapse; background: transparent }
.gradcheck-report :is(th, td) { text-align: left; padding: .1em .8em .1em 0; color: inherit }
.gradcheck-report pre { color: inherit; background: rgba(128, 128, 128, .15); padding: .4em }
"""


def fragment(report: Report) -> str:
    """Return the whole report as HTML, without scripts or downloads."""
    return "\n".join(
        (f'<div class="gradcheck-report"><style>{STYLE}</style>', *_of(report), "</div>")
    )


def _of(report: Report) -> Iterator[str]:
    yield f'<p class="said {escape(report.verdict)}">{_shown(summary_line(report))}</p>'
    if report.blocks:
        yield _table([HEADERS, *map(block_row, report.blocks)])
    for finding in report.findings:
        yield from _finding(finding)
    for block in report.blocks:
        if block.verdict == "wrong":
            yield f"<p>{_shown(worst_entry(block))}</p>"
    for note in report.notes:
        yield f"<p>note: {_shown(note)}</p>"
    if report.repair is not None:
        yield f"<pre>{_shown(f'repair: {report.repair}')}</pre>"


def _finding(finding: Finding) -> Iterator[str]:
    named = f"{finding.severity}[{finding.code}] {finding.rule}"
    yield f"<p><strong>{_shown(named)}</strong>: {_shown(finding.message)}</p>"
    for location in filter(None, (finding.location, *finding.also)):
        source = f"{location.source}\n{location.underline}".rstrip()
        yield f"<div>{_shown(place(location))}</div><pre>{_shown(source)}</pre>"
    yield f"<ul>{''.join(f'<li>{_shown(line)}</li>' for line in finding.lines)}</ul>"


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = [
        "".join(f"<{tag}>{_shown(cell)}</{tag}>" for cell in row)
        for tag, row in zip(["th", *["td"] * (len(rows) - 1)], rows, strict=True)
    ]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _shown(text: str) -> str:
    return escape(printable_lines(text))
