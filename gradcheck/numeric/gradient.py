"""The numeric gradient, and the claim (the analytic gradient) that it is measured for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from gradcheck.numeric.estimate import Array, Estimates, Indices, Mask
from gradcheck.numeric.groups import rows_up_to

RESOLUTION_LIMIT = 1e-3
"""An entry can be called right only if its bound is below this share of its block's scale."""

COARSE_RESOLUTION_LIMIT = 1e-2
"""This limit for a loss in single precision, which shows less of small derivatives."""

KNOWN_RESOLUTION_LIMIT = 0.1
"""This limit for a loss whose noise the user stated, knowing that it shows less."""

SINGLE_PRECISION = 1e-9
"""The relative noise from which a loss counts as computed in single precision."""


def limit_of(relative: float, is_known: bool) -> float:
    """The resolution limit for a relative noise; `is_known` if the user stated the noise."""
    if is_known:
        return KNOWN_RESOLUTION_LIMIT
    return RESOLUTION_LIMIT if relative < SINGLE_PRECISION else COARSE_RESOLUTION_LIMIT


@dataclass(frozen=True)
class BlockGradient:
    """The numeric gradient of one block.

    Attributes:
        measured: the flat indices that were perturbed, ascending; or how many if all were.
        step: the first step of the block's largest parameters.
        limit: an entry can be called right only if its bound is below this share of the scale.
        reference: the scale of a block whose derivatives cannot be told from 0.
        share: the scale of every entry relative to the block, (n,), if its parameters differ much
            in size; else None.
        outside: the size of a larger derivative in the block, not among the entries; else 0.
        quantum: the height of the steps if the loss is a staircase along the block, else 0.
        coarse: whether a term of the loss is rounded so coarsely that small steps say nothing.
    """

    measured: Indices | int
    estimates: Estimates
    step: float
    limit: float = RESOLUTION_LIMIT
    reference: float = 0.0
    share: Array | None = None
    outside: float = 0.0
    quantum: float = 0.0
    coarse: bool = False

    @property
    def count(self) -> int:
        """The number n of entries that were perturbed."""
        return self.measured if isinstance(self.measured, int) else len(self.measured)

    @property
    def entries(self) -> Indices:
        """The flat indices that were perturbed, (n,)."""
        return rows_up_to(self.measured) if isinstance(self.measured, int) else self.measured

    @property
    def shares(self) -> Array:
        """The scale of every entry relative to that of the block, (n,)."""
        return np.broadcast_to(1.0, (self.count,)) if self.share is None else self.share

    @classmethod
    def of_nothing(cls, limit: float = RESOLUTION_LIMIT) -> BlockGradient:
        """The gradient of a block of which no entry was perturbed."""
        nothing = Estimates.smooth(np.empty(0), np.empty(0))
        return cls(np.empty(0, dtype=np.intp), nothing, np.nan, limit)

    @property
    def largest(self) -> float:
        """The largest derivative."""
        value, outside = self.estimates.value, self.outside  # not copied: it may be large
        ends = np.fmax.reduce(value, initial=outside), -np.fmin.reduce(value, initial=-outside)
        return float(max(ends))

    @property
    def known(self) -> Indices:
        """The entries that have a derivative with a finite bound."""
        return self.entries[np.isfinite(self.estimates.bound)]

    def at(self, entries: Indices) -> BlockGradient:
        """Some of the entries, by their flat indices, which are among those perturbed."""
        all_are = isinstance(self.measured, int)
        return self[entries if all_are else np.searchsorted(self.entries, entries)]

    def __getitem__(self, rows: Indices | Mask | slice) -> BlockGradient:
        """Some of the entries, by their position."""
        if isinstance(rows, slice) and rows == slice(0, self.count):
            return self
        share = None if self.share is None else self.share[rows]
        measured = _of(self.measured, rows)
        return replace(self, measured=measured, estimates=self.estimates[rows], share=share)


def _of(measured: Indices | int, rows: Indices | Mask | slice) -> Indices:
    """Some of the flat indices that were perturbed; if it was all, only these are listed."""
    if not isinstance(measured, int):
        return measured[rows]
    if isinstance(rows, slice):
        return np.arange(*rows.indices(measured))
    return np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, dtype=np.intp)


@dataclass(frozen=True)
class NumericGradient:
    """The numeric gradient of all blocks.

    Attributes:
        interrupted: whether the user stopped it; blocks not yet measured have no entries.
        edges: the entries that cannot be moved without an exception in the loss, and the exception.
    """

    blocks: tuple[BlockGradient, ...]
    evaluations: int
    interrupted: bool = False
    edges: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """The analytic gradient of a block; it only decides when to stop measuring.

    Attributes:
        gradient: the analytic gradient, flat; nan where there is none.
        precision: its rounding error in the user's code.
        each: how many evaluations of the loss an entry may take on average.
        spared: whether these are slow, so that few tell the step and how coarse the loss is.
    """

    gradient: Array
    precision: float
    each: float = np.inf
    spared: bool = False

    @cached_property
    def largest(self) -> int | None:
        """The index of the largest finite claim, or None."""
        gradient = self.gradient
        if not gradient.size:
            return None
        # the gradient may be the largest array of all, so that no copy is made
        ends = int(np.argmax(gradient)), int(np.argmin(gradient))
        if not np.all(np.isfinite(gradient[list(ends)])):
            finite = np.flatnonzero(np.isfinite(gradient))
            return int(finite[np.argmax(np.abs(gradient[finite]))]) if len(finite) else None
        return max(ends, key=lambda end: abs(float(gradient[end])))
