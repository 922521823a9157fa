"""How long a script is taken apart and checked, and when a search for the line of a bug ends.

The search looks at its clock between its trials, and one of them may take minutes on the tape of a
convolution in loops. The verdict, which is known by then, is not to be lost: neither by the search,
nor by further checks, as those of another iteration.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from gradcheck.diagnose.engine import diagnose
from gradcheck.errors import OutOfTimeError
from gradcheck.mending.located import with_line
from gradcheck.options import Edits, Wishes
from gradcheck.script.work import Work
from gradcheck.trace.find import find_faults

LONGEST = 2
"""Time limit for taking a script apart and checking it, relative to what the user gives it."""

EDIT_SECONDS = 2.0
"""How long one edit may compute, as a search for a repair has it."""


ENDS = {
    find_faults.__code__: 0.6,
    with_line.__code__: 0.75,
    diagnose.__code__: 0.8,
    Work.while_time.__code__: 0.8,
}
"""Part of the time that the user gives it after which searches for lines and more checks end."""

EVERY = 2.0
"""Seconds from one reminder to the next: a check may begin another search."""


def time_limit(wishes: Wishes, overrides: Mapping[str, Any]) -> float:
    """Return the seconds for a script, with the budgets of its check and its repair."""
    budgets = (overrides.get(one) for one in ("budget", "repair"))
    return LONGEST * wishes.seconds + sum(
        EDIT_SECONDS * one.most if isinstance(one, Edits) else float(one or 0) for one in budgets
    )


@contextlib.contextmanager
def ending_searches(began: float, seconds: float) -> Iterator[None]:
    """End every search that goes on once its part of the user's seconds is over since `began`."""

    def remind(_: int, frame: FrameType | None) -> None:
        part = (time.perf_counter() - began) / seconds
        while frame is not None:
            if part > ENDS.get(frame.f_code, math.inf):
                raise OutOfTimeError
            frame = frame.f_back

    signal.signal(signal.SIGALRM, remind)
    signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
