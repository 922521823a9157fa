"""The edits that are tried: a new kind is one name in `EditKind` and its row of `MAKERS`.

Weights say how unnatural an edit is: what people forget or mix up most often comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gradcheck.diagnose.rule import EditKind
from gradcheck.diagnose.rules import RULES
from gradcheck.finding import Finding
from gradcheck.mending.context import Context, Edit
from gradcheck.mending.of_calls import (
    axes,
    comparisons,
    constants,
    flags,
    functions,
    library_functions,
    sums,
    texts,
    wrapped,
)
from gradcheck.mending.of_factors import (
    missing_factor,
    missing_penalty,
    missing_weights,
    removed_factor,
    scaled,
    signs,
)
from gradcheck.mending.of_operands import (
    all_of_a_name,
    columns,
    indices,
    names,
    powers,
    products,
    transposes,
)
from gradcheck.mending.of_statements import (
    assigned_or_added,
    kept_results,
    moved_statements,
    reversed_loops,
)

Maker = Callable[[Context], Iterator[Edit]]


MAKERS: Mapping[EditKind, Maker] = {
    EditKind.SCALE: scaled,
    EditKind.SIGN: signs,
    EditKind.REMOVED_FACTOR: removed_factor,
    EditKind.TRANSPOSE: transposes,
    EditKind.AXIS: axes,
    EditKind.SUM: sums,
    EditKind.COMPARISON: comparisons,
    EditKind.FLAG: flags,
    EditKind.ASSIGNED_OR_ADDED: assigned_or_added,
    EditKind.PRODUCT: products,
    EditKind.NAME: names,
    EditKind.FUNCTION: functions,
    EditKind.LIBRARY_FUNCTION: library_functions,
    EditKind.INDEX: indices,
    EditKind.POWER: powers,
    EditKind.COLUMN: columns,
    EditKind.CONSTANT: constants,
    EditKind.MISSING_FACTOR: missing_factor,
    EditKind.MISSING_PENALTY: missing_penalty,
    EditKind.MOVED_STATEMENT: moved_statements,
    EditKind.WRAPPED: wrapped,
    EditKind.ALL_OF_A_NAME: all_of_a_name,
    EditKind.TEXT: texts,
    EditKind.REVERSED_LOOP: reversed_loops,
    EditKind.KEPT_RESULT: kept_results,
    EditKind.MISSING_WEIGHTS: missing_weights,
}
"""What makes all edits of a kind in a function."""

AT_THE_LINE = 0.25
"""The factor on the weight of an edit at a line that the diagnosis points at."""

OF_THE_RULE = 0.4
"""The factor on the weight of an edit of a kind that mends what the diagnosis found."""

ODD = 4.0
ODDITIES = re.compile(rb"-\w+\.shape|\.shape\[-?\d\] [*/]|-\w*cache|^\d+ [*/]|len\([^)]*\) [*/]")
"""What nobody means: a size that is negative, or is divided."""


@dataclass(frozen=True)
class Hints:
    """What the diagnosis says of where and how to edit; it orders the search.

    Attributes:
        lines: the files and lines that it points at.
        kinds: of the edits that mend what it found.
    """

    lines: frozenset[tuple[str, int]] = frozenset()
    kinds: frozenset[EditKind] = frozenset()

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> Hints:
        """The hints of some findings."""
        codes = {finding.code for finding in findings}
        places = [place for one in findings for place in (one.location, *one.also) if place]
        return cls(
            frozenset((place.file, place.line) for place in places),
            frozenset(kind for rule in RULES if rule.code in codes for kind in rule.edits),
        )

    def factor(self, edit: Edit, kind: EditKind) -> float:
        """By how much more natural an edit is than it would be without these hints."""
        at_the_line = AT_THE_LINE if (edit.path, edit.line) in self.lines else 1.0
        return at_the_line * (OF_THE_RULE if kind in self.kinds else 1.0)


def all_edits(contexts: Sequence[Context], hints: Hints) -> list[Edit]:
    """All edits of some functions, the likeliest first."""
    likeliest: dict[tuple[str, int, int, bytes], Edit] = {}
    for kind, make in MAKERS.items():
        for context in contexts:
            for edit in make(context):
                if context.text[edit.start : edit.end] == edit.replacement:
                    continue
                odd = ODD if ODDITIES.search(edit.replacement) else 1.0
                weighed = replace(edit, weight=edit.weight * hints.factor(edit, kind) * odd)
                key = (edit.path, edit.start, edit.end, edit.replacement)
                if key not in likeliest or likeliest[key].weight > weighed.weight:
                    likeliest[key] = weighed
    return sorted(likeliest.values(), key=lambda edit: (edit.weight, edit.path, edit.start))
