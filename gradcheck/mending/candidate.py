"""A candidate: the user's files with edits, run in the place of the originals."""

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
"""The factor on the time limit of a candidate that waits instead of computing."""


class TooSlowError(BaseException):
    """A candidate took too long; no `except Exception` of the user's code hides this."""


@dataclass(frozen=True)
class Mended:
    """A candidate whose gradient is right, and the points where it was judged.

    Attributes:
        edits: the edits.
        texts: the edited files.
        error: the largest error, relative to its block's largest entry.
        points: the number of points where it was judged.
        varied: what was changed there, besides the parameters: "other x and y".
        holds: whether it is right there too, and not only with the data at hand.
        doubtful: whether it is wrong with other sizes that may make no sense.
        left: the names of blocks for which no gradient is returned.
        part: the blocks that are right now, if others are still wrong.
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
        """The sum of the weights of its edits: how unnatural they are together."""
        return sum(edit.weight for edit in self.edits)


def applied(texts: Texts, edits: Sequence[Edit]) -> Texts:
    """Return the files with edits made."""
    after = dict(texts)
    for path in {edit.path for edit in edits}:
        changes = [(edit.start, edit.end, edit.replacement) for edit in edits if edit.path == path]
        after[path] = apply(texts[path], changes)
    return after


class Watch:
    """Raise TooSlowError in its block after some seconds of computing.

    The time of other processes on a busy machine is not counted. The timer rings all the time,
    after every `seconds`: setting it for each candidate would take longer than many of them do.
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
        """Raise after about `seconds` of computing, or `WAITS` times as many of waiting."""
        signal.signal(signal.SIGALRM, self._ring)  # a candidate may have set its own handler
        self._begun, self._rings = None, int(WAITS * seconds / self._seconds) + 1
        self._most = seconds
        try:
            yield
        finally:
            self._most = None

    def stop(self) -> None:
        """Stop the timer, which would end a process that goes on."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._most is None:
            return
        if self._begun is None:  # read only now, as that is slow and seldom needed
            self._begun = time.thread_time()
        self._rings -= 1
        computed = self._seconds + time.thread_time() - self._begun
        if computed >= self._most or self._rings <= 0:
            raise TooSlowError
