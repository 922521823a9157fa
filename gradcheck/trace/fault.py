"""What the search finds."""

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
NOT_RETURNED = "computed but not returned"
NEVER_WRITTEN = "entries never written"
LAST_PASS = "only the last pass of the loop is kept"
OVERWRITTEN = "it is assigned over what earlier passes wrote, and has to be added"
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
SIGN = "sign"
MEAN_MISSING = "mean missing"
MEAN_TWICE = "mean taken twice"
FACTOR_TWO = "factor two"
OTHER_SIZE = "another size"
SCALE = "constant"
NUMBER = "a number too many"

OTHER_FORMULA = "another formula than the loss's"
LOSS_CHANGED = "exact for another loss"


@dataclass(frozen=True)
class Entry:
    """One entry of a wrong value, with both numbers.

    Attributes:
        expression: of the value.
        index: where in it the entry is.
        actual: what it is.
        expected: what it should be.
        shape: of the value.
        number: of the pass of a loop, counted from 1.
        passes: how many these are.
    """

    expression: str
    index: tuple[int, ...]
    actual: float
    expected: float
    shape: tuple[int, ...] = ()
    number: int = 1
    passes: int = 1


@dataclass(frozen=True)
class Cause:
    """Why a value is wrong.

    Attributes:
        name: one of the above; a rule says which of them are its own.
        words: what is wrong, in the user's own names.
        fix: what to write; empty where the right value says it.
        node: the operation of the gradient that is to be changed, where it is another; the words
            are then a sentence about that.
        taken_at: the value of the loss at which a slope is taken, where that is not its own.
    """

    name: str
    words: str
    fix: str = ""
    node: int | None = None
    taken_at: int | None = None


@dataclass(frozen=True)
class Step:
    """A right value on the way to the wrong one: where it is made, and what it is."""

    place: Place
    words: str

    def __str__(self) -> str:
        line = f"line {self.place.line}"
        return self.words if self.words.endswith(line) else f"{self.words} ({line})"


@dataclass(frozen=True)
class Fault:
    """One place where the gradient goes wrong.

    Attributes:
        kind: one of the above.
        place: the expression or statement to change; None where no place is known.
        also: other places that belong to it: a helper's call or definition, a loop's header.
        expression: the source text of what is wrong.
        actual: what stands there, in words.
        expected: what should stand there, in words.
        cause: why it is wrong, where that is known.
        fix: what to write there, where the user's function has it at hand.
        actual_value: its value at the first point; None where there is none.
        expected_value: what it should be, likewise.
        factor: the constant that mends it, for a constant factor; else what the expected value
            was multiplied by.
        entry: the entry with the largest difference, if the shapes agree.
        before: right values that it is made of, the last first.
        blocks: the blocks that it makes wrong.
        mended: the gradients with it, and those before it, put right, at the first point.
        error_after_fix: the largest relative error of these; None where it was not measured.
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

    @property
    def is_something(self) -> bool:
        """Whether what stands there is known by more than its source."""
        return self.actual != self.expected and self.actual.strip("`") not in self.expression

    @property
    def ratios(self) -> str:
        """How the wrong value compares to the right one, in words that follow others."""
        actual, expected = self.actual_value, self.expected_value
        if actual is None or expected is None or actual.shape != expected.shape:
            return ""
        if not np.any(expected):
            return ": it should be 0"
        ratios = actual[expected != 0] / expected[expected != 0]
        return (
            f": entry for entry it is {ratios.min():.3g} to {ratios.max():.3g} times what is wanted"
        )


@dataclass(frozen=True)
class Search:
    """What was found, and how far the search came.

    Attributes:
        faults: in the order in which they were found.
        left: the blocks that are still wrong with all of them mended.
        late: whether the time ran out first.
        unfollowed: why nothing could be followed, in words; empty where it could.
        misfit: of a gradient that raised, the operation whose operands do not fit; else None.
        backward: what the gradient did, in the order of execution.
        doubt: the operation of the loss that may be what is wrong; else None.
    """

    faults: tuple[Fault, ...] = ()
    left: tuple[str, ...] = ()
    late: bool = False
    unfollowed: str = ""
    misfit: Misfit | None = None
    backward: tuple[BackwardStep, ...] = ()
    doubt: Fault | None = None
