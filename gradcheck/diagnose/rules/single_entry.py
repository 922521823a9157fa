"""GC703: one or a few entries, a row or a column are wrong and all others right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gradcheck.compare.block import Block
from gradcheck.compare.verdict import judge_entries
from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import EditKind, Last, Rule, Traced
from gradcheck.finding import Finding
from gradcheck.trace import fault
from gradcheck.words import verb

FEW = 3
LITTLE, ORDERED = 1e-5, 1e-6
"""No wrong index or slice makes an error of so small a share of the block."""


def find(rule: Rule, evidence: Evidence, blocks: Sequence[int]) -> Iterator[Finding]:
    """Yield the findings on blocks of which only few entries, or one row or column, are wrong."""
    for block in blocks:
        mates = [
            other
            for layer in evidence.layers
            if block in layer.blocks
            for other in layer.blocks
            if other != block
        ]
        if not any(evidence.blocks[mate].failed for mate in mates):
            yield from _find(rule, evidence, block)


def _find(rule: Rule, evidence: Evidence, block: int) -> Iterator[Finding]:
    wrong = _wrong(evidence, block)
    if (evidence.blocks[block].max_rel_error or np.inf) < LITTLE:
        return
    shape = evidence.blocks[block].shape
    if wrong is None or not len(wrong):
        return
    name, size = evidence.names[block], evidence.blocks[block].size
    where = _where(wrong, shape)
    # the gradient implied by an update of single rows is 0 elsewhere
    moved = np.count_nonzero(evidence.blocks[block].analytic) or size
    if where is None or 2 * len(wrong) > min(size, moved) or 1 < len(wrong) == size / 2:
        return  # half of a vector may be one parameter of two
    message = f"only {where} of the gradient of {name} "
    message += "are wrong" if where.startswith("entries") else "is wrong"
    fix = (
        f"look at what is written to {where} of the gradient of {name}: an index that is off by "
        "one, a slice, a special case"
    )
    if _are_exchanged(evidence.blocks[block], wrong):
        message = f"{where} of the gradient of {name} are right, and stand in each other's place"
        fix = "write each where its parameter is read: the two have another order of rows, columns"
    yield rule.finding(
        (name,),
        message,
        evidence=(
            f"{len(wrong)} of the {evidence.blocks[block].entries} entries checked "
            f"{verb(wrong, 'is', 'are')} wrong, and all others agree with the numeric gradient",
        ),
        fix=fix,
    )


def _are_exchanged(block: Block, wrong: NDArray[np.intp]) -> bool:
    """True if the wrong entries are the right ones in another order."""
    flat = np.ravel_multi_index(tuple(wrong.T), block.shape)
    measured = np.isin(block.numeric.entries, flat)
    numeric = block.numeric.estimates.value[measured]
    pair = np.sort(np.ravel(block.analytic)[measured]), np.sort(numeric)
    return len(flat) > 1 and bool(np.ptp(numeric) > 0 and np.allclose(*pair, ORDERED, 0))


def _wrong(evidence: Evidence, index: int) -> NDArray[np.intp] | None:
    """Return the indices of the wrong entries, of shape (n, ndim), or None if some are unknown."""
    block = evidence.blocks[index]
    if block.verdict != "wrong" or not block.shape:
        return None
    localised = block.screened is not None and block.screened.suspects
    if block.entries != block.size and not localised:
        return None
    judged = judge_entries(
        block.analytic, block.numeric, block.precision, None, evidence.first.scale
    )
    if not np.all(judged.ok | judged.wrong):
        return None
    flat = block.numeric.entries[judged.wrong]
    return np.array(np.unravel_index(flat, block.shape)).T


def _where(wrong: NDArray[np.intp], shape: tuple[int, ...]) -> str | None:
    """Describe the wrong entries if they are one row or column, or few; otherwise None."""
    if len(shape) == 2 and min(shape) > 1:
        for axis, line in ((0, "row"), (1, "column")):
            lines = np.unique(wrong[:, axis])
            if len(lines) == 1 and len(wrong) > shape[1 - axis] / 2 and shape[axis] > 2:
                return f"{line} {lines[0]}"
    if len(wrong) <= FEW:
        listed = [f"[{', '.join(map(str, entry))}]" for entry in wrong.tolist()]
        return f"{'entry' if len(listed) == 1 else 'entries'} {', '.join(listed)}"
    return None


RULE = Rule(
    code="GC703",
    name="single-entry",
    what="One entry, row or column of a gradient is computed differently from the rest: an index "
    "off by one, a slice too short, a case that was forgotten.",
    shows="few entries are wrong, and all others are right.",
    example="dW[:-1] = (X.T @ delta)[:-1]",
    instead="dW = X.T @ delta",
    last_resort=True,
    detector=Last(find),
    also=(Traced((fault.SPOILED,)),),
    edits=(EditKind.CONSTANT, EditKind.REMOVED_FACTOR, EditKind.INDEX, EditKind.PART),
)
