"""Reports, with the backward pass as a table, and the outcomes of a run, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradcheck.compare.block import Block
from gradcheck.finding import BackwardStep, Finding
from gradcheck.report.closing import summary_line
from gradcheck.report.outcome import AS_EXPECTED, Outcome, how_many
from gradcheck.report.width import fitted_table, wrapped
from gradcheck.user.calls import place
from gradcheck.words import indexed, printable, printable_lines, shortened

if TYPE_CHECKING:
    from gradcheck.report.model import Report
HEADERS = ("block", "shape", "entries", "worst error", "bound", "verdict")


MOST_ROWS = 30
"""Longest table without -v; beyond, blocks that agree are counted instead of listed."""

BACKWARD_HEADERS = ("line", "expression", "shape", "what it is", "verdict")

BEGINS = ": it begins here"
LONGEST = 60

VERDICTS = {"wrong": "WRONG", "inherited": "inherits the error", "unknown": "?"}


@dataclass(frozen=True)
class Style:
    """The layout of a report: the width of the terminal, if known, and whether to show all."""

    width: int | None = None
    verbose: bool = False


PLAIN = Style()


def render(outcomes: Sequence[Outcome]) -> str:
    """Return all reports one after the other, and how many came out as expected."""
    parts = [outcome_text(outcome) for outcome in outcomes]
    return "\n".join([*parts, *([summary(outcomes)] if len(outcomes) > 1 else [])])


def outcome_text(outcome: Outcome, style: Style = PLAIN, quiet: bool = False) -> str:
    """Return the report of one case; a single line of it if `quiet`."""
    name = printable(outcome.name)
    how = how_it_came_out(outcome)
    if outcome.report is None:
        return f"{name}: could not check: {printable_lines(outcome.error or '')}"
    if quiet:
        line = summary_line(outcome.report)
        if any(block.verdict == "raised" for block in outcome.report.blocks):
            line += "".join(f": {finding.message}" for finding in outcome.report.findings[:1])
        return f"{name}: {printable_lines(line)}{f' ({how})' if how else ''}"
    text = report_text(outcome.report, outcome.name, style)
    if outcome.script:
        text = f"{printable_lines(outcome.script.text())}\n{text}"
    if outcome.repair:
        text += f"\nrepair can try: {printable(outcome.repair)}"
    return f"{text}\n{how}\n" if how else f"{text}\n"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many cases came out as expected, and the outcomes of the others."""
    lines = [how_many(outcomes)]
    for outcome in outcomes:
        if outcome.status != AS_EXPECTED:
            came = "; ".join(outcome.differences) or "interrupted"
            if outcome.report is not None and outcome.expected == "pass":
                came = summary_line(outcome.report)
            lines.append(printable_lines(f"  {outcome.name}: {came}"))
    return "\n".join(lines)


def how_it_came_out(outcome: Outcome) -> str:
    """Say whether a case came out as expected; "" if it was expected to pass."""
    if outcome.expected in (None, "pass") or outcome.report is None:
        return ""
    if outcome.differences:
        return printable_lines(f"NOT as expected: {'; '.join(outcome.differences)}")
    return "as its author expects"


def report_text(report: Report, name: str | None = None, style: Style = PLAIN) -> str:
    """Return the whole report: coverage, table of blocks, findings, notes and verdict."""
    sections = [_heading(report, name)]
    if report.could_not_check and not any(block.verdict == "ok" for block in report.blocks):
        sections.append(f"could not check: {report.could_not_check}")
        sections += [_finding(finding) for finding in report.findings]
        sections += [f"  {note}" for note in report.notes]
        return _laid_out(sections, style)
    shown, hidden = _shown(report, style)
    rows = list(map(block_row, shown))
    table = printable_lines(
        fitted_table(rows, HEADERS, style.width, gives_way=("entries", "bound", "shape"))
    )
    if hidden:
        sections.append(f"and {hidden} more that agree (-v shows them)")
    sections += [worst_entry(block) for block in report.blocks if block.verdict == "wrong"]
    sections += [
        f"{shortened(block.name)}: your gradient holds nan or infinite values"
        for block in report.blocks
        if block.verdict == "nonfinite"
    ]
    sections += layer_lines(report)
    sections += [_finding(finding) for finding in report.findings]
    if style.verbose and report.backward:
        backward_table = fitted_table(
            backward_rows(report), BACKWARD_HEADERS, style.width, gives_way=("shape",)
        )
        sections += ["", f"{backward_title(report)}:", backward_table, ""]
    sections += [f"note: {note}" for note in (*_kinks(report), *report.notes)]
    if style.verbose:
        sections += [f"detail: {detail}" for detail in report.details]
        if report.pictures.slope_test is not None:
            sections.append(f"detail: {report.pictures.slope_test}")
        sections.append(f"again: {report.reproduce}")
        sections += [f"printed: {line}" for line in report.printed.splitlines()]
    if report.repair is not None:
        sections += ["", f"repair: {report.repair.text(style.verbose)}"]
    more = f". More: gradcheck explain {report.errors[0].code}" if report.errors else ""
    sections.append(summary_line(report) + more)
    return "\n".join((_laid_out(sections[:1], style), table, _laid_out(sections[1:], style)))


