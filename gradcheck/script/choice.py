"""Which number of an iteration is the loss: what the script calls so, else what its errors imply.

Names rank what the script computes itself. Whether it agrees with the gradient never does: that
would choose a loss without its penalty where the gradient has forgotten it. Agreement only chooses
among the losses that an error may stand for, which no line of the script says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.script.inferred import SQUARES
from gradcheck.script.losses import Loss
from gradcheck.script.marks import APPENDED, ASSIGNED, PRINTED, RETURNED
from gradcheck.script.words import RefusedError
from gradcheck.user.blocks import Array

EXACT = re.compile(r"(?i)^(self\.)?(total_?|full_?|avg_?|mean_?|train_?|reg_?)?(loss|cost|J)$")
SAME = 1e-3
ORDER = (PRINTED, APPENDED, RETURNED, ASSIGNED)


@dataclass(frozen=True)
class Found:
    """The loss that was chosen, and what is to be said of others.

    Attributes:
        loss: the loss.
        instead: what the script computes, and its updates do not descend.
        why: why that is not the loss.
        squares: of a cross-entropy, the squared error that it may be as well.
    """

    loss: Loss
    instead: Loss | None = None
    why: str = "your updates do not descend it"
    squares: Loss | None = None


def _fit(loss: Loss) -> tuple[Any, ...]:
    """How well an inferred loss fits the gradient; of equals the first stays."""
    off = abs(np.log(loss.middle)) if loss.middle > 0 else np.inf
    return loss.agreeing, loss.common is not None, -round(off, 2)


def choose(found: Sequence[Loss], wanted: str | None) -> Found | None:
    """The loss; None where nothing may be it. The user may say a name, a line, or "squares".

    Raises:
        RefusedError: nothing is called what the user says.
    """
    inferred = [loss for loss in found if loss.family]
    if wanted is not None:
        return Found(_wanted(found, wanted))
    written = _written([loss for loss in found if not loss.family])
    implied = max(inferred, key=_fit, default=None)
    if written is None:
        return None if implied is None else _with_squares(implied, inferred)
    if written.strong or implied is None:
        return Found(written)
    kin = [loss for loss in inferred if proportional(loss.slopes, written.slopes)]
    if kin:
        nearest = max(kin, key=_fit)
        if nearest.agreeing > written.agreeing:
            return Found(nearest, written, "your updates do not descend it, but a multiple")
        return Found(written)
    if written.agreeing and written.agreeing >= implied.agreeing:
        return Found(written)
    return _with_squares(implied, inferred, written)


def _written(explicit: Sequence[Loss]) -> Loss | None:
    """What the script calls its loss: by its name, how it is kept, and what is computed last."""
    found = max(
        explicit,
        key=lambda loss: (
            loss.strong,
            bool(EXACT.match(loss.words)),
            ORDER.index(loss.site.kind),
            loss.order,
        ),
        default=None,
    )
    if found is None or found.site.text != "+=":
        return found
    parts = (
        loss
        for loss in explicit
        if loss.strong and loss.site.kind == ASSIGNED and loss.words != found.words
    )  # of which it is the sum over all iterations
    return next((loss for loss in parts if proportional(loss.slopes, found.slopes)), found)


def _wanted(found: Sequence[Loss], wanted: str) -> Loss:
    if wanted == SQUARES:
        fitting = [loss for loss in found if loss.family and loss.family.term == SQUARES]
    else:
        fitting = [
            loss
            for loss in found
            if wanted in (loss.words, loss.words.removesuffix("()"), str(loss.site.line))
        ]
        written = [loss for loss in fitting if not loss.family]
        fitting = written[-1:] or fitting
    if not fitting:
        seen = sorted({f"{one.words} ({one.site.place})" for one in found if not one.family})
        told = f"there are {', '.join(seen)}" if seen else "there is none that it computes"
        raise RefusedError(
            f"--loss {wanted}: nothing of that name in the iteration depends on the parameters; "
            f"{told}"
        )
    return max(fitting, key=_fit)


def _with_squares(loss: Loss, inferred: Sequence[Loss], instead: Loss | None = None) -> Found:
    """A loss that is inferred, with the other reading of the same error if there is one."""
    if loss.family is None or loss.family.term == SQUARES:
        return Found(loss, instead)
    squares = [
        one
        for one in inferred
        if one.number == loss.number and one.family and one.family.term == SQUARES
    ]
    return Found(loss, instead, squares=max(squares, key=_fit, default=None))


def proportional(one: Array, other: Array) -> bool:
    """Whether the slopes of two losses, or two steps, are those of one, times a number."""
    factor, off = as_multiple(one, other)
    return factor > 0 and off < SAME


def as_multiple(one: Array, other: Array) -> tuple[float, float]:
    """The factor with which the other comes nearest to the one, and how far off that is then."""
    square, size = float(np.sum(other**2)), float(np.linalg.norm(one))
    factor = float(np.sum(one * other)) / square if square else 0.0
    return factor, float(np.linalg.norm(one - factor * other)) / (size or 1.0)
