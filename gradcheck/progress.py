"""A progress bar for what takes more than a second, on a terminal only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

Advance = Callable[[int], None]
"""Takes how many more are done."""

Begin = Callable[[str, float], Advance]
"""(what is counted, how many there will be) -> what to call when some are done."""

PATIENCE = 1.0
"""Seconds before a bar is shown."""


def no_advance(count: int) -> None:
    """Shows nothing."""


def no_bar(unit: str, total: float) -> Advance:
    """Shows nothing."""
    return no_advance


@contextlib.contextmanager
def progress_bar() -> Iterator[Begin]:
    """One bar on stderr at a time, with its rate and the time left; none away from a terminal."""
    if not (sys.stderr is not None and sys.stderr.isatty()):
        yield no_bar
        return
    from tqdm import tqdm

    shown: list[Any] = []

    def begin(unit: str, total: float) -> Advance:
        while shown:
            shown.pop().close()
        bar = tqdm(
            total=round(total), unit=f" {unit}", delay=PATIENCE, leave=False, file=sys.stderr
        )
        shown.append(bar)
        return cast(Advance, bar.update)

    try:
        yield begin
    finally:
        while shown:
            shown.pop().close()
