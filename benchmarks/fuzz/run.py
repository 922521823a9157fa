"""One run: a problem of a family, its right gradient, wrong ones, and errors at what is stated."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.fuzz.doors import Door, open_door, without_search
from benchmarks.fuzz.errors import Change, Mistake, added, draw
from benchmarks.fuzz.problem import Array, Family, Problem
from benchmarks.fuzz.stated import stated_by_closing, stated_errors
from gradcheck import Report

TIMES = (1, 2, 5, 10)
"""How many times of what the report of the right gradient states the planted errors are."""

MISTAKES = 2
CHECKS = 1 + MISTAKES + len(TIMES)
"""How many checks a run has at most, but for the one at the closing line's number."""

TRIES = 20

AS_PRINTED = 1.05
"""A statement is printed with two digits, so that what lies on it is neither above nor below."""

LAST_LINE = 0
"""Stands for the number of the report's last line among the times of what is stated."""


@dataclass(frozen=True)
class Check:
    """One call of gradcheck and what came of it.

    Attributes:
        family: of the problem.
        seed: of the run.
        door: the way in which it was asked.
        gradient: "right", or what is wrong with it.
        outcome: "fine", "false alarm", "miss", "undecided", "unseen" (wrong, and passed with a
            statement that allows for it) or "crash".
        right: whether the gradient is right.
        decidable: whether a right gradient ought to pass.
        planted: the times of the stated error that were planted, or LAST_LINE;
            None where the error has nothing to do with it.
        evaluations: of the loss, by entry; None where entries were left out or it raised.
        text: the report, or the traceback.
    """

    family: str
    seed: int
    door: str
    gradient: str
    outcome: str
    right: bool
    decidable: bool
    planted: int | None = None
    evaluations: float | None = None
    text: str = ""

    @property
    def passed(self) -> bool:
        """Whether a wrong gradient passed."""
        return self.outcome in ("miss", "unseen")


def run(family: Family, seed: int) -> list[Check]:
    """All checks of one run."""
    rng = family.generator(seed)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        problem = without_search(family.make(rng), rng)
        door = open_door(str(rng.choice(family.doors)), problem, rng)
        return list(_Run(family, seed, problem, door).checks(rng))


@dataclass(frozen=True)
class _Run:
    family: Family
    seed: int
    problem: Problem
    door: Door

    @property
    def blocks(self) -> dict[str, Array]:
        return self.door.layout.blocks(self.problem.point.size)

    def checks(self, rng: np.random.Generator) -> Iterator[Check]:
        check, report = self.check(Mistake("right", lambda gradient: gradient))
        yield check
        for _ in range(MISTAKES):
            mistake = self.mistake(rng)
            if mistake is not None:
                yield self.check(mistake)[0]
        if report is not None and report.ok:
            yield from self.planted(report, rng)

    def mistake(self, rng: np.random.Generator) -> Mistake | None:
        """A mistake that makes a difference, or None where none was drawn."""
        gradient = self.problem.gradient(self.problem.point)
        blocks = [block for block in self.blocks.values() if len(block)]
        for _ in range(TRIES):
            mistake = draw(rng, gradient, blocks[rng.integers(len(blocks))])
            if np.any(self.error(mistake.change) > self.rounding()):
                return mistake
        return None

    def rounding(self) -> Array:
        """How far the right gradient is from itself when it is rounded as it is given."""
        return 2 * self.error(lambda gradient: gradient)

    def error(self, change: Change) -> Array:
        return self.problem.error(self.door.claimed(self.problem, change))

    def planted(self, report: Report, rng: np.random.Generator) -> Iterator[Check]:
        """Errors in a random entry at what is stated, where that is more than rounding."""
        entry, sign = int(rng.integers(self.problem.point.size)), float(rng.choice([-1, 1]))
        claimed = self.door.claimed(self.problem, lambda gradient: gradient)
        stated = stated_errors(report, claimed, self.blocks)[entry]
        closing = stated_by_closing(report, claimed, self.blocks)[entry]
        sizes = [(times, times * stated) for times in TIMES]
        if len(report.blocks) > 1:
            sizes.append((LAST_LINE, closing))
        for times, size in sizes:
            change = added(entry, sign * self.away(entry, sign, size))
            if np.isfinite(size) and np.any(self.error(change) > self.rounding()):
                stated_by = "the last line" if times == LAST_LINE else f"{times} x what is stated"
                name = f"entry {entry} off by {size:.2g}, {stated_by}"
                yield self.check(Mistake(name, change), times)[0]

    def away(self, entry: int, sign: float, size: float) -> float:
        """How far the derivative has to move to be so far from every right one."""
        if self.problem.slopes is None:
            return size
        lower, upper = self.problem.slopes(self.problem.point)
        own = self.problem.gradient(self.problem.point)
        return float(size + (upper - own if sign > 0 else own - lower)[entry])

    def check(self, mistake: Mistake, planted: int | None = None) -> tuple[Check, Report | None]:
        right = mistake.name == "right"
        try:
            report = self.door.ask(self.problem, self.door.layout, mistake.change, self.seed)
        except Exception:  # whatever gradcheck raises is what this looks for
            return self.record(mistake, "crash", right, planted, None, traceback.format_exc()), None
        outcome = self.right_outcome(report) if right else self.wrong_outcome(report, mistake)
        evaluations = None
        if report.coverage.complete and report.coverage.total:
            evaluations = report.evaluations / report.coverage.total
        return self.record(mistake, outcome, right, planted, evaluations, str(report)), report

    def record(
        self,
        mistake: Mistake,
        outcome: str,
        right: bool,
        planted: int | None,
        evaluations: float | None,
        text: str,
    ) -> Check:
        return Check(
            self.family.name,
            self.seed,
            self.door.name,
            mistake.name,
            outcome,
            right,
            self.problem.decidable,
            planted,
            evaluations,
            text,
        )

    @staticmethod
    def right_outcome(report: Report) -> str:
        return {"pass": "fine", "fail": "false alarm"}.get(report.verdict, "undecided")

    def wrong_outcome(self, report: Report, mistake: Mistake) -> str:
        if not report.ok:
            return "fine" if report.verdict == "fail" else "undecided"
        claimed = self.door.claimed(self.problem, mistake.change)
        stated = stated_errors(report, claimed, self.blocks)
        above = self.problem.error(claimed) > AS_PRINTED * stated
        return "miss" if np.any(above) else "unseen"
