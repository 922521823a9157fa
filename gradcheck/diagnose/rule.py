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
    """What may be wrong with a gradient, to be proved.

    Attributes:
        value: the wrong thing, or what takes it away.
        message: what is wrong; where it is about one block, it completes "the gradient of W1 ...".
        fix: what to write.
    """

    value: T
    message: str
    fix: str


Factor = Explanation[float]
"""A constant by which a gradient may be off, analytic / numeric; "... is 2 times too large"."""

Mend = Explanation[Callable[[Array], Array]]
"""A correction: takes the analytic gradient as returned, gives it in the block's shape."""


@dataclass(frozen=True)
class Scale:
    """A detector: the gradient is the right one times a constant.

    `factors` takes the sizes of the problem and the ratio analytic / numeric as fitted. With
    `only_bias`, it is for biases whose layer has right weights.
    """

    factors: Callable[[Sizes, float | None], Iterator[Factor]]
    only_bias: bool = False


@dataclass(frozen=True)
class Correction:
    """A detector: the gradient is right once it is rearranged.

    `mends` takes the block's shape, the shape returned and the sizes of the problem.
    """

    mends: Callable[[tuple[int, ...], tuple[int, ...], Sizes], Iterator[Mend]]


@dataclass(frozen=True)
class Direct:
    """A detector that makes its findings itself, from what the functions did or raised.

    Attributes:
        find: makes them.
        always: whether it is asked of right and of unstable gradients too, because it judges how
            the functions behave.
    """

    find: Callable[[Rule, Evidence], Iterator[Finding]]
    always: bool = False


@dataclass(frozen=True)
class Last:
    """A detector for the wrong blocks that no other explains; makes its findings itself."""

    find: Callable[[Rule, Evidence, Sequence[int]], Iterator[Finding]]


def _any(fault: Fault) -> bool:
    return True


@dataclass(frozen=True)
class Traced:
    """A detector: the user's own computation shows a cause that is this rule's.

    Attributes:
        causes: their names, as in `gradcheck.trace.fault`.
        fits: which faults of these causes are the rule's.
    """

    causes: tuple[str, ...]
    fits: Callable[[Fault], bool] = _any


@dataclass(frozen=True)
class Note:
    """Nothing to detect: another stage sees it, and says so in a note of the report."""


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
    ALL_OF_A_NAME = auto()
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
        edits: the kinds of edits that would mend it, which a repair tries first; none where one
            edit does not mend it.
        also: other detectors of the same rule.
        rewritten: the right code, where it follows from the wrong `{code}` alone.
        last_resort: whether it fits wherever another rule of its kind does, so that it is named
            only where no other is.
        severity: of its findings, as in `Finding`.
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
        """All its detectors."""
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
        """A finding of this rule; `equally` has the codes of all that fit, its own perhaps too."""
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


D = TypeVar("D", bound=Detector)


def detectors(rules: Iterable[Rule], kind: type[D]) -> Iterator[tuple[Rule, D]]:
    """The detectors of one kind, each with its rule, in the order of the rules."""
    for rule in rules:
        for detector in rule.detectors:
            if isinstance(detector, kind):
                yield rule, detector
