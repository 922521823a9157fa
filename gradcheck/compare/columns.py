"""Measures the Jacobian of a vector function and judges the user's, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.block import Block, Worst
from gradcheck.compare.kinks import NUDGES, TELLING
from gradcheck.compare.missing import Missing, missing_of
from gradcheck.compare.precision import COARSEST, ROUNDINGS
from gradcheck.compare.precision import NUDGES as ASKED
from gradcheck.compare.verdict import judge_block, judge_entries, total_bound
from gradcheck.numeric.columns import Columns, differentiate_columns
from gradcheck.numeric.estimate import Array, Estimates, Indices, Mask
from gradcheck.numeric.gradient import BlockGradient, Claim
from gradcheck.numeric.loss_lines import random_signs, random_sizes
from gradcheck.numeric.row_noise import MANY, RowNoise
from gradcheck.numeric.together import Agreement
from gradcheck.user.gradients import EPSILON, Gradient
from gradcheck.user.vectors import Matrix, Vectors

Shape = tuple[int, ...]

MOST_ALONE = 64
"""At most this many columns are moved alone because others of their group may have interfered."""

NOISY = 1e4
"""A value with more than this multiple of the noise that its rounding makes is noisy."""


@dataclass(frozen=True)
class Subject:
    """A vector function, the user's Jacobian (`ask`: flat point -> entries), and its columns."""

    vectors: Vectors
    measured: Columns
    noise: RowNoise
    matrix: Matrix
    ask: Callable[[Array], Array]
    rtol: float | None


@dataclass(frozen=True)
class Judged:
    """The measured entries of a Jacobian, (k,) each, in the user's units, and its blocks.

    Attributes:
        bound: the largest difference of right entries.
        missing: the entries found that the pattern lacks.
        leaking: the number of rows in which the pattern lacks an entry.
        places: the positions of the measured entries among all entries.
    """

    blocks: tuple[Block, ...]
    rows: Indices
    columns: Indices
    analytic: Array
    numeric: Array
    bound: Array
    wrong: Mask
    missing: tuple[Missing, ...]
    leaking: int
    places: Indices


def measured_alone(
    subject: Subject, claim: Claim, chosen: Indices, rng: np.random.Generator
) -> BlockGradient:
    """The derivatives of the entries in the chosen columns, measured entry by entry."""
    entries = np.flatnonzero(np.isin(subject.matrix.pattern.columns, chosen))
    if not len(entries):
        return BlockGradient.of_nothing()
    numeric = differentiate_columns(subject.measured, subject.noise, claim, entries, rng)
    numeric = _again_alone(subject, claim, numeric, rng)
    return _beside_kinks(subject, claim, _seen(subject, claim, numeric), rng)


def _seen(subject: Subject, claim: Claim, numeric: BlockGradient) -> BlockGradient:
    """The numeric derivatives without those of rows so noisy that none of their claims is seen.

    Beside precise rows, they would count as zero.
    """
    claimed, bound = claim.gradient[numeric.entries], numeric.estimates.bound
    rows, largest = subject.matrix.pattern.rows[numeric.entries], np.zeros(len(subject.noise.level))
    np.maximum.at(largest, rows, np.abs(claimed))
    noisy = subject.noise.level > NOISY * subject.noise.least
    unseen = noisy[rows] & (largest[rows] > 0) & (numeric.limit * largest[rows] < bound)
    unseen &= numeric.estimates.distance(claimed) <= bound
    bound = np.where(unseen, np.inf, bound)
    return replace(numeric, estimates=replace(numeric.estimates, bound=bound))


def judge_matrix(subject: Subject, claim: Claim, numeric: BlockGradient) -> Judged:
    """Judges the measured entries of a Jacobian."""
    pattern, matrix, entries = subject.matrix.pattern, subject.matrix, numeric.entries
    unit, columns = subject.noise.level[pattern.rows], pattern.columns
    missing = missing_of(subject.measured)
    blocks = []
    for name, shape, start, end in _parts(subject):
        here = np.flatnonzero((columns[entries] >= start) & (columns[entries] < end))
        block = _named(_block(subject, claim, numeric, here), name, shape, start, subject)
        lacking = [entry for entry in missing if start <= entry.column < end]
        blocks.append(_lacking(block, lacking, start, subject) if lacking else block)
    analytic = claim.gradient[entries]
    return Judged(
        tuple(blocks),
        pattern.rows[entries],
        columns[entries],
        matrix.values[entries],
        numeric.estimates.value * unit[entries],
        total_bound(numeric, claim.precision) * unit[entries],
        judge_entries(analytic, numeric, claim.precision, subject.rtol, numeric.largest).wrong,
        missing,
        len({row for _, _, rows in subject.measured.leaks for row in rows.tolist()}),
        entries,
    )


