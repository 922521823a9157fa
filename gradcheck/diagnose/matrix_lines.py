"""The wrong line of a Jacobian or Hessian: the row that is furthest off, followed as a gradient.

A value of the function is followed as a loss, and its row of the matrix as the gradient. If the
code makes a whole column in one place, the column is compared with the derivatives of all values by
its parameter, which `trace` knows as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from gradcheck.compare.columns import Judged
from gradcheck.compare.point import Point
from gradcheck.compare.stages import Plan, compare
from gradcheck.diagnose.fault_in_words import PUT_RIGHT
from gradcheck.diagnose.following import with_faults
from gradcheck.diagnose.jacobians import Told
from gradcheck.diagnose.rules import (
    double_batch_mean,
    missing_batch_mean,
    unknown_cause,
    wrong_batch_divisor,
    wrong_factor,
    wrong_scale,
)
from gradcheck.diagnose.tracing import follow
from gradcheck.errors import UsageError
from gradcheck.finding import Finding
from gradcheck.numeric.estimate import Indices
from gradcheck.preflight import run_preflight
from gradcheck.trace import Fault
from gradcheck.user.blocks import Parameters, cut
from gradcheck.user.bounds import Bounds
from gradcheck.user.calls import UserCodeError
from gradcheck.user.contracted import Contraction, Row, contracted
from gradcheck.user.packing import made_of
from gradcheck.user.structures import flatten
from gradcheck.user.vectors import Vectors, read_matrix
from gradcheck.user.wrapping import parameters

MOST_ROWS = 2
"""The maximum number of findings that are followed; wrong entries elsewhere share their cause."""

MOST_COLUMNS = 6
"""The maximum number of columns that are compared with the derivatives of all values."""

MOST_WRONG, MOST_OTHERS = 64, 100
"""The maximum numbers of wrong columns, and of other columns of a block, that are compared."""

SCALES = frozenset(rule.RULE.code for rule in (wrong_batch_divisor, wrong_scale))
VAGUE = (unknown_cause.RULE.code, wrong_scale.RULE.code)
OF_BATCHES = SCALES | {rule.RULE.code for rule in (missing_batch_mean, double_batch_mean)}
"""Codes that a finding without a name does not take: a row has no samples to average."""

BY_VALUE = re.compile(r"dL/d(\([^()]*\)|`[^`]*`|[\w.]+(?:\[[^\[\]]*\])?)")
"""A derivative in the words of the trace, which takes the value of a row for the loss."""


@dataclass(frozen=True)
class Lines:
    """The findings with their places in the source, the faults behind them, and wrong columns."""

    findings: tuple[Finding, ...]
    faults: tuple[Fault, ...] = ()
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Followed:
    """The result of following a row: the findings, each with its columns, and the faults."""

    findings: tuple[tuple[Finding, frozenset[int]], ...] = ()
    faults: tuple[Fault, ...] = ()


def compared_as_loss(
    vectors: Vectors,
    claimed: Callable[[Any], Any],
    how: Contraction,
    own: Parameters,
    columns: Sequence[int],
    rng: np.random.Generator,
) -> Point | None:
    """Return the point at which one number of the function's values is the loss, or None.

    It is compared in some columns, and a few others. None if the user's code fails.
    """
    bounds = _bounds(vectors, own)
    function, layered = vectors.function, not vectors.has_parts
    if vectors.has_parts:
        own = made_of(own, own.values, own.pack)
        function, claimed = _with_parts(vectors, claimed)
    problem = contracted(own, function, claimed, how, bounds, vectors.loss, layered)
    try:
        _, point = run_preflight(problem, rng)
        if point is None:
            return None
        return compare(point, Plan(_entries(own, columns, rng)), rng)
    except (UserCodeError, UsageError):
        return None
    finally:
        own.restore()


def _with_parts(
    vectors: Vectors, claimed: Callable[[Any], Any]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the function and its Jacobian in the real and imaginary parts of complex numbers."""

    def function(packed: Any) -> Any:
        return vectors.real(vectors.function(packed))

    def matrix(packed: Any) -> Any:
        there = replace(vectors, shape=function(packed).shape)  # other data may change it
        return read_matrix(claimed(packed), there).dense

    return function, matrix


def _entries(own: Parameters, columns: Sequence[int], rng: np.random.Generator) -> list[Indices]:
    """Return the entries of every block in some columns, with as many others as cost little."""
    entries, start = [], 0
    for value in own.values:
        others = rng.permutation(value.size)[:MOST_OTHERS]
        inside = [one - start for one in columns if start <= one < start + value.size]
        entries.append(np.union1d(others, np.array(inside, dtype=np.intp)).astype(np.intp))
        start += value.size
    return entries


def _bounds(vectors: Vectors, own: Parameters) -> Bounds | None:
    """Return the bounds of the parameters, by block."""
    if vectors.box is None:
        return None
    low, high = (tuple(cut(side, own.shapes)) for side in vectors.box)
    return Bounds(low, high)


