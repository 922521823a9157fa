"""A script in the place of a case: taken apart and checked, in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.casefiles import what_of_checks
from gradcheck.options import Wishes
from gradcheck.report.model import Report
from gradcheck.report.outcome import Outcome
from gradcheck.report.script import TakenApart
from gradcheck.script.gradients import unmoved
from gradcheck.script.handover import Taken
from gradcheck.script.minimised import Minimised, MinimisedError, watch_minimisers
from gradcheck.script.playground import Playground
from gradcheck.script.process import in_process
from gradcheck.script.raising import raised_at
from gradcheck.script.reading import read_script
from gradcheck.script.refusals import loops_tried, no_loop
from gradcheck.script.saying import described
from gradcheck.script.state import label
from gradcheck.script.taking import Taking
from gradcheck.script.verdicts import (
    UNEXPLAINED_FACTOR,
    causes,
    fits,
    of_the_factor,
    other_counts,
    undecided,
)
from gradcheck.script.words import RefusedError

SECONDS = 120.0
"""What taking a script apart and checking it may take, beside the budget of the check."""

PRELUDE_SECONDS = 20.0
"""What a script may take to come to its training loop."""

MEASURED = 1e-6
"""How precisely the factor of a rate is known."""

CONFIRMING_SECONDS = 2.0
CLIPPED = "GC412"
"""What is accepted of a script, which updates: there is the place to clip a gradient."""


@dataclass(frozen=True)
class ScriptEntry:
    """A script that holds no case, and what the user says of it."""

    path: Path
    wishes: Wishes = field(default_factory=Wishes)

    @property
    def name(self) -> str:
        """What the report is headed by."""
        return self.path.stem

    def outcome(self, overrides: Mapping[str, Any]) -> Outcome:
        """What comes of its check, with other arguments."""
        seconds = SECONDS + sum(float(overrides.get(one) or 0) for one in ("budget", "repair"))
        answer: Outcome | str = in_process(partial(self._checked, overrides), seconds)
        if isinstance(answer, Outcome):
            return answer
        reason = f"{self.path.name} holds no case, and could not be taken apart: {answer}"
        if told := what_of_checks(self.path):
            reason = f"{self.path.name}: {told}"
        return Outcome(self.name, None, "pass", "pass", (reason,), reason)

    def found(self) -> TakenApart | str:
        """What it is, without a check; a sentence where it cannot be told."""
        found: TakenApart | str = in_process(
            lambda: _Work(self.path, self.wishes).described()[1], SECONDS
        )
        return found

    def _checked(self, overrides: Mapping[str, Any]) -> Outcome:
        work = _Work(self.path, self.wishes)
        taken, described = work.described()
        report = work.checked(taken, {**overrides, "workers": 1})
        described = replace(described, notes=(*described.notes, *work.more_notes))
        said = () if report.ok else (f"it was to pass, and the verdict is {report.verdict}",)
        return Outcome(self.name, report, "pass", "pass", said, script=described)


class _Work:
    """What is done in the process."""

    def __init__(self, path: Path, wishes: Wishes) -> None:
        self.path = path
        self.wishes = wishes
        self.more_notes: list[str] = []
        self._others: Iterator[Taken] = iter(())
        self._as_it_is: Report
        self._factor = 1.0

    def described(self) -> tuple[Taken | Minimised, TakenApart]:
        """The iteration to check, and what it is.

        Raises:
            RefusedError: it cannot be told, and why.
        """
        script = read_script(self.path)
        home = Path.cwd()
        playground = Playground(self.path)
        taking = Taking(script, self.wishes)
        watch_minimisers(script.text)
        try:
            error = self._run(taking, playground)
        except MinimisedError as found:
            seconds = time.perf_counter() - taking.started
            return found.call, found.call.described(self.path.name, seconds)
        finally:
            os.chdir(home)
        notes = list(playground.notes)
        if taking.step is None and error is not None:
            taken = raised_at(taking, error)
        elif taking.step is None:
            raise RefusedError(no_loop(taking.run))
        else:
            taken, self._others = taking.taken()
        if taking.step is not None:
            idle = unmoved(taken.point, taken.found.loss)
            if idle:
                names = ", ".join(map(label, idle))
                notes.append(f"{names} reach the loss, and the loop never updates them")
        return taken, described(taking, taken, notes)

    def _run(self, taking: Taking, playground: Playground) -> Exception | None:
        """Runs the script; what it raised before a loop was found."""

        def late(*_: Any) -> None:
            why = loops_tried(taking.run)
            tried = f" ({why})" if why else ""
            raise RefusedError(f"no training loop was reached in {PRELUDE_SECONDS:g} s{tried}")

        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, PRELUDE_SECONDS)
        try:
            taking.execute()
        except SystemExit as left:
            if taking.step is None:
                raise RefusedError(
                    f"the script ends itself before it trains: sys.exit({left.code!r})"
                ) from None
        except Exception as error:
            return error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if playground.refusals.happened() and taking.step is None:
                raise RefusedError(playground.refusals.last)
        return None

    def checked(self, taken: Taken | Minimised, overrides: dict[str, Any]) -> Report:
        """The report at the first iteration; of another one, where only that shows a fault."""
        if isinstance(taken, Minimised):
            return taken.case().check(**overrides)
        overrides = {**overrides, "allow": (*overrides.get("allow", ()), CLIPPED)}
        report = self._checked(taken, overrides)
        if report.verdict == "fail":
            return report
        words, common = taken.found.loss.words, taken.found.loss.common
        other = next((one for one in self._others if one.found.loss.words == words), None)
        if other is None:
            return report
        if report.up_to and other_counts(common, other.found.loss.common):
            self.more_notes = ["the factor of all gradients is another one in each iteration"]
            return self._as_it_is
        confirming = {**overrides, "budget": CONFIRMING_SECONDS}
        again = self._rated(other, report, confirming)
        if again.verdict == "fail":
            again = self._checked(other, confirming)
        decided = report.verdict == "inconclusive" and again.ok
        return again if again.verdict == "fail" or decided else report

    def _rated(self, taken: Taken, first: Report, overrides: dict[str, Any]) -> Report:
        """The same check as gave the first report, of another iteration."""
        if not first.up_to:
            return self._checked(taken, {**overrides, "diagnose": bool(first.findings)})
        case = replace(taken, rate=taken.rate * self._factor).case(of_step=True)
        return case.check(**{**overrides, "rtol": max(overrides.get("rtol") or 0.0, MEASURED)})

    def _checked(self, taken: Taken, overrides: dict[str, Any]) -> Report:
        loss, rate = taken.found.loss, taken.point.step.rate
        by_one_factor = taken.of_step and rate.words and loss.common and not loss.family
        data = taken.data() if by_one_factor and not loss.agrees else {}
        report = taken.case().check(**data, **overrides)
        if report.verdict != "fail":
            return report
        if taken.both and loss.family and causes(report) == {"GC604"}:
            again = taken.case(of_step=True).check(**overrides)
            if again.ok:  # with a note of its weight decay
                return again
        again = self._with_a_factor(taken, report, overrides)
        watched = not (loss.strong or self.wishes.loss) and causes(again) == {"GC999"}
        if again.verdict == "fail" and (loss.family or watched) and not fits(again):
            return undecided(again, loss.words)
        return again

    def _with_a_factor(self, taken: Taken, report: Report, overrides: dict[str, Any]) -> Report:
        """A factor of all blocks that no rule explains is one of the learning rate.

        So is any factor where the code has no rate; where no line says what the loss is, it is
        the loss's own.
        """
        loss, rate = taken.found.loss, taken.point.step.rate
        explained = rate.words and not causes(report) <= UNEXPLAINED_FACTOR
        if not loss.common or loss.agrees:
            return report
        worst = [one.worst for one in report.blocks if one.worst and one.worst.numeric]
        ratios = [one.analytic / one.numeric for one in worst]
        precise = float(np.median(ratios)) if ratios else loss.common
        if loss.family:
            family = replace(loss.family, scale=loss.family.scale * precise)
            found = replace(taken.found, loss=replace(loss, family=family))
            case = replace(taken, found=found).case()
            note = f"the updates descend {loss.words}, times {loss.common:.4g}"
        elif taken.of_step:
            case = replace(taken, rate=taken.rate * precise).case(of_step=True)
            note = (
                f"the updates descend {loss.words} as with a rate {loss.common:.4g} times as large"
            )
        else:
            return report
        tolerance = max(overrides.get("rtol") or 0.0, MEASURED)
        again = case.check(**{**overrides, "rtol": tolerance})
        if not again.ok:
            return report
        if explained and not loss.family:
            return of_the_factor(report)
        self.more_notes, self._as_it_is, self._factor = [note], report, precise
        return again if loss.family else replace(again, up_to="the rate")
