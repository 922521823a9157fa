"""Run a script in a forked and confined process, with a time limit."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gradcheck.errors import UsageError
from gradcheck.sandbox.confinement import confine
from gradcheck.sandbox.forked import forked
from gradcheck.script.words import RefusedError, short


def in_process(work: Callable[[], Any], seconds: float) -> Any:
    """Return the result of `work` in a process of its own, or a sentence saying why there is none.

    The process is ended after `seconds`.
    """
    if not hasattr(os, "fork"):
        return (
            "a script is taken apart in a forked process, which this system lacks; mark a function "
            "of yours with @gradcheck.case"
        )
    with forked(_answer, work) as (receiver, process):
        try:
            return (
                receiver.recv() if receiver.poll(seconds) else f"it was stopped after {seconds:g} s"
            )
        except EOFError:
            process.join()
            return f"the script ended its process, with status {process.exitcode}"


def _answer(sender: Connection, work: Callable[[], Any]) -> None:
    confine(sender.fileno(), shared=0)
    try:
        answer = work()
    except (RefusedError, UsageError) as refused:
        answer = str(refused)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        answer = (
            f"{type(error).__name__}: {short(error, 160)} ({Path(place.filename).name}:"
            f"{place.lineno}); if it is an ordinary script, that is a defect of gradcheck: "
            "please report it"
        )
    sender.send(answer)
