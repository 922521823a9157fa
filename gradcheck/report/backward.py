"""The user's backward pass as a table, for the text report and the HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck.user.calls import place
from gradcheck.words import shortened

if TYPE_CHECKING:
    from gradcheck.finding import BackwardStep
    from gradcheck.report.model import Report

HEADERS = ("line", "expression", "shape", "what it is", "verdict")
BEGINS = ": it begins here"
LONGEST = 60
VERDICTS = {"wrong": "WRONG", "inherited": "inherits the error", "unknown": "?"}


def backward_title(report: Report) -> str:
    """Return the title of the table, which names the user's file."""
    return f"your backward pass, in the order of execution ({_file(report.backward[0])})"


def backward_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the cells of the table, in the order of `HEADERS`."""
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
