"""What a report tells beside numbers: findings, and what the gradient did."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.user.calls import Location


@dataclass(frozen=True)
class Finding:
    """One cause, proved by the numbers.

    Example:
        >>> import numpy as np, gradcheck
        >>> report = gradcheck.check(lambda w: np.sum(w**3), np.ones(4), lambda w: -3 * w**2)
        >>> report.findings[0].code, report.findings[0].rule
        ('GC106', 'sign-flipped')

    Attributes:
        code: the rule's code, such as "GC101".
        rule: the rule's name, such as "missing-batch-mean".
        blocks: the names of the blocks that it explains.
        message: what is wrong, in one line.
        evidence: what proves it, a line each.
        fix: what to write instead.
        error_after_fix: the relative error that remains once it is mended, or None where that
            cannot be computed.
        location: the line to change, or None.
        also: other lines that belong to it.
        equally: codes of other rules that the numbers cannot tell from this one.
        expression: the source text of what is wrong, at the location; or None.
        actual: what its value is, in words; or None.
        expected: what it should be, in words: "dL/dA1"; or None.
        severity: "error"; or "warning" for what does not make this gradient wrong, but will make
            other things go wrong.
    """

    code: str
    rule: str
    blocks: tuple[str, ...]
    message: str
    evidence: tuple[str, ...]
    fix: str
    error_after_fix: float | None = None
    location: Location | None = None
    also: tuple[Location, ...] = ()
    equally: tuple[str, ...] = ()
    expression: str | None = None
    actual: str | None = None
    expected: str | None = None
    severity: str = "error"

    @property
    def lines(self) -> tuple[str, ...]:
        """What is said after the message: what proves it, and the fix."""
        return (*self.evidence, f"fix: {self.fix}")


@dataclass(frozen=True)
class BackwardStep:
    """What one expression of the gradient made.

    Attributes:
        location: where it stands.
        expression: its source text, behind the name that it is given.
        shape: of its value.
        actual: what that is, in words; empty where it is nothing that is known.
        expected: what it should be, in words; empty where that is not known, or it is right.
        verdict: "right", "wrong", "inherited" (right but for what is wrong before it) or "unknown".
        first: whether it is the first that is wrong.
        passes: how often it was done.
        wrong_pass: the first of these that is wrong, counted from 1; None where none is.
    """

    location: Location
    expression: str
    shape: tuple[int, ...]
    actual: str
    expected: str
    verdict: str
    first: bool = False
    passes: int = 1
    wrong_pass: int | None = None
