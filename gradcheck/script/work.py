"""Takes a script apart and checks its iterations, in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.errors import OutOfTimeError
from gradcheck.options import Wishes
from gradcheck.report.model import Report
from gradcheck.report.script import TakenApart
from gradcheck.script.borrowed import borrow_losses
from gradcheck.script.doubts import of_no_slope
from gradcheck.script.factors import MEASURED, allowing, with_a_factor
from gradcheck.script.handover import Taken
from gradcheck.script.left_alone import left_at_rest, not_updated
from gradcheck.script.minimised import Minimised, MinimisedError, watch_minimisers
from gradcheck.script.playground import Playground
from gradcheck.script.precision import NeedsItsTypesError
from gradcheck.script.raising import raised_at
from gradcheck.script.reading import read_script
from gradcheck.script.refusals import loops_tried, no_loop, places
from gradcheck.script.saying import described, drawn, left_out, unused
from gradcheck.script.steadiness import multiple, other_counts, unsteady
from gradcheck.script.taking import Taking
from gradcheck.script.verdicts import causes, fits, of_the_update, undecided
from gradcheck.script.words import RefusedError

PRELUDE = 1 / 3
"""Time limit for a script to reach its training loop, relative to the same."""

SINGLE = float(np.finfo(np.float32).eps) / 2
"""Relative rounding of a number to float32, as a small framework does it to a constant."""

SECONDS, CONFIRMING_SECONDS = 3.0, 1.0
"""The budgets of the check of an iteration, and of that of a second one."""

DOWNLOADED = ": let it read its data from a file, or make up a few rows"

OUT_OF_TIME = "the time was over before it was known whether a common factor explains all errors"

CLIPPED = "GC412"
"""Rule accepted in a script: the update in a script is the proper place to clip a gradient."""


class Work:
    """The work that is done in the script's own process."""

    def __init__(self, path: Path, wishes: Wishes, borrowing: bool, as_is: bool) -> None:
        self.path = path
        self.wishes = wishes
        self.borrowing = borrowing
        self._as_is = as_is
        self.more_notes: list[str] = []
        self._others: Iterator[Taken] = iter(())
        self._with_all_rows: Callable[[Taken], Taken | None] = lambda _: None
        self._as_it_is: Report
        self._factor = 1.0
        self._unchecked = ""

    def described(self) -> tuple[Taken | Minimised, TakenApart]:
        """Return the iteration to check, and its description.

        Raises:
            RefusedError: the script cannot be taken apart; the message says why.
        """
        script = replace(read_script(self.path), as_is=self._as_is)
        borrowed = borrow_losses(script.tree) if self.borrowing else ()
        home = Path.cwd()
        playground = Playground(self.path)
        taking = Taking(script, self.wishes)
        watch_minimisers(script.text)
        try:
            error = self._run(taking, playground)
        except MinimisedError as minimised:
            seconds = time.perf_counter() - taking.started
            return minimised.call, minimised.call.described(self.path.name, seconds)
        finally:
            os.chdir(home)
        notes = [*playground.notes, *borrowed]
        if taking.step is None and taking.run.marked.is_widened:
            raise NeedsItsTypesError
        if taking.step is None and error is not None:
            taken = raised_at(taking, error)
        elif taking.step is None:
            raise RefusedError(no_loop(taking.run))
        else:
            taken, self._others = taking.taken()
            self._with_all_rows = taking.with_all_rows
        if taking.step is not None and self.wishes.params is None:
            more, self._unchecked = left_out(*not_updated(taken.point, taken.found.loss))
            notes += [*more, *drawn(taken.point.step)]
            if not (self._unchecked or taken.of_step):
                self._unchecked = unused(left_at_rest(taken.point, taken.gradients))
        return taken, described(taking, taken, notes)

    def _run(self, taking: Taking, playground: Playground) -> Exception | None:
        """Run the script; return the exception it raised, if any."""

        def late(*_: Any) -> None:
            tried = f" ({why})" if (why := loops_tried(taking.run)) else ""
            raise RefusedError(
                f"no training loop was reached in {prelude:g} s{tried}; --timeout gives it longer, "
                "fewer rows a shorter pass"
            )

        prelude = PRELUDE * self.wishes.seconds
        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, prelude)
        place = ""
        try:
            taking.execute()
        except SystemExit as exit_:
            if taking.step is None:
                raise RefusedError(
                    f"the script ends itself before it trains: sys.exit({exit_.code!r})"
                ) from None
        except Exception as error:
            place = f" ({places(taking.run, error)})"
            return error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if playground.refusals.happened() and taking.step is None:
                hint = DOWNLOADED if playground.refusals.of_a_download else ""
                raise RefusedError(playground.refusals.last + place + hint)
        return None

    def checked(self, taken: Taken | Minimised, overrides: dict[str, Any]) -> Report:
        """Return the report on the first iteration, or a later one if only that shows a fault."""
        overrides = {"budget": SECONDS, **overrides}
        if isinstance(taken, Minimised):
            return taken.case().check(**overrides)
        report = self._of_iterations(taken, overrides)
        if self._unchecked and report.ok:
            return replace(report, verdict="inconclusive", could_not_check=self._unchecked)
        return report

    def _of_iterations(self, taken: Taken, overrides: dict[str, Any]) -> Report:
        overrides = {**overrides, "allow": (*overrides.get("allow", ()), CLIPPED)}
        report = self._checked(taken, overrides)
        if report.verdict == "fail":
            return report
        return self.while_time(partial(self._of_another, taken, report, overrides), report)

    def while_time(self, further: Callable[[], Report], known: Report) -> Report:
        """Return the report of further checks; what is known if the time for them is over."""
        notes, factor = self.more_notes, self._factor
        try:
            return further()
        except OutOfTimeError:
            self.more_notes, self._factor = notes, factor
            return known

    def _of_another(self, taken: Taken, report: Report, overrides: dict[str, Any]) -> Report:
        """Return the report on another iteration, if only that shows a fault, or decides."""
        loss = taken.found.loss
        other = next((one for one in self._others if multiple(loss, one.found.loss)), None)
        if other is None:
            return report
        counts_differ = other_counts(loss.common, other.found.loss.common)
        if report.up_to and counts_differ and not taken.is_of_mean:
            self.more_notes = ["the common factor of the gradients differs between iterations"]
            return self._as_it_is
        if report.ok and self._factor != 1.0 and (why := unsteady(taken, other, self._factor)):
            return undecided(self._as_it_is, taken.found, why)
        if other.found.loss.words != loss.words:
            return report
        confirming = {**overrides, "budget": CONFIRMING_SECONDS}
        again = self._rated(other, report, confirming)
        if again.verdict == "fail":
            again = self._checked(other, confirming)
        decided = report.verdict == "inconclusive" and again.ok
        return again if again.verdict == "fail" or decided else report

    def _rated(self, taken: Taken, first: Report, overrides: dict[str, Any]) -> Report:
        """Repeat on another iteration the check that gave the report `first`."""
        if not first.up_to:
            return self._checked(taken, {**overrides, "diagnose": bool(first.findings)})
        return taken.rescaled(self._factor).check(**allowing(overrides, MEASURED))

    def _checked(self, taken: Taken, overrides: dict[str, Any]) -> Report:
        """Return the report on an iteration; on all rows, if with fewer only it is not right."""
        report = self._of_its_rows(taken, overrides)
        is_off = report.verdict == "fail" or report.up_to
        whole = self._with_all_rows(taken) if is_off else None
        if whole is None or np.array_equal(whole.at_start(), taken.at_start()):
            return report
        own, loss = taken.found.loss, whole.found.loss
        is_same = own.site == loss.site and bool(own.family) == bool(loss.family)
        if is_same and not loss.agrees:
            return report
        return self.while_time(partial(self._of_all_rows, whole, overrides), report)

    def _of_all_rows(self, whole: Taken, overrides: dict[str, Any]) -> Report:
        self.more_notes, self._factor = [], 1.0
        report = self._of_its_rows(whole, overrides)
        self.more_notes.insert(0, "with all rows it is not so, and these are checked")
        return report

    def _of_its_rows(self, taken: Taken, overrides: dict[str, Any]) -> Report:
        loss, rate = taken.found.loss, taken.point.step.rate
        by_one_factor = taken.of_step and rate.words and loss.common and not loss.family
        data = taken.data() if by_one_factor and not loss.agrees else {}
        if taken.is_complex and loss.family:  # the line of a doubtful bug takes too many edits
            overrides = {**overrides, "diagnose": False}
        report = taken.case().check(**data, **overrides)
        if report.verdict != "fail" and CLIPPED not in causes(report):
            return report
        is_sure = any(block.verdict == "ok" for block in report.blocks)
        known = report if is_sure else undecided(report, taken.found, OUT_OF_TIME)
        return self.while_time(partial(self._judged, taken, report, data, overrides), known)

    def _judged(
        self, taken: Taken, report: Report, data: dict[str, Any], overrides: dict[str, Any]
    ) -> Report:
        """Return a report with what other factors, another loss or other updates explain."""
        loss = taken.found.loss
        if any(one.failed and (one.max_rel_error or 1.0) <= SINGLE for one in report.blocks):
            overrides = allowing(overrides, SINGLE)
            report = taken.case().check(**data, **overrides)
            self.more_notes = ["errors below the precision of float32 are not counted"]
            if report.verdict != "fail":
                return report
        if taken.both and loss.family and "GC604" in causes(report):
            again = taken.case(of_step=True).check(**overrides)
            if again.ok:  # the report mentions the weight decay in a note
                return again
            report = report if "GC604" in causes(again) else again
        if taken.added:
            itself = replace(taken, added=frozenset()).case()
            undiagnosed = itself.check(**{**overrides, "diagnose": False})
            report = of_the_update(report, undiagnosed, taken.line_of_update())
        found = with_a_factor(taken, report, overrides)
        again = of_no_slope(found.report, taken)
        if found.note:
            self.more_notes = [found.note]
        if found.factor != 1.0:
            self._as_it_is, self._factor = report, found.factor
        watched = not loss.strong and causes(again) == {"GC999"}
        in_doubt = not self.wishes.loss and (loss.family or watched or self.borrowing)
        is_constant_known = loss.has_constant and not self.borrowing
        if again.verdict == "fail" and in_doubt and not fits(again, is_constant_known):
            return undecided(again, taken.found)
        return again