def _laid_out(sections: list[str], style: Style) -> str:
    lines = printable_lines("\n".join(sections)).split("\n")
    return "\n".join(wrapped(line, style.width) for line in lines)


def _shown(report: Report, style: Style) -> tuple[list[Block], int]:
    """Return the blocks of the table, and how many that agree are left out."""
    blocks = [
        block
        for block in report.blocks
        if block.verdict != "not checked" or block.analytic_shape is not None
    ]
    if style.verbose or len(blocks) <= MOST_ROWS:
        return blocks, 0
    others = [block for block in blocks if block.verdict != "ok"]
    agreeing = [block for block in blocks if block.verdict == "ok"]
    room = max(0, MOST_ROWS - len(others))
    shown = {id(block) for block in (*others, *agreeing[:room])}
    return [block for block in blocks if id(block) in shown], len(agreeing[room:])


def _heading(report: Report, name: str | None) -> str:
    coverage = report.coverage
    covered = f"{coverage.entries:,} of {coverage.total:,} entries"
    if coverage.reason and coverage.entries:
        covered += f" ({coverage.reason})"
    if coverage.how:
        covered += f", {coverage.how}"
    parts = [name, report.network, covered]
    return "   ".join(part for part in parts if part)


def block_row(block: Block) -> tuple[str, ...]:
    """Return the cells of a block's row in the table."""
    return (
        shortened(block.name),
        str(block.shape),
        _entries(block),
        _number(block.max_rel_error),
        _number(block.resolution),
        block_verdict(block),
    )


def block_verdict(block: Block) -> str:
    """Return the verdict on a block, in a few words."""
    if block.verdict == "shape":
        return f"shape: the gradient is {block.analytic_shape}"
    if block.verdict == "wrong":
        return f"WRONG in {block.wrong_entries:,} of {block.entries:,}"
    return block.verdict


def _entries(block: Block) -> str:
    of = "" if block.entries == block.size else f" of {block.size:,}"
    return f"{block.entries:,}{of}"


def worst_entry(block: Block) -> str:
    """Return the entry with the largest error, with both derivatives."""
    worst = block.worst
    if worst is None:
        return f"{shortened(block.name)}: wrong"
    ratio = ""
    if worst.numeric:
        excess = worst.analytic / worst.numeric - 1
        small = abs(excess) < 1e-5
        ratio = f", off by {excess:+.1e} of it" if small else f", ratio {1 + excess:.6g}"
    return (
        f"worst entry {indexed(shortened(block.name), worst.index)}: analytic "
        f"{worst.analytic:.7g}, numeric {worst.numeric:.7g}{ratio}"
    )


def layer_lines(report: Report) -> tuple[str, ...]:
    """Return the lines on layers, except those repeated as evidence of a finding."""
    repeated = {line for finding in report.findings for line in finding.evidence}
    return tuple(line for line in report.layers if line not in repeated)


def _finding(finding: Finding) -> str:
    lines = [f"\n{finding.severity}[{finding.code}] {finding.rule}: {finding.message}"]
    for location in filter(None, (finding.location, *finding.also)):
        pointer = f"  --> {place(location)}   "
        lines.append(f"{pointer}{location.source}".rstrip())
        if location is finding.location and location.underline:
            lines.append(" " * len(pointer) + location.underline)
    lines += [f"  {line}" for line in finding.lines]
    if finding.equally:
        lines.append(f"  the numbers fit {', '.join(finding.equally)} equally well")
    return "\n".join(lines)


def _kinks(report: Report) -> list[str]:
    return [
        f"[GC901] kink: {block.kinks} of {block.entries} entries of {shortened(block.name)} sit "
        "on a kink, where every slope between the one-sided ones is right"
        for block in report.blocks
        if block.kinks
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


def backward_title(report: Report) -> str:
    """Return the title of the table, which names the user's file."""
    return f"your backward pass, in the order of execution ({_file(report.backward[0])})"


def backward_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the cells of the table, in the order of `BACKWARD_HEADERS`."""
    home = _file(report.backward[0])
    return [
        (
            str(step.location.line) if _file(step) == home else place(step.location),
            shortened(step.expression, LONGEST),
            str(step.shape),
            _what(step),
            _verdict(step),
        )
        for step in report.backward
    ]


def _file(step: BackwardStep) -> str:
    return place(step.location).rpartition(":")[0]


def _what(step: BackwardStep) -> str:
    wanted = f"should be {step.expected}" if step.expected else ""
    return "; ".join(filter(None, (step.actual, wanted)))


def _verdict(step: BackwardStep) -> str:
    words = VERDICTS.get(step.verdict, step.verdict)
    if step.passes > 1 and step.wrong_pass is None:
        words += f", {step.passes} passes"
    elif step.passes > 1:
        words += f", from pass {step.wrong_pass} of {step.passes}"
    return words + (BEGINS if step.first else "")
