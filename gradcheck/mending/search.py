"""Single edits, then edits on top of those that help, then pairs; run in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain

from gradcheck.mending.candidate import Mended, TooSlowError, applied, at_most
from gradcheck.mending.context import Context, Edit
from gradcheck.mending.contexts import contexts_of
from gradcheck.mending.edits import all_edits, exchanged, weighed
from gradcheck.mending.judge import Judge, is_mended
from gradcheck.mending.moments import Wanted
from gradcheck.mending.proving import Proving
from gradcheck.mending.ranking import changed_words, puts_in_sizes
from gradcheck.mending.source import UnreadableError
from gradcheck.mending.surroundings import Surroundings
from gradcheck.mending.targets import Progress, Standing
from gradcheck.mending.task import Answers, Task
from gradcheck.mending.together import (
    Changes,
    batches,
    in_place_of,
    likely_pairs,
    of_different_faults,
    united,
)
from gradcheck.mending.variants import Candidate, Program, Texts
from gradcheck.mending.wanted import CONSTRUCTORS, Constructor

DEPTH = 3
MOST_PATCHES, FEW = 12, 2
PLAIN, MANY = 3, 12
"""The numbers of changed words of a plain patch, and of one that nobody would write."""

PARTIAL = 3
DEEPEN = 0.4
"""The share of the remaining allowance after which an edit that helps is followed at once."""

LISTED, LISTED_PLAINER, LISTED_SINGLE, LISTED_CERTAIN = 0.03, 0.15, 0.4, 0.6
"""The shares of the allowance spent on plainer patches after the first, or on other sizes."""

JUDGING = 0.1
"""The share of the remaining allowance in which the edits that help are tried elsewhere."""

CONSTRUCTING = {"s": 2.0, "edits": 20.0}
"""The seconds in which the edits for one wanted value have to be made, by the budget's unit.

