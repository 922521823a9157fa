"""For how long a process has told nothing, by what it computed meanwhile itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

WAITS = 10
"""A process that waits instead of computing may be silent for so many times as long."""


class Silence:
    """The silence of a process, from when it told something last; at most so many seconds."""

    def __init__(self, pid: int, most: float) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._most = most
        self._begun = time.monotonic()
        self.broken()

    def broken(self) -> None:
        """The process has told something."""
        self._since = time.monotonic()
        self._computed = self.computed()

    def is_too_long(self) -> bool:
        """Whether it computed too long, or waited much too long; a busy machine is no reason."""
        waited = time.monotonic() - self._since
        computed = self.computed() - self._computed
        return min(waited, computed) > self._most or waited > WAITS * self._most

    def computed(self) -> float:
        """Seconds that the process has computed; where the system does not tell, its age."""
        try:
            fields = self._stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return time.monotonic() - self._begun
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # user and system time
