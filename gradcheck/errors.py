"""What gradcheck raises on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.report.model import Report


class UsageError(ValueError):
    """The call cannot be carried out as it stands; the message says what to change."""


class GradientMismatch(AssertionError):  # noqa: N818  # a public name of the contract
    """A gradient did not pass; the message is the whole report.

    Attributes:
        report: the `Report` of the check.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(f"\n{report}")
        self.report = report
