"""The cases that a command line names: what they are called, and what comes of each.

They are asked for by numbers, of files and of their cases, so that processes of their own can be
asked by those that have imported none of this.
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

Asked = tuple[tuple[str, ...], Wishes]
"""The targets of a command line, and what it says of scripts."""


def named_by(asked: Asked) -> list[str]:
    """What is named, a file or a case of it each; no file is imported.

    Raises:
        UsageError: a target does not exist.
    """
    return [
        f"{stem}:{one.case}" if isinstance(one, CaseFile) and one.case else stem
        for one, stem in _files(asked)
    ]


def cases_of(asked: Asked, file: int) -> list[str]:
    """The names of the cases of a file, which is imported; a script is one itself.

    Raises:
        UsageError: a file does not import, or does not hold the case that is wanted of it.
    """
    one, stem = _files(asked)[file]
    if isinstance(one, ScriptEntry):
        return [stem]
    return [f"{stem}:{entry.variant}" for entry in _entries(one)]


def outcome_of(asked: Asked, file: int, case: int, overrides: Mapping[str, Any]) -> Outcome:
    """What comes of one of them; overrides replace arguments of its check."""
    one, stem = _files(asked)[file]
    if isinstance(one, ScriptEntry):
        return _of_script(one, stem, overrides)
    entry = _entries(one)[case]
    return check_case(replace(entry, name=f"{stem}:{entry.variant}"), overrides)


def sent_outcome_of(
    asked: Asked, file: int, case: int, overrides: Mapping[str, Any], drawn: bool
) -> Outcome:
    """The same for another process, which renders it, with pictures or without."""
    outcome = outcome_of(asked, file, case, overrides)
    report = None if outcome.report is None else outcome.report.to_send(drawn)
    return replace(outcome, report=report)


@cache
def _files(asked: Asked) -> list[tuple[CaseFile | ScriptEntry, str]]:
    """What is named, and what its file is called beside the others."""
    found = find_targets(*asked)
    return list(zip(found, kept_apart([one.path for one in found]), strict=True))


@cache
def _entries(file: CaseFile) -> list[CaseEntry]:
    return file.entries()


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
    from gradcheck.diagnose.rule import Traced, detectors
    from gradcheck.diagnose.rules import RULES

    if report.unsearched or report.repair is not None:
        return False
    if not any(block.failed for block in report.blocks):
        return False
    followed = {rule.code for rule, _ in detectors(RULES, Traced)}
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
