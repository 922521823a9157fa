"""Many candidates in one code: every statement is there with its variants, and one is chosen.

Compiling a function for each candidate would take longer than running it. So it is compiled with
the variants of many: `if 7 in chosen: dW = X.T @ dZ / m`, `else: dW = X.T @ dZ`. A candidate is the
numbers that are chosen.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from types import CodeType

from gradcheck.mending.context import Edit
from gradcheck.mending.marks import LEFT, RIGHT
from gradcheck.mending.pieces import Piece, apply, offsets, span, span_of_piece
from gradcheck.mending.source import Function, UnreadableError, inner_codes, new_code

CHOSEN = "_variants_that_are_chosen_"
"""The name in `builtins` that holds the chosen numbers, outside of the user's scopes."""

Candidate = tuple[Edit, ...]
Texts = Mapping[str, bytes]
"""The files that may be edited, by their path."""


Codes = Sequence[tuple[Function, CodeType]]
Variant = tuple[Codes, frozenset[int]]
"""Functions with their codes, and the numbers to choose in these."""


@dataclass(frozen=True)
class Slot:
    """Bytes that are replaced as a whole: a statement alone on its lines, or an expression."""

    path: str
    start: int
    end: int
    indent: bytes | None
    """The indentation of a statement; None for an expression."""

    def holds(self, edit: Edit) -> bool:
        """True if an edit changes nothing else."""
        return self.path == edit.path and self.start <= edit.start and edit.end <= self.end