def judge_together(subject: Subject, agreement: Agreement) -> Judged:
    """The blocks of a Jacobian whose rows all agree along random directions."""
    pattern, unit, off = subject.matrix.pattern, subject.noise.level, agreement.off
    rows, columns = agreement.visible
    row = int(np.argmax(off.excess))
    places = np.flatnonzero(pattern.rows == row)
    beside = np.searchsorted(pattern.starts, places, side="right") - 1
    apart = float(np.max(np.abs(off.apart)))
    blocks = []
    for name, shape, start, end in _parts(subject):
        count = int(pattern.starts[end] - pattern.starts[start])
        block, part = Block("", (count,), "ok", count), slice(start, end)
        if count:
            least = float(np.min(np.abs(off.moves[part])))
            block = replace(
                block,
                max_abs_error=float(np.max(np.abs(off.apart) * unit)) / least,
                max_rel_error=apart / least / agreement.scale,
                error_bound=float(np.max(rows * unit) * np.max(columns[part])),
                resolution=float(np.max(agreement.resolution[part])),
            )
        inside = np.flatnonzero((start <= beside) & (beside < end))
        if len(inside):
            nearest = inside[np.argmin(np.abs(off.moves[beside[inside]]))]
            analytic = float(subject.matrix.values[places[nearest]])
            numeric = analytic + float(off.apart[row] * unit[row] / off.moves[beside[nearest]])
            block = replace(block, worst=Worst((int(places[nearest]),), analytic, numeric))
        blocks.append(_named(block, name, shape, start, subject))
    none, nothing = np.empty(0), np.empty(0, dtype=np.intp)
    wrong = np.empty(0, dtype=bool)
    return Judged(tuple(blocks), nothing, nothing, none, none, none, wrong, (), 0, nothing)


def _parts(subject: Subject) -> Iterator[tuple[str, Shape, int, int]]:
    """Yields the name, the shape and the first and last column of every block of parameters."""
    parameters, start = subject.vectors.parameters, 0
    for name, shape in zip(parameters.names, parameters.shapes, strict=True):
        end = start + int(np.prod(shape, dtype=int))
        yield name, shape, start, end
        start = end


def rounding_share(subject: Subject, rng: np.random.Generator) -> float:
    """The rounding error of the user's entries, as a share of the largest in their row."""
    point, pattern, values = subject.vectors.point, subject.matrix.pattern, subject.matrix.values
    size = pattern.largest_in_rows(np.abs(values))
    moved = np.zeros(len(size))
    for _ in range(ASKED if len(size) < MANY else 1):
        nearby = subject.ask(point * (1 + ROUNDINGS * EPSILON * random_signs(point.shape, rng)))
        apart = nearby - values
        moved = np.fmax(moved, pattern.largest_in_rows(np.abs(apart, out=apart)))
    with np.errstate(all="ignore"):
        relative = np.nan_to_num(moved / size, posinf=0.0)
    return min(ROUNDINGS * (float(np.max(relative, initial=0.0)) + EPSILON), COARSEST)


def _again_alone(
    subject: Subject, claim: Claim, numeric: BlockGradient, rng: np.random.Generator
) -> BlockGradient:
    """Measures columns again alone if other columns of their group changed the same values."""
    measured = subject.measured
    columns = measured.pattern.columns[numeric.entries]
    off = measured.not_alone(numeric.entries, numeric.estimates.value)
    suspects = np.unique(columns[off])[:MOST_ALONE]
    leaking = [column for column in suspects.tolist() if measured.leaks_into(column)]
    if not leaking:
        return numeric
    for column in leaking:
        measured.alone(column)
    again = np.flatnonzero(np.isin(columns, leaking))
    alone = differentiate_columns(measured, subject.noise, claim, numeric.entries[again], rng)
    return replace(numeric, estimates=numeric.estimates.put(again, alone.estimates))


