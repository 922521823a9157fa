"""The outcome of one case of a run: its report or an error, and what was expected."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradcheck.report.closing import summary_line

if TYPE_CHECKING:
    from gradcheck.report.model import Report
    from gradcheck.report.script import TakenApart

AS_EXPECTED, WRONG, UNDECIDED = 0, 1, 2


@dataclass(frozen=True)
class Outcome:
    """The outcome of one case.

    Attributes:
        expected: the author's expectation, as it appears in JSON.
        expected_verdict: the expected verdict; None if the expectation could not be read.
        differences: the ways in which the report differs from the expectation, one sentence each.
        error: the reason why there is no report, or None.
        repair: the command that is likely to find a patch, or None.
        script: the description of a script that was taken apart, or None.
    """

    name: str
    report: Report | None
    expected: Any = "pass"
    expected_verdict: str | None = "pass"
    differences: tuple[str, ...] = ()
    error: str | None = None
    repair: str | None = None
    script: TakenApart | None = None

    @property
    def report_or_reason(self) -> Report:
        """The report; if there is none, an inconclusive one that gives the reason."""
        from gradcheck.report.model import Report
        from gradcheck.sampling import Coverage

        if self.report is not None:
            return self.report
        return Report(
            "inconclusive", (), (), None, Coverage(0, 0), 0, 0.0, could_not_check=self.error or ""
        )

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the check."""
        return self.report is not None and self.report.coverage.interrupted

    @property
    def status(self) -> int:
        """The exit status of this case alone."""
        if self.report is None or self.expected_verdict is None or self.interrupted:
            return UNDECIDED
        if not self.differences:
            return AS_EXPECTED
        undecided = self.report.verdict == "inconclusive" and self.expected_verdict == "pass"
        return UNDECIDED if undecided else WRONG

    @property
    def reason(self) -> str:
        """Why it did not come out as expected, in a line."""
        if self.report is None:
            return self.error or ""
        return "; ".join(self.differences) or summary_line(self.report)

    @property
    def verdict(self) -> str:
        """The verdict of the report; "inconclusive" if there is none."""
        return self.report_or_reason.verdict


def how_many(outcomes: Collection[Outcome]) -> str:
    """Return how many cases came out as expected, in words."""
    expected = sum(outcome.status == AS_EXPECTED for outcome in outcomes)
    return f"{expected} of {len(outcomes)} cases came out as expected"


def exit_status(outcomes: Iterable[Outcome]) -> int:
    """Return the exit status of a run: a wrong gradient outweighs an undecided one."""
    statuses = {outcome.status for outcome in outcomes}
    return next((status for status in (WRONG, UNDECIDED) if status in statuses), AS_EXPECTED)
