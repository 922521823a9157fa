"""A forked child process that sends answers to this one and leaves nothing behind."""

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
    """Run `work` in a forked process, which is killed at the end; yield its answers and itself.

    `work` is called with the connection to answer by, and the arguments.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(os.getpid(), receiver, work, sender, arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forking beside threads is safe: the child starts none
        process.start()
    sender.close()
    try:
        yield receiver, process
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may not have its own session yet
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
    end = os._exit  # the work may replace os._exit by a refusal
    os.setsid()
    if "torch" in sys.modules:  # it would wait for threads of the parent, which a fork lacks
        sys.modules["torch"].set_num_threads(1)
    receiver.close()  # otherwise an answer that nobody reads would block for ever
    _end_with(parent)
    try:
        with contextlib.suppress(BrokenPipeError, MemoryError):
            work(sender, *arguments)
        sender.close()
    finally:
        end(0)  # without the parent's exit handlers, whatever is raised


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, where supported."""
    with contextlib.suppress(OSError, AttributeError):  # available on Linux only
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
