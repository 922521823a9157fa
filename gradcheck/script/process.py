"""The process that a script is run in: forked, with a time limit, closed off."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from typing import Any

from gradcheck.errors import UsageError
from gradcheck.sandbox.confinement import confine


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
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, sender))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forking beside threads: the child starts none
        process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise UsageError(f"it was stopped after {seconds:g} s")
        return receiver.recv()
    except EOFError:
        process.join()
        raise UsageError(f"the script ended its process, with status {process.exitcode}") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        receiver.close()


def _work(work: Callable[[Callable[[Any], None]], None], sender: Any) -> None:
    end = os._exit
    confine(sender.fileno(), shared=0)
    with contextlib.suppress(BrokenPipeError):
        work(sender.send)
    sender.close()
    end(0)  # nothing of the parent's is to be tidied up here
