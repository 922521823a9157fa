"""Factors that all gradients of a script have in common: of its rate, or of a loss that it has not.

A line that computes the loss tells its size. No line does where the loss is inferred, and where a
script shows a mean of what it adds up, the sum's size is not meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.arrays import one_factor
from gradcheck.casefiles import Case
from gradcheck.report.model import Report
from gradcheck.script.handover import Taken
from gradcheck.script.verdicts import UNEXPLAINED_FACTOR, causes, of_the_factor

MEASURED = 1e-6
"""Relative precision to which the factor between two learning rates is measured."""

QUICK = {"budget": 0.5, "diagnose": False}
"""Options of a check that only tells whether a whole one is worth its time."""

MOST_TRIED, DIGITS = 3, 3

OF_A_MEAN = {"GC102", "GC104"}
"""Findings of the factor that a sum has beside its mean."""

DESCENDED = "the updates descend {}, times {:.4g}"
FASTER = "the updates descend {} as with a rate {:.4g} times as large"


@dataclass(frozen=True)
class Factored:
    """The report on gradients up to a factor, the factor, and what is to be said of it.

    The factor is 1 where the report is not of all gradients being right with it.
    """

    report: Report
    factor: float = 1.0
    note: str = ""


def with_a_factor(taken: Taken, report: Report, overrides: dict[str, Any]) -> Factored:
    """Attribute a common factor of all gradients to the learning rate or to the loss.

    It belongs to the loss where no line computes that; else to the rate where no rule explains it,
    or the code has no rate. Any error of a single number is a factor, and none of these.
    """
    loss, rate, is_mean = taken.found.loss, taken.point.step.rate, taken.is_of_mean
    worst = [block.worst for block in report.blocks]
    ratios = [one.analytic / one.numeric for one in worst if one and one.numeric]
    common = loss.common or (loss.family and one_factor(ratios, MEASURED))
    is_one = rate.words and sum(block.size for block in report.blocks) == 1
    if loss.agrees or (is_one and not loss.family):
        return Factored(report)
    if not common:
        return _with_that_of_blocks(taken, report, overrides)
    precise = float(np.median(ratios)) if ratios else common
    if not loss.family and not taken.of_step and not is_mean:
        return Factored(report)
    again = _checked_if(lambda one: one.ok, taken.rescaled(precise), overrides)
    if again is None:
        return Factored(report)
    if loss.family:
        return Factored(again, precise, DESCENDED.format(loss.words, common))
    found = causes(report)
    is_named = rate.words and not found <= UNEXPLAINED_FACTOR
    if is_named and not (is_mean and common < 1 and found <= OF_A_MEAN):
        return Factored(of_the_factor(report))
    return Factored(_open(again, taken), precise, _words(taken).format(loss.words, common))


def _checked_if(
    holds: Callable[[Report], bool], case: Case, overrides: dict[str, Any]
) -> Report | None:
    """Return the report on a case for which something holds, also of a quick check; else None."""
    allowed = allowing(overrides, MEASURED)
    if not holds(case.check(**{**allowed, **QUICK})):
        return None
    report = case.check(**allowed)
    return report if holds(report) else None


def allowing(overrides: dict[str, Any], rtol: float) -> dict[str, Any]:
    """Return the options of a check with at least a relative error that is accepted."""
    return {**overrides, "rtol": max(overrides.get("rtol") or 0.0, rtol)}


def _open(report: Report, taken: Taken) -> Report:
    """Return a report with what a pass leaves open, where a line computes the loss."""
    open_to = "the size of the loss" if taken.is_of_mean else "the rate"
    return report if taken.found.loss.family or not report.ok else replace(report, up_to=open_to)


def _words(taken: Taken) -> str:
    return DESCENDED if taken.found.loss.family or taken.is_of_mean else FASTER


def _with_that_of_blocks(taken: Taken, report: Report, overrides: dict[str, Any]) -> Factored:
    """Give a loss of unknown size the constant that makes more than one number right.

    Beside a loss of known size, several blocks that are off by one factor, which no rule explains,
    show that the rate is another, unless any block is right as it is.
    """
    loss = taken.found.loss
    is_unknown = not loss.has_constant or (taken.is_of_mean and not loss.agreeing)
    is_doubtful = taken.of_step and not loss.agreeing
    for ratio, blocks in _common_ratios(report)[:MOST_TRIED]:
        codes = {one.code for one in report.errors if blocks & {*one.blocks}}
        if not is_unknown and not (is_doubtful and len(blocks) > 1 and codes <= UNEXPLAINED_FACTOR):
            continue
        again = _checked_if(_more_than_one, taken.rescaled(ratio), overrides)
        if again is not None:
            return Factored(_open(again, taken), note=_words(taken).format(loss.words, ratio))
    return Factored(report)


def _more_than_one(report: Report) -> bool:
    """Whether more than one number has the right gradient."""
    return sum(block.size for block in report.blocks if block.verdict == "ok") > 1


def _common_ratios(report: Report) -> list[tuple[float, set[str]]]:
    """Return the factors by which gradients are off, with their blocks, that of most blocks first.

    Of as many blocks the last ones are first, which are nearest to the loss.
    """
    found: dict[float, list[tuple[float, str]]] = {}
    for block in reversed(report.blocks):
        worst = block.worst
        if worst and worst.numeric and worst.analytic / worst.numeric > 0:
            ratio = worst.analytic / worst.numeric
            found.setdefault(round(math.log(ratio), DIGITS), []).append((ratio, block.name))
    largest = sorted(found.values(), key=len, reverse=True)
    return [(alike[0][0], {name for _, name in alike}) for alike in largest]
