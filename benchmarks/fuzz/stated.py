"""What a passing report states: the error that it would have seen in an entry.

This is the one place that knows what `resolution` is relative to.
"""

from __future__ import annotations

import re

import numpy as np

from benchmarks.fuzz.problem import Array
from gradcheck import Block, Report

SCREENED = re.compile(r"an error of (\S+) of the block's largest in one of them")
CLOSING = re.compile(r"a relative error of (\S+) or more would have been seen")


def stated_errors(report: Report, claimed: Array, blocks: dict[str, Array]) -> Array:
    """The smallest absolute error that would have been seen in every entry, (n,).

    Args:
        report: one that passed.
        claimed: the gradient that it judged, flat.
        blocks: the flat indices of the blocks, by name.
    """
    stated = np.full(len(claimed), np.inf)
    for block in report.blocks:
        at = blocks[block.name]
        if not len(at):
            continue
        if block.resolution is None:
            stated[at] = np.inf if block.error_bound is None else block.error_bound
        else:
            stated[at] = max(block.resolution, _screened(report, block)) * scale(block, claimed[at])
    return stated


def stated_by_closing(report: Report, claimed: Array, blocks: dict[str, Array]) -> Array:
    """The same by the report's last line, whose number holds for all blocks."""
    found = CLOSING.search(str(report))
    if found is None:
        return np.full(len(claimed), np.inf)
    stated = np.zeros(len(claimed))
    for block in report.blocks:
        at = blocks[block.name]
        share = max(float(found[1]), _screened(report, block))
        stated[at] = share * scale(block, claimed[at])
    return stated


def scale(block: Block, claimed: Array) -> float:
    """What the block's relative errors are relative to: its largest derivative."""
    if block.max_rel_error and block.max_abs_error and np.isfinite(block.max_rel_error):
        return block.max_abs_error / block.max_rel_error
    return float(np.max(np.abs(claimed), initial=0.0))


def _screened(report: Report, block: Block) -> float:
    """What the directions would have shown in entries that were not perturbed alone."""
    if block.entries == block.size:
        return 0.0
    found = [match for note in report.notes if (match := SCREENED.search(note))]
    return max((float(match[1]) for match in found), default=np.inf)
