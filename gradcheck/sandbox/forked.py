"""A forked process that has what this one has, tells of it, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

PARENT_DEATH_SIGNAL = 1


@contextmanager
def forked(work: Callable[..., None], *arguments: Any) -> Iterator[tuple[Connection, BaseProcess]]:
    """A process that does some work, and where its answers come; it is ended with the block.

    The work is given the connection to answer by, and the arguments.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(os.getpid(), receiver, work, sender, arguments))
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


def _run(
    parent: int,
    receiver: Connection,
    work: Callable[..., None],
    sender: Connection,
    arguments: tuple[Any, ...],
) -> None:
    end = os._exit  # which the work may come to refuse
    os.setsid()
    if "torch" in sys.modules:  # it would wait for the parent's threads, which are not here
        sys.modules["torch"].set_num_threads(1)
    receiver.close()  # or an answer that nobody reads any more would be waited with for ever
    _end_with(parent)
    with contextlib.suppress(BrokenPipeError, MemoryError):
        work(sender, *arguments)
    sender.close()
    end(0)  # nothing of the parent's is to be tidied up here


def _end_with(parent: int) -> None:
    """Has this process killed when its parent is, where the system can do that."""
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
