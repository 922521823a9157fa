"""The numbers behind the pictures of a report: collected during the check, drawn later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeatMap:
    """The relative errors of a weight matrix in cells; of a large matrix a cell has many entries.

    Attributes:
        shape: the shape of the block as a matrix.
        errors: the largest error in each cell, relative to the block's largest derivative; None
            where no entry was perturbed. Rows of cells.
        cell: the number of rows and of columns of the matrix in one cell.
        worst: the row and column of the cell that holds the entry with the largest error.
        index: the index of that entry in the block.
    """

    block: str
    shape: tuple[int, int]
    errors: tuple[tuple[float | None, ...], ...]
    cell: tuple[int, int]
    worst: tuple[int, int]
    index: tuple[int, ...]


@dataclass(frozen=True)
class Scatter:
    """Derivatives of a block, analytic and numeric: of the worst entries and of random ones."""

    block: str
    numeric: tuple[float, ...]
    analytic: tuple[float, ...]
    wrong: tuple[bool, ...]


@dataclass(frozen=True)
class StepCurve:
    """Central differences of one entry against the step size: the V of truncation and rounding.

    Attributes:
        to_numeric: relative distance of each difference from the numeric gradient, (n,).
        to_analytic: relative distance of each difference from the user's derivative, (n,).
    """

    block: str
    index: tuple[int, ...]
    steps: tuple[float, ...]
    to_numeric: tuple[float, ...]
    to_analytic: tuple[float, ...]


@dataclass(frozen=True)
class SlopeTest:
    """The remainder |f(x + h d) - f(x) - h g . d| of a Taylor expansion, against the step h.

    Attributes:
        steps: the steps h, from the largest to the smallest, (n,).
        left: the remainder at each step, (n,).
        noise: the part of the remainder that may be noise.
        order: the power of h with which the remainder falls: 2 or more where the gradient is right,
            1 where it is wrong, and at a kink; None where only noise is left.
    """

    steps: tuple[float, ...]
    left: tuple[float, ...]
    noise: float
    order: float | None

    def __str__(self) -> str:
        if self.order is None:
            return "slope test: along a random line, only rounding is left of the Taylor remainder"
        return (
            f"slope test: |f(x + h d) - f(x) - h g . d| falls with h^{self.order:.2f} "
            "(2 or more where the gradient is right, 1 where it is wrong, and at a kink)"
        )


@dataclass(frozen=True)
class SlopeRatio:
    """The user's delta over the right one, against the pre-activation: 1 where a slope is right."""

    layer: int
    activation: str
    pre_activation: tuple[float, ...]
    ratio: tuple[float, ...]


@dataclass(frozen=True)
class LayerPicture:
    """A layer in the picture of the network; `blocks` are pairs of a name and a verdict."""

    number: int
    units: int
    activation: str | None
    blocks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pictures:
    """Everything that can be drawn of a check.

    Attributes:
        inputs: the number of input features of the network; None if it is not known.
        layers: the layers of the network from the input on; () if they are not known.
        heat_maps: one for each weight matrix that was compared.
        scatters: one for each block that was compared.
        step_curve: the curve of the entry with the largest error, or None.
        slope_ratios: one for each layer with a wrong slope.
        slope_test: the test of the whole gradient, or None.
    """

    inputs: int | None = None
    layers: tuple[LayerPicture, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    scatters: tuple[Scatter, ...] = ()
    step_curve: StepCurve | None = None
    slope_ratios: tuple[SlopeRatio, ...] = ()
    slope_test: SlopeTest | None = None
