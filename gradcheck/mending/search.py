"""Single edits, then what makes more blocks right, then pairs; run in a process of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from gradcheck.compare.point import Point
from gradcheck.mending.allowance import Allowance
from gradcheck.mending.answers import Answers
from gradcheck.mending.candidate import (
    AtMost,
    Mended,
    Proof,
    Texts,
    TooSlowError,
    applied,
    installed,
)
from gradcheck.mending.context import Edit
from gradcheck.mending.contexts import contexts_of
from gradcheck.mending.edits import Hints, all_edits
from gradcheck.mending.judge import Judge, Standing, better, is_mended
from gradcheck.mending.source import Function
from gradcheck.mending.surroundings import Surroundings

DEPTH = 3
MOST_PATCHES = 5
PARTIAL = 3
PAIRED, PAIRED_OF_A_LINE = 60, 8
DEEPEN = 0.4
"""The share of what is left after which an edit that helps is followed at once."""

LISTED = 0.15
"""The share of the whole allowance that is spent on looking for others after the first patch."""

FASTEST, SLOWEST = 0.2, 2.0
"""The least and the most seconds that a candidate may compute to make its gradient once."""

CALLS, PROOF_CALLS = 50, 20
"""A candidate may take as long as so many losses, and its proof so many times as long as that."""


@dataclass(frozen=True)
class Task:
    """What is searched, and how much that may use up."""

    point: Point
    functions: tuple[Function, ...]
    texts: Texts
    hints: Hints
    allowance: Allowance


class Search:
    """A search under way.

    The first `skipped` candidates are not tried, as an earlier process hung on the last of them.
    `answers` is told the number of candidates so far, and those that are mended.
    """

    def __init__(
        self,
        task: Task,
        judge: Judge,
        surroundings: Surroundings,
        skipped: int,
        answers: Answers,
    ) -> None:
        self._task = task
        self._judge = judge
        self._skipped = skipped
        self._answers = answers
        self._surroundings = surroundings
        self._limit = min(SLOWEST, max(FASTEST, CALLS * task.point.noise.seconds))
        self._last = task.allowance.amount
        self._start: Standing = ()
        self._seen: set[int] = set()
        self._tried = 0
        self._mended = self._coincidences = 0

    def run(self) -> None:
        """Searches from the user's source."""
        none: Standing = (False,) * len(self._task.point.problem.parameters.names)
        self._start = self._judge.right_blocks() or none
        self._level(self._task.texts, (), self._start, 0)

    def _level(self, texts: Texts, before: tuple[Edit, ...], base: Standing, depth: int) -> None:
        """All single edits of a program; where none is enough, those that help are kept."""
        edits = all_edits(
            contexts_of(self._task.functions, texts, self._run_once), self._task.hints
        )
        partial = self._improving(texts, before, base, edits)
        if self._mended or depth >= DEPTH or self._is_over():
            return
        partial.sort(key=lambda pair: (-pair[1].count(True), pair[0].weight))
        for edit, right in partial[:PARTIAL]:
            after = applied(texts, (edit,))
            with installed(self._task.functions, texts, (edit,)):
                self._level(after, (*before, edit), right, depth + 1)
            if self._mended:
                return
        if not depth:
            self._pairs(texts, edits)

    def _improving(
        self, texts: Texts, before: tuple[Edit, ...], base: Standing, edits: Sequence[Edit]
    ) -> list[tuple[Edit, Standing]]:
        """Tries single edits; those that help and are not enough, with what is right then."""
        self._judge.right_blocks()
        raised = self._judge.raised
        self._surroundings.restore()
        deepen = self._spent() + DEEPEN * (self._last - self._spent())
        partial: list[tuple[Edit, Standing]] = []
        for edit in edits:
            if self._is_over() or (partial and self._spent() > deepen):
                break
            right = self._try(texts, (edit,), before)
            if right is None or is_mended(right):
                continue
            if better(right, base) or (raised and not self._judge.raised):
                partial.append((edit, right))
        return partial

    def _pairs(self, texts: Texts, edits: Sequence[Edit]) -> None:
        """Two edits together: of the likeliest of every line, then of more of them."""
        ranks: list[int] = []
        of_line: Counter[tuple[str, int]] = Counter()
        for edit in edits:
            ranks.append(of_line[edit.path, edit.line])
            of_line[edit.path, edit.line] += 1
        most, of_one = PAIRED, PAIRED_OF_A_LINE
        while most // 2 < len(edits):
            chosen = [edit for edit, rank in zip(edits, ranks, strict=True) if rank < of_one]
            for one, other in combinations(chosen[:most], 2):
                if self._is_over():
                    return
                if one.path != other.path or one.end <= other.start or other.end <= one.start:
                    self._try(texts, (one, other), ())
            most, of_one = 2 * most, 2 * of_one

    def _try(
        self, texts: Texts, edits: tuple[Edit, ...], before: tuple[Edit, ...]
    ) -> Standing | None:
        """Which blocks an edited program has right; what has all right is proved and sent."""
        after = applied(texts, edits)
        if not self._is_new(after):
            return None
        with installed(self._task.functions, texts, edits) as possible:
            if not possible:
                return None
            try:
                with AtMost(self._limit):
                    right = self._judge.right_blocks()
                if self._answers.refused() or right is None:
                    return None
                if not is_mended(right) or not better(right, self._start):
                    return right
                with AtMost(PROOF_CALLS * self._limit):
                    error = self._judge.proved()
                    holds = error is not None and self._judge.holds_elsewhere()
                if self._answers.refused():
                    return None
            except TooSlowError:
                return None
            finally:
                self._surroundings.restore()
        if error is not None:
            self._tell(Mended((*before, *edits), after, error, self._proof(right, holds)))
        return right

    def _proof(self, right: Standing, holds: bool) -> Proof:
        names = zip(self._task.point.problem.parameters.names, right, strict=True)
        left = tuple(name for name, standing in names if standing is None)
        return Proof(self._judge.points, self._judge.varied, holds, left)

    def _tell(self, mended: Mended) -> None:
        """Sends what is proved; of what holds for these data alone, the first."""
        if mended.proof.holds:
            self._mended += 1
            self._last = min(self._last, self._spent() + LISTED * self._task.allowance.amount)
        elif self._coincidences:
            return
        self._coincidences += not mended.proof.holds
        self._answers.mended(mended)

    def _is_new(self, texts: Texts) -> bool:
        """Whether a candidate is still to be tried; it is counted."""
        key = hash(tuple(sorted(texts.items())))  # the texts of thousands are not kept
        if key in self._seen:
            return False
        self._seen.add(key)
        self._tried += 1
        self._answers.tried(self._tried)
        return self._tried > self._skipped

    def _is_over(self) -> bool:
        return self._spent() >= self._last or self._mended >= MOST_PATCHES

    def _spent(self) -> float:
        return self._task.allowance.spent(self._tried)

    def _run_once(self) -> None:
        values = [value.copy() for value in self._task.point.problem.parameters.values]
        try:
            self._task.point.problem.gradient(values)
        finally:
            self._surroundings.restore()
