"""What a rule is: words for people, and one of a few kinds of detector for the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradcheck.blocks import Array

if TYPE_CHECKING:
    from gradcheck.diagnose.chain import LayerState
    from gradcheck.diagnose.evidence import Evidence
    from gradcheck.diagnose.layer_forms import Form, LayerPoint
    from gradcheck.diagnose.sizes import Sizes
    from gradcheck.finding import Finding


@dataclass(frozen=True)
class Factor:
    """A constant by which a gradient may be off, and what to say of it.

    Attributes:
        value: analytic / numeric.
        message: completes "the gradient of W1 is ...".
        fix: what to write.
    """

    value: float
    message: str
    fix: str


@dataclass(frozen=True)
class Mend:
    """A correction of a block's gradient that is tried against the numeric one.

    Attributes:
        apply: takes the analytic gradient as returned, gives it in the block's shape.
        message: completes "the gradient of W1 ...".
        fix: what to write.
    """

    apply: Callable[[Array], Array]
    message: str
    fix: str


@dataclass(frozen=True)
class Scale:
    """A detector: the gradient is the right one times a constant.

    `factors` takes the sizes of the problem and the ratio analytic / numeric as fitted.
    """

    factors: Callable[[Sizes, float | None], Iterator[Factor]]


@dataclass(frozen=True)
class Correction:
    """A detector: the gradient is right once it is rearranged.

    `mends` takes the block's shape, the shape returned and the sizes of the problem.
    """

    mends: Callable[[tuple[int, ...], tuple[int, ...], Sizes], Iterator[Mend]]


@dataclass(frozen=True)
class Slope:
    """A detector: delta was made with something else in the place of the activation's slope.

    `form` gives that, or None where the layer has no such form.
    """

    form: Callable[[LayerState], Array | None]
    message: str
    fix: str


@dataclass(frozen=True)
class BiasSource:
    """A detector: the bias's gradient is the sum of something else than delta."""

    form: Callable[[LayerState], Array | None]
    message: str
    fix: str


@dataclass(frozen=True)
class Direct:
    """A detector that makes its findings itself, from gates or from what was raised.

    Attributes:
        find: makes them.
        always: whether it is asked of right and of unstable gradients too, because it judges how
            the functions behave.
    """

    find: Callable[[Rule, Evidence], Iterator[Finding]]
    always: bool = False


@dataclass(frozen=True)
class LayerForms:
    """A detector for `check_layer`: gradients of an input that may be the right ones.

    `forms` gives them, always in the same order and number for one problem.
    """

    forms: Callable[[LayerPoint], Iterator[Form]]


Detector = Scale | Correction | Slope | BiasSource | Direct | LayerForms


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
        also: another detector of the same rule.
    """

    code: str
    name: str
    what: str
    shows: str
    example: str
    instead: str
    detector: Detector
    also: Detector | None = None

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """All its detectors."""
        return (self.detector,) if self.also is None else (self.detector, self.also)
