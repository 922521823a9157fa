"""The search in a process of its own, which may be slow, hang or run out of memory.

The process is forked, so that it has the user's functions as they are, with lambdas and objects. It
edits its own copy.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
import warnings
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from gradcheck.compare.point import Point
from gradcheck.diagnose.engine import Diagnosis
from gradcheck.errors import UsageError
from gradcheck.mending.candidate import WAITS, Mended
from gradcheck.mending.edits import Hints
from gradcheck.mending.elsewhere import Data
from gradcheck.mending.judge import Judge
from gradcheck.mending.literals import numbers_written, sizes_written
from gradcheck.mending.model import Repair, nothing_returned_for
from gradcheck.mending.patches import make_patch
from gradcheck.mending.proving import Proving
from gradcheck.mending.ranking import ranked
from gradcheck.mending.search import Search
from gradcheck.mending.source import as_utf8, editable_functions, read_source
from gradcheck.mending.surroundings import Surroundings
from gradcheck.mending.targets import blocks_without_gradient
from gradcheck.mending.task import SLOWEST, Allowance, Answers, Task, shared_counts
from gradcheck.options import Edits
from gradcheck.progress import Advance
from gradcheck.sandbox.confinement import confine
from gradcheck.sandbox.forked import forked
from gradcheck.sandbox.harmless import Refusals
from gradcheck.trace.record.tensors import JaxArray, kind_for
from gradcheck.user.calls import UserCodeError
from gradcheck.words import listed, printable

TICK = 0.02
"""The seconds that the system may miss in the computing time of a process that used its budget."""

PATIENCE = 5.0
"""A silent process is stopped when it has computed for this many times a candidate's limit."""

RESTARTS, MOST_SHOWN = 20, 5

NONE_WRONG = "no gradient is wrong"
BROKE_OFF = "an edit that was tried ended the search every time it was begun again"

REACHES_OUT = (
    "your functions write, remove or start something themselves, which is not allowed where edits "
    "are tried"
)


def repair(point: Point, diagnosis: Diagnosis, budget: float | Edits, advance: Advance) -> Repair:
    """Search the user's source for edits that make every block right.

    The budget is in seconds or edits; `advance` is called with the number of further edits tried.
    """
    allowance = Allowance.of(budget)
    if not (point.failed or point.unstable):
        undecided = [one.name for one in point.blocks if one.verdict == "inconclusive"]
        why = f"no gradient is known to be wrong; {listed(undecided)} could not be decided"
        return Repair(reason=f"there is nothing to repair: {why if undecided else NONE_WRONG}")
    functions, refused = editable_functions(point.problem)
    if not functions:
        why = (
            "; ".join(dict.fromkeys(refused))
            or "the gradient is made by no function whose source can be read"
        )
        return Repair(reason=printable(why))
    if not hasattr(os, "fork"):
        return Repair(reason="candidates are tried in a forked process, which this system lacks")
    if kind_for(point.problem.parameters.owner) is JaxArray:
        return Repair(reason="candidates are tried in a forked process, where jax does not run")
    files = {function.path: read_source(function.path) for function in functions}
    texts = {path: as_utf8(file) for path, file in files.items()}
    hints = Hints.of(diagnosis.findings, diagnosis.faults)
    task = Task(point, tuple(functions), texts, hints, allowance)
    watched = _Watched(task, advance)
    if not any(watched.run() or watched.is_over() for _ in range(RESTARTS)):
        watched.refusal = watched.refusal or BROKE_OFF
    proved = [one for one in watched.sent if one.holds]
    mended = [one for one in proved if not one.doubtful] or proved
    reason = None if mended else watched.refusal or _why_none(point, allowance, watched)
    likeliest = ranked(mended, texts, diagnosis.findings)
    patches = tuple(make_patch(one, files) for one in likeliest[:MOST_SHOWN])
    return Repair(patches, watched.tried, allowance.seconds(), reason, watched.refused)


def _why_none(point: Point, allowance: Allowance, watched: _Watched) -> str:
    coincidence = next((one for one in watched.sent if not one.part), None)
    missing = [block.name for block in point.blocks if block.verdict == "missing"]
    why = "no edit makes every gradient right, nor one after another that makes more of them right"
    if coincidence is not None:
        edit = coincidence.edits[0]
        why = (
            f"line {edit.line}, {edit.words}, is right with these data and wrong with "
            f"{listed(coincidence.varied)}: no edit was found that is right with both"
        )
    elif missing:
        why = nothing_returned_for(missing)
    elif watched.is_over(beyond=-TICK):
        lines = list(map(str, sorted({line for _, line in watched.lines})))
        begun = f", which began at line {listed(lines)}" if lines else ""
        more = "a larger budget (--budget) goes on"
        why = f"no edit was found in the {allowance} allowed{begun}; {more}"
    part = next((one for one in reversed(watched.sent) if one.part), None)
    if part is None:
        return why
    lines = [f"line {edit.line}, {edit.words}" for edit in part.edits]
    return f"{why}; {listed(lines)}, makes {listed(part.part)} right"


