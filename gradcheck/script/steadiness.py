"""Compare the factors with which two iterations of a script descend its loss."""

from __future__ import annotations

import numpy as np

from gradcheck.arrays import one_factor
from gradcheck.script.gradients import implied_gradients
from gradcheck.script.handover import Taken
from gradcheck.script.losses import CLOSE
from gradcheck.script.point import Loss
from gradcheck.script.verdicts import not_descended

UNSTEADY = (
    "the updates descend {loss} times a factor that is another in every iteration, as {one:.4g} "
    "and {other:.4g}: a learning rate is the same in all, and so this is a weight that either the "
    "gradient or the loss lacks"
)


def other_counts(one: float | None, other: float | None) -> bool:
    """Whether two factors, or their inverses, are different integers, such as batch sizes."""
    counts = [max(factor, 1 / factor) for factor in (one or 1.0, other or 1.0)]
    near = all(abs(count - round(count)) < CLOSE * count for count in counts)
    return near and round(counts[0]) != round(counts[1])


def multiple(one: Loss, other: Loss) -> float:
    """Return the multiple of a loss that another one is: they may be inferred from one difference.

    0 if it is another loss.
    """
    own, others = one.family, other.family
    if own and others and one.number == other.number:
        is_kin = (own.term, own.divisor) == (others.term, others.divisor)
        return others.scale / own.scale if is_kin else 0.0
    return float(one.words == other.words)


def unsteady(taken: Taken, again: Taken, one: float) -> str:
    """Say why two iterations descend a loss times two factors, and not only as batch sizes do.

    "" if the factors are the same, or if all steps are of one length, as where a norm is clipped.
    """
    times = multiple(taken.found.loss, again.found.loss)
    other = times * again.found.loss.common if again.found.loss.common else one
    if one_factor((one, other), CLOSE) is not None or other_counts(one, other):
        return ""
    if taken.found.loss.family:
        return not_descended(taken.found)
    lengths = [_length(each) for each in (taken, again)]
    words = UNSTEADY.format(loss=taken.found.loss.words, one=one, other=other)
    return "" if np.isclose(lengths[0], lengths[1], rtol=CLOSE) else words


def _length(taken: Taken) -> float:
    """Return the norm of all that an iteration adds to the parameters, in learning rates."""
    point = taken.point
    after = point.run.replay(point.step.loop, point.snapshot, point.extra, point.step.rates)
    moved = implied_gradients(point, after).values()
    return float(np.linalg.norm([np.linalg.norm(one) for one in moved]))
