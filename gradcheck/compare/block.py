"""One parameter array, and all that a check comes to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gradcheck.numeric.gradient import BlockGradient, Claim
from gradcheck.numeric.screening import Screened
from gradcheck.user.blocks import Array
from gradcheck.user.gradients import MISSING, Gradient
from gradcheck.words import Standing

Index = tuple[int, ...]

FAILED = ("wrong", "shape", "missing", "raised", "nonfinite")


@dataclass(frozen=True)
class Worst:
    """The entry of a block that is furthest off.

    Example:
        >>> import gradcheck
        >>> report = gradcheck.check(lambda p: p["b"] ** 2, {"b": 3.0}, lambda p: {"b": 4.0})
        >>> report.blocks[0].worst.analytic, round(report.blocks[0].worst.numeric, 6)
        (4.0, 6.0)

    Attributes:
        index: its position in the block.
        analytic: the derivative that the user's code gives.
        numeric: the one that the finite differences give.
    """

    index: Index
    analytic: float
    numeric: float


CLEAR = 10.0
"""What is so many times its bound is surely not 0."""


@dataclass(frozen=True)
class Block:
    """One parameter array at one point; every stage of a check adds what it finds.

    The verdict comes first, since it is what people read; errors and bounds are absolute unless
    they are called relative. What it was reached from follows.

    Example:
        >>> import numpy as np, gradcheck
        >>> report = gradcheck.check(lambda p: p["b"] ** 2, {"b": 3.0}, lambda p: {"b": 4.0})
        >>> report.blocks[0].name, report.blocks[0].verdict
        ('b', 'wrong')

    Attributes:
        name: the path as the user would write it.
        shape: the shape of the parameter.
        verdict: "ok", "wrong", "shape", "missing", "raised", "nonfinite", "inconclusive" or
            "not checked".
        entries: how many entries were perturbed.
        wrong_entries: how many of them are wrong.
        kinks: how many of them sit on a kink and are right there.
        max_abs_error: the largest difference of analytic and numeric derivative.
        max_rel_error: the same, relative to the block's largest derivative.
        error_bound: the largest error bound of the entries.
        resolution: the largest, over the entries perturbed, of the error that would have been
            called wrong, over the scale that the entry is judged on; what a kink excuses counts.
            None where the derivative cannot be told from 0: the error bound is then what is known.
        worst: the entry furthest off, or None when nothing could be compared.
        analytic_shape: the shape of what the user's code returned, or None.
        excused: it is right but for a small number by which the loss keeps its log finite.
        value: the parameter, in its shape.
        gradient: what the user's code returned for it, after the gates.
        precision: the rounding error of that gradient, absolute.
        stable: whether a second call gave the same gradient.
        numeric: the numeric gradient of the entries that were perturbed.
        screened: what random directions said of the others, or None.
    """

    name: str
    shape: tuple[int, ...]
    verdict: Standing = "not checked"
    entries: int = 0
    wrong_entries: int = 0
    kinks: int = 0
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    error_bound: float | None = None
    resolution: float | None = None
    worst: Worst | None = None
    analytic_shape: tuple[int, ...] | None = None
    excused: bool = field(default=False, repr=False, compare=False)
    value: Array = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    gradient: Gradient = field(default=MISSING, repr=False, compare=False)
    precision: float = field(default=0.0, repr=False, compare=False)
    stable: bool = field(default=True, repr=False, compare=False)
    numeric: BlockGradient = field(
        default_factory=BlockGradient.of_nothing, repr=False, compare=False
    )
    screened: Screened | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        """How many entries the block has."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def failed(self) -> bool:
        """Whether the gradient of this block is known to be wrong."""
        return self.verdict in FAILED

    @property
    def gradient_fits(self) -> bool:
        """Whether a gradient was returned that has the shape of the block."""
        return self.gradient.value is not None and self.gradient.value.shape == self.shape

    @property
    def analytic(self) -> Array:
        """The analytic derivatives of the perturbed entries, (n,); nan where there are none."""
        if not self.gradient.comparable or self.gradient.value is None:
            return np.full(len(self.numeric.entries), np.nan)
        flat = self.gradient.value.reshape(-1)
        return flat if len(self.numeric.entries) == self.size else flat[self.numeric.entries]

    @property
    def is_flat(self) -> bool:
        """Whether its derivatives are zero, to rounding, and its gradient is exactly that."""
        found = self.verdict == "ok" and bool(self.entries) and self.resolution is None
        return found and not np.any(self.analytic)

    def divided(self, share: float) -> Block:
        """The block with its gradient divided by a number."""
        if self.gradient.value is None:
            return self
        gradient = replace(self.gradient, value=self.gradient.value / share)
        return replace(self, gradient=gradient, precision=self.precision / share)

    @property
    def claim(self) -> Claim:
        """The whole analytic gradient, flat, for the engine; nan where there is none."""
        if not self.gradient.comparable or self.gradient.value is None:
            return Claim(np.full(self.value.size, np.nan), 0.0)
        return Claim(self.gradient.value.reshape(-1), self.precision)
