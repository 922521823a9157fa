"""A candidate: the user's files with edits, run in the place of the originals."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from gradcheck.mending.context import Edit
from gradcheck.mending.pieces import apply
from gradcheck.mending.variants import Texts

WAITS = 10
"""The factor on the time limit of what waits instead of computing."""

ALMOST = 0.9
"""The share of its time limit that a candidate has computed if nothing else runs meanwhile."""


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


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TooSlowError after about `seconds` of computing, or `WAITS` times as many of waiting.

    The time of other processes on a busy machine is not counted.
    """
    computed, begun = time.thread_time(), time.monotonic()

    def ring(number: int, frame: FrameType | None) -> None:
        is_computing = time.thread_time() - computed >= ALMOST * seconds
        if is_computing or time.monotonic() - begun >= WAITS * seconds:
            raise TooSlowError

    signal.signal(signal.SIGALRM, ring)  # the candidate before may have set its own handler
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds / 4)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