def _beside_kinks(
    subject: Subject, claim: Claim, numeric: BlockGradient, rng: np.random.Generator
) -> BlockGradient:
    """Accepts analytic entries at a kink that lie between its slopes and are right nearby.

    Their error bound is that of the nearby point.
    """
    at, measured = np.flatnonzero(numeric.estimates.kink), subject.measured
    if not len(at):
        return numeric
    point = measured.point + NUDGES[0] * random_sizes(measured.point, rng)
    point = subject.vectors.inside(point)
    nearby = replace(measured, point=point, center=subject.vectors.moved(point), calls=1, leaks=[])
    unit = subject.noise.level[measured.pattern.rows]
    entries, there = numeric.entries[at], Claim(subject.ask(point) / unit, claim.precision)
    beside = differentiate_columns(nearby, subject.noise, there, entries, rng)
    measured.calls += nearby.calls
    claimed, estimates = claim.gradient[entries], numeric.estimates
    judged = judge_entries(there.gradient[entries], beside, claim.precision, None, numeric.largest)
    right = judged.ok & (np.abs(there.gradient[entries]) >= TELLING * np.abs(claimed))
    right &= (estimates.lower[at] <= claimed) & (claimed <= estimates.upper[at])
    at, bound = at[right], beside.estimates.bound[right]
    settled = replace(Estimates.smooth(claimed[right], bound), kink=right[right])
    return replace(numeric, estimates=estimates.put(at, settled))


def _block(subject: Subject, claim: Claim, numeric: BlockGradient, here: Indices) -> Block:
    """The judged block of some measured entries, flat; its worst entry is in the user's units."""
    entries = numeric.entries[here]
    measured = replace(numeric[here], measured=np.arange(len(here)), outside=numeric.largest)
    values = claim.gradient[entries]
    gradient = Gradient(values, "ok" if np.all(np.isfinite(values)) else "nonfinite")
    precision, shape = claim.precision, (len(here),)
    block = Block("", shape, value=values, gradient=gradient, precision=precision, numeric=measured)
    block = judge_block(block, subject.rtol, numeric.largest)
    if not len(here) or block.worst is None:
        return block
    rows = subject.matrix.pattern.rows[entries]
    unit = subject.noise.level[rows]
    worst = int(entries[block.worst.index[0]])
    scale = float(unit[block.worst.index[0]])
    return replace(
        block,
        max_abs_error=float(np.max(measured.estimates.distance(values) * unit)),
        error_bound=float(np.max(total_bound(measured, precision) * unit)),
        worst=Worst((worst,), block.worst.analytic * scale, block.worst.numeric * scale),
    )


def _named(block: Block, name: str, shape: Shape, start: int, subject: Subject) -> Block:
    """The block with its name and shape, and the index of its worst entry by row and column."""
    outer, pattern = subject.vectors.shape, subject.matrix.pattern
    worst = block.worst
    if worst is not None:
        entry = worst.index[0]
        row = int(pattern.rows[entry])
        column = int(np.searchsorted(pattern.starts, entry, side="right")) - 1 - start
        worst = replace(worst, index=_index(row, outer, column, shape))
    return replace(block, name=name, shape=(*outer, *shape), worst=worst)


def _index(row: int, outer: Shape, column: int, shape: Shape) -> Shape:
    places = (row, outer), (column, shape)
    return tuple(int(i) for place, size in places for i in np.unravel_index(place, size))


def _lacking(block: Block, missing: list[Missing], start: int, subject: Subject) -> Block:
    """The block, where each entry that the pattern lacks counts as a wrong entry of 0."""
    outer = subject.vectors.shape
    largest = max(missing, key=lambda entry: abs(entry.derivative))
    index = _index(largest.row, outer, largest.column - start, block.shape[len(outer) :])
    worst = Worst(index, 0.0, largest.derivative)
    return replace(
        block,
        verdict="wrong",
        entries=block.entries + len(missing),
        wrong_entries=block.wrong_entries + len(missing),
        worst=block.worst if block.wrong_entries else worst,
    )