class _Watched:
    """Processes that search, one after the other, and the results that they have sent."""

    def __init__(self, task: Task, advance: Advance) -> None:
        self.tried = self.refused = 0
        self.refusal: str | None = None
        self.sent: list[Mended] = []
        self.lines = task.hints.lines
        self._task = task
        self._advance = advance
        self._counts = shared_counts()

    def run(self) -> bool:
        """Run the search, but for the candidates tried before; return whether it came to its end.

        In a process that is confined already, such as that of a script, it runs in place.
        """
        if Refusals.here is not None:
            answers = Answers(self._counts, Refusals.here, self.sent.append)
            begun = time.process_time()
            _try_candidates(self._task, answers)
            self.tried, self.refused = self._counts[:2]
            self._has_computed(time.process_time() - begun)
            return True
        with (
            tempfile.TemporaryDirectory(prefix="gradcheck-") as folder,
            forked(_search, self._counts, self._task, folder) as (receiver, process),
        ):
            silence = Silence(process.pid or 0, PATIENCE * SLOWEST)
            try:
                return self._listen(receiver, silence)
            finally:
                self._has_computed(silence.computed())

    def _has_computed(self, seconds: float) -> None:
        allowance = self._task.allowance
        computed = allowance.computed + seconds
        self._task = replace(self._task, allowance=replace(allowance, computed=computed))

    def _listen(self, receiver: Connection, silence: Silence) -> bool:
        while not self.is_over(silence.computed(), beyond=SLOWEST):
            try:
                ready = receiver.poll(0.05)
                self._count(silence)
                if not ready:
                    if silence.is_too_long():
                        return False
                    continue
                message: Mended | str | None = receiver.recv()
            except (EOFError, OSError):
                return False
            silence.broken()
            if message is None:
                return True
            if isinstance(message, str):
                self.refusal = message
            else:
                self.sent.append(message)
        return True

    def is_over(self, computed: float = 0.0, beyond: float = 0.0) -> bool:
        """True if the allowance plus `beyond` is used up, with `computed` seconds of a process."""
        allowance = self._task.allowance
        return allowance.spent(self.tried, computed) >= allowance.amount + beyond

    def _count(self, silence: Silence) -> None:
        tried, self.refused = self._counts[:2]
        if tried > self.tried:
            silence.broken()
            self._advance(tried - self.tried)
            self.tried = tried


def _search(sender: Connection, counts: memoryview, task: Task, folder: str) -> None:
    """Run the search in the forked process; send None at its end."""
    surroundings = Surroundings(task.point.problem, task.closures)
    confine(sender.fileno(), ctypes.addressof(ctypes.c_char.from_buffer(counts)))
    refusals = Refusals(function.__globals__ for function in task.closures)
    _work_in(folder, task.point, surroundings)
    if refusals.happened():
        sender.send(REACHES_OUT)
    else:
        refusals.count = counts[1]  # those of earlier processes
        _try_candidates(task, Answers(counts, refusals, sender.send))
    sender.send(None)


def _try_candidates(task: Task, answers: Answers) -> None:
    """Search, in a process in which nothing can be harmed."""
    problem, functions = task.point.problem, task.closures
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # candidates overflow and divide by zero
        surroundings = Surroundings(problem, functions)
        judge = Judge(task.point, blocks_without_gradient(task.point, task.functions))
        written = sizes_written(task.functions, problem.loss_function, task.texts)
        fixed = written, numbers_written(task.functions)
        data = partial(Data, problem, task.point.values, functions, surroundings.restore, *fixed)
        proving = Proving(task, judge, surroundings, data)
        Search(task, judge, surroundings, proving, answers).run()


def _work_in(folder: str, point: Point, surroundings: Surroundings) -> None:
    """Change into an empty folder, unless the user's functions need the files beside them."""
    home = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        point.problem.loss([value.copy() for value in point.values])
        point.problem.gradient([value.copy() for value in point.values])
    except (UserCodeError, UsageError):
        os.fchdir(home)
    finally:
        surroundings.restore()


class Silence:
    """The silence of a process since its last message, with a limit in seconds."""

    def __init__(self, pid: int, most: float) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._most = most
        self._begun = time.monotonic()
        self.broken()

    def broken(self) -> None:
        """Note that the process has sent something."""
        self._since = time.monotonic()
        self._computed = self.computed()

    def is_too_long(self) -> bool:
        """True if it computed too long, or waited much too long; a busy machine does not count."""
        waited = time.monotonic() - self._since
        computed = self.computed() - self._computed
        return min(waited, computed) > self._most or waited > WAITS * self._most

    def computed(self) -> float:
        """Return the seconds that the process has computed, or its age if the system tells none."""
        try:
            fields = self._stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return time.monotonic() - self._begun
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # user and system time
