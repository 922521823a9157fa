"""The exceptions that gradcheck raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.report.model import Report


class UsageError(ValueError):
    """The call cannot be carried out as it stands; the message says what to change.

    Example:
        >>> import gradcheck
        >>> try:
        ...     gradcheck.check(len, "weights", len)
        ... except gradcheck.UsageError as error:
        ...     print(str(error)[:47])
        params holds no arrays (it is a str); give an a
    """


class OutOfTimeError(BaseException):
    """Ends a search that has no more time; what it has found until then counts."""


class GradientMismatch(AssertionError):  # noqa: N818  # a public name of the contract
    """A gradient did not pass; the message is the cause in one line, then the whole report.

    Example:
        >>> import numpy as np, gradcheck
        >>> try:
        ...     gradcheck.assert_gradients(lambda w: np.sum(w**2), np.ones(3), lambda w: w)
        ... except gradcheck.GradientMismatch as mismatch:
        ...     print(mismatch.report.verdict)
        fail

    Attributes:
        report: the `Report` of the check.
    """

    def __init__(self, report: Report, cause: str) -> None:
        super().__init__(f"{cause}\n\n{report}")
        self.report = report
