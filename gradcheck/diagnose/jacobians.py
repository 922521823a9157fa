"""Findings from the wrong entries of a Jacobian: the rows, columns or factor that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradcheck.compare.columns import Judged
from gradcheck.diagnose.rule import Rule
from gradcheck.diagnose.rules import (
    extra_term,
    factor_two,
    gradient_missing,
    gradients_exchanged,
    sign_flipped,
    single_entry,
    transposed,
    unknown_cause,
    wrong_scale,
    zero_gradient,
)
from gradcheck.finding import Finding
from gradcheck.numeric.estimate import Array, Indices, Mask
from gradcheck.user.vectors import Matrix, Vectors
from gradcheck.words import listed, verb

SAME = 1e-6
"""The relative tolerance to which two factors are the same."""

SCALED = 1e-4
"""A factor that is closer to 1 is no scale, but an error of the entries or of the function."""

MOST_LINES = 6
"""The maximum number of rows or columns that are examined one by one."""


@dataclass(frozen=True)
class Told:
    """A finding, and the positions of its entries among the judged ones; none for a pattern."""

    finding: Finding
    entries: Indices = field(default_factory=lambda: np.empty(0, dtype=np.intp))


def findings_of(judged: Judged, matrix: Matrix, vectors: Vectors) -> tuple[Told, ...]:
    """Return the findings of a Jacobian that has the right shape."""
    findings = list(map(Told, _missing(judged, vectors)))
    if judged.wrong.any():
        turned = map(Told, _transposed(judged, matrix, vectors))
        findings += list(turned) or _by_lines(judged, vectors)
    return tuple(findings)


def transposed_finding(shape: Sequence[int], wanted: Sequence[int], vectors: Vectors) -> Finding:
    """Return the finding of a Jacobian whose transpose is right."""
    differ = tuple(shape) != tuple(wanted)
    shapes = f": its shape is {tuple(shape)} in the place of {tuple(wanted)}" if differ else ""
    return transposed.RULE.finding(
        vectors.parameters.names,
        f"your {vectors.matrix_name} is the transpose of what it should be{shapes}",
        evidence=("its transpose agrees in every entry",),
        fix="return jacobian.T: one row for each residual, one column for each parameter",
        error_after_fix=0.0,
    )


def _missing(judged: Judged, vectors: Vectors) -> Iterator[Finding]:
    if not judged.missing:
        return
    names = [
        f"{_entry(one.row, one.column, vectors)} = {one.derivative:.7g}" for one in judged.missing
    ]
    yield gradient_missing.RULE.finding(
        _blocks([one.column for one in judged.missing], vectors),
        f"the sparsity pattern misses {_how_many(judged)} not 0",
        evidence=tuple(names[:MOST_LINES]),
        fix=f"add them to the pattern, and their derivatives to the {vectors.matrix_name}",
    )


def _how_many(judged: Judged) -> str:
    count = max(len(judged.missing), judged.leaking)
    least = "at least " if count > len(judged.missing) else ""
    return f"{least}{count:,} {'entry that is' if count == 1 else 'entries that are'}"


def _transposed(judged: Judged, matrix: Matrix, vectors: Vectors) -> list[Finding]:
    rows, columns = matrix.pattern.shape
    if rows != columns or rows == 1:
        return []
    other = matrix.transposed()[judged.places]
    if not np.all(_agrees(other, judged)) or np.all(_agrees(judged.analytic, judged)):
        return []
    return [transposed_finding((rows, columns), (rows, columns), vectors)]


def _by_lines(judged: Judged, vectors: Vectors) -> list[Told]:
    """Return a finding for each wrong row or column, or one for all if they share a cause."""
    wrong = np.flatnonzero(judged.wrong)
    whole = _whole(judged, wrong, vectors)
    if whole is not None:
        return [Told(whole, wrong)]
    rows, columns = np.unique(judged.rows[wrong]), np.unique(judged.columns[wrong])
    by_rows = len(rows) <= len(columns)
    lines = judged.rows if by_rows else judged.columns
    numbers = (rows if by_rows else columns).tolist()
    for across in (by_rows, not by_rows):
        pair = (rows if across else columns).tolist()
        exchanged = _exchanged(judged, pair, across, vectors)
        if exchanged is not None:
            return [Told(exchanged, wrong)]
    kind, name = ("row", vectors.row_name) if by_rows else ("column", vectors.column_name)
    findings: list[Told] = []
    for number in numbers[:MOST_LINES]:
        entries = wrong[lines[wrong] == number]
        one = _same(judged, entries, _Extent(lines, f"{kind} of {name(number)}"), vectors)
        if one is not None:
            findings.append(Told(one, entries))
    explained = np.concatenate([wrong[:0], *(one.entries for one in findings)])
    entries = np.setdiff1d(wrong, explained)
    unknown = np.unique(lines[entries]).tolist()
    if unknown:
        where = f"{kind}{verb(unknown, '', 's')} of {listed([name(one) for one in unknown])}"
        words = f"{len(entries):,} entries in the {where} are wrong"
        fix = f"compare the formula of the {where} with the derivative of what your function "
        blocks, worst = _blocks(judged.columns[entries], vectors), _worst(judged, entries, vectors)
        finding = unknown_cause.RULE.finding(blocks, words, worst, f"{fix}computes")
        findings.append(Told(finding, entries))
    return findings


def _whole(judged: Judged, wrong: Indices, vectors: Vectors) -> Finding | None:
    """Return the finding of what all wrong entries have in common, or None."""
    if len(wrong) == 1:
        row, column = int(judged.rows[wrong[0]]), int(judged.columns[wrong[0]])
        entry = _entry(row, column, vectors)
        return single_entry.RULE.finding(
            _blocks([column], vectors),
            f"one entry is wrong: {entry}{_how(judged, wrong)}",
            evidence=_worst(judged, wrong, vectors),
            fix=f"compare the formula of {entry} with what your function computes",
        )
    for lines, name in ((judged.rows, vectors.row_name), (judged.columns, vectors.column_name)):
        numbers = np.unique(lines[wrong])
        if len(numbers) < 2:
            kind = "row" if lines is judged.rows else "column"
            extent = _Extent(lines, f"{kind} of {name(int(numbers[0]))}")
            return _same(judged, wrong, extent, vectors)
    return _same(judged, wrong, _extent(judged, wrong, vectors), vectors)


@dataclass(frozen=True)
class _Extent:
    """Rows or columns with wrong entries; `lines` has that of every entry of the matrix."""

    lines: Indices
    name: str

    def holding(self, judged: Judged, here: Indices) -> tuple[str, bool]:
        """Return a name for the entries `here`, whole lines or not, and whether it is plural."""
        others = np.isin(self.lines, self.lines[here]) & (np.abs(judged.numeric) > judged.bound)
        others[here] = False
        if others.any():
            one = len(here) == 1
            return f"{'an entry' if one else f'{len(here)} entries'} in the {self.name}", not one
        return f"the {self.name}", self.name.startswith(("rows", "columns"))


def _extent(judged: Judged, wrong: Indices, vectors: Vectors) -> _Extent:
    """Return the rows or columns of several entries, or the whole matrix."""
    rows, columns = np.unique(judged.rows[wrong]), np.unique(judged.columns[wrong])
    if len(rows) <= len(columns):
        names = [vectors.row_name(row) for row in rows.tolist()]
        whole = len(rows) == len(np.unique(judged.rows))
        return _Extent(judged.rows, vectors.matrix_name if whole else f"rows of {listed(names)}")
    names = [vectors.column_name(column) for column in columns.tolist()]
    whole = len(columns) == len(np.unique(judged.columns))
    return _Extent(judged.columns, vectors.matrix_name if whole else f"columns of {listed(names)}")


def _same(judged: Judged, here: Indices, extent: _Extent, vectors: Vectors) -> Finding | None:
    """Return the finding of entries that are 0, of wrong sign, or off by one factor; or None."""
    analytic, numeric = judged.analytic[here], judged.numeric[here]
    blocks, evidence = _blocks(judged.columns[here], vectors), _worst(judged, here, vectors)
    where = extent.name
    if not np.any(analytic):
        return zero_gradient.RULE.finding(
            blocks,
            f"the {where}: 0 in {len(here)} entries that are not",
            evidence=evidence,
            fix=f"add the derivatives of the {where}",
        )
    if not np.any(numeric):
        return extra_term.RULE.finding(
            blocks,
            f"the {where}: {len(here)} entries that should be 0",
            evidence=evidence,
            fix="write 0 there: what your function computes does not depend on it",
            error_after_fix=0.0,
        )
    with np.errstate(all="ignore"):
        factor = float(np.median(analytic / numeric))
    if not abs(factor - 1) > SCALED or not np.all(_agrees(analytic / factor, judged, here)):
        return None
    subject, many = extent.holding(judged, here)
    them = "them" if many else "it"
    evidence = (f"analytic / numeric = {factor:.7g} in all {len(here)} wrong entries", *evidence)
    if abs(factor + 1) < SAME:
        return sign_flipped.RULE.finding(
            blocks,
            f"{subject} {'have' if many else 'has'} the wrong sign",
            evidence=evidence,
            fix="change the sign",
            error_after_fix=0.0,
        )
    twice = min(abs(factor - 2), abs(factor - 0.5)) < SAME
    if len(here) == 1 and not twice:
        return None  # a single entry is always off by a factor
    rule: Rule = factor_two.RULE if twice else wrong_scale.RULE
    return rule.finding(
        blocks,
        f"{subject} {'are' if many else 'is'} {factor:.6g} times what "
        f"{'they' if many else 'it'} should be",
        evidence=evidence,
        fix=f"divide {them} by {factor:.6g}"
        if abs(factor) > 1
        else f"multiply {them} by {1 / factor:.6g}",
        error_after_fix=0.0,
    )


def _exchanged(
    judged: Judged, numbers: list[int], by_rows: bool, vectors: Vectors
) -> Finding | None:
    """Return the finding of two rows or columns that hold each other's derivatives, or None."""
    if len(numbers) != 2:
        return None
    lines, others = judged.rows, judged.columns
    if not by_rows:
        lines, others = others, lines
    first, second = (np.flatnonzero(lines == number) for number in numbers)
    first, second = first[np.argsort(others[first])], second[np.argsort(others[second])]
    if not np.array_equal(others[first], others[second]):
        return None
    both, swapped = np.concatenate([first, second]), np.concatenate([second, first])
    if not np.all(_agrees(judged.analytic[swapped], judged, both)):
        return None
    name = vectors.row_name if by_rows else vectors.column_name
    names = [name(number) for number in numbers]
    return gradients_exchanged.RULE.finding(
        _blocks(judged.columns[both], vectors),
        f"the {'rows' if by_rows else 'columns'} of {listed(names)} are exchanged",
        evidence=("each agrees with the other's place", *_worst(judged, both, vectors)),
        fix="exchange them",
        error_after_fix=0.0,
    )


