"""Adjust the report of a script where a factor or another loss may explain everything."""

from __future__ import annotations

from dataclasses import replace

from gradcheck.finding import Finding
from gradcheck.report.model import Report
from gradcheck.script.choice import Found
from gradcheck.script.point import Loss
from gradcheck.user.calls import Location, place
from gradcheck.words import gradient_of, verb

UNEXPLAINED_FACTOR = {"GC105", "GC412", "GC604", "GC999"}
"""Findings of a factor that no rule explains; such a factor may be one of the learning rate.

GC604 is among them where the penalty's part is off by the same factor as the rest.
"""

OF_THE_LOSS = {"GC104", "GC405", "GC413", "GC414", "GC415", "GC416", "GC418", "GC601", "GC703"}
"""Findings that may merely show that the inferred loss is not the one that is descended."""


OF_ITS_CONSTANT = {"GC101", "GC102", "GC103"}
"""Findings that may merely show that no gradient says which constant the inferred loss has."""


def fits(report: Report, has_constant: bool) -> bool:
    """Whether an inferred loss agrees with some gradient, or a rule names the fault."""
    some = any(block.verdict == "ok" for block in report.blocks)
    open_to_doubt = OF_THE_LOSS | (set() if has_constant else OF_ITS_CONSTANT)
    return some or not causes(report) <= UNEXPLAINED_FACTOR | open_to_doubt


def undecided(report: Report, found: Found, why: str = "") -> Report:
    """Return an inconclusive report: the loss that was found may not be the one descended.

    `why` is the reason, if it is another than that the updates do not descend it.
    """
    blocks = tuple(
        replace(block, verdict="inconclusive") if block.failed else block for block in report.blocks
    )
    why = why or not_descended(found)
    first = next((one for one in report.errors if one.code != "GC999"), None)
    if first is not None and first.location is not None:
        why += f"; if they should: {first.message} ({place(first.location)})"
    return replace(
        report, verdict="inconclusive", blocks=blocks, findings=(), layers=(), could_not_check=why
    )


def not_descended(found: Found) -> str:
    """Say that the updates do not descend a loss, and which line may be meant."""
    loss, instead = found.loss, found.instead if found.loss.family else found.loss
    why = f"the updates do not descend {loss.words}, whatever its factor"
    if loss.family:
        why = f"no line says what the loss is, and {why}"
    return why + (f"; {_meant(instead)}" if instead else "; --loss NAME|LINE says which it is")


def _meant(loss: Loss) -> str:
    return f"if the loss is {loss.words}, say --loss {loss.words.removesuffix('()')}"


def of_the_factor(report: Report) -> Report:
    """Return the report without unexplained factors; its errors concern all wrong blocks."""
    wrong = tuple(block.name for block in report.blocks if block.failed)
    rest = [one for one in report.findings if one.code not in UNEXPLAINED_FACTOR]
    rest = [replace(one, blocks=wrong) if one.severity == "error" else one for one in rest]
    return replace(report, findings=tuple(rest))


def of_the_update(report: Report, itself: Report, line: Location | None) -> Report:
    """Return the report on an update of the wrong sign, if the gradients are right in `itself`."""
    right = {block.name for block in itself.blocks if block.verdict == "ok"}
    wrong = tuple(block.name for block in report.blocks if block.failed)
    sign = next((one for one in report.errors if one.code == "GC106"), None)
    if sign is None or not right.issuperset(wrong):
        return report
    them = verb(wrong, "it", "them")
    message = f"{gradient_of(wrong)} right, but the update adds {them}, and climbs the loss"
    fix = f"subtract {them} in the update"
    finding = Finding(sign.code, sign.rule, wrong, message, (), fix, location=line)
    notes = [one for one in report.findings if one.severity != "error"]
    return replace(report, findings=(finding, *notes), layers=(), backward=())


def causes(report: Report) -> set[str]:
    """Return the codes of all errors in a report."""
    return {one.code for one in report.errors}