class Program:
    """The user's files after some edits, with the functions that are edited."""

    def __init__(self, functions: Sequence[Function], texts: Texts, edits: Candidate = ()) -> None:
        self.functions, self.texts, self.edits = functions, texts, edits
        self._own = [(function, function.code) for function in functions]
        self._slots: dict[str, list[Slot]] = {path: [] for path in texts}
        self._now: Codes | None = None
        self._spans: dict[Function, tuple[int, int, int, int]] = {}
        trees = {path: ast.parse(text.decode()) for path, text in texts.items()}
        starts = {path: offsets(text) for path, text in texts.items()}
        for function in functions:
            path, text = function.path, texts[function.path]
            definition = function.definition(trees[path])
            first = definition.body if isinstance(definition, ast.Lambda) else definition.body[0]
            begin, end = span_of_piece(starts[path], definition)
            body = span(starts[path], first)[0]
            self._spans[function] = begin, end, body - begin, text[:begin].count(b"\n") + 1
            self._slots[path] += _slots(path, text, starts[path], definition)

    @contextmanager
    def running(self, codes: Codes, choice: frozenset[int] = frozenset()) -> Iterator[None]:
        """Let functions run other codes, with some variants chosen, inside of a with statement."""
        if codes is not self._now:
            self._now = codes
            for function, code in (*self._own, *codes):
                function.run_from_now_on(code)
        setattr(builtins, CHOSEN, choice)
        try:
            yield
        finally:
            setattr(builtins, CHOSEN, ())

    def restore(self) -> None:
        """Let the functions run the codes that they had when this object was made."""
        with self.running(()):
            self._now = None

    def slot_of(self, edit: Edit) -> Slot | None:
        """Return the slot of an edit; None if it is more than one statement."""
        slots = [slot for slot in self._slots[edit.path] if slot.holds(edit)]
        return min(slots, key=lambda slot: slot.end - slot.start, default=None)

    def code_of(self, edits: Sequence[Edit]) -> Codes:
        """Return the functions that edits change, with their new code.

        Raises:
            UnreadableError: it cannot be compiled.
        """
        return self._compiled([edit[:4] for edit in edits])

    def _compiled(self, changes: Sequence[tuple[str, int, int, bytes]]) -> Codes:
        codes: list[tuple[Function, CodeType]] = []
        for function in self.functions:
            begin, end, body, line = self._spans[function]
            inside = [
                (start - begin, stop - begin, text)
                for path, start, stop, text in changes
                if path == function.path and begin <= start and stop <= end
            ]
            if inside:
                edited = apply(self.texts[function.path][begin:end], inside)
                before = None if min(inside)[0] < body else body
                codes.append((function, new_code(function, edited, line, before)))
        return codes

    def is_of_loss(self, candidate: Candidate) -> bool:
        """True if a candidate edits code that the loss runs as well."""
        return any(
            function.of_loss
            and function.path == edit.path
            and begin <= edit.start
            and edit.end <= end
            for edit in candidate
            for function, (begin, end, _, _) in self._spans.items()
        )

    def variants(self, candidates: Sequence[Candidate]) -> dict[Candidate, Variant]:
        """Return the codes that many candidates share; a candidate that needs its own is left out.

        Variants that cannot be compiled together are compiled in halves.
        """
        numbers: dict[tuple[Slot, Candidate], int] = {}
        choices: dict[Candidate, frozenset[int]] = {}
        for candidate in candidates:
            slots = [self.slot_of(edit) for edit in candidate]
            parts: dict[Slot, Candidate] = {}
            for slot, edit in zip(slots, candidate, strict=True):
                if slot is not None:
                    parts[slot] = (*parts.get(slot, ()), edit)
            if None not in slots:
                choices[candidate] = frozenset(
                    numbers.setdefault(part, len(numbers)) for part in parts.items()
                )
        texts: dict[Slot, list[tuple[int, bytes]]] = {}
        for (slot, edits), number in numbers.items():
            texts.setdefault(slot, []).append((number, self._text(slot, edits)))
        try:
            codes = self._chained(texts)
        except UnreadableError:
            every = sorted(choices, key=lambda one: max(map(self._size, one)))
            halves = (every[: len(every) // 2], every[len(every) // 2 :])
            return self.variants(halves[0]) | self.variants(halves[1]) if len(every) > 1 else {}
        return {candidate: (codes, choice) for candidate, choice in choices.items()}

    def _chained(self, slots: Mapping[Slot, Sequence[tuple[int, bytes]]]) -> Codes:
        """Return the functions with all variants in their slots.

        Raises:
            UnreadableError: the variants cannot stand together.
        """
        ordered = sorted(slots, key=lambda slot: (slot.path, slot.start))
        if any(two.start < one.end and one.path == two.path for one, two in pairwise(ordered)):
            raise UnreadableError("one is inside of another")
        changes = [
            (slot.path, slot.start, slot.end, self._chain(slot, texts))
            for slot, texts in slots.items()
        ]
        codes = self._compiled(changes)
        if not all(_binds_the_same(code, function.code) for function, code in codes):
            raise UnreadableError("a variable of one would be that of the others")
        return codes

    def _size(self, edit: Edit) -> int:
        slot = self.slot_of(edit)
        return 0 if slot is None else slot.end - slot.start

    def _text(self, slot: Slot, edits: Candidate) -> bytes:
        changes = [
            (one.start - slot.start, one.end - slot.start, _on_one_line(one, slot)) for one in edits
        ]
        return apply(self.texts[slot.path][slot.start : slot.end], changes)

    def _chain(self, slot: Slot, variants: Sequence[tuple[int, bytes]]) -> bytes:
        """Return the variants of a slot one after the other, the present text last."""
        present = self.texts[slot.path][slot.start : slot.end]
        name = CHOSEN.encode()
        if slot.indent is None:
            tests = b"".join(b"(%b) if %d in %b else " % (text, n, name) for n, text in variants)
            return b"(" + tests + b"(" + present + b"))"
        between = b"\n" + slot.indent + b"el"
        tests = between.join(b"if %d in %b: %b" % (n, name, text) for n, text in variants)
        return tests + between + b"se: " + present


def _on_one_line(edit: Edit, slot: Slot) -> bytes:
    """Return the replacement of an edit, with a semicolon if it is beside a statement."""
    if edit.start < edit.end or slot.indent is None:
        return edit.replacement
    before, after = (b"", b"; ") if edit.start == slot.start else (b"; ", b"")
    return before + edit.replacement.strip() + after


def _slots(path: str, text: bytes, starts: Sequence[int], definition: Piece) -> Iterator[Slot]:
    """Yield a function's statements that are alone on their lines, and expressions in others."""
    if isinstance(definition, ast.Lambda):
        yield Slot(path, *span(starts, definition.body), None)
        return
    for node in ast.walk(definition):
        expressions: list[ast.expr | None] = []
        match node:
            case ast.For():
                expressions = [node.iter]
            case ast.If() | ast.While():
                expressions = [node.test]
            case ast.With():
                expressions = [item.context_expr for item in node.items]
            case ast.Assign() | ast.AugAssign() | ast.AnnAssign() | ast.Expr() | ast.Return():
                start, end = span(starts, node)
                before = text[starts[node.lineno - 1] : start]
                after = text[end : starts[node.end_lineno or node.lineno]].split(b"#")[0]
                if before.strip() or after.strip():
                    expressions = [node.value]
                else:
                    yield Slot(path, start, end, before)
        yield from (Slot(path, *span(starts, one), None) for one in expressions if one is not None)


def _binds_the_same(new: CodeType, old: CodeType) -> bool:
    """True if a function's variables are the same; a new one would be shared by all variants."""

    def bound(code: CodeType) -> tuple[frozenset[str], tuple[str, ...]]:
        names = code.co_varnames + code.co_cellvars
        own = frozenset(one for one in names if not one.startswith((LEFT, RIGHT)))
        return own, code.co_freevars

    def every(code: CodeType) -> list[tuple[frozenset[str], tuple[str, ...]]]:
        return [bound(code), *(bound(c) for c in inner_codes(code) if c.co_name[0] != "<")]

    return every(new) == every(old)