def with_lines(
    told: Sequence[Told],
    judged: Judged,
    vectors: Vectors,
    claimed: Callable[[Any], Any],
    rng: np.random.Generator,
) -> Lines:
    """Return the findings of a Jacobian with the wrong expressions."""
    rows: dict[int, _Followed] = {}
    findings: list[Finding] = []
    for one in told:
        finding = one.finding
        row = _worst_row(one, judged)
        if row is not None and (row in rows or len(rows) < MOST_ROWS):
            if row not in rows:
                rows[row] = _follow_row(row, judged, vectors, claimed, rng)
            of_it = set(judged.columns[one.entries].tolist())
            traced = [each for each, of in rows[row].findings if of & of_it]
            finding = _placed(finding, traced[0], row, vectors) if traced else finding
        findings.append(finding)
    faults = tuple(fault for one in rows.values() for fault in one.faults)
    columns = tuple(np.unique(judged.columns[judged.wrong])[:MOST_WRONG].tolist())
    return Lines(tuple(findings), faults, columns)


def _worst_row(one: Told, judged: Judged) -> int | None:
    """Return the row that is furthest off, if possible one where neither derivative is 0."""
    if not len(one.entries):
        return None
    analytic, numeric, bound = (
        side[one.entries] for side in (judged.analytic, judged.numeric, judged.bound)
    )
    apart = np.nan_to_num(np.abs(analytic - numeric) / bound)
    neither = np.minimum(np.abs(analytic), np.abs(numeric)) > bound
    chosen = int(np.argmax(apart * neither if np.any(neither) else apart))
    return int(judged.rows[one.entries[chosen]])


def _follow_row(
    row: int,
    judged: Judged,
    vectors: Vectors,
    claimed: Callable[[Any], Any],
    rng: np.random.Generator,
) -> _Followed:
    in_row = judged.columns[judged.wrong & (judged.rows == row)]
    elsewhere = judged.columns[judged.wrong]  # a cause that explains these as well says more
    columns = sorted([*dict.fromkeys([*in_row.tolist(), *elsewhere.tolist()])][:MOST_COLUMNS])
    own, along = _by_columns(vectors, columns)
    point = compared_as_loss(vectors, claimed, Row(row), own, columns, rng)
    if point is None or not point.failed:
        return _Followed()
    # another function may fit this row by chance; it says nothing about the other rows
    search = replace(follow(point, rng, along), doubt=None)
    failed = {block.name for block in point.blocks if block.failed}
    findings = with_faults((), search, failed)
    of = _columns_of(own)
    return _Followed(
        tuple((one, frozenset().union(*(of[name] for name in one.blocks))) for one in findings),
        search.faults,
    )


def _by_columns(
    vectors: Vectors, columns: Sequence[int]
) -> tuple[Parameters, tuple[tuple[str, int], ...]]:
    """Return the parameters with each wrong column as a block, and the places of these columns.

    Several arrays, or a single number, are kept as the blocks.
    """
    own = vectors.parameters
    few = columns
    is_whole = len(own.names) > 1 or own.values[0].size == 1
    if own.vector is not None and len(own.vector) == 1:
        own, is_whole = flatten(vectors.point), False
    if is_whole or own.in_place or own.vector is not None or own.leaves[0].path:
        places = [vectors.place(column) for column in few]
        return own, tuple((own.names[block], entry) for block, entry in places)
    shapes: dict[str, tuple[int, ...]] = {}
    ends = [edge for column in few for edge in (column, column + 1)]
    edges = sorted({0, own.values[0].size, *ends})
    for first, last in pairwise(edges):
        alone = first in few
        name = vectors.column_name(first) if alone else f"{own.names[0]}[{first}:{last}]"
        shapes[name] = (1,) if alone else (last - first,)
    return parameters(own, shapes=shapes), tuple(("params", column) for column in few)


def _columns_of(own: Parameters) -> dict[str, set[int]]:
    """Return the columns of every block."""
    columns, start = {}, 0
    for name, value in zip(own.names, own.values, strict=True):
        columns[name] = set(range(start, start + value.size))
        start += value.size
    return columns


def _placed(finding: Finding, traced: Finding, row: int, vectors: Vectors) -> Finding:
    """Return a finding with the expression to which its row was followed."""

    def reworded(text: str) -> str:
        return BY_VALUE.sub(lambda match: vectors.derivative_name(row, match[1]), text)

    code, fix = traced.code, reworded(traced.fix)
    is_vague = finding.code == unknown_cause.RULE.code
    is_scale = code in SCALES
    message = finding.message
    if is_vague and is_scale:  # the factor of one entry; others may be off by another
        fix = f"compare `{traced.expression}` with the derivative of what your function computes"
    elif code not in (unknown_cause.RULE.code, finding.code):
        message = f"{message}: {reworded(traced.message)}"
        is_known = finding.code != unknown_cause.RULE.code and code == wrong_factor.RULE.code
        if finding.code in VAGUE and code not in OF_BATCHES and not is_known:
            finding = replace(finding, code=code, rule=traced.rule)
    elif not is_vague and code == unknown_cause.RULE.code and not fix.startswith("write "):
        fix = finding.fix
    evidence = [one for one in traced.evidence if not one.startswith(PUT_RIGHT)]
    return replace(
        finding,
        message=message,
        evidence=(*finding.evidence, *map(reworded, evidence)),
        fix=fix,
        location=traced.location,
        also=traced.also,
        expression=traced.expression,
        actual=reworded(traced.actual or ""),
        expected=reworded(traced.expected or ""),
    )
