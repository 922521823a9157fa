"""How an operation of a gradient may be done otherwise: what is wrong then, and what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.trace import fault
from gradcheck.trace.causes.compared import Array

Way = tuple[str, str, str, Callable[..., Any]]
"""A fault, what is wrong, what to write, and the function on the operands instead."""


def _by_two(join: Callable[..., Any]) -> tuple[Way, ...]:
    """Return the ways to join twice or half of the second operand."""
    return (
        (
            fault.FACTOR_TWO,
            "`{1}` is half what it should be in `{all}`",
            "multiply `{1}` by 2",
            lambda a, b: join(a, 2 * b),
        ),
        (
            fault.FACTOR_TWO,
            "`{1}` is twice what it should be in `{all}`",
            "divide `{1}` by 2",
            lambda a, b: join(a, b / 2),
        ),
    )


OTHERWISE: dict[str, tuple[Way, ...]] = {
    "add": (
        (fault.SIGN, "`{1}` has the wrong sign in `{all}`", "write `{0} - {1}`", np.subtract),
        (
            fault.SIGN,
            "`{0}` has the wrong sign in `{all}`",
            "write `{1} - {0}`",
            lambda a, b: b - a,
        ),
        (fault.EXTRA_TERM, "`{1}` is one term too many in `{all}`", "", lambda a, b: a),
        (fault.EXTRA_TERM, "`{0}` is one term too many in `{all}`", "", lambda a, b: b),
        *_by_two(np.add),
    ),
    "subtract": (
        (fault.SIGN, "`{1}` has the wrong sign in `{all}`", "write `{0} + {1}`", np.add),
        (fault.SIGN, "`{all}` has the wrong sign", "write `{1} - {0}`", lambda a, b: b - a),
        (fault.EXTRA_TERM, "`{1}` is one term too many in `{all}`", "", lambda a, b: a),
        *_by_two(np.subtract),
    ),
    "multiply": (
        (fault.WRONG_FACTOR, "`{all}` is to be divided by `{1}`", "write `{0} / {1}`", np.divide),
        (fault.WRONG_FACTOR, "`{1}` is one factor too many in `{all}`", "", lambda a, b: a),
        (fault.WRONG_FACTOR, "`{0}` is one factor too many in `{all}`", "", lambda a, b: b),
        (
            fault.ELEMENTWISE,
            "`{all}` is elementwise, and is to be a matrix product",
            "write `{0} @ {1}`",
            np.matmul,
        ),
    ),
    "divide": (
        (
            fault.WRONG_FACTOR,
            "`{0}` is to be multiplied by `{1}`",
            "write `{0} * {1}`",
            np.multiply,
        ),
        (fault.WRONG_FACTOR, "`{0}` is not to be divided by `{1}`", "", lambda a, b: a),
    ),
    "sum": (
        (fault.MEAN_MISSING, "`{all}` adds up, and is to be a mean", "take the mean", np.mean),
    ),
    "mean": ((fault.MEAN_TWICE, "`{all}` is a mean, and is to add up", "take the sum", np.sum),),
    "roll": (
        (
            fault.OTHER_INDEX,
            "`{all}` moves the entries the wrong way",
            "roll `{0}` by the negative of `{1}`",
            lambda a, by, axis=None: np.roll(a, np.negative(by), axis),
        ),
        (
            fault.WRONG_AXIS,
            "`{all}` moves the entries along the wrong axis",
            "roll `{0}` along the other axis",
            lambda a, by, axis: np.roll(a, by, 1 - axis % 2),
        ),
    ),
    "real": tuple(
        (
            fault.FACTOR_MISSING,
            f"`{{0}}` lacks the factor {turn} in `{{all}}`",
            f"multiply it by {turn}",
            lambda a, turn=turn: np.real(turn * a),
        )
        for turn in (1j, -1j)
    ),
    "imag": (
        (fault.WRONG_FACTOR, "`{all}` is to be the real part", "take the real part", np.real),
    ),
    **dict.fromkeys(
        ("conjugate", "conj"),
        (
            (
                fault.CONJUGATE,
                "`{0}` is not to be conjugated",
                "write `{0}` for `{all}`",
                lambda a: a,
            ),
        ),
    ),
    **{
        name: (
            (
                fault.CONJUGATE,
                "`{all}` transforms the wrong way",
                f"write `{inverse}` for `{name}`",
                getattr(np.fft, inverse),
            ),
        )
        for name, inverse in [
            *((f"fft{axes}", f"ifft{axes}") for axes in ("", "2", "n")),
            *((f"ifft{axes}", f"fft{axes}") for axes in ("", "2", "n")),
        ]
    },
    "power": tuple(
        (
            fault.WRONG_FACTOR,
            f"the exponent in `{{all}}` is off by {abs(by)}",
            f"write `{{0}}**({{1}} {sign} {abs(by)})`",
            lambda a, b, by=by: a ** (b + by),
        )
        for sign, by in (("-", -1), ("+", 1))
    ),
}
MULTIPLIED: Way = (
    fault.MATRIX_PRODUCT,
    "`{all}` is a matrix product, and is to be elementwise",
    "write `{0} * {1}`",
    np.multiply,
)
NEGATED: Way = (fault.SIGN, "`{0}` has the wrong sign in `{all}`", "", np.negative)
SOLVED: Way = (
    fault.TRANSPOSED,
    "`{0}` is to be transposed in `{all}`",
    'put `trans="T"` in, or leave it out where it is',
    np.transpose,
)
CONJUGATED: tuple[Way, ...] = (
    (fault.CONJUGATE, "`{0}` is to be conjugated in `{all}`", "write `np.conj({0})`", np.conj),
    (fault.CONJUGATE, "`{1}` is to be conjugated in `{all}`", "write `np.conj({1})`", np.conj),
)
JOINING = ("add", "subtract", "multiply")
UNLOGGED: tuple[Way, ...] = tuple(
    (
        fault.OTHER_OPERAND,
        f"`{{{position}}}` is a logarithm, and what it is of belongs in `{{all}}`",
        f"write `np.exp({{{position}}})` for `{{{position}}}`",
        np.exp,
    )
    for position in range(2)
)
TURNED: tuple[Way, ...] = (
    (fault.TRANSPOSED, "`{0}` is to be transposed in `{all}`", "transpose `{0}`", np.transpose),
    (fault.TRANSPOSED, "`{1}` is to be transposed in `{all}`", "transpose `{1}`", np.transpose),
)
"""In the texts, {0} and {1} are the operands, and {all} is the operation."""

PRODUCTS = ("matmul", "dot")
LACKING: tuple[Way, ...] = (
    (fault.FACTOR_MISSING, "{0} lacks the factor `{1}`", "multiply {0} by `{1}`", np.multiply),
    (fault.FACTOR_MISSING, "{0} is not divided by `{1}`", "divide {0} by `{1}`", np.divide),
    (fault.TERM_MISSING, "{0} lacks the term `{1}`", "add `{1}` to {0}", np.add),
    (fault.TERM_MISSING, "{0} lacks the term `-{1}`", "subtract `{1}` from {0}", np.subtract),
)
"""In the texts, {0} is an operation or an operand, and {1} a value in scope."""

LAYOUTS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("{}", lambda value: value),
    ("{}[:, None]", lambda value: value[:, None] if value.ndim == 1 else np.zeros(0)),
    ("{}[..., None]", lambda value: value[..., None] if value.ndim > 1 else np.zeros(0)),
    ("{}**2", lambda value: np.square(value) if value.dtype.kind == "f" else np.zeros(0)),
)
"""How a value in scope may be laid out, or squared; an empty array where it cannot be."""
