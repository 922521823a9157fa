"""Calls in processes of their own, which may hang, end or be killed without harm to the others.

One that has answered takes the next call. They are forked from a process that has done nothing but
import what they need, or spawned where a system has no such thing.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pkgutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from gradcheck.errors import UsageError

Call = tuple[str, tuple[Any, ...]]
"""A function as "module:name", imported by the worker only, and its arguments."""

FORKED = "forkserver"
SPAWNED = "spawn"
NEEDED = [
    "gradcheck.running",
    "gradcheck.diagnose.engine",
    "gradcheck.script",
    "numpy.ma",
    "numpy.random",
]
"""What the processes import before they are forked."""

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Where libraries of linear algebra look for the number of threads that they may use."""

READY = "ready"
"""Said when a call has come, and all that it needs is imported."""

START = 60.0
"""Seconds that this may take."""

GRACE = 3.0
"""Seconds in which interrupted calls may still answer with what they have."""


@dataclass(frozen=True)
class Lost:
    """What stands for the answer of a call that gave none, and why, in a sentence."""

    reason: str


class Workers:
    """Processes that carry out calls.

    Args:
        jobs: how many at a time.
        seconds: that a call may take; the start of a process does not count.
    """

    def __init__(self, jobs: int, seconds: float) -> None:
        self._jobs = jobs
        self._seconds = seconds
        self._workers: list[_Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.kill()

    def run(self, calls: Sequence[Call]) -> Iterator[Any]:
        """What the calls return, in their order; a `UsageError` is returned, too, not raised.

        Raises:
            KeyboardInterrupt: the user interrupted; what the begun calls answered came first.
        """
        waiting = deque(enumerate(calls))
        answers: dict[int, Any] = {}
        told = 0
        try:
            while told < len(calls):
                self._begin(waiting)
                answers.update(self._heard())
                while told in answers:
                    yield answers.pop(told)
                    told += 1
        except KeyboardInterrupt:
            answers.update(self._interrupted())
            yield from (answers[number] for number in sorted(answers))
            raise

    def _begin(self, waiting: deque[tuple[int, Call]]) -> None:
        idle = [worker for worker in self._workers if worker.number is None]
        while waiting and (idle or len(self._workers) < self._jobs):
            if not idle:
                idle.append(_Worker(self._jobs))
                self._workers.append(idle[-1])
            idle.pop().begin(*waiting.popleft(), self._seconds)

    def _heard(self, patience: float = math.inf) -> Iterator[tuple[int, Any]]:
        """Waits until something happens, and tells the answers that are there."""
        busy = [worker for worker in self._workers if worker.number is not None]
        left = min(worker.deadline for worker in busy) - time.monotonic()
        watched = [part for worker in busy for part in worker.watched]
        wait(watched, max(0.0, min(left, patience, 0.5)))  # Windows sees Ctrl-C only between
        for worker in busy:
            yield from worker.heard()
        self._workers = [worker for worker in self._workers if not worker.is_ended]

    def _interrupted(self) -> Iterator[tuple[int, Any]]:
        until = time.monotonic() + GRACE
        for worker in self._workers:
            worker.interrupt()
        while any(worker.number is not None for worker in self._workers):
            if time.monotonic() > until:
                break
            yield from self._heard(until - time.monotonic())
        for worker in self._workers:
            if worker.number is not None:
                yield worker.number, Lost("interrupted")


def prepare(jobs: int) -> None:
    """Begins to import what the processes need, of which so many share the cores."""
    if FORKED in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        with threads_of(jobs):
            multiprocessing.get_context(FORKED).set_forkserver_preload(NEEDED)
            forkserver.ensure_running()


@contextlib.contextmanager
def threads_of(jobs: int) -> Iterator[None]:
    """Processes that are begun have their share of the free cores, where nothing else is said.

    More threads than free cores wait for each other, and take the cores while they do: on two
    cores of which another program keeps one, two threads take five times as long as one. The
    progress bars of several processes would write over each other, and are not shown.
    """
    share = str(max(1, _free_cores() // jobs))
    wanted = {**dict.fromkeys(THREADS, share), **({"TQDM_DISABLE": "1"} if jobs > 1 else {})}
    own = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            del os.environ[name]


def _free_cores() -> int:
    """How many cores this process may use and others have left free in the last minute."""
    own = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if own else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return round(cores - busy)


class _Worker:
    """A process, and the call that it is at."""

    def __init__(self, jobs: int) -> None:
        methods = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context(FORKED if FORKED in methods else SPAWNED)
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        with threads_of(jobs):
            self._process.start()
        theirs.close()
        self._seconds = 0.0
        self.is_ended = False
        self.number: int | None = None
        self.deadline = math.inf

    @property
    def watched(self) -> tuple[Connection, int]:
        """What there is to wait for."""
        return self._connection, self._process.sentinel

    def begin(self, number: int, call: Call, seconds: float) -> None:
        """Sends a call."""
        self.number, self._seconds = number, seconds
        self.deadline = time.monotonic() + START + seconds
        with contextlib.suppress(OSError):  # it has ended meanwhile, which is seen soon enough
            self._connection.send(call)

    def heard(self) -> Iterator[tuple[int, Any]]:
        """The answer to the call, if there is one by now; `Lost` where there will be none."""
        number = self.number or 0
        try:
            if self._connection.poll():
                answer = self._connection.recv()
                if answer == READY:
                    self.deadline = time.monotonic() + self._seconds
                else:
                    self.number = None
                    yield number, answer
                return
        except (EOFError, OSError):
            self._process.join(GRACE)
        if self._process.exitcode is not None:
            self.kill()
            yield number, Lost(_how_it_ended(self._process.exitcode))
        elif time.monotonic() > self.deadline:
            self.kill()
            reason = (
                f"stopped after {self._seconds:g} s without a result; --timeout gives it longer, "
                "--no-isolation lets a debugger show what it does"
            )
            yield number, Lost(reason)

    def interrupt(self) -> None:
        """As Ctrl-C does, which reaches a process in a session of its own only this way."""
        if self.number is not None and hasattr(os, "killpg"):
            os.kill(self._process.pid or 0, signal.SIGINT)

    def kill(self) -> None:
        """Ends the process with whatever it has started."""
        self.is_ended = True
        pid = self._process.pid or 0
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        else:
            tree = ["taskkill", "/F", "/T", "/PID", str(pid)]
            subprocess.run(tree, capture_output=True, check=False)
        self._process.kill()  # where it has no session of its own yet
        self._process.join()
        self._connection.close()


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return (
            f"its process ended with exit status {code} before there was a result; look for "
            "os._exit, or a crash of compiled code"
        )
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return (
            "its process was killed (SIGKILL), as systems do when memory runs out; use smaller "
            "data, or fewer --entries"
        )
    return f"its process crashed ({name}), which only compiled code or a signal can do"


def _serve(connection: Connection) -> None:
    """What runs in the process, until the other side is gone."""
    _keep_apart()
    with contextlib.suppress(EOFError, KeyboardInterrupt, OSError):
        while True:
            function, arguments = connection.recv()
            connection.send(READY)
            try:
                connection.send(_answered(function, arguments))
            except (TypeError, AttributeError, ValueError) as error:
                connection.send(Lost(f"its result cannot be sent from its process: {error}"))


def _answered(function: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return pkgutil.resolve_name(function)(*arguments)
    except UsageError as error:
        return error
    except KeyboardInterrupt:
        return Lost("interrupted")
    except MemoryError:
        return Lost("memory ran out; use smaller data, or fewer --entries")
    except Exception as error:
        return Lost(f"gradcheck itself failed, which is a bug of its own: {error!r}")


def _keep_apart() -> None:
    """Its own session, nothing of it on the results' stdout, and no life after its parent."""
    if hasattr(os, "setsid"):
        os.setsid()
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, this process is the one to go
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
