"""GC409: g equals another block's gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnose.evidence import Evidence
from gradcheck.diagnose.rule import Direct, EditKind, Rule
from gradcheck.finding import Finding
from gradcheck.user.gradients import Gradient


def _find(rule: Rule, evidence: Evidence) -> Iterator[Finding]:
    gradients = evidence.first.gradients.blocks
    for index, block in enumerate(evidence.blocks):
        own = gradients[index].value
        if block.verdict not in ("wrong", "shape") or own is None or not np.any(own):
            continue
        for other, gradient in enumerate(gradients):
            value = gradient.value
            if other == index or value is None or value.size != own.size:
                continue
            if evidence.blocks[other].failed or not np.array_equal(value.ravel(), own.ravel()):
                continue
            if all(_equal_at(point.gradients.blocks, index, other) for point in evidence.points):
                yield Finding(
                    code=rule.code,
                    rule=rule.name,
                    blocks=(block.name,),
                    message=f"the gradient of {block.name} is that of {evidence.names[other]}",
                    evidence=(
                        f"the two are equal in all {own.size} entries, at your parameters and at a "
                        "second point",
                    ),
                    fix=f"compute the gradient of {block.name} from its own layer's delta",
                    equally=("GC501",) if own.ndim < 2 or min(own.shape) == 1 else ("GC406",),
                )
                break


def _equal_at(gradients: tuple[Gradient, ...], one: int, other: int) -> bool:
    first, second = gradients[one].value, gradients[other].value
    return (
        first is not None and second is not None and np.array_equal(first.ravel(), second.ravel())
    )


RULE = Rule(
    code="GC409",
    name="copy-paste-block",
    what=(
        "A line was copied and one name in it not changed, so that two parameters get the "
        "same gradient."
    ),
    shows="the gradient is, entry for entry, that of another parameter.",
    example="db1 = delta2.sum(axis=0);  db2 = delta2.sum(axis=0)",
    instead="db1 = delta1.sum(axis=0);  db2 = delta2.sum(axis=0)",
    detector=Direct(_find),
    edits=(EditKind.NAME, EditKind.INDEX, EditKind.TEXT),
)
