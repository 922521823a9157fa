"""The results of a search: a `Fault` for each wrong place, its cause, and one wrong entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.finding import BackwardStep
from gradcheck.trace.record.places import Place
from gradcheck.trace.wording.misfits import Misfit

WRONG_OPERAND = "wrong operand"
CONSTANT_FACTOR = "constant factor"
EXTRA_TERM = "one term too many"
TERM_MISSING = "a term left out"
TRANSPOSED = "transposed"
CONJUGATE = "conjugate"
NOT_RETURNED = "computed but not returned"
NEVER_WRITTEN = "entries never written"
LAST_PASS = "only the last pass of the loop is kept"
OVERWRITTEN = "it overwrites what was written before, and must be added to that"
EARLIER_CALL = "state of an earlier call"
WRONG_SHAPE = "wrong shape"
RAISES = "raises"
WRONG_VALUE = "wrong value"

SLOPE_MISSING = "slope missing"
UPSTREAM_MISSING = "upstream missing"
SLOPE_TWICE = "slope taken twice"
SLOPE_AT_OUTPUT = "slope at the output"
SLOPE_AT_INPUT = "slope for the output at the input"
SLOPE_ELSEWHERE = "slope at another quantity"
SLOPE_OF_ANOTHER = "slope of another layer"
SLOPE_INACTIVE = "slope right on one side"
SLOPE_WRONG = "slope of another function"
SOFTMAX_MISSING = "softmax without derivative"
SOFTMAX_DIAGONAL = "diagonal of the softmax's Jacobian"
SOFTMAX_AXIS = "softmax along another axis"
SOFTMAX_WRONG = "softmax's Jacobian wrong"
MASK_MISSING = "mask missing"
KEEP_MISSING = "kept share missing"
GAMMA_MISSING = "scale missing"
FACTOR_MISSING = "factor missing"
WRONG_FACTOR = "factor too many"
PARAMETERISATION = "another parameterisation"
PATH_MISSING = "path missing"
PASS_MISSING = "passes of a loop missing"
STATISTICS_CONSTANT = "statistics taken for constants"
SOME_LEFT_OUT = "some rows left out"
ONE_PASS = "wrong in one pass of a loop"
NOT_ACCUMULATED = "not accumulated"
SPOILED = "right before it is written into"
REPEATED_INDEX = "repeated index written once"
PENALTY_MISSING = "penalty missing"
PENALTY_SIGN = "penalty's sign"
PENALTY_WRONG = "penalty's size"
REVERSED = "not turned round"
TURNED = "turned round"
ELEMENTWISE = "elementwise for matrix product"
MATRIX_PRODUCT = "matrix product for elementwise"
WRONG_AXIS = "another axis"
CLIPPED = "clipped"
UPDATED_WEIGHTS = "updated weights"
OTHER_WEIGHTS = "other weights"
WEIGHTS_MISSING = "weights missing"
RAW_ERROR = "bare error sent back"
BIAS_OF_ANOTHER = "sum of another quantity"
OTHER_LOSS = "derivative of another loss"
OTHER_ADJOINT = "derivative by another value"
OTHER_INPUT = "another input"
OTHER_OPERAND = "another operand"
OTHER_INDEX = "another index"
PARTS_EXCHANGED = "parts exchanged"
SIGN = "sign"
MEAN_MISSING = "mean missing"
MEAN_AND_TWO = "mean missing, and a two wrong"
MEAN_TWICE = "mean taken twice"
FACTOR_TWO = "factor two"
OTHER_SIZE = "another size"
SCALE = "constant"
NUMBER = "a number too many"

OTHER_FORMULA = "another formula than the loss's"
PAIRED = "every target with every output"
LOSS_CHANGED = "exact for another loss"


@dataclass(frozen=True)
class Entry:
    """One entry of a wrong value, as it is and as it should be.

    Attributes:
        expression: the source text of the value.
        index: the position of the entry in the value.
        actual: the entry as computed.
        expected: the right entry.
        shape: the shape of the value.
        number: the pass of the loop that computes the value, counted from 1.
        passes: the number of passes of that loop.
    """

    expression: str
    index: tuple[int, ...]
    actual: complex
    expected: complex
    shape: tuple[int, ...] = ()
    number: int = 1
    passes: int = 1


@dataclass(frozen=True)
class Cause:
    """Why a value is wrong.

    Attributes:
        name: one of the constants above; each rule lists the names that it covers.
        words: what is wrong, in the user's own names.
        fix: what to write; empty if the expected value says it.
        node: the operation of the gradient to change, if it is not the wrong value's own; `words`
            is then a sentence about that operation.
        taken_at: the value of the loss at which a slope is taken, if that is the wrong one.
        is_beside_call: whether what is missing stands beside a call in the loss, which makes the
            rest; the gradient's function for that call is right.
    """

    name: str
    words: str
    fix: str = ""
    node: int | None = None
    taken_at: int | None = None
    is_beside_call: bool = False


@dataclass(frozen=True)
class Step:
    """A right value from which the wrong one is computed: its place, and its description."""

    place: Place
    words: str

    def __str__(self) -> str:
        line = f"line {self.place.line}"
        return self.words if self.words.endswith(line) else f"{self.words} ({line})"


@dataclass(frozen=True)
class Fault:
    """One place where the gradient goes wrong.

    Attributes:
        kind: one of the constants above.
        place: the expression or statement to change; None if no place is known.
        also: related places: the call or definition of a helper, the header of a loop.
        expression: the source text of the wrong value.
        actual: the wrong value, in words.
        expected: the right value, in words.
        cause: why the value is wrong, if known.
        fix: what to write, if the right value is in scope in the user's function.
        actual_value: the wrong value at the first point; None if there is none.
        expected_value: the right value at the first point; None if it is unknown.
        factor: the number that the wrong value must be multiplied by, for a constant factor;
            otherwise the one by which a known quantity is multiplied to give the expected value.
        entry: the entry with the largest difference, if the shapes agree.
        before: right values from which the wrong one is computed, the last first.
        blocks: the names of the blocks that become wrong by this fault.
        mended: the gradients at the first point with this and all earlier faults mended.
        error_after_fix: the largest relative error of `mended`; None if not measured.
        of_operation: whether an engine goes back wrongly through one of its operations.
    """

    kind: str
    place: Place | None
    also: tuple[Place, ...]
    expression: str
    actual: str = ""
    expected: str = ""
    actual_value: NDArray[Any] | None = None
    expected_value: NDArray[Any] | None = None
    factor: float = 1.0
    entry: Entry | None = None
    before: tuple[Step, ...] = ()
    blocks: tuple[str, ...] = ()
    mended: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    error_after_fix: float | None = None
    cause: Cause | None = None
    fix: str = ""
    of_operation: bool = False

    @property
    def is_something(self) -> bool:
        """True if the wrong value has a description other than its source text."""
        return self.actual != self.expected and self.actual.strip("`") not in self.expression

    @property
    def ratios(self) -> str:
        """The range of actual / expected over the entries, as the end of a sentence."""
        actual, expected = self.actual_value, self.expected_value
        if actual is None or expected is None or actual.shape != expected.shape:
            return ""
        if not np.any(expected):
            return ": it should be 0"
        ratios = actual[expected != 0] / expected[expected != 0]
        if ratios.dtype.kind == "c":
            first = ratios[0]
            return f": it is {first:.3g} times what is wanted" if np.allclose(ratios, first) else ""
        if np.any(actual[expected == 0]) and np.allclose(ratios, 1.0):
            places = f"{ratios.size} of {actual.size} entries"
            return f": it is right in {places}, and should be 0 in the others"
        return (
            f": entry for entry it is {ratios.min():.3g} to {ratios.max():.3g} times what is wanted"
        )


@dataclass(frozen=True)
class Search:
    """The result of a search.

    Attributes:
        faults: in the order in which they were found.
        left: the names of the blocks that stay wrong with all faults mended.
        nothing: those of them that are to be 0, and of which a fault may be the cause as well.
        late: True if the search ran out of time.
        unfollowed: why the functions could not be traced, in words; empty if they could.
        misfit: if the gradient raised, the operation whose operands do not fit; otherwise None.
        backward: the operations of the gradient, in the order of execution.
        doubt: an operation of the loss that may be wrong instead of the gradient; otherwise None.
    """

    faults: tuple[Fault, ...] = ()
    left: tuple[str, ...] = ()
    nothing: frozenset[str] = frozenset()
    late: bool = False
    unfollowed: str = ""
    misfit: Misfit | None = None
    backward: tuple[BackwardStep, ...] = ()
    doubt: Fault | None = None
