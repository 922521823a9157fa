"""A candidate: the user's files with edits made, run in the place of the originals."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from gradcheck.mending.context import Edit
from gradcheck.mending.source import apply
from gradcheck.mending.variants import Texts

WAITS = 10
"""A candidate that waits instead of computing has so many times as long."""


class TooSlowError(BaseException):
    """A candidate took too long, which no `except Exception` of the user's hides."""


@dataclass(frozen=True)
class Mended:
    """A candidate whose gradient is right, and where that was asked.

    Attributes:
        edits: what is edited.
        texts: the files then.
        error: the largest error, relative to its block's largest entry.
        points: at how many points it was asked.
        varied: what was changed there, beside the parameters: "other x and y".
        holds: whether it is right there too; else it is only with the data at hand.
        doubtful: whether it is wrong with other sizes of which nothing tells that they make sense.
        left: the names of blocks that no gradient is returned for.
        part: those that are right now, where others are wrong still.
    """

    edits: tuple[Edit, ...]
    texts: Texts
    error: float
    points: int = 1
    varied: tuple[str, ...] = ()
    holds: bool = True
    doubtful: bool = False
    left: tuple[str, ...] = ()
    part: tuple[str, ...] = ()

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


class Watch:
    """Raises TooSlowError in its block after so many seconds of computing.

    What others compute meanwhile on a busy machine is not counted. The clock rings all the time,
    after every `seconds`: to set it for each candidate would take longer than many of them do.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._rings = 0
        self._begun: float | None = None
        self._most: float | None = None
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Raises after about so many seconds of computing, or many times as long of waiting."""
        signal.signal(signal.SIGALRM, self._ring)  # another may have taken its place
        self._begun, self._rings = None, int(WAITS * seconds / self._seconds) + 1
        self._most = seconds
        try:
            yield
        finally:
            self._most = None

    def stop(self) -> None:
        """Rings no more: a process that goes on would be ended by it when it comes to its end."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._most is None:
            return
        if self._begun is None:  # not asked before, as that is slow and few ring
            self._begun = time.thread_time()
        self._rings -= 1
        computed = self._seconds + time.thread_time() - self._begun
        if computed >= self._most or self._rings <= 0:
            raise TooSlowError
