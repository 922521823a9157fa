"""What the process that searches tells the one that waits."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradcheck.mending.candidate import Mended
from gradcheck.sandbox.harmless import Refusals


class Counts:
    """How many candidates were tried and refused, in memory that both processes see."""

    def __init__(self) -> None:
        shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._numbers, self._written = np.frombuffer(shared, np.int64), memoryview(shared).cast("q")

    @property
    def address(self) -> int:
        """Where it is."""
        return self._numbers.ctypes.data

    def read(self) -> tuple[int, int]:
        """Those tried, and those of them that were refused."""
        return int(self._numbers[0]), int(self._numbers[1])

    def write(self, tried: int, refused: int) -> None:
        """Tells the other process."""
        self._written[0], self._written[1] = tried, refused


@dataclass(frozen=True)
class Answers:
    """What is told of the candidates."""

    counts: Counts
    refusals: Refusals
    send: Callable[[Mended], None]

    def tried(self, count: int) -> None:
        """So many were tried, that which is tried now among them."""
        self.counts.write(count, self.refusals.count)

    def mended(self, mended: Mended) -> None:
        """One was proved."""
        self.send(mended)

    def refused(self) -> bool:
        """Whether the last one was refused something."""
        return self.refusals.happened()
