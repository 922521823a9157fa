"""Whether a softmax's output is less something else than one-hot labels."""

from __future__ import annotations

import numpy as np

from gradcheck.arrays import proportion
from gradcheck.trace.causes.compared import Arrays, Compared, same


def is_of_other_targets(compared: Compared, p: Arrays, axis: int) -> bool:
    """True if the output less one-hot labels is wanted, and it is less something else constant."""
    if p[0].shape != compared.actual[0].shape or len(p) < 2:
        return False
    wanted, moved = (
        [value - values[0] for value in values[1:]] for values in (compared.expected, p)
    )
    scale = proportion(wanted, moved)
    if not scale:
        return False
    labels, taken = (
        [share - value / scale for share, value in zip(p, values, strict=True)]
        for values in (compared.expected, compared.actual)
    )
    is_constant = all(same([one[0]] * len(one), one) for one in (labels, taken))
    one_hot = np.isclose(labels[0], 0, atol=1e-6) | np.isclose(labels[0], 1, atol=1e-6)
    return is_constant and bool(np.all(one_hot)) and np.allclose(labels[0].sum(axis), 1)
