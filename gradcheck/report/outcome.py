"""What came of one case of a run: its report, or why there is none, and what was expected."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.report.model import Report
    from gradcheck.report.script import TakenApart

AS_EXPECTED, WRONG, UNDECIDED = 0, 1, 2


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes:
        expected: what its author expects, as it stands in JSON.
        expected_verdict: the verdict alone; None where what is expected could not be read.
        error: why there is no report, or None.
        repair: the command that is likely to find a patch, or None.
        script: what was taken of a script that holds no case, or None.
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
        """The report; where there is none, one without numbers that says why."""
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
    def verdict(self) -> str:
        """The verdict of the report; "inconclusive" where there is none."""
        return self.report_or_reason.verdict


def how_many(outcomes: Collection[Outcome]) -> str:
    """How many cases came out as expected, in words."""
    expected = sum(outcome.status == AS_EXPECTED for outcome in outcomes)
    return f"{expected} of {len(outcomes)} cases came out as expected"


def exit_status(outcomes: Iterable[Outcome]) -> int:
    """The exit status of a run: what is wrong outweighs what could not be decided."""
    statuses = {outcome.status for outcome in outcomes}
    return next((status for status in (WRONG, UNDECIDED) if status in statuses), AS_EXPECTED)
