"""Which of the user's functions run: found by running."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType, FunctionType
from typing import Any

from gradcheck.user.calls import LEAVING, is_users_file

Watch = Callable[[FrameType, str, Any], object]
"""Takes a frame, what happens to it, and the argument of that, as `sys.setprofile` has it."""


def executed(run: Callable[[], object]) -> list[CodeType]:
    """The codes of the user's that run, in the order in which they begin; it may raise."""
    codes: dict[CodeType, None] = {}

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            codes[frame.f_code] = None

    run_watched(run, watch)
    return [code for code in codes if is_users_file(code.co_filename)]


def run_watched(run: Callable[[], object], watch: Watch, by_line: bool = False) -> None:
    """Runs the user's code, whatever it raises, with a profile function, or one for every line."""
    now: Callable[[], Any] = sys.gettrace if by_line else sys.getprofile
    put: Callable[[Any], None] = sys.settrace if by_line else sys.setprofile
    before = now()
    put(watch)
    try:
        run()
    except LEAVING:  # the user's code may raise whatever it likes
        pass
    finally:
        put(before)


def functions_of(codes: Iterable[CodeType]) -> dict[CodeType, list[FunctionType]]:
    """The functions there are that have these codes: all closures that were made of one."""
    functions: dict[CodeType, list[FunctionType]] = {code: [] for code in codes}
    if functions:
        for one in gc.get_referrers(*functions):
            if isinstance(one, FunctionType) and one.__code__ in functions:
                functions[one.__code__].append(one)
    return functions