def _agrees(analytic: Array, judged: Judged, here: Indices | None = None) -> Mask:
    numeric, bound = judged.numeric, judged.bound
    if here is not None:
        numeric, bound = numeric[here], bound[here]
    return np.asarray(np.abs(analytic - numeric) <= bound + SAME * np.abs(numeric))


def _how(judged: Judged, here: Indices) -> str:
    analytic, numeric = float(judged.analytic[here[0]]), float(judged.numeric[here[0]])
    if not analytic:
        return ", which is 0 and should not be"
    if numeric and abs(analytic / numeric + 1) < SAME:
        return ", which has the wrong sign"
    if numeric and abs(analytic / numeric - 1) < SCALED:
        return f", off by {analytic / numeric - 1:+.1e} of it"
    return f", {analytic / numeric:.6g} times what it should be" if numeric else ", and should be 0"


def _worst(judged: Judged, here: Indices, vectors: Vectors) -> tuple[str, ...]:
    """Return the entry that is furthest off, in words with the names of its row and column."""
    error = np.nan_to_num(np.abs(judged.analytic - judged.numeric)[here] / judged.bound[here])
    worst = int(here[np.argmax(error)])
    entry = _entry(int(judged.rows[worst]), int(judged.columns[worst]), vectors)
    return (f"{entry}: analytic {judged.analytic[worst]:.7g}, numeric {judged.numeric[worst]:.7g}",)


def _entry(row: int, column: int, vectors: Vectors) -> str:
    return vectors.derivative_name(row, vectors.column_name(column))


def _blocks(columns: Sequence[int] | Indices, vectors: Vectors) -> tuple[str, ...]:
    blocks = sorted({vectors.place(column)[0] for column in np.unique(columns).tolist()})
    return tuple(vectors.parameters.names[block] for block in blocks)
