"""One parameter array, and everything that a check learns about it."""

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
"""The verdicts of a gradient that is known to be wrong."""


@dataclass(frozen=True)
class Worst:
    """The entry of a block with the largest error.

    Example:
        >>> import gradcheck
        >>> report = gradcheck.check(lambda p: p["b"] ** 2, {"b": 3.0}, lambda p: {"b": 4.0})
        >>> report.blocks[0].worst.analytic, round(report.blocks[0].worst.numeric, 6)
        (4.0, 6.0)

    Attributes:
        index: the position of the entry in the block.
        analytic: the derivative returned by the user's code.
        numeric: the derivative by finite differences.
    """

    index: Index
    analytic: float
    numeric: float


CLEAR = 10.0
"""What is so many times its bound is surely not 0."""

SLIGHT = 1e-2
"""A larger error, relative to the block's largest derivative, is not slight."""


@dataclass(frozen=True)
class Block:
    """One parameter array at one point; every stage of a check adds its results.

    The verdict comes first, since users read it first; the data that it is based on follow. Errors
    and bounds are absolute unless they are called relative.

    Example:
        >>> import numpy as np, gradcheck
        >>> report = gradcheck.check(lambda p: p["b"] ** 2, {"b": 3.0}, lambda p: {"b": 4.0})
        >>> report.blocks[0].name, report.blocks[0].verdict
        ('b', 'wrong')

    Attributes:
        name: the path to the array as the user would write it.
        shape: the shape of the parameter.
        verdict: "ok", "wrong", "shape", "missing", "raised", "nonfinite", "inconclusive" or
            "not checked".
        entries: how many entries were perturbed.
        wrong_entries: how many of them are wrong.
        kinks: how many of them sit on a kink and are right there.
        max_abs_error: the largest difference of analytic and numeric derivative.
        max_rel_error: that difference relative to the block's largest derivative.
        error_bound: the largest error bound of the entries.
        resolution: the smallest error, relative to the scale of an entry, that would have been
            called wrong in every perturbed entry; the range of slopes at a kink counts. None if the
            derivatives cannot be told from 0; then only the error bound is known.
        worst: the entry with the largest error, or None if nothing could be compared.
        analytic_shape: the shape of the gradient that the user's code returned, or None.
        excused: the gradient is right except for the small number that keeps a log finite.
        held: the targets that are held constant in the loss that it is compared with.
        value: the parameter, in its shape.
        gradient: the gradient returned by the user's code, after the first checks.
        precision: the absolute rounding error of that gradient.
        stable: whether a second call gave the same gradient.
        numeric: the numeric gradient of the perturbed entries.
        screened: the result of the random directions that test the other entries, or None.
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
    held: tuple[str, ...] = field(default=(), repr=False, compare=False)
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
        """Whether the returned gradient has the shape of the block."""
        return self.gradient.value is not None and self.gradient.value.shape == self.shape

    @property
    def analytic(self) -> Array:
        """The analytic derivatives of the perturbed entries, (n,); nan if not comparable."""
        if not self.gradient.comparable or self.gradient.value is None:
            return np.full(self.numeric.count, np.nan)
        flat = self.gradient.value.reshape(-1)
        return flat if self.numeric.count == self.size else flat[self.numeric.entries]

    @property
    def is_flat(self) -> bool:
        """Whether the numeric gradient is zero up to rounding, and the analytic one exactly."""
        zero = self.verdict == "ok" and bool(self.entries) and self.resolution is None
        return zero and not np.any(self.analytic)

    @property
    def is_off(self) -> bool:
        """Whether a gradient that is there is wrong or undecided."""
        return self.gradient.verdict == "ok" and self.verdict in ("wrong", "inconclusive")

    @property
    def is_slightly_off(self) -> bool:
        """Whether it is so by little: the loss may be to blame."""
        error = self.max_rel_error
        return self.is_off and error is not None and error < SLIGHT

    def without_arrays(self) -> Block:
        """Return a copy with the results, but without the arrays they were computed from."""
        nothing = BlockGradient.of_nothing()
        return replace(self, value=np.empty(0), gradient=MISSING, numeric=nothing, screened=None)

    def divided(self, share: float) -> Block:
        """The block with its gradient divided by a number."""
        if self.gradient.value is None:
            return self
        gradient = replace(self.gradient, value=self.gradient.value / share)
        return replace(self, gradient=gradient, precision=self.precision / share)

    @property
    def claim(self) -> Claim:
        """The whole analytic gradient, flat, with its precision; nan if not comparable."""
        if not self.gradient.comparable or self.gradient.value is None:
            return Claim(np.full(self.value.size, np.nan), 0.0)
        return Claim(self.gradient.value.reshape(-1), self.precision)
