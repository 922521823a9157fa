"""Outcomes as the results.json of Gradescope's autograder, with one point per gradient.

Format: Gradescope Autograder Documentation, "Autograder Specifications".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from gradcheck.compare.block import Block
from gradcheck.report.outcome import AS_EXPECTED, Outcome, how_many
from gradcheck.report.text import block_verdict, outcome_text
from gradcheck.user.calls import place
from gradcheck.words import printable, printable_lines

SHOWN = {"visibility": "visible", "output_format": "text"}


def render(outcomes: Sequence[Outcome], hints: str = "where") -> str:
    """Return one test per gradient; any other unexpected outcome costs a point of its own.

    `hints` is what a student is told of a wrong gradient: "none", "where" it is, or "full".
    """
    tests = [test for outcome in outcomes for test in _tests(outcome, hints)]
    output = [how_many(outcomes)]
    if hints == "full":
        output += [outcome_text(outcome) for outcome in outcomes if outcome.status != AS_EXPECTED]
    document = {
        "score": sum(test["score"] for test in tests),
        "max_score": sum(test["max_score"] for test in tests),
        "output": "\n\n".join(output),
        **SHOWN,
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    return json.dumps(document, indent=2, ensure_ascii=True)


def _tests(outcome: Outcome, hints: str) -> Iterator[dict[str, Any]]:
    report, as_expected = outcome.report, outcome.status == AS_EXPECTED
    if report is None:
        yield _test(outcome.name, False, outcome.reason)
        return
    checked = [block for block in report.blocks if block.verdict != "not checked"]
    for block in checked:
        passed = as_expected or block.verdict == "ok"
        output = "" if passed else _where(outcome, block)
        yield _test(f"{outcome.name} {block.name}", passed, "" if hints == "none" else output)
    if not as_expected and all(block.verdict == "ok" for block in checked):
        yield _test(outcome.name, False, outcome.reason)


def _where(outcome: Outcome, block: Block) -> str:
    """Return the verdict on a block, and the lines to look at."""
    placed = [
        finding
        for finding in outcome.report_or_reason.findings
        if block.name in finding.blocks and finding.location is not None
    ]
    lines = dict.fromkeys(place(finding.location) for finding in placed if finding.location)
    return "\n".join([block_verdict(block), *(f"look at {line}" for line in lines)])


def _test(name: str, passed: bool, output: str) -> dict[str, Any]:
    return {
        "name": printable(name),
        "score": int(passed),
        "max_score": 1,
        "status": "passed" if passed else "failed",
        "output": printable_lines(output),
        **SHOWN,
    }
