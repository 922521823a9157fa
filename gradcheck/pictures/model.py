"""The numbers behind the pictures of a report: taken when the check is done, drawn later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeatMap:
    """The relative errors of a weight matrix, cell by cell; large matrices are aggregated.

    Attributes:
        shape: of the block, as a matrix.
        errors: the largest error in each cell, relative to the block's largest derivative; None
            where nothing was perturbed. Rows of cells.
        cell: how many rows and columns of the matrix a cell stands for.
        worst: the row and column of the cell with the entry furthest off.
        index: that entry's index in the block.
    """

    block: str
    shape: tuple[int, int]
    errors: tuple[tuple[float | None, ...], ...]
    cell: tuple[int, int]
    worst: tuple[int, int]
    index: tuple[int, ...]


@dataclass(frozen=True)
class Scatter:
    """Analytic against numeric derivatives of a block: the worst entries and others at random."""

    block: str
    numeric: tuple[float, ...]
    analytic: tuple[float, ...]
    wrong: tuple[bool, ...]


@dataclass(frozen=True)
class StepCurve:
    """Central differences of one entry against the step size: the V of truncation and rounding.

    Attributes:
        to_numeric: how far each difference is from the numeric gradient, relatively, (n,).
        to_analytic: how far from the user's derivative, (n,).
    """

    block: str
    index: tuple[int, ...]
    steps: tuple[float, ...]
    to_numeric: tuple[float, ...]
    to_analytic: tuple[float, ...]


@dataclass(frozen=True)
class SlopeTest:
    """What is left of |f(x + h d) - f(x) - h g . d|, against h.

    Attributes:
        steps: the h, from the largest on, (n,).
        left: what is left at each, (n,).
        noise: how much of that may be noise.
        order: with which power of h it falls: 2 or more where the gradient is right, 1 where it
            is wrong, and at a kink; None where nothing but noise is left.
    """

    steps: tuple[float, ...]
    left: tuple[float, ...]
    noise: float
    order: float | None

    def __str__(self) -> str:
        if self.order is None:
            return "slope test: of the Taylor expansion along a random line only rounding is left"
        return (
            f"slope test: |f(x + h d) - f(x) - h g . d| falls with h^{self.order:.2f} "
            "(2 or more where the gradient is right, 1 where it is wrong, and at a kink)"
        )


@dataclass(frozen=True)
class SlopeRatio:
    """The user's delta by the right one, against the pre-activation: 1 where a slope is right."""

    layer: int
    activation: str
    pre_activation: tuple[float, ...]
    ratio: tuple[float, ...]


@dataclass(frozen=True)
class LayerPicture:
    """A layer of the network as it is drawn."""

    number: int
    units: int
    activation: str | None
    blocks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pictures:
    """All that can be drawn of a check.

    Attributes:
        inputs: how many features the network takes, or None where that is not known.
        layers: of the network, from the input on; () where they are not known.
        heat_maps: one per weight matrix that was compared.
        scatters: one per block that was compared.
        step_curve: of the entry furthest off, or None.
        slope_ratios: of layers where a slope is wrong.
        slope_test: of the whole gradient, or None.
    """

    inputs: int | None = None
    layers: tuple[LayerPicture, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    scatters: tuple[Scatter, ...] = ()
    step_curve: StepCurve | None = None
    slope_ratios: tuple[SlopeRatio, ...] = ()
    slope_test: SlopeTest | None = None