A budget in edits is to give the same on a slow machine.
"""


class Search:
    """A search under way.

    Candidates that an earlier process has tried are not tried again. `answers` receives the number
    of candidates so far, and those that are mended.
    """

    def __init__(
        self,
        task: Task,
        judge: Judge,
        surroundings: Surroundings,
        proving: Proving,
        answers: Answers,
    ) -> None:
        self._task, self._judge, self._surroundings = task, judge, surroundings
        self._answers, self._tried_before = answers, answers.counts[0]
        self._ended_constructing = bool(answers.counts[2])
        self._proving = proving
        self._last = task.allowance.amount
        self._start: Standing = ()
        self._seen: set[int] = set()
        self._tried = 0
        self._begun = time.process_time()
        self._mended = self._coincidences = self._most_right = 0
        self._found: list[Candidate] = []

    def run(self) -> None:
        """Search from the user's source."""
        self._start = self._judge.right_blocks()
        self._most_right = self._start.count(True)
        self._level(self._proving.start)

    def _level(self, program: Program) -> None:
        """Try all single edits of a program; if none is enough, search on from those that help."""
        functions, pointed = self._task.functions, self._task.hints.lines
        contexts = contexts_of(functions, program.texts, self._run_once, pointed)
        base = self._judge.progress(self._judge.right_blocks())
        changes = Changes(base, self._judge.read, self._judge.targets)
        self._surroundings.restore()
        advised = (edit for one in self._task.hints.said for edit in one.edits(contexts))
        turned = exchanged(contexts, self._task.hints)
        early = self._helpful(program, chain(advised, turned), changes)
        first: list[Edit] = []
        for construct in CONSTRUCTORS:
            wanted = () if self._mended or self._is_over() else self._task.hints.wanted
            made = [self._constructed(contexts, one, construct) for one in wanted]
            self._try_each(program, of_different_faults(made))
            edits = weighed(list(chain(*made)))
            early += self._helpful(program, edits, changes)
            first += edits
        goes_on = len(program.edits) < DEPTH
        if goes_on and not self._mended:
            last = self._last
            self._last = self._spent() + DEEPEN * (last - self._spent())
            clear = [one for one in early if one[1].is_clear(base)]
            self._follow(program, clear, only_lasting=True)
            self._last = self._last if self._mended else last
        every = all_edits(contexts, self._task.hints)
        helpful = self._helpful(program, every, changes)
        self._try_each(program, () if self._mended else changes.pairs())
        if self._mended or not goes_on or self._is_over():
            return
        self._follow(program, [*early, *helpful])
        if not program.edits:
            every = all_edits(contexts, self._task.hints)
            self._try_each(program, likely_pairs([*first, *every]))

    def _constructed(
        self, contexts: Sequence[Context], wanted: Wanted, construct: Constructor
    ) -> list[Edit]:
        """Return edits that give an expression the wanted value, unless they take too long.

        None if an earlier process ended while it made some: what it called may end this one too.
        """
        counts = self._answers.counts
        if self._ended_constructing:
            return []
        made: list[Edit] = []
        counts[2] = 1
        with suppress(TooSlowError), at_most(CONSTRUCTING[self._task.allowance.unit]):
            made = construct(contexts, wanted, self._run_once)
        self._surroundings.restore()
        counts[2] = 0
        return made

    def _follow(
        self, program: Program, helpful: list[tuple[Edit, Progress]], only_lasting: bool = False
    ) -> None:
        """Search on from the edits that help most, each for half of the budget that is left.

        What makes blocks right with the user's data alone comes last, or not at all.
        """
        self._proving.prepare(program)
        last, until = self._last, self._spent() + JUDGING * (self._last - self._spent())
        lasting, passing = self._proving.judged(program, helpful, lambda: self._spent() < until)
        likely = lasting if only_lasting else [*lasting, *passing]
        right = {edit: progress.right for edit, progress in helpful}
        for place, edit in enumerate(likely[:PARTIAL], start=1):
            if not self._mended:
                self._last = self._spent() + (last - self._spent()) / (1 + (place < PARTIAL))
                with program.running(program.code_of((edit,))):
                    texts, edits = applied(program.texts, (edit,)), (*program.edits, edit)
                    self._level(Program(self._task.functions, texts, edits))
                program.restore()
                alike = [one for one in likely if right[one] == right[edit] and one != edit]
                self._try_each(program, in_place_of(edit, alike, self._found))
                self._last = self._last if self._mended else last

    def _try_each(self, program: Program, candidates: Iterable[Candidate]) -> None:
        for batch in batches(candidates):
            if self._is_over():
                return
            self._try_all(program, batch)

    def _helpful(
        self, program: Program, edits: Iterable[Edit], changes: Changes
    ) -> list[tuple[Edit, Progress]]:
        """Try single edits; return those that help and are not enough."""
        base, deepen = changes.base, self._spent() + DEEPEN * (self._last - self._spent())
        helpful: list[tuple[Edit, Progress]] = []
        clear = 0

        def keep(candidate: Candidate, right: Standing) -> None:
            nonlocal clear
            changes.add(candidate[0], self._judge.read)
            progress = self._judge.progress(right)
            if progress.is_beyond(base) and self._keeps_loss(program, candidate):
                helpful.append((candidate[0], progress))
                clear += progress.is_clear(base)
                self._tell_part(program, candidate, right)

        together: list[Candidate] = []
        for candidates in batches((edit,) for edit in edits):
            if clear and self._spent() > deepen:
                break
            self._try_all(program, candidates, keep)
            if clear and not together:
                together = united(helpful, base)
                self._try_each(program, together)
        return helpful

    def _try_all(
        self,
        program: Program,
        candidates: Sequence[Candidate],
        keep: Callable[[Candidate, Standing], None] | None = None,
    ) -> None:
        """Try candidates that are compiled together; `keep` is called with those not mended."""
        if self._is_over():
            return
        parts = program.variants(candidates)
        for candidate in candidates:
            if self._is_over():
                break
            after = applied(program.texts, candidate)
            if not self._is_new(after):
                continue
            try:
                variant = parts.get(candidate)
                codes, choice = variant or (program.code_of(candidate), frozenset())
            except UnreadableError:
                continue
            try:
                with program.running(codes, choice), at_most(self._task.limit):
                    right = self._judge.right_blocks()
                    if self._answers.refusals.happened():
                        continue
                    mended = is_mended(right) and self._keeps_loss(program, candidate)
                    if keep is not None and not is_mended(right):
                        keep(candidate, right)
                found = mended and right != self._start
                proved = self._proving.mended(program, candidate, right) if found else None
                if proved is not None and not self._answers.refusals.happened():
                    self._tell(proved)
            except TooSlowError:
                continue
            finally:
                self._surroundings.restore()
        program.restore()

    def _keeps_loss(self, program: Program, candidate: Candidate) -> bool:
        """True if a running candidate leaves the loss as it was; only few can change it.

        It runs alone: a script's loop that others edit has no marks, of which the loss is read.
        """
        if not program.is_of_loss(candidate):
            return True
        with program.running(program.code_of(candidate)):
            return self._judge.keeps_loss()

    def _tell(self, mended: Mended) -> None:
        """Send a proved candidate; of those that hold for these data alone, only the first."""
        if mended.doubtful:
            most = LISTED_CERTAIN * self._task.allowance.amount
            self._last = min(self._last, self._spent() + most)
        elif mended.holds:
            self._mended += 1
            self._found.append(mended.edits)
            before = self._task.texts
            words = changed_words(mended.texts, before)
            is_plain = words <= PLAIN and not puts_in_sizes(mended.texts, before)
            share = LISTED if is_plain else LISTED_PLAINER
            share = share if len(mended.edits) <= FEW and words <= MANY else LISTED_SINGLE
            self._last = min(self._last, self._spent() + share * self._task.allowance.amount)
        elif self._coincidences:
            return
        self._coincidences += not mended.holds
        self._answers.mended(mended)

    def _tell_part(self, program: Program, candidate: Candidate, right: Standing) -> None:
        """Send edits that make more blocks right than any before, while others stay wrong."""
        if right.count(True) <= self._most_right or self._mended:
            return
        self._most_right = right.count(True)
        names = self._task.point.problem.parameters.names
        now = zip(names, right, self._start, strict=True)
        part = tuple(name for name, standing, before in now if standing and not before)
        edits = (*program.edits, *candidate)
        self._answers.mended(Mended(edits, program.texts, 0.0, holds=False, part=part))

    def _is_new(self, texts: Texts) -> bool:
        """True if a candidate has not been tried yet; count it."""
        key = hash(tuple(sorted(texts.items())))  # thousands of texts would fill the memory
        if key in self._seen:
            return False
        self._seen.add(key)
        self._tried += 1
        self._answers.counts[0] = self._tried
        self._answers.counts[1] = self._answers.refusals.count
        return self._tried > self._tried_before

    def _is_over(self) -> bool:
        return self._spent() >= self._last or self._mended >= MOST_PATCHES

    def _spent(self) -> float:
        computed = time.process_time() - self._begun  # without what a script ran before
        return self._task.allowance.spent(self._tried, computed)

    def _run_once(self) -> None:
        values = [value.copy() for value in self._task.point.problem.parameters.values]
        try:
            self._task.point.problem.gradient(values)
        finally:
            self._surroundings.restore()
