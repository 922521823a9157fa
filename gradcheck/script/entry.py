"""A training script given in place of a case: taken apart and checked in a process of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

from gradcheck.casefiles import what_of_checks
from gradcheck.errors import UsageError
from gradcheck.options import Wishes
from gradcheck.report.outcome import Outcome
from gradcheck.report.script import TakenApart
from gradcheck.script.borrowed import borrow_losses
from gradcheck.script.playground import in_process
from gradcheck.script.reading import read_script
from gradcheck.script.time_limit import ending_searches, time_limit
from gradcheck.script.words import RefusedError
from gradcheck.script.work import Work


@dataclass(frozen=True)
class ScriptEntry:
    """A script that contains no case, with the user's options for it."""

    path: Path
    wishes: Wishes = field(default_factory=Wishes)

    @property
    def name(self) -> str:
        """The title of the report."""
        return self.path.stem

    def outcome(self, overrides: Mapping[str, Any]) -> Outcome:
        """Return the outcome of the check; `overrides` replace the arguments of the case."""
        seconds = time_limit(self.wishes, overrides)
        began = time.perf_counter()
        answer: Outcome | str = in_process(partial(self._checked, overrides, False), seconds)
        is_quick = time.perf_counter() - began < self.wishes.seconds
        if is_quick and _is_open(answer) and self._can_borrow():
            again: Outcome | str = in_process(partial(self._checked, overrides, True), seconds)
            answer = again if _is_decided(again) else answer
        if isinstance(answer, Outcome):
            return answer
        reason = f"{self.path.name} holds no case, and could not be taken apart: {answer}"
        if advice := what_of_checks(self.path):
            reason = f"{self.path.name}: {advice}"
        return Outcome(self.name, None, "pass", "pass", (reason,), reason)

    def _can_borrow(self) -> bool:
        """Whether the loss of all data may be that of a batch, and the user names no other."""
        with contextlib.suppress(RefusedError, UsageError):
            return not self.wishes.loss and bool(borrow_losses(read_script(self.path).tree))
        return False

    def description(self) -> TakenApart | str:
        """Describe the script without a check, or say why it cannot be taken apart."""
        work, seconds = partial(Work, self.path, self.wishes, False), time_limit(self.wishes, {})
        said: TakenApart | str = in_process(lambda as_is: work(as_is).described()[1], seconds)
        return said

    def _checked(self, overrides: Mapping[str, Any], borrowing: bool, as_is: bool) -> Outcome:
        """Check the script, with the loss of all data for a batch if `borrowing`."""
        began = time.perf_counter()
        work = Work(self.path, self.wishes, borrowing, as_is)
        taken, described = work.described()
        with ending_searches(began, self.wishes.seconds):
            report = work.checked(taken, {**overrides, "workers": 1})
        described = replace(described, notes=(*described.notes, *work.more_notes))
        failures = () if report.ok else (f"expected pass, came out as {report.verdict}",)
        return Outcome(self.name, report, "pass", "pass", failures, script=described)


def _is_decided(answer: Outcome | str) -> TypeGuard[Outcome]:
    report = answer.report if isinstance(answer, Outcome) else None
    return report is not None and report.verdict != "inconclusive"


def _is_open(answer: Outcome | str) -> bool:
    """Whether nothing is decided, or a gradient is called wrong by a loss that is inferred."""
    if not _is_decided(answer) or answer.report is None:
        return True
    return answer.report.verdict == "fail" and bool(answer.script and answer.script.is_inferred)
