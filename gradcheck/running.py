"""Find the cases named on a command line, and check them one at a time.

Files and cases are addressed by number, so that the process that shows the results can have another
one check them (`commands/outcomes.py`) without importing the engine itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from gradcheck.casefiles import CaseEntry, CaseFile, bundled_folder, kept_apart
from gradcheck.errors import UsageError
from gradcheck.files import from_here
from gradcheck.options import Wishes
from gradcheck.report.model import Report
from gradcheck.report.outcome import Outcome
from gradcheck.script import ScriptEntry, find_targets
from gradcheck.user.calls import UserCodeError

UNKNOWN = "GC999"


class Request:
    """The files and scripts named on a command line.

    Args:
        targets: names of cases, files, folders and scripts.
        wishes: the user's statements about the scripts.

    Raises:
        UsageError: a target does not exist.
    """

    def __init__(self, targets: tuple[str, ...], wishes: Wishes) -> None:
        self._files = find_targets(targets, wishes)
        self._stems = kept_apart([file.path for file in self._files])
        self._entries: dict[int, list[CaseEntry]] = {}

    @property
    def names(self) -> list[str]:
        """One name per file, with the case if only one is wanted; no file is imported."""
        return [
            f"{stem}:{file.case}" if isinstance(file, CaseFile) and file.case else stem
            for file, stem in zip(self._files, self._stems, strict=True)
        ]

    def cases(self, number: int) -> list[str]:
        """Import a file and return the names of its cases; a script is one case.

        Raises:
            UsageError: the file does not import, or does not hold the case that is wanted of it.
        """
        file, stem = self._files[number], self._stems[number]
        if isinstance(file, ScriptEntry):
            return [stem]
        if number not in self._entries:
            self._entries[number] = file.entries()
        return [f"{stem}:{entry.variant}" for entry in self._entries[number]]

    def outcome(self, number: int, case: int, overrides: Mapping[str, Any]) -> Outcome:
        """Check one case of a file; `overrides` replace arguments of its check."""
        name, file = self.cases(number)[case], self._files[number]
        if isinstance(file, ScriptEntry):
            return _of_script(file, name, overrides)
        return check_case(replace(self._entries[number][case], name=name), overrides)


_asked = cache(Request)
"""In a worker process: the one request that it serves, so that a file is imported once."""


def names_of(targets: tuple[str, ...], wishes: Wishes) -> list[str]:
    """Return `Request.names`, in a worker process."""
    return _asked(targets, wishes).names


def cases_of(targets: tuple[str, ...], wishes: Wishes, number: int) -> list[str]:
    """Return `Request.cases`, in a worker process."""
    return _asked(targets, wishes).cases(number)


def outcome_of(
    asked: tuple[tuple[str, ...], Wishes],
    number: int,
    case: int,
    overrides: Mapping[str, Any],
    drawn: bool,
) -> Outcome:
    """Check a case in a worker process; return the outcome without arrays, ready to be sent.

    Pictures are included only if they will be drawn.
    """
    outcome = _asked(*asked).outcome(number, case, overrides)
    report = None if outcome.report is None else outcome.report.to_send(drawn)
    return replace(outcome, report=report)


def check_case(entry: CaseEntry, overrides: Mapping[str, Any]) -> Outcome:
    """What comes of a case, whatever its code does; overrides replace arguments of its check."""
    expectation = None
    try:
        case, expectation = entry.build()
        report = case.check(**overrides)
    except UsageError as error:
        reason = str(error)
    except UserCodeError as error:
        reason = f"{error.raised.call} raised {error.raised.summary_and_place}"
    else:
        differences = tuple(expectation.differences(report))
        return Outcome(
            entry.name,
            report,
            expectation.plain(),
            expectation.verdict,
            differences,
            repair=_command(entry) if differences and _is_mendable(report) else None,
        )
    expected = "pass" if expectation is None else expectation.plain()
    verdict = None if expectation is None else expectation.verdict
    return Outcome(entry.name, None, expected, verdict, (reason,), reason)


def _is_mendable(report: Report) -> bool:
    """Whether an edit is likely to mend what was found, or the cause is not known."""
    from gradcheck.diagnose.rule import Traced
    from gradcheck.diagnose.rules import RULES, detectors

    if report.unsearched or report.repair is not None:
        return False
    if not any(block.failed for block in report.blocks):
        return False
    followed = {rule.code for rule, _ in detectors(Traced)}
    mended = {UNKNOWN, *followed, *(rule.code for rule in RULES if rule.edits)}
    return any(one.code in mended for one in report.errors)


def _command(entry: CaseEntry) -> str:
    path = Path(entry.file)
    bundled = path.parent.resolve() == bundled_folder()
    target = entry.name if bundled else f"{from_here(path)}:{entry.variant}"
    return f"gradcheck repair {shlex.quote(target)}"


def _of_script(script: ScriptEntry, name: str, overrides: Mapping[str, Any]) -> Outcome:
    outcome = script.outcome(overrides)
    may_mend = outcome.report is not None and outcome.differences and _is_mendable(outcome.report)
    command = f"gradcheck repair {shlex.quote(str(from_here(script.path)))}"
    return replace(outcome, name=name, repair=command if may_mend else None)
