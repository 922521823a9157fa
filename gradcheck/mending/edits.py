"""The edits that are tried: a new kind is one name in `EditKind` and its row of `MAKERS`.

Weights say how unnatural an edit is: the most frequent mistakes come first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gradcheck.diagnose.rule import EditKind
from gradcheck.diagnose.rules import RULES
from gradcheck.finding import Finding
from gradcheck.mending import (
    of_calls,
    of_factors,
    of_indices,
    of_insertions,
    of_operands,
    of_statements,
    of_terms,
)
from gradcheck.mending.context import Context, Edit
from gradcheck.mending.moments import Wanted
from gradcheck.mending.of_parts import formed
from gradcheck.mending.of_siblings import for_others
from gradcheck.mending.said import Said
from gradcheck.trace import Fault
from gradcheck.user.calls import Location

AT_A_PLACE = 2
"""The number of wanted values at one place for which edits are made."""

OF_ZERO = "GC408"

Maker = Callable[[Context], Iterator[Edit]]


MAKERS: Mapping[EditKind, Maker] = {
    EditKind.SCALE: of_factors.scaled,
    EditKind.SIGN: of_factors.signs,
    EditKind.REMOVED_FACTOR: formed(EditKind.REMOVED_FACTOR),
    EditKind.TRANSPOSE: of_operands.transposes,
    EditKind.AXIS: of_calls.axes,
    EditKind.SUM: formed(EditKind.SUM),
    EditKind.COMPARISON: of_calls.comparisons,
    EditKind.FLAG: of_calls.flags,
    EditKind.ASSIGNED_OR_ADDED: of_statements.assigned_or_added,
    EditKind.PRODUCT: of_operands.products,
    EditKind.NAME: of_operands.names,
    EditKind.FUNCTION: of_calls.functions,
    EditKind.INDEX: of_indices.indices,
    EditKind.POWER: formed(EditKind.POWER),
    EditKind.COLUMN: formed(EditKind.COLUMN),
    EditKind.CONSTANT: of_calls.constants,
    EditKind.MISSING_FACTOR: of_factors.missing_factor,
    EditKind.MOVED_STATEMENT: of_statements.moved_statements,
    EditKind.WRAPPED: of_calls.wrapped,
    EditKind.OTHER_NAME: of_operands.other_names,
    EditKind.KEPT_RESULT: of_statements.kept_results,
    EditKind.OPERATOR: of_operands.operators,
    EditKind.BRACKETS: of_operands.brackets,
    EditKind.EXCHANGED: of_operands.exchanged,
    EditKind.PART: formed(EditKind.PART),
    EditKind.INSERTED: of_insertions.inserted,
    EditKind.IN_PLACE: of_insertions.in_place,
    EditKind.REPEATED_ENTRIES: of_insertions.repeated_entries,
    EditKind.COPY: of_insertions.copies,
    EditKind.CONJUGATE: formed(EditKind.CONJUGATE),
    EditKind.TERM: of_terms.missing_terms,
}
"""For each kind, the function that makes all edits of that kind."""

AT_THE_LINE = 0.25
"""The factor on the weight of an edit at a line that the diagnosis points at."""

OF_THE_RULE = 0.4
"""The factor on the weight of an edit of a kind that mends what the diagnosis found."""

OF_THE_LOSS = 2.0
"""The factor on the weight of an edit of code that the loss runs as well, which is right."""


@dataclass(frozen=True)
class Hints:
    """The hints of a diagnosis: lines, kinds of edits, advice in words, and wanted values.

    `is_zero` says whether the gradient of a block is 0.
    """

    lines: frozenset[tuple[str, int]] = frozenset()
    kinds: frozenset[EditKind] = frozenset()
    said: tuple[Said, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    is_zero: bool = False

    @classmethod
    def of(cls, findings: Sequence[Finding], faults: Sequence[Fault] = ()) -> Hints:
        """Return the hints of some findings, and of the faults behind them."""
        codes = {finding.code for finding in findings}
        advice = [
            Said(place, one.fix) for one in findings for place in (one.location, *one.also) if place
        ]
        return cls(
            frozenset((one.place.file, one.place.line) for one in advice),
            frozenset(kind for rule in RULES if rule.code in codes for kind in rule.edits),
            tuple(advice),
            _some_of_each_place([one for one in map(Wanted.of, faults) if one is not None]),
            OF_ZERO in codes,
        )

    def factor(self, edit: Edit, kind: EditKind) -> float:
        """Return the factor by which these hints change the weight of an edit."""
        at_the_line = AT_THE_LINE if (edit.path, edit.line) in self.lines else 1.0
        return at_the_line * (OF_THE_RULE if kind in self.kinds else 1.0)


def _some_of_each_place(wanted: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """Return a few of the values that are wanted at one place: numbers in lists are many."""
    seen = Counter[Location]()
    some = []
    for one in wanted:
        seen[one.place] += 1
        some += [one] if seen[one.place] <= AT_A_PLACE else []
    return tuple(some)


def weighed(constructed: Sequence[Edit]) -> list[Edit]:
    """Return edits made for the wanted value, with the weights of what the diagnosis means."""
    return [edit._replace(weight=edit.weight * AT_THE_LINE * OF_THE_RULE) for edit in constructed]


def all_edits(contexts: Sequence[Context], hints: Hints) -> Iterator[Edit]:
    """Yield all edits of some functions: at the lines that are pointed at, then all others."""
    seen: set[tuple[str, int, int, bytes]] = set()
    near = [replace(one, only_pointed=True) for one in contexts if one.pointed]
    for some in (near, contexts):
        likeliest: dict[tuple[str, int, int, bytes], Edit] = {}
        for edit in _made(some, hints):
            key = edit[:4]  # path, start, end and replacement
            is_here = some is contexts or (edit.path, edit.line) in hints.lines
            better = key not in likeliest or likeliest[key].weight > edit.weight
            if is_here and better and key not in seen:
                likeliest[key] = edit
        seen |= likeliest.keys()
        yield from sorted(likeliest.values(), key=lambda edit: (edit.weight, edit.path, edit.start))


def exchanged(contexts: Sequence[Context], hints: Hints) -> Iterator[Edit]:
    """Yield what is exchanged at the lines pointed at, or anywhere: one edit mends two values.

    Then statements for other parameters, where a gradient is 0: any line may lack one.
    """
    of_a_line = [replace(one, only_pointed=True) for one in contexts if one.pointed]
    for context in contexts if EditKind.EXCHANGED in hints.kinds else of_a_line:
        for edit in of_operands.exchanged(context):
            if not context.is_guarded(edit):
                yield edit._replace(weight=edit.weight * hints.factor(edit, EditKind.EXCHANGED))
    for context in contexts if hints.is_zero else ():
        yield from (edit for edit in for_others(context) if not context.is_guarded(edit))


def _made(contexts: Sequence[Context], hints: Hints) -> Iterator[Edit]:
    """Yield edits with their weights; a text may come more than once."""
    for kind, make in MAKERS.items():
        for context in contexts:
            of_loss = OF_THE_LOSS if context.of_loss else 1.0
            for edit in make(context):
                before = context.text[edit.start : edit.end]
                if before != edit.replacement and not context.is_guarded(edit):
                    weight = edit.weight * hints.factor(edit, kind) * of_loss
                    yield edit._replace(weight=weight)
