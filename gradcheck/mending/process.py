"""The search in a process of its own, which may be slow, hang or run out of memory.

It is forked, so that it has the user's functions as they are, lambdas and objects and all; what it
edits is its own copy.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from gradcheck.compare.point import Point
from gradcheck.finding import Finding
from gradcheck.mending.allowance import Allowance
from gradcheck.mending.candidate import Mended
from gradcheck.mending.edits import Hints
from gradcheck.mending.judge import Judge
from gradcheck.mending.model import Patch, Repair
from gradcheck.mending.patches import make_patch
from gradcheck.mending.search import SLOWEST, Search, Task
from gradcheck.mending.silence import Silence
from gradcheck.mending.source import blocks_without_gradient, editable_functions
from gradcheck.options import Edits
from gradcheck.progress import Advance
from gradcheck.words import listed, printable

MORE_MEMORY = 2**32
"""Bytes of address space that a candidate may take beside what the process has."""

PATIENCE = 5.0
"""A process that computes for so many times a candidate's limit and sends nothing is stopped."""

RESTARTS = 5


def repair(
    point: Point, findings: Sequence[Finding], budget: float | Edits, advance: Advance
) -> Repair:
    """Searches the user's source for edits that make every block right.

    Args:
        point: the user's, compared.
        findings: of the diagnosis; they order the search.
        budget: seconds that it may take, or edits that it may try.
        advance: called with the number of further edits that were tried.
    """
    allowance = Allowance.of(budget)
    if not point.failed:
        return Repair(reason="there is nothing to repair: no gradient is wrong")
    functions, refused = editable_functions(point.problem)
    if not functions:
        why = "; ".join(refused) or "the gradient is made by no function whose source can be read"
        return Repair(reason=printable(why))
    if not hasattr(os, "fork"):
        return Repair(reason="candidates are tried in a forked process, which this system lacks")
    texts = {function.path: Path(function.path).read_bytes() for function in functions}
    hints = Hints.of(findings)
    task = Task(point, tuple(functions), texts, hints, allowance)
    watched = _Watched(task, advance)
    for _ in range(RESTARTS):
        if watched.run(skipped=watched.tried) or allowance.is_spent(watched.tried):
            break
    reason = None
    if not watched.mended:
        reason = _why_none(point, allowance, watched.tried)
    made = [(one, make_patch(one, texts)) for one in watched.mended]
    patches = tuple(patch for _, patch in sorted(made, key=_naturalness))
    return Repair(patches, watched.tried, allowance.seconds(), reason)


def _why_none(point: Point, allowance: Allowance, tried: int) -> str:
    missing = [block.name for block in point.blocks if block.verdict == "missing"]
    if missing:
        return (
            f"no gradient is returned for {listed(missing)}: a part of the backward pass is "
            "missing, which is beyond an edit"
        )
    if allowance.is_spent(tried):
        return f"no edit was found in the {allowance} allowed"
    return "no edit, and no combination of two or three, makes every gradient right"


def _naturalness(made: tuple[Mended, Patch]) -> tuple[int, float, int]:
    """The number of edits, how unnatural they are, and how much text they change."""
    mended, patch = made
    lines = [line for line in patch.diff.split("\n") if line[:1] in "+-"]
    return len(mended.edits), mended.weight, sum(map(len, lines))


class _Watched:
    """Processes that search, one after the other, and what they have sent."""

    def __init__(self, task: Task, advance: Advance) -> None:
        self.tried = 0
        self.mended: list[Mended] = []
        self._task = task
        self._advance = advance

    def run(self, skipped: int) -> bool:
        """Runs the search but for the first `skipped` candidates; whether it came to its end."""
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_search, args=(sender, skipped, self._task))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of forking beside threads: the child starts none
            process.start()
        sender.close()
        try:
            return self._listen(receiver, Silence(process.pid or 0, PATIENCE * SLOWEST))
        finally:
            process.kill()
            process.join()
            receiver.close()

    def _listen(self, receiver: Connection, silence: Silence) -> bool:
        while not self._task.allowance.is_spent(self.tried, beyond=SLOWEST):
            try:
                if not receiver.poll(0.05):
                    if silence.is_too_long():
                        return False
                    continue
                message: int | Mended | None = receiver.recv()
            except (EOFError, OSError):
                return False
            silence.broken()
            if message is None:
                return True
            if isinstance(message, Mended):
                self.mended.append(message)
            else:
                self._advance(max(0, message - self.tried))
                self.tried = max(self.tried, message)
        return True


def _search(sender: Connection, skipped: int, task: Task) -> None:
    """What runs in the process; None is sent at its end."""
    _limit_memory()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    with contextlib.suppress(BrokenPipeError, MemoryError):
        missing = blocks_without_gradient(task.point, task.functions)
        judge = Judge(task.point, missing, seed=0)
        Search(task, judge, skipped, sender.send).run()
        sender.send(None)
    os._exit(0)  # nothing of the parent's is to be tidied up here


def _limit_memory() -> None:
    """As much more address space as a candidate may take; what asks for more fails."""
    import resource  # not where there is no fork, which is said in a sentence

    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
