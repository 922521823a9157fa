"""A forked process that has what this one has, tells of it, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any


@contextmanager
def forked(work: Callable[..., None], *arguments: Any) -> Iterator[tuple[Connection, BaseProcess]]:
    """A process that does some work, and where its answers come; it is ended with the block.

    Args:
        work: is given the connection to answer by, and the arguments.
        arguments: whatever they are.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, sender, arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forking beside threads: the child starts none
        process.start()
    sender.close()
    try:
        yield receiver, process
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has no session of its own yet
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.kill()
        process.join()
        receiver.close()


def _run(work: Callable[..., None], sender: Connection, arguments: tuple[Any, ...]) -> None:
    end = os._exit  # which the work may come to refuse
    os.setsid()
    with contextlib.suppress(BrokenPipeError, MemoryError):
        work(sender, *arguments)
    sender.close()
    end(0)  # nothing of the parent's is to be tidied up here
