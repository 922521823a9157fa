"""Single edits, then what makes more blocks right, then pairs; run in a process of its own."""

from __future__ import annotations

import ast
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from types import CodeType, FrameType
from typing import Any

from gradcheck.repair.allowance import Allowance
from gradcheck.repair.context import Context, Edit
from gradcheck.repair.edits import all_edits
from gradcheck.repair.judge import Judge, Standing, better, is_mended
from gradcheck.repair.scope import expressions, observe
from gradcheck.repair.source import Function, UnreadableError, apply, new_code, span
from gradcheck.repair.surroundings import Surroundings
from gradcheck.user.problem import Problem

DEPTH = 3
MOST_PATCHES = 5
PARTIAL = 3
PAIRED = 60
DEEPEN = 0.4
"""The share of what is left after which an edit that helps is followed at once."""

LISTED = 0.15
"""The share of the whole allowance that is spent on looking for others after the first patch."""

COMPUTED = 0.5
"""The share of its limit that a candidate has to have computed to be too slow."""

WAITS = 10
"""A candidate that waits instead of computing has so many times as long."""

Texts = dict[str, bytes]
Send = Callable[[str, Any], None]


class TooSlowError(Exception):
    """A candidate took too long."""


@dataclass
class Search:
    """A search under way.

    Attributes:
        problem: what is checked.
        judge: tells of a program whether its gradient is right.
        functions: those that may be edited.
        surroundings: puts back what a candidate spoils.
        lines: what the diagnosis points at.
        codes: the rules that it found.
        allowance: how much the search may use up.
        limit: seconds that a candidate may compute.
        skipped: how many candidates not to try, as an earlier process hung on the last of them.
        send: tells the parent process what happens.
        tried: how many candidates there were.
        found: how many patches.
        start: which blocks were right before.
        last: how much may be used up, by now.
    """

    problem: Problem
    judge: Judge
    functions: Sequence[Function]
    surroundings: Surroundings
    lines: Sequence[tuple[str, int]]
    codes: Sequence[str]
    allowance: Allowance
    limit: float
    skipped: int
    send: Send
    tried: int = 0
    found: int = 0
    start: Standing = ()
    seen: set[int] = field(default_factory=set)
    last: float = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.allowance.amount

    def run(self, texts: Texts) -> None:
        """Searches from the user's source."""
        _ = self.judge.further
        none: Standing = (False,) * len(self.problem.parameters.names)
        self.start = self.judge.right_blocks() or none
        self._level(texts, (), self.start, 0)

    def _level(self, texts: Texts, before: tuple[Edit, ...], base: Standing, depth: int) -> None:
        """All single edits of a program; where none is enough, those that help are kept."""
        edits = all_edits(self._contexts(texts), self.lines, self.codes)
        self.judge.right_blocks()
        raised = self.judge.raised
        self.surroundings.restore()
        deepen = self._spent() + DEEPEN * (self.last - self._spent())
        partial: list[tuple[Edit, Standing]] = []
        for edit in edits:
            if self._over():
                return
            right = self._try(texts, (edit,), before)
            if right is None or is_mended(right):
                continue
            if better(right, base) or (raised and not self.judge.raised):
                partial.append((edit, right))
            if partial and self._spent() > deepen:
                break
        if self.found or depth >= DEPTH:
            return
        partial.sort(key=lambda pair: (-pair[1].count(True), pair[0].weight))
        for edit, right in partial[:PARTIAL]:
            after = applied(texts, (edit,))
            with _Installed(self.functions, texts, (edit,)):
                self._level(after, (*before, edit), right, depth + 1)
            if self.found:
                return
        if not depth:
            self._pairs(texts, edits)

    def _pairs(self, texts: Texts, edits: Sequence[Edit]) -> None:
        most = PAIRED
        while most // 2 < len(edits):
            for one, other in combinations(edits[:most], 2):
                if self._over():
                    return
                if one.path != other.path or one.end <= other.start or other.end <= one.start:
                    self._try(texts, (one, other), ())
            most *= 2

    def _try(
        self, texts: Texts, edits: tuple[Edit, ...], before: tuple[Edit, ...]
    ) -> Standing | None:
        """Which blocks an edited program has right; what has all right is proved and told."""
        after = applied(texts, edits)
        key = hash(tuple(sorted(after.items())))  # the texts of thousands are not kept
        if key in self.seen:
            return None
        self.seen.add(key)
        self.tried += 1
        self.send("tried", self.tried)
        if self.tried <= self.skipped:
            return None
        with _Installed(self.functions, texts, edits) as possible:
            if not possible:
                return None
            try:
                with _alarm(self.limit):
                    right = self.judge.right_blocks()
                if right is None or not is_mended(right) or not better(right, self.start):
                    return right
                with _alarm(20 * self.limit):
                    error = self.judge.proved()
            except TooSlowError:
                return None
            finally:
                self.surroundings.restore()
        if error is not None:
            self.found += 1
            self.last = min(self.last, self._spent() + LISTED * self.allowance.amount)
            points = 1 + len(self.judge.further)
            left = [
                name
                for name, standing in zip(self.problem.parameters.names, right, strict=True)
                if standing is None
            ]
            weight = sum(edit.weight for edit in (*before, *edits))
            self.send("patch", ((*before, *edits), after, error, points, left, weight))
        return right

    def _over(self) -> bool:
        return self._spent() >= self.last or self.found >= MOST_PATCHES

    def _spent(self) -> float:
        return self.allowance.spent(self.tried)

    def _contexts(self, texts: Texts) -> list[Context]:
        trees = {path: ast.parse(text) for path, text in texts.items()}
        nodes = {}
        for function in self.functions:
            node = function.definition(trees[function.path])
            nodes[function.function.__code__] = (function, node)
        observed = observe(
            {code: expressions(node) for code, (_, node) in nodes.items()}, self._run_once
        )
        names = tuple(dict.fromkeys(function.names[-1] for function in self.functions))
        return [
            Context(
                function.path,
                texts[function.path],
                node,
                observed.get(code, {}),
                _callable_in(function, names),
            )
            for code, (function, node) in nodes.items()
        ]

    def _run_once(self) -> None:
        values = [value.copy() for value in self.problem.parameters.values]
        try:
            self.problem.gradient(values)
        finally:
            self.surroundings.restore()


