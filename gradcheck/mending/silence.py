"""How long a process has sent nothing, measured by its own computing time."""

from __future__ import annotations

import os
import time
from pathlib import Path

WAITS = 10
"""The factor on the time limit of what waits instead of computing."""


class Silence:
    """The silence of a process since its last message, with a limit in seconds."""

    def __init__(self, pid: int, most: float) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._most = most
        self._begun = time.monotonic()
        self.broken()

    def broken(self) -> None:
        """Note that the process has sent something."""
        self._since = time.monotonic()
        self._computed = self.computed()

    def is_too_long(self) -> bool:
        """True if it computed too long, or waited much too long; a busy machine does not count."""
        waited = time.monotonic() - self._since
        computed = self.computed() - self._computed
        return min(waited, computed) > self._most or waited > WAITS * self._most

    def computed(self) -> float:
        """Return the seconds that the process has computed, or its age if the system tells none."""
        try:
            fields = self._stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return time.monotonic() - self._begun
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # user and system time
