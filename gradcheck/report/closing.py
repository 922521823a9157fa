"""The verdict of a report in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcheck.compare.block import Block
from gradcheck.user.calls import place
from gradcheck.words import verb

if TYPE_CHECKING:
    from gradcheck.report.model import Report


def summary_line(report: Report) -> str:
    """Return the verdict and its reason."""
    up_to = f", up to {report.up_to}" if report.up_to else ""
    return f"{report.verdict}{up_to}: {reason_of(report)}"


def cause_line(report: Report) -> str:
    """Return the verdict with the first cause to mend, and its place."""
    if report.verdict != "fail" or not report.errors:
        return summary_line(report)
    first = report.errors[0]
    where = f" ({place(first.location)})" if first.location else ""
    return f"{summary_line(report)}: {first.message}{where}".replace("\n", " ")


def reason_of(report: Report) -> str:
    """Return the reason for the verdict, in one sentence."""
    if report.could_not_check:
        return report.could_not_check
    if report.verdict == "inconclusive":
        return _of_the_undecided(report)
    failed = [block for block in report.blocks if block.failed]
    checked = [block for block in report.blocks if block.verdict != "not checked"]
    of = _of_a_pass if report.verdict == "pass" else _of_a_fail
    return of(report, failed, checked)


def _of_a_pass(report: Report, failed: Sequence[Block], checked: Sequence[Block]) -> str:
    if failed:
        return f"{len(failed)} of {len(checked)} gradients differ as allowed"
    reason = f"{len(checked)} {verb(checked, 'gradient agrees', 'gradients agree')}"
    seen = [block.resolution for block in report.blocks if block.resolution is not None]
    if seen:
        reason += f"; a relative error of {max(seen):.1e} or more would have been seen"
    return reason if report.coverage.complete else f"{reason} in the entries checked"


def _of_a_fail(report: Report, failed: Sequence[Block], checked: Sequence[Block]) -> str:
    if report.not_zero and not failed:
        return "the gradient is not zero where the upstream gradient is"
    if not failed:
        return "the gradient is not the same from call to call"
    counts = Counter(f"{finding.code} {finding.rule}" for finding in report.errors)
    causes = ", ".join(
        cause if count == 1 else f"{cause}, {count} times" for cause, count in counts.items()
    )
    gradients = f"{len(checked)} {verb(checked, 'gradient', 'gradients')}"
    wrong = f"{len(failed)} of {gradients} {verb(failed, 'is', 'are')} wrong"
    return f"{wrong} ({causes})" if causes else wrong


def _of_the_undecided(report: Report) -> str:
    if report.coverage.interrupted:
        return "interrupted before all was checked"
    unused = next((finding for finding in report.findings if finding.code == "GC805"), None)
    if unused is not None:
        return unused.message
    if not any(block.entries for block in report.blocks):
        return "there are no entries, so nothing was tested"
    if any(note.startswith("your gradient raised") for note in report.notes):
        return "what your gradient had finished is right, but it raised before it returned that"
    if all(block.verdict in ("ok", "not checked") for block in report.blocks):
        return "along random directions, the loss does not change as the gradient says"
    unclear = [block.name for block in report.blocks if block.verdict == "inconclusive"]
    return f"{', '.join(unclear)} could not be decided"
