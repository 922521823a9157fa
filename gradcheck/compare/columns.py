"""The Jacobian of a vector function against the user's: measured, judged and put into blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.compare.block import Block, Worst
from gradcheck.compare.kinks import NUDGES, TELLING
from gradcheck.compare.precision import COARSEST, ROUNDINGS
from gradcheck.compare.precision import NUDGES as ASKED
from gradcheck.compare.verdict import judge_block, judge_entries, total_bound
from gradcheck.numeric.columns import MOVED, Columns, differentiate_columns
from gradcheck.numeric.estimate import Array, Estimates, Indices, Mask
from gradcheck.numeric.gradient import BlockGradient, Claim
from gradcheck.numeric.loss_lines import random_signs, random_sizes
from gradcheck.numeric.row_noise import RowNoise
from gradcheck.user.gradients import Gradient
from gradcheck.user.vectors import Matrix, Vectors

Shape = tuple[int, ...]

EPSILON = float(np.finfo(np.float64).eps)
MOST_ALONE = 64
"""So many columns are moved alone where others of their group may have moved them too."""

MOST_MISSING = 8


@dataclass(frozen=True)
class Subject:
    """A vector function, what is claimed of it, and what measures it.

    Attributes:
        vectors: the function.
        measured: evaluates it.
        noise: of its values.
        matrix: the Jacobian that is claimed.
        ask: the same entries elsewhere.
        rtol: a relative error that the user accepts on top of the bound, or None.
    """

    vectors: Vectors
    measured: Columns
    noise: RowNoise
    matrix: Matrix
    ask: Callable[[Array], Array]
    rtol: float | None


@dataclass(frozen=True)
class Missing:
    """An entry that is not 0, outside of the sparsity pattern."""

    row: int
    column: int
    derivative: float


@dataclass(frozen=True)
class Judged:
    """The entries of a Jacobian that were differentiated, (k,) each; in the user's units.

    Attributes:
        blocks: one per parameter block.
        rows: of the entries.
        columns: of the entries.
        analytic: the user's.
        numeric: by finite differences.
        bound: how far right ones may be apart.
        wrong: which are wrong.
        missing: what the pattern lacks, as far as it was looked for.
        leaking: in how many rows it lacks something.
        places: the places of these entries among all.
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


def judge_matrix(subject: Subject, chosen: Indices, rng: np.random.Generator) -> Judged:
    """Judges some columns of a Jacobian."""
    pattern, matrix = subject.matrix.pattern, subject.matrix
    unit = subject.noise.level[pattern.rows]
    columns = pattern.columns
    entries = np.flatnonzero(np.isin(columns, chosen))
    claim = Claim(matrix.values / unit, _precision(subject, unit, rng))
    numeric = BlockGradient.of_nothing()
    if len(entries):
        numeric = differentiate_columns(subject.measured, subject.noise, claim, entries, rng)
        numeric = _again_alone(subject, claim, numeric, rng)
        numeric = _beside_kinks(subject, claim, numeric, rng)
    missing = _missing(subject)
    blocks, start = [], 0
    for name, shape in zip(
        subject.vectors.parameters.names, subject.vectors.parameters.shapes, strict=True
    ):
        end = start + int(np.prod(shape, dtype=int))
        here = np.flatnonzero((columns[entries] >= start) & (columns[entries] < end))
        block = _named(_block(subject, claim, numeric, here), name, shape, start, subject)
        own = [one for one in missing if start <= one.column < end]
        blocks.append(_lacking(block, own, start, subject) if own else block)
        start = end
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


def _precision(subject: Subject, unit: Array, rng: np.random.Generator) -> float:
    """How far rounding may have moved the largest entries, in units of the noise."""
    point, rows = subject.vectors.point, subject.matrix.pattern.rows
    size, moved = np.zeros(subject.matrix.pattern.shape[0]), np.zeros_like(rows, dtype=float)
    claimed = np.nan_to_num(np.abs(subject.matrix.values / unit))
    np.maximum.at(size, rows, claimed)
    for _ in range(ASKED):
        nearby = subject.ask(point * (1 + ROUNDINGS * EPSILON * random_signs(point.shape, rng)))
        moved = np.fmax(moved, np.abs(nearby - subject.matrix.values) / unit)
    with np.errstate(all="ignore"):
        relative = np.nan_to_num(moved / size[rows], posinf=0.0)
    share = ROUNDINGS * (float(np.max(relative, initial=0.0)) + EPSILON)
    return min(share, COARSEST) * float(np.max(claimed, initial=0.0))


