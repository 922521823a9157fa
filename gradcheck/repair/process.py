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
from typing import Any

from gradcheck.compare.comparison import Comparison
from gradcheck.diagnose.reached import reached_functions
from gradcheck.diagnose.words import listed
from gradcheck.finding import Finding
from gradcheck.numeric.noise import Noise
from gradcheck.options import Edits
from gradcheck.progress import Advance
from gradcheck.repair.allowance import Allowance
from gradcheck.repair.judge import Judge
from gradcheck.repair.model import Patch, Repair
from gradcheck.repair.patches import make_patch
from gradcheck.repair.search import Search, Texts
from gradcheck.repair.silence import Silence
from gradcheck.repair.source import Function, editable_functions
from gradcheck.repair.surroundings import Surroundings
from gradcheck.user.blocks import printable
from gradcheck.user.names import derived_names
from gradcheck.user.problem import Problem

MORE_MEMORY = 2**32
SLOWEST = 2.0
PATIENCE = 5.0
"""A process that computes so many times its limit and tells nothing is stopped."""

RESTARTS = 5


def repair(
    problem: Problem,
    comparison: Comparison,
    findings: Sequence[Finding],
    noise: Noise,
    budget: float | Edits,
    advance: Advance,
) -> Repair:
    """Searches the user's source for edits that make every block right.

    Args:
        problem: what is checked.
        comparison: at the user's point, with the numeric gradient.
        findings: of the diagnosis; they order the search.
        noise: the precision of the loss.
        budget: seconds that it may take, or edits that it may try.
        advance: told how many edits were tried.
    """
    allowance = Allowance.of(budget)
    if not any(block.failed for block in comparison.blocks):
        return Repair(reason="there is nothing to repair: no gradient is wrong")
    functions, refused = editable_functions(problem)
    if not functions:
        why = "; ".join(refused) or "the gradient is made by no function whose source can be had"
        return Repair(reason=printable(why))
    if not hasattr(os, "fork"):
        return Repair(reason="candidates are tried in a forked process, which this system lacks")
    texts = {function.path: Path(function.path).read_bytes() for function in functions}
    watched = _Watched(allowance, texts, advance)
    arguments = (problem, comparison, findings, noise, functions, texts, allowance)
    skipped = 0
    for _ in range(RESTARTS):
        finished = watched.run(arguments, skipped)
        if finished or allowance.is_spent(watched.tried):
            break
        skipped = watched.tried
    patches = tuple(patch for _, patch in sorted(watched.patches, key=_naturalness))
    reason = None
    if not patches:
        over = allowance.is_spent(watched.tried)
        missing = [block.name for block in comparison.blocks if block.verdict == "missing"]
        reason = (
            f"no gradient is returned for {listed(missing)}: a part of the backward pass is "
            "missing, which is beyond an edit"
            if missing
            else f"no edit was found in the {allowance} allowed"
            if over
            else "no edit, and no combination of two or three, makes every gradient right"
        )
    return Repair(patches, watched.tried, allowance.seconds(), reason)


def _naturalness(found: tuple[float, Patch]) -> tuple[int, float, int]:
    """The number of edits, how unnatural they are, and how much text they change."""
    weight, patch = found
    lines = [line for line in patch.diff.split("\n") if line[:1] in "+-"]
    return patch.words.count("\n"), weight, sum(map(len, lines))


class _Watched:
    """A process that is watched, and what it has told."""

    def __init__(self, allowance: Allowance, texts: Texts, advance: Advance) -> None:
        self.tried = 0
        self.patches: list[tuple[float, Patch]] = []
        self._allowance = allowance
        self._texts = texts
        self._advance = advance

    def run(self, arguments: tuple[Any, ...], skipped: int) -> bool:
        """Runs the search; whether it came to its end.

        Args:
            arguments: of the search.
            skipped: how many candidates were tried by processes before it.
        """
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_search, args=(sender, skipped, *arguments))
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
        while not self._allowance.is_spent(self.tried, beyond=SLOWEST):
            try:
                if not receiver.poll(0.05):
                    if silence.is_too_long():
                        return False
                    continue
                kind, told = receiver.recv()
            except (EOFError, OSError):
                return False
            silence.broken()
            if kind == "end":
                return True
            if kind == "tried":
                self._advance(max(0, told - self.tried))
                self.tried = max(self.tried, told)
            else:
                edits, after, *proof, weight = told
                patch = make_patch(edits, self._texts, after, *proof)
                self.patches.append((weight, patch))
        return True


def _search(
    sender: Connection,
    skipped: int,
    problem: Problem,
    comparison: Comparison,
    findings: Sequence[Finding],
    noise: Noise,
    functions: Sequence[Function],
    texts: Texts,
    allowance: Allowance,
) -> None:
    """What runs in the process."""
    _limit_memory()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)

    def send(kind: str, told: Any) -> None:
        sender.send((kind, told))

    with contextlib.suppress(BrokenPipeError, MemoryError):
        seconds = noise.seconds
        missing = _may_be_missing(problem, comparison, functions)
        search = Search(
            problem,
            Judge(problem, comparison, noise, missing, seed=0),
            functions,
            Surroundings(problem, [function.function for function in functions]),
            _lines(findings),
            [finding.code for finding in findings],
            allowance,
            min(SLOWEST, max(0.2, 50 * seconds)),
            skipped,
            send,
        )
        search.run(texts)
        send("end", None)
    os._exit(0)  # nothing of the parent's is to be tidied up here


def _lines(findings: Sequence[Finding]) -> list[tuple[str, int]]:
    return [
        (location.file, location.line)
        for finding in findings
        for location in (finding.location, *finding.also)
        if location is not None
    ]


def _may_be_missing(
    problem: Problem, comparison: Comparison, functions: Sequence[Function]
) -> frozenset[int]:
    """The blocks that no gradient is returned for, as far as the source tells where it raises.

    There, a block is one of them where no text in the functions, but those that the loss calls as
    well, begins a name of its gradient.
    """
    texts: set[str] = set()
    shared = {function.__code__ for function in reached_functions(problem, of_loss=True)}
    for function in functions:
        code = function.function.__code__
        for worth in () if code in shared else code.co_consts:
            items = worth if isinstance(worth, tuple) else (worth,)
            texts.update(item for item in items if isinstance(item, str) and item)
    found = set()
    for leaf in problem.parameters.leaves:
        if leaf.block is None or not leaf.path or not isinstance(leaf.path[0], str):
            continue
        verdict = comparison.blocks[leaf.block].verdict
        names = {leaf.path[0], *derived_names(leaf.path[0])}
        told = any(name.startswith(text) for name in names for text in texts)
        if verdict == "missing" or (verdict == "raised" and not told):
            found.add(leaf.block)
    return frozenset(found)


def _limit_memory() -> None:
    """As much more address space as a candidate may take; what asks for more fails."""
    import resource  # not where there is no fork, which is said in a sentence

    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
