"""The user's functions that run, found by running them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType, FunctionType
from typing import Any

from gradcheck.user.calls import LEAVING, is_users_file

Watch = Callable[[FrameType, str, Any], object]
"""A function of a frame, an event and its argument, as `sys.setprofile` calls it."""


def executed(run: Callable[[], object]) -> list[CodeType]:
    """Return the user's codes that run, in the order in which they begin; `run` may raise."""
    codes: dict[CodeType, None] = {}

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            codes[frame.f_code] = None

    run_watched(run, watch)
    return [code for code in codes if is_users_file(code.co_filename)]


def run_watched(run: Callable[[], object], watch: Watch, by_line: bool = False) -> None:
    """Run the user's code, whatever it raises, with a profile function, or one for every line."""
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
    """Return the existing functions with these codes: all closures that were made of one."""
    functions: dict[CodeType, list[FunctionType]] = {code: [] for code in codes}
    if functions:
        for function in gc.get_referrers(*functions):
            if isinstance(function, FunctionType) and function.__code__ in functions:
                functions[function.__code__].append(function)
    return functions