def _again_alone(
    subject: Subject, claim: Claim, numeric: BlockGradient, rng: np.random.Generator
) -> BlockGradient:
    """The derivatives, with those measured alone that others of their group have moved as well."""
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
    """The derivatives; at a kink, what is between its slopes, and right a little way off.

    It is right to what can be seen there.
    """
    at, measured = np.flatnonzero(numeric.estimates.kink), subject.measured
    if not len(at):
        return numeric
    point = measured.point + NUDGES[0] * random_sizes(measured.point, rng)
    point = point if measured.box is None else np.clip(point, *measured.box)
    nearby = replace(measured, point=point, center=subject.vectors.moved(point), calls=1, leaks=[])
    unit = subject.noise.level[measured.pattern.rows]
    entries, there = numeric.entries[at], Claim(subject.ask(point) / unit, claim.precision)
    found = differentiate_columns(nearby, subject.noise, there, entries, rng)
    measured.calls += nearby.calls
    own, estimates = claim.gradient[entries], numeric.estimates
    judged = judge_entries(there.gradient[entries], found, claim.precision, None, numeric.largest)
    right = judged.ok & (np.abs(there.gradient[entries]) >= TELLING * np.abs(own))
    right &= (estimates.lower[at] <= own) & (own <= estimates.upper[at])
    at = at[right]
    settled = replace(Estimates.smooth(own[right], found.estimates.bound[right]), kink=right[right])
    return replace(numeric, estimates=estimates.put(at, settled))


def _block(subject: Subject, claim: Claim, numeric: BlockGradient, here: Indices) -> Block:
    """The judged block of some of the entries, a row of them, in units of the noise."""
    entries = numeric.entries[here]
    own = replace(numeric[here], entries=np.arange(len(here)), outside=numeric.largest)
    values = claim.gradient[entries]
    gradient = Gradient(values, "ok" if np.all(np.isfinite(values)) else "nonfinite")
    block = Block(
        "", (len(here),), value=values, gradient=gradient, precision=claim.precision, numeric=own
    )
    block = judge_block(block, subject.rtol, numeric.largest)
    if not len(here) or block.worst is None:
        return block
    rows = subject.matrix.pattern.rows[entries]
    unit = subject.noise.level[rows]
    worst = int(entries[block.worst.index[0]])
    scale = float(unit[block.worst.index[0]])
    return replace(
        block,
        max_abs_error=float(np.max(own.estimates.distance(values) * unit)),
        error_bound=float(np.max(total_bound(own, claim.precision) * unit)),
        worst=Worst((worst,), block.worst.analytic * scale, block.worst.numeric * scale),
    )


def _named(block: Block, name: str, shape: Shape, start: int, subject: Subject) -> Block:
    """The block with its name, and places in rows and columns."""
    outer, pattern = subject.vectors.shape, subject.matrix.pattern
    worst = block.worst
    if worst is not None:
        entry = worst.index[0]
        row, column = int(pattern.rows[entry]), int(pattern.columns[entry]) - start
        worst = replace(worst, index=_index(row, outer, column, shape))
    return replace(block, name=name, shape=(*outer, *shape), worst=worst)


def _index(row: int, outer: Shape, column: int, shape: Shape) -> Shape:
    places = (row, outer), (column, shape)
    return tuple(int(i) for place, size in places for i in np.unravel_index(place, size))


def _lacking(block: Block, missing: list[Missing], start: int, subject: Subject) -> Block:
    """The block, with what the pattern lacks as entries that are claimed to be 0."""
    outer = subject.vectors.shape
    largest = max(missing, key=lambda one: abs(one.derivative))
    index = _index(largest.row, outer, largest.column - start, block.shape[len(outer) :])
    worst = Worst(index, 0.0, largest.derivative)
    return replace(
        block,
        verdict="wrong",
        entries=block.entries + len(missing),
        wrong_entries=block.wrong_entries + len(missing),
        worst=block.worst if block.wrong_entries else worst,
    )


def _missing(subject: Subject) -> tuple[Missing, ...]:
    """The entries that the pattern lacks: by halving the columns that were moved together."""
    measured = subject.measured
    found: dict[tuple[int, int], Missing] = {}
    rows_done: set[int] = set()
    for columns, by, rows in measured.leaks:
        for row in rows.tolist():
            if row in rows_done or len(found) >= MOST_MISSING:
                continue
            rows_done.add(row)
            for column, step in _culprits(measured, columns, by, row):
                slopes = np.array(list(_slopes(measured, column, step, row)))
                # at a kink, or a turn, 0 is right
                if np.all(slopes > 0) or np.all(slopes < 0):
                    found[row, column] = Missing(row, column, float(np.mean(slopes)))
    return tuple(found.values())


def _slopes(measured: Columns, column: int, step: float, row: int) -> Iterator[float]:
    """The derivative of a value to both sides, as far as the column can be moved there."""
    for by in (step, -step):
        if not measured.outside(np.array([column]), np.array([by]))[0]:
            move = measured.move(np.array([column]), np.array([by]))[row]
            if np.isfinite(move):
                yield float(move / by * measured.noise[row])


def _culprits(measured: Columns, columns: Indices, by: Array, row: int) -> list[tuple[int, float]]:
    """The columns that move a value in which they have no entry, and how far they were moved."""
    own = [row in measured.pattern.of(column) for column in columns.tolist()]
    columns, by = columns[~np.array(own, dtype=bool)], by[~np.array(own, dtype=bool)]
    if not len(columns) or not abs(measured.move(columns, by)[row]) > MOVED:
        return []
    if len(columns) == 1:
        return [(int(columns[0]), float(by[0]))]
    half = len(columns) // 2
    parts = ((columns[:half], by[:half]), (columns[half:], by[half:]))
    return [found for part in parts for found in _culprits(measured, *part, row)]
