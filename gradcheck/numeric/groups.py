"""Groups the entries of a block by the size of their parameters: each has a step and a scale.

One flat vector may hold a rate of 1e-6 beside an amplitude of 1e6. A step that suits one is far
beyond the length scale of the function in the other (Gill, Murray, Saunders and Wright 1983, choose
an interval for each variable), and for a parameter of 1e6 a derivative of 1e-6 is large.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.estimate import Array, Indices, Mask

Sizes = NDArray[np.floating]
"""|x| of parameters, in any precision."""

DECADES = 3.0
AT_ONCE = 2**16

TINY = 1e-290
"""Smaller parameters are treated as 0."""

FEW = 0.02
NEXT_TO = 10.0

SEEN = 4.0
"""A derivative is known to be nonzero if it is larger than this multiple of its error."""


def groups_of(sizes: Sizes) -> list[Indices]:
    """The rows grouped by |x|, three decades each, from the largest down; zeros join the largest.

    If many parameters spread around 0, the few small ones join the next larger group.
    """
    largest = float(sizes.max(initial=0.0))
    if not largest > TINY:
        return [rows_up_to(len(sizes))]
    decades = np.zeros(len(sizes), dtype=np.int16)
    for first in range(0, len(sizes), AT_ONCE):  # in parts, to save memory
        part = np.maximum(sizes[first : first + AT_ONCE].astype(np.float64), TINY)
        decades[first : first + AT_ONCE] = np.log10(largest / part) / DECADES
    decades[sizes <= TINY] = 0
    if not decades.any():
        del decades  # it may be large
        return [rows_up_to(len(sizes))]
    small = np.flatnonzero(decades)
    if len(small) <= FEW * len(sizes) and _all_next_to(sizes, decades, small):
        return [rows_up_to(len(sizes))]
    groups: list[Indices] = []
    for decade in np.unique(decades):
        group = np.flatnonzero(decades == decade)
        if groups and _is_tail(sizes, groups[-1], group):
            groups[-1] = np.sort(np.concatenate([groups[-1], group]))
        else:
            groups.append(group)
    return groups


def rows_up_to(count: int) -> Indices:
    """The indices of all rows, as int32 if they fit, which halves the memory."""
    kind: Any = np.int32 if count < 2**31 else np.intp
    return np.arange(count, dtype=kind)


def _all_next_to(sizes: Sizes, decades: NDArray[np.int16], small: Indices) -> bool:
    """Whether the small sizes follow the larger ones without a gap, like a distribution's tail."""
    smallest = np.min(sizes, initial=np.inf, where=(decades == 0) & (sizes > TINY))
    chain = np.append(smallest, -np.sort(-sizes[small]))
    return bool(np.all(chain[:-1] < NEXT_TO * chain[1:]))


def _is_tail(sizes: Sizes, larger: Indices, group: Indices) -> bool:
    """Whether a group is the few small values of a distribution around 0."""
    bigger = sizes[larger]
    next_to = float(bigger[bigger > 0].min()) < NEXT_TO * float(sizes[group].max())
    return next_to and len(group) <= FEW * len(sizes)


def length_of(sizes: Sizes) -> float:
    """The length scale of the steps of a group: its largest |x|, or 1."""
    largest = float(sizes.max(initial=0.0))
    return largest if largest > TINY else 1.0


def shares_of(
    sizes: Array, value: Array, error: Array, lines: Indices | None = None
) -> Array | None:
    """The scale of every entry relative to that of its block, (n,); None if all are the same.

    The scale of an entry is the largest derivative by parameters of at least its size: a derivative
    by a parameter a million times larger is typically a million times smaller, and must not be
    judged on the scale of the small one. `lines` numbers the function of each entry if there are
    several; each function has its own scale. All arrays are (n,).
    """
    groups = groups_of(sizes)
    if lines is None:
        if len(groups) == 1:
            return None
        lines = np.zeros(len(sizes), dtype=np.intp)
    size = np.where(np.isfinite(value), np.abs(value), 0.0)
    nonzero = np.where(size > SEEN * error, size, 0.0)
    largest = float(size.max(initial=0.0))
    share, scale = np.ones(len(sizes)), np.zeros(int(lines.max(initial=0)) + 1)
    for group in groups:
        np.maximum.at(scale, lines[group], nonzero[group])
        scales = scale[lines[group]]
        smaller = (scales > 0) & (scales < largest)
        share[group] = np.where(smaller, scales / (largest or 1.0), 1.0)
    return share


def are_special(sizes: Array) -> Mask:
    """Where a parameter is 0 or as large as another, (n,); nowhere if this holds for all."""
    of_several = special_sizes(np.sort(sizes))
    if not len(of_several):
        return np.zeros(len(sizes), dtype=bool)
    special = np.isin(sizes, of_several)
    return np.asarray(special & (not special.all()))


def special_sizes(ordered: Array) -> Array:
    """The sizes that are 0 or occur several times, given sizes in ascending order."""
    several = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(several):
        return np.asarray(ordered[:1][ordered[:1] == 0])
    return np.unique(np.concatenate([ordered[:1][ordered[:1] == 0], several]))
