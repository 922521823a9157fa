"""A progress bar for work that takes more than a second, shown on terminals only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

Advance = Callable[[int], None]
"""Takes the number of units done since the last call."""

Begin = Callable[[str, float], Advance]
"""(unit, total) -> the function to call with the number of units done."""

PATIENCE = 1.0
"""Seconds before a bar is shown."""


def no_advance(count: int) -> None:
    """Shows nothing."""


def no_bar(unit: str, total: float) -> Advance:
    """Shows nothing."""
    return no_advance


@contextlib.contextmanager
def progress_bar() -> Iterator[Begin]:
    """Shows one bar at a time on stderr, with rate and remaining time; none without a terminal."""
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
