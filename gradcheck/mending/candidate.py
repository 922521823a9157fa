"""A candidate: the user's files with edits made, run in the place of the originals."""

from __future__ import annotations

import ast
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

from gradcheck.mending.context import Edit
from gradcheck.mending.source import Function, UnreadableError, apply, new_code, span

COMPUTED = 0.5
"""The share of the second half of its limit that a candidate computes if it is too slow."""

WAITS = 10
"""A candidate that waits instead of computing has so many times as long."""

Texts = Mapping[str, bytes]
"""The files that may be edited, by their path."""


class TooSlowError(Exception):
    """A candidate took too long."""


@dataclass(frozen=True)
class Proof:
    """Where a candidate's gradient was asked.

    Attributes:
        points: at how many points.
        varied: what was changed there, beside the parameters: "other x and y".
        holds: whether it is right there too; else it is only with the data at hand.
        left: the names of blocks that no gradient is returned for.
    """

    points: int
    varied: tuple[str, ...]
    holds: bool
    left: tuple[str, ...]


@dataclass(frozen=True)
class Mended:
    """A candidate whose gradient is right.

    `error` is the largest relative to the block's largest entry.
    """

    edits: tuple[Edit, ...]
    texts: Texts
    error: float
    proof: Proof

    @property
    def weight(self) -> float:
        """How unnatural all its edits are together."""
        return sum(edit.weight for edit in self.edits)


def applied(texts: Texts, edits: Sequence[Edit]) -> Texts:
    """The files with edits made."""
    after = dict(texts)
    for path in {edit.path for edit in edits}:
        own = [(edit.start, edit.end, edit.replacement) for edit in edits if edit.path == path]
        after[path] = apply(texts[path], own)
    return after


@contextmanager
def installed(functions: Sequence[Function], texts: Texts, edits: Sequence[Edit]) -> Iterator[bool]:
    """While it is entered, the functions run the edited code; whether that can be compiled."""
    try:
        codes = [(one, one.code, new) for one, new in _edited(functions, texts, edits)]
    except UnreadableError:
        yield False
        return
    try:
        for function, _, new in codes:
            function.run_from_now_on(new)
        yield True
    finally:
        for function, old, _ in codes:
            function.run_from_now_on(old)


def _edited(
    functions: Sequence[Function], texts: Texts, edits: Sequence[Edit]
) -> Iterator[tuple[Function, CodeType]]:
    """The functions that edits change, with their new code."""
    for function in functions:
        text = texts[function.path]
        start, end = _function_span(function, text)
        own = [
            (edit.start - start, edit.end - start, edit.replacement)
            for edit in edits
            if edit.path == function.path and start <= edit.start and edit.end <= end
        ]
        if own:
            yield function, new_code(function, apply(text[start:end], own))


@lru_cache(maxsize=256)
def _function_span(function: Function, text: bytes) -> tuple[int, int]:
    """Where a function's lines stand in a text of its file."""
    return span(text, function.definition(ast.parse(text)))


class AtMost:
    """Raises TooSlowError in its block after so many seconds of computing.

    What others compute meanwhile on a busy machine is not counted.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = 0.0
        self._rings = 0

    def __enter__(self) -> AtMost:
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self._seconds / 2, self._seconds / 2)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self._rings += 1
        if self._rings == 1:  # not asked before, as that is slow and few are
            self._begun = time.thread_time()
            return
        computed = time.thread_time() - self._begun
        if computed >= COMPUTED * self._seconds / 2 or self._rings >= 2 * WAITS:
            raise TooSlowError
