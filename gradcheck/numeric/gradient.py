"""What a numeric gradient is made of, and what it is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from gradcheck.numeric.estimate import Array, Estimates, Indices

RESOLUTION_LIMIT = 1e-3
"""An entry is only called right when its bound is below this share of its block's scale."""

COARSE_RESOLUTION_LIMIT = 1e-2
"""The same for a loss in single precision, which shows no more of small derivatives."""

KNOWN_RESOLUTION_LIMIT = 0.1
"""The same for a loss whose noise the user has named: they know that it shows less."""


SINGLE_PRECISION = 1e-9
"""The relative noise from which a loss counts as computed in single precision."""


def limit_of(relative: float, is_known: bool) -> float:
    """The share of the scale for a relative noise, and whether that is what the user says."""
    if is_known:
        return KNOWN_RESOLUTION_LIMIT
    return RESOLUTION_LIMIT if relative < SINGLE_PRECISION else COARSE_RESOLUTION_LIMIT


@dataclass(frozen=True)
class BlockGradient:
    """The numeric gradient of one block.

    Attributes:
        entries: the flat indices that were perturbed, (n,).
        step: the step that the block was measured with (that of its largest parameters).
        limit: an entry is only called right when its bound is below this share of the scale.
        reference: the scale of a block whose derivatives cannot be told from 0.
        share: the scale of every entry by that of the block, where its parameters are of very
            different size, (n,); None where they are not.
        outside: the size of a larger derivative of the block, of no entry here; 0 without one.
        quantum: the steps in which the loss moves along the block, where it is a staircase.
        coarse: whether a term was seen to be rounded so coarsely that small steps say nothing.
    """

    entries: Indices
    estimates: Estimates
    step: float
    limit: float = RESOLUTION_LIMIT
    reference: float = 0.0
    share: Array | None = None
    outside: float = 0.0
    quantum: float = 0.0
    coarse: bool = False

    @property
    def shares(self) -> Array:
        """The scale of every entry by that of the block, (n,)."""
        return np.broadcast_to(1.0, self.entries.shape) if self.share is None else self.share

    @classmethod
    def of_nothing(cls, limit: float = RESOLUTION_LIMIT) -> BlockGradient:
        """Of a block of which no entry was perturbed."""
        nothing = Estimates.smooth(np.empty(0), np.empty(0))
        return cls(np.empty(0, dtype=np.intp), nothing, np.nan, limit)

    @property
    def largest(self) -> float:
        """The largest derivative."""
        value, outside = self.estimates.value, self.outside  # no copy is made: it may be large
        ends = np.fmax.reduce(value, initial=outside), -np.fmin.reduce(value, initial=-outside)
        return float(max(ends))

    @property
    def known(self) -> Indices:
        """The entries of which there is a derivative with a bound."""
        return self.entries[np.isfinite(self.estimates.bound)]

    def __getitem__(self, rows: Indices | slice) -> BlockGradient:
        """Some of the entries, by their position."""
        share = None if self.share is None else self.share[rows]
        return replace(
            self, entries=self.entries[rows], estimates=self.estimates[rows], share=share
        )


@dataclass(frozen=True)
class NumericGradient:
    """The numeric gradient of all blocks.

    Attributes:
        interrupted: whether the user stopped it; the blocks that were not done have no entries.
        edges: the entries that cannot be moved without the loss raising, and what it raises.
    """

    blocks: tuple[BlockGradient, ...]
    evaluations: int
    interrupted: bool = False
    edges: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """What a block's gradient is claimed to be: it only decides when to stop measuring.

    Attributes:
        gradient: the analytic gradient, flat; nan where there is none.
        precision: how far rounding in the user's code may have moved it.
    """

    gradient: Array
    precision: float

    @cached_property
    def largest(self) -> int | None:
        """The entry that is claimed largest; None where nothing finite is claimed."""
        gradient = self.gradient
        if not gradient.size:
            return None
        # it may be the largest array of all: no copy is made of it
        ends = int(np.argmax(gradient)), int(np.argmin(gradient))
        if not np.all(np.isfinite(gradient[list(ends)])):
            finite = np.flatnonzero(np.isfinite(gradient))
            return int(finite[np.argmax(np.abs(gradient[finite]))]) if len(finite) else None
        return max(ends, key=lambda end: abs(float(gradient[end])))
