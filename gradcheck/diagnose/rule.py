"""What a rule is: words for people, detectors for the engine, hints for the repair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, TypeVar

from gradcheck.finding import Finding
from gradcheck.trace.fault import Fault
from gradcheck.user.blocks import Array

if TYPE_CHECKING:
    from gradcheck.diagnose.evidence import Evidence
    from gradcheck.diagnose.sizes import Sizes


T = TypeVar("T")


@dataclass(frozen=True)
class Explanation(Generic[T]):
    """A possible cause of a wrong gradient, to be proved.

    Attributes:
        value: the wrong factor, or the correction.
        message: what is wrong; about a single block, it completes "the gradient of W1 ...".
        fix: what to write.
        fix_beside: what to write if other gradients are right.
    """

    value: T
    message: str
    fix: str
    fix_beside: str = ""


Factor = Explanation[float]
"""A constant by which a gradient may be off, analytic / numeric; "... is 2 times too large"."""

Mend = Explanation[Callable[[Array], Array]]
"""A correction: takes the analytic gradient as returned, and returns it in the block's shape."""


@dataclass(frozen=True)
class Scale:
    """A detector: the gradient is the right one times a constant.

    `factors` takes the sizes of the problem and the fitted ratio analytic / numeric. `only_bias`
    restricts it to biases whose layer has right weights.
    """

    factors: Callable[[Sizes, float | None], Iterator[Factor]]
    only_bias: bool = False


@dataclass(frozen=True)
class Correction:
    """A detector: the gradient is right once it is rearranged.

    `mends` takes the block's shape, the returned shape and the sizes of the problem.
    """

    mends: Callable[[tuple[int, ...], tuple[int, ...], Sizes], Iterator[Mend]]


@dataclass(frozen=True)
class Direct:
    """A detector that makes its findings itself, from what the functions did or raised.

    Attributes:
        find: makes the findings.
        always: whether it also judges right and unstable gradients, since it is about the behaviour
            of the functions.
    """

    find: Callable[[Rule, Evidence], Iterator[Finding]]
    always: bool = False


@dataclass(frozen=True)
class Last:
    """A detector that makes the findings for wrong blocks that no other detector explains."""

    find: Callable[[Rule, Evidence, Sequence[int]], Iterator[Finding]]


@dataclass(frozen=True)
class Traced:
    """A detector: the trace of the user's functions shows a cause that belongs to this rule.

    Attributes:
        causes: the names of these causes, as in `gradcheck.trace.fault`.
        fits: whether a fault with such a cause belongs to the rule.
    """

    causes: tuple[str, ...]
    fits: Callable[[Fault], bool] = lambda _: True


@dataclass(frozen=True)
class Note:
    """No detector: another stage notices the mistake and puts a note into the report."""


Detector = Scale | Correction | Direct | Last | Traced | Note


class EditKind(Enum):
    """A kind of edit of the source; `gradcheck.mending.edits` makes all edits of a kind."""

    SCALE = auto()
    SIGN = auto()
    REMOVED_FACTOR = auto()
    TRANSPOSE = auto()
    AXIS = auto()
    SUM = auto()
    COMPARISON = auto()
    FLAG = auto()
    ASSIGNED_OR_ADDED = auto()
    PRODUCT = auto()
    NAME = auto()
    FUNCTION = auto()
    INDEX = auto()
    POWER = auto()
    COLUMN = auto()
    CONSTANT = auto()
    MISSING_FACTOR = auto()
    MOVED_STATEMENT = auto()
    WRAPPED = auto()
    OTHER_NAME = auto()
    KEPT_RESULT = auto()
    OPERATOR = auto()
    BRACKETS = auto()
    EXCHANGED = auto()
    PART = auto()
    INSERTED = auto()
    IN_PLACE = auto()
    REPEATED_ENTRIES = auto()
    COPY = auto()
    CONJUGATE = auto()
    TERM = auto()


@dataclass(frozen=True)
class Rule:
    """One named way in which a gradient goes wrong.

    Attributes:
        code: "GC101"; append-only.
        name: "missing-batch-mean"; append-only.
        what: what goes wrong, and why it does.
        shows: how it shows in the numbers.
        example: wrong code.
        instead: right code.
        detector: how the engine finds it.
        edits: the kinds of edits that can mend it, which a repair tries first; none if one edit
            does not mend it.
        also: other detectors of the same rule.
        rewritten: the right code, if it follows from the wrong `{code}` alone.
        last_resort: whether it fits wherever another rule of its kind does, so that it is named
            only if no other rule is.
        severity: the severity of its findings, as in `Finding`.
    """

    code: str
    name: str
    what: str
    shows: str
    example: str
    instead: str
    detector: Detector
    edits: tuple[EditKind, ...] = ()
    also: tuple[Detector, ...] = ()
    rewritten: str | None = None
    last_resort: bool = False
    severity: str = "error"

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """All detectors of the rule."""
        return (self.detector, *self.also)

    def finding(
        self,
        blocks: Sequence[str],
        message: str,
        evidence: Sequence[str],
        fix: str,
        error_after_fix: float | None = None,
        equally: Iterable[str] = (),
    ) -> Finding:
        """Return a finding of this rule; `equally` are codes of rules that fit, maybe its own."""
        return Finding(
            code=self.code,
            rule=self.name,
            blocks=tuple(blocks),
            message=message,
            evidence=tuple(evidence),
            fix=fix,
            error_after_fix=error_after_fix,
            equally=tuple(code for code in dict.fromkeys(equally) if code != self.code),
            severity=self.severity,
        )
