"""GC409: g equals another block's gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, EditKind, Rule
from gradcheck.finding import Finding


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    for index, block in enumerate(evidence.blocks):
        copied = block.gradient.value
        if block.verdict not in ("wrong", "shape") or copied is None or not np.any(copied):
            continue
        for other, original in enumerate(evidence.blocks):
            if other == index or original.failed:
                continue
            if all(_equal_at(point, index, other) for point in evidence.points):
                yield rule.finding(
                    (block.name,),
                    f"the gradient of {block.name} is that of {original.name}",
                    evidence=(
                        f"the two are equal in all {copied.size} entries, at your parameters and "
                        "at a second point",
                    ),
                    fix=f"compute the gradient of {block.name} from its own layer's delta",
                    equally=("GC501",) if copied.ndim < 2 or min(copied.shape) == 1 else ("GC406",),
                )
                break


def _equal_at(point: Point, one: int, other: int) -> bool:
    first, second = point.blocks[one].gradient.value, point.blocks[other].gradient.value
    return (
        first is not None and second is not None and np.array_equal(first.ravel(), second.ravel())
    )


RULE = Rule(
    code="GC409",
    name="copy-paste-block",
    what="A line was copied and one name in it not changed, so that two parameters get the same "
    "gradient.",
    shows="the gradient is, entry for entry, that of another parameter.",
    example="db1 = delta2.sum(axis=0);  db2 = delta2.sum(axis=0)",
    instead="db1 = delta1.sum(axis=0);  db2 = delta2.sum(axis=0)",
    detector=Direct(_find),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.OTHER_NAME),
)