def applied(texts: Texts, edits: Sequence[Edit]) -> Texts:
    """The files with edits made."""
    after = dict(texts)
    for path in {edit.path for edit in edits}:
        own = [(edit.start, edit.end, edit.replacement) for edit in edits if edit.path == path]
        after[path] = apply(texts[path], own)
    return after


class _Installed:
    """While it is entered, the functions run the code of an edited text."""

    def __init__(self, functions: Sequence[Function], texts: Texts, edits: Sequence[Edit]) -> None:
        self._functions = functions
        self._texts = texts
        self._edits = edits
        self._kept: list[tuple[Function, CodeType]] = []

    def __enter__(self) -> bool:
        """Whether the text can be compiled."""
        try:
            codes = list(self._codes())
        except UnreadableError:
            return False
        for function, code in codes:
            self._kept.append((function, function.function.__code__))
            function.function.__code__ = code
        return True

    def __exit__(self, *_: object) -> None:
        for function, code in self._kept:
            function.function.__code__ = code

    def _codes(self) -> Iterator[tuple[Function, CodeType]]:
        for function in self._functions:
            text = self._texts[function.path]
            start, end = function_span(function, text)
            own = [
                (edit.start - start, edit.end - start, edit.replacement)
                for edit in self._edits
                if edit.path == function.path and start <= edit.start and edit.end <= end
            ]
            if own:
                yield function, new_code(function, apply(text[start:end], own))


@lru_cache(maxsize=256)
def function_span(function: Function, text: bytes) -> tuple[int, int]:
    """Where a function's lines stand in a text of its file."""
    return span(text, function.definition(ast.parse(text)))


class _alarm:  # noqa: N801  # reads as a statement
    """Raises TooSlowError in the block after so many seconds of computing.

    What others compute meanwhile on a busy machine is not counted.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = 0.0
        self._rings = 0

    def __enter__(self) -> _alarm:
        self._begun = time.thread_time()
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self._rings += 1
        computed = time.thread_time() - self._begun
        if computed >= COMPUTED * self._seconds or self._rings >= WAITS:
            raise TooSlowError


def _callable_in(function: Function, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the user's functions that a function can call by name, and others of its module."""
    scope = function.function.__globals__
    own = [
        name
        for name, worth in scope.items()
        if callable(worth)
        and getattr(worth, "__module__", None) == scope.get("__name__")
        and not isinstance(worth, type)
    ]
    return tuple(dict.fromkeys([*(name for name in names if name in scope), *own]))
