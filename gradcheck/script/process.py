"""The process that a script is run in: forked, with a time limit, closed off."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from gradcheck.errors import UsageError
from gradcheck.sandbox.confinement import confine
from gradcheck.sandbox.forked import forked


def in_process(work: Callable[[Callable[[Any], None]], None], seconds: float) -> Any:
    """What some work in a process of its own answers.

    Args:
        work: is given the function to answer with.
        seconds: after which the process is ended.

    Raises:
        UsageError: there is no answer, and why.
    """
    if not hasattr(os, "fork"):
        raise UsageError(
            "a script is taken apart in a forked process, which this system lacks; mark a function "
            "of yours with @gradcheck.case"
        )
    with forked(_work, work) as (receiver, process):
        try:
            if not receiver.poll(seconds):
                raise UsageError(f"it was stopped after {seconds:g} s")
            return receiver.recv()
        except EOFError:
            process.join()
            raise UsageError(
                f"the script ended its process, with status {process.exitcode}"
            ) from None


def _work(sender: Connection, work: Callable[[Callable[[Any], None]], None]) -> None:
    confine(sender.fileno(), shared=0)
    work(sender.send)
