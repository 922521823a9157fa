"""When a search is to end: by the work of its own thread, so that a busy machine finds as much."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """A moment on two clocks; it has passed when it has on both.

    Attributes:
        wall: on `time.perf_counter`, which is quickly asked.
        own: on `time.thread_time`.
    """

    wall: float
    own: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment when this thread will have worked so long."""
        return cls(time.perf_counter() + seconds, time.thread_time() + seconds)

    @property
    def has_passed(self) -> bool:
        """Whether the time is over."""
        return time.perf_counter() > self.wall and time.thread_time() > self.own
